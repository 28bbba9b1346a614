"""Blocked products and matrix functions: intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Tiling
from generator.synthesis.categories._tla_blocks import (
    accumulate,
    diag_add,
    matmul,
    transpose,
)
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


class Blocked:
    """A product over tiles: output tile (i, j) and a loop over the inner dimension."""

    def __init__(
        self,
        p: ProgramBuilder,
        names: str,
        docs: tuple[str, ...],
        square: bool = False,
        split: bool = False,
    ) -> None:
        self.p = p
        self.k: KernelBuilder = p.kernel_builder(names, p.pick(*docs))
        self.t = t = Tiling(p, self.k)
        self.m = t.dim("tile_m|block_m|bm", p.pick(4, 8))
        self.n = self.m if square else t.dim("tile_n|block_n|bn", p.pick(4, 8))
        self.q = t.dim("tile_k|block_k|bk", p.pick(4, 8))
        self.counts = (p.pick(2, 3), p.pick(2, 3))
        self.counts = (self.counts[0], self.counts[0]) if square else self.counts
        self.steps = p.pick(2, 3, 4)
        hints = ["i|bi|row_block|tile_i", "j|bj|col_block|tile_j"]
        self.slice: Expr | None = None
        if split:
            self.i, self.j, self.slice = t.launch(
                [*hints, "s|part|k_slice"], (*self.counts, self.steps), guarded=False
            )
        else:
            self.i, self.j = t.launch(hints, self.counts, guarded=False)
        self.rows, self.cols = self.counts[0] * self.m.value, self.counts[1] * self.n.value
        self.inner = self.steps * self.q.value

    @property
    def offset(self) -> list[Any]:
        """Where the output tile starts."""
        return [self.i * self.m.expr, self.j * self.n.expr]

    def bound(self, array: Expr, axis: int) -> Operand:
        """Number of inner tiles, as the kernel learns it."""
        match self.p.pick("shape", "let", "arg", "literal"):
            case "shape":
                return array.dim(axis) // self.q.expr
            case "let":
                return self.k.let("num_steps|k_tiles|steps", array.dim(axis) // self.q.expr)
            case "arg":
                return self.k.scalar("num_k|inner_tiles|k_tiles", T.I32, self.steps)
        return self.steps

    def tile(self) -> T.Tile:
        return T.Tile(self.p.real, (self.m.value, self.n.value))


def products(p: ProgramBuilder) -> None:
    """Blocked products: split-K, rank-k updates, distance and kernel matrices, low-rank and gated layers."""
    kind = p.weighted(
        {"update": 3, "split": 2, "syrk": 2.5, "distance": 3, "low_rank": 2, "gated": 2}
    )
    names = {
        "update": "gemm_update|trailing_update|block_update|scaled_gemm",
        "split": "split_k_gemm|partial_products|gemm_split_k",
        "syrk": "syrk_blocked|gram_matrix|covariance_blocks|rank_k_update",
        "distance": "pairwise_distances|rbf_gram|distance_matrix|kernel_matrix",
        "low_rank": "low_rank_apply|lora_forward|factored_product|nystrom_apply",
        "gated": "gated_linear|glu_forward|mlp_gate|gated_product",
    }[kind]
    docs = (
        "Each block owns one tile of the result.",
        "The inner dimension is walked in tiles.",
        "Operands are staged tile by tile.",
        "Blocked product with a fused epilogue.",
    )
    g = Blocked(p, names, docs, square=kind == "syrk", split=kind == "split")
    {
        "update": _update,
        "split": _split,
        "syrk": _syrk,
        "distance": _distance,
        "low_rank": _low_rank,
        "gated": _gated,
    }[kind](p, g)


def _operands(p: ProgramBuilder, g: Blocked, hint: str, transposed: bool) -> tuple[Expr, Expr]:
    first, second = hint.split("/")
    a = g.k.array(first, p.real, (g.rows, g.inner), R.uniform(-1.0, 1.0))
    b = g.k.array(
        second, p.real, (g.cols, g.inner) if transposed else (g.inner, g.cols), R.uniform(-1.0, 1.0)
    )
    return a, b


def _staged(
    p: ProgramBuilder, g: Blocked, a: Expr, b: Expr, s: Expr, transposed: bool
) -> tuple[Expr, Expr]:
    k, t = g.k, g.t
    at = k.let("a_tile|ta|lhs", t.load(a, [g.m, g.q], [g.i * g.m.expr, s * g.q.expr]))
    if not transposed:
        return at, k.let("b_tile|tb|rhs", t.load(b, [g.q, g.n], [s * g.q.expr, g.j * g.n.expr]))
    bt = k.let("b_tile|tb|rhs", t.load(b, [g.n, g.q], [g.j * g.n.expr, s * g.q.expr]))
    return at, k.let("bT|b_t|rhs_t", transpose(bt)) if p.chance(0.4) else transpose(bt)


def _update(p: ProgramBuilder, g: Blocked) -> None:
    k, t = g.k, g.t
    tb = p.chance(0.4)
    a, b = _operands(p, g, "A|panel|lhs_all/B|row_panel|rhs_all", tb)
    c = k.array("C|trailing|dst", p.real, (g.rows, g.cols), R.uniform(-1.0, 1.0), "inout")
    acc = k.var("acc|c_tile|out_tile", t.load(c, [g.m, g.n], g.offset))
    alpha: Operand = -1.0 if p.chance(0.4) else k.param("alpha|scale", 0.2, 1.5)
    beta = k.param("beta|keep|decay", 0.1, 0.9) if p.chance(0.4) else None
    if beta is not None:
        k.set(acc, acc * beta)
    with k.loop("s|kk|step", g.bound(a, 1)) as s:
        at, bt = _staged(p, g, a, b, s, tb)
        if p.chance(0.5):
            keywords = {
                "alpha": construct(p.real, alpha)
                if not isinstance(alpha, float) or p.real == T.F64
                else alpha
            }
            accumulate(k, at, bt, acc, **keywords)
        elif isinstance(alpha, float):
            k.aug(acc, "-", matmul(at, bt))
        else:
            k.aug(acc, "+", matmul(at, bt) * alpha)
    if p.chance(0.3):
        diag = (
            k.let(
                "d|shift|diag_tile",
                t.load(
                    k.array("diag_shift|shifts|diag", p.real, (g.rows,), R.uniform(0.1, 1.0)),
                    [g.m],
                    [g.i * g.m.expr],
                ),
            )
            if g.m.value == g.n.value
            else None
        )
        if diag is not None:
            with k.when(g.i == g.j):
                t.store(c, diag_add(acc, diag), g.offset)
                k.ret()
    t.store(c, acc, g.offset)


def _split(p: ProgramBuilder, g: Blocked) -> None:
    k, t = g.k, g.t
    tb = p.chance(0.4)
    a, b = _operands(p, g, "A|x|lhs_all/B|weights|rhs_all", tb)
    assert g.slice is not None
    at, bt = _staged(p, g, a, b, g.slice, tb)
    part = k.let("part|partial|prod", matmul(at, bt))
    if p.chance(0.4):
        part = part * k.param("alpha|scale", 0.2, 1.5)
    out = k.out("C|out|accumulated", p.real, (g.rows, g.cols))
    t.atomic(out, part, g.offset)
    if p.chance(0.4):
        bias = t.load(
            k.array("bias|row_bias|offsets", p.real, (g.cols,), R.uniform(-0.5, 0.5)),
            [g.n],
            [g.j * g.n.expr],
        )
        with k.when(g.slice == 0):
            t.atomic(out, t.broadcast(bias, [g.m, g.n]), g.offset)


def _syrk(p: ProgramBuilder, g: Blocked) -> None:
    k, t = g.k, g.t
    by_rows = p.chance(0.5)
    x = k.array(
        "X|samples|factors|snapshots",
        p.real,
        (g.inner, g.rows) if by_rows else (g.rows, g.inner),
        R.uniform(-1.0, 1.0),
    )
    lower = p.chance(0.6)
    if lower:
        with k.when(g.j > g.i):
            k.ret()
    acc = k.var("acc|gram|c", t.zeros([g.m, g.n], p.real))
    with k.loop("s|kk|chunk_id", g.bound(x, 0 if by_rows else 1)) as s:
        if by_rows:
            left = k.let("xi|left|a", t.load(x, [g.q, g.m], [s * g.q.expr, g.i * g.m.expr]))
            right = k.let("xj|right|b", t.load(x, [g.q, g.n], [s * g.q.expr, g.j * g.n.expr]))
            pair = (transpose(left), right)
        else:
            left = k.let("xi|left|a", t.load(x, [g.m, g.q], [g.i * g.m.expr, s * g.q.expr]))
            right = k.let("xj|right|b", t.load(x, [g.n, g.q], [g.j * g.n.expr, s * g.q.expr]))
            pair = (left, transpose(right))
        accumulate(k, *pair, acc) if p.chance(0.7) else k.aug(acc, "+", matmul(*pair))
    if p.chance(0.5):
        k.set(acc, acc * round(1.0 / (g.inner - 1), 6))
    out = k.out("G|gram_out|C|covariance", p.real, (g.rows, g.rows))
    if p.chance(0.4):
        ones = tile("tile_ones", T.Tile(p.real, (g.m.value,)), shape=g.m.expr, dtype=p.real)
        with k.when(g.i == g.j):
            k.set(acc, diag_add(acc, ones * k.param("ridge|jitter|noise", 0.01, 0.3)))
    t.store(out, acc, g.offset)
    if lower and p.chance(0.6):
        with k.when(g.i != g.j):
            t.store(out, transpose(acc), g.offset[::-1])


def _distance(p: ProgramBuilder, g: Blocked) -> None:
    k, t = g.k, g.t
    a, b = _operands(p, g, "X|points|queries/Y|centers|landmarks", True)
    cross = k.var("cross|xy|acc", t.zeros([g.m, g.n], p.real))
    xx, yy = (
        k.var("xx|row_sq|nx", t.zeros([g.m], p.real)),
        k.var("yy|col_sq|ny", t.zeros([g.n], p.real)),
    )
    with k.loop("s|kk|chunk_id", g.bound(a, 1)) as s:
        xt = k.let("xt|x_tile|qt", t.load(a, [g.m, g.q], [g.i * g.m.expr, s * g.q.expr]))
        yt = k.let("yt|y_tile|ct", t.load(b, [g.n, g.q], [g.j * g.n.expr, s * g.q.expr]))
        accumulate(k, xt, transpose(yt), cross)
        k.aug(xx, "+", t.total("tile_sum", xt * xt, 1))
        k.aug(yy, "+", t.total("tile_sum", yt * yt, 1))
    kind = p.pick("squared", "euclid", "rbf", "cosine", "imq")
    if kind == "cosine":

        def similarity(q: Any, c: Expr, u: Expr, v: Expr) -> None:
            q.ret(c / wp.sqrt(wp.max(u * v, 1.0e-12)))

        f = p.func(
            "cosine|cosine_similarity|normalised_dot",
            {"c|xy": p.real, "u|xx": p.real, "v|yy": p.real},
            similarity,
        )
    else:
        width = p.pick(0.1, 0.25, 0.5)

        def distance(q: Any, c: Expr, u: Expr, v: Expr) -> None:
            d2 = q.let("d2|dist_sq", wp.max(u + v - 2.0 * c, 0.0))
            if kind == "squared":
                q.ret(d2)
            elif kind == "euclid":
                q.ret(wp.sqrt(d2))
            elif kind == "rbf":
                q.ret(wp.exp(-width * d2))
            else:
                q.ret(1.0 / wp.sqrt(1.0 + width * d2))

        f = p.func(
            {
                "squared": "dist_sq|squared_distance",
                "euclid": "euclidean|distance",
                "rbf": "rbf|gaussian_kernel",
                "imq": "inverse_multiquadric|imq",
            }[kind],
            {"c|xy": p.real, "u|xx": p.real, "v|yy": p.real},
            distance,
        )
    d = k.var("d|dist|gram", t.map(f, cross, t.column(xx, g.m, g.n), t.broadcast(yy, [g.m, g.n])))
    for what in p.sample(["scale", "diag", "mask"], 0, 2):
        if what == "scale":
            k.set(d, d * k.param("amplitude|variance|weight", 0.3, 2.0))
        elif what == "diag" and g.m.value == g.n.value:
            shift = k.param("nugget|jitter|noise", 0.01, 0.2)
            with k.when(g.i == g.j):
                k.set(d, diag_add(d, t.full([g.m], shift, p.real)))
        elif what == "mask":
            w = t.load(
                k.array("row_weights|mass|sample_weight", p.real, (g.rows,), R.uniform(0.2, 1.5)),
                [g.m],
                [g.i * g.m.expr],
            )
            k.set(d, d * t.column(w, g.m, g.n))
    t.store(k.out("D|distances|K|kernel_out", p.real, (g.rows, g.cols)), d, g.offset)
    if p.chance(0.35):
        t.atomic(
            k.out("row_sums|degrees|totals", p.real, (g.rows,)),
            t.total("tile_sum", d, 1),
            [g.i * g.m.expr],
        )


def _low_rank(p: ProgramBuilder, g: Blocked) -> None:
    k, t = g.k, g.t
    r = t.dim("rank|r|num_modes", p.pick(2, 4))
    x = k.array("X|inputs|snapshots", p.real, (g.rows, g.inner), R.uniform(-1.0, 1.0))
    down = k.array("A|down|basis_in|U", p.real, (g.inner, r.value), R.uniform(-1.0, 1.0))
    up = k.array("B|up|basis_out|V", p.real, (r.value, g.cols), R.uniform(-1.0, 1.0))
    h = k.var("h|latent|coef", t.zeros([g.m, r], p.real))
    with k.loop("s|kk|step", g.bound(x, 1)) as s:
        xt = k.let("xt|x_tile|rows_tile", t.load(x, [g.m, g.q], [g.i * g.m.expr, s * g.q.expr]))
        dt = k.let("dt|down_tile|basis", t.load(down, [g.q, r], [s * g.q.expr, 0]))
        accumulate(k, xt, dt, h)
    if p.chance(0.5):
        sv = t.load(
            k.array("singular_values|core|gains", p.real, (r.value,), R.uniform(0.3, 2.0)), [r]
        )
        h = k.let("scaled|hs|core_h", h * t.broadcast(sv, [g.m, r]))
    ut = k.let("ut|up_tile|out_basis", t.load(up, [r, g.n], [0, g.j * g.n.expr]))
    y = k.var("y|acc|out_tile", matmul(h, ut))
    if p.chance(0.6):
        base = t.load(
            k.array("base|frozen|mean_field", p.real, (g.rows, g.cols), R.uniform(-1.0, 1.0)),
            [g.m, g.n],
            g.offset,
        )
        scale = k.param("scale|alpha|lora_alpha", 0.2, 2.0)
        k.set(y, base + y * scale)
    t.store(k.out("Y|out|reconstructed", p.real, (g.rows, g.cols)), y, g.offset)


def _gated(p: ProgramBuilder, g: Blocked) -> None:
    k, t = g.k, g.t
    x = k.array("X|inputs|hidden", p.real, (g.rows, g.inner), R.uniform(-1.0, 1.0))
    wg = k.array("W_gate|gate_weights|Wg", p.real, (g.inner, g.cols), R.uniform(-1.0, 1.0))
    wu = k.array("W_up|value_weights|Wv", p.real, (g.inner, g.cols), R.uniform(-1.0, 1.0))
    gate, up = (
        k.var("gate|g_acc|ga", t.zeros([g.m, g.n], p.real)),
        k.var("up|v_acc|va", t.zeros([g.m, g.n], p.real)),
    )
    with k.loop("s|kk|step", g.bound(x, 1)) as s:
        xt = k.let("xt|x_tile|rows_tile", t.load(x, [g.m, g.q], [g.i * g.m.expr, s * g.q.expr]))
        accumulate(k, xt, t.load(wg, [g.q, g.n], [s * g.q.expr, g.j * g.n.expr]), gate)
        accumulate(k, xt, t.load(wu, [g.q, g.n], [s * g.q.expr, g.j * g.n.expr]), up)
    if p.chance(0.4):
        bias = t.load(
            k.array("gate_bias|bias|bg", p.real, (g.cols,), R.uniform(-0.5, 0.5)),
            [g.n],
            [g.j * g.n.expr],
        )
        k.aug(gate, "+", t.broadcast(bias, [g.m, g.n]))
    kind = p.pick("silu", "sigmoid", "relu", "tanh")

    def combine(q: Any, a: Expr, v: Expr) -> None:
        if kind == "silu":
            q.ret(v * a / (1.0 + wp.exp(-a)))
        elif kind == "sigmoid":
            q.ret(v / (1.0 + wp.exp(-a)))
        elif kind == "relu":
            q.ret(v * wp.max(a, 0.0))
        else:
            q.ret(v * wp.tanh(a))

    f = p.func(f"{kind}_gate|gated_{kind}|apply_gate", {"a|g": p.real, "v|u": p.real}, combine)
    y = t.map(f, gate, up)
    t.store(k.out("Y|out|activated", p.real, (g.rows, g.cols)), y, g.offset)
