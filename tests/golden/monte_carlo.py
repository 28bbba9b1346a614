from typing import Any

import warp as wp


@wp.kernel(module="unique")
def simulate_paths(
    step_index: int,
    random_seed: int,
    spot: Any,
    k_strike: Any,
    r: Any,
    volatility: Any,
    horizon: Any,
    n_steps: int,
    barrier_level: Any,
    estimate: wp.array[Any],
    path_count: int,
):
    tid = wp.tid()
    rng_state = wp.rand_init(random_seed + step_index, tid)
    h = horizon / estimate.dtype(n_steps)
    sqrt_dt = wp.sqrt(h)
    price = estimate.dtype(spot)
    knocked_in = int(1)
    for n in range(n_steps):
        dw = wp.randn(rng_state)
        price *= wp.exp((r - estimate.dtype(0.5) * volatility * volatility) * h + volatility * sqrt_dt * dw)
        if price >= barrier_level:
            knocked_in = 0
            break
    if knocked_in == 1:
        payoff = max(k_strike - price, estimate.dtype(0.0))
    else:
        payoff = estimate.dtype(0.0)
    pv = wp.exp(-r * horizon) * payoff
    estimate[0] += pv / estimate.dtype(path_count)


wp.overload(simulate_paths, {"spot": float, "k_strike": float, "r": float, "volatility": float, "horizon": float, "barrier_level": float, "estimate": wp.array[float]})
