"""Tree traversals, for the neighbour-search category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._spatial_boxes import boxes, overlap_function
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


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
