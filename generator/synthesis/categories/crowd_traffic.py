"""Crowds and traffic: flocking, social forces, collision avoidance, steering, flow fields, vehicles on lanes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._crowd_roads import car_following, cellular, lane_change, links
from generator.synthesis.categories._numerics import add_at, report
from generator.synthesis.entities import Entities, neighbours
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import clamp_length, piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name


@category("crowd_traffic", version=1, title="Crowds and traffic")
def write(p: ProgramBuilder) -> None:
    """Agents that steer among others: flocks, social-force crowds, velocity obstacles, path and flow-field following,
    and vehicles on lanes with car-following, lane-change, cellular-automaton and link models."""
    p.real = T.F64 if p.on("double") and p.chance(0.5) else T.F32
    intents = {
        _boids: 2.4,
        _social_force: 2.6,
        _velocity_obstacles: 1.6,
        _steering: 1.8,
        _flow_field: 1.6,
        _potential: 1.1,
        _density: 1.1,
        car_following: 2.4,
        lane_change: 1,
        cellular: 1.5,
        links: 1.5,
        _goals: 1.2,
    }
    p.weighted(intents)(p)


class Agents:
    """Agents with positions and velocities in the plane or in space."""

    def __init__(
        self, k: KernelBuilder, singular: str, planar: float = 0.7, count: int | None = None
    ) -> None:
        p = self.p = k.p
        self.k = k
        self.e = Entities(k, singular, count=count)
        self.vec = p.vec(2 if p.chance(planar) else 3)
        self.x = self.e.field("positions|pos|x|agent_pos", self.vec, R.uniform(-5.0, 5.0))
        self.v = self.e.field("velocities|vel|v|agent_vel", self.vec, R.uniform(-1.5, 1.5))

    def finish(self, force: Expr, x: Expr, v: Expr) -> None:
        """Stores the steering force, or moves the agent."""
        p, k, e = self.p, self.k, self.e
        k.step(p.pick("", "integrate", "move"))
        if p.chance(0.35):
            e.out("forces|steering|accelerations", self.vec).store(force)
            report(p, e, wp.length(force), "effort", 0, 1)
            return
        dt = e.world_param("dt|step|time_step", 0.01, 0.1)
        new = k.var("v_new|vn|vel_new", v + force * dt)
        cap = e.property("max_speed|v_max|top_speed", 1.0, 3.0)
        clamp_length(p, k, new, cap)
        moved = k.var("x_new|xn|pos_new", x + new * dt)
        if p.chance(0.4):
            _bounds(p, k, moved, new)
        e.out("velocities_out|v_out|vel_next", self.vec).store(new)
        e.out("positions_out|x_out|pos_next", self.vec).store(moved)
        if p.chance(0.25):
            report(p, e, wp.length(new), "speed", 1, 1)


def _bounds(p: ProgramBuilder, k: KernelBuilder, x: Name, v: Name) -> None:
    half = k.param("half_width|bound|arena", 4.0, 6.0)
    wrap = p.chance(0.5)
    with k.loop("c|axis|a", T.length_of(x.type)) as c:
        if wrap:
            with k.when(x[c] > half):
                k.set(x[c], x[c] - 2.0 * half)
            with k.elsewhen(x[c] < -half):
                k.set(x[c], x[c] + 2.0 * half)
        else:
            with k.when(wp.abs(x[c]) > half):
                k.set(x[c], wp.clamp(x[c], -half, half))
                k.set(v[c], -v[c])


# --- flocks and crowds ----------------------------------------------------------------------------


def _boids(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "flock_step|boids_update|flocking_forces|steer_boids|update_flock|schooling",
        p.pick(
            "Separation, alignment and cohesion.", "Flocking from local neighbours.", "Boids rules."
        ),
    )
    a = Agents(k, p.pick("boid", "agent", "fish", "bird"), 0.4)
    rules = p.sample(["separate", "align", "cohere"], 2, 3)
    species = (
        a.e.field("species|flock_id|group", T.I32, R.integers(0, 3)) if p.chance(0.3) else None
    )
    a.e.guard()
    x, v = a.x.read("x|xi|pos_i"), a.v.read("v|vi|vel_i")
    radius = k.param("perception|radius|view_radius", 1.0, 3.0)
    sums = {
        r: k.var(
            {
                "separate": "away|sep|push",
                "align": "heading|mean_v|align",
                "cohere": "center|coh|pull",
            }[r],
            construct(a.vec, 0.0),
        )
        for r in rules
    }
    count = k.var("count|n_near|seen", 0)
    view = k.param("fov_cos|view_cos|blind_cos", 0.05, 0.5) if p.chance(0.35) else None
    near = (
        k.param("sep_radius|personal_space|min_dist", 0.3, 0.9)
        if "separate" in rules and p.chance(0.6)
        else None
    )
    with neighbours(a.e) as (j, _):
        d = k.let("d|dx|to_other", a.x[j] - x)
        dist = k.let("dist|r|len_d", wp.length(d))
        with k.when(any_of(dist > radius, dist < 1.0e-6)):
            k.cont()
        if view is not None:
            with k.when(wp.dot(d, v) < -view * dist * wp.length(v)):
                k.cont()
        if "separate" in rules:
            push = d / (dist * dist) if p.chance(0.6) else d * ((radius - dist) / dist)
            if near is not None:
                with k.when(dist < near):
                    k.aug(sums["separate"], "-", push)
            else:
                k.aug(sums["separate"], "-", push)
        if species is not None:
            with k.when(species[j] != species.own):
                k.cont()
        if "align" in rules:
            k.aug(sums["align"], "+", a.v[j])
        if "cohere" in rules:
            k.aug(sums["cohere"], "+", d if p.chance(0.5) else d * (1.0 - dist / radius))
        k.aug(count, "+", 1)
    k.step(p.pick("combine", "steering", ""))
    force = k.var("f|steer|acc", construct(a.vec, 0.0))
    if "separate" in rules:
        k.aug(force, "+", sums["separate"] * k.param("w_sep|separation_weight", 0.5, 3.0))
    with k.when(count > 0):
        inv = k.let("inv|inv_n|w", 1.0 / construct(p.real, count))
        if "align" in rules:
            k.aug(
                force,
                "+",
                (sums["align"] * inv - v) * k.param("w_align|alignment_weight", 0.2, 2.0),
            )
        if "cohere" in rules:
            k.aug(force, "+", sums["cohere"] * (inv * k.param("w_coh|cohesion_weight", 0.2, 2.0)))
    for extra in p.sample([_predator, _home, _cruise], 0, 2):
        extra(p, k, a, x, v, force)
    if p.chance(0.4):
        clamp_length(p, k, force, k.param("max_force|f_max|agility", 1.0, 6.0), "f_len|f_mag")
    a.finish(force, x, v)


def _predator(
    p: ProgramBuilder, k: KernelBuilder, a: Agents, x: Expr, v: Expr, force: Name
) -> None:
    spot = k.quantity("predator|threat|predator_pos", a.vec, [0.5, -0.3, 0.2][: a.vec.n])
    fear = k.param("fear_radius|flee_dist|panic_radius", 1.0, 3.0)
    d = k.let("flee|from_threat|dp", x - spot)
    dist = k.let("dp_len|threat_dist|rp", wp.length(d))
    with k.when(all_of(dist < fear, dist > 0.0)):
        k.aug(force, "+", d * (k.param("w_flee|flee_weight", 1.0, 5.0) * (fear - dist) / dist))


def _home(p: ProgramBuilder, k: KernelBuilder, a: Agents, x: Expr, v: Expr, force: Name) -> None:
    home = k.quantity("home|roost|attractor", a.vec, [0.1, 0.2, 0.0][: a.vec.n])
    k.aug(force, "+", (home - x) * k.param("w_home|homing|home_gain", 0.05, 0.5))


def _cruise(p: ProgramBuilder, k: KernelBuilder, a: Agents, x: Expr, v: Expr, force: Name) -> None:
    speed = k.let("speed_i|cruise_v|sp", wp.length(v))
    target = k.param("cruise_speed|preferred_speed|v_pref", 0.5, 2.0)
    with k.when(speed > 1.0e-5):
        k.aug(
            force,
            "+",
            v * ((target - speed) / speed * k.param("relax_rate|speed_gain|w_cruise", 0.2, 2.0)),
        )


def _social_force(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "social_force|pedestrian_forces|crowd_step|helbing_forces|update_pedestrians|evacuation_step",
        p.pick(
            "Social-force model of pedestrians.",
            "Drive, repulsion and walls for every pedestrian.",
            "Crowd dynamics with psychological and contact forces.",
        ),
    )
    a = Agents(k, p.pick("pedestrian", "agent", "person"), 1.0)
    e, vec = a.e, a.vec
    goal = (
        e.field("goals|targets|destinations", vec, R.uniform(-6.0, 6.0)) if p.chance(0.7) else None
    )
    e.guard()
    x, v = a.x.read("x|xi|pos_i"), a.v.read("v|vi|vel_i")
    own = e.property("radius|body_radius|agent_radius", 0.2, 0.35)
    desired = e.property("desired_speed|v0|walk_speed", 0.8, 1.6)
    tau = k.param("relaxation_time|tau|reaction", 0.3, 0.8)
    target = goal.own if goal is not None else k.quantity("exit_pos|door|exit", vec, [5.0, 0.0])
    heading = k.let("e|dir_goal|heading", wp.normalize(target - x))
    force = k.var("f|force|acc", (heading * desired - v) / tau)
    k.step(p.pick("other pedestrians", "repulsion", ""))
    strength, reach = (
        k.param("repulsion|a_soc|strength", 1.0, 5.0),
        k.param("repulsion_range|b_soc|falloff", 0.1, 0.5),
    )
    contact = (
        (
            k.param("body_stiffness|k_body|k_contact", 20.0, 200.0),
            k.param("sliding_friction|kappa|k_slide", 5.0, 60.0),
        )
        if p.chance(0.5)
        else None
    )
    aniso = k.param("anisotropy|lam|form_factor", 0.1, 0.9) if p.chance(0.5) else None
    cut = k.param("cutoff|max_dist|interaction_range", 1.5, 4.0) if p.chance(0.6) else None
    crowd = k.var("nearby|crowding|close_count", 0) if p.chance(0.35) else None
    with neighbours(e) as (j, _):
        d = k.let("d|dx|away", x - a.x[j])
        dist = k.let("dist|r|len_d", wp.length(d))
        with k.when(dist < 1.0e-6 if cut is None else any_of(dist < 1.0e-6, dist > cut)):
            k.cont()
        n = k.let("n|nij|dir_n", d / dist)
        overlap = k.let("overlap|pen|gap", 2.0 * own - dist)
        push = k.var("push|mag|fn", strength * wp.exp(overlap / reach))
        if aniso is not None:
            cosine = k.let("cosphi|facing|c", -wp.dot(n, heading))
            k.aug(push, "*", aniso + (1.0 - aniso) * 0.5 * (1.0 + cosine))
        k.aug(force, "+", n * push)
        if contact is not None:
            with k.when(overlap > 0.0):
                t = k.let("t|tang|side", construct(vec, -n.y, n.x))
                slip = k.let("slip|dvt|shear", wp.dot(a.v[j] - v, t))
                k.aug(force, "+", n * (contact[0] * overlap) + t * (contact[1] * overlap * slip))
        if crowd is not None:
            k.aug(crowd, "+", 1)
    if p.chance(0.65):
        _walls(p, k, vec, x, own, force)
    if p.chance(0.25):
        rng = k.let(
            "rng|state|st",
            wp.rand_init(k.scalar("seed|rng_seed", T.I32, p.pick(1, 7, 42)), e.index),
        )
        sigma = k.param("noise|fluctuation|jitter", 0.01, 0.3)
        k.aug(
            force,
            "+",
            construct(vec, cast(p.real, wp.randn(rng)), cast(p.real, wp.randn(rng))) * sigma,
        )
    if crowd is not None:
        e.out("local_count|crowding_out|num_near", T.I32).store(crowd)
    a.finish(force, x, v)


def _walls(
    p: ProgramBuilder, k: KernelBuilder, vec: T.Vec, x: Expr, own: Expr, force: Name
) -> None:
    """Repulsion from wall segments or round pillars."""
    n = p.pick(4, 6, 8, 12)
    k.step(p.pick("walls", "obstacles", ""))
    strength, reach = (
        k.param("wall_strength|a_wall|wall_push", 1.0, 6.0),
        k.param("wall_range|b_wall|wall_falloff", 0.1, 0.5),
    )
    if p.chance(0.3):
        centers, radii = (
            k.array("pillars|obstacles|pillar_pos", vec, (n,), R.uniform(-4.0, 4.0)),
            k.array("pillar_radius|obstacle_r|radii", p.real, (n,), R.uniform(0.2, 0.6)),
        )
        with k.loop("o|m|pillar", centers.dim(0)) as o:
            d = k.let("dw|off|rel", x - centers[o])
            r = k.let("rw|len_w|dist_w", wp.length(d))
            with k.when(r > 1.0e-6):
                k.aug(force, "+", d * (strength * wp.exp((own + radii[o] - r) / reach) / r))
        return
    starts, ends = (
        k.array("wall_start|wall_a|seg_a", vec, (n,), R.uniform(-5.0, 5.0)),
        k.array("wall_end|wall_b|seg_b", vec, (n,), R.uniform(-5.0, 5.0)),
    )

    def closest(b: Block, pt: Expr, a: Expr, c: Expr) -> Expr:
        ab = b.let("ab|edge|seg", c - a)
        t = b.let("t|s|u", wp.clamp(wp.dot(pt - a, ab) / wp.max(wp.dot(ab, ab), 1.0e-8), 0.0, 1.0))
        return a + ab * t

    with k.loop(
        "w|seg|wall", starts.dim(0) if p.chance(0.6) else k.count("num_walls|n_walls", n)
    ) as w:
        q = piece(
            p,
            k,
            "closest_on_segment|nearest_on_wall|project_on_segment",
            {"p|x": x, "a|start": starts[w], "b|end_pt": ends[w]},
            closest,
        )
        d = k.let("dw|off|rel", x - q)
        r = k.let("rw|len_w|dist_w", wp.length(d))
        with k.when(
            all_of(r > 1.0e-6, r < k.param("wall_cutoff|wall_reach", 1.0, 3.0))
            if p.chance(0.4)
            else r > 1.0e-6
        ):
            k.aug(force, "+", d * (strength * wp.exp((own - r) / reach) / r))


def _velocity_obstacles(p: ProgramBuilder) -> None:
    """Sampled velocities rated by time to collision."""
    k = p.kernel_builder(
        "choose_velocity|velocity_obstacles|rvo_sample|avoid_collisions|plan_velocities|time_to_collision",
        p.pick(
            "Best of a set of candidate velocities.",
            "Collision avoidance by sampled velocity obstacles.",
            "Rate candidate velocities by time to collision.",
        ),
    )
    a = Agents(k, p.pick("agent", "robot", "pedestrian"), 1.0, p.pick(32, 48, 64))
    e, vec = a.e, a.vec
    pref = e.field("preferred_vel|v_pref|desired_vel", vec, R.uniform(-1.5, 1.5))
    e.guard()
    x, v, want = a.x.read("x|xi|pos_i"), a.v.read("v|vi|vel_i"), pref.read("vp|want|pref_i")
    radius, horizon = (
        e.property("radius|agent_radius|r_agent", 0.2, 0.5),
        k.param("time_horizon|tau|horizon", 2.0, 6.0),
    )

    def ttc(b: Block, d: Expr, w: Expr, r: Expr) -> None:
        aa, bb, cc = (
            b.let("a|ww", wp.dot(w, w)),
            b.let("b|dw", wp.dot(d, w)),
            b.let("c|dd", wp.dot(d, d) - r * r),
        )
        with b.when(cc < 0.0):
            b.ret(construct(p.real, 0.0))
        disc = b.let("disc|delta|q", bb * bb - aa * cc)
        with b.when(any_of(disc <= 0.0, bb <= 0.0)):
            b.ret(construct(p.real, 1.0e6))
        b.ret(cc / (bb + wp.sqrt(disc)))

    f = p.func(
        "time_to_collision|collision_time|ttc|time_to_contact",
        {"d|rel_pos": vec, "w|rel_vel": vec, "r|sum_radius": p.real},
        ttc,
        p.pick("", "First contact of two discs moving at constant velocity."),
    )
    near = k.param("neighbor_dist|sense_radius|max_dist", 2.0, 5.0) if p.chance(0.5) else None
    if p.chance(0.3):  # rate only the current velocity
        best = k.var("t_min|first_hit|ttc_min", horizon)
        with k.loop("j|other|b", e.count()) as j:
            with k.when(j == e.index):
                k.cont()
            k.set(best, wp.min(best, f(a.x[j] - x, v - a.v[j], 2.0 * radius)))
        slow = k.let("slow|scale|brake", wp.clamp(best / horizon, 0.0, 1.0))
        e.out("velocities_out|new_vel|v_cmd", vec).store(want * slow)
        e.out("ttc_out|min_ttc|collision_times", p.real).store(best)
        return
    samples, rings = (
        k.count("num_angles|samples|directions", p.pick(8, 12, 16)),
        k.count("num_speeds|rings|speed_levels", p.pick(2, 3)),
    )
    top = e.property("max_speed|v_max|top_speed", 1.0, 2.5)
    penalty, best, choice = (
        k.param("ttc_weight|w_ttc|safety", 0.5, 4.0),
        k.var("best|best_cost|lowest", 1.0e10, p.real),
        k.var("choice|v_best|cmd", want),
    )
    reciprocal = p.chance(0.5)
    with k.loop("m|s|cand", samples * rings + 1) as m:
        c = k.var("c|cand_v|trial", want)
        with k.when(m > 0):
            angle = k.let(
                "ang|theta|phi", 6.2831853 * cast(p.real, (m - 1) % samples) / cast(p.real, samples)
            )
            speed = k.let(
                "sp|speed_c|mag", top * cast(p.real, (m - 1) // samples + 1) / cast(p.real, rings)
            )
            k.set(c, construct(vec, wp.cos(angle) * speed, wp.sin(angle) * speed))
        first = k.var("t_hit|t_first|first", horizon)
        with k.loop("j|other|b", e.count()) as j:
            with k.when(j == e.index):
                k.cont()
            d = k.let("d|dx|rel", a.x[j] - x)
            if near is not None:
                with k.when(wp.length_sq(d) > near * near):
                    k.cont()
            w = c * 2.0 - v - a.v[j] if reciprocal else c - a.v[j]
            k.set(first, wp.min(first, f(d, w, 2.0 * radius)))
        cost = k.let("cost|score|rate_c", wp.length(c - want) + penalty / wp.max(first, 0.01))
        with k.when(cost < best):
            k.set(best, cost)
            k.set(choice, c)
    e.out("velocities_out|new_vel|v_cmd", vec).store(choice)
    if p.chance(0.5):
        e.out("cost_out|best_score|ratings", p.real).store(best)


# --- single agents --------------------------------------------------------------------------------


def _steering(p: ProgramBuilder) -> None:
    behaviours = {"seek": _seek, "pursue": _pursue, "path": _path, "wander": _wander}
    chosen = p.sample(list(behaviours), 1, 2)
    k = p.kernel_builder(
        f"{chosen[0]}_steering|steer_agents|apply_steering|steering_behaviours|update_steering",
        p.pick("Steering behaviours.", "Steer every agent towards its goal.", ""),
    )
    a = Agents(k, p.pick("agent", "vehicle", "robot"))
    a.e.guard()
    x, v = a.x.read("x|xi|pos_i"), a.v.read("v|vi|vel_i")
    force = k.var("f|steer|acc", construct(a.vec, 0.0))
    for name in chosen:
        k.step(p.pick(name, ""))
        k.aug(force, "+", behaviours[name](p, k, a, x, v))
    clamp_length(p, k, force, k.param("max_force|f_max|max_accel", 1.0, 5.0), "f_len|f_mag")
    a.finish(force, x, v)


def _seek(p: ProgramBuilder, k: KernelBuilder, a: Agents, x: Expr, v: Expr) -> Expr:
    goal = a.e.field("goals|targets|destinations", a.vec, R.uniform(-5.0, 5.0)).own
    speed = a.e.property("cruise_speed|max_speed|v_max", 1.0, 3.0)
    d = k.let("d|to_goal|offset", goal - x)
    dist = k.let("dist|goal_dist|r", wp.length(d))
    if p.chance(0.6):
        slow = k.param("slow_radius|arrive_radius|braking_dist", 0.5, 2.0)
        ramp = k.let(
            "ramp|wanted|sp",
            speed * wp.min(dist / slow, 1.0)
            if p.chance(0.5)
            else choose(dist < slow, speed * dist / slow, speed),
        )
    else:
        ramp = speed
    return d * (ramp / wp.max(dist, 1.0e-6)) - v


def _pursue(p: ProgramBuilder, k: KernelBuilder, a: Agents, x: Expr, v: Expr) -> Expr:
    prey = a.e.field("target_ids|prey|quarry", T.I32, R.integers(0, a.e.n))
    j = k.let("j|prey_i|target_id", prey.own)
    d = k.let("lead_d|to_prey|rel", a.x[j] - x)
    t = k.let(
        "lead|t_look|ahead",
        wp.min(
            wp.length(d) / k.param("chase_speed|own_speed|speed_ref", 1.0, 3.0),
            k.param("max_lead|look_cap|t_max", 0.5, 2.0),
        ),
    )
    flee = p.chance(0.3)
    aim = k.let("aim|future|guess", d + a.v[j] * t)
    return (
        -wp.normalize(aim)
        if flee
        else wp.normalize(aim) * k.param("chase_gain|w_pursue|gain", 0.5, 3.0)
    )


def _path(p: ProgramBuilder, k: KernelBuilder, a: Agents, x: Expr, v: Expr) -> Expr:
    n = p.pick(8, 12, 16)
    pts = k.array("waypoints|path|route", a.vec, (n,), R.uniform(-5.0, 5.0))
    at = a.e.inout("waypoint_index|path_index|next_wp", T.I32, R.integers(0, n))
    i = k.var("wp_i|w|leg", at.own)
    reach = k.param("reach_radius|arrive_dist|wp_radius", 0.5, 2.5)
    with k.when(wp.length(pts[i] - x) < reach):
        if p.chance(0.5):
            k.set(i, (i + 1) % n)
        else:
            k.set(i, wp.min(i + 1, pts.dim(0) - 1))
        at.store(i)
    return wp.normalize(pts[i] - x) * k.param("path_gain|w_path|follow", 0.5, 3.0)


def _wander(p: ProgramBuilder, k: KernelBuilder, a: Agents, x: Expr, v: Expr) -> Expr:
    rng = k.let(
        "rng|state|st", wp.rand_init(k.scalar("seed|rng_seed", T.I32, p.pick(1, 7, 42)), a.e.index)
    )
    gain = k.param("wander|w_wander|jitter", 0.1, 1.5)
    if p.real == T.F32:
        point = wp.sample_unit_disk(rng) if a.vec.n == 2 else wp.sample_unit_sphere(rng)
        return point * gain
    return construct(a.vec, *(cast(p.real, wp.randn(rng)) for _ in range(a.vec.n))) * gain


def _goals(p: ProgramBuilder) -> None:
    """Arrivals, exits and the choice between them."""
    form = p.pick("arrive", "exit", "exit", "panic")
    k = p.kernel_builder(
        "check_arrivals|choose_exit|update_goals|assign_exits|spread_panic|retarget",
        p.pick("", "Which goal each agent heads for.", "Bookkeeping between steps."),
    )
    a_e = Entities(k, p.pick("agent", "pedestrian", "person"))
    vec = p.vec(2)
    x = a_e.field("positions|pos|x", vec, R.uniform(-5.0, 5.0))
    a_e.guard()
    xi = x.read("xi|p_i|here")
    if form == "panic":
        level = a_e.field("panic|fear|stress", p.real, R.uniform(0.0, 1.0))
        reach, peak = (
            k.param("contagion_radius|reach|radius", 0.5, 2.0),
            k.var("peak|worst|top", level.own),
        )
        with neighbours(a_e) as (j, _):
            with k.when(wp.length(x[j] - xi) < reach):
                k.set(
                    peak,
                    wp.max(peak, level[j])
                    if p.chance(0.6)
                    else peak
                    + k.param("contagion|rate|gain", 0.01, 0.1) * wp.max(level[j] - peak, 0.0),
                )
        decay = k.param("decay|calm_rate|relax", 0.01, 0.2)
        a_e.out("panic_out|fear_next|stress_out", p.real).store(wp.clamp(peak - decay, 0.0, 1.0))
        return
    if form == "arrive":
        goal = a_e.field("goals|targets|destinations", vec, R.uniform(-5.0, 5.0))
        done = a_e.inout("arrived|finished|done_flags", T.I32, R.mask(0.1))
        with k.when(done.own == 1):
            k.ret()
        dist = k.let("dist|left|d", wp.length(goal.own - xi))
        with k.when(dist < k.param("arrival_radius|reach|tolerance", 0.5, 3.0)):
            done.store(1)
            add_at(k, k.out("num_arrived|arrivals|finished_count", T.I32, (1,)), 0, 1)
            if p.chance(0.4):
                k.ret()
        report(p, a_e, dist, "remaining", 1, 2)
        return
    n = p.pick(3, 4, 6)
    doors = k.array("exits|doors|exit_pos", vec, (n,), R.uniform(-6.0, 6.0))
    load = (
        k.array("exit_load|queue_len|exit_crowd", p.real, (n,), R.uniform(0.0, 10.0))
        if p.chance(0.6)
        else None
    )
    best, pick = k.var("best|lowest|min_cost", 1.0e10, p.real), k.var("pick|choice|exit_i", 0)
    openness = (
        k.array("exit_open|is_open|usable", T.I32, (n,), R.mask(0.8)) if p.chance(0.5) else None
    )
    with k.loop(
        "d|m|door", doors.dim(0) if p.chance(0.6) else k.count("num_exits|n_exits", n)
    ) as d:
        if openness is not None:
            with k.when(openness[d] == 0):
                k.cont()
        cost = wp.length(doors[d] - xi)
        cost = k.let(
            "cost|c|score",
            cost
            if load is None
            else cost + load[d] * k.param("queue_weight|load_weight|wait_per_person", 0.05, 0.5),
        )
        with k.when(cost < best):
            k.set(best, cost)
            k.set(pick, d)
    if p.chance(0.5):
        current = a_e.inout("exit_ids|current_exit|target_exit", T.I32, R.integers(0, n))
        stay = k.param("switch_margin|hysteresis|commitment", 0.1, 1.0)
        with k.when(best + stay < wp.length(doors[current.own] - xi)):
            current.store(pick)
    else:
        a_e.out("exit_ids|chosen_exit|target_exit", T.I32).store(pick)
    a_e.out("exit_cost|best_cost|cost_out", p.real).store(best)
    if p.chance(0.5):
        add_at(k, k.out("exit_votes|demand|headed", T.I32, (n,)), pick, 1)


# --- fields ---------------------------------------------------------------------------------------


def _flow_field(p: ProgramBuilder) -> None:
    """Agents that follow a direction field, read bilinearly or by cell."""
    k = p.kernel_builder(
        "follow_flow_field|sample_flow|steer_by_field|advect_agents|flow_field_step",
        p.pick("Agents follow a direction field.", "Steering from a navigation grid.", ""),
    )
    a = Agents(k, p.pick("agent", "pedestrian", "unit"), 1.0)
    h, w = p.pick(16, 20, 24), p.pick(16, 24, 32)
    field = k.array(
        "flow|directions|flow_field",
        a.vec,
        (h, w),
        R.unit_vectors() if p.chance(0.5) else R.uniform(-1.0, 1.0),
    )
    a.e.guard()
    x, v = a.x.read("x|xi|pos_i"), a.v.read("v|vi|vel_i")
    cell, origin = (
        k.param("cell_size|dx|spacing", 0.5, 0.8),
        k.quantity("origin|grid_origin|lower", a.vec, [-6.0, -6.0]),
    )
    g = k.let("g|gc|grid_pos", (x - origin) / cell)
    bilinear = p.chance(0.5)
    if bilinear:
        gx, gy = (
            k.let("fx|gx|u", wp.clamp(g.x - 0.5, 0.0, float(w) - 1.001)),
            k.let("fy|gy|t", wp.clamp(g.y - 0.5, 0.0, float(h) - 1.001)),
        )
        i, j = k.let("i0|ix|col", construct(T.I32, gx)), k.let("j0|iy|row", construct(T.I32, gy))
        s, t = (
            k.let("s|ax|wx", gx - construct(p.real, i)),
            k.let("r|ay|wy", gy - construct(p.real, j)),
        )
        low = field[j, i] * (1.0 - s) + field[j, i + 1] * s
        high = field[j + 1, i] * (1.0 - s) + field[j + 1, i + 1] * s
        d = k.let("d|dir_f|flow_v", low * (1.0 - t) + high * t)
    else:
        i, j = (
            k.let("i|ix|col", construct(T.I32, wp.floor(g.x))),
            k.let("j|iy|row", construct(T.I32, wp.floor(g.y))),
        )
        with k.when(any_of(i < 0, i >= field.dim(1), j < 0, j >= field.dim(0))):
            k.ret()
        if p.chance(0.4):
            blocked = k.array("blocked|walls|solid", T.I32, (h, w), R.mask(0.15))
            with k.when(blocked[j, i] == 1):
                a.e.out("stuck|is_stuck|trapped", T.I32).store(1)
                k.ret()
        d = k.let("d|dir_f|flow_v", field[j, i])
    speed = a.e.property("walk_speed|desired_speed|v0", 0.8, 2.0)
    if p.chance(0.4) and not bilinear:
        crowd = k.array("density|crowd_density|congestion", p.real, (h, w), R.uniform(0.0, 1.0))
        speed = k.let(
            "speed|slow_speed|sp",
            speed * wp.max(1.0 - crowd[j, i], k.param("min_factor|creep|floor_speed", 0.05, 0.3)),
        )
    force = k.var(
        "f|steer|acc", (d * speed - v) * k.param("gain|responsiveness|relax_rate", 0.5, 4.0)
    )
    a.finish(force, x, v)


def _potential(p: ProgramBuilder) -> None:
    """Travel-time relaxation on a grid, and directions from it."""
    directions = p.chance(0.5)
    k = p.kernel_builder(
        "flow_directions|descend_cost|navigation_field"
        if directions
        else "relax_cost_field|eikonal_step|integration_field|propagate_cost",
        p.pick(
            "Directions of steepest descent."
            if directions
            else "One relaxation of the travel-time field.",
            "Navigation grid.",
            "",
        ),
    )
    g = Grid(k, "row|y|i col|x|j", boundary=p.pick("interior", "clamp"))
    phi = g.field("cost|phi|potential|travel_time", p.real, R.uniform(0.0, 20.0))
    solid = g.field("blocked|walls|solid", T.I32, R.mask(0.15)) if p.chance(0.7) else None
    if solid is not None:
        with k.when(solid.own != 0):
            k.ret()
    left, right, up, down = phi[0, -1], phi[0, 1], phi[-1, 0], phi[1, 0]
    if directions:
        vec = p.vec(2)
        out = g.out("flow|directions|gradient", vec)
        if p.chance(0.5):
            d = k.let("d|grad|slope", construct(vec, left - right, up - down))
            size = k.let("len_d|norm|mag", wp.length(d))
            out.store(choose(size > 1.0e-6, d / wp.max(size, 1.0e-6), construct(vec, 0.0)))
        else:
            best, dx, dy = (
                k.var("best|lowest|min_c", phi.own),
                k.var("dx|sx|step_x", 0.0, p.real),
                k.var("dy|sy|step_y", 0.0, p.real),
            )
            for value, (a, b) in (
                (left, (-1.0, 0.0)),
                (right, (1.0, 0.0)),
                (up, (0.0, -1.0)),
                (down, (0.0, 1.0)),
            ):
                with k.when(value < best):
                    k.set(best, value)
                    k.set(dx, a)
                    k.set(dy, b)
            out.store(construct(vec, dx, dy))
        return
    speed = (
        g.field("speed|walk_speed|terrain_speed", p.real, R.uniform(0.5, 2.0))
        if p.chance(0.6)
        else None
    )
    h = k.param("cell_size|dx|spacing", 0.2, 1.0)
    slow = h if speed is None else h / speed.own
    slow = k.let("slow|tau|w", slow)
    a, b = k.let("a|hx|min_x", wp.min(left, right)), k.let("b|vy|min_y", wp.min(up, down))
    new = k.var("new|t|updated", wp.min(a, b) + slow)
    if p.chance(0.7):
        with k.when(wp.abs(a - b) < slow):
            disc = k.let("disc|q|root", 2.0 * slow * slow - (a - b) * (a - b))
            k.set(new, 0.5 * (a + b + wp.sqrt(disc)))
    out = g.out("cost_out|phi_next|relaxed", p.real)
    out.store(wp.min(new, phi.own))
    if p.chance(0.5):
        with k.when(new < phi.own):
            add_at(k, k.out("num_changed|changed|updates", T.I32, (1,)), 0, 1)


def _density(p: ProgramBuilder) -> None:
    """Crowd density and mean velocity on a grid."""
    k = p.kernel_builder(
        "splat_density|accumulate_crowd|density_grid|rasterize_agents|crowd_statistics",
        p.pick("Add every agent to the density grid.", "Crowd density and flow per cell.", ""),
    )
    a = Agents(k, p.pick("agent", "pedestrian", "person"), 1.0)
    h, w = p.pick(12, 16, 20), p.pick(16, 20, 24)
    a.e.guard()
    x = a.x.read("x|xi|pos_i")
    cell = k.param("cell_size|dx|spacing", 0.6, 1.0)
    half = k.param("half_extent|offset|shift", 5.0, 7.0)
    gx, gy = k.let("gx|u|px", (x.x + half) / cell), k.let("gy|t|py", (x.y + half) / cell)
    i, j = (
        k.let("i|ix|col", construct(T.I32, wp.floor(gx))),
        k.let("j|iy|row", construct(T.I32, wp.floor(gy))),
    )
    outside = any_of(i < 0, i >= w - 1, j < 0, j >= h - 1)
    with k.when(outside):
        if p.chance(0.4):
            add_at(k, k.out("num_outside|escaped|off_grid", T.I32, (1,)), 0, 1)
        k.ret()
    rho = k.out("density|crowd_density|rho", p.real, (h, w))
    weight = (
        a.e.property("weight|agent_area|body_area", 0.1, 1.0)
        if p.chance(0.4)
        else construct(p.real, 1.0)
    )
    flow = k.out("momentum|flow|velocity_sum", a.vec, (h, w)) if p.chance(0.6) else None
    if p.chance(0.5):
        add_at(k, rho, (j, i), weight)
        if flow is not None:
            add_at(k, flow, (j, i), a.v.own * weight)
        return
    s, t = k.let("s|ax|wx", gx - construct(p.real, i)), k.let("r|ay|wy", gy - construct(p.real, j))
    with k.loop("b|dj|oy", 2) as b, k.loop("c|di|ox", 2) as c:
        wx = choose(c == 0, 1.0 - s, s) if p.chance(0.5) else 1.0 - wp.abs(s - construct(p.real, c))
        wy = choose(b == 0, 1.0 - t, t) if p.chance(0.5) else 1.0 - wp.abs(t - construct(p.real, b))
        q = k.let("q|share|wxy", wx * wy * weight)
        add_at(k, rho, (j + b, i + c), q)
        if flow is not None:
            add_at(k, flow, (j + b, i + c), a.v.own * q)
