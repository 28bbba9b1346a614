"""Iterations over a factored matrix: control, quadratic programs, curve fits. Intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    axpy,
    dot,
    inner,
    matmul,
    ridge,
    transpose,
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def control(p: ProgramBuilder) -> None:
    """Linear-quadratic control: a backward Riccati recursion, feedback gains, and at times a forward rollout."""
    b = Batch(
        p,
        "lqr_backward|riccati_recursion|ilqr_backward_pass|solve_lqr|tracking_gains",
        (
            "Backward Riccati recursion, one trajectory per block.",
            "Feedback gains over the horizon.",
            "Finite-horizon LQR; the value function stays in shared memory.",
            "Gains from the last step to the first, then a rollout.",
        ),
        index="i|env|trajectory|agent",
        worlds=False,
    )
    k, t = b.k, b.t
    n, m, one = (
        t.dim("nx|state_dim|num_states", p.pick(3, 4, 6)),
        t.dim("nu|control_dim|num_controls", p.pick(1, 2, 3)),
        t.literal(1),
    )
    steps = p.pick(3, 4, 5)
    horizon = k.count("horizon|num_steps|N", steps) if p.chance(0.6) else None
    bound: Any = horizon if horizon is not None else steps
    varying = p.chance(0.5)
    lead = (*b.lead, steps)
    dynamics = k.array(
        "A_all|dynamics|fx",
        p.real,
        (*(lead if varying else b.lead), n.value, n.value),
        R.near_identity(0.1),
    )
    inputs = k.array(
        "B_all|inputs|fu",
        p.real,
        (*(lead if varying else b.lead), n.value, m.value),
        R.uniform(-0.5, 0.5),
    )
    q = b.load("Q_all|state_cost|lxx", "Q|qc|cost_x", [n, n], R.spd(0.3, 1.5))
    r = (
        b.load("R_all|input_cost|luu", "R|rc|cost_u", [m, m], R.spd(0.3, 1.0))
        if p.chance(0.5)
        else None
    )
    gains = k.out("gains|K_all|feedback", p.real, (*lead, m.value, n.value))
    value = k.var(
        "V|P|vxx",
        b.load("Q_final|terminal_cost|vf", "Vf|p_end|last", [n, n], R.spd(0.5, 2.0))
        if p.chance(0.5)
        else q,
    )
    linear = p.chance(0.45)
    vx = (
        k.var(
            "vx|s|v_lin",
            b.load(
                "q_final|terminal_grad|lx_final",
                "vx_end|s_end|lin0",
                [n, one],
                R.uniform(-0.5, 0.5),
            ),
        )
        if linear
        else None
    )
    forward = k.out("feedforward|k_all|bias_out", p.real, (*lead, m.value, 1)) if linear else None
    weight = b.param("input_weight|rho|effort", 0.2, 1.0) if r is None else None
    if not varying:
        a = k.let("A|fx_t|dyn", t.load(dynamics[b.at], [n, n]))
        bt = k.let("B|fu_t|inp", t.load(inputs[b.at], [n, m]))
    k.step(p.pick("backward pass", "from the end of the horizon", ""))
    down = p.chance(0.5)
    with k.countdown("s|step|tt", bound) if down else k.loop("back|s|step", bound) as raw:
        s = raw if down else k.let("at|step_id|tt", bound - 1 - raw)
        if varying:
            a = k.let("A|fx_t|dyn", t.load(dynamics[(*b.at, s)], [n, n]))
            bt = k.let("B|fu_t|inp", t.load(inputs[(*b.at, s)], [n, m]))
        bv = k.let("BtV|bv|half", matmul(transpose(bt), value))
        quu = matmul(bv, bt)
        quu = (
            k.let("Quu|S|huu", quu + r)
            if r is not None
            else ridge(p, b, quu, m, weight, "Quu|S|huu")
        )  # type: ignore[arg-type]
        qux = k.let("Qux|bva|hux", matmul(bv, a))
        f = Factor(p, b, quu, "Lu|low|chol")
        gain = f.solve(qux, "K|gain|fb", keep=True)
        t.store(gains[(*b.at, s)], gain)
        av = matmul(transpose(a), value)
        if vx is not None and forward is not None:
            qu = k.let("Qu|bs|hu", matmul(transpose(bt), vx))
            t.store(forward[(*b.at, s)], -(f.solve(qu, "kff|ff|open_loop", keep=True)))
            k.set(vx, matmul(transpose(a), vx) - matmul(transpose(gain), qu))
        new = q + matmul(av, a) - matmul(transpose(qux), gain)
        if p.chance(0.4):
            new = k.let("V_new|next_v|upd", new)
            new = (new + transpose(new)) * 0.5
        k.set(value, new)
    if p.chance(0.5):
        b.store("value_out|P0|cost_to_go", [n, n], value)
    if p.chance(0.55):
        k.step(p.pick("rollout", "forward pass", ""))
        _rollout(p, b, n, m, bound, (dynamics, inputs, gains), varying, steps)


def _rollout(
    p: ProgramBuilder,
    b: Batch,
    n: Dim,
    m: Dim,
    bound: Any,
    arrays: tuple[Expr, Expr, Expr],
    varying: bool,
    steps: int,
) -> None:
    k, t = b.k, b.t
    one = t.literal(1)
    x = k.var(
        "x|state|xs",
        b.load("x0|initial_states|start", "x_init|first|x_start", [n, one], R.uniform(-1.0, 1.0)),
    )
    states = k.out("states|trajectory|x_out", p.real, (*b.lead, steps, n.value, 1))
    limit = p.pick(0.5, 1.0, 2.0) if p.chance(0.4) else None
    clip = (
        p.func(
            "saturate|clamp_input|limit_effort",
            {"u|v": p.real},
            lambda q, v: q.ret(wp.clamp(v, -limit, limit)),
        )
        if limit
        else None
    )
    cost = k.var("effort|cost|spent", 0.0, p.real) if p.chance(0.5) else None
    with k.loop("s|step|tt", bound) as s:
        at = (*b.at, s)
        gain = k.let("gain_s|fb_s|Ks", t.load(arrays[2][at], [m, n]))
        u = k.let("u|control|us", -matmul(gain, x))
        if clip is not None:
            u = k.let("u_sat|applied|uc", t.map(clip, u))
        a = k.let("A_s|dyn_s|fx_s", t.load(arrays[0][at if varying else b.at], [n, n]))
        bt = k.let("B_s|inp_s|fu_s", t.load(arrays[1][at if varying else b.at], [n, m]))
        k.set(x, matmul(a, x) + matmul(bt, u))
        if cost is not None:
            k.aug(cost, "+", inner(p, u, u))
        t.store(states[at], x)
    if cost is not None:
        b.put("efforts|costs|control_cost", cost)


def quadratic_program(p: ProgramBuilder) -> None:
    """Quadratic programs by operator splitting: one factorisation, then solves, projections and dual updates."""
    b = Batch(
        p,
        "admm_qp|box_qp|osqp_block|projected_qp|contact_qp|portfolio_qp",
        (
            "ADMM; the shifted Hessian is factored once.",
            "Box-constrained QP, one per block.",
            "Operator splitting with a cached factor.",
            "Solves min 1/2 x'Px + q'x subject to l <= x <= u.",
        ),
        index="i|problem|env|qp",
    )
    k, t = b.k, b.t
    n = t.dim("n|num_vars|nv", p.pick(4, 6, 8, 12))
    box = p.chance(0.6)
    hess = b.load(
        "P_all|hessians|cost_matrices",
        "P|hess|pm",
        [n, n],
        R.spd(0.5, 3.0),
        True if p.chance(0.4) else None,
    )
    lin = b.load("q_all|linear_terms|gradients", "q|lin|c", [n], R.uniform(-1.5, 1.5))
    low = (
        b.load("lower|l_all|lower_bounds", "l|lo|floor_t", [n], R.uniform(-0.8, -0.1))
        if box
        else None
    )
    high = b.load("upper|u_all|upper_bounds", "u|hi|cap", [n], R.uniform(0.1, 0.8)) if box else None
    rho = b.param("rho|penalty|sigma", 0.3, 2.0)
    f = Factor(p, b, ridge(p, b, hess, n, rho, "KKT|shifted|pr"))
    zero = lambda: t.zeros([n], p.real)  # noqa: E731
    z, y = k.var("z|proj|split", zero()), k.var("y|dual|w", zero())
    x = k.var("x|sol|xs", zero())
    relax = k.param("alpha|relaxation|over_relax", 1.0, 1.7) if p.chance(0.35) else None
    count = p.pick(4, 6, 8, 10)
    iterations = k.count("max_iter|iterations|num_iters", count) if p.chance(0.6) else count
    extras = p.sample(["dual", "objective", "used", "residual"], 0, 3)
    used = k.var("used|its|n_iter", 0, T.I32) if "used" in extras else None
    tol = k.param("tol|eps_primal|tolerance", 1.0e-4, 1.0e-2) if p.chance(0.55) else None

    shrink = None
    if not box:
        cut, kind = p.pick(0.05, 0.1, 0.3), p.pick("nonneg", "l1")
        shrink = p.func(
            "project|prox|shrink",
            {"v|x": p.real},
            lambda q, v: q.ret(
                wp.max(v, 0.0) if kind == "nonneg" else wp.sign(v) * wp.max(wp.abs(v) - cut, 0.0)
            ),
        )
    with k.loop("it|iteration|sweep", iterations):
        rhs = k.let("rhs|b|target", z * rho - y - lin)
        k.set(
            x,
            tile("tile_cholesky_solve", rhs.type, f.low, rhs, **f.upper)
            if p.chance(0.6)
            else f.back(k.let("half|fwd", f.lower(rhs))),
        )
        mixed = x
        if relax is not None:
            mixed = k.let("x_rel|mixed|blend", x * relax + z * (1.0 - relax))
        shifted = k.let(
            "v|shifted|cand", mixed + y / rho if p.chance(0.5) else mixed + y * (1.0 / rho)
        )
        if low is not None and high is not None:
            clamp = t.map("min", t.map("max", shifted, low), high)
            if p.chance(0.4):
                clamp = t.map(
                    p.func(
                        "clip_to|project_box|bounded",
                        {"v|x": p.real, "l|lo": p.real, "h|hi": p.real},
                        lambda q, v, a, c: q.ret(wp.clamp(v, a, c)),
                    ),
                    shifted,
                    low,
                    high,
                )
            k.set(z, clamp)
        else:
            assert shrink is not None
            k.set(z, t.map(shrink, shifted))
        gap = k.let("r|gap|primal", mixed - z)
        axpy(p, k, rho, gap, y)
        if used is not None:
            k.aug(used, "+", 1)
        if tol is not None:
            with k.when(inner(p, gap, gap) < tol * tol):
                k.brk()
    b.store("x|solutions|z_out", [n], z if p.chance(0.7) else x)
    for what in extras:
        if what == "dual":
            b.store("duals|y_out|multipliers", [n], y)
        elif what == "used" and used is not None:
            b.put("iterations_used|num_used|iters_out", used, T.I32)
        elif what == "residual":
            e = k.let("e|infeasible|diff", x - z)
            b.put("primal_residuals|gaps|violations", wp.sqrt(dot(e, e)))
        elif what == "objective":
            column = tile("tile_reshape", T.Tile(p.real, (n.value, 1)), x, shape=(n.expr, 1))
            px = k.let("px|hx|curv", matmul(hess, column)) if f.low is not hess else None
            if px is not None:
                b.put("objectives|costs|values_out", 0.5 * dot(px, column) + dot(lin, x))
    k.options["enable_backward"] = False
