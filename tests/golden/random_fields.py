import warp as wp


@wp.struct
class ModelParams:
    tiles: float
    cloud_radius: float
    levels: int
    detail_strength: float
    sigma_t: float


@wp.func
def turbulence(rng: wp.uint32, p: wp.vec3, num_octaves: int, lacunarity: float, gain: float):
    value = float(0.0)
    amp = float(0.5)
    max_amp = float(0.0)
    q = p
    for octave in range(num_octaves):
        s = wp.noise(rng, q)
        value += amp * wp.abs(s)
        max_amp += amp
        amp *= gain
        q = q * lacunarity
    return value / max_amp


@wp.kernel
def cloud_density(
    dim_x: int,
    dim_y: int,
    nz: int,
    rng_seed: int,
    config: ModelParams,
    voxels: wp.array3d[float],
    active_count: wp.array[int],
):
    x, j, k = wp.tid()
    p = (
        wp.vec3(float(x) / float(dim_x), float(j) / float(dim_y), float(k) / float(nz))
        * config.tiles
    )
    rel = wp.vec3(
        float(x) - 0.5 * float(dim_x), float(j) - 0.5 * float(dim_y), float(k) - 0.5 * float(nz)
    )
    flat = 0.0 if rel.y < -0.4 * config.cloud_radius else 1.0
    mask = flat * (1.0 - wp.length(rel) / config.cloud_radius)
    noise_state = wp.rand_init(rng_seed)
    erosion = turbulence(noise_state, p, config.levels, 2.0, 0.5)
    sample = wp.max(mask - config.detail_strength * wp.abs(erosion), 0.0)
    voxels[x, j, k] = config.sigma_t * sample
    if sample > 0.0:
        wp.atomic_add(active_count, 0, 1)
