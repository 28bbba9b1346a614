"""Voxel keys and hash lookups, for the neighbour-search category."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct
from generator.synthesis.categories._spatial_codes import cell_of, points
from generator.synthesis.categories._tables import Table
from generator.synthesis.logic import any_of
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, literal


def voxel_keys(p: ProgramBuilder) -> None:
    """Packed or hashed voxel keys, and lookups by open addressing."""
    p.pick(_make_keys, _make_keys, _probe)(p)


def _key_function(p: ProgramBuilder) -> tuple[UserFunction, T.Scalar]:
    form = p.pick("packed", "hashed", "hashed", "signed")
    t = {"packed": T.U64, "hashed": p.pick(T.U32, T.I32), "signed": T.I64}[form]
    primes = p.pick(
        (73856093, 19349663, 83492791),
        (198491317, 6542989, 357239),
        (1597334677, 503944943, 1299721),
    )
    bits, bias = p.pick((21, 1 << 20), (20, 1 << 19), (16, 1 << 15))

    def body(b: Block, i: Expr, j: Expr, m: Expr) -> None:
        if form == "hashed":
            parts = [
                cast(t, c) * N.literal(q, t) if t == T.U32 else c * q
                for c, q in zip((i, j, m), primes, strict=True)
            ]
            mixed = b.let("h|mix|key", parts[0] ^ parts[1] ^ parts[2])
            b.ret(mixed if p.chance(0.5) else mixed ^ (mixed >> 15))
            return
        shifted = [
            b.let(f"{n}u|{n}b|b{n}", cast(t, c + bias))
            for n, c in zip("xyz", (i, j, m), strict=True)
        ]
        b.ret((shifted[0] << 2 * bits) | (shifted[1] << bits) | shifted[2])

    return p.func(
        "voxel_key|pack_cell|cell_key|hash_voxel",
        {"i|cx|x": T.I32, "j|cy|y": T.I32, "k|cz|z": T.I32},
        body,
        p.pick("", "Key of a voxel."),
    ), t


def _make_keys(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "compute_voxel_keys|hash_voxels|assign_voxels|voxel_downsample_keys|cell_hashes|bin_points_to_voxels",
        p.pick(
            "Voxel key of every point.",
            "Hash the cell of every point.",
            "Points to voxels, with counts.",
        ),
    )
    e, x = points(k)
    size = k.param("voxel_size|cell_size|leaf_size", 0.1, 0.8)
    key_function, t = _key_function(p)
    cells = cell_of(
        p,
        k,
        x,
        size,
        k.quantity("grid_origin|origin|lower", T.VEC3, [-2.0, -2.0, -2.0])
        if p.chance(0.4)
        else None,
    )
    if p.chance(0.3):
        reach = k.count("max_cell|extent|half_cells", p.pick(8, 12, 16))
        outside = [any_of(c < -reach, c >= reach) for c in cells]
        with k.when(any_of(*outside)):
            k.ret()
    key = k.let("key|h|code", key_function(*cells))
    e.out("keys|voxel_keys|hashes", t).store(key)
    if p.chance(0.6):
        buckets = p.pick(64, 128, 256)
        if t == T.I32:
            slot = k.let(
                "slot|bucket|b", (key & 0x7FFFFFFF) % k.count("num_buckets|table_size", buckets)
            )
        else:
            slot = k.let(
                "slot|bucket|b",
                cast(T.I32, key & (buckets - 1)) if p.chance(0.5) else cast(T.I32, key % buckets),
            )
        for what in p.sample(["count", "first", "sum", "slot"], 1, 3):
            if what == "count":
                Table(e, "bucket_counts|occupancy|counts", T.I32, (buckets,), role="out").add(
                    1, slot
                )
            elif what == "first":
                Table(
                    e,
                    "first_point|owner|representative",
                    T.I32,
                    (buckets,),
                    R.constant(1 << 20),
                    "inout",
                ).atomic("min", e.index, slot)
            elif what == "sum":
                Table(e, "centroid_sum|position_sums", T.VEC3, (buckets,), role="out").add(x, slot)
            else:
                e.out("slots|bucket_ids", T.I32).store(slot)
    if p.chance(0.3):
        centre = (
            construct(T.VEC3, *[cast(T.F32, c) for c in cells]) + construct(T.VEC3, 0.5)
        ) * size
        e.out("voxel_centers|snapped|cell_centers", T.VEC3).store(centre)


def _probe(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "lookup_voxels|probe_hash_table|find_voxel|hash_table_lookup|query_voxels",
        p.pick(
            "Open-addressing lookup of every query's voxel.",
            "Linear probing until the key or an empty slot.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    e, x = points(k, "query")
    capacity = p.pick(64, 128, 256)
    key_function, t = _key_function(p)
    table = Table(
        e,
        "table_keys|hash_keys|slots_key",
        t,
        (capacity,),
        R.integers(-1 if t in (T.I32, T.I64) else 0, 40),
        shared=p.chance(0.5),
    )
    values = Table(
        e,
        "table_values|payload|voxel_value",
        T.F32,
        (capacity,),
        R.uniform(0.0, 1.0),
        shared=p.chance(0.5),
    )
    key = k.let(
        "key|h|code", key_function(*cell_of(p, k, x, k.param("voxel_size|cell_size", 0.2, 1.0)))
    )
    size = k.count("capacity|table_size|num_slots", capacity)
    start = cast(T.I32, key & (capacity - 1)) if t != T.I32 else key & (capacity - 1)
    slot = k.var("slot|s|probe_at", start)
    found, probes = k.var("found|hit|match_slot", -1), k.var("probes|n|tries", 0)
    empty = literal(-1, t) if t in (T.I32, T.I64) else literal(0, t)
    limit = k.count("max_probes|probe_limit", p.pick(8, 16, 32))
    with k.repeat(probes < limit):
        entry = k.let("entry|stored|key_s", table[slot])
        with k.when(entry == key):
            k.set(found, slot)
            k.brk()
        with k.when(entry == empty):
            k.brk()
        k.set(slot, (slot + 1) % size if p.chance(0.6) else (slot + 1) & (capacity - 1))
        k.aug(probes, "+", 1)
    if p.chance(0.6):
        e.out("slots_out|found_slot|indices", T.I32).store(found)
    with k.when(found >= 0):
        e.out("values_out|samples|lookup", T.F32).store(values[found])
    with k.otherwise():
        e.out("missing|misses|not_found", T.I32).store(1)
    if p.chance(0.5):
        e.out("probe_counts|cost|steps", T.I32).store(probes)
