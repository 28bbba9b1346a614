"""Gram matrices, normal equations and congruences: intents of dense_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def gram(p: ProgramBuilder) -> None:
    """Normal equations ``A^T A`` and ``A^T b`` of overdetermined systems."""
    k = p.kernel_builder(
        "accumulate_normal_equations|gram_matrix|form_normal_equations|build_gram|weighted_gram|normal_matrix|sample_covariance",
        p.pick(
            "Normal equations of a least-squares problem.",
            "Sum of outer products of the rows.",
            "Gram matrix of each group of samples.",
        ),
    )
    n = p.pick(2, 3, 3, 4, 5, 6)
    if p.chance(0.4):
        _gram_per_row(p, k, n)
    elif p.chance(0.5):
        _gram_per_entry(p, k, n)
    else:
        _gram_per_system(p, k, n)


def _gram_per_row(p: ProgramBuilder, k: KernelBuilder, n: int) -> None:
    """One thread per sample, accumulating into its group with atomics."""
    vec, groups = p.vec(n), p.pick(4, 8, 16)
    e = Entities(k, p.pick("sample", "row", "observation", "point"))
    row = e.field("rows|features|samples|jacobian_rows", vec, R.uniform(-1.0, 1.0))
    e.guard()
    a = k.let("a|row_i|phi|v", row.own)
    group = k.let(
        "g|group|cluster|block", e.field("group_ids|labels|owner", T.I32, R.integers(0, groups)).own
    )
    w = _weight(p, k, e)
    centred = p.chance(0.25)
    if centred:
        mean = k.array("means|centers|centroids", vec, (groups,), R.uniform(-0.3, 0.3))
        a = k.let("d|centered|dev", a - mean[group])
    outer = k.let("aat|outer|term", _outer_term(p, k, a, w))
    if p.chance(0.3):
        with k.when(_degenerate(p, k, a)):
            k.ret()
    gram_out = k.out("gram|normal_matrices|AtA|covariances", p.mat(n), (groups,))
    _accumulate(p, k, gram_out, group, outer)
    if p.chance(0.6):
        y = e.field("targets|b|observations|y", p.real, R.uniform(-1.0, 1.0)).own
        rhs = k.out("rhs|Atb|normal_rhs", vec, (groups,))
        _accumulate(p, k, rhs, group, a * y if w is None else a * (w * y))
    if p.chance(0.35):
        count = k.out("counts|group_sizes|num_rows", T.I32 if w is None else p.real, (groups,))
        _accumulate(p, k, count, group, N.literal(1, T.I32) if w is None else w)


def _outer_term(p: ProgramBuilder, k: KernelBuilder, a: Expr, w: Expr | None) -> Expr:
    rows = p.chance(0.3)

    def body(b: Block, v: Expr, *weight: Expr) -> Expr:
        if rows and v.type.n == 2:
            m = construct(p.mat(2), v.x * v.x, v.x * v.y, v.x * v.y, v.y * v.y)
        else:
            m = wp.outer(v, v)
        return m * weight[0] if weight else m

    args = {"v|a|phi": a} | ({"w|weight": w} if w is not None else {})
    return piece(p, k, "outer_product|rank_one_term|self_outer", args, body)


def _degenerate(p: ProgramBuilder, k: KernelBuilder, a: Expr) -> Expr:
    return wp.length_sq(a) < p.pick(1e-6, 1e-4) if p.chance(0.5) else wp.dot(a, a) == 0.0


def _weight(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Expr | None:
    match p.pick("none", "item", "inverse_variance"):
        case "item":
            return k.let(
                "w|weight|wi",
                e.field("weights|sample_weights|w_in", p.real, R.uniform(0.1, 1.0)).own,
            )
        case "inverse_variance":
            sigma = e.field("sigmas|noise_std|std", p.real, R.uniform(0.5, 2.0)).own
            return k.let("w|precision|info", 1.0 / (sigma * sigma))
    return None


def _accumulate(p: ProgramBuilder, k: KernelBuilder, array: Expr, at: Operand, value: Expr) -> None:
    if p.augmented_atomics:
        k.aug(array[at], "+", value)
    else:
        k.do(wp.atomic_add(array, at, value))


def _gram_per_entry(p: ProgramBuilder, k: KernelBuilder, n: int) -> None:
    """One thread per entry of the result; symmetric, so half of the threads may return."""
    count, rows = p.pick(6, 8, 12), p.pick(12, 16, 24, 32)
    k.launch_dim = (count, n, n)
    s, i, j = k.unpack(
        ["s|b|system|batch", "i|row", "j|col"], N.Call("wp.tid", (), (), T.TupleType((T.I32,) * 3))
    )
    half = p.chance(0.5)
    if half:
        with k.when(j > i if p.chance(0.5) else i < j):
            k.ret()
    a = k.array("A|features|design|jacobians", p.real, (count, rows, n), R.uniform(-1.0, 1.0))
    w = k.array("weights|w", p.real, (count, rows), R.uniform(0.1, 1.0)) if p.chance(0.4) else None
    limit = a.dim(1) if p.chance(0.6) else k.scalar("num_rows|m|rows", T.I32, rows)

    def body(b: Block, m: Expr, c0: Expr, c1: Expr, count_: Expr, *weights: Expr) -> Expr:
        acc = b.var("acc|total|dot", 0.0, p.real)
        with b.loop("r|m|q", count_) as r:
            term = m[r, c0] * m[r, c1]
            b.aug(acc, "+", weights[0][r] * term if weights else term)
        return acc

    args = {"m|a": a[s], "i|c0|p": i, "j|c1|q": j, "rows|n|count": limit}
    if w is not None:
        args["w|weights"] = w[s]
    total = k.let(
        "entry|g_ij|value", piece(p, k, "column_dot|gram_entry|inner_columns", args, body)
    )
    if p.chance(0.4):
        ridge = k.param("ridge|lam|alpha|l2", 1e-3, 0.3)
        total = k.let(
            "entry_reg|shifted|damped",
            choose(i == j, total + ridge, total)
            if p.chance(0.5)
            else wp.where(i == j, total + ridge, total),
        )
    if p.chance(0.3):
        total = k.let(
            "mean|avg|cov", total / construct(p.real, limit if isinstance(limit, Expr) else rows)
        )
    out = k.out("G|gram|AtA|normal", p.real, (count, n, n))
    k.set(out[s, i, j], total)
    if half:
        if p.chance(0.6):
            with k.when(i != j):
                k.set(out[s, j, i], total)
        else:
            k.set(out[s, j, i], total)
    if p.chance(0.4):
        b = k.array("b|targets|y", p.real, (count, rows), R.uniform(-1.0, 1.0))
        rhs = k.out("Atb|rhs|g", p.real, (count, n))
        with k.when(i == j if half else j == 0):
            t = k.var("t|proj|acc_b", 0.0, p.real)
            with k.loop("r|m|q", limit) as r:
                k.aug(t, "+", a[s, r, i] * b[s, r])
            k.set(rhs[s, i], t)


def _gram_per_system(p: ProgramBuilder, k: KernelBuilder, n: int) -> None:
    """One thread per system over a range of rows given by offsets."""
    vec = p.vec(n)
    e = Entities(k, p.pick("group", "patch", "segment"), count=p.pick(24, 32, 48), layouts=False)
    total = e.n * p.pick(6, 8, 12)
    offsets = k.array("offsets|row_start|starts", T.I32, (e.n + 1,), R.offsets(total))
    rows = k.array("rows|samples|features", vec, (total,), R.uniform(-1.0, 1.0))
    first, last = (
        k.let("begin|start|lo", offsets[e.index]),
        k.let("end|stop|hi", offsets[e.index + 1]),
    )
    short = p.chance(0.5)
    if short:
        with k.when(last - first < p.pick(n, 2, 1)):
            k.ret()
    m = k.var("m|gram|c", construct(p.mat(n), 0.0))
    mean = None
    if p.chance(0.45):
        mean = k.var("mean|mu|center", construct(vec, 0.0))
        with k.loop("r|q", first, last) as r:
            k.aug(mean, "+", rows[r])
        k.set(
            mean,
            mean
            / (
                construct(p.real, last - first)
                if short
                else wp.max(construct(p.real, last - first), 1.0)
            ),
        )
    g = k.var("g|rhs|atb", construct(vec, 0.0)) if p.chance(0.5) else None
    y = (
        k.array("targets|y|values", p.real, (total,), R.uniform(-1.0, 1.0))
        if g is not None
        else None
    )
    with k.loop("r|q", first, last) as r:
        a = k.let("a|d|row_r", rows[r] if mean is None else rows[r] - mean)
        k.aug(m, "+", wp.outer(a, a))
        if g is not None and y is not None:
            k.aug(g, "+", a * y[r])
    if p.chance(0.4):
        k.set(m, m + wp.diag(construct(vec, 1.0)) * k.param("ridge|lam|damping", 1e-3, 0.2))
    e.out("gram|normal_matrices|covariances", p.mat(n)).store(m)
    if mean is not None:
        e.out("means|centroids|mu_out", vec).store(mean)
    if g is not None:
        e.out("rhs_out|Atb|projections", vec).store(g)
    if p.chance(0.4):
        e.out("traces|total_variance|spread", p.real).store(wp.trace(m))


def triple(p: ProgramBuilder) -> None:
    """Congruence ``J^T W J`` of blocks, gathered into a symmetric block matrix."""
    m, n = p.pick((2, 3), (3, 3), (2, 6), (3, 6), (4, 3), (3, 2))
    k = p.kernel_builder(
        "assemble_jtj|congruence_blocks|project_stiffness|jt_w_j|accumulate_hessian_blocks",
        p.pick("J^T W J per block.", "Congruence transform of small blocks."),
    )
    e = Entities(k, p.pick("constraint", "block", "edge", "residual"))
    e.guard()
    j = k.let("j|jac|J_i", e.field("jacobians|J|jac_in", p.mat(m, n), R.uniform(-1.0, 1.0)).own)
    match p.pick("full", "diag", "scalar"):
        case "full":
            w = k.let("w|info|W_i", e.field("information|W|weights", p.mat(m), R.spd(0.5, 2.0)).own)
            wj = k.let("wj|weighted", w * j)
        case "diag":
            d = k.let(
                "d|sigma_inv|w",
                e.field("precisions|inv_var|weights", p.vec(m), R.uniform(0.5, 2.0)).own,
            )
            wj = k.let("wj|weighted", wp.diag(d) * j)
        case _:
            wj = k.let("wj|weighted", j * e.property("weight|stiffness|alpha", 0.2, 3.0))
    h = k.var("h|block|m", wp.transpose(j) * wj if p.chance(0.5) else wp.transpose(j) @ wj)
    res = (
        k.let("r|res|e", e.field("residuals|errors|r_in", p.vec(m), R.uniform(-1.0, 1.0)).own)
        if p.chance(0.6)
        else None
    )
    if res is not None and p.chance(0.35):
        limit = k.param("cutoff|max_residual|outlier", 0.6, 2.0)
        with k.when(wp.length(res) > limit):
            k.ret()
    if p.chance(0.35):
        lam = k.param("lam|damping|mu", 1e-3, 0.5)
        with k.loop("d|c", n) as c:
            k.aug(h[c, c], "+", lam)
    if p.chance(0.55):
        nodes = p.pick(12, 20, 32)
        to = k.let(
            "node|col|dst",
            e.field(
                "node_ids|owners|indices", T.I32, R.integers(-1 if p.chance(0.5) else 0, nodes)
            ).own,
        )
        with k.when(to >= 0):
            _accumulate(p, k, k.out("diagonal_blocks|H|hess", p.mat(n), (nodes,)), to, h)
            if res is not None:
                _accumulate(
                    p, k, k.out("gradients|g|rhs", p.vec(n), (nodes,)), to, wp.transpose(wj) * res
                )
        return
    e.out("H|hessians|blocks_out", p.mat(n)).store(h)
    if res is not None:
        e.out("g|gradients|rhs", p.vec(n)).store(wp.transpose(wj) * res)
