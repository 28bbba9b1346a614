"""Worklists in shared stacks and tree queries by whole blocks: intents of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tco_blocks import Team, total
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

STACK = T.Opaque("tile_stack")


class Stack:
    """A block's stack and the calls on it."""

    def __init__(self, team: Team, dtype: T.Type, capacity: int, hint: str) -> None:
        self.k, self.p, self.dtype = team.k, team.p, dtype
        size = team.t.dim("capacity|max_pending|stack_size|queue_size", capacity)
        keywords = {"capacity": size.expr, "dtype": dtype}
        if team.p.chance(0.25):
            self.name = self.k.let(hint, tile("tile_stack", STACK, size.expr, dtype))
        else:
            self.name = self.k.let(hint, tile("tile_stack", STACK, **keywords))
        self.k.options["enable_backward"] = False

    def push(self, value: Expr, has: Expr) -> Expr:
        return tile("tile_stack_push", T.I32, self.name, value, has)

    def pop(self, value: str, slot: str) -> list[Any]:
        """Locals for the popped value and its slot."""
        return list(
            self.k.unpack(
                [value, slot], tile("tile_stack_pop", T.TupleType((self.dtype, T.I32)), self.name)
            )
        )

    @property
    def count(self) -> Expr:
        return tile("tile_stack_count", T.I32, self.name)

    def clear(self) -> None:
        self.k.do(tile("tile_stack_clear", T.VOID, self.name))


def worklists(p: ProgramBuilder) -> None:
    """Shared stacks as worklists: tree descents, floods, subdivision, broad phase then narrow phase."""
    p.real = T.F32
    kind = p.weighted({"tree": 3, "flood": 2.5, "narrow": 3, "subdivide": 2, "batches": 7})
    names = {
        "tree": "descend_tree|traverse_hierarchy|collect_leaves|tree_walk",
        "flood": "flood_region|grow_component|expand_frontier|reach_nodes",
        "narrow": "two_phase_contacts|filter_then_test|narrow_phase_block|test_candidates",
        "subdivide": "refine_intervals|adaptive_subdivision|bisect_roots|adaptive_quadrature",
        "batches": "drain_in_batches|process_rare_items|deferred_work|expensive_subset",
    }[kind]
    team = Team(
        p,
        names,
        (
            "A shared stack holds the pending work.",
            "All lanes push and pop together.",
            "The block's worklist lives in shared memory.",
            "Pops until the stack is empty.",
        ),
        index="b|query|block|problem",
        count=p.pick(2, 3, 4),
    )
    {
        "tree": _tree,
        "flood": _flood,
        "narrow": _narrow,
        "subdivide": _subdivide,
        "batches": _batches,
    }[kind](p, team)


def _seed(p: ProgramBuilder, team: Team, stack: Stack, value: Expr) -> None:
    k = team.k
    if p.chance(0.6):
        k.do(stack.push(value, team.lane == 0))
    else:
        first = k.let("is_first|leader|seeder", team.lane == 0)
        k.do(stack.push(value, first))


