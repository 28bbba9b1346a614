"""Communities, matchings and degrees, for the graph category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._graph import EdgeList, Graph
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import literal


def communities(p: ProgramBuilder) -> None:
    """Majority labels and modularity gains around every vertex."""
    k = p.kernel_builder(
        "label_propagation|majority_label|best_community|modularity_gain|louvain_move|vote_labels",
        p.pick(
            "Every vertex adopts the most frequent label around it.",
            "Best neighbouring community by modularity.",
            "Community label vote.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "vertex", index="v|tid", count=p.pick(32, 48, 64))
    labels, out = (
        e.field("labels|community|membership", T.I32, R.integers(0, 12)),
        e.out("labels_out|community_out", T.I32),
    )
    e.guard((out, labels.own))
    g = Graph(e)
    weighted = p.chance(0.5)
    if weighted:
        g.weights(T.F32, 0.1, 2.0)
    modular = p.chance(0.4)
    volume = (
        Table(e, "community_volume|total_degree|comm_strength", T.F32, (12,), R.uniform(4.0, 30.0))
        if modular
        else None
    )
    strength = (
        e.field("strength|weighted_degree|vertex_degree", T.F32, R.uniform(1.0, 8.0))
        if modular
        else None
    )
    scale = k.param("resolution|gamma", 0.5, 1.5) if modular else None
    total = k.param("total_weight|two_m|graph_volume", 100.0, 400.0) if modular else None
    best, score = (
        k.var("best|winner|new_label", labels.own),
        k.var("best_score|votes|top", -1.0e9 if modular else 0.0),
    )
    with g.around(e.index, "u|a") as (u, _):
        label = k.let("label|c|community_u", labels[u])
        gain = k.var("gain|count|votes_here", 0.0)
        with g.around(e.index, "w|b") as (w, slot), k.when(labels[w] == label):
            k.aug(gain, "+", g.weight(e.index, slot) if weighted else 1.0)
        if volume is not None and strength is not None:
            k.aug(gain, "-", scale * strength.own * volume[label] / total)
        better = (
            any_of(gain > score, all_of(gain == score, label < best))
            if p.chance(0.6)
            else gain > score
        )
        with k.when(better):
            k.set(score, gain)
            k.set(best, label)
    out.store(best)
    if p.chance(0.5):
        with k.when(best != labels.own):
            Table(e, "moved|num_moves|changed", T.I32, (1,), role="out").add(1, 0)
    if p.chance(0.4):
        e.out("scores|gains|support", T.F32).store(score)


def matching(p: ProgramBuilder) -> None:
    """Independent sets, handshaking matchings and coarsening maps."""
    form = p.pick("independent", "propose", "handshake", "coarsen")
    k = p.kernel_builder(
        "maximal_independent_set|propose_mates|handshake_match|coarsen_graph|select_independent|match_vertices",
        p.pick(
            "One round of Luby's algorithm.",
            "Heaviest free neighbour becomes the proposal.",
            "Mutual proposals become matches.",
            "Map vertices to their coarse vertex.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "vertex", index="v|tid")
    if form == "handshake":
        wish, mate = (
            e.field("proposal|wish|candidate", T.I32, R.integers(-1, e.n)),
            e.out("mate|partner|match_out", T.I32),
        )
        other = wish.read("u|other|w")
        with k.when(other < 0):
            mate.store(literal(-1, T.I32))
            k.ret()
        mutual = wish[other] == e.index
        mate.store(choose(mutual, other, -1))
        if p.chance(0.6):
            with k.when(all_of(mutual, e.index < other)):
                Table(e, "num_matched|pairs_found", T.I32, (1,), role="out").add(1, 0)
                e.out("coarse_flag|is_representative", T.I32).store(1)
        return
    state = e.field(
        "status|state_in|matched", T.I32, R.integers(0, 3) if form == "independent" else R.mask(0.3)
    )
    with k.when(state.own != 0):
        k.ret()
    g = Graph(e)
    if form == "independent":
        _independent(p, k, e, g, state)
    elif form == "propose":
        _propose(p, k, e, g, state)
    else:
        aggregate = e.field("aggregate|cluster_id|coarse_of", T.I32, R.integers(0, e.n // 4))
        counts = Table(e, "coarse_degree|cut_edges|coarse_links", T.I32, (e.n // 4,), role="out")
        inner = k.var("inner|internal|inside", 0)
        with g.around(e.index) as (u, _):
            with k.when(aggregate[u] == aggregate.own):
                k.aug(inner, "+", 1)
                k.cont()
            counts.add(1, aggregate.own)
        e.out("internal_edges|inner_degree", T.I32).store(inner)


def _independent(p: ProgramBuilder, k: KernelBuilder, e: Entities, g: Graph, state: Field) -> None:
    key = e.field("priority|random_key|luby_key", p.pick(T.F32, T.I32), R.permutation())
    wins, near = k.var("wins|selected|is_min", 1), k.var("blocked|near_set|covered", 0)
    with g.around(e.index) as (u, _):
        g.skip_loop(e.index, u, 1.0)
        with k.when(state[u] == 1):
            k.set(near, cast(T.I32, literal(1, T.I32)))
            k.brk()
        with k.when(
            all_of(state[u] == 0, any_of(key[u] < key.own, all_of(key[u] == key.own, u < e.index)))
        ):
            k.set(wins, cast(T.I32, literal(0, T.I32)))
    out = e.out("status_out|state_out|in_set", T.I32)
    with k.when(near == 1):
        out.store(2)
    with k.elsewhen(wins == 1):
        out.store(1)
        if p.chance(0.5):
            Table(e, "set_size|num_selected", T.I32, (1,), role="out").add(1, 0)


def _propose(p: ProgramBuilder, k: KernelBuilder, e: Entities, g: Graph, state: Field) -> None:
    g.weights(T.F32, 0.1, 5.0)
    best, score = k.var("best|choice|wish", -1), k.var("best_w|top_weight|heaviest", 0.0)
    ratio = p.chance(0.4)
    size = e.field("vertex_weight|mass|size", T.F32, R.uniform(1.0, 4.0)) if ratio else None
    with g.around(e.index) as (u, slot):
        with k.when(any_of(u == e.index, state[u] != 0)):
            k.cont()
        w = g.weight(e.index, slot)
        w = k.let("w|rating|strength", w if size is None else w / (size[u] * size.own))
        with k.when(
            w > score if p.chance(0.5) else any_of(w > score, all_of(w == score, u < best))
        ):
            k.set(score, w)
            k.set(best, u)
    e.out("proposals|wish_out|candidate_out", T.I32).store(best)
    if p.chance(0.4):
        e.out("proposal_weight|rating_out", T.F32).store(score)


def degrees(p: ProgramBuilder) -> None:
    """Degrees, degree distributions and assortativity sums."""
    k = p.kernel_builder(
        "degree_statistics|count_degrees|degree_histogram|vertex_degrees|assortativity|build_degrees",
        p.pick(
            "Degrees of all vertices.", "Degree distribution.", "Counts the edges at every vertex."
        ),
    )
    if p.chance(0.45):
        e = Entities(k, "edge", index="tid|e|edge_id")
        graph = EdgeList(e, p.pick(32, 48, 64))
        if p.chance(0.6):
            graph.skip_loops()
        weighted = p.chance(0.4)
        t = T.F32 if weighted else T.I32
        value = (
            e.field("weights|edge_weights", T.F32, R.uniform(0.1, 2.0)).own
            if weighted
            else literal(1, T.I32)
        )
        graph.vertex("out_degree|strength_out|degree", t, role="out").add(value, graph.u)
        if p.chance(0.7):
            graph.vertex("in_degree|strength_in", t, role="out").add(value, graph.v)
        if p.chance(0.4):
            label = graph.vertex("labels|group|partition", T.I32, R.integers(0, 4))
            with k.when(label[graph.u] != label[graph.v]):
                Table(e, "cut_size|crossing|edge_cut", t, (1,), role="out").add(value, 0)
        return
    e = Entities(k, "vertex", index="v|tid")
    e.guard()
    g = Graph(e, p.pick("csr", "degree"))
    degree = k.let("deg|degree|d", g.degree_of(e.index))
    e.out("degrees_out|degree|valence", T.I32).store(degree)
    for what in p.sample(["histogram", "extreme", "neighbours", "isolated"], 1, 3):
        if what == "histogram":
            bins = p.pick(8, 12, 16)
            Table(e, "degree_histogram|distribution|counts", T.I32, (bins,), role="out").add(
                1, wp.min(degree, bins - 1)
            )
        elif what == "extreme":
            Table(e, "max_degree|largest|hub_degree", T.I32, (1,), role="out").atomic(
                "max", degree, 0
            )
        elif what == "isolated":
            with k.when(degree == 0):
                Table(e, "num_isolated|isolated|leaves", T.I32, (1,), role="out").add(1, 0)
        else:
            acc = k.var("acc|nbr_total|sum_deg", 0)
            with g.around(e.index) as (u, _):
                k.aug(acc, "+", g.degree_of(u))
            e.out("mean_neighbor_degree|knn_degree|nbr_degree", T.F32).store(
                cast(T.F32, acc) / cast(T.F32, wp.max(degree, 1))
            )
