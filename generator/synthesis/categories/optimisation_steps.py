"""Optimisation: first-order updates, least-squares assembly and solves, proximal steps, line search, swarms, projections."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._numerics import add_at, robust_cost, robust_weight, solve_small
from generator.synthesis.categories._opt_search import candidates, line_search, swarm
from generator.synthesis.categories._opt_small import descent, small_kernel
from generator.synthesis.categories._opt_updates import gradient_step
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, Operand


@category("optimisation_steps", version=1, title="Optimisation steps")
def write(p: ProgramBuilder) -> None:
    """Steps of numerical optimisers: stochastic first-order updates, Gauss-Newton assembly and damped solves, proximal and
    ADMM steps, projections on feasible sets, line searches, conjugate directions and population-based sampling."""
    p.real = T.F64 if p.on("double") else T.F32
    intents = {
        gradient_step: 3.2, _assembly: 2.2, _damped_solve: 1.1, _proximal: 1.6, _projection: 1.3, line_search: 1.4,
        candidates: 0.7, swarm: 1.7, _direction: 1.1, small_kernel: 3.4, descent: 2.6,
    }  # fmt: skip
    p.weighted(intents)(p)


# --- least squares --------------------------------------------------------------------------------

_MODELS = {
    "exponential": 3,
    "gaussian": 3,
    "logistic": 3,
    "sinusoid": 3,
    "power": 2,
    "quadratic": 3,
    "decay": 2,
    "michaelis": 2,
}


def _model(p: ProgramBuilder, b: Block, form: str, q: Name, t: Expr) -> tuple[Expr, list[Operand]]:
    """Prediction of a curve and its derivatives with respect to the parameters."""
    if form == "exponential":
        e = b.let("e|ex|decayed", wp.exp(-q[1] * t))
        return q[0] * e + q[2], [e, -q[0] * t * e, 1.0]
    if form == "decay":
        e = b.let("e|ex|decayed", wp.exp(-q[1] * t))
        return q[0] * e, [e, -q[0] * t * e]
    if form == "gaussian":
        d = b.let("d|dt|offset", t - q[1])
        g = b.let("g|bell|shape", wp.exp(-0.5 * d * d / (q[2] * q[2])))
        return q[0] * g, [g, q[0] * g * d / (q[2] * q[2]), q[0] * g * d * d / (q[2] * q[2] * q[2])]
    if form == "logistic":
        s = b.let("s|sig|sigmoid", 1.0 / (1.0 + wp.exp(-q[1] * (t - q[2]))))
        slope = b.let("slope|ds|dsig", q[0] * s * (1.0 - s))
        return q[0] * s, [s, slope * (t - q[2]), -slope * q[1]]
    if form == "sinusoid":
        phase = b.let("phase|arg|angle", q[1] * t + q[2])
        c = b.let("c|cos_p", q[0] * wp.cos(phase))
        return q[0] * wp.sin(phase), [wp.sin(phase), c * t, c]
    if form == "power":
        y = b.let("tp|powered", wp.pow(t, q[1]))
        return q[0] * y, [y, q[0] * y * wp.log(t)]
    if form == "michaelis":
        den = b.let("den|denom|total", q[1] + t)
        return q[0] * t / den, [t / den, -q[0] * t / (den * den)]
    return q[0] + t * (q[1] + t * q[2]), [1.0, t, t * t]


def _assembly(p: ProgramBuilder) -> None:
    """Normal equations of a nonlinear curve fit, one residual a thread or one problem a thread."""
    form = p.weighted(_MODELS)
    m = _MODELS[form]
    k = p.kernel_builder(
        "assemble_normal_equations|accumulate_jtj|gauss_newton_assemble|linearize|build_hessian|residual_jacobian",
        p.pick("Linearise every residual and add it to the normal equations.", f"Gauss-Newton terms of a {form} model.", "Accumulate JtJ and Jtr over the observations."),
    )  # fmt: skip
    if p.chance(0.35):
        _assembly_per_problem(p, k, form, m)
        return
    e = Entities(k, p.pick("obs", "sample", "measurement", "residual"))
    t = e.field("times|t_obs|xs|abscissa", p.real, R.uniform(0.2, 3.0))
    y = e.field("observed|ys|measurements|targets", p.real, R.uniform(0.0, 2.0))
    worlds = e.worlds or 1
    params = k.array("params|theta|estimate|coeffs", p.vec(m), (worlds,), R.uniform(0.5, 1.5))
    e.guard()
    where = e.world if e.world is not None else 0
    q = k.let("q|p|theta_i|c", params[where])
    tt = t.read("t|ti|x_i")
    predicted, slopes = _model(p, k, form, q, tt)
    r = k.let("r|res|residual", y.own - predicted)
    jac = k.let("jac|j_row|dr|grad_f", construct(p.vec(m), *slopes))
    w = _weight(p, k, e, r)
    scaled = jac if w is None else k.let("wj|weighted|jw", jac * w)
    layout = p.pick("mat", "flat", "store", "mat")
    if layout == "store":
        e.out("jacobian|jac_out|j_rows", p.vec(m)).store(scaled)
        e.out("residuals|res_out|r_out", p.real).store(r if w is None else r * w)
    elif layout == "mat":
        add_at(k, k.out("jtj|hessian|normal_matrix|ata", p.mat(m), (worlds,)), where, wp.outer(scaled, jac))
        add_at(k, k.out("jtr|gradient|rhs|atb", p.vec(m), (worlds,)), where, scaled * r)
    else:
        h = k.out("hessian|jtj|lhs", p.real, (worlds, m, m))
        g = k.out("gradient|jtr|rhs", p.real, (worlds, m))
        with k.loop("a|row|i_p", m) as a:
            add_at(k, g, (where, a), scaled[a] * r)
            with k.loop("b|col|j_p", a + 1 if p.chance(0.5) else m) as b:
                add_at(k, h, (where, a, b), scaled[a] * jac[b])
    if layout != "store" or p.chance(0.5):
        cost = k.out("cost|total_cost|chi2|loss", p.real, (worlds,))
        add_at(
            k,
            cost,
            where,
            0.5 * r * r if p.chance(0.6) else robust_cost(p, k, r, k.param("loss_scale|sigma|cutoff", 0.3, 2.0)),
        )


def _weight(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr) -> Name | None:
    form = p.weighted({"none": 2.5, "sigma": 2, "robust": 3.5, "both": 1})
    if form == "none":
        return None
    parts: list[Expr] = []
    if form in ("sigma", "both"):
        s = e.field("sigmas|std|uncertainty", p.real, R.uniform(0.5, 2.0)).own
        parts.append(1.0 / (s * s))
    if form in ("robust", "both"):
        parts.append(robust_weight(p, k, r, k.param("delta|robust_scale|tuning|huber_delta", 0.2, 2.0)))
    return k.let("w|weight|wi", parts[0] if len(parts) == 1 else parts[0] * parts[1])


def _assembly_per_problem(p: ProgramBuilder, k: KernelBuilder, form: str, m: int) -> None:
    """A few Gauss-Newton or damped iterations of an independent fit per thread."""
    e = Entities(k, p.pick("pixel", "curve", "voxel", "problem"), layouts=p.chance(0.3))
    count = p.pick(8, 12, 16, 24)
    ts = k.array("times|t_obs|abscissa|xs", p.real, (count,), R.ascending(0.2, 2.5))
    worlds = () if e.worlds is None else (e.worlds,)
    data = k.array("samples|signal|ys|measurements", p.real, (*worlds, e.n, count), R.uniform(0.2, 1.5))
    guess = e.field("initial|guess|init_params", p.vec(m), R.uniform(0.6, 1.4))
    e.guard()
    q = k.var("q|theta|est", guess.own)
    damping = k.param("damping|lam|mu|levenberg", 0.05, 1.0)
    rounds = k.count("iterations|max_iters|num_iters", p.pick(1, 2, 4))
    cost = k.var("cost|chi2|sse", 0.0, p.real)
    with k.loop("it|iteration|step", rounds):
        h = k.var("h|jtj|ata", construct(p.mat(m), 0.0))
        g = k.var("g|jtr|atb", construct(p.vec(m), 0.0))
        k.set(cost, cast(p.real, 0.0))
        with k.loop("s|obs|j", ts.dim(0) if p.chance(0.5) else k.count("num_samples|n_obs", count)) as s:
            t = k.let("t|ts_j|x_s", ts[s])
            predicted, slopes = _model(p, k, form, q, t)
            sample = data[e.index, s] if e.world is None else data[e.world, e.index, s]
            r = k.let("r|res", sample - predicted)
            j = k.let("jac|j_row|row", construct(p.vec(m), *slopes))
            if p.chance(0.35):
                w = k.let(
                    "w|weight",
                    robust_weight(
                        p, k, r, k.param("delta|robust_scale", 0.2, 2.0), p.pick("cauchy", "geman", "welsch")
                    ),
                )
                k.aug(h, "+", wp.outer(j, j) * w)
                k.aug(g, "+", j * (w * r))
            else:
                k.aug(h, "+", wp.outer(j, j))
                k.aug(g, "+", j * r)
            k.aug(cost, "+", r * r)
        with k.loop("d|diag|a", m) as d:
            k.set(h[d, d], h[d, d] + damping)
        delta = k.let("delta|dq|step_q", solve_small(p, k, h, g))
        limit = k.param("max_step|trust|step_limit", 0.05, 0.4)
        size = k.let("size|norm|len_d", wp.length(delta))
        k.set(q, q + delta * wp.min(limit / wp.max(size, 1.0e-6), 1.0))
        if p.chance(0.5):
            with k.when(size < k.param("tol|tolerance|eps", 1.0e-6, 1.0e-4)):
                k.brk()
    e.out("params_out|fitted|estimates", p.vec(m)).store(q)
    if p.chance(0.6):
        e.out("final_cost|chi2_out|sse_out", p.real).store(cost)
    else:
        peak = k.out("worst_cost|max_cost", p.real, (1,))
        k.do(wp.atomic_max(peak, 0, cost))


def _damped_solve(p: ProgramBuilder) -> None:
    """Levenberg-Marquardt: damp, solve, accept or reject."""
    m = p.pick(2, 3, 3, 4, 6)
    k = p.kernel_builder(
        "lm_step|levenberg_marquardt_step|damped_solve|solve_normal_equations|trust_region_update|gn_update",
        p.pick(
            "Solve the damped normal equations of every problem.", "One Levenberg-Marquardt step with step control."
        ),
    )
    e = Entities(k, p.pick("problem", "pose", "joint", "camera"), count=p.pick(32, 48, 64, 100))
    h = e.field("jtj|hessians|normal_matrices", p.mat(m), R.spd(0.5, 4.0))
    g = e.field("jtr|gradients|rhs", p.vec(m), R.uniform(-1.0, 1.0))
    x = e.inout("params|x|theta|estimates", p.vec(m), R.uniform(-1.0, 1.0))
    lam = e.inout("lambdas|damping|mu", p.real, R.uniform(0.01, 1.0))
    e.guard()
    damping = lam.read("lam|mu_i|damp")
    a = k.var("a|damped|hd", h.own)
    scaled = p.chance(0.5)
    with k.loop("d|i_d|c", m) as d:
        k.set(a[d, d], a[d, d] * (1.0 + damping) if scaled else a[d, d] + damping)
    grad = g.read("grad|b|gi")
    delta = k.let("delta|dx|step", solve_small(p, k, a, grad))
    if p.chance(0.35):
        x.store(x.own + delta)
        e.out("step_norm|update_norm|delta_len", p.real).store(wp.length(delta))
        lam.store(damping * k.param("decrease|shrink|nu", 0.1, 0.7))
        return
    k.step(p.pick("gain ratio", "accept or reject", ""))
    old, new = (
        e.field("cost|old_cost|prev_cost", p.real, R.uniform(1.0, 3.0)),
        e.field("trial_cost|new_cost|cost_new", p.real, R.uniform(0.5, 3.0)),
    )
    model = damping * wp.dot(delta, delta) if not scaled else wp.dot(delta, a * delta)
    predicted = k.let("predicted|model_decrease|expected", 0.5 * (wp.dot(delta, grad) + model))
    rho = k.let("rho|gain|ratio", (old.own - new.own) / wp.max(predicted, 1.0e-12))
    accept = rho > k.param("min_gain|accept_ratio|eta1", 0.001, 0.2)
    with k.when(all_of(accept, predicted > 0.0) if p.chance(0.4) else accept):
        x.store(x.own + delta)
        if p.chance(0.4):
            t = k.let("t|cubic|u", 2.0 * rho - 1.0)
            lam.store(damping * wp.max(1.0 - t * t * t, 1.0 / 3.0))
        else:
            lam.store(wp.max(damping * k.param("decrease|shrink|down", 0.1, 0.6), 1.0e-7))
    with k.otherwise():
        lam.store(wp.min(damping * k.param("increase|grow|up", 2.0, 10.0), 1.0e6))
        if p.chance(0.5):
            add_at(k, k.out("rejected|num_rejected|failures", T.I32, (1,)), 0, 1)


# --- proximal steps -------------------------------------------------------------------------------


def _prox(p: ProgramBuilder, k: KernelBuilder, v: Expr, lam: Expr) -> Expr:
    """The proximal operator of a common penalty."""
    vector = isinstance(v.type, T.Vec)
    form = (
        p.pick("group", "ball", "ridge")
        if vector
        else p.pick("soft", "soft", "elastic", "nonneg", "hard", "huber", "log")
    )
    extra = k.param("ridge|l2|mu2|alpha2", 0.1, 1.0) if form in ("elastic", "log") else None

    def body(b: Block, x: Expr, w: Expr, *more: Expr) -> Expr:
        if form == "group":
            size = b.let("size|norm|len_x", wp.length(x))
            return x * wp.max(1.0 - w / wp.max(size, 1.0e-9), 0.0)
        if form == "ball":
            return x * wp.min(w / wp.max(wp.length(x), 1.0e-9), 1.0)
        if form == "ridge":
            return x / (1.0 + w)
        if form == "nonneg":
            return wp.max(x - w, 0.0)
        if form == "hard":
            return wp.where(wp.abs(x) > w, x, x * 0.0)
        if form == "huber":
            return wp.where(wp.abs(x) > w + 1.0, x - wp.sign(x) * w, x / (1.0 + w))
        shrunk = wp.sign(x) * wp.max(wp.abs(x) - w, 0.0) if p.chance(0.5) else wp.max(x - w, 0.0) - wp.max(-x - w, 0.0)
        if form == "log":
            return shrunk / (1.0 + w / (wp.abs(x) + more[0]))
        return shrunk / (1.0 + w * more[0]) if more else shrunk

    args = {"x|v|u": v, "lam|t|threshold|tau": lam} | ({"mu|eps|alpha": extra} if extra is not None else {})
    doc = p.pick("", "Proximal operator of the penalty.", "Shrinkage.")
    return piece(
        p,
        k,
        f"prox_{form}|shrink|soft_threshold|proximal" if form != "ball" else "project_ball|prox_ball",
        args,
        body,
        doc,
        0.7,
    )


def _proximal(p: ProgramBuilder) -> None:
    """ISTA, FISTA and ADMM updates."""
    form = p.pick("ista", "fista", "admm", "admm", "consensus", "primal_dual")
    k = p.kernel_builder(
        f"{form}_step|proximal_step|{form}_update|splitting_update|shrinkage_step",
        p.pick("Proximal update.", f"One {form.upper()} iteration.", "Splitting step on every variable."),
    )
    e = Entities(k, p.pick("variable", "coeff", "unknown", "entry"))
    t: T.Type = p.real if p.chance(0.6) else p.vec(p.pick(2, 3))
    lam = e.property("lam|threshold|tau|l1_weight", 0.02, 0.5)
    x = e.inout("x|primal|solution|coeffs", t, R.uniform(-1.0, 1.0))
    if form in ("ista", "fista"):
        g = e.field("grads|gradient|residual_corr", t, R.uniform(-1.0, 1.0))
        e.guard()
        step = k.param("step_size|inv_lipschitz|tau_step", 0.01, 0.5)
        base = e.field("extrapolated|y|momentum_point", t, R.uniform(-1.0, 1.0)) if form == "fista" else x
        v = k.let("v|forward|moved", base.own - g.own * step)
        new = k.let("x_new|shrunk|z", _prox(p, k, v, lam * step))
        if form == "fista":
            beta = k.param("beta|momentum|extrapolation", 0.1, 0.95)
            e.out("y_out|extrapolated_out|y_next", t).store(new + (new - x.own) * beta)
        if p.chance(0.5):
            size = new - x.own
            add_at(
                k,
                k.out("change|delta_sq|progress", p.real, (1,)),
                0,
                size * size if t == p.real else wp.dot(size, size),
            )
        x.store(new)
        return
    u = e.inout("u|duals|dual|multipliers", t, R.uniform(-0.5, 0.5))
    z = e.inout("z|split|copies|aux", t, R.uniform(-1.0, 1.0))
    e.guard()
    rho = e.world_param("rho|penalty|admm_rho", 0.5, 4.0)
    if form == "primal_dual":
        _primal_dual(p, e, t, x, u, z, lam, rho)
        return
    relaxed = x.own
    if p.chance(0.4):
        a = k.param("relaxation|alpha|over_relax", 1.1, 1.8)
        relaxed = k.let("x_hat|relaxed|xr", x.own * a + z.own * (1.0 - a))
    if form == "consensus":
        anchor = e.field("observations|b|anchor|noisy", t, R.uniform(-1.0, 1.0))
        relaxed = k.let("x_new|local_x|xi", (anchor.own + (z.own - u.own) * rho) / (1.0 + rho))
        x.store(relaxed)
    old = z.read("z_old|z_prev|zi")
    new = k.let("z_new|zn|shrunk", _prox(p, k, relaxed + u.own, lam / rho))
    u.store(u.own + relaxed - new)
    z.store(new)
    if p.chance(0.6):
        k.step(p.pick("residuals", "stopping test", ""))
        gap, move = relaxed - new, (new - old) * rho
        sums = k.out("residuals|primal_dual_res|norms", p.real, (2,))
        add_at(k, sums, 0, gap * gap if t == p.real else wp.dot(gap, gap))
        add_at(k, sums, 1, move * move if t == p.real else wp.dot(move, move))


def _primal_dual(
    p: ProgramBuilder, e: Entities, t: T.Type, x: object, u: object, z: object, lam: Expr, rho: Expr
) -> None:
    """One Chambolle-Pock iteration on a chain with forward differences."""
    k = e.k
    i = e.index
    last = e.count() - 1
    zero = construct(t, 0.0)
    xf, uf, zf = x, u, z
    diff = k.var("dx|diff|grad", zero)  # type: ignore[arg-type]
    with k.when(i < last):
        k.set(diff, zf[i + 1] - zf[i])  # type: ignore[index]
    dual = k.let("dual_new|un|y_i", uf.own + diff * rho)  # type: ignore[attr-defined]
    if t == p.real:
        uf.store(wp.clamp(dual, -lam, lam))  # type: ignore[attr-defined]
    else:
        uf.store(dual * wp.min(lam / wp.max(wp.length(dual), 1.0e-9), 1.0))  # type: ignore[attr-defined]
    xf.store(xf.own * 0.5 + zf.own * 0.5 if p.chance(0.5) else (xf.own + zf.own * rho) / (1.0 + rho))  # type: ignore[attr-defined]


# --- projections ----------------------------------------------------------------------------------


def _projection(p: ProgramBuilder) -> None:
    """A gradient step followed by the projection on a feasible set."""
    form = p.pick("simplex", "ball", "box", "halfspaces", "cone", "box_sum")
    k = p.kernel_builder(
        "projected_gradient|project_feasible|projected_step|enforce_constraints|constrained_update",
        p.pick("Projected gradient step.", "Step along the negative gradient and return to the feasible set.", f"Project on the {form.replace('_', ' ')} constraint."),
    )  # fmt: skip
    e = Entities(k, p.pick("agent", "point", "allocation", "sample"))
    n = p.pick(3, 4, 5) if form in ("simplex", "box_sum") else 3 if form == "cone" else p.pick(2, 3)
    t = p.vec(n)
    x = e.field("x|points|allocations|iterates", t, R.uniform(-1.0, 1.0))
    grad = e.field("grads|gradients|costs|prices", t, R.uniform(-1.0, 1.0)) if p.chance(0.7) else None
    out = e.out("x_out|projected|x_next|feasible", t)
    e.guard((out, x.own))
    y = k.var(
        "y|trial|v", x.own if grad is None else x.own - grad.own * e.property("step|tau|eta|step_size", 0.05, 0.5)
    )
    {"simplex": _simplex, "box_sum": _simplex, "ball": _ball, "box": _box, "halfspaces": _halfspaces, "cone": _cone}[
        form
    ](p, k, e, y, form)
    out.store(y)
    if p.chance(0.4):
        moved = k.let("moved|shift|d", y - x.own)
        if p.chance(0.5):
            e.out("step_len|violation|distance", p.real).store(wp.length(moved))
        else:
            add_at(k, k.out("residual|progress|total_move", p.real, (1,)), 0, wp.dot(moved, moved))


def _simplex(p: ProgramBuilder, k: KernelBuilder, e: Entities, y: Name, form: str) -> None:
    """Bisection on the multiplier of the sum constraint."""
    n = T.length_of(y.type)
    target = e.property("budget|total|mass|capacity", 0.5, 2.0)
    cap = k.param("cap|upper|max_share", 0.8, 1.5) if form == "box_sum" else None
    low = k.var("lo|low|mu_lo", wp.min(y) - target)
    high = k.var("hi|high|mu_hi", wp.max(y) * 1.0)
    rounds = k.count("bisections|max_iters|rounds", p.pick(12, 20, 30))

    def share(value: Expr, mu: Expr) -> Expr:
        return wp.max(value - mu, 0.0) if cap is None else wp.clamp(value - mu, 0.0, cap)

    def inner() -> None:
        mu = k.let("mu|mid|theta", 0.5 * (low + high))
        total = k.var("s|total_i|filled", 0.0, p.real)
        with k.loop("c|d|j", n) as c:
            k.aug(total, "+", share(y[c], mu))
        with k.when(total > target):
            k.set(low, mu)
        with k.otherwise():
            k.set(high, mu)

    if p.chance(0.4):
        it = k.var("it|iteration|trips", 0)
        tol = k.param("tol|eps|bracket_tol", 1.0e-5, 1.0e-3)
        with k.repeat(all_of(high - low > tol, it < rounds)):
            inner()
            k.aug(it, "+", 1)
    else:
        with k.loop("it|_|iteration", rounds):
            inner()
    with k.loop("c|d|j", n) as c:
        k.set(y[c], share(y[c], 0.5 * (low + high) if p.chance(0.5) else high))


def _ball(p: ProgramBuilder, k: KernelBuilder, e: Entities, y: Name, form: str) -> None:
    radius = e.property("radius|bound|max_norm", 0.3, 1.2)
    center = k.quantity("center|origin|c0", y.type, [0.1] * T.length_of(y.type)) if p.chance(0.4) else None
    d = y if center is None else k.let("d|rel|offset", y - center)
    size = k.let("size|dist|norm", wp.length(d))
    with k.when(size > radius):
        k.set(y, d * (radius / size) if center is None else center + d * (radius / size))


def _box(p: ProgramBuilder, k: KernelBuilder, e: Entities, y: Name, form: str) -> None:
    n = T.length_of(y.type)
    low, high = (
        e.field("lower|lo|l_bound", y.type, R.uniform(-1.0, -0.2)).own,
        e.field("upper|hi|u_bound", y.type, R.uniform(0.2, 1.0)).own,
    )
    active = k.var("active|at_bound|hits", 0) if p.chance(0.5) else None
    with k.loop("c|a|axis", n) as c:
        if active is not None:
            with k.when(any_of(y[c] <= low[c], y[c] >= high[c])):
                k.aug(active, "+", 1 if p.chance(0.5) else _bit(c))
        k.set(y[c], wp.clamp(y[c], low[c], high[c]))
    if active is not None:
        e.out("active_set|num_active|bound_flags", T.I32).store(active)


def _bit(axis: Expr) -> Expr:
    """The bit of an axis in a mask of active bounds."""
    return 1 << axis


def _halfspaces(p: ProgramBuilder, k: KernelBuilder, e: Entities, y: Name, form: str) -> None:
    """Cyclic projections on half-spaces."""
    m = p.pick(4, 6, 8)
    normals = k.array("normals|a_rows|planes", y.type, (m,), R.unit_vectors())
    offsets = k.array("offsets|b|levels", p.real, (m,), R.uniform(0.1, 0.8))
    with k.loop("sweep|it|cycle", k.count("sweeps|num_sweeps|cycles", p.pick(2, 3, 5))):
        worst = k.var("worst|max_gap", 0.0, p.real) if p.chance(0.4) else None
        with k.loop("h|j|plane", normals.dim(0)) as h:
            gap = k.let("gap|excess|viol", wp.dot(normals[h], y) - offsets[h])
            with k.when(gap > 0.0):
                k.set(y, y - normals[h] * gap)
                if worst is not None:
                    k.set(worst, wp.max(worst, gap))
        if worst is not None:
            with k.when(worst < k.param("tol|feas_tol|eps", 1.0e-5, 1.0e-3)):
                k.brk()


def _cone(p: ProgramBuilder, k: KernelBuilder, e: Entities, y: Name, form: str) -> None:
    """Projection on a second-order cone about the first axis."""
    mu = e.property("mu|slope|aperture|cone_mu", 0.3, 1.2)

    def body(b: Block, v: Expr, m: Expr) -> None:
        s = b.let("s|tangential|rho", wp.sqrt(v.y * v.y + v.z * v.z))
        zero = construct(v.type, 0.0)
        with b.when(s <= m * v.x):
            b.ret(v)
        with b.when(m * s <= -v.x):
            b.ret(zero)
        a = b.let("a|apex|axial", (v.x + m * s) / (1.0 + m * m))
        scale = b.let("scale|ratio|f", m * a / s)
        b.ret(construct(v.type, a, v.y * scale, v.z * scale))

    project = p.func(
        "project_cone|project_soc|cone_projection",
        {"v|x|y": y.type, "mu|slope": p.real},
        body,
        p.pick("", "Nearest point of a second-order cone."),
    )
    k.set(y, project(y, mu))


# --- directions -----------------------------------------------------------------------------------


def _direction(p: ProgramBuilder) -> None:
    """Search directions: conjugate gradients, preconditioning, limited-memory updates."""
    form = p.pick("beta", "beta", "axpy", "lbfgs", "precondition")
    k = p.kernel_builder(
        "search_direction|update_direction|conjugate_direction|compute_direction|lbfgs_direction|next_direction",
        p.pick("Next search direction.", "Combine gradient and history into a descent direction.", "Direction update of a nonlinear conjugate-gradient method."),
    )  # fmt: skip
    e = Entities(k, p.pick("variable", "vertex", "unknown", "dof"))
    t: T.Type = p.real if p.chance(0.5) else p.vec(p.pick(2, 3))
    g = e.field("grads|gradient|g", t, R.uniform(-1.0, 1.0))
    d = e.inout("directions|d|search_dir|p", t, R.uniform(-1.0, 1.0))
    e.guard((d, construct(t, 0.0)))
    if form == "lbfgs":
        _history(p, e, t, g.own, d)
        return
    if form == "precondition":
        diag = e.field("hessian_diag|jacobi|diag", p.real, R.uniform(0.5, 3.0))
        scale = k.let("scale|inv_diag|m_inv", 1.0 / wp.max(diag.own, k.param("min_diag|floor|diag_eps", 0.1, 0.8)))
        z = k.let("z|pg|preconditioned", g.own * scale)
        beta = k.param("beta|cg_beta", 0.05, 0.9)
        d.store(d.own * beta - z)
        add_at(k, k.out("dot_gz|rz|gamma", p.real, (1,)), 0, g.own * z if t == p.real else wp.dot(g.own, z))
        return
    dots = k.array("dots|reductions|inner_products", p.real, (3,), R.uniform(0.5, 2.0))
    rule = p.pick("fr", "pr", "hs", "dy")
    top = {"fr": dots[0], "pr": dots[0] - dots[2], "hs": dots[0] - dots[2], "dy": dots[0]}[rule]
    ratio = top / dots[1]
    beta = k.let("beta|cg_beta|b", wp.max(ratio, 0.0) if rule in ("pr", "hs") or p.chance(0.3) else ratio)
    new = k.let("d_new|dir_i|next_d", d.own * beta - g.own)
    if p.chance(0.5):
        slope = k.let("slope|descent|gd", new * g.own if t == p.real else wp.dot(new, g.own))
        d.store(choose(slope < 0.0, new, -g.own))
    else:
        d.store(new)
    if form == "axpy":
        alpha = e.world_param("alpha|step_length|step", 0.01, 0.5)
        x = e.inout("x|positions|solution", t, R.uniform(-1.0, 1.0))
        x.store(x.own + d.own * alpha)


def _history(p: ProgramBuilder, e: Entities, t: T.Type, g: Expr, d: object) -> None:
    """Second loop of the two-loop recursion, with coefficients from the host."""
    k = e.k
    m = p.pick(3, 4, 5, 6)
    worlds = () if e.worlds is None else (e.worlds,)
    s = k.array("s_history|steps|s_list", t, (*worlds, m, e.n), R.uniform(-1.0, 1.0))
    y = k.array("y_history|grad_diffs|y_list", t, (*worlds, m, e.n), R.uniform(-1.0, 1.0))
    alpha = k.array("alphas|alpha", p.real, (m,), R.uniform(-0.5, 0.5))
    beta = k.array("betas|beta", p.real, (m,), R.uniform(-0.5, 0.5)) if p.chance(0.6) else None
    gamma = k.param("gamma|h0|initial_scale", 0.1, 2.0)
    q = k.var("q|r|z", g * gamma)
    stored = k.scalar("stored|history_len|count", T.I32, p.pick(m, m - 1))
    with k.loop("j|h|pair", wp.min(stored, s.dim(len(worlds))) if p.chance(0.5) else stored) as j:
        at = (j, e.index) if e.world is None else (e.world, j, e.index)
        if beta is None:
            k.aug(q, "-", y[at] * (alpha[j] * gamma))
            k.aug(q, "+", s[at] * alpha[j])
        else:
            k.aug(q, "-", y[at] * (alpha[j] * gamma))
            k.aug(q, "+", s[at] * (alpha[j] - beta[j]))
    d.store(-q)  # type: ignore[attr-defined]
