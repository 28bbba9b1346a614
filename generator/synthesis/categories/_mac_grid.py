"""Staggered (MAC) grids: divergence, pressure solve, projection, cell flags, walls, extrapolation."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name

Index = tuple[Expr, ...]


class Mac:
    """A staggered grid of two or three axes; component `a` lives on the faces across axis `a`."""

    def __init__(
        self, p: ProgramBuilder, k: KernelBuilder, axes: int | None = None, over: str = "cells"
    ) -> None:
        if p.fusing:
            self._adopt(k, axes, over)
            return
        self.p, self.k, self.over = p, k, over
        k.layout = self
        self.axes = axes or (2 if p.chance(0.65) else 3)
        self.shape = tuple(
            p.pick(16, 20, 24, 32) if self.axes == 2 else p.pick(8, 9, 10) for _ in range(self.axes)
        )
        # Axis 0 is x in this layout, as fluid codes with u[i, j], v[i, j] have it.
        self.names = ("u", "v", "w")[: self.axes]
        self.batch = p.pick(2, 3) if p.on("batched") and p.chance(0.5) else None
        self.lead: Index = ()
        self.flags: Expr | None = None
        self._by_value = p.chance(0.5)  # solid == 1 rather than solid != 0
        hints = p.pick(["i", "j", "k"], ["x", "y", "z"], ["ix", "iy", "iz"], ["ci", "cj", "ck"])[
            : self.axes
        ]
        extra = 1 if over == "faces" else 0
        launch = tuple(n + extra for n in self.shape)
        if self.batch is None:
            self.at: Index = tuple(threads(k, hints, launch))
        else:
            world, *rest = threads(k, ["env|world|b|batch", *hints], (self.batch, *launch))
            self.lead, self.at = (world,), tuple(rest)
        self._extents: dict[int, Expr] = {}

    def _adopt(self, k: KernelBuilder, axes: int | None, over: str) -> None:
        """Shares the threads of the step before."""
        layout = k.layout
        if not isinstance(layout, Mac) or axes not in (None, layout.axes) or over != layout.over:
            raise CannotFuse
        self.__dict__ = layout.__dict__
        k.adopt()

    def array(
        self, hint: str, dtype: T.Type, shape: tuple[int, ...], fill: R.Fill, role: str = "in"
    ) -> Name:
        return self.k.array(
            hint, dtype, shape if self.batch is None else (self.batch, *shape), fill, role
        )

    def cells(self, hint: str, dtype: T.Type, fill: R.Fill, role: str = "in") -> Name:
        """An array over cells."""
        return self.array(hint, dtype, self.shape, fill, role)

    def velocity(self, a: int, role: str = "in") -> Name:
        """The velocity component on the faces across axis `a`."""
        shape = tuple(n + (1 if b == a else 0) for b, n in enumerate(self.shape))
        word = self.names[a]
        return self.array(
            f"{word}|{word}_face|vel_{'xyz'[a]}", self.p.real, shape, R.uniform(-1.0, 1.0), role
        )

    def read(self, array: Expr, where: Index | None = None) -> Expr:
        return array[(*self.lead, *(where or self.at))]

    def moved(self, a: int, step: int) -> Index:
        """This thread's indices, `step` further along axis `a`."""
        i = self.at[a]
        return (
            *self.at[:a],
            i if step == 0 else i + step if step > 0 else i - abs(step),
            *self.at[a + 1 :],
        )

    def extent(self, a: int, known: Expr) -> Expr:
        """Number of cells along an axis; `known` is an array over cells to ask."""
        if a not in self._extents:
            word = "xyz"[a]
            given = self.p.chance(0.5)
            self._extents[a] = (
                self.k.scalar(f"n{word}|res_{word}", T.I32, self.shape[a])
                if given
                else known.dim(a + len(self.lead))
            )
        return self._extents[a]

    def solid(self) -> Expr:
        """The array of solid flags."""
        if self.flags is None:
            dtype = self.p.pick(T.I32, T.I32, T.U8)
            self.flags = self.cells("solid|obstacle|is_solid|wall", dtype, R.mask(0.15))
        return self.flags

    def is_solid(self, where: Index | None = None) -> Expr:
        cell = self.read(self.solid(), where)
        one = construct(T.U8, 1) if cell.type == T.U8 else 1
        return cell == one if self._by_value or cell.type == T.U8 else cell != 0


def _total(terms: list[Expr]) -> Expr:
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    return total


