"""Boxes of shapes and clusters, for the neighbour-search category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, literal


def overlap_function(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` that says whether two boxes overlap."""
    form = p.pick("all", "early", "loop")

    def body(b: Block, al: Expr, au: Expr, bl: Expr, bu: Expr) -> None:
        if form == "all":
            b.ret(
                all_of(
                    *[
                        t
                        for a in "xyz"
                        for t in (al.field(a) <= bu.field(a), au.field(a) >= bl.field(a))
                    ]
                )
            )
        elif form == "early":
            for a in "xyz":
                with b.when(any_of(al.field(a) > bu.field(a), au.field(a) < bl.field(a))):
                    b.ret(literal(False, T.BOOL))
            b.ret(literal(True, T.BOOL))
        else:
            with b.loop("c|axis|d", 3) as c, b.when(any_of(al[c] > bu[c], au[c] < bl[c])):
                b.ret(literal(False, T.BOOL))
            b.ret(literal(True, T.BOOL))

    params = {
        "a_lo|lower_a|al": T.VEC3,
        "a_hi|upper_a|au": T.VEC3,
        "b_lo|lower_b|bl": T.VEC3,
        "b_hi|upper_b|bu": T.VEC3,
    }
    return p.func("aabb_overlap|boxes_overlap|overlaps|intersects", params, body)


def boxes(e: Entities, low: float = -2.0, high: float = 2.0) -> tuple[Field, Field]:
    """Corners of the items' boxes; the upper corner lies above the lower."""
    middle = 0.5 * (low + high)
    return e.field("lower|box_min|aabb_lo", T.VEC3, R.uniform(low, middle)), e.field(
        "upper|box_max|aabb_hi", T.VEC3, R.uniform(middle, high)
    )


def leaf_bounds(p: ProgramBuilder) -> None:
    """Boxes of primitives: spheres, capsules, triangles, swept bodies; scene and cluster bounds."""
    form = p.pick("sphere", "capsule", "triangle", "box", "swept")
    k = p.kernel_builder(
        "compute_aabbs|update_bounds|leaf_bounds|shape_aabbs|enlarge_boxes|primitive_bounds",
        p.pick(
            "Axis-aligned boxes of the shapes.",
            "Leaf boxes with a margin.",
            "Bounds for the broad phase.",
        ),
    )
    e = Entities(k, "shape", index="i|tid|shape")
    e.guard()
    lo, hi = _shape_bounds(p, k, e, form)
    if p.chance(0.6):
        margin = e.property("margin|thickness|contact_offset", 0.005, 0.1)
        grow = k.let("pad|m|grow", construct(T.VEC3, margin))
        lo, hi = k.let("lo_m|low|bl", lo - grow), k.let("hi_m|high|bh", hi + grow)
    e.out("lower_out|box_lower|aabb_min", T.VEC3).store(lo)
    e.out("upper_out|box_upper|aabb_max", T.VEC3).store(hi)
    for what in p.sample(["scene", "area", "group", "centroid"], 0, 2):
        if what == "scene":
            Table(e, "scene_lower|world_min", T.VEC3, (1,), R.constant(1000.0), "inout").atomic(
                "min", lo, 0
            )
            Table(e, "scene_upper|world_max", T.VEC3, (1,), R.constant(-1000.0), "inout").atomic(
                "max", hi, 0
            )
        elif what == "area":
            d = k.let("ext|size|d", hi - lo)
            e.out("surface_area|area_out|sah_area", T.F32).store(
                2.0 * (d.x * d.y + d.y * d.z + d.z * d.x)
            )
        elif what == "group":
            group = e.field("cluster_id|group|tree_id", T.I32, R.integers(0, 8)).own
            Table(e, "cluster_lower|group_min", T.VEC3, (8,), R.constant(1000.0), "inout").atomic(
                "min", lo, group
            )
            Table(e, "cluster_upper|group_max", T.VEC3, (8,), R.constant(-1000.0), "inout").atomic(
                "max", hi, group
            )
        else:
            e.out("centroids|centers|mid", T.VEC3).store((lo + hi) * 0.5)


