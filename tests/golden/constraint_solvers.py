import warp as wp


@wp.kernel
def mul_m(
    direction: wp.array2d[wp.float64],
    hessian: wp.array3d[wp.float64],
    mv: wp.array2d[wp.float64],
    curvature: wp.array[wp.float64],
):
    env, dofid = wp.tid()
    acc = wp.float64(0.0)
    for col in range(hessian.shape[2]):
        acc += hessian[env, dofid, col] * direction[env, col]
    mv[env, dofid] = acc
    curvature[env] += acc * direction[env, dofid]
