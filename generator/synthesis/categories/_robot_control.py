"""Inverse kinematics, actuators, integration and trajectories, for the robotics category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._robot import Robot, state, worlds
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def inverse_kinematics(p: ProgramBuilder) -> None:
    """A step of inverse kinematics: transpose, damped least squares, cyclic coordinate descent, planar closed form."""
    p.pick(_jacobian_step, _jacobian_step, _ccd, _fabrik)(p)


def _jacobian_step(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "ik_step|damped_least_squares|jacobian_transpose_ik|solve_ik_step|resolved_rate",
        p.pick(
            "One damped least-squares step towards the target.",
            "Inverse kinematics step from stored Jacobians.",
            "",
        ),
    )
    e = worlds(k, p.pick("problem", "robot", "seed"))
    e.guard()
    robot = Robot(e)
    n = robot.joints
    jac = Table(e, "jac|J|jacobian", T.VEC3, (e.n, n), R.uniform(-1.0, 1.0))
    q = state(e, "joint_q|q|qpos", T.F32, n, R.uniform(-1.5, 1.5), "inout")
    target, tip = (
        e.field("targets|goal_pos|x_des", T.VEC3, R.uniform(-1.0, 1.0)),
        e.field("tip_pos|ee_pos|x_cur", T.VEC3, R.uniform(-1.0, 1.0)),
    )
    error = k.var("err|dx|residual", target.own - tip.own)
    size = k.let("err_norm|dist|e_len", wp.length(error))
    if p.chance(0.5):
        with k.when(size < k.param("tolerance|eps|pos_tol", 0.001, 0.05)):
            e.out("converged|done|reached", T.I32).store(1)
            k.ret()
    if p.chance(0.5):
        limit = k.param("max_error|max_step|clamp_dist", 0.1, 0.5)
        with k.when(size > limit):
            k.aug(error, "*", limit / size)
    if p.chance(0.6):
        damping = k.param("damping|lambda_sq|mu", 0.001, 0.1)
        gram = k.var("A|jjt|gram", wp.diag(construct(T.VEC3, damping)))
        with k.loop("j|c|dof", n if p.chance(0.3) else robot.count()) as j:
            k.aug(gram, "+", wp.outer(jac[e.index, j], jac[e.index, j]))
        y = k.let("y|lagrange|solved", wp.inverse(gram) @ error)
    else:
        y = k.let("y|pull|scaled", error * k.param("gain|alpha|step_size", 0.05, 0.8))
    secondary = (
        robot.model("rest_pose|q_rest|posture", T.F32, R.uniform(-0.5, 0.5))
        if p.chance(0.4)
        else None
    )
    limits = (
        (
            robot.model("q_min|lower_limit|joint_lower", T.F32, R.uniform(-2.5, -1.6)),
            robot.model("q_max|upper_limit|joint_upper", T.F32, R.uniform(1.6, 2.5)),
        )
        if p.chance(0.6)
        else None
    )
    with robot.sweep("j|c|dof") as j:
        step = k.let("dq|step|delta", wp.dot(jac[e.index, j], y))
        value = q[e.index, j] + step
        if secondary is not None:
            value = value + k.param("null_gain|posture_gain", 0.01, 0.2) * (
                secondary[j] - q[e.index, j]
            )
        q.store(
            value if limits is None else wp.clamp(value, limits[0][j], limits[1][j]), e.index, j
        )
    if p.chance(0.6):
        e.out("errors|residual_norm|err_out", T.F32).store(size)


def _ccd(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "ccd_step|cyclic_coordinate_descent|ik_ccd|aim_joints",
        p.pick(
            "Cyclic coordinate descent over a chain of hinges.",
            "Each joint turns to aim the tip at the target.",
            "",
        ),
    )
    e = worlds(k, p.pick("chain", "robot", "arm"))
    n = p.pick(4, 5, 6, 7)
    pivots = Table(e, "joint_pos|pivots|anchors", T.VEC3, (e.n, n), R.uniform(-1.0, 1.0), "inout")
    axes = Table(e, "joint_axis|axes|hinge_axes", T.VEC3, (e.n, n), R.unit_vectors())
    q = Table(e, "joint_q|angles|q", T.F32, (e.n, n), R.uniform(-1.0, 1.0), "inout")
    tip = k.var("tip|ee|end_pos", e.field("tip_pos|ee_pos|x_tip", T.VEC3, R.uniform(-1.0, 1.0)).own)
    target = k.let(
        "goal|target|x_des", e.field("targets|goals|goal_pos", T.VEC3, R.uniform(-1.0, 1.0)).own
    )
    damp = k.param("max_turn|angle_limit|step_limit", 0.1, 0.8)
    moved = k.var("moved|total_turn|effort", 0.0)
    with k.loop("s|it|r", n) as s:
        j = k.let("j|jnt|hinge", n - 1 - s)
        axis = k.let("a|axis|z", axes[e.index, j])
        to_tip, to_goal = (
            k.let("u|to_tip|r_tip", tip - pivots[e.index, j]),
            k.let("v|to_goal|r_goal", target - pivots[e.index, j]),
        )
        u, v = (
            k.let("up|u_perp", to_tip - axis * wp.dot(to_tip, axis)),
            k.let("vp|v_perp", to_goal - axis * wp.dot(to_goal, axis)),
        )
        with k.when(any_of(wp.length(u) < 1.0e-5, wp.length(v) < 1.0e-5)):
            k.cont()
        turn = k.let(
            "dtheta|turn|angle",
            wp.clamp(wp.atan2(wp.dot(axis, wp.cross(u, v)), wp.dot(u, v)), -damp, damp),
        )
        rotation = k.let("dq|rot|r", wp.quat_from_axis_angle(axis, turn))
        k.set(tip, pivots[e.index, j] + wp.quat_rotate(rotation, to_tip))
        if p.chance(0.6):
            with k.loop("m|child|later", j + 1, n) as m:
                pivots.store(
                    pivots[e.index, j]
                    + wp.quat_rotate(rotation, pivots[e.index, m] - pivots[e.index, j]),
                    e.index,
                    m,
                )
        q.store(q[e.index, j] + turn, e.index, j)
        k.aug(moved, "+", wp.abs(turn))
    e.out("tip_out|ee_out|reached_pos", T.VEC3).store(tip)
    e.out("errors|distance_out", T.F32).store(wp.length(target - tip))
    if p.chance(0.5):
        e.out("efforts|total_turns", T.F32).store(moved)


def two_link(p: ProgramBuilder) -> None:
    """Closed-form inverse kinematics of legs and planar arms."""
    p.real = T.F64 if p.on("double") else T.F32
    k = p.kernel_builder(
        "two_link_ik|leg_ik|planar_arm_ik|solve_knee|analytic_leg_ik",
        p.pick(
            "Closed-form inverse kinematics of a two-link limb.",
            "Hip and knee angles for a foot position.",
            "",
        ),
    )
    e = Entities(k, p.pick("leg", "arm", "limb"))
    target = e.field("foot_targets|targets|goals", p.vec(2), R.uniform(-0.8, 0.8)).read(
        "p_t|goal|foot"
    )
    upper, lower = (
        e.property("thigh_length|l1|upper_link", 0.3, 0.6),
        e.property("shank_length|l2|lower_link", 0.3, 0.6),
    )
    limit = k.let("reach|r_max|limit", upper + lower)
    dist = k.var("d|r|dist", wp.length(target))
    reachable = k.var("reachable|ok|valid", 1)
    with k.when(dist > limit):
        k.set(dist, limit)
        k.set(reachable, literal(0, T.I32))
    if p.chance(0.6):
        with k.elsewhen(dist < wp.abs(upper - lower)):
            k.set(dist, wp.abs(upper - lower))
            k.set(reachable, literal(0, T.I32))

    def cosine(b: Block, a: Expr, c: Expr, o: Expr) -> Expr:
        return wp.clamp((a * a + c * c - o * o) / wp.max(2.0 * a * c, 1.0e-6), -1.0, 1.0)

    knee = k.let(
        "knee|q2|elbow",
        literal_pi(p)
        - wp.acos(
            piece(
                p,
                k,
                "law_of_cosines|cos_angle",
                {"a": upper, "b|c": lower, "opposite|o": dist},
                cosine,
            )
        ),
    )
    inner = k.let(
        "inner|alpha|offset",
        wp.acos(
            piece(
                p,
                k,
                "law_of_cosines|cos_angle",
                {"a": upper, "b|c": dist, "opposite|o": lower},
                cosine,
            )
        ),
    )
    base = k.let("base|bearing|phi", wp.atan2(target.y, target.x))
    if p.chance(0.5):
        side = e.field("elbow_up|bend_sign|flip", T.I32, R.mask(0.5)).own
        hip = k.let("hip|q1|shoulder", choose(side == 1, base + inner, base - inner))
        knee = choose(side == 1, -knee, knee)
    else:
        hip = k.let("hip|q1|shoulder", base - inner)
    e.out("hip_out|q1_out|shoulder_out", p.real).store(hip)
    e.out("knee_out|q2_out|elbow_out", p.real).store(knee)
    e.out("reachable_out|ik_ok|valid_out", T.I32).store(reachable)


def literal_pi(p: ProgramBuilder) -> Expr:
    """Pi in the program's precision."""
    return literal(3.141592653589793, p.real)


