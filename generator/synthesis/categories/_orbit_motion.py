"""Perturbed propagation, for the orbital category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._orbit import (
    body_radius,
    gravity_parameter,
    number,
    satellites,
    state_vectors,
    two_body,
    units,
)
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def perturbed(p: ProgramBuilder) -> None:
    """Numerical propagation with oblateness, drag, radiation pressure, third bodies and thrust."""
    k = p.kernel_builder(
        "propagate_orbits|integrate_satellites|orbit_step|cowell_step|perturbed_step|advance_satellites",
        p.pick(
            "One step of perturbed orbital motion.",
            "Cowell propagation with the usual perturbations.",
            "Integrate every satellite by one step.",
        ),
    )
    e = satellites(k)
    r_io, v_io = state_vectors(e, "inout")
    e.guard()
    mu, dt = gravity_parameter(k), units(p).step(k)
    r, v = k.var("r|x|pos", r_io.own), k.var("v|vel|v_i", v_io.own)
    terms = p.sample([_oblateness, _drag, _radiation, _third_body, _thrust], 0, 3)
    scheme = p.weighted({"symplectic": 3, "leapfrog": 3, "rk4": 2, "midpoint": 1.5})
    if scheme in ("rk4", "midpoint"):
        _runge_kutta(p, k, r, v, mu, dt, scheme, e)
    else:
        steps = p.chance(0.3)
        with (
            k.loop("s|it|sub", k.count("substeps|num_steps", p.pick(2, 4, 8)))
            if steps
            else _once() as _
        ):
            if scheme == "leapfrog":
                k.aug(v, "+", two_body(p, k, r, mu) * (0.5 * dt))
                k.aug(r, "+", v * dt)
                acceleration = k.var("acc|a|accel", two_body(p, k, r, mu))
                for term in terms:
                    k.aug(acceleration, "+", term(p, k, e, r, v, mu))
                k.aug(v, "+", acceleration * (0.5 * dt))
            else:
                acceleration = k.var("acc|a|accel", two_body(p, k, r, mu))
                for term in terms:
                    k.comment(_LABELS[term.__name__])
                    k.aug(acceleration, "+", term(p, k, e, r, v, mu))
                k.aug(v, "+", acceleration * dt)
                k.aug(r, "+", v * dt)
    r_io.store(r)
    v_io.store(v)
    _orbit_diagnostics(p, k, e, r, v, mu)


class _once:
    """A block that is no block."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


def _oblateness(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr, v: Expr, mu: Expr
) -> Expr:
    j2 = k.quantity("j2|J2_coef|oblateness", p.real, 0.00108263)

    def body(b: Block, x: Expr, gm: Expr, j: Expr, re: Expr) -> Expr:
        d2 = b.let("r2|d2", wp.dot(x, x))
        z2 = b.let("z2|zr", x.z * x.z / d2)
        factor = b.let("f|fac|factor", -1.5 * j * gm * re * re / (d2 * d2 * wp.sqrt(d2)))
        return construct(
            p.vec(),
            factor * x.x * (1.0 - 5.0 * z2),
            factor * x.y * (1.0 - 5.0 * z2),
            factor * x.z * (3.0 - 5.0 * z2),
        )

    return piece(
        p,
        k,
        "j2_acceleration|oblateness_accel|zonal_accel",
        {"r|x": r, "mu|gm": mu, "j2": j2, "re|radius": body_radius(k)},
        body,
    )


def _drag(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr, v: Expr, mu: Expr) -> Expr:
    u = units(p)
    ballistic = e.property(
        "ballistic|cd_a_m|drag_area", *((1.0e-6, 1.0e-4) if u.km else (1.0e-4, 1.0e-2))
    )
    scale = k.param("scale_height|h_scale", *((40.0, 120.0) if u.km else (0.05, 0.3)))
    density = k.let("rho|density|atm", wp.exp(-(wp.length(r) - body_radius(k)) / scale))
    relative: Expr = v
    if p.chance(0.5):
        spin = k.quantity(
            "earth_rate|omega_e|rotation_rate", p.real, 7.292115e-5 if u.km else 0.058
        )
        relative = k.let("v_rel|v_air|vr", v - wp.cross(construct(p.vec(), 0.0, 0.0, spin), r))
    return relative * (-0.5 * ballistic * density * wp.length(relative))


def sunlit(p: ProgramBuilder, k: KernelBuilder, r: Expr, sun: Expr) -> Expr:
    """Whether a position is outside the cylindrical shadow, or the lit fraction."""
    smooth = p.chance(0.35)
    width = units(p).earth * 0.02

    def body(b: Block, x: Expr, s: Expr, re: Expr) -> Expr:
        along = b.let("along|proj|d_s", wp.dot(x, s))
        away = b.let("perp|off_axis|rho", wp.length(x - s * along))
        if smooth:
            edge = b.let("edge|penumbra|t", wp.clamp((away - re) / width + 0.5, 0.0, 1.0))
            return wp.where(along > 0.0, number(p, 1.0), edge)
        lit = any_of(along > 0.0, away > re)
        return choose(lit, number(p, 1.0), number(p, 0.0))

    return piece(
        p,
        k,
        "illumination|shadow_factor|sunlit_fraction",
        {"r|x": r, "sun|s": sun, "re|radius": body_radius(k)},
        body,
    )


def _sun(k: KernelBuilder) -> Expr:
    return k.quantity(
        "sun_dir|sun_direction|s_hat", k.p.vec(), k.p.pick([1.0, 0.0, 0.0], [0.6, 0.8, 0.0])
    )


