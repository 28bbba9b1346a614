import warp as wp


@wp.kernel
def mode_seeking(
    samples: wp.array(dtype=wp.vec2d),
    modes: wp.array(dtype=wp.vec2d),
    mask: wp.array(dtype=wp.int32),
    radius: wp.float64,
    iterations: wp.int32,
    eps: wp.float64,
):
    """Mean-shift iterations from every seed."""
    idx = wp.tid()
    if mask[idx] == 0:
        return
    xi = modes[idx]
    for _ in range(iterations):
        acc = wp.vec2d(wp.float64(0.0))
        wsum = wp.float64(0.0)
        for q in range(samples.shape[0]):
            diff = samples[q] - xi
            r2 = wp.dot(diff, diff) / (radius * radius)
            weight = wp.exp(wp.float64(-0.5) * r2)
            acc += samples[q] * weight
            wsum += weight
        if wsum <= wp.float64(1e-06):
            break
        moved = acc / wsum - xi
        xi = xi + moved
        if wp.length(moved) < eps:
            break
    modes[idx] = xi
