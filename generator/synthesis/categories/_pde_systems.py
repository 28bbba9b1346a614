"""Larger PDE kernels: elastic waves, implicit line solves, compressible flow in one dimension."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import mask_exit, open_grid, spacings
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Call, Expr, lift

# --- elastic waves --------------------------------------------------------------------------------


def elastic_wave(p: ProgramBuilder) -> None:
    """Velocity-stress elastic waves on a staggered grid."""
    stress_half = p.chance(0.5)
    k = p.kernel_builder(
        "update_stress|stress_half_step|elastic_stress"
        if stress_half
        else "update_velocity|velocity_half_step|elastic_velocity",
        p.pick(
            "Staggered-grid elastic wave update.",
            "Velocity-stress formulation in the plane.",
            "One half of a leapfrog step for elastic waves.",
        ),
    )
    g = open_grid(p, k, 2, boundary=p.pick("interior", "clamp", "periodic"))
    vx = g.field("vx|vel_x|v_x", p.real, R.uniform(-1.0, 1.0), "inout" if not stress_half else "in")
    vy = g.field("vy|vel_y|v_y", p.real, R.uniform(-1.0, 1.0), "inout" if not stress_half else "in")
    role = "inout" if stress_half else "in"
    sxx, syy, sxy = (
        g.field(f"{n}|sigma_{n[1:]}|t{n[1:]}", p.real, R.uniform(-1.0, 1.0), role)
        for n in ("sxx", "syy", "sxy")
    )
    mask_exit(p, g, chance=0.25, hint="void|vacuum|mask")
    h, dt = spacings(p, g), k.param("dt|time_step", 0.01, 0.1)
    if stress_half:
        _stress_update(p, g, (vx, vy), (sxx, syy, sxy), h, dt)
    else:
        _velocity_update(p, g, (vx, vy), (sxx, syy, sxy), h, dt)


def _material(p: ProgramBuilder, g: Grid) -> tuple[Expr, Expr]:
    """Lame parameters, given directly or from wave speeds and density."""
    k = g.k
    if p.chance(0.4):
        return (
            g.field("lam|lame_lambda|lambda_", p.real, R.uniform(0.5, 2.0)).read("lam_c|la"),
            g.field("mu|shear_modulus|lame_mu", p.real, R.uniform(0.3, 1.0)).read("mu_c|g_c"),
        )
    if p.chance(0.5):
        rho = g.field("rho|density", p.real, R.uniform(1.0, 2.0)).read("rho_c|r")
        cp, cs = (
            g.field("vp|p_speed", p.real, R.uniform(1.5, 2.5)).read("cp|vp_c"),
            g.field("vs|s_speed", p.real, R.uniform(0.5, 1.0)).read("cs|vs_c"),
        )
        mu = k.let("mu|shear", rho * cs * cs)
        return k.let("lam|lame", rho * cp * cp - 2.0 * mu), mu
    young, nu = (
        k.param("youngs_modulus|E|young", 1.0, 5.0),
        k.param("poisson_ratio|nu|poisson", 0.1, 0.4),
    )

    def body(b: Block, e: Expr, n: Expr) -> None:
        b.ret(e * n / ((1.0 + n) * (1.0 - 2.0 * n)), e / (2.0 * (1.0 + n)))

    lame = p.func(
        "lame_parameters|to_lame|lame_from_young", {"E|young": p.real, "nu|poisson": p.real}, body
    )
    lam, mu = k.unpack(["lam|lame_1", "mu|lame_2"], lame(young, nu))
    return lam, mu


def _stress_update(
    p: ProgramBuilder,
    g: Grid,
    v: tuple[GridField, ...],
    s: tuple[GridField, ...],
    h: list[Expr],
    dt: Expr,
) -> None:
    k, (vx, vy) = g.k, v
    lam, mu = _material(p, g)
    k.step(p.pick("strain rates", "velocity gradient", ""))
    exx = k.let("dvx_dx|exx", (vx[0, 1] - vx.own) / h[1])
    eyy = k.let("dvy_dy|eyy", (vy[1, 0] - vy.own) / h[0])
    exy = k.let("shear_rate|exy", (vx.own - vx[-1, 0]) / h[0] + (vy.own - vy[0, -1]) / h[1])
    k.step(p.pick("Hooke's law", "stress increments", ""))
    new = []
    if p.chance(0.5):
        div = k.let("div|trace|volumetric", exx + eyy)
        new = [dt * (lam * div + 2.0 * mu * exx), dt * (lam * div + 2.0 * mu * eyy), dt * mu * exy]
    else:
        m = k.let("m|p_modulus|lam2mu", lam + 2.0 * mu)
        new = [dt * (m * exx + lam * eyy), dt * (lam * exx + m * eyy), dt * (mu * exy)]
    damp = _taper(p, g)
    for field, increment in zip(s, new, strict=True):
        field.store(field.own + increment if damp is None else (field.own + increment) * damp)
    if p.chance(0.3):
        energy = k.out("strain_energy|energy|elastic_energy", p.real, (1,))
        k.do(wp.atomic_add(energy, 0, 0.5 * (s[0].own * exx + s[1].own * eyy + s[2].own * exy)))


def _velocity_update(
    p: ProgramBuilder,
    g: Grid,
    v: tuple[GridField, ...],
    s: tuple[GridField, ...],
    h: list[Expr],
    dt: Expr,
) -> None:
    k, (vx, vy), (sxx, syy, sxy) = g.k, v, s
    buoyancy = (
        g.field("buoyancy|inv_rho|b", p.real, R.uniform(0.5, 1.0)).own
        if p.chance(0.5)
        else 1.0 / k.param("rho|density", 1.0, 3.0)
    )
    scale = k.let("dt_rho|factor|c", dt * buoyancy)
    fx = k.let("fx|div_x|ax", (sxx.own - sxx[0, -1]) / h[1] + (sxy[1, 0] - sxy.own) / h[0])
    fy = k.let("fy|div_y|ay", (sxy[0, 1] - sxy.own) / h[1] + (syy.own - syy[-1, 0]) / h[0])
    new_x, new_y = (
        k.var("vx_new|nx_v|u1", vx.own + scale * fx),
        k.var("vy_new|ny_v|w1", vy.own + scale * fy),
    )
    damp = _taper(p, g)
    if damp is not None:
        k.aug(new_x, "*", damp)
        k.aug(new_y, "*", damp)
    if p.chance(0.5):
        row, col = (
            k.count("src_row|source_y", g.shape[0] // 2),
            k.count("src_col|source_x", g.shape[1] // 2),
        )
        with k.when(g.index[0] == row), k.when(g.index[1] == col):
            k.aug(new_y, "+", k.param("source_force|force|amplitude", 0.5, 2.0) * dt)
    vx.store(new_x)
    vy.store(new_y)
    if p.chance(0.3):
        peak = k.out("max_speed|peak_velocity|v_max", p.real, (1,))
        k.do(wp.atomic_max(peak, 0, wp.sqrt(new_x * new_x + new_y * new_y)))


def _taper(p: ProgramBuilder, g: Grid) -> Expr | None:
    """A Cerjan-style absorbing factor near the border."""
    k = g.k
    if not p.chance(0.45):
        return None
    if p.chance(0.4):
        return g.field("taper|absorb|damping_mask", p.real, R.uniform(0.9, 1.0)).own
    width, alpha = (
        k.count("taper_width|nb|pad", p.pick(4, 5, 6)),
        k.param("taper_rate|alpha|decay", 0.01, 0.1),
    )
    rows = wp.min(g.index[0], g.extent(0) - 1 - g.index[0])
    cols = wp.min(g.index[1], g.extent(1) - 1 - g.index[1])
    edge = k.let("edge|dist_border|d_edge", wp.min(rows, cols))
    factor = k.var("taper|damp|factor", 1.0, p.real)
    with k.when(edge < width):
        d = k.let("d|depth", alpha * construct(p.real, width - edge))
        k.set(factor, wp.exp(-d * d))
    return factor


# --- implicit line solves -------------------------------------------------------------------------


def line_solve(p: ProgramBuilder) -> None:
    """Implicit diffusion along grid lines: the Thomas algorithm, one line a thread."""
    k = p.kernel_builder(
        "adi_sweep|thomas_solve|implicit_line_solve|tridiagonal_solve|implicit_diffusion_x|line_relax|column_diffusion",
        p.pick(
            "Implicit diffusion along one axis (Thomas algorithm).",
            "Tridiagonal solve, one line per thread.",
            "ADI half step.",
        ),
    )
    lines, n = p.pick(16, 24, 32), p.pick(16, 20, 24, 32)
    columns = p.chance(0.4)  # lines run along the first axis
    shape = (n, lines) if columns else (lines, n)
    batch = p.pick(2, 3, None, None, None)
    shape = shape if batch is None else (batch, *shape)
    if batch is None:
        line = k.let("row|line|i|tid" if not columns else "col|line|j|tid", wp.tid())
        k.launch_dim = (lines,)
        lead: tuple[Expr, ...] = ()
    else:
        b, line = k.unpack(
            ["b|layer|batch|slab", "row|line|i"],
            Call("wp.tid", (), (), T.TupleType((T.I32, T.I32))),
        )
        k.launch_dim = (batch, lines)
        lead = (b,)

    def at(a: Expr, s: Expr | int) -> Expr:
        return a[(*lead, s, line)] if columns else a[(*lead, line, s)]

    u = k.array("u|rhs|temperature|field|phi", p.real, shape, R.uniform(0.0, 1.0))
    out = k.out("u_out|x|solution|u_new", p.real, shape)
    cp = k.out("c_prime|scratch|gamma|work_c", p.real, shape)
    axis = 0 if columns else 1
    size = (
        u.dim(axis + len(lead)) if p.chance(0.5) else k.scalar("n|num_points|length|nx", T.I32, n)
    )
    size = k.let("n|count|m", size) if p.chance(0.4) and not isinstance(size, Call) else size
    _guard_line(p, k, line, lines, u, 1 - axis + len(lead))
    r = _line_coefficient(p, k, at, shape)
    dirichlet = p.chance(0.4)
    k.step(p.pick("forward elimination", "forward sweep", ""))
    _eliminate(p, k, at, (u, out, cp), r, size, dirichlet)
    k.step(p.pick("back substitution", "backward sweep", ""))
    back = p.pick("negative", "counted", "while")
    if back == "negative":
        with k.loop("s|m|j|k", size - 2, -1, -1) as s:
            k.set(at(out, s), at(out, s) - at(cp, s) * at(out, s + 1))
    elif back == "counted":
        with k.loop("q|step|m", 1, size) as q:
            s = k.let("s|idx|pos", size - 1 - q)
            k.set(at(out, s), at(out, s) - at(cp, s) * at(out, s + 1))
    else:
        s = k.var("s|idx|pos", size - 2)
        with k.repeat(s >= 0):
            k.set(at(out, s), at(out, s) - at(cp, s) * at(out, s + 1))
            k.set(s, s - 1)
    if p.chance(0.35):
        k.options["enable_backward"] = False


def _guard_line(
    p: ProgramBuilder, k: KernelBuilder, line: Expr, lines: int, u: Expr, axis: int
) -> None:
    if p.chance(0.35):
        k.launch_dim = (*k.launch_dim[:-1], lines + p.pick(4, 8))
        with k.when(
            line
            >= (u.dim(axis) if p.chance(0.5) else k.scalar("num_lines|lines|rows", T.I32, lines))
        ):
            k.ret()
    elif p.chance(0.3):
        with k.when(any_of(line == 0, line == u.dim(axis) - 1)):
            k.ret()


def _line_coefficient(
    p: ProgramBuilder, k: KernelBuilder, at: Callable[..., Expr], shape: tuple[int, ...]
) -> Callable[[Expr | int], Expr]:
    """The diffusion number of a point: one for all, or from a field."""
    if p.chance(0.45):
        dt, h = k.param("dt|time_step", 0.05, 0.5), k.param("dx|h|spacing", 0.5, 1.5)
        alpha = k.param("alpha|diffusivity|nu", 0.1, 2.0)
        r = k.let("r|lam|beta|fourier", alpha * dt / (h * h))
        return lambda s: r
    if p.chance(0.4):
        r = k.param("r|fourier_number|lam", 0.1, 2.0)
        return lambda s: r
    field, scale = (
        k.array("kappa|diffusivity|coef", p.real, shape, R.uniform(0.1, 1.0)),
        k.param("dt_over_dx2|scale|lam", 0.1, 1.0),
    )
    return lambda s: at(field, s) * scale


def _eliminate(
    p: ProgramBuilder,
    k: KernelBuilder,
    at: Callable[..., Expr],
    arrays: tuple[Expr, Expr, Expr],
    r: Callable[..., Expr],
    size: Expr,
    dirichlet: bool,
) -> None:
    u, out, cp = arrays
    if dirichlet:
        k.set(at(cp, 0), 0.0)
        k.set(at(out, 0), at(u, 0))
    else:
        r0 = k.let("r_first|r0", r(0))
        b0 = k.let("b0|diag0|beta0", 1.0 + p.pick(r0, 2.0 * r0))
        k.set(at(cp, 0), -r0 / b0)
        k.set(at(out, 0), at(u, 0) / b0)
    with k.loop("s|m|j|k", 1, size) as s:
        rs = k.let("rs|r_s|a", r(s))
        denominator = k.let("den|denom|pivot", 1.0 + 2.0 * rs + rs * at(cp, s - 1))
        if p.chance(0.5):
            inv = k.let("inv|w|m_inv", 1.0 / denominator)
            k.set(at(cp, s), -rs * inv)
            k.set(at(out, s), (at(u, s) + rs * at(out, s - 1)) * inv)
        else:
            k.set(at(cp, s), -rs / denominator)
            k.set(at(out, s), (at(u, s) + rs * at(out, s - 1)) / denominator)


# --- compressible flow ----------------------------------------------------------------------------


def shock_tube(p: ProgramBuilder) -> None:
    """Finite volumes for the one-dimensional Euler equations with an approximate Riemann solver."""
    k = p.kernel_builder(
        "euler_step|finite_volume_euler|shock_tube_step|riemann_update|hydro_step|godunov_update",
        p.pick(
            "Finite-volume update of the 1-D Euler equations.",
            "Godunov-type step with an approximate Riemann solver.",
            "Advance conserved variables by one step.",
        ),
    )
    n, vec = p.pick(64, 100, 128, 200), p.vec(3)
    tubes = p.pick(None, None, 2, 4)
    if tubes is None:
        i = k.let("i|cell|tid", wp.tid())
        k.launch_dim, lead = (n,), ()
    else:
        t, i = k.unpack(
            ["tube|problem|b", "i|cell"], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
        )
        k.launch_dim, lead = (tubes, n), (t,)
    shape = (n,) if tubes is None else (tubes, n)
    state = _conserved(p, k, shape)
    out = k.out("u_out|cons_new|state_out|U_next", vec, shape)
    size = state.dim(len(lead)) if p.chance(0.5) else k.scalar("num_cells|n|nx", T.I32, n)
    gamma = k.param("gamma|adiabatic_index|gas_gamma", 1.2, 1.67)
    ratio = k.param("dt_dx|lam|cfl_ratio", 0.01, 0.2)
    flux = _riemann_flux(p)
    edges = p.pick("periodic", "clamp", "fixed")
    if edges == "fixed":
        with k.when(any_of(i == 0, i == size - 1)):
            k.set(out[(*lead, i)], state[(*lead, i)])
            k.ret()
        left, right = i - 1, i + 1
    elif edges == "clamp":
        left, right = wp.max(i - 1, 0), wp.min(i + 1, size - 1)
    else:
        left, right = (i + size - 1) % size, (i + 1) % size
    c = k.let("u_c|uc|q", state[(*lead, i)])
    ul, ur = k.let("u_l|ul|qm", state[(*lead, left)]), k.let("u_r|ur|qp", state[(*lead, right)])
    f_in, f_out = (
        k.let("f_left|flux_l|fm", flux(ul, c, gamma)),
        k.let("f_right|flux_r|fp", flux(c, ur, gamma)),
    )
    new = k.let("u_new|updated|q_new", c - (f_out - f_in) * ratio)
    if p.chance(0.4):
        k.set(
            out[(*lead, i)], construct(vec, wp.max(new[0], p.pick(1.0e-4, 1.0e-3)), new[1], new[2])
        )
    else:
        k.set(out[(*lead, i)], new)
    if p.chance(0.35):
        total = k.out("total_mass|mass|conserved_sum", p.real, (1,))
        k.do(wp.atomic_add(total, 0, new[0]))


def _conserved(p: ProgramBuilder, k: KernelBuilder, shape: tuple[int, ...]) -> Expr:
    # Density and energy near 3, momentum too: pressure stays positive for draws between 2.5 and 3.5.
    return k.array("u|cons|state|U", p.vec(3), shape, R.uniform(2.5, 3.5))


def _primitives(p: ProgramBuilder) -> UserFunction:
    """Velocity, pressure and sound speed of a conserved state."""

    def body(b: Block, u: Expr, gamma: Expr) -> None:
        v = b.let("v|vel", u[1] / u[0])
        pressure = b.let("pr|pressure", wp.max((gamma - 1.0) * (u[2] - 0.5 * u[1] * v), 1.0e-3))
        b.ret(v, pressure, wp.sqrt(gamma * pressure / u[0]))

    return p.func(
        "primitives|to_primitive|cons_to_prim",
        {"u|cons|q": p.vec(3), "gamma|g": p.real},
        body,
        "Velocity, pressure and sound speed.",
    )


def _physical_flux(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, u: Expr, v: Expr, pressure: Expr) -> None:
        b.ret(construct(p.vec(3), u[1], u[1] * v + pressure, (u[2] + pressure) * v))

    return p.func(
        "euler_flux|physical_flux|exact_flux",
        {"u|cons|q": p.vec(3), "v|vel": p.real, "pr|pressure": p.real},
        body,
    )


def _riemann_flux(p: ProgramBuilder) -> UserFunction:
    primitives, physical = _primitives(p), _physical_flux(p)
    form = p.pick("rusanov", "hll", "hll", "central")

    def body(b: Block, ul: Expr, ur: Expr, gamma: Expr) -> None:
        vl, pl, cl = b.unpack(["v_l|vl", "p_l|pl", "c_l|cl"], primitives(ul, gamma))
        vr, pr, cr = b.unpack(["v_r|vr", "p_r|pr", "c_r|cr"], primitives(ur, gamma))
        fl, fr = b.let("fl|flux_l", physical(ul, vl, pl)), b.let("fr|flux_r", physical(ur, vr, pr))
        if form == "hll":
            sl, sr = (
                b.let("s_l|sl", wp.min(vl - cl, vr - cr)),
                b.let("s_r|sr", wp.max(vl + cl, vr + cr)),
            )
            with b.when(sl >= 0.0):
                b.ret(fl)
            with b.when(sr <= 0.0):
                b.ret(fr)
            b.ret((fl * sr - fr * sl + (ur - ul) * (sl * sr)) / (sr - sl))
            return
        fastest = b.let("s_max|a_max|smax", wp.max(wp.abs(vl) + cl, wp.abs(vr) + cr))
        damp = fastest if form == "rusanov" else fastest * lift(0.5, p.real)
        b.ret((fl + fr) * 0.5 - (ur - ul) * (0.5 * damp))

    docs = {
        "rusanov": "Local Lax-Friedrichs flux.",
        "hll": "Two-wave HLL flux.",
        "central": "Central flux with scalar dissipation.",
    }
    names = {
        "rusanov": "rusanov_flux|llf_flux",
        "hll": "hll_flux|hll",
        "central": "dissipative_flux|jst_flux",
    }
    return p.func(
        names[form],
        {"ul|left": p.vec(3), "ur|right": p.vec(3), "gamma|g": p.real},
        body,
        docs[form],
    )
