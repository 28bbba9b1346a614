import warp as wp


@wp.kernel(enable_backward=False, grid_stride=False)
def es_gradient(
    epsilon: wp.array2d(dtype=float),
    scores: wp.array(dtype=float),
    costs_minus: wp.array(dtype=float),
    spread: float,
    population: int,
    mean: wp.array(dtype=float),
    step: float,
    grad_norm_sq: wp.array(dtype=float),
):
    param_id = wp.tid()
    g = float(0.0)
    for s in range(population):
        g += 0.5 * (scores[s] - costs_minus[s]) * epsilon[s, param_id]
    g_est = g / (spread * 24.0)
    mean[param_id] = mean[param_id] - step * g_est
    wp.atomic_add(grad_norm_sq, 0, g_est * g_est)
