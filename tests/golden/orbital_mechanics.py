import warp as wp

MU_EARTH = wp.constant(398600.4418)
RE = wp.constant(6378.137)


@wp.func
def inverse_square(d: wp.vec3) -> wp.vec3:
    s = wp.length(d)
    return d / (s * s * s)


@wp.func
def calc_acc(x: wp.vec3, r_mag: float) -> wp.vec3:
    return x * (-MU_EARTH / (r_mag * r_mag * r_mag))


@wp.func
def compute_density(x: wp.vec3, scale_height: float) -> float:
    return wp.exp(-(wp.length(x) - RE) / scale_height)


@wp.kernel(grid_stride=False)
def cowell_step(
    dt: float,
    cd_a_m: float,
    scale_height: float,
    radiation: float,
    sun_direction: wp.vec3,
    third_body: wp.vec3,
    gm_third: float,
    positions: wp.array(dtype=wp.vec3),
    velocities: wp.array(dtype=wp.vec3),
):
    """Integrate every satellite by one step."""
    sat = wp.tid()
    x = positions[sat]
    v_i = velocities[sat]
    r2 = wp.dot(x, x)
    v_i += x * (-MU_EARTH / (r2 * wp.sqrt(r2))) * (0.5 * dt)
    x += v_i * dt
    r_mag = wp.length(x)
    acc = calc_acc(x, r_mag)
    density = compute_density(x, scale_height)
    acc += v_i * (-0.5 * cd_a_m * density * wp.length(v_i))
    along = wp.dot(x, sun_direction)
    off_axis = wp.length(x - sun_direction * along)
    penumbra = wp.clamp((off_axis - RE) / 127.56273999999999 + 0.5, 0.0, 1.0)
    acc += sun_direction * (-radiation * wp.where(along > 0.0, 1.0, penumbra))
    rel_m = third_body - x
    acc += (inverse_square(rel_m) - inverse_square(third_body)) * gm_third
    v_i += acc * (0.5 * dt)
    positions[sat] = x
    velocities[sat] = v_i
