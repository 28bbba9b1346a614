"""Forward kinematics and Jacobians, for the robotics category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._robot import Robot, is_root, state, worlds
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def forward_kinematics(p: ProgramBuilder) -> None:
    """Poses (and velocities) of all bodies from joint coordinates."""
    k = p.kernel_builder(
        "forward_kinematics|eval_fk|kinematics|update_body_poses|eval_articulation_fk|propagate_poses",
        p.pick(
            "Poses of all bodies from joint coordinates.",
            "Forward kinematics, root to leaves.",
            "Kinematics of every articulation.",
        ),
    )
    if p.chance(0.3):
        _one_level(p, k)
        return
    e = worlds(k, p.pick("world", "articulation", "env"))
    e.guard()
    robot = Robot(e)
    n = robot.joints
    motion = robot.motion()
    q = state(e, "joint_q|qpos|q", T.F32, n, R.uniform(-1.2, 1.2))
    pose_out = state(e, "body_q|xpose|body_pose|link_pose", T.TRANSFORM, n, R.zeros(), "out")
    speeds = state(e, "joint_qd|qvel|qd", T.F32, n, R.uniform(-1.0, 1.0)) if p.chance(0.5) else None
    twist_out = (
        state(e, "body_qd|cvel|body_twist", T.SPATIAL, n, R.zeros(), "out")
        if speeds is not None
        else None
    )
    base = (
        e.field("base_pose|root_pose|base_xform", T.TRANSFORM, R.rigid(-1.0, 1.0))
        if p.chance(0.5)
        else None
    )
    subspace = robot.subspace() if speeds is not None else None
    tip = p.chance(0.35)
    with robot.sweep() as j:
        parent = k.let("parent|pid|up", robot.parent[j])
        above = k.var(
            "X_wp|parent_pose|pose_p", wp.transform_identity() if base is None else base.own
        )
        with k.when(parent >= 0 if p.chance(0.6) else parent != -1):
            k.set(above, pose_out[e.index, parent])
        joint = k.let("X_j|joint_tf|motion", robot.motion_at(motion, j, q[e.index, j]))
        frame = k.let("X_wj|anchor_pose|frame", above * robot.anchor[j])
        if p.chance(0.5):
            pose = k.let("X_wc|pose|body_pose_j", frame * joint)
        else:
            pose = k.let("X_wc|pose|body_pose_j", wp.transform_multiply(frame, joint))
        pose_out.store(pose, e.index, j)
        if twist_out is not None and speeds is not None and subspace is not None:
            _propagate_twist(
                p, k, e, robot, subspace, speeds, twist_out, frame, pose, parent, above, j
            )
    if tip:
        last = robot.count() - 1
        offset = k.quantity("tool_offset|tip_offset|ee_local", T.VEC3, [0.0, 0.0, 0.1])
        e.out("tip_positions|ee_pos|tool_pos", T.VEC3).store(
            wp.transform_point(pose_out[e.index, last], offset)
        )


def _propagate_twist(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, robot: Robot, subspace, speeds: Table, out: Table,
    frame: Expr, pose: Expr, parent: Expr, above: Expr, j: Expr,
) -> None:  # fmt: skip
    axis = k.let("axis_w|world_axis|a_w", wp.transform_vector(frame, robot.axis[j]))
    rate = robot.subspace_at(subspace, j, axis) * speeds[e.index, j]
    twist = k.var("twist|v_j|vel", rate)
    with k.when(parent >= 0):
        carried = k.let("v_p|parent_twist|carried", out[e.index, parent])
        r = k.let(
            "r|lever|arm", wp.transform_get_translation(pose) - wp.transform_get_translation(above)
        )
        spin = wp.spatial_bottom(carried)
        k.aug(twist, "+", wp.spatial_vector(wp.spatial_top(carried) + wp.cross(spin, r), spin))
    out.store(twist, e.index, j)


def _one_level(p: ProgramBuilder, k: KernelBuilder) -> None:
    """All joints of one tree level at once: (world, joint) threads."""
    e = Entities(k, "joint", count=p.pick(12, 16, 24), index="jointid|j|tid|jnt")
    robot = Robot(e, e.n)
    level = robot.model("joint_level|depth|tree_level", T.I32, R.integers(0, 3))
    now = k.count("level|depth_now|current_level", p.pick(0, 1, 2))
    with k.when(level[e.index] != now):
        k.ret()
    q = e.field("joint_q|qpos|q", T.F32, R.uniform(-1.2, 1.2))
    poses_in, poses = (
        e.field("body_q_in|pose_prev|parent_poses", T.TRANSFORM, R.rigid(-1.0, 1.0)),
        e.out("body_q|body_pose|xform_out", T.TRANSFORM),
    )
    motion = robot.motion()
    parent = k.let("parent|pid|up", robot.parent[e.index])
    local = k.let("X_pc|local|rel", robot.anchor[e.index] * robot.motion_at(motion, e.index, q.own))
    if p.chance(0.5):
        pose = k.var("pose|X_wc|world_pose", local)
        with k.when(parent >= 0):
            k.set(pose, poses_in[parent] * local)
    else:
        with k.when(is_root(parent)):
            poses.store(local)
            k.ret()
        pose = k.let("pose|X_wc|world_pose", poses_in[parent] * local)
    poses.store(pose)
    if p.chance(0.5):
        com = robot.model("body_com|ipos|com_local", T.VEC3, R.uniform(-0.1, 0.1))
        e.out("com_world|xipos|body_com_out", T.VEC3).store(wp.transform_point(pose, com[e.index]))
    if p.chance(0.4):
        e.out("axis_world|xaxis|joint_axis_w", T.VEC3).store(
            wp.transform_vector(pose, robot.axis[e.index])
        )


def jacobian(p: ProgramBuilder) -> None:
    """Columns of geometric Jacobians by walking up the tree or over all joints."""
    k = p.kernel_builder(
        "body_jacobian|point_jacobian|eval_jacobian|geometric_jacobian|site_jacobian|jacobian_columns",
        p.pick(
            "Geometric Jacobian of a point on a body.",
            "Jacobian columns from joint axes.",
            "Spatial Jacobian of the end effector.",
        ),
    )
    e = worlds(k)
    robot = Robot(e)
    n = robot.joints
    poses = state(e, "body_q|link_pose|xpose", T.TRANSFORM, n, R.rigid(-1.0, 1.0))
    body = (
        k.let(
            "b|tip_body|ee", e.field("ee_body|site_body|target_link", T.I32, R.integers(2, n)).own
        )
        if p.chance(0.6)
        else robot.count() - 1
    )
    point = _point(p, k, e, poses, body)
    spatial = p.chance(0.5)
    rows = Table(e, "jac|J|jacobian", T.SPATIAL if spatial else T.VEC3, (e.n, n), role="out")
    angular = (
        Table(e, "jac_rot|J_w|jacr", T.VEC3, (e.n, n), role="out")
        if not spatial and p.chance(0.5)
        else None
    )
    joint = k.var("j|node|jnt", body)
    with k.repeat(joint >= 0):
        axis = k.let(
            "axis_w|a|world_axis", wp.transform_vector(poses[e.index, joint], robot.axis[joint])
        )
        arm = k.let("r|arm|lever", point - wp.transform_get_translation(poses[e.index, joint]))
        linear = _linear_part(p, k, robot, joint, axis, arm)
        if spatial:
            turning = (
                axis
                if robot.kinds == 1
                else wp.where(robot.kind[joint] == robot.types()[0], axis, construct(T.VEC3, 0.0))
            )
            rows.store(wp.spatial_vector(linear, turning), e.index, joint)
        else:
            rows.store(linear, e.index, joint)
        if angular is not None:
            angular.store(axis, e.index, joint)
        k.set(joint, robot.parent[joint])
    if p.chance(0.45):
        _manipulability(p, k, e, rows, n, spatial)


def _point(p: ProgramBuilder, k: KernelBuilder, e: Entities, poses: Table, body: Expr) -> Name:
    local = (
        e.field("site_local|point_local|offset", T.VEC3, R.uniform(-0.2, 0.2)).own
        if p.chance(0.5)
        else k.quantity("tool_offset|offset|local_point", T.VEC3, [0.0, 0.0, 0.1])
    )
    if p.chance(0.5):
        return k.let("x|point|p_w", wp.transform_point(poses[e.index, body], local))
    pose = k.let("pose|X|tip_pose", poses[e.index, body])
    return k.let(
        "x|point|p_w",
        wp.transform_get_translation(pose) + wp.quat_rotate(wp.transform_get_rotation(pose), local),
    )


def _linear_part(
    p: ProgramBuilder, k: KernelBuilder, robot: Robot, joint: Expr, axis: Expr, arm: Expr
) -> Expr:
    if robot.kinds == 1:
        return k.let("lin|col|jv", wp.cross(axis, arm))
    names = robot.types()
    if p.chance(0.5):
        column = k.var("lin|col|jv", construct(T.VEC3, 0.0))
        with k.when(robot.kind[joint] == names[0]):
            k.set(column, wp.cross(axis, arm))
        with k.elsewhen(robot.kind[joint] == names[1]):
            k.set(column, axis)
        return column
    return k.let("lin|col|jv", choose(robot.kind[joint] == names[0], wp.cross(axis, arm), axis))


def _manipulability(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rows: Table, n: int, spatial: bool
) -> None:
    gram = k.var("jjt|gram|A", construct(T.MAT33, 0.0))
    with k.loop("c|col_id|d", n) as c:
        column = wp.spatial_top(rows[e.index, c]) if spatial else rows[e.index, c]
        column = k.let("v|col_v|jc", column)
        k.aug(gram, "+", wp.outer(column, column))
    e.out("manipulability|dexterity|measure", T.F32).store(
        wp.sqrt(wp.max(wp.determinant(gram), 0.0)) if p.chance(0.7) else wp.trace(gram)
    )
