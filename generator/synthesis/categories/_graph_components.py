"""Components, spanning trees and path counts, for the graph category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._graph import EdgeList, Graph
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def components(p: ProgramBuilder) -> None:
    """Connected components: label propagation, hooking, pointer jumping, flattening."""
    p.pick(_min_label, _min_label, _hook, _jump, _jump)(p)


def _min_label(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "propagate_labels|min_label_step|component_labels|spread_min_label",
        p.pick(
            "Every vertex takes the smallest label around it.",
            "Label propagation for connected components.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "vertex", index="v|tid")
    e.guard()
    labels, out = (
        e.field("labels|component|label_in", T.I32, R.permutation()),
        e.out("labels_out|component_out", T.I32),
    )
    own = labels.read("own|label|mine")
    best = k.var("best|lowest|new_label", own)
    g = Graph(e)
    same = e.field("kind|color|region", T.I32, R.integers(0, 3)) if p.chance(0.3) else None
    with g.around(e.index) as (u, _):
        if same is not None:
            with k.when(same[u] != same.own):
                k.cont()
        if p.chance(0.5):
            k.set(best, wp.min(best, labels[u]))
        else:
            with k.when(labels[u] < best):
                k.set(best, labels[u])
    if p.chance(0.4):
        k.set(best, wp.min(best, labels[best]))
    out.store(best)
    _changed(p, k, e, best != own)


def _changed(p: ProgramBuilder, k: KernelBuilder, e: Entities, test: Expr) -> None:
    form = p.pick("count", "flag", "none", "none")
    if form == "none":
        return
    with k.when(test):
        table = Table(e, "changed|num_changed|converged_flag", T.I32, (1,), role="out")
        table.add(1, 0) if form == "count" else table.atomic("max", 1, 0)


def _root(p: ProgramBuilder, k: KernelBuilder, parent: Table):  # type: ignore[no-untyped-def]
    """A `@wp.func` that follows parents to the root."""
    bounded = p.chance(0.4)

    def body(b: Block, up: Expr, *rest: Expr) -> None:
        *world, v = rest
        node = b.var("node|x|cur", v)
        steps = b.var("steps|hops", 0) if bounded else None
        test = up[(*world, node)] != node
        with b.repeat(test if steps is None else all_of(test, steps < 64)):
            b.set(node, up[(*world, node)])
            if steps is not None:
                b.aug(steps, "+", 1)
        b.ret(node)

    params: dict[str, T.Type] = {"parent|links|up": parent.array.type}
    if parent.world is not None:
        params["world|env"] = T.I32
    f = p.func(
        "find_root|find_set|representative|find",
        params | {"v|start|x": T.I32},
        body,
        p.pick("", "Root of a vertex's tree."),
    )
    lead = [] if parent.world is None else [parent.world]
    return lambda v: f(parent.array, *lead, v)


def _hook(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "hook_components|union_edges|hook_roots|link_components",
        p.pick(
            "Hook the larger root of every edge under the smaller.",
            "Union step over the edges.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "edge", index="tid|e|edge_id")
    graph = EdgeList(e, p.pick(32, 48, 64))
    single = e.worlds is None
    parent = graph.vertex(
        "parent|links|component", T.I32, R.arange(0, 1) if single else R.permutation()
    )
    out = graph.vertex("parent_out|new_parent|hooked", T.I32, R.constant(1 << 20), "inout")
    find = _root(p, k, parent) if single and p.chance(0.7) else (lambda v: parent[v])
    a, b = k.let("ru|root_u|ra", find(graph.u)), k.let("rv|root_v|rb", find(graph.v))
    if p.chance(0.3):
        allowed = e.field("edge_active|open|is_contact", T.I32, R.mask(0.7)).own
        with k.when(any_of(a == b, allowed == 0)):
            k.ret()
    else:
        with k.when(a == b):
            k.ret()
    if p.chance(0.5):
        low, high = k.let("lo|small|keep", wp.min(a, b)), k.let("hi|large|moved", wp.max(a, b))
        out.atomic("min", low, high)
    else:
        with k.when(a < b):
            out.atomic("min", a, b)
        with k.otherwise():
            out.atomic("min", b, a)
    if p.chance(0.5):
        Table(e, "num_hooks|merged|changed", T.I32, (1,), role="out").add(1, 0)


def _jump(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "pointer_jump|compress_paths|flatten_forest|shortcut_parents|assign_components",
        p.pick(
            "Pointer jumping: halve the depth of every tree.",
            "Flatten parent chains to their roots.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "vertex", index="v|tid")
    up = e.field("parent|links|ancestor", T.I32, R.parents())
    out = e.out("parent_out|root|component", T.I32)
    node = k.var("node|cur|r", e.index)
    depth = k.var("depth|hops|level", 0)
    weights = (
        e.field("edge_length|weight_to_parent|cost", T.F32, R.uniform(0.1, 1.0))
        if p.chance(0.4)
        else None
    )
    total = k.var("path_cost|total|length_sum", 0.0) if weights is not None else None
    limit = k.count("max_jumps|max_depth|rounds", p.pick(2, 4, 64))
    with k.repeat(
        all_of(up[node] >= 0, depth < limit)
        if p.chance(0.7)
        else all_of(depth < limit, up[node] != -1)
    ):
        if total is not None and weights is not None:
            k.aug(total, "+", weights[node])
        k.set(node, up[node])
        k.aug(depth, "+", 1)
    out.store(node)
    if p.chance(0.6):
        e.out("depths|levels|hops_out", T.I32).store(depth)
    if total is not None:
        e.out("path_lengths|costs_to_root", T.F32).store(total)
    if p.chance(0.4):
        sizes = e.out("component_size|tree_sizes", T.I32)
        sizes.add(1, node)


def spanning_tree(p: ProgramBuilder) -> None:
    """Boruvka's cheapest outgoing edges, per vertex or per component, with packed keys."""
    k = p.kernel_builder(
        "cheapest_edge|boruvka_min_edge|lightest_outgoing|component_min_edge|mst_select",
        p.pick(
            "Lightest edge that leaves each component.",
            "Boruvka: cheapest outgoing edge.",
            "Packed (weight, edge) minimum per component.",
        ),
    )
    k.options["enable_backward"] = False
    if p.chance(0.5):
        e = Entities(k, "edge", index="tid|e|edge_id")
        graph = EdgeList(e, p.pick(32, 48))
        component = graph.vertex("component|labels|comp", T.I32, R.integers(0, 12))
        cu, cv = (
            k.let("cu|comp_u|ca", component[graph.u]),
            k.let("cv|comp_v|cb", component[graph.v]),
        )
        with k.when(cu == cv):
            k.ret()
        weight = e.field("weights|quantized_weight|lengths", T.I32, R.integers(1, 1000)).own
        key = k.let("key|packed|code", (cast(T.U64, weight) << 32) | cast(T.U64, e.index))
        best = graph.vertex("best_key|min_edge|cheapest", T.U64, R.constant(1 << 52), "inout")
        best.atomic("min", key, cu)
        if p.chance(0.6):
            best.atomic("min", key, cv)
        if p.chance(0.4):
            graph.vertex("outgoing|boundary_degree|cut_size", T.I32, role="out").add(1, cu)
        return
    e = Entities(k, "vertex", index="v|tid")
    component = e.field("component|labels|comp", T.I32, R.integers(0, 12))
    g = Graph(e)
    t = p.pick(T.F32, T.F32, T.I32)
    g.weights(t, 1, 100)
    if p.chance(0.4):
        frozen = Table(e, "finished|component_done|frozen", T.I32, (12,), R.mask(0.3))
        with k.when(frozen[component.own] != 0):
            k.ret()
    best = k.var("best|lightest|min_w", literal(1.0e9 if t.is_float else 1000000000, t))
    slot_of, target = k.var("best_slot|edge_at|arg", -1), k.var("best_to|other_end|head", -1)
    with g.around(e.index) as (u, slot):
        with k.when(component[u] == component.own):
            k.cont()
        w = k.let("w|weight|cost", g.weight(e.index, slot))
        with k.when(any_of(w < best, all_of(w == best, u < target)) if p.chance(0.5) else w < best):
            k.set(best, w)
            k.set(slot_of, slot)
            k.set(target, u)
    e.out("edge_slots|chosen_edge|min_slot", T.I32).store(slot_of)
    with k.when(target >= 0):
        e.out("target_component|hook_to|merge_with", T.I32).store(component[target])
        if p.chance(0.5):
            lightest = e.inout("component_min|comp_best|min_weight", t, R.constant(1000000))
            k.do(wp.atomic_min(lightest.array, *lightest._index(component.own), best))


