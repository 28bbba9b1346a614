import warp as wp


@wp.func
def spring_tension(length: float, rest: float, ke: float, k2: float) -> float:
    """Tension along a spring."""
    strain = (length - rest) / rest
    return ke * (strain + k2 * strain * strain * strain)


@wp.kernel(module="unique")
def spring_forces(
    spring_indices: wp.array[wp.vec2i],
    particle_q: wp.array[wp.vec3],
    rest_lengths: wp.array[float],
    ks: wp.array[float],
    particle_qd: wp.array[wp.vec3],
    hardening: float,
    spring_kd: float,
    net_force: wp.array[wp.vec3],
    strain_out: wp.array[float],
):
    """One thread per spring."""
    spring_id = wp.tid()
    conn = spring_indices[spring_id]
    i = conn.x
    j = conn.y
    edge_vec = particle_q[i] - particle_q[j]
    dist = wp.length(edge_vec)
    if dist < 1e-06:
        return
    direction = wp.normalize(edge_vec)
    closing = wp.dot(particle_qd[i] - particle_qd[j], direction)
    spring_force = (
        direction
        * (spring_tension(dist, rest_lengths[spring_id], ks[spring_id], hardening) + spring_kd * closing)
    )
    wp.atomic_sub(net_force, i, spring_force)
    wp.atomic_add(net_force, j, spring_force)
    strain_out[spring_id] = (dist - rest_lengths[spring_id]) / rest_lengths[spring_id]
