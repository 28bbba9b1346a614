"""Whole searches, one source a thread, on small graphs with scratch memory, for the graph category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._graph import Graph
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr, Name, literal


def search(p: ProgramBuilder) -> None:
    """A whole search from one source."""
    p.pick(
        _queue_search, _queue_search, _stack_search, _dijkstra, _dijkstra, _floyd, _greedy_route
    )(p)


def _sources(p: ProgramBuilder, k: KernelBuilder) -> tuple[Entities, Expr]:
    e = Entities(k, "source", count=p.pick(16, 24, 32), index="tid|s|query")
    start = (
        e.field("sources|roots|starts", T.I32, R.integers(0, e.n)).own if p.chance(0.6) else e.index
    )
    e.guard()
    return e, k.let("root|src|start", start)


def _queue_search(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "bfs_from_sources|k_hop_neighborhood|multi_source_bfs|reachability|eccentricity|hop_distances",
        p.pick(
            "A full breadth-first search from every source, with a queue per thread.",
            "Vertices within a number of hops.",
            "Hop distances from many sources.",
        ),
    )
    k.options["enable_backward"] = False
    e, root = _sources(p, k)
    g = Graph(e)
    dist = Table(e, "hops|dist|depth", T.I32, (e.n, e.n), R.constant(-1), "inout")
    queue = Table(e, "queue|worklist|scratch", T.I32, (e.n, e.n), role="out")
    head, tail = k.var("head|front|read_pos", 0), k.var("tail|back|write_pos", 1)
    farthest = k.var("farthest|ecc|max_hops", 0)
    queue.store(root, e.index, 0)
    dist.store(0, e.index, root)
    limit = k.count("max_hops_in|radius|hop_limit", p.pick(2, 3, 5)) if p.chance(0.5) else None
    target = k.count("target|goal|destination", p.pick(3, 7, 11)) if p.chance(0.25) else None
    with k.repeat(head < tail):
        v = k.let("v|current|node", queue[e.index, head])
        k.aug(head, "+", 1)
        depth = k.let("d|depth_v|level", dist[e.index, v])
        if limit is not None:
            with k.when(depth >= limit):
                k.brk() if p.chance(0.5) else k.cont()
        if target is not None:
            with k.when(v == target):
                k.brk()
        k.set(farthest, wp.max(farthest, depth))
        with g.around(v) as (u, _):
            with k.when(dist[e.index, u] >= 0):
                k.cont()
            dist.store(depth + 1, e.index, u)
            queue.store(u, e.index, tail)
            k.aug(tail, "+", 1)
    e.out("reached|num_reached|component_size", T.I32).store(tail)
    if p.chance(0.6):
        e.out("eccentricity_out|max_depth|ecc_out", T.I32).store(farthest)
    if p.chance(0.35):
        total = k.var("total|hop_sum|acc", 0)
        with k.loop("q|i|slot_q", tail) as q:
            k.aug(total, "+", dist[e.index, queue[e.index, q]])
        with k.when(total > 0):
            e.out("closeness|centrality", T.F32).store(cast(T.F32, tail - 1) / cast(T.F32, total))


def _stack_search(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "dfs_from_sources|depth_first_order|detect_cycle|stack_search|visit_order",
        p.pick(
            "Iterative depth-first search with a stack per thread.",
            "Depth-first order from every source.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e, root = _sources(p, k)
    g = Graph(e)
    state = Table(e, "visited|mark|status", T.I32, (e.n, e.n), role="out")
    depth_limit = p.pick(32, 64)
    stack = Table(e, "stack|scratch|pending_v", T.I32, (e.n, depth_limit), role="out")
    top, order, repeats = (
        k.var("top|sp|height", 1),
        k.var("order|counter|n_visited", 0),
        k.var("repeats|back_edges|seen_again", 0),
    )
    stack.store(root, e.index, 0)
    position = (
        Table(e, "preorder|visit_index|order_out", T.I32, (e.n, e.n), R.constant(-1), "inout")
        if p.chance(0.6)
        else None
    )
    with k.repeat(top > 0):
        k.aug(top, "-", 1)
        v = k.let("v|current|node", stack[e.index, top])
        with k.when(state[e.index, v] == 1 if p.chance(0.5) else state[e.index, v] != 0):
            k.aug(repeats, "+", 1)
            k.cont()
        state.store(1, e.index, v)
        if position is not None:
            position.store(order, e.index, v)
        k.aug(order, "+", 1)
        with g.around(v) as (u, _), k.when(all_of(state[e.index, u] == 0, top < depth_limit)):
            stack.store(u, e.index, top)
            k.aug(top, "+", 1)
    e.out("visited_count|num_visited|reach_size", T.I32).store(order)
    if p.chance(0.6):
        e.out("revisits|back_edge_count", T.I32).store(repeats)
    else:
        with k.when(repeats > 0):
            Table(e, "num_cyclic|with_cycles", T.I32, (1,), role="out").add(1, 0)


def _dijkstra(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "dijkstra_per_source|all_pairs_dijkstra|shortest_path_tree|isochrones|service_distance",
        p.pick(
            "Dijkstra without a heap, one source per thread.",
            "Shortest path tree of every source.",
            "Travel times from each depot.",
        ),
    )
    k.options["enable_backward"] = False
    e, root = _sources(p, k)
    g = Graph(e)
    t = p.pick(T.F32, T.F32, T.I32)
    g.weights(t, 1, 9)
    far = literal(1.0e6 if t.is_float else 1000000, t)
    dist = Table(e, "dist|travel_time|cost", t, (e.n, e.n), R.constant(1000000), "inout")
    done = Table(e, "settled|done|closed", T.I32, (e.n, e.n), role="out")
    parent = (
        Table(e, "parents|previous|tree", T.I32, (e.n, e.n), R.constant(-1), "inout")
        if p.chance(0.5)
        else None
    )
    dist.store(literal(0, t), e.index, root)
    n = dist.extent(1) if p.chance(0.5) else k.count("num_vertices|n_vertices", e.n)
    budget = (
        k.quantity("budget|max_cost|time_limit", t, 12.0 if t.is_float else 12)
        if p.chance(0.5)
        else None
    )
    settled = k.var("n_settled|count_done|rounds", 0)
    with k.loop("it|round_id|step", n):
        best, pick = k.var("best|least|d_min", far), k.var("v|pick|nearest", -1)
        with (
            k.loop("j|c|other", n) as j,
            k.when(all_of(done[e.index, j] == 0, dist[e.index, j] < best)),
        ):
            k.set(best, dist[e.index, j])
            k.set(pick, j)
        stop = pick < 0
        with k.when(stop if budget is None else any_of(stop, best > budget)):
            k.brk()
        done.store(1, e.index, pick)
        k.aug(settled, "+", 1)
        with g.around(pick) as (u, slot):
            candidate = k.let("candidate|alt|nd", best + g.weight(pick, slot))
            with k.when(candidate < dist[e.index, u]):
                dist.store(candidate, e.index, u)
                if parent is not None:
                    parent.store(pick, e.index, u)
    e.out("reached|num_settled|catchment", T.I32).store(settled)
    if p.chance(0.4):
        demand = Table(
            e,
            "demand|population|weights_v",
            t,
            (e.n,),
            R.uniform(1.0, 5.0) if t.is_float else R.integers(1, 5),
        )
        total = k.var("total|access|served", literal(0, t))
        with k.loop("j|c|other", n) as j, k.when(done[e.index, j] == 1):
            k.aug(total, "+", demand[j])
        e.out("served_demand|access_out|totals", t).store(total)


def _floyd(p: ProgramBuilder) -> None:
    n = p.pick(16, 20, 24, 32)
    k = p.kernel_builder(
        "floyd_warshall_step|min_plus_step|transitive_closure|all_pairs_relax|min_plus_product",
        p.pick("One pivot of Floyd-Warshall.", "Min-plus product of distance matrices.", ""),
    )
    k.launch_dim = (n, n)
    i, j = k.unpack(["i|row|u", "j|col|v"], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32))))
    t = p.pick(T.F32, T.I32, T.F64)
    dist = k.array(
        "dist|cost|d_in", t, (n, n), R.uniform(1.0, 50.0) if t.is_float else R.integers(1, 50)
    )
    out = k.out("dist_out|cost_out|d_out", t, (n, n))
    hop = k.out("next_hop|via|midpoint", T.I32, (n, n), R.constant(-1)) if p.chance(0.5) else None
    if p.chance(0.4):
        with k.when(i == j):
            k.set(out[i, j], literal(0, t))
            k.ret()
    best = k.var("best|d|shortest", dist[i, j])
    if p.chance(0.45):
        pivot = k.count("pivot|k_mid|via_vertex", p.pick(0, 3, 5))
        _try_path(p, k, dist, best, hop, i, j, pivot)
    else:
        through = (
            k.array(
                "second|dist_b|rhs",
                t,
                (n, n),
                R.uniform(1.0, 50.0) if t.is_float else R.integers(1, 50),
            )
            if p.chance(0.5)
            else dist
        )
        with k.loop(
            "m|pivot|mid", dist.dim(0) if p.chance(0.5) else k.count("n|size|num_vertices", n)
        ) as m:
            _try_path(p, k, dist, best, hop, i, j, m, through)
    k.set(out[i, j], best)
    if p.chance(0.4):
        with k.when(best < dist[i, j]):
            k.do(wp.atomic_add(k.out("improved|num_changes|updates", T.I32, (1,)), 0, 1))


def _try_path(
    p: ProgramBuilder,
    k: KernelBuilder,
    dist: Expr,
    best: Name,
    hop: Expr | None,
    i: Expr,
    j: Expr,
    m: Expr,
    through: Expr | None = None,
) -> None:
    second = through if through is not None else dist
    candidate = k.let("candidate|alt|through_m", dist[i, m] + second[m, j])
    if hop is None and p.chance(0.5):
        k.set(best, wp.min(best, candidate))
        return
    with k.when(candidate < best):
        k.set(best, candidate)
        if hop is not None:
            k.set(hop[i, j], m)


def _greedy_route(p: ProgramBuilder) -> None:
    """Greedy routing in embedded graphs, as searches over proximity graphs do it."""
    n = p.pick(2, 3, 4)
    k = p.kernel_builder(
        "greedy_search|proximity_graph_search|greedy_route|descend_graph|nearest_by_walk",
        p.pick(
            "Greedy descent over a proximity graph towards the query.",
            "Move to the closest neighbour until none is closer.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "query", count=p.pick(32, 48, 64), index="tid|q|i")
    g = Graph(e)
    points = Table(
        e, "points|vectors|embedding", T.Vec(n), (e.n,), R.uniform(-1.0, 1.0), shared=True
    )
    query = e.field("queries|targets|goals", T.Vec(n), R.uniform(-1.0, 1.0)).read("q|query|goal")
    squared = p.chance(0.5)

    def body(b: Block, x: Expr, y: Expr) -> None:
        d = b.let("d|delta", x - y)
        b.ret(wp.dot(d, d) if squared else wp.length(d))

    metric = p.func("distance|squared_distance|metric", {"a|x": T.Vec(n), "b|y": T.Vec(n)}, body)
    current = k.var(
        "v|current|node", e.field("entry_points|starts|seeds_v", T.I32, R.integers(0, e.n)).own
    )
    best = k.var("best|d_best|closest", metric(points[current], query))
    hops, evaluated = k.var("hops|steps|moves", 0), k.var("evaluated|n_dist|cost", 0)
    moved = k.var("moved|improved|active", 1)
    limit = k.count("max_hops|max_steps|hop_limit", p.pick(16, 32))
    with k.repeat(all_of(moved == 1, hops < limit)):
        k.set(moved, cast(T.I32, literal(0, T.I32)))
        nearest = k.var("nearest|next_v|target", current)
        with g.around(current) as (u, _):
            d = k.let("d|d_u|dist_u", metric(points[u], query))
            k.aug(evaluated, "+", 1)
            with k.when(d < best):
                k.set(best, d)
                k.set(nearest, u)
                k.set(moved, cast(T.I32, literal(1, T.I32)))
        k.set(current, nearest)
        k.aug(hops, "+", 1)
    e.out("results|nearest_out|found", T.I32).store(current)
    e.out("distances|best_out", T.F32).store(best)
    if p.chance(0.5):
        e.out("hop_counts|path_length", T.I32).store(hops)
    if p.chance(0.4):
        Table(e, "evaluations|distance_calls|total_cost", T.I32, (1,), role="out").add(evaluated, 0)
    if p.chance(0.3):
        radius = k.param("success_radius|tolerance", 0.1, 0.6)
        e.out("success|hit|converged", T.I32).store(choose(best < radius, 1, 0))