def _tree(p: ProgramBuilder, team: Team) -> None:
    k = team.k
    levels = p.pick(4, 5)
    nodes = 2**levels - 1
    centers = k.array("node_centers|bounds_mid|node_pos", T.VEC3, (nodes,), R.uniform(-0.7, 0.7))
    radii = k.array("node_radii|node_size|extents", T.F32, (nodes,), R.uniform(1.0, 1.8))
    q = k.let(
        "q|probe|target",
        k.array("queries|probes|targets", T.VEC3, (team.count,), R.uniform(-0.7, 0.7))[team.i],
    )
    form = p.pick("count", "mass", "list")
    weights = (
        k.array("node_mass|weights|charges", T.F32, (nodes,), R.uniform(0.2, 1.0))
        if form == "mass"
        else None
    )
    reach = k.param("radius|reach|opening", 0.3, 0.9)
    first_leaf = p.const("FIRST_LEAF|NUM_INNER", 2 ** (levels - 1) - 1)
    live = (
        k.array("node_live|layer_mask|occupied", T.I32, (nodes,), R.mask(0.85))
        if form != "mass" and p.chance(0.4)
        else None
    )
    visits = k.var("visits|opened|steps", 0, T.I32) if p.chance(0.4) else None
    stack = Stack(team, T.I32, p.pick(32, 64, 128), "pending|stack|todo|frontier")
    _seed(p, team, stack, N.literal(0, T.I32))
    acc = (
        k.var("acc|field|local", 0.0, T.F32)
        if form == "mass"
        else k.var("hits|leaves|found", 0, T.I32)
    )
    touched = k.out("leaf_hits|visited|touched", T.I32, (nodes,)) if form == "list" else None
    with k.repeat(stack.count > 0):
        node, slot = stack.pop("node|n|cell", "slot|place|s")
        left, right = (
            k.var("left|child|child_a", -1, T.I32),
            k.var("right|other|child_b", -1, T.I32),
        )
        with k.when(slot >= 0):
            if visits is not None:
                k.aug(visits, "+", 1)
            d = k.let("d|dist|gap", wp.length(centers[node] - q))
            if form == "mass":
                assert weights is not None
                with k.when(all_of(d * reach > radii[node], d > 1.0e-3)):
                    k.aug(acc, "+", weights[node] / d)
                with k.elsewhen(node >= first_leaf):
                    k.aug(acc, "+", weights[node] / wp.max(d, 0.1))
                with k.otherwise():
                    k.set(left, 2 * node + 1)
                    k.set(right, 2 * node + 2)
            else:
                with k.when(d <= radii[node] + reach):
                    with k.when(node >= first_leaf):
                        k.aug(acc, "+", 1 if live is None else live[node])
                        if touched is not None:
                            k.do(wp.atomic_add(touched, node, 1))
                    with k.otherwise():
                        k.set(left, 2 * node + 1)
                        k.set(right, 2 * node + 2)
        k.do(stack.push(left, left >= 0))
        k.do(stack.push(right, right >= 0))
    if visits is not None:
        team.put(
            "visit_counts|nodes_opened|work",
            k.let("opened_all|work_all", total(team.t, team.lanes(visits))),
            T.I32,
        )
    whole = k.let("whole|block_total|sum_all", total(team.t, team.lanes(acc)))
    team.put(
        "potentials|field_out|sums" if form == "mass" else "leaf_counts|num_leaves|counts",
        whole,
        acc.type,
    )


