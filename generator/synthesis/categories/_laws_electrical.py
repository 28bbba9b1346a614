"""Electrical devices, sensors and machines."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._laws import Law, Subject, number, physical, piecewise
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

Results = tuple[Expr, ...]


def _diode(p: ProgramBuilder, b: Block, v: Expr, i_s: Expr, n: Expr) -> Results:
    thermal = physical(p, "THERMAL_VOLTAGE", 0.02585)
    return (i_s * (wp.exp(v / (n * thermal)) - 1.0),)


def _solar_cell(
    p: ProgramBuilder, b: Block, v: Expr, irradiance: Expr, i_ref: Expr, i_s: Expr
) -> Results:
    photo = i_ref * irradiance / p.pick(1000.0, 800.0)
    current = b.let("current|i|i_cell", photo - i_s * (wp.exp(v / 0.0388) - 1.0))
    return current, current * v


@piecewise
def _mosfet(p: ProgramBuilder, b: Block, vgs: Expr, vds: Expr, vth: Expr, beta: Expr) -> None:
    vov = b.let("vov|overdrive|v_eff", vgs - vth)
    with b.when(vov <= 0.0):
        b.ret(number(p, 0.0))
    with b.when(vds < vov):
        b.ret(beta * (vov - 0.5 * vds) * vds)
    b.ret(0.5 * beta * vov * vov if p.chance(0.5) else 0.5 * beta * vov * vov * (1.0 + 0.02 * vds))


def _thermistor(p: ProgramBuilder, b: Block, r: Expr, r0: Expr, beta: Expr) -> Results:
    if p.chance(0.5):
        return (1.0 / (1.0 / 298.15 + wp.log(r / r0) / beta),)
    x = b.let("x|lr|log_r", wp.log(r / r0))
    return (1.0 / (0.003354 + x / beta + p.pick(2.6e-6, 3.1e-6) * x * x),)


def _resistor(p: ProgramBuilder, b: Block, t: Expr, r0: Expr, alpha: Expr) -> Results:
    d = b.let("d|dt_ref|delta", t - p.pick(20.0, 25.0, 0.0))
    return (r0 * (1.0 + alpha * d) if p.chance(0.5) else r0 * (1.0 + alpha * d - 5.8e-7 * d * d),)


def _charging(p: ProgramBuilder, b: Block, v: Expr, source: Expr, tau: Expr, dt: Expr) -> Results:
    return (
        source + (v - source) * wp.exp(-dt / tau)
        if p.chance(0.5)
        else v + (source - v) * dt / (tau + dt),
    )


def _impedance(p: ProgramBuilder, b: Block, f: Expr, r: Expr, l: Expr, c: Expr) -> Results:  # noqa: E741
    w = b.let("w|omega|ang", 6.2831853 * f)
    reactance = b.let("x|reactance|im", w * l - 1.0 / (w * c))
    return wp.sqrt(r * r + reactance * reactance), wp.atan2(reactance, r)


def _skin_depth(p: ProgramBuilder, b: Block, f: Expr, resistivity: Expr, mu_r: Expr) -> Results:
    return (wp.sqrt(resistivity / (3.14159265 * f * physical(p, "MU_0", 1.2566e-6) * mu_r)),)


def _motor(p: ProgramBuilder, b: Block, speed: Expr, voltage: Expr, kt: Expr, r: Expr) -> Results:
    current = b.let("current|i|i_arm", (voltage - kt * speed) / r)
    return kt * current, current * current * r


@piecewise
def _open_circuit(p: ProgramBuilder, b: Block, soc: Expr, v_min: Expr, v_max: Expr) -> None:
    with b.when(soc < 0.1):
        b.ret(v_min + (v_max - v_min) * 4.0 * soc)
    with b.when(soc > 0.9) if p.chance(0.6) else b.when(soc >= 0.95):
        b.ret(v_max - (1.0 - soc) * (v_max - v_min))
    b.ret(v_min + (v_max - v_min) * (0.4 + 0.55 * (soc - 0.1)))


def _coulomb_count(
    p: ProgramBuilder, b: Block, soc: Expr, current: Expr, capacity: Expr, dt: Expr
) -> Results:
    used = current * dt / (3600.0 * capacity)
    return (wp.clamp(soc - used, 0.0, 1.0) if p.chance(0.6) else wp.max(soc - used, 0.0),)


def _adc(p: ProgramBuilder, b: Block, v: Expr, v_ref: Expr) -> Results:
    top = p.pick(255.0, 1023.0, 4095.0)
    code = wp.floor(v / v_ref * top + 0.5) if p.chance(0.5) else wp.rint(v / v_ref * top)
    return (wp.clamp(code, 0.0, top) * v_ref / top,)


def _wind_power(p: ProgramBuilder, b: Block, v: Expr, area: Expr, cp: Expr) -> Results:
    return (0.5 * physical(p, "AIR_DENSITY", 1.225) * cp * area * v * v * v,)


@piecewise
def _power_curve(p: ProgramBuilder, b: Block, v: Expr, rated: Expr, v_rated: Expr) -> None:
    cut_in = p.pick(3.0, 3.5, 4.0)
    with b.when(v < cut_in):
        b.ret(number(p, 0.0))
    with b.when(v >= v_rated):
        b.ret(rated)
    x = b.let("x|share|u", (v - cut_in) / (v_rated - cut_in))
    b.ret(rated * x * x * (x if p.chance(0.5) else 3.0 - 2.0 * x))


ELECTRICAL = Subject(
    ("device", "channel", "cell", "sensor", "unit"),
    (
        Law("diode_current|junction_current|shockley", "Current of a junction.", (("voltage|v|v_d", -0.5, 0.6),),
            (("i_s|saturation", 1.0e-9, 1.0e-7), ("ideality|n", 1.0, 2.0)), ("current|i_out",), _diode),
        Law("solar_cell|photovoltaic|pv_output", "Current and power of a solar cell.",
            (("voltage|v", 0.1, 0.6), ("irradiance|sun", 100.0, 1000.0)),
            (("i_ref|short_circuit", 2.0, 9.0), ("i_s|dark_current", 1.0e-9, 1.0e-7)), ("current|i_pv", "power|p_pv"),
            _solar_cell),
        Law("mosfet|drain_current|transistor", "Drain current in its three regions.",
            (("vgs|gate", 0.0, 3.0), ("vds|drain", 0.0, 5.0)), (("vth|threshold_v", 0.5, 1.0), ("beta|gain_factor", 0.01, 0.5)),
            ("current|i_d",), _mosfet),
        Law("thermistor|sensor_temperature|ntc", "Temperature from the resistance of a sensor.",
            (("resistance|r", 2000.0, 30000.0),), (("r0|nominal", 9000.0, 11000.0), ("beta|b_value", 3300.0, 4200.0)),
            ("temperature|t_out",), _thermistor),
        Law("resistance_at|conductor_resistance|rtd", "Resistance of a conductor at its temperature.",
            (("temp_c|temp|t", -20.0, 120.0),), (("r0|nominal", 90.0, 110.0), ("alpha|coefficient", 0.003, 0.005)),
            ("resistance|r_out",), _resistor),
        Law("capacitor_step|rc_response|charge_step", "Charging of a capacitor.",
            (("v_cap|v", 0.0, 3.0), ("source|v_in", 0.0, 5.0)), (("tau|rc", 0.05, 1.0), ("dt|step", 0.001, 0.05)),
            ("v_next|v_new",), _charging),
        Law("impedance|series_rlc|rlc", "Magnitude and phase of a series circuit.", (("frequency|freq|f", 20.0, 5000.0),),
            (("r|resistance", 1.0, 100.0), ("l|inductance", 0.001, 0.1), ("c|capacitance", 1.0e-6, 1.0e-4)),
            ("magnitude|z_abs", "phase|angle"), _impedance),
        Law("skin_depth|penetration_depth|current_depth", "Depth of alternating current in a conductor.",
            (("frequency|freq", 50.0, 1.0e5),), (("resistivity|rho_e", 1.0e-8, 1.0e-6), ("mu_r|permeability", 1.0, 200.0)),
            ("depth|delta_s",), _skin_depth),
        Law("motor_torque|dc_motor|motor_state", "Torque and losses of a motor.",
            (("speed|omega|w", 0.0, 200.0), ("voltage|v_arm", 5.0, 48.0)), (("kt|torque_constant", 0.02, 0.2), ("r|winding", 0.2, 3.0)),
            ("torque|tau_m", "loss|heat"), _motor),
        Law("open_circuit_voltage|ocv|cell_voltage", "Voltage of a cell at its charge.", (("soc|charge", 0.02, 0.99),),
            (("v_min|empty", 2.8, 3.2), ("v_max|full", 4.0, 4.3)), ("ocv|v_open",), _open_circuit),
        Law("coulomb_count|charge_update|track_charge", "State of charge from the current.",
            (("soc|charge", 0.2, 0.95), ("current|load", 0.1, 5.0)), (("capacity|amp_hours", 1.0, 60.0), ("dt|interval", 1.0, 30.0)),
            ("soc_next|charge_new",), _coulomb_count),
        Law("quantise|adc|sampled_voltage", "Rounding of a converter.", (("voltage|v_in", 0.0, 3.5),),
            (("v_ref|reference_v", 2.5, 3.3),), ("sampled|v_q",), _adc),
        Law("wind_power|rotor_power|available_power", "Power of the wind through a rotor.", (("wind|v", 2.0, 20.0),),
            (("area|swept", 10.0, 500.0), ("cp|power_coefficient", 0.3, 0.48)), ("power|p_out",), _wind_power),
        Law("power_curve|turbine_output|generator_power", "Output of a turbine between cut-in and rated wind.",
            (("wind|v_wind", 1.0, 22.0),), (("rated|p_rated", 100.0, 3000.0), ("v_rated|rated_wind", 11.0, 14.0)),
            ("power|output",), _power_curve),
    ),
)  # fmt: skip
