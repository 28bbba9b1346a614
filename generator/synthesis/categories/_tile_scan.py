"""Scans, sorts and searches inside a tile: an intent of tile_programs."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tile_functions import unary
from generator.synthesis.categories._tile_rows import Rows, open_kernel
from generator.synthesis.categories._tiles import Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def scan_sort(p: ProgramBuilder) -> None:
    """Prefix sums, running extrema and sorting inside a tile."""
    kind = p.pick("scan", "sort", "running", "cdf", "rank", "search")
    names = {
        "scan": "prefix_sums|scan_rows|segment_offsets",
        "sort": "sort_segments|sort_rows|order_by_key",
        "running": "running_max|envelope|cumulative_extrema",
        "cdf": "row_cdf|normalized_cdf|build_cdf",
        "rank": "top_entries|select_best|k_smallest",
        "search": "nearest_code|arg_extremes|assign_codes",
    }[kind]
    p.real = T.F32
    k, t = open_kernel(
        p,
        names,
        "Tile-wide scans; one block per row.",
        "Each block orders its own row.",
        "Row-wise scan or selection.",
    )
    rows = Rows(p, t, p.pick(16, 32, 64), 0.05, 2.0)
    {
        "scan": _scan,
        "sort": _sort,
        "running": _running,
        "cdf": _cdf,
        "rank": _rank,
        "search": _search,
    }[kind](p, k, t, rows)


def _scan(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows) -> None:
    whole = p.chance(0.5)
    dtype = T.I32 if whole else T.F32
    x = rows.load(
        rows.array(
            "counts|lengths|degrees" if whole else "weights|x|values",
            dtype,
            R.integers(0, 6) if whole else None,
        )
    )
    v = k.let("v|x_tile|counts_tile", x)
    inclusive = p.chance(0.5)
    s = k.var(
        "s|prefix|scanned",
        tile("tile_scan_inclusive" if inclusive else "tile_scan_exclusive", v.type, v),
    )
    if not inclusive and p.chance(0.4):
        base = k.array(
            "bases|row_base|start",
            dtype,
            (rows.worlds, rows.many) if rows.form == "batch" else (rows.many,),
            R.integers(0, 50) if whole else R.uniform(0.0, 1.0),
        )
        k.set(s, s + t.full(rows.shape, base[rows.at], dtype))
    rows.store(rows.array("offsets|prefix_out|cumulative", dtype, R.zeros(), "out"), s)
    if p.chance(0.5):
        rows.put(rows.stat("totals|row_totals|sums", dtype), t.total("tile_sum", v))
    if p.chance(0.3):
        rows.put(rows.stat("largest|max_value|peak_out", dtype), t.total("tile_max", v))


def _sort(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows) -> None:
    keys = rows.array("keys|depths|distances", T.F32, R.uniform(0.0, 5.0), "inout")
    kt = k.let("key_tile|kt|d", rows.load(keys, True))
    if p.chance(0.4):
        values = k.let("ids|order|perm", rows_arange(p, t, rows))
        out = rows.array("order_out|permutation|sorted_ids", T.I32, R.zeros(), "out")
    else:
        payload = rows.array("payload|indices|labels", T.I32, R.permutation(), "inout")
        values, out = k.let("vt|value_tile|ids", rows.load(payload, True)), payload
    k.do(tile("tile_sort", T.VOID, kt, values))
    rows.store(keys, kt)
    rows.store(out, values)
    if p.chance(0.4):
        spread = k.let(
            "spread|median|gap",
            tile(
                "tile_extract",
                T.F32,
                kt,
                *([0] if len(rows.shape) == 2 else []),
                rows.width.value // 2,
            ),
        )
        k.set(rows.stat("medians|middle|cut", T.F32)[rows.at], spread)


def rows_arange(p: ProgramBuilder, t: Tiling, rows: Rows) -> Expr:
    """0, 1, 2 … in the shape of a row."""
    one = tile(
        "tile_arange",
        T.Tile(T.I32, (rows.width.value,)),
        *([0] if p.chance(0.5) else []),
        rows.width.expr,
        dtype=T.I32,
        **({"storage": "shared"} if p.chance(0.3) else {}),
    )
    return (
        one
        if len(rows.shape) == 1
        else tile(
            "tile_reshape", T.Tile(T.I32, (1, rows.width.value)), one, shape=(1, rows.width.expr)
        )
    )


def _running(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows) -> None:
    v = k.let("v|signal|x_tile", rows.load(rows.array("signal|x|heights|depths", T.F32)))
    which = p.sample(["max", "min"], 1, 2)
    for w in which:
        s = k.let(f"{w}_env|run_{w}|{w}_so_far", tile(f"tile_scan_{w}_inclusive", v.type, v))
        rows.store(rows.array(f"{w}_out|running_{w}|envelope_{w}", T.F32, R.zeros(), "out"), s)
        if p.chance(0.4):
            drop = k.let("drop|gap|loss", s - v if w == "max" else v - s)
            rows.put(rows.stat("drawdown|worst_gap|largest_drop", T.F32), t.total("tile_max", drop))


def _cdf(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows) -> None:
    w = k.var("w|pdf|mass", rows.load(rows.array("weights|pdf|luminance", T.F32)))
    if p.chance(0.4):
        k.set(w, t.map(unary(p), w))
        k.set(w, t.map("abs", w))
    total = k.let("total|z|mass_sum", t.total("tile_sum", w)[0])
    c = k.let("cdf|c|cum", tile("tile_scan_inclusive", w.type, w) * (1.0 / wp.max(total, 1.0e-6)))
    rows.store(rows.array("cdf_out|cumulative|table", T.F32, R.zeros(), "out"), c)
    if p.chance(0.6):
        k.set(rows.stat("totals|normalizers|sums", T.F32)[rows.at], total)


def _rank(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows) -> None:
    """The best few entries of a row, one after the other."""
    v = k.let("v|scores_tile|d", rows.load(rows.array("scores|costs|distances", T.F32), True))
    best = p.pick(2, 3, 4)
    largest = p.chance(0.5)
    lead = (rows.worlds, rows.many) if rows.form == "batch" else (rows.many,)
    out = k.out("best_ids|top_ids|selected", T.I32, (*lead, best))
    value_out = (
        k.out("best_values|top_values|selected_scores", T.F32, (*lead, best))
        if p.chance(0.6)
        else None
    )
    at = rows.at if isinstance(rows.at, tuple) else (rows.at,)
    two = [0] if len(rows.shape) == 2 else []
    with k.loop("r|rank|m", best) as r:
        which = k.let(
            "which|arg|winner", t.index_of("tile_argmax" if largest else "tile_argmin", v)[0]
        )
        k.set(out[(*at, r)], which)
        if value_out is not None:
            k.set(value_out[(*at, r)], tile("tile_extract", T.F32, v, *two, which))
        k.set(N.subscript(v, (*two, which)), -1.0e6 if largest else 1.0e6)


def _search(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows) -> None:
    """Nearest entry of a shared table."""
    table = k.array("codebook|centers|levels", T.F32, (rows.width.value,), R.uniform(0.0, 2.0))
    q = k.array(
        "queries|targets|samples",
        T.F32,
        (rows.worlds, rows.many) if rows.form == "batch" else (rows.many,),
        R.uniform(0.0, 2.0),
    )
    c = k.let("codes|c|levels_tile", t.load(table, [rows.width]))
    d = k.let("d|gap|diff", c - t.full([rows.width], q[rows.at], T.F32))
    dist = k.let("dist|cost|d2", d * d if p.chance(0.5) else t.map("abs", d))
    arg = k.let("arg|nearest|best", t.index_of("tile_argmin", dist))
    rows.put(rows.stat("assignments|codes_out|nearest_ids", T.I32), arg)
    if p.chance(0.6):
        rows.put(rows.stat("errors|quantization_error|distances", T.F32), t.total("tile_min", dist))
    if p.chance(0.4):
        k.set(rows.stat("quantized|decoded|values_out", T.F32)[rows.at], table[arg[0]])
