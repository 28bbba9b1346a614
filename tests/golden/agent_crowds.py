import warp as wp


@wp.kernel(enable_backward=False)
def social_force_model(
    positions: wp.array[wp.vec2],
    velocities: wp.array[wp.vec2],
    goals: wp.array[wp.vec2],
    v0: float,
    reaction_time: float,
    strength: float,
    B_rep: float,
    body_radius: wp.array[float],
    interaction_radius: float,
    form_factor: float,
    neighbor_list: wp.array2d[int],
    h: float,
    max_speed: float,
    half_extent: float,
    new_pos: wp.array[wp.vec2],
    v_out: wp.array[wp.vec2],
    crowding_out: wp.array[float],
):
    agent_id = wp.tid()
    p_i = positions[agent_id]
    v_i = velocities[agent_id]
    goal_dir = wp.normalize(goals[agent_id] - p_i)
    acc = (goal_dir * v0 - v_i) / reaction_time
    local_n = float(0.0)
    for m in range(neighbor_list.shape[1]):
        n_id = neighbor_list[agent_id, m]
        if n_id < 0:
            break
        if n_id == agent_id:
            continue
        to_other = positions[n_id] - p_i
        r = wp.length(to_other)
        if r > interaction_radius or r < 1e-06:
            continue
        n_out = to_other * (-1.0 / wp.max(r, 0.001))
        overlap = body_radius[agent_id] + body_radius[n_id] - r
        mag = strength * wp.exp(overlap / B_rep)
        facing = -wp.dot(n_out, goal_dir)
        mag *= form_factor + (1.0 - form_factor) * 0.5 * (1.0 + facing)
        acc += n_out * mag
        q = r / interaction_radius
        local_n += wp.exp(-4.0 * q * q)
    vel = v_i + acc * h
    speed = wp.length(vel)
    if speed > max_speed:
        vel = wp.normalize(vel) * max_speed
    p_new = p_i + vel * h
    p_new = wp.vec2(wp.clamp(p_new.x, -half_extent, half_extent), wp.clamp(p_new.y, -half_extent, half_extent))
    new_pos[agent_id] = p_new
    v_out[agent_id] = vel
    crowding_out[agent_id] = local_n
