"""Flocks, pedestrians and steering, for the crowd category."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities, neighbours
from generator.synthesis.idioms import clamp_length, falloff, piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


class Agents:
    """Agents with position and velocity, in the plane or in space."""

    def __init__(self, k: KernelBuilder, singular: str, t: T.Vec) -> None:
        self.k, self.t = k, t
        self.e = Entities(
            k,
            singular,
            count=None if k.p.fusing else k.p.pick(48, 64, 96, 128),
            index="i|tid|agent_id|a",
        )
        self.x = self.e.field("positions|pos|x|agent_pos", t, R.uniform(-4.0, 4.0))
        self.v = self.e.field("velocities|vel|v|agent_vel", t, R.uniform(-1.0, 1.0))

    def open(self) -> None:
        """Guard and this agent's state."""
        self.e.guard()
        self.xi, self.vi = self.x.read("xi|p_i|pos_i"), self.v.read("vi|v_i|vel_i")

    @contextmanager
    def others(self, radius: Expr | None = None) -> Iterator[tuple[Name, Name, Name]]:
        """A loop over the other agents within a radius: index, offset to it, distance."""
        k, p, e = self.k, self.k.p, self.e
        kind = p.weighted({"all": 5, "table": 3, "csr": 2}) if e.world is None else "all"
        with neighbours(e, kind, "j|other|n_id") as (j, _):
            if kind != "all":
                with k.when(j == e.index):
                    k.cont()
            d = k.let("d|to_other|offset", self.x[j] - self.xi)
            r = k.let("r|dist|gap_d", wp.length(d))
            if radius is not None:
                far = r > radius if p.chance(0.6) else r >= radius
                with k.when(far if kind == "all" and p.chance(0.5) else any_of(far, r < 1.0e-6)):
                    k.cont()
            yield j, d, r

    def finish(self, force: Expr, *, top_speed: float = 2.0) -> None:
        """Integrates with a speed limit and writes the new state."""
        k, p, e = self.k, self.k.p, self.e
        dt = k.param("dt|timestep|h", 0.01, 0.1)
        velocity = k.var("v_new|v_next|vel", self.vi + force * dt)
        limit = e.property("max_speed|speed_limit|v_max", 0.5 * top_speed, top_speed)
        clamp_length(p, k, velocity, limit, "speed|mag|v_len")
        if p.chance(0.3):
            floor = k.param("min_speed|cruise_min|v_min", 0.05, 0.3)
            size = k.let("s_now|pace|norm_v", wp.length(velocity))
            with k.when(all_of(size < floor, size > 1.0e-5)):
                k.aug(velocity, "*", floor / size)
        position = k.var("x_new|x_next|p_new", self.xi + velocity * dt)
        self._stay_inside(position, velocity)
        e.out("positions_out|x_out|new_pos", self.t).store(position)
        e.out("velocities_out|v_out|new_vel", self.t).store(velocity)
        if p.chance(0.25):
            e.out("headings|heading_out|yaw", T.F32).store(wp.atan2(velocity.y, velocity.x))

    def _stay_inside(self, position: Name, velocity: Name) -> None:
        k, p = self.k, self.k.p
        half = k.param("arena|half_extent|bound", 3.0, 6.0)
        axes = "xyz"[: self.t.n]
        match p.pick("none", "none", "clamp", "wrap", "bounce"):
            case "clamp":
                k.set(
                    position,
                    construct(self.t, *[wp.clamp(position.field(a), -half, half) for a in axes]),
                )
            case "wrap":
                with k.loop("c|axis|d_i", self.t.n) as c:
                    with k.when(position[c] > half):
                        k.set(position[c], position[c] - 2.0 * half)
                    with k.when(position[c] < -half):
                        k.set(position[c], position[c] + 2.0 * half)
            case "bounce":
                for a in axes:
                    with k.when(wp.abs(position.field(a)) > half):
                        k.set(velocity.field(a), -velocity.field(a))


