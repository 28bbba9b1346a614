"""Small reductions and copies: segments, soups, gathers, bounds."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

POINTS = "points|positions|vertices|x_in|verts"


def points_of(p: ProgramBuilder, e: Entities, hint: str = POINTS) -> Expr:
    """This thread's point."""
    return e.field(hint, p.vec(), R.uniform(-1.0, 1.0)).own


def segment_distance(p: ProgramBuilder) -> None:
    """Points against one segment, or each against its own."""
    k = p.kernel_builder(
        "point_segment_distance|distance_to_segment|project_to_segment|capsule_test|nearest_on_segment",
        p.pick("Closest point of a segment.", "", ""),
    )
    e = Entities(k, "point")
    e.guard()
    x = maybe(p, k, "x|pt", points_of(p, e), 0.7)
    if p.chance(0.5):
        a, b = (
            k.quantity("seg_start|a|p0", p.vec(), [-0.5, 0.0, 0.1]),
            k.quantity("seg_end|b|p1", p.vec(), [0.6, 0.3, -0.2]),
        )
    else:
        a, b = points_of(p, e, "starts|seg_a|tails"), points_of(p, e, "ends|seg_b|heads")
        a, b = k.let("a|p0", a), k.let("b|p1", b)

    def closest(blk: Block, q: Expr, u: Expr, v: Expr) -> Expr:
        d = blk.let("d|uv|axis", v - u)
        t = blk.let("t|s", wp.clamp(wp.dot(q - u, d) / wp.max(wp.dot(d, d), 1.0e-8), 0.0, 1.0))
        return u + d * t

    y = k.let(
        "y|foot|cp",
        piece(
            p,
            k,
            "closest_on_segment|segment_foot|clamp_to_segment",
            {"x|q": x, "a|u": a, "b|v": b},
            closest,
            probability=0.7,
        ),
    )
    dist = maybe(p, k, "dist|gap", wp.length(x - y), 1.0)
    match p.pick("dist", "both", "inside", "min"):
        case "dist":
            e.out("distances|gaps", p.real).store(dist)
        case "both":
            e.out("distances|gaps", p.real).store(dist)
            e.out("closest_points|feet", p.vec()).store(y)
        case "inside":
            r = e.property("radius|capsule_radius", 0.2, 0.8)
            e.out("inside|hits|overlap", T.I32).store(
                choose(dist < r, 1, 0) if p.chance(0.5) else wp.where(dist < r, 1, 0)
            )
        case _:
            e.out("distances|gaps", p.real).store(dist)
            k.do(
                wp.atomic_min(
                    k.out("min_distance|closest", p.real, (1,), R.constant(1.0e6)), 0, dist
                )
            )


def soup_area(p: ProgramBuilder) -> None:
    """Areas and centroids of a triangle soup."""
    k = p.kernel_builder(
        "triangle_areas|soup_areas|polygon_areas|face_centroids|facet_sizes",
        p.pick("Areas of separate triangles.", "", ""),
    )
    e = Entities(k, "triangle", layouts=False)
    tris = k.array("triangles|tri_verts|soup", p.vec(), (e.n, 3), R.uniform(-1.0, 1.0))
    e.guard()
    a, b, c = (tris[e.index, m] for m in range(3))
    if p.chance(0.6):
        a, b, c = (k.let(h, q) for h, q in zip(("a|p0", "b|p1", "c|p2"), (a, b, c), strict=True))
    match p.pick("area", "heron", "center", "normal", "sum"):
        case "area":
            e.out("areas|areas_out", p.real).store(0.5 * wp.length(wp.cross(b - a, c - a)))
        case "heron":
            u, v, w = (
                k.let(h, wp.length(d))
                for h, d in (("u|la", b - a), ("v|lb", c - b), ("w|lc", a - c))
            )
            s = k.let("s|half_p", 0.5 * (u + v + w))
            e.out("areas|areas_out", p.real).store(
                wp.sqrt(wp.max(s * (s - u) * (s - v) * (s - w), 0.0))
            )
        case "center":
            e.out("centroids|centers", p.vec()).store((a + b + c) / 3.0)
            if p.chance(0.5):
                e.out("radii|bound_radius", p.real).store(
                    wp.max(wp.length(a - b), wp.length(c - a))
                )
        case "normal":
            n = wp.cross(b - a, c - a)
            e.out("normals|unit_normals", p.vec()).store(wp.normalize(n))
        case _:
            area = k.let("area|da", 0.5 * wp.length(wp.cross(b - a, c - a)))
            k.do(wp.atomic_add(k.out("total_area|area_sum", p.real, (1,)), 0, area))
            k.do(
                wp.atomic_add(
                    k.out("weighted_center|moment", p.vec(), (1,)), 0, (a + b + c) * (area / 3.0)
                )
            )


