"""Triangles, edges and points against each other: barycentrics, closest points, intersections."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo import Triangles, accumulate
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def barycentrics(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` of a point and a triangle that gives its barycentric coordinates."""
    form = p.pick("dots", "areas", "cross")

    def body(b: Block, x: Expr, a: Expr, c: Expr, d: Expr) -> None:
        v0, v1, v2 = b.let("v0|ab", c - a), b.let("v1|ac", d - a), b.let("v2|ap", x - a)
        if form == "dots":
            d00, d01, d11 = (
                b.let("d00", wp.dot(v0, v0)),
                b.let("d01", wp.dot(v0, v1)),
                b.let("d11", wp.dot(v1, v1)),
            )
            d20, d21 = b.let("d20", wp.dot(v2, v0)), b.let("d21", wp.dot(v2, v1))
            inv = b.let("inv|rden", 1.0 / wp.max(d00 * d11 - d01 * d01, 1.0e-10))
            v, w = (
                b.let("v|beta", (d11 * d20 - d01 * d21) * inv),
                b.let("w|gamma", (d00 * d21 - d01 * d20) * inv),
            )
            b.ret(construct(p.vec(), 1.0 - v - w, v, w))
            return
        n = b.let("n|nrm", wp.cross(v0, v1))
        inv = b.let("inv|rn2", 1.0 / wp.max(wp.dot(n, n), 1.0e-10))
        if form == "cross":
            w, v = (
                b.let("w|gamma", wp.dot(wp.cross(v0, v2), n) * inv),
                b.let("v|beta", wp.dot(wp.cross(v2, v1), n) * inv),
            )
            b.ret(construct(p.vec(), 1.0 - v - w, v, w))
        else:
            u = wp.dot(wp.cross(d - c, x - c), n) * inv
            v = wp.dot(wp.cross(a - d, x - d), n) * inv
            b.ret(construct(p.vec(), u, v, wp.dot(wp.cross(c - a, x - a), n) * inv))

    v3 = p.vec()
    params = {"x|p": v3, "a|v0": v3, "b|v1": v3, "c|v2": v3}
    return p.func(
        "barycentric|bary_coords|triangle_coords|barycentric_weights",
        params,
        body,
        p.pick("Barycentric coordinates in a triangle.", ""),
    )


def barycentric(p: ProgramBuilder) -> None:
    """Coordinates of points in their triangles, and what is interpolated with them."""
    k = p.kernel_builder(
        "barycentric_coords|embed_points|interpolate_in_triangles|bind_points|locate_in_face|evaluate_bary|skin_embedding",
        p.pick(
            "Barycentric coordinates of points in given triangles.",
            "",
            "Interpolate over triangles.",
        ),
    )
    e = Entities(k, p.pick("point", "sample", "marker"))
    e.guard()
    faces = p.pick(48, 64, 96)
    t = Triangles(p, k, faces)
    f = k.let(
        "f|face|tri_id", e.field("face_ids|tri_of_point|host_face", T.I32, R.integers(0, faces)).own
    )
    ids = t.ids(f)
    goal = p.weighted({"compute": 3, "apply": 3, "inside": 1.5})
    if goal == "apply":
        _interpolate(p, k, e, t, ids)
        return
    a, b, c = t.corners(ids)
    x = e.field("points|positions_in|queries", p.vec(), R.uniform(-1.0, 1.0)).read("x|pt|q")
    w = k.let("w|bary|uvw", barycentrics(p)(x, a, b, c))
    if goal == "inside":
        low = wp.min(w) if p.chance(0.5) else wp.min(wp.min(w.x, w.y), w.z)
        inside = (
            low >= -k.param("tolerance|eps|slack", 1.0e-5, 1.0e-2)
            if p.chance(0.5)
            else all_of(w.x >= 0.0, w.y >= 0.0, w.z >= 0.0)
        )
        with k.when(inside):
            e.out("inside|hit|contained", T.I32).store(1)
            k.do(wp.atomic_add(k.out("points_per_face|counts", T.I32, (faces,)), f, 1))
        return
    if p.chance(0.4):
        m = k.let("m|clamped|wc", wp.max(w, construct(p.vec(), 0.0)))
        w = k.let("wn|normed", m / (m.x + m.y + m.z))
    e.out("weights|bary_out|barycentrics", p.vec()).store(w)
    if p.chance(0.5):
        foot = a * w.x + b * w.y + c * w.z
        e.out("offsets|distance_to_plane|gap", p.real).store(wp.length(x - foot))


