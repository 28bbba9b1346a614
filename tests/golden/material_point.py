import warp as wp

PARTICLE_ACTIVE = wp.constant(wp.uint32(4))


@wp.kernel
def sand_plasticity_step(
    enabled: wp.array2d(dtype=int),
    is_static: wp.array2d(dtype=int),
    mu_0s: wp.array2d(dtype=float),
    lame_lambdas: wp.array2d(dtype=float),
    state_flags: wp.array2d(dtype=wp.uint32),
    phi: float,
    crit_c: float,
    theta_s: float,
    xi: float,
    def_grad: wp.array2d(dtype=wp.mat22),
    volume_correction: wp.array2d(dtype=float),
    yielded: wp.array2d(dtype=int),
    particle_jp: wp.array2d(dtype=float),
    hardened_mu: wp.array2d(dtype=float),
):
    """Frictional plasticity of sand.

    Plastic projection by singular values.
    """
    scene, tid = wp.tid()
    if enabled[scene, tid] == 0 or is_static[scene, tid] == 1:
        return
    sin_phi = wp.sin(phi)
    cone = 1.632993 * sin_phi / (3.0 - sin_phi)
    F = def_grad[scene, tid]
    u_mat, s, v_mat = wp.svd2(F)
    eps = wp.vec2(wp.log(wp.max(wp.abs(s[0]), 0.05)), wp.log(wp.max(wp.abs(s[1]), 0.05)))
    trace_e = eps[0] + eps[1] + volume_correction[scene, tid]
    eps_hat = eps - wp.vec2(1.0) * (trace_e / 2.0)
    norm_d = wp.length(eps_hat)
    if trace_e >= 0.0 or norm_d < 1e-07:
        def_grad[scene, tid] = u_mat * wp.transpose(v_mat)
        volume_correction[scene, tid] = trace_e
        return
    dg = (
        norm_d + (2.0 * lame_lambdas[scene, tid] + 2.0 * mu_0s[scene, tid]) / (2.0 * mu_0s[scene, tid]) * trace_e * cone
    )
    volume_correction[scene, tid] = 0.0
    if dg > 0.0:
        e_new = eps - eps_hat * (dg / wp.max(norm_d, 1e-07))
        sig_new = wp.vec2(wp.exp(e_new[0]), wp.exp(e_new[1]))
        def_grad[scene, tid] = u_mat * wp.diag(sig_new) * wp.transpose(v_mat)
        yielded[scene, tid] = 1

    if wp.bit_and(state_flags[scene, tid], PARTICLE_ACTIVE) == wp.uint32(0):
        return
    f = def_grad[scene, tid]
    u, sigma, vv = wp.svd2(f)
    sc = wp.vec2(sigma[0], sigma[1])
    dj = float(1.0)
    for axis in range(2):
        si = wp.clamp(sigma[axis], 1.0 - crit_c, 1.0 + theta_s)
        dj *= sigma[axis] / si
        sc[axis] = si
    def_grad[scene, tid] = u * wp.diag(sc) * wp.transpose(vv)
    particle_jp[scene, tid] = particle_jp[scene, tid] * dj
    hardened_mu[scene, tid] = mu_0s[scene, tid] * wp.exp(xi * (1.0 - particle_jp[scene, tid]))
