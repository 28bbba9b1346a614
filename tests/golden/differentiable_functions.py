from typing import Any

import warp as wp

SMOOTH_WIDTH = wp.constant(0.05)


@wp.func
def soft_abs(r: float, eps: float) -> float:
    return wp.sqrt(r * r + eps * eps) - eps


@wp.func_grad(soft_abs)
def adj_soft_abs(r: float, eps: float, adj_result: float):
    wp.adjoint[r] += adj_result * r / wp.sqrt(r * r + eps * eps)


@wp.func
def robust_term(x: float) -> float:
    return soft_abs(x, SMOOTH_WIDTH)


@wp.func
def both_roots(p0: float, b: float) -> tuple[float, float]:
    disc = wp.sqrt(b * b + 4.0 * p0)
    return 0.5 * (b - disc), 0.5 * (b + disc)


@wp.kernel
def stable_forward_pass(
    x: wp.array[Any],
    gains: wp.array[Any],
    targets: wp.array[Any],
    b: Any,
    y_out: wp.array[Any],
    total: wp.array[Any],
    radii: wp.array[Any],
    slopes: wp.array[Any],
    accum: wp.array[Any],
):
    i = wp.tid()
    term = (robust_term(x[i]) * gains[i]) ** x.dtype(2.0)
    y_out[i] = term
    diff = term - targets[i]
    wp.atomic_add(total, 0, diff * diff)

    first, hi = both_roots(x[i], b)
    radii[i] = first
    slopes[i] = hi - first
    wp.atomic_add(accum, 0, first * hi)


wp.overload(stable_forward_pass, {"x": wp.array[float], "gains": wp.array[float], "targets": wp.array[float], "b": float, "y_out": wp.array[float], "total": wp.array[float], "radii": wp.array[float], "slopes": wp.array[float], "accum": wp.array[float]})
