"""Laws of open channels, soils and catchments."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._laws import Law, Subject, number, physical, piecewise
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

Results = tuple[Expr, ...]


def _manning(
    p: ProgramBuilder, b: Block, depth: Expr, slope: Expr, width: Expr, n: Expr
) -> Results:
    area = b.let("area|a|wet_area", width * depth)
    radius = b.let("radius|r_h|hydraulic", area / (width + 2.0 * depth))
    return (area * wp.pow(radius, p.pick(0.6667, 2.0 / 3.0)) * wp.sqrt(slope) / n,)


def _trapezoid(p: ProgramBuilder, b: Block, depth: Expr, width: Expr, side: Expr) -> Results:
    area = (width + side * depth) * depth
    return area, width + 2.0 * depth * wp.sqrt(1.0 + side * side)


@piecewise
def _weir(p: ProgramBuilder, b: Block, level: Expr, crest: Expr, width: Expr) -> None:
    head = b.let("head|h|over", level - crest)
    with b.when(head <= 0.0):
        b.ret(number(p, 0.0))
    discharge = p.pick(1.7, 1.84, 1.705) * width * head * wp.sqrt(head)
    b.ret(discharge)


def _orifice(p: ProgramBuilder, b: Block, h1: Expr, h2: Expr, area: Expr, cd: Expr) -> Results:
    drop = b.let("drop|dh|head", h1 - h2)
    g = physical(p, "GRAVITY", 9.81)
    return (wp.sign(drop) * cd * area * wp.sqrt(2.0 * g * wp.abs(drop)),)


@piecewise
def _retention(
    p: ProgramBuilder, b: Block, h: Expr, theta_r: Expr, theta_s: Expr, alpha: Expr
) -> None:
    with b.when(h >= 0.0):
        b.ret(theta_s)
    n = p.pick(1.4, 1.56, 1.89, 2.28)
    se = wp.pow(1.0 + wp.pow(-alpha * h, n), 1.0 / n - 1.0)
    if p.chance(0.5):
        se = b.let("se|s_e|effective", se)
    b.ret(theta_r + (theta_s - theta_r) * se)


def _conductivity(p: ProgramBuilder, b: Block, se: Expr, k_s: Expr) -> Results:
    m = p.pick(0.29, 0.36, 0.47, 0.56)
    inner = b.let("inner|f|x", 1.0 - wp.pow(1.0 - wp.pow(se, 1.0 / m), m))
    return (k_s * wp.sqrt(se) * inner * inner,)


@piecewise
def _runoff(p: ProgramBuilder, b: Block, rain: Expr, curve_number: Expr) -> None:
    s = b.let("s|storage|retention", 25400.0 / curve_number - 254.0)
    loss = b.let("loss|ia|initial", p.pick(0.2, 0.05) * s)
    with b.when(rain <= loss):
        b.ret(number(p, 0.0))
    excess = b.let("excess|pe|effective", rain - loss)
    b.ret(excess * excess / (excess + s))


def _infiltration(
    p: ProgramBuilder, b: Block, depth: Expr, k_s: Expr, suction: Expr, deficit: Expr
) -> Results:
    return (k_s * (1.0 + suction * deficit / depth),)


def _horton(p: ProgramBuilder, b: Block, t: Expr, f0: Expr, fc: Expr, k: Expr) -> Results:
    return (fc + (f0 - fc) * wp.exp(-k * t),)


def _evaporation(p: ProgramBuilder, b: Block, t: Expr, radiation: Expr, wind: Expr) -> Results:
    es = b.let("es|e_sat|vp", 0.6108 * wp.exp(17.27 * t / (t + 237.3)))
    tk = b.let("tk|t_c|shifted", t + 237.3)
    slope = b.let("slope|delta|d_es", 4098.0 * es / (tk * tk))
    gamma = p.pick(0.066, 0.067)
    match p.pick("priestley", "penman"):
        case "priestley":
            return (1.26 * slope / (slope + gamma) * radiation / 2.45 * (1.0 + 0.01 * wind),)
    drying = b.let("drying|aero|ea", 2.6 * (1.0 + 0.54 * wind) * es * p.pick(0.3, 0.4))
    return ((slope * radiation / 2.45 + gamma * drying) / (slope + gamma),)


def _snow_melt(p: ProgramBuilder, b: Block, pack: Expr, t: Expr, factor: Expr) -> Results:
    melt = b.let("melt|m|thaw", wp.min(factor * wp.max(t, 0.0), pack))
    return pack - melt, melt


@piecewise
def _settling(p: ProgramBuilder, b: Block, d: Expr, density: Expr) -> None:
    excess = b.let("excess|r|submerged", (density - 1000.0) / 1000.0)
    with b.when(d < 1.0e-4):
        b.ret(excess * 9.81 * d * d / (18.0 * 1.0e-6))
    with b.when(d > 1.0e-3) if p.chance(0.7) else b.when(d >= 2.0e-3):
        b.ret(1.1 * wp.sqrt(excess * 9.81 * d))
    nu = p.pick(1.0e-6, 1.1e-6)
    b.ret(10.0 * nu / d * (wp.sqrt(1.0 + 0.01 * excess * 9.81 * d * d * d / (nu * nu)) - 1.0))


def _bed_load(p: ProgramBuilder, b: Block, shear: Expr, d: Expr, critical: Expr) -> Results:
    theta = b.let("theta|shields|mobility", shear / (1650.0 * 9.81 * d))
    over = b.let("over|excess|margin", wp.max(theta - critical, 0.0))
    return (p.pick(8.0, 3.97) * over * wp.sqrt(over),)


def _reservoir(
    p: ProgramBuilder, b: Block, storage: Expr, inflow: Expr, k: Expr, dt: Expr
) -> Results:
    if p.chance(0.5):
        outflow = b.let("outflow|q|release", storage / k)
        return storage + (inflow - outflow) * dt, outflow
    fresh = b.let("fresh|s_new|updated", (storage + inflow * dt) / (1.0 + dt / k))
    return fresh, fresh / k


_DEPTH = ("depth|h|water_depth", 0.1, 3.0)

WATER = Subject(
    ("reach", "cell", "basin", "column", "section"),
    (
        Law("manning|channel_discharge|normal_flow", "Discharge of a rectangular channel.",
            (_DEPTH, ("bed_slope|slope", 1.0e-4, 0.01)), (("width|b_w", 1.0, 20.0), ("roughness|n_m", 0.012, 0.06)),
            ("discharge|q",), _manning),
        Law("trapezoid_section|wetted_section|channel_geometry", "Area and perimeter of a trapezoidal section.", (_DEPTH,),
            (("width|base", 1.0, 10.0), ("side|side_slope", 0.5, 3.0)), ("area|wet_area", "perimeter|wetted"), _trapezoid),
        Law("weir_flow|overflow|spill", "Flow over a crest.", (("level|stage", 0.5, 4.0),),
            (("crest|sill", 1.0, 2.0), ("width|crest_width", 1.0, 20.0)), ("discharge|q_spill",), _weir),
        Law("orifice_flow|gate_flow|exchange", "Flow between two levels.", (("level_a|h1", 0.5, 4.0), ("level_b|h2", 0.2, 3.0)),
            (("area|opening", 0.01, 0.5), ("cd|coefficient", 0.58, 0.7)), ("flow|q_gate",), _orifice),
        Law("water_content|retention|moisture_at", "Water content from suction.", (("head|pressure_head|psi", -5.0, 0.3),),
            (("theta_r|residual", 0.02, 0.1), ("theta_s|saturated", 0.35, 0.5), ("alpha|air_entry", 0.5, 4.0)),
            ("theta|content",), _retention),
        Law("unsaturated_conductivity|mualem|relative_k", "Conductivity of an unsaturated soil.", (("saturation|se", 0.05, 0.98),),
            (("k_s|saturated_k", 0.01, 2.0),), ("conductivity|k_out",), _conductivity),
        Law("curve_number_runoff|direct_runoff|storm_runoff", "Runoff of a storm.", (("rain|rainfall", 0.0, 120.0),),
            (("curve_number|cn", 55.0, 95.0),), ("runoff|q_direct",), _runoff),
        Law("green_ampt|infiltration_rate|wetting_front", "Infiltration behind a wetting front.", (("front_depth|depth", 0.02, 1.0),),
            (("k_s|saturated_k", 0.01, 1.0), ("suction|psi_f", 0.05, 0.4), ("deficit|d_theta", 0.1, 0.4)), ("rate|f_rate",),
            _infiltration),
        Law("horton|infiltration_capacity|decay_rate", "Capacity that falls with time.", (("elapsed|t", 0.0, 6.0),),
            (("f0|initial_rate", 20.0, 80.0), ("fc|final_rate", 2.0, 15.0), ("decay|k_h", 0.5, 4.0)), ("capacity|f_cap",), _horton),
        Law("evaporation|potential_et|evapotranspiration", "Potential evaporation.",
            (("t_air|temp_c", 2.0, 35.0), ("radiation|net_rad", 2.0, 22.0)), (("wind|u2", 0.5, 6.0),), ("evap|et0",), _evaporation),
        Law("snow_melt|degree_day|thaw_step", "Melt of a snow pack by temperature.", (("pack|swe", 0.0, 200.0), ("t_air|temp_c", -10.0, 12.0)),
            (("factor|ddf", 1.5, 6.0),), ("pack_next|swe_out", "melt|outflow"), _snow_melt),
        Law("settling_velocity|fall_speed|grain_fall", "Fall velocity of grains.", (("diameter|d50|d", 3.0e-5, 4.0e-3),),
            (("density|rho_s", 2000.0, 2700.0),), ("velocity|w_s",), _settling),
        Law("bed_load|transport_rate|sediment_rate", "Transport of sediment along the bed.", (("shear|tau_b", 0.1, 10.0),),
            (("diameter|d50", 2.0e-4, 4.0e-3), ("critical|theta_c", 0.03, 0.06)), ("transport|phi_b",), _bed_load),
        Law("linear_reservoir|storage_step|route_storage", "One step of a linear reservoir.",
            (("storage|volume", 1.0, 50.0), ("inflow|q_in", 0.0, 5.0)), (("residence|k_r", 2.0, 20.0), ("dt|step", 0.05, 1.0)),
            ("storage_next|volume_out", "outflow|q_out"), _reservoir),
    ),
)  # fmt: skip
