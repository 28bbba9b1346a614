"""Orbits, attitudes, frames and visibility."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories import _orbit_motion as motion
from generator.synthesis.categories._orbit import (
    PI,
    body_radius,
    gravity_parameter,
    number,
    satellites,
    state_vectors,
    units,
    vector3,
)  # fmt: skip
from generator.synthesis.categories._steps import write_step
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length, piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, literal


@category("orbital_mechanics", version=1, title="Orbital mechanics and attitude")
def write(p: ProgramBuilder) -> None:
    """Satellites and small bodies: Kepler's equation, perturbed and universal propagation, element conversion, N-body
    sums, relative and three-body motion, attitude dynamics and control, reference frames, eclipses and conjunctions."""
    intents = {
        motion.kepler_propagation: 1.7, motion.perturbed: 1.9, motion.many_body: 1.2, motion.universal_variables: 0.9,
        motion.relative_motion: 1.0, motion.three_body: 0.9, _elements: 1.4, _attitude: 1.7, _frames: 1.4, _visibility: 1.5,
        _conjunctions: 1.1, _maneuvers: 1.0,
    }  # fmt: skip
    orbit = {motion.perturbed, _elements, _frames, _visibility}
    write_step(p, intents, orbit, {motion.kepler_propagation, _maneuvers}, limit=35)


# --- elements -------------------------------------------------------------------------------------


def _elements(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "state_to_elements|rv_to_coe|orbital_elements|osculating_elements|classify_orbits|elements_from_state",
        p.pick("Classical elements from state vectors.", "Osculating elements and orbit type.", ""),
    )
    e = satellites(k)
    r_in, v_in = state_vectors(e)
    mu = gravity_parameter(k)
    r, v = r_in.read("r|r_i|pos_i"), v_in.read("v|v_i|vel_i")
    rn, v2 = k.let("rn|r_mag|dist", wp.length(r)), k.let("v2|speed_sq|vv", wp.dot(v, v))
    energy = k.let("energy|eps_o|xi", 0.5 * v2 - mu / rn)
    if p.chance(0.5):
        with k.when(energy >= 0.0):
            e.out("bound|is_closed|elliptic", T.I32).store(0)
            k.ret()
    axis = k.let("a|sma|semi_major", -0.5 * mu / energy)
    h = k.let("h|ang_mom|h_vec", wp.cross(r, v))
    ecc_vec = k.let("e_vec|ecc_vec|lrl", (r * (v2 - mu / rn) - v * wp.dot(r, v)) / mu)
    ecc = k.let("ecc|e|e_mag", wp.length(ecc_vec))
    e.out("sma_out|semi_major_axis|a_out", p.real).store(axis)
    e.out("ecc_out|eccentricity|e_out", p.real).store(ecc)
    for part in p.sample([_inclination, _node, _true_anomaly, _period, _apsides], 1, 4):
        part(p, k, e, r, v, h, ecc_vec, ecc, axis, mu)


def _inclination(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    e.out("inclination|inc_out|incl", p.real).store(
        wp.acos(wp.clamp(h.z / wp.length(h), -1.0, 1.0))
    )


def _node(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    node = k.let("node|n_vec|line", wp.cross(vector3(p, 0.0, 0.0, 1.0), h))
    size = k.let("node_len|nn|n_mag", wp.length(node))
    raan = k.var("raan|big_om|omega_n", 0.0, p.real)
    argp = k.var("argp|w_arg|peri", 0.0, p.real) if p.chance(0.6) else None
    with k.when(size > 1.0e-6):
        k.set(raan, wp.atan2(node.y, node.x))
        if argp is not None:
            k.set(
                argp, wp.acos(wp.clamp(wp.dot(node, ev) / (size * wp.max(ecc, 1.0e-8)), -1.0, 1.0))
            )
            with k.when(ev.z < 0.0):
                k.set(argp, 2.0 * PI - argp)
    if p.chance(0.5):
        with k.when(raan < 0.0):
            k.aug(raan, "+", 2.0 * PI)
    e.out("raan_out|node_out|ascending_node", p.real).store(raan)
    if argp is not None:
        e.out("argp_out|arg_periapsis", p.real).store(argp)


def _true_anomaly(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    out = e.out("true_anomaly|nu_out|anomaly", p.real)
    cosine = k.let(
        "cos_nu|cnu", wp.clamp(wp.dot(ev, r) / (wp.max(ecc, 1.0e-8) * wp.length(r)), -1.0, 1.0)
    )
    if p.chance(0.5):
        nu = k.var("nu|true_a|f", wp.acos(cosine))
        with k.when(wp.dot(r, v) < 0.0):
            k.set(nu, 2.0 * PI - nu)
        out.store(nu)
    else:
        out.store(choose(wp.dot(r, v) < 0.0, -wp.acos(cosine), wp.acos(cosine)))


def _period(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    e.out("periods|orbital_period|period_out", p.real).store(
        2.0 * PI * wp.sqrt(wp.abs(axis * axis * axis) / mu)
    )


def _apsides(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    r: Expr,
    v: Expr,
    h: Expr,
    ev: Expr,
    ecc: Expr,
    axis: Expr,
    mu: Expr,
) -> None:
    low = k.let("rp|periapsis|r_peri", axis * (1.0 - ecc))
    e.out("periapsis_out|perigee", p.real).store(low - body_radius(k) if p.chance(0.5) else low)
    kind = e.out("orbit_class|regime|orbit_type", T.I32)
    margin = k.param("leo_limit|low_limit", 0.1, 0.4)
    with k.when(low < body_radius(k)):
        kind.store(3)
    with k.elsewhen(axis < body_radius(k) * (1.0 + margin)):
        kind.store(0)
    with k.elsewhen(ecc > k.param("heo_ecc|eccentric_limit", 0.2, 0.6)):
        kind.store(2)
    with k.otherwise():
        kind.store(1)


# --- attitude -------------------------------------------------------------------------------------


def _attitude(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "attitude_step|propagate_attitude|rigid_body_attitude|attitude_control|detumble_step|pointing_control",
        p.pick(
            "Attitude dynamics and control, one step.",
            "Euler's equations with external torques.",
            "Quaternion kinematics of every satellite.",
        ),
    )
    p.real = T.F32 if p.chance(0.7) else T.F64
    e = Entities(k, "spacecraft", index="i|tid|sat")
    q_io = e.inout("attitudes|q_bi|quats|quaternions", p.quat, R.rotations())
    w_io = e.inout("rates|omega|body_rates", p.vec(), R.uniform(-0.2, 0.2))
    e.guard()
    q, w = k.let("q|q_i|att", q_io.own), k.let("w|omega_i|rate", w_io.own)
    inertia = (
        k.quantity(
            "inertia|J_diag|inertia_diag", p.vec(), p.pick([1.2, 1.0, 0.6], [12.0, 10.0, 8.0])
        )
        if p.chance(0.6)
        else e.field("inertias|J|inertia_diag", p.vec(), R.uniform(0.5, 3.0)).own
    )
    torque = k.var("tau|torque|m_ext", construct(p.vec(), 0.0))
    sources = p.sample([_gravity_gradient, _magnetic, _pointing, _rate_damping, _disturbance], 1, 3)
    for source in sources:
        source(p, k, e, q, w, inertia, torque)
    if p.chance(0.5):
        clamp_length(
            p,
            k,
            torque,
            k.param("max_torque|torque_limit|tau_max", 0.01, 0.5),
            "tau_mag|tau_len|t_norm",
        )
    wheel = (
        e.inout("wheel_momentum|h_wheel|rw_momentum", p.vec(), R.uniform(-0.1, 0.1))
        if p.chance(0.35)
        else None
    )
    dt = k.param("dt|time_step|h", 0.01, 0.5)
    momentum = wp.cw_mul(inertia, w) if wheel is None else wp.cw_mul(inertia, w) + wheel.own
    alpha = k.let("alpha|w_dot|ang_acc", wp.cw_div(torque - wp.cross(w, momentum), inertia))
    w_new = k.let("w_new|w1|rate1", w + alpha * dt)
    if wheel is not None:
        wheel.store(wheel.own - torque * dt)
    q_io.store(_turned(p, k, q, w_new, dt))
    w_io.store(w_new)
    if p.chance(0.4):
        e.out("kinetic_energy|spin_energy|rot_energy", p.real).store(
            0.5 * wp.dot(w_new, wp.cw_mul(inertia, w_new))
        )


def _turned(p: ProgramBuilder, k: KernelBuilder, q: Expr, w: Expr, dt: Expr) -> Expr:
    if p.chance(0.4):
        speed = k.let("speed|w_norm|rate_mag", wp.length(w))
        angle = k.let("angle|phi|turn", speed * dt)
        step = k.var("dq|delta_q|step_q", construct(p.quat, 0.0, 0.0, 0.0, 1.0))
        with k.when(angle > 1.0e-7):
            k.set(step, wp.quat_from_axis_angle(w / speed, angle))
        return wp.normalize(q * step)
    derivative = k.let("q_dot|dq|rate_q", q * construct(p.quat, w.x, w.y, w.z, 0.0))
    return wp.normalize(q + derivative * (0.5 * dt))


def _gravity_gradient(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    nadir = e.field("nadir_dirs|radial_dir|r_hat", p.vec(), R.unit_vectors()).own
    rate = k.param("orbit_rate|n_orb|mean_motion", 0.001, 0.05)
    local = k.let("r_b|nadir_b|rb", wp.quat_rotate_inv(q, nadir))
    k.aug(torque, "+", wp.cross(local, wp.cw_mul(inertia, local)) * (3.0 * rate * rate))


def _magnetic(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    field = e.field("b_field|mag_field|b_eci", p.vec(), R.uniform(-0.5, 0.5)).own
    local = k.let("b_b|b_body|mag_b", wp.quat_rotate_inv(q, field))
    gain = k.param("bdot_gain|k_bdot|mag_gain", 0.05, 2.0)
    dipole = k.var(
        "m|dipole|mtq", wp.cross(local, w) * -gain if p.chance(0.5) else wp.cross(w, local) * gain
    )
    if p.chance(0.5):
        top = k.param("max_dipole|m_max|dipole_limit", 0.05, 0.5)
        k.set(dipole, construct(p.vec(), *[wp.clamp(dipole[a], -top, top) for a in range(3)]))
    k.aug(torque, "+", wp.cross(dipole, local))


def _pointing(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    goal = e.field("target_attitude|q_ref|commanded", p.quat, R.rotations()).own
    error = k.let(
        "q_err|dq_e|qe", wp.quat_inverse(q) * goal if p.chance(0.6) else wp.quat_inverse(goal) * q
    )
    sign = (
        wp.sign(error.w)
        if p.chance(0.5)
        else choose(error.w < 0.0, number(p, -1.0), number(p, 1.0))
    )
    vector = construct(p.vec(), error.x, error.y, error.z) * sign
    kp, kd = k.param("kp|att_gain|k_p", 0.05, 1.0), k.param("kd|rate_gain|k_d", 0.1, 2.0)
    k.aug(torque, "+", vector * kp - w * kd)
    if p.chance(0.4):
        e.out("pointing_error|att_error|angle_out", p.real).store(
            2.0 * wp.acos(wp.min(wp.abs(error.w), 1.0))
        )


def _rate_damping(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    k.aug(torque, "-", w * k.param("rate_damping|c_damp|viscous", 0.01, 0.5))


def _disturbance(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, w: Expr, inertia: Expr, torque: Name
) -> None:
    sun, lever = (
        k.quantity("sun_dir|s_hat", p.vec(), [1.0, 0.0, 0.0]),
        k.quantity("cp_offset|lever|cop", p.vec(), [0.05, 0.02, -0.03]),
    )
    force = k.param("srp_force|solar_force|f_srp", 0.0001, 0.01)
    k.aug(torque, "+", wp.cross(lever, wp.quat_rotate_inv(q, sun)) * -force)


# --- frames ---------------------------------------------------------------------------------------


def _frames(p: ProgramBuilder) -> None:
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


# --- visibility -----------------------------------------------------------------------------------


def _visibility(p: ProgramBuilder) -> None:
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
    light = k.let("lit|illum|sunlight", motion.sunlit(p, k, r, sun))
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


# --- conjunctions ---------------------------------------------------------------------------------


def _conjunctions(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "screen_conjunctions|closest_approach|miss_distances|collision_screening|time_of_closest_approach",
        p.pick(
            "Closest approaches within the next step.",
            "Conjunction screening over all objects.",
            "Miss distance and time of closest approach.",
        ),
    )
    p.real = T.F64 if p.chance(0.5) else T.F32
    e = Entities(k, "object", index="i|tid|obj", count=p.pick(48, 64, 96, 128))
    r_in, v_in = state_vectors(e)
    r, v = r_in.read("r|r_i|pos_i"), v_in.read("v|v_i|vel_i")
    e.guard()
    window = k.param("window|horizon|t_max", *((20.0, 300.0) if units(p).km else (0.05, 0.4)))
    limit = k.param(
        "threshold|alert_range|d_alert", *((200.0, 1500.0) if units(p).km else (0.05, 0.3))
    )
    best, who, when = (
        k.var("d_min|best|miss", 1.0e9, p.real),
        k.var("partner|who|j_min", -1),
        k.var("t_min|tca|when", 0.0, p.real),
    )
    alerts = k.var("alerts|n_close|count_c", 0) if p.chance(0.6) else None
    upper = p.chance(0.4)
    with k.loop("j|other|b", e.index + 1 if upper else 0, e.count()) as j:
        if not upper:
            with k.when(j == e.index):
                k.cont()
        d, dv = k.let("d|dr|rel", r_in[j] - r), k.let("dv|rel_v|vrel", v_in[j] - v)
        if p.chance(0.4):
            with k.when(
                wp.length(d)
                > k.param(
                    "coarse_range|sieve|prefilter",
                    *((3000.0, 6000.0) if units(p).km else (0.5, 1.0)),
                )
            ):
                k.cont()
        t = k.let("t_ca|tc|tau", wp.clamp(-wp.dot(d, dv) / (wp.dot(dv, dv) + 1.0e-9), 0.0, window))
        miss = k.let("miss_d|sep|dist", wp.length(d + dv * t))
        with k.when(miss < best):
            k.set(best, miss)
            k.set(who, j)
            k.set(when, t)
        if alerts is not None:
            with k.when(miss < limit):
                k.aug(alerts, "+", 1)
    e.out("miss_distance_out|min_sep|closest", p.real).store(best)
    e.out("partners|closest_object|partner_out", T.I32).store(who)
    if p.chance(0.6):
        e.out("tca_out|times|t_closest", p.real).store(when)
    if alerts is not None:
        e.out("alert_counts|warnings|n_alerts", T.I32).store(alerts)
    if p.chance(0.4):
        sigma = e.property(
            "sigma|position_sigma|uncertainty", *((50.0, 500.0) if units(p).km else (0.01, 0.1))
        )
        e.out("probability|pc|collision_prob", p.real).store(
            wp.exp(-0.5 * best * best / (sigma * sigma))
        )
    elif p.chance(0.5):
        with k.when(all_of(best < limit, who >= 0)):
            Table(e, "num_events|conjunction_count|events", T.I32, (1,), role="out").add(
                literal(1, T.I32), 0
            )


# --- manoeuvres -----------------------------------------------------------------------------------


def _maneuvers(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "hohmann_cost|transfer_budget|plane_change|rank_transfers|propellant_use|launch_windows",
        p.pick(
            "Velocity budget of two-impulse transfers.",
            "Transfer cost between circular orbits.",
            "",
        ),
    )
    e = satellites(k)
    mu, u = gravity_parameter(k), units(p)
    r1, r2 = (
        e.field("r_initial|radius_from|r1", p.real, u.semi_axis()).read("r1|ra|from_r"),
        e.field("r_target|radius_to|r2", p.real, u.semi_axis()).read("r2|rb|to_r"),
    )
    e.guard()

    def circular(b: Block, radius: Expr, gm: Expr) -> Expr:
        return wp.sqrt(gm / radius)

    v1, v2 = (
        k.let(h, piece(p, k, "circular_speed|orbit_speed", {"r|radius": r, "mu|gm": mu}, circular))
        for h, r in (("v1|v_from", r1), ("v2|v_to", r2))
    )
    axis = k.let("a_t|transfer_axis|at", 0.5 * (r1 + r2))
    dv1 = k.let("dv1|burn1|first", wp.abs(v1 * (wp.sqrt(r2 / axis) - 1.0)))
    tilt = (
        e.field("plane_change_angle|delta_i|tilt", p.real, R.uniform(0.0, 0.6)).own
        if p.chance(0.5)
        else None
    )
    arrival = k.let("v_arr|v_apo|arrive", v2 * wp.sqrt(r1 / axis))
    if tilt is None:
        dv2 = k.let("dv2|burn2|second", wp.abs(v2 - arrival))
    else:
        dv2 = k.let(
            "dv2|burn2|second",
            wp.sqrt(wp.max(v2 * v2 + arrival * arrival - 2.0 * v2 * arrival * wp.cos(tilt), 0.0)),
        )
    total = k.var("total|dv_total|cost", dv1 + dv2)
    if p.chance(0.35):
        far = k.let("rb_bi|r_bi|intermediate", k.param("bi_ratio|ratio", 1.5, 6.0) * wp.max(r1, r2))
        a1, a2 = k.let("a1|leg1", 0.5 * (r1 + far)), k.let("a2|leg2", 0.5 * (r2 + far))
        bi = (
            wp.abs(v1 * (wp.sqrt(far / a1) - 1.0))
            + wp.abs(wp.sqrt(mu / far) * (wp.sqrt(r2 / a2) - wp.sqrt(r1 / a1)))
            + wp.abs(v2 * (wp.sqrt(far / a2) - 1.0))
        )
        alternative = k.let("dv_bi|bi_elliptic|three_burn", bi)
        with k.when(alternative < total):
            k.set(total, alternative)
            e.out("use_three_burn|bi_flag|choice", T.I32).store(1)
    e.out("delta_v|dv_out|costs", p.real).store(total)
    for what in p.sample(["time", "mass", "feasible", "phase"], 0, 3):
        if what == "time":
            e.out("transfer_time|tof_out|durations", p.real).store(
                PI * wp.sqrt(axis * axis * axis / mu)
            )
        elif what == "mass":
            exhaust, mass = (
                k.param("exhaust_velocity|ve|isp_g0", 2.0, 4.5),
                e.property("wet_mass|m0|initial_mass", 100.0, 2000.0),
            )
            e.out("propellant|fuel_mass|m_prop", p.real).store(
                mass * (1.0 - wp.exp(-total / exhaust))
            )
        elif what == "feasible":
            budget = k.param("dv_budget|max_dv|budget", 0.5, 4.0)
            fits = (
                all_of(total <= budget, wp.min(r1, r2) > body_radius(k))
                if p.chance(0.5)
                else total <= budget
            )
            e.out("feasible|affordable|ok_out", T.I32).store(choose(fits, 1, 0))
        else:
            ratio = k.let("ratio|q_a|axis_ratio", axis / r2)
            e.out("phase_angle|lead_angle|phasing", p.real).store(
                PI * (1.0 - wp.sqrt(ratio * ratio * ratio))
            )
    if p.chance(0.3):
        Table(e, "cheapest|best_dv|lowest_cost", p.real, (1,), R.constant(1000.0), "inout").atomic(
            "min", total, 0
        )
