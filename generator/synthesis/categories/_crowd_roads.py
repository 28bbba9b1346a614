"""Vehicles on lanes: car following, lane changes, cellular automata, signals and link statistics."""

from collections.abc import Callable
from functools import partial

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._numerics import add_at, report
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def _follow(p: ProgramBuilder, k: KernelBuilder, e: Entities, model: str):  # type: ignore[no-untyped-def]
    """A maker of the acceleration of a car-following model from speed, gap and leader speed."""
    v0 = e.property("desired_speed|v0|free_speed", 12.0, 35.0)
    values: dict[str, Expr] = {"v0|vdes": v0}
    if model in ("idm", "acc"):
        values |= {
            "a_max|acc": k.param("a_max|max_accel|acceleration", 0.8, 2.5),
            "b|brake": k.param("comfort_brake|b_comf|decel", 1.0, 3.0),
            "headway|tau": e.property("headway|time_gap|t_headway", 0.8, 2.0),
            "s0|min_gap": k.param("min_gap|s0|jam_gap", 1.0, 3.0),
        }
    elif model in ("ovm", "fvdm"):
        values |= {
            "kappa|sens": k.param("sensitivity|kappa|relax_rate", 0.3, 1.5),
            "lc|width": k.param("interaction_length|l_int|form_width", 8.0, 25.0),
        }
        if model == "fvdm":
            values["lam|gain"] = k.param("speed_gain|lam|rel_gain", 0.1, 0.8)
    else:
        values |= {
            "b|brake": k.param("max_brake|b_max|decel", 2.0, 5.0),
            "tau|react": k.param("reaction_time|tau|t_react", 0.5, 1.5),
            "a|acc": k.param("a_max|max_accel|accel", 0.8, 2.5),
        }

    def body(i: Block, v: Expr, gap: Expr, vl: Expr, v0: Expr, *m: Expr) -> Expr:
        if model in ("idm", "acc"):
            a, b, t, s0 = m
            star = i.let(
                "s_star|wanted|s_des",
                s0 + wp.max(v * t + v * (v - vl) / (2.0 * wp.sqrt(a * b)), 0.0),
            )
            q = i.let("q|ratio|r", star / gap)
            free = i.let("free|vr|x", v / v0)
            if model == "acc":
                return a * wp.min(1.0 - free * free * free * free, 1.0 - q * q)
            return a * (1.0 - free * free * free * free - q * q)
        if model in ("ovm", "fvdm"):
            goal = i.let(
                "v_opt|goal|vo",
                0.5 * v0 * (wp.tanh(gap / m[1] - 2.0) + wp.tanh(literal(2.0, p.real))),
            )
            return m[0] * (goal - v) if model == "ovm" else m[0] * (goal - v) + m[2] * (vl - v)
        b, tau, a = m
        if model == "krauss":
            safe = i.let("v_safe|safe|vs", vl + (gap - vl * tau) / ((v + vl) / (2.0 * b) + tau))
        else:
            safe = i.let(
                "v_safe|safe|vs",
                -b * tau + wp.sqrt(wp.max(b * b * tau * tau + vl * vl + 2.0 * b * gap, 0.0)),
            )
        target = i.let("target|vt|goal", wp.min(wp.min(v + a * tau, v0), wp.max(safe, 0.0)))
        return (target - v) / tau

    doc = p.pick("", "Car-following acceleration.", f"{model.upper()} model.")
    if p.on("helper_function"):
        params = {"v|speed": p.real, "gap|s": p.real, "v_lead|vl": p.real} | {
            h: x.type for h, x in values.items()
        }
        f = p.func(
            f"{model}_acceleration|following_accel|car_following|{model}",
            params,
            lambda b, *a: b.ret(body(b, *a)),
            doc,
        )
        return lambda v, gap, vl: f(v, gap, vl, *values.values())
    return lambda v, gap, vl: body(k, v, gap, vl, *values.values())


