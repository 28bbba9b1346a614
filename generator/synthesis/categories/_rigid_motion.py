"""Time integration of rigid bodies."""

from generator.synthesis import recipes as R
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.categories._rigid_state import (
    TWISTS,
    Pose,
    body_inertia,
    spatial,
    world_inertia,
)
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length, inverted
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def integrate_bodies(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "integrate_bodies|step_bodies|advance_rigid_bodies|rigid_body_step|update_body_state|semi_implicit_bodies|move_bodies",
        p.pick(
            "Semi-implicit Euler for rigid bodies.",
            "Integrate poses and twists under wrenches.",
            "Advance every rigid body by one step.",
            "Rigid-body dynamics with gyroscopic torque.",
        ),
    )
    e = Entities(k, "body", index="tid|b|i|body")
    state = Pose(p, e, p.pick("in", "inout"))
    packed = p.chance(0.55)
    vec = p.vec(3)
    if packed:
        twists = e.field(TWISTS, p.spatial, R.uniform(-1.0, 1.0))
        wrench = e.field("body_f|wrenches|body_forces|f_ext", p.spatial, R.uniform(-2.0, 2.0))
    else:
        lin = e.field("linear_velocities|velocities|lin_vel|v", vec, R.uniform(-1.0, 1.0))
        ang = e.field("angular_velocities|omega|ang_vel|w", vec, R.uniform(-2.0, 2.0))
    inv_mass = (
        e.field("inv_mass|body_inv_mass|inv_m", p.real, R.mask(0.85)) if p.chance(0.6) else None
    )
    dt = e.world_param("dt|timestep|h|sim_dt", 0.001, 0.02)
    _skip_static(p, k, e, state, inv_mass)
    pos, rot = state.read("x|p0|pos|com", "q|rot|r0|quat_b")
    order = p.chance(0.6)  # linear part first
    if packed:
        qd, f = k.let("qd|twist|vel", twists.own), k.let("f|wrench|ext", wrench.own)
        top, bottom = (
            (wp.spatial_top, wp.spatial_bottom) if order else (wp.spatial_bottom, wp.spatial_top)
        )
        v, w = k.var("v|v0|lin", top(qd)), k.var("w|w0|omega|ang", bottom(qd))
        force, torque = k.let("f_lin|force|f0", top(f)), k.let("tau|torque|t0", bottom(f))
    else:
        v, w = k.var("v|v0|lin", lin.own), k.var("w|w0|omega_b|ang", ang.own)
        force = e.field("forces|body_force|f_lin", vec, R.uniform(-2.0, 2.0)).own
        torque = e.field("torques|body_torque|tau", vec, R.uniform(-1.0, 1.0)).own
    k.step(p.pick("linear part", "", "velocities"))
    m = (
        inv_mass.own
        if inv_mass is not None
        else e.property("inv_mass|body_inv_mass|inv_m", 0.2, 2.0)
    )
    gravity = e.world_vector("gravity|g", p.pick([0.0, -9.81, 0.0], [0.0, 0.0, -9.81]), vec)
    k.aug(v, "+", (force * m + gravity) * dt)
    _angular(p, k, e, rot, w, torque, dt)
    _dampen(p, k, e, v, w, dt)
    k.step(p.pick("pose", "", "update the pose"))
    new_pos = k.let("x1|pos_new|p1", pos + v * dt)
    new_rot = k.let("q1|rot_new|r1", _advance(p, k, rot, w, dt))
    state.write(new_pos, new_rot)
    if packed:
        e.out("body_qd_out|twists_out|body_qd_next", p.spatial).store(
            spatial(p, v, w) if order else spatial(p, w, v)
        )
    else:
        e.out("v_out|lin_vel_out|velocities_out", vec).store(v)
        e.out("w_out|ang_vel_out|omega_out", vec).store(w)


