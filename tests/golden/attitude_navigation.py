import warp as wp


@wp.kernel
def export_attitude(
    body_quat: wp.array(dtype=wp.quat),
    body_group: wp.array(dtype=int),
    euler_out: wp.array(dtype=wp.vec3),
    yaw_angles: wp.array(dtype=float),
):
    i = wp.tid()
    rot = body_quat[i]
    if body_group[i] != 0:
        return
    angles = wp.quat_to_rpy(rot)
    euler_out[i] = wp.vec3(wp.degrees(angles[0]), wp.degrees(angles[1]), wp.degrees(angles[2]))
    heading_vec = wp.quat_rotate(rot, wp.vec3(1.0, 0.0, 0.0))
    yaw_angles[i] = wp.degrees(wp.atan2(heading_vec.y, heading_vec.x))
