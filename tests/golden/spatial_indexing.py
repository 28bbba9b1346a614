import warp as wp


@wp.kernel
def find_cell_bounds(
    keys: wp.array(dtype=wp.uint64),
    permutation: wp.array(dtype=int),
    points: wp.array(dtype=wp.vec3),
    first: wp.array(dtype=int),
    last: wp.array(dtype=int),
    is_head: wp.array(dtype=int),
    sorted_positions: wp.array(dtype=wp.vec3),
):
    """Boundaries of equal keys."""
    idx = wp.tid()
    mine = keys[idx]
    if idx == 0:
        first[int(mine)] = idx
        is_head[idx] = 1
    else:
        if keys[idx - 1] != mine:
            first[int(mine)] = idx
            is_head[idx] = 1
    follow = wp.min(idx + 1, keys.shape[0] - 1)
    if idx == keys.shape[0] - 1 or keys[follow] != mine:
        last[int(mine)] = idx + 1
    sorted_positions[idx] = points[permutation[idx]]
