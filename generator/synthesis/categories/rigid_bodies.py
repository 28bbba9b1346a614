"""Rigid bodies: motion of poses and twists, inertia, contacts, joints, broad phase and diagnostics."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper, report, tune
from generator.synthesis.categories._rigid_attached import attached_points, point_wrenches
from generator.synthesis.categories._rigid_broadphase import BROADPHASE
from generator.synthesis.categories._rigid_contacts import CONTACTS
from generator.synthesis.categories._rigid_joints import JOINTS
from generator.synthesis.categories._rigid_motion import integrate_bodies
from generator.synthesis.categories._rigid_state import (
    TWISTS,
    Pose,
    body_inertia,
    spatial,
    world_inertia,
)
from generator.synthesis.categories._scene_graph import instance_matrices
from generator.synthesis.categories._tensor_frames import principal_axes
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr


@category("rigid_bodies", version=1, title="Rigid bodies")
def write(p: ProgramBuilder) -> None:
    """Rigid bodies with transforms, quaternions and spatial vectors: integration with gyroscopic terms, world
    inertia, contact
    impulses and penalties, joints and drives, kinematic trees, bounding boxes, pair finding, momentum and energy."""
    if not p.fusing:
        p.real = T.F64 if p.on("double") else T.F32
    intents = {
        integrate_bodies: 3.2,
        _world_inertia: 1.2,
        _diagnostics: 1.6,
        attached_points: 1.7,
        point_wrenches: 1.5,
        _sleep: 1.2,
        _kinematic: 1.2,
        principal_axes: 2.0,
        instance_matrices: 1.6,
        **CONTACTS,
        **JOINTS,
        **BROADPHASE,
    }
    p.weighted(intents)(p)


def _world_inertia(p: ProgramBuilder) -> None:
    rotated = p.chance(0.5)
    k = p.kernel_builder(
        "update_world_inertia|rotate_inertia|world_inertia_tensors|refresh_inertia"
        if rotated
        else "shape_inertia|mass_properties|compute_inertia|solid_inertia",
        p.pick("Inertia in world axes.", "Rotate inertia tensors into the world frame.")
        if rotated
        else "Mass properties of solid shapes.",
    )
    e = Entities(k, "body", index="tid|b|i|body")
    if rotated:
        state = Pose(p, e, "in")
        e.guard()
        _, rot = state.read("", "q|rot|r0")
        inertia, inverse = world_inertia(p, k, e, rot)
        what = p.pick("inverse", "both", "momentum")
        if what != "momentum":
            e.out("inv_inertia_world|inv_i_world|inv_inertia_out", p.mat(3)).store(inverse)
        if what == "both":
            e.out("inertia_world|i_world|inertia_out", p.mat(3)).store(inertia)
        if what == "momentum":
            w = e.field("angular_velocities|omega|w", p.vec(3), R.uniform(-2.0, 2.0))
            momentum = k.let("l|ang_mom|momentum", inertia * w.own)
            e.out("angular_momentum|l_out|momenta", p.vec(3)).store(momentum)
            report(p, e, momentum, "momentum", 4.0)
        return
    e.guard()
    mass = e.property("mass|body_mass|m", 0.5, 5.0)
    size = e.field("half_extents|sizes|dims", p.vec(3), R.uniform(0.1, 0.6)).read("h|half|size")
    shape = p.pick("box", "ellipsoid", "capsule", "cylinder")
    diag = _solid_inertia(p, k, shape, mass, size)
    value = k.let("inertia|i_diag|moments", diag)
    if p.chance(0.5):
        e.out("inertia_out|body_inertia|inertias", p.mat(3)).store(wp.diag(value))
    else:
        e.out("inertia_diag|principal_moments|moments_out", p.vec(3)).store(value)
    if p.chance(0.5):
        e.out("inv_inertia_out|inv_moments|inv_diag", p.vec(3)).store(
            construct(p.vec(3), 1.0 / value.x, 1.0 / value.y, 1.0 / value.z)
        )
    report(p, e, value, "inertia", 1.0, {0: 3, 1: 1})


def _solid_inertia(p: ProgramBuilder, k: KernelBuilder, shape: str, mass: Expr, size: Expr) -> Expr:
    def body(b: Block, m: Expr, h: Expr) -> Expr:
        xx, yy, zz = (b.let(f"{a}{a}|{a}2|s{a}", h.field(a) * h.field(a)) for a in "xyz")
        vec = T.Vec(3, p.real)
        if shape == "box":
            return construct(vec, m * (yy + zz) / 3.0, m * (xx + zz) / 3.0, m * (xx + yy) / 3.0)
        if shape == "ellipsoid":
            return construct(vec, yy + zz, xx + zz, xx + yy) * (0.2 * m)
        side = b.let(
            "side|ix|lateral",
            m * (0.25 * xx + yy / 3.0)
            if shape == "cylinder"
            else m * (0.4 * xx + yy / 3.0 + 0.5 * zz),
        )
        return construct(vec, side, 0.5 * m * xx, side)

    return helper(
        p,
        k,
        f"{shape}_inertia|solid_{shape}|inertia_of_{shape}",
        {"m|mass": mass, "h|half|size": size},
        body,
        p.pick(f"Principal moments of a solid {shape}.", ""),
    )


def _diagnostics(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "body_energy|compute_momentum|kinetic_energy|energy_and_momentum|measure_bodies|total_momentum",
        p.pick(
            "Kinetic and potential energy.",
            "Linear and angular momentum of all bodies.",
            "Conserved quantities of the scene.",
        ),
    )
    e = Entities(k, "body", index="tid|b|i|body")
    vec = p.vec(3)
    state = Pose(p, e, "in")
    packed = p.chance(0.5)
    e.guard()
    pos, rot = state.read("x|pos|p0", "q|rot|r0")
    if packed:
        qd = k.let("qd|twist", e.field(TWISTS, p.spatial, R.uniform(-1.0, 1.0)).own)
        v, w = k.let("v|lin", wp.spatial_top(qd)), k.let("w|ang", wp.spatial_bottom(qd))
    else:
        v = e.field("velocities|lin_vel|v", vec, R.uniform(-1.0, 1.0)).read("v|v_b|lin")
        w = e.field("angular_velocities|ang_vel|w", vec, R.uniform(-2.0, 2.0)).read("w|w_b|ang")
    mass = e.property("mass|body_mass|m", 0.5, 3.0)
    inertia = body_inertia(p, e)
    where, count = (e.world if e.world is not None else 0), (e.worlds or 1,)
    for what in p.sample(["energy", "linear", "angular", "potential"], 1, 3):
        if what == "energy":
            local = k.let("wb|w_local", wp.quat_rotate_inv(rot, w))
            energy = k.let(
                "ke|energy|e_kin", 0.5 * mass * wp.dot(v, v) + 0.5 * wp.dot(local, inertia * local)
            )
            k.do(wp.atomic_add(k.out("kinetic|energy_out|total_ke", p.real, count), where, energy))
            if p.chance(0.4):
                e.out("body_energies|energies|ke_out", p.real).store(energy)
        elif what == "linear":
            k.do(
                wp.atomic_add(
                    k.out("momentum|linear_momentum|p_total", vec, count), where, v * mass
                )
            )
        elif what == "angular":
            spin = wp.quat_rotate(rot, inertia * wp.quat_rotate_inv(rot, w))
            k.do(
                wp.atomic_add(
                    k.out("angular_momentum|l_total|spin_total", vec, count),
                    where,
                    wp.cross(pos, v * mass) + spin,
                )
            )
        else:
            g = k.param("gravity_mag|g0|gravity", 1.6, 9.81)
            up = p.pick("y", "z")
            k.do(
                wp.atomic_add(
                    k.out("potential|pe_out|total_pe", p.real, count),
                    where,
                    mass * g * pos.field(up),
                )
            )


def _sleep(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "update_sleeping|island_wakeup|detect_rest|deactivate_bodies|check_motion|update_activity",
        p.pick(
            "Put slow bodies to sleep.",
            "Track how long each body has been at rest.",
            "Wake bodies that move again.",
        ),
    )
    e = Entities(k, "body", index="tid|b|i|body")
    vec = p.vec(3)
    timer = e.inout("rest_time|sleep_timer|idle_time", p.real, R.uniform(0.0, 0.6))
    packed = p.chance(0.5)
    if packed:
        qd = k.let("qd|twist", e.field(TWISTS, p.spatial, R.uniform(-0.3, 0.3)).own)
        speed = [wp.length(wp.spatial_top(qd)), wp.length(wp.spatial_bottom(qd))]
    else:
        speed = [
            wp.length(e.field(h, vec, R.uniform(-0.3, 0.3)).own)
            for h in ("velocities|lin_vel|v", "angular_velocities|ang_vel|w")
        ]
    lin, ang = (
        k.param("linear_threshold|v_sleep|lin_tol", 0.05, 0.4),
        k.param("angular_threshold|w_sleep|ang_tol", 0.05, 0.4),
    )
    dt = e.world_param("dt|timestep|h", 0.005, 0.05)
    quiet = all_of(speed[0] < lin, speed[1] < ang) if p.chance(0.5) else None
    if quiet is not None:
        with k.when(quiet):
            timer.store(timer.own + dt)
        with k.otherwise():
            timer.store(0.0)
    else:
        with k.when(any_of(speed[0] > lin, speed[1] > ang)):
            timer.store(0.0)
            if p.chance(0.5):
                k.ret()
        with k.otherwise():
            timer.store(timer.own + dt)
    if p.chance(0.35):
        energy = 0.5 * speed[0] * speed[0] + 0.5 * speed[1] * speed[1]
        e.out("motion_energy|activity|motion_metric", p.real).store(energy)
    if p.chance(0.3):
        cap = k.param("timer_cap|max_idle|timer_max", 1.0, 5.0)
        timer.store(wp.min(timer.own, cap))
    delay = k.param("sleep_delay|time_to_sleep|rest_limit", 0.2, 1.0)
    asleep = e.out("asleep|is_sleeping|sleeping", T.I32)
    asleep.store(
        wp.where(timer.own > delay, 1, 0) if p.chance(0.5) else construct(T.I32, timer.own > delay)
    )
    if p.chance(0.4):
        k.do(
            wp.atomic_add(
                k.out("num_awake|awake_count", T.I32, (e.worlds or 1,)),
                e.world if e.world is not None else 0,
                1 - asleep.own if p.chance(0.3) else 1,
            )
        )


def _kinematic(p: ProgramBuilder) -> None:
    goal = p.pick("blend", "error", "velocity")
    names = {
        "blend": (
            "interpolate_poses|sample_keyframes|blend_transforms",
            "Interpolate kinematic bodies between keyframes.",
        ),
        "error": ("pose_error|tracking_error|pose_difference", "Pose error against a target."),
        "velocity": (
            "drive_kinematic_bodies|target_velocities|velocity_to_target",
            "Velocities that reach the target pose.",
        ),
    }
    k = p.kernel_builder(*names[goal])
    e = Entities(k, "body", index="tid|b|i|body")
    vec = p.vec(3)
    a = e.field("poses_start|body_q|current|xform_a", p.transform, R.rigid(-1.0, 1.0))
    c = e.field("poses_end|target_q|targets|xform_b", p.transform, R.rigid(-1.0, 1.0))
    e.guard()
    xa, xc = k.let("xa|pose_a|cur", a.own), k.let("xb|pose_b|goal", c.own)
    pa, pc = (
        k.let("pa|p0|pos_a", wp.transform_get_translation(xa)),
        k.let("pb|p1|pos_b", wp.transform_get_translation(xc)),
    )
    qa, qc = (
        k.let("qa|q0|rot_a", wp.transform_get_rotation(xa)),
        k.let("qb|q1|rot_b", wp.transform_get_rotation(xc)),
    )
    if goal == "blend":
        t = e.world_param("alpha|t|phase|weight", 0.05, 0.95)
        if p.chance(0.4):
            t = k.let("s|ease|u", t * t * (3.0 - 2.0 * t))
        x = wp.lerp(pa, pc, t) if p.chance(0.5) else pa + (pc - pa) * t
        e.out("poses_out|body_q_out|blended", p.transform).store(
            construct(p.transform, x, wp.quat_slerp(qa, qc, t))
        )
        return

    def error(b: Block, q0: Expr, q1: Expr) -> Expr:
        dq = b.let("dq|rel|delta", q1 * wp.quat_inverse(q0))
        sign = b.let(
            "s|sign|hemi", wp.where(dq.w < 0.0, construct(p.real, -2.0), construct(p.real, 2.0))
        )
        return construct(vec, dq.x, dq.y, dq.z) * sign

    rot_err = k.var(
        "e_rot|dw|rot_err",
        helper(
            p,
            k,
            "rotation_error|quat_error|orientation_error",
            {"q|a": qa, "target|b": qc},
            error,
            p.pick("Rotation vector from one orientation to another.", ""),
        ),
    )
    pos_err = k.var("e_pos|dx|pos_err", pc - pa)
    if goal == "velocity":
        dt = e.world_param("dt|timestep|h", 0.01, 0.1)
        k.aug(pos_err, "/", dt)
        k.aug(rot_err, "/", dt)
        tune(p, e, pos_err, "speed", 50.0)
        e.out("target_qd|twists_out|body_qd", p.spatial).store(spatial(p, pos_err, rot_err))
        return
    tune(p, e, rot_err, "error", 2.0)
    e.out("position_error|pos_errors|dx_out", vec).store(pos_err)
    e.out("rotation_error_out|rot_errors|dw_out", vec).store(rot_err)
    report(p, e, pos_err, "error", 2.0)
