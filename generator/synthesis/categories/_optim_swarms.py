"""Swarms and evolution: pieces of the population methods."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._optim_search import objective
from generator.synthesis.categories._optim_streams import (
    keep_in_bounds,
    random_vector,
    stream_state,
)
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder


def particle_swarm(p: ProgramBuilder, k: KernelBuilder) -> None:
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
    state = stream_state(p, k, e.index)
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
        r1, r2 = k.let("r1|u1", random_vector(n, state)), k.let("r2|u2", random_vector(n, state))
        vi = k.var(
            "vi|vel|v_new",
            w * v.own + wp.cw_mul(r1, best.own - xi) * c1 + wp.cw_mul(r2, leader - xi) * c2,
        )
    if p.chance(0.5):
        clamp_length(p, k, vi, k.param("max_speed|v_max|speed_limit", 0.3, 2.0))
    k.aug(xi, "+", vi)
    keep_in_bounds(p, k, xi, n)
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


def differential_evolution(p: ProgramBuilder, k: KernelBuilder) -> None:
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
    state = stream_state(p, k, e.index)
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
    keep_in_bounds(p, k, trial, n)
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


def sampled_population(p: ProgramBuilder, k: KernelBuilder) -> None:
    n = p.pick(2, 3, 4)
    vec, mat = T.Vec(n), T.Mat(n, n)
    e = Entities(k, p.pick("sample", "candidate"), index="i|tid|s")
    at = e.world if e.world is not None else 0
    mean = k.array("mean|center|mu", vec, (e.worlds or 1,), R.uniform(-1.0, 1.0))[at]
    sigma = e.world_param("sigma|step_size|spread", 0.1, 1.0)
    state = stream_state(p, k, e.index)
    z = k.let("z|noise|xi", random_vector(n, state, True))
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
    keep_in_bounds(p, k, x, n)
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
