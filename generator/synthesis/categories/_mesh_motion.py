"""Meshes in motion and at a distance: continuous collision, sphere tracing, posed pairs."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _shading as shading
from generator.synthesis.categories._mesh import (
    distance_function,
    mesh_argument,
    ray,
    respond_function,
)
from generator.synthesis.categories._rays import camera_ray, maybe
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def continuous(p: ProgramBuilder) -> None:
    """Particles advanced in substeps, with ray or distance tests against a mesh."""
    k = p.kernel_builder(
        "advance_particles|substep_with_contact|simulate_debris|move_and_collide|ccd_step|advect_and_bounce",
        p.pick(
            "Advance particles in substeps and bounce them off the mesh.",
            "Continuous collision detection by ray casts.",
            "",
        ),
    )
    e = Entities(k, "particle")
    mesh = mesh_argument(p, k)
    x_io = e.inout("positions|pos|particle_q", T.VEC3, R.uniform(-1.5, 1.5))
    v_io = e.inout("velocities|vel|particle_qd", T.VEC3, R.uniform(-2.0, 2.0))
    e.guard()
    x, v = k.var("x|xi|pos_i", x_io.own), k.var("v|vi|vel_i", v_io.own)
    gravity = e.world_vector("gravity|g", p.pick([0.0, -9.81, 0.0], [0.0, 0.0, -9.81]), T.VEC3)
    drag = k.param("drag|damping|air_drag", 0.01, 0.5) if p.chance(0.5) else None
    dt = e.world_param("dt|timestep|h", 0.005, 0.03)
    respond = respond_function(p, k)
    distance = distance_function(p) if p.chance(0.5) else None
    bounces = k.var("bounces|hits|contacts", 0) if p.chance(0.5) else None
    steps = k.count("substeps|num_substeps|iterations", p.pick(2, 4, 6))
    sub = k.let("sub_dt|hs|dts", dt / construct(T.F32, steps))
    with k.loop("s|sub|_it", steps):
        k.aug(v, "+", (gravity if drag is None else gravity - v * drag) * sub)
        if distance is None:
            _ray_step(p, k, mesh.id, x, v, sub, respond, bounces)
        else:
            _distance_step(p, k, mesh.id, x, v, sub, respond, bounces, distance)
    if p.chance(0.4):
        clamp_length(p, k, v, k.param("max_speed|v_max|speed_limit", 2.0, 10.0))
    k.step()
    x_io.store(x)
    v_io.store(v)
    if bounces is not None:
        e.out("bounce_count|contact_count|hits_out", T.I32).store(bounces)


def _ray_step(
    p: ProgramBuilder,
    k: KernelBuilder,
    mesh: Expr,
    x: Name,
    v: Name,
    dt: Expr,
    respond,
    bounces: Name | None,
) -> None:  # type: ignore[no-untyped-def]
    speed = k.let("speed|mag|v_len", wp.length(v))
    with k.when(speed < 1.0e-6):
        k.cont()
    move = k.let("travel|reach|ds", speed * dt)
    d = k.let("d|heading|dir", v / speed)
    c = ray(p, k, mesh, x, d, move)
    with k.when(c.hit):
        n = k.var("n|normal", c.part("normal"))
        with k.when(wp.dot(n, d) > 0.0):
            k.set(n, -n)
        k.set(x, x + d * c.part("t") + n * p.pick(1.0e-3, 1.0e-4))
        k.set(v, respond(v, n))
        if bounces is not None:
            k.aug(bounces, "+", 1)
    with k.otherwise():
        k.set(x, x + v * dt)


def _distance_step(
    p: ProgramBuilder,
    k: KernelBuilder,
    mesh: Expr,
    x: Name,
    v: Name,
    dt: Expr,
    respond,
    bounces: Name | None,
    distance,
) -> None:  # type: ignore[no-untyped-def]
    k.set(x, x + v * dt)
    gap, n = k.unpack(["gap|phi|sdf", "n|normal|grad"], distance(mesh, x, 10.0))
    with k.when(gap < p.pick(0.0, 0.01, 0.02)):
        k.set(x, x - n * gap)
        with k.when(wp.dot(v, n) < 0.0):
            k.set(v, respond(v, n))
            if bounces is not None:
                k.aug(bounces, "+", 1)


def sphere_trace(p: ProgramBuilder) -> None:
    """Sphere tracing of a mesh's distance, with shading."""
    k = p.kernel_builder(
        "sphere_trace_mesh|march_mesh|trace_distance|render_offset_surface|sdf_render",
        p.pick(
            "Sphere trace the distance to the mesh.", "Render an offset surface of the mesh.", ""
        ),
    )
    g = Grid(
        k, "row|y|i|iy col|x|j|ix", boundary="clamp", shape=p.pick((8, 12), (12, 12), (12, 16))
    )
    mesh = mesh_argument(p, k)
    r = camera_ray(p, k, g.index[0], g.index[1], g.extent(0), g.extent(1))
    distance = distance_function(p)
    offset = k.param("offset|thickness|inflate", 0.01, 0.15) if p.chance(0.5) else None
    far = k.param("max_dist|far_plane|t_max", 5.0, 10.0)
    t = k.var("t|dist|travelled", 0.0)
    done = k.var("hit|found|converged", 0)
    n_hit = k.var("n|normal|n_hit", construct(T.VEC3, 0.0))
    with k.loop("it|step|_s", k.count("max_steps|iterations|march_steps", p.pick(16, 24, 32))):
        gap, n = k.unpack(["gap|phi|sdf", "grad|n_i|dir_out"], distance(mesh.id, r.at(t), far))
        if offset is not None:
            gap = k.let("d|clear|shifted", gap - offset)
        with k.when(gap < p.pick(1.0e-3, 5.0e-3)):
            k.set(done, 1)
            k.set(n_hit, n)
            k.brk()
        k.aug(t, "+", gap * p.pick(0.9, 0.95) if p.chance(0.4) else gap)
        with k.when(t > far):
            k.brk()
    image = g.out("pixels|image|color_out", T.VEC3)
    sky = shading.background(p, k, r)
    with k.when(any_of(done == 0, t > far) if p.chance(0.3) else done == 0):
        image.store(sky)
        k.ret()
    sun = k.quantity("light_dir|sun_dir|key_light", T.VEC3, [0.36, 0.8, 0.48])
    level = k.let("level|diffuse|ndl", shading.reflection(p, k)(n_hit, sun, -r.direction))
    shade = k.quantity("albedo|base_color|kd", T.VEC3, [0.7, 0.7, 0.8]) * (
        level + p.pick(0.05, 0.1, 0.2)
    )
    image.store(shading.tone(p, k, shade))
    if p.chance(0.5):
        g.out("depth|depth_map|range_image", T.F32).store(
            choose(done == 1, t, far) if p.chance(0.3) else t
        )


