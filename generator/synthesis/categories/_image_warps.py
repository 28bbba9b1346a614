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
    quantize,
    source,
    zero,
)
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, literal

F = T.F32


def resample(p: ProgramBuilder) -> None:
    """Images read at mapped coordinates: nearest, bilinear, bicubic."""
    goals = {
        "affine": "warp_affine|rotate_image|affine_transform|transform_image",
        "remap": "remap|apply_map|warp_by_map|gather_pixels",
        "resize": "resize_bilinear|scale_image|upsample|resize_image",
        "lens": "undistort_image|remove_distortion|rectify_lens",
        "perspective": "warp_perspective|homography_warp|rectify",
        "flow": "warp_with_flow|motion_compensate|backward_warp",
        "polar": "unwrap_polar|polar_transform|log_polar_warp",
        "stabilize": "stabilize_frame|shift_image|subpixel_shift",
    }
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


# --- layout ---------------------------------------------------------------------------------------
