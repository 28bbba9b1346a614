import warp as wp


@wp.func
def kepler_residual(x: float):
    return x - 0.4 * wp.sin(x) - 1.2


@wp.kernel(enable_backward=False)
def newton_iterate(x0: wp.array[float], max_iter: int, eps: float, solutions: wp.array[float], steps: wp.array[int]):
    idx = wp.tid()
    x_k = x0[idx]
    it = int(0)
    while True:
        residual = kepler_residual(x_k)
        if wp.abs(residual) < eps:
            break
        if it >= max_iter:
            break
        fp = wp.grad(kepler_residual)(x_k)
        x_k -= 0.8 * residual / fp
        it += 1
    solutions[idx] = x_k
    steps[idx] = it