def car_following(p: ProgramBuilder) -> None:
    """Speeds and positions of vehicles behind their leaders."""
    model = p.pick("idm", "idm", "ovm", "fvdm", "gipps", "krauss", "acc")
    k = p.kernel_builder(
        f"{model}_step|car_following|update_vehicles|follow_leader|vehicle_step|advance_traffic",
        p.pick(
            "Car-following update of every vehicle.",
            "Longitudinal motion behind the leader.",
            f"{model.upper()} step.",
        ),
    )
    e = Entities(k, p.pick("vehicle", "car"), layouts=p.chance(0.7))
    layout = p.pick("ring", "leader", "scan", "leader")
    spacing = 12.0
    length = spacing * e.n
    x = e.field(
        "positions|x|s_pos|pos",
        p.real,
        R.arange(0.0, spacing) if layout == "ring" else R.uniform(0.0, length),
    )
    v = e.field("speeds|v|vel|speed", p.real, R.uniform(2.0, 15.0))
    e.guard()
    xi, vi = x.read("xi|pos_i|s"), v.read("vi|speed_i|u")
    car = k.param("vehicle_length|car_length|l_veh", 3.5, 5.5)
    road = k.param("road_length|ring_length|loop_len", length, length * 1.2)
    gaps, leads = "gap|headway_i|s_gap", "v_lead|vl|front_v"
    if layout == "ring":
        j = k.let("j|leader|ahead", (e.index + 1) % e.count())
        gap, lead = k.var(gaps, x[j] - xi - car), k.var(leads, v[j])
        with k.when(gap < 0.0):
            k.aug(gap, "+", road)
    elif layout == "leader":
        ids = e.field("leaders|leader_id|front_car", T.I32, R.integers(-1, e.n))
        j = k.let("j|leader|ahead", ids.own)
        gap, lead = k.var(gaps, construct(p.real, road)), k.var(leads, vi)
        with k.when(all_of(j >= 0, j != e.index) if p.chance(0.4) else j >= 0):
            k.set(gap, wp.abs(x[j] - xi))
            k.set(lead, v[j])
    else:
        gap, lead = k.var(gaps, construct(p.real, road)), k.var(leads, v.own)
        _scan(p, k, e, x, v, xi, car, road, gap, lead)
    k.set(gap, wp.max(gap, k.param("gap_floor|min_distance|s_min", 0.5, 1.5)))
    if p.chance(0.4):
        _signal(p, k, e, xi, gap, lead, length)
    acc = k.var("a|acc|accel", _follow(p, k, e, model)(vi, gap, lead))
    if p.chance(0.5):
        k.set(
            acc,
            wp.clamp(
                acc,
                -k.param("hard_brake|b_emergency|max_decel", 4.0, 9.0),
                k.param("accel_cap|a_cap|a_limit", 1.5, 4.0),
            ),
        )
    if p.chance(0.25):
        noise = k.let(
            "rng|state|st",
            wp.rand_init(k.scalar("seed|rng_seed", T.I32, p.pick(1, 5, 42)), e.index),
        )
        k.aug(
            acc, "+", cast(p.real, wp.randn(noise)) * k.param("noise|imperfection|sigma", 0.05, 0.5)
        )
    dt = e.world_param("dt|step|h", 0.05, 0.5)
    new = k.let("v_new|vn|speed_new", wp.max(vi + acc * dt, 0.0))
    moved = k.var("x_new|xn|pos_new", xi + (new * dt if p.chance(0.5) else 0.5 * (vi + new) * dt))
    if p.chance(0.6):
        with k.when(moved >= road):
            k.aug(moved, "-", road)
            if p.chance(0.3):
                add_at(k, k.out("laps|throughput|passed", T.I32, (1,)), 0, 1)
    e.out("positions_out|x_out|x_next", p.real).store(moved)
    e.out("speeds_out|v_out|v_next", p.real).store(new)
    report(p, e, wp.abs(acc), "accel", 0, 2)


def _scan(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    x: Field,
    v: Field,
    xi: Expr,
    car: Expr,
    road: Expr,
    gap: Name,
    lead: Name,
) -> None:
    """The closest vehicle ahead in the same lane."""
    lane = e.field("lanes|lane|lane_id", T.I32, R.integers(0, 3)) if p.chance(0.7) else None
    with k.loop("j|other|c", e.count()) as j:
        skip = j == e.index
        with k.when(skip if lane is None else any_of(skip, lane[j] != lane.own)):
            k.cont()
        d = k.var("d|ahead|dist", x[j] - xi)
        with k.when(d < 0.0):
            k.aug(d, "+", road)
        with k.when(d < gap):
            k.set(gap, d)
            k.set(lead, v[j])
    k.aug(gap, "-", car)