def _fabrik(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "fabrik_step|fabrik|reach_chain|solve_chain",
        p.pick("Forward and backward reaching over a chain.", "FABRIK on many chains at once.", ""),
    )
    e = worlds(k, p.pick("chain", "tentacle", "finger"))
    n = p.pick(4, 5, 6, 8)
    joints = Table(e, "joint_pos|chain|nodes", T.VEC3, (e.n, n), R.uniform(-0.5, 0.5), "inout")
    lengths = Table(
        e, "link_length|bone_length|rest", T.F32, (n - 1,), R.uniform(0.1, 0.4), shared=True
    )
    target = e.field("targets|goals|goal_pos", T.VEC3, R.uniform(-1.0, 1.0)).read(
        "goal|target|x_des"
    )
    root = k.let("root|base|anchor", joints[e.index, 0])
    iterations = k.count("iterations|num_iters|rounds", p.pick(2, 3, 5))
    rounds = k.var("used|rounds_used|n_it", 0)
    tolerance = k.param("tolerance|eps", 0.005, 0.05)
    with k.loop("it|iteration|sweep", iterations):
        with k.when(wp.length(joints[e.index, n - 1] - target) < tolerance):
            k.brk()
        joints.store(target, e.index, n - 1)
        with k.loop("s|r|back", n - 1) as s:
            j = k.let("j|inner|i", n - 2 - s)
            d = k.let("d|dir_v|u", wp.normalize(joints[e.index, j] - joints[e.index, j + 1]))
            joints.store(joints[e.index, j + 1] + d * lengths[j], e.index, j)
        joints.store(root, e.index, 0)
        with k.loop("j|m|fwd", n - 1) as j:
            d = k.let("d|dir_v|u", wp.normalize(joints[e.index, j + 1] - joints[e.index, j]))
            joints.store(joints[e.index, j] + d * lengths[j], e.index, j + 1)
        k.aug(rounds, "+", 1)
    e.out("residuals|tip_error|errors", T.F32).store(wp.length(joints[e.index, n - 1] - target))
    if p.chance(0.5):
        e.out("iterations_used|rounds_out", T.I32).store(rounds)


