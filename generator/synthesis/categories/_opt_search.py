"""Searching along directions and with populations: line searches, candidate costs, swarms, evolution strategies."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._numerics import add_at, objective
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import blend, clamp_length
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def line_search(p: ProgramBuilder) -> None:
    """A step length per problem: backtracking, golden section, or a parabola through trial costs."""
    form = p.pick("backtrack", "backtrack", "golden", "parabola", "wolfe")
    k = p.kernel_builder(
        f"line_search|{form}_search|find_step_length|backtracking|step_length|armijo_search",
        p.pick(
            "Step length along every search direction.",
            "Line search on independent problems.",
            "Choose a step that decreases the cost enough.",
        ),
    )
    e = Entities(k, p.pick("problem", "start", "restart", "chain"))
    t = p.vec(p.weighted({2: 3, 3: 1.5}))
    cost = objective(p, t)
    x = e.field("x|points|iterates|theta", t, R.uniform(-1.5, 1.5))
    d = e.field("directions|search_dir|d|step_dir", t, R.uniform(-1.0, 1.0))
    e.guard()
    xi, di = x.read("xi|x0|start_x"), d.read("di|dir|dx")
    f0 = k.let("f0|cost0|current", cost(xi))
    writer = {"backtrack": _backtrack, "golden": _golden, "parabola": _parabola, "wolfe": _wolfe}[
        form
    ]
    alpha = writer(p, k, e, cost, xi, di, f0)
    if p.chance(0.5):
        e.out("x_out|x_next|updated", t).store(xi + di * alpha)
    else:
        e.out("step_lengths|alphas|steps", p.real).store(alpha)
    if p.chance(0.4):
        e.out("cost_out|f_new|new_cost", p.real).store(cost(xi + di * alpha))


def _slope(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, d: Expr, f0: Expr, cost: UserFunction
) -> Name:
    """Directional derivative: from a stored gradient or by differences."""
    if p.chance(0.55):
        g = e.field("grads|gradients|g", x.type, R.uniform(-1.0, 1.0))
        value = wp.dot(g.own, d)
    else:
        h = k.param("fd_eps|h|probe", 0.001, 0.01)
        value = (cost(x + d * h) - f0) / h
    return k.let("slope|gd|m0|descent", -wp.abs(value) if p.chance(0.4) else value)


def _backtrack(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, cost: UserFunction, x: Expr, d: Expr, f0: Expr
) -> Name:
    slope = _slope(p, k, e, x, d, f0, cost)
    c1, shrink = (
        k.param("c1|armijo_c|sufficient", 1.0e-4, 0.3),
        k.param("shrink|tau|backtrack", 0.3, 0.8),
    )
    alpha = k.var("alpha|step|a", e.world_param("alpha0|initial_step|first_step", 0.3, 1.5))
    limit = k.count("max_trials|max_backtracks|max_iters", p.pick(6, 10, 16))
    form = p.pick("while", "break", "flag")
    if form == "while":
        trials = k.var("trials|n_try|it", 0)
        with k.repeat(all_of(cost(x + d * alpha) > f0 + c1 * alpha * slope, trials < limit)):
            k.set(alpha, alpha * shrink)
            k.aug(trials, "+", 1)
        if p.chance(0.5):
            e.out("num_trials|trials_out|backtracks", T.I32).store(trials)
    elif form == "break":
        with k.loop("it|trial|_", limit):
            trial = k.let("f_trial|ft|trial", cost(x + d * alpha))
            with k.when(trial <= f0 + c1 * alpha * slope):
                k.brk()
            k.aug(alpha, "*", shrink)
    else:
        done = k.var("accepted|done|ok", 0)
        with k.loop("it|trial|_", limit), k.when(done == 0):
            gain = k.let("gain|drop|decrease", f0 - cost(x + d * alpha))
            with k.when(gain >= -c1 * alpha * slope):
                k.set(done, 1)
            with k.otherwise():
                k.set(alpha, alpha * shrink)
        with k.when(done == 0):
            k.set(alpha, 0.0)
            add_at(k, k.out("failures|num_failed|failed", T.I32, (1,)), 0, 1)
    return alpha


def _golden(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, cost: UserFunction, x: Expr, d: Expr, f0: Expr
) -> Name:
    ratio = (
        p.const("INV_PHI|GOLDEN|PHI_INV", 0.618034) if p.real == T.F32 and p.chance(0.6) else None
    )
    g = ratio if ratio is not None else construct(p.real, 0.618034)
    a, b = (
        k.var("a|lo|left", 0.0, p.real),
        k.var("b|hi|right", k.param("max_step|bracket|alpha_max", 0.5, 2.0)),
    )
    limit = k.count("iterations|max_iters|rounds", p.pick(8, 12, 20))
    with k.loop("it|_|r", limit):
        span = k.let("span|width|h", g * (b - a))
        c, q = k.let("c|m1|x1", b - span), k.let("m2|x2|right_probe", a + span)
        with k.when(cost(x + d * c) < cost(x + d * q)):
            k.set(b, q)
        with k.otherwise():
            k.set(a, c)
        if p.chance(0.4):
            with k.when(b - a < k.param("tol|eps|bracket_tol", 1.0e-4, 1.0e-2)):
                k.brk()
    mid = k.var("alpha|step|best", 0.5 * (a + b))
    with k.when(cost(x + d * mid) > f0):
        k.set(mid, 0.0)
    return mid


def _parabola(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, cost: UserFunction, x: Expr, d: Expr, f0: Expr
) -> Name:
    h = e.world_param("probe|h|trial_step", 0.05, 0.5)
    f1 = k.let("f1|cost1|fa", cost(x + d * h))
    f2 = k.let("f2|cost2|fb", cost(x + d * (2.0 * h) if p.chance(0.5) else x + d * h * 2.0))
    curve = k.let("curv|second|bend", f2 - 2.0 * f1 + f0)
    lead = k.let("lin|first|tilt", 4.0 * f1 - f2 - 3.0 * f0)
    limit = k.param("max_step|alpha_max|cap", 0.5, 2.0)
    alpha = k.var("alpha|step|a", limit)
    with k.when(curve > 1.0e-8):
        k.set(alpha, wp.clamp(-0.5 * h * lead / curve, 0.0, limit))
    with k.elsewhen(f1 > f0):
        k.set(alpha, h * 0.5)
    return alpha


def _wolfe(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, cost: UserFunction, x: Expr, d: Expr, f0: Expr
) -> Name:
    """Bisection between a step that is too long and one that is too short."""
    slope = _slope(p, k, e, x, d, f0, cost)
    c1, c2 = k.param("c1|armijo", 1.0e-4, 0.1), k.param("c2|curvature", 0.5, 0.9)
    h = k.param("fd_h|delta_a|fd_step", 0.001, 0.01)
    low, high = k.var("lo|a_lo|short", 0.0, p.real), k.var("hi|a_hi|long", -1.0, p.real)
    alpha = k.var("alpha|step|a", 1.0, p.real)
    with k.loop("it|trial|_", k.count("max_trials|max_iters", p.pick(6, 10, 14))):
        f = k.let("f|ft|trial", cost(x + d * alpha))
        with k.when(f > f0 + c1 * alpha * slope):
            k.set(high, construct(p.real, alpha))
        with k.otherwise():
            tilt = k.let("tilt|gd_new|m1", (cost(x + d * (alpha + h)) - f) / h)
            with k.when(tilt >= c2 * slope):
                k.brk()
            k.set(low, construct(p.real, alpha))
        k.set(alpha, choose(high < 0.0, alpha * 2.0, 0.5 * (low + high)))
    return alpha


def candidates(p: ProgramBuilder) -> None:
    """Costs of many candidate steps, and the best of them per problem."""
    pick = p.chance(0.5)
    k = p.kernel_builder(
        "select_best_step|best_candidate|reduce_candidates|pick_step"
        if pick
        else "evaluate_candidates|candidate_costs|parallel_line_search|rollout_costs",
        p.pick(
            "Parallel evaluation of trial steps.",
            "Several step lengths of every problem at once.",
            "Compare candidate steps.",
        ),
    )
    n, m = p.pick(16, 24, 32, 48), p.pick(6, 8, 10, 12)
    t = p.vec(p.pick(2, 3))
    if pick:
        costs = k.array("costs|candidate_costs|trial_costs", p.real, (n, m), R.uniform(0.0, 5.0))
        k.launch_dim = (n,)
        i = k.let("i|problem|tid", wp.tid())
        best, where = k.var("best|lowest|min_cost", costs[i, 0]), k.var("arg|best_j|winner", 0)
        with k.loop(
            "j|c|s", 1, costs.dim(1) if p.chance(0.6) else k.count("num_candidates|n_steps", m)
        ) as j:
            c = k.let("c|cost|value", costs[i, j])
            with k.when(all_of(c < best, wp.isfinite(c)) if p.chance(0.4) else c < best):
                k.set(best, c)
                k.set(where, j)
        _take(p, k, i, best, where, n, m, t)
        return
    cost = objective(p, t)
    x = k.array("x|points|iterates", t, (n,), R.uniform(-1.5, 1.5))
    d = k.array("directions|search_dir|d", t, (n,), R.uniform(-1.0, 1.0))
    out = k.out("costs|candidate_costs|trial_costs", p.real, (n, m))
    k.launch_dim = (n, m)
    i, j = k.unpack(["i|problem|env", "j|c|trial"], _tid(2))
    alpha: Expr
    if p.chance(0.5):
        alpha = k.array("step_lengths|alphas|trial_steps", p.real, (m,), R.ascending(0.01, 1.0))[j]
    else:
        alpha = k.param("alpha0|first_step|max_step", 0.5, 2.0) * wp.pow(
            k.param("ratio|shrink|tau", 0.4, 0.8), cast(p.real, j)
        )
    a = k.let("alpha|a|step", alpha)
    y = k.var("y|trial_x|xt", x[i] + d[i] * a)
    if p.chance(0.5):
        bound = k.param("bound|limit|box", 0.8, 2.0)
        with k.loop("c|axis|s", t.n) as c:
            k.set(y[c], wp.clamp(y[c], -bound, bound))
    f = k.let("f|value|fx", cost(y))
    if p.chance(0.4):
        lam = k.param("regularization|lam|prox", 0.01, 0.5)
        k.set(out[i, j], f + lam * wp.length_sq(y - x[i]))
    else:
        k.set(out[i, j], f)
    if p.chance(0.5):
        k.do(
            wp.atomic_min(k.out("best_cost|lowest|min_cost", p.real, (n,), R.constant(1.0e6)), i, f)
        )


def _tid(count: int) -> Expr:
    """``wp.tid()`` of a launch of several dimensions."""
    return N.Call("wp.tid", (), (), T.TupleType((T.I32,) * count))


def _take(
    p: ProgramBuilder, k: KernelBuilder, i: Expr, best: Name, where: Name, n: int, m: int, t: T.Vec
) -> None:
    steps = k.array("step_lengths|alphas", p.real, (m,), R.ascending(0.01, 1.0))
    x = k.array("x|points|iterates", t, (n,), R.uniform(-1.0, 1.0), "inout")
    d = k.array("directions|search_dir|d", t, (n,), R.uniform(-1.0, 1.0))
    old = k.array("cost|current_cost|f0", p.real, (n,), R.uniform(0.5, 3.0), "inout")
    if p.chance(0.6):
        with k.when(best >= old[i]):
            if p.chance(0.4):
                add_at(k, k.out("stalled|num_stalled|stuck", T.I32, (1,)), 0, 1)
            k.ret()
    k.set(x[i], x[i] + d[i] * steps[where])
    k.set(old[i], best)
    if p.chance(0.5):
        k.set(k.out("chosen|best_index|selected", T.I32, (n,))[i], where)


# --- populations ----------------------------------------------------------------------------------


def swarm(p: ProgramBuilder) -> None:
    """Population-based steps: particle swarms, differential evolution, Gaussian sampling, annealing."""
    p.real = T.F32
    form = p.pick("pso", "pso", "de", "cma", "es", "anneal")
    k = p.kernel_builder(
        f"{form}_step|{form}_update|update_population|sample_population|evolve|swarm_step",
        p.pick(
            "Move every member of the population.",
            "One generation.",
            "Population update with common random numbers per member.",
        ),
    )
    e = Entities(k, p.pick("particle", "member", "individual", "sample"))
    t = p.vec(p.weighted({2: 3, 3: 2}))
    seed = k.scalar("seed|rng_seed", T.I32, p.pick(1, 7, 42, 123))
    e.guard()
    iteration = (
        k.scalar("iteration|generation|frame", T.I32, p.pick(1, 5, 30)) if p.chance(0.5) else None
    )
    stream = e.index if e.world is None else e.world * e.n + e.index
    rng = k.let(
        "rng|state|rng_state", wp.rand_init(seed if iteration is None else seed + iteration, stream)
    )
    {"pso": _pso, "de": _de, "cma": _cma, "es": _es, "anneal": _anneal}[form](p, k, e, t, rng)


def _wrap(p: ProgramBuilder, k: KernelBuilder, x: Name, v: Name | None = None) -> None:
    """Keeps a candidate inside the search box."""
    t = x.type
    bound = k.param("bound|search_radius|half_width", 1.0, 3.0)
    match p.pick("clamp", "reflect", "none", "ball"):
        case "clamp":
            with (
                k.loop("c|axis|d", T.length_of(t)) as c,
                k.when(any_of(x[c] < -bound, x[c] > bound)),
            ):
                k.set(x[c], wp.clamp(x[c], -bound, bound))
                if v is not None:
                    k.set(v[c], -0.5 * v[c] if p.chance(0.5) else v[c] * 0.0)
        case "reflect":
            with k.loop("c|axis|d", T.length_of(t)) as c, k.when(wp.abs(x[c]) > bound):
                k.set(x[c], wp.sign(x[c]) * (2.0 * bound - wp.abs(x[c])))
        case "ball":
            clamp_length(p, k, x, bound, "r_x|radius|len_x")
        case _:
            k.set(x, wp.min(wp.max(x, construct(t, -bound)), construct(t, bound)))


def _keep_best(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, cost: UserFunction, x: Expr, best: Field
) -> None:
    value = k.let("f|fx|fitness", cost(x))
    record = e.inout("best_cost|pbest_cost|record", p.real, R.uniform(0.0, 20.0))
    with k.when(value < record.own):
        record.store(value)
        best.store(x)
    if p.chance(0.5):
        where = e.world if e.world is not None else 0
        k.do(
            wp.atomic_min(
                k.out("global_best|gbest_cost|lowest", p.real, (e.worlds or 1,), R.constant(1.0e6)),
                where,
                value,
            )
        )


def _pso(p: ProgramBuilder, k: KernelBuilder, e: Entities, t: T.Vec, rng: Name) -> None:
    x, v = (
        e.inout("positions|x|particles_x", t, R.uniform(-2.0, 2.0)),
        e.inout("velocities|v|vel", t, R.uniform(-0.5, 0.5)),
    )
    own = e.inout("pbest|best_x|personal_best", t, R.uniform(-2.0, 2.0))
    leader = k.array("gbest|leader|global_best_x", t, (e.worlds or 1,), R.uniform(-1.0, 1.0))
    inertia, c1, c2 = (
        k.param("inertia|w|omega", 0.4, 0.9),
        k.param("c1|cognitive", 0.5, 2.0),
        k.param("c2|social", 0.5, 2.0),
    )
    xi = k.var("xi|pos|x_i", x.own)
    r1, r2 = k.let("r1|u1", wp.randf(rng)), k.let("r2|u2", wp.randf(rng))
    target = leader[e.world if e.world is not None else 0]
    vi = k.var(
        "vi|vel_i|v_new", v.own * inertia + (own.own - xi) * (c1 * r1) + (target - xi) * (c2 * r2)
    )
    if p.chance(0.3):
        chi = k.param("constriction|chi", 0.6, 0.9)
        k.set(vi, vi * chi)
    if p.chance(0.5):
        clamp_length(p, k, vi, k.param("max_velocity|v_max", 0.3, 1.0))
    k.aug(xi, "+", vi)
    if p.chance(0.6):
        _wrap(p, k, xi, vi)
    x.store(xi)
    v.store(vi)
    if p.chance(0.6):
        _keep_best(p, k, e, objective(p, t), xi, own)


def _de(p: ProgramBuilder, k: KernelBuilder, e: Entities, t: T.Vec, rng: Name) -> None:
    """Differential evolution with binomial crossover."""
    x = e.field("population|pop|x", t, R.uniform(-2.0, 2.0))
    out = e.out("trials|next_population|offspring", t)
    scale, rate = (
        k.param("f_scale|differential_weight|mutation", 0.3, 0.9),
        k.param("crossover_rate|cr", 0.3, 0.95),
    )
    n = e.count()
    a, b, c = (k.let(h, wp.randi(rng, 0, n)) for h in ("a|r1|ia", "b|r2|ib", "c|r3|ic"))
    base = x[a] if p.chance(0.6) else blend(p, x.own, x[a], scale)
    mutant = k.let("mutant|donor|v", base + (x[b] - x[c]) * scale)
    trial = k.var("trial|child|u", x.own)
    forced = k.let("forced|jrand|keep", wp.randi(rng, 0, t.n))
    with k.loop("d|gene|axis", t.n) as d, k.when(any_of(wp.randf(rng) < rate, d == forced)):
        k.set(trial[d], mutant[d])
    if p.chance(0.5):
        _wrap(p, k, trial)
    if p.chance(0.6):
        cost = objective(p, t)
        new = k.let("f_trial|f_new|child_cost", cost(trial))
        costs = e.inout("costs|fitness|f_pop", p.real, R.uniform(0.0, 20.0))
        with k.when(new <= costs.own):
            out.store(trial)
            costs.store(new)
        with k.otherwise():
            out.store(x.own)
    else:
        out.store(trial)


def _cma(p: ProgramBuilder, k: KernelBuilder, e: Entities, t: T.Vec, rng: Name) -> None:
    worlds = e.worlds or 1
    where = e.world if e.world is not None else 0
    mean = k.array("means|mean|centroid", t, (worlds,), R.uniform(-1.0, 1.0))
    sigma = e.world_param("sigma|step_size|spread", 0.1, 0.8)
    z = k.let("z|noise|xi", construct(t, *(wp.randn(rng) for _ in range(t.n))))
    if p.chance(0.6):
        factor = k.array(
            "cov_factor|sqrt_cov|chol", T.Mat(t.n, t.n), (worlds,), R.near_identity(0.3)
        )
        shaped = factor[where] * z
    else:
        shaped = wp.cw_mul(
            k.array("scales|std|diag_sqrt", t, (worlds,), R.uniform(0.3, 1.2))[where], z
        )
    y = k.let("y|step|dev", shaped)
    x = k.var("x|sample_x|candidate", mean[where] + y * sigma)
    if p.chance(0.5):
        _wrap(p, k, x)
    e.out("samples|population|candidates", t).store(x)
    if p.chance(0.5):
        e.out("steps|deviations|noise_out", t).store(y)
    if p.chance(0.6):
        cost = objective(p, t)
        value = k.let("f|value|cost_i", cost(x))
        e.out("costs|fitness|objective_values", p.real).store(value)
        temperature = k.param("temperature|lam|kappa", 0.5, 5.0)
        if p.chance(0.5):
            add_at(
                k,
                k.out("weight_sum|norm|total_weight", p.real, (worlds,)),
                where,
                wp.exp(-value / (temperature * 20.0)),
            )


def _es(p: ProgramBuilder, k: KernelBuilder, e: Entities, t: T.Vec, rng: Name) -> None:
    """Evolution-strategy gradient estimate from antithetic pairs."""
    x = e.field("params|theta|centers", t, R.uniform(-1.0, 1.0))
    cost = objective(p, t)
    sigma = k.param("sigma|noise_std|perturbation", 0.02, 0.3)
    total = k.var("grad|g|estimate", construct(t, 0.0))
    pairs = k.count("num_pairs|samples|num_probes", p.pick(4, 8, 12))
    paired = p.chance(0.6)
    xi = x.read("xi|center|x0")
    base = None if paired else k.let("f0|base|baseline", cost(xi))
    with k.loop("s|pair|j", pairs):
        eps = k.let("eps|noise|z", construct(t, *(wp.randn(rng) for _ in range(t.n))))
        plus = k.let("f_plus|fp|up", cost(xi + eps * sigma))
        minus = cost(xi - eps * sigma) if paired else base
        k.aug(total, "+", eps * (plus - minus))
    g = k.let(
        "g|grad_i|mean_grad", total / (cast(p.real, pairs) * sigma * (2.0 if paired else 1.0))
    )
    if p.chance(0.5):
        e.out("grads|gradient_out|estimates", t).store(g)
    else:
        lr = k.param("lr|learning_rate|step", 0.0005, 0.01)
        e.out("params_out|theta_next|x_out", t).store(xi - g * lr)


def _anneal(p: ProgramBuilder, k: KernelBuilder, e: Entities, t: T.Vec, rng: Name) -> None:
    x = e.inout("states|x|solutions", t, R.uniform(-2.0, 2.0))
    cost = objective(p, t)
    temperature = k.var("temp|tau|heat", e.world_param("temperature|t0|start_temp", 0.5, 5.0))
    cooling, size = (
        k.param("cooling|decay|alpha", 0.8, 0.99),
        k.param("step_size|jump|proposal_scale", 0.05, 0.5),
    )
    xi, fx = k.var("xi|current|cur", x.own), k.var("f|fx|energy", cost(x.own))
    accepted = k.var("accepted|hits|moves", 0) if p.chance(0.6) else None
    with k.loop("it|sweep|step", k.count("num_steps|sweeps|moves_per_temp", p.pick(8, 16, 24))):
        y = k.let("y|proposal|cand", xi + construct(t, *(wp.randn(rng) for _ in range(t.n))) * size)
        fy = k.let("fy|f_new|trial", cost(y))
        with k.when(any_of(fy < fx, wp.randf(rng) < wp.exp((fx - fy) / temperature))):
            k.set(xi, y * 1.0)
            k.set(fx, construct(p.real, fy))
            if accepted is not None:
                k.aug(accepted, "+", 1)
        k.set(temperature, temperature * cooling)
    x.store(xi)
    e.out("energies|costs|final_cost", p.real).store(fx)
    if accepted is not None:
        e.out("acceptance|num_accepted|accept_count", T.I32).store(accepted)
