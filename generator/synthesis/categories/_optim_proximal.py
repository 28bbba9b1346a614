"""Proximal and splitting steps: an intent of optimisation_steps."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._optimisers import Variable
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def proximal(p: ProgramBuilder) -> None:
    """Proximal and splitting steps: ISTA and FISTA, ADMM, primal-dual, mirror descent, projections."""
    kind = p.weighted(
        {"ista": 3, "fista": 2.5, "admm": 3.5, "primal_dual": 2, "mirror": 1.5, "project": 2.5}
    )
    names = {
        "ista": "ista_step|proximal_gradient|forward_backward",
        "fista": "fista_step|accelerated_proximal|extrapolate_prox",
        "admm": "admm_update|admm_z_step|split_update|consensus_update",
        "primal_dual": "pdhg_step|chambolle_pock|dual_ascent",
        "mirror": "mirror_descent|exponentiated_gradient|multiplicative_update",
        "project": "project_variables|project_feasible|apply_projection",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Proximal step.",
            "Operator splitting; every unknown on its own.",
            "Separable part of a splitting method.",
            "Shrinkage and projection.",
        ),
    )
    e = Entities(k, p.pick("variable", "coef", "dof", "unknown"), index="i|tid|idx")
    v = Variable(p, e)
    e.guard()
    {
        "ista": _ista,
        "fista": _fista,
        "admm": _admm,
        "primal_dual": _primal_dual,
        "mirror": _mirror,
        "project": _project,
    }[kind](p, k, e, v)


def _prox(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, x: Expr, t: Expr) -> Expr:
    """A proximal operator with step `t`."""
    form = (
        p.pick("l1", "l1", "group", "box", "elastic", "nonneg", "huber", "l0")
        if v.width == 1
        else p.pick("l1", "group", "ball", "elastic")
    )
    args = {"v|x": x, "t|kappa": t}

    def scalar(q: Expr, s: Expr) -> Expr:
        match form:
            case "box":
                return wp.clamp(q, -s, s)
            case "elastic":
                return wp.sign(q) * wp.max(wp.abs(q) - s, 0.0) / (1.0 + 0.5 * s)
            case "nonneg":
                return wp.max(q - s, 0.0)
            case "huber":
                return q - s * q / wp.max(wp.abs(q), 1.0 + s)
            case "l0":
                return wp.where(q * q > 2.0 * s, q, q * 0.0)
        return wp.sign(q) * wp.max(wp.abs(q) - s, 0.0)

    def body(b: Block, q: Expr, s: Expr) -> Expr:
        if v.width == 1:
            if form == "l1" and b is not k and p.chance(0.5):
                with b.when(q > s):
                    b.ret(q - s)
                with b.when(q < -s):
                    b.ret(q + s)
                return construct(p.real, 0.0)
            return scalar(q, s)
        if form in ("group", "ball"):
            size = b.let("size|len_v|r", wp.length(q))
            if form == "ball":
                return q * wp.min(construct(p.real, 1.0), 1.0 / wp.max(size, 1.0e-6))
            return q * wp.max(1.0 - s / wp.max(size, 1.0e-6), 0.0)
        return construct(v.type, *(scalar(q[c], s) for c in range(v.width)))

    words = {
        "l1": "soft_threshold|shrink",
        "group": "group_shrink|block_soft_threshold",
        "box": "project_box|clip_to_box",
        "elastic": "prox_elastic_net|shrink_elastic",
        "nonneg": "prox_nonneg|positive_shrink",
        "huber": "prox_huber",
        "l0": "hard_threshold",
        "ball": "project_ball|clip_to_ball",
    }
    return piece(p, k, words[form], args, body, "", 0.75)


def _ista(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable) -> None:
    x, g = v.inout("x|coefficients|codes"), v.given("grad|g|gradient")
    step, lam = (
        e.world_param("step|tau|lr", 0.05, 0.5),
        e.property("lam|l1_weight|sparsity", 0.05, 0.5),
    )
    z = k.let("z|forward|moved", x.own - step * g.own)
    new = k.let("x_new|shrunk|prox_x", _prox(p, k, e, v, z, step * lam))
    if p.chance(0.5):
        change = k.let("change|delta|dx", new - x.own)
        k.do(
            wp.atomic_add(
                k.out("change_sq|delta_norm|progress", p.real, (e.worlds or 1,)),
                e.world if e.world is not None else 0,
                v.square(change),
            )
        )
    if p.chance(0.4):
        support = k.out("num_nonzero|support_size|nnz", T.I32, (1,))
        with k.when(v.size(new) > p.pick(0.0, 1e-6)):
            k.do(wp.atomic_add(support, 0, 1))
    x.store(new)


def _fista(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable) -> None:
    y, g = v.inout("y|lookahead|extrapolated"), v.given("grad|g|gradient")
    x = v.inout("x|iterate|x_prev")
    step, lam = k.param("step|tau|lr", 0.05, 0.5), k.param("lam|l1_weight|reg", 0.05, 0.5)
    forward = k.let("y_fwd|forward|descended", y.own - step * g.own)
    new = k.let("x_new|next_x|prox_x", _prox(p, k, e, v, forward, step * lam))
    if p.chance(0.5):
        beta = k.param("beta|momentum|extrapolation", 0.1, 0.9)
    else:
        t = k.param("t_k|theta|inertia", 1.0, 5.0)
        t_new = k.let("t_new|t_next", 0.5 * (1.0 + wp.sqrt(1.0 + 4.0 * t * t)))
        beta = k.let("beta|weight|mom", (t - 1.0) / t_new)
    if p.chance(0.35):
        restart = k.let(
            "restart|descent|corr",
            wp.dot(y.own - new, new - x.own) if v.width > 1 else (y.own - new) * (new - x.own),
        )
        beta = k.let("beta_safe|damped|beta_r", choose(restart > 0.0, 0.0, beta))
    y.store(new + beta * (new - x.own))
    x.store(new)


def _admm(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable) -> None:
    x = v.given("x|primal|x_in")
    z, u = v.inout("z|split|aux"), v.inout("u|dual|scaled_dual")
    rho = e.world_param("rho|penalty", 0.5, 4.0)
    lam = k.param("lam|reg|kappa", 0.05, 0.5)
    over = p.chance(0.35)
    mixed = k.let("x_hat|relaxed|xh", x.own)
    if over:
        alpha = k.param("alpha|over_relax|relaxation", 1.2, 1.8)
        mixed = k.let("x_mix|over|x_rel", alpha * x.own + (1.0 - alpha) * z.own)
    old = k.let("z_old|zp|last_z", z.own)
    centre = k.let("shifted|q|prox_in", mixed + u.own)
    new = k.let("z_new|zi|prox_z", _prox(p, k, e, v, centre, lam / rho))
    r = k.let("r|primal_res|gap", mixed - new)
    u.store(u.own + r)
    z.store(new)
    kind = p.pick("none", "norms", "store")
    if kind == "norms":
        at = e.world if e.world is not None else 0
        k.do(
            wp.atomic_add(
                k.out("primal_sq|r_norm_sq|primal_norm", p.real, (e.worlds or 1,)), at, v.square(r)
            )
        )
        d = k.let("dz|dual_step|s", (new - old) * rho)
        k.do(
            wp.atomic_add(
                k.out("dual_sq|s_norm_sq|dual_norm", p.real, (e.worlds or 1,)), at, v.square(d)
            )
        )
    elif kind == "store":
        e.out("residuals|gaps|violation", p.real).store(v.size(r) + rho * v.size(new - old))


def _primal_dual(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable) -> None:
    x, y = v.inout("x|primal"), v.given("kty|adjoint_y|K_T_y")
    bar = e.out("x_bar|extrapolated|lookahead", v.type)
    tau, lam = k.param("tau|primal_step", 0.05, 0.5), k.param("lam|fidelity|data_weight", 0.5, 4.0)
    data = v.given("f|observed|noisy")
    moved = k.let("moved|xt|v_i", x.own - tau * y.own)
    match p.pick("l2", "l1", "box"):
        case "l2":
            new = k.let("x_new|prox_x|xi", (moved + (tau * lam) * data.own) / (1.0 + tau * lam))
        case "l1":
            gap = k.let("misfit|off_data|gap_f", moved - data.own)
            new = k.let("x_new|prox_x|xi", data.own + _prox(p, k, e, v, gap, tau * lam))
        case _:
            new = k.let(
                "x_new|prox_x|xi",
                v.each(lambda q: wp.clamp(q, 0.0, 1.0), moved - tau * (moved - data.own)),
            )
    theta = k.param("theta|extrapolation", 0.5, 1.0) if p.chance(0.5) else None
    bar.store(2.0 * new - x.own if theta is None else new + theta * (new - x.own))
    if p.chance(0.4):
        k.do(
            wp.atomic_add(
                k.out("objective|energy|fidelity_sum", p.real, (1,)),
                0,
                0.5 * lam * v.square(new - data.own),
            )
        )
    x.store(new)


def _mirror(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable) -> None:
    x = e.inout("x|weights|probs", p.real, R.uniform(0.05, 1.0))
    g = e.field("grad|g|losses", p.real, R.uniform(-1.0, 1.0))
    eta = k.param("eta|step|lr", 0.05, 0.8)
    new = k.var("x_new|scaled|w", x.own * wp.exp(-eta * g.own))
    if p.chance(0.5):
        floor = k.param("floor|min_weight|eps", 1e-4, 1e-2)
        k.set(new, wp.max(new, floor))
    if p.chance(0.4):
        mix = k.param("gamma|exploration|mixing", 0.01, 0.2)
        k.set(new, (1.0 - mix) * new + mix / float(e.n))
    x.store(new)
    k.do(
        wp.atomic_add(
            k.out("total|normalizer|mass", p.real, (e.worlds or 1,)),
            e.world if e.world is not None else 0,
            new,
        )
    )
    if p.chance(0.4):
        e.out("log_weights|scores|entropy_terms", p.real).store(
            -new * wp.log(new + 1.0e-8) if p.chance(0.5) else wp.log(new + 1.0e-8)
        )


def _project(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable) -> None:
    x = v.inout("x|variables|points", -2.0, 2.0)
    xi = k.var("xi|value|v", x.own)
    distance: Any = None
    if v.width == 1:
        low, high = e.property("lower|lb|x_min", 0.1, 0.5), e.property("upper|ub|x_max", 0.6, 1.5)
        form = p.pick("clamp", "branches", "reflect", "periodic")
        if form == "clamp":
            k.set(xi, wp.clamp(xi, -low, high))
        elif form == "branches":
            with k.when(xi < -low):
                k.set(xi, -low)
            with k.elsewhen(xi > high):
                k.set(xi, high)
        elif form == "reflect":
            with k.when(xi > high):
                k.set(xi, wp.max(2.0 * high - xi, -low))
            with k.elsewhen(xi < -low):
                k.set(xi, wp.min(-2.0 * low - xi, high))
        else:
            span = k.let("span|width|period", high + low)
            k.set(xi, xi - span * wp.floor((xi + low) / span))
    else:
        normal = k.quantity("normal|plane_n|a_vec", v.type, [0.6, 0.8, 0.0, 0.0][: v.width])
        offset = k.param("offset|plane_d|b_val", 0.1, 0.8)
        which = p.pick("halfspace", "plane", "ball", "cone")
        if which in ("halfspace", "plane"):
            distance = k.let("gap|dist|violation", wp.dot(normal, xi) - offset)
            if which == "plane":
                k.aug(xi, "-", normal * distance)
            else:
                with k.when(distance > 0.0):
                    k.aug(xi, "-", normal * distance)
        elif which == "ball":
            size = k.let("size|r|len_x", wp.length(xi))
            with k.when(size > offset):
                k.aug(xi, "*", offset / size)
        else:
            along = k.let("along|axial|h", wp.dot(normal, xi))
            side = k.let("side|radial|perp", xi - normal * along)
            r = k.let("r|radius|len_s", wp.length(side))
            mu = k.param("mu|friction|slope", 0.3, 1.0)
            with k.when(all_of(r > mu * along, mu * r > -along)):
                k.set(
                    xi,
                    (normal + side * (mu / wp.max(r, 1.0e-6)))
                    * ((along + mu * r) / (1.0 + mu * mu)),
                )
            with k.elsewhen(r > mu * along):
                k.set(xi, construct(v.type, 0.0))
    if p.chance(0.5):
        moved = k.let("moved|shift|correction", v.size(xi - x.own))
        k.do(wp.atomic_max(k.out("max_violation|largest_move|worst", p.real, (1,)), 0, moved))
    x.store(xi)
