import warp as wp


@wp.func
def evaluate(u: float, a: float):
    offset = u - 0.7
    return 1.0 / (offset * offset + 0.01 * a)


@wp.kernel(module="unique")
def sample_integral(step_index: int, random_seed: int, num_samples: int, decay: float, result: wp.array(dtype=float)):
    tid = wp.tid()
    rng_state = wp.rand_init(random_seed + step_index, tid)
    integral = float(0.0)
    for sample_id in range(num_samples):
        cell = 1.0 / float(num_samples)
        sample = (float(sample_id) + wp.randf(rng_state)) * cell
        q = float(1.0)
        value = evaluate(sample, decay)
        inv_pdf = 1.0 / q
        integral += value * inv_pdf
    mean = integral / float(num_samples)
    result[tid] = mean
