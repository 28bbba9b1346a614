"""Histograms of values, pairs, rows and images, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._ssh_keys import key_fill, key_type
from generator.synthesis.categories._ssh_values import item_value
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, between, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def histogram(p: ProgramBuilder) -> None:
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
            any_of(slot < 0, slot >= bins) if p.chance(0.5) else negate(between(0, slot, bins))
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

            def to_bin(b: Block, x: Expr, lo: Expr, w: Expr) -> Expr:
                return cast(T.I32, wp.floor((x - lo) / w))

            args = {"x|value": value, "lo|origin": low, "width|w": width}
            return k.let(
                "slot|raw_bin|idx_bin",
                piece(p, k, "bin_of|to_bin|bin_index", args, to_bin, probability=0.75),
            )
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


def joint_histogram(p: ProgramBuilder) -> None:
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
