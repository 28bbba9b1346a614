import warp as wp


@wp.kernel
def update_particles(
    x: wp.array[wp.vec3d],
    velocities: wp.array[wp.vec3d],
    inv_mass: wp.array[wp.float64],
    material_id: wp.array[int],
    air_drags: wp.array[wp.float64],
    rest_positions: wp.array[wp.vec3d],
    h: wp.float64,
    g: wp.vec3d,
    spring_ke: wp.float64,
    well_center: wp.vec3d,
    well_strength: wp.float64,
    softening: wp.float64,
    t: wp.float64,
    gust: wp.float64,
    frequency: wp.float64,
    positions_out: wp.array[wp.vec3d],
    velocities_out: wp.array[wp.vec3d],
):
    i = wp.tid()
    xi = x[i]
    vel = velocities[i]
    inv_m = inv_mass[i]
    f = wp.vec3d(wp.float64(0.0))
    # air drag
    f += -air_drags[material_id[i]] * wp.length(vel) * vel
    f += spring_ke * (rest_positions[i] - xi)
    r = well_center - xi
    d2 = wp.dot(r, r) + softening * softening
    f += r * (well_strength / (d2 * wp.sqrt(d2)))
    arg = xi.x * frequency + t
    f += wp.vec3d(wp.sin(arg), wp.cos(arg), wp.sin(arg * wp.float64(2.0))) * gust
    accel = f * inv_m + g

    vel += accel * h
    xi += vel * h

    # collisions

    positions_out[i] = xi
    velocities_out[i] = vel