def faces(p: ProgramBuilder) -> None:
    """Divergence of face velocities, or velocities averaged to cell centres."""
    centre = p.chance(0.3)
    k = p.kernel_builder(
        "center_velocity|faces_to_centers|interpolate_to_cells"
        if centre
        else "divergence|compute_divergence|mac_divergence|build_rhs",
        p.pick("Velocities averaged to cell centres.", "")
        if centre
        else p.pick(
            "Divergence of the face velocities.", "Right-hand side of the pressure equation."
        ),
    )
    m = Mac(p, k)
    vel = [m.velocity(a) for a in range(m.axes)]
    out = m.cells(
        "center_vel|vel_cell" if centre else "div|div_out|rhs",
        p.vec(m.axes) if centre else p.real,
        R.zeros(),
        "out",
    )
    if p.chance(0.45):
        with k.when(m.is_solid()):
            k.set(m.read(out), construct(p.vec(m.axes), 0.0) if centre else 0.0)
            k.ret()
    pairs = [(m.read(u), m.read(u, m.moved(a, 1))) for a, u in enumerate(vel)]
    if centre:
        form = p.pick("half", "half", "mean", "named")
        parts = [
            0.5 * (lo + hi)
            if form == "half"
            else (lo + hi) / 2.0
            if form == "mean"
            else k.let(f"{w}_c|{w}_mid", 0.5 * (lo + hi))
            for w, (lo, hi) in zip("uvw", pairs, strict=False)
        ]
        c = (
            k.let("v|vel_c", construct(p.vec(m.axes), *parts))
            if p.chance(0.5)
            else construct(p.vec(m.axes), *parts)
        )
        k.set(m.read(out), c)
        if p.chance(0.3):
            energy = k.out("kinetic_energy|energy|total_ke", p.real, (m.batch or 1,))
            k.do(wp.atomic_add(energy, m.lead[0] if m.lead else 0, 0.5 * wp.dot(c, c)))
        if p.chance(0.5):
            speed = m.cells("speed|speed_out", p.real, R.zeros(), "out")
            k.set(m.read(speed), wp.length(c))
        return
    h = (
        k.param("inv_dx|inv_h|rdx", 0.5, 2.0)
        if p.chance(0.5)
        else 1.0 / k.param("dx|h|cell_size", 0.5, 2.0)
    )
    if p.chance(0.4):
        names = [
            k.let(f"d{w}|d{w}_d{c}", hi - lo)
            for w, c, (lo, hi) in zip("uvw", "xyz", pairs, strict=False)
        ]
        div = _total(names) * h
    elif p.chance(0.5):
        div = _total([hi - lo for lo, hi in pairs]) * h
    else:
        acc = k.var("acc|total|flux", 0.0, p.real)
        for a, (lo, hi) in enumerate(pairs):
            if m.flags is not None and p.chance(0.6):
                with k.when(m.at[a] > 0 if p.chance(0.5) else m.at[a] < m.extent(a, out) - 1):
                    k.aug(acc, "+", hi - lo)
            else:
                k.aug(acc, "+", hi - lo)
        div = acc * h
    d = k.let("d|div_c|value", div)
    if p.chance(0.4):
        dt = k.param("dt|time_step", 0.05, 0.5)
        d = k.let(
            "rhs_c|scaled|b",
            d * (k.param("rho|density", 0.5, 2.0) / dt) if p.chance(0.5) else d / dt,
        )
    k.set(m.read(out), d)
    if p.chance(0.35):
        worst = k.out("max_div|div_max|residual", p.real, (m.batch or 1,))
        k.do(wp.atomic_max(worst, m.lead[0] if m.lead else 0, wp.abs(d)))


