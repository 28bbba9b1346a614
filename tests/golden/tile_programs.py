import warp as wp


@wp.kernel(enable_backward=False)
def mark_cells(group_ids: wp.array2d[int], codes: wp.array2d[int], occupancy: wp.array2d[int]):
    """Lanes cooperate on one shared structure."""
    s, t = wp.tid()
    flags = wp.tile_zeros(shape=16, dtype=int, storage="shared")
    rounds = wp.floordiv(wp.sub(group_ids.shape[1] + wp.block_dim(), 1), wp.block_dim())
    for chunk in range(rounds):
        item = wp.add(wp.mul(chunk, wp.block_dim()), t)
        target = int(0)
        bit_mask = int(0)
        if item < group_ids.shape[1]:
            target = group_ids[s, item]
            bit_mask = 1 << codes[s, item]
        wp.tile_bit_xor_inplace(flags, target, bit_mask)
    wp.tile_store(occupancy[s], flags)
