"""Sensors: demosaicing, correction, statistics, histograms."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._image import (
    bytes_image,
    gray,
    image_grid,
    load,
    rgb,
)  # fmt: skip
from generator.synthesis.categories._image_color import V3
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def demosaic(p: ProgramBuilder) -> None:
    """Bayer mosaics: bilinear and edge-directed interpolation, simulation, binning."""
    goals = {
        "bilinear": "demosaic|debayer|demosaic_bilinear",
        "green": "interpolate_green|edge_directed_green|hamilton_adams",
        "mosaic": "bayer_mosaic|simulate_cfa|sample_cfa",
        "bin": "bin_bayer|half_size_rgb|superpixel",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Bayer colour filter array.", "", "RGGB mosaic."))
    g = image_grid(p, k, "clamp")
    row, col = g.index
    even = (row % 2 == 0, col % 2 == 0) if p.chance(0.5) else ((row & 1) == 0, (col & 1) == 0)
    if goal == "mosaic":
        c = k.let("c|rgb", rgb(p, g).own)
        out = g.out("raw|mosaic|cfa", T.F32)
        value = k.var("v|sample|s", c.y)
        with k.when(all_of(*even)):
            k.set(value, c.x)
        with k.elsewhen(all_of(row % 2 == 1, col % 2 == 1)):
            k.set(value, c.z)
        if p.chance(0.5):
            state = k.let(
                "state|rng", wp.rand_init(k.scalar("seed|frame", T.I32, 3), row * g.extent(1) + col)
            )
            k.aug(value, "+", wp.randn(state) * k.param("read_noise|sigma", 0.005, 0.05))
        out.store(value)
        return
    t = p.pick(T.F32, T.U16)
    raw = g.field("raw|mosaic|bayer", t, R.integers(0, 4096) if t == T.U16 else R.uniform(0.0, 1.0))

    def at(y: int, x: int) -> Expr:
        return construct(T.F32, raw[y, x]) if t == T.U16 else raw[y, x]

    if goal == "bin":
        r, g1, g2, b = (
            k.let(h, at(*o))
            for h, o in zip(
                ("r|red", "g1|gr", "g2|gb", "b|blue"), [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True
            )
        )
        value = construct(V3, r, 0.5 * (g1 + g2), b)
        with k.when(all_of(*even)):
            g.out("rgb|half_rgb|dst", V3).store(value * (1.0 / 4095.0) if t == T.U16 else value)
        return
    if goal == "green":
        _green(p, k, g, at, even)
        return
    c = k.let("c|here|v0", at(0, 0))
    cross = k.let("cross|g_mean|edge_avg", 0.25 * (at(-1, 0) + at(1, 0) + at(0, -1) + at(0, 1)))
    diag = k.let("diag|x_mean|corner_avg", 0.25 * (at(-1, -1) + at(-1, 1) + at(1, -1) + at(1, 1)))
    horizontal, vertical = (
        k.let("horiz|h_mean", 0.5 * (at(0, -1) + at(0, 1))),
        k.let("vert|v_mean", 0.5 * (at(-1, 0) + at(1, 0))),
    )
    color = k.var("color|rgb|out_px", construct(V3, 0.0))
    with k.when(even[0]):
        with k.when(even[1]):
            k.set(color, construct(V3, c, cross, diag))
        with k.otherwise():
            k.set(color, construct(V3, horizontal, c, vertical))
    with k.otherwise():
        with k.when(even[1]):
            k.set(color, construct(V3, vertical, c, horizontal))
        with k.otherwise():
            k.set(color, construct(V3, diag, cross, c))
    if p.chance(0.5):
        k.set(color, wp.cw_mul(color, k.quantity("wb_gains|gains", V3, [1.9, 1.0, 1.6])))
    g.out("rgb|demosaiced|dst", V3).store(color * (1.0 / 4095.0) if t == T.U16 else color)


def _green(p: ProgramBuilder, k: KernelBuilder, g: Grid, at, even) -> None:  # type: ignore[no-untyped-def]
    row, col = g.index
    out = g.out("green|g_plane|green_full", T.F32)
    with k.when((row + col) % 2 == 1):
        out.store(at(0, 0))
        k.ret()
    c = k.let("c|here", at(0, 0))
    dh = k.let("dh|grad_h", wp.abs(at(0, -1) - at(0, 1)) + wp.abs(2.0 * c - at(0, -2) - at(0, 2)))
    dv = k.let("dv|grad_v", wp.abs(at(-1, 0) - at(1, 0)) + wp.abs(2.0 * c - at(-2, 0) - at(2, 0)))
    gh = k.let("gh|est_h", 0.5 * (at(0, -1) + at(0, 1)) + 0.25 * (2.0 * c - at(0, -2) - at(0, 2)))
    gv = k.let("gv|est_v", 0.5 * (at(-1, 0) + at(1, 0)) + 0.25 * (2.0 * c - at(-2, 0) - at(2, 0)))
    if p.chance(0.6):
        with k.when(dh < dv):
            out.store(gh)
        with k.elsewhen(dv < dh):
            out.store(gv)
        with k.otherwise():
            out.store(0.5 * (gh + gv))
    else:
        w = k.let("w|wh", dv / (dh + dv + 1.0e-4))
        out.store(gh * w + gv * (1.0 - w))


def correct(p: ProgramBuilder) -> None:
    """Sensor and data corrections: dark and flat frames, hot pixels, noise, gamma, temporal denoise."""
    goals = {
        "flat": "flat_field_correct|calibrate_frame|dark_subtract",
        "noise": "add_noise|simulate_sensor|shot_noise",
        "temporal": "temporal_denoise|accumulate_frames|exponential_average",
        "defect": "fix_defects|replace_dead_pixels|interpolate_bad",
        "stats": "image_moments|frame_statistics|mean_variance",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Sensor correction.", "", "One thread per pixel."))
    g = image_grid(p, k, "clamp")
    if goal == "stats":
        _statistics(p, k, g)
        return
    src = gray(p, g, "raw|frame|src|measured")
    out = g.out("corrected|frame_out|dst", T.F32)
    v = k.var("v|value|signal", src.own)
    if goal == "flat":
        dark = g.field("dark|dark_frame|bias_frame", T.F32, R.uniform(0.0, 0.05)).own
        flat = g.field("flat|flat_frame|gain_map", T.F32, R.uniform(0.7, 1.3)).own
        k.set(v, (v - dark) / flat if p.chance(0.6) else (v - dark) * flat)
        if p.chance(0.4):
            k.set(v, wp.max(v, 0.0))
    elif goal == "noise":
        seed = k.scalar("seed|frame_id", T.I32, 77)
        state = k.let("state|rng", wp.rand_init(seed, g.index[0] * g.extent(1) + g.index[1]))
        if p.chance(0.5):
            well = k.param("full_well|photons|electrons", 50.0, 1000.0)
            count = wp.poisson(state, wp.max(v, 0.0) * well)
            k.set(v, construct(T.F32, count) / well)
        else:
            k.aug(
                v,
                "+",
                wp.randn(state)
                * wp.sqrt(wp.max(v, 0.0) * k.param("shot_gain|photon_noise", 0.001, 0.02)),
            )
        k.aug(v, "+", wp.randn(state) * k.param("read_noise|sigma_read", 0.001, 0.02))
    elif goal == "temporal":
        history = g.inout("history|running_mean|previous", T.F32, R.uniform(0.0, 1.0))
        old = k.let("old|h|prev", history.own)
        a = k.param("alpha|blend|rate", 0.05, 0.4)
        if p.chance(0.5):
            moved = k.let("diff|motion|delta", wp.abs(v - old))
            a = k.let(
                "w|adapt|rate_px",
                wp.where(moved > k.param("motion_threshold|reset_level", 0.2, 0.6), 1.0, a),
            )
        k.set(v, wp.lerp(old, v, a) if p.chance(0.5) else old + (v - old) * a)
        history.store(v)
    else:
        bad = g.field("defect_mask|dead|bad_pixels", p.pick(T.U8, T.I32), R.mask(0.1))
        with k.when(bad.own != (construct(T.U8, 0) if bad.dtype == T.U8 else literal(0, T.I32))):
            k.set(
                v,
                0.25 * (src[-1, 0] + src[1, 0] + src[0, -1] + src[0, 1])
                if p.chance(0.6)
                else 0.5 * (src[0, -1] + src[0, 1]),
            )
            k.do(wp.atomic_add(k.out("fixed|num_fixed", T.I32, (1,)), 0, 1))
    out.store(v)


def _statistics(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    src = gray(p, g) if p.chance(0.6) else bytes_image(p, g)
    v = k.let("v|value", load(src.own))
    per_row = p.chance(0.3)
    n, at = (g.shape[0], g.index[0]) if per_row else (1, 0)
    for what in p.shuffled(p.sample(["sum", "sq", "min", "max", "moment", "count"], 2, 4)):
        match what:
            case "sum" | "sq":
                k.do(
                    wp.atomic_add(
                        k.out(f"{what}_out|total_{what}", T.F32, (n,)),
                        at,
                        v if what == "sum" else v * v,
                    )
                )
            case "min":
                k.do(wp.atomic_min(k.out("minimum|lowest", T.F32, (n,), R.constant(1.0e6)), at, v))
            case "max":
                k.do(
                    wp.atomic_max(k.out("maximum|highest", T.F32, (n,), R.constant(-1.0e6)), at, v)
                )
            case "moment":
                x, y = construct(T.F32, g.index[1]), construct(T.F32, g.index[0])
                k.do(
                    wp.atomic_add(
                        k.out("centroid_sum|first_moments", T.VEC2, (n,)),
                        at,
                        construct(T.VEC2, x * v, y * v),
                    )
                )
            case _:
                level = (
                    k.param("threshold|cutoff", 0.3, 0.8)
                    if src.dtype == T.F32
                    else k.param("threshold|cutoff", 80.0, 200.0)
                )
                with k.when(v > level):
                    k.do(wp.atomic_add(k.out("bright_pixels|above_count", T.I32, (n,)), at, 1))
