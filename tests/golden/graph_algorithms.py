import warp as wp


@wp.kernel(enable_backward=False)
def assign_components(
    ancestor: wp.array[int],
    vertex_count: int,
    rounds: int,
    component: wp.array[int],
    depths: wp.array[int],
):
    tid = wp.tid()
    if tid >= vertex_count:
        return
    node = int(tid)
    depth = int(0)
    while ancestor[node] >= 0 and depth < rounds:
        node = ancestor[node]
        depth += 1
    component[tid] = node
    depths[tid] = depth
