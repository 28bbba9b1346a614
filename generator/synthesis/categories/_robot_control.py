"""Actuators and joint integration, for the robotics category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


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
        f = p.func(
            "pd_torque|spring_damper|servo_law",
            {"q": p.real, "qd": p.real, "target|q_des": p.real, "kp|ke": p.real, "kd": p.real},
            lambda b, a, v, t, s, d: b.ret(s * (t - a) - d * v),
        )
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
