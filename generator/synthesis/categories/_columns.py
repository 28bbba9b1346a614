"""Columns: atmosphere and soil profiles with one thread per column and loops over levels."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, Operand, lift


class Columns:
    """Profiles of columns: columns in a row or on a map, levels along the first or last axis."""

    def __init__(
        self,
        p: ProgramBuilder,
        k: KernelBuilder,
        *,
        levels: int | None = None,
        words: str = "levels|nlev|num_levels|nz",
    ) -> None:
        if p.fusing:
            self._adopt(k, words)
            return
        self.p, self.k, self.words = p, k, words
        k.layout = self
        self.levels = levels or p.pick(8, 10, 12, 16, 20)
        mapped = p.chance(0.3)
        self.columns: tuple[int, ...] = (
            (p.pick(8, 12), p.pick(8, 12, 16)) if mapped else (p.pick(24, 32, 48, 64),)
        )
        self.first = p.chance(0.4)  # levels along the first axis
        hints = (
            p.pick(["i", "j"], ["lat", "lon"], ["row", "col"])
            if mapped
            else [p.pick("c|col|column|i", "i|tid|col")]
        )
        self.at: tuple[Expr, ...] = tuple(threads(k, hints, self.columns))
        self._known: Expr | None = None
        self._count: Expr | None = None
        if not mapped and p.chance(0.3):
            k.launch_dim = (self.columns[0] + p.pick(4, 8),)
            with k.when(
                self.at[0] >= k.scalar("num_columns|ncol|n_columns", T.I32, self.columns[0])
            ):
                k.ret()

    def _adopt(self, k: KernelBuilder, words: str) -> None:
        """Shares the threads of the step before: air with air, soil with soil."""
        layout = k.layout
        if not isinstance(layout, Columns) or words != layout.words:
            raise CannotFuse
        self.__dict__ = layout.__dict__
        k.adopt()

    def profile(self, hint: str, low: float, high: float, role: str = "in", extra: int = 0) -> Name:
        """An array over columns and levels (or interfaces, with one more)."""
        n = self.levels + extra
        shape = (n, *self.columns) if self.first else (*self.columns, n)
        fill = R.zeros() if role == "out" else R.uniform(low, high)
        array = self.k.array(hint, self.p.real, shape, fill, role)
        if not extra:
            self._known = array
        return array

    def out(self, hint: str, extra: int = 0) -> Name:
        return self.profile(hint, 0.0, 0.0, "out", extra)

    def surface(self, hint: str, low: float, high: float, role: str = "in") -> Expr:
        """An array over columns, read at this thread's."""
        fill = R.zeros() if role == "out" else R.uniform(low, high)
        return self.k.array(hint, self.p.real, self.columns, fill, role)[self.at]

    def get(self, array: Expr, level: Operand) -> Expr:
        return array[(level, *self.at)] if self.first else array[(*self.at, level)]

    def count(self) -> Expr:
        """Number of levels, as a local or as an array's extent."""
        if self._count is None:
            k, p = self.k, self.p
            if self._known is None or p.chance(0.4):
                self._count = k.scalar(self.words, T.I32, self.levels)
            else:
                extent = self._known.dim(0 if self.first else len(self.columns))
                self._count = k.let("n|nlev|nk", extent) if p.chance(0.5) else extent
        return self._count

    def skip(self, chance: float = 0.3) -> None:
        """An early exit for columns that are switched off."""
        if not self.p.chance(chance):
            return
        mask = self.k.array(
            "active|land_mask|column_mask", self.p.pick(T.I32, T.BOOL), self.columns, R.mask(0.85)
        )
        cell = mask[self.at]
        with self.k.when(negate(cell) if cell.type == T.BOOL else cell == 0):
            self.k.ret()