def actuators(p: ProgramBuilder) -> None:
    """Joint torques from controllers: PD, impedance, velocity servos, motors with lag, saturation and friction."""
    p.real = T.F64 if p.on("double") else T.F32
    k = p.kernel_builder(
        "pd_control|joint_actuators|compute_torques|actuator_forces|servo_torques|impedance_control|motor_model",
        p.pick(
            "Joint torques from proportional-derivative control.",
            "Actuator model, one joint per thread.",
            "Servo torques with saturation.",
        ),
    )
    e = Entities(k, "joint", index="j|jointid|dofid|dof|act_id")
    q, qd = (
        e.field("joint_q|q|qpos", p.real, R.uniform(-1.5, 1.5)).read("q|angle|pos"),
        e.field("joint_qd|qd|qvel", p.real, R.uniform(-2.0, 2.0)).read("qd|rate|vel"),
    )
    out = e.out("joint_tau|tau|qfrc_actuator|torques", p.real)
    e.guard((out, 0.0))
    tau = _control_law(p, k, e, q, qd)
    for stage in p.sample([_feedforward, _gear_friction, _motor_lag, _soft_limit], 0, 3):
        stage(p, k, e, tau, q, qd)
    _saturate(p, k, e, tau, qd)
    out.store(tau)
    if p.chance(0.35):
        e.out("power|mech_power|work_rate", p.real).store(tau * qd)
    if p.chance(0.25):
        Table(e, "effort_sum|torque_cost|total_effort", p.real, (1,), role="out").add(tau * tau, 0)


