import warp as wp


@wp.kernel
def collect_absmax(weights_in: wp.array2d[float], cols: int, scales: wp.array[float], global_max: wp.array[float]):
    i = wp.tid()
    top = float(0.0)
    for col in range(cols):
        top = wp.max(top, wp.abs(weights_in[i, col]))
    scales[i] = wp.max(scales[i], wp.max(top, 1e-06) / 255.0)
    wp.atomic_max(global_max, 0, top)
