"""Swarms, sampling optimisers and annealing: intents of optimisation_steps."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._optim_search import objective
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def population(p: ProgramBuilder) -> None:
    """Population methods, all in single precision because of the random numbers."""
    p.real = T.F32
    kind = p.weighted(
        {"pso": 3, "evolve": 2.5, "cma": 2.5, "cem": 2, "anneal": 2.5, "mppi": 2, "es": 2}
    )
    names = {
        "pso": "pso_update|swarm_step|particle_swarm",
        "evolve": "differential_evolution|de_step|mutate_population",
        "cma": "sample_population|cma_sample|draw_candidates",
        "cem": "elite_statistics|cem_update|refit_distribution",
        "anneal": "annealing_step|metropolis_update|anneal_chains",
        "mppi": "mppi_weights|path_integral_weights|weighted_controls",
        "es": "es_gradient|evolution_gradient|antithetic_gradient",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Population-based search.",
            "Derivative-free optimisation, one candidate per thread.",
            "Stochastic search; streams are seeded per candidate.",
            "Sampling-based optimiser.",
        ),
    )
    {
        "pso": _pso,
        "evolve": _evolve,
        "cma": _cma,
        "cem": _cem,
        "anneal": _anneal,
        "mppi": _mppi,
        "es": _es,
    }[kind](p, k)


def _state(p: ProgramBuilder, k: KernelBuilder, index: Expr) -> Expr:
    seed = k.scalar("seed|rng_seed|base_seed", T.I32, p.pick(1, 7, 42, 1234))
    if p.chance(0.4):
        step = k.scalar("iteration|generation|step", T.I32, p.pick(0, 3, 10))
        return k.let("state|rng|stream", wp.rand_init(seed + step, index))
    return k.let("state|rng|stream", wp.rand_init(seed, index))


def _draw(n: int, state: Expr, gauss: bool = False) -> Expr:
    draw = wp.randn if gauss else wp.randf
    return construct(T.Vec(n), *(draw(state) for _ in range(n)))


def _bounds(p: ProgramBuilder, k: KernelBuilder, x: Expr, n: int) -> None:
    if p.chance(0.5):
        low, high = (
            k.quantity("lower|lb|x_min", T.Vec(n), [-2.0] * n),
            k.quantity("upper|ub|x_max", T.Vec(n), [2.0] * n),
        )
        k.set(x, wp.min(wp.max(x, low), high))


def _pso(p: ProgramBuilder, k: KernelBuilder) -> None:
    n = p.pick(2, 3, 4)
    vec = T.Vec(n)
    e = Entities(k, "particle", index="i|tid|p_id")
    e.guard()
    x, v = (
        e.inout("positions|x|swarm_x", vec, R.uniform(-2.0, 2.0)),
        e.inout("velocities|v|swarm_v", vec, R.uniform(-0.5, 0.5)),
    )
    best, best_cost = (
        e.inout("personal_best|best_x|pbest", vec, R.uniform(-2.0, 2.0)),
        e.inout("personal_cost|best_f|pcost", T.F32, R.uniform(0.5, 4.0)),
    )
    state = _state(p, k, e.index)
    leader = k.array("global_best|leader|gbest", vec, (e.worlds or 1,), R.uniform(-1.0, 1.0))[
        e.world if e.world is not None else 0
    ]
    w, c1, c2 = (
        k.param("inertia|w|omega", 0.4, 0.9),
        k.param("cognitive|c1|phi_p", 0.5, 2.0),
        k.param("social|c2|phi_g", 0.5, 2.0),
    )
    xi = k.var("xi|pos|x_new", x.own)
    if p.chance(0.5):
        r1, r2 = k.let("r1|u1", wp.randf(state)), k.let("r2|u2", wp.randf(state))
        vi = k.var(
            "vi|vel|v_new", w * v.own + (best.own - xi) * (c1 * r1) + (leader - xi) * (c2 * r2)
        )
    else:
        r1, r2 = k.let("r1|u1", _draw(n, state)), k.let("r2|u2", _draw(n, state))
        vi = k.var(
            "vi|vel|v_new",
            w * v.own + wp.cw_mul(r1, best.own - xi) * c1 + wp.cw_mul(r2, leader - xi) * c2,
        )
    if p.chance(0.5):
        clamp_length(p, k, vi, k.param("max_speed|v_max|speed_limit", 0.3, 2.0))
    k.aug(xi, "+", vi)
    _bounds(p, k, xi, n)
    v.store(vi)
    x.store(xi)
    f = objective(p, n)
    cost = k.let(
        "cost|fx|value", f(xi, k.quantity("center|optimum|target", vec, [0.3, -0.2, 0.1, 0.4][:n]))
    )
    with k.when(cost < best_cost.own):
        best.store(xi)
        best_cost.store(cost)
    if p.chance(0.6):
        k.do(
            wp.atomic_min(
                k.out(
                    "lowest_cost|best_value|global_cost", T.F32, (e.worlds or 1,), R.constant(1.0e6)
                ),
                e.world if e.world is not None else 0,
                cost,
            )
        )


def _evolve(p: ProgramBuilder, k: KernelBuilder) -> None:
    n = p.pick(2, 3, 4)
    vec = T.Vec(n)
    e = Entities(k, p.pick("individual", "member", "candidate"), index="i|tid|ind", layouts=False)
    x, cost = (
        e.field("population|x|members", vec, R.uniform(-2.0, 2.0)),
        e.field("costs|fitness_in|values", T.F32, R.uniform(0.2, 6.0)),
    )
    out, cost_out = (
        e.out("next_population|x_out|offspring", vec),
        e.out("next_costs|fitness|f_out", T.F32),
    )
    e.guard((out, x.own), (cost_out, cost.own))
    state = _state(p, k, e.index)
    size = e.count()
    a, b, c = (k.let(h, wp.randi(state, 0, size)) for h in ("a|r0|pa", "b|r1|pb", "c|r2|pc"))
    f_scale, cr = (
        k.param("scale_factor|F_mut|differential", 0.3, 0.9),
        k.param("crossover|CR|mix_rate", 0.3, 0.95),
    )
    base = (
        x[a]
        if p.chance(0.6)
        else x.own + (k.quantity("best|best_member|elite", vec, [0.1] * n) - x.own) * f_scale
    )
    mutant = k.let("mutant|donor|v", base + (x[b] - x[c]) * f_scale)
    trial = k.var("trial|child|u", x.own)
    forced = k.let("forced|j_rand|pinned", wp.randi(state, 0, n))
    with k.loop("j|d|gene", n) as j, k.when(any_of(wp.randf(state) < cr, j == forced)):
        k.set(trial[j], mutant[j])
    _bounds(p, k, trial, n)
    f = objective(p, n)
    new = k.let(
        "new_cost|ft|trial_cost",
        f(trial, k.quantity("center|optimum|target", vec, [0.3, -0.2, 0.1, 0.4][:n])),
    )
    with k.when(new <= cost.own):
        out.store(trial)
        cost_out.store(new)
    with k.otherwise():
        out.store(x.own)
        cost_out.store(cost.own)
    if p.chance(0.4):
        better = k.out("num_improved|successes|replaced", T.I32, (1,))
        with k.when(new < cost.own):
            k.do(wp.atomic_add(better, 0, 1))


def _cma(p: ProgramBuilder, k: KernelBuilder) -> None:
    n = p.pick(2, 3, 4)
    vec, mat = T.Vec(n), T.Mat(n, n)
    e = Entities(k, p.pick("sample", "candidate"), index="i|tid|s")
    at = e.world if e.world is not None else 0
    mean = k.array("mean|center|mu", vec, (e.worlds or 1,), R.uniform(-1.0, 1.0))[at]
    sigma = e.world_param("sigma|step_size|spread", 0.1, 1.0)
    state = _state(p, k, e.index)
    z = k.let("z|noise|xi", _draw(n, state, True))
    form = p.pick("matrix", "diag", "mirrored")
    if form == "matrix":
        factor = k.array("factor|chol|B_D", mat, (e.worlds or 1,), R.near_identity(0.3))[at]
        y = k.let("y|shaped|dir", factor * z)
    elif form == "diag":
        y = k.let(
            "y|shaped|dir",
            wp.cw_mul(
                k.array("scales|std|diag_c", vec, (e.worlds or 1,), R.uniform(0.3, 1.5))[at], z
            ),
        )
    else:
        y = k.let("y|shaped|dir", wp.where(e.index % 2 == 0, z, -z))
    x = k.var("x|cand|point", mean + y * sigma)
    _bounds(p, k, x, n)
    e.out("samples|population|candidates", vec).store(x)
    if p.chance(0.4):
        e.out("noise_out|z_out|perturbations", vec).store(z)
    if p.chance(0.7):
        f = objective(p, n)
        cost = k.var(
            "cost|fx|value",
            f(x, k.quantity("center|optimum|target", vec, [0.3, -0.2, 0.1, 0.4][:n])),
        )
        if p.chance(0.4):
            k.aug(cost, "+", k.param("penalty|l2|reg", 0.01, 0.3) * wp.length_sq(x))
        e.out("costs|fitness|values", T.F32).store(cost)
    else:
        k.do(wp.atomic_add(k.out("sample_sum|mean_acc|total", vec, (1,)), 0, x))


def _cem(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Statistics of the best candidates, one problem per thread or by atomics."""
    n, samples = p.pick(2, 3, 4), p.pick(12, 16, 24)
    vec = T.Vec(n)
    e = Entities(
        k, p.pick("problem", "env"), index="i|b|prob", count=p.pick(16, 24, 32), layouts=False
    )
    i = e.index
    x, cost = (
        k.array("samples|candidates|actions", vec, (e.n, samples), R.uniform(-1.0, 1.0)),
        k.array("costs|returns|scores", T.F32, (e.n, samples), R.uniform(0.0, 1.0)),
    )
    limit = (
        k.array("thresholds|elite_cut|quantiles", T.F32, (e.n,), R.uniform(0.3, 0.7))[i]
        if p.chance(0.6)
        else k.param("threshold|elite_cut|cut", 0.3, 0.7)
    )
    e.guard()
    total, count = (
        k.var("total|acc|sum_x", construct(vec, 0.0)),
        k.var("count|num_elite|kept", 0, T.I32),
    )
    sq = k.var("sq|sum_sq|acc2", construct(vec, 0.0)) if p.chance(0.7) else None
    with k.loop("s|j|c", x.dim(1) if p.chance(0.6) else samples) as s:
        with k.when(cost[i, s] > limit):
            k.cont()
        v = k.let("v|xs|elite", x[i, s])
        k.aug(total, "+", v)
        if sq is not None:
            k.aug(sq, "+", wp.cw_mul(v, v))
        k.aug(count, "+", 1)
    with k.when(count < p.pick(1, 2)):
        k.ret()
    inv = k.let("inv|scale|w", 1.0 / construct(T.F32, count))
    mean = k.let("mean|mu|avg", total * inv)
    state = e.inout("means|mu_out|plan", vec, R.uniform(-0.5, 0.5))
    rate = k.param("smoothing|alpha|rate", 0.2, 1.0)
    state.store(state.own + (mean - state.own) * rate)
    if sq is not None:
        floor = k.param("min_std|floor|eps", 1e-3, 0.1)
        var = k.let("var|spread|s2", sq * inv - wp.cw_mul(mean, mean))
        e.out("stds|sigma_out|spread_out", vec).store(
            construct(vec, *(wp.max(wp.sqrt(wp.max(var[c], 0.0)), floor) for c in range(n)))
        )
    if p.chance(0.4):
        e.out("elite_counts|num_kept|support", T.I32).store(count)


