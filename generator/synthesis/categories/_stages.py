"""Stages that a force kernel may add to its own: confinement, obstacles, body forces, limits, integration,
diagnostics."""

from collections.abc import Callable
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


@dataclass(slots=True)
class Motion:
    """What a stage sees: the item's position and velocity (where the kernel has it) and the growing force."""

    p: ProgramBuilder
    k: KernelBuilder
    e: Entities
    vec: T.Vec
    x: Expr
    force: Name
    velocity: Expr | None = None
    extent: float = 1.0

    def v(self) -> Expr:
        """The item's velocity, read on first use."""
        if self.velocity is None:
            field = self.e.field("velocities|v|vel|velocity", self.vec, R.uniform(-1.0, 1.0))
            self.velocity = field.read("v|vel|v_i|velocity_i")
        return self.velocity


def gravity(m: Motion) -> None:
    """A uniform body force."""
    up = m.p.pick([0.0, -9.81, 0.0], [0.0, 0.0, -9.81]) if m.vec.n == 3 else [0.0, -9.81]
    g = m.e.world_vector("gravity|g|body_force", up, m.vec)
    m.k.aug(
        m.force, "+", g if m.p.chance(0.5) else g * m.e.property("mass|m|particle_mass", 0.5, 2.0)
    )


def drag(m: Motion) -> None:
    """Linear or quadratic drag towards an ambient flow."""
    p, k = m.p, m.k
    c = m.e.property("drag|damping|friction_coeff|gamma", 0.05, 1.0)
    if p.chance(0.5):
        k.aug(m.force, "-", m.v() * c)
        return
    wind = m.e.world_vector("wind|ambient_velocity|flow", [0.8, 0.1, 0.0][: m.vec.n], m.vec)
    rel = k.let("rel_v|v_rel|slip", m.v() - wind)
    k.aug(m.force, "-", rel * (c * wp.length(rel)) if p.chance(0.6) else rel * c)


def walls(m: Motion) -> None:
    """Penalty springs at the sides of a box."""
    p, k, n = m.p, m.k, m.vec.n
    lo = k.quantity("box_lo|lower|domain_min|walls_min", m.vec, [round(0.05 * m.extent, 3)] * n)
    hi = k.quantity("box_hi|upper|domain_max|walls_max", m.vec, [round(0.95 * m.extent, 3)] * n)
    ke = k.param("wall_stiffness|wall_ke|k_wall", 100.0, 2000.0)
    form = p.pick("loop", "axes", "vector")
    if form == "vector":
        zero = construct(m.vec, 0.0)
        k.aug(m.force, "+", (wp.max(lo - m.x, zero) - wp.max(m.x - hi, zero)) * ke)
    elif form == "loop":
        with k.loop("axis|a|dim_i|c", n) as a:
            with k.when(m.x[a] < lo[a]):
                k.set(m.force[a], m.force[a] + ke * (lo[a] - m.x[a]))
            with k.elsewhen(m.x[a] > hi[a]):
                k.set(m.force[a], m.force[a] - ke * (m.x[a] - hi[a]))
    else:
        for a in "xyz"[:n]:
            with k.when(any_of(m.x.field(a) < lo.field(a), m.x.field(a) > hi.field(a))):
                inside = wp.clamp(m.x.field(a), lo.field(a), hi.field(a))
                k.set(m.force.field(a), m.force.field(a) + ke * (inside - m.x.field(a)))


def ground(m: Motion) -> None:
    """A penalty floor with friction or damping."""
    p, k = m.p, m.k
    up = "z" if m.vec.n == 3 and p.chance(0.4) else "y"
    height = k.param("ground_height|floor_y|ground_level", 0.05 * m.extent, 0.3 * m.extent)
    ke, kd = (
        k.param("ground_ke|ground_stiffness", 100.0, 2000.0),
        k.param("ground_kd|ground_damping", 0.5, 10.0),
    )
    depth = k.let("depth|pen|c_ground", height - m.x.field(up))
    v = m.v()
    with k.when(depth > 0.0):
        fn = k.let("fn|f_ground|normal_force", ke * depth - kd * wp.min(v.field(up), 0.0))
        k.set(m.force.field(up), m.force.field(up) + fn)
        if p.chance(0.6):
            mu = k.param("ground_mu|ground_friction|mu_floor", 0.1, 0.8)
            for a in [a for a in "xyz"[: m.vec.n] if a != up]:
                grip = wp.clamp(-kd * v.field(a), -mu * fn, mu * fn)
                k.set(m.force.field(a), m.force.field(a) + grip)


