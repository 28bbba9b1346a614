"""Lattice Boltzmann: streaming, collision operators, boundaries, forcing, moments."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.categories._lattice import Lattice, equilibrium
from generator.synthesis.categories._lattice_boundaries import (
    bounce_back,
    momentum_exchange,
    zou_he,
)
from generator.synthesis.categories._lattice_explicit import explicit_collide, relax_moments
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, lift


@category("lattice_boltzmann", version=1, title="Lattice Boltzmann")
def write(p: ProgramBuilder) -> None:
    """The lattice Boltzmann method on D2Q9, D2Q5 and D3Q19: equilibria, moments, streaming, BGK, two-relaxation-time
    and moment-space collisions, forcing and eddy viscosity, bounce-back, inlets and outlets, pseudopotential
    multiphase forces, passive scalars and loads on obstacles."""
    p.real = T.F64 if p.on("double") else T.F32
    p.weighted(
        {
            _initialise: 1.6, _moments: 2.0, _stream: 2.0, _collide: 3.5, _fused: 3.0, _scalar_transport: 1.6,
            _pseudopotential: 1.8, _stress: 1.3, explicit_collide: 2.6, relax_moments: 1.6, bounce_back: 1.8,
            zou_he: 2.4, momentum_exchange: 1.6,
        }
    )(p)  # fmt: skip


def solid_exit(
    p: ProgramBuilder, m: Lattice, chance: float = 0.4, copy: tuple[Expr, Expr] | None = None
) -> None:
    """An early exit for solid cells; `copy` passes their populations on."""
    if not p.chance(chance):
        return
    k = m.k
    flags = m.cells("solid|is_solid|obstacle|cell_type", p.pick(T.I32, T.U8, T.BOOL), R.mask(0.15))
    cell = flags[m.at]
    test = (
        cell
        if cell.type == T.BOOL
        else cell != construct(T.U8, 0)
        if cell.type == T.U8
        else cell == 1
    )
    with k.when(test):
        if copy is not None:
            with m.each() as q:
                k.set(
                    m.pop(copy[0], q),
                    m.pop(copy[1], m.opposite(q)) if p.chance(0.6) else m.pop(copy[1], q),
                )
        k.ret()


def moment_sums(p: ProgramBuilder, m: Lattice, f: Expr) -> tuple[Expr, Expr]:
    """Density and velocity of this cell, summed over directions once per array that is only read."""
    k, vec = m.k, p.vec(m.axes)
    read_only = isinstance(f, Name) and any(
        a.name == f.id and a.recipe.get("role") == "in" for a in k.arguments
    )
    if read_only and ("moments", f.id) in p.shared:
        return p.shared["moments", f.id]
    rho = k.var("rho|density|r", 0.0, p.real)
    scalars = p.chance(0.35)
    sums = [k.var(f"u{c}|j{c}|m{c}", 0.0, p.real) for c in m.letters] if scalars else []
    momentum = None if scalars else k.let("mom|j|momentum", construct(vec, 0.0))
    with m.each() as q:
        fq = k.let("fq|f_q|fi|pop", m.pop(f, q))
        k.aug(rho, "+", fq)
        for a, s in enumerate(sums):
            k.aug(s, "+", fq * construct(p.real, m.c(q, a)))
        if momentum is not None:
            k.aug(momentum, "+", m.velocity(q) * fq)
    if momentum is None:
        u = k.let("u|vel|velocity", construct(vec, *[s / rho for s in sums]))
    else:
        u = k.let("vel|velocity|u", momentum / rho)
    if read_only:
        p.shared["moments", f.id] = rho, u
    return rho, u


def _initialise(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "init_equilibrium|initialize_populations|set_equilibrium|lbm_init",
        p.pick(
            "Populations at equilibrium for a given density and velocity.", "Initial populations."
        ),
    )
    m = Lattice(p, k)
    vec = p.vec(m.axes)
    f = m.populations("f|populations|f_out|pdf", "out")
    rho = (
        m.cells("rho|density|rho0", p.real, R.uniform(0.9, 1.1))[m.at]
        if p.chance(0.6)
        else k.param("rho0|density0|rho_ref", 0.9, 1.1)
    )
    start = p.pick("field", "field", "uniform", "shear")
    if start == "field":
        u = k.let("u|vel_c|v", m.cells("vel|velocity|u0", vec, R.uniform(-0.1, 0.1))[m.at])
    elif start == "uniform":
        u = k.quantity("u_init|u0|inflow_velocity", vec, [0.05, *[0.0] * (m.axes - 1)])
    else:
        height = construct(p.real, m.at[1]) / construct(p.real, m.extent(1))
        amplitude = k.param("u_max|shear_speed|u_lid", 0.02, 0.1)
        profile = p.pick(
            amplitude * height,
            4.0 * amplitude * height * (1.0 - height),
            amplitude * wp.sin(6.2831853 * height),
        )
        u = k.let("u|vel", construct(vec, profile, *[0.0] * (m.axes - 1)))
    uu = k.let("uu|usq|u_sq", wp.dot(u, u))
    feq = equilibrium(p, m) if p.chance(0.7) else None
    with m.each() as q:
        cu = k.let("cu|eu|c_u", m.dot(q, u) if p.chance(0.6) else wp.dot(m.velocity(q), u))
        value = (
            feq(m.w(q), rho, cu, uu)
            if feq
            else m.w(q) * rho * (1.0 + 3.0 * cu + 4.5 * cu * cu - 1.5 * uu)
        )
        k.set(m.pop(f, q), value)
        if p.chance(0.3):
            k.set(m.pop(m.populations("f_next|f_tmp|f_copy", "out"), q), m.pop(f, q))


def _moments(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "compute_moments|macroscopic|density_velocity|update_macroscopic|moments",
        p.pick("Density and velocity from the populations.", "Zeroth and first moments."),
    )
    m = Lattice(p, k)
    f = m.populations("f|populations|pdf")
    rho_out, u_out = (
        m.cells("rho|density_out|rho_out", p.real, R.zeros(), "out"),
        m.cells("vel|velocity_out|u_out", p.vec(m.axes), R.zeros(), "out"),
    )
    solid_exit(p, m)
    rho, u = moment_sums(p, m, f)
    if p.chance(0.35):
        force = k.quantity(
            "force|body_force|gravity", p.vec(m.axes), [p.nice(1e-5, 1e-3), *[0.0] * (m.axes - 1)]
        )
        u = k.let(
            "u_phys|u_corr", u + force * (0.5 / rho) if p.chance(0.5) else u + force / (2.0 * rho)
        )
    k.set(rho_out[m.at], rho)
    k.set(u_out[m.at], u)
    if p.chance(0.4):
        energy = k.out("kinetic_energy|total_ke", p.real, (1,))
        k.do(wp.atomic_add(energy, 0, 0.5 * rho * wp.dot(u, u)))
    if p.chance(0.3):
        fastest = k.out("max_speed|u_max|peak_mach", p.real, (1,))
        k.do(wp.atomic_max(fastest, 0, wp.length(u)))
    if p.chance(0.3):
        pressure = m.cells("pressure|p_out", p.real, R.zeros(), "out")
        k.set(pressure[m.at], rho / 3.0)


def _stream(p: ProgramBuilder) -> None:
    pull = p.chance(0.6)
    k = p.kernel_builder(
        "stream_pull|stream|propagate|streaming"
        if pull
        else "stream_push|stream|propagate|scatter_populations",
        p.pick(
            "Move populations along their directions.", "Streaming step with periodic wrap.", ""
        ),
    )
    per_direction = p.chance(0.3)
    m = _per_direction(p, k) if per_direction else Lattice(p, k)
    source = m.populations("f_in|f_post|f_src|f")
    target = m.populations("f_out|f_new|f_dst|f_next", "out")
    if per_direction:
        q = m.direction
        _move(p, m, source, target, q, pull)
        return
    solid_exit(p, m, 0.25)
    walls = m.cells("solid|walls|is_wall", T.I32, R.mask(0.15)) if pull and p.chance(0.4) else None
    with m.each() as q:
        if walls is None:
            _move(p, m, source, target, q, pull)
        else:
            back = m.neighbour(q, -1)
            with k.when(walls[back] == 1):
                k.set(m.pop(target, q), m.pop(source, m.opposite(q)))
            with k.otherwise():
                k.set(m.pop(target, q), m.pop(source, q, back))


def _per_direction(p: ProgramBuilder, k: KernelBuilder) -> Lattice:
    """A launch over directions and cells."""
    m = Lattice(p, k, threaded=False, axes=2 if p.chance(0.6) else 3)
    q, *cell = threads(
        k, ["q|dir|d", *p.pick(["x", "y", "z"], ["i", "j", "k"])[: m.axes]], (m.q, *m.shape)
    )
    m.at = tuple(cell)
    m.direction = q
    return m


def _move(p: ProgramBuilder, m: Lattice, source: Expr, target: Expr, q: Expr, pull: bool) -> None:
    there = m.neighbour(q, -1 if pull else 1, wrap=True)
    if pull:
        m.k.set(m.pop(target, q), m.pop(source, q, there))
    else:
        m.k.set(m.pop(target, q, there), m.pop(source, q))


# --- collisions -----------------------------------------------------------------------------------


def _collide(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "collide|bgk_collide|collision_step|relax_populations|collide_bgk",
        p.pick(
            "Single-relaxation-time collision.",
            "Relax populations towards equilibrium.",
            "Collision step.",
        ),
    )
    m = Lattice(p, k)
    in_place = p.chance(0.45)
    f = m.populations("f|populations|pdf", "inout" if in_place else "in")
    out = f if in_place else m.populations("f_post|f_out|f_new", "out")
    solid_exit(p, m, 0.4, None if in_place else (out, f))
    rho, u = moment_sums(p, m, f)
    _relax(p, m, f, out, rho, u)


def _relaxation(p: ProgramBuilder, m: Lattice, f: Expr, rho: Expr, u: Expr, feq: object) -> Expr:
    """The relaxation rate: given, from the viscosity, or from an eddy viscosity."""
    k = m.k
    match p.weighted({"omega": 4, "tau": 3, "viscosity": 3, "field": 1}):
        case "omega":
            return k.param("omega|relax_rate|inv_tau", 0.6, 1.8)
        case "tau":
            return k.let("omega|inv_tau", 1.0 / k.param("tau|relaxation_time", 0.55, 1.5))
        case "viscosity":
            nu = k.param("nu|viscosity|nu_lb", 0.01, 0.3)
            return k.let("omega|relax", 1.0 / (3.0 * nu + 0.5))
    return m.cells("omega_field|relax_field|tau_inv", p.real, R.uniform(0.7, 1.7))[m.at]


def _relax(p: ProgramBuilder, m: Lattice, f: Expr, out: Expr, rho: Expr, u: Expr) -> None:
    k = m.k
    feq = equilibrium(p, m)
    u, kick = _forced(p, m, u, rho)
    omega = _relaxation(p, m, f, rho, u, feq)
    uu = k.let("uu|usq|u_sq", wp.dot(u, u))
    if p.chance(0.25):
        omega = _smagorinsky(p, m, f, rho, u, uu, feq, omega)
    k.step(p.pick("", "relaxation", "collide"))
    if out is not f and m.q == 9 and kick is None and p.chance(0.4):
        _trt(p, m, f, out, rho, u, uu, feq, omega)
        return
    with m.each() as q:
        cu = k.let("cu|eu|c_u", m.dot(q, u))
        eq = k.let("eq|f_eq|fe", feq(m.w(q), rho, cu, uu))
        fq = m.pop(f, q)
        new = fq - omega * (fq - eq) if p.chance(0.5) else (1.0 - omega) * fq + omega * eq
        if kick is not None:
            new = k.let("post|relaxed|fnew", new) + kick(q, cu, omega)
        k.set(m.pop(out, q), new)


def _forced(p: ProgramBuilder, m: Lattice, u: Expr, rho: Expr) -> tuple[Expr, object]:
    """Body forces: none, a velocity shift, or Guo's source term."""
    k, vec = m.k, p.vec(m.axes)
    form = p.weighted({"none": 5, "shift": 2, "guo": 3})
    if form == "none":
        return u, None
    values = [p.nice(1e-5, 1e-3), *[0.0] * (m.axes - 1)]
    force = (
        k.quantity("force|body_force|g_accel", vec, values)
        if p.chance(0.6)
        else k.let("force_c|fc", m.cells("force|force_field", vec, R.uniform(-0.001, 0.001))[m.at])
    )
    if form == "shift":
        tau = k.param("tau_force|tau_f", 0.6, 1.2)
        return k.let("u_eq|u_shift", u + force * (tau / rho)), None
    u_half = k.let("u_half|u_f", u + force * (0.5 / rho))
    uf = k.let("uf|u_dot_f", wp.dot(u_half, force))

    def kick(q: Expr, cu: Expr, omega: Expr) -> Expr:
        cf = m.dot(q, force)
        source = k.let("src|source|fterm", m.w(q) * (3.0 * (cf - uf) + 9.0 * cu * cf))
        return (1.0 - 0.5 * omega) * source

    return u_half, kick


