"""Compaction, runs and bisection, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._ssh_keys import binary_search, key_fill, key_type
from generator.synthesis.categories._ssh_values import item_value
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


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
    if p.chance(0.5):
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
