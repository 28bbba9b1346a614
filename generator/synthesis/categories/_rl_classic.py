"""Classic control tasks stepped in bulk, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def environments(k: KernelBuilder, singular: str = "env") -> Entities:
    """One thread an environment."""
    return Entities(k, singular, index="env|env_id|i|tid|worldid")


def finish(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, reward: Expr, failed: Expr, reset=None
) -> None:  # type: ignore[no-untyped-def]
    """Reward, termination and time limit, in one of the usual layouts; `reset` writes the state of a new episode."""
    e.out("reward|rewards|rew_buf", T.F32).store(reward)
    steps = (
        e.inout("progress|episode_length|step_count", T.I32, R.integers(0, 200))
        if p.chance(0.75)
        else None
    )
    done = k.let("done|terminal|is_done", failed)
    if steps is None:
        e.out("done_out|terminated|dones", T.I32).store(
            choose(done, 1, 0) if p.chance(0.5) else wp.where(done, 1, 0)
        )
        if reset is not None:
            with k.when(done):
                reset()
        return
    limit = k.count("max_steps|max_episode_length|horizon", p.pick(100, 150, 200))
    now = k.let("t|steps_now|count_now", steps.own + 1)
    timeout = k.let("timeout|truncated_now|expired", now >= limit)
    if p.chance(0.5):
        e.out("terminated|fail_buf|done_out", T.I32).store(choose(done, 1, 0))
        e.out("truncated|time_outs|timeout_buf", T.I32).store(choose(timeout, 1, 0))
    else:
        e.out("reset_buf|dones|reset_flags", T.I32).store(choose(any_of(done, timeout), 1, 0))
    if reset is not None:
        with k.when(any_of(done, timeout)):
            reset()
            steps.store(0)
        with k.otherwise():
            steps.store(now)
    else:
        steps.store(now)
    if p.chance(0.3):
        returns = e.inout("episode_return|return_buf|cumulative", T.F32, R.uniform(0.0, 50.0))
        returns.store(
            choose(any_of(done, timeout), 0.0, returns.own + reward)
            if p.chance(0.5)
            else returns.own + reward
        )


def _width(e: Entities, hint: str, n: int, role: str = "in") -> Table:
    return Table(
        e, hint, T.F32, (e.n, n), R.uniform(-1.0, 1.0) if role == "in" else R.zeros(), role
    )


def cartpole(p: ProgramBuilder) -> None:
    """Cart-pole: dynamics, observation, reward and reset."""
    k = p.kernel_builder(
        "cartpole_step|step_cartpole|cartpole_dynamics|cartpole_env_step|simulate_cartpole",
        p.pick(
            "One control step of every cart-pole.",
            "Cart-pole dynamics, reward and termination.",
            "",
        ),
    )
    e = environments(k, "cart")
    vector = p.chance(0.5)
    if vector:
        state = e.inout("state|states|cart_state", T.VEC4, R.uniform(-0.2, 0.2))
        s = k.let("s|state_i|y", state.own)
        parts = [s.x, s.y, s.z, s.w]
    else:
        table = Table(
            e, "state|obs_state|dof_state", T.F32, (e.n, 4), R.uniform(-0.2, 0.2), "inout"
        )
        parts = [table[e.index, i] for i in range(4)]
    e.guard()
    x, v = k.var("x|cart_x|pos", parts[0]), k.var("x_dot|cart_v|v", parts[1])
    a, w = k.var("theta|pole_angle|angle", parts[2]), k.var("theta_dot|pole_rate|w", parts[3])
    force = _cart_force(p, k, e)
    gravity, length = (
        k.param("gravity|g", 9.0, 10.0),
        e.property("pole_length|half_length|l", 0.3, 1.0),
    )
    mass, cart = (
        e.property("pole_mass|mass_pole|m_p", 0.05, 0.3),
        e.property("cart_mass|mass_cart|m_c", 0.5, 2.0),
    )
    dt = k.param("dt|tau_step|timestep", 0.005, 0.03)

    def substep() -> None:
        c, s_ = k.let("c|cos_t|cos_theta", wp.cos(a)), k.let("sn|sin_t|sin_theta", wp.sin(a))
        total = k.let("m_total|total_mass|mt", mass + cart)
        temp = k.let("temp|push|tmp", (force + mass * length * w * w * s_) / total)
        alpha = k.let(
            "alpha|theta_acc|ang_acc",
            (gravity * s_ - c * temp) / (length * (4.0 / 3.0 - mass * c * c / total)),
        )
        acc = k.let("acc|x_acc|cart_acc", temp - mass * length * alpha * c / total)
        if p.chance(0.5):
            for pair in ((x, v), (v, acc), (a, w), (w, alpha)):
                k.aug(pair[0], "+", dt * pair[1])
        else:
            for pair in ((v, acc), (x, v), (w, alpha), (a, w)):
                k.aug(pair[0], "+", dt * pair[1])

    if p.chance(0.3):
        with k.loop("sub|it|k_sub", k.count("substeps|decimation|frame_skip", p.pick(2, 4))):
            substep()
    else:
        substep()
    bound, tilt = (
        k.param("x_limit|x_threshold|track_limit", 1.5, 3.0),
        k.param("angle_limit|theta_threshold|max_tilt", 0.15, 0.6),
    )
    failed = any_of(wp.abs(x) > bound, wp.abs(a) > tilt)
    reward = p.pick(
        lambda: literal(1.0, T.F32),
        lambda: 1.0 - a * a - 0.01 * wp.abs(v) - 0.005 * wp.abs(w),
        lambda: wp.cos(a) - 0.01 * x * x,
    )()
    if p.chance(0.5):
        reward = choose(failed, p.pick(0.0, -1.0, -2.0), reward)
    reward = k.let("r|reward_i|rew", reward)
    _write_state(k, parts, (x, v, a, w), state if vector else None)
    if p.chance(0.5):
        _cart_observation(p, k, e, (x, v, a, w))
    finish(
        p,
        k,
        e,
        reward,
        failed,
        _cart_reset(p, k, e, state if vector else None, parts) if p.chance(0.4) else None,
    )


def _cart_force(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Expr:
    top = k.param("force_mag|max_force|max_push", 5.0, 15.0)
    if p.chance(0.5):
        action = e.field("actions|action", T.I32, R.integers(0, 2)).own
        return k.let("force|f|push_f", choose(action == 1, top, -top))
    action = e.field("actions|action|ctrl", T.F32, R.uniform(-1.2, 1.2)).own
    return k.let("force|f|push_f", wp.clamp(action, -1.0, 1.0) * top)


def _write_state(k: KernelBuilder, parts: list[Expr], values: tuple[Expr, ...], state) -> None:  # type: ignore[no-untyped-def]
    if state is not None:
        state.store(construct(T.VEC4, *values))
        return
    for target, value in zip(parts, values, strict=True):
        k.set(target, value)


def _cart_observation(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, values: tuple[Expr, ...]
) -> None:
    x, v, a, w = values
    entries = [x, v, wp.sin(a), wp.cos(a), w] if p.chance(0.5) else [x, v, a, w]
    obs = _width(e, "obs|observations|obs_buf", len(entries), "out")
    for number, value in enumerate(entries):
        obs.store(value, e.index, number)


def _cart_reset(p: ProgramBuilder, k: KernelBuilder, e: Entities, state, parts: list[Expr]):  # type: ignore[no-untyped-def]
    rng = entity_rng(e)

    def reset() -> None:
        spread = p.pick(0.05, 0.1, 0.2)
        draws = [rng.uniform(-spread, spread) for _ in range(4)]
        _write_state(k, parts, tuple(draws), state)
        rng.close()

    return reset


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


def quadrotor(p: ProgramBuilder) -> None:
    """Quadrotor dynamics and hover tasks."""
    k = p.kernel_builder(
        "quadrotor_step|drone_dynamics|step_quadrotors|hover_env_step|multirotor_update",
        p.pick(
            "Rigid-body quadrotor, one control step.",
            "Quadrotor dynamics and hover reward.",
            "Rotor thrusts to motion of every drone.",
        ),
    )
    e = environments(k, "drone")
    x_io, v_io = (
        e.inout("positions|pos|root_pos", T.VEC3, R.uniform(-1.0, 2.0)),
        e.inout("velocities|lin_vel|root_vel", T.VEC3, R.uniform(-0.5, 0.5)),
    )
    q_io, w_io = (
        e.inout("rotations|quat|root_rot", T.QUAT, R.rotations()),
        e.inout("rates|ang_vel|omega", T.VEC3, R.uniform(-0.5, 0.5)),
    )
    action = e.field("actions|motor_cmd|thrust_cmd", T.VEC4, R.uniform(0.0, 1.0)).read(
        "u|cmd|action"
    )
    e.guard()
    q, v, w = (
        k.let("q|rot|att", q_io.own),
        k.let("v|vel|lin", v_io.own),
        k.let("w|rate|body_rate", w_io.own),
    )
    mass, arm = e.property("mass|m", 0.3, 1.5), k.param("arm_length|arm|l", 0.05, 0.25)
    thrust_k, torque_k, dt = (
        k.param("thrust_coef|k_f|max_thrust", 1.0, 6.0),
        k.param("torque_coef|k_m|drag_torque", 0.01, 0.1),
        k.param("dt|timestep", 0.002, 0.02),
    )
    thrusts = action
    if p.chance(0.4):
        motor = e.inout("motor_state|rotor_speeds|rpm", T.VEC4, R.uniform(0.0, 1.0))
        lag = k.param("motor_lag|spin_up|tau_motor", 0.05, 0.5)
        thrusts = k.let("m|motor_now|rotor", motor.own + (action - motor.own) * lag)
        motor.store(thrusts)
    total = k.let(
        "total_thrust|f_total|lift", thrust_k * (thrusts.x + thrusts.y + thrusts.z + thrusts.w)
    )
    layout = p.pick("plus", "cross")
    roll = (
        thrusts.y - thrusts.w
        if layout == "plus"
        else 0.7071 * (thrusts.x + thrusts.w - thrusts.y - thrusts.z)
    )
    pitch = (
        thrusts.z - thrusts.x
        if layout == "plus"
        else 0.7071 * (thrusts.z + thrusts.w - thrusts.x - thrusts.y)
    )
    torque = k.let(
        "tau|torque|moment",
        construct(
            T.VEC3,
            arm * thrust_k * roll,
            arm * thrust_k * pitch,
            torque_k * (thrusts.x - thrusts.y + thrusts.z - thrusts.w),
        ),
    )
    gravity = k.quantity("gravity|g", T.VEC3, [0.0, 0.0, -9.81])
    acceleration = wp.quat_rotate(q, construct(T.VEC3, 0.0, 0.0, total / mass)) + gravity
    if p.chance(0.5):
        acceleration = acceleration - v * k.param("linear_drag|drag", 0.05, 0.5)
    acc = k.let("acc|a|lin_acc", acceleration)
    inertia = k.quantity("inertia|inertia_diag|J", T.VEC3, [0.01, 0.01, 0.02])
    alpha = k.let(
        "alpha|w_dot|ang_acc", wp.cw_div(torque - wp.cross(w, wp.cw_mul(inertia, w)), inertia)
    )
    v_new, w_new = (
        k.let("v_new|vel1|lin1", v + acc * dt),
        k.let("w_new|rate1|omega1", w + alpha * dt),
    )
    x_new = k.let("x_new|pos1|p1", x_io.own + v_new * dt)
    q_new = k.let(
        "q_new|rot1|att1", wp.normalize(q + q * construct(T.QUAT, w_new, 0.0) * (0.5 * dt))
    )
    for field, value in ((x_io, x_new), (v_io, v_new), (q_io, q_new), (w_io, w_new)):
        field.store(value)
    k.step(p.pick("reward and termination", "task", ""))
    _hover(p, k, e, x_new, v_new, q_new, w_new, action)


def _hover(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    x: Expr,
    v: Expr,
    q: Expr,
    w: Expr,
    action: Expr,
) -> None:
    target = (
        e.field("targets|goal_pos|waypoint", T.VEC3, R.uniform(-1.0, 2.0)).own
        if p.chance(0.6)
        else k.quantity("goal|target_pos", T.VEC3, [0.0, 0.0, 1.0])
    )
    dist = k.let("dist|err|target_dist", wp.length(target - x))
    up = k.let("up|z_body|tilt", wp.quat_rotate(q, construct(T.VEC3, 0.0, 0.0, 1.0)))
    near = (
        1.0 / (1.0 + dist * dist)
        if p.chance(0.5)
        else wp.exp(-k.param("dist_scale|sharpness", 0.5, 3.0) * dist)
    )
    near = k.let("pos_reward|r_pos|closeness", near)
    reward = k.var("r|reward_i|rew", near)
    for term in p.sample(["upright", "spin", "effort", "speed"], 1, 3):
        if term == "upright":
            k.aug(reward, "+", near * wp.max(up.z, 0.0) if p.chance(0.5) else 0.5 * up.z)
        elif term == "spin":
            k.aug(reward, "+", near / (1.0 + w.z * w.z) if p.chance(0.5) else -0.05 * wp.length(w))
        elif term == "effort":
            k.aug(
                reward, "-", k.param("effort_cost|ctrl_cost", 0.001, 0.1) * wp.dot(action, action)
            )
        else:
            k.aug(reward, "-", k.param("speed_cost|vel_weight", 0.01, 0.2) * wp.length(v))
    failed = any_of(
        dist > k.param("max_dist|out_of_range|bounds", 2.0, 6.0),
        x.z < k.param("min_height|floor_z", 0.05, 0.3),
    )
    if p.chance(0.4):
        failed = any_of(failed, up.z < -0.2)
    finish(p, k, e, reward, failed)


def grid_world(p: ProgramBuilder) -> None:
    """Agents on grids: mazes, taxis, foraging, cliffs."""
    k = p.kernel_builder(
        "gridworld_step|maze_step|step_grid_agents|forage_step|cliff_walk",
        p.pick(
            "Move agents on a grid.",
            "Maze step with walls, goal and traps.",
            "One move of every agent.",
        ),
    )
    e = environments(k, "agent")
    size = p.pick(8, 10, 12, 16)
    cells = (
        k.array("grid|walls|maze|tiles", p.pick(T.I32, T.U8), (size, size), R.mask(0.2), "in")
        if p.chance(0.5)
        else None
    )
    layout = (
        cells
        if cells is not None
        else Table(e, "maps|grids|levels", T.I32, (size, size), R.mask(0.2), shared=True).array
    )
    position = e.inout("positions|agent_pos|cell", T.Vec(2, T.I32), R.integers(1, size - 1))
    e.guard()
    action = e.field("actions|action|move", T.I32, R.integers(0, 5)).read("a|act|move_i")
    here = k.let("here|cell_i|rc", position.own)
    row, col = k.var("row|r|y", here[0]), k.var("col|c|x", here[1])
    if p.chance(0.35):
        rng = entity_rng(e)
        slip = k.param("slip|slip_prob|noise_p", 0.05, 0.3)
        chosen = k.var("moved|a_eff|real_action", action)
        with k.when(rng.uniform() < slip):
            k.set(chosen, rng.integer(0, 4))
        rng.close()
        action = chosen
    for number, (target, op) in enumerate(((row, "-"), (row, "+"), (col, "-"), (col, "+"))):
        with k.when(action == number) if number == 0 else k.elsewhen(action == number):
            k.aug(target, op, 1)
    extent = k.count("grid_size|size|width", size) if p.chance(0.5) else layout.dim(0)
    bumped = k.var("bumped|blocked|hit", 0)
    outside = any_of(row < 0, row >= extent, col < 0, col >= extent)
    with k.when(outside):
        k.set(bumped, literal(1, T.I32))
    with k.elsewhen(layout[row, col] == literal(1, layout.type.dtype)):  # type: ignore[union-attr]
        k.set(bumped, literal(1, T.I32))
    with k.when(bumped == 1):
        k.set(row, here[0])
        k.set(col, here[1])
    position.store(construct(T.Vec(2, T.I32), row, col))
    goal = e.field("goals|goal_cell|targets", T.Vec(2, T.I32), R.integers(1, size - 1)).read(
        "goal|g|target_rc"
    )
    reached = k.let("reached|at_goal|success", all_of(row == goal[0], col == goal[1]))
    reward = k.var(
        "r|reward_i|rew",
        k.quantity("step_cost|living_cost|time_penalty", T.F32, p.pick(-0.01, -0.05, -0.1)),
    )
    with k.when(reached):
        k.aug(reward, "+", k.param("goal_reward|bonus", 1.0, 10.0))
    with k.elsewhen(bumped == 1):
        k.aug(reward, "-", k.param("bump_penalty|wall_cost", 0.05, 0.5))
    if p.chance(0.4):
        before = k.let("d0|dist_before", wp.abs(here[0] - goal[0]) + wp.abs(here[1] - goal[1]))
        after = k.let("d1|dist_after", wp.abs(row - goal[0]) + wp.abs(col - goal[1]))
        k.aug(
            reward, "+", k.param("shaping|progress_weight", 0.01, 0.2) * cast(T.F32, before - after)
        )
    if p.chance(0.4):
        Table(e, "visit_counts|heatmap|visits", T.I32, (size, size), role="out").add(1, row, col)
    finish(p, k, e, reward, reached)
