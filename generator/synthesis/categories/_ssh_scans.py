"""Scan passes, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._ssh_keys import key_fill, key_type
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


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
