import warp as wp

VOXEL_ACTIVE = wp.constant(1)


@wp.func
def gather_bits(v: wp.uint32) -> wp.uint32:
    r = v & wp.uint32(153391689)
    r = (r | (r >> wp.uint32(2))) & wp.uint32(51130563)
    r = (r | (r >> wp.uint32(4))) & wp.uint32(50393103)
    r = (r | (r >> wp.uint32(8))) & wp.uint32(50331903)
    r = (r | (r >> wp.uint32(16))) & wp.uint32(1023)
    return r


@wp.kernel
def cell_from_key(
    morton: wp.array[wp.uint32],
    flags: wp.array[int],
    cell_size: float,
    lower: wp.vec3,
    cell_centers: wp.array[wp.vec3],
):
    idx = wp.tid()
    if (flags[idx] & VOXEL_ACTIVE) == 0:
        return
    v = morton[idx]
    i = int(gather_bits(v))
    j = int(gather_bits(v >> wp.uint32(1)))
    l = int(gather_bits(v >> wp.uint32(2)))
    cell_centers[idx] = lower + wp.vec3(float(i) + 0.5, float(j) + 0.5, float(l) + 0.5) * cell_size
