"""Histograms, tables and equalisation."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import (
    TARGET,
    image_grid,
    load,
    luminance,
    quantize,
    rgb,
    source,
)  # fmt: skip
from generator.synthesis.categories._image_color import V3, _channels
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def histogram(p: ProgramBuilder) -> None:
    """Histograms, cumulative tables, equalisation, joint histograms, look-up tables."""
    goals = {
        "build": "compute_histogram|histogram_pixels|count_levels",
        "joint": "joint_histogram|cooccurrence|mutual_info_hist",
        "apply": "apply_lut|equalize|histogram_match|map_levels",
        "color": "color_histogram|rgb_histogram|channel_histograms",
        "tiles": "tile_histograms|clahe_hist|block_histogram",
    }
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
