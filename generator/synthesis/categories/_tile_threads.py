"""Tiles made of per-thread values, gathers, histograms, stacks and queries: intents of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Tiling, combine, unary
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def strided(p: ProgramBuilder) -> None:
    """Each thread of the block walks over the items with the block's stride; then one block reduction."""
    k = p.kernel_builder(
        "block_reduce|reduce_per_env|env_energy|world_norms|block_sum|accumulate_cost|line_search_cost",
        p.pick("Strided loop over the items, then a block-wide reduction.", "One block per world; threads share its items.", "Per-environment reduction."),
    )
    t = Tiling(p, k)
    worlds, n = p.pick(3, 4, 6), p.pick(20, 33, 48, 64)
    world = t.launch(["world|env|worldid|w|problem"], (worlds,), lane=True)[0]
    lane = t.lane
    assert lane is not None
    if p.chance(0.3):
        done = k.array("done|converged|finished", T.I32, (worlds,), R.mask(0.3))
        with k.when(done[world] != 0 if p.chance(0.5) else done[world] == 1):
            k.ret()
    x = k.array("values|x|residuals|forces", p.real, (worlds, n), R.uniform(-1.0, 1.0))
    count: Operand
    match p.pick("shape", "arg", "per_world"):
        case "shape":
            count = x.dim(1)
        case "arg":
            count = k.scalar("num_items|n|count", T.I32, n)
        case _:
            count = k.array("counts|num_rows|lengths", T.I32, (worlds,), R.integers(1, n + 1))[world]
    stride: Expr = wp.block_dim() if p.chance(0.6) else k.let("stride|num_threads|bdim", wp.block_dim())
    kinds = p.sample(["cost", "norm", "peak", "hits", "low"], 1, 3)
    acc = {kind: k.var({"cost": "cost|local_cost|partial", "norm": "sq|norm_sq|local_sq", "peak": "peak|local_max|hi", "hits": "hits|local_count|inside", "low": "low|local_min|lo"}[kind], {"peak": -1.0e6, "low": 1.0e6}.get(kind, 0.0) if kind != "hits" else 0, p.real if kind != "hits" else T.I32) for kind in kinds}  # fmt: skip
    with k.loop("j|item|e", lane, count, stride) as j:
        v = k.let("v|r|value", _item_value(p, k, x[world, j], world, j, (worlds, n)))
        if p.chance(0.3):
            mask = k.array("mask|valid|active_items", T.I32, (worlds, n), R.mask(0.8))
            with k.when(mask[world, j] == 0):
                k.cont()
        for kind, a in acc.items():
            _accumulate(p, k, kind, a, v)
    k.step(p.pick("combine the lanes", "block reduction", ""))
    results = {kind: _block_result(p, k, t, kind, a) for kind, a in acc.items()}
    _write(p, k, lane, world, worlds, results)


def _item_value(p: ProgramBuilder, k: KernelBuilder, x: Expr, world: Expr, j: Expr, shape: tuple[int, int]) -> Expr:
    match p.pick("plain", "weighted", "difference", "piece", "quadratic"):
        case "weighted":
            return x * _weight(p, k, world, j, shape)
        case "difference":
            return x - k.array("targets|reference|y", p.real, shape, R.uniform(-1.0, 1.0))[world, j]
        case "piece":
            limit = k.param("delta|threshold|limit", 0.2, 0.8)
            form = p.pick("huber", "hinge", "dead_zone")

            def body(b: Any, v: Expr, d: Expr) -> Expr:
                a = b.let("a|mag", wp.abs(v))
                if form == "huber":
                    return wp.where(a <= d, 0.5 * v * v, d * (a - 0.5 * d))
                return wp.max(a - d, 0.0) if form == "dead_zone" else wp.max(d - v, 0.0)

            return piece(p, k, f"{form}_cost|{form}_penalty|{form}", {"v|r|x": x, "d|limit": limit}, body, probability=0.7)
        case "quadratic":
            s = k.param("stiffness|weight|gain", 0.5, 4.0)
            return 0.5 * s * x * x
    return x