def project(p: ProgramBuilder) -> None:
    """Subtracts the pressure gradient from face velocities."""
    k = p.kernel_builder(
        "subtract_gradient|project_velocity|apply_pressure|pressure_projection|make_divergence_free",
        p.pick(
            "Subtract the pressure gradient from the face velocities.",
            "Projection: velocities become divergence-free.",
            "Pressure update of the face velocities.",
        ),
    )
    m = Mac(p, k)
    pressure = m.cells("pressure|p|phi", p.real, R.uniform(-1.0, 1.0))
    vel = [m.velocity(a, "inout") for a in range(m.axes)]
    walls = p.chance(0.55)
    scale = _projection_scale(p, k)
    here = k.let("p_c|p0|pc", m.read(pressure)) if p.chance(0.6) else m.read(pressure)
    function = None
    if p.chance(0.35):
        function = p.func(
            "face_gradient|pressure_drop|grad_p",
            {"p_hi|pr|a": p.real, "p_lo|pl|b": p.real, "scale|k|dt_rho_dx": p.real},
            lambda b, x, y, s: b.ret(s * (x - y)),
        )
    if walls and p.chance(0.5):
        with k.when(m.is_solid()):
            for u in vel:
                k.set(m.read(u), 0.0)
            k.ret()
    for a, u in enumerate(vel):
        with k.when(m.at[a] > 0):
            back = m.moved(a, -1)
            low = m.read(pressure, back)
            drop = function(here, low, scale) if function else scale * (here - low)
            if not walls:
                k.set(m.read(u), m.read(u) - drop) if p.chance(0.5) else k.aug(m.read(u), "-", drop)
                continue
            with k.when(
                any_of(m.is_solid(), m.is_solid(back)) if p.chance(0.5) else m.is_solid(back)
            ):
                k.set(m.read(u), 0.0)
            with k.otherwise():
                k.set(m.read(u), m.read(u) - drop)
        if p.chance(0.35):
            with k.otherwise():
                k.set(m.read(u), 0.0)


def _projection_scale(p: ProgramBuilder, k: KernelBuilder) -> Expr:
    if p.chance(0.35):
        return k.param("scale|dt_over_rho_dx|grad_scale", 0.1, 2.0)
    dt, h = k.param("dt|time_step", 0.01, 0.5), k.param("dx|h|cell_size", 0.5, 2.0)
    if p.chance(0.5):
        return k.let("scale|factor|coef", dt / (k.param("rho|density", 0.5, 2.0) * h))
    return k.let("scale|factor|coef", dt / h)


def pressure_solve(p: ProgramBuilder) -> None:
    """A relaxation sweep of the pressure equation with solid and free-surface cells."""
    k = p.kernel_builder(
        "pressure_jacobi|pressure_iteration|solve_pressure|jacobi_pressure|relax_pressure",
        p.pick(
            "Jacobi sweep with solid neighbours treated as walls.",
            "One pressure iteration.",
            "Pressure relaxation on flagged cells.",
        ),
    )
    m = Mac(p, k)
    pressure = m.cells("p_in|pressure|p_old", p.real, R.uniform(-1.0, 1.0))
    div = m.cells("div|rhs|divergence", p.real, R.uniform(-0.5, 0.5))
    out = m.cells("p_out|pressure_new|p_next", p.real, R.zeros(), "out")
    if p.chance(0.7):
        with k.when(m.is_solid()):
            if p.chance(0.4):
                k.set(m.read(out), 0.0)
            k.ret()
    damped, watched = p.chance(0.35), p.chance(0.3)
    here = k.let("p_c|center|p0", m.read(pressure)) if damped or watched else None
    total, count = k.var("total|p_sum|acc", 0.0, p.real), k.var("count|n|diag", 0.0, p.real)
    steps = p.pick((-1, 1), (1, -1))
    mirrored = m.flags is None and p.chance(0.3)  # walls mirror the cell's own pressure
    for a in range(m.axes):
        for step in steps:
            if mirrored:
                edge = (
                    wp.max(m.at[a] - 1, 0)
                    if step < 0
                    else wp.min(m.at[a] + 1, m.extent(a, out) - 1)
                )
                k.aug(total, "+", m.read(pressure, (*m.at[:a], edge, *m.at[a + 1 :])))
                k.aug(count, "+", 1.0)
                continue
            inside = m.at[a] > 0 if step < 0 else m.at[a] < m.extent(a, out) - 1
            _neighbour_pressure(m, pressure, m.moved(a, step), inside, total, count)
    if p.chance(0.5):
        h2 = k.param("dx2|h2|scale", 0.3, 2.0)
    else:
        h = k.param("dx|h|cell_size", 0.3, 1.5)
        h2 = h * h if p.chance(0.5) else k.let("h_sq|hh", h * h)
    rhs = m.read(div)
    if p.chance(0.35):
        rhs = rhs * (k.param("rho|density", 0.5, 2.0) / k.param("dt|time_step", 0.1, 1.0))
    with k.when(count > 0.0):
        new = k.let("p_new|relaxed|value", (total - h2 * rhs) / count)
        if damped and here is not None:
            omega = k.param("omega|relaxation|w", 0.5, 1.0)
            k.set(m.read(out), here + omega * (new - here))
        else:
            k.set(m.read(out), new)
        if watched and here is not None:
            change = k.out("residual|max_change|error", p.real, (1,))
            k.do(wp.atomic_max(change, 0, wp.abs(new - here)))