def obstacle(m: Motion) -> None:
    """A repelling sphere."""
    p, k = m.p, m.k
    center = k.quantity(
        "obstacle_center|sphere_pos|collider_center", m.vec, [round(0.5 * m.extent, 3)] * m.vec.n
    )
    radius = k.param(
        "obstacle_radius|sphere_radius|collider_radius", 0.1 * m.extent, 0.4 * m.extent
    )
    ke = k.param("obstacle_ke|contact_stiffness|collider_stiffness", 100.0, 2000.0)
    to = k.let("from_center|rel_c|dc", m.x - center)
    dist = k.let("dist_c|len_c|rc", wp.length(to))
    with k.when(all_of(dist < radius, dist > 0.0) if p.chance(0.6) else dist < radius):
        n = k.let(
            "nc|normal_c|out_dir", to / wp.max(dist, 1.0e-6) if p.chance(0.5) else wp.normalize(to)
        )
        k.aug(m.force, "+", n * (ke * (radius - dist)))
        if p.chance(0.4):
            kd = k.param("obstacle_kd|contact_damping", 0.5, 10.0)
            k.aug(m.force, "-", n * (kd * wp.min(wp.dot(m.v(), n), 0.0)))


def spots(m: Motion) -> None:
    """Fixed points that attract or repel with a soft core."""
    p, k = m.p, m.k
    count = p.pick(4, 6, 8, 12)
    points = k.array(
        "anchors|emitters|fixed_points|poles|static_sources",
        m.vec,
        (count,),
        R.uniform(0.0, m.extent),
    )
    strength = k.array(
        "pole_strength|source_strength|weights|charges_ext",
        m.p.real,
        (count,),
        R.uniform(-1.0, 1.0),
    )
    core = k.param("core|softening|soft_radius", 0.02, 0.2)
    with k.loop(
        "s|a|source", points.dim(0) if p.chance(0.6) else k.count("num_sources|n_anchors", count)
    ) as s:
        to = k.let("ds|to_source|rs", points[s] - m.x)
        d2 = k.let("ds2|soft_sq|rs2", wp.dot(to, to) + core * core)
        k.aug(m.force, "+", to * (strength[s] / (d2 * wp.sqrt(d2))))


def limit(m: Motion) -> None:
    """Bounds the magnitude of the force."""
    clamp_length(
        m.p,
        m.k,
        m.force,
        m.k.param("max_force|force_limit|f_max", 20.0, 500.0),
        "f_len|f_mag|force_norm",
    )


def stir(m: Motion) -> None:
    """A rotating frame's fictitious forces, or a stirring vortex."""
    p, k = m.p, m.k
    rate = m.e.world_param("angular_rate|omega|spin_rate", 0.5, 6.0)

    def planar(b, x, v, w):  # type: ignore[no-untyped-def]
        return construct(x.type, w * w * x.x + 2.0 * w * v.y, w * w * x.y - 2.0 * w * v.x)

    def spatial(b, x, v, w):  # type: ignore[no-untyped-def]
        return construct(x.type, w * w * x.x + 2.0 * w * v.z, 0.0, w * w * x.z - 2.0 * w * v.x)

    body = planar if m.vec.n == 2 else spatial
    doc = p.pick(
        "Centrifugal and Coriolis acceleration.", "Fictitious forces of the rotating frame.", ""
    )
    args = {"x|r": m.x, "v|u": m.v(), "w|omega": rate}
    k.aug(m.force, "+", helper(p, k, "rotating_frame|fictitious_force|coriolis", args, body, doc))


