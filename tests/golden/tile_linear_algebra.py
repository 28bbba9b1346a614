import warp as wp


@wp.kernel
def advect_markers(
    forces: wp.array2d(dtype=wp.vec3),
    directions: wp.array2d(dtype=wp.vec3),
    h: float,
    velocities: wp.array2d(dtype=wp.vec3),
    positions: wp.array2d(dtype=wp.vec3),
):
    """Batched over independent problems."""
    env = wp.tid()
    v = wp.tile_load(velocities[env], shape=12)
    ft = wp.tile_load(forces[env], shape=12)
    mode = wp.tile_load(directions[env], shape=12)
    coef = wp.tile_dot(ft, mode)[0] / wp.max(wp.tile_dot(mode, mode)[0], 0.001)
    wp.tile_axpy(-coef, mode, ft)
    wp.tile_axpy(h, ft, v)
    wp.tile_store(velocities[env], v)
    pos = wp.tile_load(positions[env], shape=12)
    wp.tile_axpy(h, v, pos)
    wp.tile_store(positions[env], pos)
