import warp as wp

SPREAD_0 = wp.constant(wp.uint32(16711935))
MORTON_MASK_1 = wp.constant(wp.uint32(252645135))
MORTON_MASK_2 = wp.constant(wp.uint32(858993459))
MASK_3 = wp.constant(wp.uint32(1431655765))


@wp.func
def dilate_2(x: wp.uint32) -> wp.uint32:
    """Inserts 1 zero bit after each bit."""
    bits = wp.uint32(x)
    bits = (bits | (bits << wp.uint32(8))) & SPREAD_0
    bits = (bits | (bits << wp.uint32(4))) & MORTON_MASK_1
    bits = (bits | (bits << wp.uint32(2))) & MORTON_MASK_2
    bits = (bits | (bits << wp.uint32(1))) & MASK_3
    return bits


@wp.func
def interleave(x: wp.uint32, y: wp.uint32) -> wp.uint32:
    return dilate_2(x) | (dilate_2(y) << wp.uint32(1))


@wp.kernel(enable_backward=False)
def assign_codes(x: wp.array[wp.vec2], lower: wp.vec2, upper: wp.vec2, morton_out: wp.array[wp.uint32]):
    """Morton code of every point."""
    i = wp.tid()
    unit = wp.cw_div(x[i] - lower, upper - lower)
    ix = wp.uint32(unit.x * 65535.0)
    qy = wp.uint32(unit.y * 65535.0)
    morton_out[i] = interleave(ix, qy)
