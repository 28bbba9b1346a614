import warp as wp


@wp.func
def next_cell(me: int, n: int) -> int:
    if me == 1:
        if n == 2 or n == 3:
            return 1
        return 0
    if n == 3:
        return 1
    return 0


@wp.func
def neighbors_alive(cells: wp.array2d[int], row: int, x: int) -> int:
    total = int(0)
    for a in range(-1, 2):
        for c in range(-1, 2):
            if a != 0 or c != 0:
                total += (
                    1 if cells[(row + a + cells.shape[0]) % cells.shape[0], (x + c + cells.shape[1]) % cells.shape[1]] == 1 else 0
                )
    return total


class Scheme:
    @wp.kernel
    def fused_game_of_life(
        cells: wp.array2d[int],
        cells_out: wp.array2d[int],
        height: int,
        born_count: wp.array[int],
        trail: wp.array2d[wp.vec3],
        scent_out: wp.array2d[wp.vec3],
        blur_weight: float,
        evaporation: float,
        state: wp.array2d[int],
        next_state: wp.array2d[int],
        rule: wp.array[int],
        range_: int,
        state_out: wp.array2d[int],
        states: int,
        min_excited: int,
    ):
        r, c = wp.tid()
        rm = (r + height - 1) % height
        rp = (r + 1) % height
        c_prev = (c + cells_out.shape[1] - 1) % cells_out.shape[1]
        c_plus = (c + 1) % cells_out.shape[1]
        neighbors = (
            cells[rm, c_prev]
            + cells[rm, c]
            + cells[rm, c_plus]
            + cells[r, c_prev]
            + cells[r, c_plus]
            + cells[rp, c_prev]
            + cells[rp, c]
            + cells[rp, c_plus]
        )
        alive = cells[r, c]
        next_c = next_cell(alive, neighbors)
        cells_out[r, c] = next_c
        if next_c > alive:
            wp.atomic_add(born_count, 0, 1)

        avg = (
            (trail[rm, c] + trail[rp, c] + trail[r, c_prev] + trail[r, c_plus] + trail[rm, c_prev] + trail[rm, c_plus] + trail[rp, c_prev] + trail[rp, c_plus])
            / 8.0
        )
        here = trail[r, c]
        mixed = here + (avg - here) * blur_weight
        scent_out[r, c] = mixed * (1.0 - evaporation)

        total = int(0)
        for dr in range(-range_, range_ + 1):
            for dc in range(-range_, range_ + 1):
                rn = (r + dr + height) % height
                cn = (c + dc + cells_out.shape[1]) % cells_out.shape[1]
                total += state[rn, cn]
        me = state[r, c]
        value = me - 1 if me > 1 else rule[total]
        next_state[r, c] = value

        s = state[r, c]
        excited = neighbors_alive(state, r, c)
        new1 = int(s)
        if s == 0:
            new1 = 1 if excited >= min_excited else 0
        else:
            new1 = (s + 1) % states
        state_out[r, c] = new1


fused_game_of_life = Scheme.fused_game_of_life
