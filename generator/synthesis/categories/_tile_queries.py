"""Random tiles and tree queries by whole blocks: intents of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tile_functions import unary
from generator.synthesis.categories._tiles import Tiling
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder


def sampling(p: ProgramBuilder) -> None:
    """Random tiles: Monte Carlo estimates, noise injection, dropout masks."""
    p.real = T.F32
    kind = p.pick("estimate", "noise", "dropout", "integers")
    names = {
        "estimate": "monte_carlo_tile|estimate_integral|sample_area",
        "noise": "add_noise|perturb_rows|jitter_tiles",
        "dropout": "dropout_rows|random_mask|drop_features",
        "integers": "random_labels|shuffle_codes|draw_integers",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Every block draws from its own stream.",
            "Random numbers by the tile.",
            "Block-wise sampling.",
        ),
    )
    t = Tiling(p, k)
    m, n = (
        t.dim("tile_m|rows|samples_m", p.pick(4, 8)),
        t.dim("tile_n|cols|samples_n", p.pick(8, 16)),
    )
    blocks = p.pick(4, 6, 8)
    i = t.launch(["i|block|b|stream"], (blocks,))[0]
    seed = k.scalar("seed|rng_seed", T.I32, p.pick(7, 42, 123))
    state = k.let("state|rng|stream_state", wp.rand_init(seed, i))
    shape, full = [m, n], (blocks * m.value, n.value)
    drawn = T.Tile(T.F32, (m.value, n.value))
    kwargs: dict[str, Any] = {"shape": (m.expr, n.expr), "rng": state}
    if kind == "integers":
        r = k.let(
            "r|draw|codes",
            tile("tile_randi", T.Tile(T.I32, drawn.shape), **kwargs, min=0, max=p.pick(4, 10, 16)),
        )
        t.store(k.out("labels|codes_out|draws", T.I32, full), r, [i * m.expr, 0])
        if p.chance(0.5):
            t.atomic(k.out("sum_out|total|checksum", T.I32, (1,)), t.total("tile_sum", r))
        return
    spread = {"min": -1.0, "max": 1.0} if kind == "noise" or p.chance(0.3) else {}
    u = k.let("u|draw|noise_tile", tile("tile_randf", drawn, **kwargs, **spread))
    if kind == "estimate":
        f = unary(p)
        mean = t.total("tile_sum", t.map(f, u))[0] * (1.0 / (m.value * n.value))
        k.set(k.out("estimates|means|integrals", T.F32, (blocks,))[i], mean)
        if p.chance(0.5):
            t.atomic(
                k.out("total|accumulated|grand_sum", T.F32, (1,)), t.total("tile_sum", t.map(f, u))
            )
        return
    x = t.load(
        k.array("inputs|x|features", T.F32, full, R.uniform(-1.0, 1.0)), shape, [i * m.expr, 0]
    )
    x = k.let("x|clean|v", x)
    if kind == "noise":
        sigma = k.param("sigma|noise_level|amplitude", 0.01, 0.3)
        form = p.pick("add", "add", "multiply", "per_row", "clipped")
        value = x * u * sigma + x if form == "multiply" else x + u * sigma
        if form == "per_row":
            levels = t.load(
                k.array("levels|row_sigma|stds", T.F32, (blocks * m.value,), R.uniform(0.1, 1.0)),
                [m],
                [i * m.expr],
            )
            value = x + u * t.column(levels, m, n) * sigma
        elif form == "clipped":
            value = t.map("min", value, t.full([m, n], 1.0, T.F32))
    else:
        keep = p.pick(0.5, 0.8, 0.9)
        gate = p.func(
            "keep_or_drop|dropout|mask_value",
            {"x|v": T.F32, "u|r": T.F32},
            lambda b, v, r: b.ret(
                wp.where(r < keep, v / keep if p.chance(0.5) else v * round(1.0 / keep, 4), 0.0)
            ),
        )
        value = t.map(gate, x, u)
    value = k.let("y|noisy|kept", value)
    if p.chance(0.3):
        t.atomic(k.out("energy|checksum|total", T.F32, (1,)), t.total("tile_sum", value * value))
    if p.chance(0.3):
        k.set(k.out("peaks|block_max|largest", T.F32, (blocks,))[i], t.total("tile_max", value)[0])
    t.store(k.out("outputs|y|noisy", T.F32, full), value, [i * m.expr, 0])


def queries(p: ProgramBuilder) -> None:
    """A block traverses a BVH or a mesh together."""
    p.real = T.F32
    on_mesh = p.chance(0.4)
    k = p.kernel_builder(
        "query_overlaps|count_overlaps|block_broad_phase|collect_bounds|gather_faces",
        p.pick(
            "The whole block traverses one query.",
            "Cooperative broad phase.",
            "One box per block of threads.",
        ),
    )
    t = Tiling(p, k)
    boxes = p.pick(6, 8, 12)
    q = t.launch(["q|query_id|box"], (boxes,))[0]
    handle = "mesh" if on_mesh else "bvh"
    tree = k.arg(
        f"{handle}|{handle}_id",
        T.Handle(handle),
        R.mesh("sphere", 8, 1.0) if on_mesh else R.bvh(64, -2.0, 2.0, 0.4),
        0,
    )
    ray = not on_mesh and p.chance(0.45)
    if ray:
        origin = k.array("origins|ray_starts|eyes", T.VEC3, (boxes,), R.uniform(-3.0, 3.0))[q]
        toward = k.array("directions|ray_dirs|headings", T.VEC3, (boxes,), R.unit_vectors())[q]
        query = tile("tile_bvh_query_ray", T.Opaque("tile_query"), tree, origin, toward)
    else:
        c = k.let(
            "center|c|mid",
            k.array("centers|query_points|positions", T.VEC3, (boxes,), R.uniform(-1.0, 1.0))[q],
        )
        half = (
            k.param("half_width|margin|reach", 0.2, 0.9)
            if p.chance(0.6)
            else k.array("half_widths|radii|extents", T.F32, (boxes,), R.uniform(0.2, 0.9))[q]
        )
        pad = construct(T.VEC3, half)
        low, high = (
            (k.let("lo|lower", c - pad), k.let("hi|upper", c + pad))
            if p.chance(0.6)
            else (c - pad, c + pad)
        )
        old = p.chance(0.35)
        name = f"{handle}_query_aabb_tiled" if old else f"tile_{handle}_query_aabb"
        query = tile(name, T.Opaque("tile_query"), tree, low, high)
    query = k.let("query|traversal|walk", query)
    touched = k.out("touched|hit_flags|visits", T.I32, (256,)) if p.chance(0.5) else None
    count = k.var("count|found|hits", 0, T.I32)
    weights = (
        k.array("weights|areas|item_mass", T.F32, (256,), R.uniform(0.1, 2.0))
        if p.chance(0.45)
        else None
    )
    mass = k.var("mass|weight_sum|load", 0.0) if weights is not None else None
    lowest = k.var("lowest|first|min_item", 1 << 20, T.I32) if p.chance(0.35) else None
    skip = k.array("skip|ignored|excluded", T.I32, (256,), R.mask(0.2)) if p.chance(0.3) else None
    nxt = (
        f"tile_{handle}_query_{'aabb_' if on_mesh else ''}next"
        if p.chance(0.7)
        else f"{handle}_query_{'aabb_' if on_mesh else ''}next_tiled"
    )
    with k.repeat(tile("tile_query_valid", T.BOOL, query)):
        item = k.let(
            "item|face|bound", tile("untile", T.I32, tile(nxt, T.Tile(T.I32, (64,)), query))
        )
        accept = item >= 0
        if skip is not None:
            accept = all_of(accept, skip[wp.max(item, 0) % 256] == 0)
        with k.when(accept):
            k.aug(count, "+", 1)
            if touched is not None:
                k.do(wp.atomic_add(touched, item % 256, 1))
            if weights is not None and mass is not None:
                k.aug(mass, "+", weights[item % 256])
            if lowest is not None:
                k.set(lowest, wp.min(lowest, item))
    total = k.let(
        "total|block_count|all_hits", t.total("tile_sum", tile("tile", T.Tile(T.I32, (64,)), count))
    )
    t.store(k.out("overlap_counts|num_overlaps|hits_out", T.I32, (boxes,)), total, [q])
    if mass is not None:
        t.store(
            k.out("mass_out|loads|weight_totals", T.F32, (boxes,)),
            t.total("tile_sum", tile("tile", T.Tile(T.F32, (64,)), mass)),
            [q],
        )
    if lowest is not None:
        t.store(
            k.out("first_items|min_items|lowest_out", T.I32, (boxes,)),
            t.total("tile_min", tile("tile", T.Tile(T.I32, (64,)), lowest)),
            [q],
        )
    k.options["enable_backward"] = False
