"""Segmented and keyed reductions, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._ssh_keys import key_type
from generator.synthesis.categories._ssh_values import item_value
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def segments(p: ProgramBuilder) -> None:
    """One result per segment of a row-offset layout."""
    k = p.kernel_builder(
        "segment_reduce|reduce_rows|segmented_sum|row_statistics|segment_max|csr_row_reduce",
        p.pick(
            "Reduce every segment.",
            "Segmented reduction over row offsets.",
            "Statistics per segment, serial within it.",
        ),
    )
    e = Entities(k, "segment", count=p.pick(24, 32, 48), index="tid|seg|s|row")
    p.real = T.F64 if p.on("double") else T.F32
    total = e.n * p.pick(5, 8, 12)
    e.guard()
    offsets = Table(e, "offsets|row_offsets|segment_start", T.I32, (e.n + 1,), R.offsets(total))
    values = Table(e, "values|data|entries", p.real, (total,), R.uniform(-2.0, 2.0))
    begin, end = (
        k.let("begin|start|first", offsets[e.index]),
        k.let("end|stop|last", offsets[e.index + 1]),
    )
    empty = p.chance(0.5)
    if empty:
        with k.when(any_of(begin == end) if p.chance(0.5) else end <= begin):
            if p.chance(0.5):
                e.out("empty|is_empty|missing", T.I32).store(1)
            k.ret()
    {
        "sum": _segment_sum,
        "extreme": _segment_extreme,
        "moments": _segment_moments,
        "softmax": _segment_softmax,
    }[p.pick("sum", "extreme", "moments", "softmax")](p, k, e, values, begin, end)


def _segment_sum(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, values: Table, begin: Expr, end: Expr
) -> None:
    acc = k.var("acc|total|running", 0.0, p.real)
    compensation = k.var("comp|c|lost", 0.0, p.real) if p.chance(0.3) else None
    index = (
        Table(
            e, "gather|item_ids|source", T.I32, (values.array.type.ndim * 64,), R.integers(0, e.n)
        )
        if p.chance(0.2)
        else None
    )  # type: ignore[union-attr]
    with k.loop("j|item|e", begin, end) as j:
        value = values[j if index is None else index[j % 64]]
        if p.chance(0.3):
            value = value * values[j] if p.chance(0.5) else wp.abs(value)
        if compensation is None:
            k.aug(acc, "+", value)
        else:
            y = k.let("y|adjusted", value - compensation)
            t = k.let("t|new_acc", acc + y)
            k.set(compensation, (t - acc) - y)
            k.set(acc, t)
    mean = p.chance(0.4)
    count = construct(p.real, end - begin)
    result = acc / wp.max(count, 1.0) if mean else acc
    e.out("sums|means|result" if mean else "sums|totals|result", p.real).store(result)


def _segment_extreme(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, values: Table, begin: Expr, end: Expr
) -> None:
    highest = p.chance(0.6)
    best = k.var("best|extreme|top", -1.0e10 if highest else 1.0e10, p.real)
    where = k.var("best_at|arg|where", -1)
    with k.loop("j|item|e", begin, end) as j:
        v = k.let("v|value|x", values[j])
        with k.when(v > best if highest else v < best):
            k.set(best, v)
            k.set(where, j)
    with k.when(where >= 0):
        e.out("extremes|max_values|best_values", p.real).store(best)
    argument = e.out("argmax|arg_extreme|best_index", T.I32)
    if p.chance(0.3):  # counted from the start of the segment
        argument.store(choose(where >= 0, where - begin, -1))
    else:
        argument.store(where)


def _segment_moments(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, values: Table, begin: Expr, end: Expr
) -> None:
    n = k.let("n|count|m", construct(p.real, wp.max(end - begin, 1)))
    mean_out, var_out = e.out("means|mean|mu", p.real), e.out("variances|var_out|sigma_sq", p.real)
    if p.chance(0.5):
        s1, s2 = k.var("s1|sum_x|total", 0.0, p.real), k.var("s2|sum_sq|total_sq", 0.0, p.real)
        with k.loop("j|item|e", begin, end) as j:
            x = k.let("x|v", values[j])
            k.aug(s1, "+", x)
            k.aug(s2, "+", x * x)
        mean = k.let("mean_x|avg|mu_s", s1 / n)
        mean_out.store(mean)
        var_out.store(wp.max(s2 / n - mean * mean, 0.0))
        return
    mean, m2 = k.var("mean_x|avg|mu_s", 0.0, p.real), k.var("m2|spread|ss", 0.0, p.real)
    with k.loop("j|item|e", begin, end) as j:
        delta = k.let("delta|d", values[j] - mean)
        k.aug(mean, "+", delta / construct(p.real, j - begin + 1))
        k.aug(m2, "+", delta * (values[j] - mean))
    mean_out.store(mean)
    var_out.store(m2 / n)


def _segment_softmax(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, values: Table, begin: Expr, end: Expr
) -> None:
    size = values.array.type
    assert isinstance(size, T.Array)
    top = k.var("peak|largest|shift", -1.0e10, p.real)
    with k.loop("j|item|e", begin, end) as j:
        k.set(top, wp.max(top, values[j]))
    norm = k.var("norm|partition|z", 0.0, p.real)
    with k.loop("j|item|e", begin, end) as j:
        k.aug(norm, "+", wp.exp(values[j] - top))
    if p.chance(0.5):
        e.out("log_sum_exp|lse|log_norm", p.real).store(top + wp.log(wp.max(norm, 1.0e-30)))
        return
    weighted = Table(e, "features|scores|payload", p.real, (e.n * 12,), R.uniform(-1.0, 1.0))
    acc = k.var("acc|pooled|mix", 0.0, p.real)
    with k.loop("j|item|e", begin, end) as j:
        k.aug(acc, "+", wp.exp(values[j] - top) / norm * weighted[j])
    e.out("pooled_out|attention|result", p.real).store(acc)


def by_key(p: ProgramBuilder) -> None:
    """Atomic reductions into the slot of a key."""
    k = p.kernel_builder(
        "reduce_by_key|scatter_add|group_sums|accumulate_groups|bucket_extent|key_statistics",
        p.pick("Accumulate items into their groups.", "Unsorted reduction by key.", ""),
    )
    e = Entities(k, "item", index="i|tid")
    groups = p.pick(4, 8, 12, 16)
    t = p.pick(T.F32, T.VEC3, T.I32, T.VEC2, T.F64)
    e.guard()
    keys = e.field("keys|group_ids|labels", T.I32, R.integers(-1 if p.chance(0.4) else 0, groups))
    values = e.field("values|items|x", t, R.integers(0, 20) if t == T.I32 else R.uniform(-1.0, 1.0))
    key = keys.read("key|group|label")
    if p.chance(0.35):
        score = k.let("score|measure|value_of", item_value(p, e, 1.0)(None))
        with k.when(score < k.param("min_score|cutoff|floor_score", 2.0, 30.0)):
            k.ret()
        Table(e, "score_sums|score_total", T.F32, (groups,), role="out").add(score, wp.max(key, 0))
    if p.chance(0.6):
        with k.when(key < 0 if p.chance(0.6) else all_of(key < 0)):
            k.ret()
    else:
        key = k.let("slot|group_slot", wp.max(key, 0))
    value = values.read("value|v")
    Table(e, "group_sums|sums|totals", t, (groups,), role="out").add(value, key)
    if p.chance(0.6):
        Table(e, "group_counts|counts|sizes", T.I32, (groups,), role="out").add(1, key)
    if p.chance(0.4):
        which = p.pick("min", "max")
        Table(
            e,
            f"group_{which}|{which}_values|extremes",
            t,
            (groups,),
            R.constant(50 if which == "min" else -50),
            "inout",
        ).atomic(which, value, key)
    if p.chance(0.3) and isinstance(t, T.Vec):
        Table(e, "energy|sum_sq|moments", T.F32, (groups,), role="out").add(
            wp.dot(value, value), key
        )
    if p.chance(0.25):
        Table(e, "presence|seen|bitmask", T.U32, (1,), role="out").atomic(
            "or", cast(T.U32, 1) << cast(T.U32, key), 0
        )


def reorder(p: ProgramBuilder) -> None:
    """Gathers, inverse permutations, sortedness checks and merges of duplicates: the short passes around a sort."""
    k = p.kernel_builder(
        "gather_sorted|apply_permutation|invert_permutation|check_sorted|reorder_attributes|permute_fields",
        p.pick("Apply the permutation of a sort.", "Reorder attributes by sorted index.", ""),
    )
    e = Entities(k, "item", index="i|tid")
    order = e.field("order|perm|sorted_ids", T.I32, R.permutation())
    kinds = [
        ("positions|points|x", T.VEC3),
        ("velocities|v", T.VEC3),
        ("masses|weights", T.F32),
        ("labels|ids", T.I32),
        ("keys|codes", T.U64),
        ("uv|texcoords", T.VEC2),
        ("rotations|orientations", T.QUAT),
    ]
    chosen = p.sample(p.shuffled(kinds), 1, 4)
    source = k.let("src|old|j", order.own)
    scatter = p.chance(0.25)
    for hint, t in chosen:
        names = hint.split("|")
        fill = R.integers(0, 500) if isinstance(t, T.Scalar) and t.is_int else R.uniform(-1.0, 1.0)
        data, out = (
            e.field(f"{names[0]}_in|{names[-1]}_src", t, fill),
            e.out(f"{names[0]}_out|{names[-1]}_dst", t),
        )
        if scatter:
            out.store(data.own, source)
        else:
            out.store(data[source])
    if p.chance(0.5):
        e.out("inverse|inv_perm|new_index", T.I32).store(e.index, source)
    if p.chance(0.3):
        violation = Table(e, "unsorted|violations|disorder", T.I32, (1,), role="out")
        t = key_type(p)
        keys = e.field("check_keys|sort_keys", t, R.ascending(0.0, 40.0))
        with k.when(all_of(e.index > 0, keys.own < keys[wp.max(e.index - 1, 0)])):
            violation.add(1, 0)
