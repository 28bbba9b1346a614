import warp as wp


@wp.struct
class SimParams:
    scale: float
    num_octaves: int
    breakup: float


@wp.func
def hybrid_noise(rng: wp.uint32, x: wp.vec3, octaves: int, lacunarity: float, gain: float):
    """Sum of octaves of gradient noise."""
    total = float(0.0)
    a = float(0.5)
    weight_sum = float(0.0)
    carry = float(1.0)
    point = wp.vec3(x)
    for o in range(octaves):
        noise_value = wp.pnoise(rng, point, 8, 8, 8)
        total += carry * a * noise_value
        carry = wp.clamp(carry * (noise_value + 0.7), 0.0, 1.0)
        weight_sum += a
        a *= gain
        point = point * lacunarity
    return total / weight_sum


@wp.func
def get_from_center(x: int, dim_x: int, j: int, dim_y: int, k: int, nz: int):
    return wp.vec3(float(x) - 0.5 * float(dim_x), float(j) - 0.5 * float(dim_y), float(k) - 0.5 * float(nz))


@wp.kernel
def fog_volume(
    dim_x: int,
    dim_y: int,
    nz: int,
    cloud_radius: float,
    rng_seed: int,
    peak: float,
    model: SimParams,
    voxels: wp.array3d[float],
    num_active: wp.array[int],
):
    x, j, k = wp.tid()
    pos = wp.vec3(float(x), float(j), float(k)) * model.scale
    from_center = get_from_center(x, dim_x, j, dim_y, k, nz)
    shape = 1.0 - wp.abs(from_center.y) / cloud_radius
    if shape <= 0.0:
        voxels[x, j, k] = 0.0
    else:
        state = wp.rand_init(rng_seed)
        erosion = hybrid_noise(state, pos, model.num_octaves, 2.0, 0.5)
        rho = wp.max(shape - model.breakup * wp.abs(erosion), 0.0)
        voxels[x, j, k] = peak * rho
        if rho > 0.0:
            wp.atomic_add(num_active, 0, 1)
