"""Words of bits, one by one: set operations, distances, flags and checksums, for the array and indexing categories."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def threads(p: ProgramBuilder, k: KernelBuilder, hint: str = "i|tid|item") -> tuple[Name, int]:
    """One thread an item: its index, and the number of items."""
    n = p.pick(64, 100, 128, 160, 200)
    k.launch_dim = (n,)
    return k.let(hint, wp.tid()), n


def word_type(p: ProgramBuilder) -> T.Scalar:
    """The type of the words that hold the bits."""
    return p.weighted({T.U32: 6, T.U64: 2})


def set_algebra(p: ProgramBuilder) -> None:
    """Union, difference and the like of two sets, word by word."""
    k = p.kernel_builder(
        "combine_masks|merge_bitsets|intersect_sets|mask_words|filter_bits|bitset_difference",
        p.pick("Combine packed sets word by word.", "Set operation on bit masks.", ""),
    )
    i, n = threads(p, k, "w|i|word")
    t = word_type(p)
    a, b = (k.array(h, t, (n,), R.integers(0, 1 << 30)) for h in ("a|lhs|visible", "b|rhs|blocked"))
    x, y = k.let("x|a_w|left", a[i]), k.let("y|b_w|right", b[i])
    match p.pick("union", "difference", "exclusive", "implication", "select"):
        case "union":
            value: Expr = x | y
        case "difference":
            value = x & ~y
        case "exclusive":
            value = x ^ y
        case "implication":
            value = ~x | y
        case _:
            m = k.let("m|take_b|chosen", k.array("mask|select", t, (n,), R.integers(0, 1 << 30))[i])
            value = (x & ~m) | (y & m)
    value = k.let("value|merged|result", value)
    k.set(k.out("out|combined|dst", t, (n,))[i], value)
    if p.chance(0.6):
        number = construct(T.I32, wp.bit_count(value))
        k.do(wp.atomic_add(k.out("num_set|population|count", T.I32, (1,)), 0, number))


def hamming(p: ProgramBuilder) -> None:
    """Distances and overlaps of rows of words."""
    k = p.kernel_builder(
        "hamming_distance|match_descriptors|compare_signatures|similarity_of_sets|nearest_code",
        p.pick("Hamming distances of binary descriptors.", "Overlap of binary fingerprints."),
    )
    i, n = threads(p, k)
    t, words = p.weighted({T.U32: 5, T.U64: 2, T.I32: 2}), p.pick(2, 4, 8)
    a = k.array("descriptors|signatures|codes", t, (n, words), R.integers(0, 1 << 30))
    b = k.array("reference|query|other_codes", t, (n, words), R.integers(0, 1 << 30))
    extent: Expr | int = a.dim(1) if p.chance(0.5) else words
    if p.chance(0.6):
        distance = k.var("distance|differing|d", 0)
        with k.loop("w|word|j", extent) as w:
            k.aug(distance, "+", construct(T.I32, wp.bit_count(a[i, w] ^ b[i, w])))
        k.set(k.out("distances|hamming|d_out", T.I32, (n,))[i], distance)
        return
    common, either = k.var("common|shared", 0), k.var("either|total", 0)
    with k.loop("w|word|j", extent) as w:
        x, y = k.let("x|a_w", a[i, w]), k.let("y|b_w", b[i, w])
        k.aug(common, "+", construct(T.I32, wp.bit_count(x & y)))
        k.aug(either, "+", construct(T.I32, wp.bit_count(x | y)))
    score = cast(T.F32, common) / cast(T.F32, wp.max(either, 1))
    k.set(k.out("similarity|jaccard|scores", T.F32, (n,))[i], score)


_FLAGS = [
    ("HOT|IS_HOT|FLAG_HOT", "temperature|heat", "max_temperature|hot_limit"),
    ("FAST|MOVING|FLAG_FAST", "speed|velocity", "max_speed|speed_limit"),
    ("DENSE|PACKED|FLAG_DENSE", "density|load", "max_density|dense_limit"),
    ("STRESSED|YIELDED|FLAG_STRESS", "stress|strain", "yield_stress|stress_limit"),
]


def pack_flags(p: ProgramBuilder) -> None:
    """Conditions of an item as the bits of a word."""
    k = p.kernel_builder(
        "pack_flags|encode_state|classify_cells|build_state_flags|update_flags",
        p.pick("Pack the state of each cell into flags.", "Encode conditions as bits."),
    )
    i, n = threads(p, k, "i|cell|tid")
    t = p.pick(T.U32, T.I32, T.U8)
    flags = k.var("flags|code|bits_i", construct(t, 0))
    for number, (names, quantity, limit) in enumerate(p.sample(_FLAGS, 2, 4)):
        value = k.array(quantity, T.F32, (n,), R.uniform(0.0, 2.0))[i]
        above = value > k.param(limit, 0.5, 1.5)
        with k.when(above):
            bit: Expr = (
                p.const(names, 1 << number, t)
                if p.chance(0.6)
                else construct(t, 1) << construct(t, number)
            )
            k.set(flags, flags | bit)
    if p.chance(0.5):
        old = k.array("previous|old_flags|last_state", t, (n,), R.integers(0, 16))
        changed = k.let("changed|diff|flipped", flags ^ old[i])
        k.set(k.out("changed_flags|events|edges", t, (n,))[i], changed)
        if p.chance(0.5):
            started = k.out("raised|rising|onset", t, (n,))
            k.set(started[i], changed & flags if p.chance(0.5) else flags & ~old[i])
    k.set(k.out("flags_out|state_flags|codes", t, (n,))[i], flags)


def checksum(p: ProgramBuilder) -> None:
    """A hash of every row, and one of all rows."""
    k = p.kernel_builder(
        "checksum_rows|hash_records|fingerprint_rows|row_signature|mix_words",
        p.pick("Checksum of every record.", "Order-independent hash of a table."),
    )
    i, n = threads(p, k, "row|i|record")
    words = p.pick(4, 6, 8)
    data = k.array("records|table|data", T.U32, (n, words), R.integers(0, 1 << 30))
    h = k.var("h|digest|acc", construct(T.U32, p.pick(17, 5381, 1469598103)))
    form = p.pick("rotate", "multiply", "shift")
    with k.loop("j|col|w", data.dim(1) if p.chance(0.5) else words) as j:
        if form == "rotate":
            turn = p.pick(5, 7, 13)
            rotated = (h << construct(T.U32, turn)) | (h >> construct(T.U32, 32 - turn))
            k.set(h, rotated ^ data[i, j])
        elif form == "multiply":
            k.set(h, (h ^ data[i, j]) * construct(T.U32, 16777619))
        else:
            k.set(h, h ^ (data[i, j] + (h << construct(T.U32, 6)) + (h >> construct(T.U32, 2))))
    if p.chance(0.6):
        k.set(k.out("digests|hashes|signatures", T.U32, (n,))[i], h)
        if p.chance(0.4):
            return
    groups = p.pick(1, 4)
    total = k.out("table_digest|parity|combined_hash", T.U32, (groups,))
    k.do(wp.atomic_xor(total, 0 if groups == 1 else i % groups, h))
