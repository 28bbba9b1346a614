import warp as wp


@wp.func
def segment_distance(pt: wp.vec3d, start: wp.vec3d, end_pt: wp.vec3d):
    ab = end_pt - start
    rel = pt - start
    u = wp.clamp(wp.dot(rel, ab) / wp.max(wp.dot(ab, ab), wp.float64(1e-08)), wp.float64(0.0), wp.float64(1.0))
    return wp.length(rel - ab * u)


@wp.func
def gyroid_sdf(p: wp.vec3d, wave: wp.float64, thickness: wp.float64):
    q = p * wave
    g = wp.sin(q.x) * wp.cos(q.y) + wp.sin(q.y) * wp.cos(q.z) + wp.sin(q.z) * wp.cos(q.x)
    return (wp.abs(g) - thickness) / wave * wp.float64(0.6)


@wp.func
def world_sdf(x: wp.vec3d):
    """Signed distance to the scene."""
    folded = wp.vec3d(wp.abs(x.x), x.y, x.z)
    d0 = gyroid_sdf(
        folded - wp.vec3d(wp.float64(0.54), wp.float64(0.4), wp.float64(-0.14)), wp.float64(3.0), wp.float64(0.2)
    )
    e = gyroid_sdf(
        folded - wp.vec3d(wp.float64(-0.28), wp.float64(-0.29), wp.float64(-0.42)), wp.float64(8.0), wp.float64(0.36)
    )
    merged = wp.max(d0, -e)
    return merged


@wp.kernel
def subtract_tool_pass(
    cell_size: wp.float64,
    volume_min: wp.vec3d,
    material: wp.array3d[wp.float64],
    tool_radius: wp.float64,
    seg_a: wp.vec3d,
    seg_b: wp.vec3d,
    depth_of_cut: wp.array[wp.float64],
    ny: int,
    nz: int,
    level_set: wp.array3d[wp.float64],
    density: wp.array3d[wp.float64],
):
    i, iy, k = wp.tid()
    center = volume_min + wp.vec3d(wp.float64(i), wp.float64(iy), wp.float64(k)) * cell_size
    tool_d = segment_distance(center, seg_a, seg_b) - tool_radius
    solid_d = material[i, iy, k]
    cut_d = wp.max(solid_d, -tool_d)
    material[i, iy, k] = cut_d
    if tool_d < wp.float64(0.0):
        wp.atomic_max(depth_of_cut, 0, -tool_d)

    x = wp.vec3d(
        (wp.float64(i) - wp.float64(0.5) * wp.float64(material.shape[0] - 1)) * cell_size,
        (wp.float64(iy) - wp.float64(0.5) * wp.float64(ny - 1)) * cell_size,
        (wp.float64(k) - wp.float64(0.5) * wp.float64(nz - 1)) * cell_size,
    )
    value = world_sdf(x)
    level_set[i, iy, k] = value
    density[i, iy, k] = wp.clamp(wp.float64(0.5) - value / cell_size, wp.float64(0.0), wp.float64(1.0))