def _smagorinsky(
    p: ProgramBuilder, m: Lattice, f: Expr, rho: Expr, u: Expr, uu: Expr, feq: object, omega: Expr
) -> Expr:
    """Eddy viscosity from the non-equilibrium stress."""
    k = m.k
    pxy, shear = k.var("pi_xy|q_xy|s_xy", 0.0, p.real), k.var("pi_diff|q_d|s_diff", 0.0, p.real)
    with m.each() as q:
        neq = k.let("neq|f_neq|fn", m.pop(f, q) - feq(m.w(q), rho, m.dot(q, u), uu))  # type: ignore[operator]
        cx, cy = construct(p.real, m.c(q, 0)), construct(p.real, m.c(q, 1))
        k.aug(pxy, "+", cx * cy * neq)
        k.aug(shear, "+", (cx * cx - cy * cy) * neq)
    stress = k.let("q_norm|stress_norm|pi_norm", wp.sqrt(shear * shear + 4.0 * pxy * pxy))
    cs = k.param("smagorinsky|c_s|les_const", 0.1, 0.2)
    tau0 = k.let("tau0|tau_mol", 1.0 / omega)
    eddy = 0.5 * (wp.sqrt(tau0 * tau0 + 18.0 * cs * cs * stress / rho) - tau0)
    return k.let("omega_eff|omega_t", 1.0 / (tau0 + eddy))


