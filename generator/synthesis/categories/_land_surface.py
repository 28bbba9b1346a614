"""Land surface: snow pack, vegetation, evaporation and bucket water balance, per cell or per site."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._grids import mask_exit, monitor, open_grid
from generator.synthesis.entities import Entities, Field
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, lift

AnyField = Field | GridField


class Sites:
    """Cells of a map or entries of a list: the same work in either layout."""

    def __init__(self, p: ProgramBuilder, k: KernelBuilder, singular: str) -> None:
        self.p, self.k = p, k
        self.grid: Grid | None = (
            open_grid(p, k, 2, boundary="clamp", layouts=p.chance(0.4)) if p.chance(0.6) else None
        )
        self.entities: Entities | None = None if self.grid is not None else Entities(k, singular)

    def field(self, hint: str, low: float, high: float, role: str = "in") -> AnyField:
        """A quantity of every site."""
        owner = self.grid or self.entities
        assert owner is not None
        return owner.field(hint, self.p.real, R.uniform(low, high), role)

    def out(self, hint: str, dtype: T.Type | None = None) -> AnyField:
        owner = self.grid or self.entities
        assert owner is not None
        return owner.out(hint, dtype or self.p.real)

    def setting(self, hint: str, low: float, high: float) -> Expr:
        """A parameter, or a field of it."""
        if self.entities is not None:
            return self.entities.property(hint, low, high)
        return (
            self.field(hint, low, high).own if self.p.chance(0.3) else self.k.param(hint, low, high)
        )

    def skip(self, *copies: tuple[AnyField, Expr | float]) -> None:
        """An early exit for masked sites."""
        if self.grid is not None:
            mask_exit(
                self.p, self.grid, *copies, chance=0.35, hint="water_body|ocean|outside", share=0.15
            )
        else:
            assert self.entities is not None
            self.entities.guard(*copies)

    def total(self, value: Expr, hint: str, chance: float = 0.3) -> None:
        """Now and then, a sum over all sites."""
        if self.grid is not None:
            monitor(self.p, self.grid, value, hint, chance)
        elif self.p.chance(chance):
            out = self.k.out("|".join(f"total_{h}" for h in hint.split("|")), self.p.real, (1,))
            self.k.do(wp.atomic_add(out, 0, value))


def snow_pack(p: ProgramBuilder) -> None:
    """Snow water, melt, refreezing, density and albedo over one step."""
    k = p.kernel_builder(
        "snow_step|snowmelt|degree_day_melt|update_snowpack|snow_balance",
        p.pick(
            "Snow accumulation and melt.", "Degree-day snow model.", "One step of the snow pack."
        ),
    )
    s = Sites(p, k, "site")
    swe = s.field("swe|snow_water|snowpack", 0.0, 200.0, "inout")
    temp = s.field("air_temp|temperature|t_air", -12.0, 10.0)
    precip = s.field("precip|precipitation|rainfall", 0.0, 8.0)
    melt_out = s.out("melt|meltwater|runoff")
    s.skip()
    t, w = temp.read("t|tc|t_c"), k.var("w|pack|water_eq", swe.own)
    dt = k.param("dt|dt_days|step_days", 0.1, 1.0)
    k.step(p.pick("", "rain or snow", "phase of precipitation"))
    fall = k.let("snowfall|solid|snow_in", precip.own * _snow_share(p, k, t))
    k.aug(w, "+", fall * dt)
    k.step(p.pick("", "melt"))
    factor = s.setting("degree_day|melt_factor|ddf", 1.5, 6.0)
    threshold = k.quantity("melt_temp|t_melt|base_temp", p.real, p.pick(0.0, 0.5, 1.0))
    potential = k.let("pot_melt|potential|pmelt", wp.max(t - threshold, 0.0) * factor * dt)
    if p.chance(0.4):
        radiation = s.field("shortwave|solar|radiation", 0.0, 300.0)
        albedo = s.setting("albedo|snow_albedo", 0.5, 0.9)
        potential = k.let(
            "pot_total|melt_energy",
            potential
            + k.param("radiation_factor|srf", 0.001, 0.01) * (1.0 - albedo) * radiation.own * dt,
        )
    melt = k.let("melt_c|m|actual_melt", wp.min(potential, w))
    k.aug(w, "-", melt)
    leaving = melt
    if p.chance(0.45):
        liquid = s.field("liquid|liquid_water|retained", 0.0, 10.0, "inout")
        holding = k.param("holding_capacity|cwh|retention", 0.03, 0.12)
        wet = k.var("wet|lw|free_water", liquid.own + melt)
        freeze = k.param("refreeze|cfr|refreeze_coef", 0.02, 0.1)
        with k.when(t < threshold):
            back = k.let("back|refrozen", wp.min(freeze * factor * (threshold - t) * dt, wet))
            k.aug(wet, "-", back)
            k.aug(w, "+", back)
        room = k.let("room|capacity", holding * w)
        leaving = k.let("leaving|outflow", wp.max(wet - room, 0.0))
        liquid.store(wp.min(wet, room))
    swe.store(w)
    melt_out.store(leaving)
    if p.chance(0.35):
        _snow_albedo(p, s, fall, t, dt)
    if p.chance(0.3):
        scale = k.param("cover_scale|swe_scale|full_cover", 10.0, 60.0)
        s.out("snow_cover|cover_fraction|sca").store(
            p.pick(w / (w + scale), wp.min(w / scale, 1.0), wp.tanh(w / scale))
        )
    s.total(leaving, "melt|runoff", 0.3)


def _snow_share(p: ProgramBuilder, k: KernelBuilder, t: Expr) -> Expr:
    """Share of precipitation that falls as snow."""
    form = p.pick("step", "ramp", "ramp", "logistic")
    cold, warm = (
        k.quantity("t_snow|all_snow|t_low", p.real, p.pick(-1.0, 0.0, -0.5)),
        k.quantity("t_rain|all_rain|t_high", p.real, p.pick(2.0, 3.0, 1.5)),
    )
    if form == "step":
        return choose(t < 0.5 * (cold + warm), lift(1.0, p.real), lift(0.0, p.real))
    if form == "logistic":
        return 1.0 / (1.0 + wp.exp((2.0 * t - cold - warm) / (warm - cold)))

    def body(b: Block, x: Expr, lo: Expr, hi: Expr) -> None:
        with b.when(x <= lo):
            b.ret(lift(1.0, p.real))
        with b.when(x >= hi):
            b.ret(lift(0.0, p.real))
        b.ret((hi - x) / (hi - lo))

    if p.chance(0.6):
        return p.func(
            "snow_fraction|solid_fraction|snow_share",
            {"t|temp": p.real, "lo|cold": p.real, "hi|warm": p.real},
            body,
        )(t, cold, warm)
    return wp.clamp((warm - t) / (warm - cold), 0.0, 1.0)


def _snow_albedo(p: ProgramBuilder, s: Sites, fall: Expr, t: Expr, dt: Expr) -> None:
    k = s.k
    albedo = s.field("albedo_state|snow_albedo|alb", 0.4, 0.85, "inout")
    low, high = k.param("albedo_min|old_snow", 0.4, 0.5), k.param("albedo_max|fresh_snow", 0.8, 0.9)
    a = k.var("a|alb_c", albedo.own)
    with k.when(fall > k.param("fresh_limit|refresh_depth", 0.5, 3.0)):
        k.set(a, high)
    with k.otherwise():
        decay = k.param("albedo_decay|aging", 0.01, 0.2)
        if p.chance(0.5):
            k.set(a, low + (a - low) * wp.exp(-decay * dt))
        else:
            k.set(
                a,
                wp.max(
                    a - decay * dt * wp.where(t > 0.0, lift(2.0, p.real), lift(1.0, p.real)), low
                ),
            )
    albedo.store(a)


def vegetation(p: ProgramBuilder) -> None:
    """Biomass, leaf area and litter under temperature, water and light limits."""
    k = p.kernel_builder(
        "grow_vegetation|biomass_step|vegetation_step|leaf_area_update|plant_growth",
        p.pick(
            "Plant growth limited by water, warmth and light.", "One step of biomass and litter."
        ),
    )
    s = Sites(p, k, "plot")
    biomass = s.field("biomass|plant_mass|carbon", 0.2, 5.0, "inout")
    water = s.field("soil_moisture|moisture|water", 0.05, 0.5)
    temp = s.field("temperature|air_temp|t_mean", -5.0, 30.0)
    s.skip()
    b = biomass.read("b|mass|c0")
    dt = k.param("dt|dt_days|step", 0.1, 2.0)
    limits = [_temperature_limit(p, k, temp.own), _water_limit(p, k, water.own)]
    if p.chance(0.5):
        light = s.field("light|par|radiation", 10.0, 400.0)
        limits.append(
            k.let(
                "f_light|l_lim",
                light.own / (light.own + k.param("half_light|par_half", 50.0, 200.0)),
            )
        )
    limit = limits[0]
    for f in limits[1:]:
        limit = limit * f if p.chance(0.6) else wp.min(limit, f)
    gain = s.setting("growth_rate|r_max|gmax", 0.02, 0.3) * limit * b
    if p.chance(0.6):
        gain = gain * (1.0 - b / k.param("capacity|max_biomass|k_cap", 4.0, 12.0))
    growth = k.let("growth|npp|gain", gain)
    death = k.let(
        "death|litterfall|loss", s.setting("mortality|turnover|death_rate", 0.002, 0.05) * b
    )
    new = k.var("b1|new_mass|c1", b + dt * (growth - death))
    if p.chance(0.35):
        grazers = s.field("grazers|herbivores|cattle", 0.0, 1.0)
        k.aug(
            new,
            "-",
            dt
            * k.param("intake|grazing_rate|bite", 0.01, 0.2)
            * grazers.own
            * new
            / (new + k.param("half_biomass|b_half", 0.5, 2.0)),
        )
    if p.chance(0.3):
        burn = s.field("fire_intensity|burnt|fire", 0.0, 1.0)
        with k.when(burn.own > k.param("fire_threshold|burn_limit", 0.8, 0.95)):
            k.aug(new, "*", 1.0 - k.param("burn_share|combustion", 0.3, 0.9))
    biomass.store(
        wp.max(new, k.param("seed_mass|min_biomass", 0.001, 0.05))
        if p.chance(0.6)
        else wp.max(new, 0.0)
    )
    if p.chance(0.5):
        litter = s.field("litter|dead_mass|litter_pool", 0.1, 2.0, "inout")
        litter.store(
            litter.own
            + dt * (death - k.param("decomposition|k_litter|decay", 0.005, 0.1) * litter.own)
        )
    if p.chance(0.4):
        s.out("lai|leaf_area|cover").store(
            k.param("sla|leaf_per_mass", 0.5, 2.0) * new
            if p.chance(0.5)
            else 1.0 - wp.exp(-k.param("extinction|k_ext", 0.3, 0.7) * new)
        )
    s.total(growth, "growth|npp", 0.3)


def _temperature_limit(p: ProgramBuilder, k: KernelBuilder, t: Expr) -> Expr:
    form = p.pick("gauss", "trapezoid", "q10", "beta")
    if form == "q10":
        return k.let(
            "f_temp|t_lim",
            wp.pow(lift(2.0, p.real), (t - k.param("t_ref|ref_temp", 10.0, 20.0)) / 10.0),
        )
    if form == "gauss":
        d = k.let(
            "dev|t_dev",
            (t - k.param("t_opt|optimum", 15.0, 25.0)) / k.param("t_width|tolerance", 5.0, 12.0),
        )
        return k.let("f_temp|t_lim", wp.exp(-d * d))
    low, high = (
        k.quantity("t_min|cold_limit", p.real, p.pick(0.0, 2.0, 5.0)),
        k.quantity("t_max|heat_limit", p.real, p.pick(32.0, 35.0, 40.0)),
    )

    def body(b: Block, x: Expr, lo: Expr, hi: Expr) -> None:
        with b.when(x <= lo):
            b.ret(lift(0.0, p.real))
        with b.when(x >= hi):
            b.ret(lift(0.0, p.real))
        u = b.let("u|frac", (x - lo) / (hi - lo))
        b.ret(
            4.0 * u * (1.0 - u) if form == "beta" else wp.min(wp.min(3.0 * u, 3.0 * (1.0 - u)), 1.0)
        )

    return k.let(
        "f_temp|t_lim",
        p.func(
            "temperature_response|thermal_limit|f_temperature",
            {"t|temp": p.real, "lo|t_lo": p.real, "hi|t_hi": p.real},
            body,
        )(t, low, high),
    )


def _water_limit(p: ProgramBuilder, k: KernelBuilder, w: Expr) -> Expr:
    wilt, field = (
        k.param("wilting|theta_wp|wilt", 0.05, 0.12),
        k.param("field_capacity|theta_fc|fc", 0.25, 0.4),
    )
    value = (
        wp.clamp((w - wilt) / (field - wilt), 0.0, 1.0)
        if p.chance(0.6)
        else wp.smoothstep(wilt, field, w)
    )
    return k.let("f_water|w_lim|stress", value)


def evapotranspiration(p: ProgramBuilder) -> None:
    """Reference evaporation by Penman-Monteith, Priestley-Taylor, Hargreaves or bulk transfer."""
    form = p.pick("penman", "penman", "priestley", "hargreaves", "bulk")
    k = p.kernel_builder(
        f"{form}|potential_evaporation|reference_et|evapotranspiration|latent_heat_flux",
        p.pick(
            f"{form.capitalize()} evaporation.",
            "Potential evapotranspiration.",
            "Evaporative demand of every site.",
        ),
    )
    s = Sites(p, k, "station")
    temp = s.field("air_temp|t_air|temperature", 0.0, 35.0)
    out = s.out("et|pet|evaporation|et_out")
    s.skip((out, 0.0))
    t = temp.read("t|tc|t_c")
    if form == "hargreaves":
        span = s.field("temp_range|diurnal_range|t_span", 2.0, 18.0).own
        extra = s.field("extraterrestrial|ra|top_radiation", 10.0, 40.0).own
        value = 0.0023 * extra * (t + 17.8) * wp.sqrt(span)
    else:
        es = k.let("es|e_sat|sat_vp", _saturation_kpa(p, k, t))
        if form == "bulk":
            ea, wind = (
                es * s.field("humidity|rel_humidity|rh", 0.2, 0.95).own,
                s.field("wind|wind_speed|u2", 0.2, 8.0).own,
            )
            value = (k.param("wind_a|f_a", 0.1, 0.5) + k.param("wind_b|f_b", 0.1, 0.6) * wind) * (
                es - ea
            )
        else:
            value = _energy_balance(p, s, t, es, form == "penman")
    value = k.let("et_c|demand|e0", value)
    if p.chance(0.45):
        crop = s.setting("crop_coef|kc|canopy_factor", 0.3, 1.2)
        value = crop * value
    if p.chance(0.4):
        moisture = s.field("soil_moisture|theta|wetness", 0.05, 0.45).own
        value = value * _water_limit(p, k, moisture)
    value = wp.max(value, 0.0) if p.chance(0.6) else value
    out.store(value)
    s.total(out.own, "et|evaporation", 0.3)


def _saturation_kpa(p: ProgramBuilder, k: KernelBuilder, t: Expr) -> Expr:
    def body(b: Block, x: Expr) -> Expr:
        return 0.6108 * wp.exp(17.27 * x / (x + 237.3))

    return piece(
        p, k, "saturation_vapor_pressure|e_sat_kpa|tetens", {"t|temp_c": t}, body, probability=0.8
    )


def _energy_balance(p: ProgramBuilder, s: Sites, t: Expr, es: Expr, aerodynamic: bool) -> Expr:
    k = s.k
    denominator = k.let("tk|t_off", t + 237.3)
    slope = k.let("slope|delta_s|s_c", 4098.0 * es / (denominator * denominator))
    if p.chance(0.5):
        gamma = k.param("psychrometric|gamma|psy", 0.05, 0.07)
    else:
        gamma = k.let(
            "gamma|psy", 0.000665 * s.field("pressure|p_air|air_pressure", 80.0, 103.0).own
        )
    net = s.field("net_radiation|rn|radiation", 2.0, 20.0).own
    if p.chance(0.4):
        net = (
            net - k.param("ground_share|g_frac", 0.05, 0.3) * net
            if p.chance(0.5)
            else net - s.field("ground_flux|g_soil", -1.0, 3.0).own
        )
    if not aerodynamic:
        return k.param("alpha_pt|pt_alpha", 1.1, 1.3) * slope / (slope + gamma) * net * 0.408
    wind, rh = (
        s.field("wind|wind_speed|u2", 0.2, 8.0).own,
        s.field("humidity|rel_humidity|rh", 0.2, 0.95).own,
    )
    deficit = k.let("vpd|deficit", es * (1.0 - rh))
    u = k.let("u2|u_c", wind)
    if p.chance(0.5):
        top = 0.408 * slope * net + gamma * 900.0 / (t + 273.0) * u * deficit
        return top / (slope + gamma * (1.0 + 0.34 * u))
    ra = k.let("ra|r_aero", 208.0 / wp.max(u, p.pick(0.1, 0.3)))
    rs = s.setting("surface_resistance|rs|canopy_resistance", 30.0, 120.0)
    top = slope * net + 86.4 * deficit / ra
    return 0.408 * top / (slope + gamma * (1.0 + rs / ra))


def water_balance(p: ProgramBuilder) -> None:
    """A soil bucket: infiltration, runoff, evaporation, percolation, baseflow."""
    k = p.kernel_builder(
        "bucket_step|water_balance|soil_moisture_step|runoff_model|hbv_soil|infiltrate",
        p.pick(
            "Soil water bucket over one step.",
            "Runoff generation and soil storage.",
            "Water balance of every cell.",
        ),
    )
    s = Sites(p, k, "cell")
    store = s.field("storage|soil_water|soil_moisture", 10.0, 150.0, "inout")
    rain = s.field("rain|precip|throughfall", 0.0, 30.0)
    runoff_out = s.out("runoff|surface_runoff|quick_flow")
    s.skip((runoff_out, 0.0))
    w, p_in = k.var("w|soil|s0", store.own), k.var("p_in|liquid|water_in", rain.own)
    dt = k.param("dt|dt_days|step", 0.1, 1.0)
    top = s.setting("capacity|field_capacity|max_storage", 120.0, 250.0)
    if p.chance(0.35):
        canopy = s.field("canopy|interception|canopy_store", 0.0, 2.0, "inout")
        held = k.let(
            "held|caught",
            wp.min(
                p_in, k.param("canopy_max|interception_cap", 1.0, 3.0) - wp.min(canopy.own, 0.9)
            ),
        )
        canopy.store(0.5 * (canopy.own + held))
        k.aug(p_in, "-", held)
    k.step(p.pick("", "infiltration", "split rain into runoff and recharge"))
    quick = _runoff(p, k, s, p_in, w, top, dt)
    k.aug(w, "+", p_in - quick)
    k.step(p.pick("", "evaporation", "losses"))
    pet = (
        s.field("pet|potential_et|demand", 0.5, 6.0).own
        if p.chance(0.7)
        else k.param("pet|demand|e_pot", 1.0, 5.0)
    )
    stress = k.let(
        "stress|limiting|ratio", wp.min(w / (k.param("lp_share|limit_share", 0.4, 0.9) * top), 1.0)
    )
    et = k.let("et|actual_et|evap", wp.min(pet * stress * dt, w))
    k.aug(w, "-", et)
    total_out = quick
    if p.chance(0.6):
        drain = k.let(
            "drain|percolation|seep",
            s.setting("perc_rate|k_drain|conductivity", 0.01, 0.1) * w * dt
            if p.chance(0.5)
            else wp.max(w - 0.8 * top, 0.0) * k.param("drain_share|k_perc", 0.1, 0.6),
        )
        k.aug(w, "-", drain)
        if p.chance(0.6):
            ground = s.field("groundwater|lower_zone|gw", 5.0, 80.0, "inout")
            base = k.let(
                "base|baseflow|slow", k.param("recession|k_base|k2", 0.005, 0.05) * ground.own * dt
            )
            ground.store(ground.own + drain - base)
            total_out = k.let("total_q|flow|discharge", quick + base)
    with k.when(w > top):
        k.set(w, top)
    store.store(w)
    runoff_out.store(total_out)
    if p.chance(0.4):
        s.out("et_out|evaporated|et_actual").store(et)
    s.total(total_out, "runoff|discharge", 0.3)


def _runoff(
    p: ProgramBuilder, k: KernelBuilder, s: Sites, p_in: Expr, w: Expr, top: Expr, dt: Expr
) -> Expr:
    form = p.pick("beta", "curve", "rate", "green_ampt", "spill")
    if form == "beta":
        return k.let(
            "quick|excess|q_fast",
            p_in * wp.pow(wp.min(w / top, 1.0), s.setting("beta|shape|b_exp", 1.0, 4.0)),
        )
    if form == "spill":
        return k.let("quick|excess|q_fast", wp.max(w + p_in - top, 0.0))
    if form == "curve":
        retention = k.let(
            "retention|s_max", 25400.0 / s.setting("curve_number|cn", 55.0, 95.0) - 254.0
        )
        above = k.let("above|p_eff", wp.max(p_in - 0.2 * retention, 0.0))
        return k.let("quick|excess|q_fast", above * above / (p_in + 0.8 * retention))
    if form == "rate":
        return k.let(
            "quick|excess|q_fast",
            wp.max(p_in - s.setting("infiltration_cap|f_max|ksat", 5.0, 25.0) * dt, 0.0),
        )

    def body(b: Block, ksat: Expr, suction: Expr, room: Expr, depth: Expr) -> Expr:
        return ksat * (1.0 + suction * room / wp.max(depth, 1.0))

    room = k.let("room|deficit", 1.0 - wp.min(w / top, 1.0))
    rate = piece(
        p,
        k,
        "green_ampt_rate|infiltration_rate|ga_capacity",
        {
            "ksat|k": s.setting("ksat|k_sat", 2.0, 20.0),
            "suction|psi": k.param("suction|psi_f", 50.0, 200.0),
            "room|d_theta": room,
            "depth|f_cum": w,
        },
        body,
    )
    return k.let("quick|excess|q_fast", wp.max(p_in - rate * dt, 0.0))
