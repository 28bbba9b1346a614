"""Drones and grid worlds, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rl_classic import environments, finish
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


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
