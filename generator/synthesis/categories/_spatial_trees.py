"""Bounding-volume hierarchies, sweeps, octrees and kd-trees, for the spatial-indexing category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose, negate
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
            with b.loop("c|axis|d", 3) as c:
                with b.when(any_of(al[c] > bu[c], au[c] < bl[c])):
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


# --- linear hierarchies ---------------------------------------------------------------------------


def karras(p: ProgramBuilder) -> None:
    """Internal nodes of a binary radix tree over sorted Morton codes."""
    wide = p.chance(0.35)
    t = T.U64 if wide else T.U32
    k = p.kernel_builder(
        "build_radix_tree|lbvh_internal_nodes|karras_build|emit_hierarchy|radix_tree_nodes",
        p.pick(
            "Internal nodes of a linear BVH.",
            "Each thread finds the range and the split of one node.",
            "Binary radix tree over sorted Morton codes.",
        ),
    )
    k.options["enable_backward"] = False
    n = p.pick(48, 64, 100, 128)
    e = Entities(k, "node", count=n - 1, index="i|tid|node", layouts=p.chance(0.3))
    codes = Table(e, "codes|morton|sorted_codes", t, (n,), R.ascending(0.0, 1000.0))
    prefix = _common_prefix(p, t, codes)
    i = e.index
    forward, backward = prefix(codes, i, i + 1, n), prefix(codes, i, i - 1, n)
    d = k.let(
        "d|dirn|step_dir",
        choose(forward > backward, 1, -1) if p.chance(0.6) else wp.where(forward > backward, 1, -1),
    )
    floor_ = k.let("d_min|delta_min|low_prefix", prefix(codes, i, i - d, n))
    reach = k.var("l_max|reach|bound", 2)
    with k.repeat(prefix(codes, i, i + reach * d, n) > floor_):
        k.set(reach, reach * 2)
    length, t_step = k.var("l|length|span", 0), k.var("t|step|half", reach // 2)
    with k.repeat(t_step > 0):
        with k.when(prefix(codes, i, i + (length + t_step) * d, n) > floor_):
            k.aug(length, "+", t_step)
        k.set(t_step, t_step // 2)
    j = k.let("j|other_end|last", i + length * d)
    k.step(p.pick("find the split", "split position", ""))
    node = k.let("d_node|delta_node|shared", prefix(codes, i, j, n))
    s, half = k.var("s|offset|split_off", 0), k.var("h|chunk|width", length)
    done = k.var("last_round|final|finish", 0)
    with k.repeat(done == 0):
        with k.when(half <= 1):
            k.set(done, literal(1, T.I32))
        k.set(half, (half + 1) // 2)
        with k.when(
            all_of(s + half < length, prefix(codes, i, i + (s + half) * d, n) > node)
            if p.chance(0.3)
            else prefix(codes, i, i + (s + half) * d, n) > node
        ):
            k.aug(s, "+", half)
    split = k.let("gamma|split|g", i + s * d + wp.min(d, 0))
    left, right = k.let("left|lc|child_a", split), k.let("right|rc|child_b", split + 1)
    first, last = wp.min(i, j), wp.max(i, j)
    leaf_base = n - 1
    left_child, right_child = (
        e.out("left_child|children_l|left_out", T.I32),
        e.out("right_child|children_r|right_out", T.I32),
    )
    left_child.store(choose(first == left, left + leaf_base, left))
    right_child.store(choose(last == right, right + leaf_base, right))
    if p.chance(0.5):
        e.out("range_first|first_leaf", T.I32).store(first)
        e.out("range_last|last_leaf", T.I32).store(last)
    if p.chance(0.4):
        e.out("prefix_length|node_prefix|level", T.I32).store(node)


def _common_prefix(p: ProgramBuilder, t: T.Scalar, codes: Table):  # type: ignore[no-untyped-def]
    bits = 64 if t == T.U64 else 32
    form = p.pick("loop", "halving")

    def zeros(b: Block, x: Expr) -> None:
        with b.when(x == literal(0, t)):
            b.ret(literal(bits, T.I32))
        n, v = b.var("n|count|lz", 0), b.var("v|y|rest", x)
        if form == "loop":
            with b.repeat((v >> (bits - 1)) == literal(0, t)):
                b.set(v, v << 1)
                b.aug(n, "+", 1)
        else:
            for width in (32, 16, 8, 4, 2, 1) if bits == 64 else (16, 8, 4, 2, 1):
                with b.when((v >> (bits - width)) == literal(0, t)):
                    b.aug(n, "+", width)
                    b.set(v, v << width)
        b.ret(n)

    clz = p.func("count_leading_zeros|clz|leading_zeros", {"x|v": t}, zeros)

    def delta(b: Block, data: Expr, *rest: Expr) -> None:
        *world, i, j, n = rest
        with b.when(any_of(j < 0, j >= n)):
            b.ret(literal(-1, T.I32))
        a, c = b.let("a|code_i", data[(*world, i)]), b.let("c|code_j", data[(*world, j)])
        with b.when(a == c):
            b.ret(bits + clz(cast(t, i ^ j)))
        b.ret(clz(a ^ c))

    params: dict[str, T.Type] = {"codes|keys": codes.array.type}
    if codes.world is not None:
        params["world|b"] = T.I32
    f = p.func(
        "delta|common_prefix|prefix_length",
        params | {"i": T.I32, "j": T.I32, "n|count": T.I32},
        delta,
        p.pick("", "Length of the common prefix; ties broken by index."),
    )
    lead = [] if codes.world is None else [codes.world]
    return lambda data, i, j, n: f(data.array, *lead, i, j, n)


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


# --- traversal ------------------------------------------------------------------------------------


def traverse(p: ProgramBuilder) -> None:
    """Stack and stackless traversal of an implicit complete tree: overlaps, nearest boxes, ray hits."""
    levels = p.pick(4, 5, 6)
    nodes = (1 << levels) - 1
    first_leaf = (1 << (levels - 1)) - 1
    form = p.pick("overlap", "nearest", "ray", "overlap")
    k = p.kernel_builder(
        f"bvh_{form}|traverse_tree|query_tree|{form}_query|tree_{form}|broad_phase_query",
        p.pick(
            "Depth-first traversal with a small stack.",
            "Traverse an implicit binary tree of boxes.",
            "Tree query, one thread each.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "query", index="tid|q|i")
    shared = p.chance(0.6)
    lower = Table(
        e, "node_lower|tree_lower|box_lo", T.VEC3, (nodes,), R.uniform(-2.0, 0.0), shared=shared
    )
    upper = Table(
        e, "node_upper|tree_upper|box_hi", T.VEC3, (nodes,), R.uniform(0.0, 2.0), shared=shared
    )
    e.guard()
    test, outputs = {"overlap": _box_test, "nearest": _near_test, "ray": _ray_test}[form](
        p, k, e, lower, upper
    )
    visited = k.var("visited|n_nodes|steps", 0) if p.chance(0.5) else None
    if p.chance(0.65):
        depth = 32
        stack = k.var("stack|todo|pending", construct(T.Vec(depth, T.I32), 0))
        top = k.var("top|sp|count_s", 1)
        with k.repeat(top > 0):
            k.aug(top, "-", 1)
            node = k.let("node|n|cur", stack[top])
            if visited is not None:
                k.aug(visited, "+", 1)
            with k.when(negate(test(node))):
                k.cont()
            with k.when(node >= first_leaf):
                outputs(node - first_leaf, node)
                k.cont()
            k.set(stack[top], 2 * node + 2)
            k.set(stack[top + 1], 2 * node + 1)
            k.aug(top, "+", 2)
    else:
        node = k.var("node|n|cur", 0)
        finished = k.var("finished|done_t|stop", 0)
        with k.repeat(finished == 0):
            if visited is not None:
                k.aug(visited, "+", 1)
            inside = k.let("hit_node|inside|enter", test(node))
            with k.when(all_of(inside, node < first_leaf)):
                k.set(node, 2 * node + 1)
                k.cont()
            with k.when(inside):
                outputs(node - first_leaf, node)
            # climb until a right sibling is left
            with k.repeat(all_of(node > 0, node % 2 == 0)):
                k.set(node, (node - 1) // 2)
            with k.when(node == 0):
                k.set(finished, literal(1, T.I32))
            with k.otherwise():
                k.aug(node, "+", 1)
    outputs(None, None)
    if visited is not None:
        e.out("nodes_visited|traversal_cost|visits", T.I32).store(visited)


def _box_test(p: ProgramBuilder, k: KernelBuilder, e: Entities, lower: Table, upper: Table):  # type: ignore[no-untyped-def]
    lo, hi = boxes(e, -1.5, 1.5)
    overlap = overlap_function(p)
    ql, qh = lo.read("ql|q_lo|low"), hi.read("qh|q_hi|high")
    count = k.var("count|n_hits|hits", 0)
    rows = (
        Table(e, "hit_lists|candidates|pairs_out", T.I32, (e.n, 8), R.constant(-1), "inout")
        if p.chance(0.5)
        else None
    )

    def outputs(leaf: Expr | None, node: Expr | None) -> None:
        if leaf is None:
            e.out("hit_counts|num_overlaps|counts", T.I32).store(count)
            return
        if rows is not None:
            with k.when(count < 8):
                rows.store(leaf, e.index, count)
        k.aug(count, "+", 1)

    return (lambda node: overlap(ql, qh, lower[node], upper[node])), outputs


def _near_test(p: ProgramBuilder, k: KernelBuilder, e: Entities, lower: Table, upper: Table):  # type: ignore[no-untyped-def]
    x = e.field("queries|points|x", T.VEC3, R.uniform(-3.0, 3.0)).read("x_q|q_pos|pt")
    best, who = (
        k.var("best|d_best|closest", k.param("max_dist|search_radius|d_max", 1.0, 6.0)),
        k.var("who|leaf_id|arg", -1),
    )

    def gap(b: Block, q: Expr, lo: Expr, hi: Expr) -> None:
        near = b.let("near|c|nearest", wp.max(wp.min(q, hi), lo))
        b.ret(wp.length(near - q))

    f = p.func(
        "distance_to_box|box_distance|aabb_distance",
        {"q|x": T.VEC3, "lo|lower": T.VEC3, "hi|upper": T.VEC3},
        gap,
    )

    def outputs(leaf: Expr | None, node: Expr | None) -> None:
        if leaf is None:
            e.out("nearest_leaf|closest_id|found", T.I32).store(who)
            e.out("distances|nearest_dist", T.F32).store(best)
            return
        center = (lower[node] + upper[node]) * 0.5
        d = k.let("d|dist|gap_c", wp.length(center - x))
        with k.when(d < best):
            k.set(best, d)
            k.set(who, leaf)

    return (lambda node: f(x, lower[node], upper[node]) < best), outputs


def _ray_test(p: ProgramBuilder, k: KernelBuilder, e: Entities, lower: Table, upper: Table):  # type: ignore[no-untyped-def]
    origin, direction = (
        e.field("origins|ray_o|ray_start", T.VEC3, R.uniform(-4.0, 4.0)).read("o|ro|org"),
        e.field("directions|ray_d|ray_dir", T.VEC3, R.unit_vectors()).read("d|rd|dirn"),
    )
    inverse = k.let(
        "inv_d|rcp|inv_dir", construct(T.VEC3, *[1.0 / direction.field(a) for a in "xyz"])
    )
    best, who = (
        k.var("t_best|t_hit|closest", k.param("t_max|max_range|ray_length", 5.0, 20.0)),
        k.var("who|leaf_id|hit_id", -1),
    )

    def slab(b: Block, o: Expr, inv: Expr, lo: Expr, hi: Expr) -> None:
        t0, t1 = b.let("t0|ta", wp.cw_mul(lo - o, inv)), b.let("t1|tb", wp.cw_mul(hi - o, inv))
        near, far = b.let("tn|t_near", wp.min(t0, t1)), b.let("tf|t_far", wp.max(t0, t1))
        enter = b.let("enter|t_in", wp.max(wp.max(near.x, near.y), wp.max(near.z, 0.0)))
        leave = b.let("leave|t_out", wp.min(far.x, wp.min(far.y, far.z)))
        b.ret(
            choose(enter <= leave, enter, 1.0e8)
            if p.chance(0.5)
            else wp.where(enter <= leave, enter, 1.0e8)
        )

    f = p.func(
        "ray_box|slab_test|ray_aabb",
        {"o|origin": T.VEC3, "inv|rcp_dir": T.VEC3, "lo|lower": T.VEC3, "hi|upper": T.VEC3},
        slab,
        p.pick("", "Entry distance of a ray into a box, or a huge number."),
    )

    def outputs(leaf: Expr | None, node: Expr | None) -> None:
        if leaf is None:
            e.out("hit_ids|first_hit|leaf_out", T.I32).store(who)
            e.out("hit_t|t_out|ray_t", T.F32).store(choose(who >= 0, best, -1.0))
            return
        t = k.let("t|t_leaf|entry", f(origin, inverse, lower[node], upper[node]))
        with k.when(t < best):
            k.set(best, t)
            k.set(who, leaf)

    return (lambda node: f(origin, inverse, lower[node], upper[node]) < best), outputs


# --- sweeps and point trees -----------------------------------------------------------------------


def sweep_and_prune(p: ProgramBuilder) -> None:
    """Overlapping intervals along one axis, then the other two."""
    k = p.kernel_builder(
        "sweep_and_prune|sap_count_pairs|sweep_overlaps|sort_sweep|broad_phase_sweep",
        p.pick(
            "Sweep along the sorted axis and test the others.",
            "Candidate pairs from sorted intervals.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "box", index="tid|i|s")
    start = e.field("sorted_lower|starts|sap_min", T.F32, R.ascending(-2.0, 2.0))
    order = e.field("sorted_ids|order|sap_index", T.I32, R.permutation())
    lo, hi = boxes(e, -0.5, 0.5)
    group = (
        e.field("collision_group|groups|layer", T.I32, R.integers(0, 4)) if p.chance(0.4) else None
    )
    i = k.let("a|box_i|id_i", order.own)
    width = k.param("max_extent|interval|reach", 0.1, 0.8) if p.chance(0.5) else None
    end = start.own + (hi[i].x - lo[i].x) if width is None else start.own + width
    stop = k.let("end|stop|right", end)
    count, tested = (
        k.var("count|pairs|found", 0),
        k.var("tested|checks|n_test", 0) if p.chance(0.5) else None,
    )
    rows = (
        Table(e, "pair_table|candidates|pairs_out", T.I32, (e.n, 8), R.constant(-1), "inout")
        if p.chance(0.5)
        else None
    )
    cursor = k.var("j|cursor|s_next", e.index + 1)
    with k.repeat(cursor < e.count()):
        with k.when(start[cursor] > stop):
            k.brk()
        j = k.let("b|box_j|id_j", order[cursor])
        k.aug(cursor, "+", 1)
        if tested is not None:
            k.aug(tested, "+", 1)
        if group is not None:
            with k.when(group[i] == group[j] if p.chance(0.5) else (group[i] & group[j]) != 0):
                k.cont()
        apart = any_of(
            *[
                t
                for a in "yz"
                for t in (lo[i].field(a) > hi[j].field(a), hi[i].field(a) < lo[j].field(a))
            ]
        )
        with k.when(apart):
            k.cont()
        if rows is not None:
            with k.when(count < 8):
                rows.store(j, e.index, count)
        k.aug(count, "+", 1)
    e.out("pair_counts|num_pairs|overlaps", T.I32).store(count)
    if tested is not None:
        Table(e, "total_tests|tests|work", T.I32, (1,), role="out").add(tested, 0)
    if p.chance(0.4):
        Table(e, "total_pairs|pair_total", T.I32, (1,), role="out").add(count, 0)


def octree(p: ProgramBuilder) -> None:
    """Descent through child pointers: point location, levels, samples."""
    quad = p.chance(0.3)
    axes = 2 if quad else 3
    k = p.kernel_builder(
        "locate_in_quadtree|quadtree_descend|quadtree_lookup"
        if quad
        else "locate_in_octree|octree_descend|octree_lookup|sparse_voxel_lookup",
        p.pick("Descend to the leaf that holds each point.", "Leaf and level of every query.", ""),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "query", index="tid|q|i")
    nodes, ways = p.pick(40, 64, 96), 1 << axes
    children = k.array(
        "children|child_nodes|child_index", T.I32, (nodes, ways), R.integers(-nodes, nodes)
    )
    x = e.field("queries|points|x", T.Vec(axes), R.uniform(-1.0, 1.0)).read("x_q|pt|pos")
    e.guard()
    center, half = k.var("center|c|mid", construct(T.Vec(axes), 0.0)), k.var("half|h|size", 1.0)
    node, level, path = (
        k.var("node|n|cur", 0),
        k.var("level|depth|lvl", 0),
        k.var("path|code|key", 0) if p.chance(0.5) else None,
    )
    limit = k.count("max_depth|max_level|depth_limit", p.pick(4, 6, 8))
    with k.repeat(level < limit):
        bits = [
            choose(x.field(a) >= center.field(a), 1 << n, 0) for n, a in enumerate("xyz"[:axes])
        ]
        octant = k.let(
            "octant|quadrant|oct", bits[0] + bits[1] + bits[2] if axes == 3 else bits[0] + bits[1]
        )
        child = k.let("child|next_node|ch", children[node, octant])
        with k.when(child <= 0 if p.chance(0.5) else child < 1):
            k.brk()
        k.set(half, half * 0.5)
        shifts = [choose(x.field(a) >= center.field(a), half, -half) for a in "xyz"[:axes]]
        k.aug(center, "+", construct(T.Vec(axes), *shifts))
        k.set(node, child)
        if path is not None:
            k.set(path, (path << axes) | octant)
        k.aug(level, "+", 1)
    e.out("leaf_ids|leaves|node_out", T.I32).store(node)
    if p.chance(0.6):
        e.out("levels|depths|lod", T.I32).store(level)
    if path is not None:
        e.out("paths|locational_codes|keys_out", T.I32).store(path)
    if p.chance(0.5):
        values = k.array("node_values|payload|densities", T.F32, (nodes,), R.uniform(0.0, 1.0))
        e.out("samples|values_out|looked_up", T.F32).store(
            values[node] * half if p.chance(0.4) else values[node]
        )
    if p.chance(0.4):
        Table(e, "leaf_counts|points_per_leaf", T.I32, (nodes,), role="out").add(1, node)


def kd_tree(p: ProgramBuilder) -> None:
    """Nearest neighbours in a left-balanced kd-tree stored as a heap."""
    axes = p.pick(2, 3)
    t = T.Vec(axes)
    k = p.kernel_builder(
        "kd_nearest|kdtree_query|kd_tree_search|nearest_in_kdtree|kd_range_count",
        p.pick(
            "Nearest neighbour in an implicit kd-tree.",
            "Depth-first kd-tree search with pruning.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    n = p.pick(31, 63, 100, 127)
    e = Entities(k, "query", index="tid|q|i")
    tree = k.array("tree_points|kd_points|nodes", t, (n,), R.uniform(-1.0, 1.0))
    x = e.field("queries|points|x", t, R.uniform(-1.2, 1.2)).read("x_q|pt|pos")
    e.guard()
    counting = p.chance(0.35)
    radius = k.param("radius|search_radius|r_max", 0.2, 0.8)
    best, who, count = (
        k.var("best|d2_best|bound", radius * radius),
        k.var("who|nearest|arg", -1),
        k.var("count|inside|n_in", 0),
    )
    stack, top = (
        k.var("stack|todo|pending", construct(T.Vec(16, T.I32), 0)),
        k.var("top|sp|height", 1),
    )
    with k.repeat(top > 0):
        k.aug(top, "-", 1)
        node = k.let("node|n|cur", stack[top])
        with k.when(node >= (tree.dim(0) if p.chance(0.5) else k.count("num_nodes|tree_size", n))):
            k.cont()
        d = k.let("d|delta|rel", x - tree[node])
        d2 = k.let("d2|dist_sq|r2", wp.dot(d, d))
        with k.when(d2 < best):
            if counting:
                k.aug(count, "+", 1)
            else:
                k.set(best, d2)
                k.set(who, node)
        depth, rest = k.var("depth|lvl|level", 0), k.var("rest|m|up", node + 1)
        with k.repeat(rest > 1):
            k.set(rest, rest // 2)
            k.aug(depth, "+", 1)
        side = k.let("side|signed|plane_dist", d[depth % axes])
        near, far = (
            k.let("near|closer|first", 2 * node + choose(side < 0.0, 1, 2)),
            k.let("far|away|second", 2 * node + choose(side < 0.0, 2, 1)),
        )
        with k.when(side * side < best):
            k.set(stack[top], far)
            k.aug(top, "+", 1)
        k.set(stack[top], near)
        k.aug(top, "+", 1)
    if counting:
        e.out("counts|num_in_range|range_count", T.I32).store(count)
    else:
        e.out("nearest_ids|nearest_out|matches", T.I32).store(who)
        e.out("distances|nearest_dist|gap", T.F32).store(wp.sqrt(best))
