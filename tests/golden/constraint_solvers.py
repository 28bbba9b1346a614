from typing import Any

import warp as wp


@wp.kernel(module="unique")
def cg_direction(
    is_done: wp.array(dtype=bool),
    grad: wp.array2d(dtype=Any),
    beta: wp.array(dtype=Any),
    beta_max: Any,
    slope_cutoff: Any,
    search: wp.array2d(dtype=Any),
    slope_flags: wp.array2d(dtype=int),
    min_slope: wp.array(dtype=Any),
):
    worldid, dofid = wp.tid()
    if is_done[worldid]:
        return
    if beta[worldid] > beta_max:
        search[worldid, dofid] = -grad[worldid, dofid]
        return
    search[worldid, dofid] = beta[worldid] * search[worldid, dofid] - grad[worldid, dofid]
    slope = grad[worldid, dofid] * grad[worldid, dofid]
    slope_flags[worldid, dofid] = wp.where(slope > slope_cutoff, 1, 0)
    wp.atomic_min(min_slope, worldid, slope)


wp.overload(
    cg_direction,
    {
        "grad": wp.array2d(dtype=float),
        "beta": wp.array(dtype=float),
        "beta_max": float,
        "slope_cutoff": float,
        "search": wp.array2d(dtype=float),
        "min_slope": wp.array(dtype=float),
    },
)
