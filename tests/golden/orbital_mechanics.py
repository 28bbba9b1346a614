import warp as wp

EARTH_RADIUS = wp.constant(wp.float64(1.0))


@wp.func
def mean_to_eccentric(mean_anom: wp.float64, ecc: wp.float64):
    """Eccentric anomaly from mean anomaly and eccentricity."""
    x = mean_anom + ecc * wp.sin(mean_anom)
    delta = wp.float64(1.0)
    it = int(0)
    while wp.abs(delta) > wp.float64(1e-12) and it < 10:
        delta = (x - ecc * wp.sin(x) - mean_anom) / (wp.float64(1.0) - ecc * wp.cos(x))
        x -= delta
        it += 1
    return x


@wp.func
def rotate_to_eci(r_pqw: wp.vec3d, big_omega: wp.float64, i_rad: wp.float64, argp: wp.float64):
    cw = wp.cos(argp)
    sw = wp.sin(argp)
    cos_i = wp.cos(i_rad)
    sin_i = wp.sin(i_rad)
    co = wp.cos(big_omega)
    so = wp.sin(big_omega)
    x1 = cw * r_pqw.x - sw * r_pqw.y
    y1 = sw * r_pqw.x + cw * r_pqw.y
    return wp.vec3d(co * x1 - so * cos_i * y1, so * x1 + co * cos_i * y1, sin_i * y1)


@wp.kernel(enable_backward=False)
def elements_to_state_step(
    sma: wp.array(dtype=wp.float64),
    e: wp.array(dtype=wp.float64),
    inc: wp.array(dtype=wp.float64),
    node: wp.array(dtype=wp.float64),
    arg_periapsis: wp.array(dtype=wp.float64),
    mean_anomaly: wp.array(dtype=wp.float64),
    r1: wp.array(dtype=wp.float64),
    r_target: wp.array(dtype=wp.float64),
    tilt: wp.array(dtype=wp.float64),
    mu: wp.float64,
    elapsed: wp.float64,
    ratio: wp.float64,
    dv_budget: wp.float64,
    positions: wp.array(dtype=wp.vec3d),
    v_out: wp.array(dtype=wp.vec3d),
    alt_out: wp.array(dtype=wp.float64),
    bi_flag: wp.array(dtype=int),
    costs: wp.array(dtype=wp.float64),
    affordable: wp.array(dtype=int),
    lead_angle: wp.array(dtype=wp.float64),
):
    """Two-body ephemeris of a constellation."""
    i = wp.tid()
    a = sma[i]
    ecc_i = e[i]
    big_e = mean_to_eccentric(mean_anomaly[i] + wp.sqrt(mu / (a * a * a)) * elapsed, ecc_i)
    f = (
        wp.float64(2.0)
        * wp.atan2(wp.sqrt(wp.float64(1.0) + ecc_i) * wp.sin(wp.float64(0.5) * big_e), wp.sqrt(wp.float64(1.0) - ecc_i) * wp.cos(wp.float64(0.5) * big_e))
    )
    slr = a * (wp.float64(1.0) - ecc_i * ecc_i)
    r_mag = slr / (wp.float64(1.0) + ecc_i * wp.cos(f))
    x_pf = wp.vec3d(r_mag * wp.cos(f), r_mag * wp.sin(f), wp.float64(0.0))
    v_scale = wp.sqrt(mu / slr)
    v_pqw = wp.vec3d(-v_scale * wp.sin(f), v_scale * (ecc_i + wp.cos(f)), wp.float64(0.0))
    r = rotate_to_eci(x_pf, node[i], inc[i], arg_periapsis[i])
    positions[i] = r
    v_out[i] = rotate_to_eci(v_pqw, node[i], inc[i], arg_periapsis[i])
    alt_out[i] = wp.length(r) - EARTH_RADIUS

    from_r = r1[i]
    to_r = r_target[i]
    v1 = wp.sqrt(mu / from_r)
    v_to = wp.sqrt(mu / to_r)
    a_t = wp.float64(0.5) * (from_r + to_r)
    dv1 = wp.abs(v1 * (wp.sqrt(to_r / a_t) - wp.float64(1.0)))
    arrive = v_to * wp.sqrt(from_r / a_t)
    dv2 = wp.sqrt(
        wp.max(v_to * v_to + arrive * arrive - wp.float64(2.0) * v_to * arrive * wp.cos(tilt[i]), wp.float64(0.0))
    )
    cost = dv1 + dv2
    intermediate = ratio * wp.max(from_r, to_r)
    leg1 = wp.float64(0.5) * (from_r + intermediate)
    leg2 = wp.float64(0.5) * (to_r + intermediate)
    bi_elliptic = (
        wp.abs(v1 * (wp.sqrt(intermediate / leg1) - wp.float64(1.0)))
        + wp.abs(wp.sqrt(mu / intermediate) * (wp.sqrt(to_r / leg2) - wp.sqrt(from_r / leg1)))
        + wp.abs(v_to * (wp.sqrt(intermediate / leg2) - wp.float64(1.0)))
    )
    if bi_elliptic < cost:
        cost = bi_elliptic
        bi_flag[i] = 1
    costs[i] = cost
    if cost <= dv_budget:
        affordable[i] = 1
    else:
        affordable[i] = 0
    q_a = a_t / to_r
    lead_angle[i] = wp.float64(3.141592653589793) * (wp.float64(1.0) - wp.sqrt(q_a * q_a * q_a))