def _weight(p: ProgramBuilder, k: KernelBuilder, world: Expr, j: Expr, shape: tuple[int, int]) -> Expr:
    if p.chance(0.5):
        return k.array("weights|w|scales", p.real, shape, R.uniform(0.2, 1.5))[world, j]
    return k.array("weights|w|scales", p.real, (shape[1],), R.uniform(0.2, 1.5))[j]


def _accumulate(p: ProgramBuilder, k: KernelBuilder, kind: str, a: Expr, v: Expr) -> None:
    match kind:
        case "cost":
            k.aug(a, "+", v)
        case "norm":
            k.aug(a, "+", v * v)
        case "peak":
            k.set(a, wp.max(a, wp.abs(v) if p.chance(0.5) else v))
        case "low":
            k.set(a, wp.min(a, v))
        case _:
            with k.when(v > k.param("threshold|cutoff|tol", 0.1, 0.6)):
                k.aug(a, "+", 1)


def _block_result(p: ProgramBuilder, k: KernelBuilder, t: Tiling, kind: str, a: Expr) -> Expr:
    lanes = tile("tile", T.Tile(a.type, (k.block_dim or 64,)), a)
    if p.chance(0.4):
        lanes = k.let(f"{kind}_tile|{kind}_lanes", lanes)
    if kind in ("peak", "low"):
        one = t.total("tile_max" if kind == "peak" else "tile_min", lanes) if p.chance(0.6) else t.reduce("max" if kind == "peak" else "min", lanes)
    else:
        one = t.total("tile_sum", lanes) if p.chance(0.75) else t.reduce("add", lanes)
    return k.let(f"{kind}_total|block_{kind}|{kind}_all", one)


def _write(p: ProgramBuilder, k: KernelBuilder, lane: Expr, world: Expr, worlds: int, results: dict[str, Expr]) -> None:
    names = {"cost": "costs|totals|energy", "norm": "norms|sq_norms|residual_norms", "peak": "maxima|peaks|largest", "hits": "hit_counts|num_active|inside_counts", "low": "minima|lowest|smallest"}  # fmt: skip
    outs = {kind: k.out(names[kind], r.type.dtype, (worlds,)) for kind, r in results.items()}  # type: ignore[union-attr]
    value = {kind: wp.sqrt(r[0]) if kind == "norm" and p.chance(0.5) else r[0] for kind, r in results.items()}
    flag = k.out("converged_out|done_out|below_tol", T.I32, (worlds,)) if "norm" in results and p.chance(0.4) else None
    with k.when(lane == 0):
        for kind, out in outs.items():
            k.set(out[world], value[kind])
        if flag is not None:
            k.set(flag[world], wp.where(results["norm"][0] < k.param("tol_sq|tolerance|stop_tol", 0.5, 8.0), 1, 0))


def lanes(p: ProgramBuilder) -> None:
    """A plain launch whose threads pool their values in tiles: block partial sums into global totals."""
    k = p.kernel_builder("sum_forces|total_momentum|block_partials|bounding_box|global_energy|center_of_mass", p.pick("Threads pool their values before touching global memory.", "Block-wide partial results, one atomic per block.", "Whole-array reduction."))
    t = Tiling(p, k)
    block, blocks = p.pick(32, 64), p.pick(2, 3, 4)
    k.block_dim, k.tiled, k.launch_dim = block, False, (block * blocks,)
    i = k.let("i|tid|idx", wp.tid())
    n = block * blocks
    width = p.pick(2, 3, 3)
    for what in p.sample(["vector", "energy", "outer", "box", "scan"], 1, 3):
        _lane_total(p, k, t, what, i, n, block, width)


