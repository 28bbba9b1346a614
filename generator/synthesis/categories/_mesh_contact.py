"""Particles, bodies and agents in contact with meshes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import Closest, closest, found, mesh_argument
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def particles(p: ProgramBuilder) -> None:
    """Particles pushed out of a (moving) mesh, with restitution and friction, or penalty forces."""
    k = p.kernel_builder(
        "collide_particles|mesh_collision|particle_mesh_contact|resolve_mesh_contacts|apply_contacts|penalty_forces",
        p.pick(
            "Resolve particle contact with the mesh.",
            "Push penetrating particles out of the mesh.",
            "",
        ),
    )
    e = Entities(k, "particle")
    mesh = mesh_argument(p, k)
    x_field = (
        e.inout("positions|pos|particle_q", T.VEC3, R.uniform(-1.4, 1.4)) if p.chance(0.6) else None
    )
    if x_field is None:
        x_field = e.field("positions|pos|particle_q", T.VEC3, R.uniform(-1.4, 1.4))
        penalty = True
    else:
        penalty = p.chance(0.3)
    v_field = (
        e.field("velocities|vel|particle_qd", T.VEC3, R.uniform(-1.0, 1.0))
        if penalty
        else e.inout("velocities|vel|particle_qd", T.VEC3, R.uniform(-1.0, 1.0))
    )
    e.guard()
    x, v = k.var("x|pos_i|xi", x_field.own), k.var("v|vel_i|vi", v_field.own)
    radius = e.property("radius|particle_radius|r", 0.02, 0.12)
    if not penalty and p.chance(0.55):
        _advance(p, k, e, x, v)
    c = closest(p, k, mesh.id, x, k.param("max_dist|query_range|search_dist", 0.6, 3.0))
    with found(p, k, c, 0.5 if penalty else 0.0):
        depth, n = _penetration(p, k, c, x, radius)
        with k.when(depth > 0.0):
            (_penalty if penalty else _impulse)(p, k, e, c, x, v, depth, n)
            if p.chance(0.25):
                k.do(wp.atomic_add(k.out("contact_count|num_contacts", T.I32, (1,)), 0, 1))
    if not penalty:
        _limits(p, k, e, x, v)
        x_field.store(x)
        v_field.store(v)


def _advance(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Name, v: Name) -> None:
    dt = e.world_param("dt|timestep|h", 0.005, 0.03)
    if p.chance(0.7):
        g = e.world_vector("gravity|g", p.pick([0.0, -9.81, 0.0], [0.0, 0.0, -9.81]), T.VEC3)
        if p.chance(0.4):
            w = k.let(
                "w|inv_m", e.field("inv_mass|particle_inv_mass", T.F32, R.uniform(0.0, 2.0)).own
            )
            f = e.field("forces|external_forces|particle_f", T.VEC3, R.uniform(-1.0, 1.0)).own
            k.aug(v, "+", (f * w + g) * dt)
        else:
            k.aug(v, "+", g * dt)
        if p.chance(0.4):
            k.aug(v, "*", 1.0 - k.param("drag|damping|linear_damping", 0.01, 0.8) * dt)
    k.aug(x, "+", v * dt)


def _limits(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Name, v: Name) -> None:
    for what in p.sample(["speed", "floor", "sleep", "bounds"], 0, 2):
        if what == "speed":
            clamp_length(p, k, v, k.param("max_speed|v_max|speed_limit", 1.0, 6.0))
        elif what == "floor":
            level = k.param("floor_height|ground|floor_y", 0.5, 1.5)
            with k.when(x.y < -level):
                k.set(x.y, -level)
                k.set(v.y, wp.max(v.y, 0.0))
        elif what == "sleep":
            with k.when(wp.length(v) < k.param("sleep_speed|rest_threshold", 0.01, 0.2)):
                k.set(v, construct(T.VEC3, 0.0))
                if p.chance(0.5):
                    e.out("asleep|resting|at_rest", T.I32).store(1)
        else:
            half = k.quantity("domain_half|half_extent|bounds", T.VEC3, [1.4, 1.4, 1.4])
            k.set(x, wp.max(wp.min(x, half), -half))


def _penetration(
    p: ProgramBuilder, k: KernelBuilder, c: Closest, x: Expr, radius: Expr
) -> tuple[Expr, Expr]:
    y = k.let("y|cp|surface_pt", c.point)
    if p.chance(0.6):
        delta = k.let("delta|r_vec|sep", x - y)
        gap = k.let("gap|dist|sdf", wp.length(delta) * c.sign)
        n = k.let("n|normal", wp.normalize(delta) * c.sign)
        return k.let("depth|penetration|pen", radius - gap), n
    n = k.let("n|normal", wp.mesh_eval_face_normal(c.mesh, c.face))
    return k.let("depth|penetration|pen", radius - wp.dot(x - y, n)), n


def _impulse(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    c: Closest,
    x: Name,
    v: Name,
    depth: Expr,
    n: Expr,
) -> None:
    k.aug(x, "+", n * depth)
    relative = v
    surface = None
    if p.chance(0.45):
        surface = k.let("v_surf|vs|wall_vel", c.velocity)
        relative = k.let("v_rel|rel|dv", v - surface)
    vn = k.let("vn|normal_speed|approach", wp.dot(relative, n))
    bounce = k.param("restitution|bounce|cor", 0.05, 0.8)
    with k.when(vn < 0.0):
        if p.chance(0.55):
            mu = k.param("friction|mu|friction_coef", 0.05, 0.7)
            vt = k.let("vt|tangential|slip", relative - n * vn)
            if p.chance(0.5):
                speed = k.let("slip_speed|vt_len", wp.length(vt))
                scale = k.let(
                    "keep|scale|f",
                    wp.max(1.0 + mu * vn * (1.0 + bounce) / wp.max(speed, 1.0e-6), 0.0),
                )
                new = vt * scale - n * (bounce * vn)
            else:
                new = vt * (1.0 - mu) - n * (bounce * vn)
        else:
            new = relative - n * ((1.0 + bounce) * vn)
        k.set(v, new if surface is None else new + surface)


def _penalty(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    c: Closest,
    x: Name,
    v: Name,
    depth: Expr,
    n: Expr,
) -> None:
    ke, kd = (
        k.param("ke|contact_ke|stiffness", 50.0, 2000.0),
        k.param("kd|contact_kd|damping", 0.5, 20.0),
    )
    vn = k.let("vn|normal_vel", wp.dot(v - c.velocity if p.chance(0.4) else v, n))
    fn = k.let(
        "fn|normal_force",
        ke * depth - kd * wp.min(vn, 0.0) if p.chance(0.5) else wp.max(ke * depth - kd * vn, 0.0),
    )
    force = k.var("f|force|f_contact", n * fn)
    if p.chance(0.5):
        vt = k.let("vt|slip", v - n * vn)
        vs = k.let("vs|slip_speed", wp.length(vt))
        with k.when(vs > 1.0e-6):
            limit = wp.min(
                k.param("kf|contact_kf|friction_stiffness", 1.0, 50.0) * vs,
                k.param("mu|friction", 0.1, 0.8) * fn,
            )
            k.aug(force, "-", vt * (limit / vs))
    out = e.out("forces|contact_forces|particle_f", T.VEC3)
    out.add(force) if p.chance(0.6) else out.store(force)
    if p.chance(0.3):
        load = k.out("face_load|pressure|reaction", T.F32, (256 * 3,))
        k.do(wp.atomic_add(load, c.face, fn))


# --- bodies ---------------------------------------------------------------------------------------


# --- agents ---------------------------------------------------------------------------------------
