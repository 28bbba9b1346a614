"""Pyramids, rearrangements and running sums of images."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._image import (
    image_grid,
    source,
)
from generator.synthesis.categories._image_warps import F
from generator.synthesis.grid import Grid
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def pyramid(p: ProgramBuilder) -> None:
    """Levels of an image pyramid: reduction, expansion, Laplacian bands, mip chains."""
    goals = {
        "reduce": "pyramid_down|downsample2x|reduce_level|mip_reduce",
        "expand": "pyramid_up|upsample2x|expand_level",
        "band": "laplacian_band|detail_band|difference_of_gaussians",
        "minmax": "hiz_build|depth_pyramid|min_max_mip",
        "collapse": "collapse_pyramid|add_detail|reconstruct_level",
    }
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
