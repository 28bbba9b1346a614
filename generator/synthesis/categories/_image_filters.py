"""Filters of images: convolutions, bilateral and rank filters, edges, corners."""

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
    pixel_type,
    quantize,
    source,
    window,
    working,
    zero,
)  # fmt: skip
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def _masked(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, out: GridField, keep: Expr, share: float = 0.22
) -> None:
    """Pixels outside of a mask are copied through."""
    if not p.chance(share):
        return
    kind = p.pick(T.U8, T.I32, T.BOOL)
    mask = g.field("mask|roi|valid", kind, R.mask(0.75)).own
    with k.when(_is_off(mask, kind)):
        if p.chance(0.75):
            out.store(keep)
        k.ret()


def _is_off(mask: Expr, kind: T.Type) -> Expr:
    if kind == T.BOOL:
        return negate(mask)
    return mask == (construct(T.U8, 0) if kind == T.U8 else 0)


# --- linear filters -------------------------------------------------------------------------------


def convolve(p: ProgramBuilder) -> None:
    """Convolutions: by a weight array, separable, Gaussian, box, small fixed kernels, unsharp masking."""
    goals = {
        "array": "convolve2d|apply_kernel|correlate|filter2d",
        "separable": "blur_rows|convolve_horizontal|gaussian_pass|blur_columns|separable_pass",
        "gaussian": "gaussian_blur|smooth_image|gauss_filter",
        "box": "box_blur|mean_filter|local_mean|average_window",
        "fixed": "sharpen|emboss|smooth3x3|convolve3x3|laplacian_sharpen",
        "unsharp": "unsharp_mask|enhance_detail|local_contrast",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Linear filter of the image.", "One thread per output pixel.", "", "")
    )
    g = image_grid(p, k, None if goal == "fixed" else "clamp")
    t = pixel_type(p)
    src, out = source(p, g, t), g.out(TARGET, t)
    _masked(p, k, g, out, src.own)
    match goal:
        case "fixed":
            value = _fixed(p, k, src, t)
        case "separable":
            value = _separable(p, k, g, src, t)
        case _:
            value = _weighted(p, k, g, src, t, goal)
    out.store(quantize(p, value, t))


def _fixed(p: ProgramBuilder, k: KernelBuilder, src: GridField, t: T.Type) -> Expr:
    kernels = {
        "sharpen": {(0, 0): 5.0, (0, 1): -1.0, (0, -1): -1.0, (1, 0): -1.0, (-1, 0): -1.0},
        "plus": {(0, 0): 4.0, (0, 1): 1.0, (0, -1): 1.0, (1, 0): 1.0, (-1, 0): 1.0},
        "binomial": {
            (a, b): float((2 - abs(a)) * (2 - abs(b))) for a in (-1, 0, 1) for b in (-1, 0, 1)
        },
        "emboss": {(-1, -1): -1.0, (1, 1): 1.0, (0, 0): 1.0},
        "detail": {(0, 0): 9.0, **{(a, b): -1.0 for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b}},
    }
    taps = kernels[p.pick(*kernels)]
    total: Expr | None = None
    scale = sum(taps.values())
    for offset in p.shuffled(list(taps)):
        w = taps[offset]
        value = load(src[offset])
        term = value if abs(w) == 1.0 else value * abs(w)
        if total is None:
            total = term if w > 0 else -term
        else:
            total = total + term if w > 0 else total - term
    assert total is not None
    result = maybe(p, k, "acc|total|sum_", total)
    if abs(scale) > 1.0:
        result = result / scale if p.chance(0.5) else result * (1.0 / scale)
    if p.chance(0.4):
        amount = k.param("amount|strength|mix_amount", 0.1, 1.0)
        centre = load(src.own)
        return centre + (result - centre) * amount
    return result


