"""Privatised histograms in shared memory: an intent of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tco_blocks import Team, total
from generator.synthesis.categories._tco_scans import scan
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def histograms(p: ProgramBuilder) -> None:
    """Privatised histograms of one and two dimensions: joint, weighted and oriented ones, thresholds and moments."""
    p.real = T.F32
    kind = p.weighted({"joint": 3, "oriented": 3, "deposit": 3, "threshold": 2, "equalise": 2})
    names = {
        "joint": "joint_histogram|mutual_histogram|co_occurrence",
        "oriented": "orientation_histogram|gradient_descriptor|hog_cell",
        "deposit": "deposit_charge_block|splat_particles|bin_particles",
        "threshold": "otsu_threshold|split_level|foreground_level",
        "equalise": "equalise_levels|cdf_table|tone_curve",
    }[kind]
    team = Team(
        p,
        names,
        (
            "Counted in shared memory, then merged.",
            "Block-private bins, one flush at the end.",
            "Every lane scatters into the block's tile.",
            "Privatised bins avoid contention.",
        ),
        index="b|block|patch|image|cell",
    )
    k, t = team.k, team.t
    n = p.pick(40, 64, 90)
    if kind in ("joint", "deposit"):
        _two_dimensional(p, team, n, kind)
        return
    bins = t.dim("num_bins|levels|bins", p.pick(8, 9, 16, 32))
    weighted = kind == "oriented"
    real = weighted or kind == "threshold"
    dtype = T.F32 if real else T.I32
    hist = k.let("hist|h|counts", team.shared([bins], dtype))
    if weighted:
        gx = k.array("grad_x|dx|gx", T.F32, (team.count, n), R.uniform(-1.0, 1.0))
        gy = k.array("grad_y|dy|gy", T.F32, (team.count, n), R.uniform(-1.0, 1.0))
    else:
        values = k.array("pixels|intensity|gray", T.F32, (team.count, n), R.uniform(0.0, 0.999))
    count = gx.dim(1) if weighted else values.dim(1)
    with team.passes(count if p.chance(0.6) else k.scalar("num_items|n|count", T.I32, n)) as (
        j,
        inside,
    ):
        ok = k.let("ok|valid|in_range", inside)
        slot = k.var("slot|b_id|bin_id", 0, T.I32)
        amount = k.var("amount|mag|w", 0.0, T.F32) if weighted else N.literal(1, dtype)
        with k.when(ok):
            if weighted:
                angle = k.let("angle|theta|phi", wp.atan2(gy[team.i, j], gx[team.i, j]))
                turn = k.let("turn|frac|u", (angle + 3.1415927) / 6.2831853)
                k.set(
                    slot,
                    wp.clamp(
                        construct(T.I32, turn * construct(T.F32, bins.expr)), 0, bins.expr - 1
                    ),
                )
                k.set(
                    amount, wp.sqrt(gx[team.i, j] * gx[team.i, j] + gy[team.i, j] * gy[team.i, j])
                )
            else:
                k.set(slot, construct(T.I32, values[team.i, j] * construct(T.F32, bins.expr)))
        k.do(tile("tile_scatter_add", T.VOID, hist, slot, amount, ok))
    if kind == "oriented":
        value: Expr = hist
        if p.chance(0.6):
            norm = k.let(
                "norm|len|size",
                wp.sqrt(tile("tile_dot", T.Tile(T.F32, (1,)), hist, hist)[0]) + 1.0e-6,
            )
            value = hist * (1.0 / norm)
        t.store(
            k.out("descriptors|orientation_bins|features", T.F32, (team.count, bins.value))[team.i],
            value,
        )
        if p.chance(0.6):
            team.put("dominant|main_bin|orientation", t.index_of("tile_argmax", hist)[0], T.I32)
        return
    below = k.let(
        "below|cdf|cum",
        scan("exclusive" if p.chance(0.5) and kind != "threshold" else "inclusive", hist),
    )
    if kind == "equalise":
        ratio = p.func(
            "to_level|curve|remap",
            {"c|below": T.I32},
            lambda b, c: b.ret(construct(T.F32, c) * round(1.0 / n, 6)),
        )
        t.store(
            k.out("tone_curves|lut|cdf_out", T.F32, (team.count, bins.value))[team.i],
            t.map(ratio, below),
        )
        if p.chance(0.4):
            t.atomic(k.out("global_hist|total_counts|merged", T.I32, (bins.value,)), hist)
        return
    levels = k.let(
        "levels|value_t|bin_value",
        t.map(
            _level(p, bins.value),
            tile("tile_arange", T.Tile(T.I32, (bins.value,)), 0, bins.expr, 1, dtype=T.I32),
        ),
    )
    first = k.let("moment|m1|cum_mean", scan("inclusive", hist * levels))
    whole = k.let("mean_all|mt|grand_mean", total(t, hist * levels))
    score = k.let(
        "score|spread|variance",
        t.map(_between_class(p, n), below, first, t.full([bins], whole, T.F32)),
    )
    team.put("thresholds|levels_out|split_bin", t.index_of("tile_argmax", score)[0], T.I32)
    if p.chance(0.5):
        team.put("separation|best_score|quality", t.total("tile_max", score)[0], T.F32)


def _level(p: ProgramBuilder, bins: int) -> UserFunction:
    width = round(1.0 / bins, 6)
    half = 0.5 if p.chance(0.5) else 0.0
    return p.func(
        "level_of|bin_centre|bin_value_of",
        {"i|b": T.I32},
        lambda b, i: b.ret(
            (construct(T.F32, i) + half) * width if half else construct(T.F32, i) * width
        ),
    )


def _between_class(p: ProgramBuilder, n: int) -> UserFunction:
    early = p.chance(0.5)

    def body(b: Any, count: Expr, moment: Expr, whole: Expr) -> None:
        w = b.let("w|share|omega", count * round(1.0 / n, 6))
        if early:
            with b.when(w * (1.0 - w) < 1.0e-6):
                b.ret(0.0)
        d = b.let("d|gap|shift", (whole * w - moment) * round(1.0 / n, 6))
        spread = w * (1.0 - w)
        b.ret(d * d / spread if early else d * d / wp.max(spread, 1.0e-6))

    return p.func(
        "between_class|class_separation|otsu_score",
        {"c|below": T.F32, "m|moment": T.F32, "t|total_m": T.F32},
        body,
    )


def _two_dimensional(p: ProgramBuilder, team: Team, n: int, kind: str) -> None:
    k, t = team.k, team.t
    rows, cols = (
        t.dim("bins_y|rows|num_rows", p.pick(4, 8)),
        t.dim("bins_x|cols|num_cols", p.pick(4, 8)),
    )
    weighted = kind == "deposit" or p.chance(0.3)
    dtype = T.F32 if weighted else T.I32
    grid = k.let("grid|joint|local_hist", team.shared([rows, cols], dtype))
    a = k.array("fixed|x_pos|first", T.F32, (team.count, n), R.uniform(0.0, 0.999))
    c = k.array("moving|y_pos|second", T.F32, (team.count, n), R.uniform(0.0, 0.999))
    w = (
        k.array("charge|weights|mass", T.F32, (team.count, n), R.uniform(0.2, 1.5))
        if weighted
        else None
    )
    mask = (
        k.array("valid_mask|alive|inside", T.I32, (team.count, n), R.mask(0.85))
        if p.chance(0.35)
        else None
    )
    with team.passes(a.dim(1)) as (j, inside):
        row, col = k.var("row|iy|bin_a", 0, T.I32), k.var("col|ix|bin_b", 0, T.I32)
        ok = (
            k.var("ok|use|valid", inside, None)
            if mask is not None
            else k.let("ok|use|valid", inside)
        )
        amount = k.var("amount|q|share", 0.0, T.F32) if weighted else N.literal(1, T.I32)
        with k.when(inside if mask is None else j < n):
            k.set(row, construct(T.I32, a[team.i, j] * construct(T.F32, rows.expr)))
            k.set(col, construct(T.I32, c[team.i, j] * construct(T.F32, cols.expr)))
            if w is not None:
                k.set(amount, w[team.i, j])
            if mask is not None:
                k.set(ok, mask[team.i, j] != 0)
        k.do(tile("tile_scatter_add", T.VOID, grid, row, col, amount, ok))
    if p.chance(0.5):
        t.atomic(k.out("density|joint_out|counts", dtype, (rows.value, cols.value)), grid)
    else:
        t.store(
            k.out("densities|joint_out|counts", dtype, (team.count, rows.value, cols.value))[
                team.i
            ],
            grid,
        )
    for what in p.sample(["rows", "cols", "peak"], 0, 2):
        if what == "peak":
            team.put("peak_cell|mode|fullest", t.index_of("tile_argmax", grid)[0], T.I32)
        else:
            axis, extent = (1, rows) if what == "rows" else (0, cols)
            t.store(
                k.out(f"marginal_{what}|{what}_total", dtype, (team.count, extent.value))[team.i],
                t.total("tile_sum", grid, axis),
            )
