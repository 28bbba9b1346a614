import warp as wp


@wp.kernel
def sample_shared_field(
    topology: wp.uint64,
    query_points: wp.array[wp.vec3],
    voxel_data: wp.array[float],
    sampled: wp.array[float],
    outside_value: float,
    grad_out: wp.array[wp.vec3],
):
    i = wp.tid()
    ijk = wp.volume_world_to_index(topology, query_points[i])
    slope = wp.vec3()
    value = wp.volume_sample_grad_index(topology, ijk, wp.Volume.LINEAR, voxel_data, outside_value, slope)
    sampled[i] = value
    grad_out[i] = wp.volume_index_to_world_dir(topology, slope)
