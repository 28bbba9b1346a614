import warp as wp

JOINT_REVOLUTE = 0
PRISMATIC = wp.constant(1)
JOINT_WELD = 2
SCREW = wp.constant(3)


@wp.func
def compute_joint_transform(jtype: int, a: wp.vec3, angle: float):
    if jtype == JOINT_REVOLUTE:
        return wp.transform(wp.vec3(0.0), wp.quat_from_axis_angle(a, angle))
    if jtype == PRISMATIC:
        return wp.transform(a * angle, wp.quat_identity())
    if jtype == JOINT_WELD:
        return wp.transform_identity()
    if jtype == SCREW:
        return wp.transform(a * (0.1 * angle), wp.quat_from_axis_angle(a, angle))
    return wp.transform_identity()


@wp.kernel
def eval_fk_step(
    depth: wp.array[int],
    qpos: wp.array[float],
    pose_prev: wp.array[wp.transform],
    body_parent: wp.array[int],
    parent_xform: wp.array[wp.transform],
    jnt_type: wp.array[int],
    hinge_axis: wp.array[wp.vec3],
    link_pose: wp.array2d[wp.transform],
    target_link: wp.array[int],
    link_length: wp.array[float],
    goal_pos: wp.array[wp.vec3],
    level: int,
    offset: wp.vec3,
    num_iters: int,
    tolerance: float,
    body_q: wp.array[wp.transform],
    axis_world: wp.array[wp.vec3],
    jac: wp.array2d[wp.spatial_vector],
    measure: wp.array[float],
    chain: wp.array2d[wp.vec3],
    errors: wp.array[float],
):
    jointid = wp.tid()
    if depth[jointid] != level:
        return
    pid = body_parent[jointid]
    local = parent_xform[jointid] * compute_joint_transform(jnt_type[jointid], hinge_axis[jointid], qpos[jointid])
    pose = local
    if pid >= 0:
        pose = pose_prev[pid] * local
    body_q[jointid] = pose
    axis_world[jointid] = wp.transform_vector(pose, hinge_axis[jointid])

    ee = target_link[jointid]
    tip_pose = link_pose[jointid, ee]
    p_w = wp.transform_get_translation(tip_pose) + wp.quat_rotate(wp.transform_get_rotation(tip_pose), offset)
    j = int(ee)
    while j >= 0:
        a = wp.transform_vector(link_pose[jointid, j], hinge_axis[j])
        r = p_w - wp.transform_get_translation(link_pose[jointid, j])
        jv = wp.vec3(0.0)
        if jnt_type[j] == JOINT_REVOLUTE:
            jv = wp.cross(a, r)
        elif jnt_type[j] == PRISMATIC:
            jv = a
        jac[jointid, j] = wp.spatial_vector(jv, wp.where(jnt_type[j] == JOINT_REVOLUTE, a, wp.vec3(0.0)))
        j = body_parent[j]
    gram = wp.mat33(0.0)
    for col_id in range(24):
        col_v = wp.spatial_top(jac[jointid, col_id])
        gram += wp.outer(col_v, col_v)
    measure[jointid] = wp.sqrt(wp.max(wp.determinant(gram), 0.0))

    x_des = goal_pos[jointid]
    base = chain[jointid, 0]
    for sweep in range(num_iters):
        if wp.length(chain[jointid, 7] - x_des) < tolerance:
            break
        chain[jointid, 7] = x_des
        for s in range(7):
            inner = 6 - s
            u = wp.normalize(chain[jointid, inner] - chain[jointid, inner + 1])
            chain[jointid, inner] = chain[jointid, inner + 1] + u * link_length[inner]
        chain[jointid, 0] = base
        for fwd in range(7):
            dir_v = wp.normalize(chain[jointid, fwd + 1] - chain[jointid, fwd])
            chain[jointid, fwd + 1] = chain[jointid, fwd] + dir_v * link_length[fwd]
    errors[jointid] = wp.length(chain[jointid, 7] - x_des)
