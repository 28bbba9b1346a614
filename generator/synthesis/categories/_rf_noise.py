"""Sums of octaves and what is made of them, for the random-field category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def coordinates(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> Name:
    """The sample position of a grid cell, in noise space."""
    if "coordinates" not in p.shared:
        p.shared["coordinates"] = _coordinates(p, k, g)
    return p.shared["coordinates"]


def _coordinates(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> Name:
    axes = len(g.shape)
    t = T.Vec(axes)
    ordered = list(reversed(g.index)) if axes == 2 else list(g.index)
    as_float = [cast(T.F32, i) for i in ordered]
    match p.pick("scale", "period", "normalised", "offset"):
        case "scale":
            scale = k.param("frequency|scale|base_frequency", 0.03, 0.3)
            return k.let("p|uv|pos", construct(t, *as_float) * scale)
        case "period":
            period = k.param("feature_size|period|wavelength", 4.0, 24.0)
            return k.let("p|uv|pos", construct(t, *as_float) / period)
        case "normalised":
            extents = [cast(T.F32, g.extent(axes - 1 - a if axes == 2 else a)) for a in range(axes)]
            cells = k.param("cells|tiles|frequency", 2.0, 9.0)
            return k.let(
                "p|uv|pos",
                construct(t, *[f / n for f, n in zip(as_float, extents, strict=True)]) * cells,
            )
    spacing = k.param("dx|cell_size|spacing", 0.05, 0.3)
    origin = k.quantity("origin|offset|domain_origin", t, [1.5, -0.75, 3.0][:axes])
    return k.let("p|uv|pos", origin + construct(t, *as_float) * spacing)


def noise_state(p: ProgramBuilder, k: KernelBuilder) -> Name:
    """The lattice's seed."""
    if "noise_state" not in p.shared:
        p.shared["noise_state"] = _noise_state(p, k)
    return p.shared["noise_state"]


def _noise_state(p: ProgramBuilder, k: KernelBuilder) -> Name:
    seed = k.scalar("seed|noise_seed|rng_seed", T.I32, p.pick(1, 7, 42, 1234))
    return k.let("state|rng|noise_state", wp.rand_init(seed))


def octave_sum(p: ProgramBuilder, t: T.Type) -> UserFunction:
    """A `@wp.func` that sums octaves of gradient noise in one of the usual ways."""
    form = p.pick("fbm", "fbm", "ridged", "turbulence", "billow", "multifractal", "hybrid")
    rotate = t == T.VEC2 and p.chance(0.3)
    normalise = p.chance(0.4)
    periodic = t != T.F32 and p.chance(0.15)
    name = {
        "fbm": "fbm|fractal_noise|octave_noise", "ridged": "ridged_noise|ridge_fbm", "turbulence": "turbulence|turbulent_noise",
        "billow": "billow|billowed_noise", "multifractal": "multifractal|multiplicative_noise", "hybrid": "hybrid_fractal|hybrid_noise",
    }[form]  # fmt: skip

    def sample(b: Block, state: Expr, q: Expr) -> Expr:
        if not periodic:
            return wp.noise(state, q)
        return wp.pnoise(state, q, *[8] * (t.n if isinstance(t, T.Vec) else 1))

    def body(b: Block, state: Expr, x: Expr, octaves: Expr, lacunarity: Expr, gain: Expr) -> None:
        value = b.var("value|total|acc", 1.0 if form == "multifractal" else 0.0)
        amplitude = b.var("amplitude|amp|a", 1.0 if p.chance(0.5) else 0.5)
        norm = (
            b.var("norm|max_amp|weight_sum", 0.0) if normalise and form != "multifractal" else None
        )
        signal = b.var("weight|carry", 1.0) if form == "hybrid" else None
        q = b.var("q|point|pp", x)
        with b.loop("octave|i|o", octaves):
            n = b.let("n|noise_value|s", sample(b, state, q))
            _octave(b, p, form, value, amplitude, n, signal)
            if norm is not None:
                b.aug(norm, "+", amplitude)
            b.aug(amplitude, "*", gain)
            if rotate:
                b.set(
                    q, construct(T.VEC2, 0.8 * q.x - 0.6 * q.y, 0.6 * q.x + 0.8 * q.y) * lacunarity
                )
            else:
                b.set(q, q * lacunarity)
        b.ret(value if norm is None else value / norm)

    params = {
        "state|rng": T.U32,
        "x|pos|p": t,
        "octaves|num_octaves": T.I32,
        "lacunarity|freq_scale": T.F32,
        "gain|persistence": T.F32,
    }
    doc = p.pick(
        "",
        "",
        "Sum of octaves of gradient noise.",
        "Fractal noise; each octave is finer and weaker.",
    )
    return p.func(name, params, body, doc)


def _octave(
    b: Block,
    p: ProgramBuilder,
    form: str,
    value: Name,
    amplitude: Name,
    n: Expr,
    signal: Name | None,
) -> None:
    match form:
        case "fbm":
            b.aug(value, "+", amplitude * n)
        case "turbulence":
            b.aug(value, "+", amplitude * wp.abs(n))
        case "billow":
            b.aug(value, "+", amplitude * (2.0 * wp.abs(n) - 1.0))
        case "multifractal":
            b.aug(value, "*", 1.0 + amplitude * n)
        case "ridged":
            ridge = b.let("ridge|r", 1.0 - wp.abs(n))
            b.aug(value, "+", amplitude * ridge * ridge)
    if signal is not None:
        b.aug(value, "+", signal * amplitude * n)
        b.set(signal, wp.clamp(signal * (n + 0.7), 0.0, 1.0))


