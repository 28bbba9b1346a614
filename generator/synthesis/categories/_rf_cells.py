"""Cellular noise and scattered points, for the random-field category."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rf_hash import (
    hash_seed,
    lattice_hash,
    mixer,
    u32,
    unit_float,
    wide,
)
from generator.synthesis.categories._rf_noise import coordinates
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def worley(p: ProgramBuilder) -> None:
    """Distance to jittered feature points: cellular noise, Voronoi regions, cracks."""
    axes = p.weighted({2: 4, 3: 1})
    t = T.Vec(axes)
    k = p.kernel_builder(
        "worley_noise|cellular_noise|voronoi_texture|cell_noise|voronoi_cells|crack_pattern",
        p.pick(
            "Cellular noise: distance to the nearest jittered feature point.",
            "Voronoi regions of hashed points.",
            "",
        ),
    )
    g = Grid(k, "row|i|y col|j|x" if axes == 2 else "i|x j|y k|z", boundary="clamp")
    x = coordinates(p, k, g)
    seed = hash_seed(p, k)
    mix = mixer(p)
    hashed, unit = lattice_hash(p, axes, mix), unit_float(p)
    cells = [
        k.let(f"c{a}|cell_{a}|base_{a}", cast(T.I32, wp.floor(x.field(a)))) for a in "xyz"[:axes]
    ]
    second, ids = p.chance(0.5), p.chance(0.45)
    best = k.var("f1|nearest|d_min", 100.0)
    runner = k.var("f2|second|d_second", 100.0) if second else None
    owner = k.var("owner|cell_id|winner", u32(0)) if ids else None
    jitter = k.param("jitter|randomness|irregularity", 0.5, 1.0)
    with _offsets(k, axes) as offsets:
        around = [
            k.let(f"n{a}|j{a}|o{a}", c + o) for a, c, o in zip("xyz", cells, offsets, strict=False)
        ]
        h = k.let("h|bits|key", hashed(*around, seed))
        point = _feature(p, k, h, around, unit, mix, jitter, t)
        d = k.let("d|dist|r", _metric(p, point - x))
        with k.when(d < best):
            if runner is not None:
                k.set(runner, best)
            k.set(best, d)
            if owner is not None:
                k.set(owner, h)
        if runner is not None:
            with k.elsewhen(d < runner):
                k.set(runner, d)
    _worley_outputs(p, k, g, best, runner, owner, unit)


class _offsets:
    """Nested loops over the 3 x 3 (x 3) neighbouring cells."""

    def __init__(self, k: KernelBuilder, axes: int) -> None:
        self.loops = [k.loop(h, -1, 2) for h in ("dz|oz", "dy|oy", "dx|ox")[3 - axes :]]

    def __enter__(self) -> list[Name]:
        return [loop.__enter__() for loop in self.loops][::-1]

    def __exit__(self, *error: object) -> None:
        for loop in reversed(self.loops):
            loop.__exit__(None, None, None)


def _feature(
    p: ProgramBuilder,
    k: KernelBuilder,
    h: Expr,
    around: list[Name],
    unit: UserFunction,
    mix: UserFunction,
    jitter: Expr,
    t: T.Vec,
) -> Expr:
    values, bits = [], h
    for _ in around:
        values.append(unit(bits))
        bits = mix(bits + u32(1)) if p.chance(0.5) else bits * u32(1664525) + u32(1013904223)
    centred = [
        cast(T.F32, c) + 0.5 + jitter * (v - 0.5) for c, v in zip(around, values, strict=True)
    ]
    return k.let("feature|point|site", construct(t, *centred))


def _metric(p: ProgramBuilder, d: Expr) -> Expr:
    match p.pick("euclid", "euclid", "squared", "manhattan", "chebyshev"):
        case "euclid":
            return wp.length(d)
        case "squared":
            return wp.length_sq(d)
        case "manhattan":
            return (
                wp.abs(d.x) + wp.abs(d.y)
                if d.type == T.VEC2
                else wp.abs(d.x) + wp.abs(d.y) + wp.abs(d.z)
            )
    return (
        wp.max(wp.abs(d.x), wp.abs(d.y))
        if d.type == T.VEC2
        else wp.max(wp.abs(d.x), wp.max(wp.abs(d.y), wp.abs(d.z)))
    )


def _worley_outputs(
    p: ProgramBuilder,
    k: KernelBuilder,
    g: Grid,
    best: Expr,
    runner: Expr | None,
    owner: Expr | None,
    unit: UserFunction,
) -> None:
    field = g.out("distance|cells|f1_out|texture", T.F32)
    if runner is None:
        field.store(best if p.chance(0.5) else 1.0 - wp.min(best, 1.0))
    elif p.chance(0.5):
        field.store(runner - best)
    else:
        width = k.param("crack_width|edge_width|border", 0.03, 0.2)
        field.store(
            choose(runner - best < width, 0.0, 1.0)
            if p.chance(0.4)
            else wp.smoothstep(0.0, 0.2, (runner - best) / width)
        )
    if owner is not None:
        if p.chance(0.5):
            g.out("cell_ids|regions|labels", T.U32).store(owner)
        else:
            g.out("cell_shade|tint|random_value", T.F32).store(unit(owner))


def scatter(p: ProgramBuilder) -> None:
    """One jittered point per cell, kept or not by a density map."""
    k = p.kernel_builder(
        "scatter_points|jittered_samples|place_instances|scatter_grass|stratified_points|plant_trees",
        p.pick(
            "Jittered grid of points, thinned by density.",
            "Place one candidate per cell.",
            "Scatter instances over a terrain.",
        ),
    )
    e = Entities(k, "sample", count=p.pick(64, 100, 144, 256), index="tid|i|cell")
    rng = entity_rng(e)
    per_row = k.count("cells_per_row|columns|grid_width", p.pick(8, 10, 12, 16))
    size = k.param("cell_size|spacing|pitch", 0.2, 2.0)
    jitter = k.param("jitter|randomness", 0.3, 1.0)
    row, col = k.let("row|cy|iy", e.index // per_row), k.let("col|cx|ix", e.index % per_row)
    x = k.let("x|px", (cast(T.F32, col) + 0.5 + jitter * (rng.uniform() - 0.5)) * size)
    z = k.let("z|pz|y", (cast(T.F32, row) + 0.5 + jitter * (rng.uniform() - 0.5)) * size)
    keep, points = e.out("keep|valid|alive", T.I32), e.out("points|positions|instances", T.VEC3)
    if p.chance(0.7):
        _thin(p, k, e, rng, row, col, x, z)
    height = _ground(p, k, x, z)
    points.store(construct(T.VEC3, x, height, z))
    keep.store(1)
    if p.chance(0.5):
        yaw, low, high = (
            rng.uniform(0.0, 6.28318531),
            k.param("min_scale|scale_lo", 0.4, 0.9),
            k.param("max_scale|scale_hi", 1.1, 2.0),
        )
        if p.chance(0.5):
            e.out("yaw|rotation|heading", T.F32).store(yaw)
        else:
            up = construct(T.VEC3, 0.0, 1.0, 0.0)
            e.out("orientations|rotations", T.QUAT).store(wp.quat_from_axis_angle(up, yaw))
        e.out("scales|sizes", T.F32).store(rng.uniform(low, high))
    if p.chance(0.4):
        Table(e, "count|num_kept|total", T.I32, (1,), role="out").add(1, 0)
    rng.close()


def _thin(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rng, row: Expr, col: Expr, x: Expr, z: Expr
) -> None:  # type: ignore[no-untyped-def]
    if p.chance(0.5):
        density = k.array("density_map|coverage|mask", T.F32, (40, 40), R.uniform(0.1, 1.0))
        chance = k.let(
            "density|p_keep|cover",
            density[wp.min(row, density.dim(0) - 1), wp.min(col, density.dim(1) - 1)],
        )
    else:
        fade = k.param("fade_radius|clearing|radius", 2.0, 10.0)
        chance = k.let("density|p_keep|cover", 1.0 - wp.exp(-(x * x + z * z) / (fade * fade)))
    with k.when(rng.uniform() > chance):
        k.ret()


def _ground(p: ProgramBuilder, k: KernelBuilder, x: Expr, z: Expr) -> Expr:
    if p.chance(0.4):
        return N.literal(0.0, T.F32)
    scale, height = (
        k.param("terrain_frequency|hill_frequency", 0.1, 0.8),
        k.param("terrain_height|hill_height", 0.3, 3.0),
    )
    if p.chance(0.5):
        state = k.let(
            "terrain_state|ground_rng", wp.rand_init(k.scalar("terrain_seed|ground_seed", T.I32, 5))
        )
        return k.let("y|height|ground", height * wp.noise(state, construct(T.VEC2, x, z) * scale))
    return k.let("y|height|ground", height * wp.sin(x * scale) * wp.cos(z * scale))


def hashed_fill(p: ProgramBuilder) -> None:
    """Short fills from a hash: white noise, dither, sign patterns, shuffles of labels."""
    k = p.kernel_builder(
        "fill_white_noise|hash_fill|dither|random_bits|hash_labels|jitter_values",
        p.pick("Stateless random values from a hash of the index.", "White noise by hashing.", ""),
    )
    e = Entities(k, "item")
    mix = mixer(p)
    key = cast(T.U32, e.index) if e.world is None else cast(T.U32, e.world * 4096 + e.index)
    seed = k.scalar("seed|salt|frame", T.U32, p.pick(1, 99, 2718))
    h = k.let(
        "h|bits|r",
        mix(
            key ^ seed if p.chance(0.5) else key + seed * wide(p, "GOLDEN_RATIO|GOLDEN", 2654435769)
        ),
    )
    match p.pick("white", "dither", "labels", "signs", "bits"):
        case "white":
            amplitude = k.param("amplitude|sigma|noise_level", 0.1, 2.0)
            e.out("noise_out|values|samples", T.F32).store(
                amplitude * (2.0 * unit_float(p)(h) - 1.0)
            )
        case "dither":
            value = e.field("values|signal|src", T.F32, R.uniform(0.0, 1.0)).own
            levels = k.param("levels|num_levels|steps", 2.0, 16.0)
            e.out("quantized|dithered|dst", T.F32).store(
                wp.floor(value * levels + unit_float(p)(h)) / levels
            )
        case "labels":
            classes = k.scalar("num_classes|num_groups|buckets", T.U32, p.pick(3, 5, 8))
            label = k.let("label|group|bucket", cast(T.I32, h % classes))
            e.out("labels|groups|assignment", T.I32).store(label)
            if p.chance(0.5):
                Table(e, "group_sizes|label_counts", T.I32, (8,), role="out").add(1, label)
        case "signs":
            vector = p.chance(0.5)
            bit = (h & u32(1)) == u32(1)
            if vector:
                signs = [choose(((h >> u32(n)) & u32(1)) == u32(0), -1.0, 1.0) for n in (0, 7, 19)]
                e.out("probes|random_signs|z", T.VEC3).store(construct(T.VEC3, *signs))
            else:
                e.out("signs|rademacher|z", T.F32).store(
                    choose(bit, 1.0, -1.0) if p.chance(0.5) else wp.where(bit, 1.0, -1.0)
                )
        case "bits":
            width = p.pick(4, 8, 12)
            e.out("codes|random_codes|keys", T.U32).store(
                h & u32((1 << width) - 1) if p.chance(0.5) else h >> u32(32 - width)
            )
    if p.chance(0.3):
        weights = e.field("weights|density|probability", T.F32, R.uniform(0.0, 1.0)).own
        chosen = (
            all_of(unit_float(p)(mix(h)) < weights, weights > 0.0)
            if p.chance(0.3)
            else unit_float(p)(mix(h)) < weights
        )
        e.out("selected|chosen|keep", T.I32).store(choose(chosen, 1, 0))
