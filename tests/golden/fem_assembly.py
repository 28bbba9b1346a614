import warp as wp


@wp.kernel
def face_rusanov(
    num_edges: int,
    left_right: wp.array[wp.vec2i],
    cell_values: wp.array[float],
    face_normals: wp.array[wp.vec2],
    lengths: wp.array[float],
    cell_flux: wp.array[float],
    wind: wp.array[wp.vec2],
):
    """Loop over interior faces."""
    f = wp.tid()
    if f >= num_edges:
        return
    cells = left_right[f]
    inner = cells[0]
    right = cells[1]
    if inner < 0:
        return
    nrm = face_normals[f]
    ds = lengths[f]
    inside = cell_values[inner]
    outside = float(inside)
    if right >= 0:
        outside = cell_values[right]
    speed_n = wp.dot(wind[f], nrm)
    lam_max = wp.max(wp.abs(inside), wp.abs(outside)) * wp.abs(speed_n)
    fn = (0.25 * speed_n * (inside * inside + outside * outside) - 0.5 * lam_max * (outside - inside)) * ds
    wp.atomic_sub(cell_flux, inner, fn)
    if right >= 0:
        wp.atomic_add(cell_flux, right, fn)