def _control_law(p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, qd: Expr) -> Name:
    kp, kd = (
        e.property("kp|stiffness|p_gain|target_ke", 5.0, 200.0),
        e.property("kd|damping|d_gain|target_kd", 0.1, 10.0),
    )
    target = e.field("target_q|q_des|ctrl|setpoint", p.real, R.uniform(-1.5, 1.5)).own
    form = p.pick("pd", "function", "modes", "pid", "wrapped")
    if form == "function":
        f = p.func("pd_torque|spring_damper|servo_law", {"q": p.real, "qd": p.real, "target|q_des": p.real, "kp|ke": p.real, "kd": p.real},
                   lambda b, a, v, t, s, d: b.ret(s * (t - a) - d * v))  # fmt: skip
        return k.var("tau|torque|u", f(q, qd, target, kp, kd))
    if form == "wrapped":
        error = k.let("err|e_wrapped|dq", wp.atan2(wp.sin(target - q), wp.cos(target - q)))
        return k.var("tau|torque|u", kp * error - kd * qd)
    if form == "pid":
        integral = e.inout("integral|err_int|i_state", p.real, R.uniform(-0.2, 0.2))
        error, ki, dt = (
            k.let("err|dq|e_q", target - q),
            k.param("ki|i_gain", 0.5, 10.0),
            k.param("dt|period", 0.001, 0.02),
        )
        bound = k.param("windup|i_max|int_limit", 0.1, 1.0)
        integral.store(wp.clamp(integral.own + error * dt, -bound, bound))
        return k.var("tau|torque|u", kp * error + ki * integral.own - kd * qd)
    if form == "modes":
        mode = e.field("control_mode|mode|ctrl_type", T.I32, R.integers(0, 4)).own
        names = [
            p.const(h, i)
            for i, h in enumerate(
                (
                    "MODE_POSITION|CTRL_POSITION",
                    "MODE_VELOCITY|CTRL_VELOCITY",
                    "MODE_TORQUE|CTRL_TORQUE",
                )
            )
        ]
        tau = k.var("tau|torque|u", 0.0, p.real)
        with k.when(mode == names[0]):
            k.set(tau, kp * (target - q) - kd * qd)
        with k.elsewhen(mode == names[1]):
            k.set(tau, kd * (target - qd))
        with k.elsewhen(mode == names[2]):
            k.set(tau, target)
        return tau
    rate = (
        e.field("target_qd|qd_des|vel_ref", p.real, R.uniform(-1.0, 1.0)).own
        if p.chance(0.5)
        else None
    )
    error = k.let("err|dq|e_q", target - q)
    return k.var(
        "tau|torque|u", kp * error - kd * qd if rate is None else kp * error + kd * (rate - qd)
    )


def _feedforward(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, tau: Name, q: Expr, qd: Expr
) -> None:
    k.aug(tau, "+", e.field("bias|tau_ff|gravity_comp|qfrc_bias", p.real, R.uniform(-2.0, 2.0)).own)


def _gear_friction(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, tau: Name, q: Expr, qd: Expr
) -> None:
    coulomb, viscous = (
        e.property("coulomb|frictionloss|dry_friction", 0.01, 0.5),
        e.property("viscous|joint_damping|friction_v", 0.01, 0.3),
    )
    match p.pick("tanh", "sign", "stribeck"):
        case "tanh":
            k.aug(tau, "-", coulomb * wp.tanh(qd / 0.05) + viscous * qd)
        case "sign":
            with k.when(wp.abs(qd) > k.param("stiction_vel|v_eps|deadband", 0.01, 0.1)):
                k.aug(tau, "-", coulomb * wp.sign(qd))
            k.aug(tau, "-", viscous * qd)
        case "stribeck":
            vs = k.param("stribeck_vel|v_s", 0.05, 0.5)
            k.aug(
                tau,
                "-",
                wp.sign(qd) * coulomb * (1.0 + 0.5 * wp.exp(-(qd * qd) / (vs * vs))) + viscous * qd,
            )


def _motor_lag(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, tau: Name, q: Expr, qd: Expr
) -> None:
    lagged = e.inout("activation|motor_state|act", p.real, R.uniform(-1.0, 1.0))
    dt, constant = k.param("dt|period", 0.001, 0.02), k.param("time_constant|lag|tau_m", 0.01, 0.2)
    blend = dt / constant if p.chance(0.4) else 1.0 - wp.exp(-dt / constant)
    k.set(tau, lagged.own + (tau - lagged.own) * k.let("blend|alpha|rate", blend))
    lagged.store(tau)


