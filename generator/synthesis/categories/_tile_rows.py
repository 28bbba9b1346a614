"""Row-wise normalisation with one thread block per row: an intent of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tile_functions import unary
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def open_kernel(p: ProgramBuilder, names: str, *docs: str) -> tuple[KernelBuilder, Tiling]:
    k = p.kernel_builder(names, p.pick(*docs))
    return k, Tiling(p, k)


class Rows:
    """One row, or a block of rows, per block of threads."""

    def __init__(
        self, p: ProgramBuilder, t: Tiling, width: int, low: float = -2.0, high: float = 2.0
    ) -> None:
        self.p, self.t, self.k = p, t, t.k
        self.width = t.dim("tile_n|row_len|width|dim|tile_size|block_n", width)
        self.many = p.pick(12, 16, 24, 32)
        self.form = p.weighted({"row": 4, "slice": 3, "flat": 1.5, "batch": 2})
        self.fill = R.uniform(low, high)
        self.worlds = p.pick(2, 3)
        hints = ["row|i|r|sample|token"]
        if self.form == "batch":
            self.batch, self.row = t.launch(
                ["batch|b|world|head", *hints], (self.worlds, self.many)
            )
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

    def stat_in(self, hint: str, fill: R.Fill) -> Expr:
        """An input with one value per row."""
        shape = (self.worlds, self.many) if self.form == "batch" else (self.many,)
        return self.k.array(hint, T.F32, shape, fill)

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
    steps = p.weighted(
        {
            ("centre", "unit_variance"): 3,
            ("rms",): 2,
            ("softmax",): 3,
            ("log_softmax",): 1,
            ("l2",): 1.5,
            ("max_abs",): 1.2,
            ("centre",): 1,
            ("minmax",): 1.5,
            ("l1",): 0.8,
        }
    )
    name = {
        "centre": "standardize_rows|layer_norm|center_rows",
        "rms": "rms_norm|rmsnorm_rows",
        "softmax": "softmax_rows|row_softmax",
        "log_softmax": "log_softmax|log_softmax_rows",
        "l2": "normalize_rows|unit_rows",
        "max_abs": "scale_rows|max_abs_scale",
        "minmax": "minmax_rescale|rescale_rows",
        "l1": "l1_normalize|normalize_weights",
    }[steps[0]]
    k, t = open_kernel(
        p,
        name,
        "One thread block per row.",
        "Row-wise normalisation with tile reductions.",
        "Each block loads a row once and keeps it in registers.",
    )
    rows = Rows(p, t, p.pick(16, 32, 48, 64))
    x = k.var(
        "x|row_tile|v|t", rows.load(rows.array("inputs|x_in|logits|scores|activations", p.real))
    )
    for before in p.sample([_residual, _bias, _activate, _temperature], 0, 2):
        before(p, k, t, rows, x)
    for step in steps:
        _NORMALISERS[step](p, k, t, rows, x)
    for after in p.sample([_gain, _shift, _activate], 0, 2):
        after(p, k, t, rows, x)
    rows.store(rows.array("outputs|y|normalized|probs", p.real, R.zeros(), "out"), x)


def _float_width(p: ProgramBuilder, rows: Rows) -> Expr:
    # Cast to float64, a constant would be a float64 to Warp wherever it stands.
    if p.real == T.F64 or isinstance(rows.width.expr, N.Literal):
        return N.literal(float(rows.width.value), p.real)
    return construct(p.real, rows.width.expr)


def _centre(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    mean = k.let(
        "mean|mu|avg",
        t.total("tile_sum", x)[0] / _float_width(p, rows)
        if p.chance(0.6)
        else t.total("tile_sum", x)[0] * (1.0 / rows.width.value),
    )
    k.set(x, x - t.full(rows.shape, mean, p.real))
    if p.chance(0.3):
        k.set(rows.stat("means|mu_out|row_mean", p.real)[rows.at], mean)


def _variance(p: ProgramBuilder, k: KernelBuilder, t: Tiling, rows: Rows, x: Expr) -> None:
    sq = (
        tile("tile_dot", T.Tile(p.real, (1,)), x, x)
        if p.chance(0.3)
        else t.total("tile_sum", x * x)
    )
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
    low, high = (
        k.let("lo|low|x_min", t.total("tile_min", x)),
        k.let("hi|high|x_max", t.total("tile_max", x)),
    )
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