def _trt(
    p: ProgramBuilder,
    m: Lattice,
    f: Expr,
    out: Expr,
    rho: Expr,
    u: Expr,
    uu: Expr,
    feq: object,
    omega: Expr,
) -> None:
    """Two relaxation times: symmetric and antisymmetric parts apart."""
    k = m.k
    magic = k.param("magic|lambda_|magic_parameter", 0.1, 0.25)
    minus = k.let("omega_minus|om_m", 1.0 / (0.5 + magic / (1.0 / omega - 0.5)))
    with m.each() as q:
        o = k.let("qo|opp_q|r", m.opposite(q))
        cu = k.let("cu|eu|c_u", m.dot(q, u))
        wq = k.let("wq|weight_q", m.w(q))
        eq, eq_o = k.let("eq|fe", feq(wq, rho, cu, uu)), k.let("eq_o|feo", feq(wq, rho, -cu, uu))  # type: ignore[operator]
        even = k.let("sym|f_even|fp", 0.5 * (m.pop(f, q) + m.pop(f, o)) - 0.5 * (eq + eq_o))
        odd = k.let("anti|f_odd|fm", 0.5 * (m.pop(f, q) - m.pop(f, o)) - 0.5 * (eq - eq_o))
        k.set(m.pop(out, q), m.pop(f, q) - omega * even - minus * odd)