def _soft_limit(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, tau: Name, q: Expr, qd: Expr
) -> None:
    low, high = (
        e.field("lower_limit|q_min|range_lo", p.real, R.uniform(-1.4, -0.8)).own,
        e.field("upper_limit|q_max|range_hi", p.real, R.uniform(0.8, 1.4)).own,
    )
    stiffness, damping = (
        k.param("limit_ke|stop_stiffness", 50.0, 500.0),
        k.param("limit_kd|stop_damping", 0.5, 10.0),
    )
    if p.chance(0.5):
        with k.when(q < low):
            k.aug(tau, "+", stiffness * (low - q) - damping * wp.min(qd, 0.0))
        with k.elsewhen(q > high):
            k.aug(tau, "+", stiffness * (high - q) - damping * wp.max(qd, 0.0))
        return

    def body(b: Block, x: Expr, v: Expr, lo: Expr, hi: Expr, ke: Expr, kd: Expr) -> Expr:
        f = b.var("f|force", 0.0, p.real)
        with b.when(x < lo):
            b.set(f, ke * (lo - x) - kd * v)
        with b.when(x > hi):
            b.set(f, ke * (hi - x) - kd * v)
        return f

    args = {"q|x": q, "qd|v": qd, "lower|lo": low, "upper|hi": high, "ke": stiffness, "kd": damping}
    k.aug(tau, "+", piece(p, k, "limit_force|joint_stop|limit_torque", args, body))


def _saturate(p: ProgramBuilder, k: KernelBuilder, e: Entities, tau: Name, qd: Expr) -> None:
    limit = e.property("effort_limit|max_torque|tau_max|force_range", 5.0, 60.0)
    match p.pick("clamp", "curve", "clamp", "none", "flag"):
        case "clamp":
            k.set(tau, wp.clamp(tau, -limit, limit))
        case "curve":
            no_load = e.property("no_load_speed|v_max|velocity_limit", 3.0, 20.0)
            top = k.let("tau_hi|upper|top", wp.clamp(limit * (1.0 - qd / no_load), 0.0, limit))
            bottom = k.let(
                "tau_lo|lower|bottom", wp.clamp(limit * (-1.0 - qd / no_load), -limit, 0.0)
            )
            k.set(tau, wp.clamp(tau, bottom, top))
        case "flag":
            saturated = e.out("saturated|at_limit|clipped", T.I32)
            with k.when(wp.abs(tau) > limit):
                k.set(tau, wp.sign(tau) * limit)
                saturated.store(1)


def integrate_joints(p: ProgramBuilder) -> None:
    """Joint coordinates advanced by one step, with ball and free joints kept on their manifolds."""
    k = p.kernel_builder(
        "integrate_joints|advance_qpos|step_joints|integrate_coordinates|joint_step",
        p.pick(
            "Semi-implicit Euler on joint coordinates.",
            "Advance joint coordinates by their types.",
            "Integrate positions; unit quaternions for ball joints.",
        ),
    )
    e = Entities(k, "joint", index="j|jointid|jnt", count=p.pick(24, 32, 48))
    kinds = p.pick(2, 3)
    kind = e.field("joint_type|jnt_type|joint_kind", T.I32, R.integers(0, kinds + 1)).read(
        "jtype|kind|t"
    )
    q = Table(e, "qpos|joint_q|q", T.F32, (e.n * 7,), R.uniform(-1.0, 1.0), "inout")
    qd, qdd = (
        Table(e, "qvel|joint_qd|qd", T.F32, (e.n * 6,), R.uniform(-1.0, 1.0)),
        Table(e, "qacc|joint_qdd|qdd", T.F32, (e.n * 6,), R.uniform(-3.0, 3.0)),
    )
    dt = k.param("dt|timestep|h", 0.001, 0.02)
    if e.worlds is None and p.chance(0.6):
        qi = k.let(
            "qadr|q_start|qi",
            e.field("jnt_qposadr|joint_q_start|q_offsets", T.I32, R.arange(0, 7)).own,
        )
        vi = k.let(
            "vadr|qd_start|di",
            e.field("jnt_dofadr|joint_qd_start|qd_offsets", T.I32, R.arange(0, 6)).own,
        )
    else:
        qi, vi = k.let("qadr|q_start|qi", e.index * 7), k.let("vadr|qd_start|di", e.index * 6)
    names = [
        p.const(h, i)
        for i, h in enumerate(
            ("JOINT_SLIDE|JOINT_HINGE|SCALAR_JOINT", "JOINT_BALL|BALL", "JOINT_FREE|FREE")
        )
    ][:kinds]
    with k.when(kind == names[0]):
        v = k.let("v_new|rate|qd1", qd[vi] + qdd[vi] * dt)
        q.store(q[qi] + v * dt, qi)
    with k.elsewhen(kind == names[1]):
        _integrate_rotation(p, k, q, qd, qdd, qi, vi, dt)
    if kinds == 3:
        with k.elsewhen(kind == names[2]):
            with k.loop("c|axis|d", 3) as c:
                q.store(q[qi + c] + (qd[vi + c] + qdd[vi + c] * dt) * dt, qi + c)
            _integrate_rotation(p, k, q, qd, qdd, qi + 3, vi + 3, dt)
    if p.chance(0.5):
        with k.otherwise():
            Table(e, "skipped|num_fixed|inactive_joints", T.I32, (1,), role="out").add(1, 0)


