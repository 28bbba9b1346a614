import warp as wp


@wp.kernel(enable_backward=False, module="unique")
def neighbor_search(
    positions: wp.array[wp.vec2],
    mask: wp.array[int],
    cell_start: wp.array[int],
    sorted_ids: wp.array[int],
    cutoff: float,
    cell_width: float,
    origin: wp.vec2,
    nx: int,
    dim_y: int,
    centroids: wp.array[wp.vec2],
):
    idx = wp.tid()
    if mask[idx] == 0:
        return
    p_i = positions[idx]
    d = p_i - origin
    ix = int(wp.floor(d.x / cell_width))
    iy = int(wp.floor(d.y / cell_width))
    acc = wp.vec2(0.0)
    found = int(0)
    for dx in range(-1, 2):
        for oy in range(-1, 2):
            gx = ix + dx
            ny = iy + oy
            if (gx < 0 or gx >= nx) or (ny < 0 or ny >= dim_y):
                continue
            cell = gx * dim_y + ny
            for s in range(cell_start[cell], cell_start[cell + 1]):
                nbr = sorted_ids[s]
                if nbr == idx:
                    continue
                r = wp.length(positions[nbr] - p_i)
                if r > cutoff:
                    continue
                acc += positions[nbr]
                found += 1
    if found > 0:
        centroids[idx] = acc / float(found)
