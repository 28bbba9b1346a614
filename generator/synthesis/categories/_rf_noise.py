"""Sums of octaves, for the random-field category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.grid import Grid
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
    periodic = t != T.F32 and p.chance(0.4)
    name = {
        "fbm": "fbm|fractal_noise|octave_noise",
        "ridged": "ridged_noise|ridge_fbm",
        "turbulence": "turbulence|turbulent_noise",
        "billow": "billow|billowed_noise",
        "multifractal": "multifractal|multiplicative_noise",
        "hybrid": "hybrid_fractal|hybrid_noise",
    }[form]

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
