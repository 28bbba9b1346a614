"""Poisson smoothers and residuals, multigrid transfers, differential operators, boundary layers."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import (
    along,
    border_exit,
    inverse_squares,
    letter,
    mask_exit,
    monitor,
    open_grid,
    spacings,
    stencil_field,
    two_or_three,
)
from generator.synthesis.categories._stencils import central_gradient, laplacian, neighbour_values
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, between, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr

# --- Poisson --------------------------------------------------------------------------------------


def poisson(p: ProgramBuilder) -> None:
    colour = p.chance(0.4)
    name = (
        "red_black_sor|gauss_seidel_color|rb_relax|sor_sweep"
        if colour
        else "jacobi|jacobi_step|relax|poisson_sweep|smooth|jacobi_iteration"
    )
    k = p.kernel_builder(
        name,
        p.pick(
            "One relaxation sweep for the Poisson equation.",
            "Smoother of the pressure equation.",
            "Relax lap(phi) = rhs.",
        ),
    )
    g = open_grid(
        p,
        k,
        two_or_three(p),
        boundary=p.pick("interior", "clamp", "skip_outer") if colour else None,
    )
    rhs = g.field("rhs|b|f|source|divergence", p.real, R.uniform(-1.0, 1.0))
    if colour:
        phi = g.inout("phi|p|x|pressure|potential", p.real, R.uniform(-1.0, 1.0))
        border_exit(p, g)
        parity = k.count("color|parity|phase", p.pick(0, 1))
        total = (
            g.index[0] + g.index[1] if len(g.shape) == 2 else g.index[0] + g.index[1] + g.index[2]
        )
        with k.when(total % 2 != parity if p.chance(0.5) else (total + parity) % 2 == 1):
            k.ret()
        out, old = phi, None
    else:
        phi = stencil_field(p, g, "phi|p_in|x_old|pressure|u")
        out = g.out("phi_new|p_out|x_new|pressure_out|u_out", p.real)
        border_exit(p, g, (out, phi.own))
        old = phi
    mask_exit(p, g, *([(out, 0.0)] if old is not None else []), chance=0.25)
    new = _relaxed(p, g, phi, rhs.own)
    if colour or p.chance(0.35):
        omega = (
            k.param("omega|relaxation|w", 1.1, 1.9)
            if colour
            else k.param("omega|damping|w", 0.5, 0.9)
        )
        before = phi.read("old|prev|phi_c")
        if p.chance(0.5):
            new = k.let("relaxed|updated", before + omega * (new - before))
        else:
            new = k.let("relaxed|updated", (1.0 - omega) * before + omega * new)
        monitor(p, g, new - before, "update|residual")
    out.store(new)


def _relaxed(p: ProgramBuilder, g: Grid, phi: GridField, rhs: Expr) -> Expr:
    k = g.k
    screened = k.param("lambda_|screening|sigma", 0.05, 1.0) if p.chance(0.2) else None
    if p.chance(0.7):
        h2 = k.param("h2|dx2|h_sq", 0.2, 2.0) if p.chance(0.5) else None
        if h2 is None:
            h = k.param("h|dx|cell_size", 0.3, 1.5)
            h2 = h * h
        pairs = neighbour_values(p, g, phi, "p")
        total = pairs[0][0] + pairs[0][1]
        for low, high in pairs[1:]:
            total = total + low + high
        count = float(2 * len(g.shape))
        if screened is not None:
            return k.let("new|gs|value", (total - h2 * rhs) / (count + h2 * screened))
        return k.let(
            "new|gs|value", p.pick((total - h2 * rhs) / count, (total - h2 * rhs) * (1.0 / count))
        )
    inv = inverse_squares(p, g)
    num = k.var("num|acc|sum_nb", -rhs)
    den = k.var("den|diag|weight", 0.0 if screened is None else screened, p.real)
    for a in range(len(g.shape)):
        k.aug(num, "+", (phi[along(g, a, -1)] + phi[along(g, a, 1)]) * inv[a])
        k.aug(den, "+", 2.0 * inv[a])
    return k.let("new|gs|value", num / den)


def residual(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "residual|compute_residual|poisson_residual|apply_laplacian",
        p.pick("r = b - A x.", "Residual of the discrete Poisson equation."),
    )
    g = open_grid(p, k, two_or_three(p))
    x = stencil_field(p, g, "x|phi|p|u")
    b = g.field("b|rhs|f", p.real, R.uniform(-1.0, 1.0))
    out = g.out("r|residual_out|res", p.real)
    border_exit(p, g, (out, 0.0))
    mask_exit(p, g, (out, 0.0), chance=0.2)
    lap = laplacian(
        p, g, x, x.read("xc|c|center") if p.chance(0.6) else x.own, inverse_squares(p, g), "x"
    )
    r = k.let("r_c|value|res_c", b.own - lap if p.chance(0.5) else lap - b.own)
    out.store(r)
    monitor(p, g, r, "residual|r", 0.75)


# --- multigrid, operators, ghost cells ------------------------------------------------------------


def operators(p: ProgramBuilder) -> None:
    what = p.pick("gradient", "magnitude", "divergence", "curl")
    k = p.kernel_builder(
        f"{what}|compute_{what}|{what}_kernel|central_{what}",
        p.pick(f"{what.capitalize()} by central differences.", ""),
    )
    axes = 2 if what == "curl" else two_or_three(p)
    g = open_grid(p, k, axes)
    vec = p.vec(axes)
    if what in ("gradient", "magnitude"):
        f = stencil_field(p, g, "f|phi|field|u")
        out = g.out(
            "grad|gradient_out|df" if what == "gradient" else "grad_mag|magnitude_out|slope",
            vec if what == "gradient" else p.real,
        )
        border_exit(p, g)
        mask_exit(p, g, chance=0.2)
        d = central_gradient(p, g, f, spacings(p, g), "f")
        if what == "gradient":
            out.store(construct(vec, *d))
        else:
            sq = d[0] * d[0] + d[1] * d[1] if axes == 2 else d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
            out.store(wp.sqrt(sq) if p.chance(0.6) else wp.length(construct(vec, *d)))
        return
    f = g.field("v|vel|flux|vector_field", vec, R.uniform(-1.0, 1.0))
    out = g.out(
        "div|div_out|divergence_out" if what == "divergence" else "curl_out|omega|vorticity", p.real
    )
    border_exit(p, g)
    mask_exit(p, g, chance=0.2)
    h = spacings(p, g)
    diff = []
    for a in range(axes):
        component = a if what == "divergence" else 1 - a
        value = (f[along(g, a, 1)][component] - f[along(g, a, -1)][component]) / (2.0 * h[a])
        diff.append(
            k.let(f"d{letter(g, a)}|dv_d{letter(g, a)}|d{a}", value) if p.chance(0.5) else value
        )
    total = (
        diff[0] + diff[1] + diff[2]
        if axes == 3
        else diff[0] - diff[1]
        if what == "curl"
        else diff[0] + diff[1]
    )
    out.store(total)
    monitor(p, g, total, what, 0.3)


def _tid2() -> Expr:
    """``wp.tid()`` of a two-dimensional launch."""
    return Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))


def ghost_cells(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "apply_boundary|fill_ghost_cells|set_bc|boundary_conditions|update_halo",
        p.pick("Boundary values on the outer layer.", "Fill ghost cells after a step."),
    )
    n, known = p.pick(24, 32, 40), {}
    u = k.array("u|field|phi|T_field", p.real, (n, n), R.uniform(0.0, 1.0), "inout")
    if p.chance(0.5):
        t = k.let("t|tid|s", wp.tid())
        k.launch_dim = (n,)
        sides = [
            ((t, 0), (t, 1)),
            ((t, n - 1), (t, n - 2)),
            ((0, t), (1, t)),
            ((n - 1, t), (n - 2, t)),
        ]
        last = k.let("last|edge", u.dim(0) - 1) if p.chance(0.5) else None
        sides = (
            sides
            if last is None
            else [
                ((t, 0), (t, 1)),
                ((t, last), (t, last - 1)),
                ((0, t), (1, t)),
                ((last, t), (last - 1, t)),
            ]
        )
        with k.when(between(1, t, n - 1) if p.chance(0.5) else all_of(t > 0, t < n - 1)):
            for ghost, inner in p.sample(sides, 2, 4):
                _ghost_value(p, k, u, ghost, inner, known)
        return
    i, j = k.unpack(p.pick(["i", "j"], ["y", "x"]), _tid2())
    k.launch_dim = (n, n)
    last = u.dim(0) - 1
    cases = [
        (all_of(i == 0, between(1, j, n - 1)), (0, j), (1, j)),
        (all_of(i == last, between(1, j, n - 1)), (i, j), (i - 1, j)),
    ]
    cases += [
        (all_of(j == 0, between(1, i, n - 1)), (i, 0), (i, 1)),
        (all_of(j == last, between(1, i, n - 1)), (i, j), (i, j - 1)),
    ]
    for number, (condition, ghost, inner) in enumerate(p.sample(cases, 2, 4)):
        with k.when(condition) if number == 0 else k.elsewhen(condition):
            _ghost_value(p, k, u, ghost, inner, known)


def _ghost_value(
    p: ProgramBuilder,
    k: KernelBuilder,
    u: Expr,
    ghost: tuple[Expr, ...],
    inner: tuple[Expr, ...],
    known: dict[str, Expr],
) -> None:
    def param(hint: str, low: float, high: float) -> Expr:
        if hint not in known:
            known[hint] = k.param(hint, low, high)
        return known[hint]

    match p.pick("neumann", "flux", "robin", "extrapolate", "radiate"):
        case "neumann":
            k.set(u[ghost], u[inner])
        case "flux":
            k.set(
                u[ghost],
                u[inner] + param("flux|q_wall|g_n", 0.1, 1.0) * param("dx|h|spacing", 0.1, 1.0),
            )
        case "robin":
            biot = param("biot|bi|transfer", 0.1, 2.0)
            k.set(u[ghost], (u[inner] + biot * param("ambient|u_inf", 0.1, 1.0)) / (1.0 + biot))
        case "extrapolate":
            cap = param("limit|cap|u_max", 0.3, 0.9)
            k.set(u[ghost], choose(u[inner] > cap, u[inner], 2.0 * u[inner] - u[ghost]))
        case "radiate":
            courant = param("courant|cfl|r", 0.1, 0.9)
            k.set(u[ghost], u[ghost] + courant * (u[inner] - u[ghost]))
