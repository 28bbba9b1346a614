from __future__ import annotations

import warp as wp


class Engine:
    @wp.kernel
    def vertex_forces(
        particle_q: wp.array[wp.vec3d],
        particle_qd: wp.array[wp.vec3d],
        l0: wp.float64,
        ks: wp.float64,
        damping: wp.float64,
        first: wp.array[int],
        list_next: wp.array[int],
        dt: wp.float64,
        inverse_mass: wp.array[wp.float64],
        velocities_out: wp.array[wp.vec3d],
        speed_cap: wp.float64,
        x_next: wp.array[wp.vec3d],
    ):
        i = wp.tid()
        x_i = particle_q[i]
        vi = particle_qd[i]
        force = wp.vec3d(wp.float64(0.0))
        current = first[i]
        while current >= 0:
            nbr = current
            current = list_next[current]
            delta = particle_q[nbr] - x_i
            dist = wp.length(delta)
            if dist < wp.float64(1e-06):
                continue
            n = delta / dist
            force += n * (ks * (dist - l0) + damping * wp.dot(particle_qd[nbr] - vi, n))

        # write back
        v_next = vi + force * (inverse_mass[i] * dt)
        speed = wp.length(v_next)
        if speed > speed_cap:
            v_clamped = v_next * (speed_cap / speed)
        else:
            v_clamped = v_next
        velocities_out[i] = v_clamped
        x_next[i] = x_i + v_clamped * dt


vertex_forces = Engine.vertex_forces