def _radiation(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr, v: Expr, mu: Expr
) -> Expr:
    pressure = k.param(
        "srp_accel|radiation|p_srp", *((1.0e-10, 1.0e-8) if units(p).km else (1.0e-6, 1.0e-4))
    )
    sun = _sun(k)
    return sun * (-pressure * sunlit(p, k, r, sun))


def _third_body(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr, v: Expr, mu: Expr
) -> Expr:
    km = units(p).km
    moon = k.quantity(
        "moon_pos|third_body|r_moon", p.vec(), [384400.0, 0.0, 30000.0] if km else [60.0, 0.0, 5.0]
    )
    gm = k.quantity("mu_moon|gm_third", p.real, 4902.8 if km else 0.0123)
    d = k.let("d|to_moon|rel_m", moon - r)

    def body(b: Block, x: Expr) -> Expr:
        size = b.let("s|mag", wp.length(x))
        return x / (size * size * size)

    return (
        piece(p, k, "inverse_square|unit_gravity", {"x|d": d}, body)
        - piece(p, k, "inverse_square|unit_gravity", {"x|d": moon}, body)
    ) * gm


def _thrust(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr, v: Expr, mu: Expr) -> Expr:
    level = e.property(
        "thrust_accel|throttle|a_thrust", *((1.0e-7, 1.0e-5) if units(p).km else (1.0e-4, 1.0e-2))
    )
    direction = wp.normalize(v) if p.chance(0.6) else wp.normalize(wp.cross(wp.cross(r, v), r))
    burning = e.field("burning|thruster_on|engine_on", T.I32, R.mask(0.5)).own
    return direction * (
        level * cast(p.real, burning)
        if p.chance(0.5)
        else choose(burning == 1, level, number(p, 0.0))
    )


_LABELS = {
    "_oblateness": "oblateness",
    "_drag": "atmospheric drag",
    "_radiation": "solar radiation pressure",
    "_third_body": "third body",
    "_thrust": "low thrust",
}


def _runge_kutta(
    p: ProgramBuilder,
    k: KernelBuilder,
    r: Name,
    v: Name,
    mu: Expr,
    dt: Expr,
    scheme: str,
    e: Entities,
) -> None:
    oblate = p.chance(0.5)
    t = p.vec()

    def body(b: Block, x: Expr, gm: Expr, *more: Expr) -> None:
        d2 = b.let("r2|d2", wp.dot(x, x))
        central = b.let("g|inv3|gm_r3", gm / (d2 * wp.sqrt(d2)))
        if not more:
            b.ret(x * -central)
            return
        factor = b.let("f|j_fac|osc", 1.5 * more[0] / d2)
        z2 = b.let("z2|zr", 5.0 * x.z * x.z / d2)
        b.ret(
            construct(
                t,
                x.x * (1.0 + factor * (1.0 - z2)),
                x.y * (1.0 + factor * (1.0 - z2)),
                x.z * (1.0 + factor * (3.0 - z2)),
            )
            * -central
        )

    params = {"r|x": t, "mu|gm": p.real} | ({"j2_re2|jr2": p.real} if oblate else {})
    f = p.func("acceleration|gravity|orbit_accel|eom", params, body)
    extra = (
        [
            k.let(
                "j2_re2|jr2",
                k.quantity("j2|J2_coef|oblateness", p.real, 0.00108263)
                * body_radius(k)
                * body_radius(k),
            )
        ]
        if oblate
        else []
    )
    if scheme == "midpoint":
        a1 = k.let("a1|acc0", f(r, mu, *extra))
        rm, vm = k.let("r_mid|rm", r + v * (0.5 * dt)), k.let("v_mid|vm", v + a1 * (0.5 * dt))
        k.aug(r, "+", vm * dt)
        k.aug(v, "+", f(rm, mu, *extra) * dt)
        return
    kv = [k.let("k1v|a1", f(r, mu, *extra))]
    kr: list[Expr] = [v]
    for number_, share in enumerate((0.5, 0.5, 1.0), start=2):
        kr.append(
            k.let(f"k{number_}r|v{number_}", v + kv[-1] * (share * dt if share != 1.0 else dt))
        )
        kv.append(
            k.let(
                f"k{number_}v|a{number_}",
                f(r + kr[-2] * (share * dt if share != 1.0 else dt), mu, *extra),
            )
        )
    # Positions last use the old velocity, so they are updated first.
    k.aug(r, "+", (kr[0] + 2.0 * kr[1] + 2.0 * kr[2] + kr[3]) * (dt / 6.0))
    k.aug(v, "+", (kv[0] + 2.0 * kv[1] + 2.0 * kv[2] + kv[3]) * (dt / 6.0))


def _orbit_diagnostics(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr, v: Expr, mu: Expr
) -> None:
    for what in p.sample(["energy", "decayed", "momentum", "range"], 0, 2):
        if what == "energy":
            e.out("energies|specific_energy|energy_out", p.real).store(
                0.5 * wp.dot(v, v) - mu / wp.length(r)
            )
        elif what == "momentum":
            e.out("angular_momentum|h_out|h_vec", p.vec()).store(wp.cross(r, v))
        elif what == "range":
            Table(e, "max_range|apogee|farthest", p.real, (1,), role="out").atomic(
                "max", wp.length(r), 0
            )
        else:
            limit = k.param(
                "decay_altitude|min_altitude|reentry_alt",
                *((80.0, 200.0) if units(p).km else (0.01, 0.05)),
            )
            with k.when(wp.length(r) < body_radius(k) + limit):
                e.out("decayed|reentered|status_out", T.I32).store(1)
                if p.chance(0.5):
                    Table(e, "num_decayed|losses", T.I32, (1,), role="out").add(1, 0)
