"""Local and robust fits: an intent of parameter_fitting."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted, piece
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def local_fit(p: ProgramBuilder) -> None:
    """Moving least squares, local planes by covariance, weighted means and medians by reweighting."""
    kind = p.weighted({"mls": 3, "normals": 3, "irls_mean": 2, "flow": 2.5})
    names = {
        "mls": "moving_least_squares|mls_value|local_polynomial",
        "normals": "estimate_normals|local_planes|pca_normals",
        "irls_mean": "robust_mean|geometric_median|reweighted_mean",
        "flow": "lucas_kanade|optical_flow|track_patches",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Weighted fit around every query.",
            "Local least squares.",
            "Neighbourhood fits, one query per thread.",
        ),
    )
    {"mls": _mls, "normals": _normals, "irls_mean": _irls_mean, "flow": _flow}[kind](p, k)


def _mls(p: ProgramBuilder, k: KernelBuilder) -> None:
    n = p.pick(24, 32, 48)
    e = Entities(k, "query", index="i|q|tid", count=p.pick(24, 32))
    q = k.let("q|center|pt", e.field("queries|centers|targets", p.vec(2), R.uniform(-1.0, 1.0)).own)
    xs, ys = (
        k.array("sites|samples_x|nodes", p.vec(2), (n,), R.uniform(-1.0, 1.0)),
        k.array("values|samples_y|heights", p.real, (n,), R.uniform(-1.0, 1.0)),
    )
    e.guard()
    radius = k.param("radius|support|bandwidth", 0.5, 1.2)
    a, b = (
        k.var("A|moment|m", construct(p.mat(3), 0.0)),
        k.var("b|rhs_v|v", construct(p.vec(3), 0.0)),
    )
    count = k.var("count|used|num", 0, T.I32)
    form = p.pick("gauss", "wendland", "inverse")

    def weight(blk: Block, d: Expr, h: Expr) -> Expr:
        s = blk.let("s|u|ratio", d / h)
        if form == "gauss":
            return wp.exp(-4.0 * s * s)
        t = blk.let("t|m1|one_minus", wp.max(1.0 - s, 0.0))
        return t * t * t * t * (4.0 * s + 1.0) if form == "wendland" else t * t / (s * s + 0.05)

    with k.loop(
        "j|site|s", xs.dim(0) if p.chance(0.6) else k.scalar("num_sites|n|count_in", T.I32, n)
    ) as j:
        d = k.let("d|rel|offset", xs[j] - q)
        dist = k.let("dist|r|len_d", wp.length(d))
        with k.when(dist >= radius):
            k.cont()
        w = k.let(
            "w|weight|wj",
            piece(
                p,
                k,
                f"{form}_weight|mls_weight|kernel",
                {"d|r": dist, "h|radius": radius},
                weight,
                "",
                0.6,
            ),
        )
        basis = k.let("phi|row|basis", construct(p.vec(3), 1.0, d.x, d.y))
        k.aug(a, "+", wp.outer(basis, basis) * w)
        k.aug(b, "+", basis * (w * ys[j]))
        k.aug(count, "+", 1)
    with k.when(count < 4):
        k.ret()
    k.aug(a, "+", wp.diag(construct(p.vec(3), k.param("ridge|reg|eps", 1e-3, 0.05))))
    c = k.let("c|coef|sol", inverted(p, a) * b)
    e.out("fitted|values_out|surface", p.real).store(c[0])
    if p.chance(0.6):
        e.out("gradients|slopes|grad_out", p.vec(2)).store(construct(p.vec(2), c[1], c[2]))


def _normals(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, width = p.pick(32, 48, 64), p.pick(6, 8, 10)
    e = Entities(k, "point", index="i|tid|pt", count=n)
    vec = p.vec(3)
    x = e.field("points|positions|cloud", vec, R.uniform(-1.0, 1.0))
    table = k.array("neighbors|knn|neighbor_ids", T.I32, (n, width), R.padded(0, n, 0.2))
    e.guard()
    mean, count = (
        k.var("mean|centroid|c", construct(vec, 0.0)),
        k.var("count|used|num", 0.0, p.real),
    )
    with k.loop("s|k|slot", table.dim(1) if p.chance(0.6) else width) as s:
        j = k.let("j|nb|other", table[e.index, s])
        with k.when(j < 0):
            k.brk()
        k.aug(mean, "+", x[j])
        k.aug(count, "+", 1.0)
    with k.when(count < 3.0):
        k.ret()
    k.set(mean, mean / count)
    cov = k.var("cov|scatter|m", construct(p.mat(3), 0.0))
    with k.loop("s|k|slot", width) as s:
        j = k.let("j2|nb2|other2", table[e.index, s])
        with k.when(j < 0):
            k.brk()
        d = k.let("d|dev|rel", x[j] - mean)
        k.aug(cov, "+", wp.outer(d, d))
    axes, w = k.unpack(["axes|Q|vecs", "w|lam|values"], wp.eig3(cov))
    low = k.var("low|smallest|pick", 0, T.I32)
    with k.loop("c|a", 1, 3) as c, k.when(w[c] < w[low]):
        k.set(low, c)
    normal = k.var("n|normal|nv", construct(vec, axes[0, low], axes[1, low], axes[2, low]))
    if p.chance(0.6):
        eye = k.quantity("viewpoint|eye|sensor", vec, [0.0, 0.0, 5.0])
        with k.when(wp.dot(normal, eye - x.own) < 0.0):
            k.set(normal, -normal)
    e.out("normals|n_out|orientations", vec).store(normal)
    if p.chance(0.6):
        total = w[0] + w[1] + w[2]
        e.out("curvature|flatness|variation", p.real).store(w[low] / wp.max(total, 1.0e-8))


def _irls_mean(p: ProgramBuilder, k: KernelBuilder) -> None:
    dim, m = p.pick(1, 2, 3), p.pick(8, 12, 16)
    t: T.Type = p.real if dim == 1 else p.vec(dim)
    e = Entities(
        k,
        p.pick("group", "track", "voxel"),
        index="i|g|tid",
        count=p.pick(16, 24, 32),
        layouts=False,
    )
    x = k.array("samples|observations|values", t, (e.n, m), R.uniform(-1.0, 1.0))
    counts = (
        k.array("counts|num_samples|lengths", T.I32, (e.n,), R.integers(0, m + 1))
        if p.chance(0.5)
        else None
    )
    e.guard()
    size = counts[e.index] if counts is not None else x.dim(1)
    if counts is not None:
        size = k.let("n_i|size|cnt", size)
        with k.when(size == 0):
            k.ret()
    mu = k.var("mu|center|est", x[e.index, 0])
    eps = k.param("eps|smoothing|floor", 1e-3, 0.1)
    spread = k.var("spread|scale_i|mad", 0.0, p.real) if p.chance(0.5) else None
    with k.loop("it|sweep|n", k.count("iterations|num_iters|sweeps", p.pick(3, 5, 8))):
        acc, norm = (
            k.var(
                "acc|total|num", construct(t, 0.0) if dim > 1 else 0.0, p.real if dim == 1 else None
            ),
            k.var("norm|w_sum|den", 0.0, p.real),
        )
        if spread is not None:
            k.set(spread, cast(p.real, 0.0))
        with k.loop("j|s|sample", size) as j:
            d = k.let(
                "d|dist|gap",
                wp.abs(x[e.index, j] - mu) if dim == 1 else wp.length(x[e.index, j] - mu),
            )
            w = k.let(
                "w|weight|wj", 1.0 / wp.max(d, eps) if p.chance(0.5) else 1.0 / (1.0 + d * d / eps)
            )
            k.aug(acc, "+", x[e.index, j] * w)
            k.aug(norm, "+", w)
            if spread is not None:
                k.aug(spread, "+", w * d)
        nxt = k.let("nxt|mu_new|moved", acc / norm)
        if p.chance(0.5):
            move = wp.abs(nxt - mu) if dim == 1 else wp.length(nxt - mu)
            with k.when(move < 1.0e-5):
                k.brk()
        k.set(mu, nxt)
        if spread is not None:
            k.set(spread, spread / norm)
    e.out("estimates|medians|centers", t).store(mu)
    if spread is not None:
        e.out("spreads|scales|deviation", p.real).store(spread)


def _flow(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Displacement of an image patch from the 2x2 normal equations of its gradients."""
    size, reach = p.pick(16, 20, 24), p.pick(1, 2, 3)
    k.launch_dim = (size, size)
    y, x = k.unpack(["y|row|i", "x|col|j"], N.Call("wp.tid", (), (), T.TupleType((T.I32, T.I32))))
    first, second = (
        k.array("frame0|prev|image0", p.real, (size, size), R.uniform(0.0, 1.0)),
        k.array("frame1|curr|image1", p.real, (size, size), R.uniform(0.0, 1.0)),
    )
    margin = reach + 1
    half = k.scalar("half_window|reach|radius", T.I32, reach)
    with k.when(
        any_of(x < margin, y < margin, x >= size - margin, y >= size - margin)
        if p.chance(0.5)
        else any_of(wp.min(x, y) < margin, wp.max(x, y) >= first.dim(0) - margin)
    ):
        k.ret()
    a, b, c = (k.var(h, 0.0, p.real) for h in ("gxx|sxx|a11", "gxy|sxy|a12", "gyy|syy|a22"))
    u, v = k.var("bx|ext|r0", 0.0, p.real), k.var("by|eyt|r1", 0.0, p.real)
    weighted = p.chance(0.35)
    with k.loop("dy|oy", -half, half + 1) as dy, k.loop("dx|ox", -half, half + 1) as dx:
        yy, xx = k.let("yy|py", y + dy), k.let("xx|px", x + dx)
        ix, iy = (
            k.let("ix|gx", 0.5 * (first[yy, xx + 1] - first[yy, xx - 1])),
            k.let("iy|gy", 0.5 * (first[yy + 1, xx] - first[yy - 1, xx])),
        )
        it = k.let("it|gt|dt_i", second[yy, xx] - first[yy, xx])
        w = (
            k.let("w|window|wt", wp.exp(-0.25 * construct(p.real, dx * dx + dy * dy)))
            if weighted
            else None
        )
        for acc, term in ((a, ix * ix), (b, ix * iy), (c, iy * iy), (u, ix * it), (v, iy * it)):
            k.aug(acc, "+", term if w is None else w * term)
    det = k.let("det|disc|d_a", a * c - b * b)
    tol = k.param("min_det|tol|threshold", 1e-4, 1e-2)
    flow = k.out("flow|displacement|motion", p.vec(2), (size, size))
    if p.chance(0.5):
        with k.when(det < tol):
            k.ret()
        k.set(flow[y, x], construct(p.vec(2), (b * v - c * u) / det, (b * u - a * v) / det))
    else:
        reg = k.let("d_safe|damped|dd", det + tol)
        k.set(flow[y, x], construct(p.vec(2), (b * v - c * u) / reg, (b * u - a * v) / reg))
    if p.chance(0.5):
        trace = k.let("tr|half_trace|m_tr", 0.5 * (a + c))
        k.set(
            k.out("corner_score|min_eigen|quality", p.real, (size, size))[y, x],
            trace - wp.sqrt(wp.max(trace * trace - det, 0.0)),
        )