def _signal(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, xi: Expr, gap: Name, lead: Name, length: float
) -> None:
    """A red light acts as a standing leader."""
    k.step(p.pick("traffic light", "signals", ""))
    stop = k.param("stop_line|light_pos|x_signal", 0.3 * length, 0.8 * length)
    cycle, green, now = (
        k.param("cycle|period|cycle_time", 40.0, 90.0),
        k.param("green_time|t_green|green", 15.0, 35.0),
        k.param("time|t|clock", 1.0, 300.0),
    )
    phase = k.let("phase|tc|in_cycle", now - cycle * wp.floor(now / cycle))
    d = k.let("to_line|d_stop|ds", stop - xi)
    with k.when(all_of(phase > green, d > 0.0, d < gap)):
        k.set(gap, d)
        k.set(lead, 0.0)


def lane_change(p: ProgramBuilder) -> None:
    """Incentive and safety of changing lanes."""
    k = p.kernel_builder(
        "decide_lane_change|mobil|lane_change_decisions|update_lanes|evaluate_lanes",
        p.pick("Lane changes by incentive and safety.", "Gaps in the neighbouring lanes.", ""),
    )
    e = Entities(k, p.pick("vehicle", "car"), count=p.pick(48, 64, 96))
    lanes, length = p.pick(2, 3, 4), 800.0
    x, v = (
        e.field("positions|x|s_pos", p.real, R.uniform(0.0, length)),
        e.field("speeds|v|vel", p.real, R.uniform(3.0, 25.0)),
    )
    lane = e.field("lanes|lane|lane_id", T.I32, R.integers(0, lanes))
    out = e.out("lanes_out|target_lane|new_lane", T.I32)
    e.guard((out, lane.own))
    xi, vi, li = x.read("xi|s|pos_i"), v.read("vi|u|speed_i"), lane.read("li|own_lane|mine")
    count = k.count("num_lanes|lane_count|n_lanes", lanes)

    def gaps(b: Block, target: Expr) -> tuple[Name, Name, Name]:
        front, back, fv = (
            b.var("front|gap_f|ahead", 1000.0, p.real),
            b.var("back|gap_b|behind", 1000.0, p.real),
            b.var("front_v|vf|lead_v", 40.0, p.real),
        )
        with b.loop("j|c|other", e.count()) as j:
            with b.when(any_of(j == e.index, lane[j] != target)):
                b.cont()
            d = b.let("d|rel|dx", x[j] - xi)
            with b.when(all_of(d >= 0.0, d < front)):
                b.set(front, d)
                b.set(fv, v[j])
            with b.elsewhen(all_of(d < 0.0, -d < back)):
                b.set(back, -d)
        return front, back, fv

    own_front, _, own_v = gaps(k, li)
    best, choice = (
        k.var("best|top_gain|score", k.param("threshold|min_gain|incentive", 0.1, 1.0)),
        k.var("choice|pick|target", li),
    )
    safe = k.param("safe_gap|min_back|rear_gap", 5.0, 20.0)
    politeness = k.param("politeness|bias_right|keep_right", 0.05, 0.4) if p.chance(0.5) else None
    headway = k.param("headway|tau|time_gap", 1.0, 2.5)
    now = k.let("now|own_value|current", wp.min(own_front / headway, own_v))
    with k.loop("step|side|dl", -1, 2, 2) as side:
        target = k.let("lane_t|cand|to_lane", li + side)
        with k.when(any_of(target < 0, target >= count)):
            k.cont()
        front, back, fv = gaps(k, target)
        with k.when(
            any_of(back < safe, front < safe * 0.5) if p.chance(0.5) else back < safe + 0.2 * vi
        ):
            k.cont()
        gain = k.var("gain|benefit|inc", wp.min(front / headway, fv) - now)
        if politeness is not None:
            k.aug(gain, "+", politeness * cast(p.real, -side))
        with k.when(gain > best):
            k.set(best, gain)
            k.set(choice, target)
    out.store(choice)
    if p.chance(0.6):
        with k.when(choice != li):
            add_at(k, k.out("num_changes|changes|lane_changes", T.I32, (1,)), 0, 1)


