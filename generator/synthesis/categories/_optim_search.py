"""Line searches: an intent of optimisation_steps."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._optimisers import Variable
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def objective(p: ProgramBuilder, dim: int) -> UserFunction:
    """A test problem as a function of a vector."""
    vec = p.vec(dim)
    form = p.pick("rosenbrock", "quadratic", "rastrigin", "logistic", "well")

    def body(b: Block, x: Expr, *center: Expr) -> None:
        d = b.let("d|offset|q", x - center[0])
        match form:
            case "rosenbrock" if dim >= 2:
                a = b.let("a|t1", d[1] - d[0] * d[0])
                c = b.let("c|t2", 1.0 - d[0])
                b.ret(p.pick(10.0, 100.0) * a * a + c * c)
            case "rastrigin":
                s = b.var("s|acc|total", p.pick(10.0, 5.0) * dim, p.real)
                with b.loop("i|c", dim) as i:
                    b.aug(s, "+", d[i] * d[i] - 5.0 * wp.cos(6.2831853 * d[i]))
                b.ret(s)
            case "logistic":
                b.ret(wp.log(1.0 + wp.exp(-d[0])) + 0.1 * wp.dot(d, d))
            case "well":
                r = b.let("r|q2", wp.dot(d, d) - 1.0)
                b.ret(r * r + 0.1 * d[0])
            case _:
                b.ret(0.5 * wp.dot(d, d))

    return p.func(
        f"{form}|objective|cost|evaluate_cost",
        {"x|point": vec, "c|center|shift": vec},
        body,
        p.pick("", "Value of the objective."),
    )


def line_search(p: ProgramBuilder) -> None:
    """Step lengths: candidates in parallel, backtracking inside a thread, selection and acceptance tests."""
    kind = p.weighted({"backtrack": 3, "candidates": 3, "select": 2.5, "accept": 2})
    names = {
        "backtrack": "backtracking_search|armijo_search|line_search",
        "candidates": "evaluate_candidates|candidate_costs|parallel_line_search",
        "select": "select_step|pick_best_step|choose_alpha",
        "accept": "accept_step|apply_step|commit_or_reject",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Line search of independent problems.",
            "Sufficient decrease along the search direction.",
            "Trial steps are evaluated in parallel.",
            "Step length control.",
        ),
    )
    {"backtrack": _backtrack, "candidates": _candidates, "select": _select, "accept": _accept}[
        kind
    ](p, k)


def _problems(k: KernelBuilder, p: ProgramBuilder) -> Entities:
    return Entities(
        k, p.pick("problem", "start", "query"), index="i|b|tid|prob", count=p.pick(24, 32, 48, 64)
    )


def _backtrack(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = _problems(k, p)
    dim = p.pick(2, 2, 3, 4)
    vec = p.vec(dim)
    f = objective(p, dim)
    e.guard()
    x = k.let("x|x0|start", e.field("points|x_in|iterates", vec, R.uniform(-1.0, 1.0)).own)
    d = k.let("d|dir|search", e.field("directions|search_dirs|d_in", vec, R.uniform(-1.0, 1.0)).own)
    center = e.field("centers|targets|minima", vec, R.uniform(-0.5, 0.5)).own
    g = e.field("gradients|grads|g_in", vec, R.uniform(-1.0, 1.0)).own
    f0 = k.let("f0|start_cost|phi0", f(x, center))
    slope = k.let("slope|dphi|descent", wp.dot(g, d))
    c1, shrink = (
        k.param("c1|armijo|sufficient", 1e-4, 0.3),
        k.param("shrink|backtrack|tau", 0.3, 0.8),
    )
    alpha = k.var(
        "alpha|step|t",
        k.param("alpha0|initial_step|max_step", 0.5, 1.0) if p.chance(0.6) else 1.0,
        p.real,
    )
    limit = k.count("max_iters|max_backtracks|trials", p.pick(6, 8, 12))
    fx = k.var("fx|cost|phi", f0)
    used = k.var("used|evals|count", 0, T.I32) if p.chance(0.5) else None
    if p.chance(0.5):
        with k.loop("it|trial|n", limit):
            k.set(fx, f(x + d * alpha, center))
            if used is not None:
                k.aug(used, "+", 1)
            with k.when(fx <= f0 + c1 * alpha * slope):
                k.brk()
            k.aug(alpha, "*", shrink)
    else:
        counter = used if used is not None else k.var("it|trial|n", 0, T.I32)
        k.set(fx, f(x + d * alpha, center))
        with k.repeat(all_of(fx > f0 + c1 * alpha * slope, counter < limit)):
            k.set(alpha, alpha * shrink)
            k.set(fx, f(x + d * alpha, center))
            k.aug(counter, "+", 1)
        k.options["enable_backward"] = False
    better = fx < f0
    e.out("points_out|x_next|accepted", vec).store(
        choose(better, x + d * alpha, x) if p.chance(0.5) else x + d * alpha
    )
    e.out("step_lengths|alphas|steps_out", p.real).store(alpha)
    if used is not None:
        e.out("evaluations|num_evals|trials_out", T.I32).store(used)
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("total_decrease|improvement|progress", p.real, (1,)), 0, f0 - fx))


def _candidates(p: ProgramBuilder, k: KernelBuilder) -> None:
    problems, trials, dim = p.pick(12, 16, 24), p.pick(6, 8, 10), p.pick(2, 3, 4)
    k.launch_dim = (problems, trials)
    i, j = k.unpack(
        ["i|problem|b", "j|trial|alpha_id"], N.Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
    )
    vec = p.vec(dim)
    if p.chance(0.3):
        done = k.array("done|converged|finished", T.I32, (problems,), R.mask(0.3))
        with k.when(done[i] != 0):
            k.ret()
    if p.chance(0.5):
        alphas = k.array("alphas|step_sizes|trial_steps", p.real, (trials,), R.ascending(0.0, 1.0))
        alpha = k.let("alpha|step|t", alphas[j])
    else:
        alpha = k.let(
            "alpha|step|t",
            k.param("alpha_max|max_step", 0.5, 2.0)
            * wp.pow(k.param("ratio|shrink|base", 0.4, 0.8), construct(p.real, j)),
        )
    x, d = (
        k.array("points|x_in|iterates", vec, (problems,), R.uniform(-1.0, 1.0)),
        k.array("directions|search_dirs", vec, (problems,), R.uniform(-1.0, 1.0)),
    )
    trial = k.var("trial_x|y|cand", x[i] + d[i] * alpha)
    if p.chance(0.4):
        low, high = (
            k.quantity("lower|lb", vec, [-1.0] * dim),
            k.quantity("upper|ub", vec, [1.0] * dim),
        )
        k.set(trial, wp.min(wp.max(trial, low), high))
    f = objective(p, dim)
    cost = k.var(
        "cost|fx|value",
        f(trial, k.array("centers|targets|minima", vec, (problems,), R.uniform(-0.5, 0.5))[i]),
    )
    if p.chance(0.35):
        k.aug(cost, "+", k.param("penalty|reg|mu", 0.01, 0.5) * wp.dot(trial, trial))
    k.set(k.out("costs|trial_costs|candidate_cost", p.real, (problems, trials))[i, j], cost)
    if p.chance(0.4):
        k.set(k.out("trial_points|candidates|x_trial", vec, (problems, trials))[i, j], trial)
    if p.chance(0.4):
        k.do(
            wp.atomic_min(
                k.out("best_cost|lowest|min_cost", p.real, (problems,), R.constant(1.0e6)), i, cost
            )
        )


def _select(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = _problems(k, p)
    trials = p.pick(6, 8, 10)
    lead = (e.n,) if e.worlds is None else (e.worlds, e.n)
    at = (e.index,) if e.world is None else (e.world, e.index)
    costs = k.array(
        "costs|trial_costs|candidate_cost", p.real, (*lead, trials), R.uniform(0.0, 2.0)
    )
    alphas = k.array("alphas|step_sizes|trial_steps", p.real, (trials,), R.ascending(0.05, 1.0))
    f0 = e.field("current_cost|f0_in|start_costs", p.real, R.uniform(0.5, 1.5)).own
    e.guard()
    best, cost = (
        k.var("best|best_j|winner", 0 if p.chance(0.5) else -1, T.I32),
        k.var("best_cost|lowest|fmin", 1.0e6 if p.chance(0.5) else f0, p.real),
    )
    armijo = p.chance(0.5)
    slope = (
        e.field("slopes|dphi|directional", p.real, R.uniform(-1.0, -0.1)).own if armijo else None
    )
    c1 = k.param("c1|armijo|sufficient", 1e-4, 0.3) if armijo else None
    with k.loop("j|trial|c", costs.dim(len(lead)) if p.chance(0.6) else trials) as j:
        c = k.let("c|cost_j|value", costs[(*at, j)])
        if p.chance(0.3):
            with k.when(wp.isnan(c) if p.chance(0.5) else any_of(wp.isnan(c), wp.isinf(c))):
                k.cont()
        test = [c < cost]
        if slope is not None and c1 is not None:
            test.append(c <= f0 + c1 * alphas[j] * slope)
        with k.when(all_of(*test)):
            k.set(cost, c)
            k.set(best, j)
            if armijo and p.chance(0.3):
                k.brk()
    step = k.let(
        "step|alpha_best|chosen",
        choose(best >= 0, alphas[wp.max(best, 0)], 0.0)
        if p.chance(0.6)
        else wp.where(best < 0, construct(p.real, 0.0), alphas[wp.max(best, 0)]),
    )
    e.out("step_lengths|alphas_out|chosen_steps", p.real).store(step)
    if p.chance(0.6):
        e.out("best_costs|accepted_cost|f_next", p.real).store(wp.min(cost, f0))
    if p.chance(0.4):
        stalled = k.out("num_stalled|failures|no_progress", T.I32, (1,))
        with k.when(cost >= f0):
            k.do(wp.atomic_add(stalled, 0, 1))


def _accept(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Ratio of actual to predicted decrease; damping or radius follows it."""
    e = _problems(k, p)
    v = Variable(p, e)
    e.guard()
    x = v.inout("x|iterates|points")
    trial = v.given("x_trial|candidates|proposed").own
    old, new = (
        e.field("cost|f_current|old_cost", p.real, R.uniform(0.5, 1.5)),
        e.field("trial_cost|f_trial|new_cost", p.real, R.uniform(0.2, 1.6)),
    )
    predicted = e.field("predicted|model_decrease|expected", p.real, R.uniform(0.1, 1.0)).own
    ratio = k.let(
        "ratio|rho|gain",
        (old.own - new.own) / wp.max(predicted, 1.0e-8)
        if p.chance(0.5)
        else (old.own - new.own) / predicted,
    )
    damping = e.inout("damping|lam|mu", p.real, R.uniform(0.01, 1.0))
    radius_form = p.chance(0.4)
    good, bad = (
        k.param("good_ratio|eta_good|accept_high", 0.6, 0.9),
        k.param("bad_ratio|eta_bad|accept_low", 0.05, 0.3),
    )
    state = k.var("lam_new|factor_out|mu_new", damping.own)
    grow, shrink = k.param("grow|increase|up", 2.0, 4.0), k.param("shrink|decrease|down", 0.2, 0.6)
    with k.when(ratio > good):
        k.aug(state, "*", grow if radius_form else shrink)
    with k.elsewhen(ratio < bad):
        k.aug(state, "*", shrink if radius_form else grow)
    if p.chance(0.5):
        k.set(
            state,
            wp.clamp(
                state,
                k.param("min_damping|lam_min", 1e-6, 1e-3),
                k.param("max_damping|lam_max", 10.0, 1e3),
            ),
        )
    damping.store(state)
    with k.when(
        ratio > k.param("accept_tol|eta|min_ratio", 1e-3, 0.1) if p.chance(0.5) else ratio > 0.0
    ):
        x.store(trial)
        if p.chance(0.6):
            e.out("accepted|took_step|success", T.I32).store(1)
    if p.chance(0.4):
        with k.otherwise():
            k.do(wp.atomic_add(k.out("num_rejected|rejections|failures", T.I32, (1,)), 0, 1))
