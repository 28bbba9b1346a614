import warp as wp


@wp.kernel(enable_backward=False)
def sort_chunks(num_valid: wp.array(dtype=int), distances: wp.array2d(dtype=wp.uint64)):
    row = wp.tid()
    size = num_valid[row]
    if size <= 1:
        return
    stride = int(size)
    swapped = int(1)
    while stride > 1 or swapped == 1:
        stride = wp.max(stride * 10 // 13, 1)
        swapped = int(0)
        for i in range(size - stride):
            j = i + stride
            if distances[row, i] > distances[row, j]:
                pivot_key = distances[row, i]
                distances[row, i] = distances[row, j]
                distances[row, j] = pivot_key
                swapped = 1