def cellular(p: ProgramBuilder) -> None:
    """Cellular automata of traffic: Nagel-Schreckenberg lanes and rule 184."""
    p.real = T.F32
    rule = p.pick("nasch", "nasch", "rule184", "slow_start", "count")
    k = p.kernel_builder(
        f"{rule}_update|cellular_traffic|advance_cells|move_cars|lane_automaton|step_lanes",
        p.pick(
            "One parallel update of all lanes.",
            "Cellular-automaton traffic.",
            "Accelerate, brake, dawdle, move.",
        ),
    )
    lanes, cells = p.pick(3, 4, 6), p.pick(48, 60, 80, 100)
    k.launch_dim = (lanes, cells)
    lane, c = k.unpack(
        ["lane|row|l", "cell|i|c|site"], N.Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
    )
    grid = k.array(
        "cells|road|speeds|occupancy",
        T.I32,
        (lanes, cells),
        R.integers(-3, 5) if rule != "rule184" else R.mask(0.4),
    )
    n = grid.dim(1) if p.chance(0.6) else k.count("num_cells|road_cells|n_cells", cells)
    if rule == "rule184":
        _rule184(p, k, grid, lane, c, n, lanes, cells)
        return
    out = k.out("next_cells|road_out|speeds_next", T.I32, (lanes, cells), R.constant(-1))
    v = k.var("v|speed|vel", grid[lane, c])
    with k.when(v < 0):
        k.ret()
    top = k.count("v_max|max_speed|speed_limit", p.pick(3, 4, 5))
    closed = (
        k.array("blocked|closed|barriers", T.I32, (lanes, cells), R.mask(0.05))
        if p.chance(0.3)
        else None
    )
    limit = (
        k.array("cell_limit|speed_zone|limits", T.I32, (cells,), R.integers(2, 6))
        if p.chance(0.3)
        else None
    )
    k.step(p.pick("accelerate", ""))
    start = k.let("v_old|before|v0", construct(T.I32, v)) if rule == "slow_start" else None
    k.set(v, wp.min(v + 1, top if limit is None else wp.min(top, limit[c])))
    k.step(p.pick("brake", "look ahead", ""))
    gap = k.var("gap|free|room", 0)
    form = p.pick("while", "for")

    def busy(at: Expr) -> Expr:
        taken = grid[lane, at] >= 0
        return taken if closed is None else any_of(taken, closed[lane, at] == 1)

    if form == "while":
        with k.repeat(gap < v):
            with k.when(busy((c + gap + 1) % n)):
                k.brk()
            k.aug(gap, "+", 1)
    else:
        with k.loop("d|step|ahead", 1, top + 1) as d:
            with k.when(busy((c + d) % n)):
                k.brk()
            k.aug(gap, "+", 1)
    k.set(v, wp.min(v, gap))
    k.step(p.pick("dawdle", "randomise", ""))
    slow = k.param("p_slow|dawdle|slowdown_prob", 0.05, 0.4)
    rng = k.let(
        "rng|state|st",
        wp.rand_init(k.scalar("seed|rng_seed", T.I32, p.pick(1, 9, 42)), lane * n + c),
    )
    chance: Expr = slow
    if start is not None:
        chance = k.let(
            "p_i|prob|dawdle_i",
            choose(start == 0, k.param("p_start|p_zero|start_slow", 0.3, 0.8), slow),
        )
    test = wp.randf(rng) < chance
    with k.when(all_of(v > 0, test) if p.chance(0.6) else test):
        k.set(v, wp.max(v - 1, 0))
    to = k.let("to|dest|target", (c + v) % n)
    k.set(out[lane, to], v)
    if p.chance(0.6):
        add_at(k, k.out("flow|flux|total_speed", T.I32, (lanes,)), lane, v)
    if p.chance(0.4):
        with k.when(to < c):
            add_at(k, k.out("wraps|passed|throughput", T.I32, (lanes,)), lane, 1)
    if rule == "count":
        with k.when(v == 0):
            add_at(k, k.out("num_stopped|jammed|stopped", T.I32, (lanes,)), lane, 1)


