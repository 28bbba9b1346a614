"""Simulated sensors and frames, for the robotics category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def sensors(p: ProgramBuilder) -> None:
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


def frames(p: ProgramBuilder) -> None:
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
