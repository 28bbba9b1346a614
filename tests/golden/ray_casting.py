import warp as wp


@wp.kernel
def camera_rays(
    rows: wp.int32,
    width: wp.int32,
    fov_y: wp.float32,
    camera_quat: wp.quat,
    max_range: wp.float32,
    forward: wp.vec3,
    closest_t: wp.array2d[wp.float32],
    depth_factor: wp.array2d[wp.float32],
    ray_dirs: wp.array2d[wp.vec3],
):
    row, ix = wp.tid()
    px = wp.float32(ix)
    py = wp.float32(row)
    half_h = wp.tan(fov_y * 0.5)
    ratio = wp.float32(width) / wp.float32(rows)
    cam_dir = wp.vec3(
        (2.0 * px / wp.float32(width) - 1.0) * half_h * ratio, (1.0 - 2.0 * py / wp.float32(rows)) * half_h, -1.0
    )
    rd = wp.normalize(wp.quat_rotate(camera_quat, cam_dir))

    closest_t[row, ix] = max_range
    depth_factor[row, ix] = wp.dot(rd, forward)
    ray_dirs[row, ix] = rd
