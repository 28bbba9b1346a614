import warp as wp


@wp.func
def flux_x(u: wp.vec3d, gravity: wp.float64):
    depth = wp.max(u[0], wp.float64(0.001))
    vel = u[1] / depth
    press = wp.float64(0.5) * gravity * depth * depth
    return wp.vec3d(u[1], u[1] * vel + press, u[2] * vel)


@wp.func
def riemann_x(left: wp.vec3d, right: wp.vec3d, gravity: wp.float64):
    h_l = wp.max(left[0], wp.float64(0.001))
    h_r = wp.max(right[0], wp.float64(0.001))
    ul = left[1] / h_l
    u_r = right[1] / h_r
    cl = wp.sqrt(gravity * h_l)
    c_r = wp.sqrt(gravity * h_r)
    lam = wp.max(wp.abs(ul) + cl, wp.abs(u_r) + c_r)
    return (flux_x(left, gravity) + flux_x(right, gravity)) * wp.float64(0.5) - (right - left) * (wp.float64(0.5) * lam)


@wp.func
def physical_flux_y(q: wp.vec3d, grav: wp.float64):
    depth = wp.max(q[0], wp.float64(0.0001))
    un = q[2] / depth
    pr = wp.float64(0.5) * grav * depth * depth
    return wp.vec3d(q[2], q[1] * un, q[2] * un + pr)


@wp.func
def rusanov_y(ql: wp.vec3d, qr: wp.vec3d, gravity: wp.float64):
    h_l = wp.max(ql[0], wp.float64(0.001))
    h_r = wp.max(qr[0], wp.float64(0.001))
    u_l = ql[2] / h_l
    u_r = qr[2] / h_r
    cl = wp.sqrt(gravity * h_l)
    cr = wp.sqrt(gravity * h_r)
    s_max = wp.max(wp.abs(u_l) + cl, wp.abs(u_r) + cr)
    return (
        (physical_flux_y(ql, gravity) + physical_flux_y(qr, gravity)) * wp.float64(0.5)
        - (qr - ql) * (wp.float64(0.5) * s_max)
    )


@wp.func
def compute_gy(curl_i: wp.float64, curl_i_1: wp.float64, hy: wp.float64):
    return (wp.abs(curl_i) - wp.abs(curl_i_1)) / (wp.float64(2.0) * hy)


@wp.kernel
def flood_step_fused(
    state: wp.array2d[wp.vec3d],
    u: wp.array2d[wp.vec2d],
    temp: wp.array2d[wp.float64],
    mask: wp.array2d[wp.uint8],
    curl: wp.array2d[wp.float64],
    grav: wp.float64,
    dt: wp.float64,
    dx: wp.float64,
    step: wp.float64,
    ambient: wp.float64,
    thermal_expansion: wp.float64,
    background: wp.vec2d,
    relax: wp.float64,
    resistance: wp.float64,
    cooling: wp.float64,
    room_temp: wp.float64,
    hy: wp.float64,
    vort_strength: wp.float64,
    q_new: wp.array2d[wp.vec3d],
    u_star: wp.array2d[wp.vec2d],
    temp_next: wp.array2d[wp.float64],
    omega: wp.array2d[wp.float64],
    velocity: wp.array2d[wp.vec2d],
):
    """Finite-volume step of the shallow-water equations.

    Forces and sources of a smoke simulation.

    Curl of the velocity field.

    Vorticity confinement force.
    """
    row, col = wp.tid()
    c = state[row, col]

    fx1 = riemann_x(c, state[row, (col + 1) % q_new.shape[1]], grav)
    f_w = riemann_x(state[row, (col + q_new.shape[1] - 1) % q_new.shape[1]], c, grav)
    fy1 = rusanov_y(c, state[(row + 1) % q_new.shape[0], col], grav)
    f_s = rusanov_y(state[(row + q_new.shape[0] - 1) % q_new.shape[0], col], c, grav)
    q_new[row, col] = c - (fx1 - f_w + fy1 - f_s) * (dt / dx)

    if mask[row, col] == wp.uint8(1):
        u_star[row, col] = wp.vec2d(wp.float64(0.0))
        return
    v = u[row, col]
    v[1] = v[1] + step * (thermal_expansion * (temp[row, col] - ambient))
    v += (background - v) * (relax * step)
    v *= wp.float64(1.0) / (wp.float64(1.0) + resistance * step)
    u_star[row, col] = v
    temp_next[row, col] = temp[row, col] - cooling * step * (temp[row, col] - room_temp)

    w = (
        (u[row, (col + 1) % q_new.shape[1]][1] - u[row, (col + q_new.shape[1] - 1) % q_new.shape[1]][1]) / (wp.float64(2.0) * dx)
        - (u[(row + 1) % q_new.shape[0], col][0] - u[(row + q_new.shape[0] - 1) % q_new.shape[0], col][0]) / (wp.float64(2.0) * dx)
    )
    omega[row, col] = w

    gy = compute_gy(curl[(row + 1) % q_new.shape[0], col], curl[(row + q_new.shape[0] - 1) % q_new.shape[0], col], hy)
    deta_dx = (
        (wp.abs(curl[row, (col + 1) % q_new.shape[1]]) - wp.abs(curl[row, (col + q_new.shape[1] - 1) % q_new.shape[1]]))
        / (wp.float64(2.0) * dx)
    )
    grad_mag = wp.vec2d(deta_dx, gy)
    norm = wp.length(grad_mag)
    if norm >= wp.float64(1e-06):
        normal = grad_mag / norm
        omega_c = curl[row, col]
        velocity[row, col] = (
            velocity[row, col]
            + wp.vec2d(normal[1] * omega_c, -normal[0] * omega_c) * (vort_strength * hy) * step
        )
