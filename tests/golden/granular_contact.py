import warp as wp

DAMPING = wp.constant(3.0)


@wp.kernel
def dem_forces(
    pos: wp.array[wp.vec3],
    max_contact_dist: float,
    particle_radius: wp.array[float],
    velocities: wp.array[wp.vec3],
    neighbor_list: wp.array2d[int],
    modulus: float,
    gammas: wp.array[float],
    force_out: wp.array[wp.vec3],
    contact_count: wp.array[int],
):
    """DEM contact law summed over close pairs."""
    i = wp.tid()
    xi = pos[i]
    radius_i = particle_radius[i]
    vi = velocities[i]
    total_force = wp.vec3(0.0)
    num_contacts = int(0)
    r2_max = max_contact_dist * max_contact_dist
    for s in range(8):
        nbr = neighbor_list[i, s]
        if nbr < 0:
            continue
        if nbr == i:
            continue
        rel = xi - pos[nbr]
        r2 = wp.dot(rel, rel)
        if r2 >= r2_max or r2 < 1e-12:
            continue
        r_len = wp.sqrt(r2)
        rj = particle_radius[nbr]
        gap = r_len - radius_i - rj
        if gap > 0.0:
            continue
        n = rel / r_len
        num_contacts += 1
        vij = vi - velocities[nbr]
        v_n = wp.dot(vij, n)
        dd = wp.max(-gap, 0.0)
        req = radius_i * rj / (radius_i + rj)
        f_n = wp.max(4.0 / 3.0 * modulus * wp.sqrt(req * dd) * dd - DAMPING * v_n, 0.0)
        total_force += n * f_n

    total_force -= vi * gammas[i]

    force_out[i] = total_force
    contact_count[i] = num_contacts
