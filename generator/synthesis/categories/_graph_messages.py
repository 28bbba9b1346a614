"""Message passing and diffusion, for the graph category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._graph import EdgeList, Graph
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def messages(p: ProgramBuilder) -> None:
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


def diffuse(p: ProgramBuilder) -> None:
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
    with (
        g.around(e.index) as (u, _),
        k.when(status[u] == 1 if p.chance(0.6) else all_of(status[u] == 1, u != e.index)),
    ):
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
