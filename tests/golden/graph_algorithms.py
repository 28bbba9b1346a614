import warp as wp


@wp.kernel(enable_backward=False)
def expand_frontier(
    levels: wp.array[int],
    row_offsets: wp.array[int],
    adjacency: wp.array[int],
    level: int,
    dist_out: wp.array[int],
    discovered: wp.array[int],
    predecessor: wp.array[int],
):
    v = wp.tid()
    if levels[v] != level:
        return
    row_start = row_offsets[v]
    row_end = row_offsets[v + 1]
    for edge in range(row_start, row_end):
        nbr = adjacency[edge]
        if levels[nbr] >= 0:
            continue
        wp.atomic_min(dist_out, nbr, level + 1)
        wp.atomic_min(predecessor, nbr, v)
        wp.atomic_max(discovered, nbr, 1)
