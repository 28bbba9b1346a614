"""Laws of heat, gases and moist air."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._laws import Law, Subject, number, physical, piecewise
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

Results = tuple[Expr, ...]


def _vapour(p: ProgramBuilder, b: Block, t: Expr) -> Results:
    a, c = p.pick((17.62, 243.12), (17.27, 237.3), (17.502, 240.97))
    return (p.pick(611.2, 610.94, 611.21) * wp.exp(a * t / (t + c)),)


def _antoine(p: ProgramBuilder, b: Block, t: Expr, a: Expr, c: Expr, d: Expr) -> Results:
    return (wp.pow(10.0, a - c / (d + t)),)


def _ideal_gas(p: ProgramBuilder, b: Block, pressure: Expr, t: Expr, molar_mass: Expr) -> Results:
    return (pressure * molar_mass / (physical(p, "GAS_CONSTANT", 8.314) * t),)


def _van_der_waals(p: ProgramBuilder, b: Block, v: Expr, t: Expr, a: Expr, c: Expr) -> Results:
    r = physical(p, "GAS_CONSTANT", 8.314)
    if p.chance(0.5):
        repulsive = b.let("repulsive|hard_core|p_rep", r * t / (v - c))
        return (repulsive - a / (v * v),)
    return (r * t / (v - c) - a / (v * v),)


def _sutherland(
    p: ProgramBuilder, b: Block, t: Expr, mu_ref: Expr, t_ref: Expr, s: Expr
) -> Results:
    ratio = b.let("ratio|x|theta", t / t_ref)
    root = ratio * wp.sqrt(ratio) if p.chance(0.5) else wp.pow(ratio, 1.5)
    return (mu_ref * root * (t_ref + s) / (t + s),)


def _radiation(p: ProgramBuilder, b: Block, t: Expr, t_sky: Expr, emissivity: Expr) -> Results:
    sigma = physical(p, "STEFAN_BOLTZMANN", 5.67e-8)
    hot, cold = b.let("t2|hot_sq|a", t * t), b.let("s2|cold_sq|c", t_sky * t_sky)
    return (emissivity * sigma * (hot * hot - cold * cold),)


@piecewise
def _nusselt(p: ProgramBuilder, b: Block, reynolds: Expr, prandtl: Expr) -> None:
    with b.when(reynolds < 2300.0):
        b.ret(number(p, p.pick(3.66, 4.36)))
    if p.chance(0.5):
        b.ret(0.023 * wp.pow(reynolds, 0.8) * wp.pow(prandtl, p.pick(0.3, 0.4)))
    else:
        f = b.let("f|friction|xi", 0.79 * wp.log(reynolds) - 1.64)
        b.ret(
            (reynolds - 1000.0) * prandtl / (8.0 * f * f) / (1.0 + 4.5 * wp.pow(prandtl, 0.6) / f)
        )


def _humidity(p: ProgramBuilder, b: Block, vapour: Expr, pressure: Expr) -> Results:
    ratio = 0.622 * vapour / (pressure - vapour)
    if p.chance(0.5):
        ratio = b.let("w|ratio|mixing", ratio)
        return (ratio / (1.0 + ratio),)
    return (ratio,)


def _dew_point(p: ProgramBuilder, b: Block, t: Expr, humidity: Expr) -> Results:
    g = b.let("g|gamma|alpha", wp.log(humidity) + 17.62 * t / (243.12 + t))
    return (243.12 * g / (17.62 - g),)


def _cooling(p: ProgramBuilder, b: Block, t: Expr, t_env: Expr, rate: Expr, dt: Expr) -> Results:
    if p.chance(0.5):
        return (t_env + (t - t_env) * wp.exp(-rate * dt),)
    return (t - rate * dt * (t - t_env),)


@piecewise
def _enthalpy(
    p: ProgramBuilder, b: Block, t: Expr, c_solid: Expr, c_liquid: Expr, latent: Expr
) -> None:
    melt = p.pick(273.15, 303.0, 330.0)
    with b.when(t < melt):
        b.ret(c_solid * t)
    base = c_solid * melt + latent
    if p.chance(0.5):
        base = b.let("h_melt|base|offset", base)
    b.ret(base + c_liquid * (t - melt))


def _isentropic(p: ProgramBuilder, b: Block, mach: Expr, gamma: Expr) -> Results:
    factor = b.let("factor|t_ratio|beta", 1.0 + 0.5 * (gamma - 1.0) * mach * mach)
    return factor, wp.pow(factor, gamma / (gamma - 1.0))


def _altitude(p: ProgramBuilder, b: Block, h: Expr, t0: Expr, lapse: Expr) -> Results:
    t = b.let("t|temp|t_alt", t0 - lapse * h)
    return t, 101325.0 * wp.pow(t / t0, p.pick(5.2559, 5.256))


def _comfort(p: ProgramBuilder, b: Block, t: Expr, wind: Expr) -> Results:
    v = b.let("v|vp|v016", wp.pow(wind, 0.16))
    return (13.12 + 0.6215 * t - 11.37 * v + 0.3965 * t * v,)


_T = ("temperature|temp|t", 280.0, 380.0)
_C = ("temp_c|celsius|t_air", 1.0, 35.0)

THERMAL = Subject(
    ("zone", "parcel", "station", "node", "stream"),
    (
        Law("saturation_pressure|vapour_pressure|e_sat", "Saturation vapour pressure over water.", (_C,), (),
            ("p_sat|vapour|e_s",), _vapour),
        Law("antoine|boiling_pressure|vapour_curve", "Antoine equation.", (("temp_c|t|boil_t", 20.0, 90.0),),
            (("coef_a|a", 7.0, 8.5), ("coef_b|bb", 1400.0, 1800.0), ("coef_c|cc", 210.0, 240.0)),
            ("pressure|p_boil",), _antoine),
        Law("gas_density|ideal_gas|density_of", "Density of an ideal gas.",
            (("pressure|p", 8.0e4, 1.2e5), _T), (("molar_mass|m", 0.02, 0.05),), ("density|rho",), _ideal_gas),
        Law("van_der_waals|real_gas_pressure|cubic_eos", "Pressure of a van der Waals gas.",
            (("volume|molar_volume|v", 0.01, 0.05), _T), (("attraction|a", 0.1, 0.5), ("covolume|b0", 2.0e-5, 5.0e-5)),
            ("pressure|p_gas",), _van_der_waals),
        Law("sutherland|gas_viscosity|viscosity_of", "Viscosity after Sutherland.", (_T,),
            (("mu_ref|mu0", 1.0e-5, 2.0e-5), ("t_ref|t0", 273.0, 300.0), ("sutherland_t|s", 100.0, 130.0)),
            ("viscosity|mu",), _sutherland),
        Law("radiative_loss|net_radiation|longwave", "Net radiation to the sky.",
            (_T, ("t_sky|sky_temp", 230.0, 280.0)), (("emissivity|eps_r", 0.7, 0.98),), ("flux|q_rad",), _radiation),
        Law("nusselt|heat_transfer_number|nu_pipe", "Nusselt number of pipe flow.",
            (("reynolds|re", 500.0, 40000.0),), (("prandtl|pr", 0.7, 8.0),), ("nu|nusselt_out",), _nusselt),
        Law("specific_humidity|moisture_content|mixing_ratio", "Moisture of air from its vapour pressure.",
            (("vapour|e_vap", 300.0, 3000.0), ("pressure|p_air", 8.0e4, 1.02e5)), (), ("humidity|q_v",), _humidity),
        Law("dew_point|condensation_temp|t_dew", "Dew point from temperature and relative humidity.",
            (_C, ("rel_humidity|rh", 0.2, 0.95)), (), ("dew|t_d",), _dew_point),
        Law("newton_cooling|relax_temperature|cool_down", "Relaxation to the temperature around.",
            (_T, ("ambient|t_env", 280.0, 300.0)), (("rate|loss_rate", 0.01, 0.5), ("dt|step", 0.01, 0.5)),
            ("temp_new|t_next",), _cooling),
        Law("enthalpy|heat_content|enthalpy_of", "Enthalpy with a melting point.", (_T,),
            (("c_solid|cp_s", 500.0, 2100.0), ("c_liquid|cp_l", 1500.0, 4200.0), ("latent|h_fusion", 5.0e4, 3.3e5)),
            ("h_out|enthalpies",), _enthalpy),
        Law("isentropic_ratios|stagnation_ratios|compressible", "Stagnation to static ratios.",
            (("mach|ma", 0.1, 2.5),), (("gamma|kappa", 1.2, 1.4),), ("t_ratio|temp_ratio", "p_ratio|pressure_ratio"),
            _isentropic),
        Law("standard_atmosphere|air_at_altitude|isa", "Temperature and pressure of the troposphere.",
            (("altitude|h", 10.0, 9000.0),), (("t0|sea_level_temp", 280.0, 295.0), ("lapse|lapse_rate", 0.005, 0.007)),
            ("t_air|temp_out", "p_air|pressure_out"), _altitude),
        Law("wind_chill|felt_temperature|chill_index", "Felt temperature in the wind.",
            (("t_cold|temp_c", -20.0, 8.0), ("wind|wind_speed", 5.0, 60.0)), (), ("felt|chill",), _comfort),
    ),
)  # fmt: skip
