import warp as wp


def make_grid_to_particles_pass_kernel(max_speed: float):
    @wp.kernel(module="unique")
    def grid_to_particles_pass(
        num_particles: int,
        h: float,
        pos: wp.array[wp.vec2],
        vel: wp.array[wp.vec2],
        grid_vel: wp.array2d[wp.vec2],
        num_fast: wp.array[int],
        v: wp.array[wp.vec2],
        momentum: wp.array2d[wp.vec2],
        weights_sum: wp.array2d[float],
        particle_mass: wp.array[float],
    ):
        idx = wp.tid()
        if idx >= num_particles:
            return
        xp = pos[idx]
        grid_pos = xp / h
        ci = int(wp.floor(grid_pos[0]))
        cj = int(wp.floor(grid_pos[1]))
        if ci < 0 or cj < 0 or ci >= grid_vel.shape[0] - 1 or cj >= grid_vel.shape[1] - 1:
            return
        fx = grid_pos[0] - float(ci)
        ty = grid_pos[1] - float(cj)
        v_new = wp.vec2(0.0)
        w00 = (1.0 - fx) * (1.0 - ty)
        v_new += grid_vel[ci, cj] * w00
        w10 = fx * (1.0 - ty)
        v_new += grid_vel[ci + 1, cj] * w10
        w01 = (1.0 - fx) * ty
        v_new += grid_vel[ci, cj + 1] * w01
        w11 = fx * ty
        v_new += grid_vel[ci + 1, cj + 1] * w11
        vel[idx] = v_new
        if wp.length(v_new) > max_speed:
            wp.atomic_add(num_fast, 0, 1)

        # Particle-to-grid transfer
        vel_p = v[idx]
        gp = xp / h
        base_i = int(wp.floor(gp[0]))
        j = int(wp.floor(gp[1]))
        i0 = wp.clamp(base_i, 0, weights_sum.shape[0] - 2)
        bj = wp.clamp(j, 0, weights_sum.shape[1] - 2)
        tx = gp[0] - float(i0)
        fy = gp[1] - float(bj)
        for a in range(2):
            for oy in range(2):
                w = (1.0 - tx if a == 0 else tx) * (1.0 - fy if oy == 0 else fy)
                wp.atomic_add(momentum, i0 + a, bj + oy, vel_p * (w * particle_mass[idx]))
                wp.atomic_add(weights_sum, i0 + a, bj + oy, w * particle_mass[idx])

    return grid_to_particles_pass


grid_to_particles_pass = make_grid_to_particles_pass_kernel(1.4)
