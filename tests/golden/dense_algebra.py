import warp as wp

mat66 = wp.types.matrix(shape=(6, 6), dtype=float)
vec6 = wp.types.vector(length=6, dtype=float)


@wp.kernel(module="unique")
def power_iteration(
    num_clusters: int,
    mask: wp.array[int],
    matrices: wp.array[mat66],
    steps: int,
    initial: wp.array[vec6],
    modes: wp.array[vec6],
    lambdas: wp.array[float],
    iteration_counts: wp.array[int],
):
    idx = wp.tid()
    if idx >= num_clusters:
        return
    if mask[idx] == 0:
        return
    c = matrices[idx]
    x = wp.normalize(initial[idx])
    count = int(0)
    for iteration in range(steps):
        nxt = wp.normalize(c * x)
        count += 1
        x = nxt
    eigenvalue = wp.dot(x, c * x)
    modes[idx] = x
    lambdas[idx] = eigenvalue
    iteration_counts[idx] = count
