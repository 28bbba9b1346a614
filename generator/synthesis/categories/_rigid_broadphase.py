"""Broad phase: bounding boxes of shapes, overlap tests, sweeps, cell counts."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, query_field, wp
from generator.synthesis.categories._extras import helper, single_precision
from generator.synthesis.categories._rigid_state import POSES
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr

_LOWER, _UPPER = "aabb_lower|lowers|box_min|shape_lower", "aabb_upper|uppers|box_max|shape_upper"


def _bounds(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "compute_aabbs|update_bounds|shape_bounds|refit_aabbs|world_bounds|compute_shape_aabb",
        p.pick(
            "World bounds of each shape.",
            "Bounding boxes of posed shapes.",
            "Refit the boxes before the broad phase.",
        ),
    )
    e = Entities(k, p.pick("shape", "body", "geom"), index="tid|i|s|shape")
    vec = p.vec(3)
    poses = e.field(POSES, p.transform, R.rigid(-1.0, 1.0))
    e.guard()
    pose = k.let("pose|xform|x_ws", poses.own)
    pos, rot = (
        k.let("pos|center|c", wp.transform_get_translation(pose)),
        k.let("q|rot", wp.transform_get_rotation(pose)),
    )
    kinds = p.sample(["sphere", "box", "capsule"], 1, 3)
    size = e.field("scales|half_extents|dims|shape_scale", vec, R.uniform(0.1, 0.5)).read(
        "s|h|size"
    )
    ext = k.var("ext|half|extent", construct(vec, 0.0))
    if len(kinds) == 1:
        k.set(ext, _extent(p, k, kinds[0], rot, size))
    else:
        kind = k.let(
            "kind|type_id|geo",
            e.field("shape_type|geo_type|types", T.I32, R.integers(0, len(kinds))).own,
        )
        named = p.chance(0.5)
        for number, name in enumerate(kinds):
            tag = p.const(f"GEO_{name.upper()}|SHAPE_{name.upper()}", number) if named else number
            last = number == len(kinds) - 1
            with (
                k.when(kind == tag)
                if number == 0
                else k.otherwise()
                if last and p.chance(0.7)
                else k.elsewhen(kind == tag)
            ):
                k.set(ext, _extent(p, k, name, rot, size))
    if p.chance(0.6):
        margin = k.param("margin|padding|contact_margin|skin", 0.005, 0.1)
        k.aug(ext, "+", construct(vec, margin, margin, margin))
    low, high = k.var("lo|lower", pos - ext), k.var("hi|upper", pos + ext)
    if p.chance(0.3):
        v, dt = (
            e.field("velocities|lin_vel|v", vec, R.uniform(-1.0, 1.0)).read("v|vel"),
            e.world_param("dt|timestep|h", 0.005, 0.05),
        )
        k.step(p.pick("swept bounds", "", "extend along the motion"))
        k.set(low, wp.min(low, low + v * dt))
        k.set(high, wp.max(high, high + v * dt))
    e.out(_LOWER, vec).store(low)
    e.out(_UPPER, vec).store(high)
    if p.chance(0.3):
        where = e.world if e.world is not None else 0
        k.do(
            wp.atomic_min(
                k.out("scene_lower|bounds_min", vec, (e.worlds or 1,), R.constant(100.0)),
                where,
                low,
            )
        )
        k.do(
            wp.atomic_max(
                k.out("scene_upper|bounds_max", vec, (e.worlds or 1,), R.constant(-100.0)),
                where,
                high,
            )
        )


def _extent(p: ProgramBuilder, k: KernelBuilder, kind: str, rot: Expr, size: Expr) -> Expr:
    """Half extents of the world box of a shape."""
    vec = p.vec(3)
    if kind == "sphere":
        return construct(vec, size.x, size.x, size.x)
    matrix = p.chance(0.5)

    def capsule(b: Block, q: Expr, s: Expr) -> Expr:
        axis = b.let("axis|u|a", wp.quat_rotate(q, construct(vec, 0.0, 1.0, 0.0) * s.y))
        return wp.abs(axis) + construct(vec, s.x, s.x, s.x)

    def box(b: Block, q: Expr, s: Expr) -> Expr:
        if matrix:
            r = b.let("r|rm", wp.quat_to_matrix(q))
            rows = [
                wp.abs(r[i, 0]) * s.x + wp.abs(r[i, 1]) * s.y + wp.abs(r[i, 2]) * s.z
                for i in range(3)
            ]
            return construct(vec, *rows)
        sides = [
            b.let(f"e{a}|u{a}", wp.abs(wp.quat_rotate(q, construct(vec, *unit))))
            for a, unit in zip(
                "xyz", ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), strict=True
            )
        ]
        return sides[0] * s.x + sides[1] * s.y + sides[2] * s.z

    args = {"q|rot": rot, "s|h|size": size}
    return helper(
        p,
        k,
        f"{kind}_extent|{kind}_half_extents|bound_{kind}",
        args,
        capsule if kind == "capsule" else box,
        p.pick(f"Half extents of the world box of a {kind}.", ""),
    )


def _overlap(p: ProgramBuilder, vec: T.Vec) -> UserFunction:
    form = p.pick("axes", "early", "chained")

    def body(b: Block, alo: Expr, ahi: Expr, blo: Expr, bhi: Expr) -> None:
        if form == "early":
            for axis in "xyz"[: vec.n]:
                with b.when(
                    any_of(alo.field(axis) > bhi.field(axis), ahi.field(axis) < blo.field(axis))
                ):
                    b.ret(False)
            b.ret(True)
        elif form == "axes":
            b.ret(
                all_of(
                    *[
                        t
                        for a in "xyz"[: vec.n]
                        for t in (alo.field(a) <= bhi.field(a), ahi.field(a) >= blo.field(a))
                    ]
                )
            )
        else:
            with b.loop("c|axis|d", vec.n) as c, b.when(any_of(alo[c] > bhi[c], ahi[c] < blo[c])):
                b.ret(False)
            b.ret(True)

    params = {
        "a_lo|lo0|min_a": vec,
        "a_hi|hi0|max_a": vec,
        "b_lo|lo1|min_b": vec,
        "b_hi|hi1|max_b": vec,
    }
    return p.func(
        "aabb_overlap|boxes_overlap|overlap_test|test_aabb",
        params,
        body,
        p.pick("Whether two boxes overlap.", ""),
    )


def _pairs(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "find_pairs|broadphase_all_pairs|count_overlaps|aabb_pairs|sweep_and_prune|candidate_pairs",
        p.pick(
            "Overlapping boxes, all against all.",
            "Sweep along sorted boxes.",
            "Count candidate pairs per shape.",
        ),
    )
    e = Entities(k, p.pick("shape", "geom", "body"), index="i|tid|a")
    vec = p.vec(p.pick(2, 3, 3))
    low, high = (
        e.field(_LOWER, vec, R.uniform(-1.0, 0.6)),
        e.field(_UPPER, vec, R.uniform(-0.2, 1.0)),
    )
    e.guard()
    test = _overlap(p, vec)
    group = (
        e.field("collision_group|groups|masks", T.I32, R.integers(0, 4)) if p.chance(0.4) else None
    )
    sweep = p.chance(0.4)
    lo, hi = k.let("lo|lo_i|a_min", low.own), k.let("hi|hi_i|a_max", high.own)
    count = k.var("count|n_pairs|hits", 0)
    total = (
        k.out("pair_count|num_pairs|total_pairs", T.I32, (e.worlds or 1,))
        if p.chance(0.5)
        else None
    )
    width = p.pick(4, 6, 8)
    table = e.out("pair_table|partners|overlap_list", T.I32) if p.chance(0.15) else None
    rows = None
    if table is None and p.chance(0.5):
        rows = k.array(
            "pairs|neighbor_pairs|partners",
            T.I32,
            (e.n, width) if e.worlds is None else (e.worlds, e.n, width),
            R.constant(-1),
            "inout",
        )
    with k.loop("j|other|b", e.index + 1, e.count()) as j:
        if sweep:
            axis = p.pick("x", "y")
            with k.when(low[j].field(axis) > hi.field(axis)):
                k.cont() if p.chance(0.5) else k.brk()
        if group is not None:
            with k.when((group.own & group[j]) != 0 if p.chance(0.5) else group.own == group[j]):
                k.cont()
        with k.when(test(lo, hi, low[j], high[j])):
            if rows is not None:
                with k.when(count < width):
                    k.set(
                        rows[(e.index, count) if e.world is None else (e.world, e.index, count)], j
                    )
            if table is not None:
                table.store(j)
            k.aug(count, "+", 1)
    e.out("overlap_count|pair_counts|counts", T.I32).store(count)
    if total is not None:
        k.do(wp.atomic_add(total, e.world if e.world is not None else 0, count))


def _tree(p: ProgramBuilder) -> None:
    single_precision(p)
    k = p.kernel_builder(
        "query_bvh|bvh_broadphase|query_overlaps|bvh_candidates|mesh_candidates",
        p.pick(
            "Query a tree of boxes for every shape.",
            "Candidates from the BVH.",
            "Boxes that overlap each query box.",
        ),
    )
    e = Entities(k, p.pick("shape", "query", "body"), index="tid|i|q")
    center = e.field("centers|positions|query_pos", T.VEC3, R.uniform(-1.0, 1.0))
    bvh = k.arg("bvh|bvh_id|tree", T.Handle("bvh"), R.bvh(p.pick(32, 64, 96), -1.0, 1.0, 0.3), 0)
    e.guard()
    half = e.property("radius|half_size|reach", 0.05, 0.4)
    ext = construct(T.VEC3, half, half, half)
    c = center.read("c|center|x")
    query = k.let("query|q_it|hits", wp.bvh_query_aabb(bvh, c - ext, c + ext))
    count, first = (
        k.var("count|n_hits|hits_n", 0),
        k.var("smallest|first|min_id", -1) if p.chance(0.5) else None,
    )
    limit = (
        k.count("max_hits|max_candidates", p.pick(8, 16, 24))
        if p.chance(0.3) and first is None
        else None
    )
    item = k.var("item|idx|leaf", 0)
    with k.repeat(wp.bvh_query_next(query, item)):
        if p.chance(0.3):
            with k.when(item == e.index):
                k.cont()
        if limit is not None:
            with k.when(count >= limit):
                k.brk()
        k.aug(count, "+", 1)
        if first is not None:
            with k.when(any_of(first < 0, item < first)):
                k.set(first, item)
    e.out("hit_count|counts|num_candidates", T.I32).store(count)
    if first is not None:
        e.out("first_hit|lowest_id|candidate", T.I32).store(first)


def _rays(p: ProgramBuilder) -> None:
    single_precision(p)
    k = p.kernel_builder(
        "ground_clearance|foot_raycast|height_scan|wheel_raycasts|suspension_rays|proximity_rays",
        p.pick(
            "Rays from bodies down to the terrain.",
            "Raycast suspension of wheels.",
            "Height scan around each body.",
        ),
    )
    e = Entities(k, p.pick("wheel", "foot", "sensor"), index="tid|i|w")
    poses = e.field(POSES, T.TRANSFORM, R.rigid(-0.7, 0.7))
    e.guard()
    mesh = k.arg(
        "terrain|mesh|ground_mesh",
        T.Handle("mesh"),
        R.mesh(p.pick("terrain", "sphere", "box"), 8, 1.5),
        0,
    )
    reach = k.param("max_dist|ray_length|travel", 1.0, 4.0)
    pose = k.let("pose|xform|x_w", poses.own)
    origin = k.let("o|origin|start", wp.transform_get_translation(pose))
    down = construct(T.VEC3, 0.0, -1.0, 0.0)
    direction = k.let("d|dir|ray", wp.transform_vector(pose, down) if p.chance(0.5) else down)
    query = k.let("hit|query|ray_hit", wp.mesh_query_ray(mesh, origin, direction, reach))
    out = e.out("clearance|distances|hit_dist", T.F32)
    with k.when(query_field(query, "result")):
        t = k.let("t|dist|range_t", query_field(query, "t"))
        out.store(t)
        if p.chance(0.6):
            rest, ke = (
                e.property("rest_length|susp_rest|ride_height", 0.5, 2.0),
                k.param("spring_ke|stiffness|susp_k", 50.0, 500.0),
            )
            push = wp.max(rest - t, 0.0) * ke
            e.out("support|spring_force|susp_force", T.VEC3).store(
                query_field(query, "normal") * push if p.chance(0.5) else direction * -push
            )
        if p.chance(0.3):
            e.out("hit_normals|ground_normal", T.VEC3).store(query_field(query, "normal"))
    with k.otherwise():
        out.store(reach if p.chance(0.5) else -1.0)


BROADPHASE = {_bounds: 2, _pairs: 1.8, _tree: 1.1, _rays: 1}
