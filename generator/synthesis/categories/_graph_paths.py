"""Traversal and shortest paths, for the graph category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._graph import EdgeList, Graph
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def bfs(p: ProgramBuilder) -> None:
    """One level of breadth-first search: top-down from a frontier or bottom-up into it."""
    up = p.chance(0.35)
    k = p.kernel_builder(
        "bfs_bottom_up|find_parents|bfs_pull"
        if up
        else "bfs_expand|expand_frontier|bfs_step|advance_frontier|visit_neighbors",
        p.pick("Unvisited vertices look for a parent in the frontier.", "Bottom-up step.")
        if up
        else p.pick("Expand the frontier by one level.", "Top-down breadth-first step.", ""),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "vertex", index="v|tid")
    if not up:
        _top_down(p, k, e)
        return
    level = k.count("level|depth|iteration", p.pick(0, 1, 2))
    depth = e.field("depth|levels|distance", T.I32, R.integers(-1, 4))
    out = e.out("depth_out|new_levels", T.I32)
    with k.when(depth.own >= 0):
        out.store(depth.own)
        k.ret()
    g = Graph(e)
    found = k.var("found|parent|via", -1)
    with g.around(e.index) as (u, _):
        g.skip_loop(e.index, u, 0.15)
        with k.when(depth[u] == level):
            k.set(found, u)
            if p.chance(0.7):
                k.brk()
    if p.chance(0.5):
        out.store(choose(found >= 0, level + 1, -1))
    else:
        out.store(literal(-1, T.I32))
        with k.when(found >= 0):
            out.store(level + 1)
            if p.chance(0.5):
                Table(e, "num_visited|frontier_size|newly_found", T.I32, (1,), role="out").add(1, 0)
    if p.chance(0.6):
        e.out("parents|predecessor|bfs_tree", T.I32).store(found)


def _top_down(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    depth = e.field("depth|levels|distance", T.I32, R.integers(-1, 4))
    level = k.count("level|depth_now|iteration", p.pick(0, 1, 2))
    if p.chance(0.5):
        frontier = e.field("frontier|in_frontier|active_flags", T.I32, R.mask(0.3))
        idle = frontier.own == 0
    else:
        idle = depth.own != level
    with k.when(idle):
        k.ret()
    g = Graph(e)
    new_depth = e.inout("depth_out|new_levels|dist_out", T.I32, R.constant(1 << 20))
    flags = e.out("next_frontier|next_flags|discovered", T.I32) if p.chance(0.5) else None
    parents = e.inout("parents|predecessor", T.I32, R.constant(1 << 20)) if p.chance(0.4) else None
    touched = (
        Table(e, "frontier_edges|work|next_count", T.I32, (1,), role="out")
        if p.chance(0.4)
        else None
    )
    blocked = e.field("blocked|obstacle|removed", T.I32, R.mask(0.15)) if p.chance(0.25) else None
    with g.around(e.index) as (u, _):
        skip = depth[u] >= 0
        with k.when(skip if blocked is None else any_of(skip, blocked[u] != 0)):
            k.cont()
        k.do(wp.atomic_min(new_depth.array, *new_depth._index(u), level + 1))
        if parents is not None:
            k.do(wp.atomic_min(parents.array, *parents._index(u), e.index))
        if flags is not None:
            k.do(wp.atomic_max(flags.array, *flags._index(u), 1))
        if touched is not None:
            touched.add(1, 0)


def sssp(p: ProgramBuilder) -> None:
    """Relaxation of distances: Bellman-Ford by vertex or edge, delta-stepping buckets."""
    edgewise = p.chance(0.35)
    k = p.kernel_builder(
        "relax_edges|sssp_relax|bellman_ford_step|update_distances|relax_vertices|delta_step",
        p.pick(
            "One relaxation round of single-source shortest paths.",
            "Bellman-Ford step.",
            "Tentative distances through every edge.",
        ),
    )
    k.options["enable_backward"] = False
    t = p.weighted({T.F32: 5, T.I32: 3, T.I64: 1})
    far = 1.0e6 if t.is_float else 1000000
    if edgewise:
        _relax_edges(p, k, t, far)
        return
    e = Entities(k, "vertex", index="v|tid")
    dist = e.field(
        "dist|distance|cost_in", t, R.uniform(0.0, 20.0) if t.is_float else R.integers(0, 20)
    )
    e.guard()
    g = Graph(e)
    g.weights(t, 1, 9)
    if p.chance(0.55):
        _pull_distance(p, k, e, g, dist, t, far)
    else:
        _push_distance(p, k, e, g, dist, t, far)


def _pull_distance(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, g: Graph, dist: Field, t: T.Scalar, far: float
) -> None:
    turns = (
        k.quantity("turn_cost|node_delay|penalty", t, 0.5 if t.is_float else 1)
        if p.chance(0.35)
        else None
    )
    own = dist.read("best_old|d_v|current")
    best = k.var("best|d_new|tentative", own)
    via = k.var("via|parent|pred", -1) if p.chance(0.5) else None
    with g.around(e.index) as (u, slot):
        g.skip_loop(e.index, u, 0.2)
        candidate = k.let(
            "candidate|alt|d", _through(p, k, dist[u], g.weight(e.index, slot), turns)
        )
        if via is None and p.chance(0.4):
            k.set(best, wp.min(best, candidate))
        else:
            with k.when(candidate < best):
                k.set(best, candidate)
                if via is not None:
                    k.set(via, u)
    e.out("dist_out|new_distance|relaxed", t).store(best)
    if via is not None:
        e.out("predecessors|parents|next_hop", T.I32).store(via)
    if p.chance(0.6):
        with k.when(best < own):
            Table(e, "changed|num_updates|improved", T.I32, (1,), role="out").add(1, 0)


def _through(
    p: ProgramBuilder, k: KernelBuilder, start: Expr, weight: Expr, extra: Expr | None
) -> Expr:
    """Length of a path prolonged by one edge."""

    def body(b: Block, d: Expr, w: Expr, *more: Expr) -> Expr:
        return d + w + more[0] if more else d + w

    args = {"d|dist": start, "w|length": weight} | (
        {} if extra is None else {"penalty|delay": extra}
    )
    return piece(p, k, "path_length|prolong|edge_relaxation", args, body, probability=0.75)


def _push_distance(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, g: Graph, dist: Field, t: T.Scalar, far: float
) -> None:
    own = dist.read("d|d_v|mine")
    limit = k.quantity("bucket_end|delta|threshold", t, 12.0 if t.is_float else 12)
    with k.when(own >= limit if p.chance(0.6) else any_of(own >= limit, own < literal(1, t))):
        k.ret()
    out = e.inout("dist_out|tentative_out|new_distance", t, R.constant(far))
    heavy = p.chance(0.4)
    updates = k.var("updates|relaxed_here|n_pushed", 0) if p.chance(0.4) else None
    with g.around(e.index) as (u, slot):
        w = k.let("w|cost|length", g.weight(e.index, slot))
        if heavy:
            with k.when(
                w > k.quantity("light_limit|max_light|heavy_cut", t, 5.0 if t.is_float else 5)
            ):
                k.cont()
        candidate = k.let("candidate|alt|nd", own + w)
        with k.when(candidate < dist[u]):
            k.do(wp.atomic_min(out.array, *out._index(u), candidate))
            if updates is not None:
                k.aug(updates, "+", 1)
    if updates is not None:
        e.out("pushes|update_counts", T.I32).store(updates)


def _relax_edges(p: ProgramBuilder, k: KernelBuilder, t: T.Scalar, far: float) -> None:
    e = Entities(k, "edge", index="tid|e|edge_id")
    graph = EdgeList(e, p.pick(32, 48, 64))
    weight = e.field(
        "weights|lengths|costs", t, R.uniform(0.5, 4.0) if t.is_float else R.integers(1, 9)
    ).own
    dist = graph.vertex(
        "dist|distance|labels_d", t, R.uniform(0.0, 20.0) if t.is_float else R.integers(0, 20)
    )
    out = graph.vertex("dist_out|new_distance", t, R.constant(far), "inout")
    candidate = k.let("candidate|alt|d", dist[graph.u] + weight)
    with k.when(candidate < dist[graph.v]):
        out.atomic("min", candidate, graph.v)
        if p.chance(0.4):
            graph.vertex("active_next|queued|dirty", T.I32, role="out").atomic("max", 1, graph.v)
        if p.chance(0.4):
            Table(e, "changed|any_change|relaxed", T.I32, (1,), role="out").atomic("max", 1, 0)
    if p.chance(0.5):
        back = k.let("back|reverse|d_rev", dist[graph.v] + weight)
        with k.when(back < dist[graph.u]):
            out.atomic("min", back, graph.u)