def _separable(p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField, t: T.Type) -> Expr:
    row, col = g.index
    vertical = p.chance(0.5)
    radius = p.pick(2, 3, 4)
    weights = k.array(
        "weights|kernel_1d|taps|coeffs", T.F32, (2 * radius + 1,), R.uniform(0.05, 0.3)
    )
    total = k.var("acc|total|sum_", zero(t))
    norm = k.var("norm|w_sum|wt", 0.0) if p.chance(0.5) else None
    along, extent = (row, g.extent(0)) if vertical else (col, g.extent(1))
    bound: Expr | int = k.count("radius|half_width|r", radius) if p.chance(0.5) else radius
    skip = p.chance(0.3)
    with k.loop("d|o|tap|m", -bound, bound + 1) as d:
        at = k.let("pos|q|xx|n_i", along + d if skip else wp.clamp(along + d, 0, extent - 1))
        if skip:
            with k.when(any_of(at < 0, at >= extent)):
                k.cont()
        w = maybe(p, k, "w|wd", weights[d + bound])
        value = load(src.at(at, col) if vertical else src.at(row, at))
        if norm is not None:
            w = w if isinstance(w, Name) else k.let("w|wd", w)
            k.aug(norm, "+", w)
        k.aug(total, "+", value * w)
    return total if norm is None else total / norm


def _weighted(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField, t: T.Type, goal: str
) -> Expr:
    radius = p.pick(1, 2, 2, 3)
    size = 2 * radius + 1
    bound: Expr | int = k.count("radius|half_width|r", radius) if p.chance(0.55) else radius
    weights = (
        k.array("kernel|weights|filter_weights", T.F32, (size, size), R.uniform(0.0, 0.2))
        if goal == "array"
        else None
    )
    sigma = k.param("sigma|std_dev|blur_sigma", 0.6, 2.5) if goal == "gaussian" else None
    inv = k.let("inv|inv_2s2|falloff", 0.5 / (sigma * sigma)) if sigma is not None else None
    total = k.var("acc|total|sum_", zero(t))
    norm = k.var("norm|w_sum|weight", 0.0)
    with window(p, k, g, bound) as (y, x, dy, dx):
        value = load(src.at(y, x))
        if weights is not None:
            w: Expr = maybe(p, k, "w|wt", weights[dy + bound, dx + bound], 1.0)
        elif inv is not None:
            d2 = construct(T.F32, dx * dx + dy * dy)
            w = k.let(
                "w|wt",
                piece(
                    p,
                    k,
                    "gauss|gaussian_weight",
                    {"d2|r2": d2, "inv|s": inv},
                    lambda b, q, s: wp.exp(-q * s),
                ),
            )
        else:
            k.aug(total, "+", value)
            k.aug(norm, "+", 1.0)
        if goal in ("array", "gaussian"):
            k.aug(total, "+", value * w)
            k.aug(norm, "+", w)
    mean = total if goal == "array" and p.chance(0.5) else total / norm
    if goal != "unsharp":
        return mean
    centre = k.let("center|c|here", load(src.own))
    detail = k.let("detail|high|residual", centre - mean)
    amount = k.param("amount|strength|gain", 0.3, 2.0)
    if p.chance(0.4) and working(t) == T.F32:
        cut = k.param("threshold|min_detail|coring", 0.01, 0.1)
        return wp.where(wp.abs(detail) < cut, centre, centre + detail * amount)
    return centre + detail * amount


# --- non-linear filters ---------------------------------------------------------------------------


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


# --- edges and corners ----------------------------------------------------------------------------

_STENCILS = {
    "sobel": (1.0, 2.0, 1.0),
    "prewitt": (1.0, 1.0, 1.0),
    "scharr": (3.0, 10.0, 3.0),
    "central": (0.0, 1.0, 0.0),
}


def _gradient(
    p: ProgramBuilder, k: KernelBuilder, src: GridField, name: str, bright
) -> tuple[Name, Name]:  # type: ignore[no-untyped-def]
    """Horizontal and vertical derivatives by a 3 x 3 stencil."""
    weights = _STENCILS[name]

    def side(points: list[tuple[int, int]]) -> Expr:
        total: Expr | None = None
        for w, o in zip(weights, points, strict=True):
            if w == 0.0:
                continue
            v = bright(src[o])
            v = v if w == 1.0 else v * w
            total = v if total is None else total + v
        assert total is not None
        return total

    east, west = [(a, 1) for a in (-1, 0, 1)], [(a, -1) for a in (-1, 0, 1)]
    south, north = [(1, a) for a in (-1, 0, 1)], [(-1, a) for a in (-1, 0, 1)]
    scale = 1.0 / (2.0 * sum(weights))
    gx, gy = side(east) - side(west), side(south) - side(north)
    if p.chance(0.4):
        gx, gy = gx * round(scale, 5), gy * round(scale, 5)
    return k.let("gx|ix|dx_img", gx), k.let("gy|iy|dy_img", gy)