STAGES: dict[Callable[[Motion], None], float] = {
    gravity: 3, drag: 2, walls: 2, ground: 2, obstacle: 1.4, spots: 0.8, limit: 1.5, stir: 0.6,
}  # fmt: skip
_COMMENTS = {
    gravity: "body force", drag: "drag", walls: "confinement", ground: "ground contact", obstacle: "static obstacle",
    spots: "fixed sources", limit: "limit the force", stir: "rotating frame",
}  # fmt: skip


def add_stages(
    m: Motion, low: int, high: int, *, leave_out: tuple[Callable[[Motion], None], ...] = ()
) -> None:
    """Between `low` and `high` stages in a sensible order."""
    p = m.p
    pool = {s: w for s, w in STAGES.items() if s not in leave_out}
    chosen = set()
    for _ in range(p.rng.randint(low, high)):
        stage = p.weighted({s: w for s, w in pool.items() if s not in chosen})
        chosen.add(stage)
    for stage in sorted(chosen, key=lambda s: (s is limit, list(STAGES).index(s))):
        m.k.step(_COMMENTS[stage] if p.chance(0.5) else "")
        stage(m)


def stage_range(p: ProgramBuilder) -> tuple[int, int]:
    """How many stages a program adds: often none, sometimes many."""
    return p.weighted({(0, 0): 6, (1, 1): 2, (2, 2): 1.2, (3, 4): 0.8, (4, 6): 0.4})


def finish(m: Motion, acceleration: bool = False) -> None:
    """Writes the force, or integrates it, in one of the usual ways."""
    p, k, e = m.p, m.k, m.e
    k.step(p.pick("", "write back", "output"))
    word = "accelerations|acc_out|dvdt" if acceleration else "forces|f_out|force_out|particle_f"
    match p.weighted({"store": 5, "add": 1.5, "integrate": 3.5}):
        case "store":
            e.out(word, m.vec).store(m.force)
        case "add":
            e.inout(word, m.vec, R.uniform(-1.0, 1.0)).add(m.force)
        case "integrate":
            _integrate(m, acceleration)
    if p.chance(0.18):
        _diagnose(m)


def _integrate(m: Motion, acceleration: bool) -> None:
    p, k, e = m.p, m.k, m.e
    dt = e.world_param("dt|timestep|time_step|delta_t", 0.0002, 0.01)
    mass = None if acceleration else e.property("inv_mass|inverse_mass|w", 0.2, 2.0)
    kick = m.force * dt if mass is None else m.force * (mass * dt)
    v = k.let("v_new|v_next|vn", m.v() + kick)
    out_v: Field = e.out("velocities_out|v_out|new_velocities|v_next", m.vec)
    speed_cap = k.param("max_velocity|v_max|speed_cap", 2.0, 20.0) if p.chance(0.3) else None
    if speed_cap is not None:
        speed = k.let("speed|v_len", wp.length(v))
        v = k.let(
            "v_lim|v_clamped|v_bounded", choose(speed > speed_cap, v * (speed_cap / speed), v)
        )
    out_v.store(v)
    if p.chance(0.7):
        e.out("positions_out|x_out|new_positions|x_next", m.vec).store(m.x + v * dt)


def _diagnose(m: Motion) -> None:
    p, k, e = m.p, m.k, m.e
    where = e.world if e.world is not None else 0
    shape = (e.worlds or 1,)
    match p.pick("peak", "power", "count"):
        case "peak":
            k.do(
                wp.atomic_max(
                    k.out("max_force_out|peak_force|f_peak", p.real, shape),
                    where,
                    wp.length(m.force),
                )
            )
        case "power":
            k.do(
                wp.atomic_add(
                    k.out("power|work_rate|total_power", p.real, shape),
                    where,
                    wp.dot(m.force, m.v()),
                )
            )
        case "count":
            threshold = k.param("load_threshold|f_threshold|alarm_force", 0.5, 20.0)
            with k.when(wp.length(m.force) > threshold):
                k.do(
                    wp.atomic_add(
                        k.out("overloaded|num_loaded|loaded_count", T.I32, shape), where, 1
                    )
                )
