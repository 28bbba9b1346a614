import warp as wp


@wp.kernel(enable_backward=False)
def hbv_soil(
    rain: wp.array2d[float],
    field_capacity: wp.array2d[float],
    conductivity: wp.array2d[float],
    dt_days: float,
    f_max: float,
    demand: float,
    lp_share: float,
    soil_moisture: wp.array2d[float],
    surface_runoff: wp.array2d[float],
    et_out: wp.array2d[float],
):
    """Water balance of every cell."""
    i, j = wp.tid()
    soil = soil_moisture[i, j]
    p_in = rain[i, j]

    # split rain into runoff and recharge
    excess = wp.max(p_in - f_max * dt_days, 0.0)
    soil += p_in - excess

    # evaporation
    stress = wp.min(soil / (lp_share * field_capacity[i, j]), 1.0)
    et = wp.min(demand * stress * dt_days, soil)
    soil -= et
    seep = conductivity[i, j] * soil * dt_days
    soil -= seep
    if soil > field_capacity[i, j]:
        soil = field_capacity[i, j]
    soil_moisture[i, j] = soil
    surface_runoff[i, j] = excess
    if not wp.isfinite(et):
        wp.printf("non-finite et out at %d, %d: %f\n", i, j, et)
    et_out[i, j] = et
