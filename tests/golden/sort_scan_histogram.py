import warp as wp


def get_percentile_from_counts(fraction: float):
    @wp.kernel
    def percentile_from_counts(
        counts: wp.array2d[float],
        num_bins: int,
        origin: float,
        bin_size: float,
        cut_values: wp.array[float],
    ):
        h = wp.tid()
        total = float(0.0)
        for j in range(num_bins):
            total += counts[h, j]
        if total <= 0.0:
            return
        cumulative = float(0.0)
        k_bin = int(0)
        goal = fraction * total
        while k_bin < num_bins - 1 and cumulative + counts[h, k_bin] < goal:
            cumulative += counts[h, k_bin]
            k_bin += 1
        n_here = counts[h, k_bin]
        frac_in = float(0.5)
        if n_here > 0.0:
            frac_in = wp.min((goal - cumulative) / n_here, 1.0)
        cut_values[h] = origin + (float(k_bin) + frac_in) * bin_size

    return percentile_from_counts


percentile_from_counts = get_percentile_from_counts(0.64)
