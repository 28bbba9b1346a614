"""Layers and labels: compositing, connected components, gradient-domain blending."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._image import (
    TARGET,
    image_grid,
    source,
)
from generator.synthesis.categories._image_masks import _level
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def composite(p: ProgramBuilder) -> None:
    """Layers laid over each other: alpha, blend modes, premultiplication, feathered masks, vignettes."""
    goals = {
        "over": "alpha_over|composite_layers|blend_over",
        "mode": "blend_mode|apply_blend|layer_effect",
        "premultiply": "premultiply|unpremultiply|straight_alpha",
        "masked": "masked_copy|blend_by_mask|matte_composite|overlay_mask",
        "vignette": "vignette|flat_field|shading_correction|lens_falloff",
        "wipe": "crossfade|dissolve|wipe_transition|blend_frames",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Combine image layers.", "", "Pixelwise compositing."))
    g = image_grid(p, k, "clamp")
    {
        "over": _over,
        "mode": _mode,
        "premultiply": _premultiply,
        "masked": _blend_mask,
        "vignette": _vignette,
        "wipe": _wipe,
    }[goal](p, k, g)


def _over(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    names = p.shuffled([("f", "foreground|top|layer_a|fg"), ("b", "background|bottom|layer_b|bg")])
    fields = {n: g.field(h, T.VEC4, R.uniform(0.0, 1.0)) for n, h in names}
    f, b = k.let("f|top_px|src_px", fields["f"].own), k.let("b|under|dst_px", fields["b"].own)
    opacity = k.param("opacity|layer_alpha|strength", 0.2, 1.0) if p.chance(0.5) else None
    a = k.let("a|alpha|fa", f.w if opacity is None else f.w * opacity)
    out = g.out("composite|result|out", T.VEC4)
    if p.chance(0.5):  # premultiplied
        scaled = f if opacity is None else f * opacity
        out.store(scaled + b * (1.0 - a))
        return
    total = k.let("ao|out_a|alpha_out", a + b.w * (1.0 - a))
    inv = k.let("inv|rcp|norm", 1.0 / wp.max(total, 1.0e-6))
    parts = [
        (p_f * a + p_b * (b.w * (1.0 - a))) * inv
        for p_f, p_b in ((f.x, b.x), (f.y, b.y), (f.z, b.z))
    ]
    out.store(construct(T.VEC4, *parts, total))


def _mode(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    one = construct(T.VEC3, 1.0)
    modes = {
        "multiply": lambda a, b: wp.cw_mul(a, b),
        "screen": lambda a, b: one - wp.cw_mul(one - a, one - b),
        "add": lambda a, b: wp.min(a + b, one),
        "difference": lambda a, b: wp.abs(a - b),
        "darken": lambda a, b: wp.min(a, b),
        "lighten": lambda a, b: wp.max(a, b),
        "subtract": lambda a, b: wp.max(a - b, one * 0.0),
    }
    chosen = p.sample(list(modes), 2, 4)

    def body(blk: Block, a: Expr, b: Expr, mode: Expr) -> None:
        for number, name in enumerate(chosen[:-1]):
            with blk.when(mode == number):
                blk.ret(modes[name](a, b))
        blk.ret(modes[chosen[-1]](a, b))

    a, b = (
        g.field("base|bottom|under", T.VEC3, R.uniform(0.0, 1.0)).own,
        g.field("layer|top|overlay", T.VEC3, R.uniform(0.0, 1.0)).own,
    )
    if p.chance(0.5):
        mode = k.count("mode|blend_mode|op", p.pick(0, 1))
        f = p.func(
            "blend|apply_mode|mix_layers",
            {"a|base": T.VEC3, "b|top": T.VEC3, "mode|op": T.I32},
            body,
        )
        mixed: Expr = f(a, b, mode)
    else:
        mixed = piece(
            p,
            k,
            f"{chosen[0]}_blend|blend",
            {"a|base": a, "b|top": b},
            lambda _, u, v: modes[chosen[0]](u, v),
            probability=0.6,
        )
    out = g.out("blended|result|out", T.VEC3)
    if p.chance(0.6):
        amount = k.param("opacity|amount|strength", 0.2, 1.0)
        base = k.let("base_px|u0", a)
        out.store(
            wp.lerp(base, mixed, amount)
            if p.chance(0.5)
            else base * (1.0 - amount) + mixed * amount
        )
    else:
        out.store(mixed)


def _premultiply(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    src, out = (
        g.field("rgba|src|image", T.VEC4, R.uniform(0.0, 1.0)),
        g.out("rgba_out|dst|out", T.VEC4),
    )
    c = k.let("c|px|pixel", src.own)
    if p.chance(0.5):
        out.store(construct(T.VEC4, c.x * c.w, c.y * c.w, c.z * c.w, c.w))
        return
    floor = k.param("min_alpha|eps|floor_alpha", 0.001, 0.05)
    with k.when(c.w < floor):
        out.store(construct(T.VEC4, 0.0))
        k.ret()
    inv = maybe(p, k, "inv|rcp", 1.0 / c.w, 1.0)
    parts = [a * inv for a in (c.x, c.y, c.z)]
    if p.chance(0.4):
        parts = [wp.min(a, 1.0) for a in parts]
    out.store(construct(T.VEC4, *parts, c.w))


def _blend_mask(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    t = p.pick(T.F32, T.VEC3)
    a, b = source(p, g, t, "background|base|dst_in"), source(p, g, t, "foreground|patch|overlay")
    soft = p.chance(0.6)
    out = g.out("composite|out|result", t)
    if soft:
        m = g.field("matte|alpha|weights", T.F32, R.uniform(0.0, 1.0)).own
        if p.chance(0.5):
            lo, hi = k.param("feather_lo|edge0", 0.1, 0.4), k.param("feather_hi|edge1", 0.6, 0.9)
            m = k.let("m|w|soft", wp.smoothstep(lo, hi, m))
        out.store(wp.lerp(a.own, b.own, m))
        return
    mask = g.field("mask|region|select", p.pick(T.U8, T.I32), R.mask(0.5))
    on = mask.own != _level(mask.dtype, 0)
    if p.chance(0.5):
        with k.when(on):
            out.store(b.own)
        with k.otherwise():
            out.store(a.own)
    else:
        out.store(choose(on, b.own, a.own) if p.chance(0.5) else wp.where(on, b.own, a.own))


def _vignette(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    t = p.pick(T.F32, T.VEC3)
    src, out = source(p, g, t), g.out(TARGET, t)
    x = k.let("x|dx|u", construct(T.F32, col) / construct(T.F32, g.extent(1)) - 0.5)
    y = k.let("y|dy|v", construct(T.F32, row) / construct(T.F32, g.extent(0)) - 0.5)
    r2 = k.let("r2|d2|rr", x * x + y * y)
    strength = k.param("strength|falloff|vignette_amount", 0.3, 2.0)
    match p.pick("cos4", "poly", "smooth"):
        case "cos4":
            c = k.let("c|cos2", 1.0 / (1.0 + r2 * strength))
            gain: Expr = c * c
        case "poly":
            gain = 1.0 - strength * r2 + k.param("k2|quartic", 0.1, 0.6) * r2 * r2
        case _:
            gain = 1.0 - strength * 0.4 * wp.smoothstep(p.pick(0.05, 0.1), 0.5, r2)
    gain = k.let("gain|factor|att", gain)
    out.store(src.own * gain if p.chance(0.6) else src.own / wp.max(gain, 0.1))


def _wipe(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    t = p.pick(T.F32, T.VEC3)
    a, b = source(p, g, t, "frame_a|first|image_a"), source(p, g, t, "frame_b|second|image_b")
    time = k.param("progress|t|phase", 0.1, 0.9)
    out = g.out("frame_out|out|mixed", t)
    form = p.pick("fade", "wipe", "noise", "radial")
    if form == "fade":
        w: Expr = time * time * (3.0 - 2.0 * time) if p.chance(0.5) else time
    elif form == "wipe":
        u = construct(T.F32, col) / construct(T.F32, g.extent(1))
        w = wp.smoothstep(-0.1, 0.1, time - u)
    elif form == "noise":
        seed = k.scalar("seed|noise_seed", T.I32, 31)
        state = k.let("state|rng", wp.rand_init(seed, row * g.extent(1) + col))
        w = wp.where(wp.randf(state) < time, 1.0, 0.0)
    else:
        x, y = (
            construct(T.F32, col) - 0.5 * construct(T.F32, g.extent(1)),
            construct(T.F32, row) - 0.5 * construct(T.F32, g.extent(0)),
        )
        r = k.let("r|rad", wp.sqrt(x * x + y * y) / construct(T.F32, g.extent(1)))
        w = wp.clamp((time - r) * p.pick(4.0, 8.0) + 0.5, 0.0, 1.0)
    out.store(wp.lerp(a.own, b.own, k.let("w|mix_w|blend", w)))
