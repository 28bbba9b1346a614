import warp as wp


class Scheme:
    @wp.kernel(enable_backward=False)
    def convect(
        q: wp.array2d(dtype=float),
        velocity: wp.array2d(dtype=wp.vec2),
        emission: wp.array2d(dtype=float),
        spacing: float,
        time_step: float,
        kappa: float,
        lambda_: float,
        tracer_new: wp.array2d(dtype=float),
    ):
        """Advection-diffusion step."""
        j, i = wp.tid()
        center = q[j, i]
        u_c = velocity[j, i]

        d_y = (q[wp.min(j + 1, velocity.shape[0] - 1), i] - q[wp.max(j - 1, 0), i]) / (2.0 * spacing)
        if u_c[0] > 0.0:
            d_y = (
                (
                    2.0 * q[wp.min(j + 1, velocity.shape[0] - 1), i]
                    + 3.0 * center
                    - 6.0 * q[wp.max(j - 1, 0), i]
                    + q[wp.max(j - 2, 0), i]
                )
                / (6.0 * spacing)
            )
        else:
            d_y = (
                (
                    -q[wp.min(j + 2, velocity.shape[0] - 1), i]
                    + 6.0 * q[wp.min(j + 1, velocity.shape[0] - 1), i]
                    - 3.0 * center
                    - 2.0 * q[wp.max(j - 1, 0), i]
                )
                / (6.0 * spacing)
            )
        slope_x = (q[j, wp.min(i + 1, velocity.shape[1] - 1)] - q[j, wp.max(i - 1, 0)]) / (2.0 * spacing)
        if u_c[1] > 0.0:
            slope_x = (
                (
                    2.0 * q[j, wp.min(i + 1, velocity.shape[1] - 1)]
                    + 3.0 * center
                    - 6.0 * q[j, wp.max(i - 1, 0)]
                    + q[j, wp.max(i - 2, 0)]
                )
                / (6.0 * spacing)
            )
        else:
            slope_x = (
                (
                    -q[j, wp.min(i + 2, velocity.shape[1] - 1)]
                    + 6.0 * q[j, wp.min(i + 1, velocity.shape[1] - 1)]
                    - 3.0 * center
                    - 2.0 * q[j, wp.max(i - 1, 0)]
                )
                / (6.0 * spacing)
            )

        rdx2 = 1.0 / (spacing * spacing)
        total = float(0.0)
        for dr in range(-1, 2):
            yy = wp.clamp(j + dr, 0, velocity.shape[0] - 1)
            for ox in range(-1, 2):
                cc = wp.clamp(i + ox, 0, velocity.shape[1] - 1)
                if wp.abs(dr) + wp.abs(ox) == 1:
                    total += (q[yy, cc] - center) * rdx2
        updated = (
            center
            + time_step * (-(u_c[0] * d_y + u_c[1] * slope_x) + kappa * total + emission[j, i] - lambda_ * center)
        )
        tracer_new[j, i] = updated


convect = Scheme.convect