def _lane_total(p: ProgramBuilder, k: KernelBuilder, t: Tiling, what: str, i: Expr, n: int, block: int, width: int) -> None:
    if not hasattr(k, "_lane_x"):
        k._lane_x = k.let("x|pos|xi", k.array("positions|x_in|points", p.vec(width), (n,), R.uniform(-2.0, 2.0))[i])  # type: ignore[attr-defined]
    x: Expr = k._lane_x  # type: ignore[attr-defined]
    lanes = lambda value, dtype: tile("tile", T.Tile(dtype, (block,)), value)  # noqa: E731
    whole = lambda value: tile("tile", T.Tile(value.type, (block,)), value, preserve_type=True)  # noqa: E731
    match what:
        case "vector":
            m = k.array("masses|weights|m_in", p.real, (n,), R.uniform(0.5, 2.0))[i]
            value = x * m if p.chance(0.7) else x
            t.atomic(k.out("weighted_sum|momentum|first_moment", p.vec(width), (1,)), t.total("tile_sum", whole(value)))
        case "energy":
            e = 0.5 * k.param("stiffness|k_spring|ke", 0.5, 5.0) * wp.dot(x, x) if p.chance(0.5) else wp.length_sq(x)
            t.atomic(k.out("energy|total|sum_sq", p.real, (1,)), t.total("tile_sum", lanes(e, p.real)))
        case "outer":
            s = k.let("second|outer_tile|moments", whole(k.let("outer|xx|cov", wp.outer(x, x))))
            t.atomic(k.out("second_moment|covariance_sum|inertia", p.mat(width), (1,)), t.total("tile_sum", s))
        case "box":
            for side, op in (("upper", "max"), ("lower", "min")):
                out = k.array(f"{side}|box_{side}|{side}_corner", p.real, (1,), R.constant(-1.0e3 if op == "max" else 1.0e3), "inout")
                k.do(getattr(wp, f"atomic_{op}")(out, 0, t.total(f"tile_{op}", lanes(x.x, p.real))[0]))
        case _:
            inside = k.let("inside|keep|flag", wp.where(wp.length(x) < k.param("radius|cutoff|reach", 1.0, 2.5), 1, 0))
            t.atomic(k.out("num_inside|count|kept", T.I32, (1,)), t.total("tile_sum", lanes(inside, T.I32)))


def gather(p: ProgramBuilder) -> None:
    """Rows fetched and scattered through index tiles: embeddings, graph aggregation, permutations."""
    kind = p.pick("embed", "scatter", "permute", "aggregate")
    names = {"embed": "embedding_lookup|gather_rows|fetch_features", "scatter": "scatter_add_rows|accumulate_rows|segment_add", "permute": "permute_rows|reorder_rows|shuffle_blocks", "aggregate": "aggregate_neighbors|message_pass|neighbor_mean"}[kind]  # fmt: skip
    k = p.kernel_builder(names, p.pick("Rows selected by an index tile.", "Indexed tile loads; -1 marks padding.", "Gather, transform, and write back."))
    t = Tiling(p, k)
    m, d = t.dim("tile_rows|block_rows|fan_in", p.pick(4, 8)), t.dim("feature_dim|dim|width", p.pick(4, 8, 16))
    blocks, table = p.pick(4, 6, 8), p.pick(20, 32)
    i = t.launch(["i|block|node|chunk"], (blocks,))[0]
    rows = blocks * m.value
    unique = kind == "permute"
    ids = k.array("indices|row_ids|neighbors", T.I32, (rows,), R.permutation() if unique else R.integers(0, table) if kind == "scatter" or p.chance(0.5) else R.integers(-1, table))
    index = k.let("idx|ids_tile|rows_tile", t.load(ids, [m], [i * m.expr], True if p.chance(0.5) else None))
    source = k.array("features|table|x", p.real, (rows if kind in ("scatter", "permute") else table, d.value), R.uniform(-1.0, 1.0))
    if kind == "scatter":
        x = k.var("x_tile|v|block_x", t.load(source, [m, d], [i * m.expr, 0]))
    else:
        x = k.var("x_tile|v|picked", tile("tile_load_indexed", T.Tile(p.real, (m.value, d.value)), source, **_indexed(p, index), shape=(m.expr, d.expr), axis=0))
    for what in p.sample(["map", "scale", "row_weight", "centre"], 0, 2):
        match what:
            case "map":
                k.set(x, t.map(unary(p), x))
            case "scale":
                k.set(x, x * k.param("scale|alpha|gain", 0.2, 2.0))
            case "row_weight":
                w = t.load(k.array("edge_weights|w|coef", p.real, (rows,), R.uniform(0.1, 1.0)), [m], [i * m.expr])
                k.set(x, x * t.column(w, m, d))
            case _:
                k.set(x, x - t.broadcast(t.load(k.array("center|mean_row|offset", p.real, (d.value,), R.uniform(-0.2, 0.2)), [d]), [m, d]))
    if kind == "embed":
        t.store(k.out("embedded|gathered|out", p.real, (rows, d.value)), x, [i * m.expr, 0])
    elif kind == "scatter":
        acc = k.out("accumulated|sums|grad_table", p.real, (table, d.value))
        k.do(tile("tile_atomic_add_indexed", x.type, acc, index, x, axis=0))
    elif kind == "permute":
        out = k.out("reordered|sorted_rows|out", p.real, (rows, d.value))
        k.do(tile("tile_store_indexed", T.VOID, out, index, x, axis=0))
    else:
        pooled = t.reduce(combine(p), x, 0) if p.chance(0.4) else t.total("tile_sum", x, 0) * (1.0 / m.value)
        t.store(k.out("aggregated|messages|pooled", p.real, (blocks, d.value))[i], pooled)


