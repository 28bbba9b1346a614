"""Pendulums, acrobots and mountain cars, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rl_classic import environments, finish
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, literal


def pendulum(p: ProgramBuilder) -> None:
    """Pendulum swing-up, acrobots and mountain cars."""
    p.pick(_swing_up, _acrobot, _mountain_car)(p)


def _swing_up(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "pendulum_step|swing_up_step|step_pendulum|pendulum_env",
        p.pick("Torque-limited pendulum, one step.", "Swing-up dynamics and cost.", ""),
    )
    e = environments(k, "pendulum")
    angle, rate = (
        e.inout("theta|angles|q", T.F32, R.uniform(-3.14, 3.14)),
        e.inout("theta_dot|rates|qd", T.F32, R.uniform(-1.0, 1.0)),
    )
    e.guard()
    top, gravity = (
        k.param("max_torque|u_max|torque_limit", 1.0, 4.0),
        k.param("gravity|g", 9.0, 10.0),
    )
    mass, length, dt = (
        e.property("mass|m", 0.5, 2.0),
        e.property("length|l", 0.5, 1.5),
        k.param("dt|timestep", 0.01, 0.06),
    )
    u = k.let(
        "u|torque|tau",
        wp.clamp(e.field("actions|action|ctrl", T.F32, R.uniform(-3.0, 3.0)).own, -top, top),
    )
    th, w = k.let("th|angle|q_i", angle.own), k.let("w|rate|qd_i", rate.own)

    def wrap(b: Block, x: Expr) -> Expr:
        if p.chance(0.5):
            return wp.atan2(wp.sin(x), wp.cos(x))
        turns = b.let("turns|n_turn", wp.floor((x + 3.14159265) / 6.28318531))
        return x - 6.28318531 * turns

    wrapped = k.let(
        "err|wrapped|th_norm",
        piece(p, k, "wrap_angle|normalize_angle|angle_normalize", {"x|angle": th}, wrap),
    )
    cost = k.let("cost|c|loss", wrapped * wrapped + 0.1 * w * w + 0.001 * u * u)
    accel = k.let(
        "acc|alpha|w_dot", 1.5 * gravity / length * wp.sin(th) + 3.0 / (mass * length * length) * u
    )
    damping = e.property("damping|friction", 0.001, 0.1) if p.chance(0.4) else None
    w_new = k.var(
        "w_new|rate_new|qd1", w + (accel if damping is None else accel - damping * w) * dt
    )
    if p.chance(0.6):
        limit = k.param("max_speed|rate_limit|w_max", 6.0, 10.0)
        k.set(w_new, wp.clamp(w_new, -limit, limit))
    th_new = k.let("th_new|angle_new|q1", th + w_new * dt)
    angle.store(th_new)
    rate.store(w_new)
    if p.chance(0.6):
        e.out("obs|observations", T.VEC3).store(
            construct(T.VEC3, wp.cos(th_new), wp.sin(th_new), w_new)
        )
    finish(
        p,
        k,
        e,
        -cost,
        all_of(wp.abs(wrapped) < 0.1, wp.abs(w_new) < 0.5)
        if p.chance(0.4)
        else wp.abs(w_new) > 20.0,
    )


def _acrobot(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "acrobot_step|double_pendulum_step|step_acrobot|acrobot_rk4",
        p.pick("Two-link swing-up driven at the elbow.", "Acrobot dynamics.", ""),
    )
    e = environments(k, "acrobot")
    state = e.inout("states|state|acro_state", T.VEC4, R.uniform(-0.4, 0.4))
    e.guard()
    torque = k.let(
        "tau|u|torque", cast(T.F32, e.field("actions|action", T.I32, R.integers(0, 3)).own - 1)
    )
    dt, gravity = k.param("dt|timestep", 0.01, 0.1), k.param("gravity|g", 9.0, 10.0)
    textbook = p.chance(0.5)

    def body(b: Block, s: Expr, u: Expr, g: Expr) -> None:
        c2, s2 = b.let("c2|cos2", wp.cos(s.y)), b.let("s2|sin2", wp.sin(s.y))
        d1, d2 = b.let("d1|m11", 1.25 + 0.5 + c2 + 0.5), b.let("d2|m12", 0.25 + 0.5 * c2 + 0.5)
        phi2 = b.let("phi2|grav2", 0.5 * g * wp.cos(s.x + s.y - 1.5707963))
        phi1 = b.let(
            "phi1|grav1",
            -0.5 * s.w * s.w * s2 - s.w * s.z * s2 + 1.5 * g * wp.cos(s.x - 1.5707963) + phi2,
        )
        if textbook:
            a2 = b.let(
                "a2|acc2",
                (u + d2 / d1 * phi1 - 0.5 * s.z * s.z * s2 - phi2) / (1.25 - d2 * d2 / d1),
            )
        else:
            a2 = b.let("a2|acc2", (u + d2 / d1 * phi1 - phi2) / (1.25 - d2 * d2 / d1))
        a1 = b.let("a1|acc1", -(d2 * a2 + phi1) / d1)
        b.ret(construct(T.VEC4, s.z, s.w, a1, a2))

    f = p.func(
        "acrobot_derivative|state_derivative|dynamics",
        {"s|x": T.VEC4, "u|tau": T.F32, "g|gravity": T.F32},
        body,
    )
    s = k.let("s|x0|state_i", state.own)
    if p.chance(0.5):
        k1 = k.let("k1|ds1", f(s, torque, gravity))
        k2 = k.let("k2|ds2", f(s + k1 * (0.5 * dt), torque, gravity))
        k3 = k.let("k3|ds3", f(s + k2 * (0.5 * dt), torque, gravity))
        k4 = k.let("k4|ds4", f(s + k3 * dt, torque, gravity))
        new = k.let("s_new|x1|next_s", s + (k1 + 2.0 * k2 + 2.0 * k3 + k4) * (dt / 6.0))
    else:
        new = k.let("s_new|x1|next_s", s + f(s, torque, gravity) * dt)
    state.store(new)
    height = k.let("height|tip|tip_height", -wp.cos(new.x) - wp.cos(new.x + new.y))
    finish(
        p,
        k,
        e,
        literal(-1.0, T.F32) if p.chance(0.5) else height,
        height > k.param("goal_height|target_height", 0.5, 1.5),
    )


def _mountain_car(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "mountain_car_step|hill_car_step|step_mountain_car|car_env",
        p.pick("Under-powered car in a valley.", "Mountain-car dynamics.", ""),
    )
    e = environments(k, "car")
    state = e.inout("states|state|car_state", T.VEC2, R.uniform(-0.6, -0.01))
    e.guard()
    continuous = p.chance(0.5)
    action = (
        e.field("actions|action", T.F32, R.uniform(-1.0, 1.0)).own
        if continuous
        else cast(T.F32, e.field("actions|action", T.I32, R.integers(0, 3)).own - 1)
    )
    push, pull = (
        k.param("power|force_gain|thrust", 0.001, 0.002),
        k.param("gravity_gain|hill|slope_gain", 0.002, 0.003),
    )
    s = k.let("s|state_i|xv", state.own)
    velocity = k.var("v|vel|speed", s.y + action * push - wp.cos(3.0 * s.x) * pull)
    top = k.param("max_speed|v_max", 0.05, 0.09)
    k.set(velocity, wp.clamp(velocity, -top, top))
    x = k.var("x|pos|position", s.x + velocity)
    left = k.quantity("x_min|min_position", T.F32, -1.2)
    with k.when(all_of(x < left, velocity < 0.0) if p.chance(0.5) else x < left):
        k.set(x, left)
        k.set(velocity, literal(0.0, T.F32))
    state.store(construct(T.VEC2, x, velocity))
    goal = k.param("goal_position|x_goal", 0.3, 0.6)
    reached = x >= goal
    reward = (
        choose(reached, 100.0, 0.0) - 0.1 * action * action
        if continuous
        else choose(reached, 0.0, -1.0)
    )
    finish(p, k, e, k.let("r|reward_i|rew", reward), reached)
