import warp as wp


@wp.struct
class Vertex:
    fixed: bool
    remap: wp.int32
    weights: wp.float32
    rest: wp.vec3
    end_points: wp.vec3


@wp.kernel
def relax_mesh_fused(
    u: wp.array(dtype=wp.float32),
    ring_offsets: wp.array(dtype=wp.int32),
    ring: wp.array(dtype=wp.int32),
    positions: wp.array(dtype=wp.vec3),
    vertex_state: wp.array(dtype=Vertex),
    rate: wp.float32,
    mu: wp.float32,
    pass_id: wp.int32,
    u_new: wp.array(dtype=wp.float32),
    largest: wp.array(dtype=wp.float32),
    expanded: wp.array(dtype=wp.vec3),
    blended: wp.array(dtype=wp.vec3),
):
    tid = wp.tid()
    x = u[tid]
    if vertex_state[tid].fixed:
        u_new[tid] = x
        return
    acc = wp.float32(0.0)
    w_sum = wp.float32(0.0)
    first = ring_offsets[tid]
    stop = ring_offsets[tid + 1]
    for n in range(first, stop):
        acc += u[ring[n]] - x
        w_sum += 1.0
    if w_sum == 0.0:
        u_new[tid] = x
    else:
        lap = acc / w_sum
        if pass_id % 2 == 1:
            f = -mu
        else:
            f = rate
        u_new[tid] = x + lap * f
        wp.atomic_max(largest, 0, wp.abs(lap))

    src = vertex_state[tid].remap
    if src >= 0:
        expanded[tid] = positions[src]

    blended[tid] = (
        vertex_state[tid].rest * (1.0 - vertex_state[tid].weights)
        + vertex_state[tid].end_points * vertex_state[tid].weights
    )