def _anneal(p: ProgramBuilder, k: KernelBuilder) -> None:
    n = p.pick(2, 3, 4)
    vec = T.Vec(n)
    e = Entities(k, p.pick("chain", "walker", "replica"), index="i|tid|chain_id")
    e.guard()
    x, fx = (
        e.inout("states|x|walkers", vec, R.uniform(-2.0, 2.0)),
        e.inout("energies|f_x|costs", T.F32, R.uniform(0.5, 5.0)),
    )
    temperature = e.property("temperature|T_k|heat", 0.1, 2.0)
    state = _state(p, k, e.index)
    width = k.param("proposal_width|step|jump", 0.05, 0.6)
    f = objective(p, n)
    center = k.quantity("center|optimum|target", vec, [0.3, -0.2, 0.1, 0.4][:n])
    xi, ei = k.var("xi|cur|walker", x.own), k.var("ei|energy|f_cur", fx.own)
    taken = k.var("taken|accepted|moves", 0, T.I32) if p.chance(0.6) else None
    sweeps = p.chance(0.6)
    cool = k.param("cooling|decay|rate", 0.9, 0.99) if sweeps and p.chance(0.5) else None
    heat = k.var("heat|temp|t_now", temperature) if cool is not None else temperature

    def move() -> None:
        cand = k.let("cand|trial|prop", xi + _draw(n, state, True) * width)
        new = k.let("e_new|f_new|trial_e", f(cand, center))
        delta = k.let("delta|dE|gain", new - ei)
        with k.when(any_of(delta < 0.0, wp.randf(state) < wp.exp(-delta / heat))):
            k.set(xi, cand)
            k.set(ei, new)
            if taken is not None:
                k.aug(taken, "+", 1)

    if sweeps:
        with k.loop("it|sweep|m", k.count("sweeps|num_moves|inner_steps", p.pick(4, 8, 16))):
            move()
            if cool is not None:
                k.aug(heat, "*", cool)
    else:
        move()
    x.store(xi)
    fx.store(ei)
    if taken is not None:
        e.out("acceptance|num_accepted|accept_count", T.I32).store(taken)
    if p.chance(0.5):
        k.do(
            wp.atomic_min(k.out("best_energy|lowest|ground", T.F32, (1,), R.constant(1.0e6)), 0, ei)
        )
    k.options["enable_backward"] = False


