"""Order statistics and running extremes of rows: an intent of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tco_blocks import gathered
from generator.synthesis.categories._tile_rows import Rows, open_kernel
from generator.synthesis.categories._tile_scan import rows_arange
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr

_VALUES = "values|samples|x|intensities|readings"


def order_statistics(p: ProgramBuilder) -> None:
    """Medians, trimmed means and quantiles of sorted rows; running minima and maxima; quantised codes; argsort."""
    p.real = T.F32
    writers = {_trimmed: 3, _quantiles: 2, _codes: 2.5, _nearest: 2, _running: 3, _argsort: 3}
    p.weighted(writers)(p)


def _open(p: ProgramBuilder, names: str, *docs: str) -> tuple[KernelBuilder, Rows]:
    k, t = open_kernel(p, names, *docs, "One row per block of threads.", "")
    return k, Rows(p, t, p.pick(16, 32, 64))


def _sorted(p: ProgramBuilder, k: KernelBuilder, rows: Rows) -> tuple[Expr, Expr]:
    """A row in ascending order, and where its values stood."""
    x = k.let("x|row_tile|keys", rows.load(rows.array(_VALUES, T.F32), True))
    order = k.let("order|ids|perm", rows_arange(p, rows.t, rows))
    k.do(tile("tile_sort", T.VOID, x, order))
    return x, order


def _at(rows: Rows, x: Expr, index: Expr | int) -> Expr:
    """One element of a row, for all threads."""
    where: list[Any] = [0, index] if len(rows.shape) == 2 else [index]
    return tile("tile_extract", T.F32, x, *where)


def _part(rows: Rows, x: Expr, start: int, count: int) -> Expr:
    """A view of consecutive elements of a row."""
    assert isinstance(x.type, T.Tile)
    flat = len(rows.shape) == 1
    shape = (count,) if flat else (1, count)
    offset = (start,) if flat else (0, start)
    return tile("tile_view", T.Tile(x.type.dtype, shape), x, offset=offset, shape=shape)


def _trimmed(p: ProgramBuilder) -> None:
    k, rows = _open(
        p,
        "trimmed_mean|robust_mean|interquartile_mean|outlier_free_mean|truncated_mean",
        "Mean of each row without its extremes.",
        "Sorts every row and averages the middle part.",
    )
    n = rows.width.value
    cut = p.pick(1, 2, n // 8, n // 4)
    x, order = _sorted(p, k, rows)
    middle = k.let("middle|core|kept", _part(rows, x, cut, n - 2 * cut))
    mean = k.let("mean|m|center", rows.t.total("tile_sum", middle)[0] / float(n - 2 * cut))
    k.set(rows.stat("means|trimmed|robust_means", T.F32)[rows.at], mean)
    for what in p.shuffled(p.sample(["spread", "median", "order", "sorted"], 0, 2)):
        if what == "spread":
            spread = _at(rows, x, n - 1 - cut) - _at(rows, x, cut)
            k.set(rows.stat("spreads|ranges|iqr", T.F32)[rows.at], spread)
        elif what == "median":
            k.set(rows.stat("medians|middle_values", T.F32)[rows.at], _at(rows, x, n // 2))
        elif what == "order":
            rows.store(rows.array("order_out|permutation|ranks", T.I32, R.zeros(), "out"), order)
        else:
            rows.store(rows.array("sorted_rows|ascending", T.F32, R.zeros(), "out"), x)


def _quantiles(p: ProgramBuilder) -> None:
    names = {
        "bounds": "row_quantiles|percentiles|quantile_bounds|error_bars",
        "clip": "winsorise_rows|clip_to_quantiles|limit_outliers|bounded_rows",
        "deviation": "robust_scale|interquartile_range|median_deviation|spread_of_rows",
    }
    form = p.pick(*names)
    k, rows = _open(p, names[form], "Quantiles of every row.", "Order statistics of each row.")
    t, n = rows.t, rows.width.value
    x, _ = _sorted(p, k, rows)
    low = k.let("low|q_low|lower", _at(rows, x, n // p.pick(4, 8, 10)))
    high = k.let("high|q_high|upper", _at(rows, x, n - 1 - n // p.pick(4, 8, 10)))
    if form == "bounds":
        k.set(rows.stat("lower_out|p10|low_quantile", T.F32)[rows.at], low)
        k.set(rows.stat("upper_out|p90|high_quantile", T.F32)[rows.at], high)
    elif form == "clip":
        clipped = t.map("min", t.map("max", x, t.full(rows.shape, low, T.F32)), t.full(rows.shape, high, T.F32))  # fmt: skip
        clipped = k.let("clipped|winsorised|bounded", clipped)
        rows.store(rows.array("clipped_out|winsorised_out", T.F32, R.zeros(), "out"), clipped)
        rows.put(rows.stat("clipped_sums|totals", T.F32), t.total("tile_sum", clipped))
    else:
        center = k.let("center|median|mid", _at(rows, x, n // 2))
        away = k.let("away|dev|residual", x - t.full(rows.shape, center, T.F32))
        rows.put(rows.stat("worst|max_deviation", T.F32), t.total("tile_max", t.map("abs", away)))
        k.set(rows.stat("scales|iqr|spread_out", T.F32)[rows.at], (high - low) * 0.7413)


def _codes(p: ProgramBuilder) -> None:
    """Rows stored as small integers with a scale each."""
    k, rows = _open(
        p,
        "quantize_rows|encode_int8|round_trip_error|compress_rows|pack_activations",
        "Symmetric quantisation with one scale per row.",
        "Integer codes of each row and the error they leave.",
    )
    t = rows.t
    x = k.let("x|row_tile|v", rows.load(rows.array(_VALUES, T.F32)))
    peak = t.total("tile_max", t.map("abs", x))[0]
    levels = float(p.pick(127, 15, 7))
    scale = k.let("scale|step|quantum", wp.max(peak, 1.0e-6) * (1.0 / levels))
    stored = p.pick(T.I32, T.I32, T.I16)
    steps = x * (1.0 / scale)
    if p.chance(0.6):
        steps = t.map("round", steps)
    cast: Any = {"dtype": stored}
    codes = k.let("codes|q|quantized", tile("tile_astype", T.Tile(stored, x.type.shape), steps, **cast))  # type: ignore[union-attr]  # fmt: skip
    rows.store(rows.array("codes_out|packed|q_out", stored, R.zeros(), "out"), codes)
    k.set(rows.stat("scales|row_scale|steps", T.F32)[rows.at], scale)
    if p.chance(0.6):
        cast = {"dtype": T.F32}
        back = k.let("back|restored|decoded", tile("tile_astype", x.type, codes, **cast) * scale)
        gap = k.let("gap|err|loss_t", x - back)
        rows.put(rows.stat("errors|sq_error|distortion", T.F32), t.total("tile_sum", gap * gap))


def _nearest(p: ProgramBuilder) -> None:
    k, rows = _open(
        p,
        "nearest_entry|closest_level|match_value|find_target|argmin_rows|select_level",
        "Entry of each row that is closest to a target.",
        "Index and value of the best entry per row.",
    )
    t = rows.t
    x = k.let("x|levels|candidates", rows.load(rows.array(_VALUES, T.F32), True))
    if p.chance(0.5):
        target = k.let("target|goal|wanted", rows.stat_in("targets|goals|setpoints", R.uniform(-1.0, 1.0))[rows.at])  # fmt: skip
    else:
        target = k.param("target|setpoint|reference", 0.1, 1.5)
    away = k.let("away|diff|delta", x - t.full(rows.shape, target, T.F32))
    cost = away * away if p.chance(0.5) else t.map("abs", away)
    best = k.let("best|at|winner", t.index_of("tile_argmin", k.let("cost|dist|c", cost))[0])
    k.set(rows.stat("best_index|nearest_at|selected", T.I32)[rows.at], best)
    if p.chance(0.7):
        k.set(rows.stat("best_value|nearest_value", T.F32)[rows.at], _at(rows, x, best))
    if p.chance(0.4):
        k.set(rows.stat("residuals|mismatch", T.F32)[rows.at], _at(rows, away, best))


def _running(p: ProgramBuilder) -> None:
    k, rows = _open(
        p,
        "drawdown|running_extremes|record_lows|envelope_rows|barrier_hits|channel_width",
        "Running minima and maxima of every row.",
        "Largest fall from a running peak.",
    )
    t = rows.t
    x = k.let("x|path|series", rows.load(rows.array(_VALUES, T.F32)))
    wanted = p.shuffled(p.sample(["low", "high"], 1, 2))
    if p.chance(0.3):
        wanted.append("before")
    traces: dict[str, Expr] = {}
    for what in wanted:
        name = {
            "low": "tile_scan_min_inclusive",
            "high": "tile_scan_max_inclusive",
            "before": "tile_scan_exclusive",
        }[what]
        hint = {"low": "low|floor_t|trough", "high": "high|peak|ceiling", "before": "before|earlier|cum"}  # fmt: skip
        traces[what] = k.let(hint[what], tile(name, x.type, x))
    if "low" in traces and "high" in traces and p.chance(0.6):
        rows.put(rows.stat("channel|max_width", T.F32), t.total("tile_max", traces["high"] - traces["low"]))  # fmt: skip
    elif "high" in traces:
        rows.put(rows.stat("max_drawdown|largest_fall", T.F32), t.total("tile_max", traces["high"] - x))  # fmt: skip
    elif "low" in traces:
        rows.put(rows.stat("max_rise|largest_gain", T.F32), t.total("tile_max", x - traces["low"]))
    for what, trace in traces.items():
        hint = {"low": "low_out|running_min", "high": "high_out|running_max", "before": "prefix_out|sum_before"}  # fmt: skip
        if what == "before" or len(traces) == 1 or p.chance(0.6):
            rows.store(rows.array(hint[what], T.F32, R.zeros(), "out"), trace)
        else:
            rows.put(rows.stat(f"{what}_mean|{what}_sum", T.F32), t.total("tile_sum", trace))


def _argsort(p: ProgramBuilder) -> None:
    """Records of a block sorted by a key, gathered through the sorted indices."""
    k, t = open_kernel(
        p,
        "sort_records|order_by_depth|argsort_block|sort_particles_in_cell|sort_candidates|sort_splats",
        "Sorts the records of a block by their key.",
        "Rows of a tile in the order of a key tile.",
        "",
    )
    m = t.dim("records|tile_m|block_rows", p.pick(8, 16))
    d = t.dim("fields|features|record_len", p.pick(4, 8))
    count = p.pick(4, 6, 8, 12)
    i = t.launch(["b|block|cell|segment"], (count,))[0]
    flat = p.chance(0.5)
    whole = (count * m.value,) if flat else (count, m.value)
    keys_in = k.array("keys|depths|priorities", T.F32, whole, R.uniform(0.0, 5.0))
    table = k.array("records|features_in|payload", T.F32, (*whole, d.value), R.uniform(-1.0, 1.0))
    if flat:
        keys = t.load(keys_in, [m], [i * m.expr], True)
        x = t.load(table, [m, d], [i * m.expr, 0], True)
    else:
        keys, x = t.load(keys_in[i], [m], None, True), t.load(table[i], [m, d], None, True)
    keys = k.let("key_tile|depth|kt", keys)
    x = k.let("x|record_tile|rows", x)
    made: dict[str, Any] = {"dtype": T.I32}
    order = k.let("order|ids|perm", tile("tile_arange", T.Tile(T.I32, (m.value,)), m.expr, **made))
    k.do(tile("tile_sort", T.VOID, keys, order))
    moved = k.let("moved|sorted_rows|picked", gathered(x, order))
    out = k.out("sorted_out|ordered|records_out", T.F32, (*whole, d.value))
    if flat:
        t.store(out, moved, [i * m.expr, 0])
    else:
        t.store(out[i], moved)
    for what in p.sample(["order", "nearest", "scattered"], 0, 2):
        if what == "order":
            slots = k.out("order_out|permutation", T.I32, whole)
            t.store(slots if flat else slots[i], order, [i * m.expr] if flat else None)
        elif what == "nearest":
            first = tile("tile_extract", T.F32, keys, 0)
            k.set(k.out("first_key|nearest_depth|min_key", T.F32, (count,))[i], first)
        elif not flat:
            # Back to where the records stood, halfway towards their sorted neighbours.
            back = k.out("restored|scattered|unsorted", T.F32, (*whole, d.value))
            k.do(tile("tile_store_indexed", T.VOID, back[i], order, moved * 0.5, axis=0))