def _neighbour_pressure(
    m: Mac, pressure: Expr, there: Index, inside: Expr, total: Expr, count: Expr
) -> None:
    k = m.k
    if m.flags is None:
        with k.when(inside):
            k.aug(total, "+", m.read(pressure, there))
            k.aug(count, "+", 1.0)
        return
    solid = m.read(m.flags, there)
    open_cell = solid == (construct(T.U8, 0) if solid.type == T.U8 else 0)
    with k.when(inside), k.when(open_cell):
        k.aug(total, "+", m.read(pressure, there))
        k.aug(count, "+", 1.0)


def classify(p: ProgramBuilder) -> None:
    """Cell types from particles or a level set: solid, fluid or air."""
    k = p.kernel_builder(
        "classify_cells|mark_cells|update_cell_flags|tag_cells",
        p.pick(
            "Mark every cell as solid, fluid, surface or air.", "Cell flags for the pressure solve."
        ),
    )
    m = Mac(p, k)
    fluid, air = p.const("FLUID|CELL_FLUID", 1), p.const("AIR|CELL_AIR|EMPTY", 0)
    solid = p.const("SOLID|CELL_SOLID|WALL", 2)
    low = p.chance(0.65)
    surface = p.const("SURFACE|CELL_SURFACE", 3) if low and p.chance(0.6) else None
    by_level = p.chance(0.5)
    source = (
        m.cells("phi|level_set|liquid_sdf", p.real, R.uniform(-1.0, 1.0))
        if by_level
        else m.cells("particle_count|num_in_cell|counts", T.I32, R.integers(0, 4))
    )
    flags = m.cells("flags|cell_type|cell_flags", T.I32, R.zeros(), "out")

    def wet(where: Index) -> Expr:
        value = m.read(source, where)
        return value < 0.0 if by_level else value > 0

    if low:
        border = [
            t for a in range(m.axes) for t in (m.at[a] == 0, m.at[a] == m.extent(a, flags) - 1)
        ]
        with k.when(any_of(*border)):
            k.set(m.read(flags), solid)
            k.ret()
    flag = k.var("flag|kind|cell", air)
    with k.when(m.is_solid()):
        k.set(flag, solid)
    with k.elsewhen(wet(m.at)):
        k.set(flag, fluid)
        if surface is not None:
            dry = [_dry(by_level, m, source, m.moved(a, s)) for a in range(m.axes) for s in (-1, 1)]
            with k.when(any_of(*dry)):
                k.set(flag, surface)
    k.set(m.read(flags), flag)
    if p.chance(0.5):
        count = k.out("num_fluid|fluid_cells|wet_count", T.I32, (m.batch or 1,))
        with k.when(
            any_of(flag == fluid, flag == surface) if surface is not None else flag == fluid
        ):
            k.do(wp.atomic_add(count, m.lead[0] if m.lead else 0, 1))


def _dry(by_level: bool, m: Mac, source: Expr, where: Index) -> Expr:
    value = m.read(source, where)
    return value >= 0.0 if by_level else value == 0


def wall_faces(p: ProgramBuilder) -> None:
    """Face velocities at solid walls: no-through, no-slip or moving walls."""
    k = p.kernel_builder(
        "enforce_walls|set_solid_velocity|constrain_velocity|apply_wall_bc|boundary_velocity",
        p.pick(
            "Faces that touch a solid take the wall's velocity.",
            "No-through condition at solid faces.",
        ),
    )
    m = Mac(p, k)
    vel = [m.velocity(a, "inout") for a in range(m.axes)]
    moving = (
        m.cells("solid_velocity|wall_velocity|obstacle_vel", p.vec(m.axes), R.uniform(-0.5, 0.5))
        if p.chance(0.4)
        else None
    )
    m.solid()
    helper = None
    if p.chance(0.4):
        helper = _touches(p, m)
    for a, u in enumerate(vel):
        back = m.moved(a, -1)
        with k.when(m.at[a] == 0):
            inflow = (
                k.param("inflow|inlet_speed|u_in", 0.2, 2.0) if a == 0 and p.chance(0.5) else None
            )
            k.set(m.read(u), 0.0 if inflow is None else inflow)
        test = (
            helper(m.flags, *m.lead, *m.at, *back)
            if helper
            else any_of(m.is_solid(), m.is_solid(back))
        )
        with k.elsewhen(test):
            k.set(
                m.read(u),
                0.0
                if moving is None
                else m.read(moving)[a]
                if p.chance(0.5)
                else 0.5 * (m.read(moving)[a] + m.read(moving, back)[a]),
            )
        if p.chance(0.3):
            with k.otherwise():
                k.set(m.read(u), m.read(u) * k.param("friction|slip|wall_damping", 0.9, 0.999))


