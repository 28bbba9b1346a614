import warp as wp


@wp.kernel(module="unique")
def fused_potential_at_points(
    observers: wp.array(dtype=wp.vec3d),
    point_group: wp.array(dtype=int),
    src_pos: wp.array(dtype=wp.vec3d),
    q: wp.array(dtype=wp.float64),
    point_active: wp.array(dtype=int),
    charge_pos: wp.array(dtype=wp.vec3d),
    m_vec: wp.array(dtype=wp.vec3d),
    core_radius: wp.float64,
    lambda_d: wp.float64,
    k_e: wp.float64,
    r_cut: wp.float64,
    phi: wp.array(dtype=wp.float64),
    e_field: wp.array(dtype=wp.vec3d),
):
    i = wp.tid()
    obs = observers[i]
    if point_group[i] != 0:
        phi[i] = wp.float64(0.0)
        return
    phi_sum = wp.float64(0.0)
    for src in range(src_pos.shape[0]):
        r = obs - src_pos[src]
        d2 = wp.dot(r, r) + core_radius * core_radius
        dist = wp.sqrt(d2)
        phi_sum += q[src] * wp.exp(-dist / lambda_d) / dist

    phi[i] = phi_sum * k_e

    # field at every observation point
    pt = observers[i]
    if point_active[i] == 0:
        e_field[i] = wp.vec3d(wp.float64(0.0))
        return
    total = wp.vec3d(wp.float64(0.0))
    for src in range(charge_pos.shape[0]):
        sep = pt - charge_pos[src]
        r2 = wp.dot(sep, sep) + core_radius * core_radius
        if r2 > r_cut * r_cut:
            continue
        rl = wp.sqrt(r2)
        mu = m_vec[src]
        n = sep / rl
        total += (wp.float64(3.0) * n * wp.dot(mu, n) - mu) / (r2 * rl)

    e_field[i] = total * k_e
