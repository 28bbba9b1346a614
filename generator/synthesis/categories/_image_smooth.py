"""Edge-preserving and rank filters of images."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._image import (
    TARGET,
    image_grid,
    load,
    quantize,
    source,
    window,
    zero,
)  # fmt: skip
from generator.synthesis.categories._image_filters import _masked
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def bilateral(p: ProgramBuilder) -> None:
    """Edge-preserving smoothing: bilateral, joint bilateral, non-local means, Kuwahara-like, guided."""
    goals = {
        "bilateral": "bilateral_filter|edge_preserving_blur|smooth_bilateral",
        "joint": "joint_bilateral|cross_bilateral|depth_aware_blur|guided_upsample",
        "nlm": "non_local_means|nlm_denoise|patch_denoise",
        "diffusion": "anisotropic_diffusion|perona_malik|edge_stopping_step",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Edge-preserving filter.", "Smooth without crossing edges.", "")
    )
    g = image_grid(p, k, "clamp")
    t = p.weighted({T.F32: 3, T.VEC3: 2, T.U8: 1}) if goal == "bilateral" else T.F32
    src, out = source(p, g, t), g.out(TARGET, t)
    _masked(p, k, g, out, src.own)
    if goal == "diffusion":
        out.store(_perona(p, k, src))
        return
    guide = (
        src
        if goal != "joint"
        else g.field("guide|depth|reference", p.pick(T.F32, T.VEC3), R.uniform(0.0, 1.0))
    )
    centre = k.let("center|c0|here", load(src.own if goal == "nlm" else guide.own))
    radius = p.pick(1, 2, 3) if goal != "nlm" else p.pick(2, 3)
    bound: Expr | int = (
        k.count("radius|half_width|search_radius", radius) if p.chance(0.6) else radius
    )
    range_ = k.param(
        "sigma_range|sigma_r|range_sigma", *((10.0, 60.0) if t == T.U8 else (0.05, 0.5))
    )
    inv_r = k.let(
        "inv_r|range_k|kr",
        0.5 / (range_ * range_) if p.chance(0.6) else 1.0 / (2.0 * range_ * range_),
    )
    space = k.param("sigma_space|sigma_s|space_sigma", 0.8, 4.0) if goal != "nlm" else None
    inv_s = k.let("inv_s|space_k|ks", 0.5 / (space * space)) if space is not None else None
    total, norm = k.var("acc|total|sum_", zero(t)), k.var("norm|w_sum|weights", 0.0)
    similarity = _similarity(p, guide.dtype if guide.dtype != T.U8 else T.F32)
    with window(p, k, g, bound) as (y, x, dy, dx):
        if goal == "nlm":
            w = k.let("w|weight", wp.exp(-_patch_distance(p, k, g, src, y, x) * inv_r))
        else:
            other = maybe(p, k, "v|sample|other", load(guide.at(y, x)), 0.7)
            w = similarity(centre, other, inv_r)
            if inv_s is not None:
                spatial = wp.exp(-construct(T.F32, dx * dx + dy * dy) * inv_s)
                w = k.let("w|weight", spatial * w)
        k.aug(total, "+", load(src.at(y, x)) * w)
        k.aug(norm, "+", w)
    out.store(quantize(p, total / norm, t))


def _similarity(p: ProgramBuilder, t: T.Type) -> UserFunction:
    form = p.pick("exp", "exp", "rational", "tukey")

    def body(b: Block, a: Expr, c: Expr, inv: Expr) -> None:
        d = b.let("d|diff|delta", a - c)
        d2 = (
            b.let("d2|dist_sq", wp.dot(d, d) if t == T.VEC3 else d * d)
            if p.chance(0.6)
            else (wp.dot(d, d) if t == T.VEC3 else d * d)
        )
        if form == "exp":
            b.ret(wp.exp(-d2 * inv))
        elif form == "rational":
            b.ret(1.0 / (1.0 + d2 * inv))
        else:
            s = b.let("s|u", wp.max(1.0 - d2 * inv, 0.0))
            b.ret(s * s + 1.0e-4)

    return p.func(
        "range_weight|similarity|tonal_weight|edge_stop",
        {"a|center": t, "b|other": t, "inv|k_r": T.F32},
        body,
    )


def _patch_distance(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField, y: Expr, x: Expr
) -> Expr:
    row, col = g.index
    total = k.var("ssd|patch_d|dist2", 0.0)
    r = 1
    with k.loop("py|a", -r, r + 1) as a, k.loop("px|b", -r, r + 1) as b:
        here = src.at(wp.clamp(row + a, 0, g.extent(0) - 1), wp.clamp(col + b, 0, g.extent(1) - 1))
        there = src.at(wp.clamp(y + a, 0, g.extent(0) - 1), wp.clamp(x + b, 0, g.extent(1) - 1))
        d = k.let("dp|diff", here - there)
        k.aug(total, "+", d * d)
    return total


def _perona(p: ProgramBuilder, k: KernelBuilder, src: GridField) -> Expr:
    kappa, rate = (
        k.param("kappa|edge_threshold|conductance", 0.05, 0.4),
        k.param("rate|lam|dt", 0.05, 0.24),
    )
    exponential = p.chance(0.5)

    def flux(b: Block, d: Expr, kk: Expr) -> Expr:
        r = b.let("r|ratio|s", d / kk)
        return d * wp.exp(-r * r) if exponential else d / (1.0 + r * r)

    c = k.let("c|center|here", src.own)
    total: Expr | None = None
    f = None
    for offset in p.shuffled([(1, 0), (-1, 0), (0, 1), (0, -1)]):
        d = src[offset] - c
        if f is None:
            f = p.func(
                "edge_flux|conduction|diffusive_flux",
                {"d|grad": T.F32, "kappa|edge": T.F32},
                lambda b, *a: b.ret(flux(b, *a)),
            )
        term = f(d, kappa)
        total = term if total is None else total + term
    assert total is not None
    return c + total * rate


def rank(p: ProgramBuilder) -> None:
    """Order statistics of a window."""
    goals = {
        "median": "median_filter|denoise_median|remove_salt_pepper",
        "cross": "median_cross|hybrid_median|median5",
        "extreme": "local_maximum|local_minimum|window_range|midrange",
        "despeckle": "despeckle|remove_hot_pixels|outlier_filter|conditional_median",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Order statistics of a window.", "", "One thread per pixel.")
    )
    g = image_grid(p, k, "clamp")
    t = p.pick(T.F32, T.F32, T.U8)
    src, out = source(p, g, t), g.out(TARGET, t)
    if goal == "extreme":
        _extremes(p, k, g, src, out, t)
        return
    if goal == "cross":
        values = [
            k.let(h, load(src[o]))
            for h, o in zip(
                ("c|mid", "n|up", "s|down", "w|left", "e|right"),
                [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)],
                strict=True,
            )
        ]
        f = _median3(p)
        m = f(f(values[1], values[2], values[0]), f(values[3], values[4], values[0]), values[0])
        out.store(quantize(p, m, t))
        return
    nine = T.Vec(9)
    v = k.var("v|values|buf", construct(nine))
    n = k.var("n|count|filled", 0)
    with window(p, k, g, 1) as (y, x, _, __):
        k.set(v[n], load(src.at(y, x)))
        k.aug(n, "+", 1)
    _sort(p, k, v, n)
    median = k.let("median|med|mid", v[n // 2])
    if goal == "median":
        out.store(quantize(p, median, t))
        return
    centre = k.let("center|c|here", load(src.own))
    gap = (
        k.param("threshold|tolerance|max_deviation", 0.1, 0.4)
        if t == T.F32
        else k.param("threshold|tolerance", 20.0, 80.0)
    )
    with k.when(wp.abs(centre - median) > gap):
        out.store(quantize(p, median, t))
        k.do(wp.atomic_add(k.out("replaced|num_outliers|fixed_count", T.I32, (1,)), 0, 1))
    with k.otherwise():
        out.store(src.own)


def _median3(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, a: Expr, c: Expr, d: Expr) -> None:
        if p.chance(0.5):
            b.ret(wp.max(wp.min(a, c), wp.min(wp.max(a, c), d)))
        else:
            b.ret(a + c + d - wp.min(wp.min(a, c), d) - wp.max(wp.max(a, c), d))

    return p.func("median3|mid_of_three|med3", {"a|u": T.F32, "b|v": T.F32, "c|w": T.F32}, body)


def _sort(p: ProgramBuilder, k: KernelBuilder, v: Name, n: Expr) -> None:
    if p.chance(0.5):
        with k.loop("i|a", 1, n) as i:
            key = k.let("key|cur", v[i])
            j = k.var("j|slot", i - 1)
            with k.repeat(all_of(j >= 0, v[wp.max(j, 0)] > key)):
                k.set(v[j + 1], v[j])
                k.aug(j, "-", 1)
            k.set(v[j + 1], key)
        return
    with k.loop("i|a", n - 1) as i, k.loop("j|b", i + 1, n) as j, k.when(v[j] < v[i]):
        t = k.let("tmp|t", v[i])
        k.set(v[i], v[j])
        k.set(v[j], t)


def _extremes(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField, out: GridField, t: T.Type
) -> None:
    centre = k.let("center|c|here", load(src.own))
    low, high = k.var("lo|smallest|v_min", centre), k.var("hi|largest|v_max", centre)
    bound = k.count("radius|half_width|r", p.pick(1, 2)) if p.chance(0.5) else p.pick(1, 2)
    with window(p, k, g, bound) as (y, x, _, __):
        v = k.let("v|sample|q", load(src.at(y, x)))
        k.set(low, wp.min(low, v))
        k.set(high, wp.max(high, v))
    match p.pick("range", "mid", "stretch", "peak"):
        case "range":
            out.store(quantize(p, high - low, t))
        case "mid":
            out.store(quantize(p, 0.5 * (low + high), t))
        case "stretch":
            full = 255.0 if t == T.U8 else 1.0
            out.store(quantize(p, (centre - low) / wp.max(high - low, 1.0e-3) * full, t))
        case _:
            level = (
                k.param("threshold|min_peak", 0.3, 0.8)
                if t == T.F32
                else k.param("threshold|min_peak", 60.0, 180.0)
            )
            out.store(src.own)
            with k.when(all_of(centre >= high, centre > level)):
                k.do(wp.atomic_add(k.out("peak_count|num_peaks", T.I32, (1,)), 0, 1))
                g.out("peaks|peak_mask|is_maximum", T.U8).store(construct(T.U8, 1))
