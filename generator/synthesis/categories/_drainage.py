"""Drainage and slope processes: flow directions, accumulation, stream power, thermal erosion."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import (
    border_exit,
    mask_exit,
    monitor,
    open_grid,
    threads,
)
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, lift

_EIGHT = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]


def _offset_function(p: ProgramBuilder) -> UserFunction:
    """Row and column step of a direction code 0 … 7, counted clockwise from east."""

    def body(b: Block, d: Expr) -> None:
        if p.chance(0.5):
            with b.when(d == 0):
                b.ret(0, 1)
            for code, (di, dj) in enumerate(_EIGHT[1:7], start=1):
                with b.when(d == code):
                    b.ret(di, dj)
            b.ret(-1, 1)
            return
        di, dj = b.var("di|row_step", 0), b.var("dj|col_step", 0)
        with b.when(all_of(d >= 1, d <= 3)):
            b.set(di, 1)
        with b.elsewhen(d >= 5):
            b.set(di, -1)
        with b.when(any_of(d <= 1, d == 7)):
            b.set(dj, 1)
        with b.elsewhen(all_of(d >= 3, d <= 5)):
            b.set(dj, -1)
        b.ret(di, dj)

    return p.func(
        "direction_step|d8_offset|neighbor_offset",
        {"d|code|k": T.I32},
        body,
        "Row and column step of a direction code.",
    )


def flow_direction(p: ProgramBuilder) -> None:
    """Steepest descent over eight neighbours, multiple flow, filling of pits."""
    what = p.weighted({"d8": 5, "multiple": 2.5, "pits": 2})
    names = {
        "d8": "flow_direction|d8_direction|steepest_descent|route_flow",
        "multiple": "multiple_flow|mfd_weights|partition_flow",
        "pits": "fill_pits|fill_depressions|raise_sinks",
    }
    k = p.kernel_builder(
        names[what],
        p.pick(
            {
                "d8": "Direction of the steepest descent.",
                "multiple": "Shares of flow to the lower neighbours.",
                "pits": "Raise cells that no neighbour drains.",
            }[what],
            "",
        ),
    )
    g = open_grid(p, k, 2, boundary=p.pick("interior", "skip_outer", "clamp"))
    dem = g.field("dem|elevation|height|z", p.real, R.uniform(0.0, 20.0))
    if what == "pits":
        _fill(p, g, dem)
        return
    out = (
        g.out("direction|flow_dir|d8", T.I32)
        if what == "d8"
        else g.out("shares|weights_out|outflow_share", p.vec(4))
    )
    border_exit(p, g, (out, -1) if what == "d8" else (out, construct(p.vec(4), 0.0)))
    mask_exit(p, g, *([(out, -1)] if what == "d8" else []), chance=0.3, hint="nodata|sea|outside")
    z = dem.read("z0|zc|here")
    if what == "d8":
        _steepest(p, g, dem, z, out)
    else:
        _shares(
            p,
            g,
            dem,
            z,
            out,
            k.param("cell_size|dx|resolution", 1.0, 30.0) if p.chance(0.5) else None,
        )


def _steepest(p: ProgramBuilder, g: Grid, dem: GridField, z: Expr, out: GridField) -> None:
    k = g.k
    best, where = k.var("best|steepest|max_drop", 0.0, p.real), k.var("dir_id|code|choice", -1)
    if p.chance(0.5):
        step = _offset_function(p)
        with k.loop("d|m|nb", 8) as d:
            di, dj = k.unpack(["di|dr", "dj|dc"], step(d))
            i, j = k.let("ii|rr", g.index[0] + di), k.let("jj|cc", g.index[1] + dj)
            if g.boundary != "interior":
                with k.when(any_of(i < 0, j < 0, i >= g.extent(0), j >= g.extent(1))):
                    k.cont()
            run = choose(d % 2 == 1, lift(1.41421356, p.real), lift(1.0, p.real))
            drop = k.let("drop|grade|slope_d", (z - dem.at(i, j)) / run)
            with k.when(drop > best):
                k.set(best, drop)
                k.set(where, d)
    else:
        for code, (di, dj) in enumerate(_EIGHT if p.chance(0.6) else [o for o in _EIGHT if 0 in o]):
            diagonal = di != 0 and dj != 0
            drop = z - dem[di, dj]
            drop = k.let(f"drop{code}|d{code}", drop * 0.70710678 if diagonal else drop)
            with k.when(drop > best):
                k.set(best, drop)
                k.set(where, code)
    out.store(where)
    if p.chance(0.5):
        g.out("slope_out|gradient|steepness", p.real).store(
            best / k.param("cell_size|dx|resolution", 1.0, 30.0) if p.chance(0.5) else best
        )
    if p.chance(0.35):
        pits = k.out("num_pits|pit_count|sinks", T.I32, (1,))
        with k.when(where < 0):
            k.do(wp.atomic_add(pits, 0, 1))


def _shares(
    p: ProgramBuilder, g: Grid, dem: GridField, z: Expr, out: GridField, cell: Expr | None
) -> None:
    k = g.k
    exponent = k.param("exponent|p_flow|convergence", 1.0, 4.0) if p.chance(0.6) else None
    offsets = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    weights = []
    for n, o in enumerate(offsets):
        drop = wp.max(z - dem[o], 0.0) if cell is None else wp.max((z - dem[o]) / cell, 0.0)
        weights.append(
            k.let(f"w{n}|share{n}", drop if exponent is None else wp.pow(drop, exponent))
        )
    total = k.let("total|w_sum|norm", weights[0] + weights[1] + weights[2] + weights[3])
    with k.when(total > p.pick(0.0, 1.0e-6)):
        out.store(construct(p.vec(4), *weights) / total)
    if p.chance(0.4):
        with k.otherwise():
            g.out("is_pit|pits|undrained", T.I32).store(1)
    monitor(p, g, total, "outflow", 0.25)


def _fill(p: ProgramBuilder, g: Grid, dem: GridField) -> None:
    k = g.k
    water = (
        g.field("water_level|filled_in|w", p.real, R.uniform(10.0, 40.0)) if p.chance(0.6) else None
    )
    out = g.out("filled|dem_out|level_out", p.real)
    border_exit(p, g, (out, dem.own))
    eps = k.param("eps|min_gradient|epsilon", 0.001, 0.01)
    source = dem if water is None else water
    around = [source[o] for o in (_EIGHT if p.chance(0.5) else [(0, 1), (1, 0), (0, -1), (-1, 0)])]
    if p.chance(0.5):
        low = k.var("low|lowest|w_min", around[0])
        for a in around[1:]:
            k.set(low, wp.min(low, a))
    else:
        lowest = around[0]
        for a in around[1:]:
            lowest = wp.min(lowest, a)
        low = k.let("low|lowest|w_min", lowest)
    z = dem.read("z|z0|ground")
    new = wp.max(z, low + eps)
    if water is not None:
        new = wp.min(water.own, new)
    new = k.let("new|level|raised", new)
    out.store(new)
    if p.chance(0.5):
        changed = k.out("changed|num_filled|dirty", T.I32, (1,))
        with k.when(new > z if water is None else new < water.own):
            k.do(wp.atomic_add(changed, 0, 1))


def accumulate_flow(p: ProgramBuilder) -> None:
    """Upslope area by walking downstream, by gathering from donors, or by topological levels."""
    what = p.pick("walk", "walk", "gather", "levels")
    names = {
        "walk": "trace_downstream|accumulate_by_walk|route_water|follow_flow",
        "gather": "gather_donors|accumulate_step|upslope_sum",
        "levels": "accumulate_level|push_flow|route_level",
    }
    k = p.kernel_builder(
        names[what],
        p.pick(
            {
                "walk": "Every cell sends its water down to the outlet.",
                "gather": "Sum the inflow of cells that drain here.",
                "levels": "Pass accumulated water on to the receiver.",
            }[what],
            "",
        ),
    )
    n = p.pick(16, 20, 24, 32)
    total = n * n
    if what == "levels":
        t = threads(k, ["t|tid|s"], (p.pick(48, 64, 100),))[0]
        order = k.array("stack|order|level_cells", T.I32, (total,), R.permutation())
        receiver = k.array("receiver|downstream|to_cell", T.I32, (total,), R.integers(-1, total))
        start = k.count("level_start|first|offset", p.pick(0, 16, 32))
        cell = k.let("c|cell|node", order[start + t])
        r = k.let("r|down|next_cell", receiver[cell])
        with k.when(r < 0 if p.chance(0.5) else r == -1):
            k.ret()
        area = k.array("area|drainage|runoff", p.real, (total,), R.uniform(1.0, 5.0))
        out = k.out("area_out|accumulation|inflow", p.real, (total,))
        value = area[cell]
        if p.chance(0.5):
            value = value * (1.0 - k.param("loss|infiltration|evap_share", 0.01, 0.3))
        k.do(wp.atomic_add(out, r, value))
        if p.chance(0.4):
            count = k.out("donor_count|num_donors|inflows", T.I32, (total,))
            k.do(wp.atomic_add(count, r, 1))
        return
    if what == "gather":
        g = open_grid(p, k, 2, boundary=p.pick("interior", "clamp"), layouts=p.chance(0.4))
        direction = g.field("direction|flow_dir|d8", T.I32, R.integers(-1, 8))
        area = g.field("area|acc_in|local_runoff", p.real, R.uniform(1.0, 5.0))
        out = g.out("area_out|acc_out|accumulation", p.real)
        inflow = k.var(
            "inflow|total|acc", area.own if p.chance(0.6) else k.param("cell_area|runoff", 1.0, 4.0)
        )
        for code, (di, dj) in enumerate(_EIGHT):
            with k.when(direction[-di, -dj] == code):
                k.aug(inflow, "+", area[-di, -dj])
        out.store(inflow)
        monitor(p, g, inflow, "inflow|runoff", 0.4)
        return
    _walk(p, k, n, total)


def _walk(p: ProgramBuilder, k: KernelBuilder, n: int, total: int) -> None:
    flat = p.chance(0.5)
    cell = threads(k, ["c|cell|tid|start"], (total,))[0] if flat else None
    out = None
    if flat:
        receiver = k.array("receiver|downstream|to_cell", T.I32, (total,), R.parents())
        out = k.out("accumulation|area_out|visits", p.real, (total,))
        water = (
            k.let(
                "water|q0|runoff_c",
                k.array("runoff|rain|cell_area", p.real, (total,), R.uniform(0.5, 2.0))[cell],
            )
            if p.chance(0.6)
            else None
        )
        loss = k.param("loss|infiltration|decay", 0.01, 0.2) if p.chance(0.4) else None
        amount = k.var("amount|q|carried", water if water is not None else 1.0, p.real)
        node, length = k.var("node|cur|at", cell), k.var("hops|length|steps", 0)
        limit = k.count("max_hops|max_steps|limit", p.pick(32, 64, 100))
        with k.repeat(all_of(node >= 0, length < limit)):
            k.do(wp.atomic_add(out, node, amount))
            k.set(node, receiver[node])
            k.aug(length, "+", 1)
            if loss is not None:
                k.aug(amount, "*", 1.0 - loss)
        if p.chance(0.5):
            k.set(k.out("path_length|distance|hops_out", T.I32, (total,))[cell], length)
        return
    i0, j0 = threads(k, ["i0|row|si", "j0|col|sj"], (n, n))
    direction = k.array("direction|flow_dir|d8", T.I32, (n, n), R.integers(-1, 8))
    out = k.out("accumulation|area_out|visits", p.real if p.chance(0.5) else T.I32, (n, n))
    i, j = k.var("i|r", i0), k.var("j|c", j0)
    step = _offset_function(p)
    limit = k.count("max_steps|limit|max_path", p.pick(20, 32, 48))
    with k.loop("s|hop|m", limit):
        k.do(wp.atomic_add(out, i, j, 1.0 if out.type.dtype != T.I32 else 1))
        d = k.let("d|code|way", direction[i, j])
        with k.when(d < 0):
            k.brk()
        di, dj = k.unpack(["di|dr", "dj|dc"], step(d))
        k.aug(i, "+", di)
        k.aug(j, "+", dj)
        with k.when(any_of(i < 0, j < 0, i >= direction.dim(0), j >= direction.dim(1))):
            k.brk()


def stream_power(p: ProgramBuilder) -> None:
    """River incision, uplift, hillslope creep and sediment deposit over one step."""
    k = p.kernel_builder(
        "stream_power|river_incision|landscape_step|erode_channels|uplift_and_erode",
        p.pick("Stream-power incision with uplift.", "Landscape evolution over one step."),
    )
    g = open_grid(p, k, 2, boundary=p.pick("interior", "skip_outer", "clamp"))
    z_in = g.field("elevation|dem|z_in", p.real, R.uniform(0.0, 50.0))
    z_out = g.out("elevation_out|dem_new|z_out", p.real)
    border_exit(p, g, (z_out, z_in.own))
    area = g.field("drainage_area|area|upslope", p.real, R.uniform(1.0, 1000.0))
    z = z_in.read("z|z0|here")
    dt = k.param("dt|time_step|years", 1.0, 100.0)
    low = k.var("low|base|z_min", z)
    for o in _EIGHT if p.chance(0.4) else [(0, 1), (1, 0), (0, -1), (-1, 0)]:
        k.set(low, wp.min(low, z_in[o]))
    cell = k.param("dx|cell_size|spacing", 10.0, 100.0)
    slope = k.let("slope|s|grade", (z - low) / cell)
    erod = (
        g.field("erodibility|k_field|rock_k", p.real, R.uniform(0.0001, 0.002)).own
        if p.chance(0.4)
        else k.param("erodibility|k_sp|erosion_coef", 0.0001, 0.002)
    )
    m, n = (
        k.param("m_exp|area_exponent|m_sp", 0.4, 0.6),
        k.param("n_exp|slope_exponent|n_sp", 0.8, 1.2),
    )

    def body(b: Block, a: Expr, s: Expr, kc: Expr, me: Expr, ne: Expr) -> Expr:
        return kc * wp.pow(a, me) * wp.pow(s, ne)

    rate = k.let(
        "incision|e_rate|cut",
        piece(
            p,
            k,
            "incision_rate|stream_power_law|fluvial_erosion",
            {"area|a": area.own, "slope|s": slope, "k|erod": erod, "m|me": m, "n|ne": n},
            body,
        ),
    )
    new = z - dt * rate
    if p.chance(0.7):
        uplift = (
            g.field("uplift|uplift_rate", p.real, R.uniform(0.0, 0.01)).own
            if p.chance(0.4)
            else k.param("uplift|uplift_rate|rise", 0.0005, 0.01)
        )
        new = new + uplift * dt
    if p.chance(0.5):
        creep = k.param("diffusivity|kappa|creep", 0.0001, 0.01)
        lap = z_in[0, 1] + z_in[0, -1] + z_in[1, 0] + z_in[-1, 0] - 4.0 * z
        new = new + creep * dt * lap
    if p.chance(0.6):
        new = wp.max(new, low)
    new = k.let("z_new|updated|lowered", new)
    z_out.store(new)
    if p.chance(0.35):
        g.out("erosion|removed|denudation", p.real).store(z - new)
    monitor(p, g, rate, "erosion|incision", 0.3)


def thermal_erosion(p: ProgramBuilder) -> None:
    """Slopes above the angle of repose slide to their lower neighbours."""
    k = p.kernel_builder(
        "thermal_erosion|talus_slide|slope_failure|relax_slopes|avalanche_slopes",
        p.pick("Material slides where slopes exceed the talus angle.", "Thermal weathering step."),
    )
    g = open_grid(p, k, 2, boundary=p.pick("clamp", "interior", "periodic"))
    z_in = g.field("height|dem|ground", p.real, R.uniform(0.0, 6.0))
    gather = p.chance(0.6)
    out = g.out("height_out|dem_new|ground_next" if gather else "delta|height_change|moved", p.real)
    mask_exit(
        p, g, *([(out, z_in.own)] if gather else []), chance=0.25, hint="bedrock|fixed|locked"
    )
    z = z_in.read("z|h0|here")
    talus = (
        g.field("talus|repose|critical_slope", p.real, R.uniform(0.5, 1.5)).own
        if p.chance(0.3)
        else k.param("talus|repose|max_slope", 0.3, 1.5)
    )
    talus = k.let("limit|t_limit", talus) if p.chance(0.4) else talus
    rate = k.param("rate|slide_rate|strength", 0.05, 0.25)
    offsets = [(0, 1), (1, 0), (0, -1), (-1, 0)] if p.chance(0.6) else _EIGHT
    if gather:
        excess = _excess(p)
        new = k.var("new|total|level", z)
        for o in offsets:
            d = k.let(f"d{offsets.index(o)}|diff{offsets.index(o)}", z_in[o] - z)
            if excess is not None:
                k.aug(new, "+", rate * excess(d, talus))
            else:
                with k.when(d > talus):
                    k.aug(new, "+", rate * (d - talus))
                with k.elsewhen(d < -talus):
                    k.aug(new, "+", rate * (d + talus))
        out.store(new)
        monitor(p, g, new - z, "slide|moved", 0.35)
        return
    best, target = k.var("steepest|best|d_max", 0.0, p.real), k.var("pick_dir|lowest_id|choice", -1)
    for n, o in enumerate(offsets):
        drop = k.let(f"drop{n}|d{n}", z - z_in[o])
        with k.when(drop > best):
            k.set(best, drop)
            k.set(target, n)
    with k.when(any_of(best <= talus, target < 0) if p.chance(0.4) else best <= talus):
        k.ret()
    amount = k.let("amount|slide|moved_c", 0.5 * rate * (best - talus))
    out.add(-amount)
    for n, o in enumerate(offsets):
        where = [g.shift(a, s) for a, s in enumerate(o)]
        with k.when(target == n) if n == 0 else k.elsewhen(target == n):
            out.add(amount, *where)
    if p.chance(0.4):
        slides = k.out("num_slides|slide_count", T.I32, (1,))
        k.do(wp.atomic_add(slides, 0, 1))


def _excess(p: ProgramBuilder) -> UserFunction | None:
    if not p.chance(0.5):
        return None

    def body(b: Block, d: Expr, limit: Expr) -> None:
        if p.chance(0.6):
            with b.when(wp.abs(d) <= limit):
                b.ret(lift(0.0, p.real))
            b.ret(d - wp.sign(d) * limit)
        else:
            b.ret(wp.sign(d) * wp.max(wp.abs(d) - limit, 0.0))

    return p.func(
        "excess_slope|over_talus|unstable_part", {"d|diff": p.real, "limit|talus": p.real}, body
    )
