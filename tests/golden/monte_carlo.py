import math

import warp as wp


@wp.func
def integrand(x: float, scale: float):
    return math.exp(-scale * x) * (1.0 + math.cos(3.0 * x))


@wp.kernel
def estimate_integral(
    rng_states: wp.array(dtype=wp.uint32),
    num_samples: int,
    decay: float,
    result: wp.array(dtype=float),
    spread: wp.array(dtype=float),
):
    """Monte Carlo estimate of an integral, one batch of samples per thread."""
    i = wp.tid()
    state = rng_states[i]
    total = float(0.0)
    acc_sq = float(0.0)
    for sample_id in range(num_samples):
        xi = wp.randf(state, 0.001, 1.0)
        x = math.sqrt(xi)
        q = 2.0 * x
        fx = integrand(x, decay)
        inv_pdf = 1.0 / q
        total += fx * inv_pdf
        acc_sq += fx * inv_pdf * (fx * inv_pdf)
    avg = total / float(num_samples)
    result[i] = avg
    var = acc_sq / float(num_samples) - avg * avg
    spread[i] = math.sqrt(wp.max(var, 0.0))
    rng_states[i] = state
