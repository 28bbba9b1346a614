"""Box hierarchies: construction from sorted codes, refitting, queries with a stack or the library's tree."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._numerics import add_at, tally
from generator.synthesis.constructs import local_array
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def trees(p: ProgramBuilder) -> None:
    """Trees over boxes."""
    p.weighted(
        {
            _build: 2,
            _stack_query: 2.4,
            _library_query: 2,
            _refit: 1.2,
            _kd_nearest: 1.2,
            _octree: 1.2,
        }
    )(p)


def _build(p: ProgramBuilder) -> None:
    """Ranges and splits of the internal nodes of a radix tree over sorted codes."""
    k = p.kernel_builder(
        "build_radix_tree|lbvh_internal_nodes|build_hierarchy|construct_tree|radix_tree_nodes|karras_nodes",
        p.pick(
            "Internal nodes of a linear BVH.",
            "Radix tree over sorted Morton codes.",
            "Range and split of every internal node.",
        ),
    )
    n = p.pick(32, 48, 64, 96, 128)
    k.options["enable_backward"] = False
    codes = k.array("codes|sorted_codes|morton", T.U32, (n,), R.ascending(0.0, 1.0e9))
    k.launch_dim = (n - 1,)
    i = k.let("i|node|tid", wp.tid())
    count = k.count("num_leaves|n_leaves|count", n)
    loop_clz = p.chance(0.5)

    def leading(b: Block, v: Expr) -> None:
        if loop_clz:
            m, x = b.var("m|zeros|lead", 0), b.var("x|w|rest", v)
            with b.repeat(all_of(m < 32, (x & 0x80000000) == 0)):
                b.set(x, x << 1)
                b.aug(m, "+", 1)
            b.ret(m)
            return
        x = b.var("x|w|rest", v)
        for shift in (1, 2, 4, 8, 16):
            b.set(x, x | (x >> shift))
        b.ret(32 - cast(T.I32, wp.bit_count(x)))

    clz = p.func(
        "leading_zeros|count_leading_zeros|clz",
        {"v|x": T.U32},
        leading,
        p.pick("", "Number of leading zero bits."),
    )

    def common(b: Block, keys: Expr, a: Expr, c: Expr, m: Expr) -> None:
        with b.when(any_of(c < 0, c >= m)):
            b.ret(-1)
        x = b.let("x|diff|bits", keys[a] ^ keys[c])
        with b.when(x == 0):
            b.ret(32 + clz(cast(T.U32, a ^ c)))
        b.ret(clz(x))

    delta = p.func(
        "delta|common_prefix|prefix_length",
        {"codes|keys": codes.type, "i|a": T.I32, "j|b": T.I32, "n|count": T.I32},
        common,
        p.pick("", "Length of the common prefix of two codes."),
    )
    d = k.let(
        "d|direction|dir_i",
        choose(delta(codes, i, i + 1, count) > delta(codes, i, i - 1, count), 1, -1),
    )
    floor = k.let("floor_d|d_min|delta_min", delta(codes, i, i - d, count))
    span = k.var("l_max|span|reach", 2)
    with k.repeat(delta(codes, i, i + span * d, count) > floor):
        k.aug(span, "*", 2)
    length, t = k.var("length|l|len_n", 0), k.var("t|step|half", span // 2)
    with k.repeat(t > 0):
        with k.when(delta(codes, i, i + (length + t) * d, count) > floor):
            k.aug(length, "+", t)
        k.set(t, t // 2)
    j = k.let("j|far|other_end", i + length * d)
    first, last = k.let("first|lo|begin", wp.min(i, j)), k.let("last|hi|end", wp.max(i, j))
    if p.chance(0.25):
        k.set(k.out("range_first|node_first", T.I32, (n - 1,))[i], first)
        k.set(k.out("range_last|node_last", T.I32, (n - 1,))[i], last)
        return
    k.step(p.pick("find the split", "split position", ""))
    node = k.let("prefix|common|d_node", delta(codes, first, last, count))
    split, step = k.var("split|cut|s", first), k.var("stride|width|step_s", last - first)
    with k.repeat(step > 1):
        k.set(step, (step + 1) // 2)
        probe = k.let("probe|cand|next_s", split + step)
        with k.when(
            all_of(probe < last, delta(codes, first, wp.min(probe, count - 1), count) > node)
        ):
            k.set(split, probe)
    offset = count - 1
    left = k.let(
        "left|l_child|child_a",
        choose(split == first, split + offset, split)
        if p.chance(0.6)
        else wp.where(split == first, split + offset, split),
    )
    right = k.let("right|r_child|child_b", choose(split + 1 == last, split + 1 + offset, split + 1))
    if p.chance(0.4):
        k.set(
            k.out("children|child_ids|links_out", T.Vec(2, T.I32), (n - 1,))[i],
            construct(T.Vec(2, T.I32), left, right),
        )
    else:
        k.set(k.out("left_child|lefts|child0", T.I32, (n - 1,))[i], left)
        k.set(k.out("right_child|rights|child1", T.I32, (n - 1,))[i], right)
    if p.chance(0.7):
        parent = k.out("parents|parent|parent_of", T.I32, (2 * n - 1,), R.constant(-1))
        k.set(parent[left], i)
        k.set(parent[right], i)
    if p.chance(0.5):
        k.set(k.out("splits|split_index|cut_at", T.I32, (n - 1,))[i], split)
    if p.chance(0.4):
        k.do(wp.atomic_max(k.out("longest_prefix|deepest|max_prefix", T.I32, (1,)), 0, node))
    if p.chance(0.4):
        k.set(k.out("leaf_count|sizes|node_size", T.I32, (n - 1,))[i], last - first + 1)


class Heap:
    """A complete binary tree of boxes, node `i` above nodes ``2 i + 1`` and ``2 i + 2``."""

    def __init__(self, k: KernelBuilder) -> None:
        p = k.p
        self.k = k
        self.depth = p.pick(5, 6, 7)
        self.nodes = 2**self.depth - 1
        self.leaves = 2 ** (self.depth - 1)
        self.vec = T.VEC3 if p.chance(0.75) else T.VEC2
        self.lower = k.array(
            "node_lower|node_min|lowers", self.vec, (self.nodes,), R.uniform(-1.2, 0.2)
        )
        self.upper = k.array(
            "node_upper|node_max|uppers", self.vec, (self.nodes,), R.uniform(0.1, 1.2)
        )
        self.first_leaf = k.count("first_leaf|leaf_start|num_internal", self.nodes - self.leaves)


def _stack_query(p: ProgramBuilder) -> None:
    """Traversal with an explicit stack: boxes, points, spheres or rays."""
    kind = p.pick("box", "point", "sphere", "ray", "sphere")
    k = p.kernel_builder(
        f"traverse_{kind}|query_tree|stack_traversal|tree_{kind}_query|count_leaf_hits|walk_tree",
        p.pick(
            "Depth-first traversal with a stack.",
            f"Leaves hit by every {kind}.",
            "Query of a complete binary tree of boxes.",
        ),
    )
    h = Heap(k)
    n = p.pick(24, 32, 48, 64)
    k.launch_dim = (n,)
    q = k.let("q|tid|i", wp.tid())
    k.options["enable_backward"] = False
    if p.chance(0.3):
        active = k.array("active|enabled|query_mask", T.I32, (n,), R.mask(0.8))
        with k.when(active[q] == 0):
            k.ret()
    test = _node_test(p, k, h, kind, n, q)
    hits, nearest = k.var("hits|count|num_hits", 0), k.var("first_hit|lowest_leaf|best", -1)
    visited = k.var("visited|steps|num_visited", 0) if p.chance(0.4) else None
    cap = k.count("max_hits|limit|hit_cap", p.pick(4, 8, 16)) if p.chance(0.3) else None
    skip = p.chance(0.3)
    if skip:  # stackless: climb to the next sibling subtree
        node = k.var("node|cur|at", 0)
        with k.repeat(node >= 0):
            if visited is not None:
                k.aug(visited, "+", 1)
            go = k.var("descend|enter|inside", 0)
            with k.when(test(node)):
                with k.when(node >= h.first_leaf):
                    k.aug(hits, "+", 1)
                    with k.when(nearest < 0):
                        k.set(nearest, node - h.first_leaf)
                with k.otherwise():
                    k.set(go, 1)
            with k.when(go == 1):
                k.set(node, 2 * node + 1)
            with k.otherwise():
                with k.repeat(all_of(node > 0, node % 2 == 0)):
                    k.set(node, (node - 1) // 2)
                k.set(node, choose(node == 0, -1, node + 1))
    else:
        stack = local_array(k, "stack|todo|pending", T.I32, h.depth + 4)
        top = k.var("top|sp|size", 1)
        k.set(stack[0], 0)
        with k.repeat(top > 0):
            k.aug(top, "-", 1)
            node = k.let("node|cur|at", stack[top])
            if visited is not None:
                k.aug(visited, "+", 1)
            with k.when(test(node)):
                with k.when(node >= h.first_leaf):
                    k.aug(hits, "+", 1)
                    k.set(
                        nearest,
                        node - h.first_leaf
                        if p.chance(0.5)
                        else wp.max(nearest, node - h.first_leaf),
                    )
                    if cap is not None:
                        with k.when(hits >= cap):
                            k.brk()
                with k.otherwise():
                    k.set(stack[top], 2 * node + 2)
                    k.set(stack[top + 1], 2 * node + 1)
                    k.aug(top, "+", 2)
    k.set(k.out("hit_counts|counts|num_found", T.I32, (n,))[q], hits)
    if p.chance(0.7):
        k.set(k.out("leaf_ids|found|hit_leaf", T.I32, (n,))[q], nearest)
    if visited is not None:
        k.set(k.out("visited_nodes|work|steps_out", T.I32, (n,))[q], visited) if p.chance(
            0.5
        ) else add_at(k, k.out("total_visited|work_sum", T.I32, (1,)), 0, visited)
    if p.chance(0.4):
        leaf_hits = k.out("leaf_hits|leaf_counts|touched", T.I32, (h.leaves,))
        with k.when(nearest >= 0):
            add_at(k, leaf_hits, nearest, 1)


def _node_test(p: ProgramBuilder, k: KernelBuilder, h: Heap, kind: str, n: int, q: Expr):  # type: ignore[no-untyped-def]
    """A maker of the condition that a node meets the query."""
    vec = h.vec
    lo, hi = h.lower, h.upper
    axes = "xyz"[: vec.n]
    helper = p.on("helper_function") or p.chance(0.3)

    def inline_or_function(hint: str, params: dict[str, T.Type], body, args: list[Expr]):  # type: ignore[no-untyped-def]
        if helper:
            f = p.func(
                hint, {"lo|bmin": vec, "hi|bmax": vec} | params, lambda b, *a: b.ret(body(b, *a))
            )
            return lambda node: f(lo[node], hi[node], *args)
        return lambda node: body(k, lo[node], hi[node], *args)

    if kind == "box":
        ql, qh = (
            k.let(
                "q_lo|qmin|lo_q",
                k.array("query_lower|q_min|box_lo", vec, (n,), R.uniform(-1.0, 0.2))[q],
            ),
            k.let(
                "q_hi|qmax|hi_q",
                k.array("query_upper|q_max|box_hi", vec, (n,), R.uniform(0.0, 1.0))[q],
            ),
        )
        return inline_or_function(
            "overlaps|boxes_overlap|aabb_test",
            {"qlo|a": vec, "qhi|b": vec},
            lambda b, low, u, a, c: all_of(
                *[t for x in axes for t in (low.field(x) <= c.field(x), a.field(x) <= u.field(x))]
            ),
            [ql, qh],
        )
    pt = k.let("pt|x|center", k.array("queries|points|centers", vec, (n,), R.uniform(-1.0, 1.0))[q])
    if kind == "point":
        return inline_or_function(
            "contains|inside_box|point_in_box",
            {"pt|x": vec},
            lambda b, low, u, x: all_of(
                *[t for a in axes for t in (x.field(a) >= low.field(a), x.field(a) <= u.field(a))]
            ),
            [pt],
        )
    if kind == "sphere":
        r = (
            k.array("radii|query_radius|radius", T.F32, (n,), R.uniform(0.05, 0.5))[q]
            if p.chance(0.5)
            else k.param("radius|r_query|reach", 0.1, 0.5, T.F32)
        )

        def near(b: Block, low: Expr, u: Expr, x: Expr, rad: Expr) -> Expr:
            c = b.let("c|closest|clamped", wp.min(wp.max(x, low), u))
            return wp.length_sq(x - c) <= rad * rad

        return inline_or_function(
            "sphere_touches|near_box|within_reach", {"x|pt": vec, "r|rad": T.F32}, near, [pt, r]
        )
    d = k.let(
        "inv_d|inv_dir|rdir",
        wp.cw_div(
            construct(vec, 1.0),
            k.array("directions|dirs|ray_dir", vec, (n,), R.uniform(0.2, 1.0))[q],
        ),
    )
    far = k.param("max_t|t_max|ray_length", 1.0, 4.0, T.F32)

    def slab(b: Block, low: Expr, u: Expr, o: Expr, inv: Expr, t_end: Expr) -> Expr:
        t0, t1 = (
            b.let("t0|ta|near_t", wp.cw_mul(low - o, inv)),
            b.let("t1|tb|far_t", wp.cw_mul(u - o, inv)),
        )
        enter, leave = (
            b.let("enter|t_in|tn", wp.max(wp.min(t0, t1))),
            b.let("leave|t_out|tf", wp.min(wp.max(t0, t1))),
        )
        return all_of(enter <= leave, leave >= 0.0, enter <= t_end)

    return inline_or_function(
        "ray_hits_box|slab_test|ray_box",
        {"o|origin": vec, "inv|rdir": vec, "t_end|tmax": T.F32},
        slab,
        [pt, d, far],
    )


def _library_query(p: ProgramBuilder) -> None:
    """Queries of Warp's own tree of boxes."""
    kind = p.pick("box", "box", "ray", "sphere")
    k = p.kernel_builder(
        f"bvh_{kind}_query|count_candidates|query_bvh|collect_overlaps|bvh_candidates",
        p.pick("Candidates from the bounding-volume hierarchy.", f"Boxes hit by every {kind}.", ""),
    )
    m, n = p.pick(48, 64, 96, 128), p.pick(32, 48, 64)
    handle = k.arg("bvh|bvh_id|tree", T.Handle("bvh"), R.bvh(m, -1.0, 1.0, 0.25), 0)
    k.launch_dim = (n,)
    i = k.let("i|tid|q", wp.tid())
    center = k.let(
        "c|x|pt", k.array("centers|points|queries", T.VEC3, (n,), R.uniform(-1.0, 1.0))[i]
    )
    skin = k.param("margin|radius|half_size", 0.1, 0.4, T.F32)
    cap = k.count("max_candidates|capacity|width", p.pick(4, 8, 16)) if p.chance(0.4) else None
    sphere = kind == "sphere" and p.chance(0.7)
    if kind == "ray":
        query = wp.bvh_query_ray(
            handle,
            center,
            k.let(
                "d|dir_i|ray", k.array("directions|dirs|ray_dir", T.VEC3, (n,), R.unit_vectors())[i]
            ),
        )
    elif sphere:
        query = wp.bvh_query_sphere(handle, center, skin)
    else:
        half = construct(T.VEC3, skin)
        query = wp.bvh_query_aabb(
            handle, k.let("lo|lower|bmin", center - half), k.let("hi|upper|bmax", center + half)
        )
    weights = (
        k.array("weights|item_mass|payload", T.F32, (m,), R.uniform(0.1, 1.0))
        if p.chance(0.6)
        else None
    )
    groups = (
        k.array("groups|layer|labels", T.I32, (m,), R.integers(0, 4)) if p.chance(0.4) else None
    )
    count, total, low = (
        k.var("count|hits|num_hits", 0),
        k.var("total|acc|mass", 0.0, T.F32) if weights is not None else None,
        k.var("low|first|min_id", m),
    )

    def body(j: Expr) -> None:
        if groups is not None:
            wanted = k.count("group|layer_mask|wanted", p.pick(0, 1, 2))
            with k.when(groups[j] == wanted):
                k.cont()
        k.aug(count, "+", 1)
        k.set(low, wp.min(low, j))
        if total is not None and weights is not None:
            k.aug(total, "+", weights[j] if kind == "ray" else weights[j] * skin)

    handle_q, j = k.let("query|it|iterator", query), k.var("j|item|cand", 0)
    with k.repeat(wp.bvh_query_next(handle_q, j)):
        body(j)
    k.set(
        k.out("counts|num_candidates|hit_counts", T.I32, (n,))[i],
        count if cap is None else wp.min(count, cap),
    )
    if p.chance(0.6):
        k.set(k.out("lowest_ids|first_item|min_ids", T.I32, (n,))[i], choose(count > 0, low, -1))
    else:
        with k.when(low < m):
            add_at(k, k.out("item_hits|touched|votes", T.I32, (m,)), low, 1)
    tally(p, k, (i,), (n,), cast(T.F32, count) / float(m), "share", 0, 1)
    if total is not None:
        k.set(k.out("sums|mass_out|weight_out", T.F32, (n,))[i], total)


