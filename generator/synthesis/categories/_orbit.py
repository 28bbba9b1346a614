"""Satellites and their arrays in two unit systems, and pieces of two-body mechanics."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal

PI = 3.141592653589793


class Units:
    """Kilometres and seconds, or canonical units with mu = 1; one system per program."""

    def __init__(self, p: ProgramBuilder) -> None:
        self.p = p
        self.km = p.chance(0.6)
        self.earth = 6378.137 if self.km else 1.0
        self.mu_value = 398600.4418 if self.km else 1.0

    def positions(self) -> R.Fill:
        """Positions between about 1.1 and 2 planet radii."""
        return R.uniform(4200.0, 6800.0) if self.km else R.uniform(0.7, 1.1)

    def velocities(self) -> R.Fill:
        """Velocities of the order of circular speed."""
        return R.uniform(-4.2, 4.2) if self.km else R.uniform(-0.5, 0.5)

    def semi_axis(self) -> R.Fill:
        return R.uniform(7000.0, 12000.0) if self.km else R.uniform(1.1, 2.0)

    def step(self, k: KernelBuilder) -> Expr:
        """A time step."""
        return k.param("dt|time_step|h", *((5.0, 60.0) if self.km else (0.005, 0.05)))


def units(p: ProgramBuilder) -> Units:
    """The program's unit system."""
    if "units" not in p.shared:
        p.shared["units"] = Units(p)
    return p.shared["units"]


def gravity_parameter(k: KernelBuilder) -> Expr:
    """The gravitational parameter: a module constant or an argument."""
    p = k.p
    if "mu" not in p.shared:
        value = units(p).mu_value
        if p.real == T.F32 and p.chance(0.4):
            p.shared["mu"] = p.const("MU|MU_EARTH|GM", value)
        elif p.chance(0.4):
            p.shared["mu"] = p.const("MU|MU_EARTH|GM", value, p.real)
        else:
            p.shared["mu"] = k.quantity("mu|gm|grav_param", p.real, value)
    return p.shared["mu"]


def body_radius(k: KernelBuilder) -> Expr:
    """Equatorial radius of the central body."""
    p = k.p
    if "radius" not in p.shared:
        value = units(p).earth
        constant = p.chance(0.5)
        p.shared["radius"] = (
            p.const("R_EARTH|EARTH_RADIUS|RE", value, p.real)
            if constant
            else k.quantity("body_radius|r_eq|earth_radius", p.real, value)
        )
    return p.shared["radius"]


def satellites(k: KernelBuilder) -> Entities:
    """One thread a satellite."""
    p = k.p
    if not p.fusing:
        p.real = T.F64 if p.chance(0.5) else T.F32
    return Entities(k, "satellite", index="i|tid|sat|sat_id")


def state_vectors(e: Entities, role: str = "in") -> tuple[Field, Field]:
    """Position and velocity arrays."""
    p, u = e.k.p, units(e.k.p)
    return e.field("positions|r_eci|pos|r", p.vec(), u.positions(), role), e.field(
        "velocities|v_eci|vel|v", p.vec(), u.velocities(), role
    )


