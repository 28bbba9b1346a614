import warp as wp


@wp.kernel
def table_automaton(state: wp.array2d[int], table: wp.array[int], range_: int, cells_out: wp.array2d[int]):
    row, col = wp.tid()
    n_sum = int(0)
    for dr in range(-range_, range_ + 1):
        for dc in range(-range_, range_ + 1):
            if wp.abs(dr) + wp.abs(dc) > range_:
                continue
            n_sum += state[
                (row + dr + cells_out.shape[0]) % cells_out.shape[0],
                (col + dc + cells_out.shape[1]) % cells_out.shape[1],
            ]
    n_sum -= state[row, col]
    cells_out[row, col] = table[wp.min(n_sum, table.shape[0] - 1)]