def sampled(p: ProgramBuilder, k: KernelBuilder, state: Expr, x: Expr, fbm: UserFunction) -> Expr:
    """A call of the octave sum with this program's parameters."""
    octaves = k.count("octaves|num_octaves|levels", p.pick(3, 4, 5, 6))
    if p.chance(0.3):
        return fbm(state, x, octaves, 2.0, 0.5)
    return fbm(
        state,
        x,
        octaves,
        k.param("lacunarity|freq_scale", 1.8, 2.3),
        k.param("gain|persistence", 0.4, 0.6),
    )


def fractal_image(p: ProgramBuilder) -> None:
    """Fractal noise written into a grid, and shaped."""
    axes = p.weighted({2: 5, 3: 1.5})
    k = p.kernel_builder(
        "fill_noise|fractal_noise_texture|generate_heightfield|noise_image|fbm_field|bake_noise",
        p.pick(
            "Fill a grid with fractal noise.",
            "Bake an octave sum into a texture.",
            "Procedural height field.",
        ),
    )
    g = Grid(k, "row|i|y col|j|x" if axes == 2 else "i|x j|y k|z", boundary="clamp")
    x = coordinates(p, k, g)
    state = noise_state(p, k)
    if p.chance(0.35) or axes == 3:
        value = k.var("h|value|n", _inline_octaves(p, k, state, x))
    else:
        value = k.var("h|value|n", sampled(p, k, state, x, octave_sum(p, x.type)))
    for shape in p.sample([_terrace, _remap, _bias, _threshold, _island], 0, 2):
        shape(p, k, g, value)
    g.out("heights|field|noise_out|texture", T.F32).store(value)
    if p.chance(0.25):
        limits = k.out("max_height|field_max|peak", T.F32, (1,), R.constant(-10.0))
        k.do(wp.atomic_max(limits, 0, value))


def _inline_octaves(p: ProgramBuilder, k: KernelBuilder, state: Expr, x: Expr) -> Expr:
    gain = k.param("gain|persistence", 0.4, 0.6)
    total, amplitude, frequency = (
        k.var("total|acc", 0.0),
        k.var("amp|amplitude", 1.0),
        k.var("freq|f", 1.0),
    )
    with k.loop("octave|o", k.count("octaves|num_octaves", p.pick(3, 4, 6))):
        n = wp.noise(state, x * frequency)
        k.aug(total, "+", amplitude * (wp.abs(n) if p.chance(0.3) else n))
        k.aug(amplitude, "*", gain)
        k.aug(frequency, "*", 2.0)
    return total if p.chance(0.3) else 0.5 * total + 0.5


def _terrace(p: ProgramBuilder, k: KernelBuilder, g: Grid, value: Name) -> None:
    steps = k.param("terraces|num_steps|levels", 3.0, 12.0)
    level = k.let("level|scaled", value * steps)
    base = k.let("base|floor_level", wp.floor(level))
    t = k.let("t|blend", level - base)
    sharp = t * t * (3.0 - 2.0 * t) if p.chance(0.5) else wp.smoothstep(0.3, 0.7, t)
    k.set(value, (base + sharp) / steps)


def _remap(p: ProgramBuilder, k: KernelBuilder, g: Grid, value: Name) -> None:
    low, high = (
        k.quantity("out_min|low|base_height", T.F32, p.pick(0.0, -1.0, 0.1)),
        k.param("out_max|high|height_scale", 1.0, 8.0),
    )
    k.set(value, low + (high - low) * wp.clamp(0.5 * value + 0.5, 0.0, 1.0))


def _bias(p: ProgramBuilder, k: KernelBuilder, g: Grid, value: Name) -> None:
    exponent = k.param("exponent|sharpness|gamma", 0.6, 3.0)
    if p.chance(0.5):
        k.set(value, wp.sign(value) * wp.pow(wp.abs(value), exponent))
    else:
        k.set(value, wp.pow(wp.max(value, 0.0), exponent))


def _threshold(p: ProgramBuilder, k: KernelBuilder, g: Grid, value: Name) -> None:
    level = k.quantity("threshold|sea_level|cutoff", T.F32, p.pick(-0.1, 0.0, 0.05))
    match p.pick("cut", "where", "flatten"):
        case "cut":
            with k.when(value < level):
                k.set(value, level)
        case "where":
            k.set(value, wp.where(value > level, value - level, 0.0))
        case "flatten":
            with k.when(value < level):
                k.set(
                    value, level + (value - level) * k.param("underwater_scale|damping", 0.05, 0.4)
                )


def _island(p: ProgramBuilder, k: KernelBuilder, g: Grid, value: Name) -> None:
    centred = [2.0 * cast(T.F32, i) / cast(T.F32, g.extent(a)) - 1.0 for a, i in enumerate(g.index)]
    d = k.let("d|edge|from_center", construct(T.Vec(len(centred)), *centred))
    k.aug(
        value,
        "*",
        wp.max(1.0 - wp.dot(d, d), 0.0) if p.chance(0.6) else wp.exp(-2.0 * wp.length_sq(d)),
    )


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
        k.param("erosion|detail_strength|breakup", 0.3, 1.5),
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
