"""Bounding volumes: boxes and their overlaps, spatial codes, bounding spheres."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo import Triangles, faces_of
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr

V3 = T.VEC3


def boxes(p: ProgramBuilder) -> None:
    """Boxes of triangles, posed shapes and swept points; overlap tests; refits."""
    goals = {
        "faces": "triangle_bounds|face_aabbs|compute_aabbs",
        "shapes": "shape_bounds|update_aabbs|transform_bounds",
        "swept": "swept_bounds|motion_bounds|expand_aabbs",
        "overlap": "overlap_test|count_overlaps|box_pairs",
        "refit": "refit_nodes|merge_bounds|propagate_bounds",
        "surface": "box_surface|sah_cost|box_statistics",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Axis-aligned bounds.", "", "Bounding boxes."))
    {
        "faces": _face_boxes,
        "shapes": _shape_boxes,
        "swept": _swept,
        "overlap": _overlap,
        "refit": _refit,
        "surface": _surface,
    }[goal](p, k)


def _store(p: ProgramBuilder, k: KernelBuilder, e: Entities, lo: Expr, hi: Expr) -> None:
    pad = k.param("margin|padding|skin", 0.005, 0.1) if p.chance(0.5) else None
    if pad is not None:
        grow = k.let("grow|m3|pad3", construct(V3, pad))
        lo, hi = lo - grow, hi + grow
    for hint, value in p.shuffled(
        [("lowers|aabb_min|box_lower", lo), ("uppers|aabb_max|box_upper", hi)]
    ):
        e.out(hint, V3).store(value)


def _face_boxes(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = faces_of(p, k)
    e.guard()
    t = Triangles(p, k, e.n)
    a, b, c = t.corners(t.ids(e.index))
    lo, hi = wp.min(wp.min(a, b), c), wp.max(wp.max(a, b), c)
    if p.chance(0.5):
        lo, hi = k.let("lo|lower", lo), k.let("hi|upper", hi)
    _store(p, k, e, lo, hi)
    if p.chance(0.4):
        k.do(wp.atomic_min(k.out("scene_min|root_lower", V3, (1,), R.constant(1.0e6)), 0, lo))
        k.do(wp.atomic_max(k.out("scene_max|root_upper", V3, (1,), R.constant(-1.0e6)), 0, hi))


def _shape_boxes(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("shape", "body", "link"))
    e.guard()
    pose = k.let(
        "X|tf|pose", e.field("poses|transforms|body_q", T.TRANSFORM, R.rigid(-2.0, 2.0)).own
    )
    x, q = (
        k.let("x|center|pos", wp.transform_get_translation(pose)),
        k.let("q|rot|quat_s", wp.transform_get_rotation(pose)),
    )
    form = p.pick("box", "sphere", "capsule", "typed")
    if form == "sphere":
        r = e.property("radius|shape_radius|r", 0.1, 0.6)
        ext: Expr = k.let("ext|r3|half", construct(V3, r))
    elif form == "capsule":
        r, h = (
            e.property("radius|shape_radius", 0.1, 0.4),
            e.property("half_height|half_len", 0.2, 0.8),
        )
        axis = k.let("axis|seg|dir_w", wp.quat_rotate(q, construct(V3, 0.0, h, 0.0)))
        ext = k.let("ext|half", wp.abs(axis) + construct(V3, r))
    else:
        half = k.let(
            "half|he|dims", e.field("half_extents|sizes|shape_scale", V3, R.uniform(0.1, 0.8)).own
        )
        rot = k.let("m|rot_m|R", wp.quat_to_matrix(q))
        rows = [
            wp.abs(rot[r, 0]) * half.x + wp.abs(rot[r, 1]) * half.y + wp.abs(rot[r, 2]) * half.z
            for r in range(3)
        ]
        ext = k.var("ext|reach|h_w", construct(V3, *rows))
        if form == "typed":
            kind = e.field("shape_types|geo_type|kinds", T.I32, R.integers(0, 3)).own
            with k.when(kind == p.pick(1, 2)):
                k.set(ext, construct(V3, half.x))
    _store(p, k, e, x - ext, x + ext)


def _swept(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("particle", "vertex", "body"))
    e.guard()
    x = e.field("positions|points|x", V3, R.uniform(-2.0, 2.0)).read("x|x0|start")
    if p.chance(0.5):
        y = k.let(
            "y|x1|stop",
            x
            + e.field("velocities|vel", V3, R.uniform(-1.0, 1.0)).own
            * k.param("dt|timestep|horizon", 0.01, 0.2),
        )
    else:
        y = e.field("predicted|next_positions|x_pred", V3, R.uniform(-2.0, 2.0)).read("y|x1|stop")
    r = k.let("r3|rad", construct(V3, e.property("radius|thickness|size", 0.02, 0.2)))
    _store(p, k, e, wp.min(x, y) - r, wp.max(x, y) + r)


def _disjoint(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, al: Expr, ah: Expr, bl: Expr, bh: Expr) -> None:
        form = p.pick("any", "all", "early")
        if form == "any":
            b.ret(
                negate(
                    any_of(
                        *(al.field(c) > bh.field(c) for c in "xyz"),
                        *(bl.field(c) > ah.field(c) for c in "xyz"),
                    )
                )
            )
        elif form == "all":
            b.ret(
                all_of(
                    *(
                        test
                        for c in "xyz"
                        for test in (al.field(c) <= bh.field(c), bl.field(c) <= ah.field(c))
                    )
                )
            )
        else:
            for c in "xyz":
                with b.when(any_of(ah.field(c) < bl.field(c), bh.field(c) < al.field(c))):
                    b.ret(False)
            b.ret(True)

    params = {"a_lo|lo0": V3, "a_hi|hi0": V3, "b_lo|lo1": V3, "b_hi|hi1": V3}
    return p.func("boxes_overlap|aabb_overlap|intersects", params, body)


def _overlap(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "box", layouts=False, count=p.pick(48, 64, 96))
    lows = k.array("lowers|aabb_min|box_lower", V3, (e.n,), R.uniform(-2.0, 0.5))
    highs = k.array("uppers|aabb_max|box_upper", V3, (e.n,), R.uniform(0.0, 2.0))
    lo, hi = k.let("lo|lower", lows[e.index]), k.let("hi|upper", highs[e.index])
    f = _disjoint(p)
    n = k.var("n|count|overlaps", 0)
    group = (
        k.array("groups|collision_group|layers", T.I32, (e.n,), R.integers(0, 4))
        if p.chance(0.5)
        else None
    )
    triangular = p.chance(0.5)
    with k.loop("j|other|m", *((e.index + 1, e.n) if triangular else (lows.dim(0),))) as j:
        if not triangular:
            with k.when(j == e.index):
                k.cont()
        if group is not None:
            with k.when(
                group[j] == group[e.index]
                if p.chance(0.5)
                else all_of(group[j] == group[e.index], group[j] >= 0)
            ):
                k.cont()
        with k.when(f(lo, hi, lows[j], highs[j])):
            k.aug(n, "+", 1)
            if triangular and p.chance(0.6):
                k.do(wp.atomic_add(k.out("partner_counts|touches", T.I32, (e.n,)), j, 1))
    e.out("overlap_counts|num_overlaps|pair_counts", T.I32).store(n)
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("total_pairs|pair_total", T.I32, (1,)), 0, n))


def _refit(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "node", index="i|node|tid", layouts=False, count=p.pick(48, 64, 100))
    leaves = 2 * e.n
    lower_out, upper_out = (
        e.out("node_lower|merged_lower", V3),
        e.out("node_upper|merged_upper", V3),
    )
    left, right = (
        k.array("left_child|left|child0", T.I32, (e.n,), R.integers(0, leaves)),
        k.array("right_child|right|child1", T.I32, (e.n,), R.integers(0, leaves)),
    )
    lows, highs = (
        k.array("child_lowers|lowers|box_lower", V3, (leaves,), R.uniform(-2.0, 0.0)),
        k.array("child_uppers|uppers|box_upper", V3, (leaves,), R.uniform(0.0, 2.0)),
    )
    a, b = k.let("a|l", left[e.index]), k.let("b|r", right[e.index])
    if p.chance(0.4):
        dirty = e.field("dirty|needs_refit|touched", T.I32, R.mask(0.7)).own
        with k.when(dirty == 0):
            k.ret()
    lo, hi = (
        k.let("lo|lower", wp.min(lows[a], lows[b])),
        k.let("hi|upper", wp.max(highs[a], highs[b])),
    )
    lower_out.store(lo)
    upper_out.store(hi)
    if p.chance(0.6):
        d = k.let("d|size|ext", hi - lo)
        e.out("node_cost|surface_area|sah", T.F32).store(2.0 * (d.x * d.y + d.y * d.z + d.z * d.x))


def _surface(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "box")
    e.guard()
    lo, hi = (
        e.field("lowers|aabb_min", V3, R.uniform(-2.0, 0.0)).own,
        e.field("uppers|aabb_max", V3, R.uniform(0.0, 2.0)).own,
    )
    d = k.let("d|size|ext", hi - lo)
    area = k.let("area|sa|half_area", d.x * d.y + d.y * d.z + d.z * d.x)
    for what in p.shuffled(p.sample(["area", "volume", "axis", "center", "cost"], 1, 3)):
        match what:
            case "area":
                e.out("surface_area|areas", T.F32).store(2.0 * area)
            case "volume":
                e.out("volumes|box_volume", T.F32).store(d.x * d.y * d.z)
            case "axis":
                axis = k.var("axis|longest|split_axis", 0)
                with k.when(d.y > d.x):
                    k.set(axis, 1)
                with k.when(d.z > d[axis]):
                    k.set(axis, 2)
                e.out("split_axis|longest_axis", T.I32).store(axis)
            case "center":
                e.out("centers|centroids", V3).store((lo + hi) * 0.5)
            case _:
                n = e.field("prim_counts|leaf_size", T.I32, R.integers(1, 16)).own
                k.do(
                    wp.atomic_add(
                        k.out("sah_cost|total_cost", T.F32, (1,)),
                        0,
                        area * construct(T.F32, n) * k.param("intersect_cost|ci", 0.5, 2.0),
                    )
                )


# --- codes ----------------------------------------------------------------------------------------


# --- spheres --------------------------------------------------------------------------------------
