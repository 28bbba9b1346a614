"""Warped textures, clouds and curl noise, for the random-field category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rf_noise import coordinates, noise_state, octave_sum, sampled
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def domain_warp(p: ProgramBuilder) -> None:
    """Noise whose argument is displaced by noise."""
    k = p.kernel_builder(
        "domain_warp|warped_noise|warp_texture|marble_texture|swirl_noise",
        p.pick(
            "Noise of noise: the sample position is displaced first.", "Domain-warped texture.", ""
        ),
    )
    g = Grid(k, "row|i|y col|j|x", boundary="clamp")
    x = coordinates(p, k, g)
    state = noise_state(p, k)
    strength = k.param("warp|warp_strength|amplitude", 0.3, 4.0)
    fbm = octave_sum(p, T.VEC2)
    octaves = k.count("octaves|num_octaves", p.pick(3, 4, 5))
    lacunarity, gain = p.pick((2.0, 0.5), (2.0, 0.45), (2.1, 0.5), (1.9, 0.55))

    def call(q: Expr) -> Expr:
        return fbm(state, q, octaves, lacunarity, gain)

    def shift() -> Expr:
        return construct(T.VEC2, *[round(p.rng.uniform(1.0, 12.0), 1) for _ in range(2)])

    offset = k.let("warp_offset|q|d", construct(T.VEC2, call(x), call(x + shift())))
    if p.chance(0.4):
        inner = k.let("inner|warped|x1", x + offset * strength)
        offset = k.let(
            "offset2|r|dd",
            construct(
                T.VEC2,
                call(inner + shift()),
                call(inner + shift()),
            ),
        )
    value = k.let("value|n|v", call(x + offset * strength))
    match p.pick("value", "marble", "wood", "color"):
        case "value":
            g.out("texture|field|out", T.F32).store(value)
        case "marble":
            veins = k.param("veins|stripe_frequency|bands", 2.0, 10.0)
            g.out("marble|texture|out", T.F32).store(0.5 + 0.5 * wp.sin(veins * (x.x + value)))
        case "wood":
            rings = k.param("rings|ring_count|grain", 3.0, 12.0)
            r = k.let("radius|r_ring", wp.length(x) * rings + value)
            g.out("wood|grain_out|texture", T.F32).store(r - wp.floor(r))
        case "color":
            a = k.quantity("color_a|dark|shadow", T.VEC3, [0.1, 0.15, 0.3])
            b = k.quantity("color_b|light|highlight", T.VEC3, [0.9, 0.85, 0.7])
            t = k.let("t|mix", wp.clamp(0.5 + 0.5 * value + 0.2 * wp.length(offset), 0.0, 1.0))
            g.out("image|rgb|texture", T.VEC3).store(
                a + (b - a) * t if p.chance(0.6) else wp.lerp(a, b, t)
            )


def cloud_volume(p: ProgramBuilder) -> None:
    """Density of a cloud or fog bank on a voxel grid."""
    k = p.kernel_builder(
        "fill_density|cloud_density|noise_volume|fog_volume|voxelize_cloud|smoke_seed",
        p.pick(
            "Density of a procedural cloud.",
            "Fill a voxel grid with a soft shape broken up by noise.",
            "",
        ),
    )
    g = Grid(k, "i|x j|y k|z", boundary="clamp")
    x = coordinates(p, k, g)
    centred = [cast(T.F32, i) - 0.5 * cast(T.F32, g.extent(a)) for a, i in enumerate(g.index)]
    d = k.let("rel|from_center|d", construct(T.VEC3, *centred))
    radius = k.param("radius|cloud_radius|extent", 2.0, 5.0)
    shape = _soft_shape(p, k, d, radius)
    if p.chance(0.4):
        with k.when(shape <= 0.0):
            g.out("density|sigma|voxels", T.F32).store(0.0)
            k.ret()
        density = k.arguments[-1]
        target = Name(density.name, density.type)[g.address(g.index)]
    else:
        target = g.out("density|sigma|voxels", T.F32).own
    state = noise_state(p, k)
    time = k.param("time|t|wind_offset", 0.1, 3.0) if p.chance(0.35) else None
    if time is None:
        n = k.let("n|detail|erosion", sampled(p, k, state, x, octave_sum(p, T.VEC3)))
    else:
        n = k.let("n|detail|erosion", wp.noise(state, construct(T.VEC4, x.x, x.y, x.z, time)))
    erosion, scale = (
        k.param("erosion|detail_strength|breakup", 0.15, 0.6),
        k.param("density_scale|sigma_t|peak", 0.5, 6.0),
    )
    value = k.let(
        "value|rho|sample",
        wp.max(shape - erosion * wp.abs(n), 0.0)
        if p.chance(0.5)
        else wp.clamp(shape + erosion * n, 0.0, 1.0),
    )
    k.set(target, scale * value)
    if p.chance(0.4):
        occupied = k.out("occupied|active_count|num_active", T.I32, (1,))
        with k.when(value > 0.0):
            k.do(wp.atomic_add(occupied, 0, 1))


def _soft_shape(p: ProgramBuilder, k: KernelBuilder, d: Expr, radius: Expr) -> Name:
    form = p.pick("ball", "slab", "ellipsoid", "capped")

    def body(b: Block, q: Expr, r: Expr) -> Expr:
        if form == "ball":
            return 1.0 - wp.length(q) / r
        if form == "slab":
            return 1.0 - wp.abs(q.y) / r
        if form == "ellipsoid":
            return 1.0 - wp.length(construct(T.VEC3, q.x, 2.0 * q.y, q.z)) / r
        base = b.let("base|flat", choose(q.y < -0.4 * r, 0.0, 1.0))
        return base * (1.0 - wp.length(q) / r)

    return k.let(
        "shape|falloff|mask",
        piece(p, k, "cloud_shape|falloff|soft_shape", {"q|rel": d, "r|radius": radius}, body),
    )


def curl_advect(p: ProgramBuilder) -> None:
    """Points carried by divergence-free noise."""
    planar = p.chance(0.3)
    t = T.VEC2 if planar else T.VEC3
    k = p.kernel_builder(
        "curl_advect|advect_curl_noise|stir_particles|turbulence_step|swirl_points",
        p.pick(
            "Advect points through curl noise.",
            "Divergence-free turbulence for tracer particles.",
            "",
        ),
    )
    e = Entities(k, "point")
    x_io = e.inout("positions|points|x", t, R.uniform(-2.0, 2.0))
    e.guard()
    state = noise_state(p, k)
    scale, strength, dt = (
        k.param("noise_scale|frequency|freq", 0.2, 1.5),
        e.world_param("strength|amplitude|gust", 0.2, 2.0),
        k.param("dt|timestep", 0.005, 0.05),
    )
    x = k.var("x|pos|xi", x_io.own)
    field = _curl(p, k, t, state)
    velocity = k.let("v|velocity|u", field(x, scale) * strength)
    if p.chance(0.35):
        middle = k.let("v_mid|v2", field(x + velocity * (0.5 * dt), scale) * strength)
        k.aug(x, "+", middle * dt)
    else:
        k.aug(x, "+", velocity * dt)
    if p.chance(0.5):
        bound = k.param("bound|half_extent|domain", 1.0, 3.0)
        tests = [wp.abs(x.field(a)) > bound for a in "xyz"[: t.n]]
        with k.when(any_of(*tests)):
            k.set(x, x * p.pick(0.9, 0.5) if p.chance(0.5) else -x * 0.95)
    x_io.store(x)
    if p.chance(0.4):
        e.out("speeds|speed_out|intensity", T.F32).store(wp.length(velocity))
    if p.chance(0.3):
        age = e.inout("ages|age|life", T.F32, R.uniform(0.0, 2.0))
        age.store(age.own + dt)


def _curl(p: ProgramBuilder, k: KernelBuilder, t: T.Type, state: Expr):  # type: ignore[no-untyped-def]
    """A maker of velocity expressions: the builtin, or finite differences of a potential."""
    if p.chance(0.55) or t == T.VEC3:
        detailed = p.chance(0.5)
        octaves = k.count("octaves|num_octaves", p.pick(1, 2, 3)) if detailed else None
        if octaves is None:
            return lambda x, scale: wp.curlnoise(state, x * scale)
        unsigned = cast(T.U32, octaves)
        return lambda x, scale: wp.curlnoise(state, x * scale, unsigned, 2.0, 0.5)
    h = p.pick(0.01, 0.02, 0.05)

    def body(b: Block, s: Expr, x: Expr, f: Expr) -> None:
        dx, dy = construct(T.VEC2, h, 0.0), construct(T.VEC2, 0.0, h)
        d_dx = b.let(
            "dpsi_dx|gx", (wp.noise(s, (x + dx) * f) - wp.noise(s, (x - dx) * f)) / (2.0 * h)
        )
        d_dy = b.let(
            "dpsi_dy|gy", (wp.noise(s, (x + dy) * f) - wp.noise(s, (x - dy) * f)) / (2.0 * h)
        )
        b.ret(construct(T.VEC2, d_dy, -d_dx))

    f = p.func(
        "curl_2d|stream_velocity|curl_noise_2d",
        {"state|rng": T.U32, "x|pos": T.VEC2, "freq|scale": T.F32},
        body,
        p.pick("", "Perpendicular gradient of the stream function."),
    )
    return lambda x, scale: f(state, x, scale)