def _fused(p: ProgramBuilder) -> None:
    """Pull streaming, moments and collision in one pass."""
    k = p.kernel_builder(
        "stream_collide|fused_step|lbm_step|lbm_update|pull_collide",
        p.pick(
            "Fused streaming and collision.",
            "One lattice Boltzmann step.",
            "Pull populations, relax, store.",
        ),
    )
    m = Lattice(p, k)
    f, out = m.populations("f_in|f|f_src|f0"), m.populations("f_out|f_next|f_dst|f1", "out")
    flags = (
        m.cells("solid|flags|obstacle", p.pick(T.I32, T.U8), R.mask(0.12))
        if p.chance(0.6)
        else None
    )
    if flags is not None:
        zero = construct(T.U8, 0) if flags.type.dtype == T.U8 else lift(0, T.I32)
        with k.when(flags[m.at] != zero):
            k.ret()
    local = p.chance(0.6)
    if local:
        pops: Name | None = k.let("fl|pulled|fi|loc", construct(T.Vec(m.q, p.real), 0.0))
    else:
        pops = None
    rho, mom = (
        k.var("rho|density", 0.0, p.real),
        k.let("mom|j|momentum", construct(p.vec(m.axes), 0.0)),
    )
    k.step(p.pick("", "gather incoming populations", "pull and accumulate moments"))
    with m.each() as q:
        back = m.neighbour(q, -1)
        value = k.var("fq|incoming|pop", m.pop(f, q, back))
        if flags is not None:
            with k.when(flags[back] != zero):
                k.set(value, m.pop(f, m.opposite(q)))
        k.aug(rho, "+", value)
        k.aug(mom, "+", m.velocity(q) * value)
        k.set(pops[q] if pops is not None else m.pop(out, q), value)
    u = k.let("u|vel|velocity", mom / rho)
    if pops is None:
        _relax(p, m, out, out, rho, u)
    else:
        _relax_local(p, m, pops, out, rho, u)
    if p.chance(0.35):
        k.set(m.cells("rho_out|density_out", p.real, R.zeros(), "out")[m.at], rho)
        k.set(m.cells("u_out|velocity_out", p.vec(m.axes), R.zeros(), "out")[m.at], u)


