from typing import Any

import warp as wp


@wp.func
def eval_push(f: float, m_ps_i: float, half_lengths_i: float, w: float, sin_theta: float, m_total: float) -> float:
    return (f + m_ps_i * half_lengths_i * w * w * sin_theta) / m_total


@wp.kernel
def step_cartpole(
    ctrl: wp.array[Any],
    half_lengths: wp.array[Any],
    m_ps: wp.array[Any],
    m_cs: wp.array[Any],
    force_mag: Any,
    gravity: Any,
    timestep: Any,
    x_threshold: Any,
    angle_limit: Any,
    horizon: int,
    obs_state: wp.array2d[Any],
    obs_buf: wp.array2d[Any],
    reward: wp.array[Any],
    episode_length: wp.array[int],
    dones: wp.array[int],
    return_buf: wp.array[Any],
):
    env = wp.tid()
    x = obs_state[env, 0]
    v = obs_state[env, 1]
    angle = obs_state[env, 2]
    w = obs_state[env, 3]
    f = wp.clamp(ctrl[env], ctrl.dtype(-1.0), ctrl.dtype(1.0)) * force_mag
    cos_t = wp.cos(angle)
    sin_theta = wp.sin(angle)
    m_total = m_ps[env] + m_cs[env]
    push = eval_push(f, m_ps[env], half_lengths[env], w, sin_theta, m_total)
    ang_acc = (
        (gravity * sin_theta - cos_t * push)
        / (half_lengths[env] * (ctrl.dtype(1.3333333333333333) - m_ps[env] * cos_t * cos_t / m_total))
    )
    v += timestep * (push - m_ps[env] * half_lengths[env] * ang_acc * cos_t / m_total)
    x += timestep * v
    w += timestep * ang_acc
    angle += timestep * w
    reward_i = ctrl.dtype(1.0)
    obs_state[env, 0] = x
    obs_state[env, 1] = v
    obs_state[env, 2] = angle
    obs_state[env, 3] = w
    obs_buf[env, 0] = x
    obs_buf[env, 1] = v
    obs_buf[env, 2] = wp.sin(angle)
    obs_buf[env, 3] = wp.cos(angle)
    obs_buf[env, 4] = w
    reward[env] = reward_i
    is_done = wp.abs(x) > x_threshold or wp.abs(angle) > angle_limit
    steps_now = episode_length[env] + 1
    truncated_now = steps_now >= horizon
    dones[env] = 1 if is_done or truncated_now else 0
    episode_length[env] = steps_now
    return_buf[env] = ctrl.dtype(0.0) if is_done or truncated_now else return_buf[env] + reward_i


wp.overload(step_cartpole, {"ctrl": wp.array[float], "half_lengths": wp.array[float], "m_ps": wp.array[float], "m_cs": wp.array[float], "force_mag": float, "gravity": float, "timestep": float, "x_threshold": float, "angle_limit": float, "obs_state": wp.array2d[float], "obs_buf": wp.array2d[float], "reward": wp.array[float], "return_buf": wp.array[float]})
