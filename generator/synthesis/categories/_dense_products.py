"""Batched products of small matrices: an intent of dense_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import identity, piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Operand


def products(p: ProgramBuilder) -> None:
    """Batched matrix-matrix and matrix-vector products, thread per output element."""
    kind = p.weighted({"gemm": 3, "gemv": 3, "typed": 2, "chain": 2})
    names = {
        "gemm": "batched_gemm|matmul_batched|bmm|multiply_blocks",
        "gemv": "batched_gemv|matvec_batched|apply_blocks|block_matvec",
        "typed": "transform_vectors|apply_matrices|multiply_by_blocks",
        "chain": "chain_product|multiply_chain|compose_transforms",
    }
    k = p.kernel_builder(
        names[kind],
        p.pick(
            "Independent products of small matrices.",
            "One output element per thread.",
            "C = alpha A B + beta C for a batch of small matrices.",
        ),
    )
    {"gemm": _gemm, "gemv": _gemv, "typed": _typed, "chain": _chain}[kind](p, k)


def _scaled(p: ProgramBuilder, k: KernelBuilder, total: Expr, old: Expr) -> Expr:
    """Optional alpha and beta."""
    match p.pick("plain", "plain", "alpha", "both", "beta_test"):
        case "alpha":
            return k.param("alpha|scale", 0.2, 2.0) * total
        case "both":
            return (
                k.param("alpha|a_scale", 0.2, 2.0) * total + k.param("beta|c_scale", 0.2, 1.0) * old
            )
        case "beta_test":
            beta = k.scalar("beta", p.real, p.pick(0.0, 0.5, 1.0))
            return choose(beta == 0.0, total, total + beta * old)
    return total


def _gemm(p: ProgramBuilder, k: KernelBuilder) -> None:
    batch, m, n, q = p.pick(3, 4, 6), p.pick(4, 6, 8), p.pick(4, 6, 8), p.pick(5, 7, 10)
    ta, tb = p.chance(0.3), p.chance(0.3)
    k.launch_dim = (batch, m, n)
    b, i, j = k.unpack(
        ["b|batch|s", "i|row", "j|col"], N.Call("wp.tid", (), (), T.TupleType((T.I32,) * 3))
    )
    a = k.array("A|a|lhs", p.real, (batch, q, m) if ta else (batch, m, q), R.uniform(-1.0, 1.0))
    c = k.array("B|b_in|rhs", p.real, (batch, n, q) if tb else (batch, q, n), R.uniform(-1.0, 1.0))
    if p.chance(0.25):
        ranks = k.array("ranks|lengths|valid_k", T.I32, (batch,), R.integers(1, q + 1))
        extent: Operand = ranks[b]
    else:
        extent = a.dim(1 if ta else 2) if p.chance(0.6) else k.scalar("inner|depth|k_dim", T.I32, q)
    if p.chance(0.25):
        mask = k.array("block_mask|active|enabled", T.I32, (batch,), R.mask(0.7))
        with k.when(mask[b] == 0):
            k.ret()
    total = k.var("acc|total|s", 0.0, p.real)
    with k.loop("t|q|l", extent) as t:
        k.aug(total, "+", (a[b, t, i] if ta else a[b, i, t]) * (c[b, j, t] if tb else c[b, t, j]))
    out = k.array("C|c|out|result", p.real, (batch, m, n), R.uniform(-1.0, 1.0), "inout")
    value = _scaled(p, k, total, out[b, i, j])
    match p.pick("none", "bias", "diag", "sym"):
        case "bias":
            value = value + k.array("bias|offset", p.real, (n,), R.uniform(-0.5, 0.5))[j]
        case "diag":
            value = value * k.array("row_scale|d|scaling", p.real, (m,), R.uniform(0.5, 1.5))[i]
    k.set(out[b, i, j], value)


def dot_function(p: ProgramBuilder) -> UserFunction:
    """Inner product of two array rows."""
    row = T.Array(p.real)
    compensated = p.chance(0.3)

    def body(b: Block, x: Expr, y: Expr, n: Expr) -> None:
        total = b.var("acc|s|total", 0.0, p.real)
        lost = b.var("c|comp|lost", 0.0, p.real) if compensated else None
        with b.loop("j|i|c", n) as j:
            if lost is None:
                b.aug(total, "+", x[j] * y[j])
            else:
                term = b.let("term|v", x[j] * y[j] - lost)
                partial = b.let("partial|t", total + term)
                b.set(lost, (partial - total) - term)
                b.set(total, partial)
        b.ret(total)

    doc = "Compensated inner product." if compensated else p.pick("Inner product of two rows.", "")
    return p.func(
        "row_dot|dot_rows|inner|vdot",
        {"x|a|u": row, "y|b|v": row, "n|count|length": T.I32},
        body,
        doc,
    )


def _gemv(p: ProgramBuilder, k: KernelBuilder) -> None:
    batch, m, n = p.pick(8, 12, 16), p.pick(4, 6, 8, 12), p.pick(4, 6, 8, 10)
    transposed = p.chance(0.3)
    flat = p.chance(0.25)
    k.launch_dim = (batch, m)
    b, i = k.unpack(
        ["b|batch|block|env", "i|row"], N.Call("wp.tid", (), (), T.TupleType((T.I32,) * 2))
    )
    cols = k.scalar("n|cols|width", T.I32, n) if flat or p.chance(0.3) else None
    a = k.array(
        "A|blocks|weights|mats",
        p.real,
        (batch * m * n,) if flat else ((batch, n, m) if transposed else (batch, m, n)),
        R.uniform(-1.0, 1.0),
    )
    x = k.array("x|vecs|inputs", p.real, (batch, n), R.uniform(-1.0, 1.0))
    extent = cols if cols is not None else x.dim(1)
    base = (
        k.let("base|offset|start", (b * k.scalar("m|rows", T.I32, m) + i) * extent)
        if flat
        else None
    )
    if not flat and not transposed and p.on("helper_function") and p.chance(0.9):
        total = k.let("acc|s|total", dot_function(p)(a[b, i], x[b], extent))
    else:
        row = (
            k.let("row_b|a_row|r", a[b, i])
            if not flat and not transposed and p.chance(0.35)
            else None
        )
        total = k.var("acc|s|total", 0.0, p.real)
        with k.loop("j|col", extent) as j:
            if base is not None:
                entry = a[base + j]
            elif row is not None:
                entry = row[j]
            else:
                entry = a[b, j, i] if transposed else a[b, i, j]
            k.aug(total, "+", entry * x[b, j])
    y = k.array("y|out|results", p.real, (batch, m), R.uniform(-1.0, 1.0), "inout")
    if p.chance(0.3):
        rhs = k.array("rhs|b_in|targets", p.real, (batch, m), R.uniform(-1.0, 1.0))
        k.set(y[b, i], rhs[b, i] - total)
        if p.chance(0.5):
            norm = k.out("residual_sq|res_norm|err", p.real, (batch,))
            k.do(wp.atomic_add(norm, b, (rhs[b, i] - total) * (rhs[b, i] - total)))
    else:
        k.set(y[b, i], _scaled(p, k, total, y[b, i]))


def _typed(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Matrix- and vector-typed elements."""
    m, n = p.pick((3, 3), (2, 2), (4, 4), (2, 3), (3, 2), (3, 4), (6, 6), (5, 3))
    e = Entities(k, p.pick("item", "node", "element", "cell"))
    a = e.field("mats|A|blocks|jacobians", p.mat(m, n), R.uniform(-1.0, 1.0))
    x = e.field("x|vectors|inputs|v_in", p.vec(n), R.uniform(-1.0, 1.0))
    e.guard()
    op = "*" if p.chance(0.6) else "@"
    y = k.var("y|r|res", _affine(p, k, e, a.own, x.own, op, m))
    for what in p.sample(["bias", "scale", "second", "residual", "symmetric"], 0, 3):
        match what:
            case "bias":
                k.aug(y, "+", e.field("offsets|bias|shift", p.vec(m), R.uniform(-0.5, 0.5)).own)
            case "scale":
                d = e.field("diag|scales|weights", p.vec(m), R.uniform(0.5, 1.5)).own
                k.set(y, wp.cw_mul(y, d) if p.chance(0.6) else wp.diag(d) * y)
            case "second":
                b = e.field("B|second|couplings", p.mat(m, n), R.uniform(-1.0, 1.0)).own
                z = e.field("z|other|w_in", p.vec(n), R.uniform(-1.0, 1.0)).own
                k.aug(y, "+" if p.chance(0.5) else "-", N.binary(op, b, z))
            case "residual":
                target = e.field("targets|rhs|b_in", p.vec(m), R.uniform(-1.0, 1.0)).own
                k.set(y, target - y)
            case "symmetric" if m == n:
                k.set(y, (y + wp.transpose(a.own) * x.own) * 0.5)
    e.out("y_out|out|results|products", p.vec(m)).store(y)
    match p.pick("none", "energy", "back", "max"):
        case "energy" if m == n:
            k.do(wp.atomic_add(k.out("energy|quadratic|xAx", p.real, (1,)), 0, wp.dot(x.own, y)))
        case "back":
            e.out("x_bar|pulled_back|grad", p.vec(n)).store(wp.transpose(a.own) * y)
        case "max":
            k.do(wp.atomic_max(k.out("largest|y_max|bound", p.real, (1,)), 0, wp.length(y)))