def _refit(p: ProgramBuilder) -> None:
    """Boxes of the inner nodes of one level from those of their children."""
    k = p.kernel_builder(
        "refit_level|merge_children|update_level|propagate_bounds|reduce_boxes",
        p.pick(
            "Union of the children's boxes, one level per launch.",
            "Refit a complete tree bottom-up.",
            "",
        ),
    )
    depth = p.pick(5, 6, 7)
    level = p.pick(*range(2, depth - 1))
    vec = T.VEC3 if p.chance(0.7) else T.VEC2
    nodes, width = 2**depth - 1, 2**level
    k.launch_dim = (width,)
    t = k.let("tid|t|slot", wp.tid())
    first = k.count("level_start|first_node|offset", width - 1)
    i = k.let("node|i|parent", first + t)
    lower = k.array("node_lower|node_min|lowers", vec, (nodes,), R.uniform(-1.0, 0.0), "inout")
    upper = k.array("node_upper|node_max|uppers", vec, (nodes,), R.uniform(0.0, 1.0), "inout")
    if p.chance(0.35):
        dirty = k.array("dirty|changed|needs_refit", T.I32, (nodes,), R.mask(0.7))
        with k.when(all_of(dirty[2 * i + 1] == 0, dirty[2 * i + 2] == 0)):
            k.ret()
    a, b = k.let("a|left|l_child", 2 * i + 1), k.let("b|right|r_child", 2 * i + 2)
    lo, hi = (
        k.let("lo|bmin|merged_lo", wp.min(lower[a], lower[b])),
        k.let("hi|bmax|merged_hi", wp.max(upper[a], upper[b])),
    )
    k.set(lower[i], lo)
    k.set(upper[i], hi)
    tally(p, k, (i,), (nodes,), wp.length(hi - lo), "diagonal", 0, 1)
    for what in p.sample(["area", "mass", "count", "quality"], 0, 3):
        if what == "mass":
            mass, com = (
                k.array("node_mass|masses|m_node", T.F32, (nodes,), R.uniform(0.1, 1.0), "inout"),
                k.array(
                    "node_com|com|center_of_mass", vec, (nodes,), R.uniform(-1.0, 1.0), "inout"
                ),
            )
            ma, mb = k.let("ma|m_left|wa", mass[a]), k.let("mb|m_right|wb", mass[b])
            k.set(com[i], (com[a] * ma + com[b] * mb) / (ma + mb))
            k.set(mass[i], ma + mb)
        elif what == "count":
            counts = k.array(
                "node_count|leaf_counts|sizes", T.I32, (nodes,), R.constant(1), "inout"
            )
            k.set(counts[i], counts[a] + counts[b])
        else:
            d = k.let("d|ext|span" if what == "area" else "e_box|widths|s_m", hi - lo)
            area = d.x * d.y + d.y * d.z + d.z * d.x if vec.n == 3 else d.x + d.y
            if what == "area":
                k.set(k.out("areas|surface|node_area", T.F32, (nodes,))[i], 2.0 * area)
            else:
                add_at(k, k.out("sah_cost|total_area|quality", T.F32, (1,)), 0, area)


