"""Triangles, colourings, cores, communities, matchings and degrees, for the graph category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._graph import EdgeList, Graph
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal


def triangles(p: ProgramBuilder) -> None:
    """Triangle counts and clustering coefficients by list intersection."""
    k = p.kernel_builder(
        "count_triangles|triangle_count|clustering_coefficient|local_clustering|edge_support",
        p.pick(
            "Triangles through every vertex.",
            "Common neighbours along each edge.",
            "Local clustering coefficient.",
        ),
    )
    k.options["enable_backward"] = False
    if p.chance(0.4):
        _edge_support(p, k)
        return
    e = Entities(k, "vertex", index="v|tid", count=p.pick(32, 48, 64))
    e.guard()
    g = Graph(e, p.pick("csr", "padded", "degree"))
    ordered = p.chance(0.5)
    total = k.var("total|closed|num_triangles", 0)
    degree = k.var("deg|wedges|degree", 0)
    with g.around(e.index, "u|a") as (u, _):
        if ordered:
            with k.when(u <= e.index):
                k.cont()
        else:
            g.skip_loop(e.index, u, 1.0)
        k.aug(degree, "+", 1)
        with g.around(u, "w|b") as (w, _):
            with k.when(any_of(w == e.index, w == u) if not ordered else w <= u):
                k.cont()
            _closes(p, k, g, e.index, w, total)
    if p.chance(0.5):
        pairs = k.let("pairs|possible|open_wedges", degree * (degree - 1))
        coefficient = e.out("clustering|coefficients|cc_out", T.F32)
        with k.when(pairs > 0):
            coefficient.store(cast(T.F32, total) / cast(T.F32, pairs))
    else:
        e.out("triangles|triangle_counts|closed_out", T.I32).store(
            total if ordered or p.chance(0.5) else total // 2
        )
    if p.chance(0.4):
        Table(e, "total_triangles|global_count|sum_closed", T.I32, (1,), role="out").add(total, 0)


def _closes(p: ProgramBuilder, k: KernelBuilder, g: Graph, v: Expr, w: Expr, total: Name) -> None:
    with g.around(v, "x|c|third") as (x, _), k.when(x == w):
        k.aug(total, "+", 1)
        k.brk()


def _edge_support(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "edge", index="tid|e|edge_id", count=p.pick(64, 96, 128))
    n = p.pick(24, 32, 48)
    graph = EdgeList(e, n)
    total = n * p.pick(5, 6, 8)
    offsets = Table(
        e, "row_offsets|adj_start|offsets", T.I32, (n + 1,), R.offsets(total), shared=True
    )
    columns = Table(
        e,
        "columns|adjacency|sorted_neighbors",
        T.I32,
        (total,),
        R.ascending(0.0, float(n)),
        shared=True,
    )
    graph.skip_loops()
    f = _has_edge(p, columns.array.type)
    common = k.var("support|common|shared", 0)
    begin, end = k.let("begin|first", offsets[graph.u]), k.let("end|last", offsets[graph.u + 1])
    other_begin, other_end = (
        k.let("begin_v|first_v", offsets[graph.v]),
        k.let("end_v|last_v", offsets[graph.v + 1]),
    )
    with k.loop("s|slot|i", begin, end) as slot:
        w = k.let("w|third|x", columns[slot])
        with k.when(any_of(w == graph.u, w == graph.v) if p.chance(0.5) else w == graph.v):
            k.cont()
        with k.when(f(columns.array, other_begin, other_end, w)):
            k.aug(common, "+", 1)
    e.out("support|triangle_counts|common_out", T.I32).store(common)
    if p.chance(0.5):
        least = k.count("k_truss|min_support|truss_k", p.pick(2, 3, 4))
        e.out("keep_edge|in_truss|alive", T.I32).store(choose(common >= least, 1, 0))
    if p.chance(0.4):
        graph.vertex("vertex_triangles|closed_per_vertex", T.I32, role="out").add(common, graph.u)


def _has_edge(p: ProgramBuilder, array: T.Type) -> UserFunction:
    linear = p.chance(0.35)

    def body(b: Block, columns: Expr, begin: Expr, end: Expr, target: Expr) -> None:
        if linear:
            with b.loop("i|s|slot", begin, end) as i, b.when(columns[i] == target):
                b.ret(literal(True, T.BOOL))
            b.ret(literal(False, T.BOOL))
            return
        lo, hi = b.var("lo|left", begin), b.var("hi|right", end)
        with b.repeat(lo < hi):
            mid = b.let("mid|m", (lo + hi) // 2)
            value = b.let("value|c|found", columns[mid])
            if p.chance(0.5):
                with b.when(value == target):
                    b.ret(literal(True, T.BOOL))
            with b.when(value < target):
                b.set(lo, mid + 1)
            with b.otherwise():
                b.set(hi, mid)
        found = b.let("hit|inside", lo < end)
        with b.when(found):
            b.ret(columns[lo] == target)
        b.ret(found)

    params = {
        "columns|neighbors|adj": array,
        "begin|first": T.I32,
        "end|last": T.I32,
        "target|v|key": T.I32,
    }
    return p.func(
        "has_edge|contains|is_neighbor|row_contains",
        params,
        body,
        p.pick("", "Whether a row holds a column."),
    )


def coloring(p: ProgramBuilder) -> None:
    """Greedy and Jones-Plassmann colouring with bit masks, and conflict detection."""
    form = p.pick("jones", "greedy", "conflicts", "jones")
    k = p.kernel_builder(
        "color_vertices|jones_plassmann|greedy_color|detect_conflicts|assign_colors|color_round",
        p.pick(
            "One round of parallel graph colouring.",
            "Smallest colour unused around a vertex.",
            "Local maxima take the next colour.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "vertex", index="v|tid")
    colors, out = (
        e.field("colors|color_in|coloring", T.I32, R.integers(-1, 5)),
        e.out("colors_out|new_colors", T.I32),
    )
    g = Graph(e)
    if form == "conflicts":
        _conflicts(p, k, e, g, colors, out)
        return
    with k.when(colors.own >= 0):
        out.store(colors.own)
        k.ret()
    priority = (
        e.field("priority|random_key|hash_key", p.pick(T.I32, T.U32, T.F32), R.permutation())
        if form == "jones"
        else None
    )
    wide = p.chance(0.3)
    mask_type = T.U64 if wide else T.U32 if p.chance(0.6) else T.I32
    used = k.var("used|taken|forbidden", literal(0, mask_type))
    is_top = k.var("is_max|wins|selected", literal(True, T.BOOL)) if form == "jones" else None
    with g.around(e.index) as (u, _):
        g.skip_loop(e.index, u, 1.0)
        with k.when(colors[u] >= 0):
            k.set(
                used,
                used
                | (
                    literal(1, mask_type)
                    << (colors[u] if mask_type == T.I32 else cast(mask_type, colors[u]))
                ),
            )
        if is_top is not None and priority is not None:
            tie = any_of(
                priority[u] > priority.own, all_of(priority[u] == priority.own, u > e.index)
            )
            with k.elsewhen(tie) if p.chance(0.5) else k.when(all_of(colors[u] < 0, tie)):
                k.set(is_top, literal(False, T.BOOL))
                if p.chance(0.4):
                    k.brk()
    if is_top is not None:
        with k.when(is_top == literal(False, T.BOOL)):
            out.store(literal(-1, T.I32))
            k.ret()
    color = k.var("color|c|candidate", 0)
    with k.repeat(
        all_of(
            color < 31,
            ((used >> (color if mask_type == T.I32 else cast(mask_type, color))) & 1)
            != literal(0, mask_type),
        )
    ):
        k.aug(color, "+", 1)
    out.store(color)
    if p.chance(0.5):
        Table(e, "num_colored|progress|done_count", T.I32, (1,), role="out").add(1, 0)
    if p.chance(0.4):
        Table(e, "max_color|num_colors", T.I32, (1,), role="out").atomic("max", color + 1, 0)


def _conflicts(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, g: Graph, colors: Field, out: Field
) -> None:
    clash = k.var("clash|conflict|bad", 0)
    with g.around(e.index) as (u, _):
        test = (
            all_of(colors[u] == colors.own, u < e.index)
            if p.chance(0.6)
            else all_of(u != e.index, colors[u] == colors.own)
        )
        with k.when(test):
            k.aug(clash, "+", 1)
            if p.chance(0.5):
                k.brk()
    out.store(choose(clash > 0, -1, colors.own))
    with k.when(clash > 0):
        Table(e, "num_conflicts|conflicts|uncolored", T.I32, (1,), role="out").add(1, 0)
    if p.chance(0.4):
        e.out("conflict_degree|clashes", T.I32).store(clash)


def core(p: ProgramBuilder) -> None:
    """Peeling of k-cores and h-index refinement."""
    k = p.kernel_builder(
        "peel_core|k_core_step|prune_low_degree|core_decomposition|h_index_step",
        p.pick(
            "Remove vertices of degree below k.",
            "One peeling round of the k-core.",
            "Core numbers by repeated h-index.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "vertex", index="v|tid")
    if p.chance(0.35):
        _h_index(p, k, e)
        return
    alive, out = (
        e.field("alive|in_core|active", T.I32, R.mask(0.8)),
        e.out("alive_out|in_core_out", T.I32),
    )
    with k.when(alive.own == 0):
        k.ret()
    g = Graph(e)
    degree = k.var("deg|live_degree|remaining", 0)
    with g.around(e.index) as (u, _):
        with k.when(all_of(alive[u] != 0, u != e.index) if p.chance(0.5) else alive[u] != 0):
            k.aug(degree, "+", 1)
    least = k.count("k_core|min_degree|core_k", p.pick(2, 3, 4))
    keep = k.let("keep|survives|stays", degree >= least)
    out.store(choose(keep, 1, 0) if p.chance(0.5) else wp.where(keep, 1, 0))
    if p.chance(0.6):
        with k.when(keep):
            e.out("core_degree|degree_out", T.I32).store(degree)
        with k.otherwise():
            if p.chance(0.6):
                Table(e, "removed|num_removed|changed", T.I32, (1,), role="out").add(1, 0)
            e.out("core_number|shell|removed_at", T.I32).store(least - 1)


def _h_index(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    estimate, out = (
        e.field("core_in|estimate|h_in", T.I32, R.integers(0, 8)),
        e.out("core_out|estimate_out|h_out", T.I32),
    )
    g = Graph(e)
    h = k.var("h|candidate|level", estimate.own)
    with k.repeat(h > 0):
        support = k.var("support|count|n_above", 0)
        with g.around(e.index) as (u, _), k.when(estimate[u] >= h):
            k.aug(support, "+", 1)
        with k.when(support >= h):
            k.brk()
        k.aug(h, "-", 1)
    out.store(h)
    if p.chance(0.6):
        with k.when(h != estimate.own):
            Table(e, "changed|num_updates", T.I32, (1,), role="out").add(1, 0)


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
