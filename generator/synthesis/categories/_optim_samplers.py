"""Sampling optimisers and annealing: pieces of the population methods."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._optim_search import objective
from generator.synthesis.categories._optim_streams import random_vector, stream_state
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder


def elite_refit(p: ProgramBuilder, k: KernelBuilder) -> None:
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


def annealing(p: ProgramBuilder, k: KernelBuilder) -> None:
    n = p.pick(2, 3, 4)
    vec = T.Vec(n)
    e = Entities(k, p.pick("chain", "walker", "replica"), index="i|tid|chain_id")
    e.guard()
    x, fx = (
        e.inout("states|x|walkers", vec, R.uniform(-2.0, 2.0)),
        e.inout("energies|f_x|costs", T.F32, R.uniform(0.5, 5.0)),
    )
    temperature = e.property("temperature|T_k|heat", 0.1, 2.0)
    state = stream_state(p, k, e.index)
    width = k.param("proposal_width|step|jump", 0.05, 0.6)
    f = objective(p, n)
    center = k.quantity("center|optimum|target", vec, [0.3, -0.2, 0.1, 0.4][:n])
    xi, ei = k.var("xi|cur|walker", x.own), k.var("ei|energy|f_cur", fx.own)
    taken = k.var("taken|accepted|moves", 0, T.I32) if p.chance(0.6) else None
    sweeps = p.chance(0.6)
    cool = k.param("cooling|decay|rate", 0.9, 0.99) if sweeps and p.chance(0.5) else None
    heat = k.var("heat|temp|t_now", temperature) if cool is not None else temperature

    def move() -> None:
        cand = k.let("cand|trial|prop", xi + random_vector(n, state, True) * width)
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


def path_integral(p: ProgramBuilder, k: KernelBuilder) -> None:
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


def evolution_gradient(p: ProgramBuilder, k: KernelBuilder) -> None:
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
