import warp as wp


@wp.func
def oren_term(n: wp.vec3, l: wp.vec3, wo: wp.vec3, roughness: float):
    sigma2 = roughness * roughness
    n_dot_l = wp.dot(n, l)
    n_dot_v = wp.dot(n, wo)
    flat = 1.0 - 0.5 * sigma2 / (sigma2 + 0.33)
    rim = 0.45 * sigma2 / (sigma2 + 0.09)
    s = wp.dot(l, wo) - n_dot_l * n_dot_v
    t = wp.where(s > 0.0, wp.max(wp.max(n_dot_l, n_dot_v), 0.1), 1.0)
    return wp.max(n_dot_l, 0.0) * (flat + rim * s / t)


@wp.kernel
def apply_lights(
    hit_t: wp.array2d(dtype=float),
    world_pos: wp.array2d(dtype=wp.vec3),
    hit_normals: wp.array2d(dtype=wp.vec3),
    lights: wp.array(dtype=wp.vec3),
    emissions: wp.array(dtype=float),
    ambient_occlusion: wp.array2d(dtype=float),
    clear_color: wp.vec3,
    eye: wp.vec3,
    kd: wp.vec3,
    ambient: float,
    roughness: float,
    radiance: wp.array2d(dtype=wp.vec3),
):
    scene, idx = wp.tid()
    if hit_t[scene, idx] <= 0.0:
        radiance[scene, idx] = clear_color
        return
    pt = world_pos[scene, idx]
    ns = hit_normals[scene, idx]
    wo = -wp.normalize(pt - eye)
    rgb = kd * ambient
    for light in range(lights.shape[0]):
        lv = lights[light] - pt
        r2 = wp.dot(lv, lv)
        rgb += kd * (oren_term(ns, lv / wp.sqrt(r2), wo, roughness) * emissions[light] / r2)
    rgb *= ambient_occlusion[scene, idx]

    radiance[scene, idx] = rgb