def flocking(p: ProgramBuilder) -> None:
    """Boids: separation, alignment and cohesion, with extra urges."""
    t = p.pick(T.VEC2, T.VEC3, T.VEC3)
    k = p.kernel_builder(
        "boids_step|flock_update|flocking_forces|update_boids|school_step|swarm_kernel",
        p.pick(
            "Separation, alignment and cohesion.",
            "One step of a flock.",
            "Flocking with a limited field of view.",
        ),
    )
    a = Agents(k, p.pick("boid", "bird", "agent", "fish"), t)
    a.open()
    e = a.e
    radius, close = (
        e.world_param("perception|view_radius|neighbor_radius", 1.0, 2.5),
        k.param("separation_radius|personal_space|min_dist", 0.3, 0.9),
    )
    separation, alignment, centre = (
        k.var(h, construct(t, 0.0))
        for h in ("sep|separation|push", "align|mean_v|heading_sum", "coh|center|centroid")
    )
    count = k.var("count|n_nbr|flockmates", 0)
    cone = k.param("cos_fov|min_dot|view_cos", 0.05, 0.5) if p.chance(0.35) else None
    kinds = e.field("species|flock_id|team", T.I32, R.integers(0, 3)) if p.chance(0.3) else None
    with a.others(radius) as (j, d, r):
        if cone is not None:
            with k.when(wp.dot(d, a.vi) < -cone * r * wp.length(a.vi)):
                k.cont()
        if kinds is not None:
            with k.when(kinds[j] != kinds.own):
                k.cont()
        with k.when(r < close):
            match p.pick("inverse", "square", "linear"):
                case "inverse":
                    k.aug(separation, "-", d / wp.max(r * r, 1.0e-4))
                case "square":
                    k.aug(separation, "-", d * ((close - r) * (close - r)))
                case "linear":
                    k.aug(separation, "-", d)
        k.aug(alignment, "+", a.v[j])
        k.aug(centre, "+", a.x[j])
        k.aug(count, "+", 1)
    ws, wa, wc = (
        k.param(h, 0.2, 2.0)
        for h in (
            "w_sep|sep_weight|separation_gain",
            "w_align|align_weight|alignment_gain",
            "w_coh|coh_weight|cohesion_gain",
        )
    )
    force = k.var("steer|force|acc", separation * ws)
    with k.when(count > 0):
        inverse = k.let("inv|inv_n|w_n", 1.0 / cast(T.F32, count))
        k.aug(force, "+", (alignment * inverse - a.vi) * wa)
        k.aug(force, "+", (centre * inverse - a.xi) * wc)
    for urge in p.sample([_seek_goal, _flee_predator, _wander, _home], 0, 2):
        k.aug(force, "+", urge(p, k, a))
    if p.chance(0.5):
        clamp_length(
            p,
            k,
            force,
            k.param("max_force|force_limit|steer_max", 0.5, 4.0),
            "f_mag|f_len|steer_len",
        )
    a.finish(force)
    if p.chance(0.3):
        e.out("flock_size|neighbor_count|group_size", T.I32).store(count)


def _seek_goal(p: ProgramBuilder, k: KernelBuilder, a: Agents) -> Expr:
    goal = k.quantity("goal|target|food", a.t, [2.0, 1.0, 0.5][: a.t.n])
    return (goal - a.xi) * k.param("goal_weight|seek_gain|w_goal", 0.05, 0.5)


def _flee_predator(p: ProgramBuilder, k: KernelBuilder, a: Agents) -> Expr:
    hunter, reach = (
        k.quantity("predator|threat|hawk", a.t, [-1.0, 0.5, 0.0][: a.t.n]),
        k.param("fear_radius|flee_radius|danger", 1.0, 3.0),
    )
    d = k.let("away|from_threat|flee_d", a.xi - hunter)
    strength = k.param("flee_gain|panic|w_flee", 0.5, 4.0)

    def body(b: Block, x: Expr, h: Expr, s: Expr) -> Expr:
        size = b.let("s|dist|len_x", wp.length(x))
        return wp.where(size < h, x * (s * (h - size) / wp.max(size, 0.001)), x * 0.0)

    return piece(
        p,
        k,
        "flee|avoid_predator|panic_force",
        {"d|x": d, "h|radius": reach, "gain|s": strength},
        body,
    )


def _wander(p: ProgramBuilder, k: KernelBuilder, a: Agents) -> Expr:
    rng = entity_rng(a.e)
    gain = k.param("wander|jitter|noise_gain", 0.05, 0.5)
    value = k.let(
        "wobble|random_push|xi_w", construct(a.t, *[rng.normal() for _ in range(a.t.n)]) * gain
    )
    rng.close()
    return value


def _home(p: ProgramBuilder, k: KernelBuilder, a: Agents) -> Expr:
    radius, gain = (
        k.param("roost_radius|home_range|leash", 2.0, 5.0),
        k.param("home_gain|return_gain|w_home", 0.1, 1.0),
    )
    size = k.let("out_by|away_len|x_len", wp.length(a.xi))
    return (
        choose(size > radius, a.xi * (gain * (radius / size - 1.0)), construct(a.t, 0.0))
        if p.chance(0.5)
        else a.xi * (-gain * wp.max(1.0 - radius / wp.max(size, 0.001), 0.0))
    )


