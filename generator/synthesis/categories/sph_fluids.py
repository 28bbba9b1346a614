"""Smoothed particle hydrodynamics: densities, pressures, forces and corrections over close pairs."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.categories._neighbourhood import Cloud, Pair, SmoothingKernel
from generator.synthesis.categories._sph_local import LOCAL
from generator.synthesis.categories._stages import Motion, add_stages, finish, stage_range
from generator.synthesis.entities import Field
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, literal

_DENSITIES = "densities|rho|density|particle_rho"
_VELOCITIES = "velocities|v|vel|particle_v"


@category("sph_fluids", version=1, title="Smoothed particle hydrodynamics")
def write(p: ProgramBuilder) -> None:
    """Fluids as particles: density summation, equations of state, pressure and viscosity forces, XSPH, surface tension,
    density-constraint (position-based) corrections, boundary volumes and vorticity, over hash grids, cell lists and tables."""
    p.real = T.F64 if p.on("double") else T.F32
    intents = {
        _density: 2.6, _pressure_force: 5, _xsph: 1.2, _color_field: 1.2, _lambda: 1.1, _correction: 1.1, _boundary: 1,
        _vorticity: 1, _diffusion: 1, _continuity: 1.1, _factor: 0.8, _gradient_matrix: 0.7, **LOCAL,
    }  # fmt: skip
    p.weighted(intents)(p)


def _mass(cloud: Cloud) -> Field | Expr:
    """Particle masses as an array, or one mass for all."""
    k, p = cloud.k, cloud.k.p
    scale = 8.0 if cloud.listed else 1.0
    if p.chance(0.35):
        return cloud.e.field("masses|mass|m|particle_mass", p.real, R.uniform(6.0 * scale, 20.0 * scale))
    return k.param("particle_mass|mass|m", 6.0 * scale, 20.0 * scale)


def _of(mass: Field | Expr, j: Expr) -> Expr:
    return mass[j] if isinstance(mass, Field) else mass


def _phase(cloud: Cloud) -> tuple[Field, int] | None:
    """Sometimes a phase per particle, and the phase that pairs leave out."""
    p = cloud.k.p
    if not p.chance(0.18):
        return None
    return cloud.e.field("phase|particle_phase|material|fluid_id|labels", T.I32, R.integers(0, 3)), p.pick(0, 1, 2)


def _begin(p: ProgramBuilder, hint: str, *docs: str) -> tuple[KernelBuilder, Cloud]:
    k = p.kernel_builder(hint, p.pick(*docs))
    return k, Cloud(k)


def _density(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "compute_density|density_summation|estimate_densities|sph_density|accumulate_density|update_density",
        "Density by summation over neighbouring particles.", "SPH density estimate of every particle.", "Sum kernel-weighted masses within the support radius.",
    )  # fmt: skip
    mass, phase = _mass(c), _phase(c)
    c.e.guard()
    x = c.x.read("x|x_i|xi|pos")
    kernel = SmoothingKernel(c)
    own = p.chance(0.3)
    rho = k.var("rho|density|rho_i|total", _of(mass, c.e.index) * kernel.w(k, literal(0.0, p.real)) if own else 0.0, p.real)
    count = k.var("neighbors|count|num_nbrs", 0) if p.chance(0.2) else None
    factor_out = not isinstance(mass, Field) and not own and p.chance(0.5)
    with c.pairs(x, separate=own, reject=phase) as pair:
        w = kernel.w(k, pair.d)
        k.aug(rho, "+", w if factor_out else _of(mass, pair.j) * w)
        if count is not None:
            k.aug(count, "+", 1)
    if factor_out:
        k.aug(rho, "*", mass)
    if p.chance(0.25):
        _boundary_share(p, k, c, x, rho, kernel)
    k.step(p.pick("", "write back"))
    c.e.out("density_out|densities|rho_out|particle_rho", p.real).store(rho)
    if count is not None:
        c.e.out("neighbor_count|num_neighbors|coordination", T.I32).store(count)
    if p.chance(0.4):
        c.e.out("pressures|pressure|p_out", p.real).store(_equation_of_state(p, k, rho))


def _boundary_share(p: ProgramBuilder, k: KernelBuilder, c: Cloud, x: Expr, rho: Name, kernel: SmoothingKernel) -> None:
    """Adds the density that static wall particles contribute."""
    m = p.pick(12, 16, 24, 32)
    walls = k.array("boundary_x|wall_points|boundary_positions|static_x", c.vec, (m,), R.uniform(-0.1, 1.1))
    psi = k.array("boundary_psi|wall_mass|psi|boundary_volume", p.real, (m,), R.uniform(5.0, 20.0))
    k.step(p.pick("boundary particles", "static walls", ""))
    with k.loop("b|w|s", walls.dim(0) if p.chance(0.6) else k.count("num_boundary|n_walls", m)) as b:
        d = k.let("db|dist_b|gap", wp.length(x - walls[b]))
        with k.when(d < c.radius):
            k.aug(rho, "+", psi[b] * kernel.w(k, d))


def _equation_of_state(p: ProgramBuilder, b: Block, rho: Expr) -> Expr:
    """Pressure from density: linear, clamped, Tait or ideal gas."""
    k = p.kernel
    assert k is not None
    rest = k.param("rest_density|rho0|reference_density", 800.0, 1200.0)
    stiffness = k.param("stiffness|gas_constant|k_p|bulk_modulus", 5.0, 200.0)
    form = p.pick("linear", "clamped", "tait", "gas", "ratio")

    def body(inner: Block, r: Expr, r0: Expr, c: Expr) -> Expr:
        if form == "linear":
            return c * (r - r0)
        if form == "clamped":
            return c * wp.max(r - r0, 0.0)
        if form == "gas":
            return wp.max(c * r - c * r0, 0.0)
        q = inner.let("ratio|q|compression", r / r0)
        if form == "ratio":
            return wp.max(c * (q - 1.0), 0.0)
        return c / 7.0 * (wp.pow(q, 7.0) - 1.0)

    args = {"rho|density": rho, "rho0|rest": rest, "k|stiffness|b": stiffness}
    doc = p.pick("Pressure from the equation of state.", "Weakly compressible equation of state.", "")
    return helper(p, b, "pressure_from_density|equation_of_state|eos|state_equation", args, body, doc)


def _pressure_force(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "pressure_force|compute_forces|sph_forces|accumulate_forces|pressure_acceleration|momentum_equation|fluid_forces",
        "Pressure and viscosity forces between neighbouring particles.", "Momentum equation of weakly compressible SPH.", "Acceleration of each particle from its neighbourhood.",
    )  # fmt: skip
    mass, phase = _mass(c), _phase(c)
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    stored = p.chance(0.6)
    pressure = c.e.field("pressures|pressure|p|particle_p", p.real, R.uniform(0.0, 20000.0)) if stored else None
    viscous = p.weighted({"none": 3, "laplacian": 3, "artificial": 2.5})
    velocity = c.e.field(_VELOCITIES, c.vec, R.uniform(-1.0, 1.0)) if viscous != "none" else None
    c.e.guard()
    x = c.x.read("x|x_i|xi|pos")
    rho_i = rho.read("rho_i|rho|density_i")
    p_i = k.let("p_i|pressure_i", pressure.own if pressure else _equation_of_state(p, k, rho_i))
    v = velocity.read("v|v_i|vi") if velocity else None
    kernel = SmoothingKernel(c)
    accel = k.var("f|force|acc|a", construct(c.vec, 0.0))
    form = p.pick("symmetric", "symmetric", "average", "weighted")
    term = k.let("p_term|pi_rho2|own", p_i / (rho_i * rho_i)) if form == "symmetric" and p.chance(0.5) else p_i / (rho_i * rho_i)
    with c.pairs(x, reject=phase) as pair:
        rho_j = k.let("rho_j|density_j", rho[pair.j])
        p_j = k.let("p_j|pressure_j", pressure[pair.j] if pressure else _equation_of_state_again(k, rho_j))
        grad = k.let("grad|grad_w|dw", kernel.gradient(k, pair))
        m = _of(mass, pair.j)
        if form == "symmetric":
            k.aug(accel, "-", grad * (m * (term + p_j / (rho_j * rho_j))))
        elif form == "average":
            k.aug(accel, "-", grad * (m * (p_i + p_j) / (2.0 * rho_i * rho_j)))
        else:
            shared = k.let("p_ij|p_bar|shared", (rho_j * p_i + rho_i * p_j) / (rho_i + rho_j))
            k.aug(accel, "-", grad * (m * shared / (rho_i * rho_j)))
        if velocity and v is not None:
            _viscosity(p, k, c, viscous, pair, v, velocity, rho_i, rho_j, m, grad, accel)
    m = Motion(p, k, c.e, c.vec, x, accel, v)
    add_stages(m, *stage_range(p))
    finish(m, acceleration=True)


def _equation_of_state_again(k: KernelBuilder, rho: Expr) -> Expr:
    """The pressure of a neighbour, by the gas law of its own two parameters."""
    return wp.max(k.param("neighbor_stiffness|c2|sound_speed_sq", 5.0, 100.0) * (rho - k.param("ambient_density|rho_ref|rho_zero", 800.0, 1200.0)), 0.0)


def _viscosity(
    p: ProgramBuilder, k: KernelBuilder, c: Cloud, kind: str, pair: Pair, v: Expr, velocity: Field, rho_i: Expr,
    rho_j: Expr, m: Expr, grad: Expr, accel: Name,
) -> None:  # fmt: skip
    nu = k.param("viscosity|mu|nu|visc", 0.01, 0.3)
    if p.chance(0.4):
        k.comment(p.pick("viscosity", "viscous term", "momentum diffusion"))
    if kind == "laplacian":
        if p.chance(0.5):
            lap = (c.radius - pair.d) * m / rho_j
            k.aug(accel, "+", (velocity[pair.j] - v) * (nu * lap))
        else:
            w = k.let("w_visc|coeff|visc_w", 2.0 * nu * m / (rho_i * rho_j) * wp.dot(pair.r, grad) / (pair.d * pair.d + 0.01 * c.radius * c.radius))
            k.aug(accel, "+", (v - velocity[pair.j]) * w)
        return
    approach = k.let("vr|v_dot_r|approach", wp.dot(v - velocity[pair.j], pair.r))
    with k.when(approach < 0.0):
        cs = k.param("sound_speed|c0|cs", 5.0, 20.0)
        mu = k.let("mu_ij|mu_visc", c.radius * approach / (pair.d * pair.d + 0.01 * c.radius * c.radius))
        k.aug(accel, "+", grad * (2.0 * m * nu * cs * mu / (rho_i + rho_j)))


def _xsph(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "xsph_viscosity|smooth_velocities|xsph|velocity_smoothing|average_velocity",
        "XSPH velocity smoothing.", "Blend each velocity with those of its neighbours.", "Artificial viscosity by velocity averaging.",
    )  # fmt: skip
    velocity = c.e.field(_VELOCITIES, c.vec, R.uniform(-1.0, 1.0))
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    mass, phase = _mass(c), _phase(c)
    normalise = p.chance(0.3)
    out = c.e.out("velocities_out|v_smooth|new_velocities|v_out", c.vec)
    v_now = velocity.own
    c.e.guard((out, v_now))
    x, v = c.x.read("x|x_i|xi"), velocity.read("v|v_i|vi")
    kernel = SmoothingKernel(c)
    total = k.var("dv|delta_v|correction|sum_v", construct(c.vec, 0.0))
    weight = k.var("wsum|norm|weight_sum", 0.0, p.real) if normalise else None
    with c.pairs(x, reject=phase) as pair:
        mean_rho = 0.5 * (rho.own + rho[pair.j]) if p.chance(0.4) else rho[pair.j]
        w = k.let("w|wij|weight", _of(mass, pair.j) / mean_rho * kernel.w(k, pair.d))
        k.aug(total, "+", (velocity[pair.j] - v) * w)
        if weight is not None:
            k.aug(weight, "+", w)
    eps = k.param("xsph_epsilon|epsilon|viscosity|xsph_c", 0.01, 0.5)
    if weight is not None:
        with k.when(weight > 0.0):
            k.set(total, total / weight)
    out.store(v + total * eps)


def _color_field(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "surface_normals|color_field|surface_tension|compute_normals|cohesion_force|interface_curvature",
        "Colour-field normals and surface tension.", "Detect the free surface and apply tension along its normal.", "Surface normals from the gradient of the colour field.",
    )  # fmt: skip
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    mass, phase = _mass(c), _phase(c)
    c.e.guard()
    x = c.x.read("x|x_i|xi|pos")
    kernel = SmoothingKernel(c)
    normal = k.var("n|normal|grad_c", construct(c.vec, 0.0))
    goal = p.pick("normal", "tension", "akinci", "flag")
    curvature = k.var("lap|laplacian|curvature", 0.0, p.real) if goal == "tension" else None
    force = k.var("f|force|cohesion", construct(c.vec, 0.0)) if goal == "akinci" else None
    with c.pairs(x, reject=phase) as pair:
        volume = k.let("vol|volume_j|v_j", _of(mass, pair.j) / rho[pair.j])
        if p.chance(0.5):
            k.aug(normal, "+", kernel.gradient(k, pair) * volume)
        else:
            slope = k.let("slope|dw|g", kernel.dw(k, pair.d))
            k.aug(normal, "+", pair.r * (volume * slope / pair.d))
        if curvature is not None:
            k.aug(curvature, "+", volume * kernel.w(k, pair.d) / (c.radius * c.radius))
        if force is not None:
            gamma = k.param("surface_tension|gamma|cohesion", 0.05, 2.0)
            k.aug(force, "-", pair.r * (gamma * _of(mass, pair.j) * (c.radius - pair.d) / pair.d))
    size = k.let("n_len|mag|norm", wp.length(normal))
    _interface(p, k, c, goal, normal, size, curvature, force)


def _interface(
    p: ProgramBuilder, k: KernelBuilder, c: Cloud, goal: str, normal: Name, size: Name, curvature: Name | None, force: Name | None
) -> None:  # fmt: skip
    threshold = k.param("normal_threshold|min_normal|eps_n", 0.05, 1.0)
    if goal == "normal":
        out = c.e.out("normals|surface_normals|normal_out", c.vec)
        out.store(choose(size > threshold, normal / size, construct(c.vec, 0.0)))
        return
    if goal == "flag":
        flags = c.e.out("is_surface|surface_flags|interface", T.I32)
        flags.store(wp.where(size > threshold, 1, 0) if p.chance(0.5) else construct(T.I32, size > threshold))
        return
    if force is not None:
        scaled = k.param("normal_scale|area_weight|kappa", 0.1, 1.0)
        c.e.out("forces|tension|acc_out", c.vec).store(force - normal * (scaled * c.radius))
        return
    assert curvature is not None
    sigma = k.param("surface_tension|sigma|tension", 0.05, 2.0)
    out = c.e.inout("forces|particle_f|f_out", c.vec, R.uniform(-1.0, 1.0))
    with k.when(size > threshold):
        out.add(normal * (-sigma * curvature / size))


def _lambda(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "compute_lambda|density_constraint|pbf_lambda|solve_density_lambda|calculate_multipliers",
        "Lagrange multiplier of the density constraint (position-based fluids).", "Density constraint and its gradient norm for each particle.",
    )  # fmt: skip
    mass = _mass(c)
    rest = k.param("rest_density|rho0", 800.0, 1200.0)
    c.e.guard()
    x = c.x.read("x|p_i|xi")
    kernel = SmoothingKernel(c)
    rho = k.var("rho|density", 0.0, p.real)
    grad_i = k.var("grad_i|grad_own|g_i", construct(c.vec, 0.0))
    total = k.var("sum_grad2|denom|grad_sq", 0.0, p.real)
    with c.pairs(x) as pair:
        m = _of(mass, pair.j)
        k.aug(rho, "+", m * kernel.w(k, pair.d))
        grad = k.let("grad|g_j|grad_j", kernel.gradient(k, pair) * (m / rest))
        k.aug(grad_i, "+", grad)
        k.aug(total, "+", wp.dot(grad, grad) if p.chance(0.6) else wp.length_sq(grad))
    k.aug(total, "+", wp.dot(grad_i, grad_i))
    constraint = k.let("C|constraint|c_i", rho / rest - 1.0)
    relax = k.param("relaxation|epsilon|cfm", 0.1, 10.0)
    out = c.e.out("lambdas|multipliers|lambda_out", p.real)
    match p.pick("clamp", "branch", "plain", "early"):
        case "clamp":
            out.store(-wp.max(constraint, 0.0) / (total + relax))
        case "branch":
            with k.when(constraint > 0.0):
                out.store(-constraint / (total + relax))
            with k.otherwise():
                out.store(0.0)
        case "plain":
            out.store(-constraint / (total + relax))
        case "early":
            with k.when(constraint <= 0.0):
                k.ret()
            out.store(-constraint / (total + relax))
    if p.chance(0.35):
        error = k.out("density_error|max_error|residual", p.real, (c.e.worlds or 1,))
        k.do(wp.atomic_max(error, c.e.world if c.e.world is not None else 0, constraint))


def _correction(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "position_correction|apply_lambda|pbf_delta|solve_positions|compute_delta_p|displace_particles",
        "Position correction from the density multipliers.", "Move particles so that the density constraint holds.",
    )  # fmt: skip
    lambdas = c.e.field("lambdas|multipliers|lam", p.real, R.uniform(-0.01, 0.0))
    rest = k.param("rest_density|rho0", 800.0, 1200.0)
    mass = _mass(c) if p.chance(0.5) else None
    c.e.guard()
    x, own = c.x.read("x|p_i|xi"), lambdas.read("lambda_i|lam_i")
    kernel = SmoothingKernel(c)
    delta = k.var("delta|dp|correction", construct(c.vec, 0.0))
    tensile = p.chance(0.5)
    if tensile:
        k_corr = k.param("tensile_k|s_corr_k|k_corr", 0.0001, 0.01)
        reference = k.let("w_ref|w_q|w_dq", kernel.w(k, c.radius * p.pick(0.2, 0.25, 0.3)))
    with c.pairs(x) as pair:
        coefficient: Expr = own + lambdas[pair.j]
        if tensile:
            ratio = k.let("ratio|w_ratio|q", kernel.w(k, pair.d) / reference)
            coefficient = coefficient - k_corr * ratio * ratio * ratio * ratio
        term = kernel.gradient(k, pair) * coefficient
        k.aug(delta, "+", term if mass is None else term * _of(mass, pair.j))
    k.set(delta, delta / rest)
    if p.chance(0.35):
        limit = k.param("max_displacement|max_delta|step_limit", 0.01, 0.1)
        size = k.let("len_d|mag|dist_moved", wp.length(delta))
        with k.when(size > limit):
            k.set(delta, delta * (limit / size))
    if p.chance(0.5):
        c.e.out("delta_x|deltas|corrections", c.vec).store(delta)
    else:
        low, high = c.e.world_vector("domain_min|lower|box_lo", [0.0] * c.vec.n, c.vec), k.quantity("domain_max|upper|box_hi", c.vec, [1.0] * c.vec.n)
        target = c.e.out("predicted|x_out|positions_out", c.vec)
        target.store(wp.min(wp.max(x + delta, low), high) if p.chance(0.6) else x + delta)


def _boundary(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "boundary_volume|boundary_psi|wall_particle_mass|compute_boundary_density|rigid_sample_volume",
        "Volume that each boundary particle stands for.", "Pseudo-mass of wall samples from their mutual kernel sum.",
    )  # fmt: skip
    body = c.e.field("body_id|owner|rigid_id", T.I32, R.integers(0, 2)) if p.chance(0.4) else None
    c.e.guard()
    x = c.x.read("x|xb|pos")
    kernel = SmoothingKernel(c)
    total = k.var("delta|number_density|sum_w", kernel.w(k, literal(0.0, p.real)))
    with c.pairs(x) as pair:
        if body is not None:
            with k.when(body[pair.j] != body.own):
                k.cont()
        k.aug(total, "+", kernel.w(k, pair.d))
    rest = k.param("rest_density|rho0", 800.0, 1200.0)
    volume = k.let("vol|volume", 1.0 / total)
    match p.pick("psi", "both", "volume"):
        case "psi":
            c.e.out("psi|boundary_mass|wall_mass", p.real).store(rest * volume)
        case "both":
            c.e.out("psi|boundary_mass", p.real).store(rest * volume)
            c.e.out("volumes|boundary_volume", p.real).store(volume)
        case "volume":
            scale = k.param("volume_scale|gamma|boundary_gamma", 0.7, 1.2)
            c.e.out("volumes|boundary_volume|sample_volume", p.real).store(scale * volume)


def _vorticity(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "compute_vorticity|curl_velocity|vorticity|estimate_curl|micropolar_spin",
        "Curl of the velocity field at every particle.", "Vorticity by the SPH curl operator.",
    )  # fmt: skip
    v = c.e.field(_VELOCITIES, c.vec, R.uniform(-1.0, 1.0))
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    mass, phase = _mass(c), _phase(c)
    c.e.guard()
    x, v_i = c.x.read("x|x_i|xi"), v.read("v_i|vi|v")
    kernel = SmoothingKernel(c)
    solid = c.vec.n == 3
    curl = k.var("omega|curl|vort", construct(c.vec, 0.0) if solid else 0.0, p.real)
    with c.pairs(x, reject=phase) as pair:
        dv = k.let("dv|v_ji|vij", v[pair.j] - v_i)
        g = k.let("g|grad|grad_w", kernel.gradient(k, pair))
        scale = _of(mass, pair.j) / rho[pair.j]
        turn = wp.cross(g, dv) if solid else g.x * dv.y - g.y * dv.x
        k.aug(curl, "+", turn * scale)
    c.e.out("vorticities|curl_out|omega|spin", c.vec if solid else p.real).store(curl)
    if p.chance(0.4):
        c.e.out("vort_mag|enstrophy|omega_len", p.real).store(0.5 * (wp.dot(curl, curl) if solid else curl * curl))


def _diffusion(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "diffuse_temperature|heat_conduction|scalar_diffusion|diffuse_concentration|thermal_step|mix_dye",
        "Heat conduction between particles.", "Explicit diffusion of a scalar carried by the particles.", "SPH Laplacian of a scalar, integrated over one step.",
    )  # fmt: skip
    t = c.e.field("temperatures|temperature|concentration|phi|scalars", p.real, R.uniform(0.0, 1.0))
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    mass = _mass(c)
    out = c.e.out("temperature_out|new_phi|scalars_out|phi_next", p.real)
    c.e.guard((out, t.own))
    x, own = c.x.read("x|xi|pos"), t.read("t_i|phi_i|c_i")
    kernel = SmoothingKernel(c)
    rate = k.var("rate|lap|flux|dphi", 0.0, p.real)
    per_item = p.chance(0.3)
    conductivity = c.e.field("conductivity|kappa|diffusivities", p.real, R.uniform(0.01, 0.1)) if per_item else k.param("diffusivity|alpha|kappa", 0.01, 0.1)
    with c.pairs(x) as pair:
        slope = kernel.dw(k, pair.d)
        if isinstance(conductivity, Field):
            a, b = conductivity.own, k.let("k_j|kappa_j", conductivity[pair.j])
            scale: Expr = 4.0 * a * b / (a + b)
        else:
            scale = 2.0 * conductivity
        k.aug(rate, "+", scale * _of(mass, pair.j) / rho[pair.j] * (own - t[pair.j]) * slope / pair.d)
    dt = c.e.world_param("dt|timestep|h_t", 0.0001, 0.005)
    value = own + dt * rate
    out.store(wp.clamp(value, 0.0, 1.0) if p.chance(0.3) else value)


def _continuity(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "continuity|density_rate|velocity_divergence|drho_dt|compute_divergence|density_derivative",
        "Rate of change of density from the velocity divergence.", "Continuity equation, optionally with density diffusion.", "Divergence of the velocity field at the particles.",
    )  # fmt: skip
    v = c.e.field(_VELOCITIES, c.vec, R.uniform(-1.0, 1.0))
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0)) if p.chance(0.6) else None
    mass, phase = _mass(c), _phase(c)
    c.e.guard()
    x, v_i = c.x.read("x|xi|pos"), v.read("v_i|vi|v")
    kernel = SmoothingKernel(c)
    rate = k.var("drho|div|rate", 0.0, p.real)
    with c.pairs(x, reject=phase) as pair:
        grad = k.let("grad|gw|grad_w", kernel.gradient(k, pair))
        k.aug(rate, "+", _of(mass, pair.j) * wp.dot(v_i - v[pair.j], grad))
        if rho is not None and p.chance(0.5):
            strength = k.param("delta_sph|diffusion|density_diffusion", 0.01, 0.2)
            jump = k.let("jump|psi|drho_ij", 2.0 * (rho[pair.j] - rho.own) / pair.d)
            k.aug(rate, "-", strength * c.radius * jump * _of(mass, pair.j) / rho[pair.j] * wp.dot(pair.r, grad) / pair.d)
    if rho is None:
        c.e.out("divergence|div_v|drho_dt", p.real).store(rate)
        return
    dt = c.e.world_param("dt|timestep|step", 0.0001, 0.005)
    rest = k.param("rest_density|rho0|rho_min", 600.0, 900.0)
    c.e.out("density_out|rho_next|predicted_density", p.real).store(wp.max(rho.own + dt * rate, rest))


def _factor(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "dfsph_factor|compute_alpha|divergence_free_factor|solver_diagonal|pressure_diagonal",
        "Diagonal factor of the divergence-free solver.", "Per-particle denominator of the implicit pressure solve.",
    )  # fmt: skip
    mass = _mass(c)
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0)) if p.chance(0.6) else None
    c.e.guard()
    x = c.x.read("x|xi|pos")
    kernel = SmoothingKernel(c)
    total = k.var("sum_grad|grad_total|g_sum", construct(c.vec, 0.0))
    squares = k.var("sum_sq|grad_sq|norm_sum", 0.0, p.real)
    with c.pairs(x) as pair:
        grad = k.let("grad|g|mgrad", kernel.gradient(k, pair) * _of(mass, pair.j))
        k.aug(total, "+", grad)
        k.aug(squares, "+", wp.dot(grad, grad))
    denominator = k.let("denom|diag", wp.dot(total, total) + squares)
    top = rho.own if rho is not None else k.param("rest_density|rho0", 800.0, 1200.0)
    floor = k.param("min_denom|factor_eps|eps", 1.0e-6, 1.0e-3)
    out = c.e.out("factors|alpha|alphas|diag_out", p.real)
    if p.chance(0.5):
        out.store(top / wp.max(denominator, floor))
    else:
        with k.when(denominator > floor):
            out.store(top / denominator)
        with k.otherwise():
            out.store(0.0)


def _gradient_matrix(p: ProgramBuilder) -> None:
    k, c = _begin(
        p, "gradient_correction|correction_matrix|renormalization_matrix|moment_matrix|kernel_gradient_correction",
        "Correction matrix that makes SPH gradients exact for linear fields.", "Inverse of the first moment of the kernel gradient.",
    )  # fmt: skip
    volume = c.e.field("volumes|vol|particle_volume", p.real, R.uniform(0.005, 0.03))
    phase = _phase(c)
    c.e.guard()
    x = c.x.read("x|xi|pos")
    kernel = SmoothingKernel(c)
    n = c.vec.n
    moment = k.var("m|moment|a|L", construct(p.mat(n), 0.0))
    with c.pairs(x, reject=phase) as pair:
        grad = k.let("grad|gw|g", kernel.gradient(k, pair))
        k.aug(moment, "-", wp.outer(pair.r, grad) * volume[pair.j])
    det = k.let("det|detm", wp.determinant(moment))
    floor = k.param("det_min|min_det|singular_eps", 1.0e-4, 1.0e-2)
    out = c.e.out("correction|matrices|inv_moment|L_out", p.mat(n))
    match p.pick("branch", "early", "both"):
        case "branch":
            with k.when(wp.abs(det) > floor):
                out.store(wp.inverse(moment))
            with k.otherwise():
                out.store(_identity(p, n))
        case "early":
            with k.when(wp.abs(det) < floor):
                out.store(_identity(p, n))
                k.ret()
            out.store(wp.inverse(moment))
        case "both":
            trust = k.let("w|trust|blend", wp.clamp(wp.abs(det), 0.0, 1.0))
            out.store(moment * trust + _identity(p, n) * (1.0 - trust))


def _identity(p: ProgramBuilder, n: int) -> Expr:
    return wp.diag(construct(p.vec(n), 1.0))
