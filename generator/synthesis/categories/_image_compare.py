"""Two images compared: differences, background models, similarity, losses."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._image import gray, image_grid, load, source, window
from generator.synthesis.categories._image_motion import F
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def difference(p: ProgramBuilder) -> None:
    """Two images compared: differences, background models, similarity measures."""
    goals = {
        "diff": "frame_difference|change_mask|detect_motion|abs_diff",
        "background": "update_background|background_model|subtract_background",
        "gaussian": "gaussian_background|running_gaussian|foreground_mask",
        "ssim": "ssim_map|local_similarity|structural_similarity",
        "error": "image_error|mse_psnr|compare_images|l1_l2_error",
        "gradient": "gradient_difference|edge_consistency|photometric_loss",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Compare two images.", "", "Pixelwise difference."))
    g = image_grid(p, k, "clamp")
    {
        "diff": _difference,
        "background": _background,
        "gaussian": _gaussian_model,
        "ssim": _ssim,
        "error": _error,
        "gradient": _gradient_loss,
    }[goal](p, k, g)


def _difference(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    t = p.weighted({F: 3, T.U8: 2, T.VEC3: 2})
    a, b = source(p, g, t, "frame|current|image_a"), source(p, g, t, "previous|reference|image_b")
    d = k.let(
        "d|diff|delta",
        wp.length(a.own - b.own) if t == T.VEC3 else wp.abs(load(a.own) - load(b.own)),
    )
    limit = (
        k.param("threshold|min_change|level", 20.0, 80.0)
        if t == T.U8
        else k.param("threshold|min_change|level", 0.1, 0.5)
    )
    form = p.pick("mask", "soft", "both")
    if form != "mask":
        g.out("difference|change|diff_out", F).store(d if p.chance(0.5) else wp.max(d - limit, 0.0))
    if form != "soft":
        with k.when(d > limit):
            g.out("motion_mask|changed|mask", T.U8).store(construct(T.U8, p.pick(1, 255)))
            if p.chance(0.6):
                k.do(wp.atomic_add(k.out("changed_pixels|motion_count", T.I32, (1,)), 0, 1))


def _background(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    t = p.pick(F, T.VEC3)
    v = k.let("v|px|value", source(p, g, t, "frame|current").own)
    bg = g.inout("background|model|bg_mean", t, R.uniform(0.0, 1.0))
    old = k.let("old|bg|mean", bg.own)
    d = k.let("d|dist|diff", wp.length(v - old) if t == T.VEC3 else wp.abs(v - old))
    limit, rate = (
        k.param("threshold|fg_threshold", 0.1, 0.5),
        k.param("learning_rate|alpha|rate", 0.01, 0.2),
    )
    with k.when(d > limit):
        g.out("foreground|fg_mask", T.U8).store(construct(T.U8, 255))
        if p.chance(0.5):
            slow = k.param("slow_rate|fg_rate", 0.001, 0.01)
            bg.store(wp.lerp(old, v, slow))
    with k.otherwise():
        bg.store(wp.lerp(old, v, rate) if p.chance(0.5) else old + (v - old) * rate)


def _gaussian_model(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    v = k.let("v|px", gray(p, g, "frame|current").own)
    mean, var = (
        g.inout("mean|mu|bg_mean", F, R.uniform(0.2, 0.8)),
        g.inout("variance|var_img|bg_var", F, R.uniform(0.005, 0.05)),
    )
    m, s2 = k.let("m|mu_px", mean.own), k.let("s2|var_px", var.own)
    d = k.let("d|diff", v - m)
    gate = k.param("num_sigmas|gate|k_sigma", 1.5, 3.5)
    outside = d * d > gate * gate * s2 if p.chance(0.5) else wp.abs(d) > gate * wp.sqrt(s2)
    with k.when(outside):
        g.out("foreground|fg_mask", T.I32).store(1)
        if p.chance(0.6):
            k.ret()
    a = k.param("alpha|learning_rate", 0.01, 0.2)
    mean.store(m + a * d)
    var.store(
        (1.0 - a) * (s2 + a * d * d) if p.chance(0.6) else wp.max(s2 + a * (d * d - s2), 1.0e-4)
    )


def _ssim(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    a, b = gray(p, g, "image_a|reference|x_img"), gray(p, g, "image_b|distorted|y_img")
    sums = [k.var(h, 0.0) for h in ("sa|mx", "sb|my", "saa|xx", "sbb|yy", "sab|xy")]
    n = k.var("n|count", 0.0)
    bound = k.count("radius|half_width", p.pick(1, 2, 3)) if p.chance(0.6) else p.pick(1, 2)
    with window(p, k, g, bound) as (y, x, _, __):
        u, v = k.let("u|va", a.at(y, x)), k.let("v|vb", b.at(y, x))
        for target, value in zip(sums, (u, v, u * u, v * v, u * v), strict=True):
            k.aug(target, "+", value)
        k.aug(n, "+", 1.0)
    ma, mb = k.let("mu_a|mean_a", sums[0] / n), k.let("mu_b|mean_b", sums[1] / n)
    va, vb = (
        k.let("var_a|sig_a", sums[2] / n - ma * ma),
        k.let("var_b|sig_b", sums[3] / n - mb * mb),
    )
    cov = k.let("cov|sig_ab", sums[4] / n - ma * mb)
    c1, c2 = 1.0e-4, 9.0e-4
    if p.chance(0.6):
        value = (
            (2.0 * ma * mb + c1) * (2.0 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
        )
    else:
        value = cov / wp.sqrt(wp.max(va * vb, 1.0e-6))
    value = maybe(p, k, "s|ssim|score", value, 1.0)
    g.out("ssim|similarity|score_map", F).store(value)
    if p.chance(0.6):
        k.do(
            wp.atomic_add(
                k.out("mean_score|total", F, (1,)), 0, value if p.chance(0.5) else 1.0 - value
            )
        )


def _error(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    t = p.pick(F, T.VEC3, T.U8)
    a, b = (
        source(p, g, t, "rendered|output_img|image_a"),
        source(p, g, t, "target|reference|image_b"),
    )
    d = k.let("d|diff|err", load(a.own) - load(b.own))
    if p.chance(0.3):
        w = g.field("weights|valid|confidence", F, R.uniform(0.0, 1.0)).own
        d = k.let("wd|weighted", d * w)
    square = wp.dot(d, d) if t == T.VEC3 else d * d
    size = wp.length(d) if t == T.VEC3 else wp.abs(d)
    for what in p.shuffled(p.sample(["l2", "l1", "max", "huber", "map", "count"], 1, 3)):
        match what:
            case "l2":
                k.do(wp.atomic_add(k.out("sse|l2_sum|mse_sum", F, (1,)), 0, square))
            case "l1":
                k.do(wp.atomic_add(k.out("l1_sum|abs_sum", F, (1,)), 0, size))
            case "max":
                k.do(wp.atomic_max(k.out("max_error|linf", F, (1,)), 0, size))
            case "huber":
                delta = k.param("delta|huber_delta", 0.05, 0.5)

                def huber(blk: Block, e: Expr, c: Expr) -> None:
                    with blk.when(e <= c):
                        blk.ret(0.5 * e * e)
                    blk.ret(c * (e - 0.5 * c))

                f = p.func("huber|robust_cost|huber_loss", {"e|r": F, "c|delta": F}, huber)
                k.do(wp.atomic_add(k.out("huber_sum|robust_sum", F, (1,)), 0, f(size, delta)))
            case "map":
                g.out("error_map|residual", F).store(size)
            case _:
                with k.when(size > k.param("tolerance|bad_threshold", 0.05, 0.5)):
                    k.do(wp.atomic_add(k.out("bad_pixels|num_bad", T.I32, (1,)), 0, 1))


def _gradient_loss(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    a, b = gray(p, g, "prediction|estimate|image_a"), gray(p, g, "target|ground_truth|image_b")
    ax, ay = k.let("ax|gx_a", a[0, 1] - a.own), k.let("ay|gy_a", a[1, 0] - a.own)
    bx, by = k.let("bx|gx_b", b[0, 1] - b.own), k.let("by|gy_b", b[1, 0] - b.own)
    form = p.pick("l1", "cosine", "aware")
    if form == "l1":
        value = wp.abs(ax - bx) + wp.abs(ay - by)
    elif form == "cosine":
        value = (ax * bx + ay * by) / wp.max(
            wp.sqrt((ax * ax + ay * ay) * (bx * bx + by * by)), 1.0e-6
        )
    else:
        edge = k.param("edge_weight|beta|sharpness", 1.0, 20.0)
        value = wp.abs(ax) * wp.exp(-edge * wp.abs(bx)) + wp.abs(ay) * wp.exp(-edge * wp.abs(by))
    value = k.let("e|loss_px|term", value)
    if p.chance(0.6):
        g.out("loss_map|penalty", F).store(value)
    if p.chance(0.4):
        with k.when(any_of(wp.abs(bx) > 0.05, wp.abs(by) > 0.05)):
            k.do(wp.atomic_add(k.out("edge_loss|loss", F, (1,)), 0, value))
    else:
        k.do(wp.atomic_add(k.out("loss|total_loss", F, (1,)), 0, value))