def _integrate_rotation(
    p: ProgramBuilder,
    k: KernelBuilder,
    q: Table,
    qd: Table,
    qdd: Table,
    qi: Expr,
    vi: Expr,
    dt: Expr,
) -> None:
    rotation = k.let("rot|quat_j|r", construct(T.QUAT, *[q[qi + i if i else qi] for i in range(4)]))
    parts = [qd[vi + i if i else vi] + qdd[vi + i if i else vi] * dt for i in range(3)]
    w = k.let("w|omega|ang", construct(T.VEC3, *parts))
    if p.chance(0.5):
        angle = k.let("angle|turn|theta", wp.length(w) * dt)
        updated = rotation * wp.quat_from_axis_angle(wp.normalize(w), angle)
    else:
        updated = rotation + construct(T.QUAT, w, 0.0) * rotation * (0.5 * dt)
    updated = k.let("rot_new|q_next|r1", wp.normalize(updated))
    with k.loop("c|i|comp", 4) as c:
        q.store(updated[c], qi + c)


def trajectories(p: ProgramBuilder) -> None:
    """Reference motions: splines through waypoints, trapezoids, minimum jerk, gait phases."""
    p.real = T.F64 if p.on("double") else T.F32
    form = p.pick("waypoints", "trapezoid", "min_jerk", "gait")
    k = p.kernel_builder(
        f"{form}_reference|evaluate_trajectory|sample_reference|{form}_profile|reference_motion",
        p.pick(
            "Reference position and velocity of every joint.", "Evaluate the motion profile.", ""
        ),
    )
    e = Entities(k, "joint", index="j|dof|jointid")
    time = k.param("time|t|sim_time", 0.1, 3.0)
    q_out, v_out = (
        e.out("q_ref|target_q|pos_ref", p.real),
        e.out("qd_ref|target_qd|vel_ref", p.real),
    )
    {"waypoints": _waypoints, "trapezoid": _trapezoid, "min_jerk": _min_jerk, "gait": _gait}[form](
        p, k, e, time, q_out, v_out
    )


def _waypoints(p: ProgramBuilder, k: KernelBuilder, e: Entities, time: Expr, q_out, v_out) -> None:  # type: ignore[no-untyped-def]
    n = p.pick(5, 6, 8)
    knots = k.array("knot_times|times|breakpoints", p.real, (n,), R.arange(0.0, 0.5))
    values = Table(e, "waypoints|keyframes|knot_values", p.real, (e.n, n), R.uniform(-1.0, 1.0))
    segment = k.var("seg|interval|i", 0)
    with k.repeat(all_of(segment < n - 2, time >= knots[segment + 1])):
        k.aug(segment, "+", 1)
    span = k.let("span|h|dt_seg", knots[segment + 1] - knots[segment])
    u = k.let("u|s|phase", wp.clamp((time - knots[segment]) / span, 0.0, 1.0))
    a, b = (
        k.let("qa|left|q0", values[e.index, segment]),
        k.let("qb|right|q1", values[e.index, segment + 1]),
    )
    if p.chance(0.4):
        q_out.store(a + (b - a) * u)
        v_out.store((b - a) / span)
        return
    before = values[e.index, wp.max(segment - 1, 0)]
    after = values[e.index, wp.min(segment + 2, n - 1)]
    m0, m1 = k.let("m0|tan_a", 0.5 * (b - before)), k.let("m1|tan_b", 0.5 * (after - a))
    u2 = k.let("u2|uu", u * u)
    u3 = k.let("u3|uuu", u2 * u)
    q_out.store(
        (2.0 * u3 - 3.0 * u2 + 1.0) * a
        + (u3 - 2.0 * u2 + u) * m0
        + (3.0 * u2 - 2.0 * u3) * b
        + (u3 - u2) * m1
    )
    v_out.store(
        (
            (6.0 * u2 - 6.0 * u) * (a - b)
            + (3.0 * u2 - 4.0 * u + 1.0) * m0
            + (3.0 * u2 - 2.0 * u) * m1
        )
        / span
    )


