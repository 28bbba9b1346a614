"""Terminations, commands and curricula, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rl_classic import environments
from generator.synthesis.categories._rl_walker import Walker
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


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
    causes = p.sample([_fell, _tipped, _touched, _hit_limit, _left, _spun, _invalid], 1, 4)
    reason = k.var("reason|cause|why", 0) if p.chance(0.35) else None
    early = reason is None and p.chance(0.3)
    out = e.out("reset_buf|terminated|dones", T.I32)
    # Where causes end the kernel at once, nothing but a time-out is left to be flagged.
    done = k.var("done|terminate|fail", 0)
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
    with (
        k.loop("j|d|dof", w.width(w.q, "num_dofs|num_joints|n_dof", w.dofs)) as j,
        k.when(wp.abs(w.q[e.index, j]) > bound),
    ):
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
    return any_of(wp.isnan(total), wp.isinf(total)) if p.chance(0.5) else negate(wp.isfinite(total))


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
