"""Faces of meshes given as arrays: normals, shape quality, distortion of parametrisations."""

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo import Triangles, faces_of
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def cross_of(p: ProgramBuilder, k: KernelBuilder, a: Expr, b: Expr, c: Expr) -> Name:
    """Twice the area vector of a triangle."""
    form = p.pick("direct", "edges", "func")
    if form == "direct":
        return k.let("n|cr|area2|nrm", wp.cross(b - a, c - a))
    if form == "edges":
        e1, e2 = k.let("e1|ab|edge1", b - a), k.let("e2|ac|edge2", c - a)
        return k.let("n|cr|area2|nrm", wp.cross(e1, e2))

    def body(_: Block, u: Expr, v: Expr, w: Expr) -> Expr:
        return wp.cross(v - u, w - u)

    args = {"a|p0|v0": a, "b|p1|v1": b, "c|p2|v2": c}
    return k.let(
        "n|cr|area2|nrm",
        piece(p, k, "triangle_cross|face_cross|area_normal", args, body, probability=0.75),
    )


def normals(p: ProgramBuilder) -> None:
    """Normals, areas, centroids and plane equations, one thread a face."""
    k = p.kernel_builder(
        "compute_face_normals|triangle_normals|face_normals|update_face_data|triangle_planes|face_areas|eval_faces",
        p.pick("Normals and areas of the faces.", "One thread per triangle.", "", ""),
    )
    e = faces_of(p, k)
    e.guard()
    t = Triangles(p, k, e.n)
    a, b, c = t.corners(t.ids(e.index))
    wanted = p.shuffled(
        p.sample(["normal", "area", "center", "plane", "total", "bounds", "flip", "down"], 1, 3)
    )
    if wanted in (["center"], ["bounds"]):
        wanted.append("area")
    n = cross_of(p, k, a, b, c) if set(wanted) - {"center", "bounds"} else None
    size = None
    if n is not None and len({"normal", "area", "total", "plane"} & set(wanted)) > 1:
        size = k.let("len_n|size|mag", wp.length(n))
    for what in wanted:
        _store(p, k, e, what, a, b, c, n, size)


def _store(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    what: str,
    a: Expr,
    b: Expr,
    c: Expr,
    n: Name | None,
    size: Name | None,
) -> None:
    length = size if size is not None else None if n is None else wp.length(n)
    match what:
        case "normal":
            assert n is not None
            _unit(p, k, e, n, size)
        case "area":
            e.out("areas|face_areas|area_out", p.real).store(length * 0.5)
        case "center":
            e.out("centroids|centers|face_centers", p.vec()).store((a + b + c) / 3.0)
        case "plane":
            assert n is not None
            u = k.let("u|unit|nn", n / length if p.chance(0.5) else wp.normalize(n))
            e.out("planes|plane_eqs|half_planes", p.vec(4)).store(
                construct(p.vec(4), u.x, u.y, u.z, -wp.dot(u, a))
            )
        case "total":
            k.do(
                wp.atomic_add(
                    k.out("total_area|surface_area|area_sum", p.real, (1,)), 0, 0.5 * length
                )
            )
        case "bounds":
            e.out("lowers|aabb_min|box_min", p.vec()).store(wp.min(wp.min(a, b), c))
            e.out("uppers|aabb_max|box_max", p.vec()).store(wp.max(wp.max(a, b), c))
        case "flip":
            assert n is not None
            inside = k.quantity("interior_point|center|seed_point", p.vec(), [0.05, -0.02, 0.1])
            with k.when(wp.dot(n, a - inside) < 0.0):
                e.out("flipped|needs_flip|inverted", T.I32).store(1)
                if p.chance(0.5):
                    k.do(wp.atomic_add(k.out("flip_count|num_inverted", T.I32, (1,)), 0, 1))
        case _:
            assert n is not None
            limit = k.param("cos_limit|overhang_cos|threshold", 0.2, 0.9)
            up = (
                construct(p.vec(), 0.0, 1.0, 0.0)
                if p.chance(0.5)
                else construct(p.vec(), 0.0, 0.0, 1.0)
            )
            with k.when(wp.dot(n, up) < -limit * wp.length(n)):
                e.out("overhang|downward|support_needed", T.I32).store(1)


def _unit(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: Name, size: Name | None) -> None:
    out = e.out("normals|face_normals|normal_out", p.vec())
    form = p.pick("normalize", "guarded", "where") if size is not None else "normalize"
    if form == "normalize":
        out.store(wp.normalize(n))
    elif form == "guarded":
        with k.when(size > p.pick(1.0e-8, 1.0e-10, 1.0e-6)):
            out.store(n / size)
        if p.chance(0.5):
            with k.otherwise():
                k.do(wp.atomic_add(k.out("degenerate|num_degenerate", T.I32, (1,)), 0, 1))
    else:
        out.store(
            wp.where(size > 1.0e-8, n / wp.max(size, 1.0e-8), construct(p.vec(), 0.0, 1.0, 0.0))
        )


# --- shape ----------------------------------------------------------------------------------------


# --- parametrisations and deformations ------------------------------------------------------------
