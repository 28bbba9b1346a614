"""Exchange steps, ranks and merges, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._ssh_keys import binary_search, key_fill, key_type
from generator.synthesis.categories._ssh_values import item_value
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def bitonic(p: ProgramBuilder) -> None:
    """One compare-exchange pass of a bitonic network."""
    n = p.pick(64, 128, 256)
    halved = p.chance(0.45)
    k = p.kernel_builder(
        "bitonic_step|bitonic_pass|compare_exchange|bitonic_merge_step|sort_step",
        p.pick(
            "One pass of a bitonic sorting network.",
            "Compare-exchange at distance `stride`.",
            "Every thread looks after one pair.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "pair" if halved else "key", count=n // 2 if halved else n, index="tid|i|t")
    size = k.count("block_size|size|k_stage|span", p.pick(8, 16, 32, n))
    stride = k.count("stride|j_stage|distance", p.pick(1, 2, 4))
    t = key_type(p)
    keys = Table(e, "keys|sort_keys|data", t, (n,), key_fill(t), "inout")
    extra = (
        [Table(e, "values|payload|indices", T.I32, (n,), R.permutation(), "inout")]
        if p.chance(0.55)
        else []
    )
    if halved:
        low = k.let("low|i|left", (e.index // stride) * (stride * 2) + e.index % stride)
        high = k.let("high|partner|right", low + stride)
    else:
        low, high = e.index, k.let("partner|other|ixj", e.index ^ stride)
        if p.chance(0.5):
            with k.when(high <= low):
                k.ret()
        else:
            with k.when(
                any_of(high < low, high >= (e.count() if p.chance(0.5) else keys.extent()))
            ):
                k.ret()
    ascending = k.let("ascending|up|direction", (low & size) == 0)
    a, b = k.let("a|key_a|x", keys[low]), k.let("b|key_b|y", keys[high])
    _exchange_when(p, k, a, b, ascending, [keys, *extra], low, high)


def _exchange_when(
    p: ProgramBuilder,
    k: KernelBuilder,
    a: Expr,
    b: Expr,
    ascending: Expr,
    tables: list[Table],
    low: Expr,
    high: Expr,
) -> None:
    form = (
        p.pick("equal", "or", "branches", "minmax")
        if len(tables) == 1
        else p.pick("equal", "or", "branches")
    )

    def swap() -> None:
        k.set(tables[0][low], b)
        k.set(tables[0][high], a)
        for table in tables[1:]:
            held = k.let("tmp|held|v", table[low])
            k.set(table[low], table[high])
            k.set(table[high], held)

    if form == "minmax":
        small, large = (
            k.let("lo|small|lo_key", wp.min(a, b)),
            k.let("hi|large|hi_key", wp.max(a, b)),
        )
        k.set(
            tables[0][low],
            choose(ascending, small, large) if p.chance(0.5) else wp.where(ascending, small, large),
        )
        k.set(
            tables[0][high],
            choose(ascending, large, small) if p.chance(0.5) else wp.where(ascending, large, small),
        )
    elif form == "equal":
        with k.when((a > b) == ascending):
            swap()
    elif form == "or":
        with k.when(
            any_of(all_of(ascending, a > b), all_of(N.Unary("not", ascending, T.BOOL), a < b))
        ):
            swap()
    else:
        exchange = k.var("exchange|do_swap|swap", N.literal(False, T.BOOL))
        with k.when(ascending):
            k.set(exchange, a > b)
        with k.otherwise():
            k.set(exchange, a < b)
        with k.when(exchange):
            swap()


def odd_even(p: ProgramBuilder) -> None:
    """One phase of odd-even transposition, rows of a batch at once."""
    n = p.pick(50, 64, 99, 128)
    k = p.kernel_builder(
        "odd_even_step|transposition_phase|odd_even_sort_pass|brick_sort_step",
        p.pick(
            "Odd-even transposition, one phase.", "Compare and swap neighbours of one parity.", ""
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "pair", count=n // 2, index="tid|pair|t")
    phase = k.scalar("phase|parity|step", T.I32, p.pick(0, 1))
    t = key_type(p)
    keys = Table(e, "keys|data|values", t, (n,), key_fill(t), "inout")
    extra = [
        Table(e, f"{h}|{h}_in", d, (n,), f, "inout")
        for h, d, f in (("ids", T.I32, R.permutation()), ("weights", T.F32, R.uniform(0.0, 1.0)))
        if p.chance(0.4)
    ]
    i = k.let("i|left|first", 2 * e.index + (phase % 2 if p.chance(0.3) else phase))
    with k.when(i + 1 >= (keys.extent() if p.chance(0.5) else k.count("num_keys|n|count", n))):
        k.ret()
    a, b = k.let("a|left_key|x", keys[i]), k.let("b|right_key|y", keys[i + 1])
    descending = p.chance(0.25)
    with k.when(a < b if descending else a > b):
        k.set(keys[i], b)
        k.set(keys[i + 1], a)
        for table in extra:
            held = k.let("tmp|held|moved", table[i])
            k.set(table[i], table[i + 1])
            k.set(table[i + 1], held)
        if p.chance(0.4):
            Table(e, "swapped|changed|num_swaps", T.I32, (1,), role="out").add(1, 0)


def rank_sort(p: ProgramBuilder) -> None:
    """Position of each key by counting those before it, then a scatter."""
    k = p.kernel_builder(
        "rank_sort|counting_rank|compute_ranks|sort_by_rank|stable_rank|rank_keys",
        p.pick(
            "Rank of every key by comparison with all others.",
            "Stable rank sort for short arrays.",
            "",
        ),
    )
    e = Entities(k, "key", count=p.pick(48, 64, 100), index="i|tid")
    t = key_type(p)
    derived = item_value(p, e, 1.0) if p.chance(0.5) else None
    if derived is None:
        keys = e.field("keys|data|scores", t, key_fill(t, 60))
    else:
        t = T.F32
    read = derived or (lambda j: keys.own if j is None else keys[j])
    e.guard()
    own = k.let("key|mine|key_i", read(None))
    rank = k.var("rank|position|smaller", 0)
    segment = (
        e.field("segment_ids|groups|bucket", T.I32, R.integers(0, 4)) if p.chance(0.3) else None
    )
    with k.loop("j|other", e.count()) as j:
        if segment is not None:
            with k.when(segment[j] != segment.own):
                k.cont()
        _count_before(p, k, own, read(j), e.index, j, rank)
    if segment is not None or p.chance(0.4):
        e.out("ranks|rank_out|order", T.I32).store(rank)
    else:
        e.out("sorted_keys|keys_out|sorted_data", t).store(own, rank)
        if p.chance(0.6):
            e.out("sorted_indices|argsort|perm", T.I32).store(e.index, rank)


def _count_before(
    p: ProgramBuilder, k: KernelBuilder, own: Expr, other: Expr, i: Expr, j: Expr, rank: Name
) -> None:
    other = k.let("key_j|theirs|q", other)
    before = any_of(other < own, all_of(other == own, j < i))
    match p.pick("if", "ternary", "split"):
        case "if":
            with k.when(before):
                k.aug(rank, "+", 1)
        case "ternary":
            k.aug(rank, "+", choose(before, 1, 0))
        case "split":
            with k.when(other < own):
                k.aug(rank, "+", 1)
            with k.elsewhen(all_of(other == own, j < i)):
                k.aug(rank, "+", 1)


def _search(k: KernelBuilder, f: UserFunction, data: Expr, value: Expr) -> Expr:
    if len(f.params) == 2:
        return f(data, value)
    return f(data, 0, data.dim(0), value)


def merge(p: ProgramBuilder) -> None:
    """Merge of two sorted runs: each element's place is its own index plus its rank in the other run."""
    n, m = p.pick(32, 48, 64), p.pick(32, 40, 80)
    t = key_type(p)
    fill = R.ascending(0.0, 500.0)
    k = p.kernel_builder(
        "merge_runs|merge_sorted|merge_by_rank|parallel_merge",
        p.pick(
            "Merge two sorted arrays by ranking each element in the other.",
            "Parallel merge of sorted runs.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    k.launch_dim = (n + m,)
    tid = k.let("tid|i|t", wp.tid())
    a, b = k.array("a|left_keys|run_a", t, (n,), fill), k.array("b|right_keys|run_b", t, (m,), fill)
    merged = k.out("merged|keys_out|output", t, (n + m,))
    source = k.out("source|origin|perm", T.I32, (n + m,)) if p.chance(0.5) else None
    low, high = binary_search(p, t, T.Array(t), False), binary_search(p, t, T.Array(t), True)
    size = a.dim(0) if p.chance(0.5) else k.count("n_left|num_a|len_a", n)
    with k.when(tid < size):
        where = k.let("dst|slot|out_pos", tid + _search(k, low, b, a[tid]))
        k.set(merged[where], a[tid])
        if source is not None:
            k.set(source[where], tid)
        if p.chance(0.4):
            k.ret()
            _merge_right(k, tid, size, high, a, b, merged, source, None)
            return
    _merge_right(k, tid, size, high, a, b, merged, source, k.otherwise())


def _merge_right(
    k: KernelBuilder,
    tid: Expr,
    size: Expr,
    high: UserFunction,
    a: Expr,
    b: Expr,
    merged: Expr,
    source: Expr | None,
    block,
) -> None:  # type: ignore[no-untyped-def]
    if block is not None:
        with block:
            _merge_right(k, tid, size, high, a, b, merged, source, None)
        return
    j = k.let("j|jb|pos_b", tid - size)
    where = k.let("dst|slot|out_pos", j + _search(k, high, a, b[j]))
    k.set(merged[where], b[j])
    if source is not None:
        k.set(source[where], tid)
