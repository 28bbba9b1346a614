import warp as wp


@wp.kernel
def fused_nearest_prototype(
    points: wp.array[wp.vec4d],
    anchors: wp.array[wp.vec4d],
    labels: wp.array[wp.int32],
    distances: wp.array[wp.float64],
    y_obs: wp.array[wp.float64],
    predicteds: wp.array[wp.float64],
    material_id: wp.array[wp.int32],
    scales: wp.array[wp.float64],
    logp_out: wp.array[wp.float64],
    total: wp.array[wp.float64],
    values: wp.array[wp.float64],
    transformed: wp.array[wp.float64],
    reference: wp.float64,
    cycle: wp.float64,
    center: wp.float64,
    scale: wp.float64,
    cutoff: wp.float64,
    num_outliers: wp.array[wp.int32],
    energy: wp.array[wp.float64],
):
    i = wp.tid()
    x = points[i]
    best = wp.float64(1000000.0)
    label = wp.int32(0)
    for j in range(anchors.shape[0]):
        dist = wp.norm_l2(anchors[j] - x)
        if dist < best:
            best = dist
            label = j
    labels[i] = label
    distances[i] = best

    obs = y_obs[i]
    width = scales[material_id[i]]
    resid = (obs - predicteds[i]) / width
    t = wp.exp(-wp.abs(resid))
    term = -wp.abs(resid) - wp.float64(2.0) * wp.log(wp.float64(1.0) + t) - wp.log(width)
    logp_out[i] = -term
    wp.atomic_add(total, 0, term)

    v = values[i]
    prob = wp.clamp(wp.float64(0.5) + wp.float64(0.5) * wp.tanh(v), wp.float64(0.001), wp.float64(0.999))
    z = wp.float64(-1.41421356) * wp.erfcinv(wp.float64(2.0) * prob)
    u = wp.float64(10.0) * wp.log10(wp.clamp(z, wp.float64(0.01), wp.float64(0.98)) / reference)
    phase = wp.frac(u / cycle)
    y = wp.degrees(phase * wp.float64(6.2831853))
    t1 = (y - center) / scale
    transformed[i] = t1
    if wp.abs(t1) > cutoff:
        wp.atomic_add(num_outliers, 0, 1)
    wp.atomic_add(energy, 0, t1 * t1)
