"""First-order updates: an intent of optimisation_steps."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr

_WORDS = {
    "sgd": "sgd_step|gradient_descent|apply_gradients",
    "momentum": "momentum_step|sgd_momentum|heavy_ball",
    "nesterov": "nesterov_step|accelerated_gradient",
    "adam": "adam_step|adam_update|apply_adam",
    "adamw": "adamw_step|adamw_update|decoupled_adam",
    "adagrad": "adagrad_step|adagrad_update",
    "rmsprop": "rmsprop_step|rmsprop_update",
    "lion": "lion_step|lion_update|sign_momentum",
    "adadelta": "adadelta_step|adadelta_update",
    "rprop": "rprop_step|resilient_step",
    "amsgrad": "amsgrad_step|amsgrad_update",
    "adamax": "adamax_step|adamax_update",
}


class Variable:
    """The optimised unknown of this thread: a scalar or a vector, and how to measure it."""

    def __init__(self, p: ProgramBuilder, e: Entities) -> None:
        self.p, self.e, self.k = p, e, e.k
        self.width = p.weighted({1: 6, 3: 3, 2: 1, 4: 0.7})
        self.type: T.Type = p.real if self.width == 1 else p.vec(self.width)

    def inout(self, hint: str, low: float = -1.0, high: float = 1.0) -> Field:
        """State that the step updates."""
        return self.e.inout(hint, self.type, R.uniform(low, high))

    def given(self, hint: str, low: float = -1.0, high: float = 1.0) -> Field:
        """An input of the step."""
        return self.e.field(hint, self.type, R.uniform(low, high))

    def times(self, a: Expr, b: Expr) -> Expr:
        """Component-wise product."""
        return a * b if self.width == 1 else wp.cw_mul(a, b)

    def over(self, a: Expr, b: Expr) -> Expr:
        """Component-wise quotient."""
        return a / b if self.width == 1 else wp.cw_div(a, b)

    def each(self, form: Callable[[Expr], Expr], v: Expr) -> Expr:
        """A scalar function of every component."""
        if self.width == 1:
            return form(v)
        return construct(self.type, *(form(v[c]) for c in range(self.width)))

    def size(self, v: Expr) -> Expr:
        """Magnitude."""
        return wp.abs(v) if self.width == 1 else wp.length(v)

    def square(self, v: Expr) -> Expr:
        """Squared magnitude."""
        return v * v if self.width == 1 else wp.dot(v, v)


def first_order(p: ProgramBuilder) -> None:
    """One step of a gradient method."""
    method = p.weighted(
        {
            "sgd": 2,
            "momentum": 2,
            "nesterov": 1.5,
            "adam": 4,
            "adamw": 2.5,
            "adagrad": 1.2,
            "rmsprop": 1.5,
            "lion": 1.2,
            "adadelta": 0.8,
            "rprop": 1,
            "amsgrad": 0.8,
            "adamax": 0.8,
        }
    )
    k = p.kernel_builder(
        _WORDS[method],
        p.pick(
            "One optimiser step.",
            "Update of every parameter from its gradient.",
            "Fused optimiser update.",
            "Parameters and optimiser state are updated in place.",
        ),
    )
    e = Entities(k, p.pick("param", "variable", "dof", "parameter"), index="i|tid|idx")
    v = Variable(p, e)
    x = v.inout("params|x|theta|weights")
    grad = v.given("grads|g|gradients|grad")
    _skip(p, k, e)
    g = k.var("g|gi|grad_i", grad.own)
    _condition(p, k, e, v, g, x)
    lr = _rate(p, k, e)
    step = _METHODS[method](p, k, e, v, g, lr, x)
    new = k.var("x_new|updated|xi", x.own - step if step is not None else x.own)
    if method == "adamw" or p.chance(0.15):
        decay = k.param("weight_decay|wd|lam", 1e-4, 1e-2)
        k.aug(new, "-", x.own * (lr * decay))
    _constrain(p, k, e, v, new, x)
    if p.chance(0.15):
        shadow = v.inout("ema_params|shadow|averaged")
        rate = k.param("ema_decay|polyak|tau", 0.9, 0.999)
        shadow.store(shadow.own * rate + new * (1.0 - rate))
    x.store(new)
    if p.chance(0.2):
        grad_out = e.out("step_norms|update_size|deltas", p.real)
        grad_out.store(v.size(g))


def _skip(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    match p.pick("none", "none", "guard", "finite", "group"):
        case "guard":
            e.guard()
        case "finite":
            bad = k.array("found_inf|overflow|skip_step", T.I32, (e.worlds or 1,), R.zeros())
            with k.when(bad[e.world if e.world is not None else 0] != 0):
                k.ret()
        case "group":
            frozen = e.field("frozen|is_frozen|requires_grad", T.BOOL, R.mask(0.75)).own
            with k.when(negate(frozen)):
                k.ret()


def _condition(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, x: Field
) -> None:
    """What happens to the gradient first."""
    for what in p.sample(["scale", "decay", "clip_value", "clip_norm", "nan", "noise"], 0, 2):
        match what:
            case "scale":
                k.set(g, g * k.param("grad_scale|inv_scale|loss_scale_inv", 0.1, 1.0))
            case "decay":
                k.aug(g, "+", x.own * k.param("l2|weight_decay|lam_reg", 1e-4, 1e-2))
            case "clip_value":
                c = k.param("clip_value|max_grad|clip", 0.2, 1.0)
                k.set(g, v.each(lambda q, c=c: wp.clamp(q, -c, c), g))
            case "clip_norm":
                total = k.array(
                    "grad_norm_sq|global_norm_sq|norm_acc",
                    p.real,
                    (e.worlds or 1,),
                    R.uniform(0.5, 4.0),
                )
                norm = k.let(
                    "norm|gnorm|global_norm", wp.sqrt(total[e.world if e.world is not None else 0])
                )
                limit = k.param("max_norm|clip_norm|norm_limit", 0.5, 2.0)
                if p.chance(0.5):
                    with k.when(norm > limit):
                        k.aug(g, "*", limit / norm)
                else:
                    k.set(g, g * wp.min(limit / wp.max(norm, 1.0e-6), 1.0))
            case "nan":
                if v.width == 1:
                    with k.when(negate(wp.isfinite(g)) if p.chance(0.5) else wp.isnan(g)):
                        k.set(g, 0.0)
            case "noise":
                k.aug(
                    g,
                    "+",
                    v.given("noise|perturbation|langevin").own
                    * k.param("noise_scale|temperature|sigma", 1e-3, 0.1),
                )


def _rate(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Expr:
    """Learning rate, constant or from a schedule."""
    kind = p.weighted(
        {"plain": 5, "warmup": 1.5, "cosine": 1.5, "inverse": 1, "per_item": 1.2, "world": 1}
    )
    if kind == "per_item":
        return e.property("lr|learning_rate|step_sizes", 1e-3, 0.1)
    if kind == "world":
        return e.world_param("lr|learning_rate|alpha", 1e-3, 0.1)
    base = k.param("lr|learning_rate|base_lr|alpha", 1e-3, 0.1)
    if kind == "plain":
        return base
    step = k.count("step|iteration|t|step_count", p.pick(10, 50, 100, 500))
    horizon = float(p.pick(100, 200, 1000))

    def body(b: Block, lr: Expr, t: Expr) -> Expr:
        s = construct(p.real, t)
        if kind == "warmup":
            return (
                lr * wp.min(s / horizon, 1.0)
                if p.chance(0.5)
                else choose(s < horizon, lr * s / horizon, lr)
            )
        if kind == "cosine":
            return 0.5 * lr * (1.0 + wp.cos(3.14159265 * wp.min(s / (10.0 * horizon), 1.0)))
        return lr / wp.sqrt(1.0 + s / horizon)

    return k.let(
        "rate|eta|lr_t",
        piece(
            p,
            k,
            f"{kind}_schedule|learning_rate_at|schedule",
            {"lr|base": base, "t|step": step},
            body,
            "",
            0.7,
        ),
    )


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
    return (
        v.over(
            g, v.each(lambda q: wp.sqrt(q) + 1.0e-6 if p.chance(0.5) else wp.sqrt(q + 1.0e-8), si)
        )
        * lr
    )


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

    def adapt(s: Expr, a: Expr) -> Expr:
        grown = wp.min(s * up, 0.5)
        return (
            choose(a > 0.0, grown, choose(a < 0.0, wp.max(s * down, 1.0e-4), s))
            if p.chance(0.5)
            else wp.where(a > 0.0, grown, wp.max(s * down, 1.0e-4))
        )

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


_METHODS: dict[str, Callable[..., Expr]] = {
    "sgd": _sgd, "momentum": _momentum, "nesterov": _nesterov, "adam": _adam, "adamw": _adam, "amsgrad": _amsgrad,
    "adamax": _adamax, "adagrad": _adagrad, "rmsprop": _rmsprop, "lion": _lion, "adadelta": _adadelta, "rprop": _rprop,
}  # fmt: skip


def _constrain(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, new: Expr, old: Field
) -> None:
    match p.weighted({"none": 6, "box": 2, "step": 1, "norm": 1, "positive": 0.8, "given": 1}):
        case "box":
            low, high = k.param("lower|x_min|lo", 0.1, 0.6), k.param("upper|x_max|hi", 0.7, 2.0)
            k.set(new, v.each(lambda q: wp.clamp(q, -low, high), new))
        case "given" if v.width == 1:
            low, high = (
                e.field("lower|lb|x_low", p.real, R.uniform(-1.0, -0.2)),
                e.field("upper|ub|x_high", p.real, R.uniform(0.2, 1.0)),
            )
            if p.chance(0.5):
                k.set(new, wp.clamp(new, low.own, high.own))
            else:
                hits = k.out("active_bounds|num_clamped|at_bound", T.I32, (e.worlds or 1,))
                with k.when(any_of(new < low.own, new > high.own)):
                    k.set(new, wp.min(wp.max(new, low.own), high.own))
                    k.do(wp.atomic_add(hits, e.world if e.world is not None else 0, 1))
        case "step":
            limit = k.param("max_step|trust|step_limit", 0.05, 0.5)
            d = k.let("d|delta|move", new - old.own)
            size = k.let("size|len_d|step_len", v.size(d))
            with k.when(size > limit):
                k.set(new, old.own + d * (limit / size))
        case "norm" if v.width > 1:
            if p.chance(0.5):
                k.set(new, wp.normalize(new))
            else:
                radius = k.param("radius|ball|max_radius", 0.5, 1.5)
                size = k.let("size|len_x|r", wp.length(new))
                with k.when(size > radius):
                    k.aug(new, "*", radius / size)
        case "positive":
            k.set(new, v.each(lambda q: wp.max(q, p.pick(0.0, 1e-4)), new))
