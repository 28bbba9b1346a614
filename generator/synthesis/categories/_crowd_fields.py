"""Flow fields and crowd measurements, for the crowd category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def cost_field(p: ProgramBuilder) -> None:
    """Sweeps of a travel-time field and directions from it."""
    k = p.kernel_builder(
        "relax_cost_field|integration_field|travel_time_sweep|flow_directions|eikonal_relax|navigation_field",
        p.pick(
            "One relaxation of the cost-to-goal field.",
            "Directions down the cost field.",
            "Jacobi sweep of the eikonal equation.",
        ),
    )
    g = Grid(k, "row|i|y col|j|x", boundary=p.pick("clamp", "interior"))
    cost = g.field("cost|travel_time|integration", T.F32, R.uniform(0.0, 40.0))
    blocked = g.field("blocked|walls|obstacles", p.pick(T.I32, T.U8), R.mask(0.15))
    offsets = p.shuffled([(-1, 0), (1, 0), (0, -1), (0, 1)])
    form = p.pick("dijkstra", "eikonal", "direction", "eikonal")
    out = None if form == "direction" else g.out("cost_out|new_cost|relaxed", T.F32)
    with k.when(blocked.own != literal(0, blocked.dtype)):
        if out is not None:
            out.store(k.quantity("wall_cost|huge|blocked_cost", T.F32, 1000.0))
        k.ret()
    if p.chance(0.35):
        g.prepare(*offsets)
    if out is None:
        _descend(p, k, g, cost, offsets)
        return
    speed = g.field("speed|terrain_speed|walkability", T.F32, R.uniform(0.3, 1.5)).own
    own = cost.read("own|t_c|here")
    if form == "dijkstra":
        best = k.var("best|lowest|t_new", own)
        step = k.let("step_cost|w|edge", k.param("cell_size|dx|spacing", 0.5, 2.0) / speed)
        for o in offsets:
            k.set(best, wp.min(best, cost[o] + step))
        if p.chance(0.5):
            for o in ((-1, -1), (1, 1), (-1, 1), (1, -1)):
                k.set(best, wp.min(best, cost[o] + 1.41421 * step))
        out.store(best)
        _count_changes(p, k, best < own)
        return
    tx, ty = (
        k.let("tx|a|t_h", wp.min(cost[0, -1], cost[0, 1])),
        k.let("ty|b|t_v", wp.min(cost[-1, 0], cost[1, 0])),
    )
    slow = k.let("f|slowness|h_f", k.param("cell_size|dx|spacing", 0.5, 2.0) / speed)

    def solve(b: Block, a: Expr, c: Expr, f: Expr) -> None:
        with b.when(wp.abs(a - c) >= f):
            b.ret(wp.min(a, c) + f)
        b.ret(0.5 * (a + c + wp.sqrt(2.0 * f * f - (a - c) * (a - c))))

    f = p.func(
        "solve_eikonal|godunov_solve|upwind_solution",
        {"a|tx": T.F32, "b|ty": T.F32, "f|slowness": T.F32},
        solve,
    )
    value = k.let("t_new|candidate|updated", f(tx, ty, slow))
    out.store(wp.min(own, value))
    _count_changes(p, k, value < own)


def _count_changes(p: ProgramBuilder, k: KernelBuilder, test: Expr) -> None:
    if p.chance(0.5):
        with k.when(test):
            k.do(wp.atomic_add(k.out("changed|num_updates|active_cells", T.I32, (1,)), 0, 1))


def _descend(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, cost, offsets: list[tuple[int, int]]
) -> None:  # type: ignore[no-untyped-def]
    out = g.out("directions|flow_field|flow", T.VEC2)
    if p.chance(0.5):
        gx, gy = (
            k.let("gx|dcdx|slope_x", cost[0, 1] - cost[0, -1]),
            k.let("gy|dcdy|slope_y", cost[1, 0] - cost[-1, 0]),
        )
        slope = k.let("grad|g|slope", construct(T.VEC2, gx, gy))
        size = k.let("norm|len_g|steep", wp.length(slope))
        out.store(
            choose(size > 1.0e-5, slope * (-1.0 / wp.max(size, 1.0e-5)), construct(T.VEC2, 0.0))
        )
        return
    best, direction = (
        k.var("best|lowest|c_min", cost.own),
        k.var("dirn|d_best|heading", construct(T.VEC2, 0.0)),
    )
    for dy, dx in offsets + ([(1, 1), (-1, -1)] if p.chance(0.4) else []):
        with k.when(cost[dy, dx] < best):
            k.set(best, cost[dy, dx])
            k.set(direction, construct(T.VEC2, float(dx), float(dy)))
    out.store(wp.normalize(direction) if p.chance(0.6) else direction)


def follow_field(p: ProgramBuilder) -> None:
    """Agents that sample a flow field, bilinearly or per cell, and avoid crowding."""
    k = p.kernel_builder(
        "follow_flow_field|advance_along_field|navigate_agents|sample_flow|flow_field_step",
        p.pick("Move agents along the flow field.", "Sample the navigation field and step.", ""),
    )
    e = Entities(k, "agent", index="i|tid|a")
    size = p.pick(16, 20, 24, 32)
    x = e.field("positions|agent_pos|x", T.VEC2, R.uniform(1.0, 12.0)).read("xi|p_i|pos")
    field = Table(
        e, "flow_field|directions|flow", T.VEC2, (size, size), R.uniform(-1.0, 1.0), shared=True
    )
    e.guard()
    cell = k.param("cell_size|dx|spacing", 0.8, 1.2)
    u, v = k.let("u|gx|fx", x.x / cell), k.let("v|gy|fy", x.y / cell)
    bilinear = p.chance(0.5)
    top = size - (2 if bilinear else 1)
    col, row = (
        k.let("col|ix|cx", wp.clamp(cast(T.I32, u), 0, top)),
        k.let("row|iy|cy", wp.clamp(cast(T.I32, v), 0, top)),
    )
    if bilinear:
        s, t = k.let("s|wx|a", u - cast(T.F32, col)), k.let("t|wy|b", v - cast(T.F32, row))
        low = k.let("low|bottom|d0", field[row, col] * (1.0 - s) + field[row, col + 1] * s)
        high = k.let("high|upper|d1", field[row + 1, col] * (1.0 - s) + field[row + 1, col + 1] * s)
        direction = k.let("d|dirn|flow_dir", low * (1.0 - t) + high * t)
    else:
        direction = k.let("d|dirn|flow_dir", field[row, col])
    speed = k.var("speed|pace|s_i", e.property("walk_speed|preferred_speed|pace_max", 0.6, 1.6))
    if p.chance(0.6):
        density = Table(
            e, "crowd_density|density|occupancy", T.F32, (size, size), R.uniform(0.0, 4.0)
        )
        full = k.param("max_density|jam_density|rho_max", 4.0, 6.0)
        match p.pick("linear", "exp", "steps"):
            case "linear":
                k.aug(speed, "*", wp.clamp(1.0 - density[row, col] / full, 0.1, 1.0))
            case "exp":
                k.aug(speed, "*", wp.exp(-density[row, col] / full))
            case "steps":
                with k.when(density[row, col] > 0.7 * full):
                    k.aug(speed, "*", 0.3)
                with k.elsewhen(density[row, col] > 0.3 * full):
                    k.aug(speed, "*", 0.7)
    dt = k.param("dt|timestep", 0.02, 0.2)
    velocity = k.let("vel|v_i|step_v", direction * speed)
    new = k.var("x_new|moved|p_new", x + velocity * dt)
    if p.chance(0.5):
        walls = Table(e, "blocked|walls|is_wall", T.I32, (size, size), R.mask(0.1), shared=True)
        r, c = (
            k.let("r_new|ny|r1", wp.clamp(cast(T.I32, new.y / cell), 0, size - 1)),
            k.let("c_new|nx|c1", wp.clamp(cast(T.I32, new.x / cell), 0, size - 1)),
        )
        with k.when(walls[r, c] != 0):
            k.set(new, x)
    e.out("positions_out|x_out|new_pos", T.VEC2).store(new)
    if p.chance(0.5):
        Table(e, "density_out|splat|visit_density", T.F32, (size, size), role="out").add(
            literal(1.0, T.F32), row, col
        )
    if p.chance(0.35):
        goal = k.quantity("goal|exit_pos|sink", T.VEC2, [10.0, 8.0])
        with k.when(wp.length(goal - new) < k.param("exit_radius|goal_radius", 0.5, 2.5)):
            Table(e, "arrivals|num_exited|evacuated", T.I32, (1,), role="out").add(1, 0)


def statistics(p: ProgramBuilder) -> None:
    """Short measurements of crowds: density maps, order parameters, flow through gates, waiting."""
    k = p.kernel_builder(
        "crowd_density|order_parameter|gate_flow|measure_crowd|waiting_times|splat_agents|crowd_statistics",
        p.pick(
            "Measure the crowd.",
            "Density map and mean velocity.",
            "Who crossed the gate this step.",
            "",
        ),
    )
    e = Entities(k, "agent", index="i|tid|a")
    x, v = (
        e.field("positions|agent_pos|x", T.VEC2, R.uniform(-4.0, 4.0)),
        e.field("velocities|agent_vel|v", T.VEC2, R.uniform(-1.0, 1.0)),
    )
    e.guard()
    xi, vi = x.read("xi|p_i|pos"), v.read("vi|v_i|vel_i")
    for what in p.sample(["map", "order", "gate", "waiting", "zone"], 1, 3):
        if what == "map":
            side = p.pick(12, 16, 20)
            width = k.param("cell_size|bin_size|dx", 0.4, 0.7)
            col, row = (
                k.let(h, wp.clamp(cast(T.I32, (c + 4.0) / width), 0, side - 1))
                for h, c in (("col|ix|cx", xi.x), ("row|iy|cy", xi.y))
            )
            Table(e, "density_map|counts|occupancy", T.I32, (side, side), role="out").add(
                1, row, col
            )
            if p.chance(0.5):
                Table(
                    e, "momentum_map|velocity_sum|flow_map", T.VEC2, (side, side), role="out"
                ).add(vi, row, col)
        elif what == "order":
            heading = k.let("u|dirn|heading", wp.normalize(vi))
            Table(e, "mean_heading|polarization|order_sum", T.VEC2, (1,), role="out").add(
                heading / cast(T.F32, e.count()), 0
            )
        elif what == "gate":
            line, dt = (
                k.quantity("gate_x|door_x|line_pos", T.F32, p.pick(0.0, 1.0, -0.5)),
                k.param("dt|timestep", 0.05, 0.5),
            )
            before = k.let("x_prev|was|prev_x", xi.x - vi.x * dt)
            crossed = all_of(before < line, xi.x >= line)
            with k.when(
                crossed
                if p.chance(0.5)
                else all_of(crossed, wp.abs(xi.y) < k.param("door_half_width|gate_half", 0.5, 3.0))
            ):
                Table(e, "crossings|flow_count|passed", T.I32, (1,), role="out").add(1, 0)
        elif what == "waiting":
            slow = k.param("slow_speed|waiting_speed|v_stop", 0.2, 0.8)
            wait = e.inout("wait_time|waiting|delay", T.F32, R.uniform(0.0, 5.0))
            wait.store(
                choose(wp.length(vi) < slow, wait.own + k.param("dt|timestep", 0.05, 0.5), 0.0)
            )
        else:
            zones = p.pick(3, 4, 6)
            centers = k.array("zone_centers|areas|rooms", T.VEC2, (zones,), R.uniform(-3.0, 3.0))
            reach = k.param("zone_radius|room_radius|area_radius", 0.8, 2.0)
            with (
                k.loop(
                    "z|zone|room",
                    centers.dim(0) if p.chance(0.5) else k.count("num_zones|n_rooms", zones),
                ) as z,
                k.when(wp.length(xi - centers[z]) < reach),
            ):
                Table(e, "zone_counts|room_occupancy|in_zone", T.I32, (zones,), role="out").add(
                    1, z
                )
