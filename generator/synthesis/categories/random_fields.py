"""Random fields: fractal, cellular and spectral noise, terrains, textures and scattered points."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rf_cells import hashed_fill, scatter, worley
from generator.synthesis.categories._rf_hash import value_noise
from generator.synthesis.categories._rf_noise import fractal_image, noise_state, octave_sum, sampled
from generator.synthesis.categories._rf_noise_uses import cloud_volume, curl_advect, domain_warp
from generator.synthesis.categories._rf_patterns import tiles
from generator.synthesis.categories._rf_terrain import droplets, terrain
from generator.synthesis.categories._steps import write_step
from generator.synthesis.categories._tables import entity_rng
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Call, Expr, Name


@category("random_fields", version=1, title="Random fields and procedural patterns")
def write(p: ProgramBuilder) -> None:
    """Procedural randomness: octave sums, domain warping, cellular and value noise from integer hashes, terrains and
    cloud volumes, spectral synthesis, curl-noise advection, displaced surfaces and scattered points."""
    intents = {
        fractal_image: 1.8,
        domain_warp: 1.2,
        cloud_volume: 1.3,
        curl_advect: 1.2,
        value_noise: 1.2,
        worley: 1.5,
        scatter: 1.3,
        hashed_fill: 1.2,
        terrain: 1.5,
        droplets: 1.2,
        tiles: 1.2,
        _spectral: 1.2,
        _displace: 1.4,
        _midpoints: 0.25,
    }
    image = {
        fractal_image,
        domain_warp,
        value_noise,
        worley,
        terrain,
        tiles,
    }
    write_step(p, intents, image, {curl_advect, _spectral}, limit=30)


# --- spectral synthesis ---------------------------------------------------------------------------


def _spectral(p: ProgramBuilder) -> None:
    form = p.pick("modes", "waves", "gabor")
    k = p.kernel_builder(
        "sum_modes|gaussian_random_field|spectral_field|ocean_surface|random_fourier_features|gabor_noise",
        p.pick(
            "Superposition of random modes.",
            "Gaussian random field as a sum of cosines.",
            "Spectral synthesis at scattered points.",
        ),
    )
    n = p.pick(2, 2, 3)
    t = T.Vec(n)
    e = Entities(k, "point")
    x = e.field("points|positions|x", t, R.uniform(-4.0, 4.0)).read("x|pos|xi")
    count = p.pick(8, 16, 24, 32)
    waves = k.array("wave_vectors|modes|k_modes", t, (count,), R.normal(0.0, 1.5))
    phases = k.array("phases|phase_offsets|phi", T.F32, (count,), R.uniform(0.0, 6.28))
    weights = (
        k.array("amplitudes|coefficients|weights", T.F32, (count,), R.uniform(0.05, 0.5))
        if p.chance(0.6)
        else None
    )
    time = k.param("time|t", 0.1, 5.0) if form == "waves" else None
    total = k.var("total|value|acc", 0.0)
    gradient = k.var("grad|slope|g", construct(t, 0.0)) if p.chance(0.35) else None
    with k.loop(
        "m|mode|j", waves.dim(0) if p.chance(0.5) else k.count("num_modes|mode_count", count)
    ) as m:
        _mode(
            p,
            k,
            form,
            x,
            waves[m],
            phases[m],
            None if weights is None else weights[m],
            time,
            total,
            gradient,
            t,
        )
    spread = (
        wp.sqrt(2.0 / construct(T.F32, float(count))) if weights is None and p.chance(0.6) else None
    )
    e.out("field|values|heights", T.F32).store(total if spread is None else total * spread)
    if gradient is not None:
        e.out("gradients|slopes|grad_out", t).store(gradient)


def _mode(
    p: ProgramBuilder,
    k: KernelBuilder,
    form: str,
    x: Expr,
    wave: Expr,
    phase: Expr,
    weight: Expr | None,
    time: Expr | None,
    total: Name,
    gradient: Name | None,
    t: T.Type,
) -> None:
    wave = k.let("wave|kv|q", wave)
    if p.chance(0.25):
        cutoff = k.param("cutoff|k_max|band_limit", 2.0, 4.0)
        with k.when(wp.length(wave) > cutoff):
            k.cont()
    argument = wp.dot(wave, x) + phase
    if time is not None:
        gravity = k.param("gravity|g", 9.0, 10.0)
        argument = argument - wp.sqrt(gravity * wp.length(wave)) * time
    angle = k.let("arg|theta|angle", argument)
    amplitude: Expr | None = weight
    if form == "gabor":
        width = k.param("bandwidth|width|sigma", 0.3, 1.5)
        envelope = k.let("envelope|window|env", wp.exp(-width * wp.length_sq(x - wave)))
        amplitude = envelope if weight is None else envelope * weight
    term = wp.cos(angle) if amplitude is None else amplitude * wp.cos(angle)
    k.aug(total, "+", term)
    if gradient is not None:
        slope = wp.sin(angle) if amplitude is None else amplitude * wp.sin(angle)
        k.aug(gradient, "-", wave * slope)


# --- displaced surfaces ---------------------------------------------------------------------------


def _displace(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "displace_vertices|perturb_surface|roughen_mesh|noise_displacement|jitter_points|wobble",
        p.pick(
            "Move vertices along their normals by noise.", "Noise displacement of a surface.", ""
        ),
    )
    e = Entities(k, "vertex")
    x = e.field("points|vertices|positions", T.VEC3, R.uniform(-1.0, 1.0)).read("x|v|pos")
    out = e.out("points_out|displaced|new_positions", T.VEC3)
    e.guard((out, x))
    amount = e.world_param("amount|displacement|amplitude", 0.02, 0.5)
    normals = (
        e.field("normals|vertex_normals", T.VEC3, R.unit_vectors()) if p.chance(0.65) else None
    )
    offset = k.let("d|offset|bump", _bump(p, k, e, x) * amount)
    direction = normals.own if normals is not None else wp.normalize(x)
    _store_displaced(p, k, e, out, x, offset, direction)


def _bump(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr) -> Expr:
    frequency = k.param("frequency|noise_scale|freq", 0.5, 5.0)
    match p.pick("noise", "animated", "fbm", "random", "ripple", "periodic", "periodic"):
        case "noise":
            return wp.noise(noise_state(p, k), x * frequency)
        case "animated":
            time = k.param("time|t", 0.1, 4.0)
            point = construct(T.VEC4, x.x * frequency, x.y * frequency, x.z * frequency, time)
            return wp.noise(noise_state(p, k), point)
        case "fbm":
            return sampled(p, k, noise_state(p, k), x * frequency, octave_sum(p, T.VEC3))
        case "random":
            rng = entity_rng(e)
            value = k.let("r|draw", rng.normal() if p.chance(0.5) else rng.uniform(-1.0, 1.0))
            rng.close()
            return value * wp.cos(frequency * x.y)
        case "ripple":
            return wp.sin(frequency * wp.length(x)) + 0.5 * wp.noise(
                noise_state(p, k), x.x * frequency
            )
    tiles = k.count("period|repeat|tiles", p.pick(4, 8))
    return wp.pnoise(noise_state(p, k), x * frequency, tiles, tiles, tiles)


def _store_displaced(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    out: Field,
    x: Expr,
    offset: Expr,
    direction: Expr,
) -> None:
    if p.chance(0.3):
        limit = k.param("max_offset|clip|limit", 0.05, 0.3)
        offset = k.let("clipped|d_max", wp.clamp(offset, -limit, limit))
    if p.chance(0.25):
        with k.when(offset < 0.0) if p.chance(0.5) else k.when(any_of(offset < 0.0, x.y < 0.0)):
            out.store(x)
            k.ret()
    out.store(x + direction * offset)
    if p.chance(0.3):
        e.out("offsets|height_offset|displacement_out", T.F32).store(offset)
    if p.chance(0.2):
        extreme = k.out("max_displacement|extent|largest", T.F32, (1,))
        k.do(wp.atomic_max(extreme, 0, wp.abs(offset)))


# --- midpoint displacement ------------------------------------------------------------------------


def _midpoints(p: ProgramBuilder) -> None:
    """One step of the diamond-square scheme: new points from the corners around them."""
    size, stride = p.pick((17, 8), (33, 8), (33, 4), (17, 4), (17, 2))
    diamond = p.chance(0.6)
    k = p.kernel_builder(
        "diamond_step|square_step|midpoint_displacement|refine_terrain",
        p.pick(
            "One refinement step of midpoint displacement.",
            "Centres of the squares get the mean of their corners plus noise.",
            "",
        ),
    )
    cells = (size - 1) // stride
    k.launch_dim = (cells, cells)
    row, col = k.unpack(
        ["row|i|cy", "col|j|cx"], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
    )
    step = k.count("stride|step|spacing", stride)
    half = k.let("half|h", step // 2)
    heights = k.array("heights|terrain|field", T.F32, (size, size), R.uniform(0.0, 1.0), "inout")
    roughness = k.param("roughness|amplitude|scale", 0.05, 0.6)
    state = k.let("state|rng", wp.rand_init(k.scalar("seed|rng_seed", T.I32, 3), row * cells + col))
    y, x = k.let("y0|r0", row * step), k.let("x0|c0", col * step)
    corners = [
        heights[y, x],
        heights[y + step, x],
        heights[y, x + step],
        heights[y + step, x + step],
    ]
    if diamond:
        mean = k.let("mean|average|mid", 0.25 * (corners[0] + corners[1] + corners[2] + corners[3]))
        bump = (
            roughness * (wp.randf(state) - 0.5)
            if p.chance(0.5)
            else roughness * wp.randf(state, -1.0, 1.0)
        )
        k.set(heights[y + half, x + half], mean + bump)
        if p.chance(0.4):
            spread = k.out("local_relief|relief|range_out", T.F32, (cells, cells))
            top = wp.max(wp.max(corners[0], corners[1]), wp.max(corners[2], corners[3]))
            k.set(spread[row, col], top - mean)
        return
    k.set(heights[y, x + half], 0.5 * (corners[0] + corners[2]) + roughness * wp.randn(state))
    if p.chance(0.5):
        k.set(heights[y + half, x], 0.5 * (corners[0] + corners[1]) + roughness * wp.randn(state))
    else:
        edge = k.let("edge|left_mid", 0.5 * (corners[0] + corners[1]))
        k.set(heights[y + half, x], choose(edge > 0.5, edge + roughness * wp.randf(state), edge))
