import warp as wp


@wp.func
def extract_rotation(a: wp.mat33) -> wp.mat33:
    uu, sv, vv = wp.svd3(a)
    r = uu * wp.transpose(vv)
    if wp.determinant(r) < 0.0:
        flip = wp.diag(wp.vec3(1.0, 1.0, -1.0))
        r = uu * flip * wp.transpose(vv)
    return r


@wp.kernel
def cluster_goal_positions(
    cluster_offsets: wp.array[int],
    shape_particles: wp.array[int],
    x: wp.array2d[wp.vec3],
    rest_positions: wp.array2d[wp.vec3],
    masses: wp.array2d[float],
    shape_r: wp.array2d[wp.mat33],
    match_stiffness: float,
    goals: wp.array2d[wp.vec3],
):
    scene, c = wp.tid()
    first = cluster_offsets[c]
    end = cluster_offsets[c + 1]
    if end <= first or end - first < 3:
        return
    cm = wp.vec3(0.0)
    rest_center = wp.vec3(0.0)
    mass = float(0.0)
    for m in range(first, end):
        pid = shape_particles[m]
        cm += x[scene, pid] * masses[scene, pid]
        rest_center += rest_positions[scene, pid] * masses[scene, pid]
        mass += masses[scene, pid]
    cm = cm / mass
    rest_center = rest_center / mass
    cov = wp.mat33(0.0)
    for m in range(first, end):
        v = shape_particles[m]
        cov += wp.outer(x[scene, v] - cm, rest_positions[scene, v] - rest_center) * masses[scene, v]
    r = extract_rotation(cov)
    shape_r[scene, c] = r
    for m in range(first, end):
        i = shape_particles[m]
        wp.atomic_add(
            goals, scene, i, (r * (rest_positions[scene, i] - rest_center) + cm - x[scene, i]) * match_stiffness
        )
