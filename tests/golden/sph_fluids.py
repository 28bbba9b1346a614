from enum import IntFlag

import warp as wp


class Flags(IntFlag):
    ACTIVE = 1
    MOVING = 2
    VISIBLE = 4
    PINNED = 8


ACTIVE_BIT = wp.constant(wp.uint32(2))


@wp.func
def calc_grad_w(delta: wp.vec2, u: float, m: float, radius: float, rij: float):
    return (
        delta
        * (wp.where(u <= 0.5, u * (18.0 * u - 12.0), -6.0 * m * m) * (1.818914 / (radius * radius)) / radius / rij)
    )


@wp.kernel
def fused_apply_bounds(
    positions: wp.array[wp.vec2],
    particle_v: wp.array[wp.vec2],
    acc: wp.array[wp.vec2],
    particle_active: wp.array[int],
    particle_asleep: wp.array[int],
    is_particle_active: wp.array[bool],
    x_star: wp.array[wp.vec2],
    speed_prev: wp.array[wp.vec2],
    particle_rho: wp.array[float],
    pressures: wp.array[float],
    particle_flags: wp.array[int],
    lam: wp.array[float],
    flags: wp.array[wp.uint32],
    mass: wp.array[float],
    particle_count: int,
    dt: float,
    g: wp.vec2,
    drag: float,
    lower: wp.vec2,
    upper: wp.vec2,
    wall_damping: float,
    alpha: float,
    radius: float,
    particle_mass: float,
    v_max: float,
    rho0: float,
    cs: float,
    nu: float,
    cfl: float,
    surface_tension: float,
    normal_scale: float,
    x_out: wp.array[wp.vec2],
    new_v: wp.array[wp.vec2],
    v_out: wp.array[wp.vec2],
    v_next: wp.array[wp.vec2],
    new_positions: wp.array[wp.vec2],
    corrections: wp.array[wp.vec2],
    lambda_out: wp.array[float],
    dt_local: wp.array[float],
    min_dt: wp.array[float],
    forces: wp.array[wp.vec2],
):
    """Half-kick of the leapfrog scheme.

    Velocity from the corrected positions.

    Momentum equation of weakly compressible SPH.

    Position correction from the density multipliers.

    Lagrange multiplier of the density constraint (position-based fluids).

    CFL limit of this step.

    Cohesion and surface-area forces.
    """
    tid = wp.tid()
    if tid >= particle_count:
        return
    if particle_active[tid] == 0 or particle_asleep[tid] == 1:
        return
    vel = particle_v[tid] + acc[tid] * dt
    vel += g * dt
    vel *= 1.0 - drag * dt
    x = positions[tid] + vel * dt
    clamped = wp.max(wp.min(x, upper), lower)
    hit = clamped - x
    if wp.length_sq(hit) > 0.0:
        n = wp.normalize(hit)
        vel -= n * ((1.0 + wall_damping) * wp.min(wp.dot(vel, n), 0.0))
    x = clamped
    x_out[tid] = x
    new_v[tid] = vel

    # Velocity from the corrected positions
    if is_particle_active[tid]:
        v_new = (x_star[tid] - positions[tid]) / dt
        v_new = v_new * alpha + speed_prev[tid] * (1.0 - alpha)
        v_out[tid] = v_new

    # Momentum equation of weakly compressible SPH
    if (particle_flags[tid] & Flags.ACTIVE) == 0:
        return
    x_i = positions[tid]
    density_i = particle_rho[tid]
    pressure_i = pressures[tid]
    force = wp.vec2(0.0)
    for j in range(particle_count):
        delta = x_i - positions[j]
        r2 = wp.length_sq(delta)
        if r2 >= radius * radius or r2 < 1e-12:
            continue
        rij = wp.sqrt(r2)
        rho_j = particle_rho[j]
        pressure_j = pressures[j]
        u = rij / radius
        m = 1.0 - u
        grad_w = calc_grad_w(delta, u, m, radius, rij)
        force -= grad_w * (particle_mass * (pressure_i / (density_i * density_i) + pressure_j / (rho_j * rho_j)))

    vn = particle_v[tid] + force * dt
    v_len = wp.length(vn)
    v_clamped = vn * (v_max / v_len) if v_len > v_max else vn
    v_next[tid] = v_clamped
    new_positions[tid] = x_i + v_clamped * dt

    # Position correction from the density multipliers
    if is_particle_active[tid]:
        lam_i = lam[tid]
        dp = wp.vec2(0.0)
        for other in range(particle_count):
            if other == tid:
                continue
            rel = x_i - positions[other]
            d2 = wp.length_sq(rel)
            if d2 >= radius * radius or d2 < 1e-12:
                continue
            r_len = wp.sqrt(d2)
            s = r_len / radius
            t = 1.0 - s
            dp += (
                rel
                * (
                    wp.where(s <= 0.5, s * (18.0 * s - 12.0), -6.0 * t * t)
                    * (1.818914 / (radius * radius))
                    / radius
                    / r_len
                )
                * (lam_i + lam[other])
            )
        dp = dp / rho0
        corrections[tid] = dp

    # Lagrange multiplier of the density constraint (position-based fluids)
    if not (particle_active[tid] == 0 or particle_asleep[tid] == 1):
        rho = float(0.0)
        g_i = wp.vec2(0.0)
        denom = float(0.0)
        for other in range(particle_count):
            diff = x_i - positions[other]
            dist = wp.length(diff)
            if dist < radius and dist > 1e-06:
                q = dist / radius
                t1 = 1.0 - q
                rho += (
                    particle_mass
                    * (
                        wp.where(q <= 0.5, 6.0 * q * q * (q - 1.0) + 1.0, 2.0 * t1 * t1 * t1)
                        * (1.818914 / (radius * radius))
                    )
                )
                s1 = dist / radius
                m1 = 1.0 - s1
                grad = (
                    diff
                    * (
                        wp.where(s1 <= 0.5, s1 * (18.0 * s1 - 12.0), -6.0 * m1 * m1)
                        * (1.818914 / (radius * radius))
                        / radius
                        / dist
                    )
                    * (particle_mass / rho0)
                )
                g_i += grad
                denom += wp.length_sq(grad)
        denom += wp.dot(g_i, g_i)
        constraint = rho / rho0 - 1.0
        if constraint > 0.0:
            lambda_out[tid] = -constraint / (denom + alpha)
        else:
            lambda_out[tid] = 0.0

    # CFL limit of this step
    if (flags[tid] & ACTIVE_BIT) != wp.uint32(0):
        dt_i = (
            cfl
            * wp.min(
                wp.min(radius / (cs + wp.length(particle_v[tid])), wp.sqrt(radius / wp.length(acc[tid]))),
                0.125 * radius * radius / nu,
            )
        )
        dt_local[tid] = dt_i
        wp.atomic_min(min_dt, 0, dt_i)

    # Cohesion and surface-area forces
    grad_c = wp.vec2(0.0)
    cohesion = wp.vec2(0.0)
    for j in range(particle_count):
        if j == tid:
            continue
        r = x_i - positions[j]
        distance = wp.length(r)
        if distance < radius and distance > 0.0:
            vol = mass[j] / particle_rho[j]
            q1 = distance / radius
            m2 = 1.0 - q1
            slope = (
                wp.where(q1 <= 0.5, q1 * (18.0 * q1 - 12.0), -6.0 * m2 * m2) * (1.818914 / (radius * radius)) / radius
            )
            grad_c += r * (vol * slope / distance)
            cohesion -= r * (surface_tension * mass[j] * (radius - distance) / distance)
    forces[tid] = cohesion - grad_c * (normal_scale * radius)
