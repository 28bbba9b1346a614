"""Joint drives and limits."""

from generator.synthesis import recipes as R
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._extras import helper, report, tune
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def soft_limit(p: ProgramBuilder, k: KernelBuilder, e: Entities, angle: Expr) -> Expr:
    """Torque of a soft joint limit."""
    low, high = (
        e.field("limit_lower|lower|q_min", p.real, R.uniform(-1.5, -0.5)).own,
        e.field("limit_upper|upper|q_max", p.real, R.uniform(0.5, 1.5)).own,
    )
    stiffness = k.param("limit_ke|limit_stiffness", 10.0, 200.0)
    form = p.pick("branches", "minmax")

    def body(b: Block, q: Expr, lo: Expr, hi: Expr, ke: Expr) -> None:
        if form == "branches":
            with b.when(q < lo):
                b.ret(ke * (q - lo))
            with b.when(q > hi):
                b.ret(ke * (q - hi))
            b.ret(literal(0.0, p.real))
        else:
            b.ret(ke * (wp.min(q - lo, 0.0) + wp.max(q - hi, 0.0)))

    params = {"q|angle": p.real, "lo|lower": p.real, "hi|upper": p.real, "ke|stiffness": p.real}
    return p.func(
        "limit_torque|joint_limit|limit_force",
        params,
        body,
        p.pick("Restoring torque beyond the limits.", ""),
    )(angle, low, high, stiffness)


def joint_drive(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "joint_drives|pd_control|motor_torques|actuator_torques|compute_joint_torque|servo_control|joint_pd",
        p.pick(
            "PD torques that track joint targets.",
            "Joint drives with effort limits.",
            "Motor model with velocity-dependent limits.",
        ),
    )
    e = Entities(k, p.pick("joint", "dof", "actuator"), index="tid|j|dof")
    q, qd = (
        e.field("joint_q|q|angles", p.real, R.uniform(-1.5, 1.5)),
        e.field("joint_qd|qd|rates", p.real, R.uniform(-2.0, 2.0)),
    )
    e.guard()
    target = e.field("joint_target|q_des|targets|commands", p.real, R.uniform(-1.5, 1.5))
    ke, kd = (
        e.property("target_ke|kp|stiffness", 5.0, 200.0),
        e.property("target_kd|kd|damping", 0.1, 10.0),
    )
    rate = (
        e.field("target_qd|qd_des|rate_cmd", p.real, R.uniform(-1.0, 1.0)).own
        if p.chance(0.3)
        else None
    )

    def law(b: Block, err: Expr, derr: Expr, a: Expr, c: Expr) -> Expr:
        return a * err + c * derr

    err = k.let("err|e_q|dq", target.own - q.own) if p.chance(0.6) else target.own - q.own
    derr = -qd.own if rate is None else rate - qd.own
    args = {"err|e": err, "rate|derr": derr, "kp|ke": ke, "kd|c": kd}
    tau = k.var("tau|torque|u", helper(p, k, "pd_law|pd_torque|tracking_torque", args, law))
    for stage in p.sample([_integral, _dry, _ends, _effort, _feedforward], 0, 3):
        stage(p, k, e, q.own, qd.own, tau)
    tune(p, e, tau, "torque", 100.0, {0: 3, 1: 1})
    out = e.out("joint_tau|torques|joint_f|efforts", p.real)
    out.store(tau)
    report(p, e, tau, "torque", 80.0)


def _integral(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, qd: Expr, tau: Name
) -> None:
    store = e.inout("integral|error_sum|i_state", p.real, R.uniform(-0.2, 0.2))
    dt, ki = e.world_param("dt|timestep|h", 0.001, 0.02), k.param("ki|integral_gain", 0.5, 10.0)
    bound = k.param("windup|i_max|integral_limit", 0.1, 1.0)
    k.step(p.pick("integral term", "", "anti-windup"))
    acc = k.let("acc|i_new|sum_e", wp.clamp(store.own - q * dt, -bound, bound))
    store.store(acc)
    k.aug(tau, "+", ki * acc)


def _dry(p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, qd: Expr, tau: Name) -> None:
    mu = k.param("dry_friction|joint_friction|coulomb", 0.05, 2.0)
    k.aug(tau, "-", mu * (wp.tanh(qd * 20.0) if p.chance(0.5) else wp.sign(qd)))


def _ends(p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, qd: Expr, tau: Name) -> None:
    k.aug(tau, "-", soft_limit(p, k, e, q))


def _effort(p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, qd: Expr, tau: Name) -> None:
    peak = e.property("effort_limit|max_torque|tau_max", 5.0, 80.0)
    if p.chance(0.5):
        k.set(tau, wp.clamp(tau, -peak, peak))
        return
    fastest = k.param("no_load_speed|max_rate|qd_max", 2.0, 20.0)
    room = k.let("room|available|tau_lim", peak * wp.max(1.0 - wp.abs(qd) / fastest, 0.0))
    k.set(tau, wp.clamp(tau, -room, room))


def _feedforward(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, qd: Expr, tau: Name
) -> None:
    mass, reach = (
        e.property("link_mass|mass|m", 0.5, 5.0),
        e.property("link_length|com_dist|l_com", 0.1, 0.6),
    )
    g = k.param("gravity|g0", 1.6, 9.81)
    k.aug(tau, "+", mass * g * reach * wp.cos(q))
