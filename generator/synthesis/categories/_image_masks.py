"""Masks and layers: morphology, thresholds, compositing, labels, gradient-domain blending."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import (
    image_grid,
    load,
    luminance,
    source,
    window,
)
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Literal, literal


def _level(t: T.Type, value: int) -> Expr | Literal:
    return construct(T.U8, value) if t == T.U8 else literal(value, t)


def morphology(p: ProgramBuilder) -> None:
    """Dilation, erosion and what is made of them, on binary and grey images."""
    goals = {
        "dilate": "dilate|grow_mask|dilate_mask|expand_region",
        "erode": "erode|shrink_mask|erode_mask|peel_boundary",
        "gradient": "morphological_gradient|outline_mask|boundary_pixels",
        "tophat": "top_hat|white_tophat|remove_background",
        "thin": "thinning_step|skeletonize_step|zhang_suen",
        "count": "remove_small|majority_filter|clean_mask|fill_holes",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Morphology on the image.", "", "One thread per pixel.")
    )
    if goal == "thin":
        _thinning(p, k)
        return
    g = image_grid(p, k, "clamp")
    if goal == "count":
        _majority(p, k, g)
        return
    t = p.pick(T.U8, T.U8, T.F32, T.I32)
    src = g.field("src|mask|image|binary", t, R.uniform(0.0, 1.0) if t == T.F32 else R.mask(0.4))
    out = g.out("dst|out|mask_out|result", t)
    here = k.let("here|c|center", src.own)
    largest = k.var("best|hi|m_max", here) if goal in ("dilate", "gradient") else None
    smallest = k.var("worst|lo|m_min", here) if goal != "dilate" else None
    radius = p.pick(1, 1, 2, 3)
    bound = k.count("radius|half_width|r", radius) if p.chance(0.5) else radius
    shape = p.pick("square", "disc", "cross", "element")
    element = (
        k.array(
            "element|structuring|footprint", T.I32, (2 * radius + 1, 2 * radius + 1), R.mask(0.7)
        )
        if shape == "element"
        else None
    )
    with window(p, k, g, bound) as (y, x, dy, dx):
        if shape == "disc":
            with k.when(dx * dx + dy * dy > bound * bound):
                k.cont()
        elif shape == "cross":
            with k.when(all_of(dx != 0, dy != 0)):
                k.cont()
        elif element is not None:
            with k.when(element[dy + bound, dx + bound] == 0):
                k.cont()
        v = (
            src.at(y, x)
            if largest is None or smallest is None
            else k.let("v|q|sample", src.at(y, x))
        )
        if largest is not None:
            k.set(largest, wp.max(largest, v))
        if smallest is not None:
            k.set(smallest, wp.min(smallest, v))
    if largest is not None and smallest is not None:
        out.store(largest - smallest)
    elif largest is not None:
        out.store(largest)
    else:
        assert smallest is not None
        out.store(here - smallest if goal == "tophat" else smallest)
    if p.chance(0.3) and goal in ("dilate", "erode"):
        with k.when(out.own != here):
            k.do(wp.atomic_add(k.out("changed|num_changed|flips", T.I32, (1,)), 0, 1))


def _majority(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    t = p.pick(T.U8, T.I32)
    src, out = g.field("mask|binary|labels", t, R.mask(0.5)), g.out("mask_out|cleaned|out", t)
    here = src.own
    n = k.var("votes|count|neighbours", 0)
    bound = p.pick(1, 1, 2)
    with window(p, k, g, bound, center=p.chance(0.5)) as (y, x, _, __):
        if p.chance(0.5):
            k.aug(n, "+", cast(T.I32, src.at(y, x)) if t == T.U8 else src.at(y, x))
        else:
            with k.when(src.at(y, x) != _level(t, 0)):
                k.aug(n, "+", 1)
    form = p.pick("majority", "birth", "two")
    if form == "majority":
        limit = k.count("min_votes|threshold|majority", p.pick(4, 5, 6))
        out.store(wp.where(n >= limit, _level(t, 1), _level(t, 0)))
    elif form == "birth":
        fill, clear = (
            k.count("fill_at|born", p.pick(5, 6)),
            k.count("clear_below|survive", p.pick(2, 3)),
        )
        out.store(here)
        with k.when(n >= fill):
            out.store(_level(t, 1))
        with k.elsewhen(n < clear):
            out.store(_level(t, 0))
    else:
        with k.when(all_of(here != _level(t, 0), n <= p.pick(1, 2))):
            out.store(_level(t, 0))
            k.do(wp.atomic_add(k.out("removed|num_removed", T.I32, (1,)), 0, 1))
        with k.otherwise():
            out.store(here)


def _thinning(p: ProgramBuilder, k: KernelBuilder) -> None:
    g = image_grid(p, k, p.pick("interior", "clamp"))
    mask = g.field("mask|binary|skeleton_in", T.I32, R.mask(0.6))
    out = g.out("mask_out|skeleton|thinned", T.I32)
    with k.when(mask.own == 0):
        k.ret()
    ring = [(-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1)]
    n = [k.let(f"p{i + 2}|n{i}", mask[o]) for i, o in enumerate(ring)]
    total: Expr = n[0]
    for v in n[1:]:
        total = total + v
    total = k.let("b|total|count", total)
    turns = k.var("a|transitions|turns", 0)
    for v, w in zip(n, [*n[1:], n[0]], strict=True):
        with k.when(all_of(v == 0, w == 1)):
            k.aug(turns, "+", 1)
    first = p.chance(0.5)
    sides = (
        (n[0] * n[2] * n[4], n[2] * n[4] * n[6])
        if first
        else (n[0] * n[2] * n[6], n[0] * n[4] * n[6])
    )
    remove = all_of(total >= 2, total <= 6, turns == 1, sides[0] == 0, sides[1] == 0)
    if p.chance(0.5):
        with k.when(remove):
            out.store(0)
            k.do(wp.atomic_add(k.out("removed|num_removed|deleted", T.I32, (1,)), 0, 1))
        with k.otherwise():
            out.store(1)
    else:
        out.store(choose(remove, 0, 1) if p.chance(0.5) else wp.where(remove, 0, 1))


def threshold(p: ProgramBuilder) -> None:
    """Global, band, adaptive, colour-key and dithered thresholds."""
    goals = {
        "global": "threshold|binarize|threshold_image",
        "band": "in_range|band_threshold|select_range",
        "adaptive": "adaptive_threshold|local_threshold|sauvola|niblack",
        "key": "chroma_key|color_key|segment_color",
        "dither": "ordered_dither|halftone|bayer_dither|quantize_levels",
        "saturated": "mask_saturated|valid_pixels|clip_mask",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Binary mask from the image.", "", "Pixelwise classification.")
    )
    g = image_grid(p, k, "clamp")
    t = T.VEC3 if goal == "key" else p.pick(T.F32, T.U8) if goal != "adaptive" else T.F32
    src = source(p, g, t)
    if goal == "dither":
        _dither(p, k, g, src, t)
        return
    out_t = p.pick(T.U8, T.I32, T.F32)
    out = g.out("mask|binary|mask_out|labels", out_t)
    full = 255 if out_t == T.U8 and p.chance(0.6) else 1
    low, high = (0.2, 0.8) if t != T.U8 else (50.0, 200.0)
    v = (
        k.let("v|value|intensity", load(src.own))
        if goal != "key"
        else k.let("c|rgb|pixel", src.own)
    )
    if goal == "global":
        inside = v > k.param("threshold|level|cutoff", low, high)
    elif goal == "band":
        a, b = (
            k.param("lower|lo|band_low", low * 0.5, low),
            k.param("upper|hi|band_high", high, high * 1.1),
        )
        inside = all_of(v >= a, v <= b)
    elif goal == "saturated":
        inside = all_of(
            v > k.param("dark_level|noise_floor|black", low * 0.1, low * 0.3),
            v < k.param("full_well|white|saturation", high, high * 1.2),
        )
    elif goal == "adaptive":
        inside = _local_test(p, k, g, src, v)
    else:
        inside = _key_test(p, k, v)
    on, off = _level(out_t, full), _level(out_t, 0)
    if p.chance(0.4):
        with k.when(inside):
            out.store(on)
            if p.chance(0.6):
                k.do(wp.atomic_add(k.out("foreground|pixel_count|num_set", T.I32, (1,)), 0, 1))
        if p.chance(0.4):
            with k.otherwise():
                out.store(off)
    else:
        out.store(choose(inside, on, off) if p.chance(0.5) else wp.where(inside, on, off))


def _local_test(p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField, v: Expr) -> Expr:
    s1, s2 = k.var("s1|total|sum_", 0.0), k.var("s2|sum_sq|squares", 0.0)
    n = k.var("n|count|samples", 0.0)
    bound = k.count("radius|half_width|window", p.pick(2, 3)) if p.chance(0.6) else p.pick(2, 3)
    with window(p, k, g, bound) as (y, x, _, __):
        q = k.let("q|w|sample", src.at(y, x))
        k.aug(s1, "+", q)
        k.aug(s2, "+", q * q)
        k.aug(n, "+", 1.0)
    mean = k.let("mean|mu|m", s1 / n)
    std = k.let("std|sigma|sd", wp.sqrt(wp.max(s2 / n - mean * mean, 0.0)))
    weight = k.param("k_w|weight|sensitivity", 0.05, 0.5)
    form = p.pick("niblack", "sauvola", "zscore")
    if form == "niblack":
        return v > mean - weight * std
    if form == "sauvola":
        return v > mean * (1.0 + weight * (std / p.pick(0.3, 0.5) - 1.0))
    return wp.abs(v - mean) > std * (1.0 + weight)


def _key_test(p: ProgramBuilder, k: KernelBuilder, c: Expr) -> Expr:
    key = k.quantity("key_color|target_rgb|reference", T.VEC3, [0.2, 0.8, 0.3])
    if p.chance(0.5):
        return wp.length(c - key) < k.param("tolerance|max_distance|radius", 0.2, 0.7)
    f = p.func("luma|brightness", {"c|rgb": T.VEC3}, lambda b, q: b.ret(luminance(p, b, q)))
    chroma = k.let("chroma|cc", c - construct(T.VEC3, f(c)))
    ref = k.let("ref|kc", key - construct(T.VEC3, f(key)))
    return wp.dot(chroma, ref) > k.param("similarity|min_chroma|cut", 0.01, 0.1)


def _dither(p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField, t: T.Type) -> None:
    row, col = g.index
    n = p.pick(2, 4, 8)
    matrix = k.array("bayer|threshold_map|dither_matrix", T.F32, (n, n), R.uniform(0.0, 1.0))
    limit = k.let("limit|th|bias", matrix[row % n, col % n])
    value = load(src.own)
    v = k.let("v|value|tone", value / 255.0 if t == T.U8 else value)
    out = g.out("dithered|halftone_out|dst", T.U8)
    if p.chance(0.5):
        on = construct(T.U8, 255)
        out.store(choose(v > limit, on, construct(T.U8, 0)))
    else:
        levels = k.param("levels|num_levels|steps", 3.0, 8.0)
        scaled = k.let("scaled|s|q", v * (levels - 1.0) + limit)
        out.store(construct(T.U8, wp.clamp(wp.floor(scaled) / (levels - 1.0) * 255.0, 0.0, 255.0)))


# --- layers ---------------------------------------------------------------------------------------


# --- labels ---------------------------------------------------------------------------------------


# --- gradient domain ------------------------------------------------------------------------------
