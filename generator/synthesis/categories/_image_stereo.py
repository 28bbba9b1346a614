"""Stereo matching and comparison of images."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import gray, image_grid, source, window
from generator.synthesis.categories._image_motion import F
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def stereo(p: ProgramBuilder) -> None:
    """Disparity: block matching, cost volumes, census transforms, consistency, depth."""
    goals = {
        "match": "block_matching|stereo_match|disparity_search|match_blocks",
        "census": "census_transform|rank_transform|binary_descriptor",
        "cost": "matching_cost|cost_volume|hamming_cost",
        "select": "winner_takes_all|select_disparity|argmin_disparity",
        "depth": "disparity_to_depth|triangulate_disparity|depth_from_disparity",
        "motion": "block_motion|motion_search|exhaustive_search",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Stereo matching.", "", "One thread per pixel."))
    g = image_grid(p, k, "clamp")
    {
        "match": _match,
        "census": _census,
        "cost": _cost,
        "select": _select,
        "depth": _depth,
        "motion": _search,
    }[goal](p, k, g)


def _match(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    left, right = gray(p, g, "left|reference|image_l"), gray(p, g, "right|target|image_r")
    top = k.count("max_disparity|num_disp|search_range", p.pick(6, 8, 12))
    best, winner = k.var("best|lowest|min_cost", 1.0e6), k.var("best_d|disparity|arg", 0)
    second = k.var("second|runner_up", 1.0e6) if p.chance(0.35) else None
    r = p.pick(1, 2)
    measure = p.pick("sad", "ssd", "ncc")
    with k.loop("d|disp|shift", top) as d:
        if p.chance(0.4):
            with k.when(col - d < 0):
                k.brk()
        cost = k.var("cost|c|err", 0.0)
        norm = k.var("norm|energy|ee", 1.0e-4) if measure == "ncc" else None
        with k.loop("dy|a|v", -r, r + 1) as dy, k.loop("dx|b|u", -r, r + 1) as dx:
            y = k.let("y|yy", wp.clamp(row + dy, 0, g.extent(0) - 1))
            xl = k.let("xl|x", wp.clamp(col + dx, 0, g.extent(1) - 1))
            xr = k.let("xr|x_r", wp.clamp(col + dx - d, 0, g.extent(1) - 1))
            if norm is not None:
                q = k.let("q|vr", right.at(y, xr))
                k.aug(cost, "-", left.at(y, xl) * q)
                k.aug(norm, "+", q * q)
            else:
                e = k.let("e|diff", left.at(y, xl) - right.at(y, xr))
                k.aug(cost, "+", wp.abs(e) if measure == "sad" else e * e)
        if norm is not None:
            k.set(cost, cost / wp.sqrt(norm))
        with k.when(cost < best):
            if second is not None:
                k.set(second, best)
            k.set(best, cost)
            k.set(winner, d)
        if second is not None:
            with k.elsewhen(cost < second):
                k.set(second, cost)
    out = g.out("disparity_map|disparities|disp_out", T.I32)
    if second is not None:
        ratio = k.param("uniqueness|ratio|margin", 0.8, 0.98)
        with k.when(best > second * ratio):
            out.store(-1)
            k.ret()
    out.store(winner)
    if p.chance(0.5):
        g.out("costs|min_costs|match_cost", F).store(best)


def _census(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    t = p.pick(F, T.U8)
    src = source(p, g, t)
    here = k.let("here|c|center", src.own)
    if p.chance(0.3):
        n = k.var("rank|darker|count", 0)
        with (
            window(p, k, g, p.pick(1, 2), center=False) as (y, x, _, __),
            k.when(src.at(y, x) < here),
        ):
            k.aug(n, "+", 1)
        g.out("ranks|rank_image|out", T.I32).store(n)
        return
    code = k.var("code|bits|signature", construct(T.U32, 0))
    unrolled = p.chance(0.4)
    if unrolled:
        for bit, o in enumerate(
            [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
        ):
            with k.when(src[o] > here if p.chance(0.5) else src[o] < here):
                k.set(code, code | construct(T.U32, 1 << bit))
    else:
        with window(p, k, g, p.pick(1, 2), center=False) as (y, x, _, __):
            k.set(code, code << construct(T.U32, 1))
            with k.when(src.at(y, x) > here):
                k.set(code, code | construct(T.U32, 1))
    g.out("census|codes|signatures", T.U32).store(code)


def _cost(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    count = p.pick(4, 6, 8)
    volume = k.out("cost_volume|costs|dsi", F, (*g.shape, count))
    census = p.chance(0.5)
    t = T.U32 if census else F
    left, right = (
        g.field(h, t, R.integers(0, 65536) if census else R.uniform(0.0, 1.0))
        for h in ("left|census_l|ref", "right|census_r|tgt")
    )
    top = k.param("truncation|max_cost|tau", 0.2, 0.8) if not census else None

    def distance(b: Block, a: Expr, c: Expr) -> None:
        if not census:
            b.ret(wp.abs(a - c))
            return
        x = b.var("x|bits|v", a ^ c)
        n = b.var("n|count|dist", 0)
        if p.chance(0.5):
            b.ret(construct(F, cast(T.I32, wp.bit_count(x))))
            return
        with b.repeat(x != construct(T.U32, 0)):
            b.set(x, x & (x - construct(T.U32, 1)))
            b.aug(n, "+", 1)
        b.ret(construct(F, n))

    f = p.func("hamming|pixel_cost|popcount_distance|dissimilarity", {"a|u": t, "b|v": t}, distance)
    here = k.let("here|l|ref_px", left.own)
    with k.loop("d|disp|s", count if p.chance(0.5) else volume.dim(2)) as d:
        x = k.let("x|xr", wp.max(col - d, 0))
        c = f(here, right.at(row, x))
        k.set(volume[row, col, d], c if top is None else wp.min(c, top))


def _select(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    count = p.pick(6, 8, 12)
    costs = k.array("cost_volume|costs|dsi", F, (*g.shape, count), R.uniform(0.0, 1.0))
    best, winner = k.var("best|lowest|min_c", costs[row, col, 0]), k.var("d_best|winner|arg", 0)
    with k.loop("d|s|disp", 1, costs.dim(2)) as d:
        c = k.let("c|cost", costs[row, col, d])
        with k.when(c < best):
            k.set(best, c)
            k.set(winner, d)
    if p.chance(0.5):
        sub = k.var("sub|refined|disp_f", construct(F, winner))
        with k.when(all_of(winner > 0, winner < costs.dim(2) - 1)):
            a, b = (
                k.let("c0|before", costs[row, col, winner - 1]),
                k.let("c1|after", costs[row, col, winner + 1]),
            )
            denom = k.let("curv|denom", a - 2.0 * best + b)
            with k.when(denom > 1.0e-4):
                k.aug(sub, "+", 0.5 * (a - b) / denom)
        g.out("disparity|disp_map", F).store(sub)
    else:
        g.out("disparity|disp_map", T.I32).store(winner)
    if p.chance(0.4):
        g.out("confidence|min_cost", F).store(1.0 - best if p.chance(0.5) else best)


def _depth(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    d = k.let("d|disp|disparity", g.field("disparity|disp_map", F, R.uniform(-0.5, 10.0)).own)
    f, base = k.param("focal|f|fx", 200.0, 800.0), k.param("baseline|b_m|separation", 0.05, 0.3)
    low = k.param("min_disparity|d_min", 0.2, 1.0)
    out = g.out("depth|depth_map|z_out", F)
    with k.when(d < low):
        out.store(k.param("invalid_depth|fill|no_depth", 0.5, 1.0) if p.chance(0.3) else 0.0)
        k.ret()
    z = k.let("z|depth_m", f * base / d)
    if p.chance(0.4):
        far_ = k.param("max_depth|z_far", 20.0, 100.0)
        z = k.let("zc|clipped", wp.min(z, far_))
    out.store(z)
    if p.chance(0.6):
        cx, cy = k.param("cx|ppx", 8.0, 16.0), k.param("cy|ppy", 8.0, 16.0)
        g.out("points|xyz|cloud", T.VEC3).store(
            construct(T.VEC3, (construct(F, col) - cx) * z / f, (construct(F, row) - cy) * z / f, z)
        )
    if p.chance(0.3):
        g.out("depth_sigma|uncertainty", F).store(
            z * z / (f * base) * k.param("disp_noise|sigma_d", 0.1, 0.5)
        )


def _search(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    a, b = gray(p, g, "current|frame|cur"), gray(p, g, "reference|previous|ref")
    reach, half = p.pick(2, 3), p.pick(1, 2)
    search = k.count("search_range|reach|max_motion", reach) if p.chance(0.6) else reach
    best = k.var("best|lowest|min_sad", 1.0e6)
    my, mx = k.var("best_y|mv_y|my", 0), k.var("best_x|mv_x|mx", 0)
    with k.loop("vy|sy|m", -search, search + 1) as vy, k.loop("vx|sx|n", -search, search + 1) as vx:
        total = k.var("sad|cost|err", 0.0)
        with k.loop("dy|p_y", -half, half + 1) as dy, k.loop("dx|p_x", -half, half + 1) as dx:
            y0, x0 = wp.clamp(row + dy, 0, g.extent(0) - 1), wp.clamp(col + dx, 0, g.extent(1) - 1)
            y1, x1 = (
                wp.clamp(row + dy + vy, 0, g.extent(0) - 1),
                wp.clamp(col + dx + vx, 0, g.extent(1) - 1),
            )
            k.aug(total, "+", wp.abs(a.at(y0, x0) - b.at(y1, x1)))
        if p.chance(0.4):
            k.aug(
                total,
                "+",
                k.param("motion_penalty|lam|smooth_cost", 0.001, 0.05)
                * construct(F, wp.abs(vx) + wp.abs(vy)),
            )
        with k.when(total < best):
            k.set(best, total)
            k.set(my, vy)
            k.set(mx, vx)
    g.out("motion|vectors|mv", T.Vec(2, T.I32)).store(construct(T.Vec(2, T.I32), mx, my))
    if p.chance(0.5):
        g.out("sad_map|costs", F).store(best)
