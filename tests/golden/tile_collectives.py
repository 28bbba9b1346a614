import warp as wp


@wp.func
def supports(x: wp.vec2, p0: wp.vec2, p1: wp.vec2):
    line = p1 - p0
    span = wp.length(line)
    if span < 0.0001:
        return 0
    gap = wp.abs(line.x * (x.y - p0.y) - line.y * (x.x - p0.x)) / span
    return wp.where(gap < 0.2, 1, 0)


@wp.kernel(enable_backward=False)
def ransac_lines(points: wp.array[wp.vec2], seed: int, support_out: wp.array[int], lines: wp.array[wp.vec2i]):
    b = wp.tid()
    state = wp.rand_init(seed, b)
    xy = wp.tile_load(points, shape=16, storage="shared")
    pairs_t = wp.tile_randi(shape=8, rng=state, min=0, max=16)
    most = int(-1)
    ia = int(0)
    second = int(0)
    for round_id in range(4):
        u0 = pairs_t[2 * round_id]
        u1 = pairs_t[2 * round_id + 1]
        count_v = wp.tile_sum(
            wp.tile_map(
                supports, xy, wp.tile_full(shape=16, value=xy[u0], dtype=wp.vec2), wp.tile_full(shape=16, value=xy[u1])
            )
        )[0]
        if count_v > most:
            most = count_v
            ia = u0
            second = u1
    support_out[b] = most
    lines[b] = wp.vec2i(ia, second)
