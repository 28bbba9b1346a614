"""Dynamics sweeps over joint trees, for the robotics category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._robot import Robot, state, world_inertia, worlds
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def inverse_dynamics(p: ProgramBuilder) -> None:
    """Recursive Newton-Euler in world coordinates: accelerations out, forces in."""
    k = p.kernel_builder(
        "inverse_dynamics|rnea|eval_rne|bias_forces|newton_euler|compute_bias_torques",
        p.pick(
            "Recursive Newton-Euler over every tree.",
            "Joint torques for the given accelerations.",
            "Bias forces by a forward and a backward pass.",
        ),
    )
    e = worlds(k)
    robot = Robot(e)
    n = robot.joints
    poses = state(e, "body_q|xpose|link_pose", T.TRANSFORM, n, R.rigid(-1.0, 1.0))
    qd = state(e, "joint_qd|qvel|qd", T.F32, n, R.uniform(-1.0, 1.0))
    qdd = state(e, "joint_qdd|qacc|qdd", T.F32, n, R.uniform(-1.0, 1.0)) if p.chance(0.6) else None
    mass, inertia = (
        robot.model("body_mass|link_mass|mass", T.F32, R.uniform(0.2, 3.0)),
        robot.model("inertia_diag|body_inertia|inertia", T.VEC3, R.uniform(0.01, 0.2)),
    )
    gravity = k.quantity("gravity|g", T.VEC3, p.pick([0.0, 0.0, -9.81], [0.0, -9.81, 0.0]))
    omega, alpha = (
        state(e, h, T.VEC3, n, R.zeros(), "out")
        for h in ("omega|body_w|ang_vel", "alpha|body_dw|ang_acc")
    )
    accel = state(e, "accel|body_a|lin_acc", T.VEC3, n, R.zeros(), "out")
    force, moment = (
        state(e, h, T.VEC3, n, R.zeros(), "out")
        for h in ("force|link_f|net_force", "moment|link_n|net_moment")
    )
    torque = state(e, "tau|qfrc_bias|joint_torque", T.F32, n, R.zeros(), "out")
    rotate = world_inertia_diag(p)
    k.step(p.pick("root to leaves: velocities and accelerations", "forward pass", ""))
    with robot.sweep() as j:
        _accelerations(p, k, e, robot, j, poses, qd, qdd, omega, alpha, accel, gravity)
        pose = poses[e.index, j]
        world = k.let("I_w|inertia_w|iw", rotate(wp.transform_get_rotation(pose), inertia[j]))
        force.store(accel[e.index, j] * mass[j], e.index, j)
        w = k.let("w_j|spin|wj", omega[e.index, j])
        moment.store(world @ alpha[e.index, j] + wp.cross(w, world @ w), e.index, j)
    k.step(p.pick("leaves to root: forces", "backward pass", ""))
    with robot.sweep(backward=True) as j:
        _project(p, k, e, robot, j, poses, force, moment, torque)


def world_inertia_diag(p: ProgramBuilder):  # type: ignore[no-untyped-def]
    """`world_inertia` for diagonal inertias."""
    return p.func(
        "world_inertia|rotate_inertia|inertia_in_world", {"q|rot": T.QUAT, "diag_i|inertia": T.VEC3},
        lambda b, q, i: _rotated(b, q, i),
    )  # fmt: skip


def _rotated(b: Block, q: Expr, inertia: Expr) -> None:
    r = b.let("r|rot|rm", wp.quat_to_matrix(q))
    b.ret(r @ wp.diag(inertia) @ wp.transpose(r))


def _accelerations(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, robot: Robot, j: Expr, poses: Table, qd: Table, qdd: Table | None,
    omega: Table, alpha: Table, accel: Table, gravity: Expr,
) -> None:  # fmt: skip
    parent = k.let("parent|pid|up", robot.parent[j])
    axis = k.let("axis_w|a|z", wp.transform_vector(poses[e.index, j], robot.axis[j]))
    w, dw, a = (
        k.var("w|w_p|spin_p", construct(T.VEC3, 0.0)),
        k.var("dw|dw_p|alpha_p", construct(T.VEC3, 0.0)),
        k.var("a_lin|a_p|acc_p", -gravity),
    )
    with k.when(parent >= 0):
        k.set(w, omega[e.index, parent])
        k.set(dw, alpha[e.index, parent])
        r = k.let(
            "r|arm|lever",
            wp.transform_get_translation(poses[e.index, j])
            - wp.transform_get_translation(poses[e.index, parent]),
        )
        k.set(a, accel[e.index, parent] + wp.cross(dw, r) + wp.cross(w, wp.cross(w, r)))
    rate = k.let("rate|w_rel|spin_rel", axis * qd[e.index, j])
    omega.store(w + rate, e.index, j)
    change = dw + wp.cross(w, rate)
    alpha.store(change if qdd is None else change + axis * qdd[e.index, j], e.index, j)
    accel.store(a, e.index, j)


def _project(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    robot: Robot,
    j: Expr,
    poses: Table,
    force: Table,
    moment: Table,
    torque: Table,
) -> None:
    parent = k.let("parent|pid|up", robot.parent[j])
    axis = k.let("axis_w|a|z", wp.transform_vector(poses[e.index, j], robot.axis[j]))
    load = wp.dot(axis, moment[e.index, j])
    if robot.kinds > 1:
        names = robot.types()
        load = k.var("load|tau_j|t", load)
        with k.when(robot.kind[j] == names[1]):
            k.set(load, wp.dot(axis, force[e.index, j]))
    if p.chance(0.4):
        armature = robot.model("armature|dof_armature|rotor_inertia", T.F32, R.uniform(0.0, 0.1))
        friction = robot.model("damping|dof_damping|viscous", T.F32, R.uniform(0.0, 0.3))
        load = load + armature[j] + friction[j]
    torque.store(load, e.index, j)
    with k.when(parent >= 0):
        f = k.let("f|f_j|carried", force[e.index, j])
        r = k.let(
            "r|arm|lever",
            wp.transform_get_translation(poses[e.index, j])
            - wp.transform_get_translation(poses[e.index, parent]),
        )
        force.store(force[e.index, parent] + f, e.index, parent)
        moment.store(moment[e.index, parent] + moment[e.index, j] + wp.cross(r, f), e.index, parent)


def mass_matrix(p: ProgramBuilder) -> None:
    """Composite rigid bodies and the joint-space mass matrix."""
    k = p.kernel_builder(
        "crba|composite_inertia|mass_matrix|eval_mass_matrix|joint_space_inertia",
        p.pick(
            "Joint-space mass matrix by composite rigid bodies.",
            "Composite inertias, then columns of M.",
            "",
        ),
    )
    e = worlds(k)
    robot = Robot(e, p.pick(6, 7, 8))
    n = robot.joints
    screws = state(e, "joint_S|screws|motion_axes", T.SPATIAL, n, R.uniform(-1.0, 1.0))
    inertia = state(e, "body_I_s|spatial_inertia|link_I", T.SpatialMat(), n, R.spd(0.1, 2.0))
    composite = state(e, "body_Ic|composite_I|crb", T.SpatialMat(), n, R.zeros(), "out")
    mass = Table(e, "H|M|mass_matrix|qM", T.F32, (e.n, n, n), role="out")
    with robot.sweep() as j:
        composite.store(inertia[e.index, j], e.index, j)
    with robot.sweep(backward=True) as j:
        parent = k.let("parent|pid|up", robot.parent[j])
        with k.when(parent >= 0 if p.chance(0.5) else parent != -1):
            composite.store(composite[e.index, parent] + composite[e.index, j], e.index, parent)
    k.step(p.pick("fill the matrix", "columns of M", ""))
    armature = (
        robot.model("armature|dof_armature|rotor_inertia", T.F32, R.uniform(0.0, 0.1))
        if p.chance(0.6)
        else None
    )
    with robot.sweep("j|col|dof") as j:
        f = k.let("f|force_j|fj", composite[e.index, j] @ screws[e.index, j])
        diagonal = wp.spatial_dot(screws[e.index, j], f)
        mass.store(diagonal if armature is None else diagonal + armature[j], e.index, j, j)
        node = k.var("i|anc|row", robot.parent[j])
        with k.repeat(node >= 0):
            value = k.let("h_ij|value|m_ij", wp.spatial_dot(screws[e.index, node], f))
            mass.store(value, e.index, node, j)
            mass.store(value, e.index, j, node)
            k.set(node, robot.parent[node])


def momentum(p: ProgramBuilder) -> None:
    """Centre of mass, momenta and energies of every robot."""
    k = p.kernel_builder(
        "center_of_mass|centroidal_momentum|robot_energy|body_momenta|com_state",
        p.pick(
            "Centre of mass and centroidal momentum.",
            "Energy and momentum of every articulation.",
            "",
        ),
    )
    e = worlds(k)
    e.guard()
    robot = Robot(e)
    n = robot.joints
    poses, twists = (
        state(e, "body_q|xpose|link_pose", T.TRANSFORM, n, R.rigid(-1.0, 1.0)),
        state(e, "body_qd|cvel|link_twist", T.SPATIAL, n, R.uniform(-1.0, 1.0)),
    )
    mass, local = (
        robot.model("body_mass|link_mass|mass", T.F32, R.uniform(0.2, 3.0)),
        robot.model("body_com|ipos|com_local", T.VEC3, R.uniform(-0.1, 0.1)),
    )
    total, weighted, velocity = (
        k.var("m_total|mass_sum|total", 0.0),
        k.var("com|c_sum|weighted", construct(T.VEC3, 0.0)),
        k.var("p_lin|momentum|lin", construct(T.VEC3, 0.0)),
    )
    rotate = world_inertia(p) if p.chance(0.5) else None
    spin = k.var("l_ang|angular|ang", construct(T.VEC3, 0.0)) if rotate is not None else None
    energy = k.var("energy|ke|kinetic", 0.0) if p.chance(0.5) else None
    with robot.sweep("b|body|i") as b:
        c = k.let("c|com_w|x", wp.transform_point(poses[e.index, b], local[b]))
        v, w = (
            k.let("v|lin_v|vb", wp.spatial_top(twists[e.index, b])),
            k.let("w|ang_w|wb", wp.spatial_bottom(twists[e.index, b])),
        )
        vc = (
            k.let(
                "v_com|vc|speed_c",
                v + wp.cross(w, c - wp.transform_get_translation(poses[e.index, b])),
            )
            if p.chance(0.6)
            else v
        )
        k.aug(total, "+", mass[b])
        k.aug(weighted, "+", c * mass[b])
        k.aug(velocity, "+", vc * mass[b])
        if energy is not None:
            k.aug(energy, "+", 0.5 * mass[b] * wp.dot(vc, vc))
        if spin is not None and rotate is not None:
            inertia = robot.model(
                "body_inertia|inertia_local|inertia",
                rotate.params[1].type,
                R.uniform(0.01, 0.2) if rotate.params[1].type == T.VEC3 else R.spd(0.01, 0.2),
            )
            k.aug(
                spin,
                "+",
                wp.cross(c, vc * mass[b])
                + rotate(wp.transform_get_rotation(poses[e.index, b]), inertia[b]) @ w,
            )
    center = k.let("center|com_out_v|c_all", weighted / total)
    e.out("com_out|subtree_com|com_pos", T.VEC3).store(center)
    e.out("momentum_out|linear_momentum|com_vel", T.VEC3).store(
        velocity if p.chance(0.5) else velocity / total
    )
    if spin is not None:
        e.out("angular_momentum|centroidal_L", T.VEC3).store(spin - wp.cross(center, velocity))
    if energy is not None:
        height = center.z if p.chance(0.5) else center.y
        e.out("energy_out|total_energy", T.F32).store(
            energy + total * k.param("gravity_mag|g", 1.6, 9.81) * height
        )
    if p.chance(0.35):
        _support(p, k, e, center, velocity, total)


def _support(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, center: Expr, velocity: Expr, total: Expr
) -> None:
    def body(b: Block, c: Expr, v: Expr, g: Expr) -> Expr:
        omega = b.let("omega|w0", wp.sqrt(g / wp.max(c.z, 0.05)))
        return construct(T.VEC2, c.x + v.x / omega, c.y + v.y / omega)

    args = {
        "c|com": center,
        "v|vel": velocity / total,
        "g|gravity_mag": k.param("gravity_mag|g", 1.6, 9.81),
    }
    capture = k.let(
        "capture|xcom|icp",
        piece(p, k, "capture_point|extrapolated_com|instantaneous_capture", args, body),
    )
    reach = k.param("foot_reach|support_radius|margin", 0.1, 0.5)
    stable = wp.length(capture) < reach
    e.out("stable|in_support|balanced", T.I32).store(choose(stable, 1, 0))


def apply_wrenches(p: ProgramBuilder) -> None:
    """External wrenches moved to body frames and gathered."""
    k = p.kernel_builder(
        "apply_body_wrench|gather_wrenches|wrench_to_com|transfer_wrench|external_forces",
        p.pick(
            "Move point forces to the centre of mass.",
            "Accumulate external wrenches on bodies.",
            "Wrenches in another frame.",
        ),
    )
    e = Entities(k, "force", index="tid|i|f_id", count=p.pick(48, 64, 96))
    bodies = p.pick(8, 12, 16)
    body = e.field("body_id|force_body|link_index", T.I32, R.integers(-1, bodies)).read(
        "b|body|link"
    )
    with k.when(
        body < 0 if p.chance(0.6) else any_of(body < 0, body >= k.count("num_bodies|nbody", bodies))
    ):
        k.ret()
    poses = Table(e, "body_q|xpose|link_pose", T.TRANSFORM, (bodies,), R.rigid(-1.0, 1.0))
    com = Table(e, "body_com|com_local|ipos", T.VEC3, (bodies,), R.uniform(-0.1, 0.1), shared=True)
    pose = k.let("pose|X|tf", poses[body])
    center = k.let("c|com_w|center", wp.transform_point(pose, com[body]))
    if p.chance(0.5):
        f = e.field("point_force|forces|f_ext", T.VEC3, R.uniform(-5.0, 5.0)).read("f|force_v|f_w")
        at = e.field("points_local|attach_local|site_pos", T.VEC3, R.uniform(-0.3, 0.3)).own
        if p.chance(0.4):
            f = k.let("f_world|fw", wp.transform_vector(pose, f))
        lever = k.let("r|arm|lever", wp.transform_point(pose, at) - center)
        wrench = k.let("wrench|F|load", wp.spatial_vector(f, wp.cross(lever, f)))
    else:
        given = e.field("wrenches|applied|f_s", T.SPATIAL, R.uniform(-3.0, 3.0)).read(
            "w_in|applied_w|given"
        )
        f = k.let("f|force_v|lin", wp.transform_vector(pose, wp.spatial_top(given)))
        n = k.let("n|moment_v|ang", wp.transform_vector(pose, wp.spatial_bottom(given)))
        wrench = k.let(
            "wrench|F|load",
            wp.spatial_vector(f, n + wp.cross(wp.transform_get_translation(pose) - center, f)),
        )
    scale = k.param("load_scale|ramp|gain", 0.1, 1.0) if p.chance(0.4) else None
    total = Table(e, "body_f|xfrc|wrench_out", T.SPATIAL, (bodies,), role="out")
    total.add(wrench if scale is None else wrench * scale, body)
    if p.chance(0.4):
        twists = Table(e, "body_qd|cvel|twists", T.SPATIAL, (bodies,), R.uniform(-1.0, 1.0))
        Table(e, "power|work_rate|input_power", T.F32, (1,), role="out").add(
            wp.spatial_dot(wrench, twists[body]), 0
        )
    if p.chance(0.3):
        with k.when(
            all_of(
                wp.length(wp.spatial_top(wrench)) > k.param("overload|max_force|limit", 1.0, 6.0)
            )
        ):
            Table(e, "overloads|num_overloaded", T.I32, (bodies,), role="out").add(
                literal(1, T.I32), body
            )
