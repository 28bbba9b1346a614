"""SPH momentum: pressure, viscosity, surface tension, vorticity."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._neighbourhood import Cloud, Pair
from generator.synthesis.categories._sph_shared import (
    begin_cloud,
    mass_of_particles,
    pressure_law,
    rejected_phase,
    value_at,
)
from generator.synthesis.categories._stages import Motion, add_stages, finish, stage_range
from generator.synthesis.entities import Field
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_DENSITIES = "densities|rho|density|particle_rho"
_VELOCITIES = "velocities|v|vel|particle_v"


def pressure_force(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p,
        "pressure_force|compute_forces|sph_forces|accumulate_forces|pressure_acceleration|momentum_equation|fluid_forces",
        "Pressure and viscosity forces between neighbouring particles.",
        "Momentum equation of weakly compressible SPH.",
        "Acceleration of each particle from its neighbourhood.",
    )
    mass, phase = mass_of_particles(c), rejected_phase(c)
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    stored = p.chance(0.6)
    pressure = (
        c.e.field("pressures|pressure|p|particle_p", p.real, R.uniform(0.0, 20000.0))
        if stored
        else None
    )
    viscous = p.weighted({"none": 3, "laplacian": 3, "artificial": 2.5})
    velocity = c.e.field(_VELOCITIES, c.vec, R.uniform(-1.0, 1.0)) if viscous != "none" else None
    c.e.guard()
    x = c.here("x|x_i|xi|pos")
    rho_i = rho.read("rho_i|rho|density_i")
    p_i = k.let("p_i|pressure_i", pressure.own if pressure else pressure_law(p, k, rho_i))
    v = velocity.read("v|v_i|vi") if velocity else None
    kernel = c.smoothing()
    accel = k.var("f|force|acc|a", construct(c.vec, 0.0))
    form = p.pick("symmetric", "symmetric", "average", "weighted")
    term = (
        k.let("p_term|pi_rho2|own", p_i / (rho_i * rho_i))
        if form == "symmetric" and p.chance(0.5)
        else p_i / (rho_i * rho_i)
    )
    with c.pairs(x, reject=phase) as pair:
        rho_j = k.let("rho_j|density_j", rho[pair.j])
        p_j = k.let(
            "p_j|pressure_j", pressure[pair.j] if pressure else neighbour_pressure(k, rho_j)
        )
        grad = k.let("grad|grad_w|dw", kernel.gradient(k, pair))
        m = value_at(mass, pair.j)
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


def neighbour_pressure(k: KernelBuilder, rho: Expr) -> Expr:
    """The pressure of a neighbour, by the gas law of its own two parameters."""
    return wp.max(
        k.param("neighbor_stiffness|c2|sound_speed_sq", 5.0, 100.0)
        * (rho - k.param("ambient_density|rho_ref|rho_zero", 800.0, 1200.0)),
        0.0,
    )


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
            w = k.let(
                "w_visc|coeff|visc_w",
                2.0
                * nu
                * m
                / (rho_i * rho_j)
                * wp.dot(pair.r, grad)
                / (pair.d * pair.d + 0.01 * c.radius * c.radius),
            )
            k.aug(accel, "+", (v - velocity[pair.j]) * w)
        return
    approach = k.let("vr|v_dot_r|approach", wp.dot(v - velocity[pair.j], pair.r))
    with k.when(approach < 0.0):
        cs = k.param("sound_speed|c0|cs", 5.0, 20.0)
        mu = k.let(
            "mu_ij|mu_visc", c.radius * approach / (pair.d * pair.d + 0.01 * c.radius * c.radius)
        )
        k.aug(accel, "+", grad * (2.0 * m * nu * cs * mu / (rho_i + rho_j)))


def xsph(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p,
        "xsph_viscosity|smooth_velocities|xsph|velocity_smoothing|average_velocity",
        "XSPH velocity smoothing.",
        "Blend each velocity with those of its neighbours.",
        "Artificial viscosity by velocity averaging.",
    )
    velocity = c.e.field(_VELOCITIES, c.vec, R.uniform(-1.0, 1.0))
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    mass, phase = mass_of_particles(c), rejected_phase(c)
    normalise = p.chance(0.3)
    out = c.e.out("velocities_out|v_smooth|new_velocities|v_out", c.vec)
    v_now = velocity.own
    c.e.guard((out, v_now))
    x, v = c.here("x|x_i|xi"), velocity.read("v|v_i|vi")
    kernel = c.smoothing()
    total = k.var("dv|delta_v|correction|sum_v", construct(c.vec, 0.0))
    weight = k.var("wsum|norm|weight_sum", 0.0, p.real) if normalise else None
    with c.pairs(x, reject=phase) as pair:
        mean_rho = 0.5 * (rho.own + rho[pair.j]) if p.chance(0.4) else rho[pair.j]
        w = k.let("w|wij|weight", value_at(mass, pair.j) / mean_rho * kernel.w(k, pair.d))
        k.aug(total, "+", (velocity[pair.j] - v) * w)
        if weight is not None:
            k.aug(weight, "+", w)
    eps = k.param("xsph_epsilon|epsilon|viscosity|xsph_c", 0.01, 0.5)
    if weight is not None:
        with k.when(weight > 0.0):
            k.set(total, total / weight)
    out.store(v + total * eps)


def color_field(p: ProgramBuilder) -> None:
    goal = p.pick("normal", "tension", "akinci", "flag")
    names = {
        "normal": (
            "surface_normals|color_field|compute_normals",
            "Surface normals from the gradient of the colour field.",
        ),
        "tension": (
            "surface_tension|tension_force|continuum_surface_force",
            "Surface tension from colour-field curvature.",
        ),
        "akinci": (
            "cohesion_force|akinci_tension|cohesion_and_area",
            "Cohesion and surface-area forces.",
        ),
        "flag": (
            "detect_surface|mark_surface|free_surface_flags",
            "Detect particles at the free surface.",
        ),
    }
    k, c = begin_cloud(p, *names[goal])
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    mass, phase = mass_of_particles(c), rejected_phase(c)
    c.e.guard()
    x = c.here("x|x_i|xi|pos")
    kernel = c.smoothing()
    normal = k.var("n|normal|grad_c", construct(c.vec, 0.0))
    curvature = k.var("lap|laplacian|curvature", 0.0, p.real) if goal == "tension" else None
    force = k.var("f|force|cohesion", construct(c.vec, 0.0)) if goal == "akinci" else None
    with c.pairs(x, reject=phase) as pair:
        volume = k.let("vol|volume_j|v_j", value_at(mass, pair.j) / rho[pair.j])
        if p.chance(0.5):
            k.aug(normal, "+", kernel.gradient(k, pair) * volume)
        else:
            slope = k.let("slope|dw|g", kernel.dw(k, pair.d))
            k.aug(normal, "+", pair.r * (volume * slope / pair.d))
        if curvature is not None:
            k.aug(curvature, "+", volume * kernel.w(k, pair.d) / (c.radius * c.radius))
        if force is not None:
            gamma = k.param("surface_tension|gamma|cohesion", 0.05, 2.0)
            k.aug(
                force, "-", pair.r * (gamma * value_at(mass, pair.j) * (c.radius - pair.d) / pair.d)
            )
    size = k.let("n_len|mag|norm", wp.length(normal))
    _interface(p, k, c, goal, normal, size, curvature, force)


def _interface(
    p: ProgramBuilder,
    k: KernelBuilder,
    c: Cloud,
    goal: str,
    normal: Name,
    size: Name,
    curvature: Name | None,
    force: Name | None,
) -> None:
    threshold = k.param("normal_threshold|min_normal|eps_n", 0.05, 1.0)
    if goal == "normal":
        out = c.e.out("normals|surface_normals|normal_out", c.vec)
        out.store(choose(size > threshold, normal / size, construct(c.vec, 0.0)))
        return
    if goal == "flag":
        flags = c.e.out("is_surface|surface_flags|interface", T.I32)
        flags.store(
            wp.where(size > threshold, 1, 0)
            if p.chance(0.5)
            else construct(T.I32, size > threshold)
        )
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


def vorticity(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p, "compute_vorticity|curl_velocity|vorticity|estimate_curl|micropolar_spin",
        "Curl of the velocity field at every particle.", "Vorticity by the SPH curl operator.",
    )  # fmt: skip
    v = c.e.field(_VELOCITIES, c.vec, R.uniform(-1.0, 1.0))
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    mass, phase = mass_of_particles(c), rejected_phase(c)
    c.e.guard()
    x, v_i = c.here("x|x_i|xi"), v.read("v_i|vi|v")
    kernel = c.smoothing()
    solid = c.vec.n == 3
    curl = k.var("omega|curl|vort", construct(c.vec, 0.0) if solid else 0.0, p.real)
    with c.pairs(x, reject=phase) as pair:
        dv = k.let("dv|v_ji|vij", v[pair.j] - v_i)
        g = k.let("g|grad|grad_w", kernel.gradient(k, pair))
        scale = value_at(mass, pair.j) / rho[pair.j]
        turn = wp.cross(g, dv) if solid else g.x * dv.y - g.y * dv.x
        k.aug(curl, "+", turn * scale)
    c.e.out("vorticities|curl_out|omega|spin", c.vec if solid else p.real).store(curl)
    if p.chance(0.4):
        c.e.out("vort_mag|enstrophy|omega_len", p.real).store(
            0.5 * (wp.dot(curl, curl) if solid else curl * curl)
        )
