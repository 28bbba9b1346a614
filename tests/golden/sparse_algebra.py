import warp as wp


@wp.kernel
def solve_level(
    indptr: wp.array[int],
    columns: wp.array[int],
    values: wp.array[wp.mat33],
    levels: wp.array[int],
    y: wp.array[wp.vec3],
    rhs: wp.array[wp.vec3],
    inv_diag: wp.array[wp.mat33],
    stage: int,
    solution: wp.array[wp.vec3],
):
    """Level-scheduled substitution."""
    i = wp.tid()
    if levels[i] != stage:
        return
    s = rhs[i]
    for idx in range(indptr[i], indptr[i + 1]):
        col = columns[idx]
        if col > i:
            s -= values[idx] * y[col]
    solution[i] = inv_diag[i] * s
