import warp as wp


@wp.kernel
def lookup(src: wp.array[int], perm: wp.array[int], result: wp.array2d[int]):
    i, m = wp.tid()
    j = perm[i]
    result[i, m] = src[j]
