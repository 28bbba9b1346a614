"""What is done with a solve's results, for the constraint category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def apply(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "apply_corrections|apply_deltas|update_bodies|integrate_corrections|apply_solver_results|commit_velocities",
        p.pick(
            "Apply averaged corrections to the bodies.",
            "Velocities and poses after the solve.",
            "Add the solver's result to every body.",
        ),
    )
    e = Entities(k, "body", index="b|bodyid|i|tid")
    pose = e.inout("body_q|poses|xform", T.TRANSFORM, R.rigid(-1.0, 1.0))
    e.guard()
    inv_mass = e.field("inv_mass|body_inv_mass|inverse_mass", T.F32, R.mask(0.8)).own
    with k.when(inv_mass == 0.0):
        k.ret()
    dx, dr = (
        e.field("delta_pos|dx|lin_correction", T.VEC3, R.uniform(-0.05, 0.05)).read(
            "dx|d_pos|shift"
        ),
        e.field("delta_rot|dr|ang_correction", T.VEC3, R.uniform(-0.05, 0.05)).read(
            "dr|d_rot|turn"
        ),
    )
    scale = k.var("scale|weight|avg", k.param("relaxation|omega|step_scale", 0.3, 1.0))
    if p.chance(0.5):
        count = e.field("correction_count|touches|n_corr", T.I32, R.integers(0, 6)).read(
            "n_c|hits|m"
        )
        with k.when(count > 1):
            k.aug(scale, "/", cast(T.F32, count))
    x, q = (
        k.let("x|pos|t0", wp.transform_get_translation(pose.own)),
        k.let("q|rot|q0", wp.transform_get_rotation(pose.own)),
    )
    x_new = k.let("x_new|x1|moved", x + dx * scale)
    spin = k.let("w|rot_vec|omega", dr * scale)
    if p.chance(0.5):
        limit = k.param("max_turn|max_rotation|angle_cap", 0.05, 0.5)
        size = k.let("turn_len|angle|w_len", wp.length(spin))
        ratio = k.let("cap|shrink|k_w", choose(size > limit, limit / wp.max(size, 1.0e-6), 1.0))
        q_new = wp.normalize(q + construct(T.QUAT, spin * ratio, 0.0) * q * 0.5)
    else:
        q_new = wp.normalize(q + construct(T.QUAT, spin, 0.0) * q * 0.5)
    q_new = k.let("q_new|q1|turned", q_new)
    pose.store(construct(T.TRANSFORM, x_new, q_new))
    if p.chance(0.65):
        dt = k.param("dt|timestep|h", 0.002, 0.02)
        before = e.field("prev_pose|body_q_prev|x_start", T.TRANSFORM, R.rigid(-1.0, 1.0)).own
        v = (x_new - wp.transform_get_translation(before)) / dt
        relative = k.let(
            "dq|rel_q|dq_step", q_new * wp.quat_inverse(wp.transform_get_rotation(before))
        )
        w = construct(T.VEC3, relative.x, relative.y, relative.z) * (
            choose(relative.w < 0.0, -2.0, 2.0) / dt
        )
        if p.chance(0.5):
            e.out("body_qd|twists|velocities_out", T.SPATIAL).store(wp.spatial_vector(v, w))
        else:
            damping = k.param("damping|velocity_damping|drag", 0.001, 0.1)
            e.out("lin_vel|body_v|v_out", T.VEC3).store(v * (1.0 - damping))
            e.out("ang_vel|body_w|w_out", T.VEC3).store(w * (1.0 - damping))


def monitor(p: ProgramBuilder) -> None:
    """Convergence, sleeping and energy of the bodies after a solve."""
    k = p.kernel_builder(
        "check_convergence|update_sleeping|solver_residual|body_energy|sleep_test|reset_corrections",
        p.pick(
            "Sleep bodies that hardly move.",
            "Residuals after the iteration.",
            "Per-body bookkeeping after the solve.",
        ),
    )
    e = Entities(k, "body", index="b|bodyid|i|tid")
    v, w = (
        e.field("lin_vel_in|body_vel|velocities", T.VEC3, R.uniform(-0.4, 0.4)).read("v|vel|v_b"),
        e.field("ang_vel_in|body_rate|rates", T.VEC3, R.uniform(-0.4, 0.4)).read("w|rate|w_b"),
    )
    parts = p.sample([_sleep, _energy, _residual, _fastest], 1, 3)
    for part in parts:
        part(p, k, e, v, w)


def _sleep(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr, w: Expr) -> None:
    linear, angular = (
        k.param("sleep_linear|v_sleep|lin_tol", 0.05, 0.4),
        k.param("sleep_angular|w_sleep|ang_tol", 0.05, 0.5),
    )
    timer = e.inout("sleep_timer|still_time|rest_time", T.F32, R.uniform(0.0, 1.0))
    still = (
        all_of(wp.length(v) < linear, wp.length(w) < angular)
        if p.chance(0.6)
        else wp.dot(v, v) + wp.dot(w, w) < linear * linear
    )
    age = k.var("age|still_for|t_rest", 0.0)
    with k.when(still):
        k.set(age, timer.own + k.param("dt|timestep|h", 0.002, 0.02))
    timer.store(age)
    awake = e.out("awake|is_awake|active_out", T.I32)
    awake.store(choose(age > k.param("sleep_delay|time_to_sleep|rest_needed", 0.3, 0.8), 0, 1))
    if p.chance(0.5):
        island = e.field("island_id|islands|island", T.I32, R.integers(0, 8)).own
        Table(e, "island_awake|island_active|awake_count", T.I32, (8,), role="out").atomic(
            "max", awake.own, island
        )


def _energy(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr, w: Expr) -> None:
    mass, inertia = (
        e.field("masses|body_mass|mass", T.F32, R.uniform(0.2, 3.0)).own,
        e.field("inertia_diag|inertia|body_inertia", T.VEC3, R.uniform(0.01, 0.2)).own,
    )
    energy = k.let(
        "energy|ke|kinetic", 0.5 * mass * wp.dot(v, v) + 0.5 * wp.dot(w, wp.cw_mul(inertia, w))
    )
    if p.chance(0.5):
        e.out("energies|ke_out|kinetic_out", T.F32).store(energy)
    Table(e, "total_energy|system_energy|energy_sum", T.F32, (1,), role="out").add(energy, 0)


def _residual(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr, w: Expr) -> None:
    old_v = e.field("previous_v|v_last|v_prev", T.VEC3, R.uniform(-0.4, 0.4)).own
    change = k.let("change|dv|delta_v", wp.length(v - old_v))
    Table(e, "residual|max_delta|solver_error", T.F32, (1,), role="out").atomic("max", change, 0)
    if p.chance(0.5):
        tolerance = k.param("tolerance|eps|tol", 0.05, 0.5)
        with k.when(
            any_of(change > tolerance, wp.length(w) > 10.0) if p.chance(0.4) else change > tolerance
        ):
            Table(e, "not_converged|num_moving|pending", T.I32, (1,), role="out").add(
                literal(1, T.I32), 0
            )


def _fastest(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr, w: Expr) -> None:
    reach = e.property("radius|bounding_radius|extent", 0.05, 0.5)
    speed: Name = k.let("speed|surface_v|v_surf", wp.length(v) + reach * wp.length(w))
    Table(e, "max_speed|fastest|v_limit_out", T.F32, (1,), role="out").atomic("max", speed, 0)
    e.out("needs_ccd|fast_flag|sweep_flag", T.I32).store(
        choose(speed > k.param("ccd_speed|fast_speed|v_ccd", 0.2, 0.8), 1, 0)
    )
