"""Columns of air: radiation, convection and mixing, warm-rain microphysics."""

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._columns import Columns
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, lift


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
