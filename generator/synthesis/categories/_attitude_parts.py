"""Stages that attitude programs share: calibration of sensor readings, and what is reported of an attitude."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import blend, piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def calibrated(p: ProgramBuilder, e: Entities, reading: Expr, name: str) -> Expr:
    """A sensor reading after none, one or several of the corrections that drivers apply."""
    steps = p.sample([_remove_bias, _scale, _misalignment, _saturate, _deadband, _smooth], 0, 3)
    value = reading
    for step in steps:
        value = e.k.let(f"{name}|{name}_c|{name}_cal", step(p, e, value, name))
    return value


def _remove_bias(p: ProgramBuilder, e: Entities, v: Expr, name: str) -> Expr:
    if p.chance(0.5):
        return (
            v
            - e.field(f"{name}_bias|{name}_offset|{name}_zero", p.vec(), R.uniform(-0.05, 0.05)).own
        )
    return v - e.world_vector(f"{name}_bias|{name}_offset", [0.01, -0.02, 0.005], p.vec())


def _scale(p: ProgramBuilder, e: Entities, v: Expr, name: str) -> Expr:
    if p.chance(0.5):
        return wp.cw_mul(v, e.k.quantity(f"{name}_scale|{name}_gain", p.vec(), [1.01, 0.98, 1.03]))
    return v * e.property(f"{name}_scale|sensitivity|{name}_gain", 0.8, 1.2)


def _misalignment(p: ProgramBuilder, e: Entities, v: Expr, name: str) -> Expr:
    if p.chance(0.5):
        return (
            e.field(f"{name}_alignment|misalignment|cross_axis", p.mat(), R.near_identity(0.05)).own
            * v
        )
    mount = e.field("mount_rotations|sensor_quats|alignments", p.quat, R.rotations()).own
    return wp.quat_rotate(mount, v) if p.chance(0.5) else wp.quat_rotate_inv(mount, v)


def _saturate(p: ProgramBuilder, e: Entities, v: Expr, name: str) -> Expr:
    limit = e.k.param(f"{name}_range|full_scale|{name}_limit", 1.0, 8.0)

    def body(b: Block, x: Expr, bound: Expr) -> Expr:
        return construct(p.vec(), *(wp.clamp(x[i], -bound, bound) for i in range(3)))

    return piece(
        p, e.k, "saturate|clip_reading|clamp_axes", {"x|v|reading": v, "bound|limit": limit}, body
    )


def _deadband(p: ProgramBuilder, e: Entities, v: Expr, name: str) -> Expr:
    width = e.k.param(f"deadband|{name}_noise|threshold", 0.001, 0.05)
    k = e.k
    if p.chance(0.5):
        return choose(wp.length(v) < width, construct(p.vec(), 0.0), v)
    held = k.var("held|quiet|live", construct(p.vec(), 0.0))
    with k.when(wp.length(v) >= width):
        k.set(held, v)
    return held


def _smooth(p: ProgramBuilder, e: Entities, v: Expr, name: str) -> Expr:
    alpha = e.world_param(f"{name}_alpha|smoothing|filter_gain", 0.05, 0.5)
    state = e.inout(f"{name}_filtered|{name}_state|lowpass_state", p.vec(), R.uniform(-0.5, 0.5))
    filtered = e.k.let("filtered|smooth|lp", blend(p, state.own, v, alpha))
    state.store(filtered)
    return filtered


def report(p: ProgramBuilder, e: Entities, q: Expr, most: int = 2) -> None:
    """Quantities derived from the attitude `q`, written to outputs of their own."""
    single = [_angles] if p.real == T.F32 else []  # Warp has these angles in no other precision
    choices = [_tilt, _heading, *single, _axis, _aligned, _spread, _north, _renormalised]
    for write in p.sample(choices, 0, most):
        write(p, e, q)


def _tilt(p: ProgramBuilder, e: Entities, q: Expr) -> None:
    k = e.k
    up = k.let("body_up|up_axis|z_axis", wp.quat_rotate(q, construct(p.vec(), 0.0, 0.0, 1.0)))
    tilt = k.let("tilt|inclination", wp.acos(wp.clamp(up.z, -1.0, 1.0)))
    e.out("tilt_angles|inclinations|tilts", p.real).store(tilt)
    if p.chance(0.5):
        limit = k.param("max_tilt|tilt_limit|tip_over_angle", 0.4, 2.0)
        flags = e.out("tipped|tilt_alarm|fallen", T.I32)
        if p.chance(0.5):
            with k.when(tilt > limit):
                flags.store(1)
        else:
            flags.store(construct(T.I32, tilt / limit))


def _heading(p: ProgramBuilder, e: Entities, q: Expr) -> None:
    k = e.k
    nose = k.let("nose|fwd|x_axis", wp.quat_rotate(q, construct(p.vec(), 1.0, 0.0, 0.0)))
    yaw = k.var("yaw|psi|azimuth", wp.atan2(nose.y, nose.x))
    if p.chance(0.5):
        with k.when(yaw < 0.0):
            k.aug(yaw, "+", 6.2831853)
    e.out("azimuths|heading_out|yaw_out", p.real).store(wp.degrees(yaw) if p.chance(0.4) else yaw)


def _angles(p: ProgramBuilder, e: Entities, q: Expr) -> None:
    if p.chance(0.5):
        order = p.pick((0, 1, 2), (2, 1, 0), (2, 0, 1))
        rpy = e.k.let("cardan|euler_i", call_as("quat_to_euler", p.vec(), q, *order))
    else:
        rpy = e.k.let("rpy|tait_bryan", wp.quat_to_rpy(q))
    if p.chance(0.5):
        e.out("rpy_out|attitude_angles|tait_bryan_out", p.vec()).store(rpy)
    else:
        e.out("roll|roll_angles", p.real).store(rpy[0])
        e.out("pitch|pitch_angles", p.real).store(rpy[1])


def _axis(p: ProgramBuilder, e: Entities, q: Expr) -> None:
    axis, angle = e.k.unpack(
        ["rot_axis|spin_axis|n_axis", "rot_angle|phi_total"], wp.quat_to_axis_angle(q)
    )
    e.out("rotation_vector_out|log_map|phi_out", p.vec()).store(axis * angle)


def _aligned(p: ProgramBuilder, e: Entities, q: Expr) -> None:
    k = e.k
    sun = e.world_vector("reference_dir|sun_dir|target_dir", [0.6, 0.0, 0.8], p.vec())
    body_dir = k.let("d_body|local_dir|s_b", wp.quat_rotate_inv(q, sun))
    e.out("local_reference|body_directions|sun_body", p.vec()).store(body_dir)
    if p.chance(0.5):
        lit = k.out("in_view|visible_count|lit", T.I32, (1,))
        cone = k.param("cos_cone|fov_cos|cos_limit", 0.2, 0.9)
        with k.when(body_dir.z > cone):
            k.do(wp.atomic_add(lit, 0, 1))


def _spread(p: ProgramBuilder, e: Entities, q: Expr) -> None:
    k = e.k
    ref = k.quantity("reference_quat|mean_quat|q_mean", p.quat, [0.0, 0.0, 0.0, 1.0])
    closeness = k.let("cosine|overlap|dq_dot", wp.abs(wp.dot(q, ref)))
    total = k.out("dispersion|spread|alignment_sum", p.real, (e.worlds or 1,))
    where = e.world if e.world is not None else 0
    k.do(wp.atomic_add(total, where, 1.0 - closeness * closeness))


def _north(p: ProgramBuilder, e: Entities, q: Expr) -> None:
    k = e.k
    field = e.field("magnetometer|mag_readings|mag", p.vec(), R.uniform(-1.0, 1.0)).own
    level = k.let("mag_w|m_world|field_w", wp.quat_rotate(q, field))
    with k.when(any_of(wp.abs(level.x) > 0.001, wp.abs(level.y) > 0.001)):
        e.out("declination|mag_heading|compass", p.real).store(wp.atan2(level.y, level.x))


def _renormalised(p: ProgramBuilder, e: Entities, q: Expr) -> None:
    k = e.k
    drift = k.let("drift|norm_err|excess", wp.dot(q, q) - 1.0)
    worst = k.out("max_drift|worst_norm|norm_drift", p.real, (1,), R.constant(-1.0))
    k.do(wp.atomic_max(worst, 0, wp.abs(drift)))