def kepler_solver(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` for the eccentric anomaly: Newton, Halley or fixed point, bounded."""
    form = p.pick("newton", "newton", "halley", "fixed", "while")
    rounds = p.pick(6, 8, 10, 12)
    tolerance = 1.0e-6 if p.real == T.F32 else p.pick(1.0e-10, 1.0e-12)

    def body(b: Block, m: Expr, e: Expr) -> None:
        x = b.var("ecc_anom|big_e|x", m + e * wp.sin(m) if p.chance(0.5) else m)
        if form == "while":
            delta, n = b.var("delta|step|dx", 1.0, p.real), b.var("n|it|count", 0)
            with b.repeat(all_of(wp.abs(delta) > tolerance, n < rounds)):
                b.set(delta, (x - e * wp.sin(x) - m) / (1.0 - e * wp.cos(x)))
                b.aug(x, "-", delta)
                b.aug(n, "+", 1)
            b.ret(x)
            return
        with b.loop("it|k|n", rounds):
            if form == "fixed":
                b.set(x, m + e * wp.sin(x))
            else:
                f, slope = (
                    b.let("f|res|err", x - e * wp.sin(x) - m),
                    b.let("df|slope|fp", 1.0 - e * wp.cos(x)),
                )
                if form == "halley":
                    curve = b.let("ddf|fpp", e * wp.sin(x))
                    b.aug(x, "-", f / (slope - 0.5 * f * curve / slope))
                else:
                    if p.chance(0.4):
                        with b.when(wp.abs(f) < tolerance):
                            b.brk()
                    b.aug(x, "-", f / slope)
        b.ret(x)

    doc = p.pick(
        "", "Eccentric anomaly from mean anomaly and eccentricity.", "Solves Kepler's equation."
    )
    return p.func(
        "solve_kepler|eccentric_anomaly|kepler_equation|mean_to_eccentric",
        {"m|mean_anom": p.real, "e|ecc": p.real},
        body,
        doc,
    )


def perifocal_to_inertial(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` that rotates a perifocal vector by argument of periapsis, inclination and node."""
    form = (
        p.pick("matrix", "components", "steps")
        if p.real == T.F64
        else p.pick("matrix", "components", "steps", "quat")
    )
    t = p.vec()

    def body(b: Block, x: Expr, raan: Expr, inc: Expr, argp: Expr) -> None:
        if form == "quat":
            z, ax = construct(t, 0.0, 0.0, 1.0), construct(t, 1.0, 0.0, 0.0)
            q = b.let(
                "q|rot",
                wp.quat_from_axis_angle(z, raan)
                * wp.quat_from_axis_angle(ax, inc)
                * wp.quat_from_axis_angle(z, argp),
            )
            b.ret(wp.quat_rotate(q, x))
            return
        cw, sw = b.let("cw|cos_w", wp.cos(argp)), b.let("sw|sin_w", wp.sin(argp))
        ci, si = b.let("ci|cos_i", wp.cos(inc)), b.let("si|sin_i", wp.sin(inc))
        co, so = b.let("co|cos_o", wp.cos(raan)), b.let("so|sin_o", wp.sin(raan))
        if form == "steps":
            px, py = b.let("x1|u", cw * x.x - sw * x.y), b.let("y1|v", sw * x.x + cw * x.y)
            b.ret(construct(t, co * px - so * ci * py, so * px + co * ci * py, si * py))
            return
        first = [co * cw - so * sw * ci, so * cw + co * sw * ci, sw * si]
        second = [-co * sw - so * cw * ci, -so * sw + co * cw * ci, cw * si]
        if form == "components":
            pv, qv = (
                b.let("p_hat|pv", construct(t, *first)),
                b.let("q_hat|qv", construct(t, *second)),
            )
            b.ret(pv * x.x + qv * x.y)
            return
        third = [so * si, -co * si, ci]
        rows = [v for triple in zip(first, second, third, strict=True) for v in triple]
        b.ret(b.let("rot|dcm", construct(p.mat(), *rows)) @ x)

    params = {
        "x|r_pqw|v_pf": t,
        "raan|node|big_omega": p.real,
        "inc|i_rad|tilt": p.real,
        "argp|w|omega": p.real,
    }
    return p.func("perifocal_to_inertial|rotate_to_eci|pqw_to_eci|orbit_to_inertial", params, body)


def two_body(p: ProgramBuilder, b: Block, r: Expr, mu: Expr) -> Expr:
    """Acceleration of the point mass."""

    def body(block: Block, x: Expr, gm: Expr) -> Expr:
        if p.chance(0.5):
            size = block.let("rn|r_mag|dist", wp.length(x))
            return x * (-gm / (size * size * size))
        d2 = block.let("r2|d2", wp.dot(x, x))
        return x * (-gm / (d2 * wp.sqrt(d2)))

    return piece(
        p, b, "two_body_accel|point_mass_gravity|central_gravity", {"r|x": r, "mu|gm": mu}, body
    )


def vector3(p: ProgramBuilder, x: float, y: float, z: float) -> Expr:
    """A constant vector in the program's precision."""
    return construct(p.vec(), x, y, z)


def number(p: ProgramBuilder, value: float) -> Expr:
    """A literal in the program's precision."""
    return literal(value, p.real)


def named(k: KernelBuilder, hint: str, value: Expr) -> Name:
    """A local, unless the value is one already."""
    return value if isinstance(value, Name) else k.let(hint, value)
