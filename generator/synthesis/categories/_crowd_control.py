"""Signals and platoons, for the crowd category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Name, literal


def signals(p: ProgramBuilder) -> None:
    """Intersections: fixed cycles, actuated phases, queues and pressure."""
    k = p.kernel_builder(
        "update_signals|signal_control|traffic_lights|intersection_step|max_pressure_control|actuated_signals",
        p.pick(
            "Phases of every intersection.",
            "Signal control and queue discharge.",
            "Actuated traffic lights.",
        ),
    )
    e = Entities(k, "junction", index="j|tid|node", count=p.pick(24, 36, 48, 64))
    phases = p.pick(2, 4)
    queues = Table(
        e, "queues|queue_length|waiting", T.F32, (e.n, phases), R.uniform(0.0, 12.0), "inout"
    )
    phase, timer = (
        e.inout("phase|current_phase|signal_phase", T.I32, R.integers(0, phases)),
        e.inout("timer|phase_time|elapsed", T.F32, R.uniform(0.0, 40.0)),
    )
    e.guard()
    dt = k.param("dt|timestep", 0.5, 2.0)
    now, age = k.var("ph|active_phase|current", phase.own), k.var("t|age|time_in", timer.own + dt)
    form = p.pick("fixed", "actuated", "pressure")
    if form == "fixed":
        green = e.property("green_time|cycle_split|green", 15.0, 40.0)
        with k.when(age >= green):
            k.set(now, (now + 1) % phases)
            k.set(age, literal(0.0, T.F32))
    elif form == "actuated":
        least, most = (
            k.param("min_green|green_min", 5.0, 12.0),
            k.param("max_green|green_max", 30.0, 60.0),
        )
        empty = k.param("gap_out|empty_queue|min_queue", 0.5, 2.0)
        with k.when(any_of(all_of(age > least, queues[e.index, now] < empty), age > most)):
            k.set(now, (now + 1) % phases)
            k.set(age, literal(0.0, T.F32))
    else:
        best, arg = k.var("best|pressure|top", -1.0), k.var("arg|pick|next_phase", now)
        downstream = Table(
            e, "downstream|exit_queue|spillback", T.F32, (e.n, phases), R.uniform(0.0, 6.0)
        )
        with k.loop("q|p_id|approach", phases) as q:
            pressure = k.let("pr|diff|w_q", queues[e.index, q] - downstream[e.index, q])
            with k.when(pressure > best):
                k.set(best, pressure)
                k.set(arg, q)
        with k.when(all_of(arg != now, age > k.param("min_green|green_min", 4.0, 12.0))):
            k.set(now, arg)
            k.set(age, literal(0.0, T.F32))
    total = k.var("total|waiting_sum|delay", 0.0)
    arrivals = Table(e, "arrival_rate|demand|inflow", T.F32, (e.n, phases), R.uniform(0.0, 0.4))
    saturation, lost = (
        k.param("saturation_flow|discharge|service", 0.4, 1.0),
        k.param("lost_time|clearance|all_red", 1.0, 4.0),
    )
    with k.loop("q|p_id|approach", phases) as q:
        length = k.var("len|n_q|queue_q", queues[e.index, q] + arrivals[e.index, q] * dt)
        with k.when(all_of(q == now, age > lost) if p.chance(0.6) else q == now):
            k.set(length, wp.max(length - saturation * dt, 0.0))
        queues.store(length, e.index, q)
        k.aug(total, "+", length)
    phase.store(now)
    timer.store(age)
    e.out("delays|total_queue|junction_delay", T.F32).store(total)
    if p.chance(0.4):
        Table(e, "network_delay|total_delay|system_queue", T.F32, (1,), role="out").add(
            total * dt, 0
        )


def platoon(p: ProgramBuilder) -> None:
    """Platoons and formations that hold spacing behind or beside a leader."""
    k = p.kernel_builder(
        "platoon_control|formation_step|cooperative_cruise|hold_formation|convoy_step|spacing_policy",
        p.pick(
            "Spacing control in platoons.",
            "Formation slots relative to the leader.",
            "Cooperative cruise control.",
        ),
    )
    planar = p.chance(0.45)
    t: T.Type = T.VEC2 if planar else T.F32
    e = Entities(k, "vehicle", index="i|tid|veh", count=p.pick(48, 64, 96))
    x = e.field(
        "positions|x|s_pos", t, R.uniform(0.0, 200.0) if not planar else R.uniform(-5.0, 5.0)
    )
    v = e.field(
        "velocities|v|speeds", t, R.uniform(0.0, 20.0) if not planar else R.uniform(-1.0, 1.0)
    )
    leader = e.field("leader|leader_id|front_id", T.I32, R.parents())
    e.guard()
    front = k.let("lead|f|front", leader.own)
    acc_out = e.out("accel_cmd|control|u_out", t)
    kp, kd = k.param("kp|spacing_gain|k_s", 0.1, 1.0), k.param("kd|speed_gain|k_v", 0.2, 2.0)
    with k.when(front < 0):
        wanted = k.quantity("cruise_velocity|v_ref|set_speed", t, [0.8, 0.2] if planar else 22.0)
        acc_out.store((wanted - v.own) * kd)
        k.ret()
    if planar:
        slot = e.field("slot_offset|formation_slots|offsets", T.VEC2, R.uniform(-2.0, 2.0)).own
        forward = k.let("fwd|heading|dir_l", wp.normalize(v[front]))
        goal = k.let(
            "goal|slot_pos|x_des",
            x[front] + forward * slot.x + construct(T.VEC2, -forward.y, forward.x) * slot.y,
        )
        command: Name = k.var("u|cmd|acc", (goal - x.own) * kp + (v[front] - v.own) * kd)
    else:
        standstill, headway = (
            e.property("standstill|d0|min_gap", 2.0, 6.0),
            k.param("headway|time_gap|T_h", 0.5, 1.8),
        )
        gap = k.let(
            "gap|spacing|s_i", x[front] - x.own - k.param("vehicle_length|length", 4.0, 16.0)
        )
        error = k.let("err|e_s|gap_err", gap - standstill - headway * v.own)
        command = k.var("u|cmd|acc", kp * error + kd * (v[front] - v.own))
        if p.chance(0.4):
            feed = e.field("leader_accel|a_front|v2v_accel", T.F32, R.uniform(-1.0, 1.0)).own
            k.aug(command, "+", k.param("feedforward|k_ff|cacc_gain", 0.2, 1.0) * feed)
        with (
            k.when(gap < standstill)
            if p.chance(0.5)
            else k.when(any_of(gap < 0.0, error < -3.0 * standstill))
        ):
            k.set(command, -k.param("emergency_brake|b_max|hard_brake", 4.0, 9.0))
            Table(e, "num_braking|emergency_count", T.I32, (1,), role="out").add(1, 0)
    if p.chance(0.6):
        limit = k.param("a_max|accel_limit|comfort", 1.0, 4.0)
        if planar:
            size = k.let("mag|u_len|c_len", wp.length(command))
            with k.when(size > limit):
                k.aug(command, "*", limit / size)
        else:
            k.set(command, wp.clamp(command, -2.0 * limit, limit))
    acc_out.store(command)
    if p.chance(0.5):
        dt = k.param("dt|timestep", 0.02, 0.2)
        v_new = k.let("v_new|v1|speed1", v.own + command * dt)
        e.out("velocities_out|v_out", t).store(v_new if planar else wp.max(v_new, 0.0))
        e.out("positions_out|x_out", t).store(x.own + v_new * dt)