def edges(p: ProgramBuilder) -> None:
    """Gradient magnitude and direction, thin edges, hysteresis, Laplacian zero crossings."""
    name = p.pick(*_STENCILS)
    goals = {
        "magnitude": f"{name}_edges|gradient_magnitude|edge_strength|image_gradient",
        "thin": "non_maximum_suppression|thin_edges|canny_nms",
        "hysteresis": "hysteresis_step|link_edges|grow_strong_edges",
        "log": "zero_crossings|laplacian_edges|log_edges",
        "orientation": "gradient_orientation|oriented_gradients|hog_cells|edge_directions",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Edge detection.", "", "One thread per pixel."))
    g = image_grid(p, k, p.pick("interior", "clamp", None))
    if goal == "hysteresis":
        _hysteresis(p, k, g)
        return
    if goal == "thin":
        _thin(p, k, g)
        return
    t = p.weighted({T.F32: 5, T.U8: 2, T.VEC3: 2})
    src = source(p, g, t)
    bright = _brightness(p, t)
    if goal == "log":
        _zero_crossing(p, k, g, src, bright)
        return
    gx, gy = _gradient(p, k, src, name, bright)
    size = wp.sqrt(gx * gx + gy * gy) if p.chance(0.7) else wp.abs(gx) + wp.abs(gy)
    if goal == "orientation":
        _oriented(p, k, g, gx, gy, size)
        return
    for what in p.shuffled(p.sample(["mag", "dir", "vec", "mask"], 1, 3)):
        match what:
            case "mag":
                g.out("magnitude|edges|strength", T.F32).store(size)
            case "dir":
                g.out("direction|angles|orientation", T.F32).store(wp.atan2(gy, gx))
            case "vec":
                g.out("gradients|grad", T.VEC2).store(construct(T.VEC2, gx, gy))
            case _:
                level = k.param("threshold|edge_level|cutoff", 0.1, 1.0)
                with k.when(size > level):
                    g.out("edge_mask|is_edge|edges8", T.U8).store(construct(T.U8, p.pick(1, 255)))


def _brightness(p: ProgramBuilder, t: T.Type):  # type: ignore[no-untyped-def]
    if t != T.VEC3:
        return load
    f = p.func(
        "luma|brightness|gray_value", {"c|rgb": T.VEC3}, lambda b, c: b.ret(luminance(p, b, c))
    )
    return f


def _oriented(p: ProgramBuilder, k: KernelBuilder, g: Grid, gx: Name, gy: Name, size: Expr) -> None:
    bins = p.pick(8, 9, 12)
    m = k.let("m|mag|weight", size)
    angle = k.var("angle|theta|phi", wp.atan2(gy, gx))
    with k.when(angle < 0.0):
        k.aug(angle, "+", p.pick(3.14159265, 6.2831853))
    slot = k.let("slot|b|bin_id", wp.min(cast(T.I32, angle / 6.2831854 * float(bins)), bins - 1))
    if p.chance(0.5):
        k.do(wp.atomic_add(k.out("orientation_hist|histogram|hog", T.F32, (bins,)), slot, m))
    else:
        cell = k.count("cell_size|block_size|cell_px", p.pick(4, 8))
        hist = k.out("hog|cell_hist|descriptors", T.F32, (16, 16, bins))
        k.do(wp.atomic_add(hist, g.index[0] // cell, g.index[1] // cell, slot, m))
    if p.chance(0.5):
        g.out("bins_out|quantized_dir|labels", T.I32).store(slot)


def _zero_crossing(p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField, bright) -> None:  # type: ignore[no-untyped-def]
    c = k.let("c|center|here", bright(src.own))
    total: Expr | None = None
    for o in [(1, 0), (-1, 0), (0, 1), (0, -1)]:
        total = bright(src[o]) if total is None else total + bright(src[o])
    assert total is not None
    lap = k.let("lap|l|response", total - 4.0 * c)
    g.out("laplacian|response|log_out", T.F32).store(lap)
    right = k.let("right|e", bright(src[0, 1]))
    with k.when((right - c) * lap < 0.0):
        g.out("crossings|zero_cross|edge_map", T.I32).store(1)
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("focus|sharpness|laplacian_energy", T.F32, (1,)), 0, lap * lap))


def _hysteresis(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    labels = g.field("labels|edge_class|strength_class", T.I32, R.integers(0, 3))
    out = g.out("labels_out|edges_out|edge_class_out", T.I32)
    here = k.let("here|c|label", labels.own)
    out.store(here)
    with k.when(here == 1):
        around = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b][:: p.pick(1, 1, 2)]
        if p.chance(0.5):
            with k.when(any_of(*(labels[o] == 2 for o in around))):
                out.store(2)
                k.do(wp.atomic_add(k.out("changed|promoted|num_changed", T.I32, (1,)), 0, 1))
        else:
            strong = k.var("strong|hits|n_strong", 0)
            for o in around:
                with k.when(labels[o] == 2):
                    k.aug(strong, "+", 1)
            with k.when(strong > 0):
                out.store(2)


def _thin(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    mag = g.field("magnitude|strength|grad_mag", T.F32, R.uniform(0.0, 1.0))
    angle = k.let(
        "a|theta|dir_angle",
        g.field("direction|angles|orientation", T.F32, R.uniform(-3.14, 3.14)).own,
    )
    m = k.let("m|here|c", mag.own)
    fold = k.let(
        "t|folded|deg",
        wp.abs(angle) if p.chance(0.5) else wp.where(angle < 0.0, angle + 3.14159265, angle),
    )
    first, second = k.var("q|ahead|m1", 0.0), k.var("r|behind|m2", 0.0)
    pairs = [((0, 1), (0, -1)), ((1, 1), (-1, -1)), ((1, 0), (-1, 0)), ((1, -1), (-1, 1))]
    with k.when(any_of(fold < 0.3927, fold >= 2.7489)):
        k.set(first, mag[pairs[0][0]])
        k.set(second, mag[pairs[0][1]])
    for bound, (a, b) in zip((1.1781, 1.9635), pairs[1:3], strict=True):
        with k.elsewhen(fold < bound):
            k.set(first, mag[a])
            k.set(second, mag[b])
    with k.otherwise():
        k.set(first, mag[pairs[3][0]])
        k.set(second, mag[pairs[3][1]])
    keep = all_of(m >= first, m >= second)
    high = k.param("high_threshold|strong|t_high", 0.4, 0.9) if p.chance(0.5) else None
    if high is None:
        g.out("thin|suppressed|nms_out", T.F32).store(wp.where(keep, m, 0.0))
        return
    low = k.param("low_threshold|weak|t_low", 0.05, 0.3)
    label = g.out("edge_class|labels|strength_class", T.I32)
    with k.when(keep):
        with k.when(m >= high):
            label.store(2)
        with k.elsewhen(m >= low):
            label.store(1)


def corners(p: ProgramBuilder) -> None:
    """Structure tensors: Harris, Shi-Tomasi, Foerstner, coherence; Hessians and local maxima."""
    goals = {
        "harris": "harris_response|corner_response|shi_tomasi|min_eigenvalue",
        "tensor": "structure_tensor|gradient_products|second_moment_matrix",
        "hessian": "hessian_response|blob_response|ridge_filter|determinant_of_hessian",
        "maxima": "corner_maxima|extract_corners|suppress_non_maxima|select_keypoints",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Interest points.", "", "Local structure of the image.")
    )
    if goal == "maxima":
        _maxima(p, k)
        return
    g = image_grid(p, k, "clamp")
    src = gray(p, g) if p.chance(0.7) else bytes_image(p, g)
    if goal == "hessian":
        _hessian(p, k, g, src)
        return
    if goal == "tensor":
        gx, gy = _gradient(p, k, src, p.pick(*_STENCILS), load)
        if p.chance(0.5):
            g.out("tensor|products|structure", T.VEC3).store(
                construct(T.VEC3, gx * gx, gy * gy, gx * gy)
            )
        else:
            for hint, v in p.shuffled(
                [("ixx|gxx", gx * gx), ("iyy|gyy", gy * gy), ("ixy|gxy", gx * gy)]
            ):
                g.out(hint, T.F32).store(v)
        return
    _harris(p, k, g)


def _harris(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    ix, iy = (
        g.field("grad_x|gx_img|ix", T.F32, R.uniform(-1.0, 1.0)),
        g.field("grad_y|gy_img|iy", T.F32, R.uniform(-1.0, 1.0)),
    )
    a, b, c = (k.var(h, 0.0) for h in ("a|sxx|m00", "b|syy|m11", "c|sxy|m01"))
    bound = (
        k.count("radius|half_width|window_radius", p.pick(1, 2)) if p.chance(0.6) else p.pick(1, 2)
    )
    gauss = k.param("falloff|inv_sigma|decay", 0.1, 1.0) if p.chance(0.35) else None
    with window(p, k, g, bound) as (y, x, dy, dx):
        u, v = k.let("u|gx", ix.at(y, x)), k.let("v|gy", iy.at(y, x))
        products = [u * u, v * v, u * v]
        if gauss is not None:
            w = k.let("w|wt", wp.exp(-construct(T.F32, dx * dx + dy * dy) * gauss))
            products = [q * w for q in products]
        for target, value in zip((a, b, c), products, strict=True):
            k.aug(target, "+", value)
    det, trace = k.let("det|d", a * b - c * c), k.let("tr|trace", a + b)
    form = p.pick("harris", "shi", "foerstner", "coherence")
    out = g.out("response|cornerness|score", T.F32)
    if form == "harris":
        out.store(det - k.param("k_harris|kappa|alpha", 0.04, 0.06) * trace * trace)
    elif form == "foerstner":
        out.store(det / wp.max(trace, 1.0e-6))
    else:
        root = k.let("root|spread|disc", wp.sqrt(wp.max(0.25 * trace * trace - det, 0.0)))
        small, large = 0.5 * trace - root, 0.5 * trace + root
        if form == "shi":
            out.store(small)
        else:
            ratio = k.let("coh|ratio", (large - small) / wp.max(large + small, 1.0e-6))
            out.store(ratio * ratio)
            if p.chance(0.6):
                g.out("orientation|angle_map", T.F32).store(0.5 * wp.atan2(2.0 * c, a - b))


def _hessian(p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField) -> None:
    c = k.let("c|center|here", load(src.own))
    xx = k.let("hxx|dxx", load(src[0, 1]) - 2.0 * c + load(src[0, -1]))
    yy = k.let("hyy|dyy", load(src[1, 0]) - 2.0 * c + load(src[-1, 0]))
    xy = k.let(
        "hxy|dxy",
        (load(src[1, 1]) - load(src[1, -1]) - load(src[-1, 1]) + load(src[-1, -1])) * 0.25,
    )
    form = p.pick("det", "eigen", "vessel", "trace")
    if form == "det":
        g.out("response|doh|blobness", T.F32).store(xx * yy - xy * xy)
    elif form == "trace":
        g.out("response|laplacian", T.F32).store(xx + yy)
    else:
        mean, half = k.let("mean|m", 0.5 * (xx + yy)), k.let("half|d", 0.5 * (xx - yy))
        root = k.let("root|s", wp.sqrt(half * half + xy * xy))
        l1, l2 = k.let("l1|lam1", mean + root), k.let("l2|lam2", mean - root)
        if form == "eigen":
            g.out("eigenvalues|lambda_map", T.VEC2).store(construct(T.VEC2, l1, l2))
        else:
            beta = k.param("beta|blob_weight", 0.3, 0.8)
            rb = k.let(
                "rb|ratio",
                wp.min(wp.abs(l1), wp.abs(l2)) / wp.max(wp.max(wp.abs(l1), wp.abs(l2)), 1.0e-6),
            )
            value = wp.exp(-rb * rb / (2.0 * beta * beta)) * (1.0 - wp.exp(-(l1 * l1 + l2 * l2)))
            g.out("vesselness|ridges|tubeness", T.F32).store(
                value if p.chance(0.5) else wp.where(l2 > 0.0, 0.0, value)
            )


def _maxima(p: ProgramBuilder, k: KernelBuilder) -> None:
    g = image_grid(p, k, "clamp")
    score = g.field("response|score|cornerness", T.F32, R.uniform(0.0, 1.0))
    s = k.let("s|here|c", score.own)
    level = k.param("threshold|min_score|quality", 0.3, 0.7)
    with k.when(s < level):
        k.ret()
    best = k.var("is_max|keep|local_max", 1)
    with window(p, k, g, p.pick(1, 2), center=False) as (y, x, _, __):
        v = score.at(y, x)
        with k.when(v > s if p.chance(0.7) else v >= s):
            k.set(best, 0)
    with k.when(best == 1):
        g.out("keypoints|corner_mask|selected", T.I32).store(1)
        slot = wp.atomic_add(k.out("corner_count|num_keypoints", T.I32, (1,)), 0, 1)
        if p.chance(0.4):
            used = k.out("slots_used|list_fill|occupied", T.I32, (64,))
            at = k.let("slot|n", slot)
            with k.when(at < 64):
                k.set(used[at], 1)
        else:
            k.do(slot)