def _relax_local(p: ProgramBuilder, m: Lattice, pops: Name, out: Expr, rho: Expr, u: Expr) -> None:
    k = m.k
    feq = equilibrium(p, m) if p.chance(0.6) else None
    u, kick = _forced(p, m, u, rho)
    omega = _relaxation(p, m, pops, rho, u, feq)
    uu = k.let("uu|usq", wp.dot(u, u))
    k.step(p.pick("", "relax and store"))
    with m.each() as q:
        cu = k.let("cu|eu", m.dot(q, u) if p.chance(0.6) else wp.dot(m.velocity(q), u))
        eq = (
            feq(m.w(q), rho, cu, uu)
            if feq
            else m.w(q) * rho * (1.0 + 3.0 * cu + 4.5 * cu * cu - 1.5 * uu)
        )
        eq = k.let("eq|fe", eq)
        new = pops[q] + omega * (eq - pops[q])
        k.set(m.pop(out, q), new if kick is None else new + kick(q, cu, omega))  # type: ignore[operator]


# --- coupled physics ------------------------------------------------------------------------------


def _scalar_transport(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "collide_thermal|advect_diffuse_lbm|passive_scalar_step|thermal_collide",
        p.pick(
            "Passive scalar on a five-velocity lattice.",
            "Temperature populations relax with the local flow.",
        ),
    )
    m = Lattice(p, k, axes=2, sparse=True)
    g = m.populations("g|g_in|thermal_pops", "inout" if p.chance(0.5) else "in")
    out = (
        g
        if k.arguments[-1].recipe["role"] == "inout"
        else m.populations("g_out|g_new|thermal_out", "out")
    )
    u = k.let("u|vel_c", m.cells("velocity|vel|u_field", p.vec(2), R.uniform(-0.1, 0.1))[m.at])
    solid_exit(p, m, 0.3)
    total = k.var("temp|theta|c", 0.0, p.real)
    with m.each() as q:
        k.aug(total, "+", m.pop(g, q))
    source = (
        m.cells("heat_source|source|s_field", p.real, R.uniform(0.0, 0.01))[m.at]
        if p.chance(0.4)
        else None
    )
    if p.chance(0.5):
        rate = k.param("omega_g|omega_t|relax_g", 0.6, 1.8)
    else:
        rate = k.let(
            "omega_g|omega_t", 1.0 / (3.0 * k.param("diffusivity|alpha|kappa", 0.01, 0.3) + 0.5)
        )
    with m.each() as q:
        eq = k.let("eq|g_eq|ge", m.w(q) * total * (1.0 + 3.0 * m.dot(q, u)))
        new = m.pop(g, q) - rate * (m.pop(g, q) - eq)
        k.set(m.pop(out, q), new if source is None else new + m.w(q) * source)
    if p.chance(0.5):
        k.set(m.cells("temperature|theta_out|scalar", p.real, R.zeros(), "out")[m.at], total)
    if p.chance(0.35):
        beta = k.param("buoyancy|g_beta|alpha_g", 1e-4, 1e-2)
        lift_force = m.cells("force|buoyancy_force", p.vec(2), R.zeros(), "out")
        k.set(
            lift_force[m.at],
            construct(p.vec(2), 0.0, beta * (total - k.param("t_ref|theta0", 0.2, 0.8))),
        )


