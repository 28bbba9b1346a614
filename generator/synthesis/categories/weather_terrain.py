"""Weather and terrain: erosion, drainage, land surface, atmospheric columns, moisture, synthetic relief."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._air_columns import (
    convective_column,
    longwave_column,
    microphysics_column,
)
from generator.synthesis.categories._drainage import (
    accumulate_flow,
    flow_direction,
    stream_power,
    thermal_erosion,
)
from generator.synthesis.categories._droplets import (
    droplet_erosion,
    line_of_sight,
    synthetic_relief,
)
from generator.synthesis.categories._grids import border_exit, mask_exit, monitor, open_grid
from generator.synthesis.categories._land_surface import (
    evapotranspiration,
    snow_pack,
    vegetation,
    water_balance,
)
from generator.synthesis.categories._soil_columns import soil_column
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, lift


@category("weather_terrain", version=1, title="Weather and terrain")
def write(p: ProgramBuilder) -> None:
    """Earth-surface and atmospheric kernels: droplet, thermal and stream-power erosion, flow routing, relief shading
    and derivatives, snow, soil, vegetation and evaporation, radiation and convection in columns, cloud microphysics,
    advected humidity and orographic rain, winds from pressure."""
    p.real = T.F64 if p.on("double") else T.F32
    p.weighted(
        {
            _relief: 2.6,
            _humidity: 2.6,
            _wind: 1.8,
            droplet_erosion: 2.4,
            line_of_sight: 1.4,
            synthetic_relief: 1.6,
            thermal_erosion: 2.0,
            flow_direction: 2.4,
            accumulate_flow: 1.8,
            stream_power: 1.6,
            snow_pack: 2.4,
            vegetation: 1.6,
            evapotranspiration: 2.0,
            water_balance: 2.2,
            longwave_column: 2.2,
            convective_column: 2.0,
            microphysics_column: 2.0,
            soil_column: 2.2,
        }
    )(p)


# --- relief ---------------------------------------------------------------------------------------


def _relief(p: ProgramBuilder) -> None:
    """Hillshade, slope, aspect, curvature and wetness of an elevation grid."""
    what = p.weighted(
        {
            "hillshade": 4,
            "slope": 2,
            "curvature": 2,
            "wetness": 1.5,
            "normals": 1.5,
            "roughness": 1.5,
        }
    )
    names = {
        "hillshade": "hillshade|shade_relief|analytical_shading",
        "slope": "slope_aspect|terrain_slope|compute_slope",
        "curvature": "terrain_curvature|profile_curvature|laplacian_curvature",
        "wetness": "wetness_index|topographic_index|twi",
        "normals": "terrain_normals|heightfield_normals|surface_normals",
        "roughness": "terrain_roughness|ruggedness_index|local_relief",
    }
    docs = {
        "hillshade": "Shaded relief for a given sun.",
        "slope": "Slope and aspect of an elevation grid.",
        "curvature": "Curvature of the terrain.",
        "wetness": "Topographic wetness index.",
        "normals": "Unit normals of a height field.",
        "roughness": "Height range in a window.",
    }
    k = p.kernel_builder(names[what], p.pick(docs[what], ""))
    g = open_grid(p, k, 2, boundary=p.pick("clamp", "clamp", "interior", "skip_outer"))
    dem = g.field("dem|elevation|height|terrain", p.real, R.uniform(0.0, 50.0))
    out = g.out(
        {
            "hillshade": "shade|shaded|relief_out",
            "slope": "slope_out|gradient_out",
            "curvature": "curvature_out|curv",
            "wetness": "twi_out|wetness",
            "normals": "normals_out|normal_map",
            "roughness": "roughness_out|relief_range",
        }[what],
        p.vec(3) if what == "normals" else p.real,
    )
    border_exit(p, g)
    mask_exit(p, g, chance=0.25, hint="nodata|sea|water_mask")
    if what == "roughness":
        _roughness(p, g, dem, out)
        return
    cell = k.param("cell_size|dx|resolution", 5.0, 30.0)
    if what == "curvature":
        c = dem.read("z|z0|zc")
        zxx = k.let("zxx|d2x", (dem[0, 1] - 2.0 * c + dem[0, -1]) / (cell * cell))
        zyy = k.let("zyy|d2y", (dem[1, 0] - 2.0 * c + dem[-1, 0]) / (cell * cell))
        if p.chance(0.5):
            out.store(
                -(zxx + zyy) * (k.param("scale|exaggeration", 1.0, 100.0) if p.chance(0.5) else 1.0)
            )
            return
        zx, zy = _slopes(p, g, dem, cell)
        zxy = k.let(
            "zxy|dxy", (dem[1, 1] - dem[1, -1] - dem[-1, 1] + dem[-1, -1]) / (4.0 * cell * cell)
        )
        g2 = k.let("g2|grad_sq", zx * zx + zy * zy)
        flat = p.pick(1.0e-6, 1.0e-8)
        with k.when(g2 > flat):
            plan = (
                zxx * zy * zy - 2.0 * zxy * zx * zy + zyy * zx * zx
                if p.chance(0.5)
                else zxx * zx * zx + 2.0 * zxy * zx * zy + zyy * zy * zy
            )
            out.store(-plan / (g2 * wp.sqrt(1.0 + g2)))
        return
    zx, zy = _slopes(p, g, dem, cell)
    if what == "normals":
        n = construct(p.vec(3), -zx, -zy, 1.0)
        out.store(wp.normalize(n) if p.chance(0.6) else n / wp.sqrt(1.0 + zx * zx + zy * zy))
    elif what == "hillshade":
        _shade(p, g, out, zx, zy)
    elif what == "slope":
        steep = k.let("steep|grad|rise", wp.sqrt(zx * zx + zy * zy))
        out.store(p.pick(wp.atan(steep), wp.degrees(wp.atan(steep)), steep))
        if p.chance(0.7):
            aspect = k.var("aspect|facing", wp.atan2(zy, -zx))
            if p.chance(0.6):
                with k.when(aspect < 0.0):
                    k.aug(aspect, "+", 6.283185307)
            g.out("aspect_out|direction", p.real).store(aspect)
        monitor(p, g, steep, "slope|steepness", 0.3)
    else:
        area = g.field("upslope_area|catchment|accumulation", p.real, R.uniform(1.0, 500.0)).own
        tan_b = k.let(
            "tan_b|steep",
            wp.max(wp.sqrt(zx * zx + zy * zy), k.param("min_slope|slope_floor", 0.001, 0.01)),
        )
        out.store(wp.log(area / (cell * tan_b) if p.chance(0.5) else area / tan_b))


def _slopes(p: ProgramBuilder, g: Grid, dem: GridField, cell: Expr) -> tuple[Expr, Expr]:
    """Terrain gradients: central differences, Horn's or Zevenbergen's windows."""
    k = g.k
    form = p.pick("central", "horn", "horn", "vertical")
    if form != "horn":
        scale = (
            k.param("z_factor|vertical_exaggeration|z_scale", 1.0, 5.0)
            if form == "vertical"
            else None
        )
        zx, zy = (dem[0, 1] - dem[0, -1]) / (2.0 * cell), (dem[1, 0] - dem[-1, 0]) / (2.0 * cell)
        return k.let("zx|dzdx|p_x", zx if scale is None else zx * scale), k.let(
            "zy|dzdy|q_y", zy if scale is None else zy * scale
        )
    if p.chance(0.4):
        g.prepare((-1, 0), (1, 0), (0, -1), (0, 1))
    if p.chance(0.5):
        a, b, c = k.let("nw|a", dem[-1, -1]), k.let("n|b", dem[-1, 0]), k.let("ne|c", dem[-1, 1])
        d, f = k.let("w|d", dem[0, -1]), k.let("e|f", dem[0, 1])
        s, m, t = k.let("sw|s", dem[1, -1]), k.let("so|m", dem[1, 0]), k.let("se|t", dem[1, 1])
        zx = (c + 2.0 * f + t - a - 2.0 * d - s) / (8.0 * cell)
        zy = (s + 2.0 * m + t - a - 2.0 * b - c) / (8.0 * cell)
    else:
        east, west = (
            dem[-1, 1] + 2.0 * dem[0, 1] + dem[1, 1],
            dem[-1, -1] + 2.0 * dem[0, -1] + dem[1, -1],
        )
        south, north = (
            dem[1, -1] + 2.0 * dem[1, 0] + dem[1, 1],
            dem[-1, -1] + 2.0 * dem[-1, 0] + dem[-1, 1],
        )
        zx = (k.let("east|e_sum", east) - k.let("west|w_sum", west)) / (8.0 * cell)
        zy = (k.let("south|s_sum", south) - k.let("north|n_sum", north)) / (8.0 * cell)
    return k.let("zx|dzdx|p_x", zx), k.let("zy|dzdy|q_y", zy)


def _shade(p: ProgramBuilder, g: Grid, out: GridField, zx: Expr, zy: Expr) -> None:
    k = g.k
    if p.chance(0.5):
        sun = k.quantity("sun_dir|light|to_sun", p.vec(3), [0.4, 0.5, 0.77])
        n = k.let("n|normal", wp.normalize(construct(p.vec(3), -zx, -zy, 1.0)))
        light = wp.max(wp.dot(n, sun), 0.0)
    else:
        azimuth, altitude = (
            k.param("azimuth|sun_azimuth", 0.5, 5.5),
            k.param("altitude|sun_altitude|elevation_angle", 0.3, 1.2),
        )
        steep = k.let("steep|slope_angle", wp.atan(wp.sqrt(zx * zx + zy * zy)))
        aspect = k.let("aspect|facing", wp.atan2(zy, -zx))

        def body(b: Block, s: Expr, a: Expr, alt: Expr, az: Expr) -> Expr:
            return wp.sin(alt) * wp.cos(s) + wp.cos(alt) * wp.sin(s) * wp.cos(az - a)

        light = wp.max(
            piece(
                p,
                k,
                "illumination|incidence|lambert_terrain",
                {
                    "slope|s": steep,
                    "aspect|a": aspect,
                    "altitude|alt": altitude,
                    "azimuth|az": azimuth,
                },
                body,
            ),
            0.0,
        )
    if p.chance(0.4):
        ambient = k.param("ambient|fill_light|base_light", 0.05, 0.3)
        light = ambient + (1.0 - ambient) * light
    out.store(light * 255.0 if p.chance(0.3) else light)


def _roughness(p: ProgramBuilder, g: Grid, dem: GridField, out: GridField) -> None:
    k = g.k
    radius = k.count("radius|half_window|window", p.pick(1, 2, 3))
    low, high = k.var("low|z_min|lo", dem.own), k.var("high|z_max|hi", dem.own)
    total = k.var("total|acc|z_sum", 0.0, p.real) if p.chance(0.5) else None
    count = k.var("count|n|cells", 0) if total is not None else None
    with (
        k.loop("di|dr|dy", -radius, radius + 1) as di,
        k.loop("dj|dc|dx", -radius, radius + 1) as dj,
    ):
        i, j = k.let("ii|rr|yy", g.index[0] + di), k.let("jj|cc|xx", g.index[1] + dj)
        with k.when(any_of(i < 0, j < 0, i >= g.extent(0), j >= g.extent(1))):
            k.cont()
        z = k.let("z|value|zn", dem.at(i, j))
        k.set(low, wp.min(low, z))
        k.set(high, wp.max(high, z))
        if total is not None and count is not None:
            k.aug(total, "+", z)
            k.aug(count, "+", 1)
    out.store(high - low)
    if total is not None and count is not None:
        g.out("position_index|tpi|relative_height", p.real).store(
            dem.own - total / construct(p.real, count)
        )


# --- humidity and wind ----------------------------------------------------------------------------


def saturation(p: ProgramBuilder, k: Block, temperature: Expr) -> Expr:
    """Saturation vapour pressure (hPa) at a temperature in degrees Celsius."""
    form = p.pick("magnus", "bolton", "tetens", "clausius")

    def body(b: Block, t: Expr) -> Expr:
        if form == "clausius":
            tk = b.let("tk|kelvin", t + 273.15)
            return 6.11 * wp.exp(5423.0 * (1.0 / 273.15 - 1.0 / tk))
        a, c, e0 = {
            "magnus": (17.62, 243.12, 6.112),
            "bolton": (17.67, 243.5, 6.112),
            "tetens": (17.27, 237.3, 6.108),
        }[form]
        return e0 * wp.exp(a * t / (t + c))

    return piece(
        p,
        k,
        "saturation_pressure|e_sat|vapor_pressure|sat_vapor",
        {"t|temp_c|temp": temperature},
        body,
        probability=0.8,
    )


def _humidity(p: ProgramBuilder) -> None:
    """Advected water vapour with condensation, latent heat and rain."""
    what = p.pick("advect", "adjust", "orographic", "adjust")
    names = {
        "advect": "advect_humidity|transport_moisture|moisture_step",
        "adjust": "saturation_adjustment|condense|cloud_adjust",
        "orographic": "orographic_rain|upslope_precipitation|lift_moisture",
    }
    k = p.kernel_builder(
        names[what],
        p.pick(
            {
                "advect": "Humidity carried by the wind.",
                "adjust": "Condense what exceeds saturation.",
                "orographic": "Rain from air lifted by terrain.",
            }[what],
            "One moisture step.",
        ),
    )
    g = open_grid(p, k, 2 if what == "orographic" or p.chance(0.6) else 3)
    q_in = g.field("humidity|q|vapor|moisture", p.real, R.uniform(2.0, 15.0))
    q_out = g.out("humidity_out|q_new|vapor_next", p.real)
    border_exit(p, g, (q_out, q_in.own))
    q = q_in.read("q0|q_c|vap")
    temp = (
        g.field("temperature|temp_c|air_temp", p.real, R.uniform(-5.0, 25.0))
        if what == "adjust" or (what == "advect" and p.chance(0.5))
        else None
    )
    if what == "adjust":
        _adjust(p, g, q_out, q, temp)
        return
    dt = k.param("dt|time_step", 1.0, 30.0)
    axes = len(g.shape)
    wind = (
        g.field("wind|velocity|uv", p.vec(axes), R.uniform(-8.0, 8.0)).read("w|wind_c|v")
        if p.chance(0.6)
        else k.quantity("wind|mean_wind|flow", p.vec(axes), [4.0, -2.0, 0.5][:axes])
    )
    cell = k.param("dx|cell_size|grid_spacing", 200.0, 2000.0)
    rate = None
    for a in range(axes):
        fwd, back = (
            tuple(1 if b == a else 0 for b in range(axes)),
            tuple(-1 if b == a else 0 for b in range(axes)),
        )
        component = wind[1 - a] if axes == 2 else wind[a]
        gradient = wp.where(component > 0.0, q - q_in[back], q_in[fwd] - q)
        term = k.let(
            f"flux_{'yx'[a] if axes == 2 else 'xyz'[a]}|adv{a}", component * gradient / cell
        )
        rate = term if rate is None else rate + term
    assert rate is not None
    new = k.var("q1|new_q|value", q - dt * rate)
    if what == "orographic":
        dem = g.field("terrain|elevation|dem", p.real, R.uniform(0.0, 800.0))
        lifting = k.let(
            "w_up|lift_speed|updraft",
            wind[0] * (dem[0, 1] - dem[0, -1]) / (2.0 * cell)
            + wind[1] * (dem[1, 0] - dem[-1, 0]) / (2.0 * cell),
        )
        efficiency = k.param("efficiency|rain_factor|c_rain", 0.001, 0.05)
        amount = k.let("precip|rain_c|fall", wp.max(lifting, 0.0) * efficiency * q)
        k.set(new, wp.max(new - amount * dt * 0.1, 0.0))
        g.out("rain|precipitation|rainfall", p.real).store(amount)
    else:
        if p.chance(0.6):
            k.aug(
                new,
                "+",
                dt * g.field("evaporation|source|surface_flux", p.real, R.uniform(0.0, 0.01)).own,
            )
        if temp is not None:
            limit = k.let("cap|q_sat|q_max", 0.622 * saturation(p, k, temp.own))
            with k.when(new > limit):
                rain = g.out("rain|condensate|cloud", p.real)
                rain.store(new - limit)
                k.set(new, limit)
    q_out.store(new)
    monitor(p, g, new, "moisture|vapor", 0.25)


def _adjust(p: ProgramBuilder, g: Grid, q_out: GridField, q: Expr, temp: GridField | None) -> None:
    k = g.k
    assert temp is not None
    pressure = (
        g.field("pressure|p_air", p.real, R.uniform(600.0, 1010.0)).own
        if p.chance(0.6)
        else k.param("pressure|p0", 700.0, 1010.0)
    )
    t = k.var("t|tc|temp_c", temp.own)
    v = k.var("v|qv|vapour", q)
    cloud = k.var(
        "cloud|qc|liquid",
        g.field("cloud_water|qc_in|liquid_in", p.real, R.uniform(0.0, 1.0)).own
        if p.chance(0.6)
        else lift(0.0, p.real),
    )
    heat = k.param("latent_cp|lv_cp|heat_per_gram", 2.0, 2.6)

    def limit(b: Block, tc: Expr, pa: Expr) -> Expr:
        es = b.let("es|e_s", 6.112 * wp.exp(17.67 * tc / (tc + 243.5)))
        return 622.0 * es / (pa - 0.378 * es)

    rounds = p.pick(1, 1, 3, 4)

    def once() -> None:
        qs = k.let(
            "qs|q_sat",
            piece(
                p,
                k,
                "saturation_mixing_ratio|q_saturation|sat_mixing",
                {"t|tc": t, "p|pa": pressure},
                limit,
                probability=0.6,
            ),
        )
        excess = k.let("excess|dq", v - qs)
        if p.chance(0.5):
            moved = k.let("moved|delta", wp.max(excess * (0.3 if rounds > 1 else 0.5), -cloud))
            k.aug(v, "-", moved)
            k.aug(cloud, "+", moved)
            k.aug(t, "+", heat * moved)
        else:
            with k.when(excess > 0.0):
                k.aug(v, "-", 0.5 * excess)
                k.aug(cloud, "+", 0.5 * excess)
                k.aug(t, "+", 0.5 * heat * excess)
            with k.elsewhen(cloud > 0.0):
                back = k.let("back|evap", wp.min(cloud, -0.5 * excess))
                k.aug(v, "+", back)
                k.aug(cloud, "-", back)
                k.aug(t, "-", heat * back)

    if rounds > 1:
        with k.loop("it|n|sweep", k.count("iterations|sweeps|max_iter", rounds)):
            once()
    else:
        once()
    q_out.store(v)
    g.out("cloud_out|qc_new|liquid_out", p.real).store(cloud)
    if p.chance(0.7):
        g.out("temperature_out|t_new", p.real).store(t)


def _wind(p: ProgramBuilder) -> None:
    """Geostrophic and thermally driven winds, drag, divergence."""
    k = p.kernel_builder(
        "pressure_wind|geostrophic_wind|wind_step|momentum_tendency|slope_wind",
        p.pick("Wind from the pressure gradient.", "Pressure gradient, rotation and surface drag."),
    )
    g = open_grid(p, k, 2, boundary=p.pick("periodic", "clamp", "interior"))
    pressure = g.field("pressure|p_msl|geopotential", p.real, R.uniform(990.0, 1030.0))
    out = g.out("wind_out|uv_out|velocity_new", p.vec(2))
    mask_exit(p, g, chance=0.2, hint="land|missing|mask")
    cell = k.param("dx|spacing|cell_size", 10.0, 100.0)
    px = k.let("dpdx|grad_x", (pressure[0, 1] - pressure[0, -1]) / (2.0 * cell))
    py = k.let("dpdy|grad_y", (pressure[1, 0] - pressure[-1, 0]) / (2.0 * cell))
    rho = k.param("rho|air_density", 0.9, 1.3)
    f = _coriolis(p, g)
    if p.chance(0.4):
        u, v = k.let("ug|u_geo", -py / (rho * f)), k.let("vg|v_geo", px / (rho * f))
        if p.chance(0.5):
            turn = k.param("cross_angle|turning|alpha_s", 0.1, 0.5)
            u, v = (
                k.let("us|u_sfc", u * wp.cos(turn) - v * wp.sin(turn)),
                k.let("vs|v_sfc", u * wp.sin(turn) + v * wp.cos(turn)),
            )
    else:
        wind = g.field("wind|uv|velocity", p.vec(2), R.uniform(-10.0, 10.0)).read("w|uv_c|v0")
        dt = k.param("dt|time_step", 0.1, 2.0)
        drag = k.param("drag|cd|friction", 0.001, 0.05)
        speed = k.let("speed|mag", wp.length(wind))
        u = k.let("u1|u_new", wind[0] + dt * (f * wind[1] - px / rho - drag * speed * wind[0]))
        v = k.let("v1|v_new", wind[1] + dt * (-f * wind[0] - py / rho - drag * speed * wind[1]))
    if p.chance(0.35):
        dem = g.field("terrain|dem|elevation", p.real, R.uniform(0.0, 100.0))
        heat = k.param("heating|thermal|buoyancy", 0.01, 0.3)
        u = k.let("u_th|u_slope", u + heat * (dem[0, 1] - dem[0, -1]) / (2.0 * cell))
        v = k.let("v_th|v_slope", v + heat * (dem[1, 0] - dem[-1, 0]) / (2.0 * cell))
    if p.chance(0.3):
        cap = k.param("max_wind|wind_cap", 15.0, 60.0)
        s = k.let("s|magnitude", wp.sqrt(u * u + v * v))
        scale = k.let("scale|factor", choose(s > cap, cap / s, lift(1.0, p.real)))
        u, v = u * scale, v * scale
    out.store(construct(p.vec(2), u, v))
    if p.chance(0.35):
        strongest = k.out("max_gust|peak_wind", p.real, (1,))
        k.do(wp.atomic_max(strongest, 0, wp.sqrt(u * u + v * v)))


def _coriolis(p: ProgramBuilder, g: Grid) -> Expr:
    k = g.k
    form = p.pick("constant", "beta", "latitude")
    if form == "constant":
        return k.param("f0|coriolis|f_cor", 0.05, 0.2)
    y = construct(p.real, g.index[0])
    if form == "beta":
        return k.let(
            "f|f_loc|cor", k.param("f0|f_mid", 0.05, 0.1) + k.param("beta|df_dy", 0.0005, 0.002) * y
        )
    lat = k.let(
        "lat|phi|latitude",
        k.param("lat_south|lat0", 0.3, 0.6) + k.param("dlat|lat_step", 0.005, 0.02) * y,
    )
    return k.let("f|f_loc|cor", 2.0 * k.param("rotation|omega_e", 0.05, 0.1) * wp.sin(lat))
