"""Resets and randomisation, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rl_classic import environments
from generator.synthesis.categories._tables import Rng, Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import literal


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
