import warp as wp


@wp.func
def irls_weight(r: wp.float32, delta: wp.float32) -> wp.float32:
    abs_e = abs(r)
    return 1.0 / (1.0 + abs_e * abs_e / (delta * delta))


@wp.kernel
def closest_points_fused(
    mesh: wp.uint64,
    mesh_id: wp.uint64,
    surface: wp.uint64,
    samples: wp.array[wp.vec3],
    points: wp.array[wp.vec3],
    cdf: wp.array[wp.float32],
    body_q: wp.transform,
    near_limit: wp.float32,
    current_pose: wp.transform,
    max_corr_dist: wp.float32,
    huber_delta: wp.float32,
    frame: wp.int32,
    launch_speed: wp.float32,
    furthest: wp.array[wp.float32],
    max_extent: wp.array[wp.float32],
    face_ids: wp.array[wp.int32],
    J: wp.array[wp.spatial_vector],
    total_cost: wp.array[wp.float32],
    launch_vel: wp.array[wp.vec3],
    positions: wp.array[wp.vec3],
    sample_vel: wp.array[wp.vec3],
):
    """Distance to the surface and where it is attained.

    Accumulate the normal equations of point-to-plane registration.

    Area-weighted surface samples.
    """
    i = wp.tid()
    x_local = wp.transform_point(wp.transform_inverse(body_q), samples[i])
    q = wp.mesh_query_furthest_point_no_sign(mesh, x_local, near_limit)
    if q.result:
        furthest[i] = wp.length(wp.mesh_eval_position(mesh, q.face, q.u, q.v) - x_local)
        wp.atomic_max(max_extent, 0, wp.length(wp.mesh_eval_position(mesh, q.face, q.u, q.v) - x_local))
        face_ids[i] = q.face

    p_world = wp.transform_point(current_pose, points[i])
    res = wp.mesh_query_point_no_sign(mesh_id, p_world, max_corr_dist)
    if not res.result:
        return
    y = wp.mesh_eval_position(mesh_id, res.face, res.u, res.v)
    n = wp.mesh_eval_face_normal(mesh_id, res.face)
    e = wp.dot(n, p_world - y)
    rho = irls_weight(e, huber_delta)
    J[i] = wp.spatial_vector(wp.cross(p_world, n), n) * rho
    wp.atomic_add(total_cost, 0, rho * e * e)

    rng = wp.rand_init(frame, i)
    f = min(wp.sample_cdf(rng, cdf), 161)
    root_u = wp.sqrt(wp.randf(rng))
    xi = wp.randf(rng)
    u = 1.0 - root_u
    v = root_u * (1.0 - xi)
    pt = wp.mesh_eval_position(surface, f, u, v)
    launch_vel[i] = wp.mesh_eval_face_normal(surface, f) * launch_speed
    positions[i] = pt
    sample_vel[i] = wp.mesh_eval_velocity(surface, f, u, v)
