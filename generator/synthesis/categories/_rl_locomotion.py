"""Legged locomotion: observations, shaped rewards, terminations, commands, for the reinforcement-learning category."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rl_classic import environments
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


class Walker:
    """State of the legged robots, one array per quantity, made when first used."""

    def __init__(self, e: Entities) -> None:
        p = e.k.p
        known = p.shared.get("walker")
        if p.fusing and known is not None:
            self.__dict__ = known.__dict__
            return
        p.shared["walker"] = self
        self.e, self.k, self.p = e, e.k, p
        self.dofs, self.feet = p.pick(8, 12, 12, 18), p.pick(2, 4, 4)
        self._kept: dict[str, object] = {}
        self._root = p.pick("parts", "parts", "pose")
        self._pose: Name | None = None

    def field(self, key: str, hint: str, t: T.Type, fill: R.Fill) -> Field:
        """A quantity per environment."""
        if key not in self._kept:
            self._kept[key] = self.e.field(hint, t, fill)
        return self._kept[key]  # type: ignore[return-value]

    def table(self, key: str, hint: str, width: int, fill: R.Fill, t: T.Type = T.F32) -> Table:
        """A quantity per environment and joint, foot or body."""
        if key not in self._kept:
            self._kept[key] = Table(self.e, hint, t, (self.e.n, width), fill)
        return self._kept[key]  # type: ignore[return-value]

    def local(self, key: str, hint: str, make: Callable[[], Expr]) -> Name:
        """A value computed once."""
        if key not in self._kept:
            self._kept[key] = self.k.let(hint, make())
        return self._kept[key]  # type: ignore[return-value]

    @property
    def rotation(self) -> Name:
        if self._root == "pose":
            pose = self.field(
                "pose", "root_pose|base_pose|root_xform", T.TRANSFORM, R.rigid(-1.0, 1.0)
            )
            return self.local("q", "q|base_quat|rot", lambda: wp.transform_get_rotation(pose.own))
        return self.local(
            "q",
            "q|base_quat|rot",
            lambda: self.field("rot", "root_rot|base_quat|root_quat", T.QUAT, R.rotations()).own,
        )

    @property
    def position(self) -> Name:
        if self._root == "pose":
            pose = self.field(
                "pose", "root_pose|base_pose|root_xform", T.TRANSFORM, R.rigid(-1.0, 1.0)
            )
            return self.local(
                "x", "base_pos|x|root", lambda: wp.transform_get_translation(pose.own)
            )
        return self.local(
            "x",
            "base_pos|x|root",
            lambda: (
                self.field(
                    "pos", "root_pos|base_pos|root_position", T.VEC3, R.uniform(0.1, 0.9)
                ).own
            ),
        )

    def _turned(self, key: str, hint: str, of: Field) -> Name:
        return self.local(key, hint, lambda: wp.quat_rotate_inv(self.rotation, of.own))

    @property
    def velocity(self) -> Name:
        """Linear velocity in the base frame."""
        f = self.field("lin", "root_lin_vel|base_vel|root_v", T.VEC3, R.uniform(-1.0, 1.0))
        return self._turned("v", "lin_b|base_lin_vel|v_b", f)

    @property
    def rate(self) -> Name:
        """Angular velocity in the base frame."""
        f = self.field("ang", "root_ang_vel|base_rate|root_w", T.VEC3, R.uniform(-1.0, 1.0))
        return self._turned("w", "ang_b|base_ang_vel|w_b", f)

    @property
    def gravity(self) -> Name:
        """Gravity direction in the base frame."""
        return self.local(
            "g",
            "proj_gravity|grav_b|g_b",
            lambda: wp.quat_rotate_inv(self.rotation, construct(T.VEC3, 0.0, 0.0, -1.0)),
        )

    @property
    def command(self) -> Name:
        f = self.field("cmd", "commands|command|target_vel", T.VEC3, R.uniform(-1.0, 1.0))
        return self.local("c", "cmd|command_i|target", lambda: f.own)

    @property
    def q(self) -> Table:
        return self.table("joint_q", "joint_pos|dof_pos|joint_q", self.dofs, R.uniform(-1.0, 1.0))

    @property
    def qd(self) -> Table:
        return self.table("joint_qd", "joint_vel|dof_vel|joint_qd", self.dofs, R.uniform(-2.0, 2.0))

    @property
    def tau(self) -> Table:
        return self.table(
            "tau", "torques|joint_tau|applied_torque", self.dofs, R.uniform(-20.0, 20.0)
        )

    @property
    def actions(self) -> Table:
        return self.table(
            "actions", "actions|action_buf|actions_now", self.dofs, R.uniform(-1.0, 1.0)
        )

    @property
    def last_actions(self) -> Table:
        return self.table(
            "last_actions",
            "last_actions|prev_actions|actions_prev",
            self.dofs,
            R.uniform(-1.0, 1.0),
        )

    @property
    def contact(self) -> Table:
        return self.table(
            "contact",
            "foot_force|contact_forces|feet_force",
            self.feet,
            R.uniform(0.0, 40.0),
            T.VEC3,
        )

    @property
    def default(self) -> Expr:
        """Default joint positions: the same for all environments."""
        if "default" not in self._kept:
            self._kept["default"] = Table(
                self.e,
                "default_pos|default_joint_pos|q_default",
                T.F32,
                (self.dofs,),
                R.uniform(-0.5, 0.5),
                shared=True,
            )
        return self._kept["default"]  # type: ignore[return-value]

    def width(self, table: Table, hint: str, number: int) -> Expr:
        """Extent of a per-joint loop."""
        key = f"extent {hint}"
        if key not in self._kept:
            self._kept[key] = (
                number
                if self.p.chance(0.25)
                else table.extent(1)
                if self.p.chance(0.5)
                else self.k.count(hint, number)
            )
        return self._kept[key]  # type: ignore[return-value]


# --- rewards --------------------------------------------------------------------------------------


def reward(p: ProgramBuilder) -> None:
    """A shaped locomotion reward: tracking terms minus penalties."""
    k = p.kernel_builder(
        "locomotion_reward|compute_reward|walker_reward|legged_reward|compute_rewards|velocity_tracking_reward",
        p.pick(
            "Shaped reward of a walking robot.",
            "Velocity tracking plus regularisation terms.",
            "Sum of weighted reward terms.",
        ),
    )
    e = environments(k)
    e.guard()
    w = Walker(e)
    terms = p.sample(p.shuffled(_TERMS), 2, p.pick(4, 6, 8))
    if not any(t in (_track_linear, _forward, _alive) for t in terms):
        terms.insert(0, _track_linear)
    per_term = (
        Table(e, "reward_terms|term_buf|episode_sums", T.F32, (e.n, len(terms)), role="out")
        if p.chance(0.35)
        else None
    )
    total = None if per_term is not None and p.chance(0.3) else k.var("total|rew|reward_sum", 0.0)
    weights = (
        Table(
            e,
            "term_weights|reward_scales|weights_in",
            T.F32,
            (len(terms),),
            R.uniform(-1.0, 1.5),
            shared=True,
        )
        if p.chance(0.25)
        else None
    )
    for number, term in enumerate(terms):
        k.step(_LABELS[term.__name__] if p.chance(0.6) else "") if p.chance(0.5) else None
        value, scale = term(p, k, e, w)
        weighted = value * (
            weights[number]
            if weights is not None
            else k.quantity(
                f"{term.__name__.strip('_')}_scale|w_{term.__name__.strip('_')}", T.F32, scale
            )
        )
        if per_term is not None:
            weighted = k.let(
                f"r_{term.__name__.strip('_')}|{term.__name__.strip('_')}_term", weighted
            )
            per_term.store(weighted, e.index, number)
        if total is not None:
            k.aug(total, "+", weighted)
    if total is None:
        return
    if p.chance(0.4):
        k.set(total, wp.max(total, 0.0))
    if p.chance(0.4):
        k.aug(total, "*", k.param("dt|step_dt|control_dt", 0.01, 0.05))
    if p.chance(0.35):
        failed = e.field("reset_buf|terminated|fallen", T.I32, R.mask(0.15)).own
        penalty = k.quantity(
            "termination_penalty|death_cost|fall_cost", T.F32, p.pick(-1.0, -5.0, -2.0)
        )
        k.set(total, choose(failed == 1, penalty, total))
    e.out("rewards|rew_buf|reward_out", T.F32).store(total)
    if p.chance(0.25):
        Table(e, "mean_reward|reward_total|batch_reward", T.F32, (1,), role="out").add(
            total / cast(T.F32, e.count()), 0
        )


def _sigma(k: KernelBuilder) -> Expr:
    return k.param("tracking_sigma|sigma|track_scale", 0.1, 0.5)


def _track_linear(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker
) -> tuple[Expr, float]:
    error = k.let(
        "lin_err|ex|dv", construct(T.VEC2, w.command.x - w.velocity.x, w.command.y - w.velocity.y)
    )
    return k.let("track_lin|lin_track|r_lin", wp.exp(-wp.dot(error, error) / _sigma(k))), 1.0


def _track_angular(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker
) -> tuple[Expr, float]:
    error = k.let("ang_err|ew|d_yaw", w.command.z - w.rate.z)

    def body(b: Block, x: Expr, s: Expr) -> Expr:
        return wp.exp(-x * x / s)

    return piece(
        p,
        k,
        "tracking_kernel|exp_kernel|gaussian_reward",
        {"err|x": error, "sigma|s": _sigma(k)},
        body,
    ), 0.5


def _forward(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    return wp.min(w.velocity.x, k.param("max_forward|speed_cap|v_cap", 0.5, 2.0)) if p.chance(
        0.6
    ) else w.velocity.x, 1.0


def _alive(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    low = k.param("alive_height|stand_height|z_min", 0.15, 0.4)
    return k.let("alive|standing|upright", choose(w.position.z > low, 1.0, 0.0)), 0.25


def _vertical(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    return w.velocity.z * w.velocity.z, -2.0


def _roll_pitch(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    return w.rate.x * w.rate.x + w.rate.y * w.rate.y, -0.05


def _orientation(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    return w.gravity.x * w.gravity.x + w.gravity.y * w.gravity.y, -1.0


def _height(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    error = k.let(
        "h_err|dz|height_diff",
        w.position.z - k.param("base_height_target|target_height|h_des", 0.25, 0.6),
    )
    return error * error, -5.0


def _joint_sum(
    p: ProgramBuilder,
    k: KernelBuilder,
    w: Walker,
    table: Table,
    hint: str,
    make: Callable[[Expr], Expr],
) -> Name:
    total = k.var(hint, 0.0)
    with k.loop("j|d|dof", w.width(table, "num_dofs|num_joints|n_dof", w.dofs)) as j:
        k.aug(total, "+", make(j))
    return total


def _torques(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    tau = w.tau
    return _joint_sum(
        p, k, w, tau, "tau_sq|torque_cost|effort", lambda j: tau[e.index, j] * tau[e.index, j]
    ), -0.0002


def _power(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    tau, qd = w.tau, w.qd
    signed = p.chance(0.5)
    return _joint_sum(
        p,
        k,
        w,
        tau,
        "power|mech_power|work",
        lambda j: (
            wp.max(tau[e.index, j] * qd[e.index, j], 0.0)
            if signed
            else wp.abs(tau[e.index, j] * qd[e.index, j])
        ),
    ), -0.001


def _action_rate(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    now, before = w.actions, w.last_actions

    def term(j: Expr) -> Expr:
        change = k.let("da|change|d_a", now[e.index, j] - before[e.index, j])
        return change * change

    return _joint_sum(p, k, w, now, "action_rate|jerk|rate_cost", term), -0.01


def _posture(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    q, default = w.q, w.default
    return _joint_sum(
        p, k, w, q, "posture|default_dev|stand_still", lambda j: wp.abs(q[e.index, j] - default[j])
    ), -0.1


def _limits(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    low = Table(
        e, "soft_lower|q_lower|dof_lower", T.F32, (w.dofs,), R.uniform(-0.9, -0.4), shared=True
    )
    high = Table(
        e, "soft_upper|q_upper|dof_upper", T.F32, (w.dofs,), R.uniform(0.4, 0.9), shared=True
    )
    q = w.q
    return _joint_sum(
        p,
        k,
        w,
        q,
        "limit_cost|out_of_limits|violation",
        lambda j: wp.max(low[j] - q[e.index, j], 0.0) + wp.max(q[e.index, j] - high[j], 0.0),
    ), -10.0


def _air_time(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    air = Table(
        e, "feet_air_time|air_time|swing_time", T.F32, (e.n, w.feet), R.uniform(0.0, 0.6), "inout"
    )
    goal, dt = (
        k.param("air_time_target|min_air_time|swing_goal", 0.2, 0.5),
        k.param("step_dt|dt|control_dt", 0.01, 0.05),
    )
    threshold = k.param("contact_threshold|force_min", 1.0, 10.0)
    bonus = k.var("air_bonus|feet_term|air_rew", 0.0)
    with k.loop("f|foot|leg", w.width(air, "num_feet|n_feet", w.feet)) as f:
        with k.when(
            w.contact[e.index, f].z > threshold
            if p.chance(0.6)
            else wp.length(w.contact[e.index, f]) > threshold
        ):
            k.aug(
                bonus,
                "+",
                wp.min(air[e.index, f] - goal, 0.2) if p.chance(0.4) else air[e.index, f] - goal,
            )
            air.store(0.0, e.index, f)
        with k.otherwise():
            air.store(air[e.index, f] + dt, e.index, f)
    return bonus, 1.0


def _slip(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> tuple[Expr, float]:
    speed = w.table(
        "foot_vel", "foot_vel|feet_velocity|foot_velocity", w.feet, R.uniform(-0.5, 0.5), T.VEC3
    )
    cost = k.var("slip|slip_cost|skid", 0.0)
    with k.loop("f|foot|leg", w.width(speed, "num_feet|n_feet", w.feet)) as f:
        with k.when(w.contact[e.index, f].z < k.param("slip_threshold|stance_force", 1.0, 10.0)):
            k.cont()
        v = k.let("v_f|foot_v|vf", speed[e.index, f])
        k.aug(cost, "+", wp.sqrt(v.x * v.x + v.y * v.y) if p.chance(0.5) else v.x * v.x + v.y * v.y)
    return cost, -0.1


_TERMS = [
    _track_linear, _track_angular, _forward, _alive, _vertical, _roll_pitch, _orientation, _height, _torques, _power,
    _action_rate, _posture, _limits, _air_time, _slip,
]  # fmt: skip
_LABELS = {
    "_track_linear": "track the commanded velocity", "_track_angular": "track the commanded yaw rate", "_forward": "forward progress",
    "_alive": "stay up", "_vertical": "no bouncing", "_roll_pitch": "quiet base", "_orientation": "flat base", "_height": "base height",
    "_torques": "torques", "_power": "energy", "_action_rate": "smooth actions", "_posture": "stay near the default pose",
    "_limits": "joint limits", "_air_time": "reward long swings at touchdown", "_slip": "no foot slip",
}  # fmt: skip


# --- observations ---------------------------------------------------------------------------------


def observation(p: ProgramBuilder) -> None:
    """Observation vectors assembled slice by slice, scaled, noised and clipped."""
    k = p.kernel_builder(
        "compute_observations|fill_obs|assemble_observation|locomotion_obs|build_obs_buffer|write_observations",
        p.pick(
            "Assemble the policy's observation.",
            "Base state, joints, commands and last actions.",
            "Observation vector of a walking robot.",
        ),
    )
    e = environments(k)
    e.guard()
    w = Walker(e)
    parts = p.sample(
        [
            _obs_velocity,
            _obs_rate,
            _obs_gravity,
            _obs_command,
            _obs_joints,
            _obs_joint_rates,
            _obs_actions,
            _obs_contacts,
            _obs_phase,
            _obs_heights,
        ],
        2,
        p.pick(4, 5, 7),
    )
    sizes = {
        _obs_joints: w.dofs,
        _obs_joint_rates: w.dofs,
        _obs_actions: w.dofs,
        _obs_contacts: w.feet,
        _obs_phase: 2,
        _obs_heights: 9,
    }
    total = sum(sizes.get(part, 3) for part in parts)
    obs = Table(e, "obs|obs_buf|observations", T.F32, (e.n, total), role="out")
    cursor = 0
    for part in parts:
        part(p, k, e, w, obs, cursor)
        cursor += sizes.get(part, 3)
    if p.chance(0.4):
        _noise_and_clip(p, k, e, obs, total)
    if p.chance(0.25):
        critic = Table(e, "privileged|critic_obs|states_buf", T.F32, (e.n, 4), role="out")
        extras = [
            e.field("friction|ground_friction", T.F32, R.uniform(0.3, 1.2)).own,
            e.field("added_mass|payload", T.F32, R.uniform(-1.0, 1.0)).own,
            w.velocity.x,
            w.velocity.z,
        ]
        for number, value in enumerate(extras):
            critic.store(value, e.index, number)


def _put_vector(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    obs: Table,
    at: int,
    v: Expr,
    scale: Expr | None,
) -> None:
    if p.chance(0.4):
        with k.loop("c|a|axis", 3) as c:
            obs.store(v[c] if scale is None else v[c] * scale, e.index, c + at if at else c)
        return
    for number, axis in enumerate("xyz"):
        value = v.field(axis)
        obs.store(value if scale is None else value * scale, e.index, at + number)


def _obs_velocity(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    _put_vector(
        p,
        k,
        e,
        obs,
        at,
        w.velocity,
        k.param("lin_vel_scale|vel_scale|obs_scale_v", 0.5, 2.0) if p.chance(0.5) else None,
    )


def _obs_rate(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    _put_vector(
        p,
        k,
        e,
        obs,
        at,
        w.rate,
        k.param("ang_vel_scale|rate_scale|obs_scale_w", 0.2, 1.0) if p.chance(0.5) else None,
    )


def _obs_gravity(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    _put_vector(p, k, e, obs, at, w.gravity, None)


def _obs_command(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    _put_vector(p, k, e, obs, at, w.command, None)


def _joint_slice(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    w: Walker,
    obs: Table,
    at: int,
    table: Table,
    value: Callable[[Expr], Expr],
) -> None:
    with k.loop("j|d|dof", w.width(table, "num_dofs|num_joints|n_dof", w.dofs)) as j:
        obs.store(value(j), e.index, j + at if at else j)


def _obs_joints(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    q, default = w.q, w.default if p.chance(0.7) else None
    _joint_slice(
        p,
        k,
        e,
        w,
        obs,
        at,
        q,
        lambda j: q[e.index, j] if default is None else q[e.index, j] - default[j],
    )


def _obs_joint_rates(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    qd, scale = w.qd, k.param("dof_vel_scale|qd_scale", 0.02, 0.2)
    _joint_slice(p, k, e, w, obs, at, qd, lambda j: qd[e.index, j] * scale)


def _obs_actions(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    actions = w.last_actions
    _joint_slice(p, k, e, w, obs, at, actions, lambda j: actions[e.index, j])


def _obs_contacts(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    threshold = k.param("contact_threshold|force_min", 1.0, 10.0)
    with k.loop("f|foot|leg", w.feet) as f:
        touching = w.contact[e.index, f].z > threshold
        obs.store(
            choose(touching, 1.0, 0.0) if p.chance(0.5) else wp.where(touching, 1.0, 0.0),
            e.index,
            f + at if at else f,
        )


def _obs_phase(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    phase = k.let(
        "phase|phi|clock",
        e.field("gait_phase|phase_buf|clock_phase", T.F32, R.uniform(0.0, 1.0)).own * 6.28318531,
    )
    obs.store(wp.sin(phase), e.index, at)
    obs.store(wp.cos(phase), e.index, at + 1)


def _obs_heights(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    size = p.pick(16, 24, 32)
    field = k.array("height_field|terrain|height_map", T.F32, (size, size), R.uniform(-0.2, 0.2))
    offsets = k.array("scan_offsets|height_points|scan_points", T.VEC2, (9,), R.uniform(-0.5, 0.5))
    cell, clip = (
        k.param("cell_size|horizontal_scale|resolution", 0.05, 0.2),
        k.param("height_clip|clip_heights|max_scan", 0.3, 1.0),
    )
    with k.loop("s|pt|n_s", 9) as s:
        d = k.let(
            "d|offset|local_pt",
            wp.quat_rotate(w.rotation, construct(T.VEC3, offsets[s].x, offsets[s].y, 0.0)),
        )
        row = k.let(
            "row|iy|gi", wp.clamp(cast(T.I32, (w.position.y + d.y) / cell), 0, field.dim(0) - 1)
        )
        col = k.let(
            "col|ix|gj", wp.clamp(cast(T.I32, (w.position.x + d.x) / cell), 0, field.dim(1) - 1)
        )
        obs.store(
            wp.clamp(w.position.z - field[row, col], -clip, clip), e.index, s + at if at else s
        )


def _noise_and_clip(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, obs: Table, total: int
) -> None:
    rng = entity_rng(e) if p.chance(0.6) else None
    limit = (
        k.param("clip_obs|obs_clip|obs_limit", 1.0, 10.0) if rng is None or p.chance(0.5) else None
    )
    level = None if rng is None else k.param("noise_level|noise_scale|obs_noise", 0.005, 0.1)
    with k.loop(
        "o|i_o|c_o", obs.extent(1) if p.chance(0.5) else k.count("num_obs|obs_dim", total)
    ) as o:
        value = k.var("value|ob|entry", obs[e.index, o])
        if rng is not None:
            k.aug(value, "+", level * (rng.normal() if p.chance(0.4) else rng.uniform(-1.0, 1.0)))
        obs.store(value if limit is None else wp.clamp(value, -limit, limit), e.index, o)
    if rng is not None:
        rng.close()


# --- terminations ---------------------------------------------------------------------------------


def termination(p: ProgramBuilder) -> None:
    """Falls, bad orientation, illegal contacts, joint limits, time-outs, leaving the terrain."""
    k = p.kernel_builder(
        "check_termination|compute_dones|termination_conditions|check_falls|update_reset_buf|episode_end",
        p.pick(
            "Which environments end this step.",
            "Termination and time-out flags.",
            "Failure conditions of a walking robot.",
        ),
    )
    e = environments(k)
    w = Walker(e)
    done = k.var("done|terminate|fail", 0)
    causes = p.sample([_fell, _tipped, _touched, _hit_limit, _left, _spun, _invalid], 1, 4)
    reason = k.var("reason|cause|why", 0) if p.chance(0.35) else None
    early = reason is None and p.chance(0.3)
    out = e.out("reset_buf|terminated|dones", T.I32)
    for number, cause in enumerate(causes, start=1):
        with k.when(cause(p, k, e, w)):
            if early:
                out.store(1)
                k.ret()
            else:
                k.set(done, literal(1, T.I32))
                if reason is not None:
                    k.set(reason, literal(number, T.I32))
    if p.chance(0.7):
        steps = (
            e.inout("episode_length|progress|episode_step", T.I32, R.integers(0, 300))
            if p.chance(0.5)
            else e.field("episode_length|progress|episode_step", T.I32, R.integers(0, 300))
        )
        limit = k.count("max_episode_length|max_steps|horizon", p.pick(200, 250, 280))
        expired = k.let("timeout|expired|time_up", steps.own >= limit)
        e.out("time_outs|truncated|timeout_buf", T.I32).store(
            choose(all_of(expired, done == 0) if p.chance(0.5) else expired, 1, 0)
        )
        if p.chance(0.6):
            with k.when(expired):
                k.set(done, literal(1, T.I32))
    out.store(done)
    if reason is not None:
        e.out("reset_reason|failure_code|term_cause", T.I32).store(reason)
        Table(e, "cause_counts|failure_histogram|reason_counts", T.I32, (8,), role="out").add(
            1, reason
        )
    elif p.chance(0.5):
        with k.when(done == 1):
            Table(e, "num_resets|reset_count|num_done", T.I32, (1,), role="out").add(1, 0)


def _fell(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> Expr:
    return w.position.z < k.param("min_height|termination_height|z_fall", 0.15, 0.4)


def _tipped(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> Expr:
    if p.chance(0.5):
        return w.gravity.z > -k.param("tilt_limit|upright_min|cos_tilt", 0.2, 0.7)
    up = k.let("up|base_z|z_axis", wp.quat_rotate(w.rotation, construct(T.VEC3, 0.0, 0.0, 1.0)))
    return up.z < k.param("upright_min|cos_limit", 0.2, 0.7)


def _touched(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> Expr:
    n = p.pick(3, 5, 8)
    forces = w.table(
        "body_forces", "contact_force|body_contact|net_forces", n, R.uniform(-3.0, 3.0), T.VEC3
    )
    worst = k.var("worst|peak_force|max_f", 0.0)
    ids = (
        Table(
            e,
            "base_bodies|penalised_ids|illegal_bodies",
            T.I32,
            (3,),
            R.integers(0, n),
            shared=True,
        )
        if p.chance(0.5)
        else None
    )
    with k.loop("b|body|link", n if ids is None else ids.extent()) as b:
        k.set(worst, wp.max(worst, wp.length(forces[e.index, b if ids is None else ids[b]])))
    return worst > k.param("force_limit|contact_limit|f_max", 2.5, 5.0)


def _hit_limit(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> Expr:
    bound = k.param("joint_bound|q_bound|dof_limit", 0.9, 0.99)
    count = k.var("violations|n_out|over", 0)
    with k.loop("j|d|dof", w.width(w.q, "num_dofs|num_joints|n_dof", w.dofs)) as j:
        with k.when(wp.abs(w.q[e.index, j]) > bound):
            k.aug(count, "+", 1)
    return count > p.pick(0, 1, 2)


def _left(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> Expr:
    origin = w.field("origin", "env_origins|spawn_pos|origins", T.VEC3, R.uniform(0.0, 1.0)).own
    away = k.let(
        "away|travel|d_xy", construct(T.VEC2, w.position.x - origin.x, w.position.y - origin.y)
    )
    return wp.length(away) > k.param("terrain_size|max_travel|arena", 0.3, 1.0)


def _spun(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> Expr:
    return any_of(
        wp.length(w.rate) > k.param("max_rate|spin_limit|w_max", 0.8, 2.0),
        wp.length(w.velocity) > k.param("max_speed|v_max", 1.0, 3.0),
    )


def _invalid(p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker) -> Expr:
    total = k.let("check|probe|s_all", w.position.x + w.position.y + w.position.z)
    return (
        any_of(wp.isnan(total), wp.isinf(total))
        if p.chance(0.5)
        else wp.isfinite(total) == literal(False, T.BOOL)
    )


# --- commands and terrain levels ------------------------------------------------------------------


def commands(p: ProgramBuilder) -> None:
    """Resampled velocity commands, heading control, gait clocks and terrain levels."""
    p.pick(_resample, _curriculum)(p)


def _resample(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "resample_commands|update_commands|sample_targets|command_step|heading_commands",
        p.pick(
            "New velocity commands when their time is up.", "Commands from a heading target.", ""
        ),
    )
    e = environments(k)
    timer = e.inout("command_timer|time_left|resample_time", T.F32, R.uniform(-0.5, 2.0))
    command = e.inout("commands|command|target_vel", T.VEC3, R.uniform(-0.5, 0.5))
    dt, period = (
        k.param("dt|step_dt", 0.01, 0.05),
        k.param("resample_interval|command_period|hold_time", 2.0, 10.0),
    )
    remaining = k.let("remaining|left|t_left", timer.own - dt)
    if p.chance(0.5):
        with k.when(remaining > 0.0):
            timer.store(remaining)
            k.ret()
        _new_command(p, k, e, command)
        timer.store(period)
    else:
        with k.when(remaining <= 0.0):
            _new_command(p, k, e, command)
            timer.store(period)
        with k.otherwise():
            timer.store(remaining)
        if p.chance(0.6):
            w = Walker(e)
            forward = k.let(
                "fwd|forward|ahead", wp.quat_rotate(w.rotation, construct(T.VEC3, 1.0, 0.0, 0.0))
            )
            goal = e.field(
                "heading_target|yaw_goal|desired_heading", T.F32, R.uniform(-3.0, 3.0)
            ).own
            error = k.let("yaw_err|heading_err|d_psi", goal - wp.atan2(forward.y, forward.x))
            wrapped = wp.atan2(wp.sin(error), wp.cos(error))
            limit = k.param("max_yaw_rate|yaw_limit|w_cmd_max", 0.5, 1.5)
            turn = wp.clamp(k.param("heading_gain|yaw_gain", 0.2, 1.0) * wrapped, -limit, limit)
            command.store(construct(T.VEC3, command.own.x, command.own.y, turn))


def _new_command(p: ProgramBuilder, k: KernelBuilder, e: Entities, command: Field) -> None:
    rng = entity_rng(e)
    top, side, turn = (
        k.param("max_vx|vx_range|lin_vel_x", 0.5, 2.0),
        k.param("max_vy|vy_range|lin_vel_y", 0.2, 1.0),
        k.param("max_wz|yaw_range|ang_vel_z", 0.3, 1.5),
    )
    draws = construct(
        T.VEC3, rng.uniform(-top, top), rng.uniform(-side, side), rng.uniform(-turn, turn)
    )
    fresh = k.var("fresh|new_cmd|sampled", draws)
    if p.chance(0.5):
        dead = k.param("min_command|deadband|small_cmd", 0.1, 0.3)
        with k.when(fresh.x * fresh.x + fresh.y * fresh.y < dead * dead):
            k.set(fresh, construct(T.VEC3, 0.0, 0.0, fresh.z))
    if p.chance(0.4):
        with k.when(rng.uniform() < k.param("stand_prob|zero_prob|idle_p", 0.05, 0.2)):
            k.set(fresh, construct(T.VEC3, 0.0))
    command.store(fresh)
    rng.close()


def _curriculum(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "update_terrain_level|terrain_curriculum|advance_curriculum|adjust_difficulty|move_levels",
        p.pick(
            "Robots that walk far move to harder terrain.",
            "Difficulty per environment from its progress.",
            "",
        ),
    )
    e = environments(k)
    level = e.inout("terrain_level|levels|difficulty", T.I32, R.integers(0, 8))
    reset = e.field("reset_buf|dones|finished", T.I32, R.mask(0.6)).own
    with k.when(reset == 0):
        k.ret()
    w = Walker(e)
    origin = w.field("origin", "env_origins|spawn_pos|origins", T.VEC3, R.uniform(0.0, 1.0)).own
    distance = k.let(
        "travelled|dist|walked",
        wp.length(construct(T.VEC2, w.position.x - origin.x, w.position.y - origin.y)),
    )
    far, top = (
        k.param("promote_distance|half_length|up_dist", 0.4, 1.0),
        k.count("num_levels|max_level|rows", 8),
    )
    new = k.var("new_level|lvl|next_level", level.own)
    if p.chance(0.5):
        near = k.param("demote_distance|down_dist", 0.05, 0.3)
    else:
        near = wp.length(construct(T.VEC2, w.command.x, w.command.y)) * k.param(
            "demote_ratio|expected_ratio", 0.1, 0.5
        )
    with k.when(distance > far):
        k.aug(new, "+", 1)
    with k.elsewhen(distance < near):
        k.aug(new, "-", 1)
    if p.chance(0.5):
        k.set(new, wp.clamp(new, 0, top - 1))
    else:
        rng = entity_rng(e)
        with k.when(new >= top):
            k.set(new, rng.integer(0, top))
        k.set(new, wp.max(new, 0))
        rng.close()
    level.store(new)
    columns = p.pick(4, 6)
    spawn = Table(
        e,
        "terrain_origins|tile_origins|patch_centers",
        T.VEC3,
        (8, columns),
        R.uniform(-10.0, 10.0),
        shared=True,
    )
    kind = e.field("terrain_type|tile_column|terrain_kind", T.I32, R.integers(0, columns)).own
    e.out("env_origins_out|new_origins|spawn_out", T.VEC3).store(spawn[new, kind])
    if p.chance(0.5):
        Table(e, "level_histogram|level_counts|mean_level", T.I32, (8,), role="out").add(1, new)
