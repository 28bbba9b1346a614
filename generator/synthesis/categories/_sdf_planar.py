"""Planar distance fields: polygons, jump flooding, nearest seeds."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def polygon(p: ProgramBuilder) -> None:
    """Signed distance to a closed polygon."""
    k = p.kernel_builder(
        "polygon_sdf|distance_to_contour|rasterize_polygon|contour_distance|signed_polygon_distance|point_in_polygon",
        p.pick("Signed distance to a closed contour.", "Even-odd rule with the nearest edge.", ""),
    )
    v2 = p.vec(2)
    count = p.pick(5, 8, 12, 16)
    on_grid = p.chance(0.45)
    if on_grid:
        g = Grid(k, "row|y|i col|x|j", boundary="clamp")
        size = k.param("pixel_size|dx|spacing", 0.05, 0.2)
        x = k.let(
            "x|pt|q",
            construct(v2, construct(p.real, g.index[1]) + 0.5, construct(p.real, g.index[0]) + 0.5)
            * size,
        )
        items: Grid | Entities = g
    else:
        e = Entities(k, "point")
        x = e.field("points|samples|xy", v2, R.uniform(-0.5, 2.5)).read("x|pt|q")
        items = e
    verts = k.array("vertices|contour|polygon|outline", v2, (count,), R.uniform(0.0, 2.0))
    goal = p.pick("sdf", "sdf", "mask", "both")
    best = k.var("best|d2|min_sq", 1.0e6, p.real) if goal != "mask" else None
    flips = (
        k.var("sign|s|winding", 1.0, p.real)
        if goal == "sdf"
        else k.var("crossings|parity|inside_flag", 0)
    )
    squared = _edge_function(p) if best is not None else None
    with k.loop("i|e|seg", verts.dim(0) if p.chance(0.7) else count) as i:
        a = k.let("a|v0|p0", verts[i])
        following = (
            verts[(i + 1) % verts.dim(0)]
            if p.chance(0.6)
            else verts[choose(i + 1 < count, i + 1, 0)]
        )
        b = k.let("b|v1|p1", following)
        if best is not None and squared is not None:
            k.set(best, wp.min(best, squared(x, a, b)))
        straddles = (a.y > x.y) != (b.y > x.y)
        with k.when(straddles):
            at = k.let("at|xi|cross_x", a.x + (x.y - a.y) / (b.y - a.y) * (b.x - a.x))
            with k.when(x.x < at):
                k.set(flips, -flips) if goal == "sdf" else k.set(flips, 1 - flips)
    if goal == "sdf" and best is not None:
        items.out("distances|sdf|phi", p.real).store(flips * wp.sqrt(best))
        return
    items.out("inside|mask|labels", T.I32).store(flips)
    if best is not None:
        d = k.let("d|dist", wp.sqrt(best))
        items.out("distances|sdf|phi", p.real).store(
            choose(flips == 1, -d, d) if p.chance(0.5) else wp.where(flips == 1, -d, d)
        )


def _edge_function(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, x: Expr, a: Expr, c: Expr) -> None:
        e, w = b.let("e|edge|d", c - a), b.let("w|rel|ax", x - a)
        t = b.let("t|u|h", wp.clamp(wp.dot(w, e) / wp.dot(e, e), 0.0, 1.0))
        r = b.let("r|off|delta", w - e * t)
        b.ret(wp.dot(r, r))

    v2 = p.vec(2)
    return p.func(
        "edge_dist_sq|segment_dist_sq|squared_distance", {"x|pt": v2, "a|p0": v2, "b|p1": v2}, body
    )


def nearest(p: ProgramBuilder) -> None:
    """Distance transforms: jump flooding, sweeping steps, brute force over seeds."""
    k = p.kernel_builder(
        "jump_flood|distance_transform|propagate_seeds|nearest_seed|flood_step|closest_feature|voronoi_step",
        p.pick("One jump-flooding pass.", "Nearest seed of every cell.", ""),
    )
    g = Grid(k, "row|y|i col|x|j", boundary="clamp")
    row, col = g.index
    here = k.let(
        "here|pt|cell", construct(p.vec(2), construct(p.real, col), construct(p.real, row))
    )
    if p.chance(0.4):
        _brute(p, k, g, here)
        return
    pair = T.Vec(2, T.I32)
    seeds = g.field("seeds|nearest_in|labels_in", pair, R.integers(-3, min(g.shape)))
    out = g.out("seeds_out|nearest_out|labels_out", pair)
    if p.chance(0.3):
        blocked = g.field("mask|blocked|obstacle", T.I32, R.mask(0.15)).own
        with k.when(blocked != 0):
            out.store(construct(pair, -1, -1) if p.chance(0.6) else seeds.own)
            k.ret()
    step = k.count("step|jump|stride", p.pick(1, 2, 4, 8))
    best = k.var("best|d_best|min_d", 1.0e6, p.real)
    winner = k.var("winner|chosen|arg", seeds.own)
    metric = _seed_metric(p)
    if p.chance(0.4):
        with k.when(winner.x >= 0):
            k.set(best, metric(here, winner))
    with _window(p, k, g, step) as (r, c):
        with k.when(any_of(r < 0, r >= g.extent(0), c < 0, c >= g.extent(1))):
            k.cont()
        s = k.let("s|seed|cand", seeds.at(r, c))
        with k.when(s.x < 0):
            k.cont()
        d = k.let("d|dist|q", metric(here, s))
        with k.when(d < best):
            k.set(best, d)
            k.set(winner, s)
    out.store(winner)
    for what in p.sample(["distance", "changed"], 0, 2):
        if what == "distance":
            g.out("distance|dist_map|dt", p.real).store(best)
        else:
            with k.when(any_of(winner.x != seeds.own.x, winner.y != seeds.own.y)):
                k.do(wp.atomic_add(k.out("changed|num_updates|active_count", T.I32, (1,)), 0, 1))


def _seed_metric(p: ProgramBuilder) -> UserFunction:
    form = p.pick("length", "squared", "l1", "chebyshev")

    def body(b: Block, x: Expr, s: Expr) -> None:
        r = b.let(
            "r|delta|off", x - construct(p.vec(2), construct(p.real, s.x), construct(p.real, s.y))
        )
        if form == "length":
            b.ret(wp.length(r))
        elif form == "squared":
            b.ret(wp.dot(r, r))
        else:
            a = b.let("a|ar", wp.abs(r))
            b.ret(a.x + a.y if form == "l1" else wp.max(a.x, a.y))

    return p.func(
        "seed_distance|dist_to_seed|metric", {"x|pt": p.vec(2), "s|seed": T.Vec(2, T.I32)}, body
    )


@contextmanager
def _window(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, step: Expr
) -> Iterator[tuple[Expr, Expr]]:
    """The cells of the flooding stencil: nested loops, or one loop over nine."""
    row, col = g.index
    if p.chance(0.6):
        with k.loop("dy|oy|di", -1, 2) as dy:
            r = k.let("r|yy|row_n", row + dy * step)
            with k.loop("dx|ox|dj", -1, 2) as dx:
                yield r, k.let("c|xx|col_n", col + dx * step)
        return
    with k.loop("m|nb|n", 9) as m:
        r = k.let("r|yy|row_n", row + (m // 3 - 1) * step)
        yield r, k.let("c|xx|col_n", col + (m % 3 - 1) * step)


def _brute(p: ProgramBuilder, k: KernelBuilder, g: Grid, here: Expr) -> None:
    n = p.pick(6, 10, 16)
    seeds = k.array("sites|seed_points|features", p.vec(2), (n,), R.uniform(0.0, 20.0))
    best, second = k.var("best|d1|nearest", 1.0e6, p.real), None
    winner = k.var("winner|label|site", -1)
    edges = p.chance(0.4)
    if edges:
        second = k.var("second|d2|runner_up", 1.0e6, p.real)
    metric = p.pick("l2", "l1", "linf")
    with k.loop("s|j|m", seeds.dim(0)) as s:
        r = k.let("r|delta|off", here - seeds[s])
        if metric == "l2":
            d = wp.length(r)
        else:
            a = k.let("ar|abs_r", wp.abs(r))
            d = a.x + a.y if metric == "l1" else wp.max(a.x, a.y)
        d = k.let("d|dist|q", d)
        with k.when(d < best):
            if second is not None:
                k.set(second, best)
            k.set(best, d)
            k.set(winner, s)
        if second is not None:
            with k.elsewhen(d < second):
                k.set(second, d)
    g.out("labels|cells|voronoi", T.I32).store(winner)
    g.out("distance|dist_map|edge_dist", p.real).store(
        best if second is None else 0.5 * (second - best)
    )
