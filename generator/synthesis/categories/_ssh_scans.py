"""Scans, radix passes, compaction and segments, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._ssh_sorting import binary_search, digit_of, key_fill, key_type
from generator.synthesis.categories._ssh_values import item_value
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def _combine(op: str, a: Expr, b: Expr) -> Expr:
    return a + b if op == "add" else wp.max(a, b) if op == "max" else wp.min(a, b)


def scan_step(p: ProgramBuilder) -> None:
    """A pass of a work-inefficient or work-efficient scan."""
    p.pick(_hillis_steele, _tree_sweep, _chunk_scan, _chunk_scan, _add_offsets)(p)


def _hillis_steele(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "scan_step|hillis_steele|prefix_step|inclusive_scan_pass",
        p.pick("One doubling step of an inclusive scan.", "Double-buffered prefix step.", ""),
    )
    e = Entities(k, "element", index="i|tid")
    t = key_type(p)
    op = p.pick("add", "add", "max", "min")
    source, target = (
        e.field("src|input_values|values_in", t, key_fill(t, 50)),
        e.out("dst|values_out|scanned", t),
    )
    stride = k.count("offset|stride|distance", p.pick(1, 2, 4, 8, 16))
    heads = e.field("heads|segment_start|flags", T.I32, R.mask(0.15)) if p.chance(0.35) else None
    if heads is not None:
        flags_out = e.out("heads_out|flags_out", T.I32)
    inside = all_of(e.index >= stride, heads.own == 0) if heads is not None else e.index >= stride
    if p.chance(0.5):
        value = k.var("value|acc|v", source.own)
        with k.when(inside):
            k.set(value, _combine(op, value, source[e.index - stride]))
        target.store(value)
    else:
        with k.when(inside):
            target.store(_combine(op, source[e.index - stride], source.own))
        with k.otherwise():
            target.store(source.own)
    if heads is not None:
        with k.when(e.index >= stride):
            flags_out.store(
                wp.max(heads.own, heads[e.index - stride])
                if p.chance(0.5)
                else heads.own | heads[e.index - stride]
            )
        with k.otherwise():
            flags_out.store(heads.own)


def _tree_sweep(p: ProgramBuilder) -> None:
    n, stride = p.pick((64, 1), (64, 2), (128, 4), (128, 8), (256, 16))
    k = p.kernel_builder(
        "up_sweep|down_sweep|blelloch_step|reduce_tree|scan_tree_step",
        p.pick("One level of a balanced-tree scan.", "Blelloch sweep.", ""),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "node", count=n // (2 * stride), index="tid|node|t")
    t = key_type(p)
    data = Table(e, "data|tree|partials", t, (n,), key_fill(t, 20), "inout")
    step = k.count("stride|offset|d_level", stride)
    left = k.let("left|ai|lo_idx", (2 * e.index + 1) * step - 1)
    right = k.let("right|bi|hi_idx", left + step if p.chance(0.5) else (2 * e.index + 2) * step - 1)
    if p.chance(0.3):
        with k.when(right >= data.extent()):
            k.ret()
    if p.chance(0.45):
        data.store(_combine(p.pick("add", "add", "max"), data[left], data[right]), right)
        return
    held = k.let("carry|t|tmp", data[left])
    data.store(data[right], left)
    data.store(data[right] + held, right)


def _chunk_scan(p: ProgramBuilder) -> None:
    size, chunks = p.pick(8, 16, 32), p.pick(16, 24, 32)
    k = p.kernel_builder(
        "scan_chunks|chunk_prefix_sum|block_scan|local_scan|serial_scan_rows",
        p.pick(
            "Every thread scans its own chunk and leaves the total.",
            "First pass of a three-pass scan.",
            "",
        ),
    )
    e = Entities(k, "chunk", count=chunks, index="tid|chunk|c")
    t = key_type(p)
    op = p.pick("add", "add", "add", "max")
    total = k.count("num_items|n_items|length", size * chunks - p.pick(0, 3, 5))
    width = k.count("chunk_size|items_per_thread|block_len", size)
    data = Table(e, "values|input_values|src", t, (size * chunks,), key_fill(t, 40))
    out = Table(e, "scanned|prefix|dst", t, (size * chunks,), role="out")
    begin = k.let("begin|start|base", e.index * width)
    end = k.let("end|stop|limit", wp.min(begin + width, total))
    running = k.var("running|acc|carry", 0.0 if t.is_float else 0, t)
    exclusive = op == "add" and p.chance(0.5)
    with k.loop("j|i|item", begin, end) as j:
        if p.chance(0.2):
            with k.when(
                data[j] < k.quantity("cutoff|min_value|floor_value", t, 5.0 if t.is_float else 5)
            ):
                k.cont()
        if exclusive:
            out.store(running, j)
            k.aug(running, "+", data[j])
        else:
            k.set(running, _combine(op, running, data[j]))
            out.store(running, j)
    e.out("chunk_totals|block_sums|partials", t).store(running)
    if p.chance(0.25):
        Table(e, "grand_total|total|sum_all", t, (1,), role="out").atomic(
            "max" if op == "max" else "add", running, 0
        )


def _add_offsets(p: ProgramBuilder) -> None:
    size, chunks = p.pick(8, 16, 32), p.pick(8, 10, 12)
    k = p.kernel_builder(
        "add_block_offsets|uniform_add|apply_chunk_offsets|finish_scan",
        p.pick("Add the scanned chunk totals.", "Last pass of a three-pass scan.", ""),
    )
    e = Entities(k, "item", count=size * chunks, index="i|tid")
    t = key_type(p)
    data = e.inout("prefix|scanned|values", t, key_fill(t, 40))
    offsets = Table(e, "chunk_offsets|block_offsets|carries", t, (chunks,), key_fill(t, 500))
    chunk = k.let("chunk|block_id|b", e.index // k.count("chunk_size|block_len", size))
    if p.chance(0.5):
        with k.when(chunk > 0):
            data.store(data.own + offsets[chunk - 1])
    else:
        with k.when(chunk == 0):
            k.ret()
        data.store(data.own + offsets[chunk if p.chance(0.5) else chunk - 1])
    if p.chance(0.4):
        with k.when(e.index == e.count() - 1):
            Table(e, "total|sum_out|last_value", t, (1,), role="out").store(data.own, 0)


def radix(p: ProgramBuilder) -> None:
    """Digit counts and scatters of a radix sort."""
    p.pick(_digit_count, _digit_count, _digit_scatter, _digit_scatter_ranked, _split)(p)


def _radix_keys(p: ProgramBuilder) -> tuple[T.Scalar, int]:
    return key_type(p, floats=False), p.pick(2, 3, 4, 4)


def _digit_count(p: ProgramBuilder) -> None:
    t, bits = _radix_keys(p)
    size, chunks = p.pick(8, 16), p.pick(16, 24, 32)
    k = p.kernel_builder(
        "count_digits|radix_count|digit_histogram|radix_histogram",
        p.pick("Digit counts of one radix pass.", "Histogram of the current digit, per chunk.", ""),
    )
    k.options["enable_backward"] = False
    serial = p.chance(0.6)
    e = Entities(
        k,
        "chunk" if serial else "key",
        count=chunks if serial else size * chunks,
        index="tid|chunk|c" if serial else "i|tid",
    )
    keys = Table(e, "keys|sort_keys|keys_in", t, (size * chunks,), key_fill(t, 4000))
    shift = k.scalar("shift|bit_offset|current_bit", t, p.pick(0, bits, 2 * bits))
    digit = digit_of(p, t, bits) if p.chance(0.5) else None

    def take(key: Expr) -> Expr:
        return digit(key, shift) if digit else cast(T.I32, (key >> shift) & ((1 << bits) - 1))

    if not serial:
        Table(e, "digit_counts|histogram|counts", T.I32, (1 << bits,), role="out").add(
            1, k.let("d|digit_id|bucket", take(keys[e.index]))
        )
        return
    counts = Table(e, "digit_counts|histogram|counts", T.I32, (chunks, 1 << bits), role="out")
    start = k.let("start|base|begin", e.index * size)
    with k.loop("j|item|s", start, start + size) as j:
        d = k.let("d|digit_id|bucket", take(keys[j]))
        counts.store(counts[e.index, d] + 1, e.index, d)
    if p.chance(0.3):
        digits = k.var("used|distinct|nonempty", 0)
        with k.loop("b|digit_index", 1 << bits) as b, k.when(counts[e.index, b] > 0):
            k.aug(digits, "+", 1)
        e.out("digits_used|distinct_digits", T.I32).store(digits)


def _digit_scatter(p: ProgramBuilder) -> None:
    t, bits = _radix_keys(p)
    size, chunks = p.pick(8, 12), p.pick(8, 16)
    total = size * chunks * (1 << bits)
    k = p.kernel_builder(
        "radix_scatter|scatter_by_digit|radix_reorder|reorder_pass",
        p.pick(
            "Scatter keys to the slots reserved for their digit.",
            "Stable reorder of one radix pass.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "chunk", count=chunks, index="tid|chunk|c")
    keys = Table(e, "keys_in|keys|src_keys", t, (size * chunks,), key_fill(t, 4000))
    offsets = Table(
        e, "digit_offsets|slots|write_pos", T.I32, (chunks, 1 << bits), R.arange(0, size), "inout"
    )
    out = Table(e, "keys_out|sorted_keys|dst_keys", t, (total * (e.worlds or 1),), role="out")
    payload = (
        (
            Table(e, "values_in|payload_in", T.I32, (size * chunks,), R.permutation()),
            Table(e, "values_out|payload_out", T.I32, (total * (e.worlds or 1),), role="out"),
        )
        if p.chance(0.6)
        else None
    )
    shift = k.scalar("shift|bit_offset|current_bit", t, p.pick(0, bits, 2 * bits))
    mask = k.scalar("mask|digit_mask", t, (1 << bits) - 1) if p.chance(0.4) else (1 << bits) - 1
    per_thread = k.count("items_per_thread|chunk_size|keys_per_chunk", size)
    with k.loop("j|item|s", per_thread) as j:
        at = k.let("i|src|pos", e.index * per_thread + j)
        key = k.let("key|k_val", keys[at])
        d = k.let("d|digit_id|bucket", cast(T.I32, (key >> shift) & mask))
        slot = k.let("slot|dst|where", offsets[e.index, d])
        out.store(key, slot)
        if payload:
            payload[1].store(payload[0][at], slot)
        offsets.store(slot + 1, e.index, d)


def _digit_scatter_ranked(p: ProgramBuilder) -> None:
    t, bits = _radix_keys(p)
    k = p.kernel_builder(
        "scatter_ranked|radix_scatter|place_keys|move_to_rank",
        p.pick(
            "Move each key to its digit's base plus its rank within the digit.",
            "Scatter with precomputed local ranks.",
            "",
        ),
    )
    e = Entities(k, "key", index="i|tid")
    keys, out = (
        e.field("keys_in|keys|src_keys", t, key_fill(t, 4000)),
        e.out("keys_out|sorted_keys|dst_keys", t),
    )
    ranks = e.field("local_rank|ranks|rank_in_digit", T.I32, R.permutation())
    base = Table(e, "digit_base|bucket_start|digit_start", T.I32, (1 << bits,), R.zeros())
    shift = k.scalar("shift|bit_offset|current_bit", t, p.pick(0, bits, 2 * bits))
    key = k.let("key|k_val", keys.own)
    d = k.let(
        "d|digit_id|bucket",
        digit_of(p, t, bits)(key, shift)
        if p.chance(0.5)
        else cast(T.I32, (key >> shift) & ((1 << bits) - 1)),
    )
    slot = k.let("slot|dst|where", base[d] + ranks.own)
    if p.chance(0.4):
        with k.when(slot >= e.count()):
            k.ret()
    out.store(key, slot)
    if p.chance(0.5):
        source = e.field("values_in|payload_in|ids_in", T.I32, R.permutation())
        e.out("values_out|payload_out|ids_out", T.I32).store(source.own, slot)
    if p.chance(0.4):
        e.out("destination|slots|perm", T.I32).store(slot)


def _split(p: ProgramBuilder) -> None:
    t, _ = _radix_keys(p)
    k = p.kernel_builder(
        "split_by_bit|partition_bit|binary_split|bit_pass",
        p.pick(
            "Zeros first, ones after: one bit of a radix sort.", "Stable split on a single bit.", ""
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "key", count=p.pick(48, 64, 96), index="i|tid")
    keys, out = (
        e.field("keys_in|keys|src_keys", t, key_fill(t, 4000)),
        e.out("keys_out|dst_keys|split_keys", t),
    )
    bit = k.scalar("bit|bit_index|shift", t, p.pick(0, 1, 3, 5))
    own = k.let("own_bit|flag|b", (keys.own >> bit) & 1)
    zeros, ones = k.var("zeros|num_zeros|z", 0), k.var("ones_before|rank_ones|r1", 0)
    zeros_before = k.var("zeros_before|rank_zeros|r0", 0)
    with k.loop("j|other", e.count()) as j:
        zero = ((keys[j] >> bit) & 1) == literal(0, t)
        with k.when(zero):
            k.aug(zeros, "+", 1)
            with k.when(j < e.index):
                k.aug(zeros_before, "+", 1)
        with k.elsewhen(j < e.index):
            k.aug(ones, "+", 1)
    is_zero = own == literal(0, t)
    slot = k.let(
        "slot|dst|where",
        choose(is_zero, zeros_before, zeros + ones)
        if p.chance(0.6)
        else wp.where(is_zero, zeros_before, zeros + ones),
    )
    out.store(keys.own, slot)


def compact(p: ProgramBuilder) -> None:
    """Stream compaction and partition with scanned offsets."""
    t = p.pick(T.I32, T.F32, T.VEC3, T.U32, T.VEC2, T.I64)
    k = p.kernel_builder(
        "compact|scatter_kept|stream_compaction|gather_active|partition_items|copy_if",
        p.pick(
            "Copy the kept items to their scanned slots.", "Stream compaction, scatter pass.", ""
        ),
    )
    e = Entities(k, "item", index="i|tid")
    fill = R.integers(0, 100) if isinstance(t, T.Scalar) and t.is_int else R.uniform(-1.0, 1.0)
    items, out = e.field("items|values_in|src", t, fill), e.out("compacted|values_out|dst", t)
    offsets = e.field(
        "offsets|scan|positions", T.I32, R.arange(0, 1) if e.worlds is None else R.permutation()
    )
    keep = _predicate(p, k, e, items, t)
    slot = offsets.own
    if p.chance(0.4):
        slot = k.let("dst_idx|slot|where", slot)
    both = p.chance(0.3)
    form = p.pick("if", "exit") if not both else "if"
    if form == "exit":
        with k.when(negate(keep)):
            k.ret()
        _emit(p, k, e, items, out, slot)
        return
    with k.when(keep):
        _emit(p, k, e, items, out, slot)
    if both:
        rejected = e.out("rejected|discarded|rest", t)
        with k.otherwise():
            rejected.store(items.own)


def _emit(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, items: Field, out: Field, slot: Expr
) -> None:
    out.store(items.own, slot)
    if p.chance(0.5):
        e.out("source_index|origin|back_map", T.I32).store(e.index, slot)
    if p.chance(0.4):
        Table(e, "kept_count|num_kept|total_kept", T.I32, (1,), role="out").add(1, 0)


def _predicate(p: ProgramBuilder, k: KernelBuilder, e: Entities, items: Field, t: T.Type) -> Expr:
    if p.chance(0.3):
        return item_value(p, e, 1.0)(None) > k.param("threshold|cutoff|min_value", 5.0, 50.0)
    match p.pick("flags", "flags", "value", "range", "bits"):
        case "value" | "range" if isinstance(t, T.Vec):
            radius = k.param("radius|max_norm|cutoff", 0.5, 1.2)
            return wp.length(items.own) < radius
        case "value" if isinstance(t, T.Scalar):
            return items.own > k.quantity("threshold|cutoff|pivot", t, 0.0 if t.is_float else 40)
        case "range" if isinstance(t, T.Scalar):
            low, high = (
                k.quantity("low|min_key|lo", t, -0.5 if t.is_float else 20),
                k.quantity("high|max_key|hi", t, 0.6 if t.is_float else 70),
            )
            return all_of(items.own >= low, items.own < high)
        case "bits":
            status = e.field(
                "status|state_flags|tags", T.U8 if p.chance(0.3) else T.I32, R.integers(0, 8)
            )
            return (status.own & p.pick(1, 2, 4)) != 0
    flags = e.field("flags|keep|mask", T.I32, R.mask(0.6))
    return flags.own != 0 if p.chance(0.5) else flags.own == 1


def runs(p: ProgramBuilder) -> None:
    """Heads of runs in sorted keys, their lengths, starts of cells and segments."""
    t = key_type(p, floats=False)
    k = p.kernel_builder(
        "mark_heads|run_lengths|find_segments|cell_bounds|unique_flags|segment_starts",
        p.pick(
            "Marks where a new key begins.",
            "Run lengths of sorted keys.",
            "First and last position of every key.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "key", index="i|tid")
    keys = e.field("sorted_keys|keys|cell_ids", t, R.ascending(0.0, 30.0))
    own = keys.read("key|current|cell")
    form = p.pick("flags", "length", "bounds", "bounds", "both")
    if form == "bounds":
        _bounds(p, k, e, keys, own)
        return
    head = k.var("is_head|head|starts", literal(True, T.BOOL))
    with k.when(e.index > 0):
        k.set(head, own != keys[e.index - 1])
    if form in ("flags", "both"):
        e.out("heads|head_flags|flags", T.I32).store(
            choose(head, 1, 0) if p.chance(0.5) else wp.where(head, 1, 0)
        )
        if p.chance(0.5):
            with k.when(head):
                Table(e, "num_runs|num_unique|segments", T.I32, (1,), role="out").add(1, 0)
    if form in ("length", "both"):
        with k.when(negate(head)):
            k.ret()
        end = k.var("end|cursor|stop", e.index + 1)
        with k.repeat(all_of(end < e.count(), keys[wp.min(end, e.count() - 1)] == own)):
            k.aug(end, "+", 1)
        e.out("run_length|lengths|multiplicity", T.I32).store(end - e.index)
        if p.chance(0.4):
            Table(e, "longest_run|max_run|largest", T.I32, (1,), role="out").atomic(
                "max", end - e.index, 0
            )


def _bounds(p: ProgramBuilder, k: KernelBuilder, e: Entities, keys: Field, own: Name) -> None:
    starts = Table(e, "cell_start|first|begin_of", T.I32, (32,), R.constant(-1), "inout")
    ends = (
        Table(e, "cell_end|last|end_of", T.I32, (32,), R.constant(-1), "inout")
        if p.chance(0.7)
        else None
    )
    cell = own if own.type == T.I32 else k.let("cell|c|slot", cast(T.I32, own))
    first = any_of(e.index == 0, own != keys[wp.max(e.index - 1, 0)])
    with k.when(first):
        starts.store(e.index, cell)
    if ends is not None:
        last = any_of(e.index == e.count() - 1, own != keys[wp.min(e.index + 1, e.count() - 1)])
        with k.when(last):
            ends.store(e.index + 1, cell)


def search(p: ProgramBuilder) -> None:
    """Bisection in sorted tables: bins, brackets, interpolation, intersections of sorted sets."""
    t = key_type(p)
    n = p.pick(16, 32, 48, 64)
    k = p.kernel_builder(
        "search_sorted|find_bins|bracket_values|lookup_table|interpolate_table|bisect_queries",
        p.pick(
            "Position of every query in a sorted table.",
            "Bisection.",
            "Table lookup by binary search.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "query", index="tid|i|q")
    derived = item_value(p, e, 1.0) if t == T.F32 and p.chance(0.6) else None
    if derived is None:
        queries = e.field("queries|values|x", t, key_fill(t, 100))
    table = k.array("table|edges|sorted_values|knots", t, (n,), R.ascending(0.0, 100.0))
    e.guard()
    value = k.let("value|x|q", queries.own if derived is None else derived(None))
    if p.chance(0.25):
        position = k.let("pos|slot|found", wp.lower_bound(table, value))
    else:
        upper = p.chance(0.4)
        f = binary_search(p, t, T.Array(t), upper)
        args = (
            (table, value)
            if len(f.params) == 2
            else (
                table,
                0,
                table.dim(0) if p.chance(0.5) else k.count("table_size|num_edges", n),
                value,
            )
        )
        position = k.let("pos|slot|found", f(*args))
    match (
        p.pick("position", "exact", "interpolate", "count")
        if t in (T.F32, T.F64)
        else p.pick("position", "exact", "count")
    ):
        case "position":
            e.out("positions|bins|indices", T.I32).store(
                position if p.chance(0.5) else wp.max(position - 1, 0)
            )
        case "exact":
            hit = all_of(
                position < table.dim(0), table[wp.min(position, table.dim(0) - 1)] == value
            )
            e.out("found|matches|is_member", T.I32).store(choose(hit, position, -1))
        case "interpolate":
            _interpolate(p, k, e, table, value, position, t, n)
        case "count":
            bins = Table(e, "bin_counts|histogram|counts", T.I32, (n + 1,), role="out")
            bins.add(1, position)
            if p.chance(0.5):
                e.out("bin_ids|assignment", T.I32).store(position)


def _interpolate(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    table: Expr,
    value: Name,
    position: Expr,
    t: T.Scalar,
    n: int,
) -> None:
    values = k.array("ordinates|y_table|samples", t, (n,), R.uniform(-1.0, 1.0))
    j = k.let("j|cell|left", wp.clamp(position - 1, 0, table.dim(0) - 2))
    x0, x1 = k.let("x0|left_x", table[j]), k.let("x1|right_x", table[j + 1])
    w = k.var("w|frac|u", 0.0, t)
    with k.when(x1 > x0):
        k.set(w, wp.clamp((value - x0) / (x1 - x0), 0.0, 1.0))
    result = (
        values[j] * (1.0 - w) + values[j + 1] * w
        if p.chance(0.6)
        else wp.lerp(values[j], values[j + 1], w)
    )
    e.out("interpolated|y|values_out", t).store(result)
