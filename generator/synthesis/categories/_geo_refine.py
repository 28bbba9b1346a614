"""Quadric error metrics and subdivision."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo import Triangles, accumulate, faces_of, ring
from generator.synthesis.categories._geo_edges import _hinge
from generator.synthesis.categories._geo_faces import cross_of
from generator.synthesis.categories._rays import num
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def collapse(p: ProgramBuilder) -> None:
    """Quadric error metrics: plane quadrics of faces, sums at vertices, costs and positions of collapses."""
    goals = {
        "quadric": "face_quadrics|accumulate_quadrics|plane_quadrics",
        "cost": "collapse_cost|edge_cost|quadric_error|score_edges",
        "place": "optimal_positions|place_vertices|solve_quadrics",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Quadric error metric.", "Mesh simplification step.", "", "")
    )
    if goal == "quadric":
        _quadrics(p, k)
    elif goal == "cost":
        _costs(p, k)
    else:
        _place(p, k)


def _quadrics(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = faces_of(p, k)
    e.guard()
    t = Triangles(p, k, e.n)
    ids = t.ids(e.index)
    a, b, c = t.corners(ids)
    n = cross_of(p, k, a, b, c)
    size = k.let("len_n|size|mag", wp.length(n))
    with k.when(size < p.pick(1.0e-8, 1.0e-10)):
        k.ret()
    u = k.let("u|unit", n / size)
    plane = k.let("pl|plane|eq", construct(p.vec(4), u.x, u.y, u.z, -wp.dot(u, a)))
    q = k.let(
        "q|kp|quadric",
        wp.outer(plane, plane) if p.chance(0.5) else wp.outer(plane, plane) * (0.5 * size),
    )
    sums = k.out("quadrics|vertex_quadrics|Q", p.mat(4), (t.count,))
    for i in ids:
        accumulate(p, k, sums, i, q)
    if p.chance(0.3):
        weights = k.out("incident_area|weights", p.real, (t.count,))
        for i in ids:
            accumulate(p, k, weights, i, size / 6.0)


def _edge_ends(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int) -> tuple[Expr, Expr]:
    if p.chance(0.5):
        pair = k.let(
            "ed|pair|ends", e.field("edges|edge_verts|pairs", T.Vec(2, T.I32), R.integers(0, n)).own
        )
        return pair[0], pair[1]
    a, b = (
        e.field("edge_v0|tails|first", T.I32, R.integers(0, n)),
        e.field("edge_v1|heads|second", T.I32, R.integers(0, n)),
    )
    return k.let("i|va", a.own), k.let("j|vb", b.own)


def _error(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, q: Expr, x: Expr) -> None:
        h = b.let("h|xh|hom", construct(p.vec(4), x.x, x.y, x.z, 1.0))
        b.ret(wp.dot(h, q * h))

    return p.func(
        "quadric_error|eval_quadric|vertex_error",
        {"q|Q": p.mat(4), "x|v": p.vec()},
        body,
        p.pick("Squared distance to the planes of a quadric.", ""),
    )


def _costs(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "edge", layouts=p.chance(0.5))
    n = p.pick(64, 80, 100)
    i, j = _edge_ends(p, k, e, n)
    points = k.array("points|positions|vertices", p.vec(), (n,), R.uniform(-1.0, 1.0))
    quadrics = k.array("quadrics|vertex_quadrics|Q", p.mat(4), (n,), R.spd(0.1, 2.0))
    q = k.let("q|qs|total", quadrics[i] + quadrics[j])
    f = _error(p)
    a, b = k.let("a|pa|x0", points[i]), k.let("b|pb|x1", points[j])
    mid = k.let("mid|m|half", (a + b) * 0.5)
    best, where = k.var("best|cost|err", f(q, mid)), k.var("where|target|x_best", mid)
    for end in (a, b) if p.chance(0.6) else ():
        other = k.let("c|c_end|e_cost", f(q, end))
        with k.when(other < best):
            k.set(best, other)
            k.set(where, end)
    if p.chance(0.4):
        k.aug(
            best, "+", k.param("length_penalty|edge_weight|lam", 0.001, 0.1) * wp.dot(b - a, b - a)
        )
    if p.chance(0.35):
        border = k.array("is_boundary|border|locked", T.I32, (n,), R.mask(0.2))
        with k.when(any_of(border[i] != 0, border[j] != 0)):
            k.set(best, best * 100.0 if p.chance(0.5) else best + 1.0e3)
    e.out("costs|edge_costs|errors", p.real).store(best)
    if p.chance(0.6):
        e.out("targets|collapse_pos|new_points", p.vec()).store(where)
    if p.chance(0.4):
        k.do(wp.atomic_min(k.out("min_cost|cheapest", p.real, (1,), R.constant(1.0e9)), 0, best))


def _place(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("vertex", "cell", "cluster"))
    x = k.let(
        "x|x0|current", e.field("points|centroids|positions", p.vec(), R.uniform(-1.0, 1.0)).own
    )
    e.guard()
    v = p.vec()
    if p.chance(0.5):
        m = k.let("q|quadric", e.field("quadrics|Q|cell_quadrics", p.mat(4), R.spd(0.2, 2.0)).own)
        a = k.let("A|a3|block", construct(p.mat(), *(m[r, c] for r in range(3) for c in range(3))))
        b = k.let("b|rhs", construct(v, -m[0, 3], -m[1, 3], -m[2, 3]))
    else:
        a = k.let("A|ata", e.field("ata|normal_matrix|A_sum", p.mat(), R.spd(0.2, 2.0)).own)
        b = k.let("b|atb|rhs", e.field("atb|rhs|b_sum", v, R.uniform(-1.0, 1.0)).own)
    out = e.out("placed|new_points|dual_points", v)
    form = p.pick("inverse", "regular", "det")
    if form == "det":
        with k.when(
            wp.abs(wp.determinant(a)) < k.param("min_det|singular_tol|eps", 1.0e-6, 1.0e-3)
        ):
            out.store(x)
            k.ret()
        out.store(inverted(p, a) * b)
        return
    if form == "regular":
        lam = k.param("lam|damping|regularize", 0.01, 0.3)
        identity = wp.diag(construct(v, lam))
        a2, b2 = k.let("ar|reg_a", a + identity), k.let("br|reg_b", b + x * lam)
        y = k.let("y|best|solved", inverted(p, a2) * b2)
    else:
        y = k.let("y|best|solved", inverted(p, a) * b)
    if p.chance(0.5):
        limit = k.param("max_move|cell_half|radius", 0.1, 0.6)
        if p.chance(0.5):
            y = wp.max(wp.min(y, x + construct(v, limit)), x - construct(v, limit))
        else:
            y = choose(wp.length(y - x) < limit, y, x)
    out.store(y)
    if p.chance(0.4):
        e.out("residuals|fit_error", p.real).store(wp.length(a * out.own - b))


def subdivide(p: ProgramBuilder) -> None:
    """New points of Loop, butterfly and mid-point subdivision; refinement of curves."""
    goals = {
        "odd": "edge_points|odd_vertices|loop_edge_points|midpoints",
        "even": "vertex_points|even_vertices|loop_vertex_rule",
        "curve": "chaikin_step|subdivide_curve|corner_cutting|resample_curve",
        "faces": "split_faces|refine_triangles|emit_subfaces",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("One level of subdivision.", "", "Subdivision rule."))
    {"odd": _odd, "even": _even, "curve": _curve, "faces": _subfaces}[goal](p, k)


def _odd(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "edge", layouts=p.chance(0.5))
    n = p.pick(64, 80, 100)
    _, (a, b, c, d), _ = _hinge(p, k, e, n)
    out = e.out("edge_points|new_points|odd_points", p.vec())
    border = (
        e.field("is_boundary|border|open_edge", T.I32, R.mask(0.2)).own if p.chance(0.6) else None
    )
    smooth_point = (a + b) * 0.375 + (c + d) * 0.125
    if p.chance(0.3):
        smooth_point = (a + b) * 0.5 + (c + d) * k.param("tension|omega|w_odd", 0.02, 0.1)
    if border is None:
        out.store(smooth_point)
        if p.chance(0.5):
            e.out("edge_lengths|lengths", p.real).store(wp.length(b - a))
        return
    if p.chance(0.5):
        with k.when(border != 0):
            out.store((a + b) * 0.5)
        with k.otherwise():
            out.store(smooth_point)
    else:
        out.store(choose(border == 1, (a + b) * 0.5, smooth_point))


def _even(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "vertex", index="v|i|tid", layouts=False)
    points = k.array("points|positions|vertices", p.vec(), (e.n,), R.uniform(-1.0, 1.0))
    x = k.let("x|xi|old", points[e.index])
    total, n = k.var("total|acc|ring_sum", construct(p.vec(), 0.0)), k.var("n|valence|count", 0)
    with ring(p, k, e.n, e.index) as (j, _):
        k.aug(total, "+", points[j])
        k.aug(n, "+", 1)
    out = e.out("points_out|vertex_points|even_points", p.vec())
    with k.when(n == 0 if p.chance(0.5) else n < p.pick(2, 3)):
        out.store(x)
        k.ret()
    count = k.let("nf|val_f", construct(p.real, n))
    rule = p.pick("warren", "loop", "limit")
    if rule == "warren":
        beta = k.let("beta|w", wp.where(n == 3, num(p, 0.1875), 0.375 / count))
    else:
        c = k.let("c|cosine", 0.375 + 0.25 * wp.cos(6.2831853 / count))
        beta = k.let("beta|w", (0.625 - c * c) / count)
        if rule == "limit":
            beta = k.let("bl|limit_w", 1.0 / (0.375 / beta + count))
    out.store(x * (1.0 - count * beta) + total * beta)


def _curve(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "segment", index="s|i|tid", layouts=False)
    n = e.n + 1
    v = p.vec(p.pick(2, 3))
    points = k.array("points|polyline|control", v, (n,), R.uniform(-1.0, 1.0))
    i = e.index
    a, b = k.let("a|p0", points[i]), k.let("b|p1", points[i + 1])
    out = k.out("refined|points_out|new_points", v, (2 * e.n,))
    form = p.pick("chaikin", "cubic", "four_point")
    if form == "chaikin":
        r = k.param("ratio|cut|corner_ratio", 0.15, 0.35) if p.chance(0.5) else 0.25
        k.set(out[i * 2], a * (1.0 - r) + b * r if p.chance(0.5) else wp.lerp(a, b, r))
        k.set(out[i * 2 + 1], a * r + b * (1.0 - r) if p.chance(0.5) else wp.lerp(b, a, r))
    else:
        before = k.let("before|pm", points[wp.max(i - 1, 0)])
        after = k.let("after|p2", points[wp.min(i + 2, points.dim(0) - 1)])
        if form == "cubic":
            k.set(out[i * 2], (before + a * 6.0 + b) * 0.125)
            k.set(out[i * 2 + 1], (a + b) * 0.5)
        else:
            w = k.param("tension|omega|w", 0.03, 0.1)
            k.set(out[i * 2], a)
            k.set(out[i * 2 + 1], (a + b) * (0.5 + w) - (before + after) * w)
    if p.chance(0.5):
        k.do(
            wp.atomic_add(k.out("curve_length|total_length|arc", p.real, (1,)), 0, wp.length(b - a))
        )


def _subfaces(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "face", index="f|face|tid", layouts=False)
    three = T.Vec(3, T.I32)
    faces = e.field("faces|triangles|indices", three, R.integers(0, 64))
    edges = e.field("face_edges|tri_edges|edge_ids", three, R.integers(0, 96))
    t, m = k.let("t|tri|f_v", faces.own), k.let("m|mids|f_e", edges.own)
    base = k.arg("num_vertices|base|vertex_count", T.I32, R.value("int32", 64))
    mids = [k.let(f"m{c}|e{c}", base + m[c]) for c in range(3)]
    out = k.out("faces_out|refined|new_faces", three, (4 * e.n,))
    at = k.let("at|first|row", e.index * 4)
    new = [
        (t[0], mids[0], mids[2]),
        (t[1], mids[1], mids[0]),
        (t[2], mids[2], mids[1]),
        (mids[0], mids[1], mids[2]),
    ]
    for slot, corner in enumerate(new):
        k.set(out[at + slot if slot else at], construct(three, *corner))
    if p.chance(0.5):
        labels = e.field("face_labels|materials|groups", T.I32, R.integers(0, 6)).own
        copied = k.out("labels_out|materials_out", T.I32, (4 * e.n,))
        with k.loop("q|s|c", 4) as q:
            k.set(copied[at + q], labels)
    if p.chance(0.3):
        marks = k.out("used|vertex_used|touched", T.I32, (160,))
        for corner in mids:
            k.do(wp.atomic_max(marks, corner, 1))
