"""Processing of actions, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._tables import Rng
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr


def tid2(k: KernelBuilder, rows: int, columns: int, inner: str) -> tuple[Expr, Expr]:
    k.launch_dim = (rows, columns)
    env, item = k.unpack(
        ["env|env_id|worldid|w", inner], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
    )
    return env, item


def actions(p: ProgramBuilder) -> None:
    """Policy outputs turned into joint targets or torques: scaling, clipping, delay, smoothing, PD."""
    k = p.kernel_builder(
        "process_actions|apply_actions|actions_to_targets|scale_actions|pre_physics_step|actions_to_torques",
        p.pick(
            "Policy actions to joint targets.",
            "Scale, smooth and clip the actions.",
            "Torques from policy actions.",
        ),
    )
    n, m = p.pick(24, 32, 48, 64), p.pick(6, 8, 12)
    env, j = tid2(k, n, m, "j|dof|joint")
    shape = (n, m)
    raw = k.array("actions|policy_actions|raw_actions", T.F32, shape, R.uniform(-2.0, 2.0))
    if p.chance(0.3):
        paused = k.array("reset_buf|paused|inactive_env", T.I32, (n,), R.mask(0.2))
        with k.when(paused[env] != 0):
            k.ret()
    a = k.var("a|action|act", raw[env, j])
    bound = k.param("clip_actions|action_limit|a_max", 0.8, 1.5)
    if p.chance(0.7):
        k.set(a, wp.clamp(a, -bound, bound) if p.chance(0.7) else bound * wp.tanh(a))
    stages = p.sample([_smooth, _delay, _exploration], 0, 2)
    for stage in stages:
        stage(p, k, env, j, a, shape)
    default, scale = (
        k.array("default_pos|q_default|nominal", T.F32, (m,), R.uniform(-0.5, 0.5)),
        k.param("action_scale|scale", 0.1, 0.6),
    )
    target = k.let(
        "target|q_des|goal", default[j] + scale * a if p.chance(0.6) else _mapped(p, k, a, j, m)
    )
    form = p.pick("target", "torque", "both")
    if form != "torque":
        k.set(k.out("targets|joint_target|q_target", T.F32, shape)[env, j], target)
    if form != "target":
        q, qd = (
            k.array("joint_pos|dof_pos|q", T.F32, shape, R.uniform(-1.0, 1.0)),
            k.array("joint_vel|dof_vel|qd", T.F32, shape, R.uniform(-1.0, 1.0)),
        )
        gains = (
            (
                k.array("kp|p_gains|stiffness", T.F32, (m,), R.uniform(10.0, 60.0))[j],
                k.array("kd|d_gains|damping", T.F32, (m,), R.uniform(0.2, 2.0))[j],
            )
            if p.chance(0.5)
            else (k.param("kp|stiffness", 10.0, 80.0), k.param("kd|damping", 0.2, 2.0))
        )
        torque = k.var("tau|torque|u", gains[0] * (target - q[env, j]) - gains[1] * qd[env, j])
        if p.chance(0.5):
            strength = k.array("motor_strength|torque_scale", T.F32, shape, R.uniform(0.8, 1.2))
            k.aug(torque, "*", strength[env, j])
        limit = k.param("torque_limit|effort_limit|tau_max", 5.0, 40.0)
        k.set(torque, wp.clamp(torque, -limit, limit))
        k.set(k.out("torques|joint_tau|ctrl", T.F32, shape)[env, j], torque)


def _mapped(p: ProgramBuilder, k: KernelBuilder, a: Expr, j: Expr, m: int) -> Expr:
    low, high = (
        k.array("lower|q_lower|dof_lower", T.F32, (m,), R.uniform(-1.5, -0.5)),
        k.array("upper|q_upper|dof_upper", T.F32, (m,), R.uniform(0.5, 1.5)),
    )

    def body(b: Block, x: Expr, lo: Expr, hi: Expr) -> Expr:
        return 0.5 * (x + 1.0) * (hi - lo) + lo

    return piece(
        p,
        k,
        "unscale|map_range|denormalize",
        {"x|a": a, "lower|lo": low[j], "upper|hi": high[j]},
        body,
    )


def _smooth(
    p: ProgramBuilder, k: KernelBuilder, env: Expr, j: Expr, a: Expr, shape: tuple[int, int]
) -> None:
    before = k.array(
        "last_actions|prev_actions|filtered", T.F32, shape, R.uniform(-1.0, 1.0), "inout"
    )
    alpha = k.param("smoothing|ema|alpha", 0.2, 0.9)
    k.set(
        a,
        alpha * a + (1.0 - alpha) * before[env, j]
        if p.chance(0.6)
        else wp.lerp(before[env, j], a, alpha),
    )
    k.set(before[env, j], a)


def _delay(
    p: ProgramBuilder, k: KernelBuilder, env: Expr, j: Expr, a: Expr, shape: tuple[int, int]
) -> None:
    depth = p.pick(3, 4)
    history = k.array(
        "action_history|delay_buffer|action_queue",
        T.F32,
        (*shape, depth),
        R.uniform(-1.0, 1.0),
        "inout",
    )
    lag = k.array("delay_steps|latency|lag", T.I32, (shape[0],), R.integers(0, depth))
    with k.loop("h|s|slot", depth - 1) as h:
        k.set(history[env, j, depth - 1 - h], history[env, j, depth - 2 - h])
    k.set(history[env, j, 0], a)
    k.set(a, history[env, j, lag[env]])


def _exploration(
    p: ProgramBuilder, k: KernelBuilder, env: Expr, j: Expr, a: Expr, shape: tuple[int, int]
) -> None:
    rng = Rng(k, j, outer=env, width=shape[1])
    std = (
        k.array("action_std|sigma|log_std_exp", T.F32, (shape[1],), R.uniform(0.05, 0.4))[j]
        if p.chance(0.5)
        else k.param("noise_std|action_noise|sigma", 0.02, 0.3)
    )
    k.aug(a, "+", std * rng.normal())
