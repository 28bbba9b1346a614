"""Manipulation tasks, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rl_classic import environments, finish
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def manipulation(p: ProgramBuilder) -> None:
    """Reaching, lifting, opening and in-hand turning: staged rewards."""
    form = p.pick("reach", "lift", "drawer", "inhand", "lift")
    k = p.kernel_builder(
        f"{form}_reward|{form}_task_reward|compute_{form}_reward|manipulation_reward|{form}_step",
        p.pick(
            "Staged reward of a manipulation task.", f"Reward and success of the {form} task.", ""
        ),
    )
    e = environments(k, "task")
    e.guard()
    hand = e.field("ee_pos|hand_pos|gripper_pos", T.VEC3, R.uniform(-0.5, 0.8)).read("ee|hand|x_ee")
    target = e.field("object_pos|cube_pos|handle_pos", T.VEC3, R.uniform(-0.5, 0.8)).read(
        "obj|cube|x_obj"
    )
    near = k.let("dist|d_reach|reach_dist", wp.length(target - hand))
    scale = k.param("reach_scale|dist_scale|alpha", 2.0, 10.0)
    shaped = p.pick(
        lambda: 1.0 - wp.tanh(scale * near),
        lambda: 1.0 / (1.0 + scale * near * near),
        lambda: wp.exp(-scale * near),
    )()
    reward = k.var("r|reward_i|rew", k.let("r_reach|reach_term|reaching", shaped))
    success = {"reach": _reach, "lift": _lift, "drawer": _drawer, "inhand": _inhand}[form](
        p, k, e, hand, target, near, reward
    )
    if p.chance(0.6):
        m = p.pick(6, 7, 8)
        action = Table(e, "actions|action_buf", T.F32, (e.n, m), R.uniform(-1.0, 1.0))
        cost = k.var("act_cost|effort|action_sq", 0.0)
        with k.loop("j|a|d", action.extent(1) if p.chance(0.5) else m) as j:
            k.aug(cost, "+", action[e.index, j] * action[e.index, j])
        k.aug(reward, "-", k.param("action_penalty|ctrl_cost|w_act", 0.001, 0.05) * cost)
    e.out("success|success_buf|goal_reached", T.I32).store(choose(success, 1, 0))
    failed = target.z < k.quantity(
        "table_height|drop_height|floor", T.F32, p.pick(-0.3, -0.4, -0.2)
    )
    finish(p, k, e, reward, failed if p.chance(0.6) else any_of(failed, success))


def _reach(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    hand: Expr,
    target: Expr,
    near: Expr,
    reward: Expr,
) -> Expr:
    if p.chance(0.5):
        q, goal = (
            e.field("ee_rot|hand_quat", T.QUAT, R.rotations()).own,
            e.field("goal_rot|target_quat", T.QUAT, R.rotations()).own,
        )
        relative = k.let("dq|rot_err|q_rel", wp.quat_inverse(q) * goal)
        angle = k.let("angle|rot_dist|theta", 2.0 * wp.acos(wp.min(wp.abs(relative.w), 1.0)))
        k.aug(reward, "-", k.param("rot_weight|w_rot", 0.02, 0.3) * angle)
    success = k.let(
        "ok|is_success|reached", near < k.param("success_tolerance|tol|goal_tol", 0.1, 0.5)
    )
    with k.when(success):
        k.aug(reward, "+", k.param("bonus|success_bonus", 1.0, 10.0))
    return success


def _lift(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    hand: Expr,
    target: Expr,
    near: Expr,
    reward: Expr,
) -> Expr:
    gap = e.field("finger_gap|gripper_width|opening", T.F32, R.uniform(0.0, 0.08)).own
    grasped = k.let(
        "grasped|holding|has_object",
        all_of(
            near < k.param("grasp_dist|grasp_radius", 0.2, 0.6),
            gap < k.param("closed_width|grasp_width", 0.03, 0.07),
        ),
    )
    height = k.let(
        "lift|height|dz",
        target.z - k.quantity("table_z|rest_height|z_rest", T.F32, p.pick(0.0, 0.02, -0.1)),
    )
    with k.when(grasped):
        k.aug(reward, "+", k.param("grasp_bonus|w_grasp", 0.2, 1.0))
        if p.chance(0.6):
            k.aug(reward, "+", k.param("lift_scale|w_lift", 1.0, 10.0) * wp.max(height, 0.0))
    goal = e.field("goal_pos|lift_goal|place_pos", T.VEC3, R.uniform(-0.3, 0.8)).own
    lifted = k.let("lifted|in_air|raised", height > k.param("lift_threshold|min_lift", 0.05, 0.3))
    away = k.let("goal_dist|d_goal|place_dist", wp.length(goal - target))
    with k.when(lifted if p.chance(0.5) else all_of(lifted, grasped)):
        k.aug(reward, "+", k.param("goal_scale|w_goal", 1.0, 8.0) * (1.0 - wp.tanh(5.0 * away)))
    return k.let(
        "ok|is_success|placed", all_of(lifted, away < k.param("goal_tolerance|place_tol", 0.2, 0.7))
    )


def _drawer(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    hand: Expr,
    target: Expr,
    near: Expr,
    reward: Expr,
) -> Expr:
    opening = e.field("drawer_pos|joint_open|door_angle", T.F32, R.uniform(0.0, 0.4)).own
    axis = e.field("handle_rot|grasp_frame|handle_quat", T.QUAT, R.rotations()).own
    grip = e.field("ee_rot|hand_quat", T.QUAT, R.rotations()).own
    align = k.let(
        "align|dot_z|facing",
        wp.dot(
            wp.quat_rotate(axis, construct(T.VEC3, 0.0, 0.0, 1.0)),
            wp.quat_rotate(grip, construct(T.VEC3, 0.0, 0.0, 1.0)),
        ),
    )
    k.aug(reward, "+", 0.5 * wp.sign(align) * align * align if p.chance(0.5) else 0.5 * align)
    with k.when(near < k.param("grasp_dist|handle_radius", 0.2, 0.8)):
        k.aug(reward, "+", k.param("open_scale|w_open", 2.0, 8.0) * opening)
    return k.let("ok|is_success|opened", opening > k.param("open_goal|open_threshold", 0.1, 0.3))


def _inhand(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    hand: Expr,
    target: Expr,
    near: Expr,
    reward: Expr,
) -> Expr:
    q, goal = (
        e.field("object_rot|cube_quat", T.QUAT, R.rotations()).own,
        e.field("goal_rot|target_quat", T.QUAT, R.rotations()).own,
    )
    relative = k.let("dq|rot_err|q_rel", q * wp.quat_inverse(goal))
    sine = wp.length(construct(T.VEC3, relative.x, relative.y, relative.z))
    angle = k.let("angle|rot_dist|theta", 2.0 * wp.asin(wp.min(sine, 1.0)))
    k.aug(
        reward,
        "+",
        k.param("rot_scale|w_rot", 0.5, 2.0) / (wp.abs(angle) + k.param("rot_eps|eps", 0.1, 0.3)),
    )
    success = k.let("ok|is_success|aligned", angle < k.param("success_angle|rot_tol", 0.4, 1.5))
    streak = e.inout("success_streak|consecutive|hits", T.I32, R.integers(0, 5))
    if p.chance(0.5):
        streak.store(choose(success, streak.own + 1, 0))
    else:
        with k.when(success):
            streak.store(streak.own + 1)
            k.aug(reward, "+", k.param("bonus|reach_goal_bonus", 1.0, 10.0))
    return success
