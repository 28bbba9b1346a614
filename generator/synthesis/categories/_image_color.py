"""Colour: conversions, tone curves, demosaicing, histograms, sensor correction."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._image import (
    image_grid,
    load,
    luminance,
    quantize,
    rgb,
)  # fmt: skip
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name

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
    "gray": (_gray, "desaturate|to_gray|luma"),
    "yuv": (_to_yuv, "rgb_to_yuv|to_ycbcr|to_yuv"),
    "rgb": (_from_yuv, "yuv_to_rgb|from_yuv"),
    "hsv": (_to_hsv, "rgb_to_hsv|to_hsv"),
    "from_hsv": (_from_hsv, "hsv_to_rgb|from_hsv"),
    "xyz": (_xyz, "rgb_to_xyz|to_xyz"),
    "lab": (_lab, "rgb_to_lab|to_lab"),
}


_SPECIAL = {
    "srgb": "encode_srgb|to_display|linear_to_srgb_image",
    "linear": "linearize|decode_gamma|to_linear",
    "adjust": "adjust_hsv|hue_shift|color_adjust|saturate_colors",
    "gray_only": "to_grayscale|luminance_image|rgb_to_gray",
}


def convert(p: ProgramBuilder) -> None:
    """Colour-space conversions, alone or around an adjustment."""
    name = p.pick(*SPACES, "srgb", "linear", "adjust", "adjust", "gray_only")
    hint = _SPECIAL.get(name)
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
        "weights": lambda: wp.dot(c, k.quantity("weights|luma_weights|mix_w", V3, [0.3, 0.5, 0.2])),
        "norm": lambda: wp.length(c) * 0.57735,
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


# --- sensors --------------------------------------------------------------------------------------


# --- histograms -----------------------------------------------------------------------------------
