"""Factorisations and iterations inside one block: intents of tile_programs."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def solve(p: ProgramBuilder) -> None:
    """Cholesky factorisation and solves of one system per block."""
    k = p.kernel_builder(
        "solve_spd_tile|cholesky_solve_tile|factor_and_solve|newton_step_tile|block_cholesky|solve_envs",
        p.pick(
            "One dense system per block, factored in shared memory.",
            "Damped Newton step; the matrix stays on chip.",
            "Cholesky factorisation of one block per environment.",
        ),
    )
    t = Tiling(p, k)
    n = t.dim("n|order|num_dofs|nv|size", p.pick(4, 6, 8, 12))
    count = p.pick(4, 6, 8)
    i = t.launch(["i|env|worldid|s|system"], (count,), guarded=False)[0]
    sq = T.Tile(p.real, (n.value, n.value))
    many = t.dim("num_rhs|nrhs|cols", p.pick(2, 4)) if p.chance(0.25) else None
    rhs_shape = [n] if many is None else [n, many]
    if p.chance(0.25):
        flags = k.array("active|env_mask|enabled", T.I32, (count,), R.mask(0.75))
        with k.when(flags[i] == 0):
            k.ret()
    a: Expr = k.let(
        "a|m|h|hess",
        t.load(
            k.array(
                "A|hessians|mass_matrices|systems",
                p.real,
                (count, n.value, n.value),
                R.spd(1.0, 5.0),
            )[i],
            [n, n],
            None,
            True if p.chance(0.6) else None,
        ),
    )
    match p.pick("none", "none", "diag", "damped", "gram"):
        case "diag":
            d = t.load(
                k.array("damping|diag|armature", p.real, (count, n.value), R.uniform(0.05, 0.5))[i],
                [n],
            )
            a = k.let("a_reg|h_reg|shifted", tile("tile_diag_add", sq, a, d))
        case "damped":
            a = k.let(
                "a_reg|h_reg|shifted",
                tile(
                    "tile_diag_add",
                    sq,
                    a,
                    t.full([n], k.param("lam|ridge|damping", 0.01, 0.5), p.real),
                ),
            )
        case "gram":
            j = t.dim("num_rows|m|nrow", p.pick(3, 5))
            jac = k.let(
                "j|jac|jt",
                t.load(
                    k.array(
                        "J|jacobians|rows", p.real, (count, j.value, n.value), R.uniform(-1.0, 1.0)
                    )[i],
                    [j, n],
                ),
            )
            a = k.let(
                "a_reg|h_total|kkt",
                a
                + tile("tile_matmul", sq, t.transpose(jac), jac)
                * k.param("weight|penalty|rho", 0.1, 2.0),
            )
    b = k.let(
        "b|g|rhs_tile",
        t.load(
            k.array(
                "rhs|gradients|forces",
                p.real,
                (count, *(s.value for s in rhs_shape)),
                R.uniform(-1.0, 1.0),
            )[i],
            rhs_shape,
            None,
            True if p.chance(0.3) else None,
        ),
    )
    x = _solved(p, k, t, a, b, n)
    out = k.out("x|solutions|steps|accelerations", p.real, (count, *(s.value for s in rhs_shape)))[
        i
    ]
    match p.pick("plain", "plain", "negated", "scaled", "relaxed"):
        case "negated":
            x = -x
        case "scaled":
            x = x * k.param("step_size|alpha|relax", 0.2, 1.0)
        case "relaxed" if many is None:
            x0 = t.load(
                k.array("x0|warm_start|state", p.real, (count, n.value), R.uniform(-1.0, 1.0))[i],
                [n],
            )
            x = x0 + x * k.param("omega|alpha|relax", 0.2, 1.0)
    t.store(out, x)


def _solved(p: ProgramBuilder, k: KernelBuilder, t: Tiling, a: Expr, b: Expr, n: Dim) -> Expr:
    upper = {"fill_mode": "upper"} if p.chance(0.12) else {}
    match p.pick("solve", "solve", "inplace", "two", "two_inplace"):
        case "solve":
            low = k.let("L|low|chol", tile("tile_cholesky", a.type, a, **upper))
            x = k.let("sol|xs|step_tile", tile("tile_cholesky_solve", b.type, low, b, **upper))
            if p.chance(0.3):
                r = (
                    k.let("r|res|defect", b - tile("tile_matmul", b.type, a, x))
                    if len(b.type.shape) == 2
                    else None
                )  # type: ignore[union-attr]
                if r is not None:
                    x = k.let(
                        "refined|x1|xr", x + tile("tile_cholesky_solve", b.type, low, r, **upper)
                    )
            return x
        case "inplace":
            k.options["enable_backward"] = False
            k.do(tile("tile_cholesky_inplace", T.VOID, a, **upper))
            k.do(tile("tile_cholesky_solve_inplace", T.VOID, a, b, **upper))
            return b
        case "two":
            low = k.let("L|low|chol", tile("tile_cholesky", a.type, a))
            y = k.let("y|z|half", tile("tile_lower_solve", b.type, low, b))
            if p.chance(0.4):
                k.do(
                    tile(
                        "tile_atomic_add",
                        b.type,
                        k.out("decrement|lambda_sq|energy", p.real, (1,)),
                        t.total("tile_sum", y * y),
                    )
                )
            return k.let("sol|xs|step_tile", tile("tile_upper_solve", b.type, t.transpose(low), y))
    k.options["enable_backward"] = False
    low = k.let("L|low|chol", tile("tile_cholesky", a.type, a))
    k.do(tile("tile_lower_solve_inplace", T.VOID, low, b))
    k.do(tile("tile_upper_solve_inplace", T.VOID, t.transpose(low), b))
    return b


def iterate(p: ProgramBuilder) -> None:
    """Iterations of a solver that stay inside one block: conjugate gradients, Richardson, power iteration."""
    kind = p.weighted({"cg": 4, "richardson": 2, "power": 2, "lasso": 2})
    names = {
        "cg": "block_cg|conjugate_gradient_tile|cg_solve_tile",
        "richardson": "richardson_tile|relax_system|fixed_point_tile",
        "power": "power_iteration_tile|spectral_norms|dominant_modes",
        "lasso": "ista_tile|proximal_gradient_tile|sparse_code",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Iterations run inside the block, without global synchronisation.",
            "One small system per block of threads.",
            "Keeps matrix and vectors on chip for all iterations.",
        ),
    )
    t = Tiling(p, k)
    n = t.dim("n|order|size|dofs", p.pick(8, 12, 16))
    count = p.pick(3, 4, 6)
    i = t.launch(["i|s|system|env"], (count,))[0]
    a = k.let(
        "a|m|mat",
        t.load(
            k.array("A|systems|operators", p.real, (count, n.value, n.value), R.spd(0.5, 1.8))[i],
            [n, n],
            None,
            True,
        ),
    )
    one = t.literal(1)
    iterations = k.count("iterations|num_iters|max_iter", p.pick(4, 6, 8))
    b_all = k.array("b|rhs|targets", p.real, (count, n.value, 1), R.uniform(-1.0, 1.0))
    b = k.var("b_tile|r0|f", t.load(b_all[i], [n, one]))
    x = {"cg": _cg, "richardson": _richardson, "power": _power, "lasso": _lasso}[kind](
        p, k, t, a, b, n, one, iterations, i, count
    )
    t.store(k.out("x|solutions|states", p.real, (count, n.value, 1))[i], x)


def _dot(p: ProgramBuilder, t: Tiling, a: Expr, b: Expr) -> Expr:
    one = T.Tile(p.real, (1,))
    return (tile("tile_dot", one, a, b) if p.chance(0.5) else t.total("tile_sum", a * b))[0]


def _apply(p: ProgramBuilder, a: Expr, v: Expr) -> Expr:
    return tile("tile_matmul", v.type, a, v)


def _cg(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    a: Expr,
    b: Expr,
    n: Dim,
    one: Dim,
    iterations: Expr,
    i: Expr,
    count: int,
) -> Expr:
    x = k.var("xs|sol|u", t.zeros([n, one], p.real))
    r = b  # the start is zero, so this is the first residual
    d = k.var("d|p_dir|search", r * 1.0)
    rr = k.var("rr|rho|delta", _dot(p, t, r, r))
    with k.loop("it|step|iteration", iterations):
        q = k.let("q|ad|ap", _apply(p, a, d))
        dq = _dot(p, t, d, q)
        alpha = k.let("alpha|step_len", rr / (dq if p.chance(0.5) else wp.max(dq, 1.0e-12)))
        if p.chance(0.5):
            k.do(tile("tile_axpy", T.VOID, alpha, d, x))
            k.do(tile("tile_axpy", T.VOID, -alpha, q, r))
        else:
            k.set(x, x + d * alpha)
            k.set(r, r - q * alpha)
        rr_new = k.let("rr_new|rho_new|next_rr", _dot(p, t, r, r))
        if p.chance(0.5):
            with k.when(rr_new < p.pick(1.0e-8, 1.0e-10)):
                k.brk()
        k.set(d, r + d * (rr_new / wp.max(rr, 1.0e-20)))
        k.set(rr, rr_new)
    if p.chance(0.6):
        k.set(k.out("residual_sq|final_rr|errors", p.real, (count,))[i], _dot(p, t, r, r))
    return x


def _richardson(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    a: Expr,
    b: Expr,
    n: Dim,
    one: Dim,
    iterations: Expr,
    i: Expr,
    count: int,
) -> Expr:
    x = k.var("xs|sol|u", t.zeros([n, one], p.real))
    omega = k.param("omega|relaxation|tau", 0.2, 0.9)
    momentum = k.param("momentum|beta|inertia", 0.1, 0.5) if p.chance(0.4) else None
    v = k.var("v|velocity|last_step", t.zeros([n, one], p.real)) if momentum is not None else None
    with k.loop("it|sweep", iterations):
        r = k.let("r|res|defect", b - _apply(p, a, x))
        if v is not None and momentum is not None:
            k.set(v, v * momentum + r * omega)
            k.set(x, x + v)
        else:
            k.set(x, x + r * omega)
    if p.chance(0.5):
        k.set(
            k.out("residuals|errors|defects", p.real, (count,))[i],
            wp.sqrt(_dot(p, t, b - _apply(p, a, x), b - _apply(p, a, x))),
        )
    return x


def _power(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    a: Expr,
    b: Expr,
    n: Dim,
    one: Dim,
    iterations: Expr,
    i: Expr,
    count: int,
) -> Expr:
    x = b
    lam = k.var("lam|sigma|norm", 0.0, p.real)
    with k.loop("it|step", iterations):
        w = k.let("w|av|image", _apply(p, a, x))
        k.set(lam, wp.sqrt(_dot(p, t, w, w)))
        k.set(x, w * (1.0 / wp.max(lam, 1.0e-12)))
    k.set(k.out("eigenvalues|spectral_norms|sigmas", p.real, (count,))[i], lam)
    return x


def _lasso(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    a: Expr,
    b: Expr,
    n: Dim,
    one: Dim,
    iterations: Expr,
    i: Expr,
    count: int,
) -> Expr:
    cut = p.pick(0.02, 0.05, 0.1)
    shrink = p.func(
        "shrink|soft_threshold|prox_l1",
        {"v|x": p.real},
        lambda q, v: q.ret(wp.sign(v) * wp.max(wp.abs(v) - cut, 0.0)),
    )
    x = k.var("codes|z|coef", t.zeros([n, one], p.real))
    step = k.param("step|eta|lr", 0.1, 0.5)
    fast = p.chance(0.4)
    y = k.var("y|extrapolated|look", t.zeros([n, one], p.real)) if fast else x
    with k.loop("it|iteration", iterations) as it:
        g = k.let("g|grad|r", _apply(p, a, y) - b)
        if not fast:
            k.set(x, t.map(shrink, x - g * step))
        else:
            nxt = k.let("nxt|z_new|cand", t.map(shrink, y - g * step))
            f = construct(p.real, it)
            k.set(y, nxt + (nxt - x) * (f / (f + 3.0)))
            k.set(x, nxt)
    return x
