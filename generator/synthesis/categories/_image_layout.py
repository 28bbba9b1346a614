"""Pixels rearranged: flips, crops, tiles, planes, borders; sums along lines."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import (
    TARGET,
    image_grid,
    load,
    pixel_type,
    quantize,
    source,
)
from generator.synthesis.categories._image_warps import F
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def transpose(p: ProgramBuilder) -> None:
    """Pixels moved without change: flips, rotations, crops, tiles, planes, borders."""
    goals = {
        "rot": "transpose_image|rotate90|rotate_left",
        "flip": "flip_horizontal|mirror_image|flip_image",
        "crop": "crop|extract_patch|copy_roi",
        "pad": "pad_image|add_border|reflect_border",
        "planes": "interleave|split_planes|to_planar|hwc_to_chw",
        "mosaic": "tile_images|make_mosaic|repeat_tile",
        "deinterlace": "deinterlace|merge_fields|bob_fields",
    }
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
        "rows": "scan_rows|integral_rows|prefix_rows|cumulative_rows",
        "box": "box_from_integral|window_sum|haar_feature|mean_from_sat",
        "iir": "recursive_gaussian|iir_smooth|exponential_blur_rows",
        "project": "row_projection|column_profile|line_sums",
    }
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
