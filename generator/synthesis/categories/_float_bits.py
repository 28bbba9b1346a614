"""Work on the bit patterns of floats: sortable keys, exponents, packed halves, comparisons in units of the last place."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.categories._extras import helper
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def reinterpret(value: Expr, t: T.Scalar) -> Expr:
    """``wp.cast(value, dtype)``: the same bits as another type of the same size."""
    return call_as("cast", t, value, t)


def float_bits(p: ProgramBuilder) -> None:
    """One of the intents below."""
    p.weighted(
        {_keys: 3, _exponents: 1.5, _halves: 1.5, _last_place: 1.2, _hashed: 1.5, _flush: 0.8}
    )(p)


def float_keys(p: ProgramBuilder) -> None:
    """Integer keys that sort as the floats do, and back."""
    _keys(p)


def _values(p: ProgramBuilder, k: KernelBuilder, low: float = -4.0) -> tuple[Name, Expr, int]:
    n = p.pick(64, 100, 128, 200)
    k.launch_dim = (n,)
    i = k.let("i|tid|idx", wp.tid())
    values = k.array("values|x|src|distances", T.F32, (n,), R.uniform(low, 4.0))
    return i, values[i], n


def _keys(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "float_sort_keys|encode_keys|float_to_ordered|make_radix_keys|order_preserving_keys",
        p.pick("Unsigned keys in the order of the floats.", "Sortable keys for a radix pass."),
    )
    i, value, n = _values(p, k)
    form = p.pick("branch", "ternary", "mask", "signed")
    t = T.I32 if form == "signed" else T.U32

    def body(b: Block, x: Expr) -> Expr:
        bits = b.let("bits|u|raw", reinterpret(x, t))
        if form == "signed":
            return choose(bits < 0, bits ^ 2147483647, bits)
        sign = b.let("sign|top_bit|msb", construct(T.U32, 1) << construct(T.U32, 31))
        if form == "mask":
            flip = b.let("flip|mask", wp.where(x < 0.0, ~construct(T.U32, 0), sign))
            return bits ^ flip
        if form == "ternary":
            return choose((bits & sign) == construct(T.U32, 0), bits | sign, ~bits)
        key = b.var("key|ordered", bits)
        with b.when(x < 0.0):
            b.set(key, ~bits)
        with b.otherwise():
            b.set(key, bits | sign)
        return key

    key = k.let(
        "key|ordered_key|k_i",
        helper(p, k, "ordered_bits|sortable_key|float_key", {"x|v|value": value}, body),
    )
    k.set(k.out("keys|codes|keys_out", t, (n,))[i], key)
    if p.chance(0.5):
        k.set(k.out("indices|payload|order", T.I32, (n,))[i], i)
    if t == T.U32 and p.chance(0.5):
        shift = k.count("shift|bit_offset|digit_shift", p.pick(0, 8, 16, 24))
        digit = (key >> cast(T.U32, shift)) & construct(T.U32, 255)
        counts = k.out("digit_counts|histogram|bucket_sizes", T.I32, (256,))
        k.do(wp.atomic_add(counts, construct(T.I32, digit), 1))


def _exponents(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "exponent_histogram|binary_exponents|magnitude_bins|log2_floor|scale_exponents",
        p.pick("Histogram of binary exponents.", "Exponent and mantissa of each value."),
    )
    i, value, n = _values(p, k, 0.01)

    def body(b: Block, x: Expr) -> Expr:
        return ((reinterpret(x, T.I32) >> 23) & 255) - 127

    exponent = k.let(
        "exponent|e|exp2_i",
        helper(p, k, "binary_exponent|ilogb|float_exponent", {"x|v": value}, body),
    )
    if p.chance(0.6):
        bins = p.pick(16, 24)
        counts = k.out("counts|histogram|exponent_counts", T.I32, (bins,))
        k.do(wp.atomic_add(counts, wp.clamp(exponent + bins // 2, 0, bins - 1), 1))
    else:
        k.set(k.out("exponents|levels|exp_out", T.I32, (n,))[i], exponent)
    if p.chance(0.5):
        bits = (reinterpret(value, T.I32) & 0x007FFFFF) | 0x3F800000
        mantissa = k.let("mantissa|m|fraction", reinterpret(bits, T.F32))
        k.set(k.out("mantissas|fractions|m_out", T.F32, (n,))[i], mantissa)


def _halves(p: ProgramBuilder) -> None:
    packing = p.chance(0.5)
    k = p.kernel_builder(
        "pack_half2|compress_pairs|encode_half_pairs"
        if packing
        else "unpack_half2|decompress_pairs|decode_half_pairs",
        p.pick("Two halves in one word.", "Half-precision pairs in 32 bits."),
    )
    n = p.pick(64, 128, 200)
    k.launch_dim = (n,)
    i = k.let("i|tid|idx", wp.tid())
    if packing:
        pairs = k.array("pairs|uv|samples", T.VEC2, (n,), R.uniform(-2.0, 2.0))
        v = k.let("v|pair|uv_i", pairs[i])
        low, high = (construct(T.U32, reinterpret(cast(T.F16, part), T.U16)) for part in (v.x, v.y))
        word = k.let("low|lo", low) | (k.let("high|hi", high) << construct(T.U32, 16))
        k.set(k.out("packed|words|codes", T.U32, (n,))[i], word)
        return
    packed = k.array("packed|words|codes", T.U32, (n,), R.integers(0, 0x3BFF))
    word = k.let("word|w|code", packed[i])
    low, high = (
        cast(T.F32, reinterpret(cast(T.U16, half), T.F16))
        for half in (word & construct(T.U32, 0xFFFF), word >> construct(T.U32, 16))
    )
    scale = k.param("scale|gain|range", 0.5, 4.0) if p.chance(0.5) else None
    pair = construct(T.VEC2, low, high)
    k.set(k.out("pairs|uv|decoded", T.VEC2, (n,))[i], pair if scale is None else pair * scale)


def _last_place(p: ProgramBuilder) -> None:
    """Differences in units of the last place, as regression tests count them."""
    k = p.kernel_builder(
        "ulp_distance|compare_ulps|max_ulp_error|count_mismatches|check_precision",
        p.pick("Distance in units of the last place.", "How far results are from the reference."),
    )
    i, value, n = _values(p, k, 0.1)
    other = k.array("reference|expected|y", T.F32, (n,), R.uniform(0.1, 4.0))

    def body(b: Block, x: Expr, y: Expr) -> Expr:
        return wp.abs(reinterpret(x, T.I32) - reinterpret(y, T.I32))

    steps = k.let(
        "ulps|steps|diff",
        helper(p, k, "ulp_diff|ulps_between", {"a|x|got": value, "b|y|want": other[i]}, body),
    )
    if p.chance(0.6):
        k.do(wp.atomic_max(k.out("worst|max_ulps|largest", T.I32, (1,)), 0, steps))
    limit = k.count("max_ulps|tolerance|limit", p.pick(4, 1024, 1 << 20))
    with k.when(steps > limit):
        k.do(wp.atomic_add(k.out("mismatches|num_bad|failures", T.I32, (1,)), 0, 1))


def _hashed(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "hash_values|hash_points|vertex_keys|dedup_keys|content_hash",
        p.pick("Hash of the bit pattern of each point.", "Keys that find identical points."),
    )
    n = p.pick(64, 100, 128)
    k.launch_dim = (n,)
    i = k.let("i|tid|vertex", wp.tid())
    points = k.array("points|vertices|positions", T.VEC3, (n,), R.uniform(-1.0, 1.0))
    x = k.let("x|v|point", points[i])
    if p.chance(0.4):
        cell = k.param("tolerance|cell|weld_distance", 0.01, 0.2)
        x = k.let(
            "snapped|q|rounded", construct(T.VEC3, *(wp.rint(x[a] / cell) * cell for a in range(3)))
        )
    h = k.var("h|key|digest", construct(T.U32, p.pick(5381, 17, 1469598103)))
    with k.loop("axis|c|a", 3) as c:
        k.set(h, (h ^ reinterpret(x[c], T.U32)) * construct(T.U32, 16777619))
    buckets = p.pick(64, 256)
    if p.chance(0.6):
        bucket = construct(T.I32, h % construct(T.U32, buckets))
        k.set(k.out("buckets|slots|bucket_of", T.I32, (n,))[i], bucket)
    else:
        k.set(k.out("keys|hashes|digests", T.U32, (n,))[i], h)


def _flush(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "truncate_mantissa|drop_low_bits|quantise_bits|round_to_bfloat",
        p.pick("Keep the leading bits of the mantissa.", "Round to a shorter float format."),
    )
    i, value, n = _values(p, k)
    bits = k.let("bits|raw|u", reinterpret(value, T.U32))
    if p.chance(0.5):
        half = construct(T.U32, 0x7FFF) + ((bits >> construct(T.U32, 16)) & construct(T.U32, 1))
        bits = k.let("rounded|nearest", bits + half)
    low = construct(T.U32, 16)
    kept = k.let("kept|short_bits", (bits >> low) << low)
    k.set(k.out("truncated|out|short_values", T.F32, (n,))[i], reinterpret(kept, T.F32))
    if p.chance(0.4):
        error = wp.abs(value - reinterpret(kept, T.F32))
        k.do(wp.atomic_max(k.out("max_error|worst", T.F32, (1,)), 0, error))