def _rule184(
    p: ProgramBuilder,
    k: KernelBuilder,
    grid: Expr,
    lane: Expr,
    c: Expr,
    n: Expr,
    lanes: int,
    cells: int,
) -> None:
    out = k.out("next_cells|road_out|occupied_next", T.I32, (lanes, cells))
    here, left, right = (
        k.let("here|mid|own", grid[lane, c]),
        k.let("left|behind|prev", grid[lane, (c + n - 1) % n]),
        k.let("right|ahead|next_cell", grid[lane, (c + 1) % n]),
    )
    match p.pick("if", "formula", "bits"):
        case "if":
            with k.when(here == 1):
                k.set(out[lane, c], right)
            with k.otherwise():
                k.set(out[lane, c], left)
        case "formula":
            k.set(out[lane, c], choose(here == 1, right, left))
        case "bits":
            code = k.let("code|pattern|idx", left * 4 + here * 2 + right)
            k.set(out[lane, c], (k.count("rule|rule_number|table", 184) >> code) & 1)
    if p.chance(0.6):
        with k.when(all_of(here == 1, right == 0)):
            add_at(k, k.out("moves|flow|moved", T.I32, (lanes,)), lane, 1)


def links(p: ProgramBuilder) -> None:
    """Link-level quantities: densities, travel times, queues, cell transmission."""
    form = p.pick("density", "bpr", "ctm", "queue")
    hints = {
        "density": "link_densities|count_on_links|accumulate_links",
        "bpr": "travel_times|link_costs|bpr_times",
        "ctm": "cell_transmission|ctm_step|lwr_update",
        "queue": "update_queues|point_queue|discharge_queues",
    }
    k = p.kernel_builder(
        hints[form],
        p.pick("", "State of the links of a road network.", "Macroscopic traffic quantities."),
    )
    if form == "density":
        e = Entities(k, "vehicle")
        m = p.pick(12, 16, 24)
        link = e.field("link_ids|link|edge_id", T.I32, R.integers(-1, m))
        v = e.field("speeds|v|vel", p.real, R.uniform(0.0, 20.0))
        e.guard()
        i = link.read("l|link_i|edge")
        with k.when(i < 0):
            k.ret()
        add_at(k, k.out("counts|num_on_link|occupancy", T.I32, (m,)), i, 1)
        if p.chance(0.7):
            add_at(k, k.out("speed_sum|total_speed|link_speed", p.real, (m,)), i, v.own)
        if p.chance(0.5):
            with k.when(v.own < k.param("jam_speed|crawl|stop_speed", 0.5, 3.0)):
                add_at(k, k.out("stopped|queue_len|jammed", T.I32, (m,)), i, 1)
        report(p, e, v.own / 20.0, "speed_ratio", 0, 1)
        return
    e = Entities(k, p.pick("link", "segment"))
    if form == "bpr":
        flow, cap, t0 = (
            e.field("flows|volume|flow", p.real, R.uniform(100.0, 2000.0)),
            e.field("capacity|cap|capacities", p.real, R.uniform(800.0, 2200.0)),
            e.field("free_time|t0|free_flow_time", p.real, R.uniform(20.0, 200.0)),
        )
        e.guard()
        a = k.param("alpha|bpr_a", 0.1, 0.3)
        u = k.let("u|ratio|vc", flow.own / cap.own)
        u4 = wp.pow(u, k.param("beta|bpr_b|exponent", 3.0, 5.0)) if p.chance(0.5) else u * u * u * u
        t = k.let("t|time_i|cost", t0.own * (1.0 + a * u4))
        toll = e.field("tolls|toll|fee", p.real, R.uniform(0.0, 5.0)) if p.chance(0.4) else None
        e.out("travel_time|costs|link_time", p.real).store(
            t if toll is None else t + toll.own * k.param("time_value|vot", 1.0, 10.0)
        )
        report(p, e, u, "saturation")
        return
    if form == "ctm":
        _transmission(p, k, e)
        return
    q, arrive = (
        e.inout("queues|queue|waiting", p.real, R.uniform(0.0, 20.0)),
        e.field("arrivals|inflow|demand", p.real, R.uniform(0.0, 1.0)),
    )
    green = e.field("is_green|green|phase_open", T.I32, R.mask(0.5))
    e.guard()
    rate, dt = (
        e.property("saturation_flow|discharge|service", 0.3, 0.8),
        k.param("dt|step|h", 0.5, 2.0),
    )
    load = k.let("load|present|total", q.own + arrive.own * dt)
    served = k.let(
        "served|outflow_i|left",
        choose(green.own == 1, wp.min(load, rate * dt), construct(p.real, 0.0))
        if p.chance(0.5)
        else wp.min(load, rate * dt * cast(p.real, green.own)),
    )
    q.store(load - served)
    e.out("outflow|discharged|departures", p.real).store(served)
    if p.chance(0.5):
        limit = k.param("storage|max_queue|capacity", 5.0, 18.0)
        with k.when(load > limit):
            add_at(k, k.out("spillback|num_blocked|overflow", T.I32, (1,)), 0, 1)
    if p.chance(0.5):
        add_at(k, k.out("total_delay|waiting_time|delay", p.real, (1,)), 0, (load - served) * dt)


