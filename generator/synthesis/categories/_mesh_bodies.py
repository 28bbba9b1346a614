"""Rigid bodies and agents near meshes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import Closest, Mesh, closest, found, mesh_argument
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import falloff
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def bodies(p: ProgramBuilder) -> None:
    """Contact points of rigid bodies against a static mesh."""
    k = p.kernel_builder(
        "body_mesh_contacts|collide_bodies|generate_contacts|shape_mesh_contact|contact_points|rigid_contact_forces",
        p.pick(
            "Contact points of bodies against the mesh.", "Test the sample points of each body.", ""
        ),
    )
    e = Entities(k, p.pick("contact", "corner", "probe"))
    mesh = mesh_argument(p, k, closed=p.chance(0.6))
    count = p.pick(6, 8, 12)
    body = k.let(
        "body|b|body_id",
        e.field("body_ids|contact_body|shape_body", T.I32, R.integers(0, count)).own,
    )
    poses = k.array("body_q|poses|body_tf", T.TRANSFORM, (count,), R.rigid(-0.6, 0.6))
    local = e.field("local_points|contact_point|offsets", T.VEC3, R.uniform(-0.5, 0.5)).own
    pose = maybe(p, k, "X|tf|pose", poses[body], 0.8)
    x = k.let("x|world_pt|px", wp.transform_point(pose, local))
    margin = k.param("margin|contact_margin|thickness", 0.02, 0.3)
    c = closest(p, k, mesh.id, x, k.param("max_dist|query_range", 1.0, 4.0))
    with found(p, k, c, 0.55):
        y = k.let("y|cp|on_mesh", c.point)
        n = k.let(
            "n|normal",
            wp.normalize(x - y) * c.sign
            if p.chance(0.5)
            else wp.mesh_eval_face_normal(c.mesh, c.face),
        )
        d = k.let("d|dist|gap", wp.dot(n, x - y))
        with k.when(d < margin):
            _body_response(p, k, e, mesh, c, body, count, pose, x, y, n, d)


def _body_response(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, c: Closest, body: Expr, count: int, pose: Expr,
    x: Expr, y: Expr, n: Expr, d: Expr,
) -> None:  # fmt: skip
    if p.chance(0.45):
        for what in p.shuffled(p.sample(["point", "normal", "depth", "face"], 2, 4)):
            value, t, hint = {
                "point": (y, T.VEC3, "contact_points|points_out|cp_out"),
                "normal": (n, T.VEC3, "contact_normals|normals"),
                "depth": (d, T.F32, "contact_dist|depths|gaps"), "face": (c.face, T.I32, "contact_faces|face_ids"),
            }[what]  # fmt: skip
            e.out(hint, t).store(value)
        k.do(
            wp.atomic_add(k.out("contacts_per_body|body_contacts|counts", T.I32, (count,)), body, 1)
        )
        return
    com = wp.transform_get_translation(pose)
    r = k.let("r|arm|lever", x - com)
    twist = k.array("body_qd|twists|body_vel", T.SPATIAL, (count,), R.uniform(-0.5, 0.5))[body]
    top_is_linear = p.chance(0.7)
    lin, ang = (
        (wp.spatial_top(twist), wp.spatial_bottom(twist))
        if top_is_linear
        else (wp.spatial_bottom(twist), wp.spatial_top(twist))
    )
    v = k.let("v|vel|dpdt", lin + wp.cross(ang, r))
    vn = maybe(p, k, "vn|normal_speed", wp.dot(v, n))
    ke, kd = k.param("ke|stiffness", 100.0, 5000.0), k.param("kd|damping", 1.0, 50.0)
    fn = k.let("fn|normal_force", wp.max(-ke * d - kd * vn, 0.0))
    f = k.let("f|force", n * fn)
    wrench = k.out("body_f|wrenches|body_forces", T.SPATIAL, (count,))
    torque = wp.cross(r, f)
    k.do(
        wp.atomic_add(
            wrench,
            body,
            construct(T.SPATIAL, f, torque) if top_is_linear else construct(T.SPATIAL, torque, f),
        )
    )


def avoid(p: ProgramBuilder) -> None:
    """Fields around a mesh: repulsion, attraction, boundary layers."""
    k = p.kernel_builder(
        "surface_field|repel_from_mesh|boundary_layer|potential_field|wall_damping|shell_attraction|steer_away",
        p.pick(
            "A force that depends on the distance to the surface.",
            "Keep agents clear of the obstacle.",
            "",
        ),
    )
    e = Entities(k, p.pick("agent", "particle", "boid"))
    mesh = mesh_argument(p, k)
    x = e.field("positions|pos|agent_pos", T.VEC3, R.uniform(-1.6, 1.6)).read("x|pos_i|pt")
    reach = k.param("influence|support|range_", 0.4, 1.5)
    c = closest(p, k, mesh.id, x, reach, signed=p.chance(0.5))
    out = e.out("forces|accel|steering", T.VEC3)
    e.guard((out, construct(T.VEC3, 0.0)))
    with found(p, k, c):
        away = k.let("away|delta|r", x - c.point)
        dist = k.let("dist|d|gap", wp.length(away))
        strength = k.param("strength|gain|k_rep", 0.5, 10.0)
        form = p.pick("push", "shell", "drag", "slide")
        if form == "push":
            out.store(wp.normalize(away) * (strength * falloff(p, k, dist, reach)))
        elif form == "shell":
            rest = k.param("rest_distance|hover|shell_radius", 0.1, 0.3)
            with k.when(all_of(dist > 1.0e-5, dist < reach)):
                out.store(away * (strength * (rest - dist) / dist))
        elif form == "drag":
            v = e.field("velocities|vel", T.VEC3, R.uniform(-1.0, 1.0)).own
            out.store((c.velocity - v) * (strength * falloff(p, k, dist, reach)))
        else:
            n = k.let("n|normal", wp.mesh_eval_face_normal(c.mesh, c.face))
            flow = e.field("desired|flow|preferred_vel", T.VEC3, R.uniform(-1.0, 1.0)).read(
                "w|goal_vel"
            )
            blocked = k.let("into|blocked|wn", wp.min(wp.dot(flow, n), 0.0))
            out.store(flow - n * blocked)
