"""Ranks and random walks, for the graph category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._graph import Graph
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def rank(p: ProgramBuilder) -> None:
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

    def damped(b: Block, start: Expr, d: Expr, total: Expr) -> Expr:
        return start + d * total

    args = {"base|teleport": base, "d|damping": damping, "acc|incoming": acc}
    value = k.let(
        "value|new_rank|r",
        piece(p, k, "damped_rank|rank_update|combine_rank", args, damped, probability=0.75),
    )
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


def walk(p: ProgramBuilder) -> None:
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
