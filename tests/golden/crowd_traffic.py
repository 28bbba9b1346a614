import warp as wp

VEHICLE_ACTIVE = wp.constant(1)


@wp.kernel
def count_on_links(
    edge_id: wp.array[wp.int32],
    vel: wp.array[wp.float32],
    flags: wp.array[wp.int32],
    stop_speed: wp.float32,
    speed_ratio_alarm: wp.float32,
    num_on_link: wp.array[wp.int32],
    jammed: wp.array[wp.int32],
    flagged: wp.array[wp.int32],
):
    tid = wp.tid()
    if (flags[tid] & VEHICLE_ACTIVE) == 0:
        return
    edge = edge_id[tid]
    if edge < 0:
        return
    num_on_link[edge] += 1
    if vel[tid] < stop_speed:
        jammed[edge] += 1
    flagged[tid] = wp.where(vel[tid] / 20.0 > speed_ratio_alarm, 1, 0)
