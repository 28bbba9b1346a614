"""Triangles, colourings and cores, for the graph category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._graph import EdgeList, Graph
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose, negate
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
        e.out("open_wedges|wedge_counts|pairs_out", T.I32).store(pairs)
    else:
        e.out("triangles|triangle_counts|closed_out", T.I32).store(
            total if ordered or p.chance(0.5) else total // 2
        )
        e.out("scanned|neighbors_seen|degrees_out", T.I32).store(degree)
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
        with k.when(negate(is_top)):
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
    with (
        g.around(e.index) as (u, _),
        k.when(all_of(alive[u] != 0, u != e.index) if p.chance(0.5) else alive[u] != 0),
    ):
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
