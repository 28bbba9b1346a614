import math

import warp as wp


@wp.func
def linear_index(y: int, x: int, stride: int) -> int:
    return y * stride + x


@wp.kernel
def godunov_eikonal_step(
    T_in: wp.array(dtype=wp.float64),
    cost: wp.array(dtype=wp.float64),
    vel_x: wp.array(dtype=wp.float64),
    v_y: wp.array(dtype=wp.float64),
    lame_lambda: wp.array(dtype=wp.float64),
    mu: wp.array(dtype=wp.float64),
    divergence: wp.array(dtype=wp.float64),
    p_in: wp.array(dtype=wp.float64),
    temp: wp.array(dtype=wp.float64),
    k_field: wp.array(dtype=wp.float64),
    width: int,
    height: int,
    cell_size: wp.float64,
    dy: wp.float64,
    time_step: wp.float64,
    pad: int,
    alpha: wp.float64,
    h_sq: wp.float64,
    radiative_loss: wp.float64,
    beam_power: wp.float64,
    spot_radius: wp.float64,
    epsilon: wp.float64,
    arrival_out: wp.array(dtype=wp.float64),
    changed: wp.array(dtype=int),
    sxx: wp.array(dtype=wp.float64),
    sigma_yy: wp.array(dtype=wp.float64),
    sigma_xy: wp.array(dtype=wp.float64),
    phi_new: wp.array(dtype=wp.float64),
    T_out: wp.array(dtype=wp.float64),
    delta_count: wp.array(dtype=int),
):
    tid = wp.tid()
    col = tid % width
    row = tid // width
    if row == 0 or row == height - 1 or col == 0 or col == width - 1:
        return
    tx = wp.min(T_in[linear_index(row - 1, col, width)], T_in[linear_index(row + 1, col, width)])
    t_col = wp.min(T_in[linear_index(row, col - 1, width)], T_in[linear_index(row, col + 1, width)])
    s = cost[tid] * cell_size
    t_new = wp.min(tx, t_col) + s
    if wp.abs(tx - t_col) < s:
        diff = tx - t_col
        t_new = wp.float64(0.5) * (tx + t_col + math.sqrt(wp.float64(2.0) * s * s - diff * diff))
    result = wp.min(T_in[tid], t_new)
    arrival_out[tid] = result
    if result < T_in[tid]:
        wp.atomic_add(changed, 0, 1)

    # velocity-stress formulation in the plane
    lam_c = lame_lambda[tid]
    mu_c = mu[tid]

    dvx_dx = (vel_x[linear_index(row, col + 1, width)] - vel_x[tid]) / cell_size
    dvy_dy = (v_y[linear_index(row + 1, col, width)] - v_y[tid]) / dy
    shear_rate = (
        (vel_x[tid] - vel_x[linear_index(row - 1, col, width)]) / dy
        + (v_y[tid] - v_y[linear_index(row, col - 1, width)]) / cell_size
    )

    p_modulus = lam_c + wp.float64(2.0) * mu_c
    d_edge = wp.min(wp.min(row, height - 1 - row), wp.min(col, width - 1 - col))
    damp = wp.float64(1.0)
    if d_edge < pad:
        depth = alpha * wp.float64(pad - d_edge)
        damp = math.exp(-depth * depth)
    sxx[tid] = (sxx[tid] + time_step * (p_modulus * dvx_dx + lam_c * dvy_dy)) * damp
    sigma_yy[tid] = (sigma_yy[tid] + time_step * (lam_c * dvx_dx + p_modulus * dvy_dy)) * damp
    sigma_xy[tid] = (sigma_xy[tid] + time_step * (mu_c * shear_rate)) * damp

    # smoother of the pressure equation
    pn = p_in[linear_index(row - 1, col, width)]
    ps = p_in[linear_index(row + 1, col, width)]
    p_w = p_in[linear_index(row, col - 1, width)]
    pe = p_in[linear_index(row, col + 1, width)]
    value = (pn + ps + p_w + pe - h_sq * divergence[tid]) * wp.float64(0.25)
    phi_new[tid] = value

    # forward-Euler step of the heat equation
    u_c = temp[tid]
    kc = k_field[tid]
    inv_dy2 = wp.float64(1.0) / (dy * dy)
    rx2 = wp.float64(1.0) / (cell_size * cell_size)
    net_flux = wp.float64(0.0)
    kappa_ym = k_field[linear_index(row - 1, col, width)]
    face_ym = math.sqrt(kc * kappa_ym)
    net_flux += face_ym * (temp[linear_index(row - 1, col, width)] - u_c) * inv_dy2
    kappa_yp = k_field[linear_index(row + 1, col, width)]
    kf_yp = math.sqrt(kc * kappa_yp)
    net_flux += kf_yp * (temp[linear_index(row + 1, col, width)] - u_c) * inv_dy2
    k_xm = k_field[linear_index(row, col - 1, width)]
    kf_xm = math.sqrt(kc * k_xm)
    net_flux += kf_xm * (temp[linear_index(row, col - 1, width)] - u_c) * rx2
    kappa_xp = k_field[linear_index(row, col + 1, width)]
    kf_xp = math.sqrt(kc * kappa_xp)
    net_flux += kf_xp * (temp[linear_index(row, col + 1, width)] - u_c) * rx2
    dist_sq = (
        (wp.float64(row) - wp.float64(0.5) * wp.float64(height)) * (wp.float64(row) - wp.float64(0.5) * wp.float64(height))
        + (wp.float64(col) - wp.float64(0.5) * wp.float64(width)) * (wp.float64(col) - wp.float64(0.5) * wp.float64(width))
    )
    updated = (
        u_c
        + time_step * (net_flux - radiative_loss * u_c * u_c * u_c * u_c + beam_power * math.exp(-dist_sq / (spot_radius * spot_radius)))
    )
    T_out[tid] = updated
    if wp.abs(updated - u_c) > epsilon:
        wp.atomic_add(delta_count, 0, 1)
