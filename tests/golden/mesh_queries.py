import warp as wp


def get_sample_mesh_grid_kernel(max_dist: float):
    @wp.kernel
    def sample_mesh_grid(
        mesh_id: wp.uint64,
        origin: wp.vec3,
        voxel_size: float,
        distance: wp.array3d[float],
    ):
        """Signed distance to the mesh at the cell centres."""
        x, j, k = wp.tid()
        center = origin + wp.vec3(float(x) + 0.5, float(j) + 0.5, float(k) + 0.5) * voxel_size
        res = wp.mesh_query_point_sign_normal(mesh_id, center, max_dist)
        if not res.result:
            return
        cp = wp.mesh_eval_position(mesh_id, res.face, res.u, res.v)
        phi_val = res.sign * wp.length(center - cp)
        distance[x, j, k] = phi_val

    return sample_mesh_grid


sample_mesh_grid = get_sample_mesh_grid_kernel(7.0)
