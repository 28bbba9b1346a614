"""Vector recurrences with dot products and axpy on tiles: intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.categories._tla_blocks import Batch, axpy, dot, inner
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def vectors(p: ProgramBuilder) -> None:
    """Vector recurrences: L-BFGS directions, orthogonalisation, Krylov updates, momentum and line searches."""
    kind = p.weighted(
        {
            "lbfgs": 3,
            "gram_schmidt": 3,
            "krylov": 3,
            "momentum": 3,
            "line": 2,
            "secant": 2,
            "field": 2.5,
        }
    )
    names = {
        "lbfgs": "lbfgs_direction|two_loop_recursion|quasi_newton_direction",
        "gram_schmidt": "gram_schmidt|orthogonalise_against|deflate_modes|arnoldi_column",
        "krylov": "cg_update|krylov_update|bicgstab_update|residual_update",
        "momentum": "momentum_update|heavy_ball|nesterov_update|conjugate_direction",
        "line": "line_search_model|cauchy_point|dogleg_step|exact_line_search",
        "secant": "barzilai_borwein|anderson_mix|aitken_relax|secant_step",
        "field": "advect_markers|accumulate_displacements|kinetic_work|project_momentum",
    }[kind]
    b = Batch(
        p,
        names,
        (
            "One vector per block.",
            "Dot products stay inside the block.",
            "Batched over independent problems.",
            "Vector updates without global reductions.",
        ),
        index="i|env|problem|system",
    )
    n = b.t.dim("n|dim|num_dofs|length|size", p.pick(8, 12, 16, 24, 32))
    {
        "lbfgs": _lbfgs,
        "gram_schmidt": _gram_schmidt,
        "krylov": _krylov,
        "momentum": _momentum,
        "line": _line,
        "secant": _secant,
        "field": _field,
    }[kind](p, b, n)


def _history(p: ProgramBuilder, b: Batch, hint: str, m: Dim, n: Dim) -> Expr:
    return b.k.array(hint, p.real, (*b.lead, m.value, n.value), R.uniform(-1.0, 1.0))


def _lbfgs(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k, t = b.k, b.t
    m = t.dim("history|memory|num_pairs", p.pick(2, 3, 4))
    q = b.load("gradients|g_all|grad", "q|d|r", [n], R.uniform(-1.0, 1.0))
    steps, changes = (
        _history(p, b, "S|steps|s_history", m, n),
        _history(p, b, "Y|grad_changes|y_history", m, n),
    )
    coefficient = T.Vec(m.value, p.real)
    alphas = k.var("alphas|a_hist|coef", construct(coefficient))
    stored = (
        k.array("rho|inv_sy|curvature", p.real, (*b.lead, m.value), R.uniform(0.1, 0.5))
        if p.chance(0.6)
        else None
    )

    def rho(j: Expr, s: Expr, y: Expr) -> Expr:
        if stored is not None:
            return stored[(*b.at, j)]
        return 1.0 / wp.max(dot(y, s), 0.05 if p.chance(0.5) else 0.1)

    k.step(p.pick("newest pair first", "first loop", ""))
    down = p.chance(0.5)
    loop = k.countdown("j|h", m.expr) if down else k.loop("j|h", m.expr)
    with loop as raw:
        j = raw if down else k.let("pair|newest|at", m.expr - 1 - raw)
        s = k.let("s|s_tile|sj", t.load(steps[(*b.at, j)], [n]))
        y = k.let("y|y_tile|yj", t.load(changes[(*b.at, j)], [n]))
        a = k.let("a|alpha", rho(j, s, y) * inner(p, s, q))
        axpy(p, k, -a, y, q)
        k.set(alphas[j], a)
    gamma = (
        b.scalar("gammas|h0_scale|initial_scale", R.uniform(0.3, 1.2))
        if p.chance(0.5)
        else k.param("gamma|h0|initial_scale", 0.3, 1.2)
    )
    k.set(q, q * gamma)
    k.step(p.pick("oldest pair first", "second loop", ""))
    with k.loop("j|h", m.expr) as j:
        s = k.let("s2|s_fwd|step_j", t.load(steps[(*b.at, j)], [n]))
        y = k.let("y2|y_fwd|change_j", t.load(changes[(*b.at, j)], [n]))
        beta = k.let("beta|b", rho(j, s, y) * inner(p, y, q))
        axpy(p, k, alphas[j] - beta, s, q)
    b.store("directions|search_dirs|descent", [n], -q)


def _gram_schmidt(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k, t = b.k, b.t
    m = t.literal(p.pick(2, 3, 4, 5))
    basis = _history(p, b, "basis|modes|Q", m, n)
    b.k.arguments[-1].recipe.update(R.uniform(-0.3, 0.3))
    v = b.load("vectors|v_all|candidates", "v|w|x", [n], R.uniform(-1.0, 1.0), role="inout")
    place = b.last
    before = k.let("norm0|before|start_norm", inner(p, v, v)) if p.chance(0.4) else None
    passes = p.pick(1, 1, 2)
    keep = passes == 1 and p.chance(0.6)
    h_out = k.out("H|coefficients|projections", p.real, (*b.lead, m.value)) if keep else None
    unit = p.chance(0.5)  # the basis is known to be orthonormal

    def remove(j: Expr) -> None:
        q = k.let("q|e|mode", t.load(basis[(*b.at, j)], [n]))
        h = inner(p, q, v)
        h = h if unit else h / wp.max(inner(p, q, q), 1.0e-6)
        h = k.let("h|coef|proj", h)
        axpy(p, k, -h, q, v)
        if h_out is not None:
            k.set(h_out[(*b.at, j)], h)

    given = p.chance(0.5)
    bound = k.count("num_used|rank|active", m.value) if given else m.expr
    if passes == 2:
        with k.loop("rep|pass_id", 2), k.loop("j|m_id", bound) as j:
            remove(j)
    else:
        with k.loop("j|m_id", bound) as j:
            remove(j)
    unit_out = p.chance(0.7)
    size = (
        k.let("norm|size|beta", wp.sqrt(inner(p, v, v))) if unit_out or before is not None else None
    )
    if before is not None and size is not None:
        k.set(
            k.out("dependent|deficient|breakdown", T.I32, b.lead)[b.at],
            wp.where(size * size < before * 1.0e-4, 1, 0),
        )
    if unit_out and size is not None:
        with k.when(size > 1.0e-6):
            k.set(v, v / size if p.chance(0.5) else v * (1.0 / size))
    b.store_back(place, v)


def _krylov(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    x = b.load("x|solutions|unknowns", "xs|sol|xt", [n], R.uniform(-1.0, 1.0), role="inout")
    x_at = b.last
    r = b.load("r|residuals|defects", "rs|res|rt", [n], R.uniform(-1.0, 1.0), role="inout")
    r_at = b.last
    d = b.load("p_dirs|search_dirs|directions", "d|dir|pt", [n], R.uniform(-1.0, 1.0), role="inout")
    d_at = b.last
    q = b.load("Ap|operator_products|images", "q|ap|ad", [n], R.uniform(-1.0, 1.0))
    z = (
        b.load("inv_diag|jacobi|preconditioner", "minv|dinv|prec", [n], R.uniform(0.4, 1.5))
        if p.chance(0.45)
        else None
    )
    rz = k.let("rz|rho|delta", inner(p, r, r * z if z is not None else r))
    if p.chance(0.5):
        with k.when(rz < k.param("tol_sq|stop_tol|eps_sq", 1.0e-8, 1.0e-5)):
            k.ret()
    curvature = k.let("pq|curv|dq", inner(p, d, q))
    alpha = k.let(
        "alpha|step_len",
        choose(wp.abs(curvature) > 0.1, rz / curvature, 0.1)
        if p.chance(0.5)
        else wp.where(
            wp.abs(curvature) > 0.1, rz / wp.max(wp.abs(curvature), 0.1), construct(p.real, 0.0)
        ),
    )
    axpy(p, k, alpha, d, x)
    axpy(p, k, -alpha, q, r)
    k.step(p.pick("new direction", "", "conjugacy"))
    zr = k.let("z|prec_res|s", r * z) if z is not None else r
    new = k.let("rz_new|rho_new|next_rz", inner(p, r, zr))
    beta = k.let("beta|ratio", new / wp.max(rz, 1.0e-6))
    if p.chance(0.4):
        beta = wp.min(beta, construct(p.real, 1.0))
    k.set(d, zr + d * beta)
    for place, value in ((x_at, x), (r_at, r), (d_at, d)):
        b.store_back(place, value)
    if p.chance(0.5):
        b.put("residual_sq|rho_out|norms", new if p.chance(0.5) else wp.sqrt(wp.max(new, 0.0)))


def _momentum(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    x = b.load("params|x|weights", "xs|w|theta", [n], R.uniform(-1.0, 1.0), role="inout")
    x_at = b.last
    g = b.load("gradients|grads|g_all", "g|grad|gt", [n], R.uniform(-1.0, 1.0))
    v = b.load("velocity|momentum|buffers", "v|m|vel", [n], R.uniform(-0.5, 0.5), role="inout")
    v_at = b.last
    lr = b.param("lr|step_size|eta", 0.01, 0.3)
    form = p.pick("heavy", "nesterov", "conjugate", "ema")
    mu = k.param("mu|beta|momentum_coef", 0.5, 0.95) if form != "conjugate" else None
    for what in p.sample(["decay", "clip", "restart", "centre"], 0, 2):
        if what == "decay":
            axpy(p, k, k.param("weight_decay|l2|decay", 1.0e-4, 0.05), x, g)
        elif what == "clip":
            size = k.let("g_norm|gn|grad_size", wp.sqrt(inner(p, g, g)))
            top = k.param("max_norm|clip_norm|limit", 0.5, 2.0)
            with k.when(size > top):
                k.set(g, g * (top / size))
        elif what == "restart":
            with k.when(inner(p, g, v) > 0.0):
                k.set(v, v * (0.0 if p.chance(0.6) else 0.5))
        else:
            mean = k.let("mean|g_mean|avg", b.t.total("tile_sum", g)[0] * round(1.0 / n.value, 6))
            k.set(g, g - b.t.full([n], mean, p.real))
    if form == "conjugate":
        beta = k.let("beta|pr|fr", wp.max(inner(p, g, g - v), 0.0) / wp.max(inner(p, v, v), 1.0e-4))
        k.set(v, v * wp.min(beta, construct(p.real, 2.0)) - g)
        axpy(p, k, lr, v, x)
    elif mu is not None and form == "ema":
        k.set(v, v * mu + g * (1.0 - mu))
        axpy(p, k, -lr, v, x)
    elif mu is not None:
        k.set(v, v * mu)
        axpy(p, k, -lr, g, v)
        if form == "nesterov":
            axpy(p, k, mu, v, x)
            axpy(p, k, -lr, g, x)
        else:
            k.aug(x, "+", v)
    b.store_back(x_at, x)
    b.store_back(v_at, v)
    if p.chance(0.3):
        b.put("update_norms|step_sizes|movement", wp.sqrt(inner(p, v, v)))


def _line(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    g = b.load("gradients|g_all|slopes", "g|grad|gt", [n], R.uniform(-1.0, 1.0))
    hg = b.load("Hg|hessian_products|curvatures", "hg|bg|curv_tile", [n], R.uniform(-1.0, 1.0))
    gg, ghg = k.let("gg|g_sq|slope", inner(p, g, g)), k.let("ghg|curv|quad", inner(p, g, hg))
    radius = b.param("radius|trust_radius|delta", 0.2, 1.5)
    tau = k.var("tau|t|step_len", radius / wp.sqrt(wp.max(gg, 1.0e-12)))
    with k.when(ghg > 1.0e-3):
        k.set(tau, wp.min(tau, gg / ghg))
    if p.chance(0.6):
        b.put("model_decrease|predicted|expected_drop", tau * gg - 0.5 * tau * tau * ghg)
    if p.chance(0.55):
        newton = b.load(
            "newton_steps|full_steps|inner_steps", "pn|newton|full", [n], R.uniform(-1.0, 1.0)
        )
        if p.chance(0.5):
            length = k.let("pn_len|full_len|nn", wp.sqrt(inner(p, newton, newton)))
            with k.when(length <= radius):
                b.store("steps|dogleg|moves", [n], newton)
                k.ret()
        blend = k.param("blend|mix|dogleg_t", 0.2, 0.8)
        c = k.var("c|cauchy|pc", g * (-tau))
        diff = k.let("diff|leg|toward", newton - c)
        axpy(p, k, blend, diff, c)
        b.store("trial_steps|blended|steps_out", [n], c)
        return
    x = b.load("x|points|params", "xs|x_tile|point", [n], R.uniform(-1.0, 1.0), role="inout")
    place = b.last
    axpy(p, k, -tau, g, x)
    b.store_back(place, x)


def _secant(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    ds = b.load("x_diff|steps|s_all", "s|dx|ds", [n], R.uniform(-1.0, 1.0))
    dg = b.load("g_diff|grad_diff|y_all", "y|dg|dr", [n], R.uniform(-1.0, 1.0))
    x = b.load("x|params|iterates", "xs|x_tile|cur", [n], R.uniform(-1.0, 1.0), role="inout")
    place = b.last
    g = b.load("gradients|residuals|f_all", "g|res|f", [n], R.uniform(-1.0, 1.0))
    kind = p.pick("bb1", "bb2", "anderson", "aitken")
    if kind == "bb1":
        num, den = inner(p, ds, ds), inner(p, ds, dg)
    elif kind == "bb2":
        num, den = inner(p, ds, dg), inner(p, dg, dg)
    elif kind == "anderson":
        num, den = inner(p, dg, g), inner(p, dg, dg)
    else:
        num, den = inner(p, ds, dg), inner(p, dg, dg)
    num, den = k.let("num|top|sy", num), k.let("den|bottom|yy", den)
    low, high = p.pick(1.0e-3, 0.01), p.pick(1.0, 2.0)
    ratio = k.let(
        "ratio|step_len|theta", wp.clamp(wp.abs(num) / wp.max(wp.abs(den), 0.05), low, high)
    )
    if kind == "anderson":
        k.set(x, x + g)
        mix = k.let("mix|both|change", ds + dg)
        axpy(p, k, -ratio, mix, x)
    elif kind == "aitken":
        axpy(p, k, ratio * k.param("omega|relaxation|under_relax", 0.3, 0.9), g, x)
    else:
        axpy(p, k, -ratio, g, x)
    b.store_back(place, x)
    if p.chance(0.5):
        b.put("step_lengths|ratios|relax_factors", ratio)


def _field(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    """Tiles of vectors: what axpy and dot do on positions, velocities and forces."""
    k, t = b.k, b.t
    width = p.pick(2, 3, 3)
    v3 = p.vec(width)

    def vector_load(
        hint: str, local: str, low: float, high: float, role: str = "in"
    ) -> tuple[Expr, Any]:
        fill = R.uniform(low, high)
        array = b.array(hint, [n], fill, role, v3)
        place, offset = b._place(array, [n], fill)
        return k.let(local, t.load(place, [n], offset)), (array, [n], fill)

    v, v_at = vector_load("velocities|v_all|momenta", "v|vel|vt", -1.0, 1.0, "inout")
    f, _ = vector_load("forces|f_all|loads", "f|force|ft", -2.0, 2.0)
    dt = k.param("dt|h|time_step", 0.005, 0.05)
    mode = p.pick("kick", "damp", "project", "rayleigh")
    if mode == "damp":
        axpy(p, k, -k.param("drag|damping|friction", 0.1, 1.0), v, f)
    elif mode == "project":
        u, _ = vector_load("modes|rigid_motion|directions", "u|mode|dir", -1.0, 1.0)
        share = k.let("share|coef|amount", inner_vec(f, u) / wp.max(inner_vec(u, u), 1.0e-3))
        axpy(p, k, -share, u, f)
    elif mode == "rayleigh":
        accel, _ = vector_load(
            "stiffness_forces|elastic|internal", "e|elastic_t|internal_t", -1.0, 1.0
        )
        axpy(p, k, k.param("beta|rayleigh|stiffness_damping", 0.05, 0.5), accel, f)
    axpy(p, k, dt, f, v)
    b.store_back(v_at, v)
    if p.chance(0.6):
        x, x_at = vector_load("positions|x_all|points", "x|pos|xt", -2.0, 2.0, "inout")
        axpy(p, k, dt, v, x)
        b.store_back(x_at, x)
    if p.chance(0.6):
        b.put("work|power|energy", dt * inner_vec(f, v) if p.chance(0.5) else 0.5 * inner_vec(v, v))


def inner_vec(a: Expr, b: Expr) -> Expr:
    """Inner product of tiles of vectors."""
    return tile("tile_dot", T.Tile(T.scalar_of(a.type), (1,)), a, b)[0]
