"""Particle dynamics: forces on free particles, time integration and collisions with simple shapes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._emitters import emit
from generator.synthesis.entities import Entities, Field
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.idioms import clamp_length, piece
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name

_NAMES = (
    "integrate_particles|step_particles|advance_particles|update_particles|particle_step|"
    "semi_implicit_euler|integrate|advect_points|simulate_particles|move_particles"
)


@category("particle_dynamics", version=1, title="Particle dynamics")
def write(p: ProgramBuilder) -> None:
    """Free particles, emitted from sources of several shapes, under gravity, drag, springs to anchors, fields and
    vortices, integrated in time and kept inside or outside simple obstacles; explicit, semi-implicit, Verlet and leapfrog schemes."""
    if p.fusing and "emission" in p.shared:
        raise CannotFuse
    if not p.fusing and p.chance(0.18):
        p.shared["emission"] = True
        emit(p)
        return
    _advance(p)


def _advance(p: ProgramBuilder) -> None:
    p.real = T.F64 if p.on("double") else T.F32
    k = p.kernel_builder(
        _NAMES,
        p.pick(
            "Advance every particle by one step.",
            "Integrate particle motion under external forces.",
            "One explicit time step with obstacle response.",
        ),
    )
    e = Entities(k, "particle")
    planar = p.chance(0.15)
    vec = p.vec(2 if planar else 3)
    x_in = e.field("positions|pos|x|particle_q", vec, R.uniform(-2.0, 2.0))
    v_in = e.field("velocities|vel|v|particle_qd", vec, R.uniform(-1.0, 1.0))
    x_out, v_out = _outputs(p, e, vec)
    e.guard((x_out, x_in.own), (v_out, v_in.own))
    x = k.var("x|pos|xi", x_in.own)
    v = k.var("v|vel|vi", v_in.own)
    mass = _inverse_mass(p, e)
    dt = e.world_param("dt|timestep|step_size|h", 0.001, 0.02)
    force = _forces(p, e, vec, x, v, mass)
    k.step(p.pick("integrate", "time integration", ""))
    _integrate(p, k, x, v, force, mass, dt)
    k.step(p.pick("collisions", "keep the particle in bounds", "contact response", ""))
    for respond in p.sample([_floor, _sphere, _box, _speed_limit, _damping], 0, 3):
        respond(p, k, e, vec, x, v, dt)
    k.step()
    x_out.store(x)
    v_out.store(v)
    _diagnostics(p, k, e, x, v, mass)


def _outputs(p: ProgramBuilder, e: Entities, vec: T.Vec) -> tuple[Field, Field]:
    return (
        e.out("positions_out|new_positions|x_out|particle_q_next", vec),
        e.out("velocities_out|new_velocities|v_out|particle_qd_next", vec),
    )


def _inverse_mass(p: ProgramBuilder, e: Entities) -> Expr:
    """Inverse mass of this particle, by one of the conventions in use."""
    k = e.k
    if p.chance(0.4):
        w = k.let(
            "w|inv_m|inv_mass",
            e.field("inv_mass|inverse_masses|particle_inv_mass", p.real, R.uniform(0.2, 2.0)).own,
        )
        return w
    mass = e.property("mass|particle_mass|m", 0.2, 3.0)
    return k.let("inv_mass|w|inv_m", 1.0 / mass)


def _forces(p: ProgramBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr, w: Expr) -> Name:
    k = e.k
    gravity = e.world_vector(
        "gravity|g",
        [0.0, -9.81] if vec.n == 2 else p.pick([0.0, -9.81, 0.0], [0.0, 0.0, -9.81]),
        vec,
    )
    options = [_external, _drag, _anchor, _swirl, _attractor, _wind]
    if p.real == T.F32 and p.chance(0.5):
        options.append(_turbulence)
    terms = p.sample(options, 1, 4)
    if p.chance(0.3):
        force = k.var(
            "f|force|total_force",
            e.field("forces|external_forces|particle_f", vec, R.uniform(-1.0, 1.0)).own,
        )
        terms = [t for t in terms if t is not _external]
    else:
        force = k.var("f|force|total", construct(vec, 0.0))
    for term in terms:
        k.comment(_COMMENTS[term.__name__]) if p.chance(0.4) else None
        k.aug(force, "+", term(p, e, vec, x, v))
    acceleration = k.let("a|acc|accel", force * w + gravity)
    return acceleration


def _external(p: ProgramBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr) -> Expr:
    return e.field("external_force|applied_forces|f_ext", vec, R.uniform(-1.0, 1.0)).own


def _drag(p: ProgramBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr) -> Expr:
    coefficient = e.property("drag|drag_coefficient|air_drag", 0.01, 0.4)
    match p.pick("linear", "quadratic", "relative"):
        case "linear":
            return -coefficient * v
        case "quadratic":
            return -coefficient * wp.length(v) * v
    wind = e.world_vector("wind|wind_velocity|air_velocity", [1.5, 0.2, 0.0][: vec.n], vec)
    relative = e.k.let("rel|relative|v_rel", v - wind)

    def body(b, r, c):  # type: ignore[no-untyped-def]
        return r * (-0.5 * c * wp.length(r))

    return piece(
        p,
        e.k,
        "drag_force|aerodynamic_drag|air_resistance",
        {"v_rel|rel|velocity": relative, "c|cd|coefficient": coefficient},
        body,
    )


def _anchor(p: ProgramBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr) -> Expr:
    k = e.k
    rest = e.field("anchors|rest_positions|targets|rest_x", vec, R.uniform(-2.0, 2.0)).own
    stiffness = e.property("stiffness|spring_ke|ke", 1.0, 60.0)
    offset = k.let("offset|stretch|d|delta", rest - x)
    if p.chance(0.5):
        return stiffness * offset
    damping = e.property("damping|spring_kd|kd", 0.05, 2.0)
    return stiffness * offset - damping * v


def _swirl(p: ProgramBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr) -> Expr:
    k = e.k
    strength = k.param("vortex_strength|swirl|circulation", 0.2, 4.0)
    if vec.n == 2:
        return construct(vec, -x.y, x.x) * strength
    axis = p.pick("cross", "components")
    if axis == "cross":
        spin = k.quantity("vortex_axis|axis|spin_axis", vec, [0.0, 1.0, 0.0])
        return wp.cross(spin, x) * strength
    return construct(vec, -x.z, 0.0, x.x) * strength


def _attractor(p: ProgramBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr) -> Expr:
    k = e.k
    center = k.quantity(
        "attractor|center|well_center", vec, [round(p.rng.uniform(-1, 1), 2) for _ in range(vec.n)]
    )
    strength = k.param("attraction|well_strength|mu", 0.5, 5.0)
    softening = k.param("softening|eps|core_radius", 0.05, 0.5)
    r = k.let("r|to_center|d", center - x)

    def body(b, d, s, h):  # type: ignore[no-untyped-def]
        d2 = b.let("d2|dist_sq|r2", wp.dot(d, d) + h * h)
        return d * (s / (d2 * wp.sqrt(d2)))

    return piece(
        p,
        k,
        "plummer_force|softened_gravity|well_force",
        {"d|r|delta": r, "s|strength|mu": strength, "h|eps|softening": softening},
        body,
    )


def _wind(p: ProgramBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr) -> Expr:
    k = e.k
    time = k.param("time|t|sim_time", 0.1, 5.0)
    amplitude = k.param("gust|wind_strength|amplitude", 0.1, 2.0)
    frequency = k.param("frequency|wavenumber|freq", 0.5, 4.0)
    phase = k.let("phase|arg", x.x * frequency + time)
    parts = [wp.sin(phase), wp.cos(phase), wp.sin(phase * 2.0)][: vec.n]
    return construct(vec, *p.shuffled(parts)) * amplitude


def _turbulence(p: ProgramBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr) -> Expr:
    k = e.k
    state = k.let("noise|turb_state|rng", wp.rand_init(k.scalar("seed|noise_seed", T.I32, 7)))
    frequency = k.param("noise_scale|eddy_scale|noise_freq", 0.3, 2.0)
    strength = e.world_param("turbulence|noise_strength|eddy_speed", 0.1, 1.0)
    return wp.curlnoise(state, x * frequency) * strength


_COMMENTS = {
    "_turbulence": "divergence-free turbulence",
    "_external": "user-supplied load", "_drag": "air drag", "_anchor": "spring to the rest position",
    "_swirl": "background vortex", "_attractor": "softened point attractor", "_wind": "travelling gust",
}  # fmt: skip


def _integrate(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, v: Expr, a: Expr, w: Expr, dt: Expr
) -> None:
    match p.weighted({"symplectic": 5, "explicit": 2, "verlet": 2, "midpoint": 2, "substeps": 1.5}):
        case "symplectic":
            k.aug(v, "+", a * dt)
            k.aug(x, "+", v * dt)
        case "explicit":
            k.set(x, x + v * dt + a * (0.5 * dt * dt) if p.chance(0.5) else x + v * dt)
            k.set(v, v + a * dt)
        case "verlet":
            half = k.let("v_half|vh|v_mid", v + a * (0.5 * dt))
            k.set(x, x + half * dt)
            k.set(v, half + a * (0.5 * dt))
        case "midpoint":
            mid = k.let("v_mid|v_avg", v + a * (dt * 0.5))
            k.aug(x, "+", mid * dt)
            k.aug(v, "+", a * dt)
        case "substeps":
            steps = k.count("substeps|num_substeps|sub_steps", p.pick(2, 4, 8))
            h = k.let("sub_dt|h|dts", dt / construct(p.real, steps))
            with k.loop("s|_step|sub", steps):
                k.set(v, v + a * h)
                k.set(x, x + v * h)


def _floor(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr, dt: Expr
) -> None:
    height = k.param("ground_height|floor_y|ground", 0.01, 0.5)
    bounce = k.param("restitution|bounce|cor", 0.1, 0.9)
    depth = k.let("depth|penetration|pen", height - x.y)
    with k.when(all_of(depth > 0.0, v.y < 0.0) if p.chance(0.4) else depth > 0.0):
        if p.chance(0.5):
            friction = k.param("friction|mu|ground_friction", 0.1, 0.8)
            rest = [
                v.x * (1.0 - friction),
                -bounce * v.y,
                *([v.z * (1.0 - friction)] if vec.n == 3 else []),
            ]
            k.set(v, construct(vec, *rest))
        else:
            k.set(v.y, -bounce * v.y)
        if p.chance(0.5):
            k.set(x.y, height)
        else:
            lift = [0.0, depth, 0.0][: vec.n]
            k.set(x, x + construct(vec, *lift))


def _sphere(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr, dt: Expr
) -> None:
    center = k.quantity("sphere_center|obstacle_pos|ball_center", vec, [0.2, 0.1, -0.3][: vec.n])
    radius = k.param("sphere_radius|obstacle_radius|ball_radius", 0.2, 1.0)
    d = k.let("to_particle|d|rel", x - center)
    dist = k.let("dist|distance|len_d", wp.length(d))
    with k.when(dist < radius):
        n = k.let("n|normal", d / wp.max(dist, 1.0e-6) if p.chance(0.5) else wp.normalize(d))
        k.set(x, center + n * radius)
        vn = k.let("vn|v_normal|approach", wp.dot(v, n))
        with k.when(vn < 0.0):
            if p.chance(0.5):
                k.aug(v, "-", n * vn)
            else:
                bounce = k.param("restitution|elasticity|e", 0.1, 0.9)
                k.aug(v, "-", n * (vn * (1.0 + bounce)))


def _box(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr, dt: Expr
) -> None:
    low = k.quantity("lower|box_min|domain_min", vec, [-1.5] * vec.n)
    high = k.quantity("upper|box_max|domain_max", vec, [1.5] * vec.n)
    if p.chance(0.35):
        k.set(x, wp.max(wp.min(x, high), low))
        return
    axes = ["x", "y", "z"][: vec.n]
    if p.chance(0.5):
        for axis in axes:
            a, va = x.field(axis), v.field(axis)
            with k.when(any_of(a < low.field(axis), a > high.field(axis))):
                k.set(va, -va)
                k.set(a, wp.clamp(a, low.field(axis), high.field(axis)))
        return
    with k.loop("axis|d|c", vec.n) as c:
        with k.when(x[c] < low[c]):
            k.set(x[c], low[c])
            k.set(v[c], wp.max(v[c], 0.0))
        with k.elsewhen(x[c] > high[c]):
            k.set(x[c], high[c])
            k.set(v[c], wp.min(v[c], 0.0))


def _speed_limit(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr, dt: Expr
) -> None:
    clamp_length(p, k, v, e.world_param("max_speed|v_max|speed_limit|max_velocity", 1.0, 10.0))


def _damping(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, x: Expr, v: Expr, dt: Expr
) -> None:
    damping = k.param("damping|linear_damping|velocity_damping", 0.01, 1.0)
    match p.pick("linear", "exp", "rational"):
        case "linear":
            k.aug(v, "*", 1.0 - damping * dt)
        case "exp":
            k.set(v, v * wp.exp(-damping * dt))
        case "rational":
            k.set(v, v / (1.0 + damping * dt))


def _diagnostics(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, v: Expr, w: Expr
) -> None:
    for what in p.sample(["energy", "lowest", "escaped"], 0, 1 if p.chance(0.6) else 2):
        if what == "energy":
            total = k.out("kinetic_energy|energy|total_energy", p.real, (e.worlds or 1,))
            value = 0.5 * wp.dot(v, v) / w
            k.do(wp.atomic_add(total, e.world if e.world is not None else 0, value))
        elif what == "lowest":
            low = k.out("lowest|min_height|bounds_min", p.real, (1,), R.constant(1000.0))
            k.do(wp.atomic_min(low, 0, x.y))
        else:
            count = k.out("escaped|num_escaped|out_of_bounds", T.I32, (1,))
            limit = k.param("domain_radius|bounds|kill_radius", 1.0, 3.0)
            with k.when(wp.length(x) > limit):
                k.do(wp.atomic_add(count, 0, 1))
