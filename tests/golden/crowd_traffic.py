import warp as wp


@wp.func
def acc(speed: float, s: float, v_lead: float, v0: float, a_max: float, b: float, tau: float, s0: float) -> float:
    """ACC model."""
    wanted = s0 + wp.max(speed * tau + speed * (speed - v_lead) / (2.0 * wp.sqrt(a_max * b)), 0.0)
    ratio = wanted / s
    vr = speed / v0
    return a_max * wp.min(1.0 - vr * vr * vr * vr, 1.0 - ratio * ratio)


@wp.func
def following_accel(speed: float, gap: float, vl: float, v0: float, sens: float, width: float, lam: float) -> float:
    v_opt = 0.5 * v0 * (wp.tanh(gap / width - 2.0) + wp.tanh(2.0))
    return sens * (v_opt - speed) + lam * (vl - speed)


@wp.func
def car_following(
    v: float,
    gap: float,
    v_lead: float,
    vdes: float,
    a_max: float,
    brake: float,
    tau: float,
    s0: float,
) -> float:
    s_star = s0 + wp.max(v * tau + v * (v - v_lead) / (2.0 * wp.sqrt(a_max * brake)), 0.0)
    r = s_star / gap
    free = v / vdes
    return a_max * (1.0 - free * free * free * free - r * r)


@wp.kernel
def acc_step_fused(
    positions: wp.array[float],
    speeds: wp.array[float],
    lane_id: wp.array[int],
    material: wp.array[int],
    desired_speed_table: wp.array[float],
    free_speeds: wp.array[float],
    headway_table: wp.array[float],
    car_length: float,
    loop_len: float,
    s_min: float,
    v0: float,
    a_max: float,
    b_comf: float,
    t_headway: float,
    jam_gap: float,
    dt: float,
    sensitivity: float,
    interaction_length: float,
    speed_gain: float,
    max_decel: float,
    a_limit: float,
    forget: float,
    x_out: wp.array[float],
    speeds_out: wp.array[float],
    max_accel: wp.array[float],
    x_next: wp.array[float],
    v_next: wp.array[float],
    positions_out: wp.array[float],
    v_out: wp.array[float],
    mean_accel: wp.array[float],
):
    """Longitudinal motion behind the leader.

    IDM step.
    """
    i = wp.tid()
    pos_i = positions[i]
    speed_i = speeds[i]
    s_gap = float(loop_len)
    front_v = speeds[i]
    for other in range(lane_id.shape[0]):
        if other == i or lane_id[other] != lane_id[i]:
            continue
        dist = positions[other] - pos_i
        if dist < 0.0:
            dist += loop_len
        if dist < s_gap:
            s_gap = dist
            front_v = speeds[other]
    s_gap -= car_length
    s_gap = wp.max(s_gap, s_min)
    accel = acc(speed_i, s_gap, front_v, v0, a_max, b_comf, t_headway, jam_gap)
    speed_new = wp.max(speed_i + accel * dt, 0.0)
    xn = pos_i + 0.5 * (speed_i + speed_new) * dt
    if xn >= loop_len:
        xn -= loop_len
    x_out[i] = xn
    speeds_out[i] = speed_new
    wp.atomic_max(max_accel, 0, wp.abs(accel))

    headway_i = float(loop_len)
    vl = speeds[i]
    for other in range(lane_id.shape[0]):
        if other == i or lane_id[other] != lane_id[i]:
            continue
        d = positions[other] - pos_i
        if d < 0.0:
            d += loop_len
        if d < headway_i:
            headway_i = d
            vl = speeds[other]
    headway_i -= car_length
    headway_i = wp.max(headway_i, s_min)
    a = following_accel(
        speed_i, headway_i, vl, desired_speed_table[material[i]], sensitivity, interaction_length, speed_gain
    )
    v_new = wp.max(speed_i + a * dt, 0.0)
    pos_new = pos_i + v_new * dt
    if pos_new >= loop_len:
        pos_new -= loop_len
    x_next[i] = pos_new
    v_next[i] = v_new

    gap = float(loop_len)
    v_lead = speeds[i]
    for c in range(lane_id.shape[0]):
        if c == i or lane_id[c] != lane_id[i]:
            continue
        ahead = positions[c] - pos_i
        if ahead < 0.0:
            ahead += loop_len
        if ahead < gap:
            gap = ahead
            v_lead = speeds[c]
    gap -= car_length
    gap = wp.max(gap, s_min)
    a1 = car_following(speed_i, gap, v_lead, free_speeds[i], a_max, b_comf, headway_table[material[i]], jam_gap)
    a1 = wp.clamp(a1, -max_decel, a_limit)
    vn = wp.max(speed_i + a1 * dt, 0.0)
    x_new = pos_i + vn * dt
    if x_new >= loop_len:
        x_new -= loop_len
    positions_out[i] = x_new
    v_out[i] = vn
    mean_accel[i] = mean_accel[i] + (wp.abs(a1) - mean_accel[i]) * forget
