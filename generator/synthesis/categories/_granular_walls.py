"""Walls: planes, rotating drums and triangle meshes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, query_field, wp
from generator.synthesis.categories import _mesh
from generator.synthesis.categories._extras import dimension, report, single_precision, tune
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def planes(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "plane_contacts|wall_forces|hopper_walls|boundary_contacts|particle_plane_contact|half_space_contacts",
        p.pick(
            "Contact of grains with bounding planes.",
            "Penalty forces from the container walls.",
            "Wall contact with friction.",
        ),
    )
    e = Entities(k, "grain")
    vec = p.vec(dimension(p, 2, 3, 3, 3))
    xs = e.field("positions|x|pos|grain_x", vec, R.uniform(-0.2, 1.2))
    damped = p.chance(0.7)
    vs = e.field("velocities|v|vel", vec, R.uniform(-1.0, 1.0)) if damped else None
    radius = e.property("radius|grain_radius|r", 0.05, 0.2)
    e.guard()
    x = xs.read("x|x_i|pos_i")
    v = vs.read("v|v_i|vel_i") if vs else None
    count = p.pick(3, 4, 5, 6)
    packed = vec.n == 3 and p.real == T.F32 and p.chance(0.5)
    if packed:
        planes = k.array("planes|wall_planes|boundaries", p.vec(4), (count,), R.unit_vectors())
    else:
        normals = k.array("plane_normals|wall_normals|normals", vec, (count,), R.unit_vectors())
        offsets = k.array(
            "plane_offsets|wall_offsets|offsets", p.real, (count,), R.uniform(-0.3, 0.3)
        )
    force = k.var("f|force|f_wall", construct(vec, 0.0))
    kn = k.param("wall_stiffness|kn|ke", 200.0, 5000.0)
    with k.loop(
        "w|plane|wall", count if p.chance(0.4) else k.count("num_planes|n_walls|num_walls", count)
    ) as w:
        if packed:
            plane = k.let("plane|pl|eq", planes[w])
            n = k.let("n|normal", construct(vec, plane[0], plane[1], plane[2]))
            gap = k.let("gap|dist|c", wp.dot(n, x) + plane[3] - radius)
        else:
            n = k.let("n|normal", normals[w])
            gap = k.let("gap|dist|c", wp.dot(n, x) - offsets[w] - radius)
        with k.when(gap >= 0.0):
            k.cont()
        fn: Expr = -kn * gap
        if v is not None:
            vn = k.let("vn|v_n", wp.dot(v, n))
            fn = k.let("fn|f_n", fn - k.param("wall_damping|cn|kd", 0.5, 20.0) * wp.min(vn, 0.0))
            k.aug(force, "+", n * fn)
            if p.chance(0.6):
                vt = k.let("vt|slip", v - n * vn)
                size = k.let("vs|vt_len|slip_speed", wp.length(vt))
                with k.when(size > 1.0e-6):
                    grip = wp.min(
                        k.param("ct|kt|wall_kt", 0.5, 20.0) * size,
                        k.param("mu|wall_friction|wall_mu", 0.1, 0.8) * fn,
                    )
                    k.aug(force, "-", vt * (grip / size))
        else:
            k.aug(force, "+", n * fn)
    tune(p, e, force, "force", 500.0)
    if p.chance(0.6):
        e.out("forces|f_out|wall_force", vec).store(force)
    else:
        e.inout("forces|f_out|net_force", vec, R.uniform(-1.0, 1.0)).add(force)
    report(p, e, force, "force", 200.0)


def drum(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "drum_contact|rotating_drum|mill_wall|cylinder_wall|drum_wall_forces|spinning_cylinder",
        p.pick(
            "Contact with the wall of a rotating drum.",
            "Grains inside a spinning cylinder.",
            "Inner contact with a cylindrical wall.",
        ),
    )
    e = Entities(k, "grain")
    vec = p.vec(dimension(p, 3))
    xs = e.field("positions|x|pos", vec, R.uniform(-1.0, 1.0))
    vs = e.field("velocities|v|vel", vec, R.uniform(-1.0, 1.0))
    radius = e.property("radius|grain_radius|r", 0.02, 0.15)
    e.guard()
    x, v = xs.read("x|x_i|pos_i"), vs.read("v|v_i|vel_i")
    drum = k.param("drum_radius|cylinder_radius|wall_radius", 0.5, 1.0)
    omega = e.world_param("drum_speed|angular_speed|omega", 0.5, 6.0)
    a, b, axis = p.pick(("x", "y", "z"), ("x", "z", "y"), ("y", "z", "x"))
    rho = k.let("rho|rad|r_axis", wp.sqrt(x.field(a) * x.field(a) + x.field(b) * x.field(b)))
    depth = k.let("depth|pen|overlap", rho + radius - drum)
    out = e.out("forces|f_out|wall_force", vec)
    with k.when(depth <= 0.0 if p.chance(0.6) else all_of(depth <= 0.0, rho < drum)):
        k.ret()
    parts = {a: -(x.field(a) / rho), b: -(x.field(b) / rho), axis: 0.0}
    n = k.let("n|inward|normal", construct(vec, parts["x"], parts["y"], parts["z"]))
    flipped = (a, b) == ("x", "z")  # y is the axis: x turns towards -z
    along, against = (b, a) if not flipped else (a, b)
    turn = {along: omega * x.field(against), against: -omega * x.field(along), axis: 0.0}
    surface = k.let("v_wall|wall_vel|surface_v", construct(vec, turn["x"], turn["y"], turn["z"]))
    rel = k.let("v_rel|slip|dv", v - surface)
    vn = k.let("vn|v_n", wp.dot(rel, n))
    fn = k.let(
        "fn|f_n",
        wp.max(
            k.param("kn|wall_stiffness", 200.0, 5000.0) * depth
            - k.param("cn|wall_damping", 0.5, 20.0) * vn,
            0.0,
        ),
    )
    vt = k.let("vt|tangent_v|slip_t", rel - n * vn)
    mu = k.param("mu|wall_friction", 0.1, 0.8)
    if p.chance(0.5):
        ft = k.let(
            "ft|f_t",
            wp.normalize(vt) * -wp.min(k.param("ct|kt", 0.5, 20.0) * wp.length(vt), mu * fn),
        )
    else:
        smooth = k.param("v_reg|slip_regularization|v_eps", 0.01, 0.1)
        ft = k.let("ft|f_t", vt * (-mu * fn / wp.sqrt(wp.dot(vt, vt) + smooth * smooth)))
    force = k.var("f|force|f_wall", n * fn + ft)
    tune(p, e, force, "force", 500.0)
    out.store(force)
    if p.chance(0.4):
        power = k.out("drum_power|wall_torque|torque_axis", p.real, (e.worlds or 1,))
        k.do(wp.atomic_add(power, e.world if e.world is not None else 0, wp.dot(ft, surface)))


def mesh_walls(p: ProgramBuilder) -> None:
    single_precision(p)
    k = p.kernel_builder(
        "mesh_contacts|grain_mesh_contact|geometry_contact|chute_contact|terrain_contact",
        p.pick(
            "Contact of grains with a triangle mesh.",
            "Signed distance to the chute geometry.",
            "Push grains out of a mesh.",
        ),
    )
    e = Entities(k, "grain")
    xs = e.field("positions|x|pos", T.VEC3, R.uniform(-1.0, 1.0))
    vs = e.field("velocities|v|vel", T.VEC3, R.uniform(-1.0, 1.0)) if p.chance(0.6) else None
    radius = e.property("radius|grain_radius|r", 0.05, 0.2)
    e.guard()
    mesh = k.arg(
        "mesh|mesh_id|geometry|collider",
        T.Handle("mesh"),
        R.mesh(p.pick("sphere", "torus", "box", "terrain"), 8, 1.0),
        0,
    )
    x = xs.read("x|x_i|pos_i")
    reach = k.param("max_dist|query_dist|search_dist", 0.5, 2.0)
    query = _mesh.closest(p, k, mesh, x, reach).query
    with k.when(query_field(query, "result")):
        face, u, w = (query_field(query, f) for f in ("face", "u", "v"))
        closest = k.let("closest|cp|surface_point", wp.mesh_eval_position(mesh, face, u, w))
        d = k.let("d|delta|to_grain", x - closest)
        dist = k.let("dist|sdf|signed", wp.length(d) * query_field(query, "sign"))
        with k.when(dist < radius):
            n = k.let("n|normal", wp.normalize(d) * query_field(query, "sign"))
            fn: Expr = k.param("kn|stiffness|ke", 200.0, 5000.0) * (radius - dist)
            if vs is not None:
                surface = (
                    wp.mesh_eval_velocity(mesh, face, u, w)
                    if p.chance(0.5)
                    else construct(T.VEC3, 0.0)
                )
                rel = k.let("v_rel|dv", vs.own - surface if p.chance(0.7) else vs.own)
                fn = fn - k.param("cn|damping|kd", 0.5, 20.0) * wp.min(wp.dot(rel, n), 0.0)
            force = k.var("f|force|f_c", n * fn)
            tune(p, e, force, "force", 500.0)
            e.out("forces|f_out|contact_force", T.VEC3).store(force)
            if p.chance(0.4):
                e.out("contact_face|hit_face|face_ids", T.I32).store(face)