def _kd_nearest(p: ProgramBuilder) -> None:
    """Nearest point in an implicit kd-tree, with backtracking on a stack."""
    k = p.kernel_builder(
        "kd_nearest|kdtree_query|nearest_point|kd_search|closest_in_tree",
        p.pick(
            "Nearest neighbour in a balanced kd-tree.",
            "Descend, then backtrack where the splitting plane is close.",
            "",
        ),
    )
    dims = p.pick(2, 3)
    vec = T.Vec(dims)
    size, n = p.pick(31, 63, 127), p.pick(24, 32, 48)
    k.options["enable_backward"] = False
    pts = k.array("tree_points|kd_points|nodes", vec, (size,), R.uniform(-1.0, 1.0))
    k.launch_dim = (n,)
    i = k.let("i|tid|q", wp.tid())
    x = k.let("x|query_x|pt", k.array("queries|points|targets", vec, (n,), R.uniform(-1.0, 1.0))[i])
    total = pts.dim(0) if p.chance(0.5) else k.count("num_nodes|tree_size|n_nodes", size)
    reach = k.param("max_dist|radius|cutoff", 0.4, 2.0, T.F32)
    best, arg = k.var("best|best_d2|nearest_d2", reach * reach), k.var("arg|nearest|who", -1)
    nodes, levels = (
        local_array(k, "stack|node_stack|todo", T.I32, 24),
        local_array(k, "depths|level_stack|axes", T.I32, 24),
    )
    top = k.var("top|sp|size", 1)
    k.set(nodes[0], 0)
    k.set(levels[0], 0)
    seen = k.var("seen|visited|steps", 0) if p.chance(0.4) else None
    with k.repeat(top > 0):
        k.aug(top, "-", 1)
        node, level = k.let("node|cur|at", nodes[top]), k.let("level|depth|lev", levels[top])
        with k.when(node >= total):
            k.cont()
        if seen is not None:
            k.aug(seen, "+", 1)
        here = k.let("here|p_node|y", pts[node])
        d2 = k.let("d2|dist_sq|r2", wp.length_sq(here - x))
        with k.when(d2 < best):
            k.set(best, d2)
            k.set(arg, node)
        axis = k.let("axis|dim_i|ax", level % dims)
        side = k.let("side|diff|offset", x[axis] - here[axis])
        near = k.let("near|first_c|close", choose(side < 0.0, 2 * node + 1, 2 * node + 2))
        far = k.let(
            "far|second_c|other",
            choose(side < 0.0, 2 * node + 2, 2 * node + 1)
            if p.chance(0.5)
            else 4 * node + 3 - near,
        )
        with k.when(side * side < best):
            k.set(nodes[top], far)
            k.set(levels[top], level + 1)
            k.aug(top, "+", 1)
        k.set(nodes[top], near)
        k.set(levels[top], level + 1)
        k.aug(top, "+", 1)
    k.set(k.out("nearest_ids|closest|matches", T.I32, (n,))[i], arg)
    if p.chance(0.7):
        k.set(
            k.out("distances|nearest_dist|dist_out", T.F32, (n,))[i],
            wp.sqrt(best) if p.chance(0.6) else best,
        )
    tally(p, k, (i,), (n,), best / (reach * reach), "closeness", 0, 1)
    if seen is not None:
        k.set(k.out("visited_nodes|work|search_steps", T.I32, (n,))[i], seen)


