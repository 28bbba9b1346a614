from enum import IntFlag

import warp as wp


class Status(IntFlag):
    VALID = 1
    NOISY = 2
    SATURATED = 4
    STALE = 8


VARIANT = wp.constant(0)


@wp.kernel
def midpoints_fused(
    low: wp.array2d[float],
    high: wp.array2d[float],
    raw: wp.array2d[float],
    full_scale: float,
    alpha: float,
    target: float,
    out: wp.array2d[float],
    quality: wp.array2d[int],
    accepted: wp.array2d[float],
    filtered: wp.array2d[float],
):
    scene, idx = wp.tid()
    limits = (low[scene, idx], high[scene, idx])
    out[scene, idx] = wp.clamp((raw[scene, idx] - limits[0]) / (limits[1] - limits[0]), 0.0, 1.0)

    f = quality[scene, idx]
    if raw[scene, idx] > full_scale:
        f = wp.bit_or(f, Status.NOISY)
    else:
        f = wp.bit_and(f, wp.invert(Status.NOISY))
    if raw[scene, idx] > full_scale:
        f = wp.bit_or(f, Status.SATURATED)
    else:
        f = wp.bit_and(f, wp.invert(Status.SATURATED))
    if wp.bit_and(f, Status.NOISY) != 0 or wp.bit_and(f, Status.STALE) != 0:
        f = wp.bit_and(f, wp.invert(Status.VALID))
    quality[scene, idx] = f
    if wp.bit_and(f, Status.VALID) != 0:
        accepted[scene, idx] = raw[scene, idx]

    value = raw[scene, idx]
    if VARIANT == 0:
        value += alpha * (target - value)
    elif VARIANT == 1:
        value = target + (value - target) * wp.exp(-alpha)
    else:
        value = (value + alpha * target) / (1.0 + alpha)
    filtered[scene, idx] = value