def _transmission(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    """Godunov flux between cells with a triangular or a Greenshields diagram."""
    rho = e.field("density|rho|k_cell", p.real, R.uniform(0.01, 0.14))
    e.guard()
    vf, jam, dx, dt = (
        k.param("free_speed|vf|v_free", 15.0, 30.0),
        k.param("jam_density|rho_jam|k_jam", 0.15, 0.2),
        k.param("cell_length|dx", 100.0, 300.0),
        k.param("dt|step|h", 0.5, 3.0),
    )
    green = p.chance(0.4)
    w = None if green else k.param("wave_speed|w_back|backward", 4.0, 8.0)
    cap = None if green else k.param("capacity|q_max|max_flow", 0.4, 0.7)
    args = (
        {"vf": vf, "jam|rho_j": jam}
        if green
        else {"vf": vf, "jam|rho_j": jam, "w|wave": w, "cap|q_max": cap}
    )

    def flux(b: Block, left: Expr, right: Expr, v: Expr, j: Expr, *m: Expr) -> Expr:
        if m:
            return wp.min(wp.min(v * left, m[1]), m[0] * (j - right))
        half = 0.5 * j
        a, c = b.let("a|up|l_c", wp.min(left, half)), b.let("c|down|r_c", wp.max(right, half))
        return wp.min(v * a * (1.0 - a / j), v * c * (1.0 - c / j))

    i, n = e.index, e.count()
    ring = p.chance(0.5)
    lo, hi = ((i + n - 1) % n, (i + 1) % n) if ring else (wp.max(i - 1, 0), wp.min(i + 1, n - 1))
    here, up, down = (
        rho.read("here|rho_i|mid"),
        k.let("up|rho_l|prev", rho[lo]),
        k.let("down|rho_r|nxt", rho[hi]),
    )
    if p.on("helper_function"):
        params = {"left|a_rho": p.real, "right|b_rho": p.real} | dict.fromkeys(args, p.real)
        doc = p.pick("", "Flow between two cells.")
        between: Callable[..., Expr] = p.func(
            "godunov_flux|cell_flux|transfer", params, lambda b, *a: b.ret(flux(b, *a)), doc
        )
    else:
        between = partial(flux, k)
    inflow = k.let("f_in|inflow|q_in", between(up, here, *args.values()))
    outflow = k.let("f_out|outflow|q_out", between(here, down, *args.values()))
    new = k.let("new|rho_new|updated", here + dt / dx * (inflow - outflow))
    e.out("density_out|rho_next|k_next", p.real).store(
        wp.clamp(new, 0.0, jam) if p.chance(0.5) else new
    )
    if p.chance(0.5):
        e.out("flow_out|flows|q_out_cells", p.real).store(outflow)
