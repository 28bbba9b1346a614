"""Textures: tables, warps, environments, solids, surface materials."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, query_field, wp
from generator.synthesis.categories._rays import maybe
from generator.synthesis.categories._volume import Texture, texture_argument
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def _rgb(c: Expr) -> Expr:
    return construct(T.VEC3, c.x, c.y, c.z)


def _normalised(p: ProgramBuilder, k: KernelBuilder, v: Expr) -> Expr:
    """A value scaled to texture coordinates by a window."""
    lo, hi = k.param("lo|v_min|range_min", 0.01, 0.1), k.param("hi|v_max|range_max", 0.8, 2.0)

    def body(_: Block, a: Expr, low: Expr, high: Expr) -> Expr:
        u = (a - low) / (high - low)
        return wp.clamp(u, 0.0, 1.0) if p.chance(0.5) else u

    args = {"v|a": v, "lo|low": lo, "hi|high": hi}
    return piece(p, k, "normalize_range|to_unit|rescale|window_value", args, body, probability=0.6)


# --- tables ---------------------------------------------------------------------------------------


def table(p: ProgramBuilder) -> None:
    """Values mapped through one-dimensional tables: colour maps, material curves, calibration."""
    goals = {
        "color": "apply_colormap|map_colors|colorize|pseudocolor",
        "curve": "lookup_property|interpolate_table|eos_lookup|material_curve",
        "calibrate": "apply_calibration|linearize_sensor|correct_response|gamma_table",
        "spectrum": "blackbody_color|emission_spectrum|temperature_color",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Look values up in a table.", "", "Interpolated table lookup.")
    )
    on_grid = p.chance(0.5)
    items: Grid | Entities = (
        Grid(k, "row|y|i col|x|j", boundary="clamp")
        if on_grid
        else Entities(k, p.pick("cell", "sample", "particle"))
    )
    v = items.field("values|temperature|scalars|intensity", T.F32, R.uniform(-0.1, 1.8)).own
    if p.chance(0.3):
        valid = items.field("mask|valid|active", T.I32, R.mask(0.8)).own
        with k.when(valid == 0):
            k.ret()
    if p.chance(0.3):
        v = (
            wp.log(wp.max(v, p.pick(1.0e-3, 1.0e-2)) + 1.0)
            if p.chance(0.5)
            else wp.sqrt(wp.max(v, 0.0))
        )
    u = maybe(p, k, "u|coord|s", _normalised(p, k, v), 0.7)
    if goal in ("color", "spectrum"):
        _colored(p, k, items, u, goal)
        return
    tex = texture_argument(p, k, 1, p.pick(1, 2))
    c = tex.sample(p, u)
    if tex.value == T.F32:
        items.out("mapped|corrected|looked_up", T.F32).store(
            c * k.param("gain|scale|units", 0.5, 10.0) if p.chance(0.5) else c
        )
        return
    c = k.let("c|pair|entry", c)
    words = p.pick(
        ("conductivity|k_out", "heat_capacity|cp_out"),
        ("pressure|p_out", "sound_speed|c_out"),
        ("mean|mu_out", "spread|sigma_out"),
    )
    items.out(words[0], T.F32).store(c.x)
    items.out(words[1], T.F32).store(
        c.y if p.chance(0.6) else c.y * k.param("scale|unit_scale", 1.0, 100.0)
    )


def _colored(
    p: ProgramBuilder, k: KernelBuilder, items: Grid | Entities, u: Expr, goal: str
) -> None:
    tex = texture_argument(p, k, 1, 4, hint="colormap|lut|palette|ramp_tex")
    c = k.let("c|rgba|entry", tex.sample(p, u))
    color: Expr = _rgb(c)
    if goal == "spectrum":
        power = k.param("exposure|luminance|power", 0.5, 4.0)
        color = color * (power * c.w)
    elif p.chance(0.4):
        under = items.field("base|background|underlay", T.VEC3, R.uniform(0.0, 1.0)).own
        color = wp.lerp(under, color, c.w) if p.chance(0.5) else under * (1.0 - c.w) + color * c.w
    if p.chance(0.3):
        items.out("rgba|pixels8|packed", T.U32).store(_packed(p, k, color))
    else:
        items.out("colors|pixels|rgb", T.VEC3).store(color)


def _packed(p: ProgramBuilder, k: KernelBuilder, color: Expr) -> Expr:
    c = k.let(
        "rgb|q|unit_rgb", wp.max(wp.min(color, construct(T.VEC3, 1.0)), construct(T.VEC3, 0.0))
    )
    r, g, b = (
        k.let(f"{n}8|{n}i", construct(T.U32, a * 255.0))
        for n, a in zip("rgb", (c.x, c.y, c.z), strict=True)
    )
    eight, sixteen = construct(T.U32, 8), construct(T.U32, 16)
    return r | (g << eight) | (b << sixteen)


# --- warps ----------------------------------------------------------------------------------------


def warp(p: ProgramBuilder) -> None:
    """Images resampled from a 2-D texture under a coordinate map."""
    goals = {
        "affine": "affine_warp|rotate_zoom|transform_image|resample_affine",
        "lens": "undistort|lens_warp|radial_distortion|rectify",
        "flow": "warp_by_flow|remap_image|motion_compensate|displace",
        "polar": "polar_unwrap|log_polar|to_polar",
        "homography": "perspective_warp|apply_homography|rectify_plane",
        "swirl": "swirl_image|twirl|vortex_warp",
        "mip": "downsample|resize_image|supersample|box_resize",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Resample the texture.", "", "One thread per output pixel.")
    )
    g = Grid(k, "row|y|i col|x|j", boundary="clamp")
    tex = texture_argument(p, k, 2)
    u, v = _uv(p, k, g, tex)
    s, t = {
        "affine": _affine,
        "lens": _lens,
        "flow": _flow,
        "polar": _polar,
        "homography": _homography,
        "swirl": _swirl,
        "mip": _same,
    }[goal](p, k, g, u, v)
    out = g.out("out|image_out|warped|dst", tex.value)
    if p.chance(0.3) and goal != "mip":
        fill = k.quantity(
            "border|fill_value|outside",
            tex.value,
            0.0 if tex.value == T.F32 else [0.0] * tex.value.n,
        )  # type: ignore[union-attr]
        s, t = k.let("su|s_u", s), k.let("tv|t_v", t)
        with k.when(any_of(s < 0.0, s > 1.0, t < 0.0, t > 1.0)):
            out.store(fill)
            k.ret()
    if goal == "mip":
        _supersampled(p, k, g, tex, s, t, out)
        return
    value = tex.sample(p, s, t)
    if p.chance(0.3):
        gain = k.param("gain|brightness|exposure", 0.5, 2.0)
        value = value * gain
    out.store(value)


def _uv(p: ProgramBuilder, k: KernelBuilder, g: Grid, tex: Texture) -> tuple[Name, Name]:
    row, col = g.index
    words = p.pick(("u", "v"), ("nx", "ny"), ("s0", "t0"))
    if p.chance(0.25):
        w, h = query_field(tex.name, "width"), query_field(tex.name, "height")
        scale = k.param("zoom|scale|pixel_ratio", 0.3, 1.0)
        return k.let(words[0], (construct(T.F32, col) + 0.5) * scale / construct(T.F32, w)), k.let(
            words[1], (construct(T.F32, row) + 0.5) * scale / construct(T.F32, h)
        )
    return (
        k.let(words[0], (construct(T.F32, col) + 0.5) / construct(T.F32, g.extent(1))),
        k.let(words[1], (construct(T.F32, row) + 0.5) / construct(T.F32, g.extent(0))),
    )


def _affine(p: ProgramBuilder, k: KernelBuilder, g: Grid, u: Expr, v: Expr) -> tuple[Expr, Expr]:
    if p.chance(0.4):
        m = k.quantity("A|uv_matrix|linear", T.MAT22, [0.8, 0.3, -0.3, 0.8])
        q = k.let(
            "q|uv|mapped",
            m * construct(T.VEC2, u - 0.5, v - 0.5)
            + k.quantity("shift|offset|center", T.VEC2, [0.5, 0.5]),
        )
        return q.x, q.y
    a, zoom = k.param("angle|theta|rotation", 0.1, 3.0), k.param("zoom|scale|magnify", 0.4, 2.0)
    c, s = k.let("c|cos_a", wp.cos(a) / zoom), k.let("s|sin_a", wp.sin(a) / zoom)
    x, y = k.let("x0|dx|cu", u - 0.5), k.let("y0|dy|cv", v - 0.5)
    return c * x - s * y + 0.5, s * x + c * y + 0.5


def _lens(p: ProgramBuilder, k: KernelBuilder, g: Grid, u: Expr, v: Expr) -> tuple[Expr, Expr]:
    x, y = k.let("x0|dx|xn", 2.0 * u - 1.0), k.let("y0|dy|yn", 2.0 * v - 1.0)
    r2 = k.let("r2|rr|rad_sq", x * x + y * y)
    k1, k2 = k.param("k1|radial1", 0.02, 0.3), k.param("k2|radial2", 0.01, 0.1)
    f = k.let(
        "f|factor|radial",
        1.0 + r2 * (k1 + k2 * r2) if p.chance(0.5) else 1.0 + k1 * r2 + k2 * r2 * r2,
    )
    dx, dy = x * f, y * f
    if p.chance(0.4):
        p1, p2 = k.param("p1|tangential1", 0.001, 0.02), k.param("p2|tangential2", 0.001, 0.02)
        dx = k.let("xd|x_dist", dx + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x))
        dy = k.let("yd|y_dist", dy + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y)
    return 0.5 * dx + 0.5, 0.5 * dy + 0.5


def _flow(p: ProgramBuilder, k: KernelBuilder, g: Grid, u: Expr, v: Expr) -> tuple[Expr, Expr]:
    d = k.let(
        "d|flow_px|disp", g.field("flow|displacement|motion", T.VEC2, R.uniform(-3.0, 3.0)).own
    )
    share = k.param("share|time_fraction|amount", 0.2, 1.0) if p.chance(0.5) else None
    dx, dy = (d.x, d.y) if share is None else (d.x * share, d.y * share)
    return u + dx / construct(T.F32, g.extent(1)), v + dy / construct(T.F32, g.extent(0))


def _polar(p: ProgramBuilder, k: KernelBuilder, g: Grid, u: Expr, v: Expr) -> tuple[Expr, Expr]:
    angle = k.let("angle|phi|theta", u * 6.2831853)
    radius = v * k.param("max_radius|r_max", 0.3, 0.5)
    if p.chance(0.3):
        radius = wp.exp(v * k.param("log_range|decades", 1.0, 3.0)) * p.pick(0.02, 0.03, 0.05)
    r = k.let("r|rad|rho", radius)
    return 0.5 + r * wp.cos(angle), 0.5 + r * wp.sin(angle)


def _homography(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, u: Expr, v: Expr
) -> tuple[Expr, Expr]:
    h = k.quantity(
        "H|homography|proj_mat", T.MAT33, [0.9, 0.1, 0.05, -0.05, 1.0, 0.02, 0.1, 0.05, 1.0]
    )
    q = k.let("q|hom|ph", h * construct(T.VEC3, u, v, 1.0))
    return q.x / q.z, q.y / q.z


def _swirl(p: ProgramBuilder, k: KernelBuilder, g: Grid, u: Expr, v: Expr) -> tuple[Expr, Expr]:
    d = k.let("d|rel|offset", construct(T.VEC2, u - 0.5, v - 0.5))
    r = k.let("r|dist|rad", wp.length(d))
    reach = k.param("radius|reach|swirl_radius", 0.2, 0.5)
    fade = wp.max(1.0 - r / reach, 0.0) if p.chance(0.5) else wp.exp(-r * r / (reach * reach))
    a = k.let("a|angle|twist", k.param("strength|turns|swirl", 0.5, 4.0) * fade)
    c, s = k.let("c|cos_a", wp.cos(a)), k.let("s|sin_a", wp.sin(a))
    return c * d.x - s * d.y + 0.5, s * d.x + c * d.y + 0.5


def _same(p: ProgramBuilder, k: KernelBuilder, g: Grid, u: Expr, v: Expr) -> tuple[Expr, Expr]:
    return u, v


def _supersampled(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, tex: Texture, u: Expr, v: Expr, out
) -> None:  # type: ignore[no-untyped-def]
    n = p.pick(2, 3, 4)
    total = k.var("total|acc|sum_", construct(tex.value, 0.0) if tex.value != T.F32 else 0.0)
    count = k.count("taps|subsamples|ssaa", n) if p.chance(0.5) else n
    inv = 1.0 / float(n) if isinstance(count, int) else 1.0 / construct(T.F32, count)
    inv = k.let("inv|w_s", inv) if not isinstance(inv, float) else inv
    du, dv = 1.0 / construct(T.F32, g.extent(1)), 1.0 / construct(T.F32, g.extent(0))
    with k.loop("sy|a", count) as a, k.loop("sx|b", count) as b:
        x = u + ((construct(T.F32, b) + 0.5) * inv - 0.5) * du
        y = v + ((construct(T.F32, a) + 0.5) * inv - 0.5) * dv
        k.aug(total, "+", tex.sample(p, x, y))
    out.store(total * (inv * inv))


# --- environments ---------------------------------------------------------------------------------


# --- solids ---------------------------------------------------------------------------------------


# --- materials ------------------------------------------------------------------------------------
