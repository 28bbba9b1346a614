"""Shaped locomotion rewards, for the reinforcement-learning category."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rl_classic import environments
from generator.synthesis.categories._rl_walker import Walker
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


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
        floor = k.quantity("reward_floor|min_reward|reward_clip", T.F32, p.pick(-1.0, -2.0, -5.0))
        k.set(total, wp.max(total, floor))
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
    "_track_linear": "track the commanded velocity",
    "_track_angular": "track the commanded yaw rate",
    "_forward": "forward progress",
    "_alive": "stay up",
    "_vertical": "no bouncing",
    "_roll_pitch": "quiet base",
    "_orientation": "flat base",
    "_height": "base height",
    "_torques": "torques",
    "_power": "energy",
    "_action_rate": "smooth actions",
    "_posture": "stay near the default pose",
    "_limits": "joint limits",
    "_air_time": "reward long swings at touchdown",
    "_slip": "no foot slip",
}
