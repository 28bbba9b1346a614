import warp as wp


@wp.kernel
def volume_at_points(
    field_volume: wp.uint64,
    query_points: wp.array(dtype=wp.vec3),
    mask: wp.array(dtype=int),
    velocities: wp.array(dtype=wp.vec3),
):
    i = wp.tid()
    if mask[i] == 0:
        velocities[i] = wp.vec3(0.0)
        return
    velocities[i] = wp.volume_sample(
        field_volume, wp.volume_world_to_index(field_volume, query_points[i]), wp.Volume.LINEAR, dtype=wp.vec3
    )