def longwave_column(p: ProgramBuilder) -> None:
    """Radiative fluxes through a column: grey emissivities, two streams, absorbed sunlight."""
    solar = p.chance(0.4)
    k = p.kernel_builder(
        "shortwave_column|solar_absorption|sunlight_column|canopy_light"
        if solar
        else "longwave_column|grey_radiation|two_stream|radiation_column|compute_fluxes",
        p.pick("Sunlight through an absorbing column.", "Direct and diffuse beams by Beer's law.")
        if solar
        else p.pick(
            "Upward and downward longwave fluxes.",
            "Grey radiation with a loop down and a loop up.",
            "Radiative heating of a column.",
        ),
    )
    c = Columns(p, k)
    if solar:
        _sunlight(p, c)
        return
    temp, tau = (
        c.profile("temperature|temp|t_lev", 210.0, 300.0),
        c.profile("optical_depth|tau|dtau", 0.05, 0.6),
    )
    up, down = c.out("flux_up|f_up|lw_up", 1), c.out("flux_down|f_down|lw_down", 1)
    n = c.count()
    c.skip()
    emission = _planck(p)
    k.step(p.pick("", "downward sweep"))
    f = k.var("f|flux|beam", 0.0, p.real)
    top_first = p.chance(0.6)  # level 0 at the top of the column
    k.set(c.get(down, 0 if top_first else n), 0.0)
    with k.loop("q|lev|l", n) as q:
        lev = q if top_first else k.let("z|kk|rev", n - 1 - q)
        _layer(p, c, f, temp, tau, lev, emission)
        k.set(c.get(down, lev + 1 if top_first else lev), f)
    k.step(p.pick("", "surface and upward sweep"))
    ts = c.surface("surface_temp|t_sfc|skin_temp", 270.0, 310.0)
    emissivity = (
        k.param("emissivity|eps_s|surface_emissivity", 0.9, 0.99) if p.chance(0.5) else None
    )
    start = (
        emission(ts) if emissivity is None else emissivity * emission(ts) + (1.0 - emissivity) * f
    )
    k.set(f, start)
    k.set(c.get(up, n if top_first else 0), f)
    with k.loop("q|lev|l", n) as q:
        lev = k.let("z|kk|rev", n - 1 - q) if top_first else q
        _layer(p, c, f, temp, tau, lev, emission)
        k.set(c.get(up, lev if top_first else lev + 1), f)
    if p.chance(0.6):
        heating = c.out("heating|heating_rate|dtdt")
        scale = k.param("g_cp_dp|heat_factor|inv_mass", 0.01, 0.5)
        with k.loop("q|lev|l", n) as q:
            net = (c.get(up, q + 1) - c.get(down, q + 1)) - (c.get(up, q) - c.get(down, q))
            k.set(c.get(heating, q), net * scale if top_first else -net * scale)
    if p.chance(0.4):
        k.set(c.surface("olr|outgoing|toa_flux", 0.0, 0.0, "out"), c.get(up, 0 if top_first else n))


def _planck(p: ProgramBuilder) -> object:
    def body(b: Block, t: Expr) -> None:
        if p.chance(0.5):
            t2 = b.let("t2|tt", t * t)
            b.ret(5.67e-8 * t2 * t2)
        else:
            b.ret(5.67e-8 * t * t * t * t)

    return p.func(
        "blackbody|stefan_boltzmann|planck_grey",
        {"t|temp": p.real},
        body,
        "Emitted flux of a black body.",
    )


def _layer(
    p: ProgramBuilder, c: Columns, f: Name, temp: Expr, tau: Expr, lev: Expr, emission: object
) -> None:
    k = c.k
    trans = k.let(
        "trans|t_lay|pass",
        wp.exp(-c.get(tau, lev) * p.pick(1.0, 1.66))
        if p.chance(0.7)
        else 1.0 / (1.0 + c.get(tau, lev)),
    )
    source = emission(c.get(temp, lev))  # type: ignore[operator]
    if p.chance(0.5):
        k.set(f, f * trans + source * (1.0 - trans))
    else:
        k.set(f, source + (f - source) * trans)


