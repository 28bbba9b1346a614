"""Sparse matrices: products, smoothers, preconditioners, structure and the vector work of Krylov methods."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._sparse import Sparse, coefficient, rows, total
from generator.synthesis.categories._sparse_krylov import krylov_update
from generator.synthesis.categories._sparse_multigrid import aggregates, laplacian, transfer
from generator.synthesis.categories._sparse_reductions import reductions, rotation
from generator.synthesis.categories._sparse_smoothers import smooth, vector_op
from generator.synthesis.categories._sparse_structure import coordinate, counting, transpose
from generator.synthesis.categories._sparse_triangular import incomplete, level_solve
from generator.synthesis.categories._sparse_values import extract, filtering, scaling
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name


@category("sparse_algebra", version=1, title="Sparse algebra")
def write(p: ProgramBuilder) -> None:
    """Sparse matrices in CSR, BSR, ELL, COO and diagonal layouts: products, smoothers, scalings, transposes,
    incomplete factors, level-scheduled solves, multigrid transfer and the vector updates of Krylov methods."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted(
        {
            multiply: 5.5,
            nonlinear: 3,
            smooth: 6,
            vector_op: 4.5,
            coordinate: 2,
            transpose: 0.8,
            counting: 1.5,
            extract: 2,
            filtering: 1.4,
            scaling: 2,
            incomplete: 1,
            level_solve: 2,
            krylov_update: 4,
            reductions: 2,
            rotation: 0.6,
            transfer: 2,
            aggregates: 1.5,
            laplacian: 2.5,
        }
    )
    intent(p)


def multiply(p: ProgramBuilder) -> None:
    """Products with a vector, and residuals."""
    block = p.weighted({1: 6, 2: 1, 3: 2, 4: 0.7})
    prefix = "bsr" if block > 1 else "csr"
    kind = p.pick("plain", "plain", "scaled", "residual", "two", "transposed")
    products = f"{prefix}_spmv|{prefix}_mv|spmv|sparse_matvec|multiply_rows|apply_operator"
    k = p.kernel_builder(
        {
            "residual": f"compute_residual|{prefix}_residual|row_residuals",
            "transposed": f"{prefix}_spmv_transposed|transposed_product|scatter_rows|apply_transpose",
        }.get(kind, products),
        p.pick(
            {
                "scaled": "y = alpha A x + beta y.",
                "residual": "r = b - A x.",
                "two": "Product with a shifted operator.",
                "transposed": "y += A^T x; every row scatters.",
            }.get(kind, "y = A x."),
            "Sparse matrix times vector, one thread per row.",
            "Row-parallel product.",
        ),
    )
    e = rows(k, p)
    m = Sparse(p, e, block)
    x = e.field("x|x_in|v|vec", m.vector, R.uniform(-1.0, 1.0))
    i = e.index
    y = e.inout("y|out|r|result", m.vector, R.uniform(-1.0, 1.0))
    e.guard((y, m.zero()))
    if kind == "transposed":
        xi = k.let("xi|x_row|w", x.own)
        if p.chance(0.4):
            with k.when(xi == 0.0 if block == 1 else wp.length_sq(xi) == 0.0):
                k.ret()
        with m.row(i) as (j, a):
            y.add(a * xi if block == 1 else wp.transpose(a) * xi, j)
        return
    ax = m.product(x, i)
    match kind:
        case "scaled":
            value = coefficient(p, e, "alpha|scale", 0.3, 2.0) * ax
            value = (
                value + coefficient(p, e, "beta|y_scale", 0.1, 1.0) * y.own
                if p.chance(0.7)
                else value
            )
        case "residual":
            value = e.field("b|rhs|f", m.vector, R.uniform(-1.0, 1.0)).own - ax
        case "two":
            d = e.field("mass|diag|damping", p.real, R.uniform(0.5, 2.0)).own
            value = ax + d * x.own if p.chance(0.6) else ax - d * x.own
        case _:
            value = ax
    _finish_product(p, e, m, x, y, value)


