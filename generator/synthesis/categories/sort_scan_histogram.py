"""Sorting networks, scans, histograms and segmented reductions."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories import _ssh_rows as rows
from generator.synthesis.categories import _ssh_scans as scans
from generator.synthesis.categories import _ssh_sorting as sorting
from generator.synthesis.categories._ssh_sorting import key_fill, key_type
from generator.synthesis.categories._ssh_values import item_value
from generator.synthesis.categories._steps import write_step
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, any_of, between, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, literal


@category("sort_scan_histogram", version=1, title="Sorting, scans and histograms")
def write(p: ProgramBuilder) -> None:
    """Data-parallel building blocks: bitonic and odd-even exchange steps, radix passes, prefix sums, histograms,
    compaction, run detection, bisection, segmented reductions and top-k selection on integer and float keys."""
    intents = {
        rows.sort_rows: 2.6, rows.set_overlap: 1.2, rows.from_histogram: 1.8, rows.bisect_quantile: 1.0, rows.encode_runs: 0.9,
        sorting.bitonic: 0.8, sorting.odd_even: 0.5, sorting.rank_sort: 0.6, sorting.merge: 0.6, sorting.top_k: 1.2,
        sorting.window_order: 0.8, scans.scan_step: 1.2, scans.radix: 1.2, scans.compact: 1.0, scans.runs: 0.7,
        scans.search: 1.0, _histogram: 1.5, _joint_histogram: 1.0, _segments: 1.6, _by_key: 0.9, _reorder: 0.9,
    }  # fmt: skip
    write_step(p, intents, {_histogram, _by_key, _reorder}, limit=25)


# --- histograms -----------------------------------------------------------------------------------


def _histogram(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "histogram|bin_values|accumulate_histogram|count_bins|build_histogram|value_distribution",
        p.pick(
            "Histogram of one quantity.", "Count values per bin.", "Bin the samples with atomics."
        ),
    )
    bins = p.pick(16, 32, 50, 64)
    strided = p.chance(0.3)
    per = p.pick(4, 8) if strided else 1
    e = Entities(k, "item", index="tid|i", count=p.pick(32, 48, 64) if strided else None)
    t = key_type(p)
    derived = item_value(p, e) if not strided and p.chance(0.6) else None
    if derived is not None:
        t = T.F32
    else:
        values = Table(e, "values|samples|data", t, (e.n * per,), key_fill(t, 100))
    e.guard()
    weight = (
        Table(e, "weights|masses|importance", T.F32, (e.n * per,), R.uniform(0.1, 2.0))
        if p.chance(0.35)
        else None
    )
    counts = Table(
        e,
        "histogram|bins|counts",
        T.F32 if weight else p.pick(T.I32, T.I32, T.U32, T.I64),
        (bins,),
        role="out",
    )
    if not strided:
        _bin_one(
            p,
            k,
            e,
            values[e.index] if derived is None else derived(None),
            None if weight is None else weight[e.index],
            counts,
            bins,
            t,
            False,
        )
        return
    step = k.count("num_threads|stride|grid_size", e.n)
    with k.loop("j|item|s", e.index, values.extent(), step) as j:
        _bin_one(p, k, e, values[j], None if weight is None else weight[j], counts, bins, t, True)


def _bin_one(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    value: Expr,
    weight: Expr | None,
    counts: Table,
    bins: int,
    t: T.Scalar,
    looped: bool,
) -> None:
    value = k.let("value|v|x", value)
    skip = k.cont if looped else k.ret
    if p.chance(0.35):
        with k.when(
            value < k.quantity("min_value|lower|ignore_below", t, 5.0 if t.is_float else 5)
        ):
            skip()
    slot = _bin_index(p, k, value, bins, t)
    if p.chance(0.35):
        with k.when(
            any_of(slot < 0, slot >= bins)
            if p.chance(0.5)
            else between(0, slot, bins) == literal(False, T.BOOL)
        ):
            if p.chance(0.4):
                Table(e, "outliers|overflow|num_dropped", T.I32, (1,), role="out").add(1, 0)
            skip()
    else:
        slot = k.let(
            "clamped|b|bin_id",
            wp.clamp(slot, 0, bins - 1) if p.chance(0.6) else wp.min(wp.max(slot, 0), bins - 1),
        )
    counts.add(literal(1, counts.dtype) if weight is None else weight, slot)


def _bin_index(p: ProgramBuilder, k: KernelBuilder, value: Expr, bins: int, t: T.Scalar) -> Name:
    if t.is_int:
        width = max(100 // bins, 1)
        if p.chance(0.4):
            return k.let(
                "slot|raw_bin|idx_bin",
                cast(T.I32, value) // k.count("bin_width|bucket_size", width),
            )
        return k.let(
            "slot|raw_bin|idx_bin", cast(T.I32, value) * bins // k.count("value_range|max_key", 100)
        )
    match p.pick("width", "normalised", "log", "sqrt"):
        case "width":
            low, width = (
                k.quantity("range_min|origin|lo_edge", t, 10.0),
                k.quantity("bin_width|bin_size", t, round(90.0 / bins, 3)),
            )
            return k.let("slot|raw_bin|idx_bin", cast(T.I32, wp.floor((value - low) / width)))
        case "normalised":
            low, high = (
                k.quantity("range_min|lo_edge", t, 0.0),
                k.quantity("range_max|hi_edge", t, 100.0),
            )
            u = k.let("u|unit|frac_pos", (value - low) / (high - low))
            return k.let("slot|raw_bin|idx_bin", cast(T.I32, u * float(bins)))
        case "log":
            scale = k.quantity("bins_per_decade|log_scale", t, round(bins / 3.0, 2))
            return k.let("slot|raw_bin|idx_bin", cast(T.I32, wp.log10(wp.max(value, 0.1)) * scale))
    scale = k.quantity("bin_scale|stretch", t, round(bins / 10.0, 2))
    return k.let("slot|raw_bin|idx_bin", cast(T.I32, wp.sqrt(value) * scale))


def _joint_histogram(p: ProgramBuilder) -> None:
    form = p.pick("joint", "rows", "image", "equalise")
    {
        "joint": _two_columns,
        "rows": _row_histogram,
        "image": _image_histogram,
        "equalise": _equalise,
    }[form](p)


def _two_columns(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "joint_histogram|bin_pairs|histogram_2d|density_map",
        p.pick("Joint histogram of two quantities.", "Two-dimensional binning.", ""),
    )
    e = Entities(k, "sample", index="tid|i")
    nx, ny = p.pick(8, 12, 16), p.pick(8, 10, 16)
    fill = R.uniform(0.0, 1.0)
    if p.chance(0.35):
        first, second = item_value(p, e, 1.0), item_value(p, e, 1.0)
        u, v = (
            k.let("u|first_value", 0.01 * first(None)),
            k.let("v|second_value", 0.01 * second(None)),
        )
    elif p.chance(0.5):
        pair = e.field("points|samples|uv", T.VEC2, fill).read("s|uv|pt")
        u, v = pair.x, pair.y
    else:
        u, v = (
            e.field("u|first|x_values", T.F32, fill).own,
            e.field("v|second|y_values", T.F32, fill).own,
        )
    i, j = (
        k.let("ix|col|bu", cast(T.I32, u * float(nx))),
        k.let("iy|row|bv", cast(T.I32, v * float(ny))),
    )
    if p.chance(0.5):
        i, j = wp.min(i, nx - 1), wp.min(j, ny - 1)
    else:
        with k.when(any_of(i >= nx, j >= ny, i < 0, j < 0)):
            k.ret()
    weighted = p.chance(0.4)
    e.guard()
    counts = Table(e, "joint|counts_2d|density", T.F32 if weighted else T.I32, (ny, nx), role="out")
    counts.add(
        e.field("weights|w", T.F32, R.uniform(0.1, 1.0)).own if weighted else literal(1, T.I32),
        j,
        i,
    )
    if p.chance(0.3):
        Table(e, "marginal_x|column_sums", T.I32, (nx,), role="out").add(1, i)


def _row_histogram(p: ProgramBuilder) -> None:
    columns, bins = p.pick(20, 32, 40), p.pick(8, 10, 16)
    k = p.kernel_builder(
        "row_histograms|per_row_counts|histogram_rows|class_counts|majority_vote",
        p.pick("A histogram for every row.", "Label counts, row by row.", ""),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "row", count=p.pick(24, 32, 48), index="row|i|tid")
    e.guard()
    labels = Table(
        e, "labels|codes|classes", p.pick(T.I32, T.I32, T.U8), (e.n, columns), R.integers(0, bins)
    )
    weights = (
        Table(e, "votes_weight|confidence_in|weights", T.F32, (e.n, columns), R.uniform(0.1, 1.0))
        if p.chance(0.35)
        else None
    )
    t = T.I32 if weights is None else T.F32
    counts = Table(e, "counts|row_hist|histogram", t, (e.n, bins), role="out")
    best, top = (
        k.var("mode_label|winner|best", 0),
        k.var("mode_count|votes|best_count", literal(0, t)),
    )
    with k.loop(
        "col|j|c", labels.extent(1) if p.chance(0.5) else k.count("num_columns|width", columns)
    ) as j:
        label = labels[e.index, j]
        label = k.let("label|b|code", label if labels.dtype == T.I32 else cast(T.I32, label))
        if p.chance(0.3):
            with k.when(label == k.count("ignore_label|background|void_label", 0)):
                k.cont()
        counts.store(
            counts[e.index, label] + (1 if weights is None else weights[e.index, j]), e.index, label
        )
        if p.chance(0.6):
            with k.when(counts[e.index, label] > top):
                k.set(top, counts[e.index, label])
                k.set(best, label)
        else:
            k.set(best, choose(counts[e.index, label] > top, label, best))
            k.set(top, wp.max(top, counts[e.index, label]))
    e.out("modes|majority|winners", T.I32).store(best)
    if p.chance(0.5):
        share = cast(T.F32, top) if t == T.I32 else top
        e.out("purity|share|confidence", T.F32).store(share / cast(T.F32, labels.extent(1)))


def _image_histogram(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "image_histogram|gray_histogram|intensity_counts|channel_histogram",
        p.pick("Histogram of image intensities.", "Intensity counts, with a mask.", ""),
    )
    g = Grid(k, "row|i|y col|j|x", boundary="clamp")
    bins = p.pick(16, 32, 64)
    counts = k.out("histogram|counts|bins", T.I32, (bins,) if g.batch is None else (g.batch, bins))
    lead = () if g.batch_index is None else (g.batch_index,)
    if p.chance(0.4):
        mask = g.field("mask|valid|foreground", p.pick(T.U8, T.I32), R.mask(0.7))
        with k.when(mask.own == literal(0, mask.dtype)):
            k.ret()
    if p.chance(0.4):
        color = g.field("image|rgb|pixels", T.VEC3, R.uniform(0.0, 1.0)).read("c|rgb_value|pixel")
        value = k.let("luma|gray|y_value", 0.299 * color.x + 0.587 * color.y + 0.114 * color.z)
    else:
        value = g.field("image|gray|pixels", T.F32, R.uniform(0.0, 1.0)).read(
            "value|gray_value|pixel"
        )
    slot = k.let("slot|bin_id|b", wp.min(cast(T.I32, value * float(bins)), bins - 1))
    k.do(wp.atomic_add(counts, *lead, slot, literal(1, T.I32)))
    if p.chance(0.3):
        k.do(wp.atomic_max(k.out("brightest|max_value", T.F32, (1,)), 0, value))


def _equalise(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "equalize|apply_lut|histogram_equalization|remap_intensity",
        p.pick("Map intensities through a cumulative histogram.", "Equalisation.", ""),
    )
    g = Grid(k, "row|i|y col|j|x", boundary="clamp")
    bins = p.pick(32, 64, 128)
    cdf = k.array("cdf|lut|cumulative", T.F32, (bins,), R.ascending(0.0, 1.0))
    value = g.field("image|src|gray", T.F32, R.uniform(0.0, 1.0)).read("value|gray_value|pixel")
    position = k.let("pos|t|scaled", wp.clamp(value, 0.0, 1.0) * float(bins - 1))
    if p.chance(0.5):
        low = k.let("lo|slot|b0", cast(T.I32, wp.floor(position)))
        mapped = wp.lerp(cdf[low], cdf[wp.min(low + 1, bins - 1)], position - wp.floor(position))
    else:
        mapped = cdf[cast(T.I32, position + 0.5)]
    if p.chance(0.5):
        strength = k.param("strength|blend|amount", 0.3, 1.0)
        mapped = value + (mapped - value) * strength
    g.out("equalized|dst|image_out", T.F32).store(mapped)


# --- reductions -----------------------------------------------------------------------------------


def _segments(p: ProgramBuilder) -> None:
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
    e.out("argmax|positions|best_index", T.I32).store(where - begin if p.chance(0.3) else where)


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


def _by_key(p: ProgramBuilder) -> None:
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


def _reorder(p: ProgramBuilder) -> None:
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
