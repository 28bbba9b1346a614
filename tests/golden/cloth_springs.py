import warp as wp


@wp.kernel
def node_forces(
    pos: wp.array2d(dtype=wp.vec2),
    velocities: wp.array2d(dtype=wp.vec2),
    dts: wp.array(dtype=float),
    inverse_mass: wp.array2d(dtype=float),
    spacing: float,
    ks: float,
    kd: float,
    reach: int,
    f_threshold: float,
    v_next: wp.array2d(dtype=wp.vec2),
    new_positions: wp.array2d(dtype=wp.vec2),
    num_loaded: wp.array(dtype=int),
):
    scene, i = wp.tid()
    xi = pos[scene, i]
    v_i = velocities[scene, i]
    force = wp.vec2(0.0)
    begin = max(i - reach, 0)
    end = min(i + reach + 1, velocities.shape[1])
    for j in range(begin, end):
        d = pos[scene, j] - xi
        l = wp.length(d)
        if l < 1e-06:
            continue
        axis = d / l
        force += axis * (ks * (l - spacing) + kd * wp.dot(velocities[scene, j] - v_i, axis))

    # output
    vn = v_i + force * (inverse_mass[scene, i] * dts[scene])
    v_next[scene, i] = vn
    new_positions[scene, i] = xi + vn * dts[scene]
    if wp.length(force) > f_threshold:
        wp.atomic_add(num_loaded, scene, 1)
