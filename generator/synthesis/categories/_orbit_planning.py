"""Conjunctions and manoeuvres, for the orbital category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._orbit import (
    PI,
    body_radius,
    gravity_parameter,
    satellites,
    state_vectors,
    units,
)
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, literal


def conjunctions(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "screen_conjunctions|closest_approach|miss_distances|collision_screening|time_of_closest_approach",
        p.pick(
            "Closest approaches within the next step.",
            "Conjunction screening over all objects.",
            "Miss distance and time of closest approach.",
        ),
    )
    p.real = T.F64 if p.chance(0.5) else T.F32
    e = Entities(k, "object", index="i|tid|obj", count=p.pick(48, 64, 96, 128))
    r_in, v_in = state_vectors(e)
    r, v = r_in.read("r|r_i|pos_i"), v_in.read("v|v_i|vel_i")
    e.guard()
    window = k.param("window|horizon|t_max", *((20.0, 300.0) if units(p).km else (0.05, 0.4)))
    limit = k.param(
        "threshold|alert_range|d_alert", *((200.0, 1500.0) if units(p).km else (0.05, 0.3))
    )
    best, who, when = (
        k.var("d_min|best|miss", 1.0e9, p.real),
        k.var("partner|who|j_min", -1),
        k.var("t_min|tca|when", 0.0, p.real),
    )
    alerts = k.var("alerts|n_close|count_c", 0) if p.chance(0.6) else None
    upper = p.chance(0.4)
    with k.loop("j|other|b", e.index + 1 if upper else 0, e.count()) as j:
        if not upper:
            with k.when(j == e.index):
                k.cont()
        d, dv = k.let("d|dr|rel", r_in[j] - r), k.let("dv|rel_v|vrel", v_in[j] - v)
        if p.chance(0.4):
            with k.when(
                wp.length(d)
                > k.param(
                    "coarse_range|sieve|prefilter",
                    *((3000.0, 6000.0) if units(p).km else (0.5, 1.0)),
                )
            ):
                k.cont()
        t = k.let("t_ca|tc|tau", wp.clamp(-wp.dot(d, dv) / (wp.dot(dv, dv) + 1.0e-9), 0.0, window))
        miss = k.let("miss_d|sep|dist", wp.length(d + dv * t))
        with k.when(miss < best):
            k.set(best, miss)
            k.set(who, j)
            k.set(when, t)
        if alerts is not None:
            with k.when(miss < limit):
                k.aug(alerts, "+", 1)
    e.out("miss_distance_out|min_sep|closest", p.real).store(best)
    e.out("partners|closest_object|partner_out", T.I32).store(who)
    if p.chance(0.6):
        e.out("tca_out|times|t_closest", p.real).store(when)
    if alerts is not None:
        e.out("alert_counts|warnings|n_alerts", T.I32).store(alerts)
    if p.chance(0.4):
        sigma = e.property(
            "sigma|position_sigma|uncertainty", *((50.0, 500.0) if units(p).km else (0.01, 0.1))
        )
        e.out("probability|pc|collision_prob", p.real).store(
            wp.exp(-0.5 * best * best / (sigma * sigma))
        )
    elif p.chance(0.5):
        with k.when(all_of(best < limit, who >= 0)):
            Table(e, "num_events|conjunction_count|events", T.I32, (1,), role="out").add(
                literal(1, T.I32), 0
            )


def maneuvers(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "hohmann_cost|transfer_budget|plane_change|rank_transfers|propellant_use|launch_windows",
        p.pick(
            "Velocity budget of two-impulse transfers.",
            "Transfer cost between circular orbits.",
            "",
        ),
    )
    e = satellites(k)
    mu, u = gravity_parameter(k), units(p)
    r1, r2 = (
        e.field("r_initial|radius_from|r1", p.real, u.semi_axis()).read("r1|ra|from_r"),
        e.field("r_target|radius_to|r2", p.real, u.semi_axis()).read("r2|rb|to_r"),
    )
    e.guard()

    def circular(b: Block, radius: Expr, gm: Expr) -> Expr:
        return wp.sqrt(gm / radius)

    v1, v2 = (
        k.let(h, piece(p, k, "circular_speed|orbit_speed", {"r|radius": r, "mu|gm": mu}, circular))
        for h, r in (("v1|v_from", r1), ("v2|v_to", r2))
    )
    axis = k.let("a_t|transfer_axis|at", 0.5 * (r1 + r2))
    dv1 = k.let("dv1|burn1|first", wp.abs(v1 * (wp.sqrt(r2 / axis) - 1.0)))
    tilt = (
        e.field("plane_change_angle|delta_i|tilt", p.real, R.uniform(0.0, 0.6)).own
        if p.chance(0.5)
        else None
    )
    arrival = k.let("v_arr|v_apo|arrive", v2 * wp.sqrt(r1 / axis))
    if tilt is None:
        dv2 = k.let("dv2|burn2|second", wp.abs(v2 - arrival))
    else:
        dv2 = k.let(
            "dv2|burn2|second",
            wp.sqrt(wp.max(v2 * v2 + arrival * arrival - 2.0 * v2 * arrival * wp.cos(tilt), 0.0)),
        )
    total = k.var("total|dv_total|cost", dv1 + dv2)
    if p.chance(0.35):
        far = k.let("rb_bi|r_bi|intermediate", k.param("bi_ratio|ratio", 1.5, 6.0) * wp.max(r1, r2))
        a1, a2 = k.let("a1|leg1", 0.5 * (r1 + far)), k.let("a2|leg2", 0.5 * (r2 + far))
        bi = (
            wp.abs(v1 * (wp.sqrt(far / a1) - 1.0))
            + wp.abs(wp.sqrt(mu / far) * (wp.sqrt(r2 / a2) - wp.sqrt(r1 / a1)))
            + wp.abs(v2 * (wp.sqrt(far / a2) - 1.0))
        )
        alternative = k.let("dv_bi|bi_elliptic|three_burn", bi)
        with k.when(alternative < total):
            k.set(total, alternative)
            e.out("use_three_burn|bi_flag|choice", T.I32).store(1)
    e.out("delta_v|dv_out|costs", p.real).store(total)
    for what in p.sample(["time", "mass", "feasible", "phase"], 0, 3):
        if what == "time":
            e.out("transfer_time|tof_out|durations", p.real).store(
                PI * wp.sqrt(axis * axis * axis / mu)
            )
        elif what == "mass":
            exhaust, mass = (
                k.param("exhaust_velocity|ve|isp_g0", 2.0, 4.5),
                e.property("wet_mass|m0|initial_mass", 100.0, 2000.0),
            )
            e.out("propellant|fuel_mass|m_prop", p.real).store(
                mass * (1.0 - wp.exp(-total / exhaust))
            )
        elif what == "feasible":
            budget = k.param("dv_budget|max_dv|budget", 0.5, 4.0)
            fits = (
                all_of(total <= budget, wp.min(r1, r2) > body_radius(k))
                if p.chance(0.5)
                else total <= budget
            )
            e.out("feasible|affordable|ok_out", T.I32).store(choose(fits, 1, 0))
        else:
            ratio = k.let("ratio|q_a|axis_ratio", axis / r2)
            e.out("phase_angle|lead_angle|phasing", p.real).store(
                PI * (1.0 - wp.sqrt(ratio * ratio * ratio))
            )
    if p.chance(0.3):
        Table(e, "cheapest|best_dv|lowest_cost", p.real, (1,), R.constant(1000.0), "inout").atomic(
            "min", total, 0
        )