def _affine(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, a: Expr, x: Expr, op: str, m: int
) -> Expr:
    form = p.pick("plain", "plain", "clamped", "normalised", "gated")
    if form == "plain":
        return N.binary(op, a, x)
    args = {"m|a": a, "v|x": x}
    if form != "normalised":
        args["limit|bound|cap"] = k.param("limit|bound|cap", 0.5, 2.0)

    def body(b: Block, mat: Expr, v: Expr, *limit: Expr) -> Expr:
        y = b.let("y|w|mapped", N.binary(op, mat, v))
        if form == "clamped":
            return wp.min(wp.max(y, construct(p.vec(m), -limit[0])), construct(p.vec(m), limit[0]))
        size = b.let("size|len_y|mag", wp.length(y))
        if form == "gated":
            return choose(size > limit[0], y * (limit[0] / size), y)
        return y / (1.0 + size)

    return piece(p, k, f"{form}_product|apply_{form}|{form}_map", args, body)


def _chain(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Product of the matrices of a chain, in order."""
    n, links = p.pick(2, 3, 4), p.pick(4, 5, 6, 8)
    e = Entities(k, "chain", count=p.pick(32, 48, 64), layouts=False)
    mats = k.array("links|steps|mats|stages", p.mat(n), (e.n, links), R.near_identity(0.15))
    total = k.var("acc|m|prod", identity(p, n) if p.chance(0.5) else mats[e.index, 0])
    stop = (
        mats.dim(1)
        if p.chance(0.5)
        else k.array("lengths|depths|num_links", T.I32, (e.n,), R.integers(1, links + 1))[e.index]
    )
    x = (
        k.var(
            "x|v|state",
            k.array("starts|x0|states", p.vec(n), (e.n,), R.uniform(-1.0, 1.0))[e.index],
        )
        if p.chance(0.5)
        else None
    )
    trail = (
        k.out("partial|trail|history", p.vec(n), (e.n, links))
        if x is not None and p.chance(0.5)
        else None
    )
    with k.loop("s|l|step", 0 if p.chance(0.5) else 1, stop) as s:
        k.set(total, total * mats[e.index, s] if p.chance(0.5) else mats[e.index, s] * total)
        if x is not None:
            k.set(x, mats[e.index, s] * x)
            if trail is not None:
                k.set(trail[e.index, s], x)
    e.out("products|composed|out", p.mat(n)).store(total)
    if x is not None:
        e.out("x_out|ends|finals", p.vec(n)).store(x)
    if p.chance(0.4):
        e.out("dets|volume_change|jacobian_det", p.real).store(wp.determinant(total))