def nonlinear(p: ProgramBuilder) -> None:
    """Operators whose entries depend on the unknowns: upwinding, p-Laplacian, saturation, limiters."""
    form = p.pick("upwind", "p_laplace", "saturated", "limited", "harmonic")
    k = p.kernel_builder(
        f"apply_{form}_operator|{form}_residual|nonlinear_matvec|flux_balance|evaluate_operator",
        p.pick(
            "Residual of a nonlinear operator on a sparse graph.",
            "Sum of edge fluxes at each row.",
            "Coefficients depend on the solution, so nothing is assembled.",
        ),
    )
    e = rows(k, p)
    m = Sparse(p, e, 1)
    x = e.field("x|u|phi|concentration", p.real, R.uniform(0.1, 1.5))
    out = e.out("residual|r|flux_sum|y", p.real)
    e.guard((out, 0.0))
    xi = x.read("xi|u_i|own_value")
    args_extra = (
        {"s|kappa|exponent": k.param("kappa|exponent|limit|slope", 0.3, 1.8)}
        if form != "harmonic"
        else {}
    )
    acc = m.accumulator()
    jac = k.var("jac|diag|d_acc", 0.0, p.real) if p.chance(0.35) else None
    bound = p.chance(0.5)

    def flux(b: Block, a: Expr, u: Expr, v: Expr, *s: Expr) -> Expr:
        match form:
            case "upwind":
                return s[0] * (wp.max(a, 0.0) * u + wp.min(a, 0.0) * v)
            case "p_laplace":
                d = b.let("d|jump|diff", v - u)
                return wp.abs(a) * d * wp.pow(wp.abs(d) + 1.0e-3, s[0])
            case "saturated":
                return a * (v - u) / (1.0 + s[0] * v) if bound else a * wp.tanh(s[0] * (v - u))
            case "limited":
                d = b.let("d|jump|diff", a * (v - u))
                return wp.clamp(d, -s[0], s[0])
        mean = b.let("mean|k_face|harm", 2.0 * u * v / (u + v))
        return a * mean * (v - u)

    with m.row(e.index) as (j, a):
        if p.chance(0.4):
            with k.when(j == e.index):
                k.cont()
        args = {"a|w|coef": a, "u|xi|left": xi, "v|xj|right": x[j]} | args_extra
        f = piece(
            p,
            k,
            f"{form}_flux|edge_flux|face_flux",
            args,
            flux,
            p.pick("Flux between two unknowns.", ""),
            0.75,
        )
        k.aug(acc, "+", f)
        if jac is not None:
            k.aug(jac, "+", wp.abs(a))
    r = acc
    match p.pick("none", "source", "reaction", "mass"):
        case "source":
            r = k.let(
                "r|res|balance", e.field("source|f|rhs", p.real, R.uniform(-1.0, 1.0)).own - acc
            )
        case "reaction":
            r = k.let("r|res|balance", acc - k.param("reaction|rate|decay", 0.1, 1.0) * xi * xi)
        case "mass":
            old = e.field("x_old|u_prev|previous", p.real, R.uniform(0.1, 1.5)).own
            r = k.let("r|res|balance", (xi - old) / k.param("dt|h|tau", 0.01, 0.2) - acc)
    out.store(r)
    if jac is not None:
        e.out("diag_out|jacobian_diag|scale_out", p.real).store(jac)
    if p.chance(0.3):
        total(p, e, "residual_sq|norm_sq|merit", r * r)


def _finish_product(
    p: ProgramBuilder, e: Entities, m: Sparse, x: Field, y: Field, value: Expr
) -> None:
    k = e.k
    steps = p.sample(["energy", "norm", "fixed", "max", "relax"], 0, 2)
    if steps and not isinstance(value, Name):
        value = k.let("yi|value|r_i|out_i", value)
    if "fixed" in steps:
        fixed = e.field("fixed|is_boundary|dirichlet", T.I32, R.mask(0.15)).own
        value = k.let(
            "masked|yi_free|filtered",
            choose(fixed != 0, m.zero(), value)
            if p.chance(0.5)
            else wp.where(fixed == 1, m.zero(), value),
        )
    y.store(value)
    if "energy" in steps:
        total(p, e, "xAx|energy|pAp|curvature", m.inner(x.own, value))
    if "norm" in steps:
        total(p, e, "norm_sq|res_sq|rr", m.inner(value, value))
    if "max" in steps:
        size = wp.abs(value) if m.block == 1 else wp.length(value)
        k.do(wp.atomic_max(k.out("max_abs|inf_norm|worst", p.real, (1,)), 0, size))
