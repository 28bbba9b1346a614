"""The update rules of first-order methods."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._optimisers import Variable
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def _corrected(p: ProgramBuilder, k: KernelBuilder, moment: Expr, beta: Expr, step: Expr) -> Expr:
    return moment / (1.0 - wp.pow(beta, construct(p.real, step)))


def _sgd(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    if p.chance(0.3):
        precondition = e.field("inv_hessian_diag|precond|scaling", v.type, R.uniform(0.2, 1.5)).own
        return v.times(precondition, g) * lr
    return g * lr if p.chance(0.5) else lr * g


def _momentum(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    m = v.inout("velocity|momentum|v_buf")
    mu = k.param("momentum_coef|beta|mu", 0.5, 0.95)
    if p.chance(0.5):
        vel = k.let("vel|m_new|vi", mu * m.own + g)
        m.store(vel)
        return lr * vel
    vel = k.let("vel|m_new|vi", mu * m.own - lr * g)
    m.store(vel)
    return -vel


def _nesterov(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    m = v.inout("velocity|momentum|v_buf")
    mu = k.param("momentum_coef|beta|mu", 0.5, 0.95)
    vel = k.let("vel|m_new|vi", mu * m.own + g)
    m.store(vel)
    return lr * (g + mu * vel)


def _adam(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    m, s = v.inout("m|exp_avg|first_moment"), v.inout("v|exp_avg_sq|second_moment", 0.01, 1.0)
    b1, b2 = k.param("beta1|b1", 0.8, 0.95), k.param("beta2|b2", 0.95, 0.999)
    mi = k.let(
        "m_new|mi|m1",
        b1 * m.own + (1.0 - b1) * g if p.chance(0.6) else m.own + (1.0 - b1) * (g - m.own),
    )
    vi = k.let("v_new|vi|m2", b2 * s.own + v.times(g, g) * (1.0 - b2))
    m.store(mi)
    s.store(vi)
    eps = k.param("eps|epsilon", 1e-8, 1e-5)
    match p.pick("given", "step", "none"):
        case "given":
            c1, c2 = k.param("bias_corr1|corr1", 0.2, 1.0), k.param("bias_corr2|corr2", 0.2, 1.0)
            mi, vi = k.let("m_hat|mh", mi / c1), k.let("v_hat|vh", vi / c2)
        case "step":
            t = k.count("step|t_step|num_steps", p.pick(1, 5, 20, 100))
            mi, vi = (
                k.let("m_hat|mh", _corrected(p, k, mi, b1, t)),
                k.let("v_hat|vh", _corrected(p, k, vi, b2, t)),
            )
    return v.over(mi, v.each(lambda q: wp.sqrt(q) + eps, vi)) * lr


def _amsgrad(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    m, s = v.inout("m|exp_avg|first_moment"), v.inout("v|exp_avg_sq|second_moment", 0.01, 1.0)
    top = v.inout("v_max|max_exp_avg_sq|vhat_max", 0.01, 1.0)
    b1, b2 = k.param("beta1|b1", 0.8, 0.95), k.param("beta2|b2", 0.95, 0.999)
    mi = k.let("m_new|mi", b1 * m.own + (1.0 - b1) * g)
    vi = k.let("v_new|vi", b2 * s.own + v.times(g, g) * (1.0 - b2))
    best = k.let("v_top|vmax_i", wp.max(top.own, vi))
    for field, value in ((m, mi), (s, vi), (top, best)):
        field.store(value)
    return v.over(mi, v.each(lambda q: wp.sqrt(q) + 1.0e-8, best)) * lr


def _adamax(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    m, u = v.inout("m|exp_avg|first_moment"), v.inout("u|inf_norm|exp_inf", 0.1, 1.0)
    b1, b2 = k.param("beta1|b1", 0.8, 0.95), k.param("beta2|b2", 0.95, 0.999)
    mi = k.let("m_new|mi", b1 * m.own + (1.0 - b1) * g)
    ui = k.let("u_new|ui", wp.max(b2 * u.own, wp.abs(g)))
    m.store(mi)
    u.store(ui)
    return v.over(mi, v.each(lambda q: wp.max(q, 1.0e-8), ui)) * lr


def _adagrad(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    s = v.inout("accumulator|sum_sq|g2_sum", 0.1, 2.0)
    si = k.let("s_new|acc|total_sq", s.own + v.times(g, g))
    s.store(si)
    outside = p.chance(0.5)
    root = v.each(lambda q: wp.sqrt(q) + 1.0e-6 if outside else wp.sqrt(q + 1.0e-8), si)
    return v.over(g, root) * lr


def _rmsprop(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    s = v.inout("mean_sq|cache|square_avg", 0.1, 1.0)
    rho = k.param("rho|alpha|decay", 0.8, 0.99)
    si = k.let("s_new|ms|avg_sq", rho * s.own + v.times(g, g) * (1.0 - rho))
    s.store(si)
    if p.chance(0.35):
        mean = v.inout("mean_grad|g_avg|center")
        mg = k.let("mg|g_mean", rho * mean.own + (1.0 - rho) * g)
        mean.store(mg)
        si = k.let("centered|var_i", v.each(lambda q: wp.max(q, 1.0e-6), si - v.times(mg, mg)))
    return v.over(g, v.each(lambda q: wp.sqrt(q) + 1.0e-6, si)) * lr


def _lion(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    m = v.inout("m|exp_avg|momentum")
    b1, b2 = k.param("beta1|b1", 0.85, 0.95), k.param("beta2|b2", 0.95, 0.99)
    c = k.let("c|update|blend", b1 * m.own + (1.0 - b1) * g)
    m.store(b2 * m.own + (1.0 - b2) * g)
    return wp.sign(c) * lr


def _adadelta(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    s, d = (
        v.inout("square_avg|g2_avg|mean_sq", 0.1, 1.0),
        v.inout("delta_avg|dx2_avg|acc_delta", 0.01, 0.2),
    )
    rho = k.param("rho|decay", 0.8, 0.99)
    si = k.let("s_new|avg_sq", rho * s.own + v.times(g, g) * (1.0 - rho))
    ratio = v.each(
        lambda q: wp.sqrt(q + 1.0e-6),
        v.over(d.own + construct(v.type, 1.0e-6), si + construct(v.type, 1.0e-6)),
    )
    dx = k.let("dx|delta|move", v.times(ratio, g))
    s.store(si)
    d.store(rho * d.own + v.times(dx, dx) * (1.0 - rho))
    return dx * lr


def _rprop(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, lr: Expr, x: Field
) -> Expr:
    last = v.inout("prev_grad|last_grads|g_old")
    size = v.inout("step_size|deltas|per_param_step", 0.01, 0.1)
    agree = k.let("agree|sign_match|same", v.times(g, last.own))
    up, down = k.param("eta_plus|grow", 1.1, 1.3), k.param("eta_minus|shrink", 0.4, 0.6)

    nested = p.chance(0.5)

    def adapt(s: Expr, a: Expr) -> Expr:
        grown = wp.min(s * up, 0.5)
        if nested:
            return choose(a > 0.0, grown, choose(a < 0.0, wp.max(s * down, 1.0e-4), s))
        return wp.where(a > 0.0, grown, wp.max(s * down, 1.0e-4))

    if v.width == 1:
        si = k.let("s_new|delta_i|step_i", adapt(size.own, agree))
    else:
        si = k.let(
            "s_new|delta_i|step_i",
            construct(v.type, *(adapt(size.own[c], agree[c]) for c in range(v.width))),
        )
    size.store(si)
    last.store(g)
    return v.times(wp.sign(g), si) * (lr * 10.0)


METHODS: dict[str, Callable[..., Expr]] = {
    "sgd": _sgd, "momentum": _momentum, "nesterov": _nesterov, "adam": _adam, "adamw": _adam, "amsgrad": _amsgrad,
    "adamax": _adamax, "adagrad": _adagrad, "rmsprop": _rmsprop, "lion": _lion, "adadelta": _adadelta, "rprop": _rprop,
}  # fmt: skip
