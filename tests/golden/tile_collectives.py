import warp as wp


@wp.func
def is_inlier(p_i: wp.vec2, p0: wp.vec2, p1: wp.vec2):
    d = p1 - p0
    span = wp.length(d)
    if span < 0.0001:
        return 0
    dist = wp.abs(d.x * (p_i.y - p0.y) - d.y * (p_i.x - p0.x)) / span
    return wp.where(dist < 0.05, 1, 0)


@wp.kernel(enable_backward=False, module="unique")
def consensus_fit(
    edgels: wp.array[wp.vec2],
    seed: int,
    rounds: int,
    votes_out: wp.array[int],
    model_pairs: wp.array[wp.vec2i],
):
    block = wp.tid()
    stream = wp.rand_init(seed, block)
    pts = wp.tile_load(edgels, shape=16, storage="shared")
    pairs_t = wp.tile_randi(shape=6, rng=stream, min=0, max=16)
    support = int(-1)
    ia = int(0)
    ib = int(0)
    for round_id in range(rounds):
        i = pairs_t[2 * round_id]
        pb = pairs_t[2 * round_id + 1]
        inl = (
            wp.tile_sum(wp.tile_map(is_inlier, pts, wp.tile_full(shape=16, value=pts[i]), wp.tile_full(shape=16, value=pts[pb])))[0]
        )
        if i != pb and inl > support:
            support = inl
            ia = i
            ib = pb
    votes_out[block] = support
    model_pairs[block] = wp.vec2i(ia, ib)
