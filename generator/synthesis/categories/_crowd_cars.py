"""Cars on lanes, for the crowd category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal


def following_model(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` for the acceleration of a car behind its leader."""
    form = p.pick("idm", "idm", "gipps", "optimal_velocity", "linear")
    root = p.chance(0.5)

    def body(b: Block, v: Expr, gap: Expr, dv: Expr, v0: Expr, headway: Expr, a: Expr) -> None:
        safe = b.let("g|s_eff|gap_c", wp.max(gap, 0.1))
        if form == "idm":
            brake = b.let("b_root|comfort|sq_ab", 2.0 * wp.sqrt(a * 1.5) if root else 2.0 * a)
            wish = b.let(
                "s_star|desired_gap|s_des", 2.0 + wp.max(v * headway + v * dv / brake, 0.0)
            )
            ratio = b.let("ratio|v_ratio|u", v / v0)
            power = ratio * ratio * ratio * ratio
            b.ret(a * (1.0 - power - (wish / safe) * (wish / safe)))
        elif form == "gipps":
            safe_v = b.let(
                "v_safe|limit_v|vs",
                -2.0 * headway
                + wp.sqrt(4.0 * headway * headway + 4.0 * safe + (v - dv) * (v - dv)),
            )
            b.ret(wp.min(a * (1.0 - v / v0), (wp.min(safe_v, v0) - v) / headway))
        elif form == "optimal_velocity":
            wish = b.let(
                "v_opt|v_wish|v_des",
                0.5 * v0 * (wp.tanh(safe / 8.0 - 1.5) + wp.tanh(literal(1.5, T.F32))),
            )
            b.ret(wp.min((wish - v) / headway - 0.4 * dv, a))
        else:
            with b.when(safe > 40.0):
                b.ret(a * (1.0 - v / v0))
            b.ret(0.6 * (safe - headway * v) / headway * 0.2 - 0.5 * dv)

    params = {
        "v|speed": T.F32,
        "gap|s": T.F32,
        "dv|closing": T.F32,
        "v0|desired": T.F32,
        "headway|T_gap": T.F32,
        "a|a_max": T.F32,
    }
    doc = p.pick("", "Acceleration from speed, gap and approach rate.")
    return p.func(
        f"{form}_acceleration|car_following|follow_leader|following_accel", params, body, doc
    )


def car_following(p: ProgramBuilder) -> None:
    """Cars on rings and multi-lane roads: following, lane changes, signals."""
    k = p.kernel_builder(
        "car_following_step|update_vehicles|traffic_step|ring_road|highway_step|idm_step",
        p.pick(
            "One step of car following.",
            "Vehicles on a ring road.",
            "Longitudinal motion of every car.",
        ),
    )
    e = Entities(k, "car", index="i|tid|car_id|veh", count=p.pick(48, 64, 96))
    x, v = (
        e.field("positions|s_pos|x|arc_length", T.F32, R.ascending(0.0, 900.0)),
        e.field("speeds|velocities|v", T.F32, R.uniform(0.0, 25.0)),
    )
    e.guard()
    follow = following_model(p)
    length, road = (
        e.property("car_length|veh_length|length", 4.0, 6.0),
        k.quantity("road_length|ring_length|circuit", T.F32, p.pick(1000.0, 950.0, 1200.0)),
    )
    lanes = p.chance(0.45)
    xi, vi = k.let("xi|s_i|my_x", x.own), k.let("vi|v_i|my_v", v.own)
    if lanes:
        lane = e.field("lanes|lane|lane_id", T.I32, R.integers(0, 3))
        gap, closing = _leader_scan(p, k, e, x, v, lane, lane.own, xi, vi, length, road)
    else:
        gap, closing = _leader_next(p, k, e, x, v, xi, vi, length, road)
    v0, headway, amax = (
        e.property("desired_speed|v0|free_speed", 15.0, 35.0),
        e.property("time_headway|headway|T_gap", 0.8, 2.0),
        k.param("max_accel|a_max|accel", 0.8, 3.0),
    )
    acceleration = k.var("acc|a|accel_i", follow(vi, gap, closing, v0, headway, amax))
    if p.chance(0.4):
        _signal(p, k, follow, acceleration, xi, vi, v0, headway, amax)
    if p.chance(0.4):
        floor = k.param("max_brake|b_max|hard_brake", 4.0, 9.0)
        k.set(acceleration, wp.max(acceleration, -floor))
    if lanes and p.chance(0.7):
        _lane_change(
            p, k, e, x, v, lane, xi, vi, length, road, follow, acceleration, v0, headway, amax
        )
    dt = k.param("dt|timestep|h", 0.05, 0.5)
    if p.chance(0.3):
        rng = entity_rng(e)
        k.aug(acceleration, "-", k.param("dawdle|noise|imperfection", 0.05, 0.5) * rng.uniform())
        rng.close()
    v_new = k.let("v_new|v_next|speed1", wp.max(vi + acceleration * dt, 0.0))
    x_new = k.var(
        "x_new|s_new|x_next", xi + v_new * dt if p.chance(0.5) else xi + 0.5 * (vi + v_new) * dt
    )
    with k.when(x_new >= road):
        k.aug(x_new, "-", road)
        if p.chance(0.4):
            Table(e, "laps|passages|loop_count", T.I32, (1,), role="out").add(1, 0)
    e.out("positions_out|x_out|s_out", T.F32).store(x_new)
    e.out("speeds_out|v_out|velocities_out", T.F32).store(v_new)
    if p.chance(0.4):
        e.out("accelerations|acc_out", T.F32).store(acceleration)
    if p.chance(0.35):
        _detector(p, k, e, xi, x_new, v_new)