def _pseudopotential(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "shan_chen_force|pseudopotential_force|cohesion_force|interaction_force",
        p.pick(
            "Shan-Chen interaction between neighbouring cells.",
            "Cohesion force of the pseudopotential model.",
        ),
    )
    m = Lattice(p, k)
    rho = m.cells("rho|density", p.real, R.uniform(0.2, 2.0))
    out = m.cells("force|force_out|f_int", p.vec(m.axes), R.zeros(), "out")
    form = p.pick("exponential", "rational", "root", "density")

    def body(b: object, r: Expr, r0: Expr) -> None:
        value = {
            "exponential": lambda: r0 * (1.0 - wp.exp(-r / r0)), "rational": lambda: r / (r + r0),
            "root": lambda: wp.sqrt(wp.max(r * r0, 0.0)), "density": lambda: wp.exp(-r0 / r),
        }[form]()  # fmt: skip
        b.ret(value)  # type: ignore[attr-defined]

    psi = p.func(
        "psi|pseudopotential|effective_mass", {"rho|r|density": p.real, "rho0|r0": p.real}, body
    )
    r0 = k.param("rho0|psi_ref|rho_ref", 0.5, 1.5)
    walls = m.cells("solid|is_solid|wall", T.I32, R.mask(0.15)) if p.chance(0.5) else None
    if walls is not None and p.chance(0.6):
        with k.when(walls[m.at] == 1):
            k.ret()
    total = k.let("acc|total|sum_psi", construct(p.vec(m.axes), 0.0))
    adhesion = k.let("adh|wall_sum", construct(p.vec(m.axes), 0.0)) if walls is not None else None
    with m.each(start=1 if p.chance(0.7) else 0) as q:
        there = m.neighbour(q, 1)
        if walls is not None and adhesion is not None:
            with k.when(walls[there] == 1):
                k.aug(adhesion, "+", m.velocity(q) * m.w(q))
            with k.otherwise():
                k.aug(total, "+", m.velocity(q) * (m.w(q) * psi(rho[there], r0)))
        else:
            k.aug(total, "+", m.velocity(q) * (m.w(q) * psi(rho[there], r0)))
    own = k.let("psi_c|here", psi(rho[m.at], r0))
    force = total * (-k.param("g_cohesion|G|coupling", 1.0, 5.0) * own)
    if adhesion is not None:
        force = force - adhesion * (k.param("g_adhesion|G_wall|g_ads", 0.1, 2.0) * own)
    k.set(out[m.at], force)


def _stress(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "shear_stress|strain_rate|deviatoric_stress|stress_tensor",
        p.pick(
            "Viscous stress from the non-equilibrium populations.", "Second moment of f - f_eq."
        ),
    )
    m = Lattice(p, k)
    f = m.populations("f|populations")
    rho_field = m.cells("rho|density", p.real, R.uniform(0.9, 1.1)) if p.chance(0.5) else None
    tensor = p.chance(0.55)
    out = m.cells("stress|sigma|tau_out", p.mat(m.axes) if tensor else p.real, R.zeros(), "out")
    solid_exit(p, m, 0.35)
    if rho_field is not None:
        rho, u = (
            k.let("rho_c|r", rho_field[m.at]),
            k.let("u|vel_c", m.cells("velocity|vel", p.vec(m.axes), R.uniform(-0.1, 0.1))[m.at]),
        )
    else:
        rho, u = moment_sums(p, m, f)
    uu, feq = k.let("uu|usq", wp.dot(u, u)), equilibrium(p, m)
    total = k.let("pi|second|acc", construct(p.mat(m.axes), 0.0)) if tensor else None
    parts = (
        [k.var(n, 0.0, p.real) for n in ("pi_xx|sxx", "pi_xy|sxy", "pi_yy|syy")]
        if not tensor
        else []
    )
    with m.each() as q:
        neq = k.let("neq|f_neq", m.pop(f, q) - feq(m.w(q), rho, m.dot(q, u), uu))
        if total is not None:
            c = k.let("cv|e_q|dirv", m.velocity(q))
            k.aug(total, "+", wp.outer(c, c) * neq)
        else:
            cx, cy = (
                k.let("ex|cxf", construct(p.real, m.c(q, 0))),
                k.let("ey|cyf", construct(p.real, m.c(q, 1))),
            )
            for part, product in zip(parts, (cx * cx, cx * cy, cy * cy), strict=True):
                k.aug(part, "+", product * neq)
    omega = k.param("omega|inv_tau", 0.6, 1.8)
    factor = k.let("factor|pref", -(1.0 - 0.5 * omega)) if p.chance(0.5) else -(1.0 - 0.5 * omega)
    if total is not None:
        k.set(out[m.at], total * factor)
    else:
        xx, xy, yy = parts
        k.set(out[m.at], wp.abs(factor) * wp.sqrt(xx * xx + 2.0 * xy * xy + yy * yy))
    if p.chance(0.3):
        bad = k.out("num_invalid|unstable_cells", T.I32, (1,))
        with k.when(any_of(rho < 0.5, wp.isnan(uu))):
            k.do(wp.atomic_add(bad, 0, 1))
