"""Robot kinematics, dynamics sweeps, control and sensing in batched worlds."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _robot_control as control
from generator.synthesis.categories import _robot_dynamics as dynamics
from generator.synthesis.categories._robot import contact_frame
from generator.synthesis.categories._steps import write_step
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, literal


@category("robotics_kinematics", version=1, title="Robot kinematics, control and sensing")
def write(p: ProgramBuilder) -> None:
    """Articulated robots in many worlds: forward kinematics, Jacobians, Newton-Euler and composite-body sweeps,
    inverse kinematics, actuators, joint integration, contact frames, tendons, capsule checks and simulated sensors."""
    intents = {
        dynamics.forward_kinematics: 1.8, dynamics.jacobian: 1.4, dynamics.inverse_dynamics: 1.2, dynamics.mass_matrix: 0.9,
        dynamics.momentum: 1.0, dynamics.apply_wrenches: 1.0, control.inverse_kinematics: 1.2, control.two_link: 0.6, control.actuators: 1.8,
        control.integrate_joints: 1.0, control.trajectories: 1.1, control.mobile_base: 0.9, _sensors: 1.4, _contacts: 1.4,
        _tendon: 1.0, _self_collision: 1.0, _frames: 1.0,
    }  # fmt: skip
    tree = {
        dynamics.forward_kinematics,
        dynamics.jacobian,
        dynamics.momentum,
        control.inverse_kinematics,
    }
    joints = {control.actuators, control.trajectories}
    write_step(p, intents, tree, joints, limit=35)


# --- sensors --------------------------------------------------------------------------------------


def _sensors(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "read_sensors|update_sensors|sensor_kernel|simulate_imu|evaluate_sensors|sensor_data_out",
        p.pick(
            "Simulated sensors attached to bodies.",
            "Sensor readings by type.",
            "Inertial measurements with noise and bias.",
        ),
    )
    e = Entities(k, "sensor", index="sensorid|i|s|tid", count=p.pick(24, 32, 48, 64))
    bodies = p.pick(8, 12, 16)
    body = e.field("sensor_body|body_id|mount_body", T.I32, R.integers(0, bodies)).read(
        "b|body|bodyid"
    )
    poses, twists = (
        Table(e, "body_q|xpose|body_pose", T.TRANSFORM, (bodies,), R.rigid(-1.0, 1.0)),
        Table(e, "body_qd|cvel|body_twist", T.SPATIAL, (bodies,), R.uniform(-1.0, 1.0)),
    )
    mount = e.field("mount|sensor_xform|local_frame", T.TRANSFORM, R.rigid(-0.1, 0.1)).own
    pose = k.let("X_s|pose|sensor_pose", poses[body] * mount)
    kinds = [_gyro, _accelerometer, _position, _orientation, _touch]
    chosen = p.sample(kinds, 2, 4)
    out = e.out("sensor_data|readings|measurement", T.VEC3)
    if p.chance(0.4):
        chosen[0](p, k, e, out, pose, poses, twists, body)
    else:
        kind = e.field("sensor_type|kind|sensor_kind", T.I32, R.integers(0, len(chosen))).read(
            "stype|kind|t"
        )
        labels = {
            "_gyro": "SENSOR_GYRO|GYRO",
            "_accelerometer": "SENSOR_ACCEL|ACCELEROMETER",
            "_position": "SENSOR_FRAMEPOS|FRAME_POS",
            "_orientation": "SENSOR_ORIENT|ORIENTATION",
            "_touch": "SENSOR_TOUCH|TOUCH",
        }
        for number, write_one in enumerate(chosen):
            name = p.const(labels[write_one.__name__], number)
            with k.when(kind == name) if number == 0 else k.elsewhen(kind == name):
                write_one(p, k, e, out, pose, poses, twists, body)
    if p.chance(0.45):
        _corrupt(p, k, e, out)


def _gyro(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    out,
    pose: Expr,
    poses: Table,
    twists: Table,
    body: Expr,
) -> None:  # type: ignore[no-untyped-def]
    rate = wp.spatial_bottom(twists[body])
    out.store(
        wp.transform_vector(wp.transform_inverse(pose), rate)
        if p.chance(0.5)
        else wp.quat_rotate_inv(wp.transform_get_rotation(pose), rate)
    )


def _accelerometer(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    out,
    pose: Expr,
    poses: Table,
    twists: Table,
    body: Expr,
) -> None:  # type: ignore[no-untyped-def]
    gravity = k.quantity("gravity|g", T.VEC3, [0.0, 0.0, -9.81])
    accel = Table(
        e, "body_acc|cacc|lin_acc", T.VEC3, (twists.array.type.ndim * 16,), R.uniform(-2.0, 2.0)
    )  # type: ignore[union-attr]
    arm = k.let(
        "r|lever|arm",
        wp.transform_get_translation(pose) - wp.transform_get_translation(poses[body]),
    )
    w = k.let("w|omega|ang", wp.spatial_bottom(twists[body]))
    specific = k.let("f_s|specific|a_w", accel[body] - gravity + wp.cross(w, wp.cross(w, arm)))
    out.store(wp.quat_rotate_inv(wp.transform_get_rotation(pose), specific))


def _position(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    out,
    pose: Expr,
    poses: Table,
    twists: Table,
    body: Expr,
) -> None:  # type: ignore[no-untyped-def]
    if p.chance(0.5):
        out.store(wp.transform_get_translation(pose))
        return
    reference = k.let("X_ref|ref_pose|base", poses[0])
    out.store(
        wp.transform_point(wp.transform_inverse(reference), wp.transform_get_translation(pose))
    )


def _orientation(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    out,
    pose: Expr,
    poses: Table,
    twists: Table,
    body: Expr,
) -> None:  # type: ignore[no-untyped-def]
    q = k.let("q_s|rot|q", wp.transform_get_rotation(pose))
    form = p.pick("gravity", "euler", "vector")
    if form == "gravity":
        out.store(wp.quat_rotate_inv(q, construct(T.VEC3, 0.0, 0.0, -1.0)))
    elif form == "euler":
        roll = k.let(
            "roll|phi", wp.atan2(2.0 * (q.w * q.x + q.y * q.z), 1.0 - 2.0 * (q.x * q.x + q.y * q.y))
        )
        pitch = k.let("pitch|theta", wp.asin(wp.clamp(2.0 * (q.w * q.y - q.z * q.x), -1.0, 1.0)))
        yaw = k.let(
            "yaw|psi", wp.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))
        )
        out.store(construct(T.VEC3, roll, pitch, yaw))
    else:
        sign = choose(q.w < 0.0, -2.0, 2.0)
        out.store(construct(T.VEC3, q.x, q.y, q.z) * sign)


def _touch(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    out,
    pose: Expr,
    poses: Table,
    twists: Table,
    body: Expr,
) -> None:  # type: ignore[no-untyped-def]
    n = p.pick(8, 12, 16)
    points, forces = (
        Table(e, "contact_pos|contact_points", T.VEC3, (n,), R.uniform(-1.0, 1.0)),
        Table(e, "contact_force|forces", T.VEC3, (n,), R.uniform(-3.0, 3.0)),
    )
    radius = k.param("site_radius|pad_radius|touch_range", 0.3, 1.0)
    total, hits = (
        k.var("total|pressure|load", construct(T.VEC3, 0.0)),
        k.var("hits|n_touch|contacts_in", 0),
    )
    with k.loop(
        "c|con|i_c", points.extent() if p.chance(0.5) else k.count("num_contacts|ncon", n)
    ) as c:
        with k.when(wp.length(points[c] - wp.transform_get_translation(pose)) > radius):
            k.cont()
        k.aug(total, "+", forces[c])
        k.aug(hits, "+", 1)
    local = k.let("local_f|f_pad", wp.quat_rotate_inv(wp.transform_get_rotation(pose), total))
    out.store(choose(hits > 0, local, construct(T.VEC3, 0.0)))


def _corrupt(p: ProgramBuilder, k: KernelBuilder, e: Entities, out) -> None:  # type: ignore[no-untyped-def]
    k.step(p.pick("noise and bias", "sensor imperfections", ""))
    rng = entity_rng(e)
    sigma = k.param("noise_std|sigma|white_noise", 0.001, 0.05)
    noise = construct(T.VEC3, rng.normal(), rng.normal(), rng.normal()) * sigma
    value = k.var("value|noisy|reading", out.own + noise)
    if p.chance(0.5):
        bias = e.inout("bias|drift|offset_state", T.VEC3, R.uniform(-0.05, 0.05))
        walk = k.param("bias_walk|drift_std|random_walk", 0.0001, 0.01)
        bias.store(bias.own + construct(T.VEC3, rng.normal(), rng.normal(), rng.normal()) * walk)
        k.aug(value, "+", bias.own)
    if p.chance(0.4):
        limit = k.param("cutoff|max_reading|saturation", 0.5, 5.0)
        k.set(value, construct(T.VEC3, *[wp.clamp(value[a], -limit, limit) for a in range(3)]))
    if p.chance(0.3):
        step = k.param("resolution|lsb|quantum", 0.001, 0.05)
        k.set(value, construct(T.VEC3, *[wp.round(value[a] / step) * step for a in range(3)]))
    out.store(value)
    rng.close()


# --- contacts -------------------------------------------------------------------------------------


def _contacts(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "contact_jacobian|assemble_contact_frames|contact_parameters|contact_kinematics|relative_contact_velocity|ground_contacts",
        p.pick(
            "Frames and relative velocities at contacts.",
            "Contact Jacobian rows.",
            "Penalty forces of feet on the ground.",
        ),
    )
    e = Entities(k, "contact", index="conid|c|tid|i", count=p.pick(48, 64, 96))
    bodies = p.pick(8, 12, 16)
    if p.chance(0.6) and not p.on("padded_launch"):
        limit = Table(
            e, "ncon|num_contacts|contact_count", T.I32, (1,), R.constant(e.n - p.pick(0, 4, 9))
        )
        with k.when(e.index >= limit[0]):
            k.ret()
    pair = e.field("contact_bodies|pairs|body_pair", T.Vec(2, T.I32), R.integers(0, bodies)).read(
        "pair|ab|bp"
    )
    a, b = k.let("b1|a|body_a", pair[0]), k.let("b2|b|body_b", pair[1])
    depth = e.field("contact_dist|gap|separation", T.F32, R.uniform(-0.05, 0.02)).read(
        "gap|dist|phi"
    )
    with k.when(
        any_of(a == b, depth > k.param("margin|includemargin|contact_margin", 0.001, 0.02))
        if p.chance(0.6)
        else a == b
    ):
        k.ret()
    poses, twists = (
        Table(e, "body_q|xpose|body_pose", T.TRANSFORM, (bodies,), R.rigid(-1.0, 1.0)),
        Table(e, "body_qd|cvel|body_twist", T.SPATIAL, (bodies,), R.uniform(-1.0, 1.0)),
    )
    point, normal = (
        e.field("contact_pos|points|con_pos", T.VEC3, R.uniform(-1.0, 1.0)).own,
        e.field("contact_normal|normals|con_normal", T.VEC3, R.unit_vectors()).own,
    )
    frame = k.let("frame|basis|R_c", contact_frame(p)(normal))
    ra, rb = (
        k.let(h, point - wp.transform_get_translation(poses[x]))
        for h, x in (("r1|ra|arm_a", a), ("r2|rb|arm_b", b))
    )

    def speed(block: Block, twist: Expr, r: Expr) -> Expr:
        return wp.spatial_top(twist) + wp.cross(wp.spatial_bottom(twist), r)

    va, vb = (
        piece(p, k, "point_velocity|velocity_at", {"twist|qd": twists[x], "r|arm": r}, speed)
        for x, r in ((a, ra), (b, rb))
    )
    relative = k.let("v_rel|dv|slip_v", vb - va)
    local = k.let("v_c|local_v|v_frame", frame @ relative)
    p.pick(_contact_rows, _penalty, _penalty)(p, k, e, frame, local, depth, ra, rb, a, b, bodies)


def _contact_rows(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    frame: Expr,
    local: Expr,
    depth: Expr,
    ra: Expr,
    rb: Expr,
    a: Expr,
    b: Expr,
    bodies: int,
) -> None:
    rows_a, rows_b = (
        Table(e, "J_a|jac_a|rows_a", T.SPATIAL, (e.n, 3), role="out"),
        Table(e, "J_b|jac_b|rows_b", T.SPATIAL, (e.n, 3), role="out"),
    )
    with k.loop("row|d|axis", 3) as row:
        axis = k.let("dir_r|u|n_r", frame[row])
        rows_a.store(wp.spatial_vector(-axis, -wp.cross(ra, axis)), e.index, row)
        rows_b.store(wp.spatial_vector(axis, wp.cross(rb, axis)), e.index, row)
    stiff, dt = k.param("erp|baumgarte|beta", 0.05, 0.4), k.param("dt|timestep", 0.001, 0.01)
    bias = k.let("bias|target_v|b_n", stiff * wp.min(depth, 0.0) / dt)
    if p.chance(0.5):
        restitution = e.property("restitution|bounce|cor", 0.05, 0.8)
        threshold = k.param("bounce_threshold|v_min", 0.05, 0.5)
        with k.when(local.x < -threshold):
            e.out("restitution_bias|bounce_v|v_target", T.F32).store(-restitution * local.x)
    e.out("bias_out|rhs|aref", T.VEC3).store(construct(T.VEC3, bias + local.x, local.y, local.z))
    if p.chance(0.5):
        mass = Table(
            e, "body_invweight|inv_mass|invm", T.F32, (bodies,), R.uniform(0.1, 2.0), shared=True
        )
        e.out("diag|effective_mass|D", T.F32).store(
            1.0 / (mass[a] + mass[b] + 1.0e-4 if p.chance(0.3) else mass[a] + mass[b])
        )


def _penalty(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    frame: Expr,
    local: Expr,
    depth: Expr,
    ra: Expr,
    rb: Expr,
    a: Expr,
    b: Expr,
    bodies: int,
) -> None:
    ke, kd, mu = (
        e.property("ke|contact_ke|stiffness", 100.0, 3000.0),
        k.param("kd|contact_kd|damping", 1.0, 40.0),
        e.property("mu|friction|friction_coef", 0.2, 1.0),
    )
    push = k.let("fn|normal_force|push", wp.max(-ke * depth - kd * local.x, 0.0))
    slip = k.let("slip|vt|tangent_v", construct(T.VEC2, local.y, local.z))
    size = k.let("slip_speed|vt_len|s", wp.length(slip))
    match p.pick("tanh", "regularised", "viscous"):
        case "tanh":
            drag = k.let(
                "ft|friction_f|tangential",
                slip * (-mu * push * wp.tanh(size / 0.05) / wp.max(size, 1.0e-6)),
            )
        case "regularised":
            floor = k.param("slip_eps|v_reg|stiction_speed", 0.01, 0.1)
            drag = k.let("ft|friction_f|tangential", slip * (-mu * push / wp.max(size, floor)))
        case _:
            kf = k.param("kf|contact_kf|tangent_damping", 5.0, 100.0)
            drag = k.let(
                "ft|friction_f|tangential", slip * (-wp.min(kf, mu * push / wp.max(size, 1.0e-4)))
            )
    force = k.let("f_w|force|f", wp.transpose(frame) @ construct(T.VEC3, push, drag.x, drag.y))
    total = Table(e, "body_f|xfrc|wrenches", T.SPATIAL, (bodies,), role="out")
    total.add(wp.spatial_vector(-force, -wp.cross(ra, force)), a)
    total.add(wp.spatial_vector(force, wp.cross(rb, force)), b)
    if p.chance(0.5):
        e.out("contact_force_out|efc_force|f_local", T.VEC3).store(
            construct(T.VEC3, push, drag.x, drag.y)
        )
    if p.chance(0.35):
        with k.when(all_of(push > 0.0, size > k.param("slide_speed|v_slide", 0.05, 0.5))):
            Table(e, "num_sliding|sliding_count", T.I32, (1,), role="out").add(literal(1, T.I32), 0)


# --- tendons --------------------------------------------------------------------------------------


def _tendon(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "tendon_length|cable_routing|muscle_path|tendon_kinematics|spatial_tendon|muscle_forces",
        p.pick(
            "Length and moment arms of tendons through sites.",
            "Cable path over attachment sites.",
            "Muscle path length and force.",
        ),
    )
    e = Entities(k, "tendon", index="tenid|t|tid", count=p.pick(16, 24, 32))
    e.guard()
    sites, total = p.pick(16, 24), e.n * 4
    adr = Table(
        e, "tendon_adr|path_start|offsets", T.I32, (e.n + 1,), R.offsets(total), shared=True
    )
    ids = Table(
        e, "path_sites|site_ids|wrap_obj", T.I32, (total,), R.integers(0, sites), shared=True
    )
    points = Table(e, "site_xpos|site_pos|sites", T.VEC3, (sites,), R.uniform(-1.0, 1.0))
    velocities = (
        Table(e, "site_vel|site_xvel", T.VEC3, (sites,), R.uniform(-1.0, 1.0))
        if p.chance(0.6)
        else None
    )
    length, rate = (
        k.var("length|L|path_len", 0.0),
        k.var("rate|Ldot|lengthening", 0.0) if velocities is not None else None,
    )
    first, last = k.let("begin|first", adr[e.index]), k.let("end|last", adr[e.index + 1])
    with k.when(last - first < 2):
        k.ret()
    with k.loop("w|s|seg", first, last - 1) as w:
        i, j = k.let("i|site_a|s0", ids[w]), k.let("j|site_b|s1", ids[w + 1])
        d = k.let("d|seg_v|delta", points[j] - points[i])
        size = k.let("seg_len|dist|l", wp.length(d))
        with k.when(size < 1.0e-5):
            k.cont()
        k.aug(length, "+", size)
        if rate is not None and velocities is not None:
            k.aug(rate, "+", wp.dot(d, velocities[j] - velocities[i]) / size)
    e.out("tendon_length_out|lengths|ten_length", T.F32).store(length)
    if rate is not None:
        e.out("tendon_velocity|ten_velocity|rates", T.F32).store(rate)
    _tendon_force(p, k, e, length, rate)


def _tendon_force(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, length: Name, rate: Name | None
) -> None:
    rest = e.field("rest_length|slack_length|l0", T.F32, R.uniform(0.5, 3.0)).own
    form = p.pick("spring", "slack", "muscle", "none")
    if form == "none":
        return
    out = e.out("tension|tendon_force|forces", T.F32)
    stiffness = e.property("stiffness|tendon_ke|k_t", 10.0, 400.0)
    if form == "muscle":
        activation = e.field("activation|act|excitation", T.F32, R.uniform(0.0, 1.0)).own
        ratio = k.let("l_norm|ratio|stretch", length / rest)

        def curve(b: Block, x: Expr, w: Expr) -> Expr:
            u = b.let("u|off", (x - 1.0) / w)
            return wp.exp(-u * u)

        active = piece(
            p,
            k,
            "force_length|active_curve|fl_curve",
            {"x|l_norm": ratio, "width|w": k.param("width|fl_width", 0.3, 0.7)},
            curve,
        )
        force = activation * active * stiffness + 0.1 * stiffness * wp.max(ratio - 1.0, 0.0)
        out.store(force if rate is None else force * wp.clamp(1.0 - 0.3 * rate, 0.2, 1.4))
        return
    stretch = k.let("stretch|dl|elong", length - rest)
    pull = (
        stiffness * stretch
        if rate is None
        else stiffness * stretch + k.param("damping|tendon_kd", 0.1, 5.0) * rate
    )
    if form == "slack":
        with k.when(stretch <= 0.0):
            out.store(0.0)
            k.ret()
        out.store(pull)
    else:
        out.store(wp.max(pull, 0.0) if p.chance(0.4) else pull)


# --- self collision -------------------------------------------------------------------------------


def _self_collision(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "capsule_distances|self_collision|link_clearance|check_self_collision|capsule_pairs|proximity_cost",
        p.pick(
            "Clearance between pairs of link capsules.",
            "Self-collision check of a robot's links.",
            "Cost of links that come close.",
        ),
    )
    e = Entities(k, "pair", index="pairid|i|tid", count=p.pick(32, 48, 64))
    links = p.pick(8, 10, 12)
    pair = e.field("link_pairs|pairs|check_pairs", T.Vec(2, T.I32), R.integers(0, links)).read(
        "pr|pair|ij"
    )
    i, j = k.let("i|link_a|a", pair[0]), k.let("j|link_b|b", pair[1])
    if p.chance(0.6):
        with k.when(i == j):
            k.ret()
    poses = Table(e, "link_pose|body_q|xform", T.TRANSFORM, (links,), R.rigid(-0.8, 0.8))
    half, radius = (
        Table(e, h, T.F32, (links,), R.uniform(lo, hi), shared=True)
        for h, lo, hi in (
            ("half_length|link_half|hl", 0.1, 0.4),
            ("radius|link_radius|capsule_r", 0.03, 0.12),
        )
    )
    ends = []
    for name, link in (("a", i), ("b", j)):
        local = (
            construct(T.VEC3, 0.0, 0.0, half[link])
            if p.chance(0.5)
            else construct(T.VEC3, half[link], 0.0, 0.0)
        )
        up = k.let(f"h{name}|half_{name}|axis_{name}", wp.transform_vector(poses[link], local))
        c = k.let(f"c{name}|mid_{name}", wp.transform_get_translation(poses[link]))
        ends.append((c - up, c + up))
    points = _segments(p)(*ends[0], *ends[1])
    pa, pb = k.unpack(["pa|xa|near_a", "pb|xb|near_b"], points)
    delta = k.let("d|delta|sep", pb - pa)
    gap = k.let("gap|clearance|dist", wp.length(delta) - radius[i] - radius[j])
    e.out("distances|clearances|gaps", T.F32).store(gap)
    margin = k.param("margin|safety|activation_dist", 0.02, 0.15)
    if p.chance(0.7):
        with k.when(gap < margin):
            match p.pick("count", "cost", "both"):
                case "count":
                    Table(e, "num_close|collisions|violations", T.I32, (1,), role="out").add(1, 0)
                case "cost":
                    Table(e, "cost|penalty|proximity", T.F32, (1,), role="out").add(
                        (margin - gap) * (margin - gap), 0
                    )
                case _:
                    Table(
                        e, "link_flags|touching|in_collision", T.I32, (links,), role="out"
                    ).atomic("max", 1, i)
                    e.out("push|gradients|repulsion", T.VEC3).store(
                        wp.normalize(delta) * (margin - gap)
                    )


def _segments(p: ProgramBuilder):  # type: ignore[no-untyped-def]
    """A `@wp.func` for the closest points of two segments."""
    robust = p.chance(0.6)

    def body(b: Block, p0: Expr, p1: Expr, q0: Expr, q1: Expr) -> None:
        u, v, w = b.let("u|d1", p1 - p0), b.let("v|d2", q1 - q0), b.let("w|r", p0 - q0)
        a, e, f = (
            b.let("a|uu", wp.dot(u, u)),
            b.let("e|vv", wp.dot(v, v)),
            b.let("f|vw", wp.dot(v, w)),
        )
        c, g = b.let("c|uw", wp.dot(u, w)), b.let("g|uv", wp.dot(u, v))
        denominator = b.let("den|det", a * e - g * g)
        s = b.var("s|sa", 0.0)
        with b.when(denominator > 1.0e-8):
            b.set(s, wp.clamp((g * f - c * e) / denominator, 0.0, 1.0))
        t = b.var("t|sb", (g * s + f) / e)
        if robust:
            with b.when(t < 0.0):
                b.set(t, literal(0.0, T.F32))
                b.set(s, wp.clamp(-c / a, 0.0, 1.0))
            with b.elsewhen(t > 1.0):
                b.set(t, literal(1.0, T.F32))
                b.set(s, wp.clamp((g - c) / a, 0.0, 1.0))
        else:
            b.set(t, wp.clamp(t, 0.0, 1.0))
            b.set(s, wp.clamp((g * t - c) / a, 0.0, 1.0))
        b.ret(p0 + u * s, q0 + v * t)

    params = {"p0|a0": T.VEC3, "p1|a1": T.VEC3, "q0|b0": T.VEC3, "q1|b1": T.VEC3}
    return p.func(
        "closest_segment_points|segment_segment|closest_points",
        params,
        body,
        p.pick("", "Closest points of two segments."),
    )


# --- frames ---------------------------------------------------------------------------------------


def _frames(p: ProgramBuilder) -> None:
    """Short transform work: attachments, pose errors, twists between frames, blends."""
    k = p.kernel_builder(
        "pose_error|attach_frames|transform_twists|relative_poses|blend_poses|update_sites|grasp_frames",
        p.pick(
            "Pose of attached frames.",
            "Orientation and position error to a goal.",
            "Twists in another frame.",
            "",
        ),
    )
    e = Entities(k, p.pick("site", "frame", "link"))
    pose = e.field("poses|body_q|xform", T.TRANSFORM, R.rigid(-1.0, 1.0))
    e.guard()
    match p.pick("error", "error", "attach", "twist", "blend", "relative"):
        case "error":
            goal = e.field("goals|target_pose|x_goal", T.TRANSFORM, R.rigid(-1.0, 1.0))
            delta = k.let("delta|X_err|diff", wp.transform_inverse(pose.own) * goal.own)
            q = k.let("q_e|dq|rot_err", wp.transform_get_rotation(delta))
            vector = (
                construct(T.VEC3, q.x, q.y, q.z) * (2.0 * wp.sign(q.w))
                if p.chance(0.6)
                else construct(T.VEC3, q.x, q.y, q.z) * choose(q.w < 0.0, -2.0, 2.0)
            )
            e.out("errors|pose_err|task_error", T.SPATIAL).store(
                wp.spatial_vector(wp.transform_get_translation(delta), vector)
            )
            if p.chance(0.5):
                w = k.param("rot_weight|orientation_weight", 0.1, 1.0)
                e.out("cost|error_norm|distance_out", T.F32).store(
                    wp.length(wp.transform_get_translation(delta))
                    + w * 2.0 * wp.acos(wp.min(wp.abs(q.w), 1.0))
                )
        case "attach":
            parents = p.pick(8, 12)
            body = e.field("parent_body|body_id|attach_to", T.I32, R.integers(-1, parents)).read(
                "b|body|owner"
            )
            bodies = Table(
                e, "body_pose|body_tf|xpose", T.TRANSFORM, (parents,), R.rigid(-1.0, 1.0)
            )
            world = k.var("X|world_tf|X_ws", pose.own)
            with k.when(body >= 0):
                k.set(world, bodies[body] * pose.own)
            e.out("site_pose|world_pose|frames_out", T.TRANSFORM).store(world)
            if p.chance(0.5):
                e.out("site_x|approach_axis|z_axis", T.VEC3).store(
                    wp.transform_vector(world, construct(T.VEC3, 0.0, 0.0, 1.0))
                )
        case "twist":
            twist = e.field("twists|body_qd|cvel", T.SPATIAL, R.uniform(-1.0, 1.0)).read(
                "v|twist|xi"
            )
            inverse = k.let("X_inv|inv|to_local", wp.transform_inverse(pose.own))
            v, w = wp.spatial_top(twist), wp.spatial_bottom(twist)
            w_local = k.let("w_l|ang_l|wl", wp.transform_vector(inverse, w))
            v_local = wp.transform_vector(inverse, v) + wp.cross(
                wp.transform_get_translation(inverse), w_local
            )
            e.out("twists_local|body_twist|v_out", T.SPATIAL).store(
                wp.spatial_vector(v_local, w_local)
            )
        case "blend":
            other = e.field("poses_b|next_pose|keyframe_b", T.TRANSFORM, R.rigid(-1.0, 1.0))
            t = k.param("alpha|t|phase", 0.1, 0.9)
            x = wp.lerp(
                wp.transform_get_translation(pose.own), wp.transform_get_translation(other.own), t
            )
            q = wp.quat_slerp(
                wp.transform_get_rotation(pose.own), wp.transform_get_rotation(other.own), t
            )
            e.out("blended|pose_out|interpolated", T.TRANSFORM).store(
                construct(T.TRANSFORM, x, wp.normalize(q) if p.chance(0.5) else q)
            )
        case _:
            index = e.field("reference_id|other_id|pair_id", T.I32, R.integers(0, e.n)).read(
                "j|ref|other"
            )
            relative = k.let(
                "X_rel|rel|X_ij",
                wp.transform_inverse(pose[index]) * pose.own
                if p.chance(0.5)
                else wp.transform_multiply(wp.transform_inverse(pose[index]), pose.own),
            )
            e.out("relative|rel_pose|x_rel", T.TRANSFORM).store(relative)
            if p.chance(0.5):
                e.out("range_out|separations|dist_out", T.F32).store(
                    wp.length(wp.transform_get_translation(relative))
                )
