"""RANSAC: an intent of parameter_fitting."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_shapes import add_to
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def _distance(p: ProgramBuilder, shape: str) -> UserFunction:
    """Distance of a point to a model held in one vector."""
    dim = {"line": 2, "circle": 2, "plane": 3, "sphere": 3}[shape]
    n = {"line": 3, "circle": 3, "plane": 4, "sphere": 4}[shape]

    def body(b: Block, m: Expr, x: Expr) -> None:
        match shape:
            case "line":
                b.ret(wp.abs(m[0] * x.x + m[1] * x.y + m[2]))
            case "circle":
                d = b.let("d|rel", x - construct(p.vec(2), m[0], m[1]))
                b.ret(wp.abs(wp.length(d) - m[2]))
            case "plane":
                b.ret(wp.abs(m[0] * x.x + m[1] * x.y + m[2] * x.z + m[3]))
            case _:
                d = b.let("d|rel", x - construct(p.vec(3), m[0], m[1], m[2]))
                b.ret(wp.abs(wp.length(d) - m[3]))

    return p.func(
        f"{shape}_distance|distance_to_{shape}|model_error",
        {"m|model": p.vec(n), "x|pt": p.vec(dim)},
        body,
        p.pick("", f"Distance of a point to a {shape}."),
    )


def ransac(p: ProgramBuilder) -> None:
    """Hypotheses from minimal samples, scoring, selection of the best and labelling of inliers."""
    stage = p.weighted({"hypothesis": 3, "score": 4, "select": 1.5, "label": 2})
    shape = (
        p.pick("line", "circle", "plane", "sphere")
        if stage != "hypothesis"
        else p.pick("line", "plane", "circle")
    )
    k = p.kernel_builder(
        {
            "hypothesis": f"{shape}_hypotheses|minimal_{shape}|sample_models",
            "score": f"score_{shape}s|count_inliers|evaluate_hypotheses",
            "select": "select_best_model|best_hypothesis|pick_model",
            "label": f"label_{shape}_inliers|mark_inliers|split_inliers",
        }[stage],
        p.pick(
            "RANSAC stage.",
            "Robust model estimation.",
            "Hypotheses are scored in parallel.",
            "Consensus of random minimal samples.",
        ),
    )
    {"hypothesis": _hypothesis, "score": _score, "select": _select, "label": _label}[stage](
        p, k, shape
    )


def _sizes(shape: str) -> tuple[int, int]:
    return {"line": (2, 3), "circle": (2, 3), "plane": (3, 4), "sphere": (3, 4)}[shape]


def _hypothesis(p: ProgramBuilder, k: KernelBuilder, shape: str) -> None:
    dim, n = _sizes(shape)
    count, m = p.pick(32, 48, 64), p.pick(24, 32, 48)
    e = Entities(k, p.pick("hypothesis", "trial"), index="h|i|tid", count=count, layouts=False)
    x = k.array("points|samples|data", p.vec(dim), (m,), R.uniform(-1.0, 1.0))
    need = 2 if shape == "line" else 3
    out = e.out("models|hypotheses|candidates", p.vec(n))
    if p.chance(0.5):
        state = k.let("state|rng", wp.rand_init(k.scalar("seed", T.I32, p.pick(1, 5, 23)), e.index))
        ids = [
            k.let(f"{h}|s{c}", wp.randi(state, 0, m if p.chance(0.5) else x.dim(0)))
            for c, h in enumerate(("i0", "i1", "i2")[:need])
        ]
    else:
        table = k.array("sample_ids|minimal_sets|draws", T.I32, (count, need), R.integers(0, m))
        ids = [
            k.let(f"{h}|s{c}", table[e.index, c]) for c, h in enumerate(("i0", "i1", "i2")[:need])
        ]
    with k.when(
        ids[0] == ids[1]
        if need == 2
        else any_of(ids[0] == ids[1], ids[0] == ids[2], ids[1] == ids[2])
    ):
        k.ret()
    pts = [k.let(h, x[i]) for h, i in zip(("a|p0", "b|p1", "c|p2"), ids, strict=False)]
    if shape == "line":
        d = k.let("d|dir|ab", pts[1] - pts[0])
        size = k.let("size|len_d|norm", wp.length(d))
        with k.when(size < p.pick(1e-4, 1e-3)):
            k.ret()
        nx, ny = k.let("nx|la", -d.y / size), k.let("ny|lb", d.x / size)
        out.store(construct(p.vec(3), nx, ny, -(nx * pts[0].x + ny * pts[0].y)))
    elif shape == "plane":
        cr = k.let("cr|normal_raw|nn", wp.cross(pts[1] - pts[0], pts[2] - pts[0]))
        size = k.let("size|area2|norm", wp.length(cr))
        with k.when(size < p.pick(1e-3, 1e-2)):
            k.ret()
        nrm = k.let("nrm|normal|n", cr / size)
        out.store(construct(p.vec(4), nrm.x, nrm.y, nrm.z, -wp.dot(nrm, pts[0])))
    else:
        u, v = k.let("u|ab|e1", pts[1] - pts[0]), k.let("v|ac|e2", pts[2] - pts[0])
        det = k.let("det|twice|cr", 2.0 * (u.x * v.y - u.y * v.x))
        with k.when(wp.abs(det) < p.pick(0.02, 0.05)):
            k.ret()
        uu, vv = k.let("uu|u2", wp.dot(u, u)), k.let("vv|v2", wp.dot(v, v))
        c = k.let(
            "cc|rel_c|off",
            construct(p.vec(2), (v.y * uu - u.y * vv) / det, (u.x * vv - v.x * uu) / det),
        )
        radius = k.let("radius|rad|r", wp.length(c))
        if p.chance(0.5):
            with k.when(radius > k.param("max_radius|r_max", 1.0, 5.0)):
                k.ret()
        out.store(construct(p.vec(3), pts[0].x + c.x, pts[0].y + c.y, radius))
    if p.chance(0.5):
        e.out("valid|usable|ok_flags", T.I32).store(1)


def _score(p: ProgramBuilder, k: KernelBuilder, shape: str) -> None:
    dim, n = _sizes(shape)
    count, m = p.pick(16, 24, 32), p.pick(24, 32, 48)
    f = _distance(p, shape)
    pairwise = p.chance(0.4)
    if pairwise:
        k.launch_dim = (count, m)
        h, i = k.unpack(
            ["h|hyp|model_id", "i|pt|sample"], N.Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
        )
    else:
        k.launch_dim = (count,)
        h = k.let("h|hyp|tid", wp.tid())
        i = None
    models, x = (
        k.array("models|hypotheses|candidates", p.vec(n), (count,), R.uniform(-1.0, 1.0)),
        k.array("points|samples|data", p.vec(dim), (m,), R.uniform(-1.0, 1.0)),
    )
    if p.chance(0.35):
        ok = k.array("valid|usable|ok_flags", T.I32, (count,), R.mask(0.85))
        with k.when(ok[h] == 0):
            k.ret()
    limit = k.param("threshold|inlier_dist|tol", 0.1, 0.5)
    msac = p.chance(0.4)
    if i is not None:
        d = k.let("d|dist|err", f(models[h], x[i]))
        if msac:
            add_to(
                p,
                k,
                k.out("costs|msac_cost|scores", p.real, (count,)),
                h,
                wp.min(d * d, limit * limit),
            )
        with k.when(d < limit):
            add_to(
                p, k, k.out("inlier_counts|votes|support", T.I32, (count,)), h, N.literal(1, T.I32)
            )
        return
    model = k.let("model|mh|hyp_m", models[h])
    votes, cost = k.var("votes|count|inliers", 0, T.I32), k.var("cost|score|penalty", 0.0, p.real)
    bail = (
        k.scalar("min_votes|best_so_far|bail_out", T.I32, p.pick(2, 4)) if p.chance(0.3) else None
    )
    weights = (
        k.array("weights|confidence|w_in", p.real, (m,), R.uniform(0.2, 1.0))
        if p.chance(0.3)
        else None
    )
    with k.loop(
        "i|pt|s", x.dim(0) if p.chance(0.6) else k.scalar("num_points|m|count", T.I32, m)
    ) as j:
        d = k.let("d|dist|err", f(model, x[j]))
        with k.when(d < limit):
            k.aug(votes, "+", 1)
            k.aug(cost, "+", (d * d if weights is None else weights[j] * d * d))
        with k.otherwise():
            k.aug(cost, "+", limit * limit)
        if bail is not None:
            with k.when(all_of(j > m // 2, votes < bail)):
                k.brk()
    k.set(k.out("inlier_counts|votes_out|support", T.I32, (count,))[h], votes)
    if msac or p.chance(0.5):
        k.set(k.out("costs|msac_cost|scores", p.real, (count,))[h], cost)
    if p.chance(0.5):
        k.do(wp.atomic_max(k.out("best_votes|max_support|top", T.I32, (1,)), 0, votes))


def _select(p: ProgramBuilder, k: KernelBuilder, shape: str) -> None:
    _, n = _sizes(shape)
    trials = p.pick(8, 12, 16)
    e = Entities(
        k, p.pick("problem", "segment"), index="i|b|tid", count=p.pick(16, 24, 32), layouts=False
    )
    i = e.index
    votes = k.array("votes|inlier_counts|support", T.I32, (e.n, trials), R.integers(0, 30))
    costs = (
        k.array("costs|scores|msac", p.real, (e.n, trials), R.uniform(0.0, 2.0))
        if p.chance(0.6)
        else None
    )
    models = k.array("models|hypotheses|candidates", p.vec(n), (e.n, trials), R.uniform(-1.0, 1.0))
    e.guard()
    best, top = (
        k.var("best|winner|arg", -1, T.I32),
        k.var(
            "top|most|best_votes", k.scalar("min_votes|required|min_support", T.I32, p.pick(3, 5))
        ),
    )
    low = k.var("low|best_cost|tie", 1.0e6, p.real) if costs is not None else None
    with k.loop("h|t|trial", votes.dim(1) if p.chance(0.6) else trials) as h:
        better = votes[i, h] > top
        if low is not None and costs is not None:
            better = any_of(better, all_of(votes[i, h] == top, costs[i, h] < low))
        with k.when(better):
            k.set(top, votes[i, h])
            k.set(best, h)
            if low is not None and costs is not None:
                k.set(low, costs[i, h])
    e.out("best_ids|winners|chosen", T.I32).store(best)
    with k.when(best >= 0):
        e.out("best_models|fitted|estimates", p.vec(n)).store(models[i, best])
        if p.chance(0.5):
            ratio = construct(p.real, top) / k.param("num_points|sample_count|total", 20.0, 60.0)
            e.out("inlier_ratio|consensus|confidence", p.real).store(ratio)


def _label(p: ProgramBuilder, k: KernelBuilder, shape: str) -> None:
    dim, n = _sizes(shape)
    f = _distance(p, shape)
    groups = p.pick(1, 3, 4)
    e = Entities(k, p.pick("point", "sample"), index="i|tid|pt")
    x = e.field("points|samples|data", p.vec(dim), R.uniform(-1.0, 1.0)).own
    models = k.array("models|fitted|estimates", p.vec(n), (groups,), R.uniform(-1.0, 1.0))
    e.guard()
    limit = k.param("threshold|inlier_dist|tol", 0.1, 0.6)
    if groups == 1:
        d = k.let("d|dist|err", f(models[0], x))
        label: Expr = k.let("label|flag|inside", wp.where(d < limit, 1, 0))
    else:
        label, low = k.var("label|owner|model_id", -1, T.I32), k.var("low|best|d_min", limit)
        with k.loop("m|j|g", models.dim(0) if p.chance(0.6) else groups) as m:
            d = k.let("d|dist|err", f(models[m], x))
            with k.when(d < low):
                k.set(low, d)
                k.set(label, m)
        d = low
    e.out("labels|inlier_mask|assignment", T.I32).store(label)
    if p.chance(0.5):
        e.out("distances|errors|residuals", p.real).store(d)
    if p.chance(0.5):
        with k.when(label >= 0 if groups > 1 else label == 1):
            where = label if groups > 1 else 0
            add_to(
                p, k, k.out("counts|sizes|support", T.I32, (groups,)), where, N.literal(1, T.I32)
            )
            if p.chance(0.6):
                add_to(
                    p,
                    k,
                    k.out("moments|second_moments|scatter", p.mat(dim), (groups,)),
                    where,
                    wp.outer(x, x),
                )
