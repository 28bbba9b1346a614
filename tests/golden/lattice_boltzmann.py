import warp as wp


@wp.func
def compute_fe1(density: float, base: float, ux: float):
    return 0.11111111 * density * (base + 3.0 * ux + 4.5 * ux * ux)


@wp.kernel(enable_backward=False)
def lbm_d2q9(
    obstacle: wp.array2d(dtype=bool),
    gravity: float,
    inv_tau: float,
    f_in: wp.array3d(dtype=float),
    density_field: wp.array2d(dtype=float),
    vel_out: wp.array2d(dtype=wp.vec2),
):
    x, y = wp.tid()
    if obstacle[x, y]:
        return
    f0 = f_in[x, y, 0]
    f1 = f_in[x, y, 1]
    f2 = f_in[x, y, 2]
    f3 = f_in[x, y, 3]
    f4 = f_in[x, y, 4]
    f5 = f_in[x, y, 5]
    f6 = f_in[x, y, 6]
    f7 = f_in[x, y, 7]
    f8 = f_in[x, y, 8]
    density = f0 + f1 + f2 + f3 + f4 + f5 + f6 + f7 + f8
    ux = (f1 + f5 + f8 - f3 - f6 - f7) / density
    v = (f2 + f5 + f6 - f4 - f7 - f8) / density
    vf = v - 0.5 * gravity
    base = 1.0 - 1.5 * (ux * ux + vf * vf)

    # relaxation
    fe0 = 0.44444444 * density * base
    f_in[x, y, 0] = f0 + inv_tau * (fe0 - f0)
    fe1 = compute_fe1(density, base, ux)
    f_in[x, y, 1] = f1 + inv_tau * (fe1 - f1)
    f_in[x, y, 2] = f2 + inv_tau * (0.11111111 * density * (base + 3.0 * vf + 4.5 * vf * vf) - f2)
    f_in[x, y, 3] = f3 + inv_tau * (0.11111111 * density * (base - 3.0 * ux + 4.5 * ux * ux) - f3)
    f_in[x, y, 4] = f4 + inv_tau * (0.11111111 * density * (base - 3.0 * vf + 4.5 * vf * vf) - f4)
    e5 = ux + vf
    eq5 = 0.02777778 * density * (base + 3.0 * e5 + 4.5 * e5 * e5)
    f_in[x, y, 5] = f5 + inv_tau * (eq5 - f5)
    e6 = -ux + vf
    fe6 = 0.02777778 * density * (base + 3.0 * e6 + 4.5 * e6 * e6)
    f_in[x, y, 6] = f6 + inv_tau * (fe6 - f6)
    cu7 = -ux - vf
    eq7 = 0.02777778 * density * (base + 3.0 * cu7 + 4.5 * cu7 * cu7)
    f_in[x, y, 7] = f7 + inv_tau * (eq7 - f7)
    e8 = ux - vf
    fe8 = 0.02777778 * density * (base + 3.0 * e8 + 4.5 * e8 * e8)
    f_in[x, y, 8] = f8 + inv_tau * (fe8 - f8)
    density_field[x, y] = density
    vel_out[x, y] = wp.vec2(ux, vf)
