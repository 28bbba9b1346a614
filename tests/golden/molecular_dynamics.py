import warp as wp


@wp.func
def get_bin_id(vi: wp.vec3d, v_hist_max: wp.float64):
    return wp.clamp(int(wp.length(vi) / v_hist_max * wp.float64(20.0)), 0, 19)


@wp.kernel
def fused_rescale_positions(
    mask: wp.array2d[int],
    v: wp.array2d[wp.vec3d],
    num_beads: int,
    box_scale: wp.float64,
    center: wp.vec3d,
    mass: wp.float64,
    v_hist_max: wp.float64,
    positions: wp.array2d[wp.vec3d],
    kinetic_energy: wp.array[wp.float64],
    net_momentum: wp.array[wp.vec3d],
    velocity_hist: wp.array2d[int],
):
    w, a = wp.tid()
    if a >= num_beads:
        return
    if mask[w, a] == 0:
        return
    scaled = center + (positions[w, a] - center) * box_scale
    positions[w, a] = scaled

    # instantaneous observables
    if mask[w, a] != 0:
        vi = v[w, a]
        e_kin = wp.float64(0.5) * mass * wp.dot(vi, vi)
        wp.atomic_add(kinetic_energy, w, e_kin)
        wp.atomic_add(net_momentum, w, vi * mass)
        bin_id = get_bin_id(vi, v_hist_max)
        wp.atomic_add(velocity_hist, w, bin_id, 1)
