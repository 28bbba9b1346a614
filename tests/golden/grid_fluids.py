import warp as wp


@wp.struct
class SolverParams:
    dt_over_dx: float
    decay: float


@wp.func
def bilinear(src: wp.array2d[float], pos: wp.vec2):
    cy = wp.clamp(pos[1], 0.0, float(src.shape[0] - 1) - 0.001)
    px = wp.clamp(pos[0], 0.0, float(src.shape[1] - 1) - 0.001)
    yf = wp.floor(cy)
    xf = wp.floor(px)
    wy = cy - yf
    wx = px - xf
    y_lo = int(yf)
    y_hi = wp.min(y_lo + 1, src.shape[0] - 1)
    x_lo = int(xf)
    x_hi = wp.min(x_lo + 1, src.shape[1] - 1)
    return (
        src[y_lo, x_lo] * ((1.0 - wy) * (1.0 - wx))
        + src[y_lo, x_hi] * ((1.0 - wy) * wx)
        + src[y_hi, x_lo] * (wy * (1.0 - wx))
        + src[y_hi, x_hi] * (wy * wx)
    )


@wp.func
def bilerp(q: wp.array2d[wp.vec2], xy: wp.vec2):
    cy = wp.clamp(xy[1], 0.0, float(q.shape[0] - 1) - 0.001)
    xx = wp.clamp(xy[0], 0.0, float(q.shape[1] - 1) - 0.001)
    fy = wp.floor(cy)
    fx = wp.floor(xx)
    wy = cy - fy
    u = xx - fx
    y_lo = int(fy)
    y1 = wp.min(y_lo + 1, q.shape[0] - 1)
    x0 = int(fx)
    x1 = wp.min(x0 + 1, q.shape[1] - 1)
    row0 = q[y_lo, x0] * (1.0 - u) + q[y_lo, x1] * u
    high = q[y1, x0] * (1.0 - u) + q[y1, x1] * u
    return row0 * (1.0 - wy) + high * wy


@wp.kernel(module="unique")
def semi_lagrangian(
    velocity: wp.array2d[wp.vec2],
    density: wp.array2d[float],
    temperature: wp.array2d[float],
    config: SolverParams,
    q_next: wp.array2d[float],
    temperature_out: wp.array2d[float],
):
    iy, ix = wp.tid()
    vel_c = velocity[iy, ix]
    mid_y = float(iy) - 0.5 * config.dt_over_dx * vel_c[1]
    mid_x = float(ix) - 0.5 * config.dt_over_dx * vel_c[0]
    v_mid = bilerp(velocity, wp.vec2(mid_x, mid_y))
    back_y = float(iy) - config.dt_over_dx * v_mid[1]
    src_x = float(ix) - config.dt_over_dx * v_mid[0]
    sampled = bilinear(density, wp.vec2(src_x, back_y))
    temperature_out[iy, ix] = bilinear(temperature, wp.vec2(src_x, back_y)) * config.decay
    q_next[iy, ix] = wp.clamp(sampled, 0.0, 1.0)
