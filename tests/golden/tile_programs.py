import warp as wp


@wp.kernel
def reduce_per_env(
    residuals: wp.array2d(dtype=wp.float64),
    weights: wp.array(dtype=wp.float64),
    costs: wp.array(dtype=wp.float64),
):
    world, lane = wp.tid()
    bdim = wp.block_dim()
    partial = wp.float64(0.0)
    for j in range(lane, residuals.shape[1], bdim):
        v = residuals[world, j] * weights[j]
        partial += v

    block_cost = wp.tile_reduce(wp.add, wp.tile(partial))
    if lane == 0:
        costs[world] = block_cost[0]
