"""Space-filling codes, voxel keys and cell lists, for the spatial-indexing category."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, between, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal


def points(k: KernelBuilder, singular: str = "point", axes: int = 3) -> tuple[Entities, Expr]:
    """Items with a position; returns the layout and this thread's position."""
    e = Entities(k, singular, index="i|tid|idx")
    x = e.field("positions|points|centers|x", T.Vec(axes), R.uniform(-2.0, 2.0))
    e.guard()
    return e, x.read("p_i|x_i|pt|pos")


def spread_bits(p: ProgramBuilder, axes: int, wide: bool) -> UserFunction:
    """A `@wp.func` that inserts one or two zeros after every bit."""
    t = T.U64 if wide else T.U32
    steps = {
        (3, False): ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)),
        (2, False): ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)),
        (3, True): ((32, 0x1F00000000FFFF), (16, 0x1F0000FF0000FF), (8, 0x100F00F00F00F00F), (4, 0x10C30C30C30C30C3), (2, 0x1249249249249249)),
        (2, True): ((16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F), (2, 0x3333333333333333), (1, 0x5555555555555555)),
    }[axes, wide]  # fmt: skip
    multiply = axes == 3 and not wide and p.chance(0.4)
    names = (
        [p.const(f"SPREAD_{i}|MASK_{i}|MORTON_MASK_{i}", m, t) for i, (_, m) in enumerate(steps)]
        if wide or p.chance(0.4)
        else [N.literal(m, t) for _, m in steps]
    )

    def body(b: Block, v: Expr) -> None:
        x = b.var("x|v|bits", v)
        factors = (65537, 257, 17, 5)
        for i, (shift, _) in enumerate(steps):
            if multiply:
                b.set(x, (x * factors[i]) & names[i])
            else:
                b.set(x, (x | (x << shift)) & names[i])
        b.ret(x)

    hint = f"spread_bits_{axes}|expand_bits|part_by_{axes - 1}|dilate_{axes}"
    return p.func(
        hint,
        {"v|x|n": t},
        body,
        p.pick("", f"Inserts {axes - 1} zero bit{'s' if axes == 3 else ''} after each bit."),
    )


def morton(p: ProgramBuilder) -> None:
    """Morton and Hilbert codes of points, and of voxels at a level."""
    axes, wide = p.weighted({3: 4, 2: 2}), p.chance(0.4)
    k = p.kernel_builder(
        "morton_codes|compute_morton|encode_points|z_order_keys|quantize_and_encode|assign_codes",
        p.pick(
            "Morton code of every point.",
            "Space-filling-curve keys for sorting.",
            "Quantise positions and interleave their bits.",
        ),
    )
    t = T.U64 if wide else T.U32
    e, x = points(k, axes=axes)
    bits = {(3, False): 10, (3, True): 21, (2, False): 16, (2, True): 31}[axes, wide]
    if p.chance(0.2) and axes == 2:
        code = _hilbert(p, k, x)
        e.out("codes|keys|curve_index", T.I32).store(code)
    else:
        cells = _quantised(p, k, e, x, axes, bits, t)
        spread = spread_bits(p, axes, wide)
        code = _interleave(p, k, spread, cells, axes, t)
        level = (
            k.scalar("level_shift|coarsen|level_bits", t, axes * p.pick(1, 2, 3))
            if p.chance(0.3)
            else None
        )
        code = k.let("code|key|morton", code if level is None else code >> level)
        e.out("codes|keys|morton_out", t).store(code)
        if p.chance(0.3):
            top = p.pick(2, 3)
            bucket = k.let(
                "bucket|top_cell|octant",
                cast(T.I32, code >> (axes * bits - axes * top))
                if level is None
                else cast(T.I32, code & ((1 << (axes * top)) - 1)),
            )
            Table(e, "bucket_counts|histogram|counts", T.I32, (1 << (axes * top),), role="out").add(
                1, bucket
            )
    if p.chance(0.6):
        e.out("ids|indices|order", T.I32).store(e.index)


