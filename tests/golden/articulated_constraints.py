from __future__ import annotations

import warp as wp

BALL = wp.constant(0)
JOINT_SLIDE = wp.constant(1)
JOINT_WELD = wp.constant(2)


@wp.kernel
def joint_errors(
    body_ids: wp.array[wp.vec2i],
    enabled: wp.array[int],
    anchor_a: wp.array[wp.transform],
    anchor_b: wp.array[wp.transform],
    body_q: wp.array[wp.transform],
    eq_type: wp.array[int],
    lower: wp.array[float],
    range_max: wp.array[float],
    lin_residual: wp.array[wp.vec3],
    ang_residual: wp.array[wp.vec3],
    num_rows: wp.array[int],
    at_limit: wp.array[int],
    limit_error: wp.array[float],
):
    i = wp.tid()
    ab = body_ids[i]
    a = ab[0]
    body_b = ab[1]
    if enabled[i] == 0:
        return
    pose_a = body_q[a] * anchor_a[i]
    X_wb = body_q[body_b] * anchor_b[i]
    anchor_wa = wp.transform_get_translation(pose_a)
    p1 = wp.transform_get_translation(X_wb)
    gap_v = p1 - anchor_wa
    t_j = eq_type[i]
    r0 = wp.transform_get_rotation(pose_a)
    rot_b = wp.transform_get_rotation(X_wb)
    if t_j == BALL:
        lin_residual[i] = gap_v
        num_rows[i] = 3
    elif t_j == JOINT_SLIDE:
        slide_dir = wp.quat_rotate(r0, wp.vec3(1.0, 0.0, 0.0))
        lin_residual[i] = gap_v - slide_dir * wp.dot(gap_v, slide_dir)
        rel_q = rot_b * wp.quat_inverse(r0)
        ang_residual[i] = wp.vec3(rel_q.x, rel_q.y, rel_q.z) * (-2.0 if rel_q.w < 0.0 else 2.0)
        num_rows[i] = 5
    elif t_j == JOINT_WELD:
        lin_residual[i] = gap_v
        q_rel = rot_b * wp.quat_inverse(r0)
        ang_residual[i] = wp.vec3(q_rel.x, q_rel.y, q_rel.z) * (2.0 * wp.sign(q_rel.w))
        num_rows[i] = 6

    rel_rot = wp.quat_inverse(r0) * rot_b
    angle = 2.0 * wp.atan2(rel_rot.z, rel_rot.w)
    if angle < lower[i]:
        at_limit[i] = -1
        limit_error[i] = lower[i] - angle
    elif angle > range_max[i]:
        at_limit[i] = 1
        limit_error[i] = angle - range_max[i]