def _leader_next(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    x: Field,
    v: Field,
    xi: Expr,
    vi: Expr,
    length: Expr,
    road: Expr,
) -> tuple[Name, Name]:
    if p.chance(0.3):
        leader = k.let(
            "lead|ahead|j", e.field("leader_id|leader|front_car", T.I32, R.integers(0, e.n)).own
        )
    else:
        leader = k.let("lead|ahead|j", (e.index + 1) % e.count())
    gap = k.var("gap|s|dist", x[leader] - xi - length)
    with k.when(gap < 0.0):
        k.aug(gap, "+", road)
    return gap, k.let("closing|dv|approach", vi - v[leader])


def _leader_scan(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    x: Field,
    v: Field,
    lane: Field,
    wanted: Expr,
    xi: Expr,
    vi: Expr,
    length: Expr,
    road: Expr,
) -> tuple[Name, Name]:
    gap, speed = k.var("gap|s|dist", road), k.var("v_lead|lead_speed|vl", vi)
    with k.loop("j|other|c", e.count()) as j:
        with k.when(any_of(j == e.index, lane[j] != wanted)):
            k.cont()
        ahead = k.var("ahead|d|delta", x[j] - xi)
        with k.when(ahead < 0.0):
            k.aug(ahead, "+", road)
        with k.when(ahead - length < gap):
            k.set(gap, ahead - length)
            k.set(speed, v[j])
    return gap, k.let("closing|dv|approach", vi - speed)


def _signal(
    p: ProgramBuilder,
    k: KernelBuilder,
    follow: UserFunction,
    acceleration: Name,
    xi: Expr,
    vi: Expr,
    v0: Expr,
    headway: Expr,
    amax: Expr,
) -> None:
    lights = p.pick(3, 4, 6)
    places, red = (
        k.array("light_pos|stop_lines|signals", T.F32, (lights,), R.ascending(50.0, 900.0)),
        k.array("is_red|red_phase|signal_state", T.I32, (lights,), R.mask(0.5)),
    )
    sight = k.param("look_ahead|sight|stop_dist", 30.0, 120.0)
    with k.loop("l|light|sig", places.dim(0) if p.chance(0.5) else lights) as light:
        to_line = k.let("to_line|gap_l|d_stop", places[light] - xi)
        with k.when(all_of(red[light] == 1, to_line > 0.0, to_line < sight)):
            k.set(acceleration, wp.min(acceleration, follow(vi, to_line, vi, v0, headway, amax)))


def _lane_change(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    x: Field,
    v: Field,
    lane: Field,
    xi: Expr,
    vi: Expr,
    length: Expr,
    road: Expr,
    follow: UserFunction,
    acceleration: Name,
    v0: Expr,
    headway: Expr,
    amax: Expr,
) -> None:
    k.step(p.pick("lane change", "incentive to change lanes", ""))
    side = k.let(
        "side_lane|target_lane|new_lane",
        wp.min(lane.own + 1, 2) if p.chance(0.5) else wp.max(lane.own - 1, 0),
    )
    gap, closing = _leader_scan(p, k, e, x, v, lane, side, xi, vi, length, road)
    gain = k.let(
        "gain|incentive|benefit", follow(vi, gap, closing, v0, headway, amax) - acceleration
    )
    behind = k.var("rear_gap|gap_back|behind", road)
    with k.loop("j|other|c", e.count()) as j, k.when(lane[j] == side):
        back = k.let("back|d_rear|rear", xi - x[j] - length)
        with k.when(all_of(back > 0.0, back < behind)):
            k.set(behind, back)
    threshold, safe = (
        k.param("change_threshold|delta_a|incentive_min", 0.05, 0.5),
        k.param("safe_gap|min_rear_gap|rear_margin", 3.0, 12.0),
    )
    change = k.let(
        "change|do_change|switch",
        all_of(side != lane.own, gain > threshold, behind > safe, gap > safe),
    )
    e.out("lanes_out|lane_out|new_lanes", T.I32).store(choose(change, side, lane.own))
    if p.chance(0.4):
        with k.when(change):
            Table(e, "num_changes|lane_changes", T.I32, (1,), role="out").add(1, 0)


def _detector(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, xi: Expr, x_new: Expr, v_new: Expr
) -> None:
    place = k.param("detector_pos|loop_pos|counter_at", 100.0, 800.0)
    with k.when(all_of(xi < place, x_new >= place)):
        Table(e, "flow_count|crossings|detector_count", T.I32, (1,), role="out").add(
            literal(1, T.I32), 0
        )
        Table(e, "speed_sum|detector_speed|v_total", T.F32, (1,), role="out").add(v_new, 0)
