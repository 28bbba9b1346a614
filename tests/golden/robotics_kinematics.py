import warp as wp


@wp.kernel
def eval_mass_matrix(
    motion_axes: wp.array2d[wp.spatial_vector],
    spatial_inertia: wp.array2d[wp.spatial_matrix],
    body_parent: wp.array[int],
    dof_armature: wp.array[float],
    body_Ic: wp.array2d[wp.spatial_matrix],
    H: wp.array3d[float],
):
    robot = wp.tid()
    for b in range(body_parent.shape[0]):
        body_Ic[robot, b] = spatial_inertia[robot, b]
    for body in range(body_parent.shape[0] - 1, -1, -1):
        parent = body_parent[body]
        if parent >= 0:
            body_Ic[robot, parent] = body_Ic[robot, parent] + body_Ic[robot, body]

    for dof in range(body_parent.shape[0]):
        force_j = body_Ic[robot, dof] @ motion_axes[robot, dof]
        H[robot, dof, dof] = wp.spatial_dot(motion_axes[robot, dof], force_j) + dof_armature[dof]
        i = body_parent[dof]
        while i >= 0:
            value = wp.spatial_dot(motion_axes[robot, i], force_j)
            H[robot, i, dof] = value
            H[robot, dof, i] = value
            i = body_parent[i]