def _octree(p: ProgramBuilder) -> None:
    """Octree keys: the leaf that holds a point, levels by local size, descents from the root."""
    form = p.pick("descend", "descend", "key", "refine")
    dims = p.pick(2, 3, 3)
    k = p.kernel_builder(
        f"{'quadtree' if dims == 2 else 'octree'}_{form}|locate_leaf|find_octant|tree_level|leaf_keys|mark_refinement",
        p.pick(
            "Leaf cell of every point.",
            "Descend from the root cell.",
            "Refinement level by local size.",
        ),
    )
    n, vec = p.pick(64, 96, 128), T.Vec(dims)
    k.launch_dim = (n,)
    i = k.let("i|tid|pt_id", wp.tid())
    x = k.let("x|pt|p_i", k.array("points|positions|pos", vec, (n,), R.uniform(-1.0, 1.0))[i])
    top = k.count("max_level|depth|max_depth", p.pick(3, 4, 5, 6))
    half = k.var("half|h|size", k.param("root_half|root_size|extent", 1.0, 1.2, T.F32))
    center = k.var("center|c|mid", k.quantity("root_center|origin|root_c", vec, [0.0] * dims))
    key = k.var("key|code|path", 1 if form == "key" else 0)
    if form == "refine":
        size = k.array("target_size|feature_size|h_local", T.F32, (n,), R.uniform(0.05, 1.0))[i]
        level = k.var("level|lev|d", 0)
        condition = all_of(level < top, half > size)
        counts = None
    else:
        level = k.var("level|lev|d", 0)
        split = (
            k.array("has_children|is_split|refined", T.I32, (2 ** (dims * 3),), R.mask(0.75))
            if p.chance(0.6)
            else None
        )
        condition = (
            level < top if split is None else all_of(level < top, split[key % 2 ** (dims * 3)] == 1)
        )
        counts = p.chance(0.5)
    with k.repeat(condition):
        bits = [
            k.let(h, choose(x.field(a) >= center.field(a), 1, 0))
            for a, h in zip("xyz"[:dims], ("bx|ox|sx", "by|oy|sy", "bz|oz|sz"), strict=False)
        ]
        child: Expr = bits[0]
        for s, b in enumerate(bits[1:], start=1):
            child = child + (b << s) if p.chance(0.5) else child | (b << s)
        octant = k.let("octant|child|sub", child)
        k.set(key, key * 2**dims + octant if p.chance(0.5) else (key << dims) | octant)
        k.set(half, half * 0.5)
        shift = construct(vec, *(cast(T.F32, 2 * b - 1) for b in bits))
        k.set(center, center + shift * half)
        k.aug(level, "+", 1)
    k.set(k.out("keys|leaf_keys|codes", T.I32, (n,))[i], key)
    if p.chance(0.6):
        k.set(k.out("levels|leaf_level|depths", T.I32, (n,))[i], level)
    if p.chance(0.4):
        k.set(k.out("cell_centers|leaf_centers|mids", vec, (n,))[i], center)
    if counts:
        add_at(k, k.out("level_counts|per_level|leaf_histogram", T.I32, (8,)), level, 1)
