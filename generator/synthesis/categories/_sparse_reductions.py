"""Inner products and rotations of Krylov methods: intents of sparse_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._sparse import total
from generator.synthesis.categories._sparse_krylov import inner, unknowns
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def reductions(p: ProgramBuilder) -> None:
    """Dot products and norms, several in one pass; chunks of the vector per thread, or one entry each."""
    k = p.kernel_builder(
        "fused_dots|dot_products|vector_norms|partial_dots|norm_and_dot|reduce_residual",
        p.pick(
            "Several inner products in one pass over memory.",
            "Partial sums with one atomic per thread.",
            "Norms and inner products.",
        ),
    )
    if p.chance(0.45):
        _chunked(p, k)
        return
    e = unknowns(p, k)
    width = p.weighted({1: 4, 3: 2})
    v: T.Type = p.real if width == 1 else p.vec(width)
    e.guard()
    a = e.field("r|a|u", v, R.uniform(-1.0, 1.0)).read("ai|ri|u_i")
    names = ["z|b|v", "w|q|s"]
    others = [
        e.field(h, v, R.uniform(-1.0, 1.0)).read(f"{h.split('|')[0]}i|{h.split('|')[1]}_i")
        for h in p.sample(names, 1, 2)
    ]
    weight = (
        e.field("weights|mass|measure", p.real, R.uniform(0.2, 1.5)).own if p.chance(0.35) else None
    )
    scale = (lambda value: value) if weight is None else (lambda value: weight * value)
    if p.chance(0.6):
        total(p, e, "rr|norm_sq|aa", scale(inner(a, a)))
    for o, hint in zip(others, ("rz|ab|cross_dot", "rw|aq|second_dot"), strict=False):
        total(p, e, hint, scale(inner(a, o)))
    if p.chance(0.3):
        size = wp.abs(a) if isinstance(v, T.Scalar) else wp.length(a)
        k.do(wp.atomic_max(k.out("inf_norm|max_abs|largest", p.real, (1,)), 0, size))


def _chunked(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Each thread sums a strip of the vectors."""
    n, threads = p.pick(120, 128, 200, 250), p.pick(8, 16, 32)
    k.launch_dim = (threads,)
    t = k.let("tid|t|worker", wp.tid())
    x = k.array("x|a|u", p.real, (n,), R.uniform(-1.0, 1.0))
    y = k.array("y|b|v", p.real, (n,), R.uniform(-1.0, 1.0))
    count = x.dim(0) if p.chance(0.5) else k.scalar("n|length|size", T.I32, n)
    acc = k.var("acc|s|partial", 0.0, p.real)
    compensated = p.chance(0.3)
    lost = k.var("c|lost|comp", 0.0, p.real) if compensated else None
    second = k.var("norm|xx|sq", 0.0, p.real) if p.chance(0.4) else None
    if p.chance(0.5):
        bounds = (
            t,
            count,
            threads if p.chance(0.5) else k.scalar("stride|num_threads|grid_size", T.I32, threads),
        )
    else:
        per = k.let("chunk|per_thread|strip", (count + threads - 1) // threads)
        low = k.let("begin|first|lo", t * per)
        bounds = (low, wp.min(low + per, count))
    with k.loop("i|j|e", *bounds) as i:
        if lost is not None:
            term = k.let("term|prod", x[i] * y[i] - lost)
            nxt = k.let("nxt|sum_", acc + term)
            k.set(lost, (nxt - acc) - term)
            k.set(acc, nxt)
        else:
            k.aug(acc, "+", x[i] * y[i])
        if second is not None:
            k.aug(second, "+", x[i] * x[i])
    if p.chance(0.5):
        k.set(k.out("partials|block_sums|dots", p.real, (threads,))[t], acc)
    else:
        k.do(wp.atomic_add(k.out("dot|xy|result", p.real, (1,)), 0, acc))
    if second is not None:
        k.do(wp.atomic_add(k.out("xx|norm_sq|x_norm", p.real, (1,)), 0, second))


def rotation(p: ProgramBuilder) -> None:
    """Givens rotations of the Hessenberg matrices of restarted methods, one system per thread."""
    k = p.kernel_builder(
        "apply_givens|givens_qr|hessenberg_qr|rotate_column|update_least_squares",
        p.pick(
            "Givens rotations of the new Hessenberg column.",
            "Small least-squares update of each system.",
        ),
    )
    m = p.pick(4, 5, 6)
    e = Entities(k, "system", count=p.pick(16, 24, 32), layouts=False, index="s|b|i")
    i = e.index
    h = k.array("H|hessenberg|columns", p.real, (e.n, m + 1, m), R.uniform(0.2, 1.0), "inout")
    cs, sn = (
        k.array(a, p.real, (e.n, m), R.uniform(-0.7, 0.7), "inout")
        for a in ("cs|cosines", "sn|sines")
    )
    g = k.array("g|rhs|beta_vec", p.real, (e.n, m + 1), R.uniform(-1.0, 1.0), "inout")
    col = k.count("col|j|step", p.pick(1, 2, m - 1))
    e.guard()
    with k.loop("q|r|row", col) as q:
        a = k.let("a|t|upper", cs[i, q] * h[i, q, col] + sn[i, q] * h[i, q + 1, col])
        k.set(h[i, q + 1, col], cs[i, q] * h[i, q + 1, col] - sn[i, q] * h[i, q, col])
        k.set(h[i, q, col], a)
    function = p.func(
        "givens|rotation_of|make_rotation",
        {"a|f": p.real, "b|g": p.real},
        lambda b, x, y: _givens(p, b, x, y),
    )
    c, s = k.unpack(["c|cos_new|cj", "s|sin_new|sj"], function(h[i, col, col], h[i, col + 1, col]))
    k.set(cs[i, col], c)
    k.set(sn[i, col], s)
    k.set(h[i, col, col], c * h[i, col, col] + s * h[i, col + 1, col])
    k.set(h[i, col + 1, col], 0.0)
    gj = k.let("gj|old_g|top", g[i, col])
    k.set(g[i, col + 1], -s * gj)
    k.set(g[i, col], c * gj)
    if p.chance(0.6):
        e.out("residual_norms|errors|res_out", p.real).store(wp.abs(g[i, col + 1]))
    k.options["enable_backward"] = False


def _givens(p: ProgramBuilder, b, x: Expr, y: Expr) -> None:  # type: ignore[no-untyped-def]
    if p.chance(0.5):
        r = b.let("r|h|size", wp.sqrt(x * x + y * y))
        with b.when(r < 1.0e-12):
            b.ret(construct(p.real, 1.0), construct(p.real, 0.0))
        b.ret(x / r, y / r)
        return
    with b.when(y == 0.0):
        b.ret(construct(p.real, 1.0), construct(p.real, 0.0))
    with b.when(wp.abs(y) > wp.abs(x)):
        t = b.let("t|tau", x / y)
        s = b.let("s|sn", 1.0 / wp.sqrt(1.0 + t * t))
        b.ret(s * t, s)
    t2 = b.let("t2|ratio", y / x)
    c = b.let("c|cs", 1.0 / wp.sqrt(1.0 + t2 * t2))
    b.ret(c, c * t2)
