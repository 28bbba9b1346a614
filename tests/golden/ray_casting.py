import warp as wp

SHININESS = wp.constant(24.5)


@wp.func
def shade_blinn(normal: wp.vec3, wi: wp.vec3, v: wp.vec3, exponent: float) -> float:
    halfway = wp.normalize(wi + v)
    n_dot_h = wp.max(wp.dot(normal, halfway), 0.0)
    ndl = wp.max(wp.dot(normal, wi), 0.0)
    return ndl + 0.2 * wp.pow(n_dot_h, exponent)


class Engine:
    @wp.kernel
    def shade_hits(
        world_pos: wp.array[wp.vec3],
        hit_normals: wp.array[wp.vec3],
        light_pos: wp.array[wp.vec3],
        emissions: wp.array[float],
        emissive: wp.array[wp.vec3],
        view_pos: wp.vec3,
        base_color: wp.vec3,
        ka: float,
        beta: float,
        haze_color: wp.vec3,
        colors: wp.array[wp.vec3],
    ):
        tid = wp.tid()
        pt = world_pos[tid]
        n = hit_normals[tid]
        d = wp.normalize(pt - view_pos)
        view = -d
        radiance = base_color * ka
        for li in range(2):
            delta = light_pos[li] - pt
            dist_sq = wp.dot(delta, delta)
            l = delta / wp.sqrt(dist_sq)
            radiance += base_color * (shade_blinn(n, l, view, SHININESS) * emissions[li] / dist_sq)
        dist = wp.length(pt - view_pos)
        fog_amount = 1.0 - wp.exp(-dist * beta)
        radiance = wp.lerp(radiance, haze_color, fog_amount)
        radiance += emissive[tid]

        colors[tid] = radiance


shade_hits = Engine.shade_hits