def centrality(p: ProgramBuilder) -> None:
    """Path counting for betweenness, forward and backward, and closeness sums."""
    k = p.kernel_builder(
        "accumulate_dependency|count_paths|betweenness_backward|betweenness_forward|sigma_step|closeness",
        p.pick(
            "Dependency accumulation of Brandes' algorithm, one level.",
            "Number of shortest paths, one level at a time.",
            "",
        ),
    )
    e = Entities(k, "vertex", index="v|tid")
    depth = e.field("depth|levels|distance", T.I32, R.integers(0, 5))
    level = k.count("level|current_depth|d_now", p.pick(1, 2, 3))
    with k.when(depth.own != level):
        k.ret()
    g = Graph(e)
    sigma = e.field("sigma|num_paths|path_count", T.F32, R.integers(1, 9))
    if p.chance(0.5):
        acc = k.var("paths|acc|total", 0.0)
        with (
            g.around(e.index) as (u, _),
            k.when(depth[u] == level - 1 if p.chance(0.5) else depth[u] + 1 == level),
        ):
            k.aug(acc, "+", sigma[u])
        e.out("sigma_out|paths_out|num_paths_out", T.F32).store(acc)
        return
    delta = e.field("delta|dependency|dep_in", T.F32, R.uniform(0.0, 2.0))
    acc = k.var("dep|acc|total", 0.0)
    with g.around(e.index) as (u, _), k.when(depth[u] == level + 1):
        k.aug(acc, "+", sigma.own / sigma[u] * (1.0 + delta[u]))
    e.out("delta_out|dependency_out", T.F32).store(acc)
    if p.chance(0.6):
        source = k.count("source|root", p.pick(0, 3))
        with k.when(e.index != source):
            scores = e.inout("centrality|betweenness|scores", T.F32, R.uniform(0.0, 1.0))
            scores.store(scores.own + acc)


