from typing import Any

import warp as wp


@wp.kernel
def gated_backward(
    upstream: wp.array2d(dtype=Any),
    pre_activation: wp.array2d(dtype=Any),
    gate_value: wp.array2d(dtype=Any),
    scale: Any,
    du: wp.array2d(dtype=Any),
    dz: wp.array2d(dtype=Any),
):
    """Gradient of a dense layer."""
    flat = wp.tid()
    c = flat % 8
    i = flat // 8
    pre = pre_activation[i, c]
    s = wp.div_approx(upstream.dtype(1.0), upstream.dtype(1.0) + wp.exp(-pre))
    upstream_g = upstream[i, c] * scale
    du[i, c] = upstream_g * (pre * s)
    dz[i, c] = upstream_g * gate_value[i, c] * (s * (upstream.dtype(1.0) + pre * (upstream.dtype(1.0) - s)))


wp.overload(
    gated_backward,
    {
        "upstream": wp.array2d(dtype=float),
        "pre_activation": wp.array2d(dtype=float),
        "gate_value": wp.array2d(dtype=float),
        "scale": float,
        "du": wp.array2d(dtype=float),
        "dz": wp.array2d(dtype=float),
    },
)