def _sunlight(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    mu = (
        c.surface("cos_zenith|mu0|cosz", 0.1, 1.0)
        if p.chance(0.6)
        else k.param("mu0|cos_zenith", 0.3, 1.0)
    )
    absorb = c.profile("absorption|tau_abs|extinction", 0.05, 0.4)
    scatter = c.profile("scattering|tau_sca|backscatter", 0.0, 0.2) if p.chance(0.5) else None
    out = c.out("absorbed|heating|q_abs")
    n = c.count()
    c.skip()
    sun = k.let("mu|mu_c|cos_sun", wp.max(mu, p.pick(0.05, 0.1)))
    with k.when(mu <= k.param("night_limit|min_cosz", 0.1, 0.15)):
        with k.loop("q|lev|l", n) as q:
            k.set(c.get(out, q), 0.0)
        k.ret()
    beam = k.var("beam|direct|s_down", k.param("solar_constant|s0|toa_flux", 800.0, 1370.0) * sun)
    reflected = k.var("reflected|up_flux|albedo_flux", 0.0, p.real) if scatter is not None else None
    with k.loop("q|lev|l", n) as q:
        pass_ = k.let("pass_|t_lay|trans", wp.exp(-c.get(absorb, q) / sun))
        lost = k.let("lost|taken|dq", beam * (1.0 - pass_))
        k.aug(beam, "-", lost)
        if scatter is not None and reflected is not None:
            back = k.let("back|scattered", beam * (1.0 - wp.exp(-c.get(scatter, q))))
            k.aug(beam, "-", 0.5 * back)
            k.aug(reflected, "+", 0.5 * back)
        k.set(c.get(out, q), lost)
        if p.chance(0.3):
            with k.when(beam < k.param("dark_limit|min_flux", 1.0, 20.0)):
                k.brk()
    albedo = (
        c.surface("albedo|surface_albedo", 0.1, 0.8)
        if p.chance(0.6)
        else k.param("albedo|ground_albedo", 0.1, 0.5)
    )
    k.set(
        c.surface("surface_flux|ground_absorbed|net_solar", 0.0, 0.0, "out"), beam * (1.0 - albedo)
    )
    if reflected is not None:
        k.set(
            c.surface("toa_up|reflected_out|planetary_up", 0.0, 0.0, "out"),
            reflected + albedo * beam,
        )


def convective_column(p: ProgramBuilder) -> None:
    """Convective adjustment, dry stability, parcel ascent, boundary-layer mixing."""
    what = p.pick("adjust", "adjust", "parcel", "mix")
    names = {
        "adjust": "convective_adjustment|adjust_column|stabilize_profile",
        "parcel": "parcel_ascent|compute_cape|lift_parcel",
        "mix": "vertical_diffusion|mix_column|boundary_layer_mixing",
    }
    docs = {
        "adjust": "Remove unstable layers by mixing neighbours.",
        "parcel": "Energy of a parcel lifted through the column.",
        "mix": "Explicit vertical diffusion with a height-dependent coefficient.",
    }
    k = p.kernel_builder(names[what], p.pick(docs[what], "One column per thread."))
    c = Columns(p, k)
    if what == "adjust":
        _adjust(p, c)
    elif what == "parcel":
        _parcel(p, c)
    else:
        _mix(p, c)


def _adjust(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    theta = c.profile("theta|potential_temp|t_pot", 280.0, 320.0, "inout")
    n = c.count()
    c.skip()
    mass = c.profile("layer_mass|dp|thickness", 0.5, 2.0) if p.chance(0.5) else None
    lapse = k.param("critical_lapse|gamma_c|max_lapse", 0.1, 3.0) if p.chance(0.5) else None
    moved = k.var("moved|num_mixed|changes", 0)
    sweeps = k.count("max_sweeps|iterations|max_iter", p.pick(4, 6, 8))

    def pass_over() -> None:
        with k.loop("q|lev|l", n - 1) as q:
            a, b = k.let("a|lower|t0", c.get(theta, q)), k.let("b|upper|t1", c.get(theta, q + 1))
            unstable = a > b if lapse is None else a - b > lapse
            with k.when(unstable):
                if mass is None:
                    mean = k.let("mean|mixed|avg", 0.5 * (a + b))
                else:
                    ma, mb = k.let("ma|m0", c.get(mass, q)), k.let("mb|m1", c.get(mass, q + 1))
                    mean = k.let("mean|mixed|avg", (ma * a + mb * b) / (ma + mb))
                k.set(c.get(theta, q), mean)
                k.set(c.get(theta, q + 1), mean)
                k.aug(moved, "+", 1)

    if p.chance(0.5):
        with k.loop("s|sweep|it", sweeps):
            pass_over()
    else:
        sweep, stable = k.var("sweep|it|round_no", 0), k.var("before|last_moved|seen", -1)
        with k.repeat(all_of(sweep < sweeps, moved != stable)):
            k.set(stable, moved)
            pass_over()
            k.aug(sweep, "+", 1)
    counts = k.out("adjustments|mix_count|num_adjusted", T.I32, c.columns)
    k.set(counts[c.at], moved)


def _parcel(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    temp, z = (
        c.profile("temperature|env_temp|t_env", 250.0, 300.0),
        c.profile("thickness|dz|layer_depth", 100.0, 400.0),
    )
    n = c.count()
    c.skip()
    tp = k.var(
        "tp|parcel_t|t_parcel", c.get(temp, 0) + k.param("excess|thermal_excess|dt0", 0.5, 3.0)
    )
    cape = k.var("cape|energy|buoyant", 0.0, p.real)
    cin = k.var("cin|inhibition|negative", 0.0, p.real) if p.chance(0.6) else None
    dry, moist = (
        k.param("dry_lapse|gamma_d", 0.009, 0.0099),
        k.param("moist_lapse|gamma_m", 0.004, 0.007),
    )
    base = k.count("lcl_level|cloud_base|k_lcl", p.pick(2, 3, 4))
    top = k.var("top|el_level|k_top", 0)
    entrain = k.param("entrainment|mixing_rate|eps_e", 0.00002, 0.0003) if p.chance(0.4) else None
    with k.loop("q|lev|l", 1, n) as q:
        dz = k.let("dz_q|depth|h", c.get(z, q))
        if p.chance(0.5):
            k.aug(tp, "-", choose(q < base, dry, moist) * dz)
        else:
            with k.when(q < base):
                k.aug(tp, "-", dry * dz)
            with k.otherwise():
                k.aug(tp, "-", moist * dz)
        te = k.let("te|t_q|env", c.get(temp, q))
        if entrain is not None:
            k.aug(tp, "-", entrain * dz * (tp - te))
        b = k.let("b|buoy|accel", 9.81 * (tp - te) / te)
        with k.when(b > 0.0):
            k.aug(cape, "+", b * dz)
            k.set(top, q)
        if cin is not None:
            with k.elsewhen(top == 0):
                k.aug(cin, "-", b * dz)
        if p.chance(0.3):
            with k.when(tp < k.param("freeze_out|t_stop", 200.0, 230.0)):
                k.brk()
    k.set(c.surface("cape_out|available_energy", 0.0, 0.0, "out"), cape)
    if cin is not None:
        k.set(c.surface("cin_out|inhibition_out", 0.0, 0.0, "out"), cin)
    if p.chance(0.6):
        k.set(k.out("equilibrium_level|cloud_top|top_level", T.I32, c.columns)[c.at], top)
    if p.chance(0.35):
        k.set(c.surface("updraft_max|w_max", 0.0, 0.0, "out"), wp.sqrt(2.0 * cape))


def _mix(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    q_in = c.profile("tracer|q|theta", 0.0, 10.0)
    out = c.out("tracer_out|q_new|theta_out")
    n = c.count()
    c.skip()
    dt, dz = k.param("dt|time_step", 1.0, 10.0), k.param("dz|layer_depth|spacing", 20.0, 100.0)
    given = c.profile("diffusivity|kz|eddy_k", 0.5, 10.0) if p.chance(0.5) else None
    k0, depth = (
        (None, None)
        if given is not None
        else (
            k.param("k_surface|k0|kz0", 1.0, 20.0),
            k.param("bl_height|pbl_depth|mix_height", 100.0, 800.0),
        )
    )

    def coefficient(level: Expr) -> Expr:
        if given is not None:
            return 0.5 * (c.get(given, level) + c.get(given, level + 1))

        def body(b: Block, z: Expr, ks: Expr, h: Expr) -> None:
            with b.when(z >= h):
                b.ret(lift(0.1, p.real))
            s = b.let("s|frac", 1.0 - z / h)
            b.ret(ks * z / h * s * s * 6.75)

        if "kz" not in made:
            made["kz"] = p.func(
                "eddy_diffusivity|k_profile|mixing_coefficient",
                {"z|height": p.real, "ks|k0": p.real, "h|depth": p.real},
                body,
            )
        assert k0 is not None
        assert depth is not None
        return made["kz"](construct(p.real, level + 1) * dz, k0, depth)  # type: ignore[operator]

    made: dict[str, object] = {}
    below = k.var(
        "below|flux_in|f_low",
        c.surface("surface_flux|sfc_flux|emission", -0.05, 0.05) if p.chance(0.6) else 0.0,
        p.real,
    )
    with k.loop("q|lev|l", n) as q:
        above = k.var("above|flux_out|f_up", 0.0, p.real)
        with k.when(q < n - 1):
            k.set(above, -coefficient(q) * (c.get(q_in, q + 1) - c.get(q_in, q)) / dz)
        k.set(c.get(out, q), c.get(q_in, q) + dt * (below - above) / dz)
        k.set(below, above)


def microphysics_column(p: ProgramBuilder) -> None:
    """Warm-rain microphysics and sedimentation in a column."""
    k = p.kernel_builder(
        "kessler_column|warm_rain|rain_column|microphysics|sediment_rain",
        p.pick(
            "Warm rain: autoconversion, accretion, evaporation, fallout.",
            "Cloud and rain water in a column.",
        ),
    )
    c = Columns(p, k)
    cloud, rain = (
        c.profile("cloud_water|qc|cloud", 0.0, 2.0, "inout"),
        c.profile("rain_water|qr|rain", 0.0, 2.0, "inout"),
    )
    vapor = c.profile("vapor|qv|humidity", 2.0, 12.0, "inout") if p.chance(0.6) else None
    sat = c.profile("saturation|qs|q_sat", 3.0, 12.0) if vapor is not None else None
    n = c.count()
    c.skip()
    dt = k.param("dt|time_step", 1.0, 20.0)
    auto, limit = (
        k.param("auto_rate|k1|autoconversion", 0.0005, 0.005),
        k.param("auto_threshold|qc0|q_crit", 0.3, 1.0),
    )
    accrete = k.param("accretion|k2|collection", 0.0005, 0.005)
    fall, dz = k.param("fall_speed|vt0|v_rain", 3.0, 8.0), k.param("dz|layer_depth", 200.0, 500.0)
    incoming = k.var("incoming|flux_above|from_above", 0.0, p.real)
    upward = p.chance(0.4)
    with k.loop("q|lev|l", n) as q:
        # Rain falls from the last level to the first.
        lev = k.let("z|kk|rev", n - 1 - q)
        qc, qr = k.var("qc_l|cw|cl", c.get(cloud, lev)), k.var("qr_l|rw|rl", c.get(rain, lev))
        k.comment("cloud to rain")
        gain = k.let(
            "gain|conv|to_rain",
            auto * wp.max(qc - limit, 0.0)
            + accrete * qc * (wp.pow(wp.max(qr, 0.0), 0.875) if p.chance(0.5) else qr),
        )
        gain = k.let("moved|dq|step_gain", wp.min(gain * dt, qc))
        k.aug(qc, "-", gain)
        k.aug(qr, "+", gain)
        if vapor is not None and sat is not None:
            deficit = k.let("deficit|sub_sat|dry", c.get(sat, lev) - c.get(vapor, lev))
            with k.when(all_of(deficit > 0.0, qr > 0.0)):
                evap = k.let(
                    "evap|loss",
                    wp.min(
                        k.param("evap_rate|k3|c_evap", 0.0005, 0.01) * deficit * wp.sqrt(qr) * dt,
                        qr,
                    ),
                )
                k.aug(qr, "-", evap)
                k.set(c.get(vapor, lev), c.get(vapor, lev) + evap)
            if upward:
                with k.elsewhen(deficit < 0.0):
                    k.aug(qc, "-", 0.5 * deficit)
                    k.set(c.get(vapor, lev), c.get(vapor, lev) + 0.5 * deficit)
        speed = _fall_speed(p, k, fall, qr)
        leaving = k.let("leaving|flux_below|outflux", wp.min(speed * dt / dz, 1.0) * qr)
        k.aug(qr, "+", incoming - leaving)
        k.set(incoming, leaving)
        k.set(c.get(cloud, lev), qc)
        k.set(c.get(rain, lev), qr)
    k.set(
        c.surface("surface_rain|precip|rain_rate", 0.0, 0.0, "out"),
        incoming if p.chance(0.5) else incoming * dz / dt,
    )


def _fall_speed(p: ProgramBuilder, k: KernelBuilder, v0: Expr, qr: Expr) -> Expr:
    form = p.pick("constant", "power", "function")
    if form == "constant":
        return v0
    if form == "power":
        return v0 * wp.pow(wp.max(qr, 1.0e-6), 0.125)

    def body(b: Block, q: Expr, v: Expr) -> Expr:
        return wp.min(v * wp.pow(wp.max(q, 1.0e-6), 0.1346), 12.0)

    return piece(
        p,
        k,
        "terminal_velocity|fall_velocity|rain_speed",
        {"qr|q": qr, "v0|v": v0},
        body,
        probability=0.9,
    )


def soil_column(p: ProgramBuilder) -> None:
    """Soil layers: percolation, heat conduction with freezing, root uptake, Richards fluxes."""
    what = p.pick("percolate", "heat", "richards", "roots")
    names = {
        "percolate": "percolate_layers|soil_tipping|drain_column",
        "heat": "soil_heat|ground_heat_column|conduct_soil",
        "richards": "richards_step|unsaturated_flow|soil_water_flux",
        "roots": "root_uptake|transpire_layers|root_water",
    }
    docs = {
        "percolate": "Water tips from layer to layer above field capacity.",
        "heat": "Heat conduction through soil layers.",
        "richards": "Unsaturated flow between soil layers.",
        "roots": "Transpiration drawn from the root zone.",
    }
    k = p.kernel_builder(names[what], p.pick(docs[what], "One soil column per thread."))
    c = Columns(p, k, levels=p.pick(4, 5, 6, 8, 10), words="num_layers|n_layers|layers")
    {"percolate": _percolate, "heat": _soil_heat, "richards": _richards, "roots": _roots}[what](
        p, c
    )


def _percolate(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    theta, depth = (
        c.profile("theta|moisture|soil_moisture", 0.1, 0.45, "inout"),
        c.profile("depth|thickness|dz", 0.05, 0.5),
    )
    n = c.count()
    c.skip()
    field = (
        c.profile("field_capacity|theta_fc|fc", 0.2, 0.35)
        if p.chance(0.5)
        else k.param("field_capacity|theta_fc", 0.2, 0.35)
    )
    porosity = k.param("porosity|theta_s|saturation", 0.42, 0.55)
    flow = k.var("flow|infil|water_down", c.surface("infiltration|rain|water_input", 0.0, 0.05))
    travel = k.param("travel_time|tt|drain_time", 1.0, 20.0) if p.chance(0.5) else None
    with k.loop("q|lay|l", n) as q:
        h = k.let("h|dz_q|thick", c.get(depth, q))
        w = k.var("w|wet|th", c.get(theta, q) + flow / h)
        fc = c.get(field, q) if isinstance(field.type, T.Array) else field
        excess = k.let("excess|above_fc|surplus", wp.max(w - fc, 0.0))
        if travel is not None:
            excess = k.let("drained|part", excess * (1.0 - wp.exp(-1.0 / travel)))
        k.aug(w, "-", excess)
        k.set(flow, excess * h)
        with k.when(w > porosity):
            k.aug(flow, "+", (w - porosity) * h)
            k.set(w, porosity)
        k.set(c.get(theta, q), w)
    k.set(c.surface("recharge|drainage|deep_seepage", 0.0, 0.0, "out"), flow)


def _soil_heat(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    temp, out = (
        c.profile("soil_temp|temperature|t_soil", -5.0, 20.0),
        c.out("soil_temp_out|t_new|temperature_out"),
    )
    n = c.count()
    c.skip()
    conduct = c.profile("conductivity|lam|k_soil", 0.3, 2.0) if p.chance(0.6) else None
    common = k.param("conductivity|lam_soil|k_heat", 0.5, 2.0) if conduct is None else None
    capacity, dz, dt = (
        k.param("heat_capacity|c_vol|cv", 1.0e6, 3.0e6),
        k.param("dz|layer_depth", 0.05, 0.3),
        k.param("dt|time_step", 100.0, 1000.0),
    )
    flux = k.var("flux|g_in|from_above", c.surface("ground_flux|surface_heat|g0", -60.0, 120.0))
    freeze = p.chance(0.45)
    ice = c.profile("ice|ice_content|frozen", 0.0, 0.3, "inout") if freeze else None
    with k.loop("q|lay|l", n) as q:
        below = k.var("below|g_out|downward", 0.0, p.real)
        with k.when(q < n - 1):
            lam = common if conduct is None else 0.5 * (c.get(conduct, q) + c.get(conduct, q + 1))
            k.set(below, lam * (c.get(temp, q) - c.get(temp, q + 1)) / dz)
        t = k.var("t|tq|t_layer", c.get(temp, q) + dt * (flux - below) / (capacity * dz))
        if ice is not None:
            latent = k.param("latent|l_fus_ratio|melt_heat", 50.0, 150.0)
            content = k.var("frozen_q|i_q|ice_q", c.get(ice, q))
            with k.when(all_of(t > 0.0, content > 0.0)):
                melted = k.let("melted|dm", wp.min(t / latent, content))
                k.aug(content, "-", melted)
                k.aug(t, "-", melted * latent)
            with k.elsewhen(all_of(t < 0.0, content < k.param("max_ice|pore_limit", 0.2, 0.4))):
                grown = k.let("grown|df", wp.min(-t / latent, 0.02))
                k.aug(content, "+", grown)
                k.aug(t, "+", grown * latent)
            k.set(c.get(ice, q), content)
        k.set(c.get(out, q), t)
        k.set(flux, below)
    if p.chance(0.4):
        k.set(
            k.out("frost_depth|frozen_layers|thaw_level", T.I32, c.columns)[c.at],
            _frozen_layers(p, c, out),
        )


def _frozen_layers(p: ProgramBuilder, c: Columns, temp: Expr) -> Expr:
    k = c.k
    depth = k.var("frost|layers_f|count", 0)
    with k.loop("q|lay|l", c.count()) as q:
        with k.when(c.get(temp, q) >= 0.0):
            k.brk() if p.chance(0.6) else k.cont()
        k.aug(depth, "+", 1)
    return depth


def _richards(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    theta, out = (
        c.profile("theta|moisture|water", 0.12, 0.42),
        c.out("theta_out|moisture_new|water_next"),
    )
    n = c.count()
    c.skip()
    sat, res = k.param("theta_s|porosity", 0.43, 0.5), k.param("theta_r|residual", 0.02, 0.08)
    ksat = c.profile("k_sat|ksat|conductivity", 0.001, 0.02) if p.chance(0.4) else None
    ks = k.param("k_sat|ks", 0.001, 0.02) if ksat is None else None
    dz, dt = k.param("dz|layer_depth", 0.1, 0.3), k.param("dt|time_step", 0.01, 0.1)
    form = p.pick("brooks", "genuchten", "campbell")

    def relative(b: Block, s: Expr) -> None:
        if form == "genuchten":
            inner = b.let("inner|m_term", 1.0 - wp.pow(1.0 - wp.pow(s, 2.0), 0.5))
            b.ret(wp.sqrt(s) * inner * inner)
        else:
            b.ret(wp.pow(s, p.pick(3.0, 4.0, 7.0)))

    conductivity = p.func("relative_conductivity|k_rel|hydraulic_k", {"s|se": p.real}, relative)

    def suction(b: Block, s: Expr) -> None:
        b.ret(
            -0.3 * wp.pow(s, p.pick(-1.5, -2.5, -4.0))
            if form != "genuchten"
            else -0.5 * wp.sqrt(wp.pow(s, -2.0) - 1.0 + 1.0e-6)
        )

    head = p.func("matric_head|suction|psi", {"s|se": p.real}, suction)

    def wetness(level: Expr) -> Expr:
        return wp.clamp((c.get(theta, level) - res) / (sat - res), p.pick(0.05, 0.1), 1.0)

    flux = k.var("flux|q_top|inflow", c.surface("infiltration|top_flux|rain", 0.0, 0.01))
    with k.loop("q|lay|l", n) as q:
        s0 = k.let("s0|se|wet", wetness(q))
        down = k.var(
            "down|q_down|outflow", (ks if ksat is None else c.get(ksat, q)) * conductivity(s0)
        )  # type: ignore[operator]
        with k.when(q < n - 1):
            s1 = k.let("s1|se_below|wet1", wetness(q + 1))
            k_mid = k.let(
                "k_mid|k_face",
                0.5
                * (conductivity(s0) + conductivity(s1))
                * (ks if ksat is None else c.get(ksat, q)),
            )  # type: ignore[operator]
            k.set(down, k_mid * ((head(s0) - head(s1)) / dz + 1.0))
        new = c.get(theta, q) + dt * (flux - down) / dz
        k.set(c.get(out, q), wp.clamp(new, res, sat) if p.chance(0.7) else new)
        k.set(flux, down)
    k.set(c.surface("recharge|bottom_flux|deep_drainage", 0.0, 0.0, "out"), flux)


def _roots(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    theta = c.profile("theta|moisture|water", 0.05, 0.4, "inout")
    roots = c.profile("root_fraction|root_share|roots", 0.02, 0.4)
    n = c.count()
    c.skip()
    demand = c.surface("transpiration|demand|pet", 0.1, 5.0)
    wilt, field = (
        k.param("wilting|theta_wp", 0.05, 0.12),
        k.param("field_capacity|theta_fc", 0.25, 0.35),
    )
    total = k.var("total|w_sum|supply", 0.0, p.real)

    def body(b: Block, w: Expr, lo: Expr, hi: Expr) -> Expr:
        return wp.clamp((w - lo) / (hi - lo), 0.0, 1.0)

    args = {"w|theta": c.get(theta, 0), "lo|wilt": wilt, "hi|fc": field}
    stress = p.func(
        "water_stress|availability|uptake_factor",
        {h: v.type for h, v in args.items()},
        lambda b, *a: b.ret(body(b, *a)),
    )
    with k.loop("q|lay|l", n) as q:
        k.aug(total, "+", c.get(roots, q) * stress(c.get(theta, q), wilt, field))
    with k.when(total <= p.pick(0.0, 1.0e-6)):
        k.ret()
    taken = k.var("taken|uptake|used", 0.0, p.real)
    scale = k.param("unit_scale|mm_to_theta|per_depth", 0.001, 0.02)
    compensate = p.chance(0.5)
    with k.loop("q|lay|l", n) as q:
        share = k.let("share|part|f_q", c.get(roots, q) * stress(c.get(theta, q), wilt, field))
        draw = k.let(
            "draw|sink|uptake_q",
            wp.min(
                demand * scale * (share / total if compensate else share),
                wp.max(c.get(theta, q) - wilt, 0.0),
            ),
        )
        k.set(c.get(theta, q), c.get(theta, q) - draw)
        k.aug(taken, "+", draw)
    k.set(c.surface("actual_transpiration|uptake_out|et_roots", 0.0, 0.0, "out"), taken)
