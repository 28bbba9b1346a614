"""Attitudes from other representations: joint angles, basis vectors, look-at directions, matrices of instances."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.categories._extras import helper, single_precision
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal

_ORDERS = ((0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1))


def from_angles(p: ProgramBuilder) -> None:
    """Attitudes from Euler or roll-pitch-yaw angles."""
    single_precision(p)
    k = p.kernel_builder(
        "attitude_from_angles|set_orientations|joint_rotations|apply_euler_offsets|init_attitudes|euler_to_quat",
        p.pick(
            "Quaternions from commanded angles.",
            "Orientation of each body from its angles.",
            "Initial attitudes from Euler angles.",
        ),
    )
    e = Entities(k, p.pick("body", "gimbal", "vehicle", "joint"))
    degrees = p.chance(0.35)
    largest = 70.0 if degrees else 1.2
    fill = R.uniform(-largest, largest)
    angles = e.field("angles|euler_angles|rpy|commands", T.VEC3, fill).read("angles_i|rpy_i|a")
    e.guard()
    if degrees:
        in_radians = construct(T.VEC3, *(wp.radians(angles[i]) for i in range(3)))
        angles = k.let("angles_rad|rad|radians_i", in_radians)
    q = k.var("q|att|rot", _from_angles(p, angles))
    if p.chance(0.4):
        base = e.field("base_rotations|mounting|reference", T.QUAT, R.rotations()).own
        k.set(q, base * q if p.chance(0.6) else q * base)
    e.out("rotations|attitudes|orientations", T.QUAT).store(q)
    _angle_results(p, k, e, q)


def _from_angles(p: ProgramBuilder, angles: Expr) -> Expr:
    if p.chance(0.6):
        return call_as("quat_from_euler", T.QUAT, angles, *p.pick(*_ORDERS))
    return wp.quat_rpy(angles.x, angles.y, angles.z)


def _angle_results(p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr) -> None:
    """What may follow: a twist about an axis, a pointing direction, a blend with the old attitude."""
    for what in p.sample(["twist", "pointing", "blend", "pose"], 1, 2):
        if what == "twist":
            axis = e.field("axes|hinge_axes|joint_axes", T.VEC3, R.unit_vectors()).own
            name = p.pick("quat_twist_angle", "quat_twist_angle_signed")
            twist = k.let("twist|turn|hinge_angle", call_as(name, T.F32, axis, q))
            e.out("twist_out|hinge_angles|turns", T.F32).store(twist)
        elif what == "pointing":
            nose = construct(T.VEC3, 1.0, 0.0, 0.0)
            e.out("pointing|forward|boresight", T.VEC3).store(wp.quat_rotate(q, nose))
        elif what == "blend":
            old = e.field("previous|old_rotations|last_attitude", T.QUAT, R.rotations()).own
            share = e.world_param("blend|rate|slew", 0.05, 0.5)
            e.out("blended|slewed|q_filtered", T.QUAT).store(wp.quat_slerp(old, q, share))
        else:
            x = e.field("positions|translations", T.VEC3, R.uniform(-2.0, 2.0)).own
            e.out("poses|transforms_out|frames", T.TRANSFORM).store(construct(T.TRANSFORM, x, q))


def frame_attitude(p: ProgramBuilder) -> None:
    """Attitudes whose axes follow directions: look-at cameras, trajectory frames, tangent frames."""
    single_precision(p)
    k = p.kernel_builder(
        "look_at|align_to_velocity|build_frames|orient_cameras|tangent_frames|aim_at_target",
        p.pick(
            "Attitude that looks at a target.",
            "Frames aligned with the direction of motion.",
            "Rotation from an orthonormal basis.",
        ),
    )
    e = Entities(k, p.pick("camera", "vehicle", "marker"))
    forward = _forward(p, k, e)
    up = k.quantity("up|world_up|up_axis", T.VEC3, [0.0, 0.0, 1.0]) if p.chance(0.6) else None
    q = k.let("q|att|frame_rot", _basis_rotation(p, k, forward, up))
    e.out("rotations|attitudes|frames_out", T.QUAT).store(q)
    if p.chance(0.5):  # a basis that is not orthonormal shows here
        turned = wp.quat_rotate(q, construct(T.VEC3, 1.0, 0.0, 0.0))
        k.do(wp.expect_near(turned, forward, literal(0.001, T.F32)))
    if p.chance(0.4):
        old = e.field("current|previous_rotations|measured", T.QUAT, R.rotations()).own
        error = k.let("err|dq|delta", wp.quat_inverse(old) * q)
        axis, angle = k.unpack(
            ["axis|n|turn_axis", "angle|theta|turn"], wp.quat_to_axis_angle(error)
        )
        rate = k.param("turn_gain|slew_gain|gain", 0.1, 2.0)
        e.out("commands|turn_rates|omega_cmd", T.VEC3).store(axis * (angle * rate))


def _forward(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Name:
    if p.chance(0.5):
        eye = e.field("eyes|positions|centers", T.VEC3, R.uniform(-2.0, -0.5)).own
        target = e.field("targets|goals|look_points", T.VEC3, R.uniform(0.5, 2.0)).own
        ahead = target - eye
    else:
        ahead = e.field("velocities|headings|directions", T.VEC3, R.uniform(0.2, 1.5)).own
    return k.let("forward|x_axis|ahead", wp.normalize(ahead))


def _basis_rotation(p: ProgramBuilder, k: KernelBuilder, forward: Expr, up: Expr | None) -> Expr:
    form = p.pick("columns", "columns", "rows", "matrix")

    def body(b: Block, x: Expr, u: Expr) -> Expr:
        y = b.let("side|y_axis|left", wp.normalize(wp.cross(u, x)))
        z = b.let("z_axis|top|up_i", wp.cross(x, y))
        if form == "columns":
            return wp.quat_from_matrix(wp.matrix_from_cols(x, y, z))
        if form == "rows":
            return wp.quat_from_matrix(wp.transpose(wp.matrix_from_rows(x, y, z)))
        m = b.let("m|basis|rot_m", construct(T.MAT33, *(a[i] for i in range(3) for a in (x, y, z))))
        return wp.quat_from_matrix(m)

    direction = up if up is not None else construct(T.VEC3, 0.0, 0.0, 1.0)
    args = {"forward|x|ahead": forward, "up|u": direction}
    return helper(p, k, "basis_to_quat|look_rotation|frame_quat", args, body, share=0.7)
