import warp as wp


@wp.struct
class ModelParams:
    timestep: float
    cell_size: float


@wp.func
def wrap_position(p: wp.vec3, box: float):
    return wp.vec3(p.x - box * wp.floor(p.x / box), p.y - box * wp.floor(p.y / box), p.z - box * wp.floor(p.z / box))


@wp.kernel
def verlet_positions(
    force: wp.array(dtype=wp.vec3),
    enabled: wp.array(dtype=int),
    is_static: wp.array(dtype=int),
    bead_group: wp.array(dtype=int),
    ms: wp.array(dtype=float),
    num_beads: int,
    model: ModelParams,
    coords: wp.array(dtype=wp.vec3),
    prev_positions: wp.array(dtype=wp.vec3),
    velocities: wp.array(dtype=wp.vec3),
    image_flags: wp.array(dtype=wp.vec3i),
):
    i = wp.tid()
    if i >= num_beads:
        return
    if enabled[i] == 0 or is_static[i] == 1:
        return
    cur = coords[i]
    x_new = cur * 2.0 - prev_positions[i] + force[i] * (1.0 / ms[bead_group[i]] * model.timestep * model.timestep)
    velocities[i] = (x_new - prev_positions[i]) / (2.0 * model.timestep)
    prev_positions[i] = cur
    image_flags[i] = (
        image_flags[i]
        + wp.vec3i(
            int(wp.floor(x_new.x / model.cell_size)),
            int(wp.floor(x_new.y / model.cell_size)),
            int(wp.floor(x_new.z / model.cell_size)),
        )
    )
    coords[i] = wrap_position(x_new, model.cell_size)
