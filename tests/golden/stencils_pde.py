import warp as wp

DX = 1.0
ALPHA = wp.constant(0.92)


@wp.kernel(grid_stride=False)
def diffuse(
    u_in: wp.array2d(dtype=float),
    active: wp.array2d(dtype=bool),
    res_x: int,
    ambient: float,
    loss: float,
    time_step: float,
    u_out: wp.array2d(dtype=float),
    partial_delta: wp.array(dtype=float),
):
    """One conduction step."""
    iy, ix = wp.tid()
    if not active[iy, ix]:
        u_out[iy, ix] = u_in[iy, ix]
        return
    c = u_in[iy, ix]
    inv_dx2 = 1.0 / (DX * DX)
    acc = float(0.0)
    for dr in range(-1, 2):
        rr = wp.clamp(iy + dr, 0, active.shape[0] - 1)
        for dc in range(-1, 2):
            xx = wp.clamp(ix + dc, 0, res_x - 1)
            w = 0.5 if dr * dc == 0 else 0.25
            acc += w * (u_in[rr, xx] - c) * inv_dx2
    result = c + time_step * (ALPHA * acc - loss * (c - ambient))
    u_out[iy, ix] = result
    wp.atomic_add(partial_delta, iy // 2, wp.abs(result - c))
