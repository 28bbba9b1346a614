"""Row-wise and block-wise tile work without matrix products: intents of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim, Tiling, binary, combine, unary
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def _kernel(p: ProgramBuilder, names: str, *docs: str) -> tuple[KernelBuilder, Tiling]:
    k = p.kernel_builder(names, p.pick(*docs))
    return k, Tiling(p, k)


class Rows:
    """One row, or a block of rows, per block of threads."""

    def __init__(self, p: ProgramBuilder, t: Tiling, width: int, low: float = -2.0, high: float = 2.0) -> None:
        self.p, self.t, self.k = p, t, t.k
        self.width = t.dim("tile_n|row_len|width|dim|tile_size|block_n", width)
        self.many = p.pick(12, 16, 24, 32)
        self.form = p.weighted({"row": 4, "slice": 3, "flat": 1.5, "batch": 2})
        self.fill = R.uniform(low, high)
        self.worlds = p.pick(2, 3)
        hints = ["row|i|r|sample|token"]
        if self.form == "batch":
            self.batch, self.row = t.launch(["batch|b|world|head", *hints], (self.worlds, self.many))
        else:
            self.row = t.launch(hints, (self.many,))[0]

    def array(self, hint: str, dtype: T.Type, fill: R.Fill | None = None, role: str = "in") -> Expr:
        """An array with one row per thread block."""
        shape = (self.many, self.width.value)
        if self.form == "flat":
            shape = (self.many * self.width.value,)
        elif self.form == "batch":
            shape = (self.worlds, *shape)
        return self.k.array(hint, dtype, shape, fill or self.fill, role)

    def stat(self, hint: str, dtype: T.Type) -> Expr:
        """An output with one value per row."""
        shape = (self.worlds, self.many) if self.form == "batch" else (self.many,)
        return self.k.out(hint, dtype, shape)

    @property
    def shape(self) -> list[Dim]:
        return [self.t.literal(1), self.width] if self.form == "slice" else [self.width]

    def load(self, array: Expr, shared: bool | None = None) -> Expr:
        """The row's tile."""
        if self.form == "slice":
            return self.t.load(array, self.shape, [self.row, 0], shared)
        if self.form == "flat":
            return self.t.load(array, self.shape, [self.row * self.width.expr], shared)
        return self.t.load(array[self.at], self.shape, None, shared)

    def store(self, array: Expr, value: Expr) -> None:
        """Writes the row."""
        if self.form == "slice":
            self.t.store(array, value, [self.row, 0])
        elif self.form == "flat":
            self.t.store(array, value, [self.row * self.width.expr])
        else:
            self.t.store(array[self.at], value)

    def put(self, array: Expr, one: Expr) -> None:
        """Writes a tile of one element into a per-row output."""
        if self.form == "batch":
            self.k.set(array[self.batch, self.row], one[0])
        elif self.p.chance(0.5):
            self.t.store(array, one, [self.row])
        else:
            self.k.set(array[self.row], one[0])

    @property
    def at(self) -> Any:
        return (self.batch, self.row) if self.form == "batch" else self.row


def normalise(p: ProgramBuilder) -> None:
    """Softmax, layer norm, RMS norm, standardisation … as a sequence of tile operations on a row."""
    steps = p.weighted({
        ("centre", "unit_variance"): 3, ("rms",): 2, ("softmax",): 3, ("log_softmax",): 1, ("l2",): 1.5, ("max_abs",): 1.2,
        ("centre",): 1, ("minmax",): 1.5, ("l1",): 0.8,
    })  # fmt: skip
    name = {"centre": "standardize_rows|layer_norm|center_rows", "rms": "rms_norm|rmsnorm_rows", "softmax": "softmax_rows|row_softmax", "log_softmax": "log_softmax|log_softmax_rows", "l2": "normalize_rows|unit_rows", "max_abs": "scale_rows|max_abs_scale", "minmax": "minmax_rescale|rescale_rows", "l1": "l1_normalize|normalize_weights"}[steps[0]]  # fmt: skip
    k, t = _kernel(p, name, "One thread block per row.", "Row-wise normalisation with tile reductions.", "Each block loads a row once and keeps it in registers.")
    rows = Rows(p, t, p.pick(16, 32, 48, 64))
    x = k.var("x|row_tile|v|t", rows.load(rows.array("inputs|x_in|logits|scores|activations", p.real)))
    for before in p.sample([_residual, _bias, _activate, _temperature], 0, 2):
        before(p, k, t, rows, x)
    for step in steps:
        _NORMALISERS[step](p, k, t, rows, x)
    for after in p.sample([_gain, _shift, _activate], 0, 2):
        after(p, k, t, rows, x)
    rows.store(rows.array("outputs|y|normalized|probs", p.real, R.zeros(), "out"), x)


