"""Pairs of edges and of triangles."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo import Triangles, accumulate
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def edge_edge(p: ProgramBuilder) -> None:
    """Closest points of edge pairs, with contact response."""
    k = p.kernel_builder(
        "edge_edge_contacts|edge_pair_distance|closest_edges|segment_distances|edge_proximity|fiber_contacts",
        p.pick("Closest points of edge pairs.", "", "Edge-edge proximity."),
    )
    e = Entities(k, "pair", layouts=p.chance(0.6))
    n = p.pick(64, 80, 100)
    v = T.VEC3
    points = k.array("points|positions|vertices", v, (n,), R.uniform(-1.0, 1.0))
    if p.chance(0.5):
        q = k.let(
            "q|quad|ids", e.field("edge_pairs|quads|pairs", T.Vec(4, T.I32), R.integers(0, n)).own
        )
        ids: list[Expr] = [q[m] for m in range(4)]
    else:
        m = p.pick(48, 64)
        edges = k.array("edges|edge_verts|segments", T.Vec(2, T.I32), (m,), R.integers(0, n))
        first, second = (
            k.let(h, edges[e.field(f, T.I32, R.integers(0, m)).own])
            for h, f in (("ea|e0", "edge_a|first_edge"), ("eb|e1", "edge_b|second_edge"))
        )
        ids = [first[0], first[1], second[0], second[1]]
        if p.chance(0.5):
            with k.when(
                any_of(
                    first[0] == second[0],
                    first[0] == second[1],
                    first[1] == second[0],
                    first[1] == second[1],
                )
            ):
                k.ret()
    e.guard()
    x = [
        k.let(h, points[i]) for h, i in zip(("p1|a0", "q1|a1", "p2|b0", "q2|b1"), ids, strict=True)
    ]
    eps = k.param("epsilon|parallel_eps|tolerance", 1.0e-6, 1.0e-4) if p.chance(0.5) else 1.0e-6
    std = k.let("std|closest|st", wp.closest_point_edge_edge(x[0], x[1], x[2], x[3], eps))
    s, t = (k.let("s|u", std[0]), k.let("t|v", std[1])) if p.chance(0.6) else (std[0], std[1])
    ca, cb = (
        k.let("ca|c1|on_a", x[0] + (x[1] - x[0]) * s),
        k.let("cb|c2|on_b", x[2] + (x[3] - x[2]) * t),
    )
    d = k.let("d|sep|delta", ca - cb)
    dist = k.let("dist|gap", std[2] if p.chance(0.4) else wp.length(d))
    _edge_response(p, k, e, ids, n, s, t, d, dist)


def _edge_response(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    ids: list[Expr],
    n: int,
    s: Expr,
    t: Expr,
    d: Expr,
    dist: Expr,
) -> None:
    form = p.pick("store", "force", "count", "weights")
    if form in ("store", "weights"):
        e.out("distances|gaps", T.F32).store(dist)
        if form == "weights":
            e.out("weights|pair_weights|bary4", T.VEC4).store(
                construct(T.VEC4, 1.0 - s, s, t - 1.0, -t)
            )
        elif p.chance(0.6):
            e.out("parameters|st_out", T.VEC2).store(construct(T.VEC2, s, t))
        return
    thick = k.param("thickness|contact_dist|radius", 0.1, 0.6)
    if p.chance(0.5):
        with k.when(dist >= thick):
            k.ret()
        _push(p, k, ids, n, s, t, d, dist, thick, form)
    else:
        with k.when(dist < thick):
            _push(p, k, ids, n, s, t, d, dist, thick, form)


def _push(p, k, ids, n, s, t, d, dist, thick, form) -> None:  # type: ignore[no-untyped-def]
    if form == "count":
        marks = k.out("contact_flags|touched|vertex_contacts", T.I32, (n,))
        for i in ids:
            k.do(wp.atomic_add(marks, i, 1))
        k.do(
            wp.atomic_min(
                k.out("min_distance|closest_gap", T.F32, (1,), R.constant(100.0)), 0, dist
            )
        )
        return
    ke = k.param("stiffness|ke|contact_ke", 10.0, 500.0)
    f = k.let("f|push|force", d * (ke * (thick - dist) / wp.max(dist, 1.0e-6)))
    forces = k.out("forces|contact_forces|f_out", T.VEC3, (n,))
    for i, w in zip(ids, (1.0 - s, s, t - 1.0, -t), strict=True):
        accumulate(p, k, forces, i, f * w)


def triangles(p: ProgramBuilder) -> None:
    """Triangle pairs: the exact test, separating axes, box filters, resulting flags and counts."""
    k = p.kernel_builder(
        "triangle_pairs|tri_tri_test|intersecting_pairs|check_intersections|narrow_phase|pair_overlap",
        p.pick("Exact intersection tests of triangle pairs.", "", "One thread per candidate pair."),
    )
    e = Entities(k, "pair", layouts=p.chance(0.6))
    faces = p.pick(48, 64, 96)
    t = Triangles(p, k, faces, spread=0.8)
    if p.chance(0.5):
        pair = k.let(
            "pr|pair|ab",
            e.field("pairs|candidate_pairs|face_pairs", T.Vec(2, T.I32), R.integers(0, faces)).own,
        )
        f, g = pair[0], pair[1]
    else:
        f = k.let(
            "f|fa|first", e.field("face_a|first_face|pair_a", T.I32, R.integers(0, faces)).own
        )
        g = k.let(
            "g|fb|second", e.field("face_b|second_face|pair_b", T.I32, R.integers(0, faces)).own
        )
    if p.chance(0.5):
        with k.when(f == g):
            k.ret()
    e.guard()
    ids_a = t.ids(f)
    ids_b = t.ids(g)
    if p.chance(0.4):
        with k.when(any_of(*(i == j for i in ids_a for j in ids_b))):
            k.ret()
    a, b = t.corners(ids_a), t.corners(ids_b)
    if p.chance(0.4):
        lo_a, hi_a = (
            k.let("lo_a|amin", wp.min(wp.min(a[0], a[1]), a[2])),
            k.let("hi_a|amax", wp.max(wp.max(a[0], a[1]), a[2])),
        )
        lo_b, hi_b = (
            k.let("lo_b|bmin", wp.min(wp.min(b[0], b[1]), b[2])),
            k.let("hi_b|bmax", wp.max(wp.max(b[0], b[1]), b[2])),
        )
        with k.when(
            any_of(
                *(lo_a.field(c) > hi_b.field(c) for c in "xyz"),
                *(lo_b.field(c) > hi_a.field(c) for c in "xyz"),
            )
        ):
            k.ret()
    hit = k.let("hit|code|overlap", wp.intersect_tri_tri(*a, *b))
    _pair_result(p, k, e, t, f, g, hit, faces)


def _pair_result(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    t: Triangles,
    f: Expr,
    g: Expr,
    hit: Name,
    faces: int,
) -> None:
    flags = e.out("intersecting|hit_flags|overlaps", T.I32)
    form = p.pick("flag", "count", "faces", "where")
    if form == "where":
        flags.store(choose(hit != 0, 1, 0) if p.chance(0.5) else wp.where(hit != 0, 1, 0))
        return
    with k.when(hit != 0 if p.chance(0.7) else negate(hit == 0)):
        flags.store(1)
        if form == "count":
            k.do(wp.atomic_add(k.out("hit_count|num_intersections", T.I32, (1,)), 0, 1))
        elif form == "faces":
            marks = k.out("face_hits|bad_faces|hits_per_face", T.I32, (faces,))
            k.do(wp.atomic_add(marks, f, 1))
            k.do(wp.atomic_add(marks, g, 1))