def _indexed(p: ProgramBuilder, index: Expr) -> dict[str, Any]:
    return {"indices": index} | ({"offset": (0, 0)} if p.chance(0.3) else {})


def histogram(p: ProgramBuilder) -> None:
    """Shared-memory histograms, stacks and scatters by the lanes of a block."""
    p.real = T.F32
    kind = p.weighted({"histogram": 4, "stack": 3, "compact": 2, "bits": 1.5})
    names = {"histogram": "block_histogram|label_counts|weighted_histogram", "stack": "collect_hits|compact_active|filter_candidates", "compact": "reserve_and_copy|append_tiles|pack_segments", "bits": "mark_cells|occupancy_bits|flag_groups"}[kind]  # fmt: skip
    k = p.kernel_builder(names, p.pick("Built in shared memory, then merged.", "Lanes cooperate on one shared structure.", "One block per segment of the input."))
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
    values = k.array("values|labels|intensity", T.I32 if p.chance(0.5) else T.F32, (segments, n), R.integers(0, bins.value), "in")
    if values.type.dtype == T.F32:  # type: ignore[union-attr]
        k.arguments[-1].recipe.update(R.uniform(0.0, 0.999))
    w = k.array("weights|mass|importance", T.F32, (segments, n), R.uniform(0.1, 1.0)) if weighted else None
    count = values.dim(1) if p.chance(0.5) else k.scalar("n|num_values|count", T.I32, n)
    with k.loop("r|pass_|chunk", _rounds(p, k, count)) as r:
        j = k.let("j|item|at", r * wp.block_dim() + lane)
        ok = k.let("ok|valid|in_range", j < count)
        b = k.var("b|bin_id|slot", 0, T.I32)
        amount = k.var("amount|weight_j|m", 0.0 if weighted else 1, dtype) if weighted else N.literal(1, T.I32)
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
        t.store(k.out("histograms|segment_counts|bins_out", dtype, (segments, bins.value))[s], result)
    if p.chance(0.35):
        k.set(k.out("mode|most_frequent|peak_bin", T.I32, (segments,))[s], t.index_of("tile_argmax", hist)[0])


