"""Blocked products and matrix functions: intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    accumulate,
    diag_add,
    dot,
    inner,
    matmul,
    ridge,
    transpose,
)  # fmt: skip
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
        "update": "gemm_update|trailing_update|block_update|scaled_gemm", "split": "split_k_gemm|partial_products|gemm_split_k",
        "syrk": "syrk_blocked|gram_matrix|covariance_blocks|rank_k_update", "distance": "pairwise_distances|rbf_gram|distance_matrix|kernel_matrix",
        "low_rank": "low_rank_apply|lora_forward|factored_product|nystrom_apply", "gated": "gated_linear|glu_forward|mlp_gate|gated_product",
    }[kind]  # fmt: skip
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


def matrix_functions(p: ProgramBuilder) -> None:
    """Functions of small matrices by products alone: inverse, exponential, square root, polar factor, powers."""
    kind = p.weighted(
        {"inverse": 3, "exponential": 3, "polar": 2.5, "power": 2, "sqrt": 2, "lyapunov": 2}
    )
    names = {
        "inverse": "newton_schulz_inverse|refine_inverse|approximate_inverse", "exponential": "matrix_exponential|expm_taylor|propagator",
        "polar": "orthogonalise_block|polar_factor|newton_schulz_orthogonal", "power": "matrix_power|markov_step|repeated_squaring",
        "sqrt": "matrix_sqrt|coupled_newton_sqrt|covariance_sqrt", "lyapunov": "lyapunov_doubling|propagate_covariance|stein_solve",
    }[kind]  # fmt: skip
    b = Batch(
        p,
        names,
        (
            "Matrix function of one block, by products alone.",
            "All iterates stay on chip.",
            "Batched over independent matrices.",
            "No factorisation, only products.",
        ),
        index="i|mat_id|env|block",
    )
    n = b.t.dim("n|order|size|dim", p.pick(3, 4, 6, 8))
    {
        "inverse": _inverse,
        "exponential": _exponential,
        "polar": _polar,
        "power": _power,
        "sqrt": _sqrt,
        "lyapunov": _lyapunov,
    }[kind](p, b, n)


def _ones(p: ProgramBuilder, n: Dim) -> Expr:
    return tile("tile_ones", T.Tile(p.real, (n.value,)), shape=n.expr, dtype=p.real)


def _identity(p: ProgramBuilder, b: Batch, n: Dim, scale: float = 1.0) -> Expr:
    diag = _ones(p, n) if scale == 1.0 else b.t.full([n], scale, p.real)
    return diag_add(b.t.zeros([n, n], p.real), diag)


def _iterations(p: ProgramBuilder, b: Batch, low: int, high: int) -> Operand:
    number = p.pick(*range(low, high + 1))
    return number if p.chance(0.4) else b.k.count("iterations|num_iters|steps", number)


def _inverse(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    a = b.load("A|matrices|blocks", "a|mat|m", [n, n], R.spd(0.6, 1.6))
    x = k.var("x|inv|y", _identity(p, b, n) if p.chance(0.5) else transpose(a) * p.pick(0.3, 0.4))
    with k.loop("it|step|sweep", _iterations(p, b, 3, 6)):
        ax = k.let("ax|prod|residual", matmul(a, x))
        if p.chance(0.5):
            k.set(x, x * 2.0 - matmul(x, ax))
        else:
            k.set(x, matmul(x, diag_add(-ax, b.t.full([n], 2.0, p.real))))
    b.store("inverses|A_inv|approx_inverse", [n, n], x)
    if p.chance(0.4):
        e = k.let("e|defect|err", diag_add(matmul(a, x) * -1.0, _ones(p, n)))
        b.put("defects|residual_norms|errors", wp.sqrt(dot(e, e)))


def _exponential(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    a = b.load("A|generators|rates", "a|gen|q_mat", [n, n], R.uniform(-0.5, 0.5))
    squarings = p.pick(0, 2, 3)
    dt = k.param("dt|t|horizon", 0.1, 1.0) if p.chance(0.5) else None
    if dt is not None or squarings:
        factor = 1.0 / 2**squarings
        a = k.let(
            "scaled|at|small",
            a * (dt * factor if dt is not None and squarings else dt if dt is not None else factor),
        )
    total = k.var("total|e|expm", _identity(p, b, n))
    term = k.var("term|power|pk", _identity(p, b, n))
    with k.loop("j|order_j|it", 1, p.pick(5, 6, 8)) as j:
        k.set(term, matmul(term, a) / construct(p.real, j))
        k.aug(total, "+", term)
    if squarings:
        k.step(p.pick("undo the scaling", "squaring", ""))
        with k.loop("s|sq", squarings):
            k.set(total, matmul(total, total))
    if p.chance(0.4):
        one = b.t.literal(1)
        x = b.load("states|x_all|population", "x|state|v", [n, one], R.uniform(0.0, 1.0))
        b.store("states_out|x_next|propagated", [n, one], matmul(total, x))
    else:
        b.store("propagators|expm_out|transition", [n, n], total)


def _polar(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k, t = b.k, b.t
    m = t.dim("rows|m|tall", n.value * p.pick(1, 2))
    a = b.load("A|momentum|blocks|updates", "a|mat|g", [m, n], R.uniform(-1.0, 1.0))
    norm = k.let("norm|frob|fro", wp.sqrt(dot(a, a)))
    x = k.var("x|q|basis", a * (1.0 / norm) if p.chance(0.5) else a / norm)
    quintic = p.chance(0.4)
    with k.loop("it|step", _iterations(p, b, 4, 8)):
        s = k.let("s|xtx|gram", matmul(transpose(x), x))
        if quintic:
            s2 = k.let("s2|gram_sq", matmul(s, s))
            k.set(x, x * 3.4445 + matmul(x, s * -4.775 + s2 * 2.0315))
        elif p.chance(0.5):
            k.set(x, x * 1.5 - matmul(x, s) * 0.5)
        else:
            k.set(x, matmul(x, diag_add(s * -0.5, t.full([n], 1.5, p.real))))
    b.store("Q|orthogonal|rotations_out", [m, n], x)


def _power(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k, t = b.k, b.t
    a = b.load("transition|P_all|A", "a|base|step_mat", [n, n], R.uniform(0.05, 1.0))
    if p.chance(0.7):
        rows = t.total("tile_sum", a, 1)
        a = k.let("stochastic|normed|prob", a / t.column(k.let("row_sum|sums", rows), n, n))
    else:
        a = k.let("scaled|damped", a * round(0.8 / n.value, 3))
    result = k.var("result|acc|pw", _identity(p, b, n))
    base = k.var("base_pow|sq|square_k", a)
    e = k.var("e|remaining|bits", b.scalar("exponents|num_steps|horizon", R.integers(1, 12), T.I32))
    with k.repeat(e > 0):
        with k.when((e & 1) == 1 if p.chance(0.6) else e % 2 == 1):
            k.set(result, matmul(result, base))
        k.set(base, matmul(base, base))
        k.set(e, e >> 1 if p.chance(0.6) else e // 2)
    k.options["enable_backward"] = False
    b.store("powers|out|P_k", [n, n], result)


def _sqrt(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    a = b.load("covariances|A|metrics", "a|cov|m", [n, n], R.spd(0.5, 1.7))
    y, z = k.var("y|root|yk", a), k.var("z|inv_root|zk", _identity(p, b, n))
    with k.loop("it|step", _iterations(p, b, 4, 7)):
        w = k.let("w|zy|mid", diag_add(matmul(z, y) * -0.5, b.t.full([n], 1.5, p.real)))
        k.set(y, matmul(y, w))
        k.set(z, matmul(w, z))
    which = p.pick("root", "inverse", "both")
    if which != "inverse":
        b.store("roots|sqrt_out|A_half", [n, n], y)
    if which != "root":
        b.store("inverse_roots|inv_sqrt|whitener", [n, n], z)


def _lyapunov(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    a = k.var(
        "a|f|ak",
        b.load("A|dynamics|closed_loop", "a0|f0|dyn", [n, n], R.uniform(-0.3, 0.3))
        * p.pick(0.8, 0.9, 0.5),
    )
    q = k.var(
        "x|P|gramian", b.load("Q|noise_cov|state_cost", "q0|noise|cost", [n, n], R.spd(0.2, 1.0))
    )
    doubling = p.chance(0.5)
    with k.loop("it|step", _iterations(p, b, 3, 5)):
        k.set(q, q + matmul(matmul(a, q), transpose(a)))
        if doubling:
            k.set(a, matmul(a, a))
        elif p.chance(0.5):
            k.set(q, (q + transpose(q)) * 0.5)
    b.store("solutions|gramians|P_out", [n, n], q)
    if p.chance(0.4):
        b.put(
            "log_dets|log_volume|entropy",
            Factor(p, b, ridge(p, b, q, n, 1.0e-4, "q_reg|reg|safe")).log_det(n),
        )


def orthonormal(p: ProgramBuilder) -> None:
    """Orthonormal bases: CholeskyQR, subspace iteration and Rayleigh quotients of block operators."""
    b = Batch(
        p,
        "subspace_iteration|cholesky_qr|block_power_iteration|orthonormalise_modes|rayleigh_ritz",
        (
            "CholeskyQR: Q = Y R^-1 with R from Y^T Y.",
            "Block power iteration.",
            "Dominant modes of each operator.",
            "Orthonormalises a block of vectors.",
        ),
        index="i|operator|env|block",
    )
    k, t = b.k, b.t
    n, r = (
        t.dim("n|order|num_dofs", p.pick(6, 8, 12)),
        t.dim("num_modes|rank|block_size", p.pick(2, 3, 4)),
    )
    a = (
        b.load("operators|A|stiffness", "a|op|km", [n, n], R.spd(0.5, 3.0))
        if p.chance(0.7)
        else None
    )
    x = k.var(
        "x|modes|q", b.load("basis|start_block|X0", "x0|start|guess", [n, r], R.uniform(-1.0, 1.0))
    )
    small = T.Tile(p.real, (r.value, r.value))

    def orthonormalise(y: Expr) -> Expr:
        g = k.let("g|gram|yty", matmul(transpose(y), y))
        low = k.let("L|low|chol", tile("tile_cholesky", small, g))
        return transpose(
            tile("tile_lower_solve", T.Tile(p.real, (r.value, n.value)), low, transpose(y))
        )

    if a is None:
        with k.loop("rep|pass_", p.pick(1, 2)):
            k.set(x, orthonormalise(x))
    else:
        with k.loop("it|sweep", _iterations(p, b, 2, 4)):
            y = k.let("y|image|ax", matmul(a, x))
            k.set(x, orthonormalise(y))
        if p.chance(0.6):
            ray = k.let("ray|small_op|ritz", matmul(transpose(x), matmul(a, x)))
            b.store("ritz_matrices|projected|reduced", [r, r], ray)
        if p.chance(0.3):
            res = k.let("res|defect", matmul(a, x) - matmul(x, matmul(transpose(x), matmul(a, x))))
            b.put("residual_norms|errors|defects", wp.sqrt(inner(p, res, res)))
    if p.chance(0.4):
        signs = k.let("lengths|col_sq|unit_check", b.t.total("tile_sum", x * x, 0))
        b.store("column_norms|mode_norms|checks", [r], signs)
    b.store("modes|basis_out|Q", [n, r], x)
