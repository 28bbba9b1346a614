"""Sweeps, octrees and kd-trees, for the neighbour-search category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._spatial_boxes import boxes
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import ProgramBuilder


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
        "children|child_nodes|child_index", T.I32, (nodes, ways), R.integers(-nodes // 2, nodes)
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
    e.inout("leaf_ids|leaves|node_out", T.I32, R.constant(-1)).store(node)
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
    counting = p.chance(0.35)
    k = p.kernel_builder(
        "kd_range_count|kdtree_range_query|count_in_kdtree|points_in_range"
        if counting
        else "kd_nearest|kdtree_query|kd_tree_search|nearest_in_kdtree",
        p.pick(
            "Points of an implicit kd-tree within a radius."
            if counting
            else "Nearest neighbour in an implicit kd-tree.",
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
    radius = k.param("radius|search_radius|r_max", 0.2, 0.8)
    best, who, count = (
        k.let("r2_max|bound|radius_sq", radius * radius)
        if counting
        else k.var("best|d2_best|bound", radius * radius),
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
