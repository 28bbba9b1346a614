"""Boxes of a hierarchy near spheres, capsules, boxes and rays, in the whole of it or in one group."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._bvh_rays import HANDLE, candidates
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal

Bounds = Callable[[Expr], tuple[Expr, Expr]]


def bvh_shapes(p: ProgramBuilder) -> None:
    """Query volumes against the boxes of a BVH: counts, nearest boxes, shares of overlap, group by group."""
    shape = p.weighted({"sphere": 4, "capsule": 4, "ray": 2, "box": 2})
    names = {
        "sphere": "boxes_in_sphere|sphere_overlaps|range_search|radius_query|boxes_within",
        "capsule": "swept_sphere_boxes|link_broad_phase|boxes_along_path|capsule_overlaps|path_candidates",
        "ray": "boxes_on_ray|ray_candidates|pick_boxes|segment_overlaps",
        "box": "box_overlaps|window_query|region_query|collect_region",
    }[shape]
    k = p.kernel_builder(
        names,
        p.pick(
            "Candidates of every query from the hierarchy.",
            "Broad phase against a tree of boxes.",
            "Boxes that a query volume touches, one group at a time.",
            "",
        ),
    )
    e = Entities(k, p.pick("query", "body", "agent", "probe"))
    goal = p.pick("count", "nearest", "weight", "field", "mark")
    count = p.pick(32, 48, 64, 96)
    tree, bounds = _boxes(p, k, count, goal in _EXACT)
    e.guard()
    query, x, limit = _QUERIES[shape](p, k, e, tree)
    _gather(p, k, e, goal, query, lambda j: _gap(p, k, x, *bounds(j)), limit, count)


# What needs the boxes themselves, not only the hierarchy over them.
_EXACT = ("nearest", "field")


def _boxes(p: ProgramBuilder, k: KernelBuilder, count: int, exact: bool) -> tuple[Name, Bounds]:
    """A hierarchy over boxes; where the work is exact, over those that arrays describe."""
    handle = T.Handle("bvh")
    if not exact:
        return k.arg(HANDLE, handle, R.bvh(count, -2.0, 2.0, 0.5), 0), lambda j: (j, j)
    centers = k.array("box_centers|centers|obstacle_pos", T.VEC3, (count,), R.uniform(-2.0, 2.0))
    each = p.chance(0.6)
    half = k.array(
        "half_extents|extents|box_size", T.VEC3 if each else T.F32, (count,), R.uniform(0.1, 0.5)
    )

    def bounds(j: Expr) -> tuple[Expr, Expr]:
        pad = half[j] if each else construct(T.VEC3, half[j])
        return centers[j] - pad, centers[j] + pad

    return k.arg(HANDLE, handle, R.bvh_over(centers.id, half.id), 0), bounds


def _root(p: ProgramBuilder, k: KernelBuilder, e: Entities, tree: Expr) -> tuple[Expr, ...]:
    if not p.chance(0.55):
        return ()
    match p.pick("one", "each", "world"):
        case "one":
            group: Expr = k.scalar("group|layer|collision_group", T.I32, p.pick(0, 1, 2, 3))
        case "world" if e.world is not None:
            group = e.world
        case _:
            group = e.field("groups|layers|env_ids", T.I32, R.integers(0, 4)).own
    return (k.let("root|group_root|subtree", wp.bvh_get_group_root(tree, group)),)


def _gap(p: ProgramBuilder, k: Block, x: Expr, lo: Expr, hi: Expr) -> Expr:
    """Distance of a point from a box."""

    def body(b: Block, y: Expr, low: Expr, high: Expr) -> Expr:
        outside = b.let("outside|over|excess", wp.max(low - y, y - high))
        return wp.length(wp.max(outside, construct(T.VEC3, 0.0)))

    params = {"x|pt": x, "lo|lower": lo, "hi|upper": hi}
    return piece(p, k, "box_distance|aabb_distance|distance_to_box", params, body)


# The query, the point that distances are measured from, and how far to look.
Query = tuple[Expr, Expr, Expr | None]


def _sphere(p: ProgramBuilder, k: KernelBuilder, e: Entities, tree: Expr) -> Query:
    x = e.field("centers_q|positions|query_pos", T.VEC3, R.uniform(-2.0, 2.0)).read("x|c|pos")
    r = k.let("r|radius_i|reach_i", e.property("radius|reach|cutoff", 0.3, 1.2))
    query = wp.bvh_query_sphere(tree, x, r, *_root(p, k, e, tree))
    return query, x, None


def _capsule(p: ProgramBuilder, k: KernelBuilder, e: Entities, tree: Expr) -> Query:
    a = e.field("starts|positions|heads", T.VEC3, R.uniform(-2.0, 2.0)).read("a|start|head")
    if p.chance(0.5):
        end = e.field("ends|goals|tails", T.VEC3, R.uniform(-2.0, 2.0)).own
        move = k.let("axis|path|span", end - a)
    else:
        v = e.field("velocities|motion|headings", T.VEC3, R.uniform(-1.0, 1.0)).own
        move = k.let("move|travel|step_vec", v * e.world_param("dt|horizon|lookahead", 0.2, 1.5))
    r = e.property("radius|thickness|inflation", 0.05, 0.4)
    query = wp.bvh_query_capsule(tree, a, move, r, *_root(p, k, e, tree))
    # In multiples of the axis, so that the search ends where the axis does.
    return query, a + move * 0.5, literal(1.0, T.F32)


def _ray(p: ProgramBuilder, k: KernelBuilder, e: Entities, tree: Expr) -> Query:
    o = e.field("origins|starts|eyes", T.VEC3, R.uniform(-2.5, 2.5)).read("o|origin|eye")
    d = e.field("directions|ray_dirs|gaze", T.VEC3, R.unit_vectors()).own
    reach = k.param("max_range|reach|view_distance", 2.0, 6.0)
    query = wp.bvh_query_ray(tree, o, d, *_root(p, k, e, tree))
    return query, o, reach


def _box(p: ProgramBuilder, k: KernelBuilder, e: Entities, tree: Expr) -> Query:
    x = e.field("positions|window_centers|query_pos", T.VEC3, R.uniform(-2.0, 2.0)).read("x|c|pos")
    size = construct(T.VEC3, e.property("half_width|window|margin", 0.2, 1.0))
    size = k.let("half|pad|grow", size)
    query = wp.bvh_query_aabb(tree, x - size, x + size, *_root(p, k, e, tree))
    return query, x, None


_QUERIES: dict[str, Callable[..., Query]] = {
    "sphere": _sphere,
    "capsule": _capsule,
    "ray": _ray,
    "box": _box,
}


def _gather(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, goal: str, query: Expr,
    distance: Callable[[Expr], Expr], limit: Expr | None, count: int,
) -> None:  # fmt: skip
    if goal == "nearest":
        _nearest(k, e, query, distance, limit)
        return
    whole = goal in ("count", "mark")
    total = k.var("count|hits|overlaps", 0) if whole else k.var("load|acc|field_sum", 0.0)
    with candidates(k, query, limit) as j:
        if goal == "mark":
            marks = k.out("touched|references|box_hits", T.I32, (count,))
            k.do(wp.atomic_add(marks, j, 1))
        if whole:
            k.aug(total, "+", 1)
            if goal == "count" and p.chance(0.2):
                with k.when(total >= k.count("max_hits|capacity|limit", p.pick(4, 8, 16))):
                    k.brk()
        else:
            mass = k.array("weights|box_cost|density", T.F32, (count,), R.uniform(0.1, 1.0))[j]
            if goal == "field":
                mass = mass * wp.exp(-k.let("d|gap|away", distance(j)))
            k.aug(total, "+", mass)
    hint = "overlap_counts|num_hits|candidates_out" if whole else "loads|exposure|field_out"
    e.out(hint, total.type).store(total)


def _nearest(
    k: KernelBuilder, e: Entities, query: Expr, distance: Callable[[Expr], Expr], limit: Expr | None
) -> None:
    best, winner = k.var("best|nearest|d_min", 1.0e3), k.var("winner|nearest_id|best_box", -1)
    with candidates(k, query, limit) as j:
        d = k.let("d|gap|dist", distance(j))
        with k.when(d < best):
            k.set(best, d)
            k.set(winner, j)
    e.out("nearest_ids|closest_box", T.I32).store(winner)
    with k.when(winner >= 0):
        e.out("clearance|nearest_dist|gaps", T.F32).store(best)
