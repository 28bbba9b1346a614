from typing import Any

import warp as wp


@wp.kernel
def feature_moments(table: wp.array2d[Any], row_entropy: wp.array[Any]):
    row = wp.tid()
    mass = table.dtype(0.0)
    entropy = table.dtype(0.0)
    for col in range(int(24)):
        mass += table[row, col]
    for j in range(int(24)):
        share = table[row, j] / mass
        entropy -= share * wp.log(share)
    row_entropy[row] = entropy


wp.overload(feature_moments, {"table": wp.array2d[float], "row_entropy": wp.array[float]})