def _interpolate(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, t: Triangles, ids: list[Expr]
) -> None:
    w = k.let("w|bary|uvw", e.field("weights|barycentrics|bary", p.vec(), R.uniform(0.1, 0.6)).own)
    kinds = {"position": p.vec(), "scalar": p.real, "uv": p.vec(2)}
    kind = p.pick(*kinds)
    data = (
        t.points
        if kind == "position"
        else k.array(
            "values|scalars|temperature" if kind == "scalar" else "uvs|texcoords",
            kinds[kind],
            (t.count,),
            R.uniform(0.0, 1.0),
        )
    )
    total: Expr = data[ids[0]] * w[0] + data[ids[1]] * w[1] + data[ids[2]] * w[2]
    if p.chance(0.4):
        total = total / (w[0] + w[1] + w[2])
    v = k.let("v|value|x", total)
    e.out("interpolated|result|embedded", kinds[kind]).store(v)
    if kind == "position" and p.chance(0.6):
        a, b, c = t.corners(ids)
        n = k.let("n|normal", wp.normalize(wp.cross(b - a, c - a)))
        h = e.field("offsets|heights|normal_offset", p.real, R.uniform(-0.1, 0.1)).own
        e.out("displaced|points_out|skinned", p.vec()).store(v + n * h)
    if p.chance(0.3):
        load = e.field("point_loads|masses|charges", p.real, R.uniform(0.1, 1.0)).own
        sums = k.out("nodal_loads|vertex_mass|scattered", p.real, (t.count,))
        for m, i in enumerate(ids):
            accumulate(p, k, sums, i, load * w[m])


# --- closest point on a triangle --------------------------------------------------------------------


def closest_function(p: ProgramBuilder) -> UserFunction:
    """Closest point on a triangle, by Voronoi regions or by clamped coordinates."""
    v3 = p.vec()

    def regions(b: Block, x: Expr, a: Expr, c: Expr, d: Expr) -> None:
        ab, ac, ap = b.let("ab", c - a), b.let("ac", d - a), b.let("ap", x - a)
        d1, d2 = b.let("d1", wp.dot(ab, ap)), b.let("d2", wp.dot(ac, ap))
        with b.when(all_of(d1 <= 0.0, d2 <= 0.0)):
            b.ret(a)
        bp = b.let("bp", x - c)
        d3, d4 = b.let("d3", wp.dot(ab, bp)), b.let("d4", wp.dot(ac, bp))
        with b.when(all_of(d3 >= 0.0, d4 <= d3)):
            b.ret(c)
        vc = b.let("vc", d1 * d4 - d3 * d2)
        with b.when(all_of(vc <= 0.0, d1 >= 0.0, d3 <= 0.0)):
            b.ret(a + ab * (d1 / (d1 - d3)))
        cp = b.let("cp", x - d)
        d5, d6 = b.let("d5", wp.dot(ab, cp)), b.let("d6", wp.dot(ac, cp))
        with b.when(all_of(d6 >= 0.0, d5 <= d6)):
            b.ret(d)
        vb = b.let("vb", d5 * d2 - d1 * d6)
        with b.when(all_of(vb <= 0.0, d2 >= 0.0, d6 <= 0.0)):
            b.ret(a + ac * (d2 / (d2 - d6)))
        va = b.let("va", d3 * d6 - d5 * d4)
        with b.when(all_of(va <= 0.0, d4 - d3 >= 0.0, d5 - d6 >= 0.0)):
            b.ret(c + (d - c) * ((d4 - d3) / ((d4 - d3) + (d5 - d6))))
        r = b.let("r|denom", 1.0 / (va + vb + vc))
        b.ret(a + ab * (vb * r) + ac * (vc * r))

    def by_edges(b: Block, x: Expr, a: Expr, c: Expr, d: Expr) -> None:
        f = p.func(
            "closest_on_segment|segment_foot|clamp_to_edge",
            {"x|p": v3, "a|s": v3, "b|t_end": v3},
            _on_segment,
        )
        n = b.let("n|nrm", wp.cross(c - a, d - a))
        inside = all_of(
            *(wp.dot(wp.cross(q - s, x - s), n) >= 0.0 for s, q in ((a, c), (c, d), (d, a)))
        )
        with b.when(inside):
            b.ret(x - n * (wp.dot(x - a, n) / wp.max(wp.dot(n, n), 1.0e-10)))
        best, where = b.var("best|d_best", 1.0e10, p.real), b.var("where|foot|y", a)
        for s, q in ((a, c), (c, d), (d, a)):
            y = b.let("ye|cand|on_edge", f(x, s, q))
            d2 = b.let("d2|dist_sq", wp.dot(x - y, x - y))
            with b.when(d2 < best):
                b.set(best, d2)
                b.set(where, y)
        b.ret(where)

    params = {"x|p": v3, "a|v0": v3, "b|v1": v3, "c|v2": v3}
    doc = p.pick("Closest point of a triangle.", "Voronoi-region walk.", "")
    return p.func(
        "closest_point_triangle|closest_on_triangle|triangle_foot",
        params,
        regions if p.chance(0.6) else by_edges,
        doc,
    )


