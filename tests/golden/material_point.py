import warp as wp

ACTIVE_BIT = wp.constant(2)


@wp.func
def corotated(def_grad: wp.mat33d, mu: wp.float64, lame: wp.float64) -> wp.mat33d:
    """Kirchhoff stress of a deformation gradient."""
    u_mat, s, v = wp.svd3(def_grad)
    polar = u_mat * wp.transpose(v)
    det_f = wp.determinant(def_grad)
    return (
        (def_grad - polar) * wp.transpose(def_grad) * (wp.float64(2.0) * mu)
        + wp.diag(wp.vec3d(wp.float64(1.0))) * (lame * det_f * (det_f - wp.float64(1.0)))
    )


@wp.func
def eval_e_hat(sigma_i: wp.float64, sigma_i_1: wp.float64, sigma_i_2: wp.float64) -> wp.vec3d:
    return wp.vec3d(
        wp.log(wp.max(wp.abs(sigma_i), wp.float64(0.05))),
        wp.log(wp.max(wp.abs(sigma_i_1), wp.float64(0.05))),
        wp.log(wp.max(wp.abs(sigma_i_2), wp.float64(0.05))),
    )


@wp.kernel(enable_backward=False)
def metal_plasticity_step(
    particle_group: wp.array[int],
    mus: wp.array[wp.float64],
    def_grad: wp.array[wp.mat33d],
    lambda_0s: wp.array[wp.float64],
    flags: wp.array[int],
    lame_lambdas: wp.array[wp.float64],
    particle_active: wp.array[int],
    tau_y: wp.float64,
    phi: wp.float64,
    margin: wp.float64,
    deformation: wp.array[wp.mat33d],
    kirchhoff: wp.array[wp.mat33d],
    pressures: wp.array[wp.float64],
    f_mats: wp.array[wp.mat33d],
    is_plastic: wp.array[int],
    particle_x: wp.array[wp.vec3d],
    v_p: wp.array[wp.vec3d],
):
    """Viscoplastic flow above the yield stress.

    Constitutive update.

    Drucker-Prager return mapping.

    Project particles out of a collider.
    """
    tid = wp.tid()
    if particle_group[tid] == 1:
        return
    f_p = deformation[tid]
    u, sigma, v_mat = wp.svd3(f_p)
    e_hat = eval_e_hat(sigma[0], sigma[1], sigma[2])
    eps_hat = e_hat - wp.vec3d(wp.float64(1.0)) * ((e_hat[0] + e_hat[1] + e_hat[2]) / wp.float64(3.0))
    e_norm = wp.length(eps_hat)
    over = e_norm - tau_y / (wp.float64(2.0) * mus[tid])
    if over <= wp.float64(0.0):
        return
    e_new = e_hat - eps_hat * (over / e_norm)
    deformation[tid] = u * wp.diag(wp.vec3d(wp.exp(e_new[0]), wp.exp(e_new[1]), wp.exp(e_new[2]))) * wp.transpose(v_mat)

    if particle_group[tid] == 2:
        return
    tau = corotated(def_grad[tid], mus[tid], lambda_0s[tid])
    kirchhoff[tid] = tau
    pressures[tid] = wp.trace(tau) * wp.float64(-0.3333333)

    if wp.bit_and(flags[tid], ACTIVE_BIT) == 0:
        return
    s_phi = wp.sin(phi)
    slope = wp.float64(1.632993) * s_phi / (wp.float64(3.0) - s_phi)
    f = f_mats[tid]
    uu, sig, v = wp.svd3(f)
    log_s = wp.vec3d(
        wp.log(wp.max(wp.abs(sig[0]), wp.float64(0.05))),
        wp.log(wp.max(wp.abs(sig[1]), wp.float64(0.05))),
        wp.log(wp.max(wp.abs(sig[2]), wp.float64(0.05))),
    )
    vol_e = log_s[0] + log_s[1] + log_s[2]
    e_dev = log_s - wp.vec3d(wp.float64(1.0)) * (vol_e / wp.float64(3.0))
    shear = wp.length(e_dev)
    if vol_e >= wp.float64(0.0) or shear < wp.float64(1e-07):
        f_mats[tid] = uu * wp.transpose(v)
        return
    excess = (
        shear
        + (wp.float64(3.0) * lame_lambdas[particle_group[tid]] + wp.float64(2.0) * mus[tid]) / (wp.float64(2.0) * mus[tid]) * vol_e * slope
    )
    if excess <= wp.float64(0.0):
        return
    h_new = log_s - e_dev * (excess / wp.max(shear, wp.float64(1e-07)))
    stretch = wp.vec3d(wp.exp(h_new[0]), wp.exp(h_new[1]), wp.exp(h_new[2]))
    f_mats[tid] = uu * wp.diag(stretch) * wp.transpose(v)
    is_plastic[tid] = 1

    if particle_active[tid] == 0:
        return
    x = particle_x[tid]
    vp = v_p[tid]
    for axis in range(3):
        if x[axis] < margin:
            x[axis] = margin
            vp[axis] = wp.max(vp[axis], wp.float64(0.0))
        elif x[axis] > wp.float64(1.0) - margin:
            x[axis] = wp.float64(1.0) - margin
            vp[axis] = wp.min(vp[axis], wp.float64(0.0))
    particle_x[tid] = x
    v_p[tid] = vp
