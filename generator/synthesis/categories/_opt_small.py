"""Single-purpose kernels of optimisers, and whole descent loops of one problem per thread."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._numerics import add_at, objective, robust_weight
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def small_kernel(p: ProgramBuilder) -> None:
    """One vector operation between the larger steps of an optimiser."""
    p.weighted(
        {
            _axpy: 2,
            _norms: 1.5,
            _clip: 1.5,
            _weights: 1.2,
            _box: 1,
            _average: 1,
            _masked: 1,
            _restart: 1,
        }
    )(p)


def _type(p: ProgramBuilder) -> T.Type:
    return p.weighted({p.real: 3, p.vec(2): 0.7, p.vec(3): 2, p.vec(4): 0.4})


def _square(v: Expr) -> Expr:
    return v * v if isinstance(v.type, T.Scalar) else wp.dot(v, v)


def _begin(p: ProgramBuilder, hint: str, *docs: str) -> tuple[KernelBuilder, Entities, T.Type]:
    k = p.kernel_builder(hint, p.pick("", *docs))
    return k, Entities(k, p.pick("dof", "unknown", "vertex", "param")), _type(p)


def _axpy(p: ProgramBuilder) -> None:
    k, e, t = _begin(
        p,
        "axpy|update_solution|apply_step|take_step|add_scaled",
        "Add a scaled direction.",
        "y <- y + a x",
    )
    d = e.field("direction|d|x|dx", t, R.uniform(-1.0, 1.0))
    y = e.inout("solution|y|params|theta", t, R.uniform(-1.0, 1.0))
    e.guard()
    form = p.pick("param", "array", "ratio", "two")
    if form == "param":
        a: Expr = e.world_param("alpha|step|a", 0.05, 1.0)
    elif form == "array":
        a = k.array("alpha|step_length|step", p.real, (e.worlds or 1,), R.uniform(0.05, 1.0))[
            e.world if e.world is not None else 0
        ]
    else:
        dots = k.array("dots|scalars|coeffs", p.real, (2,), R.uniform(0.5, 2.0))
        a = k.let("alpha|a|step", dots[0] / dots[1])
    y.store(y.own + d.own * a if p.chance(0.6) else y.own - d.own * a)
    if form == "two":
        r, ad = (
            e.inout("residual|r|res", t, R.uniform(-1.0, 1.0)),
            e.field("ad|a_d|q|matvec", t, R.uniform(-1.0, 1.0)),
        )
        r.store(r.own - ad.own * a)


def _norms(p: ProgramBuilder) -> None:
    k, e, t = _begin(
        p,
        "gradient_norm|residual_norm|reduce_norm|norm_squared|dot_products",
        "Reduce a vector to scalars.",
        "Norm of the gradient.",
    )
    g = e.field("grad|gradients|residual|r", t, R.uniform(-1.0, 1.0))
    e.guard()
    where = e.world if e.world is not None else 0
    v = g.read("g|gi|v")
    size = wp.abs(v) if isinstance(t, T.Scalar) else wp.length(v)
    parts = p.sample(["sum", "peak", "slope", "count"], 1, 2)
    if "sum" in parts:
        add_at(k, k.out("norm_sq|sum_sq|total", p.real, (e.worlds or 1,)), where, _square(v))
    if "peak" in parts:
        k.do(
            wp.atomic_max(k.out("max_abs|inf_norm|largest", p.real, (e.worlds or 1,)), where, size)
        )
    if "slope" in parts:
        d = e.field("direction|d|search_dir", t, R.uniform(-1.0, 1.0))
        add_at(
            k,
            k.out("slope|gd|descent", p.real, (e.worlds or 1,)),
            where,
            v * d.own if t == p.real else wp.dot(v, d.own),
        )
    if "count" in parts:
        tol = k.param("tol|tolerance|grad_tol", 0.1, 0.6)
        with k.when(size > tol):
            add_at(k, k.out("num_active|not_converged|count", T.I32, (e.worlds or 1,)), where, 1)


def _clip(p: ProgramBuilder) -> None:
    k, e, t = _begin(
        p,
        "clip_gradients|clip_by_norm|limit_update|scale_gradients|sanitize_gradients",
        "Clip in place.",
        "Bound the update.",
    )
    g = e.inout("grads|gradients|updates|g", t, R.normal(0.0, 2.0))
    e.guard()
    limit = e.property("max_norm|limit|clip", 0.2, 2.0)
    if p.chance(0.3):
        with k.when(wp.isnan(g.own)):
            g.store(construct(t, 0.0))
            k.ret()
    if t == p.real and p.chance(0.5):
        g.store(wp.clamp(g.own, -limit, limit))
        return
    if p.chance(0.3):
        total = k.array("norm_sq|total_norm_sq|sum_sq", p.real, (1,), R.uniform(1.0, 30.0))
        norm = k.let("norm|n", wp.sqrt(total[0]))
    else:
        norm = k.let("norm|n|mag", wp.abs(g.own) if t == p.real else wp.length(g.own))
    if p.chance(0.5):
        with k.when(norm > limit):
            g.store(g.own * (limit / norm))
    else:
        g.store(g.own * wp.min(limit / wp.max(norm, 1.0e-9), 1.0))


def _weights(p: ProgramBuilder) -> None:
    k, e, _ = _begin(
        p,
        "irls_weights|robust_weights|reweight|update_weights|loss_weights",
        "Weights for the next least-squares solve.",
    )
    t: T.Type = p.weighted({p.real: 3, p.vec(2): 1, p.vec(3): 1})
    r = e.field("residuals|res|errors|r", t, R.normal(0.0, 1.0))
    out = e.out("weights|w|irls_w", p.real)
    e.guard((out, 0.0))
    size = r.own if t == p.real else k.let("err|size|mag", wp.length(r.own))
    scale = e.world_param("delta|scale|sigma|cutoff", 0.3, 2.0)
    w = robust_weight(p, k, size, scale)
    if p.chance(0.4):
        w = w * e.field("prior_weight|confidence|base_weight", p.real, R.uniform(0.1, 1.0)).own
    if p.chance(0.4):
        w = k.let("wi|weight|value", w)
        add_at(k, k.out("weight_sum|total_weight|effective_count", p.real, (1,)), 0, w)
    out.store(w)


def _box(p: ProgramBuilder) -> None:
    k, e, _ = _begin(
        p,
        "project_box|clamp_to_bounds|enforce_bounds|apply_limits",
        "Bring the variables back between their bounds.",
    )
    x = e.inout("x|q|variables|joint_q", p.real, R.uniform(-2.0, 2.0))
    form = p.pick("arrays", "pair", "multiplier")
    e.guard()
    if form == "pair":
        limits = e.field("limits|bounds|ranges", p.vec(2), R.uniform(-1.0, 1.0))
        low, high = wp.min(limits.own.x, limits.own.y), wp.max(limits.own.x, limits.own.y)
    else:
        low = e.field("lower|lo|x_min", p.real, R.uniform(-1.5, -0.2)).own
        high = e.field("upper|hi|x_max", p.real, R.uniform(0.2, 1.5)).own
    old = x.read("old|xi|value")
    new = k.let("new|clamped|inside", wp.clamp(old, low, high))
    if form == "multiplier":
        with k.when(new != old):
            add_at(k, k.out("num_clamped|violations|hits", T.I32, (1,)), 0, 1)
            x.store(new)
    else:
        x.store(new)
        if p.chance(0.5):
            e.out("violation|residual|excess", p.real).store(wp.abs(new - old))


def _average(p: ProgramBuilder) -> None:
    k, e, t = _begin(
        p,
        "update_ema|polyak_average|moving_average|blend_parameters|soft_update",
        "Running average of the iterates.",
    )
    x = e.field("params|x|online|theta", t, R.uniform(-1.0, 1.0))
    avg = e.inout("average|ema|target|shadow", t, R.uniform(-1.0, 1.0))
    e.guard()
    if p.chance(0.4):
        step = k.scalar("step|count|iteration", T.I32, p.pick(1, 4, 20))
        w = k.let("w|weight|blend", 1.0 / construct(p.real, step + 1))
    else:
        w = e.world_param("tau|rate|alpha", 0.01, 0.3)
    avg.store(
        wp.lerp(avg.own, x.own, w)
        if p.chance(0.3)
        else avg.own + (x.own - avg.own) * w
        if p.chance(0.5)
        else avg.own * (1.0 - w) + x.own * w
    )


def _masked(p: ProgramBuilder) -> None:
    k, e, t = _begin(
        p,
        "apply_fixed|mask_gradient|pin_variables|zero_fixed_dofs|filter_direction",
        "Remove fixed degrees of freedom.",
    )
    g = e.inout("grads|rhs|direction|residual", t, R.uniform(-1.0, 1.0))
    fixed = e.field("fixed|is_pinned|bc_mask|frozen", T.I32, R.mask(0.3))
    target = (
        e.field("targets|prescribed|bc_values", t, R.uniform(-1.0, 1.0)) if p.chance(0.6) else None
    )
    x = e.inout("x|solution|values", t, R.uniform(-1.0, 1.0)) if target is not None else None
    with k.when(fixed.own != 0):
        if target is not None and x is not None:
            x.store(target.own)
        g.store(construct(t, 0.0))
        if p.chance(0.5):
            k.ret()
    if p.chance(0.5):
        diag = e.field("inv_diag|precond|jacobi", p.real, R.uniform(0.2, 2.0))
        g.store(g.own * diag.own)


def _restart(p: ProgramBuilder) -> None:
    k, e, t = _begin(
        p,
        "restart_momentum|reset_direction|extrapolate|nesterov_point|adaptive_restart",
        "Momentum with restart.",
    )
    x, old = (
        e.field("x|iterate|current", t, R.uniform(-1.0, 1.0)),
        e.inout("x_prev|previous|last", t, R.uniform(-1.0, 1.0)),
    )
    y = e.out("y|extrapolated|lookahead", t)
    e.guard()
    beta = e.world_param("beta|momentum|theta_k", 0.1, 0.95)
    move = k.let("move|dx|step", x.own - old.own)
    if p.chance(0.6):
        g = e.field("grads|gradient|g", t, R.uniform(-1.0, 1.0))
        uphill = (move * g.own if t == p.real else wp.dot(move, g.own)) > 0.0
        if p.chance(0.5):
            y.store(choose(uphill, x.own, x.own + move * beta))
        else:
            with k.when(uphill):
                y.store(x.own)
            with k.otherwise():
                y.store(x.own + move * beta)
    else:
        y.store(x.own + move * beta)
    old.store(x.own)


# --- descent loops --------------------------------------------------------------------------------


def descent(p: ProgramBuilder) -> None:
    """A complete local search per thread, with differences or a callback for gradients."""
    k = p.kernel_builder(
        "minimize|descend|local_search|multi_start|refine_solution|solve_local|optimise_starts",
        p.pick(
            "Local minimisation from every start.",
            "Descent with step control, one start per thread.",
            "Refine candidate solutions independently.",
        ),
    )
    e = Entities(k, p.pick("start", "seed", "candidate", "trajectory"))
    t = p.vec(p.weighted({2: 3, 3: 2}))
    cost = objective(p, t)
    grad = _differences(p, t, cost)
    x0 = e.inout("x|starts|solutions|iterates", t, R.uniform(-1.5, 1.5))
    e.guard()
    h = k.param("fd_step|h|fd_eps", 0.001, 0.01)
    method = p.pick("gradient", "momentum", "adam", "newton", "bfgs", "cg")
    x = k.var("xi|point|cur", x0.own)
    f = k.var("f|fx|value", cost(x))
    state = _state(p, k, e, t, method)
    iterations = k.count("max_iters|num_iters|iterations", p.pick(6, 10, 16, 24))
    tol = k.param("grad_tol|tol|epsilon", 1.0e-4, 1.0e-2)
    used = k.var("used|it_count|steps_taken", 0) if p.chance(0.5) else None
    with k.loop("it|iteration|n_it", iterations):
        g = k.let("g|grad_i|gi", grad(x, h))
        norm = k.let("gn|g_norm|slope_len", wp.length(g))
        with k.when(norm < tol):
            k.brk()
        k.step(p.pick("direction", "search direction", ""))
        d = _choose_direction(p, k, method, g, state, cost, x, h, t)
        if p.chance(0.6):
            with k.when(wp.dot(d, g) >= 0.0):
                k.set(d, -g)
        k.step(p.pick("step length", "backtracking", ""))
        alpha = _steps(p, k, e, cost, x, d, f, g)
        _advance(p, k, method, state, x, f, d, g, alpha, cost, grad, h)
        if used is not None:
            k.aug(used, "+", 1)
    k.step(p.pick("results", "write back", ""))
    x0.store(x)
    e.out("values|final_cost|f_out", p.real).store(f)
    if used is not None:
        e.out("iterations_used|it_out|num_steps", T.I32).store(used)
    if p.chance(0.5):
        where = e.world if e.world is not None else 0
        k.do(
            wp.atomic_min(
                k.out("best|lowest|global_min", p.real, (e.worlds or 1,), R.constant(1.0e6)),
                where,
                f,
            )
        )
    if p.chance(0.4):
        level = k.param("success_level|target|f_target", 0.05, 1.0)
        with k.when(f < level if p.chance(0.5) else f <= level):
            add_at(k, k.out("num_solved|successes|converged", T.I32, (1,)), 0, 1)


def _differences(p: ProgramBuilder, t: T.Vec, cost: UserFunction) -> UserFunction:
    """Finite-difference gradient of the objective."""
    central = p.chance(0.7)

    def body(b, x, h):  # type: ignore[no-untyped-def]
        g = b.var("g|grad", construct(t, 0.0))
        base = None if central else b.let("f0|base", cost(x))
        with b.loop("i|c|d", t.n) as i:
            e = b.var("e|dx|probe", construct(t, 0.0))
            b.set(e[i], h)
            b.set(
                g[i],
                (cost(x + e) - cost(x - e)) / (2.0 * h)
                if base is None
                else (cost(x + e) - base) / h,
            )
        b.ret(g)

    doc = p.pick(
        "",
        "Central differences." if central else "Forward differences.",
        "Numerical gradient of the cost.",
    )
    return p.func(
        "numerical_gradient|finite_difference|gradient|fd_gradient",
        {"x|at|p": t, "h|eps|step": t.scalar},
        body,
        doc,
    )


def _state(p: ProgramBuilder, k: KernelBuilder, e: Entities, t: T.Vec, method: str) -> list[Name]:
    if method in ("momentum", "cg"):
        return (
            [
                k.var("v|velocity|d_prev", construct(t, 0.0)),
                k.var("gg|last_gg|prev_sq", 0.0, p.real),
            ]
            if method == "cg"
            else [k.var("v|velocity|mom", construct(t, 0.0))]
        )
    if method == "adam":
        return [k.var("m|mean_g|first", construct(t, 0.0)), k.var("s|mean_sq|second", 0.0, p.real)]
    if method == "bfgs":
        return [k.var("hinv|inv_h|b_mat", wp.diag(construct(t, 1.0)))]
    return []


def _choose_direction(
    p: ProgramBuilder,
    k: KernelBuilder,
    method: str,
    g: Expr,
    state: list[Name],
    cost: UserFunction,
    x: Expr,
    h: Expr,
    t: T.Vec,
) -> Name:
    if method == "momentum":
        k.set(state[0], state[0] * k.param("beta|mu|momentum", 0.5, 0.9) - g)
        return k.var("d|dir|direction", state[0])
    if method == "adam":
        b1, b2 = k.param("beta1|b1", 0.7, 0.9), k.param("beta2|b2", 0.9, 0.99)
        k.set(state[0], state[0] * b1 + g * (1.0 - b1))
        k.set(state[1], state[1] * b2 + wp.dot(g, g) * (1.0 - b2))
        return k.var("d|dir|direction", -state[0] / (wp.sqrt(state[1]) + 1.0e-6))
    if method == "cg":
        gg = k.let("gg_new|sq|g_sq", wp.dot(g, g))
        d = k.var("d|dir|direction", -g)
        with k.when(state[1] > 0.0):
            k.set(d, d + state[0] * (gg / state[1]))
        k.set(state[1], construct(p.real, gg))
        k.set(state[0], construct(t, *(d[i] for i in range(t.n))))
        return d
    if method == "bfgs":
        return k.var("d|dir|direction", -(state[0] * g))
    if method == "newton":
        return _diagonal_newton(p, k, g, cost, x, h, t)
    return k.var("d|dir|direction", -g)


def _diagonal_newton(
    p: ProgramBuilder, k: KernelBuilder, g: Expr, cost: UserFunction, x: Expr, h: Expr, t: T.Vec
) -> Name:
    """Curvatures along the axes by second differences."""
    d = k.var("d|dir|direction", -g)
    mid = k.let("mid|fc|f_mid", cost(x))
    wide = k.let("wide|hh|h2", h * 10.0)
    floor = k.param("min_curvature|curv_floor|reg", 0.1, 1.0)
    with k.loop("c|axis|dd", t.n) as c:
        e = k.var("e|probe|unit", construct(t, 0.0))
        k.set(e[c], wide)
        curvature = k.let(
            "curv|second|h_cc", (cost(x + e) - 2.0 * mid + cost(x - e)) / (wide * wide)
        )
        k.set(d[c], d[c] / wp.max(wp.abs(curvature), floor))
    return d


def _steps(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    cost: UserFunction,
    x: Expr,
    d: Expr,
    f: Expr,
    g: Expr,
) -> Name:
    shrink, c1 = (
        k.param("shrink|tau|backtrack", 0.3, 0.7),
        k.param("c1|armijo|decrease", 1.0e-4, 0.2),
    )
    reach = k.param("max_move|trust|reach", 0.1, 0.8)
    alpha = k.var("alpha|step|a", wp.min(reach / wp.max(wp.length(d), 1.0e-8), 1.0))
    trials = k.count("max_trials|max_backtracks|ls_iters", p.pick(4, 6, 8))
    slope = k.let("slope|gd|m0", wp.dot(g, d))
    if p.chance(0.5):
        n = k.var("trial|tries|ls", 0)
        with k.repeat(all_of(n < trials, cost(x + d * alpha) > f + c1 * alpha * slope)):
            k.aug(alpha, "*", shrink)
            k.aug(n, "+", 1)
    else:
        with k.loop("trial|ls|j", trials):
            with k.when(cost(x + d * alpha) <= f + c1 * alpha * slope):
                k.brk()
            k.set(alpha, alpha * shrink)
    return alpha


def _advance(
    p: ProgramBuilder,
    k: KernelBuilder,
    method: str,
    state: list[Name],
    x: Name,
    f: Name,
    d: Expr,
    g: Expr,
    alpha: Expr,
    cost: UserFunction,
    grad: UserFunction,
    h: Expr,
) -> None:
    s = k.let("s|move|dx", d * alpha)
    y = k.var("y|x_new|moved", x + s)
    if p.chance(0.5):
        bound = k.param("bound|limit|half_width", 1.2, 3.0)
        if p.chance(0.5):
            full = construct(x.type, bound)
            k.set(y, wp.min(wp.max(y, -full), full))
        else:
            with k.loop("c|axis|dd", T.length_of(x.type)) as c:
                k.set(y[c], wp.clamp(y[c], -bound, bound))
    fy = k.let("fy|f_new|trial_f", cost(y))
    if method == "bfgs":
        _bfgs(p, k, state[0], s, k.let("dg|yk|grad_change", grad(y, h) - g))
    if p.chance(0.6):
        with k.when(fy > f):
            k.brk()
    k.set(x, y)
    k.set(f, construct(p.real, fy))


def _bfgs(p: ProgramBuilder, k: KernelBuilder, hinv: Name, s: Expr, y: Expr) -> None:
    sy = k.let("sy|curvature|ys", wp.dot(s, y))
    with k.when(sy > 1.0e-6):
        n = T.length_of(s.type)
        left = k.let(
            "left|v_mat|proj", wp.diag(construct(s.type, *([1.0] * n))) - wp.outer(s, y) / sy
        )
        k.set(hinv, left * hinv * wp.transpose(left) + wp.outer(s, s) / sy)
