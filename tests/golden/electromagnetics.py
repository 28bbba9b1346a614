import warp as wp


@wp.kernel
def electric_potential_fused(
    points: wp.array(dtype=wp.vec3),
    v_out: wp.array(dtype=float),
    point_enabled: wp.array(dtype=bool),
    eps: float,
    src_pos: wp.array(dtype=wp.vec3),
    strength: wp.array(dtype=float),
    k_e: float,
    e_field: wp.array(dtype=wp.vec3),
    point_active: wp.array(dtype=int),
    charge_pos: wp.array(dtype=wp.vec3),
    m_vec: wp.array(dtype=wp.vec3),
    r_cut: float,
):
    idx = wp.tid()
    x = points[idx]
    if not point_enabled[idx]:
        v_out[idx] = 0.0
        return
    phi_sum = float(0.0)
    for src in range(src_pos.shape[0]):
        r = x - src_pos[src]
        d2 = wp.dot(r, r) + eps * eps
        dist = wp.sqrt(d2)
        phi_sum += strength[src] / dist

    v_out[idx] = phi_sum * k_e

    if point_active[idx] == 0:
        e_field[idx] = wp.vec3(0.0)
    else:
        total = wp.vec3(0.0)
        for src in range(charge_pos.shape[0]):
            sep = x - charge_pos[src]
            r2 = wp.dot(sep, sep) + eps * eps
            if r2 > r_cut * r_cut:
                continue
            rl = wp.sqrt(r2)
            mu = m_vec[src]
            n = sep / rl
            total += (3.0 * n * wp.dot(mu, n) - mu) / (r2 * rl)

        e_field[idx] = total * k_e
