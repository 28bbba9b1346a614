"""Tone: operators, levels, balance, local adaptation, quantisation, exposure fusion."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._image import (
    TARGET,
    gray,
    image_grid,
    load,
    luminance,
    quantize,
    rgb,
    source,
    window,
)  # fmt: skip
from generator.synthesis.categories._image_color import V3, _channels
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def tone(p: ProgramBuilder) -> None:
    """Tone mapping and adjustments: operators, exposure, curves, local adaptation, white balance."""
    goals = {
        "operator": "tonemap|tone_map|display_transform|hdr_to_ldr",
        "levels": "adjust_levels|contrast_stretch|brightness_contrast",
        "balance": "white_balance|color_correct|apply_ccm",
        "local": "local_tonemap|dodge_burn|adaptive_exposure",
        "bits": "quantize_image|posterize|to_8bit|pack_pixels",
        "fuse": "exposure_fusion|merge_exposures|hdr_merge",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Tone adjustment.", "", "Map radiance to display values.")
    )
    g = image_grid(p, k, "clamp")
    {
        "operator": _operator,
        "levels": _levels,
        "balance": _balance,
        "local": _local,
        "bits": _bits,
        "fuse": _fuse,
    }[goal](p, k, g)


def _curve(p: ProgramBuilder) -> UserFunction:
    form = p.pick("reinhard", "extended", "filmic", "exposure", "log", "hable")

    def hable(v: Expr) -> Expr:
        return (v * (0.15 * v + 0.05) + 0.004) / (v * (0.15 * v + 0.5) + 0.06) - 0.0666667

    def body(b: Block, v: Expr) -> None:
        if form == "reinhard":
            b.ret(v / (1.0 + v))
        elif form == "extended":
            b.ret(v * (1.0 + v / p.pick(4.0, 9.0, 16.0)) / (1.0 + v))
        elif form == "filmic":
            b.ret(wp.clamp(v * (2.51 * v + 0.03) / (v * (2.43 * v + 0.59) + 0.14), 0.0, 1.0))
        elif form == "exposure":
            b.ret(1.0 - wp.exp(-v))
        elif form == "log":
            b.ret(wp.log(1.0 + 8.0 * v) / wp.log(9.0) if p.chance(0.5) else wp.log2(1.0 + v) * 0.5)
        else:
            b.ret(b.let("num|top", hable(v * 2.0)) / p.pick(0.74, 0.8))

    return p.func(f"{form}_curve|tone_curve|map_channel|compress", {"v|x|lin": T.F32}, body)


def _operator(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    src = g.field("hdr|radiance|src", V3, R.uniform(0.0, 4.0))
    c = k.let(
        "c|rgb|hdr_px",
        src.own * k.param("exposure|gain|key", 0.2, 3.0) if p.chance(0.7) else src.own,
    )
    f = _curve(p)
    out = g.out("ldr|display|dst", V3)
    if p.chance(0.4):
        y = k.let("y|lum|lw", luminance(p, k, c))
        mapped: Expr = c * (f(y) / wp.max(y, 1.0e-4))
    else:
        mapped = construct(V3, *(f(a) for a in _channels(c)))
    if p.chance(0.5):
        m = k.let("m|mapped|ldr_px", mapped)
        inv = k.let("inv_gamma|ig", 1.0 / k.param("gamma|display_gamma", 1.8, 2.4))
        mapped = construct(V3, *(wp.pow(wp.clamp(a, 0.0, 1.0), inv) for a in _channels(m)))
    out.store(mapped)
    if p.chance(0.25):
        k.do(wp.atomic_max(k.out("peak_luminance|max_value", T.F32, (1,)), 0, wp.max(c)))


def _levels(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    t = p.weighted({T.F32: 2, V3: 2, T.U8: 2})
    src, out = source(p, g, t), g.out(TARGET, t)
    full = 255.0 if t == T.U8 else 1.0
    v = k.let("v|px|value", load(src.own))
    form = p.pick("stretch", "affine", "gamma", "sigmoid")
    one = full if t != V3 else construct(V3, 1.0)
    nil = 0.0 if t != V3 else construct(V3, 0.0)
    if form == "affine":
        gain, bias = (
            k.param("contrast|gain|alpha", 0.5, 2.0),
            k.param("brightness|bias|beta", 0.02, 0.2),
        )
        shift = bias * full if t != V3 else construct(V3, bias)
        value: Expr = v * gain + shift
    elif form == "stretch":
        lo, hi = (
            k.param("black|in_low|lo", 0.01 * full, 0.2 * full),
            k.param("white|in_high|hi", 0.7 * full, full),
        )
        low = lo if t != V3 else construct(V3, lo)
        value = (v - low) * (full / (hi - lo)) if t != V3 else (v - low) / (hi - lo)
    else:
        power = k.param("gamma|exponent|power", 0.4, 2.2)

        def curve(b: Block, x: Expr, a: Expr) -> Expr:
            if form == "gamma":
                return wp.pow(x, a)
            return 1.0 / (1.0 + wp.exp(-6.0 * a * (x - 0.5)))

        f = p.func(
            "gamma_curve|tone|apply_curve|s_curve",
            {"x|v": T.F32, "a|power": T.F32},
            lambda b, *q: b.ret(curve(b, *q)),
        )
        value = (
            construct(V3, *(f(a, power) for a in _channels(v)))
            if t == V3
            else f(v / full if t == T.U8 else v, power)
        )
        value = value * full if t == T.U8 else value
    if t != T.U8 and p.chance(0.6):
        value = wp.max(wp.min(value, one), nil) if t == V3 else wp.clamp(value, 0.0, 1.0)
    out.store(quantize(p, value, t))


def _balance(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    src, out = rgb(p, g), g.out(TARGET, V3)
    c = k.let("c|rgb|px", src.own)
    if p.chance(0.5):
        black = k.quantity("black_level|pedestal|dark", V3, [0.02, 0.02, 0.02])
        c = k.let("lin|signal", wp.max(c - black, construct(V3, 0.0)))
    value = c
    if p.chance(0.7):
        value = wp.cw_mul(
            value, k.quantity("wb_gains|channel_gains|illuminant", V3, [1.8, 1.0, 1.5])
        )
    if p.chance(0.6):
        ccm = k.quantity(
            "ccm|color_matrix|M", T.MAT33, [1.5, -0.3, -0.2, -0.2, 1.4, -0.2, 0.0, -0.4, 1.4]
        )
        value = ccm * maybe(p, k, "bal|balanced", value)
    elif p.chance(0.5):
        y = k.let("y|lum", luminance(p, k, c))
        value = construct(V3, y) + (value - construct(V3, y)) * k.param(
            "saturation|chroma_gain", 0.3, 1.6
        )
    out.store(wp.max(value, construct(V3, 0.0)) if p.chance(0.5) else value)


def _local(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    src, out = gray(p, g, high=3.0), g.out(TARGET, T.F32)
    total, n = k.var("total|acc|sum_", 0.0), k.var("n|norm|count", 0.0)
    log_mean = p.chance(0.4)
    bound = k.count("radius|half_width|window", p.pick(2, 3)) if p.chance(0.6) else p.pick(2, 3)
    with window(p, k, g, bound) as (y, x, _, __):
        v = src.at(y, x)
        k.aug(total, "+", wp.log(v + 0.01) if log_mean else v)
        k.aug(n, "+", 1.0)
    mean = k.let("mean|adapt|local_avg", wp.exp(total / n) if log_mean else total / n)
    v = k.let("v|here|lum", src.own)
    form = p.pick("divide", "dodge", "norm")
    if form == "divide":
        out.store(v / (1.0 + mean))
    elif form == "dodge":
        out.store(
            v
            * wp.pow(
                k.param("target|mid_gray|key", 0.18, 0.6) / (mean + 0.01),
                k.param("amount|strength", 0.2, 0.9),
            )
        )
    else:
        out.store((v - mean) / (mean + k.param("bias|regularize|eps", 0.05, 0.3)))


def _bits(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    src = rgb(p, g)
    c = k.let("c|rgb|px", wp.max(wp.min(src.own, construct(V3, 1.0)), construct(V3, 0.0)))
    if p.chance(0.4):
        levels = k.param("levels|num_levels|steps", 3.0, 16.0)
        floors = p.chance(0.5)

        def step(a: Expr) -> Expr:
            return (
                wp.floor(a * levels) / levels
                if floors
                else wp.round(a * (levels - 1.0)) / (levels - 1.0)
            )

        out = g.out("posterized|quantized|dst", V3)
        out.store(construct(V3, *(step(a) for a in _channels(c))))
        return
    wide = p.chance(0.5)
    word = T.U32 if wide else T.U16
    bits = (8, 8, 8) if wide else (5, 6, 5)
    total: Expr | None = None
    shift = 0
    for a, n in zip(_channels(c), bits, strict=True):
        q = construct(word, a * float(2**n - 1) + 0.5)
        q = q if shift == 0 else q << construct(word, shift)
        total = q if total is None else total | q
        shift += n
    assert total is not None
    if wide and p.chance(0.5):
        total = total | (construct(T.U32, 255) << construct(T.U32, 24))
    g.out("packed|words|rgba8", word).store(total)


def _fuse(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    frames = p.pick(2, 3)
    images = [
        gray(p, g, h)
        for h in ("low|under|exposure_a", "mid|normal|exposure_b", "high|over|exposure_c")[:frames]
    ]
    times = (
        k.array("exposure_times|shutter|gains", T.F32, (frames,), R.uniform(0.2, 2.0))
        if p.chance(0.6)
        else None
    )
    f = p.func(
        "well_exposed|hat_weight|quality",
        {"v|x": T.F32},
        lambda b, v: b.ret(
            wp.exp(-(v - 0.5) * (v - 0.5) * 12.5)
            if p.chance(0.5)
            else 1.0 - wp.pow(2.0 * v - 1.0, 4.0) + 0.01
        ),
    )
    total, norm = k.var("total|acc|merged", 0.0), k.var("norm|w_sum|weights", 0.0)
    for index, image in enumerate(images):
        v = k.let("v|z|sample", image.own)
        w = k.let("w|q|weight", f(v))
        k.aug(total, "+", w * (v / times[index] if times is not None else v))
        k.aug(norm, "+", w)
    result = total / wp.max(norm, 1.0e-4)
    g.out("fused|merged_out|hdr", T.F32).store(wp.log(result + 1.0) if p.chance(0.3) else result)
