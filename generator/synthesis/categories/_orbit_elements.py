"""Orbital elements and attitude, for the orbital category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._orbit import (
    PI,
    body_radius,
    gravity_parameter,
    number,
    satellites,
    state_vectors,
    vector3,
)
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def elements(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "state_to_elements|rv_to_coe|orbital_elements|osculating_elements|classify_orbits|elements_from_state",
        p.pick("Classical elements from state vectors.", "Osculating elements and orbit type.", ""),
    )
    e = satellites(k)
    r_in, v_in = state_vectors(e)
    mu = gravity_parameter(k)
    r, v = r_in.read("r|r_i|pos_i"), v_in.read("v|v_i|vel_i")
    rn, v2 = k.let("rn|r_mag|dist", wp.length(r)), k.let("v2|speed_sq|vv", wp.dot(v, v))
    energy = k.let("energy|eps_o|xi", 0.5 * v2 - mu / rn)
    if p.chance(0.5):
        with k.when(energy >= 0.0):
            e.out("bound|is_closed|elliptic", T.I32).store(0)
            k.ret()
    axis = k.let("a|sma|semi_major", -0.5 * mu / energy)
    h = k.let("h|ang_mom|h_vec", wp.cross(r, v))
    ecc_vec = k.let("e_vec|ecc_vec|lrl", (r * (v2 - mu / rn) - v * wp.dot(r, v)) / mu)
    ecc = k.let("ecc|e|e_mag", wp.length(ecc_vec))
    e.out("sma_out|semi_major_axis|a_out", p.real).store(axis)
    e.out("ecc_out|eccentricity|e_out", p.real).store(ecc)
    for part in p.sample([_inclination, _node, _true_anomaly, _period, _apsides], 1, 4):
        part(p, k, e, r, v, h, ecc_vec, ecc, axis, mu)


def _inclination(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    e.out("inclination|inc_out|incl", p.real).store(
        wp.acos(wp.clamp(h.z / wp.length(h), -1.0, 1.0))
    )


def _node(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    node = k.let("node|n_vec|line", wp.cross(vector3(p, 0.0, 0.0, 1.0), h))
    size = k.let("node_len|nn|n_mag", wp.length(node))
    raan = k.var("raan|big_om|omega_n", 0.0, p.real)
    argp = k.var("argp|w_arg|peri", 0.0, p.real) if p.chance(0.6) else None
    with k.when(size > 1.0e-6):
        k.set(raan, wp.atan2(node.y, node.x))
        if argp is not None:
            k.set(
                argp, wp.acos(wp.clamp(wp.dot(node, ev) / (size * wp.max(ecc, 1.0e-8)), -1.0, 1.0))
            )
            with k.when(ev.z < 0.0):
                k.set(argp, 2.0 * PI - argp)
    if p.chance(0.5):
        with k.when(raan < 0.0):
            k.aug(raan, "+", 2.0 * PI)
    e.out("raan_out|node_out|ascending_node", p.real).store(raan)
    if argp is not None:
        e.out("argp_out|arg_periapsis", p.real).store(argp)


def _true_anomaly(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    out = e.out("true_anomaly|nu_out|anomaly", p.real)
    cosine = k.let(
        "cos_nu|cnu", wp.clamp(wp.dot(ev, r) / (wp.max(ecc, 1.0e-8) * wp.length(r)), -1.0, 1.0)
    )
    if p.chance(0.5):
        nu = k.var("nu|true_a|f", wp.acos(cosine))
        with k.when(wp.dot(r, v) < 0.0):
            k.set(nu, 2.0 * PI - nu)
        out.store(nu)
    else:
        out.store(choose(wp.dot(r, v) < 0.0, -wp.acos(cosine), wp.acos(cosine)))


def _period(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    e.out("periods|orbital_period|period_out", p.real).store(
        2.0 * PI * wp.sqrt(wp.abs(axis * axis * axis) / mu)
    )


def _apsides(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    low = k.let("rp|periapsis|r_peri", axis * (1.0 - ecc))
    e.out("periapsis_out|perigee", p.real).store(low - body_radius(k) if p.chance(0.5) else low)
    kind = e.out("orbit_class|regime|orbit_type", T.I32)
    margin = k.param("leo_limit|low_limit", 0.1, 0.4)
    with k.when(low < body_radius(k)):
        kind.store(3)
    with k.elsewhen(axis < body_radius(k) * (1.0 + margin)):
        kind.store(0)
    with k.elsewhen(ecc > k.param("heo_ecc|eccentric_limit", 0.2, 0.6)):
        kind.store(2)
    with k.otherwise():
        kind.store(1)


def attitude(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "attitude_step|propagate_attitude|rigid_body_attitude|attitude_control|detumble_step|pointing_control",
        p.pick(
            "Attitude dynamics and control, one step.",
            "Euler's equations with external torques.",
            "Quaternion kinematics of every satellite.",
        ),
    )
    p.real = T.F32 if p.chance(0.7) else T.F64
    e = Entities(k, "spacecraft", index="i|tid|sat")
    q_io = e.inout("attitudes|q_bi|quats|quaternions", p.quat, R.rotations())
    w_io = e.inout("rates|omega|body_rates", p.vec(), R.uniform(-0.2, 0.2))
    e.guard()
    q, w = k.let("q|q_i|att", q_io.own), k.let("w|omega_i|rate", w_io.own)
    inertia = (
        k.quantity(
            "inertia|J_diag|inertia_diag", p.vec(), p.pick([1.2, 1.0, 0.6], [12.0, 10.0, 8.0])
        )
        if p.chance(0.6)
        else e.field("inertias|J|inertia_diag", p.vec(), R.uniform(0.5, 3.0)).own
    )
    torque = k.var("tau|torque|m_ext", construct(p.vec(), 0.0))
    sources = p.sample([_gravity_gradient, _magnetic, _pointing, _rate_damping, _disturbance], 1, 3)
    for source in sources:
        source(p, k, e, q, w, inertia, torque)
    if p.chance(0.5):
        clamp_length(
            p,
            k,
            torque,
            k.param("max_torque|torque_limit|tau_max", 0.01, 0.5),
            "tau_mag|tau_len|t_norm",
        )
    wheel = (
        e.inout("wheel_momentum|h_wheel|rw_momentum", p.vec(), R.uniform(-0.1, 0.1))
        if p.chance(0.35)
        else None
    )
    dt = k.param("dt|time_step|h", 0.01, 0.5)
    momentum = wp.cw_mul(inertia, w) if wheel is None else wp.cw_mul(inertia, w) + wheel.own
    alpha = k.let("alpha|w_dot|ang_acc", wp.cw_div(torque - wp.cross(w, momentum), inertia))
    w_new = k.let("w_new|w1|rate1", w + alpha * dt)
    if wheel is not None:
        wheel.store(wheel.own - torque * dt)
    q_io.store(_turned(p, k, q, w_new, dt))
    w_io.store(w_new)
    if p.chance(0.4):
        e.out("kinetic_energy|spin_energy|rot_energy", p.real).store(
            0.5 * wp.dot(w_new, wp.cw_mul(inertia, w_new))
        )


def _turned(p: ProgramBuilder, k: KernelBuilder, q: Expr, w: Expr, dt: Expr) -> Expr:
    if p.chance(0.4):
        speed = k.let("speed|w_norm|rate_mag", wp.length(w))
        angle = k.let("angle|phi|turn", speed * dt)
        step = k.var("dq|delta_q|step_q", construct(p.quat, 0.0, 0.0, 0.0, 1.0))
        with k.when(angle > 1.0e-7):
            k.set(step, wp.quat_from_axis_angle(w / speed, angle))
        return wp.normalize(q * step)
    derivative = k.let("q_dot|dq|rate_q", q * construct(p.quat, w.x, w.y, w.z, 0.0))
    return wp.normalize(q + derivative * (0.5 * dt))


def _gravity_gradient(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    nadir = e.field("nadir_dirs|radial_dir|r_hat", p.vec(), R.unit_vectors()).own
    rate = k.param("orbit_rate|n_orb|mean_motion", 0.001, 0.05)
    local = k.let("r_b|nadir_b|rb", wp.quat_rotate_inv(q, nadir))
    k.aug(torque, "+", wp.cross(local, wp.cw_mul(inertia, local)) * (3.0 * rate * rate))


def _magnetic(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    field = e.field("b_field|mag_field|b_eci", p.vec(), R.uniform(-0.5, 0.5)).own
    local = k.let("b_b|b_body|mag_b", wp.quat_rotate_inv(q, field))
    gain = k.param("bdot_gain|k_bdot|mag_gain", 0.05, 2.0)
    dipole = k.var(
        "m|dipole|mtq", wp.cross(local, w) * -gain if p.chance(0.5) else wp.cross(w, local) * gain
    )
    if p.chance(0.5):
        top = k.param("max_dipole|m_max|dipole_limit", 0.05, 0.5)
        k.set(dipole, construct(p.vec(), *[wp.clamp(dipole[a], -top, top) for a in range(3)]))
    k.aug(torque, "+", wp.cross(dipole, local))


def _pointing(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    goal = e.field("target_attitude|q_ref|commanded", p.quat, R.rotations()).own
    error = k.let(
        "q_err|dq_e|qe", wp.quat_inverse(q) * goal if p.chance(0.6) else wp.quat_inverse(goal) * q
    )
    sign = (
        wp.sign(error.w)
        if p.chance(0.5)
        else choose(error.w < 0.0, number(p, -1.0), number(p, 1.0))
    )
    vector = construct(p.vec(), error.x, error.y, error.z) * sign
    kp, kd = k.param("kp|att_gain|k_p", 0.05, 1.0), k.param("kd|rate_gain|k_d", 0.1, 2.0)
    k.aug(torque, "+", vector * kp - w * kd)
    if p.chance(0.4):
        e.out("pointing_error|att_error|angle_out", p.real).store(
            2.0 * wp.acos(wp.min(wp.abs(error.w), 1.0))
        )


def _rate_damping(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    k.aug(torque, "-", w * k.param("rate_damping|c_damp|viscous", 0.01, 0.5))


def _disturbance(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    sun, lever = (
        k.quantity("sun_dir|s_hat", p.vec(), [1.0, 0.0, 0.0]),
        k.quantity("cp_offset|lever|cop", p.vec(), [0.05, 0.02, -0.03]),
    )
    force = k.param("srp_force|solar_force|f_srp", 0.0001, 0.01)
    k.aug(torque, "+", wp.cross(lever, wp.quat_rotate_inv(q, sun)) * -force)
