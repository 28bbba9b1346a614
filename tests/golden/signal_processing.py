from typing import Any

import warp as wp


@wp.kernel
def spectral_centroid(mag: wp.array2d[Any], bins: int, bin_hz: Any, centroid: wp.array[Any], loudest: wp.array[Any]):
    f = wp.tid()
    total = mag.dtype(0.0)
    weighted = mag.dtype(0.0)
    for i in range(bins):
        v = mag[f, i]
        total += v
        weighted += mag.dtype(i) * bin_hz * v
    centre = weighted / total
    centroid[f] = centre
    wp.atomic_max(loudest, 0, total)


wp.overload(spectral_centroid, {"mag": wp.array2d[wp.float64], "bin_hz": wp.float64, "centroid": wp.array[wp.float64], "loudest": wp.array[wp.float64]})
