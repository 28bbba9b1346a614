import warp as wp


@wp.kernel(module="unique")
def dead_reckoning_step(
    nav_state: wp.array[wp.transform],
    v_nav: wp.array[wp.vec3],
    delta_theta: wp.array[wp.vec3],
    sensor_quats: wp.array[wp.quat],
    specific_force: wp.array[wp.vec3],
    misalignment: wp.array[wp.mat33],
    accel_noise: float,
    tau: float,
    g_n: wp.vec3,
    velocities_out: wp.array[wp.vec3],
    pose_next: wp.array[wp.transform],
    rotation_vector_out: wp.array[wp.vec3],
    sun_dir: wp.vec3,
    body_directions: wp.array[wp.vec3],
    magnetometer: wp.array[wp.vec3],
    mag_heading: wp.array[float],
    extrinsic: wp.transform,
    origin: wp.vec3,
    relative_poses: wp.array[wp.transform],
):
    idx = wp.tid()
    state = nav_state[idx]
    v = v_nav[idx]
    gyro = wp.quat_rotate(sensor_quats[idx], delta_theta[idx])
    accel_cal = misalignment[idx] * specific_force[idx]
    if wp.length(accel_cal) < accel_noise:
        accel = wp.vec3(0.0)
    else:
        accel = accel_cal
    q = wp.transform_get_rotation(state)
    pos = wp.transform_get_translation(state)
    att_new = wp.normalize(q * wp.quat_rpy(gyro.x * tau, gyro.y * tau, gyro.z * tau))
    v1 = v + (wp.quat_rotate(att_new, accel) + g_n) * tau
    p1 = pos + v1 * tau
    velocities_out[idx] = v1
    wp.transform_set_translation(state, p1)
    wp.transform_set_rotation(state, att_new)
    pose_next[idx] = state
    spin_axis, rot_angle = wp.quat_to_axis_angle(att_new)
    rotation_vector_out[idx] = spin_axis * rot_angle
    body_directions[idx] = wp.quat_rotate_inv(att_new, sun_dir)
    m_world = wp.quat_rotate(att_new, magnetometer[idx])
    if wp.abs(m_world.x) > 0.001 or wp.abs(m_world.y) > 0.001:
        mag_heading[idx] = wp.atan2(m_world.y, m_world.x)

    x = nav_state[idx]
    sensor_pose = wp.transform_multiply(x, extrinsic)
    ref = wp.transform(origin, wp.quat_identity())
    relative_poses[idx] = wp.transform_inverse(ref) * sensor_pose
