"""Geometry of images: resampling, pyramids, transposition and tiling, running sums."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import (
    TARGET,
    bilinear,
    image_grid,
    load,
    pixel_type,
    quantize,
    source,
    zero,
)
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, literal

F = T.F32


def resample(p: ProgramBuilder) -> None:
    """Images read at mapped coordinates: nearest, bilinear, bicubic."""
    goals = {
        "affine": "warp_affine|rotate_image|affine_transform|transform_image", "remap": "remap|apply_map|warp_by_map|gather_pixels",
        "resize": "resize_bilinear|scale_image|upsample|resize_image", "lens": "undistort_image|remove_distortion|rectify_lens",
        "perspective": "warp_perspective|homography_warp|rectify", "flow": "warp_with_flow|motion_compensate|backward_warp",
        "polar": "unwrap_polar|polar_transform|log_polar_warp", "stabilize": "stabilize_frame|shift_image|subpixel_shift",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal],
        p.pick("Resample the image under a coordinate map.", "", "One thread per output pixel."),
    )
    g = image_grid(p, k, "clamp")
    t = p.weighted({T.F32: 4, T.VEC3: 2, T.U8: 1.5})
    src, out = source(p, g, t), g.out(TARGET, t)
    y, x = _MAPS[goal](p, k, g)
    if p.chance(0.35):
        y, x = k.let("sy|v_src|fy_s", y), k.let("sx|u_src|fx_s", x)
        outside = any_of(
            x < 0.0, x > construct(F, g.extent(1) - 1), y < 0.0, y > construct(F, g.extent(0) - 1)
        )
        with k.when(outside):
            if p.chance(0.6):
                fill = (
                    k.quantity("border_value|fill|cval", F, 0.0)
                    if t == F
                    else construct(t, 0.0 if t == T.VEC3 else 0)
                )
                out.store(fill)
            k.ret()
    mode = p.weighted({"bilinear": 5, "nearest": 2, "bicubic": 2})
    if mode == "nearest":
        i = k.let("iy|ri|ny", wp.clamp(cast(T.I32, wp.round(y)), 0, g.extent(0) - 1))
        j = k.let("ix|ci|nx", wp.clamp(cast(T.I32, wp.round(x)), 0, g.extent(1) - 1))
        out.store(src.at(i, j))
        return
    value = _bicubic(p, k, g, src, y, x, t) if mode == "bicubic" else bilinear(p, src, t)(y, x)
    out.store(quantize(p, value, t))


def _xy(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> tuple[Expr, Expr]:
    row, col = g.index
    words = p.pick(("x", "y"), ("u", "v"), ("px", "py"))
    return k.let(words[0], construct(F, col)), k.let(words[1], construct(F, row))


def _affine(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> tuple[Expr, Expr]:
    x, y = _xy(p, k, g)
    if p.chance(0.4):
        m = k.quantity("M|affine|matrix", T.Mat(2, 3), [0.9, 0.2, 1.5, -0.2, 0.9, 2.0])
        q = k.let("q|mapped|src_xy", m * construct(T.VEC3, x, y, 1.0))
        return q.y, q.x
    cx, cy = (
        k.let("cx|mid_x", construct(F, g.extent(1)) * 0.5),
        k.let("cy|mid_y", construct(F, g.extent(0)) * 0.5),
    )
    angle = k.param("angle|theta|rotation", 0.1, 3.0)
    scale = k.param("scale|zoom|magnify", 0.5, 2.0) if p.chance(0.6) else None
    c, s = wp.cos(angle), wp.sin(angle)
    c, s = (
        k.let("c|cos_a", c if scale is None else c / scale),
        k.let("s|sin_a", s if scale is None else s / scale),
    )
    return s * (x - cx) + c * (y - cy) + cy, c * (x - cx) - s * (y - cy) + cx


def _remap(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> tuple[Expr, Expr]:
    if p.chance(0.5):
        m = k.let("m|uv|src_xy", g.field("coords|map_xy|uv_map", T.VEC2, R.uniform(0.0, 18.0)).own)
        return m.y, m.x
    my, mx = (
        g.field("map_y|rows_map|v_map", F, R.uniform(0.0, 18.0)),
        g.field("map_x|cols_map|u_map", F, R.uniform(0.0, 18.0)),
    )
    return my.own, mx.own


def _resize(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> tuple[Expr, Expr]:
    x, y = _xy(p, k, g)
    sx, sy = (
        k.param("scale_x|step_x|ratio_x", 0.3, 1.0),
        k.param("scale_y|step_y|ratio_y", 0.3, 1.0),
    )
    if p.chance(0.6):
        return (y + 0.5) * sy - 0.5, (x + 0.5) * sx - 0.5
    return y * sy, x * sx


def _lens(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> tuple[Expr, Expr]:
    x, y = _xy(p, k, g)
    f, cx, cy = (
        k.param("focal|f|fx", 20.0, 60.0),
        k.param("cx|ppx", 8.0, 16.0),
        k.param("cy|ppy", 8.0, 16.0),
    )
    xn, yn = k.let("xn|dx|nx", (x - cx) / f), k.let("yn|dy|ny", (y - cy) / f)
    r2 = k.let("r2|rr", xn * xn + yn * yn)
    k1, k2 = k.param("k1|radial1", 0.01, 0.4), k.param("k2|radial2", 0.01, 0.2)

    def radial(b: Block, r: Expr, a: Expr, c: Expr) -> None:
        b.ret(1.0 + r * (a + r * c) if p.chance(0.5) else 1.0 + a * r + c * r * r)

    if p.chance(0.5):
        d = k.let(
            "d|factor|gain",
            p.func("distortion|radial_factor|brown", {"r2|rr": F, "k1|a": F, "k2|b": F}, radial)(
                r2, k1, k2
            ),
        )
    else:
        d = k.let("d|factor|gain", 1.0 + k1 * r2 + k2 * r2 * r2)
    if p.chance(0.35):
        p1, p2 = k.param("p1|tan1", 0.001, 0.02), k.param("p2|tan2", 0.001, 0.02)
        xd = k.let("xd|x_d", xn * d + 2.0 * p1 * xn * yn + p2 * (r2 + 2.0 * xn * xn))
        yd = k.let("yd|y_d", yn * d + p1 * (r2 + 2.0 * yn * yn) + 2.0 * p2 * xn * yn)
        return yd * f + cy, xd * f + cx
    return yn * d * f + cy, xn * d * f + cx


def _perspective(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> tuple[Expr, Expr]:
    x, y = _xy(p, k, g)
    h = k.quantity(
        "H|homography|inv_h", T.MAT33, [0.9, 0.05, 1.0, -0.03, 1.1, 0.5, 0.001, 0.002, 1.0]
    )
    if p.chance(0.5):
        q = k.let("q|hom|ph", h * construct(T.VEC3, x, y, 1.0))
        if p.chance(0.5):
            inv = k.let("inv|rcp_w", 1.0 / q.z)
            return q.y * inv, q.x * inv
        return q.y / q.z, q.x / q.z
    w = k.let("w|denom", h[2, 0] * x + h[2, 1] * y + h[2, 2])
    return (h[1, 0] * x + h[1, 1] * y + h[1, 2]) / w, (h[0, 0] * x + h[0, 1] * y + h[0, 2]) / w


def _flow(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> tuple[Expr, Expr]:
    x, y = _xy(p, k, g)
    d = k.let("d|flow|uv", g.field("flow|motion|displacement", T.VEC2, R.uniform(-2.5, 2.5)).own)
    share = k.param("time_share|t|fraction", 0.2, 1.0) if p.chance(0.4) else None
    if share is None:
        return (y + d.y, x + d.x) if p.chance(0.5) else (y - d.y, x - d.x)
    return y + d.y * share, x + d.x * share


def _polar(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> tuple[Expr, Expr]:
    x, y = _xy(p, k, g)
    angle = k.let("angle|phi|theta", x / construct(F, g.extent(1)) * 6.2831853)
    share = y / construct(F, g.extent(0))
    top = k.param("max_radius|r_max|outer", 5.0, 9.0)
    r = k.let("r|rad|rho", wp.exp(share * wp.log(top)) if p.chance(0.4) else share * top)
    cx, cy = k.param("center_x|cx", 6.0, 10.0), k.param("center_y|cy", 6.0, 10.0)
    return cy + r * wp.sin(angle), cx + r * wp.cos(angle)


def _shift(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> tuple[Expr, Expr]:
    x, y = _xy(p, k, g)
    d = k.quantity("shift|offset|drift", T.VEC2, [1.3, -0.7])
    if p.chance(0.4):
        roll = k.param("roll|angle|twist", 0.005, 0.05)
        return y + d.y + roll * x, x + d.x - roll * y
    return y + d.y, x + d.x


_MAPS = {
    "affine": _affine, "remap": _remap, "resize": _resize, "lens": _lens, "perspective": _perspective, "flow": _flow,
    "polar": _polar, "stabilize": _shift,
}  # fmt: skip


def _bicubic(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, src: GridField, y: Expr, x: Expr, t: T.Type
) -> Expr:
    f = _cubic_weight(p)
    y, x = k.let("fy|ys|v_f", y), k.let("fx|xs|u_f", x)
    iy, ix = (
        k.let("iy|y0|r0", cast(T.I32, wp.floor(y))),
        k.let("ix|x0|c0", cast(T.I32, wp.floor(x))),
    )
    total, norm = k.var("acc|total|sum_", zero(t)), k.var("norm|w_sum", 0.0)
    with k.loop("m|a|dy", -1, 3) as m:
        wy = k.let("wy|w_r", f(y - construct(F, iy + m)))
        r = k.let("r|yy|rr", wp.clamp(iy + m, 0, g.extent(0) - 1))
        with k.loop("n|b|dx", -1, 3) as n:
            w = k.let("w|wt", wy * f(x - construct(F, ix + n)))
            c = k.let("c|xx|cc", wp.clamp(ix + n, 0, g.extent(1) - 1))
            k.aug(total, "+", load(src.at(r, c)) * w)
            k.aug(norm, "+", w)
    return total / norm if p.chance(0.6) else total / wp.max(norm, 1.0e-6)


def _cubic_weight(p: ProgramBuilder) -> UserFunction:
    form = p.pick("catmull", "bspline", "lanczos")

    def body(b: Block, d: Expr) -> None:
        a = b.let("a|t|s", wp.abs(d))
        if form == "lanczos":
            with b.when(a < 1.0e-4):
                b.ret(literal(1.0, F))
            with b.when(a >= 2.0):
                b.ret(literal(0.0, F))
            q = b.let("q|pa|arg", 3.14159265 * a)
            b.ret(2.0 * wp.sin(q) * wp.sin(q * 0.5) / (q * q))
            return
        near = (
            1.5 * a * a * a - 2.5 * a * a + 1.0
            if form == "catmull"
            else (4.0 - 6.0 * a * a + 3.0 * a * a * a) / 6.0
        )
        far_ = (
            -0.5 * a * a * a + 2.5 * a * a - 4.0 * a + 2.0
            if form == "catmull"
            else (2.0 - a) * (2.0 - a) * (2.0 - a) / 6.0
        )
        with b.when(a < 1.0):
            b.ret(near)
        with b.when(a < 2.0):
            b.ret(far_)
        b.ret(0.0)

    return p.func("cubic_weight|catmull_rom|kernel_weight|filter_weight", {"d|x|dist": F}, body)


# --- pyramids -------------------------------------------------------------------------------------


def pyramid(p: ProgramBuilder) -> None:
    """Levels of an image pyramid: reduction, expansion, Laplacian bands, mip chains."""
    goals = {
        "reduce": "pyramid_down|downsample2x|reduce_level|mip_reduce", "expand": "pyramid_up|upsample2x|expand_level",
        "band": "laplacian_band|detail_band|difference_of_gaussians", "minmax": "hiz_build|depth_pyramid|min_max_mip",
        "collapse": "collapse_pyramid|add_detail|reconstruct_level",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("One level of the pyramid.", "", "Image pyramid step.")
    )
    g = image_grid(p, k, "clamp")
    row, col = g.index
    t = p.pick(T.F32, T.VEC3)
    rows, cols = g.shape
    if goal in ("band", "collapse"):
        fine, base = (
            source(p, g, t, "fine|level|gaussian"),
            source(p, g, t, "coarse_up|blurred|expanded"),
        )
        d = fine.own - base.own if goal == "band" else fine.own + base.own
        gain = k.param("detail_gain|boost|band_weight", 0.5, 2.0) if p.chance(0.5) else None
        if goal == "collapse" and gain is not None:
            d = base.own + fine.own * gain
        elif gain is not None:
            d = d * gain
        if p.chance(0.4) and goal == "band" and t == T.F32:
            d = k.let("d|detail", d)
            cut = k.param("coring|noise_floor|threshold", 0.01, 0.1)
            d = wp.where(wp.abs(d) < cut, 0.0, d)
        g.out("band|detail|level_out", t).store(d)
        if p.chance(0.3):
            size = wp.dot(fine.own, fine.own) if t == T.VEC3 else fine.own * fine.own
            k.do(wp.atomic_add(k.out("energy|band_energy", F, (1,)), 0, size))
        return
    if goal == "expand":
        coarse = k.array(
            "coarse|low_res|level_in", t, ((rows + 1) // 2, (cols + 1) // 2), R.uniform(0.0, 1.0)
        )
        _expand(p, k, g, coarse, t)
        return
    fine = k.array("fine|high_res|level_in|src", t, (rows * 2, cols * 2), R.uniform(0.0, 1.0))
    out = g.out("coarse|half_res|level_out", t)
    r, c = k.let("r2|y0|fy", row * 2), k.let("c2|x0|fx", col * 2)
    four = [fine[r, c], fine[r, c + 1], fine[r + 1, c], fine[r + 1, c + 1]]
    if goal == "minmax":
        if p.chance(0.5):
            four = [
                k.let(h, v)
                for h, v in zip(("a|q00", "b|q01", "cc|q10", "d|q11"), four, strict=True)
            ]
        pick = wp.min if p.chance(0.5) else wp.max
        out.store(pick(pick(four[0], four[1]), pick(four[2], four[3])))
        if p.chance(0.4):
            g.out("mean_level|average|avg", t).store((four[0] + four[1] + four[2] + four[3]) * 0.25)
        return
    if p.chance(0.4):
        out.store((four[0] + four[1] + four[2] + four[3]) * 0.25)
        return
    taps = (
        k.array("taps|weights|filter_1d", F, (4,), R.uniform(0.1, 0.4)) if p.chance(0.5) else None
    )
    total, norm = (
        k.var("acc|total|sum_", 0.0 if t == F else construct(t, 0.0)),
        k.var("norm|w_sum", 0.0),
    )
    with k.loop("m|a|dy", -1, 3) as m:
        y = k.let("yy|rr", wp.clamp(r + m, 0, fine.dim(0) - 1))
        with k.loop("n|b|dx", -1, 3) as n:
            x = k.let("xx|cc_i", wp.clamp(c + n, 0, fine.dim(1) - 1))
            if taps is not None:
                w: Expr = k.let("w|wt", taps[m + 1] * taps[n + 1])
            else:
                w = k.let(
                    "w|wt",
                    construct(F, (2 - wp.abs(2 * m - 1) // 2) * (2 - wp.abs(2 * n - 1) // 2)),
                )
            k.aug(total, "+", fine[y, x] * w)
            k.aug(norm, "+", w)
    out.store(total / norm)


def _expand(p: ProgramBuilder, k: KernelBuilder, g: Grid, coarse: Expr, t: T.Type) -> None:
    row, col = g.index
    out = g.out("fine|full_res|level_out", t)
    r, c = k.let("r|y_c|cy", row // 2), k.let("c|x_c|cx", col // 2)
    if p.chance(0.4):
        value: Expr = coarse[r, c]
    else:
        r1 = k.let("r1|y1", wp.clamp(r + 2 * (row % 2) - 1, 0, coarse.dim(0) - 1))
        c1 = k.let("c1|x1", wp.clamp(c + 2 * (col % 2) - 1, 0, coarse.dim(1) - 1))
        value = (
            coarse[r, c] * 0.5625
            + (coarse[r1, c] + coarse[r, c1]) * 0.1875
            + coarse[r1, c1] * 0.0625
        )
    if p.chance(0.4):
        detail = g.field("detail|residual|band", t, R.uniform(-0.2, 0.2)).own
        value = (
            value + detail * k.param("detail_gain|boost", 0.5, 1.5)
            if p.chance(0.5)
            else value + detail
        )
    out.store(value)


# --- layout ---------------------------------------------------------------------------------------


def transpose(p: ProgramBuilder) -> None:
    """Pixels moved without change: flips, rotations, crops, tiles, planes, borders."""
    goals = {
        "rot": "transpose_image|rotate90|rotate_left", "flip": "flip_horizontal|mirror_image|flip_image", "crop": "crop|extract_patch|copy_roi",
        "pad": "pad_image|add_border|reflect_border", "planes": "interleave|split_planes|to_planar|hwc_to_chw", "mosaic": "tile_images|make_mosaic|repeat_tile",
        "deinterlace": "deinterlace|merge_fields|bob_fields",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Rearrange pixels.", "", "Copy with a change of layout.")
    )
    g = image_grid(p, k, "clamp")
    row, col = g.index
    rows, cols = g.shape
    h, w = g.extent(0), g.extent(1)
    t = pixel_type(p)
    if goal == "planes":
        _planes(p, k, g)
        return
    out = g.out(TARGET, t)
    fill = R.integers(0, 256) if t == T.U8 else R.uniform(0.0, 1.0)
    if goal == "rot":
        src = k.array("src|image|img", t, (cols, rows), fill)
        form = p.pick("t", "left", "right")
        y = col if form != "left" else w - 1 - col
        x = row if form != "right" else h - 1 - row
        out.store(src[y, x])
    elif goal == "flip":
        src_f = source(p, g, t)
        y = h - 1 - row if p.chance(0.5) else row
        x = w - 1 - col if p.chance(0.6) or y is row else col
        if p.chance(0.4):
            flag = k.count("flip|mirror|do_flip", 1)
            out.store(wp.where(flag == 1, src_f.at(y, x), src_f.own))
        else:
            out.store(src_f.at(y, x))
    elif goal in ("crop", "mosaic"):
        size = (rows + 8, cols + 8) if goal == "crop" else (8, 12)
        src = k.array("src|image|tile_img", t, size, fill)
        if goal == "crop":
            y0, x0 = (
                k.count("top|y0|row0", p.pick(0, 2, 4)),
                k.count("left|x0|col0", p.pick(1, 3, 4)),
            )
            out.store(src[row + y0, col + x0])
        else:
            shift = k.count("stagger|offset|row_shift", p.pick(0, 3, 5)) if p.chance(0.5) else 0
            x = col if isinstance(shift, int) else col + (row // src.dim(0)) * shift
            out.store(src[row % src.dim(0), x % src.dim(1)])
    elif goal == "pad":
        _pad(p, k, g, out, t, fill)
    else:
        src_f = source(p, g, t, "interlaced|field|src")
        parity = k.count("parity|top_field|phase", p.pick(0, 1))
        with k.when(row % 2 == parity):
            out.store(src_f.own)
        with k.otherwise():
            value = (load(src_f[-1, 0]) + load(src_f[1, 0])) * 0.5
            out.store(quantize(p, value, t))


def _pad(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, out: GridField, t: T.Type, fill: R.Fill
) -> None:
    rows, cols = g.shape
    b = p.pick(2, 3)
    src = k.array("src|image|inner", t, (rows - 2 * b, cols - 2 * b), fill)
    pad = k.count("border|pad|margin", b)
    y, x = k.let("y|yy|sy", g.index[0] - pad), k.let("x|xx|sx", g.index[1] - pad)
    form = p.pick("reflect", "replicate", "constant", "wrap")
    n, m = src.dim(0), src.dim(1)
    if form == "constant":
        with k.when(any_of(y < 0, y >= n, x < 0, x >= m)):
            value = (
                construct(T.U8, p.pick(0, 128))
                if t == T.U8
                else construct(t, 0.0)
                if t == T.VEC3
                else k.param("fill_value|cval", 0.1, 0.9)
            )
            out.store(value)
            k.ret()
        out.store(src[y, x])
    elif form == "reflect":
        out.store(
            src[wp.min(wp.abs(y), 2 * n - 2 - wp.abs(y)), wp.min(wp.abs(x), 2 * m - 2 - wp.abs(x))]
        )
    elif form == "wrap":
        out.store(src[(y + n) % n, (x + m) % m])
    else:
        out.store(src[wp.clamp(y, 0, n - 1), wp.clamp(x, 0, m - 1)])


def _planes(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    if p.chance(0.5):
        c = k.let("c|rgb|px", source(p, g, T.VEC3).own)
        if p.chance(0.4):
            mean, std = (
                k.quantity("mean|channel_mean", T.VEC3, [0.48, 0.45, 0.4]),
                k.quantity("std|channel_std", T.VEC3, [0.23, 0.22, 0.22]),
            )
            c = k.let("n|normed", wp.cw_div(c - mean, std))
        planar = k.out("planes|chw|tensor", F, (3, *g.shape))
        if p.chance(0.5):
            for channel, a in enumerate((c.x, c.y, c.z)):
                k.set(planar[channel, row, col], a)
        else:
            with k.loop("ch|c_i|plane", 3) as ch:
                k.set(planar[ch, row, col], c[ch])
        return
    planar = k.array("planes|chw|tensor", F, (3, *g.shape), R.uniform(0.0, 1.0))
    parts = [planar[i, row, col] for i in (p.pick((0, 1, 2), (2, 1, 0)))]
    value = construct(T.VEC3, *parts)
    if p.chance(0.4):
        value = value * k.param("scale|gain|range_max", 0.5, 255.0)
    g.out("interleaved|hwc|pixels_out", T.VEC3).store(value)


def integral(p: ProgramBuilder) -> None:
    """Running sums along lines, and windows read from a summed-area table."""
    goals = {
        "rows": "scan_rows|integral_rows|prefix_rows|cumulative_rows", "box": "box_from_integral|window_sum|haar_feature|mean_from_sat",
        "iir": "recursive_gaussian|iir_smooth|exponential_blur_rows", "project": "row_projection|column_profile|line_sums",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Sums over image lines.", "", "One thread per line or window.")
    )
    if goal == "box":
        _window_sum(p, k)
        return
    rows, cols = p.pick((16, 24), (20, 32), (32, 16))
    vertical = p.chance(0.4)
    k.launch_dim = (cols if vertical else rows,)
    line = k.let("col|x|c" if vertical else "row|y|r", wp.tid())
    t = p.pick(F, F, T.U8, T.VEC3)
    src = k.array(
        "src|image|img", t, (rows, cols), R.integers(0, 256) if t == T.U8 else R.uniform(0.0, 1.0)
    )
    acc_t = T.I32 if t == T.U8 else t
    out = k.out(
        "dst|sums|table|out",
        acc_t if goal != "iir" or t != T.U8 else F,
        (rows, cols) if goal != "project" else (k.launch_dim[0],),
    )
    extent = src.dim(0 if vertical else 1)

    def pixel(i: Expr) -> Expr:
        v = src[i, line] if vertical else src[line, i]
        return v if t != T.U8 else construct(F, v) if goal == "iir" else cast(T.I32, v)

    if goal == "iir":
        _recursive(p, k, out, pixel, line, vertical, extent)
        return
    total = k.var(
        "total|acc|running", construct(T.VEC3, 0.0) if t == T.VEC3 else 0 if acc_t == T.I32 else 0.0
    )
    with k.loop("i|n|pos", extent) as i:
        if p.chance(0.3) and t == F:
            v = k.let("v|px", pixel(i))
            with k.when(v < k.param("threshold|floor|cut", 0.05, 0.3)):
                k.cont()
            k.aug(total, "+", v)
        else:
            k.aug(total, "+", pixel(i))
        if goal == "rows":
            k.set(out[i, line] if vertical else out[line, i], total)
    if goal == "project":
        k.set(
            out[line], total / construct(F, extent) if acc_t != T.I32 and p.chance(0.5) else total
        )


def _recursive(
    p: ProgramBuilder, k: KernelBuilder, out: Expr, pixel, line: Expr, vertical: bool, extent: Expr
) -> None:  # type: ignore[no-untyped-def]
    a = k.param("alpha|smoothing|decay", 0.1, 0.6)

    def target(i: Expr) -> Expr:
        return out[i, line] if vertical else out[line, i]

    first = pixel(extent * 0)
    state = k.var("y|state|prev", first)
    with k.loop("i|n|pos", extent) as i:
        k.set(
            state, wp.lerp(state, pixel(i), a) if p.chance(0.5) else state + (pixel(i) - state) * a
        )
        k.set(target(i), state)
    if p.chance(0.6):
        with k.loop("m|back|s", extent) as m:
            i = k.let("j|q|rev", extent - 1 - m)
            k.set(state, state + (target(i) - state) * a)
            k.set(target(i), state)


def _window_sum(p: ProgramBuilder, k: KernelBuilder) -> None:
    g = image_grid(p, k, "clamp")
    row, col = g.index
    table = g.field("integral|sat|summed", F, R.uniform(0.0, 400.0))
    r = k.count("radius|half_width|box_r", p.pick(1, 2, 3))
    y0, y1 = (
        k.let("y0|top", wp.max(row - r, 0)),
        k.let("y1|bottom", wp.min(row + r, g.extent(0) - 1)),
    )
    x0, x1 = (
        k.let("x0|left", wp.max(col - r, 0)),
        k.let("x1|right", wp.min(col + r, g.extent(1) - 1)),
    )
    total = table.at(y1, x1) - table.at(y0, x1) - table.at(y1, x0) + table.at(y0, x0)
    if p.chance(0.5):
        total = k.let("total|s|box", total)
        area = k.let("area|count|n", construct(F, (y1 - y0) * (x1 - x0)))
        g.out("means|box_mean|dst", F).store(total / wp.max(area, 1.0))
        return
    if p.chance(0.6):
        mid = k.let("xm|mid", (x0 + x1) // 2)
        half = table.at(y1, mid) - table.at(y0, mid) - table.at(y1, x0) + table.at(y0, x0)
        g.out("haar|feature|response", F).store(total - 2.0 * maybe(p, k, "half|left_sum", half))
    else:
        g.out("sums|box_sum|dst", F).store(total)