def _touches(p: ProgramBuilder, m: Mac) -> UserFunction:
    """Whether either of two cells is solid."""
    flags = m.solid()
    letters = "ijk"[: m.axes]
    params: dict[str, T.Type] = {"solid|flags|cells": flags.type}
    params |= {"env|b": T.I32} if m.lead else {}
    params |= dict.fromkeys(letters, T.I32) | {f"{c}b|{c}2": T.I32 for c in letters}

    def body(b: Block, array: Expr, *rest: Expr) -> None:
        lead, where = rest[: len(m.lead)], rest[len(m.lead) :]
        one = construct(T.U8, 1) if array.type.dtype == T.U8 else 1
        b.ret(
            any_of(array[(*lead, *where[: m.axes])] == one, array[(*lead, *where[m.axes :])] == one)
        )

    return p.func("touches_solid|face_is_blocked|is_wall_face", params, body)


def extrapolate(p: ProgramBuilder) -> None:
    """Velocities carried from known faces into unknown ones, one layer at a time."""
    k = p.kernel_builder(
        "extrapolate_velocity|extend_velocity|sweep_extrapolate|fill_unknown",
        p.pick(
            "Average of known neighbours for faces without a velocity.",
            "One layer of velocity extrapolation.",
        ),
    )
    m = Mac(p, k)
    dtype = p.real if p.chance(0.7) else p.vec(m.axes)
    vel = m.cells("vel|u|velocity", dtype, R.uniform(-1.0, 1.0))
    valid = m.cells("valid|known|marked", T.I32, R.mask(0.5))
    out, valid_out = (
        m.cells("vel_out|u_out|velocity_new", dtype, R.zeros(), "out"),
        m.cells("valid_out|known_out|marked_new", T.I32, R.zeros(), "out"),
    )
    if p.chance(0.3):
        with k.when(m.is_solid()):
            k.set(m.read(valid_out), 0)
            k.ret()
    with k.when(m.read(valid) == 1 if p.chance(0.5) else m.read(valid) != 0):
        k.set(m.read(out), m.read(vel))
        k.set(m.read(valid_out), 1)
        k.ret()
    total = (
        k.var("total|acc|vel_sum", 0.0, p.real)
        if dtype == p.real
        else k.let("total|acc|vel_sum", construct(dtype, 0.0))
    )
    count = k.var("count|n_known|hits", 0)
    if m.axes == 2 and p.chance(0.45):
        with k.loop("di|dx|a", -1, 2) as di, k.loop("dj|dy|b", -1, 2) as dj:
            i, j = k.let("ni|ii|xi", m.at[0] + di), k.let("nj|jj|yj", m.at[1] + dj)
            with k.when(any_of(i < 0, j < 0, i >= m.extent(0, out), j >= m.extent(1, out))):
                k.cont()
            with k.when(m.read(valid, (i, j)) == 1):
                k.aug(total, "+", m.read(vel, (i, j)))
                k.aug(count, "+", 1)
    else:
        for a in range(m.axes):
            for step in (-1, 1):
                there = m.moved(a, step)
                inside = m.at[a] > 0 if step < 0 else m.at[a] < m.extent(a, out) - 1
                _collect(p, m, vel, valid, there, inside, total, count)
    least = p.pick(0, 0, 1, 2)
    with k.when(count > least):
        mean = total / construct(p.real, count)
        if p.chance(0.3):
            mean = mean * k.param("fade|damping|extrap_decay", 0.8, 1.0)
        k.set(m.read(out), mean)
        k.set(m.read(valid_out), p.pick(1, 1, choose(count > 3, 2, 1)))
    if p.chance(0.3):
        with k.otherwise():
            k.set(m.read(out), m.read(vel) if p.chance(0.5) else construct(dtype, 0.0))
    if p.chance(0.3):
        filled = k.out("num_filled|filled|newly_valid", T.I32, (m.batch or 1,))
        with k.when(count > least):
            k.do(wp.atomic_add(filled, m.lead[0] if m.lead else 0, 1))


def _collect(
    p: ProgramBuilder,
    m: Mac,
    vel: Expr,
    valid: Expr,
    there: Index,
    inside: Expr,
    total: Expr,
    count: Expr,
) -> None:
    k = m.k
    with k.when(inside), k.when(m.read(valid, there) == 1):
        k.aug(total, "+", m.read(vel, there))
        k.aug(count, "+", 1)
