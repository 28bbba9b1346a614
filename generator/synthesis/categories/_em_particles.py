"""Charged particles and the grid: Boris push, field gather, charge and current deposit, field from potential."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import border_exit, monitor, open_grid, spacings
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, lift

# --- particle push --------------------------------------------------------------------------------


def boris_push(p: ProgramBuilder) -> None:
    """Velocity update in given electric and magnetic fields at the particles."""
    k = p.kernel_builder(
        "boris_push|push_particles|advance_charges|lorentz_push|boris_step",
        p.pick(
            "Boris rotation of particle velocities.",
            "Advance charges in E and B.",
            "Leapfrog push with the Lorentz force.",
        ),
    )
    e = Entities(k, "particle")
    v_io = e.inout("velocities|v|vel|u", p.vec(3), R.uniform(-0.5, 0.5))
    uniform = p.chance(0.3)
    if uniform:
        ef, bf = (
            k.quantity("e_field|E0|e_ext", p.vec(3), [0.1, 0.0, 0.05]),
            k.quantity("b_field|B0|b_ext", p.vec(3), [0.0, 0.0, 1.0]),
        )
    else:
        ef, bf = (
            e.field("e_part|E|e_at", p.vec(3), R.uniform(-1.0, 1.0)).own,
            e.field("b_part|B|b_at", p.vec(3), R.uniform(-1.0, 1.0)).own,
        )
    e.guard()
    v = v_io.read("v|vel|v0")
    qm = e.property("charge_to_mass|q_over_m|qm", 0.5, 2.0)
    dt = e.world_param("dt|time_step", 0.01, 0.2)
    half = k.let("half|qmdt2|h", 0.5 * dt * qm)
    new = k.let("v_new|vel_new|v1", _rotated(p, k, v, ef, bf, half))
    v_io.store(new)
    if p.chance(0.6):
        x = e.inout("positions|x|pos", p.vec(3), R.uniform(0.0, 8.0))
        moved = k.let("x_new|pos_new|x1", x.own + new * dt)
        x.store(_wrapped(p, k, moved) if p.chance(0.6) else moved)
    if p.chance(0.35):
        energy = k.out("kinetic_energy|ke|particle_energy", p.real, (e.worlds or 1,))
        k.do(wp.atomic_add(energy, e.world if e.world is not None else 0, 0.5 * wp.dot(new, new)))


def _rotated(p: ProgramBuilder, k: KernelBuilder, v: Expr, ef: Expr, bf: Expr, half: Expr) -> Expr:
    form = p.pick("boris", "boris", "vay_gamma", "exact")

    def body(b: Block, v0: Expr, e0: Expr, b0: Expr, h: Expr) -> Expr:
        minus = b.let("v_minus|vm", v0 + e0 * h)
        if form == "exact":
            # Rotation about B by the full angle, from the tangent half-angle formula.
            size = b.let("b_len|bmag", wp.length(b0))
            axis = b.let("axis|b_hat", b0 / wp.max(size, 1.0e-6))
            angle = b.let("angle|phi", -2.0 * h * size)
            turned = (
                minus * wp.cos(angle)
                + wp.cross(axis, minus) * wp.sin(angle)
                + axis * (wp.dot(axis, minus) * (1.0 - wp.cos(angle)))
            )
            return turned + e0 * h
        t = b.let(
            "t|t_vec", b0 * h if form == "boris" else b0 * (h / wp.sqrt(1.0 + wp.dot(minus, minus)))
        )
        s = b.let("s|s_vec", t * (2.0 / (1.0 + wp.dot(t, t))))
        prime = b.let("v_prime|vp", minus + wp.cross(minus, t))
        plus = b.let("v_plus|vq", minus + wp.cross(prime, s))
        return plus + e0 * h

    return piece(
        p,
        k,
        "boris_rotate|lorentz_rotate|rotate_velocity",
        {"v|v0": v, "e|ef": ef, "b|bf": bf, "h|half": half},
        body,
        probability=0.75,
    )


def _wrapped(p: ProgramBuilder, k: KernelBuilder, x: Expr) -> Expr:
    """Positions kept in a periodic or reflecting box."""
    size = k.quantity("box|domain|lengths", p.vec(3), [8.0, 8.0, 8.0])
    if p.chance(0.5):
        return construct(p.vec(3), *[x[a] - wp.floor(x[a] / size[a]) * size[a] for a in range(3)])
    for a in range(3):
        with k.when(x[a] < 0.0):
            k.set(x[a], x[a] + size[a])
        with k.elsewhen(x[a] >= size[a]):
            k.set(x[a], x[a] - size[a])
    return x


# --- shapes ---------------------------------------------------------------------------------------


def _cell(
    p: ProgramBuilder,
    k: KernelBuilder,
    x: Expr,
    axes: int,
    h: Expr,
    sizes: list[Expr],
    periodic: bool,
) -> tuple[list[Expr], list[Expr]]:
    """Base cell and fractions of a position; inside the grid by clamping, by an early exit or by wrapping."""
    g = k.let("g|xg|s", x / h)
    base = [
        k.let(f"{c}0|i{c}|c{c}", construct(T.I32, wp.floor(g[a])))
        for a, c in enumerate("xyz"[:axes])
    ]
    if not periodic:
        if p.chance(0.5):
            with k.when(
                any_of(*[t for i, n in zip(base, sizes, strict=True) for t in (i < 0, i >= n - 1)])
            ):
                k.ret()
        else:
            base = [
                k.let(f"{c}b|b{c}", wp.clamp(i, 0, n - 2))
                for c, i, n in zip("xyz", base, sizes, strict=False)
            ]
    return base, [
        k.let(f"f{c}|w{c}|t{c}", g[a] - construct(p.real, i))
        for a, (c, i) in enumerate(zip("xyz", base, strict=False))
    ]


def _corners(p: ProgramBuilder, axes: int, frac: list[Expr]) -> list[tuple[tuple[int, ...], Expr]]:
    """Offsets and weights of the cells around a position."""
    out: list[tuple[tuple[int, ...], Expr]] = []
    for number in range(1 << axes):
        bits = tuple((number >> (axes - 1 - a)) & 1 for a in range(axes))
        weight = None
        for bit, f in zip(bits, frac, strict=True):
            part = f if bit else 1.0 - f
            weight = part if weight is None else weight * part
        assert weight is not None
        out.append((bits, weight))
    return out


def _node(
    base: list[Expr], bits: tuple[int, ...], sizes: list[Expr], periodic: bool
) -> tuple[Expr, ...]:
    moved = [i + 1 if bit else i for i, bit in zip(base, bits, strict=True)]
    if not periodic:
        return tuple(moved)
    return tuple((i + n) % n for i, n in zip(moved, sizes, strict=True))


def _grid_sizes(
    p: ProgramBuilder, k: KernelBuilder, array: Expr, axes: int, lead: int, shape: tuple[int, ...]
) -> list[Expr]:
    if p.chance(0.5):
        return [k.scalar(f"n{c}|cells_{c}", T.I32, shape[a]) for a, c in enumerate("xyz"[:axes])]
    return [array.dim(a + lead) for a in range(axes)]


def deposit(p: ProgramBuilder) -> None:
    """Charge or current of particles scattered to the grid with linear or nearest weights."""
    current = p.chance(0.4)
    k = p.kernel_builder(
        "deposit_current|scatter_current|current_density"
        if current
        else "deposit_charge|scatter_charge|charge_density|cic_deposit",
        p.pick(
            "Cloud-in-cell deposit.",
            "Scatter particle charge to the nodes.",
            "Weighted deposit to the grid.",
        )
        if not current
        else p.pick("Current density of the particles.", "Scatter q v to the nodes."),
    )
    e = Entities(k, "particle")
    axes = p.pick(1, 2, 2, 3)
    shape = tuple({1: 64, 2: 16, 3: 8}[axes] for _ in range(axes))
    vec = p.vec(axes) if axes > 1 else p.real
    span = (shape[0] - 1) * 0.5
    x = e.field("positions|x|pos", vec, R.uniform(0.0, span)).read("x|xp|pos")
    v = e.field("velocities|v|vel", vec, R.uniform(-1.0, 1.0)).read("v|vp") if current else None
    e.guard()
    q = e.property("charge|weight|macro_charge", 0.1, 2.0)
    lead = () if e.world is None else (e.world,)
    full = shape if e.worlds is None else (e.worlds, *shape)
    grid = k.out(
        "j_grid|current|j_out" if current else "rho|charge_grid|density",
        vec if current else p.real,
        full,
    )
    h = k.param("dx|h|cell_size", 0.5, 0.6)
    amount = q if p.chance(0.5) else q * k.param("inv_volume|inv_cell|norm", 0.5, 2.0)
    amount = amount if v is None else v * amount
    sizes = _grid_sizes(p, k, grid, axes, len(lead), shape)

    def add(where: tuple[Expr, ...], value: Expr) -> None:
        if p.augmented_atomics:
            k.aug(grid[(*lead, *where)], "+", value)
        else:
            k.do(wp.atomic_add(grid, *lead, *where, value))

    if axes == 1:
        g = k.let("g|xg|s", x / h)
        i = k.let("i|cell|i0", construct(T.I32, wp.floor(g)))
        f = k.let("f|w|frac", g - construct(p.real, i))
        right = (i + 1) % sizes[0] if p.chance(0.5) else wp.min(i + 1, sizes[0] - 1)
        add((wp.clamp(i, 0, sizes[0] - 1) if p.chance(0.4) else i,), amount * (1.0 - f))
        add((right,), amount * f)
        return
    periodic = p.chance(0.4)
    if p.chance(0.2):
        where = [
            k.let(f"i{c}|n{c}", wp.clamp(construct(T.I32, wp.round(x[a] / h)), 0, sizes[a] - 1))
            for a, c in enumerate("xyz"[:axes])
        ]
        add(tuple(where), amount)
        return
    base, frac = _cell(p, k, x, axes, h, sizes, periodic)
    if p.chance(0.4):
        one = lift(1.0, p.real)
        with k.loop("a|di", 2) as a, k.loop("b|dj", 2) as b:
            if axes == 3:
                with k.loop("c|dk", 2) as c:
                    _looped(k, [a, b, c], frac, base, sizes, periodic, add, amount, one)
            else:
                _looped(k, [a, b], frac, base, sizes, periodic, add, amount, one)
        return
    for bits, weight in _corners(p, axes, frac):
        add(_node(base, bits, sizes, periodic), amount * weight)


def _looped(
    k: KernelBuilder,
    steps: list[Expr],
    frac: list[Expr],
    base: list[Expr],
    sizes: list[Expr],
    periodic: bool,
    add: object,
    amount: Expr,
    one: Expr,
) -> None:
    weight = None
    for s, f in zip(steps, frac, strict=True):
        part = choose(s == 0, one - f, f)
        weight = part if weight is None else weight * part
    assert weight is not None
    w = k.let("w|weight|share", weight)
    where = [i + s for i, s in zip(base, steps, strict=True)]
    if periodic:
        where = [(i + n) % n for i, n in zip(where, sizes, strict=True)]
    add(tuple(where), amount * w)  # type: ignore[operator]


def gather_push(p: ProgramBuilder) -> None:
    """Fields interpolated to the particles, then a push and a move in the plane or in space."""
    k = p.kernel_builder(
        "gather_and_push|push_from_grid|interpolate_and_push|pic_push|move_particles",
        p.pick(
            "Gather the field, push, move.",
            "Particle step of an electrostatic PIC code.",
            "Field gather and leapfrog push.",
        ),
    )
    e = Entities(k, "particle")
    axes = p.pick(2, 2, 3)
    shape = tuple(16 if axes == 2 else 8 for _ in range(axes))
    span = (shape[0] - 1) * 0.5
    x_io, v_io = (
        e.inout("positions|x|pos", p.vec(axes), R.uniform(0.0, span)),
        e.inout("velocities|v|vel", p.vec(axes), R.uniform(-1.0, 1.0)),
    )
    lead = () if e.world is None else (e.world,)
    full = shape if e.worlds is None else (e.worlds, *shape)
    grid = k.array("e_grid|E|e_nodes", p.vec(axes), full, R.uniform(-1.0, 1.0))
    magnetic = (
        k.array("bz_grid|Bz|b_nodes", p.real, full, R.uniform(-1.0, 1.0))
        if axes == 2 and p.chance(0.5)
        else None
    )
    e.guard()
    x, v = x_io.read("x|xp"), v_io.read("v|vp")
    h = k.param("dx|h|cell_size", 0.5, 0.6)
    sizes = _grid_sizes(p, k, grid, axes, len(lead), shape)
    periodic = p.chance(0.5)
    base, frac = _cell(p, k, x, axes, h, sizes, periodic)
    ef = k.let("ef|e_p|force", construct(p.vec(axes), 0.0))
    bz = k.var("bz|b_p", 0.0, p.real) if magnetic is not None else None
    for bits, weight in _corners(p, axes, frac):
        at = (*lead, *_node(base, bits, sizes, periodic))
        if bz is not None and magnetic is not None:
            w = k.let(f"w{''.join(map(str, bits))}", weight)
            k.aug(ef, "+", grid[at] * w)
            k.aug(bz, "+", magnetic[at] * w)
        else:
            k.aug(ef, "+", grid[at] * weight)
    qm, dt = (
        e.property("charge_to_mass|q_over_m|qm", 0.5, 2.0),
        e.world_param("dt|time_step", 0.01, 0.2),
    )
    k.step(p.pick("", "push", "kick and drift"))
    if bz is not None:
        v = _planar_boris(p, k, v, ef, bz, k.let("half|h2", 0.5 * qm * dt))
    else:
        v = k.let("v_new|v1", v + ef * (qm * dt))
    _move(p, k, x_io, v_io, x, v, dt, axes, span)


def _planar_boris(
    p: ProgramBuilder, k: KernelBuilder, v: Expr, ef: Expr, bz: Expr, half: Expr
) -> Expr:
    minus = k.let("v_minus|vm", v + ef * half)
    t = k.let("t|tz", bz * half)
    s = k.let("s|sz", 2.0 * t / (1.0 + t * t))
    px, py = k.let("px|vpx", minus[0] + minus[1] * t), k.let("py|vpy", minus[1] - minus[0] * t)
    plus = construct(p.vec(2), minus[0] + py * s, minus[1] - px * s)
    return k.let("v_new|v1", plus + ef * half)


def _move(
    p: ProgramBuilder,
    k: KernelBuilder,
    x_io: Field,
    v_io: Field,
    x: Expr,
    v: Expr,
    dt: Expr,
    axes: int,
    span: float,
) -> None:
    moved = k.let("x_new|x1", x + v * dt)
    form = p.pick("wrap", "reflect", "absorb", "free")
    if form != "free":
        size = k.param("length|box_size|domain_length", span, span)
    if form == "wrap":
        moved = construct(
            p.vec(axes), *[moved[a] - wp.floor(moved[a] / size) * size for a in range(axes)]
        )
    elif form == "reflect":
        for a in range(axes):
            with k.when(moved[a] < 0.0):
                k.set(moved[a], -moved[a])
                k.set(v[a], -v[a])
            with k.elsewhen(moved[a] > size):
                k.set(moved[a], 2.0 * size - moved[a])
                k.set(v[a], -v[a])
    elif form == "absorb":
        lost = k.out("num_lost|absorbed|lost_count", T.I32, (1,))
        with k.when(any_of(*[t for a in range(axes) for t in (moved[a] < 0.0, moved[a] > size)])):
            k.do(wp.atomic_add(lost, 0, 1))
            v_io.store(construct(p.vec(axes), 0.0))
            k.ret()
    x_io.store(moved)
    v_io.store(v)


def grid_field(p: ProgramBuilder) -> None:
    """Electric field from a potential, or charge density smoothed on the grid."""
    smooth = p.chance(0.35)
    k = p.kernel_builder(
        "smooth_density|binomial_filter|filter_charge"
        if smooth
        else "field_from_potential|gradient_e|solve_e|e_from_phi",
        p.pick("Binomial filter of the charge density.", "Smooth the deposited charge.")
        if smooth
        else p.pick("E = -grad phi.", "Electric field from the potential."),
    )
    axes = 2 if smooth or p.chance(0.6) else 3
    g = open_grid(p, k, axes)
    if smooth:
        rho = g.field("rho|charge", p.real, R.uniform(-1.0, 1.0))
        out = g.out("rho_out|rho_smooth", p.real)
        border_exit(p, g, (out, rho.own))
        edges, corners = (
            rho[0, 1] + rho[0, -1] + rho[1, 0] + rho[-1, 0],
            rho[1, 1] + rho[1, -1] + rho[-1, 1] + rho[-1, -1],
        )
        value = k.let(
            "filtered|value",
            (4.0 * rho.own + 2.0 * k.let("edges|cross", edges) + k.let("corners|diag", corners))
            / 16.0,
        )
        if p.chance(0.5):
            alpha = k.param("alpha|compensation|strength", 0.2, 1.0)
            value = rho.own + alpha * (value - rho.own)
        out.store(value)
        monitor(p, g, value, "charge", 0.4)
        return
    phi = g.field("phi|potential", p.real, R.uniform(-1.0, 1.0))
    out = g.out("e_field|E|e_out", p.vec(axes))
    border_exit(p, g, (out, construct(p.vec(axes), 0.0)))
    h = spacings(p, g)
    parts = []
    for a in range(axes):
        step = tuple(1 if q == a else 0 for q in range(axes))
        parts.append((phi[tuple(-s for s in step)] - phi[step]) / (2.0 * h[a]))
    # In the plane the last axis is x, so the parts are reversed there.
    parts = parts[::-1] if axes == 2 else parts
    value = k.let("e|ef|e_c", construct(p.vec(axes), *parts))
    if p.chance(0.4):
        value = value + (k.quantity("e_external|e_bias|e_ext", p.vec(axes), [0.1] * axes))
    out.store(value)
    if p.chance(0.4):
        energy = k.out("field_energy|energy|e_energy", p.real, (1,))
        k.do(wp.atomic_add(energy, 0, 0.5 * wp.dot(out.own, out.own)))
