import warp as wp


@wp.func
def sph_kernel(dist: float, radius: float) -> float:
    if dist >= radius:
        return 0.0
    diff = radius * radius - dist * dist
    return diff * diff * diff * (1.5666814 / wp.pow(radius, 9.0))


@wp.kernel(enable_backward=False)
def density_summation(
    positions: wp.array[wp.vec3],
    smoothing_length: float,
    particle_mass: float,
    particle_active: wp.array[int],
    particle_asleep: wp.array[int],
    offsets: wp.array[int],
    adjacency: wp.array[int],
    boundary_x: wp.array[wp.vec3],
    wall_mass: wp.array[float],
    particle_rho: wp.array[float],
    coordination: wp.array[int],
):
    i = wp.tid()
    if particle_active[i] == 0 or particle_asleep[i] == 1:
        return
    x = positions[i]
    rho_i = float(0.0)
    count = int(0)
    r2_max = smoothing_length * smoothing_length
    begin = offsets[i]
    stop = offsets[i + 1]
    for s in range(begin, stop):
        nbr = adjacency[s]
        delta = x - positions[nbr]
        dist_sq = wp.dot(delta, delta)
        if dist_sq >= r2_max:
            continue
        d = wp.sqrt(dist_sq)
        rho_i += particle_mass * sph_kernel(d, smoothing_length)
        count += 1

    for s in range(boundary_x.shape[0]):
        dist_b = wp.length(x - boundary_x[s])
        if dist_b < smoothing_length:
            rho_i += wall_mass[s] * sph_kernel(dist_b, smoothing_length)

    particle_rho[i] = rho_i
    coordination[i] = count
