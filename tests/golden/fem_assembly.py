import warp as wp

EDGE_ACTIVE = wp.constant(1)
FLAG_ACTIVE = wp.constant(4)


@wp.kernel
def jump_terms_pass(
    num_edges: int,
    edge_flags: wp.array2d[int],
    owner: wp.array2d[int],
    right_cells: wp.array2d[int],
    cell_values: wp.array[wp.float64],
    n_in: wp.array2d[wp.vec3d],
    areas: wp.array2d[wp.float64],
    far_value: wp.float64,
    cell_flux: wp.array[wp.float64],
    beta: wp.vec3d,
    eta: wp.array[wp.float64],
    face_normals: wp.array2d[wp.vec2d],
    du: wp.array[wp.float64],
    stab: wp.float64,
    diffusivity: wp.float64,
    indicator: wp.array[wp.float64],
):
    """Numerical flux between the two elements at each face.

    Loop over interior faces.
    """
    w, face_id = wp.tid()
    if face_id >= num_edges:
        return
    if (edge_flags[w, face_id] & EDGE_ACTIVE) == 0:
        return
    left = owner[w, face_id]
    right = right_cells[w, face_id]
    if left < 0:
        return
    n_f = n_in[w, face_id]
    ds = areas[w, face_id]
    inside = cell_values[left]
    u_out = wp.float64(inside)
    if right >= 0:
        u_out = cell_values[right]
    else:
        u_out = far_value
    vn = wp.dot(beta, n_f)
    f_n = (wp.float64(0.5) * vn * (inside + u_out) - wp.float64(0.5) * wp.abs(vn) * (u_out - inside)) * ds
    wp.atomic_sub(cell_flux, left, f_n)
    if right >= 0:
        wp.atomic_add(cell_flux, right, f_n)
    jump = u_out - inside
    wp.atomic_add(eta, left, wp.float64(0.5) * ds * jump * jump)

    if (edge_flags[w, face_id] & FLAG_ACTIVE) == 0:
        return
    inner = owner[w, face_id]
    outer = right_cells[w, face_id]
    if inner < 0:
        return
    normal = face_normals[w, face_id]
    area = areas[w, face_id]
    u_in = cell_values[inner]
    ur = wp.float64(u_in)
    if outer >= 0:
        ur = cell_values[outer]
    flux = -diffusivity * stab * (ur - u_in) * area
    wp.atomic_sub(du, inner, flux)
    if outer >= 0:
        wp.atomic_add(du, outer, flux)
    du_f = ur - u_in
    wp.atomic_add(indicator, inner, wp.float64(0.5) * area * du_f * du_f)
    if outer >= 0:
        wp.atomic_add(indicator, outer, wp.float64(0.5) * area * du_f * du_f)
