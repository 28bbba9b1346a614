"""Steering and velocity obstacles, for the crowd category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._crowd_agents import Agents
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def steering(p: ProgramBuilder) -> None:
    """Seek, flee, arrive, wander, follow paths and avoid obstacles, by behaviour."""
    t = T.VEC2 if p.chance(0.6) else T.VEC3
    k = p.kernel_builder(
        "steering_step|steer_agents|steering_behaviors|autonomous_agents|update_steering|vehicle_steering",
        p.pick(
            "Steering behaviours by agent state.",
            "Desired velocity minus velocity.",
            "Steer towards targets and around obstacles.",
        ),
    )
    a = Agents(k, p.pick("agent", "vehicle", "npc"), t)
    a.open()
    e = a.e
    target = e.field("targets|goals|waypoint", t, R.uniform(-4.0, 4.0)).read("goal|target_i|g")
    top = k.param("cruise|max_speed|v_pref", 0.8, 2.5)
    chosen = p.sample([_seek, _arrive, _flee, _pursue, _follow_path], 1, 3)
    desired = k.var("desired|v_des|wanted", construct(t, 0.0))
    if len(chosen) == 1:
        k.set(desired, chosen[0](p, k, a, target, top))
    else:
        mode = e.field("behavior|mode|state_id", T.I32, R.integers(0, len(chosen) + 1)).read(
            "mode_i|b|state_i"
        )
        for number, behave in enumerate(chosen):
            with (
                k.when(
                    mode
                    == p.const(
                        f"MODE_{behave.__name__.strip('_').upper()}|{behave.__name__.strip('_').upper()}",
                        number,
                    )
                )
                if number == 0
                else k.elsewhen(mode == number)
            ):
                k.set(desired, behave(p, k, a, target, top))
        if p.chance(0.4):
            with k.otherwise():
                k.set(desired, a.vi * 0.5)
    steer = k.var("steer|force|f_s", desired - a.vi)
    if p.chance(0.6):
        _avoid(p, k, a, steer)
    if p.chance(0.4):
        _separate(p, k, a, steer)
    a.finish(steer * k.param("gain|agility|responsiveness", 0.5, 4.0))


def _seek(p: ProgramBuilder, k: KernelBuilder, a: Agents, target: Expr, top: Expr) -> Expr:
    return wp.normalize(target - a.xi) * top


def _flee(p: ProgramBuilder, k: KernelBuilder, a: Agents, target: Expr, top: Expr) -> Expr:
    return wp.normalize(a.xi - target) * top


def _arrive(p: ProgramBuilder, k: KernelBuilder, a: Agents, target: Expr, top: Expr) -> Expr:
    slow = k.param("slow_radius|braking_dist|arrive_radius", 0.5, 2.0)

    def body(b: Block, d: Expr, s: Expr, v: Expr) -> Expr:
        size = b.let("dist|len_d|r", wp.length(d))
        return wp.normalize(d) * (v * wp.min(size / s, 1.0))

    return piece(
        p,
        k,
        "arrive|slow_down|arrival_velocity",
        {"d|to_goal": target - a.xi, "slow|radius": slow, "v|top": top},
        body,
    )


def _pursue(p: ProgramBuilder, k: KernelBuilder, a: Agents, target: Expr, top: Expr) -> Expr:
    prey = a.e.field("prey_id|target_id|leader", T.I32, R.integers(0, a.e.n)).own
    lead = k.let("lead|horizon|t_look", wp.length(a.x[prey] - a.xi) / top)
    return wp.normalize(a.x[prey] + a.v[prey] * lead - a.xi) * top


def _follow_path(p: ProgramBuilder, k: KernelBuilder, a: Agents, target: Expr, top: Expr) -> Expr:
    count = p.pick(6, 8, 12)
    path = k.array("path|waypoints|route", a.t, (count,), R.uniform(-4.0, 4.0))
    best, at = k.var("best_d|nearest_d|closest", 1.0e6), k.var("at|seg|wp_id", 0)
    with k.loop("w|node|k_w", path.dim(0) if p.chance(0.5) else count) as w:
        d = k.let("dw|wd|d_node", wp.length_sq(path[w] - a.xi))
        with k.when(d < best):
            k.set(best, d)
            k.set(at, w)
    ahead = path[wp.min(at + 1, count - 1)] if p.chance(0.6) else path[(at + 1) % count]
    return wp.normalize(ahead - a.xi) * top


def _avoid(p: ProgramBuilder, k: KernelBuilder, a: Agents, steer: Name) -> None:
    count = p.pick(4, 6, 8)
    centers, radii = (
        Table(
            a.e, "obstacle_pos|obstacles|pillars", a.t, (count,), R.uniform(-4.0, 4.0), shared=True
        ),
        Table(a.e, "obstacle_radius|radii_o", T.F32, (count,), R.uniform(0.2, 0.8), shared=True),
    )
    look = k.param("look_ahead|horizon_dist|feeler", 0.5, 2.0)
    forward = k.let("fwd|heading_v|dir_v", wp.normalize(a.vi))
    with k.loop(
        "o|obs|ob", centers.extent() if p.chance(0.5) else k.count("num_obstacles|n_obs", count)
    ) as o:
        d = k.let("to_obs|rel_o|c_o", centers[o] - a.xi)
        along = k.let("along|proj|s_o", wp.dot(d, forward))
        with k.when(any_of(along < 0.0, along > look + radii[o])):
            k.cont()
        side = k.let("lateral|perp|side_o", d - forward * along)
        gap = k.let("gap|miss|clear", wp.length(side))
        with k.when(gap < radii[o]):
            k.aug(
                steer,
                "-",
                side
                * (
                    k.param("avoid_gain|brake_gain|w_avoid", 0.5, 4.0)
                    * (radii[o] - gap)
                    / wp.max(gap, 0.01)
                ),
            )


def _separate(p: ProgramBuilder, k: KernelBuilder, a: Agents, steer: Name) -> None:
    near = k.param("personal_space|separation|min_gap", 0.4, 1.2)
    with a.others(near) as (_, d, r):
        k.aug(steer, "-", d * ((near - r) / wp.max(r * near, 0.001)))


def velocity_obstacles(p: ProgramBuilder) -> None:
    """Sampled collision-free velocities with time to collision."""
    k = p.kernel_builder(
        "sample_velocities|reciprocal_avoidance|velocity_obstacles|choose_velocity|predictive_avoidance|time_to_collision",
        p.pick(
            "Best sampled velocity by time to collision.",
            "Reciprocal collision avoidance.",
            "Predictive avoidance.",
        ),
    )
    a = Agents(k, p.pick("agent", "robot", "pedestrian"), T.VEC2)
    a.open()
    e = a.e
    preferred = e.field("preferred_vel|v_pref|desired_velocity", T.VEC2, R.uniform(-1.2, 1.2)).read(
        "vp|pref|v_des"
    )
    radius, horizon = (
        k.param("combined_radius|radius_sum|r_pair", 0.3, 0.9),
        k.param("horizon|time_horizon|tau_max", 1.0, 5.0),
    )
    ttc = _collision_time(p)
    count = e.count()
    best, cost = k.var("v_best|chosen|v_out_i", preferred), k.var("best_cost|lowest|c_min", 1.0e6)
    samples = k.count("num_samples|n_dirs|candidates", p.pick(8, 12, 16))
    rng = entity_rng(e) if p.chance(0.35) else None
    top = k.param("max_speed|v_max", 0.8, 2.0)
    with k.loop("s|sample|c_id", samples) as s:
        if rng is None:
            angle = k.let("angle|theta|phi", 6.28318531 * cast(T.F32, s) / cast(T.F32, samples))
            candidate = k.let(
                "v_c|cand|trial", construct(T.VEC2, wp.cos(angle), wp.sin(angle)) * top
            )
        else:
            candidate = k.let("v_c|cand|trial", wp.sample_unit_disk(rng.state) * top)
        soonest = k.var("t_min|soonest|first_hit", horizon)
        with k.loop("j|other|n_id", count) as j:
            with k.when(j == e.index):
                k.cont()
            relative = k.let(
                "w|v_rel|rel_v",
                (2.0 * candidate - a.vi) - a.v[j] if p.chance(0.4) else candidate - a.v[j],
            )
            k.set(soonest, wp.min(soonest, ttc(a.x[j] - a.xi, relative, radius)))
        penalty = k.let(
            "c|score|cost_c",
            wp.length(candidate - preferred)
            + k.param("safety|w_ttc|caution", 0.2, 2.0) / wp.max(soonest, 0.01),
        )
        with k.when(penalty < cost):
            k.set(cost, penalty)
            k.set(best, candidate)
    if rng is not None:
        rng.close()
    e.out("velocities_out|new_velocities|v_out", T.VEC2).store(best)
    if p.chance(0.5):
        e.out("costs|risk|penalties", T.F32).store(cost)
    if p.chance(0.4):
        e.out("positions_out|x_out", T.VEC2).store(a.xi + best * k.param("dt|timestep", 0.02, 0.2))


def _collision_time(p: ProgramBuilder):  # type: ignore[no-untyped-def]
    def body(b: Block, d: Expr, v: Expr, r: Expr) -> None:
        a, h = b.let("a|vv", wp.dot(v, v)), b.let("b|dv", wp.dot(d, v))
        c = b.let("c|gap_sq", wp.dot(d, d) - r * r)
        with b.when(c < 0.0):
            b.ret(literal(0.0, T.F32))
        disc = b.let("disc|q|det", h * h - a * c)
        with b.when(
            any_of(disc <= 0.0, h <= 0.0)
            if p.chance(0.6)
            else any_of(a < 1.0e-8, disc <= 0.0, h <= 0.0)
        ):
            b.ret(literal(1.0e6, T.F32))
        b.ret((h - wp.sqrt(disc)) / a)

    return p.func(
        "time_to_collision|collision_time|ttc",
        {"d|x_rel": T.VEC2, "v|v_rel": T.VEC2, "r|radius": T.F32},
        body,
        p.pick("", "Time until two discs touch, or a huge number."),
    )
