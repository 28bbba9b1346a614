"""Actions, resets, randomisation, manipulation tasks and policy optimisation, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rl_classic import environments, finish
from generator.synthesis.categories._tables import Rng, Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr, literal


def _tid2(k: KernelBuilder, rows: int, columns: int, inner: str) -> tuple[Expr, Expr]:
    k.launch_dim = (rows, columns)
    env, item = k.unpack(
        ["env|env_id|worldid|w", inner], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
    )
    return env, item


def actions(p: ProgramBuilder) -> None:
    """Policy outputs turned into joint targets or torques: scaling, clipping, delay, smoothing, PD."""
    k = p.kernel_builder(
        "process_actions|apply_actions|actions_to_targets|scale_actions|pre_physics_step|actions_to_torques",
        p.pick(
            "Policy actions to joint targets.",
            "Scale, smooth and clip the actions.",
            "Torques from policy actions.",
        ),
    )
    n, m = p.pick(24, 32, 48, 64), p.pick(6, 8, 12)
    env, j = _tid2(k, n, m, "j|dof|joint")
    shape = (n, m)
    raw = k.array("actions|policy_actions|raw_actions", T.F32, shape, R.uniform(-2.0, 2.0))
    if p.chance(0.3):
        paused = k.array("reset_buf|paused|inactive_env", T.I32, (n,), R.mask(0.2))
        with k.when(paused[env] != 0):
            k.ret()
    a = k.var("a|action|act", raw[env, j])
    bound = k.param("clip_actions|action_limit|a_max", 0.8, 1.5)
    if p.chance(0.7):
        k.set(a, wp.clamp(a, -bound, bound) if p.chance(0.7) else bound * wp.tanh(a))
    stages = p.sample([_smooth, _delay, _exploration], 0, 2)
    for stage in stages:
        stage(p, k, env, j, a, shape)
    default, scale = (
        k.array("default_pos|q_default|nominal", T.F32, (m,), R.uniform(-0.5, 0.5)),
        k.param("action_scale|scale", 0.1, 0.6),
    )
    target = k.let(
        "target|q_des|goal", default[j] + scale * a if p.chance(0.6) else _mapped(p, k, a, j, m)
    )
    form = p.pick("target", "torque", "both")
    if form != "torque":
        k.set(k.out("targets|joint_target|q_target", T.F32, shape)[env, j], target)
    if form != "target":
        q, qd = (
            k.array("joint_pos|dof_pos|q", T.F32, shape, R.uniform(-1.0, 1.0)),
            k.array("joint_vel|dof_vel|qd", T.F32, shape, R.uniform(-1.0, 1.0)),
        )
        gains = (
            (
                k.array("kp|p_gains|stiffness", T.F32, (m,), R.uniform(10.0, 60.0))[j],
                k.array("kd|d_gains|damping", T.F32, (m,), R.uniform(0.2, 2.0))[j],
            )
            if p.chance(0.5)
            else (k.param("kp|stiffness", 10.0, 80.0), k.param("kd|damping", 0.2, 2.0))
        )
        torque = k.var("tau|torque|u", gains[0] * (target - q[env, j]) - gains[1] * qd[env, j])
        if p.chance(0.5):
            strength = k.array("motor_strength|torque_scale", T.F32, shape, R.uniform(0.8, 1.2))
            k.aug(torque, "*", strength[env, j])
        limit = k.param("torque_limit|effort_limit|tau_max", 5.0, 40.0)
        k.set(torque, wp.clamp(torque, -limit, limit))
        k.set(k.out("torques|joint_tau|ctrl", T.F32, shape)[env, j], torque)


def _mapped(p: ProgramBuilder, k: KernelBuilder, a: Expr, j: Expr, m: int) -> Expr:
    low, high = (
        k.array("lower|q_lower|dof_lower", T.F32, (m,), R.uniform(-1.5, -0.5)),
        k.array("upper|q_upper|dof_upper", T.F32, (m,), R.uniform(0.5, 1.5)),
    )

    def body(b: Block, x: Expr, lo: Expr, hi: Expr) -> Expr:
        return 0.5 * (x + 1.0) * (hi - lo) + lo

    return piece(
        p,
        k,
        "unscale|map_range|denormalize",
        {"x|a": a, "lower|lo": low[j], "upper|hi": high[j]},
        body,
    )


def _smooth(
    p: ProgramBuilder, k: KernelBuilder, env: Expr, j: Expr, a: Expr, shape: tuple[int, int]
) -> None:
    before = k.array(
        "last_actions|prev_actions|filtered", T.F32, shape, R.uniform(-1.0, 1.0), "inout"
    )
    alpha = k.param("smoothing|ema|alpha", 0.2, 0.9)
    k.set(
        a,
        alpha * a + (1.0 - alpha) * before[env, j]
        if p.chance(0.6)
        else wp.lerp(before[env, j], a, alpha),
    )
    k.set(before[env, j], a)


def _delay(
    p: ProgramBuilder, k: KernelBuilder, env: Expr, j: Expr, a: Expr, shape: tuple[int, int]
) -> None:
    depth = p.pick(3, 4)
    history = k.array(
        "action_history|delay_buffer|action_queue",
        T.F32,
        (*shape, depth),
        R.uniform(-1.0, 1.0),
        "inout",
    )
    lag = k.array("delay_steps|latency|lag", T.I32, (shape[0],), R.integers(0, depth))
    with k.loop("h|s|slot", depth - 1) as h:
        k.set(history[env, j, depth - 1 - h], history[env, j, depth - 2 - h])
    k.set(history[env, j, 0], a)
    k.set(a, history[env, j, lag[env]])


def _exploration(
    p: ProgramBuilder, k: KernelBuilder, env: Expr, j: Expr, a: Expr, shape: tuple[int, int]
) -> None:
    rng = Rng(k, j, outer=env, width=shape[1])
    std = (
        k.array("action_std|sigma|log_std_exp", T.F32, (shape[1],), R.uniform(0.05, 0.4))[j]
        if p.chance(0.5)
        else k.param("noise_std|action_noise|sigma", 0.02, 0.3)
    )
    k.aug(a, "+", std * rng.normal())


# --- resets and randomisation ---------------------------------------------------------------------


def reset(p: ProgramBuilder) -> None:
    """Environments put back to randomised initial states, often through a list of ids."""
    k = p.kernel_builder(
        "reset_envs|reset_idx|reset_states|respawn|reset_done_envs|randomize_initial_state",
        p.pick(
            "Reset the finished environments.",
            "New initial states with noise.",
            "Put robots back at their spawn points.",
        ),
    )
    e = environments(k)
    if not p.on("active_list") or p.chance(0.5):
        done = e.inout("reset_buf|dones|reset_mask", T.I32, R.mask(0.6))
        with k.when(done.own == 0 if p.chance(0.6) else done.own != 1):
            k.ret()
        if p.chance(0.6):
            done.store(0)
    rng = entity_rng(e)
    m = p.pick(6, 8, 12)
    q, qd = (
        Table(e, "joint_pos|dof_pos|joint_q", T.F32, (e.n, m), R.uniform(-1.0, 1.0), "inout"),
        Table(e, "joint_vel|dof_vel|joint_qd", T.F32, (e.n, m), R.uniform(-1.0, 1.0), "inout"),
    )
    default = Table(
        e, "default_pos|default_joint_pos|q_init", T.F32, (m,), R.uniform(-0.5, 0.5), shared=True
    )
    spread = k.param("joint_noise|q_noise|init_noise", 0.02, 0.4)
    with k.loop("j|d|dof", m if p.chance(0.4) else default.extent()) as j:
        q.store(
            default[j] + rng.uniform(-spread, spread)
            if p.chance(0.6)
            else default[j] * rng.uniform(0.5, 1.5),
            e.index,
            j,
        )
        qd.store(literal(0.0, T.F32) if p.chance(0.5) else 0.1 * rng.normal(), e.index, j)
    for part in p.sample(
        [_reset_root, _reset_counters, _reset_history, _randomise_body, _reset_goal], 1, 4
    ):
        part(p, k, e, rng)
    rng.close()


def _reset_root(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng) -> None:
    origin = e.field("env_origins|spawn_pos|origins", T.VEC3, R.uniform(-5.0, 5.0)).own
    spread, height = (
        k.param("spawn_radius|xy_noise|spawn_range", 0.05, 0.5),
        k.param("spawn_height|init_height|z0", 0.3, 0.8),
    )
    x = k.let(
        "x|spawn|pos",
        origin
        + construct(T.VEC3, rng.uniform(-spread, spread), rng.uniform(-spread, spread), height),
    )
    yaw = k.let("yaw|heading|psi", rng.uniform(-3.14159265, 3.14159265))
    rotation = wp.quat_from_axis_angle(construct(T.VEC3, 0.0, 0.0, 1.0), yaw)
    if p.chance(0.5):
        e.out("root_pose|base_pose|root_xform", T.TRANSFORM).store(
            construct(T.TRANSFORM, x, rotation)
        )
    else:
        e.out("root_pos|base_pos", T.VEC3).store(x)
        e.out("root_rot|base_quat", T.QUAT).store(rotation)
    if p.chance(0.6):
        push = k.param("init_vel|velocity_noise|push", 0.05, 0.5)
        speed = construct(T.VEC3, rng.uniform(-push, push), rng.uniform(-push, push), 0.0)
        e.inout("root_vel|base_lin_vel|root_lin_vel", T.VEC3, R.uniform(-1.0, 1.0)).store(speed)


def _reset_counters(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng) -> None:
    length = e.inout("episode_length|progress|episode_step", T.I32, R.integers(1, 200))
    if p.chance(0.5):
        total = Table(e, "finished_lengths|length_sum|completed_steps", T.I32, (1,), role="out")
        total.add(length.own, 0)
        Table(e, "num_finished|episodes_done|episode_count", T.I32, (1,), role="out").add(1, 0)
    length.store(0)
    if p.chance(0.4):
        e.inout("episode_return|return_buf|episode_sums", T.F32, R.uniform(0.0, 30.0)).store(0.0)


def _reset_history(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng) -> None:
    depth, width = p.pick(3, 4, 5), p.pick(4, 6)
    history = Table(
        e,
        "obs_history|history|action_history",
        T.F32,
        (e.n, depth, width),
        R.uniform(-1.0, 1.0),
        "inout",
    )
    with k.loop("h|s|slot", depth) as h, k.loop("c|o|col", width) as c:
        history.store(0.0, e.index, h, c)


def _randomise_body(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng) -> None:
    low, high = k.param("friction_min|mu_lo", 0.2, 0.6), k.param("friction_max|mu_hi", 0.8, 1.4)
    e.out("friction|ground_friction|env_friction", T.F32).store(rng.uniform(low, high))
    if p.chance(0.6):
        e.out("added_mass|payload|mass_offset", T.F32).store(
            rng.uniform(-1.0, 1.0) * k.param("mass_range|payload_range", 0.2, 3.0)
        )
    if p.chance(0.4):
        e.out("motor_strength|gain_scale|kp_scale", T.F32).store(
            1.0 + k.param("gain_spread|strength_range", 0.05, 0.2) * rng.uniform(-1.0, 1.0)
        )


def _reset_goal(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng) -> None:
    radius = k.param("goal_radius|target_range|workspace", 0.2, 2.0)
    point = (
        wp.sample_unit_sphere(rng.state) * radius
        if p.chance(0.5)
        else construct(
            T.VEC3, rng.uniform(-1.0, 1.0), rng.uniform(-1.0, 1.0), rng.uniform(0.0, 1.0)
        )
        * radius
    )
    e.out("goals|goal_pos|targets", T.VEC3).store(point)


def randomize(p: ProgramBuilder) -> None:
    """Domain randomisation between and during episodes: masses, gains, frictions, pushes, latencies."""
    k = p.kernel_builder(
        "randomize_domain|domain_randomization|perturb_dynamics|push_robots|randomize_properties|apply_disturbance",
        p.pick(
            "Randomise physical properties of every world.",
            "Random pushes on the base.",
            "Domain randomisation around nominal values.",
        ),
    )
    e = environments(k)
    rng = entity_rng(e)
    if p.chance(0.45):
        every = k.count("push_interval|interval|period", p.pick(50, 100, 250))
        step = e.field("episode_length|progress|episode_step", T.I32, R.integers(0, 500)).own
        with k.when(
            step % every != 0
            if p.chance(0.3)
            else rng.uniform() > k.param("push_prob|p_push|event_prob", 0.2, 0.9)
        ):
            k.ret()
        top = k.param("max_push|push_vel|kick", 0.3, 2.0)
        velocity = e.inout("root_vel|base_vel|root_lin_vel", T.VEC3, R.uniform(-1.0, 1.0))
        kick = (
            construct(T.VEC3, rng.uniform(-top, top), rng.uniform(-top, top), 0.0)
            if p.chance(0.6)
            else wp.sample_unit_sphere_surface(rng.state) * top
        )
        velocity.store(velocity.own + kick)
        if p.chance(0.4):
            spin = e.inout("root_ang_vel|base_rate", T.VEC3, R.uniform(-1.0, 1.0))
            spin.store(
                spin.own
                + construct(T.VEC3, rng.normal(), rng.normal(), rng.normal())
                * k.param("spin_push|w_kick", 0.05, 0.5)
            )
    bodies = p.pick(4, 6, 9)
    for what in p.sample(["mass", "gains", "com", "gravity", "noise", "latency"], 1, 4):
        if what == "mass":
            nominal = Table(
                e, "nominal_mass|default_mass", T.F32, (bodies,), R.uniform(0.5, 3.0), shared=True
            )
            out, spread = (
                Table(e, "body_mass|masses_out", T.F32, (e.n, bodies), role="out"),
                k.param("mass_spread|mass_range", 0.05, 0.3),
            )
            with k.loop("b|body|link", bodies if p.chance(0.4) else nominal.extent()) as b:
                scale = (
                    wp.exp(spread * rng.normal())
                    if p.chance(0.4)
                    else 1.0 + spread * rng.uniform(-1.0, 1.0)
                )
                out.store(nominal[b] * scale, e.index, b)
        elif what == "gains":
            e.out("kp_out|stiffness_out", T.F32).store(
                k.param("nominal_kp|kp", 10.0, 80.0) * rng.uniform(0.8, 1.2)
            )
            e.out("kd_out|damping_out", T.F32).store(
                k.param("nominal_kd|kd", 0.3, 3.0) * rng.uniform(0.8, 1.2)
            )
        elif what == "com":
            shift = k.param("com_range|com_shift", 0.01, 0.1)
            e.out("com_offset|com_out", T.VEC3).store(wp.sample_unit_cube(rng.state) * shift)
        elif what == "gravity":
            e.out("gravity_out|env_gravity", T.VEC3).store(
                construct(
                    T.VEC3,
                    0.0,
                    0.0,
                    -9.81 + k.param("gravity_noise|g_spread", 0.05, 0.5) * rng.normal(),
                )
            )
        elif what == "noise":
            e.out("sensor_bias|imu_bias|obs_bias", T.VEC3).store(
                construct(T.VEC3, rng.normal(), rng.normal(), rng.normal())
                * k.param("bias_std|bias_scale", 0.005, 0.1)
            )
        else:
            e.out("latency|delay_steps|action_delay", T.I32).store(
                rng.integer(0, k.count("max_delay|max_latency", p.pick(2, 3, 5)))
            )
    rng.close()


# --- manipulation ---------------------------------------------------------------------------------


def manipulation(p: ProgramBuilder) -> None:
    """Reaching, lifting, opening and in-hand turning: staged rewards."""
    form = p.pick("reach", "lift", "drawer", "inhand", "lift")
    k = p.kernel_builder(
        f"{form}_reward|{form}_task_reward|compute_{form}_reward|manipulation_reward|{form}_step",
        p.pick(
            "Staged reward of a manipulation task.", f"Reward and success of the {form} task.", ""
        ),
    )
    e = environments(k, "task")
    e.guard()
    hand = e.field("ee_pos|hand_pos|gripper_pos", T.VEC3, R.uniform(-0.5, 0.8)).read("ee|hand|x_ee")
    target = e.field("object_pos|cube_pos|handle_pos", T.VEC3, R.uniform(-0.5, 0.8)).read(
        "obj|cube|x_obj"
    )
    near = k.let("dist|d_reach|reach_dist", wp.length(target - hand))
    scale = k.param("reach_scale|dist_scale|alpha", 2.0, 10.0)
    shaped = p.pick(
        lambda: 1.0 - wp.tanh(scale * near),
        lambda: 1.0 / (1.0 + scale * near * near),
        lambda: wp.exp(-scale * near),
    )()
    reward = k.var("r|reward_i|rew", k.let("r_reach|reach_term|reaching", shaped))
    success = {"reach": _reach, "lift": _lift, "drawer": _drawer, "inhand": _inhand}[form](
        p, k, e, hand, target, near, reward
    )
    if p.chance(0.6):
        m = p.pick(6, 7, 8)
        action = Table(e, "actions|action_buf", T.F32, (e.n, m), R.uniform(-1.0, 1.0))
        cost = k.var("act_cost|effort|action_sq", 0.0)
        with k.loop("j|a|d", action.extent(1) if p.chance(0.5) else m) as j:
            k.aug(cost, "+", action[e.index, j] * action[e.index, j])
        k.aug(reward, "-", k.param("action_penalty|ctrl_cost|w_act", 0.001, 0.05) * cost)
    e.out("success|success_buf|goal_reached", T.I32).store(choose(success, 1, 0))
    failed = target.z < k.quantity(
        "table_height|drop_height|floor", T.F32, p.pick(-0.3, -0.4, -0.2)
    )
    finish(p, k, e, reward, failed if p.chance(0.6) else any_of(failed, success))


def _reach(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    hand: Expr,
    target: Expr,
    near: Expr,
    reward: Expr,
) -> Expr:
    if p.chance(0.5):
        q, goal = (
            e.field("ee_rot|hand_quat", T.QUAT, R.rotations()).own,
            e.field("goal_rot|target_quat", T.QUAT, R.rotations()).own,
        )
        relative = k.let("dq|rot_err|q_rel", wp.quat_inverse(q) * goal)
        angle = k.let("angle|rot_dist|theta", 2.0 * wp.acos(wp.min(wp.abs(relative.w), 1.0)))
        k.aug(reward, "-", k.param("rot_weight|w_rot", 0.02, 0.3) * angle)
    success = k.let(
        "ok|is_success|reached", near < k.param("success_tolerance|tol|goal_tol", 0.1, 0.5)
    )
    with k.when(success):
        k.aug(reward, "+", k.param("bonus|success_bonus", 1.0, 10.0))
    return success


def _lift(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    hand: Expr,
    target: Expr,
    near: Expr,
    reward: Expr,
) -> Expr:
    gap = e.field("finger_gap|gripper_width|opening", T.F32, R.uniform(0.0, 0.08)).own
    grasped = k.let(
        "grasped|holding|has_object",
        all_of(
            near < k.param("grasp_dist|grasp_radius", 0.2, 0.6),
            gap < k.param("closed_width|grasp_width", 0.03, 0.07),
        ),
    )
    height = k.let(
        "lift|height|dz",
        target.z - k.quantity("table_z|rest_height|z_rest", T.F32, p.pick(0.0, 0.02, -0.1)),
    )
    with k.when(grasped):
        k.aug(reward, "+", k.param("grasp_bonus|w_grasp", 0.2, 1.0))
        if p.chance(0.6):
            k.aug(reward, "+", k.param("lift_scale|w_lift", 1.0, 10.0) * wp.max(height, 0.0))
    goal = e.field("goal_pos|lift_goal|place_pos", T.VEC3, R.uniform(-0.3, 0.8)).own
    lifted = k.let("lifted|in_air|raised", height > k.param("lift_threshold|min_lift", 0.05, 0.3))
    away = k.let("goal_dist|d_goal|place_dist", wp.length(goal - target))
    with k.when(lifted if p.chance(0.5) else all_of(lifted, grasped)):
        k.aug(reward, "+", k.param("goal_scale|w_goal", 1.0, 8.0) * (1.0 - wp.tanh(5.0 * away)))
    return k.let(
        "ok|is_success|placed", all_of(lifted, away < k.param("goal_tolerance|place_tol", 0.2, 0.7))
    )


def _drawer(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    hand: Expr,
    target: Expr,
    near: Expr,
    reward: Expr,
) -> Expr:
    opening = e.field("drawer_pos|joint_open|door_angle", T.F32, R.uniform(0.0, 0.4)).own
    axis = e.field("handle_rot|grasp_frame|handle_quat", T.QUAT, R.rotations()).own
    grip = e.field("ee_rot|hand_quat", T.QUAT, R.rotations()).own
    align = k.let(
        "align|dot_z|facing",
        wp.dot(
            wp.quat_rotate(axis, construct(T.VEC3, 0.0, 0.0, 1.0)),
            wp.quat_rotate(grip, construct(T.VEC3, 0.0, 0.0, 1.0)),
        ),
    )
    k.aug(reward, "+", 0.5 * wp.sign(align) * align * align if p.chance(0.5) else 0.5 * align)
    with k.when(near < k.param("grasp_dist|handle_radius", 0.2, 0.8)):
        k.aug(reward, "+", k.param("open_scale|w_open", 2.0, 8.0) * opening)
    return k.let("ok|is_success|opened", opening > k.param("open_goal|open_threshold", 0.1, 0.3))


def _inhand(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    hand: Expr,
    target: Expr,
    near: Expr,
    reward: Expr,
) -> Expr:
    q, goal = (
        e.field("object_rot|cube_quat", T.QUAT, R.rotations()).own,
        e.field("goal_rot|target_quat", T.QUAT, R.rotations()).own,
    )
    relative = k.let("dq|rot_err|q_rel", q * wp.quat_inverse(goal))
    sine = wp.length(construct(T.VEC3, relative.x, relative.y, relative.z))
    angle = k.let("angle|rot_dist|theta", 2.0 * wp.asin(wp.min(sine, 1.0)))
    k.aug(
        reward,
        "+",
        k.param("rot_scale|w_rot", 0.5, 2.0) / (wp.abs(angle) + k.param("rot_eps|eps", 0.1, 0.3)),
    )
    success = k.let("ok|is_success|aligned", angle < k.param("success_angle|rot_tol", 0.4, 1.5))
    streak = e.inout("success_streak|consecutive|hits", T.I32, R.integers(0, 5))
    if p.chance(0.5):
        streak.store(choose(success, streak.own + 1, 0))
    else:
        with k.when(success):
            streak.store(streak.own + 1)
            k.aug(reward, "+", k.param("bonus|reach_goal_bonus", 1.0, 10.0))
    return success


# --- learning -------------------------------------------------------------------------------------


def learning(p: ProgramBuilder) -> None:
    """Returns, advantages, losses and statistics of policy optimisation."""
    p.pick(_advantages, _advantages, _ppo_loss, _normalise, _td_targets, _choose_actions)(p)


def _advantages(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "compute_gae|generalized_advantage|compute_returns|discounted_returns|n_step_returns|vtrace_targets",
        p.pick(
            "Advantages by a backward recursion over time.",
            "Discounted returns of a rollout.",
            "Generalised advantage estimation.",
        ),
    )
    n, horizon = p.pick(32, 48, 64), p.pick(16, 24, 32)
    k.launch_dim = (n,)
    env = k.let("env|i|tid", wp.tid())
    steps_first = p.chance(0.6)
    shape = (horizon, n) if steps_first else (n, horizon)

    def at(t: Expr) -> tuple[Expr, Expr]:
        return (t, env) if steps_first else (env, t)

    rewards, dones = (
        k.array("rewards|rew_buf|r_t", T.F32, shape, R.uniform(-1.0, 1.0)),
        k.array(
            "dones|terminated|done_buf", p.pick(T.I32, T.F32, T.I32, T.U8), shape, R.mask(0.08)
        ),
    )
    gamma = k.param("gamma|discount", 0.9, 0.999)
    form = p.pick("gae", "gae", "returns", "vtrace")
    size = (
        rewards.dim(0 if steps_first else 1)
        if p.chance(0.5)
        else k.count("horizon|num_steps|rollout_length", horizon)
    )
    returns = k.out("returns|targets|value_targets", T.F32, shape)

    def alive(t: Expr) -> Expr:
        flag = dones[at(t)]
        if dones.type.dtype == T.F32:  # type: ignore[union-attr]
            return 1.0 - flag
        return (
            choose(flag == literal(0, dones.type.dtype), 1.0, 0.0)
            if p.chance(0.5)
            else 1.0 - cast(T.F32, flag)
        )  # type: ignore[union-attr]

    if form == "returns":
        last = k.array("last_values|bootstrap|v_last", T.F32, (n,), R.uniform(-1.0, 1.0))
        acc = k.var("ret|g|running", last[env])
        with k.loop("s|r|back", size) as s:
            t = k.let("t|step|idx_t", size - 1 - s)
            k.set(acc, rewards[at(t)] + gamma * alive(t) * acc)
            k.set(returns[at(t)], acc)
        return
    values = k.array("values|value_buf|v_t", T.F32, shape, R.uniform(-1.0, 1.0))
    last = k.array("last_values|bootstrap|v_last", T.F32, (n,), R.uniform(-1.0, 1.0))
    lam = k.param("lam|gae_lambda|tau_gae", 0.9, 0.99)
    advantages = k.out("advantages|adv_buf|adv", T.F32, shape)
    ratios = (
        k.array("importance|rho|is_ratio", T.F32, shape, R.uniform(0.3, 1.8))
        if form == "vtrace"
        else None
    )
    running, following = (
        k.var("running|last_gae|acc", 0.0),
        k.var("next_value|v_next|following", last[env]),
    )
    with k.loop("s|r|back", size) as s:
        t = k.let("t|step|idx_t", size - 1 - s)
        mask = k.let("mask|not_done|nonterminal", alive(t))
        delta = k.let(
            "delta|td|td_error", rewards[at(t)] + gamma * following * mask - values[at(t)]
        )
        if ratios is None:
            k.set(running, delta + gamma * lam * mask * running)
        else:
            clipped = k.let("rho_c|c_t|clipped", wp.min(ratios[at(t)], 1.0))
            k.set(running, clipped * delta + gamma * clipped * mask * running)
        k.set(advantages[at(t)], running)
        k.set(returns[at(t)], running + values[at(t)])
        k.set(following, values[at(t)])
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("adv_sum|adv_total", T.F32, (1,)), 0, running))


def _ppo_loss(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "ppo_loss|surrogate_loss|policy_gradient_loss|clipped_objective|actor_critic_loss",
        p.pick("Clipped surrogate objective per sample.", "Policy, value and entropy losses.", ""),
    )
    e = Entities(k, "sample", index="i|tid|s")
    m = p.pick(4, 6, 8)
    mean, action = (
        Table(e, h, T.F32, (e.n, m), R.uniform(-1.0, 1.0))
        for h in ("mu|action_mean|means", "actions|taken_actions")
    )
    std = Table(e, "log_std|log_sigma", T.F32, (m,), R.uniform(-1.0, 0.0), shared=True)
    log_prob, entropy = (
        k.var("log_prob|logp|lp", 0.0),
        k.var("entropy|ent|h", 0.0) if p.chance(0.6) else None,
    )
    with k.loop(
        "j|a|d", mean.extent(1) if p.chance(0.5) else k.count("num_actions|act_dim", m)
    ) as j:
        z = k.let("z|normalized|u", (action[e.index, j] - mean[e.index, j]) * wp.exp(-std[j]))
        k.aug(log_prob, "-", 0.5 * z * z + std[j] + 0.9189385)
        if entropy is not None:
            k.aug(entropy, "+", std[j] + 1.4189385)
    old, advantage = (
        e.field("old_log_prob|logp_old|old_logp", T.F32, R.uniform(-8.0, -4.0)).own,
        e.field("advantages|adv", T.F32, R.normal(0.0, 1.0)).own,
    )
    ratio = k.let("ratio|rho|r_t", wp.exp(wp.clamp(log_prob - old, -5.0, 5.0)))
    clip = k.param("clip_eps|clip_range|epsilon", 0.1, 0.3)
    surrogate = wp.min(ratio * advantage, wp.clamp(ratio, 1.0 - clip, 1.0 + clip) * advantage)
    loss = k.var("loss|l|objective", -surrogate)
    if p.chance(0.6):
        value, target = (
            e.field("values|v_pred", T.F32, R.uniform(-1.0, 1.0)).own,
            e.field("returns|value_targets", T.F32, R.uniform(-1.0, 1.0)).own,
        )
        error = k.let("v_err|td|dv", value - target)
        k.aug(loss, "+", k.param("value_coef|vf_coef|c1", 0.25, 1.0) * error * error)
    if entropy is not None:
        k.aug(loss, "-", k.param("entropy_coef|ent_coef|c2", 0.001, 0.02) * entropy)
    if p.chance(0.5):
        e.out("sample_loss|losses|loss_out", T.F32).store(loss)
    Table(e, "total_loss|loss_sum|mean_loss", T.F32, (1,), role="out").add(
        loss / cast(T.F32, e.count()), 0
    )
    if p.chance(0.5):
        with k.when(wp.abs(ratio - 1.0) > clip):
            Table(e, "num_clipped|clip_count", T.I32, (1,), role="out").add(1, 0)
    if p.chance(0.4):
        e.out("approx_kl|kl_out", T.F32).store(
            old - log_prob if p.chance(0.5) else ratio - 1.0 - (log_prob - old)
        )


def _normalise(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "normalize_obs|running_statistics|update_obs_stats|standardize|whiten_observations",
        p.pick(
            "Normalise by running mean and variance.",
            "Running statistics of every observation.",
            "",
        ),
    )
    n, m = p.pick(32, 48, 64), p.pick(6, 8, 12, 16)
    if p.chance(0.5):
        env, j = _tid2(k, n, m, "j|c|feature")
        obs, mean, var = (
            k.array("obs|observations", T.F32, (n, m), R.normal(0.5, 2.0)),
            k.array("running_mean|obs_mean|mean", T.F32, (m,), R.uniform(-1.0, 1.0)),
            k.array("running_var|obs_var|var", T.F32, (m,), R.uniform(0.5, 4.0)),
        )
        eps, clip = k.param("eps|epsilon", 1.0e-6, 1.0e-4), k.param("clip|obs_clip", 2.0, 10.0)
        z = k.let("z|scaled|norm_o", (obs[env, j] - mean[j]) / wp.sqrt(var[j] + eps))
        k.set(
            k.out("obs_out|normalized|obs_norm", T.F32, (n, m))[env, j],
            wp.clamp(z, -clip, clip) if p.chance(0.7) else z,
        )
        if p.chance(0.4):
            outside = k.out("num_clipped|saturated|clip_count", T.I32, (m,))
            with k.when(wp.abs(z) > clip):
                k.do(wp.atomic_add(outside, j, 1))
        return
    k.launch_dim = (m,)
    j = k.let("j|c|feature", wp.tid())
    obs = k.array("obs|observations|batch", T.F32, (n, m), R.normal(0.5, 2.0))
    mean, var = (
        k.array("running_mean|obs_mean|mean", T.F32, (m,), R.uniform(-1.0, 1.0), "inout"),
        k.array("running_var|obs_var|var", T.F32, (m,), R.uniform(0.5, 4.0), "inout"),
    )
    count = k.param("count|total_count|n_seen", 50.0, 5000.0)
    total, square = k.var("s1|total|acc", 0.0), k.var("s2|total_sq|acc_sq", 0.0)
    with k.loop(
        "i|env|row", obs.dim(0) if p.chance(0.5) else k.count("num_envs|batch_size", n)
    ) as i:
        x = k.let("x|o|value", obs[i, j])
        k.aug(total, "+", x)
        k.aug(square, "+", x * x)
    size = k.let("b|batch_n|n", cast(T.F32, obs.dim(0)))
    fresh = k.let("batch_mean|mu_b|m_b", total / size)
    spread = k.let("batch_var|var_b|v_b", wp.max(square / size - fresh * fresh, 0.0))
    if p.chance(0.4):
        rate = k.param("momentum|rate|ema", 0.01, 0.2)
        k.set(mean[j], mean[j] + rate * (fresh - mean[j]))
        k.set(var[j], var[j] + rate * (spread - var[j]))
        return
    delta, full = k.let("delta|shift|dm", fresh - mean[j]), k.let("n_total|full|tot", count + size)
    merged = var[j] * count + spread * size + delta * delta * count * size / full
    k.set(mean[j], mean[j] + delta * size / full)
    k.set(var[j], merged / full)


def _td_targets(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "q_learning_targets|td_targets|double_dqn_targets|sac_targets|distributional_td",
        p.pick(
            "Bootstrapped targets from the target network.",
            "Temporal-difference targets and priorities.",
            "",
        ),
    )
    e = Entities(k, "sample", index="i|tid|b")
    m = p.pick(3, 4, 6)
    reward, done = (
        e.field("rewards|r", T.F32, R.uniform(-1.0, 1.0)).own,
        e.field("dones|terminal", T.I32, R.mask(0.1)).own,
    )
    q_next = Table(e, "q_target_next|next_q|target_q", T.F32, (e.n, m), R.uniform(-2.0, 2.0))
    double, soft = p.chance(0.4), p.chance(0.3)
    online = (
        Table(e, "q_online_next|next_q_online", T.F32, (e.n, m), R.uniform(-2.0, 2.0))
        if double
        else q_next
    )
    best, at = k.var("best|q_max|top", online[e.index, 0]), k.var("a_star|best_a|arg", 0)
    total = k.var("sum_exp|mass|z", 0.0) if soft else None
    temperature = k.param("temperature|alpha|tau_soft", 0.1, 1.0) if soft else None
    with k.loop("a|act|j", m) if soft else k.loop("a|act|j", 1, m) as a:
        if total is not None:
            k.aug(total, "+", wp.exp(q_next[e.index, a] / temperature))
        with k.when(online[e.index, a] > best):
            k.set(best, online[e.index, a])
            k.set(at, a)
    value = temperature * wp.log(total) if total is not None else q_next[e.index, at]
    gamma = k.param("gamma|discount", 0.9, 0.999)
    target = k.var("target|y|td_target", reward)
    with k.when(done == 0):
        k.aug(target, "+", gamma * value)
    e.out("targets|y_out|td_targets_out", T.F32).store(target)
    if p.chance(0.6):
        taken = e.field("actions|taken", T.I32, R.integers(0, m)).own
        current = Table(e, "q_values|q_online", T.F32, (e.n, m), R.uniform(-2.0, 2.0))
        error = k.let("err|delta|td", target - current[e.index, taken])
        e.out("priorities|td_errors|new_priority", T.F32).store(
            wp.pow(wp.abs(error) + 0.001, k.param("priority_exp|alpha_per", 0.4, 0.8))
            if p.chance(0.5)
            else wp.abs(error)
        )
        if p.chance(0.5):
            huber = choose(wp.abs(error) < 1.0, 0.5 * error * error, wp.abs(error) - 0.5)
            Table(e, "loss|loss_sum", T.F32, (1,), role="out").add(huber, 0)
    if p.chance(0.5):
        e.out("greedy_actions|a_star_out", T.I32).store(at)


def _choose_actions(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "sample_actions|epsilon_greedy|categorical_sample|select_actions|gumbel_actions",
        p.pick("Sample discrete actions from logits.", "Epsilon-greedy action selection.", ""),
    )
    e = environments(k)
    rng = entity_rng(e)
    m = p.pick(3, 4, 6, 8)
    logits = Table(e, "logits|q_values|scores", T.F32, (e.n, m), R.uniform(-2.0, 2.0))
    legal = (
        Table(e, "action_mask|legal|valid_actions", T.I32, (e.n, m), R.mask(0.85))
        if p.chance(0.4)
        else None
    )
    size = logits.extent(1) if p.chance(0.5) else k.count("num_actions|n_actions", m)
    form = p.pick("greedy", "softmax", "gumbel")
    best, at = k.var("best|top|peak", -1.0e9), k.var("action|choice|a_sel", 0)
    with k.loop("a|act|j", size) as a:
        if legal is not None:
            with k.when(legal[e.index, a] == 0):
                k.cont()
        score = logits[e.index, a]
        if form == "gumbel":
            score = k.let(
                "score|perturbed|g", score - wp.log(-wp.log(rng.uniform(1.0e-6, 0.999999)))
            )
        with k.when(score > best):
            k.set(best, score)
            k.set(at, a)
    if form == "greedy":
        with k.when(rng.uniform() < k.param("epsilon|explore_p|eps", 0.02, 0.4)):
            k.set(at, rng.integer(0, size))
    elif form == "softmax":
        total = k.var("total|z|norm", 0.0)
        with k.loop("a|act|j", size) as a:
            k.aug(total, "+", wp.exp(logits[e.index, a] - best))
        threshold, acc = (
            k.let("u|draw|cut", rng.uniform() * total),
            k.var("acc|cumulative|run", 0.0),
        )
        with k.loop("a|act|j", size) as a:
            k.aug(acc, "+", wp.exp(logits[e.index, a] - best))
            with k.when(acc >= threshold):
                k.set(at, a)
                k.brk()
        e.out("log_probs|logp_out", T.F32).store(logits[e.index, at] - best - wp.log(total))
    e.out("actions|actions_out|chosen", T.I32).store(at)
    rng.close()
