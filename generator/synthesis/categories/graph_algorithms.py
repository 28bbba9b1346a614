"""Graph algorithms: traversal, paths, ranks, communities, colourings, walks and message passing."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories import _graph_paths as paths
from generator.synthesis.categories import _graph_search as searches
from generator.synthesis.categories import _graph_structure as structure
from generator.synthesis.categories._graph import EdgeList, Graph
from generator.synthesis.categories._steps import write_step
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, literal


@category("graph_algorithms", version=1, title="Graph algorithms")
def write(p: ProgramBuilder) -> None:
    """Irregular work on sparse graphs: breadth-first levels, shortest paths, PageRank, components, spanning trees,
    communities, triangles, colouring, cores, matchings, random walks and message passing."""
    intents = {
        paths.bfs: 1.4, paths.sssp: 1.5, paths.components: 1.3, paths.spanning_tree: 1.1, paths.centrality: 0.9,
        paths.dag_levels: 0.8, structure.triangles: 1.4, structure.coloring: 1.4, structure.core: 1.0,
        structure.communities: 1.2, structure.matching: 1.0, structure.degrees: 0.8, _rank: 1.4, _walk: 1.4, _messages: 1.5,
        _diffuse: 1.0, searches.search: 3.2,
    }  # fmt: skip
    write_step(
        p, intents, {_rank, structure.degrees, structure.core}, {_diffuse, _messages}, limit=30
    )


# --- ranks ----------------------------------------------------------------------------------------


def _rank(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "pagerank_pull|pagerank_step|update_ranks|push_ranks|hits_step|katz_step",
        p.pick(
            "One power iteration of PageRank.",
            "Rank update.",
            "Every vertex gathers rank from its predecessors.",
        ),
    )
    p.real = T.F64 if p.on("double") else T.F32
    e = Entities(k, "vertex", index="v|tid")
    rank, out = (
        e.field("rank|scores|pr", p.real, R.uniform(0.001, 0.05)),
        e.out("rank_out|new_scores|pr_next", p.real),
    )
    g = Graph(e, p.pick("csr", "csr", "degree"))
    damping = k.param("damping|alpha|d_factor", 0.6, 0.95)
    weighted = p.chance(0.35)
    if weighted:
        g.weights(p.real)
    if p.chance(0.35):
        _push_rank(p, k, e, g, rank, out, damping, weighted)
        return
    degree = (
        e.field("out_degree|out_deg|num_links", T.I32, R.integers(0, 8)) if p.chance(0.7) else None
    )
    acc = k.var("acc|incoming|total", 0.0, p.real)
    with g.around(e.index) as (u, slot):
        term = rank[u] * g.weight(e.index, slot) if weighted else rank[u]
        if degree is not None:
            with k.when(degree[u] == 0):
                k.cont()
            term = term / construct(p.real, degree[u])
        k.aug(acc, "+", term)
    n = construct(p.real, e.count())
    match p.pick("uniform", "personal", "dangling", "plain"):
        case "uniform":
            base = (1.0 - damping) / n
        case "personal":
            base = (1.0 - damping) * e.field(
                "teleport|preference|personalization", p.real, R.uniform(0.0, 0.1)
            ).own
        case "dangling":
            lost = Table(e, "dangling_mass|lost_rank", p.real, (1,), R.uniform(0.01, 0.2))
            base = ((1.0 - damping) + damping * lost[0]) / n
        case _:
            base = 1.0 - damping
    value = k.let("value|new_rank|r", base + damping * acc)
    out.store(value)
    _residual(p, k, e, value, rank.own)


def _push_rank(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    g: Graph,
    rank,
    out,
    damping: Expr,
    weighted: bool,
) -> None:  # type: ignore[no-untyped-def]
    degree = k.let("deg|degree|n_out", g.degree_of(e.index))
    with k.when(degree == 0):
        if p.chance(0.5):
            Table(e, "dangling_mass|lost_rank", p.real, (1,), role="out").add(rank.own, 0)
        k.ret()
    share = k.let("share|contribution|part", damping * rank.own / construct(p.real, degree))
    if p.chance(0.4):
        threshold = k.param("min_push|tolerance|eps", 0.0001, 0.004)
        with k.when(share < threshold):
            k.ret()
    with g.around(e.index) as (u, slot):
        out.add(share * g.weight(e.index, slot) if weighted else share, u)


def _residual(p: ProgramBuilder, k: KernelBuilder, e: Entities, value: Expr, old: Expr) -> None:
    match p.pick("none", "l1", "max", "l2"):
        case "l1":
            Table(e, "residual|delta_sum|l1_change", p.real, (1,), role="out").add(
                wp.abs(value - old), 0
            )
        case "max":
            Table(e, "max_delta|residual|linf", p.real, (1,), role="out").atomic(
                "max", wp.abs(value - old), 0
            )
        case "l2":
            diff = k.let("diff|change", value - old)
            Table(e, "residual_sq|norm_sq", p.real, (1,), role="out").add(diff * diff, 0)


# --- random walks ---------------------------------------------------------------------------------


def _walk(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "random_walks|sample_walks|node2vec_walk|walk_with_restart|sample_neighbors|estimate_hitting",
        p.pick(
            "Random walks on a graph.",
            "Walkers hop along edges and count visits.",
            "Biased second-order walks.",
            "Walks with restart.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "vertex", index="tid|walker|i")
    g = Graph(e, p.pick("csr", "csr", "degree"))
    rng = entity_rng(e)
    steps = k.count("walk_length|num_steps|max_hops", p.pick(8, 12, 16, 24))
    start = (
        e.field("starts|seeds_v|sources", T.I32, R.integers(0, e.n)).own
        if p.chance(0.4)
        else e.index
    )
    current = k.var("v|current|node", start)
    previous = k.var("prev|last_v|came_from", -1) if p.chance(0.45) else None
    visits = e.out("visits|hit_count|occupancy", T.I32) if p.chance(0.6) else None
    trace = (
        Table(e, "walks|paths|trace", T.I32, (e.n, 24), R.constant(-1), "inout")
        if visits is None or p.chance(0.4)
        else None
    )
    restart = k.param("restart|teleport_p|alpha", 0.05, 0.3) if p.chance(0.4) else None
    taken = k.var("taken|hops|length_w", 0) if p.chance(0.5) else None
    with k.loop("s|step|hop", steps) as s:
        _record(k, e, visits, trace, current, s)
        if restart is not None:
            with k.when(rng.uniform() < restart):
                k.set(current, start)
                k.cont()
        degree = k.let("deg|degree|n_adj", g.degree_of(current))
        with k.when(degree == 0):
            k.brk()
        _hop(p, k, g, rng, current, previous, degree)
        if taken is not None:
            k.aug(taken, "+", 1)
    if taken is not None:
        e.out("walk_lengths|hops_out", T.I32).store(taken)
    if p.chance(0.4):
        e.out("endpoints|final_vertex", T.I32).store(current)
    rng.close()


def _record(
    k: KernelBuilder, e: Entities, visits, trace: Table | None, current: Expr, s: Expr
) -> None:  # type: ignore[no-untyped-def]
    if visits is not None:
        visits.add(1, current)
    if trace is not None:
        trace.store(current, e.index, s)


def _hop(
    p: ProgramBuilder,
    k: KernelBuilder,
    g: Graph,
    rng,
    current: Name,
    previous: Name | None,
    degree: Expr,
) -> None:  # type: ignore[no-untyped-def]
    pick = (
        rng.integer(0, degree)
        if p.chance(0.6)
        else wp.min(cast(T.I32, rng.uniform() * cast(T.F32, degree)), degree - 1)
    )
    choice = k.let("choice|pick|r", pick)
    target = (
        g.columns[g.offsets[current] + choice] if g.layout == "csr" else g.columns[current, choice]
    )
    candidate = k.let("next_v|candidate|u", target)
    if previous is None:
        k.set(current, candidate)
        return
    back = k.param("return_p|backtrack|p_return", 0.1, 0.8)
    match p.pick("avoid", "lazy", "accept"):
        case "avoid":
            with k.when(all_of(candidate == previous, rng.uniform() > back)):
                k.cont()
        case "lazy":
            with k.when(rng.uniform() < back):
                k.cont()
        case "accept":
            keep = k.let("keep|accept_p|bias", choose(candidate == previous, back, 1.0))
            with k.when(rng.uniform() > keep):
                k.cont()
    k.set(previous, current)
    k.set(current, candidate)


# --- message passing ------------------------------------------------------------------------------


def _messages(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "aggregate_neighbors|message_passing|graph_conv|gather_features|attention_aggregate|mean_aggregate",
        p.pick(
            "Aggregate the features of neighbours.",
            "Message passing over edges.",
            "One graph-convolution layer without its weights.",
        ),
    )
    width = p.pick(4, 8, 12)
    if p.chance(0.3):
        _edge_messages(p, k, width)
        return
    e = Entities(k, "node", index="v|tid", count=p.pick(32, 48, 64))
    g = Graph(e)
    form = p.pick("mean", "sum", "max", "normalised", "attention", "gated")
    features = Table(e, "features|node_features|h_in", T.F32, (e.n, width), R.uniform(-1.0, 1.0))
    out = Table(e, "aggregated|h_out|messages", T.F32, (e.n, width), role="out")
    channels = (
        features.extent(1) if p.chance(0.5) else k.count("num_features|channels|width", width)
    )
    if form == "attention":
        _attention(p, k, e, g, features, out, channels)
        return
    norm = (
        e.field("inv_sqrt_degree|norm_in|deg_norm", T.F32, R.uniform(0.2, 1.0))
        if form == "normalised"
        else None
    )
    if form == "gated":
        g.weights(T.F32, 0.1, 1.0)
    with k.loop("c|f|channel", channels) as c:
        acc = k.var("acc|pooled|m", -1.0e9 if form == "max" else 0.0)
        count = k.var("count|n_seen|deg", 0) if form in ("mean", "max") else None
        with g.around(e.index) as (u, slot):
            value = features[u, c]
            if form == "max":
                k.set(acc, wp.max(acc, value))
            else:
                scale = (
                    norm[u] * norm.own
                    if norm is not None
                    else g.weight(e.index, slot)
                    if form == "gated"
                    else None
                )
                k.aug(acc, "+", value if scale is None else value * scale)
            if count is not None:
                k.aug(count, "+", 1)
        result: Expr = acc
        if count is not None:
            result = choose(count > 0, acc / cast(T.F32, count) if form == "mean" else acc, 0.0)
        if p.chance(0.4):
            result = k.param("self_weight|eps_gin|skip", 0.2, 1.5) * features[e.index, c] + result
        out.store(wp.max(result, 0.0) if p.chance(0.3) else result, e.index, c)


def _attention(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    g: Graph,
    features: Table,
    out: Table,
    channels: Expr,
) -> None:
    left, right = (
        e.field("score_dst|alpha_dst|query_score", T.F32, R.normal(0.0, 1.0)),
        e.field("score_src|alpha_src|key_score", T.F32, R.normal(0.0, 1.0)),
    )
    slope = p.pick(0.2, 0.1, 0.01)

    def leaky(b: Block, x: Expr) -> None:
        if p.chance(0.5):
            with b.when(x < 0.0):
                b.ret(slope * x)
            b.ret(x)
        else:
            b.ret(choose(x > 0.0, x, slope * x))

    f = p.func("leaky_relu|activation", {"x|score": T.F32}, leaky)
    top, norm = k.var("top|peak|max_score", -1.0e9), k.var("norm|denom|z", 0.0)
    with g.around(e.index) as (u, _):
        k.set(top, wp.max(top, f(left.own + right[u])))
    with g.around(e.index) as (u, _):
        k.aug(norm, "+", wp.exp(f(left.own + right[u]) - top))
    with k.when(norm <= 0.0):
        k.ret()
    with g.around(e.index) as (u, _):
        w = k.let("w|alpha|coef", wp.exp(f(left.own + right[u]) - top) / norm)
        with k.loop("c|f|channel", channels) as c:
            out.store(out[e.index, c] + w * features[u, c], e.index, c)


def _edge_messages(p: ProgramBuilder, k: KernelBuilder, width: int) -> None:
    e = Entities(k, "edge", index="tid|e|edge_id")
    graph = EdgeList(e, p.pick(32, 48, 64))
    if p.chance(0.4):
        graph.skip_loops()
    features = Table(
        e, "features|node_features|h_in", T.F32, (graph.vertices, width), R.uniform(-1.0, 1.0)
    )
    out = Table(e, "aggregated|h_out|messages", T.F32, (graph.vertices, width), role="out")
    gate = (
        e.field("edge_weights|gates|edge_attr", T.F32, R.uniform(0.0, 1.0)).read("w|gate|coef")
        if p.chance(0.7)
        else None
    )
    if gate is not None and p.chance(0.4):
        with k.when(gate < k.param("min_gate|prune|cutoff", 0.05, 0.3)):
            k.ret()
    with k.loop(
        "c|f|channel",
        features.extent(1) if p.chance(0.5) else k.count("num_features|channels", width),
    ) as c:
        value = features[graph.u, c]
        if p.chance(0.3):
            value = value - features[graph.v, c]
        out.add(value if gate is None else gate * value, graph.v, c)
    if p.chance(0.4):
        Table(e, "in_counts|received|message_count", T.I32, (graph.vertices,), role="out").add(
            1, graph.v
        )


# --- diffusion ------------------------------------------------------------------------------------


def _diffuse(p: ProgramBuilder) -> None:
    """Laplacian smoothing, heat flow, epidemics and consensus on a graph."""
    form = p.pick("laplacian", "heat", "infection", "consensus", "opinion")
    k = p.kernel_builder(
        f"graph_{form}_step|{form}_on_graph|spread_{form}|network_{form}|{form}_update",
        p.pick("One step of a process on a network.", "Each vertex looks at its neighbours.", ""),
    )
    e = Entities(k, "node", index="v|tid")
    t = T.VEC3 if form == "laplacian" and p.chance(0.6) else T.F32
    x, out = (
        e.field("values|state|signal", t, R.uniform(0.0, 1.0)),
        e.out("values_out|state_out|signal_out", t),
    )
    e.guard((out, x.own))
    g = Graph(e)
    own = x.read("x_v|own|mine")
    if form == "infection":
        _infect(p, k, e, g, own, x, out)
        return
    weighted = p.chance(0.4)
    if weighted:
        g.weights(T.F32, 0.1, 1.0)
    acc = k.var("acc|flow|total", construct(t, 0.0) if t != T.F32 else 0.0)
    mass = k.var("mass|weight_sum|count", 0.0)
    bound = k.param("confidence|bound|tolerance", 0.2, 0.7) if form == "opinion" else None
    with g.around(e.index) as (u, slot):
        g.skip_loop(e.index, u, 0.2)
        if bound is not None:
            with k.when(wp.abs(x[u] - own) > bound):
                k.cont()
        difference = x[u] - own
        k.aug(acc, "+", difference * g.weight(e.index, slot) if weighted else difference)
        k.aug(mass, "+", g.weight(e.index, slot) if weighted else 1.0)
    rate = k.param("rate|step|alpha", 0.05, 0.6)
    if form in ("laplacian", "consensus", "opinion"):
        with k.when(mass > 0.0):
            out.store(own + acc * (rate / mass))
        with k.otherwise():
            out.store(own)
    else:
        out.store(own + acc * rate * k.param("dt|timestep", 0.01, 0.1))
    if p.chance(0.3) and t == T.F32:
        Table(e, "total_change|activity|residual", T.F32, (1,), role="out").add(wp.abs(acc), 0)


def _infect(p: ProgramBuilder, k: KernelBuilder, e: Entities, g: Graph, own: Expr, x, out) -> None:  # type: ignore[no-untyped-def]
    status, next_status = (
        e.field("status|compartment|health", T.I32, R.integers(0, 3)),
        e.out("status_out|compartment_out", T.I32),
    )
    beta, gamma = (
        k.param("beta|infection_rate|transmissibility", 0.05, 0.6),
        k.param("gamma|recovery_rate", 0.05, 0.4),
    )
    escape = k.var("escape|p_safe|survive", 1.0)
    with g.around(e.index) as (u, _):
        with k.when(status[u] == 1 if p.chance(0.6) else all_of(status[u] == 1, u != e.index)):
            k.aug(escape, "*", 1.0 - beta * x[u])
    rng = entity_rng(e)
    current = k.var("next_s|new_status|s", status.own)
    with k.when(all_of(current == 0, rng.uniform() > escape)):
        k.set(current, literal(1, T.I32))
    with k.elsewhen(
        all_of(status.own == 1, rng.uniform() < gamma)
        if p.chance(0.6)
        else any_of(all_of(status.own == 1, rng.uniform() < gamma))
    ):
        k.set(current, literal(2, T.I32))
    next_status.store(current)
    out.store(own * escape)
    if p.chance(0.5):
        Table(e, "compartment_counts|tally|census", T.I32, (3,), role="out").add(1, current)
    rng.close()
