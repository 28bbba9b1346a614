import warp as wp


@wp.kernel
def flock_update(
    agent_pos: wp.array[wp.vec3],
    v: wp.array[wp.vec3],
    bird_group: wp.array[int],
    max_speeds: wp.array[float],
    view_radius: float,
    min_dist: float,
    w_sep: float,
    align_weight: float,
    cohesion_gain: float,
    hawk: wp.vec3,
    flee_radius: float,
    flee_gain: float,
    home_range: float,
    w_home: float,
    dt: float,
    v_min: float,
    half_extent: float,
    new_pos: wp.array[wp.vec3],
    v_out: wp.array[wp.vec3],
):
    """Flocking with a limited field of view."""
    i = wp.tid()
    if bird_group[i] != 0:
        return
    p_i = agent_pos[i]
    vi = v[i]
    push = wp.vec3(0.0)
    heading_sum = wp.vec3(0.0)
    centroid = wp.vec3(0.0)
    flockmates = int(0)
    for j in range(bird_group.shape[0]):
        if j == i:
            continue
        offset = agent_pos[j] - p_i
        gap_d = wp.length(offset)
        if gap_d >= view_radius or gap_d < 1e-06:
            continue
        if gap_d < min_dist:
            push -= offset * ((min_dist - gap_d) * (min_dist - gap_d))
        heading_sum += v[j]
        centroid += agent_pos[j]
        flockmates += 1
    acc = push * w_sep
    if flockmates > 0:
        inv = 1.0 / float(flockmates)
        acc += (heading_sum * inv - vi) * align_weight
        acc += (centroid * inv - p_i) * cohesion_gain
    flee_d = p_i - hawk
    s = wp.length(flee_d)
    acc += wp.where(s < flee_radius, flee_d * (flee_gain * (flee_radius - s) / wp.max(s, 0.001)), flee_d * 0.0)
    out_by = wp.length(p_i)
    acc += p_i * (w_home * (home_range / out_by - 1.0)) if out_by > home_range else wp.vec3(0.0)
    vel = vi + acc * dt
    v_len = wp.length(vel)
    if v_len > max_speeds[i]:
        vel = vel * (max_speeds[i] / v_len)
    s_now = wp.length(vel)
    if s_now < v_min and s_now > 1e-05:
        vel *= v_min / s_now
    p_new = p_i + vel * dt
    p_new = wp.vec3(
        wp.clamp(p_new.x, -half_extent, half_extent),
        wp.clamp(p_new.y, -half_extent, half_extent),
        wp.clamp(p_new.z, -half_extent, half_extent),
    )
    new_pos[i] = p_new
    v_out[i] = vel
