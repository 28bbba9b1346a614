"""Motion and depth between images: optical flow, block matching, stereo, frame differences."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import bilinear, gray, image_grid, load, source, window
from generator.synthesis.categories._rays import maybe
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr

F = T.F32


def _derivatives(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, a: GridField, b: GridField, y: Expr, x: Expr
) -> tuple[Expr, Expr, Expr]:
    """Spatial and temporal derivatives at a pixel of the window."""
    h, w = g.extent(0), g.extent(1)
    east, west = a.at(y, wp.min(x + 1, w - 1)), a.at(y, wp.max(x - 1, 0))
    south, north = a.at(wp.min(y + 1, h - 1), x), a.at(wp.max(y - 1, 0), x)
    ix, iy = k.let("ix|gx", 0.5 * (east - west)), k.let("iy|gy", 0.5 * (south - north))
    return ix, iy, k.let("it|gt|dt_img", b.at(y, x) - a.at(y, x))


def flow(p: ProgramBuilder) -> None:
    """Lucas-Kanade flow: windowed normal equations, iterated refinement, tracking of points."""
    k = p.kernel_builder(
        "lucas_kanade|optical_flow_lk|track_window|sparse_flow|estimate_motion|klt_step|patch_flow",
        p.pick("Lucas-Kanade optical flow.", "Solve for the motion of a window.", ""),
    )
    g = image_grid(p, k, "clamp")
    first, second = gray(p, g, "prev|frame0|image_a"), gray(p, g, "curr|frame1|image_b")
    gradients = p.chance(0.35)
    start = (
        g.field("flow_in|initial_flow|guess", T.VEC2, R.uniform(-1.0, 1.0))
        if p.chance(0.45)
        else None
    )
    f0 = k.let("f0|init|guess_uv", start.own) if start is not None else None
    sample = bilinear(p, second, F) if f0 is not None else None
    xx, yy, xy = (k.var(h, 0.0) for h in ("sxx|a11|gxx", "syy|a22|gyy", "sxy|a12|gxy"))
    xt, yt = k.var("sxt|b1|bx", 0.0), k.var("syt|b2|by", 0.0)
    ready = (
        [g.field(h, F, R.uniform(-1.0, 1.0)) for h in ("grad_x|ix_img", "grad_y|iy_img")]
        if gradients
        else None
    )
    bound = k.count("radius|half_width|win_radius", p.pick(1, 2)) if p.chance(0.6) else p.pick(1, 2)
    with window(p, k, g, bound) as (y, x, dy, dx):
        if ready is not None:
            ix, iy = k.let("ix|gx", ready[0].at(y, x)), k.let("iy|gy", ready[1].at(y, x))
            it = k.let("it|gt", second.at(y, x) - first.at(y, x))
        else:
            ix, iy, it = _derivatives(p, k, g, first, second, y, x)
        if sample is not None and f0 is not None:
            moved = sample(construct(F, y) + f0.y, construct(F, x) + f0.x)
            it = k.let("et|err_t|residual", moved - first.at(y, x))
        w = None
        if p.chance(0.3):
            w = k.let("w|wt", wp.exp(-construct(F, dx * dx + dy * dy) * 0.5))
        for target, value in zip(
            (xx, yy, xy, xt, yt), (ix * ix, iy * iy, ix * iy, ix * it, iy * it), strict=True
        ):
            k.aug(target, "+", value if w is None else value * w)
    out = g.out("flow|motion|flow_out", T.VEC2)
    det = k.let("det|d|disc", xx * yy - xy * xy)
    fallback = f0 if f0 is not None else construct(T.VEC2, 0.0)
    limit = k.param("min_det|threshold|eps_det", 1.0e-4, 1.0e-2)
    if p.chance(0.6):
        with k.when(det < limit):
            out.store(fallback)
            k.ret()
        u, v = k.let("u|du", (xy * yt - yy * xt) / det), k.let("v|dv", (xy * xt - xx * yt) / det)
    else:
        reg = k.param("damping|lam|regularize", 0.001, 0.05)
        a, b = k.let("a|axx", xx + reg), k.let("b|ayy", yy + reg)
        inv = k.let("inv|rdet", 1.0 / (a * b - xy * xy))
        u, v = k.let("u|du", (xy * yt - b * xt) * inv), k.let("v|dv", (xy * xt - a * yt) * inv)
    step = construct(T.VEC2, u, v)
    if p.chance(0.4):
        step = k.let("step|d_uv", step)
        top = k.param("max_step|max_flow|clamp_flow", 0.5, 3.0)
        n = k.let("n|mag", wp.length(step))
        step = wp.where(n > top, step * (top / wp.max(n, 1.0e-6)), step)
    out.store(step if f0 is None else f0 + step)
    if p.chance(0.35):
        g.out("confidence|min_eigen|quality", F).store(
            0.5 * (xx + yy - wp.sqrt((xx - yy) * (xx - yy) + 4.0 * xy * xy))
        )


def variational(p: ProgramBuilder) -> None:
    """Iterations of variational flow and denoising: Horn-Schunck, TV, Chambolle, median of flow."""
    goals = {
        "hs": "horn_schunck|hs_iteration|smooth_flow_step", "tv": "tv_step|rof_denoise|total_variation", "dual": "chambolle_dual|update_dual|primal_dual_step",
        "threshold": "tvl1_threshold|data_term|soft_threshold_flow", "check": "flow_consistency|forward_backward_check|occlusion_mask",
    }  # fmt: skip
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("One iteration of a variational method.", "", "Pixelwise update.")
    )
    g = image_grid(p, k, p.pick("clamp", "interior") if goal in ("hs", "tv", "dual") else "clamp")
    {"hs": _horn_schunck, "tv": _tv, "dual": _dual, "threshold": _data_term, "check": _consistency}[
        goal
    ](p, k, g)


def _horn_schunck(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    f, out = (
        g.field("flow|uv|flow_in", T.VEC2, R.uniform(-1.0, 1.0)),
        g.out("flow_out|uv_next|flow_new", T.VEC2),
    )
    ix, iy, it = (
        k.let(h, g.field(a, F, R.uniform(-1.0, 1.0)).own)
        for h, a in (
            ("ix|gx", "grad_x|ix_img"),
            ("iy|gy", "grad_y|iy_img"),
            ("it|gt", "grad_t|it_img"),
        )
    )
    direct = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    total: Expr | None = None
    for o in p.shuffled(direct):
        total = f[o] if total is None else total + f[o]
    assert total is not None
    if p.chance(0.4):
        corner: Expr | None = None
        for o in [(1, 1), (1, -1), (-1, 1), (-1, -1)]:
            corner = f[o] if corner is None else corner + f[o]
        assert corner is not None
        total = total * 0.66666667 + corner * 0.33333333
    mean = k.let("mean|avg|bar", total * 0.25)
    alpha = k.param("alpha_sq|smoothness|lam", 0.05, 2.0)
    rate = k.let("r|scale|num", (ix * mean.x + iy * mean.y + it) / (alpha + ix * ix + iy * iy))
    out.store(
        construct(T.VEC2, mean.x - ix * rate, mean.y - iy * rate)
        if p.chance(0.5)
        else mean - construct(T.VEC2, ix, iy) * rate
    )
    if p.chance(0.35):
        change = wp.length(out.own - f.own)
        k.do(wp.atomic_add(k.out("total_change|residual|delta_sum", F, (1,)), 0, change))


def _tv(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    u, f = (
        g.field("u|current|estimate", F, R.uniform(0.0, 1.0)),
        g.field("noisy|data|observed", F, R.uniform(0.0, 1.0)),
    )
    out = g.out("u_next|u_out|denoised", F)
    eps = k.param("eps|beta|smooth_tv", 0.01, 0.2)
    c = k.let("c|uc|here", u.own)

    f_w = None
    if p.on("helper_function"):
        f_w = p.func(
            "tv_weight|edge_weight|lagged_diffusivity", {"d|diff": F, "e|eps": F},
            lambda b, d, e: b.ret(1.0 / wp.sqrt(d * d + e * e)),
        )  # fmt: skip
    num, den = k.var("num|acc|top", 0.0), k.var("den|w_sum|bottom", 0.0)
    for o in p.shuffled([(1, 0), (-1, 0), (0, 1), (0, -1)]):
        v = k.let("v|nb", u[o])
        w = k.let("w|wt", f_w(v - c, eps) if f_w else 1.0 / wp.sqrt((v - c) * (v - c) + eps * eps))
        k.aug(num, "+", w * v)
        k.aug(den, "+", w)
    lam = k.param("lam|fidelity|data_weight", 0.5, 10.0)
    out.store((lam * f.own + num) / (lam + den))


def _dual(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    u = g.field("u|primal|image", F, R.uniform(0.0, 1.0))
    q, out = (
        g.field("dual|p_in|q", T.VEC2, R.uniform(-0.5, 0.5)),
        g.out("dual_out|p_new|q_next", T.VEC2),
    )
    c = k.let("c|here", u.own)
    grad = k.let("grad|du", construct(T.VEC2, u[0, 1] - c, u[1, 0] - c))
    sigma = k.param("sigma|tau|step", 0.1, 0.5)
    moved = k.let("v|moved|trial", q.own + grad * sigma)
    if p.chance(0.5):
        out.store(moved / wp.max(wp.length(moved), 1.0))
    else:
        out.store(moved / (1.0 + sigma * wp.length(grad)))
    if p.chance(0.5):
        left, up = q[0, -1], q[-1, 0]
        div = q.own.x - left.x + q.own.y - up.y
        data = g.field("data|observed|f", F, R.uniform(0.0, 1.0)).own
        g.out("u_next|primal_out", F).store(data + div * k.param("theta|lam", 0.05, 0.5))


def _data_term(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    f = k.let("uv|f|flow_px", g.field("flow|uv", T.VEC2, R.uniform(-1.0, 1.0)).own)
    grad = k.let(
        "grad|gi|i1_grad", g.field("warped_grad|grad_img", T.VEC2, R.uniform(-1.0, 1.0)).own
    )
    rho_c = g.field("rho_const|residual_c|it_img", F, R.uniform(-0.5, 0.5)).own
    rho = k.let("rho|r|residual", rho_c + wp.dot(grad, f))
    g2 = k.let("g2|grad_sq", wp.max(wp.dot(grad, grad), 1.0e-4))
    lt = k.let(
        "lt|l_t|limit", k.param("lam|data_weight", 0.1, 1.0) * k.param("theta|coupling", 0.1, 0.5)
    )
    d = k.var("d|step|dv", construct(T.VEC2, 0.0))
    with k.when(rho < -lt * g2):
        k.set(d, grad * lt)
    with k.elsewhen(rho > lt * g2):
        k.set(d, grad * -lt)
    with k.otherwise():
        k.set(d, grad * (-rho / g2))
    g.out("aux_flow|v_out|flow_aux", T.VEC2).store(f + d)
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("data_energy|l1_sum", F, (1,)), 0, wp.abs(rho)))


def _consistency(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    fw, bw = (
        g.field("forward|flow_fw", T.VEC2, R.uniform(-2.0, 2.0)),
        g.field("backward|flow_bw", T.VEC2, R.uniform(-2.0, 2.0)),
    )
    a = k.let("a|f|uv", fw.own)
    y = k.let(
        "y|ty|row_t", wp.clamp(cast(T.I32, wp.round(construct(F, row) + a.y)), 0, g.extent(0) - 1)
    )
    x = k.let(
        "x|tx|col_t", wp.clamp(cast(T.I32, wp.round(construct(F, col) + a.x)), 0, g.extent(1) - 1)
    )
    e = k.let("e|err|gap", wp.length(a + bw.at(y, x)))
    limit = k.param("max_error|tolerance|threshold", 0.5, 2.0)
    if p.chance(0.4):
        limit = limit + 0.01 * wp.length(a)
    out = g.out("occluded|valid|consistent", p.pick(T.I32, T.U8))
    one, nil = (construct(T.U8, 1), construct(T.U8, 0)) if out.dtype == T.U8 else (None, None)
    out.store(
        choose(e > limit, one, nil)
        if one is not None and nil is not None
        else choose(
            e > limit,
            k.count("label|occluded_label", 1) if p.chance(0.2) else construct(T.I32, 1),
            construct(T.I32, 0),
        )
    )
    if p.chance(0.5):
        g.out("error_map|fb_error", F).store(e)


def stereo(p: ProgramBuilder) -> None:
    """Disparity: block matching, cost volumes, census transforms, consistency, depth."""
    goals = {
        "match": "block_matching|stereo_match|disparity_search|match_blocks", "census": "census_transform|rank_transform|binary_descriptor",
        "cost": "matching_cost|cost_volume|hamming_cost", "select": "winner_takes_all|select_disparity|argmin_disparity",
        "depth": "disparity_to_depth|triangulate_disparity|depth_from_disparity", "motion": "block_motion|motion_search|exhaustive_search",
    }  # fmt: skip
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


def difference(p: ProgramBuilder) -> None:
    """Two images compared: differences, background models, similarity measures."""
    goals = {
        "diff": "frame_difference|change_mask|detect_motion|abs_diff", "background": "update_background|background_model|subtract_background",
        "gaussian": "gaussian_background|running_gaussian|foreground_mask", "ssim": "ssim_map|local_similarity|structural_similarity",
        "error": "image_error|mse_psnr|compare_images|l1_l2_error", "gradient": "gradient_difference|edge_consistency|photometric_loss",
    }  # fmt: skip
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