def _flood(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    n = t.dim("num_nodes|region_size|n", p.pick(24, 32, 48))
    total_nodes = team.count * n.value
    degree = p.pick(3, 4)
    nbr = k.array("neighbors|adjacency|links", T.I32, (n.value, degree), R.padded(0, n.value, 0.25))
    blocked = k.array("blocked|walls|closed", T.I32, (team.count, n.value), R.mask(0.2))
    level = k.out("labels|reached|depth_out", T.I32, (total_nodes,))
    stack = Stack(team, T.I32, p.pick(64, 128, 256), "frontier|queue|wave|pending")
    start = k.let(
        "start|source|seed_node",
        k.array("sources|seeds|roots", T.I32, (team.count,), R.integers(0, n.value))[team.i],
    )
    origin = k.let("origin|row0|base_at", team.i * n.expr)
    _seed(p, team, stack, start)
    with team.leader():
        k.set(level[origin + start], 1)
    reached = k.var("reached_n|visits|size_local", 0, T.I32)
    with k.repeat(stack.count > 0):
        node, slot = stack.pop("node|u|cur", "slot|place|s")
        with k.when(slot >= 0):
            k.aug(reached, "+", 1)
        with k.loop("e|link|side", degree if p.chance(0.5) else nbr.dim(1)) as e:
            nxt = k.var("nxt|v|other", -1, T.I32)
            fresh = k.var("fresh|is_new|claim", False, T.BOOL)
            with k.when(slot >= 0):
                k.set(nxt, nbr[node, e])
                with k.when(all_of(nxt >= 0, blocked[team.i, wp.max(nxt, 0)] == 0)):
                    k.set(
                        fresh,
                        wp.atomic_exch(level, origin + nxt, 1) == 0
                        if p.chance(0.5)
                        else wp.atomic_max(level, origin + nxt, 1) == 0,
                    )
            k.do(stack.push(nxt, fresh))
    team.put(
        "region_sizes|component_size|reached_count",
        k.let("size|all_visits|grand", total(t, team.lanes(reached))),
        T.I32,
    )


def _narrow(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    n = p.pick(40, 60, 90)
    pos = k.array("positions|centers|points", T.VEC3, (team.count, n), R.uniform(-1.0, 1.0))
    radius = k.array("radii|sizes|extent", T.F32, (team.count, n), R.uniform(0.05, 0.4))
    q = k.let(
        "q|probe|tool",
        k.array("probes|tool_pos|queries", T.VEC3, (team.count,), R.uniform(-0.5, 0.5))[team.i],
    )
    box = k.param("half_box|broad_reach|margin", 0.5, 1.0)
    record = p.chance(0.4)
    rec = (
        p.struct("Pair|Candidate|Hit", {"index|other|id": T.I32, "gap|dist|depth": T.F32})
        if record
        else None
    )
    stack = Stack(team, rec or T.I32, p.pick(64, 128), "candidates|pairs|maybe|pending")
    axis = p.pick("x", "z", "linf")
    if rec is not None:
        id_f, gap_f = rec.fields[0][0], rec.fields[1][0]
    with team.passes(pos.dim(1)) as (j, inside):
        near = k.var("near|hit|take", False, T.BOOL)
        c = k.let("c|cand|entry", construct(rec)) if rec is not None else None
        with k.when(inside):
            d = k.let("d|delta|r", pos[team.i, j] - q)
            if axis == "linf":
                k.set(near, wp.max(wp.abs(d)) < box)
            else:
                k.set(near, wp.abs(d.field(axis)) < box)
            if c is not None:
                k.set(c.field(id_f), j)
                k.set(c.field(gap_f), wp.length(d) - radius[team.i, j])
        k.do(stack.push(c if c is not None else j, near))
    if p.chance(0.6):
        team.put("candidate_counts|broad_count|num_tested", stack.count, T.I32)
    k.step(p.pick("exact tests on the survivors", "narrow phase", ""))
    deep = k.var("deepest|worst|penetration", 0.0, T.F32)
    force = k.var("force|push|reaction", construct(T.VEC3)) if p.chance(0.5) else None
    ke = k.param("stiffness|ke|contact_ke", 10.0, 100.0) if force is not None else None
    with k.repeat(stack.count > 0):
        item, slot = stack.pop("item|cand_j|entry_j", "slot|place|s")
        with k.when(slot >= 0):
            other = item.field(id_f) if rec is not None else item
            gap = k.let(
                "gap|signed|sep",
                item.field(gap_f)
                if rec is not None
                else wp.length(pos[team.i, item] - q) - radius[team.i, item],
            )
            with k.when(gap < 0.0):
                k.set(deep, wp.max(deep, -gap))
                if force is not None and ke is not None:
                    k.aug(force, "-", wp.normalize(pos[team.i, other] - q) * (-gap * ke))
    team.put(
        "max_depth|penetrations|deepest_out",
        k.let("worst_all|depth_all", t.total("tile_max", team.lanes(deep))[0]),
        T.F32,
    )
    if force is not None:
        f = k.let("sum_f|force_all|net", t.total("tile_sum", team.lanes(force, whole=True)))
        t.store(k.out("forces|reactions|contact_force", T.VEC3, (team.count,)), f, [team.i])


def _subdivide(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    kind = p.pick("quadrature", "roots")
    freq, decay = p.pick(2.0, 3.0, 5.0), p.pick(0.2, 0.5)

    def curve(b: Any, x: Expr) -> None:
        b.ret(
            wp.sin(freq * x) * wp.exp(-decay * x) if p.chance(0.5) else wp.cos(freq * x) - decay * x
        )

    f = p.func("f|integrand|curve|response", {"x|t": T.F32}, curve)
    stack = Stack(
        team,
        T.VEC3 if kind == "quadrature" and p.chance(0.5) else T.VEC2,
        p.pick(64, 128),
        "intervals|segments|pending|todo",
    )
    deep = stack.dtype == T.VEC3
    lo = k.let(
        "lo|a|begin",
        k.array("starts|lower|left_ends", T.F32, (team.count,), R.uniform(0.0, 0.5))[team.i],
    )
    hi = k.let(
        "hi|b_end|stop",
        k.array("stops|upper|right_ends", T.F32, (team.count,), R.uniform(1.0, 3.0))[team.i],
    )
    n = p.pick(4, 8)
    with team.passes(n) as (j, ok):
        width = k.let("width|h|piece", (hi - lo) / float(n))
        left = k.let("left|x0|u0", lo + width * construct(T.F32, j))
        start = (
            construct(T.VEC3, left, left + width, width)
            if deep
            else construct(T.VEC2, left, left + width)
        )
        k.do(stack.push(k.let("seg|first|item", start), ok))
    acc = k.var("acc|area|partial", 0.0, T.F32)
    num = k.var("num|evals|leaves", 0, T.I32) if p.chance(0.7) else None
    tol = k.param("tol|min_width|resolution", 0.05, 0.2)
    with k.repeat(stack.count > 0):
        seg, slot = stack.pop("iv|span|seg_p", "slot|place|s")
        mid = k.let("mid|xm|centre", 0.5 * (seg.x + seg.y))
        split = k.var("split|refine|again", False, T.BOOL)
        with k.when(slot >= 0):
            fa, fb = k.let("fa|f0|left_v", f(seg.x)), k.let("fb|f1|right_v", f(seg.y))
            if kind == "quadrature":
                rough = k.let("rough|coarse|trap", 0.5 * (fa + fb))
                fine = k.let("fine|simpson|better", (fa + 4.0 * f(mid) + fb) / 6.0)
                with k.when(all_of(wp.abs(fine - rough) > 0.05, seg.y - seg.x > tol)):
                    k.set(split, True)
                with k.otherwise():
                    k.aug(acc, "+", fine * (seg.y - seg.x))
                    if num is not None:
                        k.aug(num, "+", 1)
            else:
                with k.when(fa * fb < 0.0):
                    with k.when(seg.y - seg.x > tol * 0.1):
                        k.set(split, True)
                    with k.otherwise():
                        k.aug(acc, "+", mid)
                        if num is not None:
                            k.aug(num, "+", 1)
        one = construct(T.VEC3, seg.x, mid, mid - seg.x) if deep else construct(T.VEC2, seg.x, mid)
        two = construct(T.VEC3, mid, seg.y, seg.y - mid) if deep else construct(T.VEC2, mid, seg.y)
        k.do(stack.push(one, split))
        k.do(stack.push(two, split))
    team.put(
        "integrals|areas|root_sums", k.let("sum_v|area_all|grand", total(t, team.lanes(acc))), T.F32
    )
    if num is not None:
        team.put(
            "leaf_counts|num_roots|pieces",
            k.let("count_v|pieces_all", total(t, team.lanes(num))),
            T.I32,
        )


def _batches(p: ProgramBuilder, team: Team) -> None:
    k = team.k
    rows, n = p.pick(2, 3), p.pick(32, 48, 64)
    x = k.array("values|states|samples", T.F32, (team.count, rows, n), R.uniform(0.0, 1.0))
    cut = k.param("threshold|trigger|cutoff", 0.5, 0.8)
    stack = Stack(team, T.I32, p.pick(64, 128), "rare|deferred|active_items|queue")
    iterations = p.pick(4, 6, 8)

    def work(b: Any, v: Expr) -> None:
        y = b.var("y|root|z", v)
        with b.loop("it|newton", iterations):
            b.set(
                y,
                y - (y * y * y + y - v) / (3.0 * y * y + 1.0)
                if p.chance(0.5)
                else 0.5 * (y + v / wp.max(y, 0.05)),
            )
        b.ret(y)

    f = p.func("refine|solve_item|expensive|iterate_value", {"v|x": T.F32}, work)
    out = k.out("results|refined_out|solved", T.F32, (team.count, rows, n))
    counts = (
        k.out("batch_sizes|pending_counts|num_rare", T.I32, (team.count, rows))
        if p.chance(0.7)
        else None
    )
    with k.loop("row|layer|batch_id", rows if p.chance(0.5) else x.dim(1)) as row:
        stack.clear()
        with team.passes(x.dim(2)) as (j, inside):
            rare = k.var("is_rare|take|needs_work", False, T.BOOL)
            with k.when(inside):
                k.set(rare, x[team.i, row, j] > cut)
            k.do(stack.push(j, rare))
        if counts is not None:
            with team.leader():
                k.set(counts[team.i, row], stack.count)
        with k.repeat(stack.count > 0):
            item, slot = stack.pop("item|who|idx", "slot|place|s")
            with k.when(slot >= 0):
                k.set(out[team.i, row, item], f(x[team.i, row, item]))