def _on_segment(b: Block, x: Expr, a: Expr, c: Expr) -> None:
    d = b.let("d|ab", c - a)
    t = b.let("t|u", wp.clamp(wp.dot(x - a, d) / wp.max(wp.dot(d, d), 1.0e-10), 0.0, 1.0))
    b.ret(a + d * t)


def triangle(p: ProgramBuilder) -> None:
    """Distances of points to triangles: one each, all of them, or listed candidates."""
    k = p.kernel_builder(
        "point_triangle_distance|closest_triangle|brute_force_distance|vertex_face_contacts|point_to_mesh|nearest_face",
        p.pick("Closest point on triangles.", "", "Vertex-face proximity."),
    )
    e = Entities(k, p.pick("point", "vertex", "query"))
    e.guard()
    faces = p.pick(24, 32, 48)
    t = Triangles(p, k, faces)
    x = e.field("query_points|samples|queries", p.vec(), R.uniform(-1.5, 1.5)).read("x|pt|q")
    f = closest_function(p)
    mode = p.weighted({"paired": 2, "all": 3, "listed": 2})
    if mode == "paired":
        face = k.let(
            "face|tri_id|f",
            e.field("face_ids|candidates|pair_face", T.I32, R.integers(0, faces)).own,
        )
        a, b, c = t.corners(t.ids(face))
        y = k.let("y|foot|cp", f(x, a, b, c))
        _contact(p, k, e, x, y)
        return
    best, winner = k.var("best|d_min|nearest", 1.0e10, p.real), k.var("winner|face_id|arg", -1)
    foot = k.var("foot|y_best|closest", x)
    if mode == "all":
        with k.loop(
            "f|face|m",
            faces if p.chance(0.3) else t.table.dim(0) // (3 if t.layout == "flat" else 1),
        ) as face:
            _consider(p, k, t, f, x, face, best, winner, foot)
    else:
        width = p.pick(4, 6, 8)
        table = k.array(
            "candidates|face_candidates|near_faces", T.I32, (e.n, width), R.padded(0, faces, 0.25)
        )
        with k.loop("s|m|slot", table.dim(1)) as s:
            face = k.let("f|face", table[e.index, s])
            with k.when(face < 0):
                k.brk()
            _consider(p, k, t, f, x, face, best, winner, foot)
    e.out("distances|dist_out|gaps", p.real).store(wp.sqrt(best))
    for what in p.sample(["face", "point", "normal"], 0, 2):
        if what == "face":
            e.out("nearest_face|face_ids_out|closest_ids", T.I32).store(winner)
        elif what == "point":
            e.out("closest_points|feet|projected", p.vec()).store(foot)
        else:
            e.out("directions|separation", p.vec()).store(wp.normalize(x - foot))


def _consider(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Triangles,
    f: UserFunction,
    x: Expr,
    face: Expr,
    best: Name,
    winner: Name,
    foot: Name,
) -> None:
    a, b, c = t.corners(t.ids(face))
    y = k.let("y|cp|cand", f(x, a, b, c))
    d2 = k.let("d2|dist_sq|r2", wp.dot(x - y, x - y) if p.chance(0.5) else wp.length_sq(x - y))
    with k.when(d2 < best):
        k.set(best, d2)
        k.set(winner, face)
        k.set(foot, y)


def _contact(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, y: Expr) -> None:
    d = k.let("d|sep|delta", x - y)
    dist = k.let("dist|gap|len_d", wp.length(d))
    form = p.pick("store", "penalty", "both")
    if form != "penalty":
        e.out("distances|gaps", p.real).store(dist)
        if p.chance(0.5):
            e.out("closest_points|feet", p.vec()).store(y)
    if form != "store":
        thick = k.param("thickness|contact_dist|d_hat", 0.2, 1.0)
        with k.when(dist < thick):
            ke = k.param("stiffness|ke|contact_ke", 1.0, 200.0)
            if p.chance(0.5):
                force = d * (ke * (thick - dist) / wp.max(dist, 1.0e-6))
            else:
                s = k.let("s|rel_gap", dist / thick)
                force = d * (
                    -ke
                    * (s - 1.0)
                    * (2.0 * wp.log(wp.max(s, 1.0e-3)) + (s - 1.0) / wp.max(s, 1.0e-3))
                    / wp.max(dist, 1.0e-3)
                )
            e.out("forces|repulsion|contact_forces", p.vec()).store(force)


# --- pairs of edges and triangles -------------------------------------------------------------------
