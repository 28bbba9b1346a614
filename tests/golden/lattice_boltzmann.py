import warp as wp


@wp.kernel
def collide_mrt_fused(
    s_nu: wp.float64,
    s1_rate: wp.float64,
    s_q: wp.float64,
    s2_rate: wp.float64,
    body_force: wp.vec2d,
    viscosity: wp.float64,
    populations: wp.array3d(dtype=wp.float64),
    rho_out: wp.array2d(dtype=wp.float64),
    vel_out: wp.array2d(dtype=wp.vec2d),
    f_in: wp.array3d(dtype=wp.float64),
    density_field: wp.array2d(dtype=wp.float64),
    velocity: wp.array2d(dtype=wp.vec2d),
):
    x, y = wp.tid()
    f0 = populations[0, x, y]
    f1 = populations[1, x, y]
    f2 = populations[2, x, y]
    f3 = populations[3, x, y]
    f4 = populations[4, x, y]
    f5 = populations[5, x, y]
    f6 = populations[6, x, y]
    f7 = populations[7, x, y]
    f8 = populations[8, x, y]
    f_axis = f1 + f2 + f3 + f4
    diag_sum = f5 + f6 + f7 + f8
    density = f0 + f_axis + diag_sum
    e = wp.float64(-4.0) * f0 - f_axis + wp.float64(2.0) * diag_sum
    e2 = wp.float64(4.0) * f0 - wp.float64(2.0) * f_axis + diag_sum
    mx = f1 - f3 + f5 - f6 - f7 + f8
    my = f2 - f4 + f5 + f6 - f7 - f8
    hx = wp.float64(-2.0) * f1 + wp.float64(2.0) * f3 + f5 - f6 - f7 + f8
    hy = wp.float64(-2.0) * f2 + wp.float64(2.0) * f4 + f5 + f6 - f7 - f8
    p_n = f1 - f2 + f3 - f4
    pxy = f5 - f6 + f7 - f8

    jj = (mx * mx + my * my) / density
    e_r = e + s1_rate * (wp.float64(-2.0) * density + wp.float64(3.0) * jj - e)
    eps_post = e2 + s2_rate * (density - wp.float64(3.0) * jj - e2)
    qx_r = hx + s_q * (-mx - hx)
    qy_post = hy + s_q * (-my - hy)
    pxx_r = p_n + s_nu * ((mx * mx - my * my) / density - p_n)
    pxy_post = pxy + s_nu * (mx * my / density - pxy)
    jx_f = mx + density * body_force[0]
    my_f = my + density * body_force[1]

    a = density / wp.float64(9.0)
    e36 = e_r / wp.float64(36.0)
    c = eps_post / wp.float64(36.0)
    populations[0, x, y] = a - wp.float64(4.0) * e36 + wp.float64(4.0) * c
    populations[1, x, y] = (
        a
        - e36
        - wp.float64(2.0) * c
        + jx_f / wp.float64(6.0)
        - qx_r / wp.float64(6.0)
        + wp.float64(0.25) * pxx_r
    )
    populations[2, x, y] = (
        a
        - e36
        - wp.float64(2.0) * c
        + my_f / wp.float64(6.0)
        - qy_post / wp.float64(6.0)
        - wp.float64(0.25) * pxx_r
    )
    populations[3, x, y] = (
        a
        - e36
        - wp.float64(2.0) * c
        - jx_f / wp.float64(6.0)
        + qx_r / wp.float64(6.0)
        + wp.float64(0.25) * pxx_r
    )
    populations[4, x, y] = (
        a
        - e36
        - wp.float64(2.0) * c
        - my_f / wp.float64(6.0)
        + qy_post / wp.float64(6.0)
        - wp.float64(0.25) * pxx_r
    )
    populations[5, x, y] = (
        a
        + wp.float64(2.0) * e36
        + c
        + (jx_f / wp.float64(6.0) + qx_r / wp.float64(12.0))
        + (my_f / wp.float64(6.0) + qy_post / wp.float64(12.0))
        + wp.float64(0.25) * pxy_post
    )
    populations[6, x, y] = (
        a
        + wp.float64(2.0) * e36
        + c
        - (jx_f / wp.float64(6.0) + qx_r / wp.float64(12.0))
        + (my_f / wp.float64(6.0) + qy_post / wp.float64(12.0))
        - wp.float64(0.25) * pxy_post
    )
    populations[7, x, y] = (
        a
        + wp.float64(2.0) * e36
        + c
        - (jx_f / wp.float64(6.0) + qx_r / wp.float64(12.0))
        - (my_f / wp.float64(6.0) + qy_post / wp.float64(12.0))
        + wp.float64(0.25) * pxy_post
    )
    populations[8, x, y] = (
        a
        + wp.float64(2.0) * e36
        + c
        + (jx_f / wp.float64(6.0) + qx_r / wp.float64(12.0))
        - (my_f / wp.float64(6.0) + qy_post / wp.float64(12.0))
        - wp.float64(0.25) * pxy_post
    )
    rho_out[x, y] = density
    vel_out[x, y] = wp.vec2d(jx_f / density, my_f / density)

    f0_1 = f_in[0, x, y]
    f1_1 = f_in[1, x, y]
    f2_1 = f_in[2, x, y]
    f3_1 = f_in[3, x, y]
    f4_1 = f_in[4, x, y]
    f5_1 = f_in[5, x, y]
    f6_1 = f_in[6, x, y]
    f7_1 = f_in[7, x, y]
    f8_1 = f_in[8, x, y]
    rho = f0_1 + f1_1 + f2_1 + f3_1 + f4_1 + f5_1 + f6_1 + f7_1 + f8_1
    ux = (f1_1 + f5_1 + f8_1 - f3_1 - f6_1 - f7_1) / rho
    uy = (f2_1 + f5_1 + f6_1 - f4_1 - f7_1 - f8_1) / rho
    omega = wp.float64(1.0) / (wp.float64(3.0) * viscosity + wp.float64(0.5))
    uu = wp.float64(1.0) - wp.float64(1.5) * (ux * ux + uy * uy)

    f_in[0, x, y] = f0_1 + omega * (wp.float64(0.44444444) * rho * uu - f0_1)
    fe1 = wp.float64(0.11111111) * rho * (uu + wp.float64(3.0) * ux + wp.float64(4.5) * ux * ux)
    f_in[1, x, y] = f1_1 + omega * (fe1 - f1_1)
    f_in[2, x, y] = (
        f2_1
        + omega * (wp.float64(0.11111111) * rho * (uu + wp.float64(3.0) * uy + wp.float64(4.5) * uy * uy) - f2_1)
    )
    f_in[3, x, y] = (
        f3_1
        + omega * (wp.float64(0.11111111) * rho * (uu - wp.float64(3.0) * ux + wp.float64(4.5) * ux * ux) - f3_1)
    )
    f_in[4, x, y] = (
        f4_1
        + omega * (wp.float64(0.11111111) * rho * (uu - wp.float64(3.0) * uy + wp.float64(4.5) * uy * uy) - f4_1)
    )
    e5 = ux + uy
    fe5 = wp.float64(0.02777778) * rho * (uu + wp.float64(3.0) * e5 + wp.float64(4.5) * e5 * e5)
    f_in[5, x, y] = f5_1 + omega * (fe5 - f5_1)
    cu6 = -ux + uy
    fe6 = wp.float64(0.02777778) * rho * (uu + wp.float64(3.0) * cu6 + wp.float64(4.5) * cu6 * cu6)
    f_in[6, x, y] = f6_1 + omega * (fe6 - f6_1)
    cu7 = -ux - uy
    fe7 = wp.float64(0.02777778) * rho * (uu + wp.float64(3.0) * cu7 + wp.float64(4.5) * cu7 * cu7)
    f_in[7, x, y] = f7_1 + omega * (fe7 - f7_1)
    cu8 = ux - uy
    eq8 = wp.float64(0.02777778) * rho * (uu + wp.float64(3.0) * cu8 + wp.float64(4.5) * cu8 * cu8)
    f_in[8, x, y] = f8_1 + omega * (eq8 - f8_1)
    density_field[x, y] = rho
    velocity[x, y] = wp.vec2d(ux, uy)
