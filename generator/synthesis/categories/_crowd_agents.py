"""Agents, flocks and pedestrians, for the crowd category."""

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
from generator.synthesis.tree import Expr, Name


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
