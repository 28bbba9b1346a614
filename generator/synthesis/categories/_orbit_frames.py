"""Frames and visibility, for the orbital category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._orbit import (
    PI,
    body_radius,
    number,
    satellites,
    state_vectors,
    units,
)
from generator.synthesis.categories._orbit_motion import sunlit
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def frames(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eci_to_ecef|ground_track|geodetic_coordinates|rtn_frame|subsatellite_points|inertial_to_local",
        p.pick(
            "Inertial positions to Earth-fixed coordinates.",
            "Ground track of every satellite.",
            "Local orbital frame.",
            "",
        ),
    )
    e = satellites(k)
    r_in, v_in = state_vectors(e)
    r = r_in.read("r|r_i|pos_i")
    form = p.pick("ecef", "geodetic", "rtn", "geodetic")
    if form == "rtn":
        v = v_in.read("v|v_i|vel_i")
        radial = k.let("r_hat|radial|ur", wp.normalize(r))
        normal = k.let("n_hat|cross_track|un", wp.normalize(wp.cross(r, v)))
        along = k.let("t_hat|along|ut", wp.cross(normal, radial))
        if p.chance(0.5):
            e.out("frames|dcm|rtn_matrix", p.mat()).store(
                wp.matrix_from_rows(radial, along, normal)
            )
        other = e.field("errors_eci|delta|difference", p.vec(), R.uniform(-1.0, 1.0)).read(
            "d|diff|err"
        )
        e.out("rtn_out|local_error|errors_rtn", p.vec()).store(
            construct(p.vec(), wp.dot(radial, other), wp.dot(along, other), wp.dot(normal, other))
        )
        return
    angle = _sidereal(p, k)
    c, s = k.let("cg|cos_g", wp.cos(angle)), k.let("sg|sin_g", wp.sin(angle))
    fixed = k.let("r_ef|ecef|x_ef", construct(p.vec(), c * r.x + s * r.y, c * r.y - s * r.x, r.z))
    if form == "ecef" or p.chance(0.4):
        e.out("ecef_out|r_ecef|fixed_pos", p.vec()).store(fixed)
    if p.chance(0.3):
        v = v_in.own
        rate = k.quantity("earth_rate|omega_e", p.real, 7.292115e-5 if units(p).km else 0.058)
        turned = construct(p.vec(), c * v.x + s * v.y, c * v.y - s * v.x, v.z)
        e.out("v_ecef|fixed_vel", p.vec()).store(
            turned - wp.cross(construct(p.vec(), 0.0, 0.0, rate), fixed)
        )
    if form == "geodetic":
        _geodetic(p, k, e, fixed)


def _sidereal(p: ProgramBuilder, k: KernelBuilder) -> Expr:
    start, rate = (
        k.param("gmst0|theta0|epoch_angle", 0.1, 6.0),
        k.quantity("earth_rate|omega_e", p.real, 7.292115e-5 if units(p).km else 0.058),
    )
    time = (
        k.param("t|elapsed|time", 100.0, 9000.0)
        if units(p).km
        else k.param("t|elapsed|time", 0.5, 20.0)
    )
    return k.let("theta|gmst|sidereal", start + rate * time)


def _geodetic(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr) -> None:
    k.step(p.pick("geodetic latitude by iteration", "latitude and longitude", ""))
    lon = k.let("lon|longitude|lam", wp.atan2(x.y, x.x))
    flat = k.let("rho|r_xy|equatorial", wp.sqrt(x.x * x.x + x.y * x.y))
    lat = k.var("lat|phi|latitude", wp.atan2(x.z, flat))
    height = k.var("alt|height|h_geo", wp.length(x) - body_radius(k))
    if p.chance(0.65):
        e2 = k.quantity("e2|ecc_sq|first_ecc_sq", p.real, 0.00669438)
        with k.loop("it|n|k_it", p.pick(3, 4, 5)):
            sine = k.let("sl|sin_lat", wp.sin(lat))
            prime = k.let(
                "nn|prime_vertical|n_phi", body_radius(k) / wp.sqrt(1.0 - e2 * sine * sine)
            )
            k.set(height, flat / wp.cos(lat) - prime)
            k.set(lat, wp.atan2(x.z, flat * (1.0 - e2 * prime / (prime + height))))
    scale = 180.0 / PI if p.chance(0.5) else None
    e.out("latitude_out|lat_out|lats", p.real).store(lat if scale is None else lat * scale)
    e.out("longitude_out|lon_out|lons", p.real).store(lon if scale is None else lon * scale)
    if p.chance(0.6):
        e.out("altitude_out|alt_out|heights", p.real).store(height)
    if p.chance(0.35):
        rows, columns = 12, 24
        i = k.let(
            "row|lat_bin|bi",
            wp.clamp(cast(T.I32, (lat + 0.5 * PI) / PI * float(rows)), 0, rows - 1),
        )
        j = k.let(
            "col|lon_bin|bj",
            wp.clamp(cast(T.I32, (lon + PI) / (2.0 * PI) * float(columns)), 0, columns - 1),
        )
        Table(e, "coverage|visit_map|track_density", T.I32, (rows, columns), role="out").add(
            1, i, j
        )


def visibility(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "station_visibility|contact_windows|access_matrix|elevation_angles|eclipse_check|power_budget|link_margin",
        p.pick(
            "Which ground stations see which satellites.",
            "Sunlight and panel power.",
            "Elevation, range and link margin to the best station.",
        ),
    )
    e = satellites(k)
    r_in, v_in = state_vectors(e)
    r = r_in.read("r|r_i|pos_i")
    if p.chance(0.4):
        _power(p, k, e, r)
        return
    stations = p.pick(4, 6, 8, 12)
    units_ = units(p)
    sites = k.array("stations|site_dirs|ground_stations", p.vec(), (stations,), R.unit_vectors())
    mask = k.param("min_elevation|mask_angle|elevation_mask", 0.05, 0.3)
    best, where, count = (
        k.var("best_el|top|highest", -2.0, p.real),
        k.var("best_station|station|serving", -1),
        k.var("visible|in_view|n_vis", 0),
    )
    with k.loop(
        "s|g|site", sites.dim(0) if p.chance(0.5) else k.count("num_stations|n_sites", stations)
    ) as s:
        up = k.let("up|zenith|u", sites[s])
        slant = k.let("rho|slant|los", r - up * body_radius(k))
        distance = k.let("dist|range_s|slant_range", wp.length(slant))
        sine = k.let("sin_el|se|elev_sin", wp.dot(slant, up) / distance)
        if p.chance(0.4):
            with k.when(sine <= 0.0):
                k.cont()
        elevation = k.let("el|elev|elevation", wp.asin(wp.clamp(sine, -1.0, 1.0)))
        with k.when(elevation < mask):
            k.cont()
        k.aug(count, "+", 1)
        with k.when(elevation > best):
            k.set(best, elevation)
            k.set(where, s)
        if p.chance(0.3):
            Table(e, "contact_counts|station_load|passes", T.I32, (stations,), role="out").add(1, s)
    e.out("visible_count|num_in_view|contacts", T.I32).store(count)
    e.out("serving_station|best_station_out|assigned", T.I32).store(where)
    if p.chance(0.5):
        with k.when(where >= 0):
            slant = k.let(
                "d_best|range_best|final_range", wp.length(r - sites[where] * body_radius(k))
            )
            e.out("ranges|slant_out|distance_out", p.real).store(slant)
            if p.chance(0.5):
                budget = k.param("eirp|link_budget|tx_level", 100.0, 200.0)
                e.out("link_margin_out|snr_db|margin", p.real).store(
                    budget - 20.0 * wp.log10(slant)
                )
            if p.chance(0.4):
                v = v_in.own
                e.out("range_rate|doppler|rdot", p.real).store(
                    wp.dot(r - sites[where] * body_radius(k), v) / slant
                )
    if units_.km and p.chance(0.3):
        e.out("elevation_out|best_elevation", p.real).store(
            choose(where >= 0, best, number(p, 0.0))
        )


def _power(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr) -> None:
    sun = k.quantity("sun_dir|sun_direction|s_hat", p.vec(), [1.0, 0.0, 0.0])
    light = k.let("lit|illum|sunlight", sunlit(p, k, r, sun))
    e.out("illumination_out|sunlit|light_out", p.real).store(light)
    if p.chance(0.7):
        normal = e.field("panel_normals|array_normal|n_panel", p.vec(), R.unit_vectors()).own
        area, eff = (
            e.property("panel_area|array_area", 0.1, 4.0),
            k.param("efficiency|eta|cell_eff", 0.15, 0.35),
        )
        cosine = k.let("cos_inc|incidence|ci", wp.max(wp.dot(normal, sun), 0.0))
        generated = k.let("power|p_gen|generated", 1361.0 * area * eff * cosine * light)
        e.out("power_out|panel_power|p_solar", p.real).store(generated)
        if p.chance(0.6):
            charge = e.inout("battery|charge|soc", p.real, R.uniform(10.0, 80.0))
            load, dt, capacity = (
                e.property("load|bus_power|p_load", 5.0, 60.0),
                k.param("dt_hours|dt_h", 0.005, 0.1),
                k.param("capacity|battery_capacity", 80.0, 200.0),
            )
            charge.store(wp.clamp(charge.own + (generated - load) * dt, 0.0, capacity))
    with k.when(light < 0.5):
        Table(e, "num_eclipsed|in_shadow|eclipse_count", T.I32, (1,), role="out").add(1, 0)
