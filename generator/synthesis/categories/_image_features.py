"""Edges and corners of images."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import (
    bytes_image,
    gray,
    image_grid,
    load,
    luminance,
    source,
    window,
)  # fmt: skip
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

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
        small = 0.5 * trace - root
        if form == "shi":
            out.store(small)
        else:
            ratio = k.let("coh|ratio", 2.0 * root / wp.max(trace, 1.0e-6))
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