def _float_width(p: ProgramBuilder, rows: Rows) -> Expr:
    return construct(p.real, rows.width.expr) if not isinstance(rows.width.expr, N.Literal) else N.literal(float(rows.width.value), p.real)


def _centre(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    mean = k.let("mean|mu|avg", t.total("tile_sum", x)[0] / _float_width(p, rows) if p.chance(0.6) else t.total("tile_sum", x)[0] * (1.0 / rows.width.value))
    k.set(x, x - t.full(rows.shape, mean, p.real))
    if p.chance(0.3):
        k.set(rows.stat("means|mu_out|row_mean", p.real)[rows.at], mean)


def _variance(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    sq = tile("tile_dot", T.Tile(p.real, (1,)), x, x) if p.chance(0.3) else t.total("tile_sum", x * x)
    var = k.let("var|variance|second_moment", sq[0] / _float_width(p, rows))
    eps = k.param("eps|epsilon|norm_eps", 1e-6, 1e-3)
    inv = k.let("inv_std|rstd|scale", 1.0 / wp.sqrt(var + eps))
    k.set(x, x * inv)
    if p.chance(0.35):
        k.set(rows.stat("rstd_out|inv_stds|scales", p.real)[rows.at], inv)


def _softmax(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    top = k.let("peak|row_max|m", t.total("tile_max", x))
    if p.chance(0.5):
        k.set(x, x - t.broadcast(top, rows.shape))
    else:
        k.set(x, x - t.full(rows.shape, top[0], p.real))
    k.set(x, t.map("exp", x))
    total = k.let("total|denom|z", t.total("tile_sum", x))
    k.set(x, x / total[0] if p.chance(0.5) else x * (1.0 / total[0]))
    if p.chance(0.35):
        rows.k.set(rows.stat("log_sum_exp|lse|log_z", p.real)[rows.at], top[0] + wp.log(total[0]))


def _log_softmax(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    top = k.let("peak|row_max|m", t.total("tile_max", x)[0])
    shifted = k.let("shifted|centered|xs", x - t.full(rows.shape, top, p.real))
    total = k.let("total|z|norm", t.total("tile_sum", t.map("exp", shifted))[0])
    k.set(x, shifted - t.full(rows.shape, wp.log(total), p.real))


def _norm_by(measure: str) -> Any:
    def step(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
        if measure == "l2":
            size = wp.sqrt(t.total("tile_sum", x * x)[0])
        elif measure == "l1":
            size = t.total("tile_sum", t.map("abs", x))[0]
        else:
            size = t.total("tile_max", t.map("abs", x))[0]
        norm = k.let("norm|size|denom|amax", size)
        floor = p.pick(1e-6, 1e-8)
        k.set(x, x * (1.0 / wp.max(norm, floor)) if p.chance(0.5) else x / wp.max(norm, floor))
        if p.chance(0.4):
            k.set(rows.stat("norms|row_norms|scale_out", p.real)[rows.at], norm)

    return step


def _minmax(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    low, high = k.let("lo|low|x_min", t.total("tile_min", x)), k.let("hi|high|x_max", t.total("tile_max", x))
    span = k.let("span|extent|range_", wp.max(high[0] - low[0], 1.0e-6))
    k.set(x, (x - t.full(rows.shape, low[0], p.real)) * (1.0 / span))


_NORMALISERS = {
    "centre": _centre, "unit_variance": _variance, "rms": _variance, "softmax": _softmax, "log_softmax": _log_softmax,
    "l2": _norm_by("l2"), "l1": _norm_by("l1"), "max_abs": _norm_by("max_abs"), "minmax": _minmax,
}  # fmt: skip


def _residual(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    k.aug(x, "+", rows.load(rows.array("residual|skip|previous", p.real)))


def _bias(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    k.aug(x, "+" if p.chance(0.7) else "-", _parameter_row(k, t, rows, "bias|offset|b"))


def _gain(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    g = k.let("g|gain_tile|w", _parameter_row(k, t, rows, "gamma|weight|gain"))
    k.set(x, x * g)


def _shift(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    k.set(x, x + _parameter_row(k, t, rows, "beta|shift_in|bias_out"))


def _parameter_row(k: KernelBuilder, t: Tiling, rows: Rows, hint: str) -> Expr:
    array = k.array(hint, rows.p.real, (rows.width.value,), R.uniform(0.5, 1.5))
    if len(rows.shape) == 1:
        return t.load(array, [rows.width])
    return t.broadcast(t.load(array, [rows.width]), rows.shape)


def _activate(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    k.set(x, t.map(unary(p), x))


def _temperature(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    scale = k.param("temperature|scale|inv_temp|sharpness", 0.3, 2.0)
    k.set(x, x * scale)


def reduce_rows(p: ProgramBuilder) -> None:
    """Statistics of rows that are longer than a tile: a loop over chunks with running results."""
    k, t = _kernel(p, "row_statistics|reduce_rows|row_moments|chunked_sums|row_extrema|row_sums", "Running reductions over chunks of a row.", "Row statistics; rows are several tiles long.")
    width, chunks, many = p.pick(16, 32), p.pick(2, 3, 4), p.pick(12, 16, 24)
    w = t.dim("chunk|tile_size|tile_n|block_size", width)
    row = t.launch(["row|i|r|segment"], (many,))[0]
    x = k.array("x|values|data|samples", p.real, (many, width * chunks), R.uniform(-1.0, 1.0))
    count = x.dim(1) // w.expr if p.chance(0.5) else k.scalar("num_chunks|chunks|n_tiles", T.I32, chunks)
    kinds = p.sample(["sum", "sq", "peak", "low", "map", "custom", "dot"], 1, 3)
    weights = k.array("weights|w|coefficients", p.real, (many, width * chunks), R.uniform(0.1, 1.0)) if "dot" in kinds else None
    tile_acc = p.chance(0.35)
    acc: dict[str, Expr] = {}
    for kind in kinds:
        start = {"peak": -1.0e6, "low": 1.0e6}.get(kind, 0.0)
        if tile_acc and kind in ("sum", "sq"):
            acc[kind] = k.var(f"{kind}_acc|partial_{kind}", t.zeros([w], p.real))
        else:
            acc[kind] = k.var({"sum": "total|s", "sq": "sum_sq|energy", "peak": "peak|hi", "low": "lowest|lo", "map": "mapped_sum|score", "custom": "folded|agg", "dot": "dot|weighted"}[kind], start, p.real)  # fmt: skip
    function = unary(p) if "map" in kinds else None
    op = combine(p) if "custom" in kinds else None
    with k.loop("c|chunk_id|j|part", count) as c:
        chunk = k.let("v|chunk_tile|xt", t.load(x[row], [w], [c * w.expr]) if p.chance(0.6) else t.load(x[row], [w], [w.expr * c]))
        for kind in kinds:
            _fold(p, k, t, kind, acc[kind], chunk, function, op, weights, row, w, c)
    _emit(p, k, t, kinds, acc, row, many, width * chunks)


def _fold(p: ProgramBuilder, k: KernelBuilder, t: Tiling, kind: str, acc: Expr, v: Expr, function: Any, op: Any, weights: Expr | None, row: Expr, w: Dim, c: Expr) -> None:
    if isinstance(acc.type, T.Tile):
        k.aug(acc, "+", v if kind == "sum" else v * v)
        return
    match kind:
        case "sum":
            k.aug(acc, "+", t.total("tile_sum", v)[0])
        case "sq":
            k.aug(acc, "+", (t.total("tile_sum", v * v) if p.chance(0.5) else tile("tile_dot", T.Tile(p.real, (1,)), v, v))[0])
        case "peak":
            k.set(acc, wp.max(acc, t.total("tile_max", v)[0]))
        case "low":
            k.set(acc, wp.min(acc, t.total("tile_min", v)[0]))
        case "map":
            k.aug(acc, "+", t.total("tile_sum", t.map(function, v))[0])
        case "dot":
            assert weights is not None
            k.aug(acc, "+", tile("tile_dot", T.Tile(p.real, (1,)), v, t.load(weights[row], [w], [c * w.expr]))[0])
        case _:
            part = k.let("part|folded_chunk|block_val", t.reduce(op, v)[0])
            k.set(acc, op(acc, part) if not isinstance(op, str) else getattr(wp, op)(acc, part))


def _emit(p: ProgramBuilder, k: KernelBuilder, t: Tiling, kinds: list[str], acc: dict[str, Expr], row: Expr, many: int, length: int) -> None:
    final: dict[str, Expr] = {}
    for kind, value in acc.items():
        final[kind] = k.let(f"{kind}_total", t.total("tile_sum", value)[0]) if isinstance(value.type, T.Tile) else value
    names = {"sum": "sums|totals|row_sums", "sq": "energies|sum_squares|sq_norms", "peak": "maxima|peaks|row_max", "low": "minima|lows|row_min", "map": "scores|mapped_totals|losses", "custom": "aggregates|reduced|extremes", "dot": "weighted_sums|dots|projections"}  # fmt: skip
    if {"sum", "sq"} <= set(kinds) and p.chance(0.7):
        mean = k.let("mean|mu", final["sum"] / float(length))
        k.set(k.out("means|mu_out", p.real, (many,))[row], mean)
        k.set(k.out("variances|var_out", p.real, (many,))[row], wp.max(final["sq"] / float(length) - mean * mean, 0.0))
        final = {n: v for n, v in final.items() if n not in ("sum", "sq")}
    for kind, value in final.items():
        k.set(k.out(names[kind], p.real, (many,))[row], value)


def elementwise(p: ProgramBuilder) -> None:
    """Maps over one- and two-dimensional tiles, with a few operands."""
    k, t = _kernel(p, "apply_map|elementwise_update|fused_map|tile_map_blocks|pointwise|blend_tiles", "Fused element-wise update on tiles.", "Pointwise work; each block owns one tile.")
    if p.chance(0.45):
        m, n = t.dim("tile_m|block_m|tile_h", p.pick(4, 8, 16)), t.dim("tile_n|block_n|tile_w", p.pick(4, 8, 16))
        counts = (p.pick(2, 3, 4), p.pick(2, 3, 4))
        i, j = t.launch(["i|ti|block_row", "j|tj|block_col"], counts)
        shape, offset = [m, n], [i * m.expr, j * n.expr]
        full = (counts[0] * m.value, counts[1] * n.value)
    else:
        n = t.dim("tile_size|block|tile|tile_n", p.pick(16, 32, 64))
        count = p.pick(4, 6, 8)
        i = t.launch(["i|block|b|tile_id"], (count,))[0]
        start = k.let("start|base|offset", i * n.expr) if p.chance(0.4) else i * n.expr
        shape, offset, full = [n], [start], (count * n.value - p.pick(0, 0, 3),)
    x = k.var("x|a|u", t.load(k.array("a|x_in|field|src", p.real, full, R.uniform(-1.5, 1.5)), shape, offset))
    for what in p.sample(["unary", "binary", "axpy", "scale", "clip", "builtin", "ternary", "cast"], 1, 4):
        _element_step(p, k, t, what, x, shape, offset, full)
    target = k.array("out|dst|result|y_out", p.real, full, R.zeros(), "out")
    if p.chance(0.2):
        t.atomic(target, x, offset)
    else:
        t.store(target, x, offset)


def _element_step(p: ProgramBuilder, k: KernelBuilder, t: Tiling, what: str, x: Expr, shape: list[Dim], offset: list[Any], full: tuple[int, ...]) -> None:
    def other(hint: str) -> Expr:
        return t.load(k.array(hint, p.real, full, R.uniform(-1.0, 1.0)), shape, offset)

    match what:
        case "unary":
            k.set(x, t.map(unary(p), x))
        case "binary":
            k.set(x, t.map(binary(p), x, other("b|other|y_in|target")))
        case "axpy":
            d = other("direction|grad|p_in|delta")
            alpha = k.param("alpha|step|lr", 0.05, 0.9)
            if p.chance(0.5):
                k.do(tile("tile_axpy", T.VOID, alpha, k.let("d|g|step_tile", d), x))
            else:
                k.set(x, x + d * alpha)
        case "scale":
            k.set(x, x * k.param("scale|gain|factor", 0.3, 2.0))
        case "clip":
            k.set(x, t.map("min", t.map("max", x, t.full(shape, -p.pick(0.5, 1.0), p.real)), t.full(shape, p.pick(0.5, 1.0), p.real)))
        case "builtin":
            k.set(x, t.map(p.pick("add", "mul", "max", "min"), x, other("c|mask_values|limits|factors")))
        case "ternary":
            function = p.func("fma|mul_add|relax|weighted_update", {"a|x": p.real, "b|y": p.real, "s|w": p.real}, lambda b, u, v, s: b.ret(u + s * (v - u) if p.chance(0.5) else u * s + v))
            k.set(x, t.map(function, x, other("reference|goal|anchor"), k.scalar("weight|rate|omega", p.real, p.pick(0.2, 0.5, 0.8))))
        case "cast":
            half = k.let("half|xh|low", tile("tile_astype", T.Tile(T.F16, x.type.shape), x, dtype=T.F16))
            k.set(x, tile("tile_astype", x.type, half, dtype=p.real))


def scan_sort(p: ProgramBuilder) -> None:
    """Prefix sums, running extrema and sorting inside a tile."""
    kind = p.pick("scan", "sort", "running", "cdf", "rank", "search")
    names = {"scan": "prefix_sums|scan_rows|segment_offsets", "sort": "sort_segments|sort_rows|order_by_key", "running": "running_max|envelope|cumulative_extrema", "cdf": "row_cdf|normalized_cdf|build_cdf", "rank": "top_entries|select_best|k_smallest", "search": "nearest_code|arg_extremes|assign_codes"}[kind]  # fmt: skip
    p.real = T.F32
    k, t = _kernel(p, names, "Tile-wide scans; one block per row.", "Each block orders its own row.", "Row-wise scan or selection.")
    rows = Rows(p, t, p.pick(16, 32, 64), 0.05, 2.0)
    {"scan": _scan, "sort": _sort, "running": _running, "cdf": _cdf, "rank": _rank, "search": _search}[kind](p, k, t, rows)


def _scan(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows) -> None:
    whole = p.chance(0.5)
    dtype = T.I32 if whole else T.F32
    x = rows.load(rows.array("counts|lengths|degrees" if whole else "weights|x|values", dtype, R.integers(0, 6) if whole else None))
    v = k.let("v|x_tile|counts_tile", x)
    inclusive = p.chance(0.5)
    s = k.var("s|prefix|scanned", tile("tile_scan_inclusive" if inclusive else "tile_scan_exclusive", v.type, v))
    if not inclusive and p.chance(0.4):
        base = k.array("bases|row_base|start", dtype, (rows.worlds, rows.many) if rows.form == "batch" else (rows.many,), R.integers(0, 50) if whole else R.uniform(0.0, 1.0))
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
        spread = k.let("spread|median|gap", tile("tile_extract", T.F32, kt, *([0] if len(rows.shape) == 2 else []), rows.width.value // 2))
        k.set(rows.stat("medians|middle|cut", T.F32)[rows.at], spread)


def rows_arange(p: ProgramBuilder, t: Tiling, rows: Rows) -> Expr:
    """0, 1, 2 … in the shape of a row."""
    one = tile("tile_arange", T.Tile(T.I32, (rows.width.value,)), *([0] if p.chance(0.5) else []), rows.width.expr, dtype=T.I32, **({"storage": "shared"} if p.chance(0.3) else {}))
    return one if len(rows.shape) == 1 else tile("tile_reshape", T.Tile(T.I32, (1, rows.width.value)), one, shape=(1, rows.width.expr))


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
    value_out = k.out("best_values|top_values|selected_scores", T.F32, (*lead, best)) if p.chance(0.6) else None
    at = rows.at if isinstance(rows.at, tuple) else (rows.at,)
    two = [0] if len(rows.shape) == 2 else []
    with k.loop("r|rank|m", best) as r:
        which = k.let("which|arg|winner", t.index_of("tile_argmax" if largest else "tile_argmin", v)[0])
        k.set(out[(*at, r)], which)
        if value_out is not None:
            k.set(value_out[(*at, r)], tile("tile_extract", T.F32, v, *two, which))
        k.set(N.subscript(v, (*two, which)), -1.0e6 if largest else 1.0e6)


def _search(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows) -> None:
    """Nearest entry of a shared table."""
    table = k.array("codebook|centers|levels", T.F32, (rows.width.value,), R.uniform(0.0, 2.0))
    q = k.array("queries|targets|samples", T.F32, (rows.worlds, rows.many) if rows.form == "batch" else (rows.many,), R.uniform(0.0, 2.0))
    c = k.let("codes|c|levels_tile", t.load(table, [rows.width]))
    d = k.let("d|gap|diff", c - t.full([rows.width], q[rows.at], T.F32))
    dist = k.let("dist|cost|d2", d * d if p.chance(0.5) else t.map("abs", d))
    arg = k.let("arg|nearest|best", t.index_of("tile_argmin", dist))
    rows.put(rows.stat("assignments|codes_out|nearest_ids", T.I32), arg)
    if p.chance(0.6):
        rows.put(rows.stat("errors|quantization_error|distances", T.F32), t.total("tile_min", dist))
    if p.chance(0.4):
        k.set(rows.stat("quantized|decoded|values_out", T.F32)[rows.at], table[arg[0]])


def reshape_blocks(p: ProgramBuilder) -> None:
    """Transposes, block copies, outer sums and stencils through views of a shared tile."""
    kind = p.pick("transpose", "outer", "halo", "assemble", "flip")
    names = {"transpose": "transpose_blocks|tile_transpose_copy", "outer": "outer_sum|pairwise_table|outer_product", "halo": "box_filter_tile|smooth_with_halo|stencil_tile", "assemble": "pack_tiles|concat_tiles|interleave_blocks", "flip": "pool_tiles|fold_rows|downsample_blocks"}[kind]  # fmt: skip
    k, t = _kernel(p, names, "Shared-memory tiles; one block of threads per tile.", "Works on views of a tile in shared memory.")
    {"transpose": _transpose, "outer": _outer, "halo": _halo, "assemble": _assemble, "flip": _pool}[kind](p, k, t)


def _transpose(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    m, n = t.dim("tile_m|tile_rows|bm", p.pick(4, 8)), t.dim("tile_n|tile_cols|bn", p.pick(4, 8, 16))
    counts = (p.pick(2, 3), p.pick(2, 4))
    i, j = t.launch(["i|row_block|bi", "j|col_block|bj"], counts)
    rows, cols = counts[0] * m.value, counts[1] * n.value
    x = k.let("a|block|t", t.load(k.array("src|A|matrix", p.real, (rows, cols), R.uniform(-1.0, 1.0)), [m, n], [i * m.expr, j * n.expr]))
    y: Expr = t.transpose(x)
    if p.chance(0.5):
        y = k.let("at|block_t|flipped", y)
    if p.chance(0.3):
        y = t.map(unary(p), y)
    if p.chance(0.4):
        y = y * k.param("scale|alpha", 0.2, 2.0)
    t.store(k.out("dst|At|transposed", p.real, (cols, rows)), y, [j * n.expr, i * m.expr])
    if p.chance(0.3):
        t.atomic(k.out("checksum|total|trace_sum", p.real, (1,)), t.total("tile_sum", x))


def _outer(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    m, n = t.dim("tile_m|bm|rows", p.pick(4, 8, 16)), t.dim("tile_n|bn|cols", p.pick(8, 16))
    counts = (p.pick(2, 3), p.pick(2, 3))
    i, j = t.launch(["i|bi|row_block", "j|bj|col_block"], counts)
    rows, cols = counts[0] * m.value, counts[1] * n.value
    u = k.let("u|left|a", t.load(k.array("x|row_values|a_in", p.real, (rows,), R.uniform(-1.0, 1.0)), [m], [i * m.expr]))
    v = k.let("v|right|b", t.load(k.array("y|col_values|b_in", p.real, (cols,), R.uniform(-1.0, 1.0)), [n], [j * n.expr]))
    a, b = k.let("ub|rows_b|au", t.column(u, m, n)), k.let("vb|cols_b|bv", t.broadcast(v, [m, n]))
    form = p.pick("sum", "product", "difference", "map")
    value = {"sum": lambda: a + b, "product": lambda: a * b, "difference": lambda: a - b, "map": lambda: t.map(binary(p), a, b)}[form]()
    if p.chance(0.4):
        value = t.map(unary(p), value)
    t.store(k.out("table|pairwise|grid_out", p.real, (rows, cols)), value, [i * m.expr, j * n.expr])


def _halo(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    """A stencil over a tile loaded with its border; the borders of neighbours overlap."""
    n, radius = p.pick(4, 8), p.pick(1, 1, 2)
    inner = t.dim("tile|tile_n|block", n)
    padded = t.dim("padded|tile_pad|halo_tile", n + 2 * radius)
    counts = (p.pick(2, 3), p.pick(2, 3))
    i, j = t.launch(["i|bi|ty", "j|bj|tx"], counts)
    shape = (counts[0] * n + 2 * radius, counts[1] * n + 2 * radius)
    x = k.let("x|patch|field_tile", t.load(k.array("field|image|u", p.real, shape, R.uniform(-1.0, 1.0)), [padded, padded], [i * inner.expr, j * inner.expr], True))
    acc = k.var("acc|total|s", t.zeros([inner, inner], p.real))
    span = 2 * radius + 1
    weights = k.array("weights|stencil|kernel_weights", p.real, (span, span), R.uniform(0.0, 0.2)) if p.chance(0.6) else None
    plus = p.chance(0.3)
    with k.loop("dy|di|r", span) as dy, k.loop("dx|dj|c", span) as dx:
        if plus:
            with k.when(dy != radius), k.when(dx != radius):
                k.cont()
        view = tile("tile_view", T.Tile(p.real, (n, n)), x, offset=(dy, dx), shape=(inner.expr, inner.expr))
        k.aug(acc, "+", view * weights[dy, dx] if weights is not None else view * round(1.0 / (span * span), 4))
    if p.chance(0.4):
        centre = tile("tile_view", T.Tile(p.real, (n, n)), x, offset=(radius, radius), shape=(inner.expr, inner.expr))
        k.set(acc, centre + (acc - centre) * k.param("rate|alpha|strength", 0.1, 0.9))
    t.store(k.out("smoothed|out|filtered", p.real, (counts[0] * n, counts[1] * n)), acc, [i * inner.expr, j * inner.expr])


def _assemble(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    """A block matrix put together from smaller tiles."""
    n = t.dim("half|sub|block", p.pick(3, 4, 6))
    full = t.dim("full|order|size", 2 * n.value)
    count = p.pick(4, 6, 8)
    i = t.launch(["i|s|system"], (count,))[0]
    big = k.let("kkt|m|big", t.zeros([full, full], p.real, shared=True))
    a = t.load(k.array("hessians|A|upper_left", p.real, (count, n.value, n.value), R.uniform(-1.0, 1.0))[i], [n, n])
    b = k.let("jt|b|coupling", t.load(k.array("jacobians|B|off_diagonal", p.real, (count, n.value, n.value), R.uniform(-1.0, 1.0))[i], [n, n]))
    k.do(tile("tile_assign", T.VOID, big, a, offset=(0, 0)))
    k.do(tile("tile_assign", T.VOID, big, b, offset=(n.expr, 0)))
    k.do(tile("tile_assign", T.VOID, big, t.transpose(b), offset=(0, n.expr)))
    if p.chance(0.5):
        d = t.full([full], k.param("damping|ridge|reg", 0.01, 0.5), p.real)
        value = tile("tile_diag_add", T.Tile(p.real, (full.value, full.value)), big, d)
    else:
        value = big
    t.store(k.out("systems|kkt_out|assembled", p.real, (count, full.value, full.value))[i], value)


def _pool(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    """Reduction along one axis of a tile."""
    m, n = t.dim("tile_m|rows|window", p.pick(4, 8)), t.dim("tile_n|cols|channels", p.pick(8, 16))
    count = p.pick(4, 6, 8)
    i = t.launch(["i|block|w"], (count,))[0]
    x = k.var("x|block_tile|v", t.load(k.array("values|frames|signal", p.real, (count * m.value, n.value), R.uniform(-1.0, 1.0)), [m, n], [i * m.expr, 0]))
    if p.chance(0.4):
        k.set(x, t.map(unary(p), x))
    axis = p.pick(0, 1)
    along, left = (m, n) if axis == 0 else (n, m)
    if p.chance(0.5):
        r = k.var("pooled|s|reduced", t.reduce(combine(p), x, axis))
    else:
        r = k.var("pooled|s|reduced", t.total("tile_sum", x, axis))
        if p.chance(0.6):
            k.set(r, r * (1.0 / along.value))
    if p.chance(0.35):
        centred = x - (t.broadcast(r, [m, n]) if axis == 0 else t.column(r, m, n))
        t.store(k.out("centered|detail|high_pass", p.real, (count * m.value, n.value)), centred, [i * m.expr, 0])
    t.store(k.out("pooled_out|means|features", p.real, (count, left.value))[i], r)