def _shape_bounds(p: ProgramBuilder, k: KernelBuilder, e: Entities, form: str) -> tuple[Expr, Expr]:
    if form == "triangle":
        count = p.pick(48, 64, 96)
        verts = Table(e, "vertices|points|verts", T.VEC3, (count,), R.uniform(-2.0, 2.0))
        tri = e.field("triangles|faces|indices", T.Vec(3, T.I32), R.integers(0, count)).read(
            "tri|f|face"
        )
        a, b, c = (k.let(h, verts[tri[i]]) for i, h in enumerate(("a|p0|v0", "b|p1|v1", "c|p2|v2")))
        return k.let("lo|bmin|low0", wp.min(wp.min(a, b), c)), k.let(
            "hi|bmax|high0", wp.max(wp.max(a, b), c)
        )
    pose = e.field("poses|shape_xform|transforms", T.TRANSFORM, R.rigid(-2.0, 2.0)).read(
        "pose|X|tf"
    )
    center = k.let("c|center|pos", wp.transform_get_translation(pose))
    if form == "box":
        half = e.field("half_extents|extents|he", T.VEC3, R.uniform(0.1, 0.6)).own
        turn = k.let("rot|r|rm", wp.quat_to_matrix(wp.transform_get_rotation(pose)))
        if p.chance(0.5):
            ext = k.let(
                "ext|h|reach",
                construct(
                    T.VEC3,
                    *[
                        wp.abs(turn[r, 0]) * half.x
                        + wp.abs(turn[r, 1]) * half.y
                        + wp.abs(turn[r, 2]) * half.z
                        for r in range(3)
                    ],
                ),
            )
        else:
            ext = k.var("ext|h|reach", construct(T.VEC3, 0.0))
            with k.loop("r|row|a", 3) as r, k.loop("s|col|b", 3) as s:
                k.set(ext[r], ext[r] + wp.abs(turn[r, s]) * half[s])
        return center - ext, center + ext
    radius = e.property("radius|shape_radius|r", 0.05, 0.5)
    ball = construct(T.VEC3, radius)
    if form == "capsule":
        half = e.property("half_height|half_length|hl", 0.1, 0.6)
        tip = k.let("tip|axis_h|up", wp.transform_vector(pose, construct(T.VEC3, 0.0, half, 0.0)))
        ext = k.let("ext|h|reach", wp.abs(tip) + ball)
        return center - ext, center + ext
    if form == "swept":
        v, dt = (
            e.field("velocities|v|body_v", T.VEC3, R.uniform(-3.0, 3.0)).own,
            k.param("dt|timestep", 0.005, 0.05),
        )
        end = k.let("end|next_c|c1", center + v * dt)
        return k.let("lo|bmin|low0", wp.min(center, end) - ball), k.let(
            "hi|bmax|high0", wp.max(center, end) + ball
        )
    return center - ball, center + ball


def refit(p: ProgramBuilder) -> None:
    """Node boxes from the children, level by level or up parent chains."""
    k = p.kernel_builder(
        "refit_bvh|refit_level|update_tree_bounds|merge_child_bounds|propagate_bounds",
        p.pick("Refit one level of the tree.", "Node boxes as unions of their children.", ""),
    )
    e = Entities(k, "node", index="node|i|tid")
    lower, upper = (
        e.field("node_lower|lower_in|bounds_lo", T.VEC3, R.uniform(-2.0, 0.0)),
        e.field("node_upper|upper_in|bounds_hi", T.VEC3, R.uniform(0.0, 2.0)),
    )
    level = e.field("node_level|levels|depth", T.I32, R.integers(0, 4))
    with k.when(level.own != k.count("level|current_level|depth_now", p.pick(1, 2))):
        k.ret()
    out_lo, out_hi = e.out("lower_out|refit_lower", T.VEC3), e.out("upper_out|refit_upper", T.VEC3)
    if p.chance(0.5):
        left, right = (
            e.field("left_child|left|children_l", T.I32, R.integers(-1, e.n)).read("l|lc|a"),
            e.field("right_child|right|children_r", T.I32, R.integers(-1, e.n)).read("r|rc|b"),
        )
        lo, hi = (
            k.var("lo|low|bmin", construct(T.VEC3, 1000.0)),
            k.var("hi|high|bmax", construct(T.VEC3, -1000.0)),
        )
        for child in (left, right):
            with k.when(child >= 0):
                k.set(lo, wp.min(lo, lower[child]))
                k.set(hi, wp.max(hi, upper[child]))
    else:
        width = p.pick(2, 4, 8)
        children = Table(
            e, "children|child_ids|child_table", T.I32, (e.n, width), R.padded(0, e.n, 0.3)
        )
        lo, hi = (
            k.var("lo|low|bmin", construct(T.VEC3, 1000.0)),
            k.var("hi|high|bmax", construct(T.VEC3, -1000.0)),
        )
        with k.loop("c|slot|s", width if p.chance(0.5) else children.extent(1)) as c:
            child = k.let("child|ch|id_c", children[e.index, c])
            with k.when(child < 0):
                k.brk() if p.chance(0.6) else k.cont()
            k.set(lo, wp.min(lo, lower[child]))
            k.set(hi, wp.max(hi, upper[child]))
    out_lo.store(lo)
    out_hi.store(hi)
    if p.chance(0.5):
        d = k.let("d|ext|size", hi - lo)
        area = 2.0 * (d.x * d.y + d.y * d.z + d.z * d.x)
        if p.chance(0.5):
            e.out("node_area|sah|cost_out", T.F32).store(area)
        else:
            Table(e, "total_cost|sah_cost|quality", T.F32, (1,), role="out").add(area, 0)
    if p.chance(0.4):
        grown = any_of(*[lo.field(a) < lower.own.field(a) for a in "xyz"])
        e.out("dirty|changed|grew", T.I32).store(choose(grown, 1, 0))
