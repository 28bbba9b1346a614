"""Reference trajectories and mobile bases, for the robotics category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._robot_ik import literal_pi
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


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
    if form == "ackermann":
        rear = e.field("drive_speeds|rear_wheel_speed|omega_rear", p.real, R.uniform(-5.0, 5.0))
        forward = k.let("w|speed|v_rear", radius * rear.own)
    else:
        speeds = {"differential": 2, "mecanum": 4, "omni": 3}[form]
        w = e.field("wheel_speeds|wheel_vel|omega_w", p.vec(speeds), R.uniform(-5.0, 5.0)).read(
            "w|wheels|u"
        )
    if form == "differential":
        track = e.property("track_width|axle_length|wheel_base", 0.2, 0.8)
        vx, vy, turn = radius * 0.5 * (w.x + w.y), None, radius * (w.y - w.x) / track
    elif form == "ackermann":
        base = e.property("wheelbase|axle_distance|l_wb", 0.2, 1.0)
        steer = e.field("steer_angles|steering|wheel_angle", p.real, R.uniform(-0.5, 0.5)).own
        if p.chance(0.5):
            limit = k.param("steer_limit|max_steer|delta_max", 0.3, 0.6)
            steer = k.let("steer|delta|steer_angle", wp.clamp(steer, -limit, limit))
        vx, vy, turn = forward, None, forward * wp.tan(steer) / base
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
