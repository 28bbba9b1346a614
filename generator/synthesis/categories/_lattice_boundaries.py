"""Boundaries of the lattice Boltzmann method: bounce-back, open boundaries, loads on obstacles."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.categories._lattice import D2Q9, Lattice, equilibrium
from generator.synthesis.logic import any_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, lift

# --- bounce-back ----------------------------------------------------------------------------------


def bounce_back(p: ProgramBuilder) -> None:
    """Walls: reflected populations at solid cells, at links, with moving or curved walls."""
    if p.chance(0.45):
        _links(p)
        return
    k = p.kernel_builder(
        "bounce_back|apply_bounce_back|reflect_walls|wall_populations",
        p.pick("Reflect populations at solid cells.", "No-slip walls by bounce-back."),
    )
    m = Lattice(p, k)
    source = m.populations("f_in|f_post|f")
    target = m.populations("f_out|f_new|f_next", "inout")
    flags = m.cells("solid|wall|cell_type", p.pick(T.I32, T.U8, T.BOOL), R.mask(0.2))
    full = p.chance(0.5)
    own = _is_wall(flags, m.at)
    if full:
        if p.chance(0.5):
            with k.when(_not_wall(flags, m.at)):
                k.ret()
            _reflect_all(p, m, source, target)
        else:
            with k.when(own):
                _reflect_all(p, m, source, target)
        return
    with k.when(own):
        k.ret()
    moving = (
        k.quantity(
            "wall_velocity|u_wall|lid_velocity", p.vec(m.axes), [0.05, *[0.0] * (m.axes - 1)]
        )
        if p.chance(0.5)
        else None
    )
    with m.each(start=1) as q:
        there = m.neighbour(q, -1)
        with k.when(_is_wall(flags, there)):
            value = m.pop(source, m.opposite(q))
            if moving is not None:
                value = value + 6.0 * m.w(q) * m.dot(q, moving)
            k.set(m.pop(target, q), value)
    if p.chance(0.3):
        count = k.out("num_boundary|wall_cells|boundary_count", T.I32, (1,))
        k.do(wp.atomic_add(count, 0, 1))


def _is_wall(flags: Expr, where: tuple[Expr, ...]) -> Expr:
    cell = flags[where]
    if cell.type == T.BOOL:
        return cell
    return cell == construct(T.U8, 1) if cell.type == T.U8 else cell == 1


def _not_wall(flags: Expr, where: tuple[Expr, ...]) -> Expr:
    cell = flags[where]
    if cell.type == T.BOOL:
        return negate(cell)
    return cell == construct(T.U8, 0) if cell.type == T.U8 else cell == 0


def _reflect_all(p: ProgramBuilder, m: Lattice, source: Expr, target: Expr) -> None:
    k = m.k
    if p.chance(0.5) and m.q == 9:
        pairs = [(a, m.reverse(a)) for a in range(1, 9) if a < m.reverse(a)]
        for a, b in pairs:
            k.set(m.pop(target, a), m.pop(source, b))
            k.set(m.pop(target, b), m.pop(source, a))
        return
    with m.each(start=1 if p.chance(0.5) else 0) as q:
        k.set(m.pop(target, q), m.pop(source, m.opposite(q)))


def _links(p: ProgramBuilder) -> None:
    """One thread a cut link, with its wall distance (interpolated bounce-back)."""
    k = p.kernel_builder(
        "apply_links|bouzidi_links|interpolated_bounce_back|link_bounce_back",
        p.pick(
            "Interpolated bounce-back on cut links.", "One thread per link between fluid and wall."
        ),
    )
    m = Lattice(p, k, threaded=False)
    n = p.pick(48, 64, 96, 128)
    link = threads(k, ["link|i|tid|l"], (n,))[0]
    source = m.populations("f_post|f_in|f")
    if p.chance(0.4):
        k.launch_dim = (n + p.pick(8, 16, 32),)
        with k.when(link >= k.scalar("num_links|n_links|link_count", T.I32, n)):
            k.ret()
    # Cells two away from the border, so that both upstream neighbours exist.
    cell = k.array(
        "link_cell|link_cells|cells", T.Vec(m.axes, T.I32), (n,), R.integers(2, min(m.shape) - 2)
    )
    q = k.let(
        "q|d|dir", k.array("link_dir|link_q|directions_of", T.I32, (n,), R.integers(1, m.q))[link]
    )
    at = k.let("c0|cell0|here", cell[link])
    m.at = tuple(at[a] for a in range(m.axes))
    qo = k.let("qo|opp_q|back_q", m.opposite(q))
    fluid = tuple(
        k.let(f"{c}f|{c}_up|up_{c}", m.at[a] - m.c(q, a)) for a, c in enumerate(m.letters)
    )
    out = k.out("link_value|reflected|f_link", p.real, (n,))
    delta = k.array("wall_distance|delta|link_frac", p.real, (n,), R.uniform(0.05, 0.95))[link]
    d = k.let("delta_q|s|frac", delta)
    short = "value|bounced|fb"
    if p.chance(0.6):
        result = k.var(short, 0.0, p.real)
        with k.when(d < 0.5):
            k.set(result, 2.0 * d * m.pop(source, q) + (1.0 - 2.0 * d) * m.pop(source, q, fluid))
        with k.otherwise():
            k.set(
                result,
                m.pop(source, q) / (2.0 * d) + (2.0 * d - 1.0) / (2.0 * d) * m.pop(source, qo),
            )
    else:
        ahead = k.let("ahead|near_sum", m.pop(source, q) + m.pop(source, q, fluid))
        result = k.let(short, (d * ahead + (1.0 - d) * m.pop(source, qo)) / (1.0 + d))
    if p.chance(0.5):
        wall = k.array(
            "wall_velocity|link_velocity|u_wall", p.vec(m.axes), (n,), R.uniform(-0.05, 0.05)
        )[link]
        k.aug(result, "+", 6.0 * m.w(q) * m.dot(q, wall))
    k.set(out[link], result)
    if p.chance(0.4):
        force = k.out("wall_force|total_force|drag", p.vec(m.axes), (1,))
        k.do(wp.atomic_add(force, 0, m.velocity(q) * (m.pop(source, q) + result)))


# --- open boundaries ------------------------------------------------------------------------------

# Unknown populations, those that leave, the tangential pair, the axis and the inward sign of each side.
_SIDES = {
    "west": ((1, 5, 8), (3, 7, 6), (2, 4), 0, 1), "east": ((3, 7, 6), (1, 5, 8), (2, 4), 0, -1),
    "south": ((2, 5, 6), (4, 7, 8), (1, 3), 1, 1), "north": ((4, 7, 8), (2, 5, 6), (1, 3), 1, -1),
}  # fmt: skip


def zou_he(p: ProgramBuilder) -> None:
    """Inlets and outlets on a side of a D2Q9 domain."""
    side = p.pick("west", "east", "south", "north")
    what = p.weighted({"velocity": 3, "pressure": 2, "outflow": 1.5, "equilibrium": 1.5})
    names = {
        "velocity": "inlet_velocity|zou_he_inlet|velocity_boundary|apply_inlet",
        "pressure": "outlet_pressure|zou_he_outlet|pressure_boundary",
        "outflow": "outflow_boundary|zero_gradient_outlet|convective_outlet",
        "equilibrium": "equilibrium_inlet|regularized_inlet|inlet_populations",
    }
    k = p.kernel_builder(
        names[what],
        p.pick(
            f"Open boundary on the {side} side.",
            f"{what.capitalize()} condition on the {side} boundary.",
            "",
        ),
    )
    m = Lattice(p, k, axes=2, threaded=False)
    axis, sign = _SIDES[side][3:]
    nx, ny = m.shape
    length = ny if axis == 0 else nx
    t = threads(k, ["y|j|row|tid" if axis == 0 else "x|i|col|tid"], (length,))[0]
    f = m.populations("f|populations|f_out", "inout")
    if p.chance(0.45):
        last = m.extent(1 - axis) - 1
        with k.when(any_of(t == 0, t == last)):
            k.ret()
    edge = lift(0, T.I32) if sign > 0 else k.let("xe|last|edge", m.extent(axis) - 1)
    inner = edge + sign if sign > 0 else edge - 1
    if sign > 0:
        inner = lift(1, T.I32)
    m.at = (edge, t) if axis == 0 else (t, edge)
    inside = (inner, t) if axis == 0 else (t, inner)
    if what == "outflow":
        _outflow(p, m, f, inside, _SIDES[side][0])
    elif what == "equilibrium":
        _equilibrium_side(p, m, f, inside, t, length)
    else:
        _zou_he_side(p, m, f, side, t, length, what == "velocity")


def _profile(p: ProgramBuilder, m: Lattice, t: Expr, length: int) -> Expr:
    """Normal speed of the inflow: uniform, parabolic, ramped or from an array."""
    k = m.k
    match p.pick("uniform", "parabola", "array", "ramp"):
        case "uniform":
            return k.param("u_in|inlet_speed|u_bc", 0.02, 0.1)
        case "array":
            return k.let(
                "un|u_in|speed",
                k.array("inlet_profile|u_profile", p.real, (length,), R.uniform(0.02, 0.1))[t],
            )
        case "parabola":
            peak = k.param("u_max|peak_speed|u_center", 0.05, 0.1)
            s = k.let(
                "s|eta|yy",
                (construct(p.real, t) + 0.5)
                / construct(p.real, m.extent(1 if m.at[1] is t else 0)),
            )
            return k.let("un|u_in|speed", 4.0 * peak * s * (1.0 - s))
    ramp = wp.min(
        k.param("time|t_lb|step_time", 10.0, 900.0) / k.param("ramp_time|t_ramp", 100.0, 1000.0),
        1.0,
    )
    return k.let("un|u_in|speed", k.param("u_in|u_target", 0.02, 0.1) * ramp)


def _zou_he_side(
    p: ProgramBuilder, m: Lattice, f: Expr, side: str, t: Expr, length: int, velocity: bool
) -> None:
    k = m.k
    unknown, leaving, tangent, axis, _ = _SIDES[side]
    read: dict[int, Expr] = {}
    for q in (0, *tangent, *leaving):
        read[q] = k.let(f"f{q}", m.pop(f, q))
    known = k.let(
        "known|balance|s",
        read[0]
        + read[tangent[0]]
        + read[tangent[1]]
        + 2.0 * (read[leaving[0]] + read[leaving[1]] + read[leaving[2]]),
    )
    # `un` is the speed along the inward normal: both signs of side share the same formulas.
    if velocity:
        un = _profile(p, m, t, length)
        rho = k.let("rho|rho_w|density", known / (1.0 - un))
    else:
        rho = k.param("rho_out|outlet_density|rho_bc", 0.95, 1.05)
        un = k.let("un|u_normal|ux", 1.0 - known / rho)
    flux = k.let("ru|rho_u|flux", rho * un)
    half = k.let("half_t|tang|ft", 0.5 * (read[tangent[0]] - read[tangent[1]]))
    n, d1, d2 = unknown
    k.set(m.pop(f, n), read[leaving[0]] + p.pick(2.0 * flux / 3.0, flux * 0.6666667))
    # d1 reverses leaving[1]; its tangential component decides the sign of the correction.
    for q, back in ((d1, leaving[1]), (d2, leaving[2])):
        along = D2Q9[q][1 - axis]
        base = read[back] - half if along > 0 else read[back] + half
        k.set(m.pop(f, q), base + flux / 6.0)
    if p.chance(0.4):
        record = k.out("rho_boundary|wall_density|rho_line", p.real, (length,))
        k.set(record[t], rho if velocity else un)
    if p.chance(0.35):
        total = k.out("mass_flux|inflow_total|net_flux", p.real, (1,))
        k.do(wp.atomic_add(total, 0, flux))


def _outflow(
    p: ProgramBuilder, m: Lattice, f: Expr, inside: tuple[Expr, ...], unknown: tuple[int, ...]
) -> None:
    k = m.k
    speed = k.param("u_conv|convective_speed|u_out", 0.02, 0.5) if p.chance(0.5) else None

    def value(q: Expr | int) -> Expr:
        if speed is None:
            return m.pop(f, q, inside)
        return (m.pop(f, q) + speed * m.pop(f, q, inside)) / (1.0 + speed)

    if p.chance(0.5):
        for q in sorted(unknown):
            k.set(m.pop(f, q), value(q))
        return
    with m.each() as q:
        k.set(m.pop(f, q), value(q))


def _equilibrium_side(
    p: ProgramBuilder, m: Lattice, f: Expr, inside: tuple[Expr, ...], t: Expr, length: int
) -> None:
    k = m.k
    un = _profile(p, m, t, length)
    rho = k.var("rho|rho_in|density", 0.0, p.real)
    with m.each() as q:
        k.aug(rho, "+", m.pop(f, q, inside))
    u = k.let("u_bc|u_wall|uv", construct(p.vec(2), *((un, 0.0) if m.at[1] is t else (0.0, un))))
    uu, feq = k.let("uu|usq", wp.dot(u, u)), equilibrium(p, m)
    extrapolated = p.chance(0.4)
    with m.each() as q:
        new = feq(m.w(q), rho, m.dot(q, u), uu)
        if extrapolated:
            new = new + k.param("neq_weight|blend", 0.2, 1.0) * (m.pop(f, q, inside) - m.w(q) * rho)
        k.set(m.pop(f, q), new)


# --- loads ----------------------------------------------------------------------------------------


def momentum_exchange(p: ProgramBuilder) -> None:
    """Force and torque on obstacles by momentum exchange over links."""
    k = p.kernel_builder(
        "momentum_exchange|drag_force|obstacle_load|compute_wall_force",
        p.pick(
            "Force on solid bodies by momentum exchange.", "Hydrodynamic load on the obstacles."
        ),
    )
    m = Lattice(p, k)
    f = m.populations("f|f_post|populations")
    bodies = p.pick(1, 1, 3, 4)
    flags = m.cells(
        "body_id|obstacle|solid" if bodies > 1 else "solid|obstacle|flags",
        T.I32,
        R.integers(0, bodies + 1) if bodies > 1 else R.mask(0.2),
    )
    total = k.out("force|body_force|load", p.vec(m.axes), (bodies,))
    with k.when(flags[m.at] != 0):
        k.ret()
    local = (
        k.let("local|acc|df", construct(p.vec(m.axes), 0.0))
        if bodies == 1 and p.chance(0.7)
        else None
    )
    hits = k.var("hits|num_links|count", 0) if p.chance(0.4) else None
    torque = (
        k.out("torque|moment|body_torque", p.real, (bodies,))
        if m.axes == 2 and p.chance(0.5)
        else None
    )
    centre = (
        k.quantity("center|pivot|com", p.vec(2), [m.shape[0] / 2, m.shape[1] / 2])
        if torque is not None
        else None
    )
    with m.each(start=1) as q:
        there = m.neighbour(q, 1)
        body = k.let("b|id|body", flags[there])
        with k.when(body == 0):
            k.cont()
        gain = k.let(
            "df|dp|impulse",
            m.velocity(q)
            * (2.0 * m.pop(f, q) if p.chance(0.5) else m.pop(f, q) + m.pop(f, m.opposite(q))),
        )
        if local is not None:
            k.aug(local, "+", gain)
        else:
            k.do(wp.atomic_add(total, body - 1, gain))
        if torque is not None and centre is not None:
            rx, ry = construct(p.real, m.at[0]) - centre[0], construct(p.real, m.at[1]) - centre[1]
            k.do(wp.atomic_add(torque, body - 1, rx * gain[1] - ry * gain[0]))
        if hits is not None:
            k.aug(hits, "+", 1)
    if local is not None:
        _add_local(p, k, total, local, hits)
    if hits is not None:
        k.set(m.cells("link_count|wall_links", T.I32, R.zeros(), "out")[m.at], hits)


def _add_local(
    p: ProgramBuilder, k: KernelBuilder, total: Name, local: Expr, hits: Expr | None
) -> None:
    if hits is not None and p.chance(0.6):
        with k.when(hits > 0):
            k.do(wp.atomic_add(total, 0, local))
        return
    k.do(wp.atomic_add(total, 0, local))
