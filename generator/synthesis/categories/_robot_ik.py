"""Inverse kinematics, for the robotics category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._robot import Robot, state, worlds
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, literal


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
