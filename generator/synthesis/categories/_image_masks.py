"""Masks and layers: morphology, thresholds, compositing, labels, gradient-domain blending."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import (
    TARGET,
    image_grid,
    load,
    luminance,
    source,
    window,
)
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Literal, Name, literal


def _level(t: T.Type, value: int) -> Expr | Literal:
    return construct(T.U8, value) if t == T.U8 else literal(value, t)


def morphology(p: ProgramBuilder) -> None:
    """Dilation, erosion and what is made of them, on binary and grey images."""
    goals = {
        "dilate": "dilate|grow_mask|dilate_mask|expand_region", "erode": "erode|shrink_mask|erode_mask|peel_boundary",
        "gradient": "morphological_gradient|outline_mask|boundary_pixels", "tophat": "top_hat|white_tophat|remove_background",
        "thin": "thinning_step|skeletonize_step|zhang_suen", "count": "remove_small|majority_filter|clean_mask|fill_holes",
    }  # fmt: skip
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
        "global": "threshold|binarize|threshold_image", "band": "in_range|band_threshold|select_range",
        "adaptive": "adaptive_threshold|local_threshold|sauvola|niblack", "key": "chroma_key|color_key|segment_color",
        "dither": "ordered_dither|halftone|bayer_dither|quantize_levels", "saturated": "mask_saturated|valid_pixels|clip_mask",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Binary mask from the image.", "", "Pixelwise classification.")
    )
    g = image_grid(p, k, "clamp")
    t = T.VEC3 if goal == "key" else p.pick(T.F32, T.U8) if goal != "adaptive" else T.F32
    src = source(p, g, t)
    out_t = p.pick(T.U8, T.I32, T.F32)
    out = g.out("mask|binary|mask_out|labels", out_t)
    full = 255 if out_t == T.U8 and p.chance(0.6) else 1
    low, high = (0.2, 0.8) if t != T.U8 else (50.0, 200.0)
    if goal == "dither":
        _dither(p, k, g, src, t)
        return
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


def composite(p: ProgramBuilder) -> None:
    """Layers laid over each other: alpha, blend modes, premultiplication, feathered masks, vignettes."""
    goals = {
        "over": "alpha_over|composite_layers|blend_over", "mode": "blend_mode|apply_blend|layer_effect",
        "premultiply": "premultiply|unpremultiply|straight_alpha", "masked": "masked_copy|blend_by_mask|matte_composite|overlay_mask",
        "vignette": "vignette|flat_field|shading_correction|lens_falloff", "wipe": "crossfade|dissolve|wipe_transition|blend_frames",
    }  # fmt: skip
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
        "multiply": lambda a, b: wp.cw_mul(a, b), "screen": lambda a, b: one - wp.cw_mul(one - a, one - b),
        "add": lambda a, b: wp.min(a + b, one), "difference": lambda a, b: wp.abs(a - b),
        "darken": lambda a, b: wp.min(a, b), "lighten": lambda a, b: wp.max(a, b), "subtract": lambda a, b: wp.max(a - b, one * 0.0),
    }  # fmt: skip
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


# --- labels ---------------------------------------------------------------------------------------


def label(p: ProgramBuilder) -> None:
    """Connected components by propagation, boundaries, region statistics."""
    goals = {
        "init": "init_labels|seed_labels|assign_labels", "propagate": "propagate_labels|label_step|union_neighbours|min_label_pass",
        "stats": "region_stats|component_sizes|blob_moments|region_bounds", "border": "label_boundaries|trace_regions|mark_contours",
        "relabel": "compress_labels|flatten_labels|relabel|remap_ids",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Connected components.", "", "Work on a label image."))
    g = image_grid(p, k, "clamp")
    row, col = g.index
    total = g.shape[0] * g.shape[1]
    if goal == "init":
        mask = g.field("mask|binary|foreground", p.pick(T.U8, T.I32), R.mask(0.6))
        labels = g.out("labels|ids|components", T.I32)
        own_id = row * g.extent(1) + col
        off = k.count("background|invalid_label", -1) if p.chance(0.3) else literal(-1, T.I32)
        labels.store(wp.where(mask.own != _level(mask.dtype, 0), own_id, off))
        return
    if goal == "relabel":
        labels = g.field("labels|ids|components", T.I32, R.integers(0, 64))
        parents = k.array("parents|roots|remap_table", T.I32, (64,), R.parents())
        root = k.var("root|r|id_", labels.own)
        if p.chance(0.6):
            with k.repeat(parents[root] >= 0):
                k.set(root, parents[root])
        else:
            with k.loop("hop|_s|it", p.pick(4, 8)):
                up = k.let("up|parent", parents[root])
                with k.when(up < 0):
                    k.brk()
                k.set(root, up)
        g.out("labels_out|flat_labels|roots_out", T.I32).store(root)
        return
    labels = g.field(
        "labels|ids|components", T.I32, R.integers(-1, 32 if goal == "stats" else total)
    )
    here = k.let("here|c|own", labels.own)
    if goal == "stats":
        _regions(p, k, g, here)
        return
    out = g.out("labels_out|next_labels|edges", T.I32)
    around = [(1, 0), (-1, 0), (0, 1), (0, -1)] + (
        [(1, 1), (1, -1), (-1, 1), (-1, -1)] if p.chance(0.4) else []
    )
    if goal == "border":
        with k.when(any_of(*(labels[o] != here for o in around))):
            out.store(p.pick(1, 255))
            if p.chance(0.5):
                k.do(wp.atomic_add(k.out("boundary_length|border_pixels", T.I32, (1,)), 0, 1))
        return
    with k.when(here < 0):
        out.store(here)
        k.ret()
    best = k.var("best|lowest|lab", here)
    for o in around:
        if p.on("helper_function"):
            n = k.let("n|nb|other", labels[o])
            with k.when(all_of(n >= 0, n < best)):
                k.set(best, n)
        else:
            n = labels[o]
            k.set(best, wp.where(n >= 0, wp.min(best, n), best))
    out.store(best)
    if p.chance(0.6):
        with k.when(best != here):
            k.do(wp.atomic_add(k.out("changed|num_changes|active", T.I32, (1,)), 0, 1))


def _regions(p: ProgramBuilder, k: KernelBuilder, g: Grid, here: Name) -> None:
    row, col = g.index
    with k.when(here < 0):
        k.ret()
    n = 32
    x, y = construct(T.F32, col), construct(T.F32, row)
    for what in p.shuffled(p.sample(["area", "centroid", "bounds", "moment", "mean"], 1, 4)):
        match what:
            case "area":
                k.do(wp.atomic_add(k.out("areas|sizes|pixel_counts", T.I32, (n,)), here, 1))
            case "centroid":
                k.do(
                    wp.atomic_add(
                        k.out("centroid_sums|position_sums", T.VEC2, (n,)),
                        here,
                        construct(T.VEC2, x, y),
                    )
                )
            case "bounds":
                k.do(wp.atomic_min(k.out("x_min|left", T.I32, (n,), R.constant(9999)), here, col))
                k.do(wp.atomic_max(k.out("x_max|right", T.I32, (n,), R.constant(-1)), here, col))
            case "moment":
                k.do(
                    wp.atomic_add(
                        k.out("moments|second_moments", T.VEC3, (n,)),
                        here,
                        construct(T.VEC3, x * x, x * y, y * y),
                    )
                )
            case _:
                v = g.field("intensity|image|values", T.F32, R.uniform(0.0, 1.0)).own
                k.do(wp.atomic_add(k.out("intensity_sums|region_sum", T.F32, (n,)), here, v))


# --- gradient domain ------------------------------------------------------------------------------


def poisson(p: ProgramBuilder) -> None:
    """Relaxation steps inside a mask: seamless cloning, inpainting, membrane interpolation."""
    goals = {
        "clone": "seamless_clone|poisson_blend|gradient_clone", "inpaint": "inpaint_step|fill_holes|diffuse_inward",
        "smooth": "membrane_step|interpolate_missing|harmonic_fill",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("One Jacobi sweep inside the mask.", "Gradient-domain relaxation.", "")
    )
    g = image_grid(p, k, p.pick("interior", "clamp"))
    t = p.pick(T.F32, T.VEC3)
    current = source(p, g, t, "current|u|estimate")
    out = g.out("next_u|u_out|updated", t)
    mask = g.field("mask|hole|region", p.pick(T.U8, T.I32), R.mask(0.5))
    with k.when(mask.own == _level(mask.dtype, 0)):
        out.store(current.own)
        k.ret()
    guide = source(p, g, t, "guidance|patch|src") if goal == "clone" else None
    around = p.shuffled([(1, 0), (-1, 0), (0, 1), (0, -1)])
    total = k.var("total|acc|sum_", 0.0 if t == T.F32 else construct(T.VEC3, 0.0))
    gc = k.let("gc|g0", guide.own) if guide is not None else None
    if goal == "inpaint":
        count = k.var("weight|n|known", 0.0)
        valid = g.field("known|valid|confidence", T.F32, R.uniform(0.1, 1.0))
        for o in around:
            w = k.let("w|c_n", valid[o])
            k.aug(total, "+", current[o] * w)
            k.aug(count, "+", w)
        out.store(total / count)
    else:
        for o in around:
            value = current[o] if guide is None or gc is None else current[o] + (gc - guide[o])
            k.aug(total, "+", value)
        result = total * 0.25
        if p.chance(0.4):
            omega = k.param("omega|relaxation|over", 0.6, 1.0)
            result = wp.lerp(current.own, result, omega)
        out.store(result)
    if p.chance(0.4):
        change = out.own - current.own
        size = wp.abs(change) if t == T.F32 else wp.length(change)
        k.do(wp.atomic_max(k.out("max_change|residual|delta_max", T.F32, (1,)), 0, size))
