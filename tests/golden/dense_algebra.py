import warp as wp


@wp.func
def chol(a: wp.array2d[float], l: wp.array2d[float], n: int):
    for c in range(n):
        diag = a[c, c]
        for m in range(c):
            diag -= l[c, m] * l[c, m]
        root = wp.sqrt(diag)
        l[c, c] = root
        for r in range(c + 1, n):
            total = a[r, c]
            for m in range(c):
                total -= l[r, m] * l[c, m]
            l[r, c] = total / root


@wp.func
def forward_solve(low: wp.array2d[float], b: wp.array[float], z: wp.array[float], order: int):
    for row in range(order):
        s = b[row]
        for j in range(row):
            s -= low[row, j] * z[j]
        z[row] = s / low[row, row]


@wp.kernel
def batched_cholesky(
    blocks: wp.array3d[float],
    factors: wp.array3d[float],
    n: int,
    right_hand_sides: wp.array2d[float],
    out: wp.array2d[float],
    ok: wp.array[int],
    tolerance: float,
):
    """Factor each block; blocks are independent."""
    i = wp.tid()

    chol(blocks[i], factors[i], n)

    forward_solve(factors[i], right_hand_sides[i], out[i], n)
    for row in range(n - 1, -1, -1):
        acc = out[i, row]
        for j in range(row + 1, n):
            acc -= factors[i, j, row] * out[i, j]
        out[i, row] = acc / factors[i, row, row]

    err = float(0.0)
    for row in range(n):
        res = right_hand_sides[i, row]
        for col in range(n):
            res -= blocks[i, row, col] * out[i, col]
        err += res * res
    ok[i] = wp.where(err < tolerance, 1, 0)
