"""Environments and the cart-pole, for the reinforcement-learning category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def environments(k: KernelBuilder, singular: str = "env") -> Entities:
    """One thread an environment."""
    return Entities(k, singular, index="env|env_id|i|tid|worldid")


def finish(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, reward: Expr, failed: Expr, reset=None
) -> None:  # type: ignore[no-untyped-def]
    """Reward, termination and time limit, in one of the usual layouts; `reset` writes the state of a new episode."""
    e.out("reward|rewards|rew_buf", T.F32).store(reward)
    steps = (
        e.inout("progress|episode_length|step_count", T.I32, R.integers(0, 200))
        if p.chance(0.75)
        else None
    )
    done = k.let("done|terminal|is_done", failed)
    if steps is None:
        e.out("done_out|terminated|dones", T.I32).store(
            choose(done, 1, 0) if p.chance(0.5) else wp.where(done, 1, 0)
        )
        if reset is not None:
            with k.when(done):
                reset()
        return
    limit = k.count("max_steps|max_episode_length|horizon", p.pick(100, 150, 200))
    now = k.let("t|steps_now|count_now", steps.own + 1)
    timeout = k.let("timeout|truncated_now|expired", now >= limit)
    if p.chance(0.5):
        e.out("terminated|fail_buf|done_out", T.I32).store(choose(done, 1, 0))
        e.out("truncated|time_outs|timeout_buf", T.I32).store(choose(timeout, 1, 0))
    else:
        e.out("reset_buf|dones|reset_flags", T.I32).store(choose(any_of(done, timeout), 1, 0))
    if reset is not None:
        with k.when(any_of(done, timeout)):
            reset()
            steps.store(0)
        with k.otherwise():
            steps.store(now)
    else:
        steps.store(now)
    if p.chance(0.3):
        returns = e.inout("episode_return|return_buf|cumulative", T.F32, R.uniform(0.0, 50.0))
        returns.store(
            choose(any_of(done, timeout), 0.0, returns.own + reward)
            if p.chance(0.5)
            else returns.own + reward
        )


def _width(e: Entities, hint: str, n: int, role: str = "in") -> Table:
    return Table(
        e, hint, T.F32, (e.n, n), R.uniform(-1.0, 1.0) if role == "in" else R.zeros(), role
    )


def cartpole(p: ProgramBuilder) -> None:
    """Cart-pole: dynamics, observation, reward and reset."""
    k = p.kernel_builder(
        "cartpole_step|step_cartpole|cartpole_dynamics|cartpole_env_step|simulate_cartpole",
        p.pick(
            "One control step of every cart-pole.",
            "Cart-pole dynamics, reward and termination.",
            "",
        ),
    )
    e = environments(k, "cart")
    vector = p.chance(0.5)
    if vector:
        state = e.inout("state|states|cart_state", T.VEC4, R.uniform(-0.2, 0.2))
        s = k.let("s|state_i|y", state.own)
        parts = [s.x, s.y, s.z, s.w]
    else:
        table = Table(
            e, "state|obs_state|dof_state", T.F32, (e.n, 4), R.uniform(-0.2, 0.2), "inout"
        )
        parts = [table[e.index, i] for i in range(4)]
    e.guard()
    x, v = k.var("x|cart_x|pos", parts[0]), k.var("x_dot|cart_v|v", parts[1])
    a, w = k.var("theta|pole_angle|angle", parts[2]), k.var("theta_dot|pole_rate|w", parts[3])
    force = _cart_force(p, k, e)
    gravity, length = (
        k.param("gravity|g", 9.0, 10.0),
        e.property("pole_length|half_length|l", 0.3, 1.0),
    )
    mass, cart = (
        e.property("pole_mass|mass_pole|m_p", 0.05, 0.3),
        e.property("cart_mass|mass_cart|m_c", 0.5, 2.0),
    )
    dt = k.param("dt|tau_step|timestep", 0.005, 0.03)

    def substep() -> None:
        c, s_ = k.let("c|cos_t|cos_theta", wp.cos(a)), k.let("sn|sin_t|sin_theta", wp.sin(a))
        total = k.let("m_total|total_mass|mt", mass + cart)
        temp = k.let("temp|push|tmp", (force + mass * length * w * w * s_) / total)
        alpha = k.let(
            "alpha|theta_acc|ang_acc",
            (gravity * s_ - c * temp) / (length * (4.0 / 3.0 - mass * c * c / total)),
        )
        acc = k.let("acc|x_acc|cart_acc", temp - mass * length * alpha * c / total)
        if p.chance(0.5):
            for pair in ((x, v), (v, acc), (a, w), (w, alpha)):
                k.aug(pair[0], "+", dt * pair[1])
        else:
            for pair in ((v, acc), (x, v), (w, alpha), (a, w)):
                k.aug(pair[0], "+", dt * pair[1])

    if p.chance(0.3):
        with k.loop("sub|it|k_sub", k.count("substeps|decimation|frame_skip", p.pick(2, 4))):
            substep()
    else:
        substep()
    bound, tilt = (
        k.param("x_limit|x_threshold|track_limit", 1.5, 3.0),
        k.param("angle_limit|theta_threshold|max_tilt", 0.15, 0.6),
    )
    failed = any_of(wp.abs(x) > bound, wp.abs(a) > tilt)
    reward = p.pick(
        lambda: literal(1.0, T.F32),
        lambda: 1.0 - a * a - 0.01 * wp.abs(v) - 0.005 * wp.abs(w),
        lambda: wp.cos(a) - 0.01 * x * x,
    )()
    if p.chance(0.5):
        reward = choose(failed, p.pick(0.0, -1.0, -2.0), reward)
    reward = k.let("r|reward_i|rew", reward)
    _write_state(k, parts, (x, v, a, w), state if vector else None)
    if p.chance(0.5):
        _cart_observation(p, k, e, (x, v, a, w))
    finish(
        p,
        k,
        e,
        reward,
        failed,
        _cart_reset(p, k, e, state if vector else None, parts) if p.chance(0.4) else None,
    )


def _cart_force(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Expr:
    top = k.param("force_mag|max_force|max_push", 5.0, 15.0)
    if p.chance(0.5):
        action = e.field("actions|action", T.I32, R.integers(0, 2)).own
        return k.let("force|f|push_f", choose(action == 1, top, -top))
    action = e.field("actions|action|ctrl", T.F32, R.uniform(-1.2, 1.2)).own
    return k.let("force|f|push_f", wp.clamp(action, -1.0, 1.0) * top)


def _write_state(k: KernelBuilder, parts: list[Expr], values: tuple[Expr, ...], state) -> None:  # type: ignore[no-untyped-def]
    if state is not None:
        state.store(construct(T.VEC4, *values))
        return
    for target, value in zip(parts, values, strict=True):
        k.set(target, value)


def _cart_observation(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, values: tuple[Expr, ...]
) -> None:
    x, v, a, w = values
    entries = [x, v, wp.sin(a), wp.cos(a), w] if p.chance(0.5) else [x, v, a, w]
    obs = _width(e, "obs|observations|obs_buf", len(entries), "out")
    for number, value in enumerate(entries):
        obs.store(value, e.index, number)


def _cart_reset(p: ProgramBuilder, k: KernelBuilder, e: Entities, state, parts: list[Expr]):  # type: ignore[no-untyped-def]
    rng = entity_rng(e)

    def reset() -> None:
        spread = p.pick(0.05, 0.1, 0.2)
        draws = [rng.uniform(-spread, spread) for _ in range(4)]
        _write_state(k, parts, tuple(draws), state)
        rng.close()

    return reset
