"""Structures that the lanes of a block build in shared memory: an intent of tile_programs."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tile_functions import unary
from generator.synthesis.categories._tiles import Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def histogram(p: ProgramBuilder) -> None:
    """Shared-memory histograms, stacks and scatters by the lanes of a block."""
    p.real = T.F32
    kind = p.weighted({"histogram": 4.5, "stack": 3, "compact": 1.2, "bits": 1.2})
    names = {
        "histogram": "block_histogram|label_counts|weighted_histogram",
        "stack": "collect_hits|compact_active|filter_candidates",
        "compact": "reserve_and_copy|append_tiles|pack_segments",
        "bits": "mark_cells|occupancy_bits|flag_groups",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Built in shared memory, then merged.",
            "Lanes cooperate on one shared structure.",
            "One block per segment of the input.",
        ),
    )
    t = Tiling(p, k)
    {"histogram": _histogram, "stack": _stack, "compact": _compact, "bits": _bits}[kind](p, k, t)


def _rounds(p: ProgramBuilder, k: KernelBuilder, n: Expr) -> Expr:
    width = wp.block_dim()
    value = (n + width - 1) // width
    return k.let("rounds|passes|num_rounds", value)


def _histogram(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    bins = t.dim("num_bins|bins|num_labels", p.pick(8, 16, 32))
    segments, n = p.pick(1, 2, 3), p.pick(50, 64, 100)
    s = t.launch(["s|segment|block|image"], (segments,), lane=True)[0]
    lane = t.lane
    assert lane is not None
    weighted = p.chance(0.45)
    dtype = T.F32 if weighted else T.I32
    hist = k.let("hist|counts_tile|h", t.zeros([bins], dtype, shared=True))
    values = k.array(
        "values|labels|intensity",
        T.I32 if p.chance(0.5) else T.F32,
        (segments, n),
        R.integers(0, bins.value),
        "in",
    )
    if values.type.dtype == T.F32:  # type: ignore[union-attr]
        k.arguments[-1].recipe.update(R.uniform(0.0, 0.999))
    w = (
        k.array("weights|mass|importance", T.F32, (segments, n), R.uniform(0.1, 1.0))
        if weighted
        else None
    )
    count = values.dim(1) if p.chance(0.5) else k.scalar("n|num_values|count", T.I32, n)
    with k.loop("r|pass_|chunk", _rounds(p, k, count)) as r:
        j = k.let("j|item|at", r * wp.block_dim() + lane)
        ok = k.let("ok|valid|in_range", j < count)
        b = k.var("b|bin_id|slot", 0, T.I32)
        amount = (
            k.var("amount|weight_j|m", 0.0 if weighted else 1, dtype)
            if weighted
            else N.literal(1, T.I32)
        )
        with k.when(ok):
            v = values[s, j]
            k.set(b, construct(T.I32, v * construct(T.F32, bins.expr)) if v.type == T.F32 else v)
            if w is not None:
                k.set(amount, w[s, j])
        k.do(tile("tile_scatter_add", T.VOID, hist, b, amount, ok))
    result: Expr = hist
    if p.chance(0.35):
        result = k.let("cumulative|cdf|prefix", tile("tile_scan_inclusive", hist.type, hist))
    if p.chance(0.5):
        t.atomic(k.out("histogram|global_counts|bins_out", dtype, (bins.value,)), result)
    else:
        t.store(
            k.out("histograms|segment_counts|bins_out", dtype, (segments, bins.value))[s], result
        )
    if p.chance(0.35):
        k.set(
            k.out("mode|most_frequent|peak_bin", T.I32, (segments,))[s],
            t.index_of("tile_argmax", hist)[0],
        )


def _stack(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    capacity = t.dim("capacity|max_hits|stack_size", p.pick(32, 64, 128))
    segments, n = p.pick(1, 2, 3), p.pick(40, 60, 90)
    s = t.launch(["s|segment|block|query"], (segments,), lane=True)[0]
    lane = t.lane
    assert lane is not None
    stack = k.let(
        "stack|hits|pending",
        tile("tile_stack", T.Opaque("tile_stack"), capacity=capacity.expr, dtype=T.I32),
    )
    x = k.array("scores|distances|values", T.F32, (segments, n), R.uniform(0.0, 1.0))
    count = x.dim(1) if p.chance(0.5) else k.scalar("n|num_candidates|count", T.I32, n)
    limit = k.param("threshold|radius|cutoff", 0.2, 0.6)
    rounds = _rounds(p, k, count)
    with k.loop("r|pass_|chunk", rounds) as r:
        j = k.let("j|candidate|at", r * wp.block_dim() + lane)
        hit = k.var("hit|keep|accept", False, T.BOOL)
        with k.when(j < count):
            k.set(hit, x[s, j] < limit if p.chance(0.6) else x[s, j] > limit)
        k.do(tile("tile_stack_push", T.I32, stack, j, hit))
    found = k.let("found|num_hits|total", tile("tile_stack_count", T.I32, stack))
    with k.when(lane == 0):
        k.set(k.out("hit_counts|num_found|counts", T.I32, (segments,))[s], found)
    k.options["enable_backward"] = False
    if p.chance(0.5):
        total = k.var("checksum|id_sum|score_sum", 0.0 if p.chance(0.6) else 0)
        with k.loop("q|pop_round|step", rounds):
            item, slot = k.unpack(
                ["item|entry|id_", "slot|place|at_slot"],
                tile("tile_stack_pop", T.TupleType((T.I32, T.I32)), stack),
            )
            with k.when(slot >= 0):
                k.aug(total, "+", x[s, item] if total.type == T.F32 else item)
        one = k.let(
            "pooled|all_lanes|block_total",
            t.total("tile_sum", tile("tile", T.Tile(total.type, (64,)), total)),
        )
        with k.when(lane == 0):
            k.set(k.out("sums|accepted_total|checksums", total.type, (segments,))[s], one[0])
    elif p.chance(0.5):
        k.do(tile("tile_stack_clear", T.VOID, stack))


def _compact(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    """A block reserves room with one atomic, tells all lanes, and copies its tile there."""
    n = t.dim("tile_size|chunk|block", p.pick(8, 16))
    blocks = p.pick(4, 6)
    b = t.launch(["b|block|chunk_id"], (blocks,), lane=True)[0]
    lane = t.lane
    assert lane is not None
    keep = k.array("keep|selected|block_mask", T.I32, (blocks,), R.mask(0.6))
    slots = k.array("slots|positions|targets", T.I32, (blocks,), R.permutation())
    slot = k.var("slot|start|where_to", 0, T.I32)
    with k.when(lane == 0):
        k.set(slot, slots[b] * n.expr)
        if p.chance(0.6):
            k.do(
                wp.atomic_add(
                    k.out("num_written|cursor|total_kept", T.I32, (1,)), 0, keep[b] * n.expr
                )
            )
    start = k.let(
        "start_tile|base|shared_slot",
        tile("tile_from_thread", T.Tile(T.I32, (1,)), shape=1, value=slot, thread_idx=0),
    )
    x = k.var(
        "x|v|chunk_tile",
        t.load(
            k.array("values|data|src", T.F32, (blocks * n.value,), R.uniform(-1.0, 1.0)),
            [n],
            [b * n.expr],
        ),
    )
    if p.chance(0.4):
        k.set(x, t.map(unary(p), x))
    with k.when(keep[b] != 0) if p.chance(0.7) else k.when(keep[b] == 1):
        t.store(k.out("packed|dst|out", T.F32, (blocks * n.value,)), x, [start[0]])
    k.options["enable_backward"] = False


def _bits(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    """Bit flags of groups, combined by the lanes in shared memory."""
    groups = t.dim("num_groups|cells|num_sets", p.pick(8, 16))
    segments, n = p.pick(1, 2), p.pick(30, 48)
    s = t.launch(["s|segment|block"], (segments,), lane=True)[0]
    lane = t.lane
    assert lane is not None
    op = p.pick("bit_or", "bit_xor")
    flags = k.let(
        "bits|flags|masks",
        t.zeros([groups], T.I32, shared=True),
    )
    owner = k.array("group_ids|cell_ids|owners", T.I32, (segments, n), R.integers(0, groups.value))
    bit = k.array("codes|bit_index|kinds", T.I32, (segments, n), R.integers(0, 8))
    with k.loop("r|pass_|chunk", _rounds(p, k, owner.dim(1))) as r:
        j = k.let("j|item|at", r * wp.block_dim() + lane)
        group = k.var("group|cell|target", 0, T.I32)
        mark = k.var("mark|bit_mask|code", 0, T.I32)
        with k.when(j < owner.dim(1)):
            k.set(group, owner[s, j])
            k.set(mark, N.literal(1, T.I32) << bit[s, j])
        if p.chance(0.5):
            k.aug(flags[group], {"bit_or": "|", "bit_xor": "^"}[op], mark)
        else:
            k.do(tile(f"tile_{op}_inplace", T.VOID, flags, group, mark))
    k.options["enable_backward"] = False
    t.store(k.out("group_flags|occupancy|set_bits", T.I32, (segments, groups.value))[s], flags)