def _trapezoid(p: ProgramBuilder, k: KernelBuilder, e: Entities, time: Expr, q_out, v_out) -> None:  # type: ignore[no-untyped-def]
    start, goal = (
        e.field("q_start|from_q", p.real, R.uniform(-1.0, 0.0)).own,
        e.field("q_goal|to_q", p.real, R.uniform(0.2, 1.5)).own,
    )
    top, rate = (
        e.property("v_max|max_velocity|speed_limit", 0.5, 2.0),
        e.property("a_max|max_acceleration|accel_limit", 1.0, 6.0),
    )
    distance = k.let("dist|travel|delta", wp.abs(goal - start))
    sign = k.let("sgn|direction", wp.sign(goal - start))
    ramp = k.var("t_acc|ramp|ta", top / rate)
    peak = k.var("v_peak|cruise|vp", top)
    with k.when(rate * ramp * ramp > distance):
        k.set(ramp, wp.sqrt(distance / rate))
        k.set(peak, rate * ramp)
    total = k.let("t_total|duration|t_end", ramp + distance / peak)
    s, v = k.var("s|progress|x", distance), k.var("v|speed|xd", 0.0, p.real)
    with k.when(time < ramp):
        k.set(s, 0.5 * rate * time * time)
        k.set(v, rate * time)
    with k.elsewhen(time < total - ramp):
        k.set(s, 0.5 * rate * ramp * ramp + peak * (time - ramp))
        k.set(v, peak)
    with k.elsewhen(time < total):
        left = k.let("left|remaining|tl", total - time)
        k.set(s, distance - 0.5 * rate * left * left)
        k.set(v, rate * left)
    q_out.store(start + sign * s)
    v_out.store(sign * v)
    if p.chance(0.5):
        e.out("finished|done|at_goal", T.I32).store(choose(time >= total, 1, 0))


def _min_jerk(p: ProgramBuilder, k: KernelBuilder, e: Entities, time: Expr, q_out, v_out) -> None:  # type: ignore[no-untyped-def]
    start, goal = (
        e.field("q_start|from_q", p.real, R.uniform(-1.0, 1.0)).own,
        e.field("q_goal|to_q", p.real, R.uniform(-1.0, 1.0)).own,
    )
    duration = e.property("duration|move_time|t_total", 1.0, 4.0)
    s = k.let("s|phase|u", wp.clamp(time / duration, 0.0, 1.0))
    if p.chance(0.6):
        blend, rate = (
            s * s * s * (10.0 - 15.0 * s + 6.0 * s * s),
            30.0 * s * s * (1.0 - 2.0 * s + s * s) / duration,
        )
    else:
        blend, rate = s * s * (3.0 - 2.0 * s), 6.0 * s * (1.0 - s) / duration
    shape, slope = k.let("shape|blend|b", blend), k.let("slope|rate|db", rate)
    q_out.store(start + (goal - start) * shape)
    v_out.store((goal - start) * slope)
    if p.chance(0.4):
        e.out("phase_out|progress|s_out", p.real).store(s)


def _gait(p: ProgramBuilder, k: KernelBuilder, e: Entities, time: Expr, q_out, v_out) -> None:  # type: ignore[no-untyped-def]
    period, duty = (
        k.param("period|cycle_time|gait_period", 0.4, 1.2),
        k.param("duty|stance_ratio|duty_factor", 0.45, 0.7),
    )
    offset = e.field("phase_offset|leg_phase|offsets", p.real, R.uniform(0.0, 1.0)).own
    raw = k.let("raw|cycles|turns", time / period + offset)
    phase = k.let("phase|phi|s", raw - wp.floor(raw))
    stride, lift = (
        e.property("stride|step_length|sweep", 0.1, 0.6),
        e.property("lift|swing_height|clearance", 0.05, 0.3),
    )
    height = e.out("foot_height|swing_z|lift_out", p.real)
    with k.when(phase < duty):
        u = k.let("u|stance|ratio", phase / duty)
        q_out.store(stride * (0.5 - u))
        v_out.store(-stride / (duty * period))
        height.store(0.0)
    with k.otherwise():
        u = k.let("u|swing|ratio", (phase - duty) / (1.0 - duty))
        smooth = u * u * (3.0 - 2.0 * u) if p.chance(0.5) else 0.5 - 0.5 * wp.cos(literal_pi(p) * u)
        q_out.store(stride * (smooth - 0.5))
        v_out.store(stride / ((1.0 - duty) * period))
        height.store(
            lift * wp.sin(literal_pi(p) * u) if p.chance(0.5) else 4.0 * lift * u * (1.0 - u)
        )
    if p.chance(0.5):
        e.out("contact_ref|stance_flag|in_stance", T.I32).store(choose(phase < duty, 1, 0))


