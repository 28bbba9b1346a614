"""Matrix functions and orthonormal bases by products: intents of tile_linear_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    diag_add,
    dot,
    inner,
    matmul,
    ridge,
    transpose,
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def matrix_functions(p: ProgramBuilder) -> None:
    """Functions of small matrices by products alone: inverse, exponential, square root, polar factor, powers."""
    kind = p.weighted(
        {"inverse": 3, "exponential": 3, "polar": 2.5, "power": 2, "sqrt": 2, "lyapunov": 2}
    )
    names = {
        "inverse": "newton_schulz_inverse|refine_inverse|approximate_inverse",
        "exponential": "matrix_exponential|expm_taylor|propagator",
        "polar": "orthogonalise_block|polar_factor|newton_schulz_orthogonal",
        "power": "matrix_power|markov_step|repeated_squaring",
        "sqrt": "matrix_sqrt|coupled_newton_sqrt|covariance_sqrt",
        "lyapunov": "lyapunov_doubling|propagate_covariance|stein_solve",
    }[kind]
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
        "x|modes|q", b.load("basis|start_block|X0", "x0|start|guess", [r, n], R.uniform(-1.0, 1.0))
    )
    small = T.Tile(p.real, (r.value, r.value))

    def orthonormal_rows(y: Expr) -> Expr:
        g = k.let("g|gram|yyt", matmul(y, transpose(y)))
        low = k.let("L|low|chol", tile("tile_cholesky", small, g))
        return tile("tile_lower_solve", y.type, low, y)

    if a is None:
        with k.loop("rep|pass_", p.pick(1, 2)):
            k.set(x, orthonormal_rows(x))
    else:
        with k.loop("it|sweep", _iterations(p, b, 2, 4)):
            k.set(x, orthonormal_rows(k.let("y|image|xa", matmul(x, a))))
        if p.chance(0.6):
            ray = k.let("ray|small_op|ritz", matmul(matmul(x, a), transpose(x)))
            b.store("ritz_matrices|projected|reduced", [r, r], ray)
        if p.chance(0.3):
            xa = k.let("xa|image_end|ax", matmul(x, a))
            res = k.let("res|defect", xa - matmul(matmul(xa, transpose(x)), x))
            b.put("residual_norms|errors|defects", wp.sqrt(inner(p, res, res)))
    if p.chance(0.4):
        b.store("mode_norms|row_norms|checks", [r], b.t.total("tile_sum", x * x, 1))
    b.store("modes|basis_out|Q", [r, n], x)
