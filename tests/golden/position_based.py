import warp as wp


@wp.kernel
def fused_apply_external_forces(
    particle_x: wp.array[wp.vec3d],
    particle_v: wp.array[wp.vec3d],
    x: wp.array[wp.vec3d],
    inv_mass: wp.array[wp.float64],
    particle_group: wp.array[int],
    neighbor_offsets: wp.array[int],
    adjacency: wp.array[int],
    x_prev: wp.array[wp.vec3d],
    normals: wp.array[wp.vec3d],
    plane_offsets: wp.array[wp.float64],
    sub_dt: wp.float64,
    gravity: wp.vec3d,
    diameter: wp.float64,
    radius: wp.float64,
    friction: wp.float64,
    static_friction: wp.float64,
    timestep: wp.float64,
    component_limit: wp.float64,
    v_sleep: wp.float64,
    p_out: wp.array[wp.vec3d],
    predicted_out: wp.array[wp.vec3d],
    contacts_out: wp.array[int],
    predicted: wp.array[wp.vec3d],
    x_out: wp.array[wp.vec3d],
    velocities: wp.array[wp.vec3d],
):
    i = wp.tid()
    p_out[i] = particle_x[i] + (particle_v[i] + gravity * sub_dt) * sub_dt

    if particle_group[i] == 1:
        return
    p_i = x[i]
    wi = inv_mass[i]
    delta = wp.vec3d(wp.float64(0.0))
    hits = int(0)
    for slot in range(neighbor_offsets[i], neighbor_offsets[i + 1]):
        other = adjacency[slot]
        if other == i:
            continue
        d = p_i - x[other]
        dist = wp.length(d)
        if dist >= diameter or dist < wp.float64(1e-06):
            continue
        err = dist - radius * wp.float64(2.0)
        if err >= wp.float64(0.0):
            continue
        delta -= d / dist * (err * (wi / (wi + inv_mass[other])))
        hits += 1
    if hits > 0:
        delta /= wp.float64(hits)
    predicted_out[i] = p_i + delta
    contacts_out[i] = hits

    if particle_group[i] == 1:
        return
    x_i = predicted[i]
    for plane in range(normals.shape[0]):
        normal = normals[plane]
        pen = wp.dot(normal, x_i) - plane_offsets[plane] - radius
        if pen >= wp.float64(0.0):
            continue
        x_i -= normal * pen
        dp = x_i - x_prev[i]
        tangent = dp - normal * wp.dot(dp, normal)
        slip_len = wp.length(tangent)
        if slip_len < -static_friction * pen:
            x_i -= tangent
        else:
            x_i -= tangent * min(-friction * pen / max(slip_len, wp.float64(1e-06)), wp.float64(1.0))
    predicted[i] = x_i

    if particle_group[i] == 2:
        return
    vel = (particle_x[i] - x_prev[i]) / timestep
    vel = wp.max(wp.min(vel, wp.vec3d(component_limit)), -wp.vec3d(component_limit))
    if wp.length(vel) < v_sleep:
        x_out[i] = x_prev[i]
        return
    velocities[i] = vel
    x_out[i] = particle_x[i]