def shapes(p: ProgramBuilder) -> None:
    """Vertices of one mesh tested against another, both with poses."""
    k = p.kernel_builder(
        "mesh_mesh_contacts|vertex_contacts|pairwise_sdf|collide_meshes|penetration_map|clearance_map",
        p.pick(
            "Vertices of one body against the surface of another.",
            "Clearance between two posed meshes.",
            "",
        ),
    )
    target = mesh_argument(p, k, hint="mesh_b|target|shape_b|other_mesh")
    e = Entities(k, "vertex", layouts=p.chance(0.6))
    local = e.field("vertices|points_a|shape_points", T.VEC3, R.uniform(-0.8, 0.8)).own
    xa = k.quantity("X_a|pose_a|tf_a", T.TRANSFORM, [0.5, 0.2, 0.0, 0.0, 0.0, 0.0, 1.0])
    xb = k.quantity("X_b|pose_b|tf_b", T.TRANSFORM, [-0.2, 0.0, 0.1, 0.0, 0.6, 0.0, 0.8])
    if p.chance(0.5):
        rel = k.let("X_ba|rel|a_to_b", wp.transform_multiply(wp.transform_inverse(xb), xa))
        y = k.let("y|x_b|in_b", wp.transform_point(rel, local))
    else:
        world = k.let("x|world|pw", wp.transform_point(xa, local))
        y = k.let("y|x_b|in_b", wp.transform_point(wp.transform_inverse(xb), world))
    f = distance_function(p)
    gap, n = k.unpack(
        ["gap|phi|sdf", "n|normal|grad"], f(target.id, y, k.param("query_range|max_dist", 1.0, 5.0))
    )
    margin = k.param("margin|contact_dist|threshold", 0.02, 0.2)
    e.out("gaps|clearance|signed_dist", T.F32).store(gap)
    with k.when(gap < margin):
        nw = maybe(p, k, "nw|n_world", wp.transform_vector(xb, n))
        for what in p.shuffled(p.sample(["normal", "force", "count", "deepest", "point"], 1, 3)):
            _vertex_result(p, k, e, what, nw, gap, margin, y, n, xb)


def _vertex_result(p, k, e, what, nw, gap, margin, y, n, xb) -> None:  # type: ignore[no-untyped-def]
    if what == "normal":
        e.out("normals|contact_normals", T.VEC3).store(nw)
    elif what == "force":
        e.out("forces|push_out|repulsion", T.VEC3).store(
            nw * (k.param("ke|stiffness", 10.0, 500.0) * (margin - gap))
        )
    elif what == "count":
        k.do(wp.atomic_add(k.out("num_contacts|contact_count", T.I32, (1,)), 0, 1))
    elif what == "deepest":
        k.do(wp.atomic_min(k.out("deepest|min_gap", T.F32, (1,), R.constant(100.0)), 0, gap))
    else:
        foot = wp.transform_point(xb, y - n * gap)
        with k.when(all_of(gap < 0.0, gap > -margin * 4.0)):
            e.out("contact_points|feet|cp", T.VEC3).store(foot)
