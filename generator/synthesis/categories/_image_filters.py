"""Filters of images: convolutions, bilateral and rank filters, edges, corners."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._image import (
    TARGET,
    image_grid,
    load,
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
from generator.synthesis.logic import any_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
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
        signed = term if w > 0 else -term
        total = signed if total is None else total + term if w > 0 else total - term
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


# --- edges and corners ----------------------------------------------------------------------------