def _skip_static(p: ProgramBuilder, k: KernelBuilder, e: Entities, state: Pose, inv_mass) -> None:  # type: ignore[no-untyped-def]
    if inv_mass is not None:
        with k.when(inv_mass.own == 0.0 if p.chance(0.6) else inv_mass.own <= 0.0):
            if not state.in_place:
                state.carry()
            k.ret()
    else:
        e.guard()


def _angular(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rot: Expr, w: Name, torque: Expr, dt: Expr
) -> None:
    form = p.weighted({"body_frame": 3, "world_matrix": 3, "diagonal": 1.6, "implicit": 1})
    k.step(p.pick("angular part", "", "gyroscopic torque"))
    if form == "world_matrix":
        inertia, inverse = world_inertia(p, k, e, rot)
        k.aug(w, "+", inverse * (torque - wp.cross(w, inertia * w)) * dt)
        return
    inertia = body_inertia(p, e, diagonal=form == "diagonal")
    local = k.let("wb|w_local|omega_b", wp.quat_rotate_inv(rot, w))
    tb = k.let("tb|tau_b|t_local", wp.quat_rotate_inv(rot, torque))
    if form == "diagonal":
        spin = wp.cross(local, wp.cw_mul(inertia, local))
        k.set(w, wp.quat_rotate(rot, local + wp.cw_div(tb - spin, inertia) * dt))
    elif form == "body_frame":
        inverse = (
            e.field("inv_inertia|body_inv_inertia|inv_i", p.mat(3), R.spd(0.3, 2.0)).own
            if p.chance(0.5)
            else inverted(p, inertia)
        )
        k.set(
            w, wp.quat_rotate(rot, local + inverse * (tb - wp.cross(local, inertia * local)) * dt)
        )
    else:
        residual = k.let("f_gyro|res|g0", wp.cross(local, inertia * local) * dt)
        iw = k.let("iw|ang_mom|l_b", inertia * local)
        jac = k.let("jac|j|dfdw", inertia + (wp.skew(local) * inertia - wp.skew(iw)) * dt)
        solved = k.let("wb1|w_imp|corrected", local - inverted(p, jac) * (residual - tb * dt))
        k.set(w, wp.quat_rotate(rot, solved))


def _dampen(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name, w: Name, dt: Expr) -> None:
    if p.chance(0.45):
        damping = k.param("angular_damping|damping|spin_damping", 0.01, 1.0)
        k.aug(w, "*", p.pick(1.0 - damping * dt, wp.exp(-damping * dt)))
        if p.chance(0.4):
            k.aug(v, "*", 1.0 - k.param("linear_damping|drag", 0.01, 1.0) * dt)
    if p.chance(0.3):
        clamp_length(
            p, k, w, k.param("max_angular_speed|w_max|max_spin", 1.0, 10.0), "spin|w_len|ang_speed"
        )
    if p.chance(0.2):
        clamp_length(p, k, v, k.param("max_linear_speed|v_max", 1.0, 10.0), "speed|v_len")


def _advance(p: ProgramBuilder, k: KernelBuilder, rot: Expr, w: Expr, dt: Expr) -> Expr:
    """The orientation after one step."""
    form = p.pick("derivative", "derivative", "exponential", "local")

    def body(b: Block, q: Expr, omega: Expr, h: Expr) -> Expr:
        if form == "derivative":
            return wp.normalize(q + construct(p.quat, omega, 0.0) * q * (0.5 * h))
        if form == "local":
            dq = b.let("dq|delta_q|half", construct(p.quat, omega * (0.5 * h), 1.0))
            return wp.normalize(dq * q)
        angle = b.let("angle|theta|phi", wp.length(omega) * h)
        axis = b.let("axis|n|dir", wp.normalize(omega))
        return wp.normalize(wp.quat_from_axis_angle(axis, angle) * q)

    args = {"q|rot|r": rot, "w|omega": w, "dt|h": dt}
    return helper(
        p,
        k,
        "integrate_quat|advance_rotation|quat_step|rotate_by",
        args,
        body,
        p.pick("Integrate an orientation over one step.", ""),
    )
