"""Quasi-Newton and trust-region steps: an intent of optimisation_steps."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._optim_search import _problems
from generator.synthesis.categories._optimisers import Variable
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted, piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def quasi_newton(p: ProgramBuilder) -> None:
    """BFGS updates of small inverse Hessians, L-BFGS recursions, Barzilai-Borwein and spectral steps."""
    kind = p.weighted({"bfgs": 3, "lbfgs": 3, "bb": 2.5, "dogleg": 2})
    names = {
        "bfgs": "bfgs_update|update_inverse_hessian|rank_two_update",
        "lbfgs": "lbfgs_direction|two_loop_recursion|limited_memory_direction",
        "bb": "barzilai_borwein|spectral_step|bb_step_size",
        "dogleg": "dogleg_step|trust_region_step|powell_dogleg",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Quasi-Newton step of small independent problems.",
            "Curvature information from the last steps.",
            "Search directions, one problem per thread.",
        ),
    )
    e = _problems(k, p)
    e.guard()
    {"bfgs": _bfgs, "lbfgs": _lbfgs, "bb": _bb, "dogleg": _dogleg}[kind](p, k, e)


def _bfgs(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    n = p.pick(2, 3, 3, 4, 6)
    vec, mat = p.vec(n), p.mat(n)
    h = e.inout("inv_hessians|H|inverse_h", mat, R.spd(0.5, 2.0))
    s, y = (
        k.let("s|dx|step_v", e.field("steps|s_in|dx_in", vec, R.uniform(-0.5, 0.5)).own),
        k.let("y|dg|grad_diff", e.field("grad_diffs|y_in|dg_in", vec, R.uniform(-0.5, 0.5)).own),
    )
    ys = k.let("ys|curvature|sy", wp.dot(y, s))
    tol = k.param("curvature_tol|min_curv|eps", 1e-3, 0.1)
    dfp = p.chance(0.25)
    hm = k.let("Hm|h_old|hk", h.own)
    new = k.var("H_new|updated|hk1", hm)
    with k.when(ys > tol if p.chance(0.6) else ys > tol * wp.length(s) * wp.length(y)):
        rho = k.let("rho|inv_ys|r", 1.0 / ys)
        if dfp:
            hy = k.let("Hy|hy|w", hm * y)
            k.set(new, hm + wp.outer(s, s) * rho - wp.outer(hy, hy) / wp.max(wp.dot(y, hy), 1.0e-6))
        elif p.chance(0.5):
            v = k.let("V|proj|left", wp.diag(construct(vec, 1.0)) - wp.outer(s, y) * rho)
            k.set(new, v * hm * wp.transpose(v) + wp.outer(s, s) * rho)
        else:
            hy = k.let("Hy|hy|w", hm * y)
            k.set(
                new,
                hm
                + wp.outer(s, s) * (rho * (1.0 + rho * wp.dot(y, hy)))
                - (wp.outer(hy, s) + wp.outer(s, hy)) * rho,
            )
    if p.chance(0.4):
        with k.otherwise():
            k.do(wp.atomic_add(k.out("num_skipped|bad_curvature|resets", T.I32, (1,)), 0, 1))
    h.store(new)
    if p.chance(0.6):
        g = e.field("gradients|grads|g_in", vec, R.uniform(-1.0, 1.0)).own
        e.out("directions|search_dirs|d_out", vec).store(-(new * g))


def _lbfgs(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    n, m = p.pick(2, 3, 4), p.pick(3, 4, 5, 6)
    vec = p.vec(n)
    lead = (e.n,) if e.worlds is None else (e.worlds, e.n)
    at = (e.index,) if e.world is None else (e.world, e.index)
    s_all = k.array("s_history|steps|S", vec, (*lead, m), R.uniform(0.1, 0.6))
    y_all = k.array("y_history|grad_diffs|Y", vec, (*lead, m), R.uniform(0.1, 0.6))
    alphas = k.out("alphas|alpha_buf|coefficients", p.real, (*lead, m))
    q = k.var("q|r|dir", e.field("gradients|grads|g_in", vec, R.uniform(-1.0, 1.0)).own)
    size = (
        k.scalar("history|memory|num_pairs", T.I32, p.pick(m, max(m - 1, 1)))
        if p.chance(0.6)
        else m
    )
    with k.loop("j|back|n", size) as j:
        idx = k.let("h|slot|idx", size - 1 - j)
        s, y = k.let("s|sj", s_all[(*at, idx)]), k.let("y|yj", y_all[(*at, idx)])
        a = k.let("a|alpha_j|coef", wp.dot(s, q) / wp.max(wp.dot(y, s), 1.0e-6))
        k.set(alphas[(*at, idx)], a)
        k.aug(q, "-", y * a)
    if p.chance(0.6):
        last_s, last_y = s_all[(*at, size - 1)], y_all[(*at, size - 1)]
        k.aug(q, "*", wp.dot(last_s, last_y) / wp.max(wp.dot(last_y, last_y), 1.0e-8))
    else:
        k.aug(q, "*", k.param("gamma|initial_scale|h0", 0.3, 1.5))
    with k.loop("h|slot|fwd", size) as idx:
        s, y = k.let("sf|s2", s_all[(*at, idx)]), k.let("yf|y2", y_all[(*at, idx)])
        beta = k.let("beta|b_j|corr", wp.dot(y, q) / wp.max(wp.dot(y, s), 1.0e-6))
        k.aug(q, "+", s * (alphas[(*at, idx)] - beta))
    e.out("directions|search_dirs|d_out", vec).store(-q)
    if p.chance(0.3):
        k.do(wp.atomic_max(k.out("max_length|longest|dir_norm", p.real, (1,)), 0, wp.length(q)))


def _bb(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    v = Variable(p, e)
    x, g = v.inout("x|iterates|points"), v.given("grad|g|gradients")
    x_old, g_old = v.inout("x_prev|last_x|x_old"), v.inout("g_prev|last_grad|g_old")
    s, y = k.let("s|dx|move", x.own - x_old.own), k.let("y|dg|change", g.own - g_old.own)
    ss, sy, yy = (
        k.let("ss|s_sq", v.square(s)),
        k.let("sy|cross_sy", s * y if v.width == 1 else wp.dot(s, y)),
        k.let("yy|y_sq", v.square(y)),
    )
    long = p.chance(0.5)

    def body(b: Block, num: Expr, den: Expr) -> Expr:
        return (
            choose(wp.abs(den) > 1.0e-8, wp.abs(num / den), construct(p.real, 0.1))
            if p.chance(0.5)
            else wp.abs(num) / wp.max(wp.abs(den), 1.0e-8)
        )

    raw = piece(
        p,
        k,
        "spectral_ratio|bb_ratio|curvature_ratio",
        {"num|a": ss if long else sy, "den|b": sy if long else yy},
        body,
        "",
        0.6,
    )
    other = yy if long else ss
    step = k.let(
        "step|alpha|bb",
        wp.clamp(
            raw, k.param("min_step|alpha_min", 1e-4, 1e-2), k.param("max_step|alpha_max", 0.5, 2.0)
        ),
    )
    if p.chance(0.4):
        step = k.let("safe_step|alpha_safe|limited", choose(other < 1.0e-10, 0.01, step))
    x_old.store(x.own)
    g_old.store(g.own)
    x.store(x.own - g.own * step)
    if p.chance(0.5):
        e.out("step_lengths|alphas|steps_out", p.real).store(step)


def _dogleg(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    n = p.pick(2, 3, 4)
    vec, mat = p.vec(n), p.mat(n)
    h, g = (
        k.let("H|hess|B", e.field("hessians|H_in|B_in", mat, R.spd(0.5, 3.0)).own),
        k.let("g|grad|gi", e.field("gradients|grads|g_in", vec, R.uniform(-1.0, 1.0)).own),
    )
    radius = e.property("radius|trust_radius|delta", 0.2, 1.0)
    newton = k.let("newton|pn|full_step", -(inverted(p, h) * g))
    step = k.var("step|p_step|d", newton)
    with k.when(wp.length(newton) > radius):
        cauchy = k.let("cauchy|pc|steepest", g * (-wp.dot(g, g) / wp.max(wp.dot(g, h * g), 1.0e-8)))
        size = k.let("len_c|nc|cauchy_len", wp.length(cauchy))
        with k.when(size >= radius):
            k.set(step, cauchy * (radius / size))
        with k.otherwise():
            d = k.let("d|leg|diff", newton - cauchy)
            a, b, c = (
                k.let("a|qa", wp.dot(d, d)),
                k.let("b|qb", 2.0 * wp.dot(cauchy, d)),
                k.let("c|qc", size * size - radius * radius),
            )
            t = k.let(
                "t|tau|frac",
                (-b + wp.sqrt(wp.max(b * b - 4.0 * a * c, 0.0))) / (2.0 * wp.max(a, 1.0e-8)),
            )
            k.set(step, cauchy + d * t)
    e.out("steps|p_out|updates", vec).store(step)
    if p.chance(0.6):
        e.out("predicted|model_decrease|gain_model", p.real).store(
            -(wp.dot(g, step) + 0.5 * wp.dot(step, h * step))
        )
