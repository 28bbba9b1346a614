from __future__ import annotations

import warp as wp


@wp.kernel(module="unique", module_options={"fast_math": True})
def water_balance_step(
    soil_moisture: wp.array2d(dtype=wp.float64),
    precip: wp.array2d(dtype=wp.float64),
    runoff: wp.array2d(dtype=wp.float64),
    dt_days: wp.float64,
    capacity: wp.array2d(dtype=wp.float64),
    e_pot: wp.float64,
    limit_share: wp.float64,
    k_drain: wp.float64,
    et_out: wp.array2d(dtype=wp.float64),
    row_runoff: wp.array(dtype=wp.float64),
    elevation: wp.array2d(dtype=wp.float64),
    shadow: wp.array2d(dtype=wp.float64),
    sea: wp.array2d(dtype=bool),
    num_steps: int,
    sun_dir: wp.vec3d,
    ny: int,
    seen: wp.array2d(dtype=wp.float64),
    samples: int,
    eye_row: int,
    eye_col: int,
    shade: wp.array2d(dtype=wp.float64),
    water_mask: wp.array2d(dtype=wp.uint8),
    dx: wp.float64,
    light: wp.vec3d,
):
    row, col = wp.tid()
    s0 = soil_moisture[row, col]
    p_in = precip[row, col]

    excess = wp.max(s0 + p_in - capacity[row, col], wp.float64(0.0))
    s0 += p_in - excess

    limiting = wp.min(s0 / (limit_share * capacity[row, col]), wp.float64(1.0))
    evap = wp.min(e_pot * limiting * dt_days, s0)
    s0 -= evap
    seep = k_drain * s0 * dt_days
    s0 -= seep
    if s0 > capacity[row, col]:
        s0 = capacity[row, col]
    soil_moisture[row, col] = s0
    runoff[row, col] = excess
    et_out[row, col] = evap
    wp.atomic_add(row_runoff, row // 4, wp.abs(excess))

    if sea[row, col]:
        return
    z0 = elevation[row, col]
    horizon = wp.float64(-1.0)
    for s in range(1, num_steps + 1):
        along = wp.float64(s)
        row_s = row + int(wp.round(sun_dir[1] * along))
        jj = col + int(wp.round(sun_dir[0] * along))
        if row_s < 0 or jj < 0 or row_s >= ny or jj >= sea.shape[1]:
            break
        ground = elevation[row_s, jj]
        horizon = wp.max(horizon, (ground - z0) / along)
    shadow[row, col] = horizon

    h_here = elevation[row, col]
    d_row = wp.float64(eye_row - row)
    d_col = wp.float64(eye_col - col)
    dist = wp.max(wp.sqrt(d_row * d_row + d_col * d_col), wp.float64(1.0))
    dir_x = d_col / dist
    dir_y = d_row / dist
    max_grade = wp.float64(-1.0)
    for m in range(1, samples + 1):
        dist_s = wp.float64(m)
        rr = row + int(wp.round(dir_y * dist_s))
        cc = col + int(wp.round(dir_x * dist_s))
        if dist_s >= dist or rr < 0 or cc < 0 or rr >= ny or cc >= sea.shape[1]:
            break
        h_s = elevation[rr, cc]
        max_grade = wp.max(max_grade, (h_s - h_here) / dist_s)
    seen[row, col] = max_grade

    if water_mask[row, col] == wp.uint8(1):
        return
    row_minus = wp.clamp(row - 1, 0, ny - 1)
    row_next = wp.clamp(row + 1, 0, ny - 1)
    col_minus = wp.clamp(col - 1, 0, sea.shape[1] - 1)
    colp = wp.clamp(col + 1, 0, sea.shape[1] - 1)
    nw = elevation[row_minus, col_minus]
    b = elevation[row_minus, col]
    ne = elevation[row_minus, colp]
    d = elevation[row, col_minus]
    e = elevation[row, colp]
    sw = elevation[row_next, col_minus]
    so = elevation[row_next, col]
    t = elevation[row_next, colp]
    dzdx = (ne + wp.float64(2.0) * e + t - nw - wp.float64(2.0) * d - sw) / (wp.float64(8.0) * dx)
    zy = (sw + wp.float64(2.0) * so + t - nw - wp.float64(2.0) * b - ne) / (wp.float64(8.0) * dx)
    normal = wp.normalize(wp.vec3d(-dzdx, -zy, wp.float64(1.0)))
    shade[row, col] = wp.max(wp.dot(normal, light), wp.float64(0.0))
