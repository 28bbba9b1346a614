import warp as wp


@wp.func
def elementwise_sqrt(a: wp.vec2) -> wp.vec2:
    return wp.vec2(wp.sqrt(a[0]), wp.sqrt(a[1]))


def get_rmsprop_step_kernel(grad_scale: float):
    @wp.kernel
    def rmsprop_step(
        x: wp.array2d[wp.vec2],
        g_in: wp.array2d[wp.vec2],
        alphas: wp.array2d[float],
        smoothing: float,
        ms: wp.array2d[wp.vec2],
        eps: float,
        mu: float,
        velocity: wp.array2d[wp.vec2],
    ):
        """One optimiser step."""
        env, i = wp.tid()
        gi = g_in[env, i] * grad_scale

        msq = smoothing * ms[env, i] + (1.0 - smoothing) * wp.cw_mul(gi, gi)
        ms[env, i] = msq
        update = wp.cw_div(gi, elementwise_sqrt(msq) + wp.vec2(eps))
        velocity[env, i] = velocity[env, i] * mu + update
        x[env, i] = x[env, i] - velocity[env, i] * alphas[env, i]

    return rmsprop_step


rmsprop_step = get_rmsprop_step_kernel(0.23)
