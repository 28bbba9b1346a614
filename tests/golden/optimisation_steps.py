from typing import Any

import warp as wp


@wp.kernel
def check_optimality(
    bound_count: int,
    bound_group: wp.array2d[int],
    c: wp.array2d[Any],
    multipliers: wp.array2d[Any],
    max_primal: wp.array[Any],
    max_dual: wp.array[Any],
    max_gap: wp.array[Any],
    eps: Any,
    tags: wp.array2d[int],
):
    w, tid = wp.tid()
    if tid >= bound_count:
        return
    if bound_group[w, tid] == 1:
        return
    c_val = c[w, tid]
    primal = wp.max(c_val, c.dtype(0.0))
    lam_neg = wp.max(-multipliers[w, tid], c.dtype(0.0))
    product = wp.abs(multipliers[w, tid] * c_val)
    wp.atomic_max(max_primal, w, primal)
    wp.atomic_max(max_dual, w, lam_neg)
    wp.atomic_max(max_gap, w, wp.abs(product))
    tag = int(0)
    if c_val > -eps and multipliers[w, tid] > eps:
        tag = 1
    elif c_val > eps:
        tag = 2
    tags[w, tid] = tag


wp.overload(check_optimality, {"c": wp.array2d[wp.float64], "multipliers": wp.array2d[wp.float64], "max_primal": wp.array[wp.float64], "max_dual": wp.array[wp.float64], "max_gap": wp.array[wp.float64], "eps": wp.float64})
