"""Vector updates, reductions and rotations of Krylov methods: intents of sparse_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._sparse import coefficient, total
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted, piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def unknowns(p: ProgramBuilder, k: KernelBuilder) -> Entities:
    return Entities(k, p.pick("dof", "unknown", "row"), index="i|tid|idx|d")


def _ratio(p: ProgramBuilder, e: Entities, hint: str, top: str, bottom: str) -> Expr:
    """alpha or beta: given, or the quotient of two sums that the device holds."""
    k = e.k
    if p.chance(0.4):
        return coefficient(p, e, hint, 0.1, 0.9)
    at = e.world if e.world is not None else 0
    a = k.array(top, p.real, (e.worlds or 1,), R.uniform(0.2, 1.0))[at]
    b = k.array(bottom, p.real, (e.worlds or 1,), R.uniform(1.0, 2.0))[at]
    form = p.pick("plain", "guard", "max", "where")

    def body(block, num: Expr, den: Expr) -> Expr:  # type: ignore[no-untyped-def]
        if form == "guard":
            return choose(den > 0.0, num / den, 0.0)
        if form == "where":
            return wp.where(den == 0.0, construct(p.real, 0.0), num / den)
        return num / den if form == "plain" else num / wp.max(den, 1.0e-12)

    return k.let(
        hint,
        piece(
            p,
            k,
            "safe_ratio|safe_divide|quotient",
            {"num|a": a, "den|b": b},
            body,
            probability=0.75,
        ),
    )


def krylov_update(p: ProgramBuilder) -> None:
    """Updates of CG, BiCGSTAB, MINRES, pipelined and preconditioned variants."""
    kind = p.weighted({"cg_x": 4, "cg_p": 2, "bicg": 2, "precond": 3, "arnoldi": 2, "lsqr": 1})
    names = {
        "cg_x": "cg_update_xr|cg_step|update_solution_residual",
        "cg_p": "cg_update_p|update_direction|next_direction",
        "bicg": "bicgstab_update|bicg_direction|stabilized_step",
        "precond": "apply_preconditioner|precondition_residual|jacobi_precondition",
        "arnoldi": "orthogonalize|arnoldi_project|gram_schmidt_step",
        "lsqr": "lsqr_update|golub_kahan_step|minres_update",
    }
    k = p.kernel_builder(
        names[kind],
        p.pick(
            "Vector part of one Krylov iteration.",
            "Fused vector updates; scalars stay on the device.",
            "Axpy-style updates of the iterates.",
        ),
    )
    e = unknowns(p, k)
    width = p.weighted({1: 5, 3: 2, 2: 0.6})
    v: T.Type = p.real if width == 1 else p.vec(width)
    e.guard()
    if p.chance(0.25):
        done = k.array("converged|done|frozen", T.I32, (e.worlds or 1,), R.constant(0))
        with k.when(done[e.world if e.world is not None else 0] != 0):
            k.ret()
    {
        "cg_x": _cg_x,
        "cg_p": _cg_p,
        "bicg": _bicg,
        "precond": _precondition,
        "arnoldi": _arnoldi,
        "lsqr": _lsqr,
    }[kind](p, e, v)


def inner(a: Expr, b: Expr) -> Expr:
    return a * b if isinstance(a.type, T.Scalar) else wp.dot(a, b)


def _cg_x(p: ProgramBuilder, e: Entities, v: T.Type) -> None:
    k = e.k
    alpha = _ratio(p, e, "alpha|step|a_k", "rz|rho|rz_old", "pq|pAp|curvature")
    d, q = (
        e.field("p|direction|d", v, R.uniform(-1.0, 1.0)),
        e.field("Ap|q|Ad", v, R.uniform(-1.0, 1.0)),
    )
    x, r = (
        e.inout("x|solution|u", v, R.uniform(-1.0, 1.0)),
        e.inout("r|residual|res", v, R.uniform(-1.0, 1.0)),
    )
    if p.chance(0.6):
        x.store(x.own + alpha * d.own)
        r_new = k.let("ri|r_new|res_i", r.own - alpha * q.own)
        r.store(r_new)
    else:
        xi, ri = k.var("xi|x_i", x.own), k.var("ri|r_i", r.own)
        k.aug(xi, "+", d.own * alpha)
        k.aug(ri, "-", q.own * alpha)
        x.store(xi)
        r.store(ri)
        r_new = ri
    z_value = None
    if p.chance(0.45):
        m = e.field("inv_diag|precond|M_inv", p.real, R.uniform(0.2, 1.0)).own
        z_value = k.let("zi|z_new", r_new * m)
        e.out("z|precond_residual|s", v).store(z_value)
    if p.chance(0.6):
        total(p, e, "rz_new|rho_new|rr_new", inner(r_new, r_new if z_value is None else z_value))
    if p.chance(0.25):
        size = wp.abs(r_new) if isinstance(v, T.Scalar) else wp.length(r_new)
        k.do(wp.atomic_max(k.out("max_residual|inf_norm|worst", p.real, (1,)), 0, size))


def _cg_p(p: ProgramBuilder, e: Entities, v: T.Type) -> None:
    k = e.k
    kind = p.pick("given", "pr", "fr", "hs")
    d = e.inout("p|direction|d", v, R.uniform(-1.0, 1.0))
    z = e.field("z|r|residual", v, R.uniform(-1.0, 1.0))
    beta = _ratio(p, e, "beta|b_k", "rz_new|rho_new|gg_new", "rz_old|rho|gg_old")
    if kind == "pr":
        beta = k.let(
            "beta_plus|restarted|b_pr",
            wp.max(beta - k.param("restart_shift|offset|b_shift", 0.01, 0.2), 0.0),
        )
    value = z.own + beta * d.own if p.chance(0.7) else beta * d.own + z.own
    if p.chance(0.35):
        value = k.let("d_new|p_new|di", value)
        if p.chance(0.5):
            total(p, e, "slope|pg|descent", inner(value, z.own))
        else:
            total(p, e, "p_norm_sq|pp", inner(value, value))
    if p.chance(0.3):
        e.out("p_prev|old_direction|d_backup", v).store(d.own)
    d.store(value)


def _bicg(p: ProgramBuilder, e: Entities, v: T.Type) -> None:
    k = e.k
    r, d, q = (
        e.field(h, v, R.uniform(-1.0, 1.0))
        for h in ("r|residual|res", "p_in|p|direction", "v|Ap|q")
    )
    omega = _ratio(p, e, "omega|stab|w_k", "ts|t_dot_s", "tt|t_norm_sq")
    if p.chance(0.5):
        beta = coefficient(p, e, "beta|b_k", 0.1, 0.9)
        e.out("p_out|p_next|new_direction", v).store(r.own + beta * (d.own - omega * q.own))
        return
    alpha = coefficient(p, e, "alpha|a_k", 0.1, 0.9)
    s = k.let("s|half_res|si", r.own - alpha * q.own)
    t = e.field("t|As|t_vec", v, R.uniform(-1.0, 1.0)).own
    x = e.inout("x|solution|u", v, R.uniform(-1.0, 1.0))
    x.store(x.own + alpha * d.own + omega * s)
    r_new = k.let("r_new|ri|res_i", s - omega * t)
    e.out("r_out|r_next|new_residual", v).store(r_new)
    if p.chance(0.6):
        shadow = e.field("r_hat|shadow|r0", v, R.uniform(-1.0, 1.0)).own
        total(p, e, "rho_new|shadow_dot", inner(shadow, r_new))
    if p.chance(0.5):
        total(p, e, "rr|norm_sq", inner(r_new, r_new))


def _precondition(p: ProgramBuilder, e: Entities, v: T.Type) -> None:
    k = e.k
    r = e.field("r|residual|rhs", v, R.uniform(-1.0, 1.0))
    z = e.out("z|precond_out|s", v)
    kind = p.pick("diag", "inverse", "block", "sqrt", "clamped", "poly")
    if kind in ("block", "poly") and isinstance(v, T.Vec):
        m = e.field("blocks|inv_blocks|M", p.mat(v.n), R.spd(0.5, 2.0)).own
        value = m * r.own if p.chance(0.5) else inverted(p, m) * r.own
    elif kind == "inverse":
        value = r.own * e.field("inv_diag|M_inv|weights", p.real, R.uniform(0.2, 1.0)).own
    else:
        d = k.let("d|diag_i|a_ii", e.field("diag|diagonal|D", p.real, R.uniform(0.5, 3.0)).own)
        if kind == "clamped":
            value = r.own / wp.clamp(
                d,
                k.param("min_diag|d_min|floor", 0.6, 1.0),
                k.param("max_diag|d_max|ceiling", 1.5, 3.0),
            )
        elif kind == "sqrt":
            value = r.own / wp.sqrt(d)
        elif kind == "poly":
            omega = k.param("omega|weight|relax", 0.3, 0.9)
            value = (2.0 * omega - omega * omega * d) * r.own
        else:
            value = choose(d != 0.0, r.own / d, r.own) if p.chance(0.4) else r.own / d
    value = k.let("zi|z_i|scaled", value)
    if p.chance(0.35):
        fixed = e.field("fixed|constrained|dirichlet", T.I32, R.mask(0.1)).own
        with k.when(fixed != 0):
            z.store(construct(v, 0.0))
            k.ret()
    z.store(value)
    for what in p.sample(["rz", "zz", "direction"], 0, 2):
        if what == "rz":
            total(p, e, "rz|rho|r_dot_z", inner(r.own, value))
        elif what == "zz":
            total(p, e, "zz|z_norm_sq", inner(value, value))
        else:
            e.out("p|direction|d", v).store(value)


def _arnoldi(p: ProgramBuilder, e: Entities, v: T.Type) -> None:
    """Removes the components along the basis vectors found so far."""
    k = e.k
    size = p.pick(4, 6, 8)
    lead = (e.n,) if e.worlds is None else (e.worlds, e.n)
    w = e.inout("w|new_vector|q", v, R.uniform(-1.0, 1.0))
    basis = k.array("basis|V|krylov", v, (size, *lead), R.uniform(-0.5, 0.5))
    h = k.array(
        "h|coefficients|projections",
        p.real,
        (size,) if e.worlds is None else (e.worlds, size),
        R.uniform(-0.5, 0.5),
    )
    count = k.count("num_basis|m|step_count", p.pick(2, 3, size))
    at = (e.index,) if e.world is None else (e.world, e.index)
    wi = k.var("wi|value|w_i", w.own)
    with k.loop("j|b|col", count) as j:
        k.aug(wi, "-", basis[(j, *at)] * (h[j] if e.world is None else h[e.world, j]))
    if p.chance(0.4):
        norm = coefficient(p, e, "inv_norm|scale", 0.5, 2.0)
        k.aug(wi, "*", norm)
    w.store(wi)
    if p.chance(0.5):
        total(p, e, "w_norm_sq|h_next|norm_sq", inner(wi, wi))
    if p.chance(0.3):
        k.set(k.out("next_basis|v_next", v, lead)[at], wi)


def _lsqr(p: ProgramBuilder, e: Entities, v: T.Type) -> None:
    k = e.k
    c, s = coefficient(p, e, "c|cos_k|cs", 0.3, 0.9), coefficient(p, e, "s|sin_k|sn", 0.1, 0.6)
    phi = coefficient(p, e, "phi|phi_bar", 0.2, 1.0)
    w, x = (
        e.inout("w|search|d", v, R.uniform(-1.0, 1.0)),
        e.inout("x|solution|u", v, R.uniform(-1.0, 1.0)),
    )
    basis = e.field("v|v_next|basis_vec", v, R.uniform(-1.0, 1.0))
    old = k.let("wi|w_old|d_i", w.own)
    x.store(x.own + (phi * c) * old)
    w.store(basis.own - s * old)
    if p.chance(0.6):
        total(p, e, "w_norm_sq|dd", inner(old, old))
    if p.chance(0.4):
        e.out("v_out|v_scaled|next_basis", v).store(
            basis.own * coefficient(p, e, "inv_alpha|rescale", 0.5, 1.5)
        )
