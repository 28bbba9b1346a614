import warp as wp

MIX_B = wp.constant(wp.uint32(2221713035))


@wp.func
def hash1(n: wp.uint32) -> wp.uint32:
    v = wp.uint32(n)
    v = v ^ (v >> wp.uint32(15))
    v = v * wp.uint32(2146121005)
    v = v ^ (v >> wp.uint32(12))
    v = v * MIX_B
    return v ^ (v >> wp.uint32(15))


@wp.func
def lattice_hash(cx: int, cy: int, salt: int) -> wp.uint32:
    return hash1((wp.uint32(cx) * wp.uint32(73856093)) ^ (wp.uint32(cy) * wp.uint32(19349663)) ^ wp.uint32(salt))


@wp.func
def u32_to_float(bits: wp.uint32) -> float:
    return float(bits >> wp.uint32(8)) * 5.960464477539063e-08


@wp.func
def billowed_noise(rng: wp.uint32, p: wp.vec2, octaves: int, lacunarity: float, persistence: float) -> float:
    value = float(0.0)
    amp = float(1.0)
    pp = wp.vec2(p)
    for i in range(octaves):
        s = wp.noise(rng, pp)
        value += amp * (2.0 * wp.abs(s) - 1.0)
        amp *= persistence
        pp = pp * lacunarity
    return value


def make_fractal_noise_texture_step_kernel(noise_seed: int, randomness: float, ridge_height: float, sea_level: float, tree_line: float):
    @wp.kernel
    def fractal_noise_texture_step(
        width: int,
        height: int,
        frequency: float,
        rng_seed: int,
        persistence: float,
        num_octaves: int,
        octaves: int,
        channel_width: float,
        mesa_height: float,
        flatness: float,
        height_scale: float,
        eps: float,
        heights: wp.array2d(dtype=float),
        field_max: wp.array(dtype=float),
        f1_out: wp.array2d(dtype=float),
        terrain: wp.array2d(dtype=float),
        biome: wp.array2d(dtype=int),
        surface_normal: wp.array2d(dtype=wp.vec3),
    ):
        row, j = wp.tid()
        uv = wp.vec2(float(j) / float(width), float(row) / float(height)) * frequency
        rng = wp.rand_init(rng_seed)
        acc = float(0.0)
        amplitude = float(1.0)
        f = float(1.0)
        for octave in range(num_octaves):
            acc += amplitude * wp.noise(rng, uv * f)
            amplitude *= persistence
            f *= 2.0
        value = 0.5 * acc + 0.5
        heights[row, j] = value
        wp.atomic_max(field_max, 0, value)

        base_x = int(wp.floor(uv.x))
        base_y = int(wp.floor(uv.y))
        nearest = float(100.0)
        f2 = float(100.0)
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                nx = base_x + dx
                oy = base_y + dy
                key = lattice_hash(nx, oy, noise_seed)
                feature = wp.vec2(
                    float(nx) + 0.5 + randomness * (u32_to_float(key) - 0.5),
                    float(oy) + 0.5 + randomness * (u32_to_float(hash1(key + wp.uint32(1))) - 0.5),
                )
                r = wp.max(wp.abs((feature - uv).x), wp.abs((feature - uv).y))
                if r < nearest:
                    f2 = nearest
                    nearest = r
                elif r < f2:
                    f2 = r
        f1_out[row, j] = f2 - nearest

        base = billowed_noise(rng, uv * 0.25, 2, 2.0, 0.5)
        elevation = float(base)
        crest = 1.0 - wp.abs(wp.noise(rng, uv * 1.5))
        elevation += wp.smoothstep(0.0, 0.4, base) * crest * crest * ridge_height
        river = wp.abs(wp.noise(rng, uv * 0.7 + wp.vec2(31.0, 17.0)))
        if river < channel_width and elevation > 0.0:
            elevation = elevation * (river / channel_width)
        if elevation > mesa_height:
            elevation = mesa_height + (elevation - mesa_height) * flatness

        terrain[row, j] = elevation * height_scale
        if elevation < sea_level:
            biome[row, j] = 0
        elif elevation > tree_line:
            biome[row, j] = 3
        elif elevation < sea_level + 0.05:
            biome[row, j] = 1
        else:
            biome[row, j] = 2
        slope_x = (
            billowed_noise(rng, uv + wp.vec2(eps, 0.0), octaves, 2.0, 0.5)
            - billowed_noise(rng, uv - wp.vec2(eps, 0.0), octaves, 2.0, 0.5)
        )
        surface_normal[row, j] = wp.normalize(
            wp.vec3(-slope_x, 2.0 * eps, -(billowed_noise(rng, uv + wp.vec2(0.0, eps), octaves, 2.0, 0.5) - billowed_noise(rng, uv - wp.vec2(0.0, eps), octaves, 2.0, 0.5))),
        )

    return fractal_noise_texture_step


fractal_noise_texture_step = make_fractal_noise_texture_step_kernel(1337, 0.94, 0.4, 0.05, 0.45)