def _quantised(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, axes: int, bits: int, t: T.Scalar
) -> list[Expr]:
    low = k.quantity("lower|scene_min|bounds_min", T.Vec(axes), [-2.0] * axes)
    span = float((1 << min(bits, 21)) - 1)
    if p.chance(0.5):
        high = k.quantity("upper|scene_max|bounds_max", T.Vec(axes), [2.0] * axes)
        u = k.let("u|unit|rel", wp.cw_div(x - low, high - low))
    else:
        u = k.let("u|unit|rel", (x - low) * k.quantity("inv_extent|inv_size|scale", T.F32, 0.25))
    limited = p.chance(0.7)
    values = []
    for axis in "xyz"[:axes]:
        scaled = u.field(axis) * span
        if limited:
            scaled = (
                wp.clamp(scaled, 0.0, span) if p.chance(0.6) else wp.min(wp.max(scaled, 0.0), span)
            )
        values.append(k.let(f"q{axis}|i{axis}|c{axis}", cast(t, scaled)))
    return values


def _interleave(
    p: ProgramBuilder,
    k: KernelBuilder,
    spread: UserFunction,
    cells: list[Expr],
    axes: int,
    t: T.Scalar,
) -> Expr:
    def body(b: Block, *values: Expr) -> None:
        b.ret(_joined(p, spread, list(values)))

    if p.chance(0.6):
        f = p.func(
            f"morton_{axes}d|encode_{axes}d|interleave", dict.fromkeys("xyz"[:axes], t), body
        )
        return f(*cells)
    return _joined(p, spread, cells)


def _joined(p: ProgramBuilder, spread: UserFunction, values: list[Expr]) -> Expr:
    code: Expr = spread(values[0])
    high_first = p.chance(0.4)
    for number, value in enumerate(values[1:], start=1):
        if high_first:
            code = (code << 1) | spread(value)
        else:
            code = code | (spread(value) << number)
    return code