def mobile_base(p: ProgramBuilder) -> None:
    """Odometry of wheeled bases: differential, Ackermann, mecanum and omni drives."""
    p.real = T.F64 if p.on("double") else T.F32
    form = p.pick("differential", "ackermann", "mecanum", "omni")
    k = p.kernel_builder(
        f"{form}_drive|{form}_odometry|base_kinematics|integrate_odometry|wheel_odometry",
        p.pick("Planar pose from wheel speeds.", f"Odometry of a base with {form} drive.", ""),
    )
    e = Entities(k, "robot", index="i|tid|robot_id")
    pose = e.inout("poses|base_pose|odom", p.vec(3), R.uniform(-2.0, 2.0))
    e.guard()
    x = k.let("x|pose|state_v", pose.own)
    dt, radius = k.param("dt|period", 0.005, 0.05), e.property("wheel_radius|r_w", 0.03, 0.3)
    speeds = {"differential": 2, "ackermann": 2, "mecanum": 4, "omni": 3}[form]
    w = e.field("wheel_speeds|wheel_vel|omega_w", p.vec(speeds), R.uniform(-5.0, 5.0)).read(
        "w|wheels|u"
    )
    if form == "differential":
        track = e.property("track_width|axle_length|wheel_base", 0.2, 0.8)
        vx, vy, turn = radius * 0.5 * (w.x + w.y), None, radius * (w.y - w.x) / track
    elif form == "ackermann":
        base = e.property("wheelbase|axle_distance|l_wb", 0.2, 1.0)
        angle = k.let("steer|delta|steer_angle", wp.clamp(w.y * 0.1, -0.6, 0.6))
        vx, vy, turn = radius * w.x, None, radius * w.x * wp.tan(angle) / base
    elif form == "mecanum":
        reach = e.property("lx_ly|half_sum|geometry_k", 0.2, 0.8)
        vx, vy = radius * 0.25 * (w.x + w.y + w.z + w.w), radius * 0.25 * (w.y - w.x + w.z - w.w)
        turn = radius * 0.25 * (w.y - w.x - w.z + w.w) / reach
    else:
        reach = e.property("base_radius|r_b|wheel_offset", 0.1, 0.5)
        vx, vy = radius * (w.y - w.z) * 0.57735, radius * (2.0 * w.x - w.y - w.z) / 3.0
        turn = radius * (w.x + w.y + w.z) / (3.0 * reach)
    v, omega = k.let("v|vx|forward", vx), k.let("omega|yaw_rate|wz", turn)
    side = None if vy is None else k.let("vy|lateral|v_side", vy)
    _advance_pose(p, k, pose, x, v, side, omega, dt)
    if p.chance(0.4):
        e.out("body_twist|velocity_out|cmd_meas", p.vec(3)).store(
            construct(p.vec(3), v, literal(0.0, p.real) if side is None else side, omega)
        )
    if p.chance(0.3):
        bad = k.param("slip_limit|max_yaw_rate|w_limit", 1.0, 6.0)
        with k.when(wp.abs(omega) > bad):
            Table(e, "alarms|num_slipping|slip_count", T.I32, (1,), role="out").add(1, 0)


def _advance_pose(
    p: ProgramBuilder,
    k: KernelBuilder,
    pose,
    x: Expr,
    v: Expr,
    side: Expr | None,
    omega: Expr,
    dt: Expr,
) -> None:  # type: ignore[no-untyped-def]
    form = p.pick("euler", "midpoint", "arc") if side is None else p.pick("euler", "midpoint")
    if form == "arc":
        yaw = k.let("yaw|theta1|heading", x.z + omega * dt)
        with k.when(wp.abs(omega) < 1.0e-4):
            pose.store(
                construct(x.type, x.x + v * dt * wp.cos(x.z), x.y + v * dt * wp.sin(x.z), yaw)
            )
        with k.otherwise():
            r = k.let("r|turn_radius|icc", v / omega)
            pose.store(
                construct(
                    x.type,
                    x.x + r * (wp.sin(yaw) - wp.sin(x.z)),
                    x.y - r * (wp.cos(yaw) - wp.cos(x.z)),
                    yaw,
                )
            )
        return
    angle = k.let("angle|yaw_mid|th", x.z + 0.5 * omega * dt if form == "midpoint" else x.z)
    c, s = k.let("c|cos_y", wp.cos(angle)), k.let("s|sin_y", wp.sin(angle))
    dx, dy = (v * c, v * s) if side is None else (v * c - side * s, v * s + side * c)
    yaw = x.z + omega * dt
    if p.chance(0.4):
        wrapped = k.let("yaw|heading|theta1", yaw)
        yaw = wp.atan2(wp.sin(wrapped), wp.cos(wrapped))
    pose.store(construct(x.type, x.x + dx * dt, x.y + dy * dt, yaw))
