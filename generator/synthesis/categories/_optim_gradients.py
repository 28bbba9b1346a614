"""Gradient bookkeeping and transport iterations: intents of optimisation_steps."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._optimisers import Variable
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def gradient_tools(p: ProgramBuilder) -> None:
    """Norms, clipping, averaging, accumulation and checks around an optimiser."""
    kind = p.weighted(
        {"norm": 3, "clip": 3, "average": 2, "accumulate": 2, "check": 2, "converged": 2}
    )
    names = {
        "norm": "grad_norm|global_grad_norm|squared_norm",
        "clip": "clip_gradients|clip_by_norm|scale_gradients",
        "average": "ema_update|average_params|polyak_average",
        "accumulate": "accumulate_gradients|add_microbatch|sum_gradients",
        "check": "check_finite|unscale_and_check|find_inf",
        "converged": "check_convergence|stopping_test|progress_check",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Gradient bookkeeping.",
            "Helper of the training loop.",
            "Runs before the optimiser step.",
            "",
        ),
    )
    e = Entities(k, p.pick("param", "dof", "variable"), index="i|tid|idx")
    v = Variable(p, e)
    if p.chance(0.5):
        e.guard()
    at = e.world if e.world is not None else 0
    lead = (e.worlds or 1,)
    g = (
        v.inout("grads|g|gradients")
        if kind in ("clip", "accumulate", "check")
        else v.given("grads|g|gradients")
    )
    match kind:
        case "norm":
            gi = k.let("gi|value|g_i", g.own)
            if p.chance(0.4):
                gi = k.let("gs|scaled|gw", gi * e.property("weight|inv_scale|metric", 0.3, 2.0))
            k.do(
                wp.atomic_add(
                    k.out("norm_sq|grad_norm_sq|total_sq", p.real, lead), at, v.square(gi)
                )
            )
            if p.chance(0.5):
                k.do(wp.atomic_max(k.out("max_abs|inf_norm|largest", p.real, lead), at, v.size(gi)))
        case "clip":
            limit = k.param("max_norm|clip|limit", 0.3, 1.5)
            if p.chance(0.5):
                size = k.let("size|norm|mag", v.size(g.own))
                with k.when(size > limit):
                    g.store(g.own * (limit / size))
            else:
                total = k.array("norm_sq|grad_norm_sq|total_sq", p.real, lead, R.uniform(0.5, 4.0))
                scale = k.let(
                    "scale|factor|ratio", wp.min(limit / (wp.sqrt(total[at]) + 1.0e-6), 1.0)
                )
                g.store(g.own * scale)
                if p.chance(0.4):
                    with k.when(scale < 1.0):
                        k.do(wp.atomic_add(k.out("num_clipped|clip_events", T.I32, (1,)), 0, 1))
        case "average":
            mean = v.inout("ema|averaged|shadow")
            tau = k.param("tau|decay|ema_decay", 0.9, 0.999)
            if p.chance(0.4):
                tau = k.let(
                    "decay_t|warm|rate",
                    wp.min(
                        tau,
                        (1.0 + construct(p.real, k.count("step|t|num_updates", p.pick(1, 10, 100))))
                        / 110.0,
                    ),
                )
            mean.store(
                mean.own + (1.0 - tau) * (g.own - mean.own)
                if p.chance(0.5)
                else tau * mean.own + (1.0 - tau) * g.own
            )
        case "accumulate":
            new = v.given("micro_grads|batch_grads|delta_g").own
            w = k.param("weight|scale|inv_steps", 0.1, 1.0)
            g.store(g.own + w * new)
            if p.chance(0.5):
                source = v.given("params|x|weights").own
                k.do(
                    wp.atomic_add(
                        k.out("reg_loss|l2_loss|penalty", p.real, lead),
                        at,
                        0.5 * k.param("l2|decay", 1e-4, 1e-2) * v.square(source),
                    )
                )
        case "check":
            u = k.let("u|unscaled|gi", g.own * k.param("inv_scale|unscale", 0.1, 1.0))
            bad = negate(wp.isfinite(u)) if p.chance(0.6) else any_of(wp.isnan(u), wp.isinf(u))
            with k.when(bad):
                k.do(wp.atomic_max(k.out("found_inf|overflow|bad", T.I32, lead), at, 1))
                if p.chance(0.5):
                    g.store(construct(v.type, 0.0))
                    k.ret()
            g.store(u)
        case _:
            x, old = v.given("x|iterate|current").own, v.given("x_prev|last|previous").own
            change = k.let("change|delta|dx", v.size(x - old))
            scale = k.let(
                "scale|bound|limit",
                k.param("atol|abs_tol", 0.05, 0.4)
                + k.param("rtol|rel_tol", 0.05, 0.4) * v.size(old),
            )
            with k.when(
                any_of(change > scale, v.size(g.own) > k.param("gtol|grad_tol", 0.4, 0.9))
                if p.chance(0.6)
                else change > scale
            ):
                k.do(wp.atomic_add(k.out("not_converged|num_active|moving", T.I32, lead), at, 1))
            if p.chance(0.5):
                k.do(wp.atomic_max(k.out("max_change|largest_move", p.real, lead), at, change))


def transport(p: ProgramBuilder) -> None:
    """Sinkhorn scalings, coordinate descent, Frank-Wolfe: rows of a dense problem."""
    kind = p.weighted(
        {"sinkhorn": 3, "log_sinkhorn": 2, "coordinate": 2.5, "frank_wolfe": 2, "auction": 1.5}
    )
    names = {
        "sinkhorn": "sinkhorn_rows|scale_rows|update_row_scaling",
        "log_sinkhorn": "log_sinkhorn|update_potential|soft_c_transform",
        "coordinate": "coordinate_descent|update_coordinates|jacobi_lasso",
        "frank_wolfe": "frank_wolfe_vertex|linear_minimization|conditional_gradient",
        "auction": "auction_bids|compute_bids|bidding_round",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "One row of the cost matrix per thread.",
            "Row update of a transport problem.",
            "Dense row sweeps.",
            "Assignment and transport.",
        ),
    )
    e = Entities(
        k,
        p.pick("row", "source", "agent"),
        index="i|row|tid",
        count=p.pick(16, 24, 32),
        layouts=False,
    )
    m = p.pick(8, 12, 16)
    i = e.index
    cost = k.array("cost|C|distances", p.real, (e.n, m), R.uniform(0.0, 2.0))
    e.guard()
    size = cost.dim(1) if p.chance(0.6) else k.scalar("num_cols|m|targets", T.I32, m)
    {
        "sinkhorn": _sinkhorn,
        "log_sinkhorn": _log_sinkhorn,
        "coordinate": _coordinate,
        "frank_wolfe": _frank_wolfe,
        "auction": _auction,
    }[kind](p, k, e, i, m, cost, size)


def _sinkhorn(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, i: Expr, m: int, cost: Expr, size: Expr
) -> None:
    v = k.array("v|col_scale|b_scale", p.real, (m,), R.uniform(0.5, 1.5))
    eps = k.param("eps|entropy|temperature", 0.2, 1.0)
    acc = k.var("acc|marginal|row_sum", 0.0, p.real)
    with k.loop("j|col|t", size) as j:
        k.aug(acc, "+", wp.exp(-cost[i, j] / eps) * v[j])
    mass = e.field("source_mass|a|supply", p.real, R.uniform(0.01, 0.2)).own
    u = e.inout("u|row_scale|a_scale", p.real, R.uniform(0.5, 1.5))
    if p.chance(0.5):
        k.do(
            wp.atomic_add(
                k.out("marginal_error|violation|err_sum", p.real, (1,)),
                0,
                wp.abs(u.own * acc - mass),
            )
        )
    new = mass / wp.max(acc, 1.0e-8)
    if p.chance(0.35):
        power = k.param("tau|unbalanced|relax", 0.5, 0.95)
        new = wp.pow(new, power)
    u.store(new)


def _log_sinkhorn(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, i: Expr, m: int, cost: Expr, size: Expr
) -> None:
    g = k.array("g|dual_g|potential_g", p.real, (m,), R.uniform(-0.5, 0.5))
    eps = k.param("eps|entropy|temperature", 0.2, 1.0)
    top = k.var("top|peak|mx", -1.0e6, p.real)
    with k.loop("j|col|t", size) as j:
        k.set(top, wp.max(top, (g[j] - cost[i, j]) / eps))
    acc = k.var("acc|s|sum_exp", 0.0, p.real)
    with k.loop("j|col|t", size) as j:
        k.aug(acc, "+", wp.exp((g[j] - cost[i, j]) / eps - top))
    mass = e.field("log_mass|log_a|supply_log", p.real, R.uniform(-4.0, -1.0)).own
    f = e.inout("f|dual_f|potential_f", p.real, R.uniform(-0.5, 0.5))
    new = k.let("f_new|updated|pot", eps * (mass - top - wp.log(acc)))
    if p.chance(0.5):
        w = k.param("damping|omega|relax", 0.4, 0.9)
        new = k.let("f_damped|mixed", (1.0 - w) * f.own + w * new)
    f.store(new)


def _coordinate(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, i: Expr, m: int, cost: Expr, size: Expr
) -> None:
    x = k.array("x|coefficients|state", p.real, (m,), R.uniform(-1.0, 1.0))
    col = k.let("own|diag_id|me", i % m)
    r = k.var("r|rho|partial", e.field("b|rhs|correlations", p.real, R.uniform(-1.0, 1.0)).own)
    with k.loop("j|other|t", size) as j:
        with k.when(j == col):
            k.cont()
        k.aug(r, "-", cost[i, j] * x[j])
    lam = k.param("lam|l1|sparsity", 0.05, 0.8)
    diag = k.let("diag|q|curv", cost[i, col] + k.param("ridge|l2|eps", 0.1, 1.0))
    form = p.pick("lasso", "nonneg", "box")
    value = {
        "lasso": lambda: wp.sign(r) * wp.max(wp.abs(r) - lam, 0.0) / diag,
        "nonneg": lambda: wp.max(r - lam, 0.0) / diag,
        "box": lambda: wp.clamp(r / diag, -lam, lam),
    }[form]()
    e.out("x_next|updated|new_values", p.real).store(value)


def _frank_wolfe(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, i: Expr, m: int, cost: Expr, size: Expr
) -> None:
    best, low = k.var("best|vertex|arg", 0, T.I32), k.var("low|min_c|value", cost[i, 0])
    with k.loop("j|col|t", 1, size) as j, k.when(cost[i, j] < low):
        k.set(low, cost[i, j])
        k.set(best, j)
    gamma = (
        k.param("gamma|step|rate", 0.05, 0.6)
        if p.chance(0.5)
        else 2.0 / (construct(p.real, k.count("iteration|t|step", p.pick(1, 5, 20))) + 2.0)
    )
    x = k.array("plan|x|flow", p.real, (e.n, m), R.uniform(0.0, 0.2), "inout")
    gap = k.var("gap|dual_gap|g", 0.0, p.real)
    with k.loop("j|col|t", size) as j:
        k.aug(gap, "+", cost[i, j] * x[i, j])
        hot = wp.where(j == best, construct(p.real, 1.0), construct(p.real, 0.0))
        k.set(x[i, j], (1.0 - gamma) * x[i, j] + gamma * hot)
    k.do(wp.atomic_add(k.out("duality_gap|gap_sum|progress", p.real, (1,)), 0, gap - low))
    if p.chance(0.5):
        e.out("vertices|choices|assigned", T.I32).store(best)


def _auction(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, i: Expr, m: int, cost: Expr, size: Expr
) -> None:
    prices = k.array("prices|p_in|duals", p.real, (m,), R.uniform(0.0, 1.0))
    first, second = (
        k.var("first|top_value|w1", -1.0e6, p.real),
        k.var("second|next_value|w2", -1.0e6, p.real),
    )
    best = k.var("best|target|arg", -1, T.I32)
    with k.loop("j|obj|t", size) as j:
        value = k.let("value|net|margin", -cost[i, j] - prices[j])
        with k.when(value > first):
            k.set(second, first)
            k.set(first, value)
            k.set(best, j)
        with k.elsewhen(value > second):
            k.set(second, value)
    bid = k.let(
        "bid|offer|raise_p",
        prices[best] + first - second + k.param("epsilon|increment|eps", 0.01, 0.2),
    )
    e.out("bids|offers|bid_values", p.real).store(bid)
    e.out("targets|wanted|bid_objects", T.I32).store(best)
    if p.chance(0.6):
        k.do(wp.atomic_max(k.out("highest_bids|best_offer|top_bids", p.real, (m,)), best, bid))
