import warp as wp


@wp.kernel
def scale_rows(scores: wp.array3d[float], gamma: wp.array[float], probs: wp.array3d[float]):
    batch, row = wp.tid()
    v = wp.tile_load(scores[batch, row], shape=16)
    norm = wp.tile_max(wp.tile_map(wp.abs, v))[0]
    v = v * (1.0 / wp.max(norm, 1e-06))
    g = wp.tile_load(gamma, shape=16)
    v = v * g
    wp.tile_store(probs[batch, row], v)