def dag_levels(p: ProgramBuilder) -> None:
    """Topological order and critical paths: in-degrees that fall to zero, earliest times."""
    k = p.kernel_builder(
        "topological_step|release_ready|earliest_times|critical_path_step|peel_sources",
        p.pick(
            "Removes the current sources of an acyclic graph.",
            "Longest path into every task, one level.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "task", index="v|tid")
    degree = e.field("in_degree|pending|num_deps", T.I32, R.integers(0, 3))
    with k.when(degree.own != 0):
        k.ret()
    g = Graph(e)
    finish = k.let(
        "finish|done_at|end_time",
        e.field("start_times|earliest|ready_at", T.F32, R.uniform(0.0, 5.0)).own
        + e.property("duration|cost", 0.2, 3.0),
    )
    remaining, earliest = (
        e.out("released|removed_edges|deps_done", T.I32),
        e.out("earliest_out|start_out|ready_out", T.F32),
    )
    with g.around(e.index) as (u, _):
        g.skip_loop(e.index, u, 0.3)
        remaining.add(1, u)
        k.do(wp.atomic_max(earliest.array, *earliest._index(u), finish))
    if p.chance(0.6):
        Table(e, "makespan|total_time|horizon", T.F32, (1,), role="out").atomic("max", finish, 0)
    if p.chance(0.5):
        e.out("order|level_out|wave", T.I32).store(
            k.count("wave_index|level|round", p.pick(1, 2, 3))
        )
