"""Motion and depth between images: optical flow, block matching, stereo, frame differences."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._image import bilinear, gray, image_grid, window
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import choose
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
        "hs": "horn_schunck|hs_iteration|smooth_flow_step",
        "tv": "tv_step|rof_denoise|total_variation",
        "dual": "chambolle_dual|update_dual|primal_dual_step",
        "threshold": "tvl1_threshold|data_term|soft_threshold_flow",
        "check": "flow_consistency|forward_backward_check|occlusion_mask",
    }
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