def _stack(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    capacity = t.dim("capacity|max_hits|stack_size", p.pick(32, 64, 128))
    segments, n = p.pick(1, 2, 3), p.pick(40, 60, 90)
    s = t.launch(["s|segment|block|query"], (segments,), lane=True)[0]
    lane = t.lane
    assert lane is not None
    stack = k.let("stack|hits|pending", tile("tile_stack", T.Opaque("tile_stack"), capacity=capacity.expr, dtype=T.I32))
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
            item, slot = k.unpack(["item|entry|id_", "slot|place|at_slot"], tile("tile_stack_pop", T.TupleType((T.I32, T.I32)), stack))
            with k.when(slot >= 0):
                k.aug(total, "+", x[s, item] if total.type == T.F32 else item)
        one = t.total("tile_sum", tile("tile", T.Tile(total.type, (64,)), total))
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
            k.do(wp.atomic_add(k.out("num_written|cursor|total_kept", T.I32, (1,)), 0, keep[b] * n.expr))
    start = k.let("start_tile|base|shared_slot", tile("tile_from_thread", T.Tile(T.I32, (1,)), shape=1, value=slot, thread_idx=0))
    x = k.var("x|v|chunk_tile", t.load(k.array("values|data|src", T.F32, (blocks * n.value,), R.uniform(-1.0, 1.0)), [n], [b * n.expr]))
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
    flags = k.let("bits|flags|masks", t.zeros([groups], T.I32, shared=True) if op != "bit_and" else t.full([groups], -1, T.I32))
    owner = k.array("group_ids|cell_ids|owners", T.I32, (segments, n), R.integers(0, groups.value))
    bit = k.array("codes|bit_index|kinds", T.I32, (segments, n), R.integers(0, 8))
    with k.loop("j|item|e", lane, owner.dim(1), wp.block_dim()) as j:
        mark = k.let("mark|bit_mask|code", N.literal(1, T.I32) << bit[s, j])
        if p.chance(0.5):
            k.aug(flags[owner[s, j]], {"bit_or": "|", "bit_xor": "^"}[op], mark)
        else:
            k.do(tile(f"tile_{op}_inplace", T.VOID, flags, owner[s, j], mark))
    k.options["enable_backward"] = False
    t.store(k.out("group_flags|occupancy|set_bits", T.I32, (segments, groups.value))[s], flags)


def sampling(p: ProgramBuilder) -> None:
    """Random tiles: Monte Carlo estimates, noise injection, dropout masks."""
    p.real = T.F32
    kind = p.pick("estimate", "noise", "dropout", "integers")
    names = {"estimate": "monte_carlo_tile|estimate_integral|sample_area", "noise": "add_noise|perturb_rows|jitter_tiles", "dropout": "dropout_rows|random_mask|drop_features", "integers": "random_labels|shuffle_codes|draw_integers"}[kind]  # fmt: skip
    k = p.kernel_builder(names, p.pick("Every block draws from its own stream.", "Random numbers by the tile.", "Block-wise sampling."))
    t = Tiling(p, k)
    m, n = t.dim("tile_m|rows|samples_m", p.pick(4, 8)), t.dim("tile_n|cols|samples_n", p.pick(8, 16))
    blocks = p.pick(4, 6, 8)
    i = t.launch(["i|block|b|stream"], (blocks,))[0]
    seed = k.scalar("seed|rng_seed", T.I32, p.pick(7, 42, 123))
    state = k.let("state|rng|stream_state", wp.rand_init(seed, i))
    shape, full = [m, n], (blocks * m.value, n.value)
    drawn = T.Tile(T.F32, (m.value, n.value))
    kwargs: dict[str, Any] = {"shape": (m.expr, n.expr), "rng": state}
    if kind == "integers":
        r = k.let("r|draw|codes", tile("tile_randi", T.Tile(T.I32, drawn.shape), **kwargs, min=0, max=p.pick(4, 10, 16)))
        t.store(k.out("labels|codes_out|draws", T.I32, full), r, [i * m.expr, 0])
        if p.chance(0.5):
            t.atomic(k.out("sum_out|total|checksum", T.I32, (1,)), t.total("tile_sum", r))
        return
    spread = {"min": -1.0, "max": 1.0} if kind == "noise" or p.chance(0.3) else {}
    u = k.let("u|draw|noise_tile", tile("tile_randf", drawn, **kwargs, **spread))
    if kind == "estimate":
        f = unary(p)
        mean = t.total("tile_sum", t.map(f, u))[0] * (1.0 / (m.value * n.value))
        k.set(k.out("estimates|means|integrals", T.F32, (blocks,))[i], mean)
        if p.chance(0.5):
            t.atomic(k.out("total|accumulated|grand_sum", T.F32, (1,)), t.total("tile_sum", t.map(f, u)))
        return
    x = t.load(k.array("inputs|x|features", T.F32, full, R.uniform(-1.0, 1.0)), shape, [i * m.expr, 0])
    if kind == "noise":
        value = x + u * k.param("sigma|noise_level|amplitude", 0.01, 0.3)
    else:
        keep = p.pick(0.5, 0.8, 0.9)
        gate = p.func("keep_or_drop|dropout|mask_value", {"x|v": T.F32, "u|r": T.F32}, lambda b, v, r: b.ret(wp.where(r < keep, v / keep if p.chance(0.5) else v * round(1.0 / keep, 4), 0.0)))
        value = t.map(gate, x, u)
    t.store(k.out("outputs|y|noisy", T.F32, full), value, [i * m.expr, 0])


def queries(p: ProgramBuilder) -> None:
    """A block traverses a BVH or a mesh together."""
    p.real = T.F32
    on_mesh = p.chance(0.4)
    k = p.kernel_builder("query_overlaps|count_overlaps|block_broad_phase|collect_bounds|gather_faces", p.pick("The whole block traverses one query.", "Cooperative broad phase.", "One box per block of threads."))
    t = Tiling(p, k)
    boxes = p.pick(6, 8, 12)
    q = t.launch(["q|query_id|box"], (boxes,))[0]
    handle = "mesh" if on_mesh else "bvh"
    tree = k.arg(f"{handle}|{handle}_id", T.Handle(handle), R.mesh("sphere", 8, 1.0) if on_mesh else R.bvh(64, -2.0, 2.0, 0.4), 0)
    ray = not on_mesh and p.chance(0.3)
    if ray:
        origin = k.array("origins|ray_starts|eyes", T.VEC3, (boxes,), R.uniform(-3.0, 3.0))[q]
        toward = k.array("directions|ray_dirs|headings", T.VEC3, (boxes,), R.unit_vectors())[q]
        query = tile("tile_bvh_query_ray", T.Opaque("tile_query"), tree, origin, toward)
    else:
        c = k.let("center|c|mid", k.array("centers|query_points|positions", T.VEC3, (boxes,), R.uniform(-1.0, 1.0))[q])
        half = k.param("half_width|margin|reach", 0.2, 0.9)
        pad = construct(T.VEC3, half)
        low, high = (k.let("lo|lower", c - pad), k.let("hi|upper", c + pad)) if p.chance(0.6) else (c - pad, c + pad)
        old = p.chance(0.35)
        name = f"{handle}_query_aabb_tiled" if old else f"tile_{handle}_query_aabb"
        query = tile(name, T.Opaque("tile_query"), tree, low, high)
    query = k.let("query|traversal|walk", query)
    touched = k.out("touched|hit_flags|visits", T.I32, (256,)) if p.chance(0.6) else None
    count = k.var("count|found|hits", 0, T.I32)
    nxt = f"tile_{handle}_query_{'aabb_' if on_mesh else ''}next" if p.chance(0.7) else f"{handle}_query_{'aabb_' if on_mesh else ''}next_tiled"
    with k.repeat(tile("tile_query_valid", T.BOOL, query)):
        item = k.let("item|face|bound", tile("untile", T.I32, tile(nxt, T.Tile(T.I32, (64,)), query)))
        with k.when(item >= 0):
            k.aug(count, "+", 1)
            if touched is not None:
                k.do(wp.atomic_add(touched, item % 256, 1))
    total = k.let("total|block_count|all_hits", t.total("tile_sum", tile("tile", T.Tile(T.I32, (64,)), count)))
    t.store(k.out("overlap_counts|num_overlaps|hits_out", T.I32, (boxes,)), total, [q])
    k.options["enable_backward"] = False
