"""Faces of meshes: found by boxes and spheres, integrated over, sampled, and paired."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import Mesh, corners, mesh_argument
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


@dataclass(slots=True)
class Near:
    """A query for faces, and whether it goes to the mesh (box or not) or to its hierarchy."""

    query: Expr
    kind: str  # "box", "sphere", "bvh"


@contextmanager
def each_face(p: ProgramBuilder, k: KernelBuilder, near: Near) -> Iterator[Name]:
    """A loop over the faces of a query: `for`, or `while ... next`."""
    if near.kind != "bvh" and p.chance(0.3):
        with k.each("face|f|tri", near.query, T.I32) as face:
            yield face
        return
    q = k.let("query|it|q", near.query)
    face = k.var("face|f|tri", 0)
    if near.kind == "bvh":
        step = wp.bvh_query_next(q, face)
    elif near.kind == "box" and p.chance(0.55):
        step = wp.mesh_query_aabb_next(q, face)
    else:
        step = wp.mesh_query_next(q, face)
    with k.repeat(step):
        yield face


def _faces_near(p: ProgramBuilder, k: KernelBuilder, mesh: Mesh, x: Expr, reach: Expr) -> Near:
    if p.chance(0.45):
        return Near(wp.mesh_query_sphere(mesh.id, x, reach), "sphere")
    if p.chance(0.5):
        lo = k.let("lower|lo|box_min", x - construct(T.VEC3, reach))
        hi = k.let("upper|hi|box_max", x + construct(T.VEC3, reach))
    else:
        half = k.let("half|ext|pad", construct(T.VEC3, reach, reach, reach))
        lo, hi = x - half, x + half
    if p.chance(0.15):
        tree = k.let("bvh|tree|accel", wp.mesh_get_bvh(mesh.id))
        return Near(wp.bvh_query_aabb(tree, lo, hi), "bvh")
    return Near(wp.mesh_query_aabb(mesh.id, lo, hi), "box")


def nearby(p: ProgramBuilder) -> None:
    """Work over the faces near a point."""
    k = p.kernel_builder(
        "faces_in_box|gather_faces|nearby_area|count_triangles|splat_to_faces|local_normal|query_box|mesh_density",
        p.pick(
            "Gather over the faces near each point.",
            "Faces whose bounds overlap the query box.",
            "",
        ),
    )
    e = Entities(k, p.pick("point", "cell", "probe", "query"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field("points|centers|positions|probes", T.VEC3, R.uniform(-1.2, 1.2)).read("x|center|pt")
    reach = e.property("radius|half_width|reach|extent", 0.2, 0.7)
    reach = maybe(p, k, "r|h|reach_i", reach)
    goal = p.pick("count", "area", "normal", "closest", "deposit", "mark")
    near = _faces_near(p, k, mesh, x, reach)
    if goal == "count":
        n = k.var("count|n_faces|overlaps", 0)
        with each_face(p, k, near) as face:
            if p.chance(0.4):
                up = k.quantity("axis|up|view_dir", T.VEC3, [0.0, 1.0, 0.0])
                with k.when(wp.dot(wp.mesh_eval_face_normal(mesh.id, face), up) > p.pick(0.0, 0.5)):
                    k.aug(n, "+", 1)
            else:
                k.aug(n, "+", 1)
        e.out("counts|overlap_count|face_counts", T.I32).store(n)
        return
    if goal in ("deposit", "mark"):
        _onto_faces(p, k, e, mesh, near, goal)
        return
    _gather(p, k, e, mesh, x, reach, near, goal)


def _onto_faces(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, near: Near, goal: str
) -> None:
    if goal == "mark":
        touched = k.out("touched|face_mask|contact_mask", T.I32, (mesh.faces,))
        with each_face(p, k, near) as face:
            k.do(wp.atomic_max(touched, face, e.index + 1 if p.chance(0.4) else 1))
        return
    load = k.out("face_load|deposited|face_heat", T.F32, (mesh.faces,))
    amount = k.let("q|amount|share", e.field("power|mass|load", T.F32, R.uniform(0.1, 1.0)).own)
    with each_face(p, k, near) as face:
        k.do(wp.atomic_add(load, face, amount))


def _gather(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    mesh: Mesh,
    x: Expr,
    reach: Expr,
    near: Near,
    goal: str,
) -> None:
    area = k.var("area|total|weight", 0.0)
    normal = k.var("n_sum|avg|normal", construct(T.VEC3, 0.0)) if goal == "normal" else None
    best = k.var("best|nearest|d_min", reach * 2.0) if goal == "closest" else None
    winner = k.var("best_face|closest_face|nearest_tri", -1) if goal == "closest" else None
    with each_face(p, k, near) as face:
        if best is not None and winner is not None:
            center = k.let(
                "c|centroid|mid",
                wp.mesh_eval_position(
                    mesh.id, face, p.pick(0.333, 0.33333), p.pick(0.333, 0.33333)
                ),
            )
            d = k.let("d|dist", wp.length(center - x))
            with k.when(d < best):
                k.set(best, d)
                k.set(winner, face)
            k.aug(area, "+", 1.0)
        else:
            a, b, c = corners(p, k, mesh.id, face)
            cr = k.let("cr|twice_area|nrm", wp.cross(b - a, c - a))
            if normal is not None:
                k.aug(normal, "+", cr)
            k.aug(area, "+", 0.5 * wp.length(cr))
    if winner is not None:
        e.out("nearest_faces|face_ids|closest_tri", T.I32).store(winner)
        e.out("nearest_dist|distances", T.F32).store(best)
        e.out("candidates|tested|num_tests", T.F32).store(area)
        return
    e.out("areas|local_area|coverage", T.F32).store(area)
    if normal is not None:
        with k.when(area > 0.0):
            e.out("normals|mean_normals|avg_normal", T.VEC3).store(wp.normalize(normal))


# --- pairs of faces -------------------------------------------------------------------------------


def pairs(p: ProgramBuilder) -> None:
    """Triangles of one soup against a mesh, or of a mesh against itself."""
    k = p.kernel_builder(
        "triangle_intersections|self_intersections|count_tri_pairs|find_collisions|overlap_test|mark_intersecting",
        p.pick("Intersecting triangle pairs.", "Exact overlap test behind a box query.", ""),
    )
    if p.chance(0.5):
        mesh = mesh_argument(p, k, closed=False)
        e = Entities(k, "triangle", layouts=False)
        tris = k.array("triangles|tri_verts|soup", T.VEC3, (e.n, 3), R.uniform(-1.1, 1.1))
        a, b, c = (
            k.let(h, tris[e.index, j]) for j, h in enumerate(("a|v0|p0", "b|v1|p1", "c|v2|p2"))
        )
        other = mesh
        skip = False
    else:
        other = mesh_argument(p, k, closed=False, hint="mesh_b|target_mesh|static_mesh")
        mesh = mesh_argument(p, k, closed=False, hint="mesh_a|moving_mesh|source_mesh")
        e = Entities(k, "face", count=mesh.faces, index="f|face|tid", layouts=False)
        a, b, c = corners(p, k, mesh.id, e.index)
        shift = k.quantity("offset|translation|shift", T.VEC3, [0.9, 0.4, 0.2])
        a, b, c = (
            k.let(h, q + shift)
            for h, q in zip(("a1|s0|q0", "b1|s1|q1", "c1|s2|q2"), (a, b, c), strict=True)
        )
        skip = p.chance(0.3)
    lo, hi = k.let("lower|lo", wp.min(wp.min(a, b), c)), k.let("upper|hi", wp.max(wp.max(a, b), c))
    hits = k.var("hits|count|overlaps", 0)
    with each_face(p, k, Near(wp.mesh_query_aabb(other.id, lo, hi), "box")) as face:
        if skip:
            with k.when(face == e.index):
                k.cont()
        u0, u1, u2 = corners(p, k, other.id, face)
        with k.when(wp.intersect_tri_tri(a, b, c, u0, u1, u2) != 0):
            k.aug(hits, "+", 1)
            if p.chance(0.4):
                k.do(wp.atomic_add(k.out("face_hits|other_hits", T.I32, (other.faces,)), face, 1))
    e.out("hit_counts|intersections|overlap_count", T.I32).store(hits)
    if p.chance(0.4):
        with k.when(hits > 0):
            k.do(wp.atomic_add(k.out("num_intersecting|bad_faces", T.I32, (1,)), 0, 1))
