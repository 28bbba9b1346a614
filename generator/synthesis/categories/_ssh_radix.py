"""Radix passes, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._ssh_keys import digit_of, key_fill, key_type
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, literal


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