def gather_points(p: ProgramBuilder) -> None:
    """Points and attributes copied by index: expansion, compaction, welding."""
    k = p.kernel_builder(
        "gather_vertices|expand_triangles|remap_vertices|weld_points|compact_points|scatter_vertices",
        p.pick("Copy vertices by index.", "", ""),
    )
    e = Entities(k, p.pick("corner", "vertex", "point"))
    e.guard()
    n = p.pick(64, 80, 100)
    points = k.array(POINTS, p.vec(), (n,), R.uniform(-1.0, 1.0))
    i = k.let(
        "i|src|old_id",
        e.field("indices|remap|source_ids", T.I32, R.integers(-1 if p.chance(0.4) else 0, n)).own,
    )
    out = e.out("points_out|gathered|expanded", p.vec())
    with k.when(i < 0):
        k.ret()
    out.store(points[i])
    for what in p.sample(["normal", "uv", "count", "label"], 0, 2):
        match what:
            case "normal":
                e.out("normals_out|gathered_normals", p.vec()).store(
                    k.array("normals|vertex_normals", p.vec(), (n,), R.unit_vectors())[i]
                )
            case "uv":
                e.out("uvs_out|gathered_uvs", p.vec(2)).store(
                    k.array("uvs|texcoords", p.vec(2), (n,), R.uniform(0.0, 1.0))[i]
                )
            case "count":
                k.do(wp.atomic_add(k.out("use_counts|references", T.I32, (n,)), i, 1))
            case _:
                e.out("labels_out|groups_out", T.I32).store(
                    k.array("labels|groups", T.I32, (n,), R.integers(0, 8))[i]
                )


def bounds(p: ProgramBuilder) -> None:
    """Reductions of points: bounds, centroids, spreads."""
    k = p.kernel_builder(
        "compute_bounds|point_bounds|centroid_sum|scene_extent|reduce_points|farthest_distance",
        p.pick("Reduce points to bounds.", "", ""),
    )
    e = Entities(k, "point")
    x = k.let("x|pt", points_of(p, e))
    e.guard()
    for what in p.shuffled(p.sample(["min", "max", "sum", "far", "cov", "count"], 1, 3)):
        slots, at = (e.worlds, e.world) if e.worlds and e.world is not None else (1, 0)
        match what:
            case "min":
                k.do(
                    wp.atomic_min(
                        k.out("lower|bounds_min", p.vec(), (slots,), R.constant(1.0e6)), at, x
                    )
                )
            case "max":
                k.do(
                    wp.atomic_max(
                        k.out("upper|bounds_max", p.vec(), (slots,), R.constant(-1.0e6)), at, x
                    )
                )
            case "sum":
                k.do(wp.atomic_add(k.out("center_sum|position_sum", p.vec(), (slots,)), at, x))
            case "far":
                c = k.quantity("center|origin|reference", p.vec(), [0.1, 0.1, 0.0])
                k.do(
                    wp.atomic_max(
                        k.out("max_radius|farthest", p.real, (slots,)), at, wp.length(x - c)
                    )
                )
            case "cov":
                k.do(
                    wp.atomic_add(
                        k.out("second_moment|scatter", p.mat(), (slots,)), at, wp.outer(x, x)
                    )
                )
            case _:
                with k.when(x.y > k.param("height_limit|threshold|level", 0.1, 0.7)):
                    k.do(wp.atomic_add(k.out("above_count|num_above", T.I32, (slots,)), at, 1))
