import warp as wp


@wp.struct
class Settings:
    max_life: float
    lam: float


@wp.func
def place(center: wp.vec3, radius: float, d: wp.vec3) -> wp.vec3:
    return center + d * radius


@wp.kernel
def inject_particles(
    remaining_life: wp.array(dtype=float),
    cdf: wp.array(dtype=float),
    source_kind: wp.array(dtype=int),
    centers: wp.array(dtype=wp.vec3),
    emitter_radius: wp.array(dtype=float),
    rng_seed: int,
    life_lo: float,
    model: Settings,
    points: wp.array(dtype=wp.vec3),
    ttl: wp.array(dtype=float),
    burst_size: wp.array(dtype=int),
    num_spawned: wp.array(dtype=int),
):
    """Respawn particles inside their source."""
    idx = wp.tid()
    if remaining_life[idx] > 0.0:
        return
    state = wp.rand_init(rng_seed, idx)
    source = wp.min(wp.sample_cdf(state, cdf), 3)
    form = source_kind[source]
    d = wp.vec3(0.0)
    if form == 0:
        u = wp.sample_unit_ring(state)
        d = wp.vec3(u.x, u.y, 0.0)
    elif form == 1:
        flat = wp.sample_unit_disk(state)
        d = wp.vec3(flat.x, flat.y, 0.0)
    else:
        d = wp.sample_unit_hemisphere(state)
    points[idx] = place(centers[source], emitter_radius[source], d)
    ttl[idx] = wp.randf(state, life_lo, model.max_life)
    num = int(wp.poisson(state, model.lam))
    burst_size[idx] = num
    wp.atomic_add(num_spawned, 0, num)