def pedestrians(p: ProgramBuilder) -> None:
    """Social forces: drive, repulsion between people, walls, groups."""
    t = T.VEC2
    k = p.kernel_builder(
        "social_force|pedestrian_step|crowd_forces|social_force_model|pedestrian_dynamics|helbing_step",
        p.pick(
            "Social-force model of pedestrians.",
            "Driving force, repulsion from others and walls.",
            "One step of a crowd.",
        ),
    )
    a = Agents(k, p.pick("agent", "pedestrian", "person"), t)
    a.open()
    e = a.e
    goal = e.field("goals|destinations|targets", t, R.uniform(-5.0, 5.0)).own
    desired, relax = (
        e.property("desired_speed|v0|preferred_speed", 0.8, 1.6),
        k.param("relaxation_time|tau|reaction_time", 0.3, 1.0),
    )
    heading = k.let("e_i|dir_goal|goal_dir", wp.normalize(goal - a.xi))
    if p.chance(0.35):
        arrived = k.param("goal_radius|arrival_dist|arrive", 0.2, 0.8)
        with k.when(wp.length(goal - a.xi) < arrived):
            e.out("arrived|done|reached", T.I32).store(1)
            e.out("positions_out|x_out|new_pos", t).store(a.xi)
            k.ret()
    force = k.var("f|force|acc", (heading * desired - a.vi) / relax)
    strength, reach = (
        k.param("repulsion|A_rep|strength", 1.0, 5.0),
        k.param("range|B_rep|falloff_length", 0.1, 0.6),
    )
    bodies = (
        e.field("radii|body_radius|radius", T.F32, R.uniform(0.2, 0.35)) if p.chance(0.5) else None
    )
    size = None if bodies is not None else k.param("body_radius|agent_radius", 0.2, 0.35)
    cutoff = k.param("cutoff|interaction_radius|view_radius", 1.5, 4.0) if p.chance(0.7) else None
    anisotropy = k.param("anisotropy|lambda_i|form_factor", 0.1, 0.8) if p.chance(0.5) else None
    crowding = k.var("density|crowding|local_n", 0.0) if p.chance(0.35) else None
    with a.others(cutoff) as (j, d, r):
        n = k.let("n_ij|away|n_out", d * (-1.0 / wp.max(r, 0.001)))
        total = bodies.own + bodies[j] if bodies is not None else 2.0 * size
        overlap = k.let("overlap|touch|pen", total - r)
        push = k.var("push|mag|f_rep", strength * wp.exp(overlap / reach))
        if anisotropy is not None:
            cosine = k.let("cos_phi|facing|c_phi", -wp.dot(n, heading))
            k.aug(push, "*", anisotropy + (1.0 - anisotropy) * 0.5 * (1.0 + cosine))
        k.aug(force, "+", n * push)
        if p.chance(0.35):
            _bodily_contact(p, k, a, force, n, overlap, j)
        if crowding is not None:
            k.aug(crowding, "+", falloff(p, k, r, cutoff) if cutoff is not None else wp.exp(-r))
    if p.chance(0.7):
        _walls(p, k, a, force, strength, reach)
    a.finish(force, top_speed=2.5)
    if crowding is not None:
        e.out("local_density|crowding_out|rho_out", T.F32).store(crowding)


def _bodily_contact(
    p: ProgramBuilder, k: KernelBuilder, a: Agents, force: Name, n: Expr, overlap: Expr, j: Expr
) -> None:
    with k.when(overlap > 0.0):
        stiff = k.param("body_stiffness|k_body|contact_ke", 10.0, 60.0)
        k.aug(force, "+", n * (stiff * overlap))
        if p.chance(0.6):
            friction = k.param("sliding_friction|kappa|shear", 5.0, 40.0)
            tangent = k.let("t_ij|tangent|tau_ij", construct(T.VEC2, -n.y, n.x))
            slip = k.let("dv_t|slip|shear_v", wp.dot(a.v[j] - a.vi, tangent))
            k.aug(force, "+", tangent * (friction * overlap * slip))


def _walls(
    p: ProgramBuilder, k: KernelBuilder, a: Agents, force: Name, strength: Expr, reach: Expr
) -> None:
    k.step(p.pick("walls", "obstacle segments", ""))
    count = p.pick(4, 6, 8)
    starts, ends = (
        Table(
            a.e, "wall_start|segment_a|wall_p0", T.VEC2, (count,), R.uniform(-5.0, 5.0), shared=True
        ),
        Table(
            a.e, "wall_end|segment_b|wall_p1", T.VEC2, (count,), R.uniform(-5.0, 5.0), shared=True
        ),
    )
    with k.loop(
        "w|wall|seg", starts.extent() if p.chance(0.5) else k.count("num_walls|n_segments", count)
    ) as w:

        def nearest(b: Block, x: Expr, s0: Expr, s1: Expr) -> Expr:
            edge = b.let("edge|ab|along", s1 - s0)
            u = b.let(
                "u|t|param",
                wp.clamp(wp.dot(x - s0, edge) / wp.max(wp.dot(edge, edge), 1.0e-6), 0.0, 1.0),
            )
            return s0 + edge * u

        closest = piece(
            p,
            k,
            "closest_on_segment|nearest_wall_point|project_to_segment",
            {"x|p": a.xi, "s0|a": starts[w], "s1|b": ends[w]},
            nearest,
            probability=0.75,
        )
        d = k.let("d_w|from_wall|wall_vec", a.xi - closest)
        r = k.let("r_w|wall_dist|dw", wp.length(d))
        with k.when(any_of(r > 4.0 * reach, r < 1.0e-5) if p.chance(0.6) else r < 1.0e-5):
            k.cont()
        k.aug(force, "+", d * (strength * wp.exp(-r / reach) / r))


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
