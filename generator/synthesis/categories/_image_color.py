"""Colour: conversions, tone curves, demosaicing, histograms, sensor correction."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import (
    TARGET,
    bytes_image,
    gray,
    image_grid,
    load,
    luminance,
    quantize,
    rgb,
    source,
    window,
)  # fmt: skip
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal

V3 = T.VEC3


def _channels(c: Expr) -> tuple[Expr, Expr, Expr]:
    return c.x, c.y, c.z


# --- colour spaces --------------------------------------------------------------------------------


def _gray(p: ProgramBuilder, b: Block, c: Expr) -> None:
    b.ret(construct(V3, luminance(p, b, c)))


def _to_yuv(p: ProgramBuilder, b: Block, c: Expr) -> None:
    y = b.let("y|luma", 0.299 * c.x + 0.587 * c.y + 0.114 * c.z)
    if p.chance(0.5):
        b.ret(construct(V3, y, 0.492 * (c.z - y), 0.877 * (c.x - y)))
    else:
        b.ret(construct(V3, y, 0.564 * (c.z - y) + 0.5, 0.713 * (c.x - y) + 0.5))


def _from_yuv(p: ProgramBuilder, b: Block, c: Expr) -> None:
    b.ret(construct(V3, c.x + 1.14 * c.z, c.x - 0.395 * c.y - 0.581 * c.z, c.x + 2.032 * c.y))


def _to_hsv(p: ProgramBuilder, b: Block, c: Expr) -> None:
    hi = b.let("v|hi|c_max", wp.max(wp.max(c.x, c.y), c.z) if p.chance(0.5) else wp.max(c))
    lo = b.let("lo|c_min", wp.min(wp.min(c.x, c.y), c.z) if p.chance(0.5) else wp.min(c))
    d = b.let("d|chroma|delta", hi - lo)
    with b.when(d < 1.0e-6):
        b.ret(construct(V3, 0.0, 0.0, hi))
    h = b.var("h|hue", 0.0)
    with b.when(hi == c.x):
        b.set(h, (c.y - c.z) / d)
    with b.elsewhen(hi == c.y):
        b.set(h, 2.0 + (c.z - c.x) / d)
    with b.otherwise():
        b.set(h, 4.0 + (c.x - c.y) / d)
    with b.when(h < 0.0):
        b.aug(h, "+", 6.0)
    b.ret(construct(V3, h / 6.0, d / hi, hi))


def _from_hsv(p: ProgramBuilder, b: Block, c: Expr) -> None:
    h = b.let("h|h6|sector", c.x * 6.0)
    r = wp.clamp(wp.abs(h - 3.0) - 1.0, 0.0, 1.0)
    g = wp.clamp(2.0 - wp.abs(h - 2.0), 0.0, 1.0)
    bl = wp.clamp(2.0 - wp.abs(h - 4.0), 0.0, 1.0)
    pure = b.let("pure|tint", construct(V3, r, g, bl))
    b.ret((construct(V3, 1.0 - c.y) + pure * c.y) * c.z)


def _srgb(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, v: Expr) -> None:
        if p.chance(0.6):
            with b.when(v <= 0.0031308):
                b.ret(v * 12.92)
            b.ret(1.055 * wp.pow(v, 0.41666667) - 0.055)
        else:
            b.ret(
                wp.where(
                    v <= 0.0031308, v * 12.92, 1.055 * wp.pow(wp.max(v, 1.0e-6), 0.41666667) - 0.055
                )
            )

    return p.func("linear_to_srgb|encode_srgb|gamma_encode", {"v|x|lin": T.F32}, body)


def _linear(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, v: Expr) -> None:
        with b.when(v <= 0.04045):
            b.ret(v / 12.92)
        b.ret(wp.pow((v + 0.055) / 1.055, 2.4))

    return p.func("srgb_to_linear|decode_srgb|gamma_decode", {"v|x|enc": T.F32}, body)


def _xyz(p: ProgramBuilder, b: Block, c: Expr) -> None:
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    if p.chance(0.5):
        b.ret(construct(V3, *(wp.dot(construct(V3, *r), c) for r in rows)))
    else:
        m = b.let("m|M", construct(T.MAT33, *(v for r in rows for v in r)))
        b.ret(m * c)


def _lab(p: ProgramBuilder, b: Block, c: Expr) -> None:
    f = p.func("lab_f|lab_curve|f_lab", {"t|v": T.F32}, _lab_curve)
    x = b.let("fx|x", f((0.4124 * c.x + 0.3576 * c.y + 0.1805 * c.z) / 0.95047))
    y = b.let("fy|y", f(0.2126 * c.x + 0.7152 * c.y + 0.0722 * c.z))
    z = b.let("fz|z", f((0.0193 * c.x + 0.1192 * c.y + 0.9505 * c.z) / 1.08883))
    b.ret(construct(V3, 116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)))


def _lab_curve(b: Block, t: Expr) -> None:
    with b.when(t > 0.008856):
        b.ret(wp.cbrt(t))
    b.ret(7.787 * t + 0.13793103)


SPACES = {
    "gray": (_gray, "desaturate|to_gray|luma"), "yuv": (_to_yuv, "rgb_to_yuv|to_ycbcr|to_yuv"), "rgb": (_from_yuv, "yuv_to_rgb|from_yuv"),
    "hsv": (_to_hsv, "rgb_to_hsv|to_hsv"), "from_hsv": (_from_hsv, "hsv_to_rgb|from_hsv"), "xyz": (_xyz, "rgb_to_xyz|to_xyz"),
    "lab": (_lab, "rgb_to_lab|to_lab"),
}  # fmt: skip


def convert(p: ProgramBuilder) -> None:
    """Colour-space conversions, alone or around an adjustment."""
    name = p.pick(*SPACES, "srgb", "linear", "adjust", "adjust", "gray_only")
    hint = {
        "srgb": "encode_srgb|to_display|linear_to_srgb_image",
        "linear": "linearize|decode_gamma|to_linear",
        "adjust": "adjust_hsv|hue_shift|color_adjust|saturate_colors",
        "gray_only": "to_grayscale|luminance_image|rgb_to_gray",
    }.get(name)
    k = p.kernel_builder(
        hint or f"convert_{name}|{name}_image|color_convert|convert_colors",
        p.pick("Colour conversion.", "", "Pixelwise colour transform."),
    )
    g = image_grid(p, k, "clamp")
    if name == "gray_only":
        _to_gray(p, k, g)
        return
    packed = p.chance(0.25)
    if packed:
        src = g.field("packed|rgba8|pixels", T.U32, R.integers(0, 16777216))
        c = k.let("c|rgb|color", _unpack(p)(src.own))
    else:
        src = rgb(p, g)
        c = src.own if p.chance(0.4) else k.let("c|rgb|color", src.own)
    out = g.out("converted|dst|out|colors_out", V3)
    if name in ("srgb", "linear"):
        f = _srgb(p) if name == "srgb" else _linear(p)
        c = c if isinstance(c, Name) else k.let("c|rgb|color", c)
        if p.chance(0.4):
            c = k.let("e|exposed", c * k.param("exposure|gain|scale", 0.3, 2.0))
        out.store(construct(V3, *(f(wp.max(a, 0.0) if p.on("guard") else a) for a in _channels(c))))
        return
    if name == "adjust":
        _adjust(p, k, g, c, out)
        return
    body, names = SPACES[name]
    f = p.func(names, {"c|rgb|color": V3}, lambda b, q: body(p, b, q))
    value: Expr = f(c)
    if p.chance(0.3):
        value = wp.cw_mul(value, k.quantity("channel_gain|weights|scale", V3, [1.0, 0.8, 1.2]))
    out.store(value)


def _to_gray(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    src = rgb(p, g)
    c = k.let("c|rgb|px", src.own)
    y = {
        "luma": lambda: luminance(p, k, c), "mean": lambda: (c.x + c.y + c.z) / 3.0, "max": lambda: wp.max(c),
        "weights": lambda: wp.dot(c, k.quantity("weights|luma_weights|mix_w", V3, [0.3, 0.5, 0.2])), "norm": lambda: wp.length(c) * 0.57735,
    }[p.pick("luma", "luma", "mean", "max", "weights", "norm")]()  # fmt: skip
    if p.chance(0.4):
        y = wp.pow(wp.max(y, 0.0), k.param("gamma|contrast_power", 0.4, 2.4))
    t = p.pick(T.F32, T.F32, T.U8)
    out = g.out("gray|luminance|dst", t)
    out.store(quantize(p, y * 255.0, t) if t == T.U8 else y)
    if p.chance(0.25):
        k.do(
            wp.atomic_add(
                k.out("total_luminance|brightness_sum", T.F32, (1,)),
                0,
                load(out.own) if t == T.U8 else y,
            )
        )


def _unpack(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, v: Expr) -> None:
        mask = construct(T.U32, 255)
        parts = [v & mask, (v >> construct(T.U32, 8)) & mask, (v >> construct(T.U32, 16)) & mask]
        scaled = [construct(T.F32, q) / 255.0 for q in parts]
        if p.chance(0.5):
            scaled = [
                b.let(h, s) for h, s in zip(("r|red", "g|green", "b|blue"), scaled, strict=True)
            ]
        b.ret(construct(V3, *scaled))

    return p.func("unpack_rgb|decode_rgba8|unpack_color", {"v|word|packed": T.U32}, body)


def _adjust(p: ProgramBuilder, k: KernelBuilder, g: Grid, c: Expr, out: GridField) -> None:
    forward = p.func(SPACES["hsv"][1], {"c|rgb": V3}, lambda b, q: _to_hsv(p, b, q))
    back = p.func(SPACES["from_hsv"][1], {"c|hsv": V3}, lambda b, q: _from_hsv(p, b, q))
    hsv = k.let("hsv|h", forward(c))
    shift, gain = (
        k.param("hue_shift|rotation|dh", 0.02, 0.5),
        k.param("saturation|sat_gain", 0.2, 1.5),
    )
    hue = wp.frac(hsv.x + shift) if p.chance(0.5) else hsv.x + shift - wp.floor(hsv.x + shift)
    sat = wp.clamp(hsv.y * gain, 0.0, 1.0)
    value = hsv.z if p.chance(0.5) else hsv.z * k.param("value_gain|brightness", 0.5, 1.5)
    out.store(back(construct(V3, hue, sat, value)))


# --- tone -----------------------------------------------------------------------------------------


def tone(p: ProgramBuilder) -> None:
    """Tone mapping and adjustments: operators, exposure, curves, local adaptation, white balance."""
    goals = {
        "operator": "tonemap|tone_map|display_transform|hdr_to_ldr", "levels": "adjust_levels|contrast_stretch|brightness_contrast",
        "balance": "white_balance|color_correct|apply_ccm", "local": "local_tonemap|dodge_burn|adaptive_exposure",
        "bits": "quantize_image|posterize|to_8bit|pack_pixels", "fuse": "exposure_fusion|merge_exposures|hdr_merge",
    }  # fmt: skip
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
        g.out("posterized|quantized|dst", V3).store(
            construct(
                V3,
                *(
                    wp.floor(a * levels) / levels
                    if p.chance(0.5)
                    else wp.round(a * (levels - 1.0)) / (levels - 1.0)
                    for a in _channels(c)
                ),
            )
        )
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
        total = total | construct(T.U32, 4278190080)
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


# --- sensors --------------------------------------------------------------------------------------


def demosaic(p: ProgramBuilder) -> None:
    """Bayer mosaics: bilinear and edge-directed interpolation, simulation, binning."""
    goals = {
        "bilinear": "demosaic|debayer|demosaic_bilinear", "green": "interpolate_green|edge_directed_green|hamilton_adams",
        "mosaic": "bayer_mosaic|simulate_cfa|sample_cfa", "bin": "bin_bayer|half_size_rgb|superpixel",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Bayer colour filter array.", "", "RGGB mosaic."))
    g = image_grid(p, k, "clamp")
    row, col = g.index
    even = (row % 2 == 0, col % 2 == 0) if p.chance(0.5) else ((row & 1) == 0, (col & 1) == 0)
    if goal == "mosaic":
        c = k.let("c|rgb", rgb(p, g).own)
        out = g.out("raw|mosaic|cfa", T.F32)
        value = k.var("v|sample|s", c.y)
        with k.when(all_of(*even)):
            k.set(value, c.x)
        with k.elsewhen(all_of(row % 2 == 1, col % 2 == 1)):
            k.set(value, c.z)
        if p.chance(0.5):
            state = k.let(
                "state|rng", wp.rand_init(k.scalar("seed|frame", T.I32, 3), row * g.extent(1) + col)
            )
            k.aug(value, "+", wp.randn(state) * k.param("read_noise|sigma", 0.005, 0.05))
        out.store(value)
        return
    t = p.pick(T.F32, T.U16)
    raw = g.field("raw|mosaic|bayer", t, R.integers(0, 4096) if t == T.U16 else R.uniform(0.0, 1.0))

    def at(y: int, x: int) -> Expr:
        return construct(T.F32, raw[y, x]) if t == T.U16 else raw[y, x]

    if goal == "bin":
        r, g1, g2, b = (
            k.let(h, at(*o))
            for h, o in zip(
                ("r|red", "g1|gr", "g2|gb", "b|blue"), [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True
            )
        )
        value = construct(V3, r, 0.5 * (g1 + g2), b)
        with k.when(all_of(*even)):
            g.out("rgb|half_rgb|dst", V3).store(value * (1.0 / 4095.0) if t == T.U16 else value)
        return
    if goal == "green":
        _green(p, k, g, at, even)
        return
    c = k.let("c|here|v0", at(0, 0))
    cross = k.let("cross|g_mean|edge_avg", 0.25 * (at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1)))
    diag = k.let("diag|x_mean|corner_avg", 0.25 * (at(-1, -1) + at(-1, 1) + at(1, -1) + at(1, 1)))
    horizontal, vertical = (
        k.let("horiz|h_mean", 0.5 * (at(0, -1) + at(0, 1))),
        k.let("vert|v_mean", 0.5 * (at(-1, 0) + at(1, 0))),
    )
    color = k.var("color|rgb|out_px", construct(V3, 0.0))
    with k.when(even[0]):
        with k.when(even[1]):
            k.set(color, construct(V3, c, cross, diag))
        with k.otherwise():
            k.set(color, construct(V3, horizontal, c, vertical))
    with k.otherwise():
        with k.when(even[1]):
            k.set(color, construct(V3, vertical, c, horizontal))
        with k.otherwise():
            k.set(color, construct(V3, diag, cross, c))
    if p.chance(0.5):
        k.set(color, wp.cw_mul(color, k.quantity("wb_gains|gains", V3, [1.9, 1.0, 1.6])))
    g.out("rgb|demosaiced|dst", V3).store(color * (1.0 / 4095.0) if t == T.U16 else color)


def _green(p: ProgramBuilder, k: KernelBuilder, g: Grid, at, even) -> None:  # type: ignore[no-untyped-def]
    row, col = g.index
    out = g.out("green|g_plane|green_full", T.F32)
    with k.when((row + col) % 2 == 1):
        out.store(at(0, 0))
        k.ret()
    c = k.let("c|here", at(0, 0))
    dh = k.let("dh|grad_h", wp.abs(at(0, -1) - at(0, 1)) + wp.abs(2.0 * c - at(0, -2) - at(0, 2)))
    dv = k.let("dv|grad_v", wp.abs(at(-1, 0) - at(1, 0)) + wp.abs(2.0 * c - at(-2, 0) - at(2, 0)))
    gh = k.let("gh|est_h", 0.5 * (at(0, -1) + at(0, 1)) + 0.25 * (2.0 * c - at(0, -2) - at(0, 2)))
    gv = k.let("gv|est_v", 0.5 * (at(-1, 0) + at(1, 0)) + 0.25 * (2.0 * c - at(-2, 0) - at(2, 0)))
    if p.chance(0.6):
        with k.when(dh < dv):
            out.store(gh)
        with k.elsewhen(dv < dh):
            out.store(gv)
        with k.otherwise():
            out.store(0.5 * (gh + gv))
    else:
        w = k.let("w|wh", dv / (dh + dv + 1.0e-4))
        out.store(gh * w + gv * (1.0 - w))


def correct(p: ProgramBuilder) -> None:
    """Sensor and data corrections: dark and flat frames, hot pixels, noise, gamma, temporal denoise."""
    goals = {
        "flat": "flat_field_correct|calibrate_frame|dark_subtract", "noise": "add_noise|simulate_sensor|shot_noise",
        "temporal": "temporal_denoise|accumulate_frames|exponential_average", "defect": "fix_defects|replace_dead_pixels|interpolate_bad",
        "stats": "image_moments|frame_statistics|mean_variance",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Sensor correction.", "", "One thread per pixel."))
    g = image_grid(p, k, "clamp")
    if goal == "stats":
        _statistics(p, k, g)
        return
    src = gray(p, g, "raw|frame|src|measured")
    out = g.out("corrected|frame_out|dst", T.F32)
    v = k.var("v|value|signal", src.own)
    if goal == "flat":
        dark = g.field("dark|dark_frame|bias_frame", T.F32, R.uniform(0.0, 0.05)).own
        flat = g.field("flat|flat_frame|gain_map", T.F32, R.uniform(0.7, 1.3)).own
        k.set(v, (v - dark) / flat if p.chance(0.6) else (v - dark) * flat)
        if p.chance(0.4):
            k.set(v, wp.max(v, 0.0))
    elif goal == "noise":
        seed = k.scalar("seed|frame_id", T.I32, 77)
        state = k.let("state|rng", wp.rand_init(seed, g.index[0] * g.extent(1) + g.index[1]))
        if p.chance(0.5):
            well = k.param("full_well|photons|electrons", 50.0, 1000.0)
            count = wp.poisson(state, wp.max(v, 0.0) * well)
            k.set(v, construct(T.F32, count) / well)
        else:
            k.aug(
                v,
                "+",
                wp.randn(state)
                * wp.sqrt(wp.max(v, 0.0) * k.param("shot_gain|photon_noise", 0.001, 0.02)),
            )
        k.aug(v, "+", wp.randn(state) * k.param("read_noise|sigma_read", 0.001, 0.02))
    elif goal == "temporal":
        history = g.inout("history|running_mean|previous", T.F32, R.uniform(0.0, 1.0))
        old = k.let("old|h|prev", history.own)
        a = k.param("alpha|blend|rate", 0.05, 0.4)
        if p.chance(0.5):
            moved = k.let("diff|motion|delta", wp.abs(v - old))
            a = k.let(
                "w|adapt|rate_px",
                wp.where(moved > k.param("motion_threshold|reset_level", 0.2, 0.6), 1.0, a),
            )
        k.set(v, wp.lerp(old, v, a) if p.chance(0.5) else old + (v - old) * a)
        history.store(v)
    else:
        bad = g.field("defect_mask|dead|bad_pixels", p.pick(T.U8, T.I32), R.mask(0.1))
        with k.when(bad.own != (construct(T.U8, 0) if bad.dtype == T.U8 else literal(0, T.I32))):
            k.set(
                v,
                0.25 * (src[-1, 0] + src[1, 0] + src[0, -1] + src[0, 1])
                if p.chance(0.6)
                else 0.5 * (src[0, -1] + src[0, 1]),
            )
            k.do(wp.atomic_add(k.out("fixed|num_fixed", T.I32, (1,)), 0, 1))
    out.store(v)


def _statistics(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    src = gray(p, g) if p.chance(0.6) else bytes_image(p, g)
    v = k.let("v|value", load(src.own))
    per_row = p.chance(0.3)
    n, at = (g.shape[0], g.index[0]) if per_row else (1, 0)
    for what in p.shuffled(p.sample(["sum", "sq", "min", "max", "moment", "count"], 2, 4)):
        match what:
            case "sum" | "sq":
                k.do(
                    wp.atomic_add(
                        k.out(f"{what}_out|total_{what}", T.F32, (n,)),
                        at,
                        v if what == "sum" else v * v,
                    )
                )
            case "min":
                k.do(wp.atomic_min(k.out("minimum|lowest", T.F32, (n,), R.constant(1.0e6)), at, v))
            case "max":
                k.do(
                    wp.atomic_max(k.out("maximum|highest", T.F32, (n,), R.constant(-1.0e6)), at, v)
                )
            case "moment":
                x, y = construct(T.F32, g.index[1]), construct(T.F32, g.index[0])
                k.do(
                    wp.atomic_add(
                        k.out("centroid_sum|first_moments", T.VEC2, (n,)),
                        at,
                        construct(T.VEC2, x * v, y * v),
                    )
                )
            case _:
                level = (
                    k.param("threshold|cutoff", 0.3, 0.8)
                    if src.dtype == T.F32
                    else k.param("threshold|cutoff", 80.0, 200.0)
                )
                with k.when(v > level):
                    k.do(wp.atomic_add(k.out("bright_pixels|above_count", T.I32, (n,)), at, 1))


# --- histograms -----------------------------------------------------------------------------------


def histogram(p: ProgramBuilder) -> None:
    """Histograms, cumulative tables, equalisation, joint histograms, look-up tables."""
    goals = {
        "build": "compute_histogram|histogram_pixels|count_levels", "joint": "joint_histogram|cooccurrence|mutual_info_hist",
        "apply": "apply_lut|equalize|histogram_match|map_levels", "color": "color_histogram|rgb_histogram|channel_histograms",
        "tiles": "tile_histograms|clahe_hist|block_histogram",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Image histogram.", "", "One thread per pixel."))
    g = image_grid(p, k, "clamp")
    bins = p.pick(16, 32, 64, 256)
    if goal == "color":
        _color_histogram(p, k, g, p.pick(8, 16, 32))
        return
    t = p.pick(T.U8, T.U8, T.F32)
    src = source(p, g, t)
    b = k.let("b|level|bin_id", _bin(p, k, src.own, t, bins))
    if goal == "apply":
        _apply_table(p, k, g, src, b, bins, t)
        return
    weight: Expr | int = 1
    hist_t: T.Type = T.I32
    if p.chance(0.3):
        weight, hist_t = (
            g.field("weights|confidence|mask_weight", T.F32, R.uniform(0.0, 1.0)).own,
            T.F32,
        )
    if goal == "build":
        if p.chance(0.35):
            mask = g.field("mask|roi", T.U8, R.mask(0.7)).own
            with k.when(mask == construct(T.U8, 0)):
                k.ret()
        out = k.out("histogram|hist|counts", hist_t, (bins,))
        k.do(wp.atomic_add(out, b, weight))
        if p.chance(0.3):
            k.do(wp.atomic_max(k.out("highest_level|max_bin", T.I32, (1,)), 0, b))
    elif goal == "tiles":
        tile = k.count("tile_size|block|cell", p.pick(8, 16))
        out = k.out("histograms|tile_hist|block_hist", hist_t, (5, 5, bins))
        k.do(wp.atomic_add(out, g.index[0] // tile, g.index[1] // tile, b, weight))
    else:
        small = p.pick(8, 16)
        coarse = k.let("bi|a_bin", b * small // bins)
        other = source(p, g, t, "other|reference|second") if p.chance(0.5) else None
        value = other.own if other is not None else src[0, 1] if p.chance(0.5) else src[1, 0]
        fine = k.let("bj|b_bin", _bin(p, k, value, t, small))
        out = k.out("joint_hist|glcm|pair_counts", hist_t, (small, small))
        k.do(wp.atomic_add(out, coarse, fine, weight))


def _bin(p: ProgramBuilder, k: KernelBuilder, v: Expr, t: T.Type, bins: int) -> Expr:
    if t == T.U8:
        level = cast(T.I32, v)
        if bins == 256:
            return level
        return level * bins // 256 if p.chance(0.5) else level // (256 // bins)
    scaled = cast(T.I32, v * float(bins))
    return wp.min(scaled, bins - 1) if p.chance(0.5) else wp.clamp(scaled, 0, bins - 1)


def _apply_table(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField, b: Expr, bins: int, t: T.Type
) -> None:
    form = p.pick("lut", "cdf", "cdf")
    out = g.out(TARGET, t)
    full = 255.0 if t == T.U8 else 1.0
    if form == "lut":
        table = k.array(
            "lut|table|mapping",
            t,
            (bins,),
            R.integers(0, 256) if t == T.U8 else R.ascending(0.0, 1.0),
        )
        out.store(table[b])
        return
    cdf = k.array("cdf|cumulative|cumhist", T.F32, (bins,), R.ascending(0.0, 1.0))
    low = k.let("c0|base|cdf_min", cdf[0])
    value = (cdf[b] - low) / (1.0 - low) * full if p.chance(0.6) else cdf[b] * full
    if p.chance(0.5):
        amount = k.param("amount|strength|blend", 0.2, 1.0)
        value = wp.lerp(load(src.own), value, amount)
    out.store(quantize(p, value, t))


def _color_histogram(p: ProgramBuilder, k: KernelBuilder, g: Grid, bins: int) -> None:
    c = k.let("c|rgb|px", rgb(p, g).own)

    def slot(_: Block, v: Expr) -> Expr:
        return wp.clamp(cast(T.I32, v * float(bins)), 0, bins - 1)

    form = p.pick("channels", "cube", "luma")
    if form == "luma":
        y = k.let("y|lum", luminance(p, k, c))
        k.do(wp.atomic_add(k.out("histogram|luma_hist", T.I32, (bins,)), slot(k, y), 1))
        k.do(wp.atomic_add(k.out("color_sums|mean_color", V3, (bins,)), slot(k, y), c))
        return
    slots = [
        k.let(h, slot(k, a)) for h, a in zip(("br|ri", "bg|gi", "bb|bi"), _channels(c), strict=True)
    ]
    if form == "channels":
        out = k.out("histograms|channel_hist|hist", T.I32, (3, bins))
        for channel, s in enumerate(slots):
            k.do(wp.atomic_add(out, channel, s, 1))
    else:
        small = k.out("cube|color_cube|hist3d", T.I32, (bins, bins, bins))
        k.do(wp.atomic_add(small, *slots, 1))
        if p.chance(0.4):
            k.do(
                wp.atomic_max(
                    k.out("used_bins|occupied", T.I32, (bins,)),
                    slots[0],
                    choose(slots[1] > slots[2], 1, 2),
                )
            )
