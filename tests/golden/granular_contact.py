import warp as wp

FLAG_ACTIVE = wp.constant(2)


@wp.struct
class SimParams:
    grain_radius: wp.float32
    search_dist: wp.float32
    kn: wp.float32
    force_range: wp.float32
    rate: wp.float32
    dt: wp.float32
    r_max: wp.float32
    min_radius: wp.float32
    num_walls: wp.int32
    cn: wp.float32
    kt: wp.float32
    m: wp.float32
    g: wp.vec3


@wp.kernel
def fused_grain_mesh_contact(
    geometry: wp.uint64,
    x: wp.array[wp.vec3],
    enabled: wp.array[wp.int32],
    is_static: wp.array[wp.int32],
    radius: wp.array[wp.float32],
    labels: wp.array[wp.int32],
    pos: wp.array[wp.vec3],
    vel: wp.array[wp.vec3],
    grain_flags: wp.array[wp.int32],
    boundaries: wp.array[wp.vec4],
    positions: wp.array[wp.vec3],
    net_force: wp.array[wp.vec3],
    grain_active: wp.array[wp.int32],
    torques: wp.array[wp.vec3],
    rs: wp.array[wp.float32],
    wall_mu: wp.float32,
    config: SimParams,
    forces: wp.array[wp.vec3],
    r_out: wp.array[wp.float32],
    radius_norm: wp.array[wp.float32],
    f_out: wp.array[wp.vec3],
    velocities_out: wp.array[wp.vec3],
    positions_out: wp.array[wp.vec3],
    omega: wp.array[wp.vec3],
    orientations: wp.array[wp.quat],
):
    """Push grains out of a mesh.

    Lubachevsky-Stillinger growth of the radii.

    Penalty forces from the container walls.

    Translate and rotate the grains.
    """
    i = wp.tid()
    if enabled[i] == 0 or is_static[i] == 1:
        return
    x_i = x[i]
    hit = wp.mesh_query_point(geometry, x_i, config.search_dist)
    if hit.result:
        surface_point = wp.mesh_eval_position(geometry, hit.face, hit.u, hit.v)
        to_grain = x_i - surface_point
        sdf = wp.length(to_grain) * hit.sign
        if sdf < config.grain_radius:
            normal = wp.normalize(to_grain) * hit.sign
            force = normal * (config.kn * (config.grain_radius - sdf))
            force = wp.max(
                wp.min(force, wp.vec3(config.force_range, config.force_range, config.force_range)),
                -wp.vec3(config.force_range, config.force_range, config.force_range),
            )
            forces[i] = force

    # lubachevsky-Stillinger growth of the radii
    if labels[i] == 1:
        return
    r = radius[i]
    next_r = r * (1.0 + config.rate * config.dt)
    next_r = wp.min(next_r, config.r_max)
    next_r = wp.clamp(next_r, config.min_radius, config.r_max)
    r_out[i] = next_r
    radius_norm[i] = wp.abs(next_r)

    # penalty forces from the container walls
    if (grain_flags[i] & FLAG_ACTIVE) == 0:
        return
    pos_i = pos[i]
    vel_i = vel[i]
    f = wp.vec3(0.0)
    for wall in range(config.num_walls):
        pl = boundaries[wall]
        n = wp.vec3(pl[0], pl[1], pl[2])
        gap = wp.dot(n, pos_i) + pl[3] - radius[i]
        if gap >= 0.0:
            continue
        v_n = wp.dot(vel_i, n)
        f_n = -config.kn * gap - config.cn * wp.min(v_n, 0.0)
        f += n * f_n
        slip = vel_i - n * v_n
        vt_len = wp.length(slip)
        if vt_len > 1e-06:
            f -= slip * (wp.min(config.kt * vt_len, wall_mu * f_n) / vt_len)
    f_out[i] = f

    # translate and rotate the grains
    if grain_active[i] == 0:
        return
    v = vel[i] + (net_force[i] / config.m + config.g) * config.dt
    velocities_out[i] = v
    positions_out[i] = positions[i] + v * config.dt

    # rotation
    inertia = 0.4 * config.m * rs[i] * rs[i]
    spin = omega[i] + torques[i] * (config.dt / inertia)
    omega[i] = spin
    theta = wp.length(spin) * config.dt
    if theta > 1e-08:
        orientations[i] = wp.quat_from_axis_angle(wp.normalize(spin), theta) * orientations[i]
