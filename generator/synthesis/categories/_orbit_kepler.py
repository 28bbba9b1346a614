"""Propagation of orbital elements, for the orbital category."""

from generator.synthesis import recipes as R
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._orbit import (
    PI,
    body_radius,
    gravity_parameter,
    kepler_solver,
    perifocal_to_inertial,
    satellites,
    units,
)
from generator.synthesis.categories._tables import Table
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def kepler_propagation(p: ProgramBuilder) -> None:
    """Positions and velocities from orbital elements at a time."""
    k = p.kernel_builder(
        "propagate_kepler|elements_to_state|kepler_orbit|propagate_elements|ephemeris|orbit_positions",
        p.pick(
            "Propagate orbital elements to the given time.",
            "State vectors from classical elements.",
            "Two-body ephemeris of a constellation.",
        ),
    )
    e = satellites(k)
    u, mu = units(p), gravity_parameter(k)
    if p.chance(0.35):
        elements = Table(
            e, "elements|kepler|orbital_elements", p.real, (e.n, 6), R.uniform(0.02, 0.3)
        )
        axis = k.let("a|sma|semi_major", elements[e.index, 0] * (u.earth * 4.0) + u.earth * 1.1)
        ecc, inc, node, argp, anomaly = (
            k.let(h, elements[e.index, i])
            for i, h in enumerate(
                ("e|ecc", "inc|incl", "raan|node", "argp|w_peri", "m0|mean0"), start=1
            )
        )
    else:
        axis = e.field("sma|semi_major_axis|a", p.real, u.semi_axis()).read("a|a_i|semi_major")
        ecc = e.field("ecc|eccentricity|e", p.real, R.uniform(0.001, 0.6)).read("e|ecc_i|ec")
        inc, node, argp, anomaly = (
            e.field(h, p.real, R.uniform(0.0, 3.0)).own
            for h in (
                "inclination|inc|incl",
                "raan|node|big_omega",
                "arg_periapsis|argp|small_omega",
                "mean_anomaly|m0|epoch_anomaly",
            )
        )
    e.guard()
    time = (
        k.param("t|time|elapsed", 100.0, 5000.0) if u.km else k.param("t|time|elapsed", 0.5, 20.0)
    )
    motion = k.let("n|mean_motion|rate", wp.sqrt(mu / (axis * axis * axis)))
    mean = k.let("m|mean_anom|m_t", anomaly + motion * time)
    if p.chance(0.5):
        mean = k.let("m_wrapped|m_red|m_mod", mean - 2.0 * PI * wp.floor(mean / (2.0 * PI)))
    ea = k.let("ea|ecc_anom|big_e", kepler_solver(p)(mean, ecc))
    rotate = perifocal_to_inertial(p)
    r_pf, v_pf = _perifocal(p, k, axis, ecc, ea, mu, motion)
    r = k.let("r|r_i|pos_i", rotate(r_pf, node, inc, argp))
    e.out("positions|r_out|r_eci", p.vec()).store(r)
    if v_pf is not None:
        e.out("velocities|v_out|v_eci", p.vec()).store(rotate(v_pf, node, inc, argp))
    if p.chance(0.35):
        e.out("altitudes|height|alt_out", p.real).store(wp.length(r) - body_radius(k))
    if p.chance(0.3):
        e.out("eccentric_out|ea_out", p.real).store(ea)


def _perifocal(
    p: ProgramBuilder, k: KernelBuilder, axis: Expr, ecc: Expr, ea: Expr, mu: Expr, motion: Expr
) -> tuple[Expr, Expr | None]:
    velocity = p.chance(0.65)
    if p.chance(0.5):
        root = k.let("b_over_a|eta|root", wp.sqrt(1.0 - ecc * ecc))
        c, s = k.let("ce|cos_e", wp.cos(ea)), k.let("se|sin_e", wp.sin(ea))
        r = k.let("r_pf|r_pqw|x_pf", construct(p.vec(), axis * (c - ecc), axis * root * s, 0.0))
        if not velocity:
            return r, None
        rate = k.let("e_dot|ea_rate|edot", motion / (1.0 - ecc * c))
        return r, k.let(
            "v_pf|v_pqw|xd_pf", construct(p.vec(), -axis * s * rate, axis * root * c * rate, 0.0)
        )
    nu = k.let(
        "nu|true_anom|f",
        2.0
        * wp.atan2(wp.sqrt(1.0 + ecc) * wp.sin(0.5 * ea), wp.sqrt(1.0 - ecc) * wp.cos(0.5 * ea)),
    )
    semi = k.let("p_lat|slr|semi_latus", axis * (1.0 - ecc * ecc))
    radius = k.let("rad|r_mag|dist", semi / (1.0 + ecc * wp.cos(nu)))
    r = k.let("r_pf|r_pqw|x_pf", construct(p.vec(), radius * wp.cos(nu), radius * wp.sin(nu), 0.0))
    if not velocity:
        return r, None
    scale = k.let("h_mu|v_scale|vs", wp.sqrt(mu / semi))
    return r, k.let(
        "v_pf|v_pqw|xd_pf", construct(p.vec(), -scale * wp.sin(nu), scale * (ecc + wp.cos(nu)), 0.0)
    )
