"""Gauss-Seidel and Jacobi iterations, for the constraint category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._solver_bodies import Pair, contacts
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def worlds(k: KernelBuilder, singular: str = "world") -> Entities:
    return Entities(
        k,
        singular,
        count=k.p.pick(16, 24, 32),
        index="worldid|world|env|w",
        layouts=k.p.chance(0.3),
    )


def gauss_seidel(p: ProgramBuilder) -> None:
    """Projected Gauss-Seidel, one world a thread: dense systems, or impulses on body velocities."""
    p.pick(_dense_sweeps, _dense_sweeps, _impulse_sweeps, _impulse_sweeps)(p)


def _dense_sweeps(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "pgs_solve|projected_gauss_seidel|solve_lcp|sor_sweeps|pgs_world|solve_constraints",
        p.pick(
            "Projected Gauss-Seidel on the constraint-space system.",
            "Box-constrained sweeps, one world per thread.",
            "LCP by successive over-relaxation.",
        ),
    )
    k.options["enable_backward"] = False
    e = worlds(k)
    n = p.pick(6, 9, 12, 15)
    A = Table(e, "A|delassus|K_mat", T.F32, (e.n, n, n), R.uniform(-0.3, 0.3))
    b = Table(e, "b|rhs|target_vel", T.F32, (e.n, n), R.uniform(-1.0, 1.0))
    regular = Table(e, "diag|regularization|R_diag", T.F32, (e.n, n), R.uniform(3.0, 6.0))
    x = Table(e, "lam|impulses|force", T.F32, (e.n, n), R.uniform(0.0, 0.3), "inout")
    rows_used = (
        Table(e, "nefc|num_rows|row_count", T.I32, (e.n,), R.integers(0, n + 1))[e.index]
        if p.chance(0.5)
        else None
    )
    size = k.let("m|nrow|rows", rows_used) if rows_used is not None else n
    if rows_used is not None and p.chance(0.6):
        with k.when(size == 0):
            k.ret()
    bounds = (
        (
            Table(e, "lower|lambda_lo|f_min", T.F32, (e.n, n), R.uniform(-1.0, 0.0)),
            Table(e, "upper|lambda_hi|f_max", T.F32, (e.n, n), R.uniform(0.0, 2.0)),
        )
        if p.chance(0.5)
        else None
    )
    omega = k.param("omega|relaxation|sor", 0.8, 1.3) if p.chance(0.5) else None
    triples = bounds is None and p.chance(0.5) and n % 3 == 0
    mu = k.param("mu|friction|friction_coef", 0.3, 1.0) if triples else None
    tolerance = k.param("tolerance|eps|tol", 0.0001, 0.01) if p.chance(0.5) else None
    used = k.var("used|sweeps|iters", 0)
    with k.loop("it|sweep|k_it", k.count("iterations|num_iters|max_iter", p.pick(4, 8, 10, 20))):
        change = k.var("change|delta_max|worst", 0.0)
        with k.loop("i|row|r", size) as i:
            residual = k.var("res|r_i|acc", b[e.index, i])
            with k.loop("j|col|c", size) as j:
                k.aug(residual, "-", A[e.index, i, j] * x[e.index, j])
            old = k.let("old|prev|x_old", x[e.index, i])
            k.aug(residual, "-", regular[e.index, i] * old)
            pivot = k.let("d|pivot|a_ii", A[e.index, i, i] + regular[e.index, i])
            step = residual / pivot if omega is None else omega * residual / pivot
            new = k.var("new|x_new|cand", old + step)
            _project(p, k, e, x, new, i, bounds, mu)
            x.store(new, e.index, i)
            k.set(change, wp.max(change, wp.abs(new - old)))
        k.aug(used, "+", 1)
        if tolerance is not None:
            with k.when(change < tolerance):
                k.brk()
    e.out("iterations_used|sweep_count|niter", T.I32).store(used)
    if p.chance(0.5):
        _quadratic_cost(p, k, e, A, b, x, regular, size)


def _project(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    x: Table,
    new: Name,
    i: Expr,
    bounds: tuple[Table, Table] | None,
    mu: Expr | None,
) -> None:
    if bounds is not None:
        low, high = bounds[0][e.index, i], bounds[1][e.index, i]
        k.set(new, wp.clamp(new, low, high) if p.chance(0.6) else wp.min(wp.max(new, low), high))
    elif mu is not None:
        with k.when(i % 3 == 0):
            k.set(new, wp.max(new, 0.0))
        with k.otherwise():
            limit = k.let("cone|bound|f_lim", mu * x[e.index, i - i % 3])
            k.set(new, wp.clamp(new, -limit, limit))
    else:
        k.set(new, wp.max(new, 0.0))


def _quadratic_cost(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    A: Table,
    b: Table,
    x: Table,
    regular: Table,
    size: Expr | int,
) -> None:
    cost = k.var("cost|energy|objective", 0.0)
    with k.loop("i|row|r", size) as i:
        ax = k.var("ax|prod|kx", regular[e.index, i] * x[e.index, i])
        with k.loop("j|col|c", size) as j:
            k.aug(ax, "+", A[e.index, i, j] * x[e.index, j])
        k.aug(cost, "+", x[e.index, i] * (0.5 * ax - b[e.index, i]))
    e.out("costs|objective_out|energy_out", T.F32).store(cost)


def _impulse_sweeps(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "sequential_impulses|solve_contacts_gs|velocity_sweeps|solve_island|iterate_impulses",
        p.pick(
            "Sequential impulses on the bodies of one island.",
            "Velocity-level Gauss-Seidel over the contacts of a world.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e = worlds(k, p.pick("world", "island"))
    contacts_n, bodies = p.pick(6, 8, 10), p.pick(5, 6, 8)
    ia, ib = (
        Table(e, h, T.I32, (e.n, contacts_n), R.integers(0, bodies))
        for h in ("body_a|contact_a|first", "body_b|contact_b|second")
    )
    normal = Table(e, "normals|contact_normal|n_c", T.VEC3, (e.n, contacts_n), R.unit_vectors())
    bias = Table(e, "bias|target_v|rhs", T.F32, (e.n, contacts_n), R.uniform(0.0, 0.4))
    weight = Table(
        e, "inv_mass|body_inv_mass|w_b", T.F32, (bodies,), R.uniform(0.2, 2.0), shared=True
    )
    v = Table(e, "velocities|body_v|v_b", T.VEC3, (e.n, bodies), R.uniform(-1.0, 1.0), "inout")
    total = Table(
        e, "impulses|accumulated|lambda_n", T.F32, (e.n, contacts_n), R.uniform(0.0, 0.2), "inout"
    )
    friction = (
        Table(e, "tangent_impulse|lambda_t|friction_imp", T.VEC3, (e.n, contacts_n), role="out")
        if p.chance(0.55)
        else None
    )
    mu = k.param("mu|friction|friction_coef", 0.2, 0.9) if friction is not None else None
    count = (
        Table(e, "contact_count|ncon|num_contacts", T.I32, (e.n,), R.integers(1, contacts_n + 1))[
            e.index
        ]
        if p.chance(0.5)
        else k.count("num_contacts|ncon", contacts_n)
    )
    if p.chance(0.5):
        k.step(p.pick("warm start", ""))
        with k.loop("c|con|q", count) as c:
            push = k.let("push|p0|warm", normal[e.index, c] * total[e.index, c])
            _kick(k, e, v, weight, ia, ib, c, push)
    with (
        k.loop("it|sweep|k_it", k.count("iterations|num_iters|sweeps", p.pick(4, 8, 10))),
        k.loop("c|con|q", count) as c,
    ):
        a, b = k.let("a|b1|i0", ia[e.index, c]), k.let("b|b2|i1", ib[e.index, c])
        w = k.let("w_sum|w|inv_m", weight[a] + weight[b])
        with k.when(any_of(a == b, w <= 0.0) if p.chance(0.6) else a == b):
            k.cont()
        n = k.let("n|nrm|dir_n", normal[e.index, c])
        speed = k.let("vn|approach|v_n", wp.dot(v[e.index, b] - v[e.index, a], n))
        old = k.let("old|prev|l_old", total[e.index, c])
        new = k.let("new|l_new|acc_new", wp.max(old + (bias[e.index, c] - speed) / w, 0.0))
        total.store(new, e.index, c)
        k.set(v[e.index, a], v[e.index, a] - n * ((new - old) * weight[a]))
        k.set(v[e.index, b], v[e.index, b] + n * ((new - old) * weight[b]))
        if friction is not None and mu is not None:
            _friction_impulse(p, k, e, v, weight, friction, mu, a, b, c, n, new, w)


def _kick(
    k: KernelBuilder,
    e: Entities,
    v: Table,
    weight: Table,
    ia: Table,
    ib: Table,
    c: Expr,
    push: Expr,
) -> None:
    a, b = k.let("wa|a0|i0", ia[e.index, c]), k.let("wb|b0|i1", ib[e.index, c])
    k.set(v[e.index, a], v[e.index, a] - push * weight[a])
    k.set(v[e.index, b], v[e.index, b] + push * weight[b])


def _friction_impulse(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    v: Table,
    weight: Table,
    friction: Table,
    mu: Expr,
    a: Expr,
    b: Expr,
    c: Expr,
    n: Expr,
    normal: Expr,
    w: Expr,
) -> None:
    slip = k.let("dv|slip_v|rel", v[e.index, b] - v[e.index, a])
    tangent = k.let("vt|slip_t|tang", slip - n * wp.dot(slip, n))
    before = k.let("t_old|prev_t|f_old", friction[e.index, c])
    trial = k.var("t_new|trial_t|f_new", before - tangent * (1.0 / w))
    size, limit = k.let("t_len|f_len|mag", wp.length(trial)), k.let("cone|f_max|bound", mu * normal)
    with k.when(size > limit):
        k.aug(trial, "*", limit / wp.max(size, 1.0e-8))
    friction.store(trial, e.index, c)
    k.set(v[e.index, a], v[e.index, a] - (trial - before) * weight[a])
    k.set(v[e.index, b], v[e.index, b] + (trial - before) * weight[b])


def jacobi(p: ProgramBuilder) -> None:
    """Parallel iterations, one constraint a thread, with averaged or damped corrections."""
    k = p.kernel_builder(
        "jacobi_contact_solve|parallel_impulses|jacobi_iteration|solve_contacts_jacobi|contact_impulse_pass|apply_impulses",
        p.pick(
            "One Jacobi iteration over the contacts.",
            "Impulses from the velocities of the last iteration.",
            "Mass-splitting contact iteration.",
        ),
    )
    e = contacts(k)
    pair = Pair(e)
    pair.skip_same()
    point, n = (
        e.field("contact_pos|points|contact_point", T.VEC3, R.uniform(-1.0, 1.0)).own,
        e.field("contact_normal|normals|n_world", T.VEC3, R.unit_vectors()).read("n|nrm|normal"),
    )
    ra, rb = pair.arm(pair.a, point, "ra|r1|arm_a"), pair.arm(pair.b, point, "rb|r2|arm_b")
    relative = pair.relative_velocity(ra, rb)
    w = pair.effective_mass(n, ra, rb)
    with k.when(w <= 0.0 if p.chance(0.6) else w < 1.0e-8):
        k.ret()
    bias, impulse = (
        e.field("bias|target_v|rhs", T.F32, R.uniform(0.0, 0.4)).own,
        e.inout("impulses|lambda_n|accumulated", T.F32, R.uniform(0.0, 0.3)),
    )
    share = _share(p, k, pair)
    old = k.let("old|prev|l_old", impulse.own)
    speed = k.let("vn|approach|v_n", wp.dot(relative, n))
    step = (bias - speed) / w if share is None else share * (bias - speed) / w
    if p.chance(0.3):
        soft = k.param("cfm|softness|gamma", 0.0001, 0.05)
        step = (bias - speed - soft * old) / (w + soft)
    new = k.let("new|l_new|acc_new", wp.max(old + step, 0.0))
    impulse.store(new)
    push = k.var("p_c|push|impulse_v", n * (new - old))
    if p.chance(0.6):
        _cone(p, k, e, relative, n, speed, w, new, push)
    dv, dw = (
        pair.table("dv", "delta_v|dv_out|lin_correction", T.VEC3, R.zeros(), "out"),
        pair.table("dw", "delta_w|dw_out|ang_correction", T.VEC3, R.zeros(), "out"),
    )
    dv.add(push * -pair.inv_mass[pair.a], pair.a)
    dv.add(push * pair.inv_mass[pair.b], pair.b)
    dw.add(pair.inv_inertia[pair.a] @ wp.cross(ra, -push), pair.a)
    dw.add(pair.inv_inertia[pair.b] @ wp.cross(rb, push), pair.b)
    if p.chance(0.4):
        Table(e, "residual|max_change|error", T.F32, (1,), role="out").atomic(
            "max", wp.abs(new - old), 0
        )


def _share(p: ProgramBuilder, k: KernelBuilder, pair: Pair) -> Expr | None:
    form = p.pick("none", "omega", "count")
    if form == "none":
        return None
    if form == "omega":
        return k.param("omega|relaxation|damping", 0.2, 0.8)
    counts = pair.table(
        "count", "contact_count|degree|constraints_per_body", T.I32, R.integers(1, 6)
    )
    most = wp.max(counts[pair.a], counts[pair.b])
    return k.let("split|share|avg", 1.0 / cast(T.F32, most))


def _cone(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    relative: Expr,
    n: Expr,
    speed: Expr,
    w: Expr,
    normal: Expr,
    push: Name,
) -> None:
    mu = e.property("mu|friction|friction_coef", 0.2, 0.9)
    tangent = k.let("vt|slip_t|tang", relative - n * speed)
    size = k.let("slip|vt_len|s", wp.length(tangent))
    with k.when(size > 1.0e-5):
        limit = k.let("f_t|drag|friction_n", wp.min(size / w, mu * normal))
        k.aug(push, "-", tangent * (limit / size))