def _hilbert(p: ProgramBuilder, k: KernelBuilder, x: Expr) -> Expr:
    side = p.pick(256, 1024)

    def body(b: Block, cx: Expr, cy: Expr, n: Expr) -> None:
        px, py, d, s = (
            b.var("x|px", cx),
            b.var("y|py", cy),
            b.var("d|index", 0),
            b.var("s|half", n // 2),
        )
        with b.repeat(s > 0):
            rx, ry = (
                b.let("rx|bx", choose((px & s) > 0, 1, 0)),
                b.let("ry|by", choose((py & s) > 0, 1, 0)),
            )
            b.aug(d, "+", s * s * ((3 * rx) ^ ry))
            with b.when(ry == 0):
                with b.when(rx == 1):
                    b.set(px, n - 1 - px)
                    b.set(py, n - 1 - py)
                held = b.let("t|held", px)
                b.set(px, py)
                b.set(py, held)
            b.set(s, s // 2)
        b.ret(d)

    f = p.func(
        "hilbert_index|xy_to_hilbert|hilbert_code",
        {"cx|i": T.I32, "cy|j": T.I32, "n|side": T.I32},
        body,
        p.pick("", "Distance along the Hilbert curve."),
    )
    cell = k.param("cell_size|cell|width", 4.0 / side, 4.1 / side)
    i, j = (
        k.let(h, wp.clamp(cast(T.I32, (x.field(a) + 2.0) / cell), 0, side - 1))
        for h, a in (("ix|ci", "x"), ("iy|cj", "y"))
    )
    return k.let("code|key|h_idx", f(i, j, k.count("grid_side|resolution|side_cells", side)))


def cell_of(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, size: Expr, low: Expr | None = None
) -> list[Name]:
    """Integer cell coordinates of a position."""
    axes = "xyz"[: x.type.n]  # type: ignore[union-attr]
    moved = x if low is None else k.let("rel|local|d", x - low)
    return [
        k.let(f"c{a}|i{a}|cell_{a}", cast(T.I32, wp.floor(moved.field(a) / size))) for a in axes
    ]


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


# --- cell lists -----------------------------------------------------------------------------------


def cell_lists(p: ProgramBuilder) -> None:
    """Uniform grids: which cell, how many, and walks over the cells around a point."""
    p.pick(_assign_cells, _walk_cells, _walk_cells)(p)


def _dims(p: ProgramBuilder, k: KernelBuilder, side: int, axes: int) -> list[Expr]:
    if p.chance(0.5):
        return [k.count(f"n{a}|dim_{a}|cells_{a}", side) for a in "xyz"[:axes]]
    one = k.count("cells_per_side|grid_res|resolution", side)
    return [one] * axes


def _flat(dims: list[Expr], cells: list[Expr]) -> Expr:
    index = cells[0]
    for d, c in zip(dims[1:], cells[1:], strict=True):
        index = index * d + c
    return index


def _assign_cells(p: ProgramBuilder) -> None:
    axes, side = p.pick((3, 4), (3, 6), (2, 8), (2, 12))
    k = p.kernel_builder(
        "count_cells|assign_cells|build_cell_list|cell_counts|insert_particles|bin_particles",
        p.pick(
            "Cell of every particle and counts per cell.", "First pass of a cell-list build.", ""
        ),
    )
    e, x = points(k, "particle", axes)
    size = k.quantity("cell_size|cell_width|h_cell", T.F32, round(4.0 / side, 3))
    cells = cell_of(p, k, x, size, k.quantity("lower|origin|grid_min", T.Vec(axes), [-2.0] * axes))
    dims = _dims(p, k, side, axes)
    rule = p.pick("clamp", "wrap", "skip")
    if rule == "skip":
        with k.when(any_of(*[negate(between(0, c, d)) for c, d in zip(cells, dims, strict=True)])):
            e.out("cell_ids|cell_index|bucket", T.I32).store(-1)
            k.ret()
        inside: list[Expr] = list(cells)
    elif rule == "clamp":
        inside = [
            k.let(f"g{a}|b{a}", wp.clamp(c, 0, d - 1))
            for a, c, d in zip("xyz", cells, dims, strict=False)
        ]
    else:
        inside = [
            k.let(f"g{a}|b{a}", (c % d + d) % d)
            for a, c, d in zip("xyz", cells, dims, strict=False)
        ]
    cell = k.let("cell|flat|cell_id", _flat(dims, inside))
    e.out("cell_ids|cell_index|bucket", T.I32).store(cell)
    total = side**axes
    Table(e, "cell_counts|counts|occupancy", T.I32, (total,), role="out").add(1, cell)
    if p.chance(0.4):
        mass = e.property("mass|weight|m", 0.5, 2.0)
        Table(e, "cell_mass|density|mass_grid", T.F32, (total,), role="out").add(mass, cell)
    if p.chance(0.3):
        Table(e, "head|first_in_cell|list_head", T.I32, (total,), R.constant(-1), "inout").atomic(
            "max", e.index, cell
        )


def _walk_cells(p: ProgramBuilder) -> None:
    axes, side = p.pick((3, 4), (3, 5), (2, 8), (2, 10))
    k = p.kernel_builder(
        "neighbor_search|count_neighbors|cell_list_density|gather_neighbors|nearest_in_cells|build_neighbor_table",
        p.pick(
            "Neighbours within a radius through a cell list.",
            "Walk the cells around every particle.",
            "Density from the cells nearby.",
        ),
    )
    e = Entities(k, "particle", index="i|tid|idx")
    t = T.Vec(axes)
    x = e.field("positions|points|x", t, R.uniform(-2.0, 2.0))
    e.guard()
    own = x.read("p_i|x_i|pos")
    total = side**axes
    start = Table(e, "cell_start|cell_offsets|cell_ptr", T.I32, (total + 1,), R.offsets(e.n))
    order = Table(e, "sorted_ids|cell_particles|particle_order", T.I32, (e.n,), R.permutation())
    radius, size = (
        k.param("radius|cutoff|support", 0.4, 1.2),
        k.quantity("cell_size|cell_width", T.F32, round(4.0 / side, 3)),
    )
    cells = cell_of(p, k, own, size, k.quantity("lower|origin|grid_min", t, [-2.0] * axes))
    dims = _dims(p, k, side, axes)
    periodic = p.chance(0.35)
    form = p.pick("count", "density", "nearest", "table", "mean")
    acc = {
        "count": lambda: k.var("count|n_nbr|found", 0), "density": lambda: k.var("rho|density|acc", 0.0),
        "nearest": lambda: k.var("best|nearest|d_min", 1.0e6), "table": lambda: k.var("n|found|slot", 0), "mean": lambda: k.var("mean|centroid|acc", construct(t, 0.0)),
    }[form]()  # fmt: skip
    extra = {
        "nearest": lambda: k.var("who|nearest_id|arg", -1),
        "mean": lambda: k.var("count|n_nbr|found", 0),
    }.get(form, lambda: None)()
    table = (
        Table(e, "neighbor_table|nbr_list|pairs", T.I32, (e.n, 16), R.constant(-1), "inout")
        if form == "table"
        else None
    )
    loops = [k.loop(f"d{a}|o{a}", -1, 2) for a in "xyz"[:axes]]
    offsets = [loop.__enter__() for loop in loops]
    shifted = [c + o for c, o in zip(cells, offsets, strict=True)]
    if periodic:
        near: list[Expr] = [
            k.let(f"n{a}|g{a}", (s + d) % d) for a, s, d in zip("xyz", shifted, dims, strict=False)
        ]
    else:
        near = [k.let(f"n{a}|g{a}", s) for a, s in zip("xyz", shifted, strict=False)]
        with k.when(any_of(*[any_of(s < 0, s >= d) for s, d in zip(near, dims, strict=True)])):
            k.cont()
    cell = k.let("cell|flat|cell_id", _flat(dims, near))
    with k.loop("s|slot|m", start[cell], start[cell + 1]) as s:
        j = k.let("j|other|nbr", order[s])
        with k.when(j == e.index):
            k.cont()
        d = k.let("d|dist|r", wp.length(x[j] - own))
        with k.when(d > radius if p.chance(0.6) else d >= radius):
            k.cont()
        _visit(p, k, e, form, acc, extra, table, d, j, radius, x[j])
    for loop in reversed(loops):
        loop.__exit__(None, None, None)
    _walk_result(p, k, e, form, acc, extra, t)


def _visit(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    form: str,
    acc: Name,
    extra: Name | None,
    table: Table | None,
    d: Expr,
    j: Expr,
    radius: Expr,
    xj: Expr,
) -> None:
    if form == "count":
        k.aug(acc, "+", 1)
    elif form == "density":
        q = k.let("q|u|ratio", 1.0 - d / radius)
        k.aug(acc, "+", q * q if p.chance(0.5) else q * q * q)
    elif form == "nearest" and extra is not None:
        with k.when(d < acc):
            k.set(acc, d)
            k.set(extra, j)
    elif table is not None:
        with k.when(acc < table.extent(1)):
            table.store(j, e.index, acc)
            k.aug(acc, "+", 1)
    elif extra is not None:
        k.aug(acc, "+", xj)
        k.aug(extra, "+", 1)


def _walk_result(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    form: str,
    acc: Name,
    extra: Name | None,
    t: T.Vec,
) -> None:
    if form in ("count", "table"):
        e.out("neighbor_counts|num_neighbors|counts", T.I32).store(acc)
        if p.chance(0.4):
            Table(e, "max_neighbors|largest_count", T.I32, (1,), role="out").atomic("max", acc, 0)
    elif form == "density":
        e.out("densities|rho_out|weights_out", T.F32).store(acc * k.param("mass|m_p", 0.1, 2.0))
    elif form == "nearest" and extra is not None:
        e.out("nearest_ids|nearest_out", T.I32).store(extra)
        with k.when(extra >= 0):
            e.out("nearest_dist|gaps|distances", T.F32).store(acc)
    elif extra is not None:
        with k.when(extra > 0):
            e.out("centroids|means_out|smoothed", t).store(acc / cast(T.F32, extra))
