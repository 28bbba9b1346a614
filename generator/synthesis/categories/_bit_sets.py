"""Packed bit sets and shared words: marks, claims, parities and counts, for the array and indexing categories."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._bit_words import (
    checksum,
    hamming,
    pack_flags,
    set_algebra,
    threads,
    word_type,
)
from generator.synthesis.categories._extras import helper
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def bit_sets(p: ProgramBuilder) -> None:
    """One of the intents below."""
    p.weighted(
        {
            _mark: 5.5,
            _claim: 2.2,
            _saturating: 1.0,
            _product: 0.8,
            _drain: 1.6,
            set_algebra: 1.2,
            hamming: 1.0,
            pack_flags: 1.2,
            checksum: 1.5,
        }
    )(p)


def _live_only(p: ProgramBuilder, k: KernelBuilder, i: Expr, n: int) -> None:
    """Sometimes, items that are switched off leave."""
    if p.chance(0.35):
        live = k.array("active|valid|enabled|keep", T.I32, (n,), R.mask(0.8))
        with k.when(live[i] == 0):
            k.ret()


def _bits(t: T.Scalar) -> int:
    return 64 if t == T.U64 else 32


def _position(p: ProgramBuilder, k: Block, member: Expr, t: T.Scalar) -> tuple[Expr, Expr]:
    """Word and single-bit mask of a member of a set."""
    size = _bits(t)
    shifted = p.chance(0.5)
    word = member >> (6 if size == 64 else 5) if shifted else member // size
    place = member & (size - 1) if shifted else member % size

    def body(b: Block, m: Expr) -> Expr:
        return construct(t, 1) << construct(t, place_of(m))

    def place_of(m: Expr) -> Expr:
        return m & (size - 1) if shifted else m % size

    at = k.let("word|w|slot", word)
    if p.chance(0.3):
        bit = helper(p, k, "bit_mask|bit_of|mask_for", {"member|m|idx": member}, body)
        return at, k.let("mask|bit|flag", bit)
    if p.chance(0.5):
        place = k.let("offset|lane|pos", place)
    return at, k.let("mask|bit|flag", construct(t, 1) << construct(t, place))


def _mark(p: ProgramBuilder) -> None:
    form = p.weighted({"set": 1.6, "clear": 2.4, "toggle": 1.5})
    names = {
        "set": "mark_visited|set_bits|mark_occupied|insert_members|flag_cells|mark_dirty",
        "clear": "clear_bits|release_slots|remove_members|unmark_cells|free_blocks",
        "toggle": "toggle_bits|flip_parity|flip_cells|toggle_members|xor_marks",
    }
    docs = {
        "set": p.pick("Mark members in a packed bit set.", "One bit per cell that is touched."),
        "clear": p.pick("Remove members from a packed bit set.", "Release the listed slots."),
        "toggle": p.pick("Flip one bit per item.", "Parity of the number of crossings per cell."),
    }
    k = p.kernel_builder(names[form], docs[form])
    t = word_type(p)
    words = p.pick(4, 6, 8, 12)
    i, n = threads(p, k)
    _live_only(p, k, i, n)
    member = k.let("cell|member|key|c", _member(p, k, i, n, words * _bits(t)))
    fill = R.zeros() if form == "set" and p.chance(0.6) else R.integers(0, 1 << 30)
    bits = k.array("bits|bitset|occupancy|words|bitmap", t, (words,), fill, "inout")
    at, mask = _position(p, k, member, t)
    if form == "toggle":
        k.do(wp.atomic_xor(bits, at, mask))
        return
    update = wp.atomic_or(bits, at, mask) if form == "set" else wp.atomic_and(bits, at, ~mask)
    if p.chance(0.4):
        k.do(update)
        return
    before = k.let("before|old|previous", update)
    _count_changes(p, k, before, mask, form)


def _member(p: ProgramBuilder, k: KernelBuilder, i: Expr, n: int, size: int) -> Expr:
    """The member of the set that a thread speaks of."""
    match p.pick("list", "list", "voxel", "hash"):
        case "list":
            return k.array("ids|cells|members|labels", T.I32, (n,), R.integers(0, size))[i]
        case "voxel":
            points = k.array("points|positions|x", T.VEC2, (n,), R.uniform(0.0, 7.99))
            q = k.let("q|point|x_i", points[i])
            row = size // 8 if size <= 512 else 64
            return cast(T.I32, q.x) + cast(T.I32, q.y * (row / 8.0)) * 8
    keys = k.array("keys|hashes|codes", T.I32, (n,), R.integers(0, 100_000))
    return (keys[i] * p.pick(31, 73, 97)) % size


def _count_changes(
    p: ProgramBuilder, k: KernelBuilder, before: Expr, mask: Expr, form: str
) -> None:
    """Counts the threads that were the first to change their bit."""
    zero = construct(T.scalar_of(mask.type), 0)
    held = before & mask
    changed = held == zero if form == "set" else held != zero
    total = k.out("num_new|changed|first_marks|distinct_count", T.I32, (1,))
    if p.chance(0.3):
        k.do(wp.atomic_add(total, 0, choose(changed, 1, 0)))
        return
    with k.when(changed):
        k.do(wp.atomic_add(total, 0, 1))


def _claim(p: ProgramBuilder) -> None:
    """Cells that several threads want; what is stored does not depend on who came first."""
    k = p.kernel_builder(
        "claim_cells|enqueue_cells|test_and_set|activate_blocks|request_pages|wake_islands",
        p.pick("Claim each wanted cell once.", "Queue cells that are still empty.", ""),
    )
    i, n = threads(p, k)
    _live_only(p, k, i, n)
    cells = p.pick(24, 32, 48, 64)
    wanted = k.array("wanted|cells|targets|block_ids", T.I32, (n,), R.integers(0, cells))
    c = k.let("c|cell|target|block", wanted[i])
    if p.chance(0.5):
        taken = k.array("taken|claimed|locks|touched", T.I32, (cells,), R.zeros(), "inout")
        before = k.let("before|was|old", wp.atomic_exch(taken, c, 1))
        free: Expr = before == 0
    else:
        empty = p.const("EMPTY|UNSEEN|IDLE|FREE", 0)
        queued = p.const("QUEUED|CLAIMED|PENDING|ACTIVE", 1)
        state = k.array("state|cell_state|status", T.I32, (cells,), R.integers(0, 3), "inout")
        before = k.let("before|was|previous", wp.atomic_cas(state, c, empty, queued))
        free = before == empty
    with k.when(free):
        k.do(wp.atomic_add(k.out("num_claimed|queue_size|claimed_count", T.I32, (1,)), 0, 1))
        if p.chance(0.4):
            sizes = k.array("cell_size|block_bytes|load", T.I32, (cells,), R.integers(1, 40))
            total = k.out("claimed_size|pending_bytes|queued_load", T.I32, (1,))
            k.do(wp.atomic_add(total, 0, sizes[c]))


def _saturating(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "count_capped|saturating_histogram|fill_buckets|capped_hits|count_up_to_limit",
        p.pick("Histogram whose bins stop at a limit.", "Increment without passing the capacity."),
    )
    k.options["enable_backward"] = False
    i, n = threads(p, k)
    bins = p.pick(8, 12, 16)
    keys = k.array("keys|bin_ids|bucket_of", T.I32, (n,), R.integers(0, bins))
    counts = k.array("counts|hits|fill_level", T.I32, (bins,), R.integers(0, 3), "inout")
    limit = k.count("limit|capacity|max_count", p.pick(6, 10, 255))
    b = k.let("b|bin|bucket", keys[i])
    seen = k.var("seen|current|expected", counts[b])
    with k.repeat(seen < limit):
        found = k.let("found|old|actual", wp.atomic_cas(counts, b, seen, seen + 1))
        with k.when(found == seen):
            k.brk()
        k.set(seen, found)


def _product(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "multiply_weights|atomic_product|combine_survival|accumulate_transmittance",
        p.pick("Product over the items of each group.", "Multiply into a shared entry."),
    )
    k.options["enable_backward"] = False
    i, n = threads(p, k)
    groups = p.pick(8, 12, 16)
    group = k.array("group|segment|bin_ids", T.I32, (n,), R.integers(0, groups))
    factors = k.array("factors|survival|alpha", T.F32, (n,), R.uniform(0.7, 1.2))
    products = k.array("products|result|combined", T.F32, (groups,), R.constant(1.0), "inout")
    g = k.let("g|slot|b", group[i])
    factor: Expr = factors[i]
    if p.chance(0.5):
        factor = k.let("factor|f|scale", wp.max(factor, k.param("floor|min_factor", 0.75, 0.9)))
    if p.chance(0.5):
        expected = k.var("assumed|expected", -products[g])
        current = k.var("current|found", products[g])
        with k.repeat(current != expected):
            k.set(expected, current)
            k.set(current, wp.atomic_cas(products, g, expected, expected * factor))
        return
    done = k.var("done|stored", cast(T.BOOL, False))
    with k.repeat(done == construct(T.BOOL, False)):
        old = k.let("old|before", products[g])
        k.set(done, wp.atomic_cas(products, g, old, old * factor) == old)


def _drain(p: ProgramBuilder) -> None:
    """Takes what an accumulator holds and leaves it empty for the next pass."""
    k = p.kernel_builder(
        "drain_accumulators|flush_counters|take_and_reset|collect_impulses|consume_events",
        p.pick("Take the accumulated value and reset it.", "Flush accumulators of the last pass."),
    )
    i, n = threads(p, k)
    t = p.weighted({T.F32: 4, T.I32: 3, T.U32: 1})
    fill = R.uniform(0.0, 4.0) if t.is_float else R.integers(0, 30)
    pending = k.array("pending|accumulator|counters|inbox", t, (n,), fill, "inout")
    taken = k.let("taken|value|amount", wp.atomic_exch(pending, i, literal(0, t)))
    if p.chance(0.4):
        with k.when(taken == 0):
            k.ret()
    value: Expr = taken
    if t.is_float and p.chance(0.6):
        value = taken * k.param("scale|weight|dt", 0.01, 0.5)
    out = k.array("totals|history|collected", t, (n,), fill, "inout")
    k.set(out[i], out[i] + value)
    if p.chance(0.4):
        k.do(wp.atomic_max(k.out("largest|peak|max_taken", t, (1,)), 0, taken))
