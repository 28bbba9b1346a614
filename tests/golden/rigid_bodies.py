import warp as wp


@wp.func
def limit_torque(q: wp.float64, lo: wp.float64, upper: wp.float64, stiffness: wp.float64):
    return stiffness * (wp.min(q - lo, wp.float64(0.0)) + wp.max(q - upper, wp.float64(0.0)))


@wp.func
def get_torque(kp: wp.float64, dq: wp.float64, kds_i: wp.float64, qd_des_i: wp.float64, rates_i: wp.float64):
    return kp * dq + kds_i * (qd_des_i - rates_i)


@wp.kernel(module="unique")
def pd_control(
    q: wp.array(dtype=wp.float64),
    rates: wp.array(dtype=wp.float64),
    dof_group: wp.array(dtype=int),
    commands: wp.array(dtype=wp.float64),
    kds: wp.array(dtype=wp.float64),
    qd_des: wp.array(dtype=wp.float64),
    q_min: wp.array(dtype=wp.float64),
    q_max: wp.array(dtype=wp.float64),
    kp: wp.float64,
    joint_friction: wp.float64,
    limit_stiffness: wp.float64,
    m: wp.float64,
    com_dist: wp.float64,
    gravity: wp.float64,
    joint_tau: wp.array(dtype=wp.float64),
):
    """Motor model with velocity-dependent limits."""
    tid = wp.tid()
    if dof_group[tid] != 0:
        return
    dq = commands[tid] - q[tid]
    torque = get_torque(kp, dq, kds[tid], qd_des[tid], rates[tid])
    torque -= joint_friction * wp.sign(rates[tid])
    torque -= limit_torque(q[tid], q_min[tid], q_max[tid], limit_stiffness)
    torque += m * gravity * com_dist * wp.cos(q[tid])
    joint_tau[tid] = torque