def _mppi(p: ProgramBuilder, k: KernelBuilder) -> None:
    horizon, samples, n = p.pick(6, 8, 10), p.pick(12, 16, 24), p.pick(1, 2, 3)
    v: T.Type = T.F32 if n == 1 else T.Vec(n)
    envs = p.pick(3, 4, 6)
    k.launch_dim = (envs, horizon)
    b, t = k.unpack(
        ["b|env|world", "t|step|h"], N.Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
    )
    costs = k.array("costs|returns|rollout_cost", T.F32, (envs, samples), R.uniform(0.0, 5.0))
    noise = k.array("noise|perturbations|delta_u", v, (envs, samples, horizon), R.normal(0.0, 0.5))
    u = k.array("controls|plan|u", v, (envs, horizon), R.uniform(-0.5, 0.5), "inout")
    lam = k.param("lam|temperature|inverse_gain", 0.2, 2.0)
    count = costs.dim(1) if p.chance(0.6) else k.scalar("num_samples|samples|K", T.I32, samples)
    low = k.var("low|best|min_cost", costs[b, 0])
    with k.loop("s|k|i", count) as s:
        k.set(low, wp.min(low, costs[b, s]))
    total, acc = (
        k.var("total|eta|norm", 0.0),
        k.var("acc|du|update", 0.0) if n == 1 else k.var("acc|du|update", construct(v, 0.0)),
    )
    with k.loop("s|k|i", count) as s:
        w = k.let("w|weight|omega", wp.exp(-(costs[b, s] - low) / lam))
        if p.chance(0.3):
            with k.when(w < k.param("min_weight|cutoff", 1e-4, 1e-2)):
                k.cont()
        k.aug(total, "+", w)
        k.aug(acc, "+", noise[b, s, t] * w)
    step = k.let("step|mean_du|correction", acc / total)
    gain = k.param("gain|step_size|rate", 0.3, 1.0) if p.chance(0.5) else None
    new = k.var("u_new|control|ut", u[b, t] + (step if gain is None else step * gain))
    if n == 1 and p.chance(0.6):
        limit = k.param("u_max|limit|saturation", 0.5, 1.5)
        k.set(new, wp.clamp(new, -limit, limit))
    elif n > 1 and p.chance(0.4):
        clamp_length(p, k, new, k.param("u_max|limit|saturation", 0.5, 1.5))
    k.set(u[b, t], new)
    if p.chance(0.4):
        with k.when(t == 0):
            k.set(k.out("effective_mass|normalizers|eta_out", T.F32, (envs,))[b], total)


