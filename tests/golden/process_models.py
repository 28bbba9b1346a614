import warp as wp


@wp.func
def chill_index(t_cold: float, wind_speed: float) -> float:
    v016 = wp.pow(wind_speed, 0.16)
    return 13.12 + 0.6215 * t_cold - 11.37 * v016 + 0.3965 * t_cold * v016


@wp.kernel
def apply_felt_temperature_pass(
    temp_c: wp.array2d[float],
    wind: wp.array2d[float],
    chill: wp.array2d[float],
    felt: wp.array2d[float],
    chill_1: wp.array2d[float],
):
    batch, tid = wp.tid()
    chill[batch, tid] = chill_index(temp_c[batch, tid], wind[batch, tid])

    felt[batch, tid] = chill_index(temp_c[batch, tid], wind[batch, tid])

    chill_1[batch, tid] = chill_index(temp_c[batch, tid], wind[batch, tid])
