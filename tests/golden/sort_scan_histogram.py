import warp as wp

FLAG_ACTIVE = wp.constant(wp.uint32(2))


@wp.struct
class HistogramState:
    state_flags: wp.uint32


@wp.kernel
def percentile_per_row(
    bins: wp.array3d[float],
    histograms: wp.array2d[HistogramState],
    quantile: float,
    range_min: float,
    bin_size: float,
    cut_values: wp.array2d[float],
):
    scene, row = wp.tid()
    if (histograms[scene, row].state_flags & FLAG_ACTIVE) == wp.uint32(0):
        return
    mass = float(0.0)
    for j in range(bins.shape[2]):
        mass += bins[scene, row, j]
    if mass <= 0.0:
        return
    running = float(0.0)
    at = int(0)
    target = quantile * mass
    while at < bins.shape[2] - 1 and running + bins[scene, row, at] < target:
        running += bins[scene, row, at]
        at += 1
    inside = bins[scene, row, at]
    if inside > 0.0:
        t = min((target - running) / inside, 1.0)
    else:
        t = float(0.5)
    cut_values[scene, row] = range_min + (float(at) + t) * bin_size
