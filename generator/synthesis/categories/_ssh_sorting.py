"""Exchange steps, merges, selections: the sorting half of the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._ssh_values import item_value
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def key_type(p: ProgramBuilder, floats: bool = True) -> T.Scalar:
    """Type of the keys of one program."""
    weights = {T.I32: 4, T.U32: 3, T.I64: 2, T.U64: 2}
    if floats:
        weights |= {T.F32: 4, T.F64: 0.7}
    return p.weighted(weights)


def key_fill(t: T.Scalar, high: int = 1000) -> R.Fill:
    """Random keys."""
    return R.uniform(0.0, float(high)) if t.is_float else R.integers(0, high)


def _payload(p: ProgramBuilder, e: Entities) -> list[Field]:
    payload = []
    if p.chance(0.55):
        payload.append(e.inout("values|indices|payload|ids", T.I32, R.permutation()))
    if p.chance(0.15):
        payload.append(e.inout("weights|attributes|data", T.F32, R.uniform(0.0, 1.0)))
    return payload


def _swap(
    p: ProgramBuilder,
    k: KernelBuilder,
    fields: list[Field],
    a: Expr,
    b: Expr,
    loaded: tuple[Expr, Expr] | None,
) -> None:
    for number, f in enumerate(fields):
        if number == 0 and loaded:
            k.set(f[a], loaded[1])
            k.set(f[b], loaded[0])
        else:
            held = k.let(f"tmp|held_{number}|t{number}", f[a])
            k.set(f[a], f[b])
            k.set(f[b], held)


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


def binary_search(p: ProgramBuilder, t: T.Scalar, array: T.Array, upper: bool) -> UserFunction:
    """A `@wp.func` for the first position whose key is not below (or is above) a value."""
    whole = p.chance(0.4)
    three_way = p.chance(0.3)

    def body(b: Block, data: Expr, *rest: Expr) -> None:
        *bounds, value = rest
        lo = b.var("lo|left|first", bounds[0] if bounds else 0)
        hi = b.var("hi|right|last", bounds[1] if bounds else data.dim(0))
        with b.repeat(lo < hi):
            mid = b.let("mid|m|middle", lo + (hi - lo) // 2 if three_way else (lo + hi) // 2)
            with b.when(data[mid] <= value if upper else data[mid] < value):
                b.set(lo, mid + 1)
            with b.otherwise():
                b.set(hi, mid)
        b.ret(lo)

    params: dict[str, T.Type] = {"data|array|sorted_keys": array}
    if not whole:
        params |= {"begin|start": T.I32, "end|stop": T.I32}
    hint = (
        "upper_bound|count_not_above" if upper else "lower_bound_of|find_first|count_below|bisect"
    )
    doc = p.pick("", f"First index whose key is {'above' if upper else 'not below'} the value.")
    return p.func(hint, params | {"value|key|target": t}, body, doc)


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


def top_k(p: ProgramBuilder) -> None:
    """The k smallest or largest entries of every row, by insertion into a short sorted list."""
    count = p.pick(3, 4, 5, 8)
    largest, vector = p.chance(0.4), p.chance(0.35)
    k = p.kernel_builder(
        "top_k|k_smallest|k_nearest|select_top_k|row_top_k|insert_candidates|knn_brute_force",
        p.pick(
            "Keep the k best entries of every row.",
            "Insertion into a short sorted list.",
            "k nearest by brute force.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "row", count=p.pick(32, 48, 64), index="row|i|tid")
    e.guard()
    metric, width = _candidates(p, k, e)
    bad = -1.0e9 if largest else 1.0e9
    if vector:
        best: Expr = k.var("best|top|kept", construct(T.Vec(count), bad))
        best_at: Expr = k.var("best_idx|arg|kept_idx", construct(T.Vec(count, T.I32), -1))
        slots, ids = (lambda s: best[s]), (lambda s: best_at[s])
    else:
        values = Table(
            e, "top_values|distances|best", T.F32, (e.n, count), R.constant(bad), "inout"
        )
        index = Table(
            e, "top_indices|neighbors|best_idx", T.I32, (e.n, count), R.constant(-1), "inout"
        )
        slots, ids = (lambda s: values[e.index, s]), (lambda s: index[e.index, s])
    with k.loop("j|candidate|col", width) as j:
        d = metric(j)
        with k.when(d <= slots(count - 1) if largest else d >= slots(count - 1)):
            k.cont()
        _insert(p, k, slots, ids, d, j, count, largest)
    if vector:
        e.out("top_values|best_values|nearest_dist", T.Vec(count)).store(best)
        e.out("top_indices|nearest|neighbors", T.Vec(count, T.I32)).store(best_at)
    if p.chance(0.4):
        e.out("kth_value|cutoff_out|radius_out", T.F32).store(slots(count - 1))
    if p.chance(0.35):
        _vote(p, k, e, slots, ids, count, width, bad)


def _insert(
    p: ProgramBuilder, k: KernelBuilder, slots, ids, d: Expr, j: Expr, count: int, largest: bool
) -> None:  # type: ignore[no-untyped-def]
    if p.chance(0.6):
        at = k.var("slot|pos|s", count - 1)
        before = slots(at - 1) < d if largest else slots(at - 1) > d
        with k.repeat(all_of(at > 0, before)):
            k.set(slots(at), slots(at - 1))
            k.set(ids(at), ids(at - 1))
            k.aug(at, "-", 1)
        k.set(slots(at), d)
        k.set(ids(at), j)
        return
    value, who = k.var("value|carry|moving", d), k.var("who|carry_idx|moving_idx", j)
    with k.loop("s|slot|q", count) as s:
        with k.when(slots(s) < value if largest else slots(s) > value):
            held, held_id = (
                k.let("held|out_value|tmp", slots(s)),
                k.let("held_idx|out_idx|tmp_idx", ids(s)),
            )
            k.set(slots(s), value)
            k.set(ids(s), who)
            k.set(value, held)
            k.set(who, held_id)


def _vote(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    slots,
    ids,
    count: int,
    width: Expr,
    bad: float,
) -> None:  # type: ignore[no-untyped-def]
    targets = Table(e, "targets_y|responses|labels_y", T.F32, (64,), R.uniform(-1.0, 1.0))
    total, norm = k.var("total|weighted|acc", 0.0), k.var("norm|weight_sum|mass", 0.0)
    with k.loop("s|slot|q", count) as s:
        with k.when(ids(s) < 0 if p.chance(0.5) else slots(s) == bad):
            k.brk()
        w = k.let(
            "w|weight|alpha",
            1.0 / (wp.abs(slots(s)) + 0.1) if p.chance(0.5) else wp.exp(-wp.abs(slots(s))),
        )
        k.aug(total, "+", w * targets[ids(s)])
        k.aug(norm, "+", w)
    with k.when(norm > 0.0):
        e.out("predictions|interpolated|estimates", T.F32).store(total / norm)


def _candidates(p: ProgramBuilder, k: KernelBuilder, e: Entities):  # type: ignore[no-untyped-def]
    columns = p.pick(24, 32, 48)
    if p.chance(0.4):
        scores = Table(e, "scores|distances_in|values", T.F32, (e.n, columns), R.uniform(0.0, 10.0))
        width = (
            scores.extent(1)
            if p.chance(0.5)
            else k.count("num_columns|width|num_candidates", columns)
        )
        masked = (
            Table(e, "valid|mask|allowed", T.I32, (columns,), R.mask(0.8), shared=True)
            if p.chance(0.35)
            else None
        )

        def entry(j: Expr) -> Expr:
            if masked is not None:
                with k.when(masked[j] == 0):
                    k.cont()
            return k.let("d|score|value", scores[e.index, j])

        return entry, width
    n = p.pick(2, 3, 4)
    query = e.field("queries|points|x", T.Vec(n), R.uniform(-1.0, 1.0)).read("q|query|xi")
    database = Table(
        e, "database|targets|y", T.Vec(n), (columns,), R.uniform(-1.0, 1.0), shared=p.chance(0.5)
    )
    distance = _distance(p, T.Vec(n))
    cutoff = k.param("max_radius|cutoff|search_radius", 0.6, 2.0) if p.chance(0.35) else None
    skip_self = p.chance(0.3)

    def metric(j: Expr) -> Expr:
        if skip_self:
            with k.when(j == e.index):
                k.cont()
        d = k.let("d|dist|d2", distance(query, database[j]))
        if cutoff is not None:
            with k.when(d > cutoff):
                k.cont()
        return d

    return metric, database.extent() if p.chance(0.5) else k.count(
        "num_targets|num_points|n", columns
    )


def _distance(p: ProgramBuilder, t: T.Vec):  # type: ignore[no-untyped-def]
    """A maker of distances between two vectors, inline or a function."""
    form = p.pick("euclid", "squared", "manhattan", "cosine", "periodic")

    def value(b: Block, x: Expr, y: Expr) -> Expr:
        if form == "cosine":
            return 1.0 - wp.dot(x, y) / (wp.length(x) * wp.length(y) + 1.0e-6)
        delta = b.let("delta|diff|r", y - x)
        if form == "manhattan":
            total = wp.abs(delta[0]) + wp.abs(delta[1])
            for axis in range(2, t.n):
                total = total + wp.abs(delta[axis])
            return total
        if form == "periodic":
            size = 2.0
            wrapped = [delta[a] - size * wp.round(delta[a] / size) for a in range(t.n)]
            delta = b.let("wrapped|min_image", construct(t, *wrapped))
        return wp.dot(delta, delta) if form == "squared" else wp.length(delta)

    if p.chance(0.4):
        block = p.kernel
        assert block is not None
        return lambda x, y: value(block, x, y)
    return p.func(
        f"{form}_distance|distance_between|metric",
        {"a|x": t, "b|y": t},
        lambda b, x, y: b.ret(value(b, x, y)),
    )


def window_order(p: ProgramBuilder) -> None:
    """Order statistics in a sliding window: running median, minimum, maximum, percentile."""
    width = p.pick(3, 5, 5, 7, 9)
    k = p.kernel_builder(
        "median_filter|running_median|window_rank|percentile_filter|despike|rank_filter",
        p.pick("Sorts a small window held in a local vector.", "Running median of a signal.", ""),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "sample", index="i|tid")
    signal = e.field("signal|samples|src", T.F32, R.normal(0.0, 1.0))
    e.guard()
    window = k.var("window|buf|sorted_vals", construct(T.Vec(width), 0.0))
    half = width // 2
    with k.loop("s|offset|w", width) as s:
        at = k.let("j|src_idx|pos", wp.clamp(e.index + s - half, 0, e.count() - 1))
        k.set(window[s], signal[at])
    _insertion(p, k, window, width)
    middle = _window_value(p, k, window, width)
    out = e.out("filtered|dst|signal_out", T.F32)
    match p.pick("plain", "despike", "blend"):
        case "plain":
            out.store(middle)
        case "despike":
            limit = k.param("threshold|max_jump|spike_limit", 0.2, 2.0)
            value = k.let("value|raw|x", signal.own)
            spike = k.let("is_spike|outlier", wp.abs(value - middle) > limit)
            out.store(choose(spike, middle, value))
            if p.chance(0.5):
                with k.when(spike):
                    Table(e, "num_spikes|replaced|outliers", T.I32, (1,), role="out").add(1, 0)
        case "blend":
            mix = k.param("strength|mix|alpha", 0.2, 1.0)
            out.store(signal.own * (1.0 - mix) + middle * mix)


def _window_value(p: ProgramBuilder, k: KernelBuilder, window: Name, width: int) -> Expr:
    half = width // 2
    match (
        p.pick("median", "median", "extreme", "trimmed", "midrange", "tercile")
        if width > 3
        else "median"
    ):
        case "extreme":
            return k.let("extreme|edge_value", window[p.pick(0, width - 1)])
        case "trimmed":
            cut = 1
            total = k.var("total|kept_sum|acc", 0.0)
            with k.loop("q|kept|m", cut, width - cut) as q:
                k.aug(total, "+", window[q])
            return k.let("trimmed|trimmed_mean|robust", total / float(width - 2 * cut))
        case "midrange":
            return k.let("midrange|centre", 0.5 * (window[1] + window[width - 2]))
        case "tercile":
            return k.let(
                "smoothed|hodges|tri_mean",
                0.25 * (window[half - 1] + window[half + 1]) + 0.5 * window[half],
            )
    return k.let("median|med|rank_value", window[half])


def _insertion(p: ProgramBuilder, k: KernelBuilder, window: Name, width: int) -> None:
    if p.chance(0.5):
        with k.loop("a|outer|i0", 1, width) as i:
            key = k.let("key|held|v", window[i])
            at = k.var("b|hole|j0", i)
            with k.repeat(all_of(at > 0, window[at - 1] > key)):
                k.set(window[at], window[at - 1])
                k.aug(at, "-", 1)
            k.set(window[at], key)
        return
    with k.loop("a|outer|pass_id", width - 1), k.loop("b|inner|q", width - 1) as j:
        with k.when(window[j] > window[j + 1]):
            held = k.let("tmp|held|t", window[j])
            k.set(window[j], window[j + 1])
            k.set(window[j + 1], held)


def digit_of(p: ProgramBuilder, t: T.Scalar, bits: int) -> UserFunction:
    """A `@wp.func` for one digit of a key."""

    def body(b: Block, key: Expr, shift: Expr) -> None:
        b.ret(cast(T.I32, (key >> shift) & ((1 << bits) - 1)))

    return p.func(
        "digit|extract_digit|radix_digit|get_digit", {"key|value": t, "shift|bit": t}, body
    )
