"""Scans, compaction and histograms in shared memory: intents of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tco_blocks import Team, total
from generator.synthesis.categories._tla_blocks import tile_piece
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def scan(name: str, value: Expr) -> Expr:
    """A tile scan; the type stays."""
    return tile(f"tile_scan_{name}", value.type, value)


def _flag(p: ProgramBuilder) -> UserFunction:
    cut, kind = p.pick(0.0, 0.2, 0.5), p.pick("above", "below", "band", "far")

    def body(b: Any, v: Expr) -> None:
        test = {"above": v > cut, "below": v < cut, "far": wp.abs(v) > cut + 0.1}.get(kind)
        if kind == "band":
            test = all_of(v > -cut - 0.3, v < cut)
        assert test is not None
        if p.chance(0.5):
            b.ret(wp.where(test, 1, 0))
        else:
            with b.when(test):
                b.ret(1)
            b.ret(0)

    return p.func(
        {
            "above": "is_above|keep_high",
            "below": "is_below|keep_low",
            "band": "in_band|accepts",
            "far": "is_significant|keep_large",
        }[kind],
        {"v|x|value": T.F32},
        body,
    )


def compaction(p: ProgramBuilder) -> None:
    """Stream compaction: flags, an exclusive scan for slots, one atomic per block for room, scattered writes."""
    p.real = T.F32
    team = Team(
        p,
        "compact_stream|pack_survivors|filter_particles|collect_active|append_selected|compact_rays",
        (
            "Stream compaction; blocks reserve room with one atomic.",
            "Keeps the survivors of a tile, packed.",
            "Exclusive scan of flags gives each survivor its slot.",
            "Order is kept within a tile.",
        ),
        index="b|block|chunk|tile_id",
    )
    k, t = team.k, team.t
    n = t.dim("tile_size|chunk|block_items", p.pick(16, 32, 48))
    k.options["enable_backward"] = False
    size = team.count * n.value
    at = team.i * n.expr
    start = k.let("offset|begin|origin", at) if p.chance(0.5) else at
    x = k.let(
        "x|vals|keys",
        t.load(
            k.array("values|energies|weights|scores", T.F32, (size,), R.uniform(-1.0, 1.0)),
            [n],
            [start],
            True,
        ),
    )
    flags = k.let("flags|keep|alive", t.map(_flag(p), x))
    slots = k.let(
        "slots|where_to|rank",
        scan("exclusive", flags) if p.chance(0.7) else scan("inclusive", flags) - flags,
    )
    order = p.weighted({"segment": 2, "global": 3})
    out_ids = p.chance(0.6)
    dtype = T.I32 if out_ids else T.F32
    packed = k.out(
        "packed|survivor_ids|compacted",
        dtype,
        (team.count, n.value) if order == "segment" else (size,),
    )
    base: Expr | None = None
    if order == "global":
        # Blocks may come in any order, so each has its own room; only the total is shared.
        k.do(
            tile(
                "tile_atomic_add",
                T.VOID,
                k.out("num_total|survivor_count|cursor", T.I32, (1,)),
                t.total("tile_sum", flags),
            )
        )
        first = k.var("first|room|base", 0, T.I32)
        with team.leader():
            k.set(
                first,
                k.array(
                    "block_offsets|reserved|row_start", T.I32, (team.count,), R.arange(0, n.value)
                )[team.i],
            )
        base = k.let("base_slot|room_start|b0", team.broadcast(first))
    found = (
        k.let("found|num_kept|survivors", total(t, flags))
        if order == "segment" or p.chance(0.5)
        else None
    )
    counts = (
        k.out("counts|kept_per_block|lengths", T.I32, (team.count,)) if found is not None else None
    )
    if p.chance(0.5):
        staged = k.let(
            "staged|buffer|pack",
            t.full([n], -1, T.I32) if out_ids and p.chance(0.5) else team.shared([n], dtype),
        )
        flat, ranks = flags, slots
        with team.passes(n.expr) as (j, ok):
            keep, slot = (
                k.var("take|has_value|mine", False, T.BOOL),
                k.var("slot|rank_j|to", 0, T.I32),
            )
            value = k.var("v|item_v|payload", 0 if out_ids else 0.0, dtype)
            with k.when(ok):
                k.set(keep, flat[j] == 1)
                k.set(slot, ranks[j])
                k.set(value, start + j if out_ids else x[j])
            k.do(tile("tile_scatter_masked", T.VOID, staged, slot, value, keep))
        t.store(
            packed if base is not None else packed[team.i],
            staged,
            [base] if base is not None else None,
        )
    else:
        with team.strided(n.expr) as j, k.when(flags[j] == 1):
            slot2 = slots[j] if base is None else base + slots[j]
            target = packed[team.i, slot2] if base is None else packed[slot2]
            k.set(target, start + j if out_ids else x[j])
    if counts is not None and found is not None:
        with team.leader():
            k.set(counts[team.i], found)


def envelopes(p: ProgramBuilder) -> None:
    """Running extremes and sums along a line: horizons, drawdown, peak hold, watersheds, arrival times."""
    p.real = T.F32
    kind = p.weighted(
        {
            "horizon": 2.5,
            "drawdown": 2.5,
            "water": 2,
            "cumulative": 2,
            "hysteresis": 3.5,
            "ladder": 3.5,
        }
    )
    names = {
        "horizon": "line_of_sight|terrain_horizon|visibility_scan",
        "drawdown": "max_drawdown|running_peak|peak_hold",
        "water": "rain_fill_row|trapped_water|basin_depth",
        "cumulative": "arc_length|travel_time|cumulative_cost",
        "hysteresis": "running_range|band_envelope|hysteresis_width",
        "ladder": "record_lows|monotone_profile|yield_surface_history",
    }[kind]
    team = Team(
        p,
        names,
        (
            "One profile per block, scanned in place of a serial loop.",
            "Prefix extremes of a row.",
            "Scan along each row.",
            "Running extremes of every profile.",
        ),
        index="row|i|profile|series|r",
        count=p.pick(4, 6, 8),
        lane=False,
    )
    k, t = team.k, team.t
    n = t.dim("row_len|num_samples|length|n", p.pick(16, 24, 32, 64))
    values = k.array(
        "heights|series|samples|profile", T.F32, (team.count, n.value), R.uniform(0.05, 2.0)
    )
    x = k.var("x|h|row_t", t.load(values[team.i], [n]))
    for what in p.sample(["base", "gain", "noise", "floor"], 0, 2):
        if what == "base":
            k.set(
                x,
                x
                + t.load(
                    k.array("baseline|offsets|datum", T.F32, (n.value,), R.uniform(0.0, 0.5)), [n]
                ),
            )
        elif what == "gain":
            k.set(x, x * k.param("gain|vertical_scale|unit", 0.5, 2.0))
        elif what == "noise":
            w = t.load(
                k.array(
                    "weights|confidence|quality", T.F32, (team.count, n.value), R.uniform(0.5, 1.0)
                )[team.i],
                [n],
            )
            k.set(x, x * (k.let("w|q|conf", w) if p.chance(0.5) else w))
        else:
            k.set(
                x,
                t.map(
                    "max",
                    x,
                    t.full([n], k.param("floor_level|minimum|sea_level", 0.05, 0.4), T.F32),
                ),
            )
    outputs = k.out("out|result|profile_out", T.F32, (team.count, n.value))
    high, low = (lambda v: scan("max_inclusive", v)), (lambda v: scan("min_inclusive", v))
    if kind == "horizon":
        dist = k.let(
            "dist|range_t|d",
            t.map(
                p.func(
                    "range_of|distance_at",
                    {"i|j": T.I32},
                    lambda b, i: b.ret(construct(T.F32, i + 1) * p.pick(0.5, 2.0, 30.0)),
                ),
                tile("tile_arange", T.Tile(T.I32, (n.value,)), 0, n.expr, 1, dtype=T.I32),
            ),
        )
        eye = k.param("eye_height|sensor_z|observer", 0.5, 2.0)
        slope = k.let("slope|elev|grade", (x - t.full([n], eye, T.F32)) / dist)
        top = k.let("top|horizon|skyline", high(slope))
        seen = p.func(
            "visible|is_seen|lit",
            {"s|slope": T.F32, "h|top": T.F32},
            lambda b, s, h: b.ret(wp.where(s >= h, 1.0, 0.0)),
        )
        value = k.let("vis|seen_t|mask", t.map(seen, slope, top))
        k.set(
            k.out("visible_count|exposure|sky_view", T.F32, (team.count,))[team.i],
            total(t, value) * round(1.0 / n.value, 6)
            if p.chance(0.4)
            else total(t, value)
            if p.chance(0.4)
            else t.total("tile_max", top)[0],
        )
    elif kind == "drawdown":
        peak = k.let("peak|hold|run_max", high(x))
        relative = p.chance(0.5)
        value = k.let(
            "dd|drop|fall",
            tile_piece(
                p,
                k,
                "drop_from|fall_below|shortfall",
                {"top|peak": peak, "v|x": x},
                lambda b, u, v: (u - v) / u if relative else u - v,
            ),
        )
        k.set(
            k.out("worst|max_drop|largest", T.F32, (team.count,))[team.i],
            t.total("tile_max", value)[0],
        )
        if p.chance(0.4):
            k.set(
                k.out("worst_at|trough_index", T.I32, (team.count,))[team.i],
                t.index_of("tile_argmax", value)[0],
            )
    elif kind == "water":
        left = k.let("left|wall_l|from_left", high(x))
        right_in = k.let(
            "xr|mirrored|rev",
            t.load(
                k.array(
                    "heights_reversed|mirror_profile|from_right",
                    T.F32,
                    (team.count, n.value),
                    R.uniform(0.05, 2.0),
                )[team.i],
                [n],
            ),
        )
        level = k.let("level|water|surface", t.map("min", left, high(right_in)))
        value = k.let("depth|pool|fill", t.map("max", level - x, t.zeros([n], T.F32)))
        k.set(k.out("volume|stored|total_water", T.F32, (team.count,))[team.i], total(t, value))
    elif kind == "cumulative":
        speed = k.let(
            "v|speed|slowness",
            t.load(
                k.array(
                    "speeds|velocity|slowness_rows",
                    T.F32,
                    (team.count, n.value),
                    R.uniform(0.5, 3.0),
                )[team.i],
                [n],
            ),
        )
        step = k.let("step|dt_t|cost", x / speed if p.chance(0.6) else x * speed)
        value = k.let(
            "arrive|time_t|s", scan("exclusive", step) if p.chance(0.6) else scan("inclusive", step)
        )
        if p.chance(0.6):
            value = value + t.full(
                [n],
                k.array("start_times|offsets|t0", T.F32, (team.count,), R.uniform(0.0, 1.0))[
                    team.i
                ],
                T.F32,
            )
    elif kind == "hysteresis":
        value = k.let(
            "width|gap|spread",
            tile_piece(
                p,
                k,
                "running_range|envelope_width|prefix_range",
                {"x|v": x},
                lambda b, v: high(v) - low(v),
            ),
        )
        limit = k.param("threshold|band|tolerance", 0.5, 1.5)
        wide = p.func(
            "exceeds|too_wide|switched",
            {"w|gap": T.F32, "lim|band": T.F32},
            lambda b, w, m: b.ret(wp.where(w > m, 1.0, 0.0)),
        )
        k.set(
            k.out("num_wide|switch_count|exceeded", T.F32, (team.count,))[team.i],
            total(t, t.map(wide, value, t.full([n], limit, T.F32))),
        )
    else:
        bottom = k.let("bottom|record|run_min", low(x))
        rec = p.func(
            "is_record|sets_low|new_low",
            {"v|x": T.F32, "m|low": T.F32},
            lambda b, v, m: b.ret(wp.where(v <= m, 1, 0)),
        )
        marks = k.let("marks|records|hits", t.map(rec, x, bottom))
        rank = k.let(
            "rank|ordinal|count_t", scan("exclusive" if p.chance(0.6) else "inclusive", marks)
        )
        t.store(
            k.out("ranks|record_number|ladder_index", T.I32, (team.count, n.value))[team.i], rank
        )
        value = bottom
    t.store(outputs[team.i], value)
