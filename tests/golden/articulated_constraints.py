import warp as wp


@wp.struct
class ModelParams:
    contact_margin: float
    beta: float
    allowed_penetration: float
    v_max_fix: float
    friction_coef: float


@wp.func
def build_contact_basis(normal: wp.vec3):
    sgn = wp.where(normal.z >= 0.0, 1.0, -1.0)
    inv = -1.0 / (sgn + normal.z)
    nxy = normal.x * normal.y * inv
    t1 = wp.vec3(1.0 + sgn * normal.x * normal.x * inv, sgn * nxy, -sgn * normal.x)
    bitangent = wp.vec3(nxy, sgn + normal.y * normal.y * inv, -normal.y)
    return wp.matrix_from_rows(normal, t1, bitangent)


@wp.kernel
def contact_constraint_rows(
    body0: wp.array[int],
    body_b: wp.array[int],
    separation: wp.array[float],
    contact_point: wp.array[wp.vec3],
    normals: wp.array[wp.vec3],
    body_q: wp.array[wp.transform],
    timestep: float,
    model: ModelParams,
    contact_active: wp.array[int],
    rows_a: wp.array2d[wp.spatial_vector],
    J_b: wp.array2d[wp.spatial_vector],
    bias_out: wp.array2d[float],
):
    conid = wp.tid()
    ia = body0[conid]
    b = body_b[conid]
    dist = separation[conid]
    if ia == b or dist >= model.contact_margin:
        return
    contact_active[conid] = 1
    r1 = contact_point[conid] - wp.transform_get_translation(body_q[ia])
    arm_b = contact_point[conid] - wp.transform_get_translation(body_q[b])
    R_c = build_contact_basis(normals[conid])
    bias = wp.min(wp.max(-dist - model.allowed_penetration, 0.0) * model.beta / timestep, model.v_max_fix)
    for r in range(4):
        if r % 2 == 0:
            s_r = 1.0
        else:
            s_r = -1.0
        tan = R_c[1 + r // 2]
        u = R_c[0] + tan * (s_r * model.friction_coef)
        rows_a[conid, r] = wp.spatial_vector(-u, -wp.cross(r1, u))
        J_b[conid, r] = wp.spatial_vector(u, wp.cross(arm_b, u))
        bias_out[conid, r] = bias
