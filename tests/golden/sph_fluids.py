import warp as wp

ACTIVE_BIT = wp.constant(4)


@wp.struct
class SimParams:
    h: wp.float64
    radius: wp.float64
    mass: wp.float64
    s_corr_k: wp.float64
    grid_res: int
    bin_size: wp.float64
    lower: wp.vec3d
    box_hi: wp.vec3d
    viscosity: wp.float64


@wp.kernel
def fused_stable_dt(
    vel: wp.array[wp.vec3d],
    particle_group: wp.array[int],
    cs: wp.array[wp.float64],
    acc: wp.array[wp.vec3d],
    pos: wp.array[wp.vec3d],
    lambdas: wp.array[wp.float64],
    bin_start: wp.array[int],
    particle_order: wp.array[int],
    vol: wp.array[wp.float64],
    flags: wp.array[int],
    densities: wp.array[wp.float64],
    masses: wp.array[wp.float64],
    particle_mask: wp.array[int],
    safety: wp.float64,
    rho0: wp.float64,
    model: SimParams,
    dt: wp.array[wp.float64],
    predicted: wp.array[wp.vec3d],
    correction: wp.array[wp.mat33d],
    v_out: wp.array[wp.vec3d],
):
    i = wp.tid()
    if particle_group[i] != 0:
        return
    wp.atomic_min(dt, 0, safety * wp.min(model.h / (cs[i] + wp.length(vel[i])), wp.sqrt(model.h / wp.length(acc[i]))))

    if particle_group[i] == 2:
        return
    p_i = pos[i]
    lam_i = lambdas[i]
    dp = wp.vec3d(wp.float64(0.0))
    diff = model.radius * model.radius - model.radius * wp.float64(0.2) * (model.radius * wp.float64(0.2))
    w_q = diff * diff * diff * (wp.float64(1.5666814) / wp.pow(model.radius, wp.float64(9.0)))
    cx = wp.clamp(int(wp.floor(p_i.x / model.bin_size)), 0, model.grid_res - 1)
    iy = wp.clamp(int(wp.floor(p_i.y / model.bin_size)), 0, model.grid_res - 1)
    cell_z = wp.clamp(int(wp.floor(p_i.z / model.bin_size)), 0, model.grid_res - 1)
    for dz in range(-1, 2):
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                nx = cx + dx
                ny = iy + dy
                zz = cell_z + dz
                if nx < 0 or nx >= model.grid_res or ny < 0 or ny >= model.grid_res or zz < 0 or zz >= model.grid_res:
                    continue
                cell = (zz * model.grid_res + ny) * model.grid_res + nx
                for entry in range(bin_start[cell], bin_start[cell + 1]):
                    nbr = particle_order[entry]
                    rel = p_i - pos[nbr]
                    rij = wp.length(rel)
                    if rij < model.radius and rij > wp.float64(1e-06):
                        t = model.radius * model.radius - rij * rij
                        w_ratio = t * t * t * (wp.float64(1.5666814) / wp.pow(model.radius, wp.float64(9.0))) / w_q
                        x = model.radius * model.radius - rij * rij
                        dp += (
                            rel
                            * (rij * x * x * (wp.float64(-9.4000884) / wp.pow(model.radius, wp.float64(9.0))) / rij)
                            * (lam_i + lambdas[nbr] - model.s_corr_k * w_ratio * w_ratio * w_ratio * w_ratio)
                            * model.mass
                        )
    dp = dp / rho0
    predicted[i] = p_i + dp

    if (flags[i] & ACTIVE_BIT) == 0:
        return
    moment = wp.mat33d(wp.float64(0.0))
    ix = wp.clamp(int(wp.floor(p_i.x / model.bin_size)), 0, model.grid_res - 1)
    cell_y = wp.clamp(int(wp.floor(p_i.y / model.bin_size)), 0, model.grid_res - 1)
    cz = wp.clamp(int(wp.floor(p_i.z / model.bin_size)), 0, model.grid_res - 1)
    for oz in range(-1, 2):
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                xx = ix + dx
                yy = cell_y + dy
                nz = cz + oz
                if xx < 0 or xx >= model.grid_res or yy < 0 or yy >= model.grid_res or nz < 0 or nz >= model.grid_res:
                    continue
                bin_id = (nz * model.grid_res + yy) * model.grid_res + xx
                for slot in range(bin_start[bin_id], bin_start[bin_id + 1]):
                    other = particle_order[slot]
                    if other == i:
                        continue
                    d = p_i - pos[other]
                    dist = wp.length(d)
                    if dist < model.radius and dist > wp.float64(0.0):
                        t1 = model.radius * model.radius - dist * dist
                        moment -= (
                            wp.outer(d, d * (dist * t1 * t1 * (wp.float64(-9.4000884) / wp.pow(model.radius, wp.float64(9.0))) / dist))
                            * vol[other]
                        )
    trust = wp.clamp(wp.abs(wp.determinant(moment)), wp.float64(0.0), wp.float64(1.0))
    correction[i] = moment * trust + wp.diag(wp.vec3d(wp.float64(1.0))) * (wp.float64(1.0) - trust)

    if particle_mask[i] == 0:
        v_out[i] = vel[i]
    else:
        v_i = vel[i]
        delta_v = wp.vec3d(wp.float64(0.0))
        cell_x = wp.clamp(int(wp.floor(p_i.x / model.bin_size)), 0, model.grid_res - 1)
        cy = wp.clamp(int(wp.floor(p_i.y / model.bin_size)), 0, model.grid_res - 1)
        iz = wp.clamp(int(wp.floor(p_i.z / model.bin_size)), 0, model.grid_res - 1)
        lo_x = wp.max(cell_x - 1, 0)
        y_lo = wp.max(cy - 1, 0)
        lo_z = wp.max(iz - 1, 0)
        x_hi = wp.min(cell_x + 2, model.grid_res)
        hi_y = wp.min(cy + 2, model.grid_res)
        hi_z = wp.min(iz + 2, model.grid_res)
        for iz1 in range(lo_z, hi_z):
            for iy1 in range(y_lo, hi_y):
                for cx1 in range(lo_x, x_hi):
                    c = (iz1 * model.grid_res + iy1) * model.grid_res + cx1
                    for s in range(bin_start[c], bin_start[c + 1]):
                        j = particle_order[s]
                        if particle_group[j] == 0:
                            continue
                        r_len = wp.length(p_i - pos[j])
                        if r_len >= model.radius or r_len < wp.float64(1e-06):
                            continue
                        diff_1 = model.radius * model.radius - r_len * r_len
                        delta_v += (
                            (vel[j] - v_i)
                            * (masses[j] / densities[j] * (diff_1 * diff_1 * diff_1 * (wp.float64(1.5666814) / wp.pow(model.radius, wp.float64(9.0)))))
                        )
        v_out[i] = v_i + delta_v * model.viscosity
