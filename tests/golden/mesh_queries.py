import warp as wp


@wp.struct
class SolverParams:
    max_range: float


@wp.kernel(enable_backward=False)
def trace_mesh(
    collider: wp.uint64,
    ray_o: wp.array[wp.vec3],
    ray_directions: wp.array[wp.vec3],
    group: int,
    model: SolverParams,
    distances: wp.array[float],
    hit_faces: wp.array[int],
    hit_normals: wp.array[wp.vec3],
):
    idx = wp.tid()
    org = ray_o[idx]
    ray_dir = ray_directions[idx]
    group_root = wp.mesh_get_group_root(collider, group)
    q = wp.mesh_query_ray(collider, org, ray_dir, model.max_range, group_root)
    if q.result:
        distances[idx] = q.t
        hit_faces[idx] = q.face
        hit_normals[idx] = q.normal
    else:
        distances[idx] = -1.0
