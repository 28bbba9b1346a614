import warp as wp


@wp.kernel(enable_backward=False)
def gram_schmidt_step(
    frozen: wp.array[wp.int32],
    basis: wp.array3d[wp.float64],
    h: wp.array2d[wp.float64],
    scale: wp.array[wp.float64],
    num_rows: wp.int32,
    step_count: wp.int32,
    q: wp.array2d[wp.float64],
):
    w, idx = wp.tid()
    if idx >= num_rows:
        return
    if frozen[w] != 0:
        return
    value = q[w, idx]
    for col in range(step_count):
        value -= basis[col, w, idx] * h[w, col]
    value *= scale[w]
    q[w, idx] = value
