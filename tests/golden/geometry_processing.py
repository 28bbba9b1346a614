import warp as wp


@wp.kernel(module="unique")
def triangle_normals(
    points: wp.array[wp.vec3],
    indices: wp.array[int],
    area_sum: wp.array[float],
    half_planes: wp.array[wp.vec4],
    normal_out: wp.array[wp.vec3],
):
    f = wp.tid()
    i0 = indices[f * 3]
    i1 = indices[f * 3 + 1]
    i2 = indices[f * 3 + 2]
    a = points[i0]
    b = points[i1]
    c = points[i2]
    ab = b - a
    ac = c - a
    cr = wp.cross(ab, ac)
    size = wp.length(cr)
    wp.atomic_add(area_sum, 0, 0.5 * size)
    nn = wp.normalize(cr)
    half_planes[f] = wp.vec4(nn.x, nn.y, nn.z, -wp.dot(nn, a))
    normal_out[f] = wp.normalize(cr)
