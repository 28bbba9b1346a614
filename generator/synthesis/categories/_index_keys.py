"""Integer keys of space: space-filling curves, voxel hashes, bit masks, sorted-key bookkeeping."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._numerics import add_at, report
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal

_SPREAD = {  # (axes, bits of the word) -> shifts and masks of the usual bit spreading
    (3, 32): ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)),
    (2, 32): ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)),
    (3, 64): (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ),
    (2, 64): (
        (16, 0x0000FFFF0000FFFF),
        (8, 0x00FF00FF00FF00FF),
        (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333),
        (1, 0x5555555555555555),
    ),
}
_LIMIT = {(3, 32): 0x3FF, (2, 32): 0xFFFF, (3, 64): 0x1FFFFF, (2, 64): 0xFFFFFFFF}


def spread_bits(p: ProgramBuilder, axes: int, word: T.Scalar, quantised: int) -> UserFunction:
    """A function that leaves `axes` - 1 zero bits between the bits of its argument."""
    size = 64 if "64" in word.name else 32
    loop = p.chance(0.35)

    def magic(b: Block, v: Expr) -> None:
        x = b.var("x|r|v", v & _LIMIT[axes, size])
        for shift, mask in _SPREAD[axes, size]:
            b.set(x, (x | (x << shift)) & mask if p.chance(0.8) else (x ^ (x << shift)) & mask)
        b.ret(x)

    def looped(b: Block, v: Expr) -> None:
        out = b.var("code|out|r", 0, word)
        with b.loop("i|bit|b", quantised) as i:
            bit = cast(word, i)
            b.set(out, out | (((v >> bit) & 1) << (bit * axes)))
        b.ret(out)

    doc = p.pick(
        "",
        "Insert zeros between the bits.",
        f"Spread the low bits over every {'third' if axes == 3 else 'second'} position.",
    )
    return p.func(
        "spread_bits|expand_bits|part_by_two|dilate|interleave_zeros",
        {"v|x|n": word},
        looped if loop else magic,
        doc,
    )


def curves(p: ProgramBuilder) -> None:
    """Morton codes of points, boxes or cells, their inverse, and Hilbert indices."""
    p.weighted({_morton: 3, _decode: 1.2, _hilbert: 1})(p)


def _unit(p: ProgramBuilder, k: KernelBuilder, x: Expr, vec: T.Vec) -> Expr:
    """Position scaled to the unit cube."""
    low = k.quantity("lower|bounds_min|scene_lo|origin", vec, [-2.0] * vec.n)
    if p.chance(0.5):
        inv = k.param("inv_extent|scale|inv_size", 0.2, 0.25)
        return (x - low) * inv
    return wp.cw_div(x - low, k.quantity("extent|size|bounds_size", vec, [4.0, 4.2, 4.0][: vec.n]))


def _morton(p: ProgramBuilder) -> None:
    axes = p.weighted({3: 3, 2: 1.5})
    word = p.weighted({T.U32: 3, T.U64: 2})
    bits = (
        p.pick(8, 10)
        if axes == 3 and word == T.U32
        else p.pick(10, 14, 16)
        if word == T.U32
        else p.pick(16, 20, 21)
        if axes == 3
        else p.pick(16, 20)
    )
    k = p.kernel_builder(
        f"morton_codes|compute_morton|morton{axes}d|encode_points|z_order_keys|assign_codes",
        p.pick(
            "Morton code of every primitive.",
            "Z-order keys for sorting.",
            "Quantise and interleave.",
        ),
    )
    e = Entities(k, p.pick("point", "particle", "primitive", "triangle"))
    vec = T.Vec(axes)
    source = p.pick("point", "point", "box", "cell")
    out = e.out("codes|morton|keys|z_codes", word)
    f = spread_bits(p, axes, word, bits)
    top = 2**bits - 1
    if source == "cell":
        ivec = T.Vec(axes, T.I32)
        c = e.field("cells|voxels|coords|ijk", ivec, R.integers(0, min(top, 2000)))
        e.guard()
        ci = c.read("c|cell|ijk_i")
        parts = [cast(word, ci[i]) for i in range(axes)]
    else:
        if source == "point":
            x = e.field("points|positions|pos|x", vec, R.uniform(-1.9, 1.9)).own
        else:
            x = 0.5 * (
                e.field("lowers|aabb_min|box_lo", vec, R.uniform(-1.9, 0.0)).own
                + e.field("uppers|aabb_max|box_hi", vec, R.uniform(0.0, 1.9)).own
            )
        e.guard()
        u = k.let("u|unit|norm_pos", _unit(p, k, x, vec))
        levels = float(2**bits)
        names = ["qx|ix|xi", "qy|iy|yi", "qz|iz|zi"]
        parts = [
            k.let(
                names[i],
                cast(
                    word,
                    wp.clamp(u[i] * levels, 0.0, float(top))
                    if p.chance(0.6)
                    else wp.min(wp.max(u[i] * levels, 0.0), float(top)),
                ),
            )
            for i in range(axes)
        ]
    order = p.pick("shift", "shift", "times")
    total: Expr | None = None
    for i, q in enumerate(parts if p.chance(0.6) else parts[::-1]):
        term = f(q) if i == 0 else (f(q) << i if order == "shift" else f(q) * (1 << i))
        total = term if total is None else total | term
    assert total is not None
    code = k.let("code|key|z_code", total)
    out.store(code)
    _after_code(p, k, e, code, word, bits * axes)


def _after_code(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, code: Expr, word: T.Scalar, bits: int
) -> None:
    """Values for the sort that follows, digit counts, or packed keys."""
    for what in p.sample(["ids", "digits", "packed", "top", "prefix"], 0, p.pick(0, 1, 2)):
        if what == "ids":
            e.out("indices|ids|order", T.I32).store(e.index)
        elif what == "digits":
            width = p.pick(4, 6, 8)
            shift = p.pick(0, 4, 8)
            digit = k.let("digit|bucket|d", cast(T.I32, (code >> shift) & (2**width - 1)))
            add_at(k, k.out("digit_counts|histogram|bins", T.I32, (2**width,)), digit, 1)
        elif what == "packed" and word == T.U32:
            packed = (cast(T.U64, code) << 32) | cast(T.U64, e.index)
            e.out("sort_keys|packed|unique_keys", T.U64).store(packed)
        elif what == "top":
            k.do(wp.atomic_max(k.out("max_code|largest|top_code", word, (1,)), 0, code))
        elif what == "prefix":
            level = k.count("level|depth|tree_level", p.pick(1, 2, 3))
            e.out("prefixes|node_keys|octant", word).store(code >> cast(word, level * 3))


def _decode(p: ProgramBuilder) -> None:
    axes = p.pick(2, 3, 3)
    word = p.pick(T.U32, T.U64)
    k = p.kernel_builder(
        "decode_morton|morton_to_cell|unpack_codes|cell_from_key|deinterleave",
        p.pick("Cell coordinates of Morton codes.", ""),
    )
    e = Entities(k, p.pick("node", "cell", "voxel", "block"))
    bits = p.pick(4, 5, 6)
    codes = e.field("codes|keys|morton", word, R.integers(0, 2 ** (bits * axes)))
    e.guard()
    loop = p.chance(0.5)

    def body(b: Block, v: Expr) -> None:
        if loop:
            out = b.var("out|x|r", 0, word)
            with b.loop("i|bit|b", bits) as i:
                b.set(out, out | (((v >> (cast(word, i) * axes)) & 1) << cast(word, i)))
            b.ret(out)
            return
        size = 32
        masks = _SPREAD[axes, size]
        x = b.var("x|r|t", v & masks[-1][1])
        below = [m for _, m in masks[::-1][1:]] + [_LIMIT[axes, size]]
        for (shift, _), mask in zip(masks[::-1], below, strict=True):
            b.set(x, (x | (x >> shift)) & mask)
        b.ret(x)

    f = p.func(
        "compact_bits|squeeze|gather_bits|undilate",
        {"v|code|x": word},
        body,
        p.pick("", "Every third bit, packed." if axes == 3 else "Every second bit, packed."),
    )
    code = codes.read("code|key|v")
    names = ["ix|cx|i", "iy|cy|j", "iz|cz|l"]
    cells = [k.let(names[i], cast(T.I32, f(code if i == 0 else code >> i))) for i in range(axes)]
    if p.chance(0.5):
        e.out("cells|coords|ijk", T.Vec(axes, T.I32)).store(construct(T.Vec(axes, T.I32), *cells))
    else:
        size = k.param("cell_size|voxel|dx", 0.05, 0.5, T.F32)
        low = k.quantity("origin|lower|grid_origin", T.Vec(axes), [-1.0] * axes)
        center = construct(T.Vec(axes), *(cast(T.F32, c) + 0.5 for c in cells)) * size
        e.out("centers|positions|cell_centers", T.Vec(axes)).store(low + center)
    if p.chance(0.5):
        add_at(k, k.out("row_counts|slab_counts|per_column", T.I32, (2**bits,)), cells[0], 1)


def _hilbert(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "hilbert_index|hilbert_keys|xy_to_hilbert|curve_order|hilbert_codes",
        p.pick("Index along the Hilbert curve.", "Locality-preserving order of cells.", ""),
    )
    e = Entities(k, p.pick("cell", "point", "tile"))
    order = p.pick(4, 5, 6, 8)
    side = 2**order
    if p.chance(0.5):
        c = e.field("cells|coords|xy", T.Vec(2, T.I32), R.integers(0, side))
        e.guard()
        x0, y0 = c.own[0], c.own[1]
    else:
        q = e.field("points|positions|pos", T.VEC2, R.uniform(0.0, 0.999))
        e.guard()
        pt = q.read("pt|u|x")
        x0, y0 = cast(T.I32, pt.x * float(side)), cast(T.I32, pt.y * float(side))

    def body(b: Block, px: Expr, py: Expr) -> None:
        x, y, d, s = (
            b.var("x|cx", px),
            b.var("y|cy", py),
            b.var("d|index|dist", 0),
            b.var("s|half|step", side // 2),
        )
        with b.repeat(s > 0):
            rx, ry = (
                b.let("rx|qx", choose((x & s) > 0, 1, 0)),
                b.let("ry|qy", choose((y & s) > 0, 1, 0)),
            )
            b.aug(d, "+", s * s * ((3 * rx) ^ ry))
            with b.when(ry == 0):
                with b.when(rx == 1):
                    b.set(x, side - 1 - x)
                    b.set(y, side - 1 - y)
                t = b.var("t|tmp", x)
                b.set(x, y)
                b.set(y, t)
            b.set(s, s // 2)
        b.ret(d)

    f = p.func(
        "hilbert_distance|xy2d|hilbert_from_cell|curve_index",
        {"x|cx": T.I32, "y|cy": T.I32},
        body,
        p.pick("", "Distance along the curve."),
    )
    index = k.let("h|key|d", f(k.let("ix|cx|qx", x0), k.let("iy|cy|qy", y0)))
    e.out("hilbert|keys|curve_ids", T.I32).store(index)
    if p.chance(0.4):
        limit = k.count("first_key|range_start|key_min", p.pick(16, 64, 128))
        e.out("in_range|selected|mine", T.I32).store(choose(index >= limit, 1, 0))
    if p.chance(0.6):
        blocks = p.pick(8, 16)
        add_at(
            k,
            k.out("block_counts|partition_sizes|load", T.I32, (blocks,)),
            index * blocks // (side * side),
            1,
        )


# --- hashing --------------------------------------------------------------------------------------


def hashed(p: ProgramBuilder) -> None:
    """Voxel hashing: bucket counts, lookups by probing, occupancy bits."""
    p.weighted({_buckets: 2, _lookup: 2, _bits: 2, _boundaries: 1.6, _search: 1.4})(p)


def _cell(p: ProgramBuilder, k: KernelBuilder, x: Expr, size: Expr) -> list[Name]:
    """Integer cell coordinates of a position."""
    n = T.length_of(x.type)
    names = ["cx|ix|gi", "cy|iy|gj", "cz|iz|gk"]
    inverse = p.chance(0.4)
    inv = k.let("inv|inv_h|inv_cell", 1.0 / size) if inverse else None
    return [
        k.let(names[i], cast(T.I32, wp.floor(x[i] / size if inv is None else x[i] * inv)))
        for i in range(n)
    ]


def _hash(p: ProgramBuilder, b: Block, cells: list[Expr], buckets: Expr) -> Expr:
    """Bucket of a cell."""
    form = p.pick("xor", "xor", "mix", "linear")
    n = len(cells)

    def body(i: Block, *args: Expr) -> Expr:
        c, m = args[:-1], args[-1]
        if form == "linear":
            h = i.let("h|key|lin", sum_terms([c[0], c[1] * 31, *([c[2] * 961] if n == 3 else [])]))
            return ((h % m) + m) % m
        primes = (73856093, 19349663, 83492791)
        terms = [cast(T.U32, a) * q for a, q in zip(c, primes, strict=False)]
        h = i.var("h|key|mixed", terms[0] ^ terms[1] if n == 2 else terms[0] ^ terms[1] ^ terms[2])
        if form == "mix":
            i.set(h, h ^ (h >> 16))
            i.set(h, h * 0x45D9F3B)
            i.set(h, h ^ (h >> 15))
        return cast(T.I32, h % cast(T.U32, m))

    args = dict(zip(("x|cx|i", "y|cy|j", "z|cz|l"), cells, strict=False)) | {
        "buckets|size|m": buckets
    }
    return piece(
        p,
        b,
        "hash_cell|cell_hash|spatial_hash|bucket_of",
        args,
        body,
        p.pick("", "Bucket of a cell.", "Spatial hash."),
        0.6,
    )


def sum_terms(terms: list[Expr]) -> Expr:
    """Left-to-right sum."""
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    return total


def _buckets(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "hash_points|count_buckets|voxel_hash|assign_buckets|hash_particles|bucket_histogram",
        p.pick("Bucket of every point, and bucket sizes.", "Spatial hash of the particles.", ""),
    )
    e = Entities(k, p.pick("point", "particle", "vertex"))
    vec = T.Vec(p.pick(2, 3, 3))
    x = e.field("points|positions|pos|x", vec, R.uniform(-3.0, 3.0))
    e.guard()
    size = e.world_param("cell_size|voxel|h", 0.2, 1.0, T.F32)
    m = p.pick(32, 64, 97, 128, 251)
    buckets = k.count("num_buckets|table_size|hash_size", m)
    b = k.let("b|bucket|key", _hash(p, k, list(_cell(p, k, x.read("xi|pt|pos_i"), size)), buckets))
    todo = p.sample(["ids", "count", "mean", "low", "weight"], 1, 3)
    if "ids" in todo or todo == ["low"]:
        e.out("bucket_ids|hashes|cell_keys", T.I32).store(b)
    if "count" in todo:
        add_at(k, k.out("bucket_counts|counts|sizes", T.I32, (m,)), b, 1)
    if "mean" in todo:
        add_at(k, k.out("bucket_sums|centroid_sum|pos_sum", vec, (m,)), b, x.own)
    if "low" in todo:
        k.do(
            wp.atomic_min(
                k.out("first_item|lowest_id|leader", T.I32, (m,), R.constant(100000)), b, e.index
            )
        )
    if "weight" in todo:
        add_at(
            k,
            k.out("bucket_mass|weight_sum|density", T.F32, (m,)),
            b,
            e.property("mass|weight|m", 0.1, 1.0, T.F32),
        )


def _lookup(p: ProgramBuilder) -> None:
    """Linear or quadratic probing in a table built earlier."""
    word = p.pick(T.I32, T.U64, T.I64)
    k = p.kernel_builder(
        "lookup_voxels|find_blocks|query_table|probe_table|resolve_keys|hash_lookup",
        p.pick("Slot of every key, or -1.", "Open-addressing lookup.", ""),
    )
    e = Entities(k, p.pick("query", "voxel", "key"))
    m, span = p.pick(64, 97, 128), p.pick(40, 80)
    keys = e.field("keys|queries|block_keys", word, R.integers(0, span))
    table = k.array(
        "table_keys|hash_table|slots",
        word,
        (m,),
        R.integers(-1, span) if word != T.U64 else R.integers(0, span),
    )
    values = k.array(
        "table_values|payload|block_ids", p.pick(T.I32, T.F32), (m,), R.integers(0, 100)
    )
    assert isinstance(values.type, T.Array)
    e.guard()
    key = keys.read("key|q|want")
    size = k.scalar("table_size|capacity|num_slots", T.I32, m)
    slot = k.var(
        "slot|s|pos", cast(T.I32, key * 7 % cast(word, size)) if word != T.I32 else key * 7 % size
    )
    probes, limit = (
        k.var("probes|n|trips", 0),
        k.count("max_probes|probe_limit|max_steps", p.pick(8, 16, 32)),
    )
    found = k.var("found|hit|result", -1)
    square = p.chance(0.3)
    empty = literal(0 if word == T.U64 else -1, word)
    with k.repeat(probes < limit if p.chance(0.5) else all_of(probes < limit, found < 0)):
        here = k.let("here|stored|cand", table[slot])
        with k.when(here == key):
            k.set(found, slot)
            k.brk()
        if p.chance(0.7):
            with k.when(here == empty):
                k.brk()
        k.aug(probes, "+", 1)
        k.set(slot, (slot + (probes if square else 1)) % size)
    e.out("slots|found_at|slot_ids", T.I32).store(found)
    if p.chance(0.7):
        out = e.out("values_out|fetched|payload_out", values.type.dtype)
        with k.when(found >= 0):
            out.store(values[found])
        if p.chance(0.5):
            with k.otherwise():
                add_at(k, k.out("misses|num_missing|not_found", T.I32, (1,)), 0, 1)
    if p.chance(0.5):
        k.do(wp.atomic_max(k.out("max_probe|longest_probe|worst_probes", T.I32, (1,)), 0, probes))


def _bits(p: ProgramBuilder) -> None:
    """Occupancy grids packed in machine words."""
    mark = p.chance(0.5)
    k = p.kernel_builder(
        "mark_occupied|set_voxel_bits|rasterize_bits"
        if mark
        else "count_occupied|popcount_words|bit_statistics",
        p.pick("Occupancy as bits of 32-bit words.", ""),
    )
    word = p.pick(T.U32, T.U32, T.I32) if mark else T.U32
    if mark:
        e = Entities(k, p.pick("point", "particle", "sample"))
        res = p.pick(8, 12, 16)
        x = e.field("points|positions|pos", T.VEC3, R.uniform(-0.2, 1.2))
        e.guard()
        n = k.count("resolution|res|grid_dim", res)
        xi = x.read("xi|pt|u")
        i, j, m = (
            k.let(h, cast(T.I32, wp.floor(c * cast(T.F32, n))))
            for h, c in (("i|ix|cx", xi.x), ("j|iy|cy", xi.y), ("l|iz|cz", xi.z))
        )
        low, high = wp.min(wp.min(i, j), m), wp.max(wp.max(i, j), m)
        with k.when(
            any_of(low < 0, high >= n) if p.chance(0.5) else any_of(i < 0, j < 0, m < 0, high >= n)
        ):
            k.ret()
        flat = k.let("flat|voxel|lin", (i * n + j) * n + m)
        bit = k.let(
            "bit|mask|flag",
            literal(1, word) << (cast(word, flat & 31) if word != T.I32 else flat & 31),
        )
        words = k.out("words|bits|occupancy", word, ((res**3 + 31) // 32,))
        k.do(wp.atomic_or(words, flat >> 5 if p.chance(0.5) else flat // 32, bit))
        if p.chance(0.5):
            e.out("voxel_ids|flat_index|cells", T.I32).store(flat)
        return
    e = Entities(k, p.pick("word", "brick", "block"))
    bits = e.field("words|bits|occupancy", T.U32, R.integers(0, 2**31))
    other = (
        e.field("mask|region|valid_bits", T.U32, R.integers(0, 2**31)) if p.chance(0.5) else None
    )
    e.guard()
    w = k.var("w|word_i|b", bits.own if other is None else bits.own & other.own)
    form = p.pick("kernighan", "swar", "loop")
    count = k.var("count|ones|n", 0)
    if form == "kernighan":
        with k.repeat(w != 0):
            k.set(w, w & (w - 1))
            k.aug(count, "+", 1)
    elif form == "swar":
        k.set(w, w - ((w >> 1) & 0x55555555))
        k.set(w, (w & 0x33333333) + ((w >> 2) & 0x33333333))
        k.set(count, cast(T.I32, (((w + (w >> 4)) & 0x0F0F0F0F) * 0x01010101) >> 24))
    else:
        with k.loop("i|b_i|bit", 32) as i, k.when(((w >> cast(T.U32, i)) & 1) == 1):
            k.aug(count, "+", 1)
    e.out("popcounts|ones_out|counts", T.I32).store(count)
    report(p, e, cast(T.F32, count) / 32.0, "fill", 0, 1)
    if p.chance(0.6):
        add_at(k, k.out("total|occupied|sum", T.I32, (1,)), 0, count)
    if p.chance(0.4):
        with k.when(
            count == p.pick(0, 32)
            if p.chance(0.3)
            else count > k.count("dense_threshold|min_bits|limit", p.pick(12, 16, 18))
        ):
            add_at(k, k.out("num_dense|dense_words|full_blocks", T.I32, (1,)), 0, 1)


def _boundaries(p: ProgramBuilder) -> None:
    """Starts and ends of cells in a sorted key array."""
    word = p.pick(T.I32, T.U32, T.U64)
    k = p.kernel_builder(
        "find_cell_bounds|cell_ranges|mark_boundaries|cell_start_end|segment_heads",
        p.pick("First and last item of every cell.", "Boundaries of equal keys.", ""),
    )
    n, cells = p.pick(96, 128, 200), p.pick(16, 24, 32)
    k.launch_dim = (n,)
    i = k.let("i|tid|idx", wp.tid())
    keys = k.array("sorted_keys|keys|cell_of", word, (n,), R.ascending(0.0, float(cells)))
    size = keys.dim(0) if p.chance(0.5) else k.count("num_items|n|count", n)
    key = k.let("key|c|mine", keys[i])
    at = key if word == T.I32 else cast(T.I32, key)
    start, end = (
        k.out("cell_start|starts|first", T.I32, (cells,), R.constant(-1)),
        k.out("cell_end|ends|last", T.I32, (cells,), R.constant(-1)) if p.chance(0.7) else None,
    )
    flags = k.out("head_flags|is_head|new_cell", T.I32, (n,)) if p.chance(0.4) else None

    def open_cell() -> None:
        k.set(start[at], i)
        if flags is not None:
            k.set(flags[i], 1)
        if p.chance(0.5):
            add_at(k, k.out("num_cells|occupied|cell_count", T.I32, (1,)), 0, 1)

    if p.chance(0.5):
        with k.when(i == 0):
            open_cell()
        with k.otherwise(), k.when(keys[i - 1] != key):
            open_cell()
    else:
        last = k.let("last|prev|before", wp.max(i - 1, 0))
        with k.when(any_of(i == 0, keys[last] != key)):
            open_cell()
    if end is not None:
        following = k.let("after|nxt|follow", wp.min(i + 1, size - 1))
        with k.when(any_of(i == size - 1, keys[following] != key)):
            k.set(end[at], i + 1)
    if p.chance(0.5):
        perm = k.array("sorted_ids|order|permutation", T.I32, (n,), R.permutation())
        x = k.array("positions|points|x", T.VEC3, (n,), R.uniform(-1.0, 1.0))
        k.set(k.out("sorted_positions|x_sorted|reordered", T.VEC3, (n,))[i], x[perm[i]])


def _search(p: ProgramBuilder) -> None:
    """Binary searches in sorted keys."""
    k = p.kernel_builder(
        "find_ranges|binary_search|locate_keys|lower_bounds|search_codes",
        p.pick("Position of every query in the sorted codes.", "Range of items with a key.", ""),
    )
    word = p.pick(T.I32, T.F32, T.U32)
    e = Entities(k, p.pick("query", "cell", "ray"))
    m = p.pick(64, 100, 128, 200)
    keys = k.array("sorted_keys|codes|levels", word, (m,), R.ascending(0.0, 500.0))
    q = e.field(
        "queries|wanted|targets",
        word,
        R.integers(0, 500) if word != T.F32 else R.uniform(0.0, 500.0),
    )
    e.guard()
    both = p.chance(0.5)
    inclusive = p.chance(0.5)

    def body(b: Block, a: Expr, want: Expr, n: Expr) -> None:
        lo, hi = b.var("lo|left|first", 0), b.var("hi|right|last", n)
        with b.repeat(lo < hi):
            mid = b.let("mid|m|probe", (lo + hi) // 2 if p.chance(0.6) else lo + (hi - lo) // 2)
            with b.when(a[mid] < want if inclusive else a[mid] <= want):
                b.set(lo, mid + 1)
            with b.otherwise():
                b.set(hi, mid)
        b.ret(lo)

    f = p.func(
        "lower_bound|upper_bound|bisect|first_not_less|search",
        {"a|keys|data": keys.type, "key|want": word, "n|count": T.I32},
        body,
        p.pick(
            "",
            "First position that is not below the key."
            if inclusive
            else "First position above the key.",
        ),
    )
    want = q.read("want|key|q_i")
    size = keys.dim(0) if p.chance(0.5) else k.count("num_keys|n_codes|total", m)
    first = k.let("first|pos|at", f(keys, want, size))
    e.out("positions|found|starts", T.I32).store(first)
    if both and word != T.F32:
        end = k.let(
            "stop|after|end_pos",
            f(
                keys,
                want + k.count("span|width|range_len", p.pick(5, 10, 25))
                if word == T.I32
                else want + p.pick(5, 10, 25),
                size,
            ),
        )
        e.out("range_len|match_count|sizes", T.I32).store(end - first)
    elif p.chance(0.6):
        near = k.let("near|clamped|j", wp.min(first, size - 1))
        e.out("nearest_key|keys_out|matched", word).store(keys[near])
    if p.chance(0.4):
        with k.when(first == size if p.chance(0.5) else first >= size):
            add_at(k, k.out("num_beyond|past_end|out_of_range", T.I32, (1,)), 0, 1)
