from typing import Any

import warp as wp


@wp.kernel(enable_backward=False)
def largest_eigenvalue(
    cluster_group: wp.array[int],
    tensors: wp.array3d[Any],
    steps: int,
    order: int,
    vectors: wp.array2d[Any],
    work: wp.array2d[Any],
    largest: wp.array[Any],
):
    idx = wp.tid()
    if cluster_group[idx] != 0:
        return
    rho = tensors.dtype(0.0)
    for sweep in range(steps):
        for row in range(order):
            total = tensors.dtype(0.0)
            for col in range(order):
                total += wp.mul(tensors[idx, row, col], vectors[idx, col])
            work[idx, row] = total
        sum_sq = tensors.dtype(0.0)
        for i in range(order):
            sum_sq += wp.mul(work[idx, i], work[idx, i])
        nrm = wp.sqrt(sum_sq)
        rho = nrm
        for q in range(order):
            vectors[idx, q] = wp.div(work[idx, q], nrm)
    largest[idx] = rho


wp.overload(largest_eigenvalue, {"tensors": wp.array3d[wp.float64], "vectors": wp.array2d[wp.float64], "work": wp.array2d[wp.float64], "largest": wp.array[wp.float64]})