def _es(p: ProgramBuilder, k: KernelBuilder) -> None:
    dims, samples = p.pick(16, 24, 32), p.pick(12, 16, 24)
    k.launch_dim = (dims,)
    j = k.let("j|d|param_id", wp.tid())
    noise = k.array("noise|epsilon|directions", T.F32, (samples, dims), R.normal(0.0, 1.0))
    mirrored = p.chance(0.5)
    plus = k.array("costs_plus|f_plus|scores", T.F32, (samples,), R.uniform(0.0, 2.0))
    minus = (
        k.array("costs_minus|f_minus", T.F32, (samples,), R.uniform(0.0, 2.0)) if mirrored else None
    )
    sigma = k.param("sigma|noise_std|spread", 0.05, 0.5)
    baseline = (
        k.param("baseline|mean_cost|offset", 0.5, 1.5) if not mirrored and p.chance(0.6) else None
    )
    ranks = (
        k.array("rank_weights|utilities|shaped", T.F32, (samples,), R.uniform(-0.5, 0.5))
        if p.chance(0.3)
        else None
    )
    acc = k.var("acc|g|grad_j", 0.0)
    with k.loop(
        "s|i|k",
        noise.dim(0)
        if p.chance(0.6)
        else k.scalar("num_samples|population|samples", T.I32, samples),
    ) as s:
        if ranks is not None:
            w = ranks[s]
        elif minus is not None:
            w = 0.5 * (plus[s] - minus[s])
        else:
            w = plus[s] if baseline is None else plus[s] - baseline
        k.aug(acc, "+", w * noise[s, j])
    grad = k.let("grad|g_est|estimate", acc / (sigma * float(samples)))
    if p.chance(0.6):
        theta = k.array("theta|params|mean", T.F32, (dims,), R.uniform(-1.0, 1.0), "inout")
        lr = k.param("lr|step|alpha", 0.01, 0.3)
        decay = k.param("weight_decay|l2", 1e-3, 0.1) if p.chance(0.4) else None
        k.set(
            theta[j],
            theta[j] - lr * grad if decay is None else (1.0 - lr * decay) * theta[j] - lr * grad,
        )
    else:
        k.set(k.out("gradient|grad_out|g_out", T.F32, (dims,))[j], grad)
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("grad_norm_sq|norm_acc", T.F32, (1,)), 0, grad * grad))
