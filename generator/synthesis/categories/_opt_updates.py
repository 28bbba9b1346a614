"""First-order updates of optimisers: gradient preparation, the step, and what follows it."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._numerics import add_at
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import blend, clamp_length, piece
from generator.synthesis.logic import choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_DOCS = (
    "One optimiser step.",
    "Apply the gradient to the parameters.",
    "Update parameters and optimiser state in place.",
)


class Step:
    """The state of one update kernel: items, parameter type, the gradient local."""

    def __init__(self, k: KernelBuilder) -> None:
        p = self.p = k.p
        self.k = k
        self.e = Entities(k, p.pick("param", "weight", "parameter", "variable", "vertex"))
        n = p.weighted({1: 5, 2: 0.8, 3: 2.6})
        self.t: T.Type = p.real if n == 1 else p.vec(n)
        self.n = n
        self.x: Field = self.e.inout(
            "params|theta|weights|x|values|variables", self.t, R.uniform(-1.0, 1.0)
        )

    def state(self, hint: str, t: T.Type | None = None, positive: bool = False) -> Field:
        """A per-parameter state array."""
        return self.e.inout(hint, t or self.t, R.uniform(0.01 if positive else -0.5, 0.5))

    def root(self, b: Block, v: Expr) -> Expr:
        """Componentwise square root."""
        if self.n == 1:
            return wp.sqrt(v)
        v = v if isinstance(v, Name) else b.let("v_safe|arg|sq", v)
        return piece(
            self.p,
            b,
            "sqrt_vec|cw_sqrt|elementwise_sqrt",
            {"v|a": v},
            lambda _, a: construct(self.t, *(wp.sqrt(a[i]) for i in range(self.n))),
        )

    def square(self, v: Expr) -> Expr:
        return v * v if self.n == 1 else wp.cw_mul(v, v)

    def divide(self, a: Expr, b: Expr) -> Expr:
        return a / b if self.n == 1 else wp.cw_div(a, b)

    def full(self, value: Expr | float) -> Expr | float:
        """`value` in every component."""
        return value if self.n == 1 else construct(self.t, value)


def gradient_step(p: ProgramBuilder) -> None:
    """A stochastic first-order update in place."""
    method = p.weighted(
        {
            _sgd: 2,
            _momentum: 2,
            _adam: 3,
            _adagrad: 1,
            _rmsprop: 1.2,
            _lion: 1,
            _adadelta: 0.7,
            _rprop: 0.8,
        }
    )
    word = method.__name__[1:]
    k = p.kernel_builder(
        f"{word}_step|{word}_update|{word}_kernel|apply_{word}|optimizer_step|update_params",
        p.pick(*_DOCS),
    )
    s = Step(k)
    s.e.guard()
    grad = _gradient(s)
    rate = _rate(s)
    if p.chance(0.5):
        k.step(p.pick("update", "moments and step", ""))
    method(s, grad, rate)
    for extra in p.sample([_bounds, _report, _shadow, _clear], 0, p.pick(0, 1, 2)):
        extra(s)


def _gradient(s: Step) -> Name:
    """The gradient local after the optional preparations."""
    p, k, e = s.p, s.k, s.e
    if e.world is None and p.chance(0.18):
        grad = _summed_over_batch(s)
    else:
        source = e.field("grads|gradients|grad|dtheta|g_in", s.t, R.normal(0.0, 1.0))
        scale = k.param("inv_scale|grad_scale|loss_scale_inv", 0.05, 1.0) if p.chance(0.2) else None
        grad = k.var("g|grad_i|gi|dg", source.own if scale is None else source.own * scale)
    for prepare in p.sample([_finite, _decay, _clip], 0, p.pick(0, 1, 1, 2, 3)):
        prepare(s, grad)
    return grad


def _summed_over_batch(s: Step) -> Name:
    p, k = s.p, s.k
    batch = p.pick(4, 8, 12)
    parts = k.array(
        "sample_grads|grads|per_sample_grads|batch_grads", s.t, (batch, s.e.n), R.normal(0.0, 1.0)
    )
    grad = (
        k.var("g|total|grad_sum", 0.0, p.real)
        if s.n == 1
        else k.var("g|total|grad_sum", construct(s.t, 0.0))
    )
    extent = parts.dim(0) if p.chance(0.6) else k.count("batch_size|num_samples", batch)
    with k.loop("b|sample|j", extent) as b:
        k.aug(grad, "+", parts[b, s.e.index])
    k.set(grad, grad / construct(p.real, extent))
    return grad


def _finite(s: Step, grad: Name) -> None:
    """Skips entries whose gradient overflowed."""
    p, k = s.p, s.k
    bad = negate(wp.isfinite(grad)) if p.chance(0.6) else wp.isnan(grad)
    with k.when(bad):
        if p.chance(0.6):
            add_at(k, k.out("num_bad|overflow_count|skipped", T.I32, (1,)), 0, 1)
        k.ret()


def _decay(s: Step, grad: Name) -> None:
    p, k = s.p, s.k
    weight = k.param("weight_decay|l2|decay|wd", 0.001, 0.1)
    if p.chance(0.3):
        with k.when(weight > 0.0):
            k.aug(grad, "+", s.x.own * weight)
    elif p.chance(0.3):
        anchor = s.e.field("prior|anchor|reference|initial_params", s.t, R.uniform(-1.0, 1.0))
        k.aug(grad, "+", (s.x.own - anchor.own) * weight)
    else:
        k.aug(grad, "+", s.x.own * weight)


def _clip(s: Step, grad: Name) -> None:
    p, k = s.p, s.k
    limit = k.param("clip_value|max_grad|grad_clip|clip", 0.2, 2.0)
    form = p.pick("value", "global", "own")
    if form == "global":
        total = k.array("grad_norm|global_norm|norm_sq", p.real, (1,), R.uniform(0.5, 30.0))
        norm = k.let("norm|gnorm", wp.sqrt(total[0]) if p.chance(0.5) else total[0])
        with k.when(norm > limit):
            k.aug(grad, "*", limit / norm) if p.chance(0.5) else k.set(grad, grad * (limit / norm))
    elif s.n == 1:
        k.set(
            grad,
            wp.clamp(grad, -limit, limit) if p.chance(0.7) else wp.max(wp.min(grad, limit), -limit),
        )
    elif form == "own":
        clamp_length(p, k, grad, limit, "g_len|g_norm")
    else:
        with k.loop("c|a|d", s.n) as c:
            k.set(grad[c], wp.clamp(grad[c], -limit, limit))


def _rate(s: Step) -> Expr:
    """The learning rate: constant, per group, or scheduled."""
    p, k = s.p, s.k
    base = s.e.property("lr|learning_rate|step_size|alpha", 0.001, 0.1)
    form = p.weighted(
        {"plain": 6, "cosine": 0.8, "warmup": 0.9, "exponential": 0.8, "inverse": 0.7}
    )
    if form == "plain":
        return base
    step = k.scalar("step|iteration|it|epoch", T.I32, p.pick(3, 20, 75))
    horizon = k.scalar("total_steps|decay_steps|num_steps|horizon", T.I32, p.pick(100, 200, 500))

    def body(b: Block, lr: Expr, now: Expr, total: Expr) -> Expr:
        t = b.let("t|progress|frac", cast(p.real, now) / cast(p.real, total))
        if form == "cosine":
            return lr * 0.5 * (1.0 + wp.cos(3.14159265 * t))
        if form == "warmup":
            return lr * wp.min(t, 1.0)
        if form == "exponential":
            return lr * wp.exp(-t) if p.chance(0.5) else lr * wp.pow(t * 0.0 + 0.5, t)
        return lr / (1.0 + t)

    args = {"lr|base": base, "step|now": step, "total|horizon": horizon}
    return k.let(
        "rate|lr_t|eta", piece(p, k, f"{form}_schedule|schedule|learning_rate_at", args, body)
    )


def _apply(s: Step, delta: Expr) -> None:
    if s.p.chance(0.5):
        s.x.store(s.x.own - delta)
        return
    s.x.store(s.k.let("x_new|theta_new|updated", s.x.own - delta))


def _sgd(s: Step, g: Name, lr: Expr) -> None:
    if s.p.chance(0.3):
        direction = wp.sign(g) if s.n == 1 else wp.normalize(g)
        _apply(s, direction * lr)
    else:
        _apply(s, g * lr if s.p.chance(0.6) else lr * g)


def _momentum(s: Step, g: Name, lr: Expr) -> None:
    p, k = s.p, s.k
    beta = k.param("momentum|mu|beta", 0.8, 0.99)
    buffer = s.state("velocity|momentum_buf|vel|moment")
    form = p.pick("torch", "classic", "nesterov", "dampened")
    if form == "classic":
        v = k.let("v|vel_i|u", buffer.own * beta - g * lr)
        buffer.store(v)
        s.x.store(s.x.own + v)
        return
    kick = g * (1.0 - beta) if form == "dampened" else g
    v = k.let("v|vel_i|u", buffer.own * beta + kick)
    buffer.store(v)
    _apply(s, (g + v * beta) * lr if form == "nesterov" else v * lr)


def _adam(s: Step, g: Name, lr: Expr) -> None:
    p, k = s.p, s.k
    b1, b2 = k.param("beta1|b1", 0.85, 0.95), k.param("beta2|b2", 0.95, 0.999)
    eps = k.param("eps|epsilon", 1.0e-8, 1.0e-6) if p.chance(0.7) else None
    shared = s.n > 1 and p.chance(0.5)
    mf = s.state("m|exp_avg|first_moment|m1")
    vf = s.state("v|exp_avg_sq|second_moment|m2", p.real if shared else None, True)
    m = k.let(
        "m_i|m_new|mi", blend(p, g, mf.own, b1) if p.chance(0.2) else b1 * mf.own + (1.0 - b1) * g
    )
    energy = wp.dot(g, g) if shared else s.square(g)
    v = k.let("v_i|v_new|vi", b2 * vf.own + (1.0 - b2) * energy)
    mf.store(m)
    vf.store(v)
    m_hat, v_hat = _corrected(s, m, v, b1, b2)
    if p.chance(0.2):
        peak = s.state("v_max|max_exp_avg_sq|vhat", p.real if shared else None, True)
        v_hat = k.let("v_peak|vm", wp.max(peak.own, v_hat))
        peak.store(v_hat)
    root = wp.sqrt(v_hat) if shared else s.root(k, v_hat)
    floor = eps if eps is not None else 1.0e-8
    denom = k.let("denom|scale|d", root + (floor if shared else s.full(floor)))
    update = m_hat / denom if shared else s.divide(m_hat, denom)
    if p.chance(0.3):
        wd = k.param("weight_decay|decoupled_decay|lambda_wd", 0.001, 0.1)
        update = update + s.x.own * wd
    _apply(s, update * lr)


def _corrected(s: Step, m: Expr, v: Expr, b1: Expr, b2: Expr) -> tuple[Expr, Expr]:
    """Moments after bias correction."""
    p, k = s.p, s.k
    form = p.pick("step", "given", "none", "step")
    if form == "none":
        return m, v
    if form == "given":
        c1, c2 = (
            k.param("bias1|bias_correction1|c1", 0.1, 0.9),
            k.param("bias2|bias_correction2|c2", 0.05, 0.5),
        )
    else:
        t = k.let(
            "t|steps",
            cast(p.real, k.scalar("step_count|t_step|num_updates", T.I32, p.pick(1, 5, 40))),
        )
        c1, c2 = 1.0 - wp.pow(b1, t), 1.0 - wp.pow(b2, t)
    return k.let("m_hat|mh", m / c1), k.let("v_hat|vh", v / c2)


def _adagrad(s: Step, g: Name, lr: Expr) -> None:
    p, k = s.p, s.k
    total = s.state("grad_sq_sum|accumulator|sum_sq|history", None, True)
    h = k.let("h|acc|total", total.own + s.square(g))
    total.store(h)
    eps = k.param("eps|epsilon", 1.0e-8, 1.0e-5)
    _apply(
        s,
        s.divide(g, s.root(k, h) + s.full(eps)) * lr
        if p.chance(0.6)
        else s.divide(g * lr, s.root(k, h + s.full(eps))),
    )


def _rmsprop(s: Step, g: Name, lr: Expr) -> None:
    p, k = s.p, s.k
    rho = k.param("rho|smoothing|alpha_sq|decay_rate", 0.9, 0.99)
    mean_sq = s.state("mean_sq|square_avg|avg_sq|ms", None, True)
    v = k.let("v|ms_i|msq", rho * mean_sq.own + (1.0 - rho) * s.square(g))
    mean_sq.store(v)
    if p.chance(0.3):
        mean = s.state("mean_grad|grad_avg|mg")
        mu = k.let("mg_i|mu_g", rho * mean.own + (1.0 - rho) * g)
        mean.store(mu)
        root = s.root(k, wp.max(v - s.square(mu), s.full(1.0e-6)))
    else:
        root = s.root(k, v) + s.full(k.param("eps|epsilon", 1.0e-8, 1.0e-5))
    step = k.let("step_i|scaled|update", s.divide(g, root))
    if p.chance(0.35):
        beta = k.param("momentum|mu", 0.5, 0.95)
        buffer = s.state("momentum_buf|buf|velocity")
        buffer.store(buffer.own * beta + step)
        _apply(s, buffer.own * lr)
    else:
        _apply(s, step * lr)


def _lion(s: Step, g: Name, lr: Expr) -> None:
    p, k = s.p, s.k
    b1, b2 = k.param("beta1|b1", 0.85, 0.95), k.param("beta2|b2", 0.95, 0.999)
    mf = s.state("m|exp_avg|moment")
    c = k.let("c|blend|interp", mf.own * b1 + g * (1.0 - b1))
    direction = wp.sign(c) if s.n == 1 else construct(s.t, *(wp.sign(c[i]) for i in range(s.n)))
    wd = k.param("weight_decay|wd|lam", 0.001, 0.1) if p.chance(0.5) else None
    _apply(s, direction * lr if wd is None else (direction + s.x.own * wd) * lr)
    mf.store(mf.own * b2 + g * (1.0 - b2))


def _adadelta(s: Step, g: Name, lr: Expr) -> None:
    k = s.k
    rho, eps = k.param("rho|decay_rate", 0.85, 0.97), k.param("eps|epsilon", 1.0e-6, 1.0e-4)
    sq, acc = (
        s.state("avg_sq_grad|square_avg|eg2", None, True),
        s.state("avg_sq_delta|acc_delta|ed2", None, True),
    )
    v = k.let("v|sq_i", rho * sq.own + (1.0 - rho) * s.square(g))
    sq.store(v)
    ratio = s.root(k, s.divide(acc.own + s.full(eps), v + s.full(eps)))
    delta = k.let("delta|dx|update", ratio * g if s.n == 1 else wp.cw_mul(ratio, g))
    acc.store(rho * acc.own + (1.0 - rho) * s.square(delta))
    _apply(s, delta * lr)


def _rprop(s: Step, g: Name, lr: Expr) -> None:
    """Sign-based step adaptation; vectors adapt one step from the angle between gradients."""
    p, k = s.p, s.k
    last, size = (
        s.state("prev_grad|last_grad|g_prev"),
        s.state("step_sizes|delta|step_len", p.real, True),
    )
    up, down = k.param("eta_plus|grow|inc", 1.05, 1.5), k.param("eta_minus|shrink|dec", 0.3, 0.9)
    agreement = k.let("agree|same|s", g * last.own if s.n == 1 else wp.dot(g, last.own))
    step = k.var("d|step_i|h", size.own)
    with k.when(agreement > 0.0):
        k.set(step, wp.min(step * up, lr * 10.0) if p.chance(0.4) else step * up)
    with k.elsewhen(agreement < 0.0):
        k.set(step, step * down)
        if p.chance(0.5):
            k.set(g, g * 0.0)
    size.store(step)
    last.store(g)
    _apply(s, (wp.sign(g) if s.n == 1 else wp.normalize(g)) * step)


# --- after the step -------------------------------------------------------------------------------


def _bounds(s: Step) -> None:
    p, k = s.p, s.k
    k.step(p.pick("bounds", "keep parameters feasible", ""))
    if s.n > 1:
        radius = k.param("max_norm|radius|bound", 0.5, 2.0)
        norm = k.let("norm_x|x_len|size", wp.length(s.x.own))
        with k.when(norm > radius):
            s.x.store(s.x.own * (radius / norm))
    elif p.chance(0.5):
        low, high = (
            s.e.field("lower|lo|x_min", p.real, R.uniform(-0.9, -0.2)),
            s.e.field("upper|hi|x_max", p.real, R.uniform(0.2, 0.9)),
        )
        s.x.store(wp.clamp(s.x.own, low.own, high.own))
    else:
        bound = k.param("bound|limit|max_abs", 0.3, 1.0)
        s.x.store(wp.clamp(s.x.own, -bound, bound))


def _report(s: Step) -> None:
    p, k = s.p, s.k
    size = wp.abs(s.x.own) if s.n == 1 else wp.length(s.x.own)
    match p.pick("norm", "peak", "count"):
        case "norm":
            add_at(k, k.out("param_norm_sq|norm_sq_out|sum_sq_out", p.real, (1,)), 0, size * size)
        case "peak":
            k.do(wp.atomic_max(k.out("max_param|largest|peak", p.real, (1,)), 0, size))
        case "count":
            limit = k.param("sparsity_eps|tiny|zero_tol", 0.05, 0.4)
            with k.when(size < limit if p.chance(0.5) else size <= limit):
                add_at(k, k.out("num_small|near_zero|sparsity", T.I32, (1,)), 0, 1)


def _shadow(s: Step) -> None:
    """A running average of the parameters."""
    p, k = s.p, s.k
    decay = k.param("ema_decay|polyak|tau_avg", 0.9, 0.999)
    ema = s.state("ema_params|shadow|averaged|target_params")
    if p.chance(0.5):
        ema.store(ema.own * decay + s.x.own * (1.0 - decay))
    else:
        ema.store(ema.own + (s.x.own - ema.own) * (1.0 - decay))


def _clear(s: Step) -> None:
    """Marks parameters that left the trust interval around a reference."""
    p, k = s.p, s.k
    ref = s.e.field("reference_params|last_good|checkpoint", s.t, R.uniform(-1.0, 1.0))
    moved = s.x.own - ref.own
    drift = k.let("drift|change|moved", wp.abs(moved) if s.n == 1 else wp.length(moved))
    limit = k.param("trust_radius|max_drift|tolerance", 0.2, 1.0)
    flag = s.e.out("drifted|out_of_trust|changed", T.I32)
    flag.store(choose(drift > limit, 1, 0) if p.chance(0.5) else wp.where(drift > limit, 1, 0))
