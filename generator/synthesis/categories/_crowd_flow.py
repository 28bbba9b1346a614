"""Cellular and macroscopic traffic, for the crowd category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Rng, Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Call, Expr, literal


def cellular(p: ProgramBuilder) -> None:
    """Nagel-Schreckenberg lanes and pedestrian floor fields on cells."""
    p.pick(_lane_automaton, _lane_automaton, _floor_field)(p)


def _lane_automaton(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "nasch_step|cellular_traffic|lane_automaton|traffic_cells|nagel_schreckenberg",
        p.pick("One step of a cellular traffic model.", "Accelerate, brake, dawdle, move.", ""),
    )
    k.options["enable_backward"] = False
    lanes, cells = p.pick(2, 3, 4, 6), p.pick(48, 64, 96)
    k.launch_dim = (lanes, cells)
    lane, cell = k.unpack(
        ["lane|row|l", "cell|i|c"], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
    )
    t = T.I32
    road = k.array("road|cells|lane_state", t, (lanes, cells), R.integers(-1, p.pick(4, 5)))
    out = k.out("road_out|cells_out|next_state", t, (lanes, cells), R.constant(-1))
    v = k.var("v|speed|vel", road[lane, cell])
    with k.when(v < 0):
        k.ret()
    length = road.dim(1) if p.chance(0.5) else k.count("road_length|num_cells|n_cells", cells)
    top = k.count("v_max|max_speed|speed_limit", p.pick(3, 5))
    k.set(v, wp.min(v + 1, top))
    gap, probe = k.var("gap|free|headway", 0), k.var("probe|look|nxt", (cell + 1) % length)
    with k.repeat(all_of(gap < v, road[lane, probe] < 0)):
        k.aug(gap, "+", 1)
        k.set(probe, (probe + 1) % length)
    k.set(v, wp.min(v, gap))
    rng = Rng(k, cell, outer=lane, width=cells)
    slow = k.param("p_slow|dawdle_prob|p_brake", 0.05, 0.5)
    test = all_of(v > 0, rng.uniform() < slow)
    if p.chance(0.35):
        rest = k.param("p_start|slow_to_start|p0", 0.3, 0.7)
        with k.when(all_of(road[lane, cell] == 0, rng.uniform() < rest)):
            k.set(v, literal(0, T.I32))
        with k.elsewhen(test):
            k.aug(v, "-", 1)
    else:
        with k.when(test):
            k.aug(v, "-", 1)
    k.set(out[lane, (cell + v) % length], v)
    for what in p.sample(["flow", "speed", "stopped"], 0, 2):
        if what == "flow":
            with k.when(cell + v >= length):
                k.do(wp.atomic_add(k.out("flow|crossings|throughput", T.I32, (lanes,)), lane, 1))
        elif what == "speed":
            k.do(wp.atomic_add(k.out("speed_total|v_sum|lane_speed", T.I32, (lanes,)), lane, v))
        else:
            with k.when(v == 0):
                k.do(wp.atomic_add(k.out("stopped|num_jammed|queue", T.I32, (1,)), 0, 1))


def _floor_field(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "evacuation_step|floor_field_move|choose_cell|exit_choice|grid_evacuation",
        p.pick(
            "Every person picks the best free cell.", "Floor-field evacuation, choice step.", ""
        ),
    )
    k.options["enable_backward"] = False
    rows, columns = p.pick(12, 16, 20), p.pick(12, 16, 20)
    e = Entities(k, "person", index="i|tid|a", count=p.pick(32, 48, 64))
    place = e.field(
        "cells|positions|cell", T.Vec(2, T.I32), R.integers(1, min(rows, columns) - 1)
    ).read("rc|here|c_i")
    field = Table(
        e,
        "floor_field|distance_map|potential",
        T.F32,
        (rows, columns),
        R.uniform(0.0, 20.0),
        shared=True,
    )
    occupied = Table(e, "occupied|occupancy|walls", T.I32, (rows, columns), R.mask(0.3))
    e.guard()
    rng = entity_rng(e)
    best, row, col = (
        k.var("best|lowest|score", field[place[0], place[1]]),
        k.var("row|r_best|y", place[0]),
        k.var("col|c_best|x", place[1]),
    )
    diagonal = p.chance(0.4)
    noise = k.param("temperature|noise|randomness", 0.05, 1.0)
    with k.loop("dr|oy|di", -1, 2) as dr, k.loop("dc|ox|dj", -1, 2) as dc:
        if not diagonal:
            with k.when(dr * dr + dc * dc != 1):
                k.cont()
        r, c = k.let("r|ny|rr", place[0] + dr), k.let("c|nx|cc", place[1] + dc)
        with k.when(
            any_of(r < 0, c < 0, r >= field.extent(0), c >= field.extent(1))
            if p.chance(0.5)
            else any_of(r < 0, c < 0, r >= rows, c >= columns)
        ):
            k.cont()
        with k.when(occupied[r, c] != 0):
            k.cont()
        score = k.let("s|score_c|value", field[r, c] + noise * rng.uniform())
        with k.when(score < best):
            k.set(best, score)
            k.set(row, r)
            k.set(col, c)
    e.out("targets|desired_cell|next_cell", T.Vec(2, T.I32)).store(
        construct(T.Vec(2, T.I32), row, col)
    )
    if p.chance(0.7):
        claims = Table(
            e, "claims|reservation|winner", T.I32, (rows, columns), R.constant(1 << 20), "inout"
        )
        claims.atomic("min", e.index, row, col)
    if p.chance(0.4):
        with k.when(best < k.param("exit_level|exit_threshold", 0.5, 3.0)):
            Table(e, "evacuated|at_exit|num_out", T.I32, (1,), role="out").add(1, 0)
    rng.close()


def macroscopic(p: ProgramBuilder) -> None:
    """Density on road segments: Godunov fluxes, cell transmission, ramps."""
    k = p.kernel_builder(
        "lwr_step|godunov_traffic|cell_transmission|density_update|macroscopic_step|ctm_step",
        p.pick(
            "Conservation law for traffic density.",
            "Cell-transmission model.",
            "Supply and demand between road cells.",
        ),
    )
    p.real = T.F64 if p.on("double") else T.F32
    e = Entities(k, "cell", index="i|tid|cell", count=p.pick(64, 96, 128, 160))
    rho, out = (
        e.field("density|rho|occupancy", p.real, R.uniform(0.01, 0.14)),
        e.out("density_out|rho_out|rho_new", p.real),
    )
    jam, free = (
        k.param("jam_density|rho_max|rho_jam", 0.15, 0.2),
        e.property("free_speed|v_free|vf", 15.0, 32.0),
    )
    dx, dt = k.param("dx|cell_length|segment_length", 80.0, 150.0), k.param("dt|timestep", 0.5, 2.0)
    form = p.pick("greenshields", "triangular", "transmission")
    edge = p.pick("ring", "clamp")
    left = k.let(
        "im|up|left",
        (e.index + e.count() - 1) % e.count() if edge == "ring" else wp.max(e.index - 1, 0),
    )
    right = k.let(
        "ip|down|right",
        (e.index + 1) % e.count() if edge == "ring" else wp.min(e.index + 1, e.count() - 1),
    )
    wave = (
        k.param("wave_speed|w_back|congestion_speed", 4.0, 8.0) if form != "greenshields" else None
    )
    capacity = k.param("capacity|q_max|max_flow", 0.4, 0.7) if form == "transmission" else None

    def body(
        b: Block, upstream: Expr, downstream: Expr, jammed: Expr, v: Expr, *more: Expr
    ) -> None:
        if form == "greenshields":
            critical = b.let("rho_c|crit", 0.5 * jammed)
            demand = b.let(
                "demand|sending|s_up",
                v * wp.min(upstream, critical) * (1.0 - wp.min(upstream, critical) / jammed),
            )
            supply = b.let(
                "supply|receiving|r_dn",
                v * wp.max(downstream, critical) * (1.0 - wp.max(downstream, critical) / jammed),
            )
            b.ret(wp.min(demand, supply))
        elif form == "triangular":
            top = b.let("q_cap|peak", v * more[0] * jammed / (v + more[0]))
            b.ret(wp.min(wp.min(v * upstream, top), wp.min(more[0] * (jammed - downstream), top)))
        else:
            b.ret(
                wp.min(wp.min(v * upstream, more[1]), wp.max(more[0] * (jammed - downstream), 0.0))
            )

    params = {
        "rho_up|upstream": p.real,
        "rho_dn|downstream": p.real,
        "jam|rho_max": p.real,
        "v|vf": p.real,
    }
    params |= {"w|wave": p.real} if wave is not None else {}
    params |= {"q_max|cap": p.real} if capacity is not None else {}
    flux = p.func("interface_flux|godunov_flux|demand_supply|cell_flow", params, body)
    extra = [x for x in (wave, capacity) if x is not None]
    inflow, outflow = (
        k.let("q_in|inflow|f_l", flux(rho[left], rho.own, jam, free, *extra)),
        k.let("q_out|outflow|f_r", flux(rho.own, rho[right], jam, free, *extra)),
    )
    change = inflow - outflow
    if p.chance(0.4):
        ramp = e.field("on_ramp|ramp_flow|sources", p.real, R.uniform(0.0, 0.02)).own
        change = change + (
            ramp
            if p.chance(0.5)
            else wp.min(ramp, k.param("ramp_capacity|merge_limit", 0.01, 0.05))
        )
    new = k.let("rho_i|updated|value", rho.own + change * (dt / dx))
    out.store(wp.clamp(new, 0.0, jam) if p.chance(0.6) else new)
    for what in p.sample(["flow", "speed", "jam", "total"], 0, 2):
        if what == "flow":
            e.out("flow|flux_out|q_out_cells", p.real).store(outflow)
        elif what == "speed":
            e.out("speeds|velocity_out|mean_speed", p.real).store(
                free * wp.max(1.0 - new / jam, 0.0)
            )
        elif what == "jam":
            with k.when(new > 0.7 * jam):
                Table(e, "congested|num_jammed|jam_cells", T.I32, (1,), role="out").add(1, 0)
        else:
            Table(e, "vehicles|total_vehicles|mass", p.real, (1,), role="out").add(new * dx, 0)
