import warp as wp


@wp.struct
class Params:
    h: float
    swirl: float
    vortex_axis: wp.vec3


@wp.kernel
def advance_particles(
    pos: wp.array[wp.vec3],
    velocities: wp.array[wp.vec3],
    mass: wp.array[float],
    g: wp.vec3,
    num_substeps: int,
    model: Params,
    positions_out: wp.array[wp.vec3],
    particle_qd_next: wp.array[wp.vec3],
    lowest: wp.array[float],
):
    tid = wp.tid()
    x = pos[tid]
    vi = velocities[tid]
    inv_m = 1.0 / mass[tid]
    total = wp.vec3(0.0)
    total += wp.cross(model.vortex_axis, x) * model.swirl
    acc = total * inv_m + g

    # time integration
    dts = model.h / float(num_substeps)
    for _step in range(num_substeps):
        vi = vi + acc * dts
        x = x + vi * dts

    # collisions

    positions_out[tid] = x
    particle_qd_next[tid] = vi
    wp.atomic_min(lowest, 0, x.y)
