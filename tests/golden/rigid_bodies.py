from typing import Any

import warp as wp


@wp.func
def calc_inv_eff(inv_m_a: Any, inv_m_b1: Any, ca: wp.vec3, inv_a: wp.mat33, cb: wp.vec3, inv_b1: wp.mat33):
    return inv_m_a + inv_m_b1 + wp.dot(ca, inv_a * ca) + wp.dot(cb, inv_b1 * cb)


@wp.kernel
def distance_joints(
    joint_pairs: wp.array(dtype=int),
    com: wp.array(dtype=wp.vec3),
    orientations: wp.array(dtype=wp.quat),
    velocities: wp.array(dtype=wp.vec3),
    angular_velocities: wp.array(dtype=wp.vec3),
    inv_m: wp.array(dtype=float),
    inv_i: wp.array(dtype=wp.mat33),
    local_a: wp.array(dtype=wp.vec3),
    local_b: wp.array(dtype=wp.vec3),
    joint_count: int,
    h: float,
    erp: float,
    max_length: float,
    dv_out: wp.array(dtype=wp.vec3),
    ang_corr: wp.array(dtype=wp.vec3),
):
    """Distance joints between bodies."""
    j = wp.tid()
    if j >= joint_count:
        return
    first = j * 2
    a = joint_pairs[first]
    b1 = joint_pairs[first + 1]
    ra = wp.quat_rotate(orientations[a], local_a[j])
    r1 = wp.quat_rotate(orientations[b1], local_b[j])
    err = com[a] + ra - com[b1] - r1
    cdot = velocities[a] + wp.cross(angular_velocities[a], ra) - velocities[b1] - wp.cross(angular_velocities[b1], r1)
    dist = wp.length(err)
    if dist < 1e-06 or dist < max_length:
        return
    n = err / dist
    ca = wp.cross(ra, n)
    cb = wp.cross(r1, n)
    inv_eff = calc_inv_eff(inv_m[a], inv_m[b1], ca, inv_i[a], cb, inv_i[b1])
    impulse = n * (-(wp.dot(cdot, n) + erp / h * (dist - max_length)) / inv_eff)
    wp.atomic_add(dv_out, a, impulse * inv_m[a])
    wp.atomic_sub(dv_out, b1, impulse * inv_m[b1])
    wp.atomic_add(ang_corr, a, inv_i[a] * wp.cross(ra, impulse))
    wp.atomic_sub(ang_corr, b1, inv_i[b1] * wp.cross(r1, impulse))
