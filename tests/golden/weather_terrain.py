import warp as wp


@wp.struct
class SolverParams:
    step: wp.float64
    field_capacity: wp.float64
    demand: wp.float64
    limit_share: wp.float64
    k_perc: wp.float64
    k2: wp.float64


@wp.kernel
def water_balance(
    precip: wp.array3d[wp.float64],
    ocean: wp.array3d[int],
    ksat: wp.array3d[wp.float64],
    settings: SolverParams,
    soil_water: wp.array3d[wp.float64],
    runoff: wp.array3d[wp.float64],
    lower_zone: wp.array3d[wp.float64],
    evaporated: wp.array3d[wp.float64],
):
    batch, j, i = wp.tid()
    if ocean[batch, j, i] != 0:
        runoff[batch, j, i] = wp.float64(0.0)
    else:
        s0 = soil_water[batch, j, i]
        liquid = precip[batch, j, i]

        q_fast = wp.max(liquid - ksat[batch, j, i] * settings.step, wp.float64(0.0))
        s0 += liquid - q_fast

        # losses
        limiting = wp.min(s0 / (settings.limit_share * settings.field_capacity), wp.float64(1.0))
        et = wp.min(settings.demand * limiting * settings.step, s0)
        s0 -= et
        percolation = wp.max(s0 - wp.float64(0.8) * settings.field_capacity, wp.float64(0.0)) * settings.k_perc
        s0 -= percolation
        base = settings.k2 * lower_zone[batch, j, i] * settings.step
        lower_zone[batch, j, i] = lower_zone[batch, j, i] + percolation - base
        flow = q_fast + base
        if s0 > settings.field_capacity:
            s0 = settings.field_capacity
        soil_water[batch, j, i] = s0
        runoff[batch, j, i] = flow
        evaporated[batch, j, i] = et
