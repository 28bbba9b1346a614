import warp as wp


@wp.func
def segment_distance(pt: wp.vec3, a: wp.vec3, end_pt: wp.vec3) -> float:
    d = end_pt - a
    rel = pt - a
    t = wp.clamp(wp.dot(rel, d) / wp.max(wp.dot(d, d), 1e-08), 0.0, 1.0)
    return wp.length(rel - d * t)


@wp.func
def get_world_pos(tid: int, nz: int, ny: int, dx: float) -> wp.vec3:
    return wp.vec3(float(tid // nz // ny) + 0.5, float(tid // nz % ny) + 0.5, float(tid % nz) + 0.5) * dx


@wp.kernel(enable_backward=False)
def sweep_tool(
    nz: int,
    ny: int,
    dx: float,
    cutter_radius: float,
    tool_start: wp.vec3,
    tool_end: wp.vec3,
    sdf: wp.array[float],
):
    tid = wp.tid()
    world_pos = get_world_pos(tid, nz, ny, dx)
    sdf[tid] = wp.max(sdf[tid], -(segment_distance(world_pos, tool_start, tool_end) - cutter_radius))
