"""Yee grids: staggered electric and magnetic fields in two and three dimensions."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

Index = tuple[Expr, ...]


class Components:
    """The three components of a field; `field[a]` is the array that holds component `a`."""

    def __init__(self, grid: "Yee", letter: str, role: str) -> None:
        self._grid, self._letter, self._role = grid, letter, role
        self._arrays: dict[int, Name] = {}

    def __getitem__(self, a: int) -> Name:
        slot = 0 if self._grid.vectors else a
        if slot not in self._arrays:
            self._arrays[slot] = self._grid.component(self._letter, a, self._role)
        return self._arrays[slot]


class Yee:
    """A Yee grid of three axes: components as arrays of their own or as one array of vectors."""

    def __init__(self, p: ProgramBuilder, k: KernelBuilder, reads_only: bool = False) -> None:
        if p.fusing:
            self._adopt(k, reads_only)
            return
        self.p, self.k = p, k
        k.layout = self if reads_only else None
        self.shape = tuple(p.pick(8, 9, 10, 12) for _ in range(3))
        self.vectors = p.chance(0.35)
        self._given = p.chance(0.5)
        self._left: set[int] = set()
        self._fields: dict[tuple[str, str], Components] = {}
        self._extents: dict[int, Expr] = {}
        self._known: Expr | None = None
        hints = p.pick(["i", "j", "k"], ["i", "j", "k"], ["ix", "iy", "iz"], ["x", "y", "z"])
        self.at: Index = (
            self._flat_launch(hints) if p.chance(0.2) else tuple(threads(k, hints, self.shape))
        )

    def _adopt(self, k: KernelBuilder, reads_only: bool) -> None:
        """Shares the threads and the fields of the step before, where both only read fields."""
        if not reads_only or not isinstance(k.layout, Yee):
            raise CannotFuse
        self.__dict__ = k.layout.__dict__
        k.adopt()

    def _flat_launch(self, hints: list[str]) -> Index:
        """Cells from one running index."""
        k, p = self.k, self.p
        nx, ny, nz = self.shape
        t = threads(k, ["tid|cell|idx"], (nx * ny * nz + p.pick(0, 0, 32),))[0]
        ey, ez = k.scalar("ny|dim_y", T.I32, ny), k.scalar("nz|dim_z", T.I32, nz)
        self._extents |= {1: ey, 2: ez}
        if k.launch_dim != (nx * ny * nz,):
            with k.when(t >= k.scalar("num_cells|n_cells|total", T.I32, nx * ny * nz)):
                k.ret()
        third = k.let(hints[2], t % ez)
        second = k.let(hints[1], (t // ez) % ey)
        return (k.let(hints[0], t // (ey * ez)), second, third)

    def field(self, letter: str, role: str = "in") -> "Components":
        """The components of a field, made as they are asked for."""
        if (letter, role) not in self._fields:
            self._fields[letter, role] = Components(self, letter, role)
        return self._fields[letter, role]

    def component(self, letter: str, a: int, role: str) -> Name:
        """The array of one component, or of all where the layout has vectors."""
        k, p, fill = self.k, self.p, R.uniform(-1.0, 1.0)
        if self.vectors:
            array = k.array(
                f"{letter}|{letter}_field|{letter.lower()}_vec", p.vec(3), self.shape, fill, role
            )
        else:
            array = k.array(
                f"{letter}{'xyz'[a]}|{letter.lower()}_{'xyz'[a]}", p.real, self.shape, fill, role
            )
        self._known = array
        return array

    def cells(self, hint: str, fill: R.Fill, dtype: T.Type | None = None, role: str = "in") -> Name:
        """An array over cells."""
        return self.k.array(hint, dtype or self.p.real, self.shape, fill, role)

    def get(self, field: Components, a: int, axis: int | None = None, step: int = 0) -> Expr:
        """Component `a`, `step` cells away along `axis`."""
        where = list(self.at)
        if axis is not None and step:
            where[axis] = where[axis] + step if step > 0 else where[axis] - abs(step)
        element = field[a][tuple(where)]
        return element[a] if self.vectors else element

    def extent(self, a: int) -> Expr:
        if a not in self._extents:
            if self._given or self._known is None:
                self._extents[a] = self.k.scalar(
                    f"n{'xyz'[a]}|dim_{'xyz'[a]}", T.I32, self.shape[a]
                )
            else:
                self._extents[a] = self._known.dim(a)
        return self._extents[a]

    def edge_exit(self, step: int) -> None:
        """Leaves where the neighbour one `step` away along some axis does not exist; once per program."""
        if step in self._left:
            return
        self._left.add(step)
        if step < 0:
            tests = [i == 0 for i in self.at] if self.p.chance(0.6) else [i < 1 for i in self.at]
        else:
            tests = [i >= self.extent(a) - 1 for a, i in enumerate(self.at)]
        with self.k.when(any_of(*tests)):
            self.k.ret()

    def spacings(self) -> list[Expr]:
        """1 / spacing along each axis."""
        k, p = self.k, self.p
        match p.pick("one", "one", "each", "ready", "vector"):
            case "one":
                h = k.let("inv_dx|rdx|inv_h", 1.0 / k.param("dx|h|cell_size|ds", 0.5, 2.0))
                return [h] * 3
            case "ready":
                return [k.param("inv_dx|rdx|inv_h", 0.5, 2.0)] * 3
            case "each":
                return [k.param(f"inv_d{c}|rd{c}", 0.5, 2.0) for c in "xyz"]
        v = k.quantity("inv_spacing|rd|inv_cell", p.vec(3), [p.nice(0.5, 2.0) for _ in range(3)])
        return [v[a] for a in range(3)]

    def curl(self, field: Components, a: int, inv: list[Expr], step: int) -> Expr:
        """Component `a` of the curl, by one-sided differences in the direction of `step`."""
        b, c = (a + 1) % 3, (a + 2) % 3

        def difference(component: int, axis: int) -> Expr:
            here, there = self.get(field, component), self.get(field, component, axis, step)
            return (there - here) if step > 0 else (here - there)

        d1, d2 = difference(c, b), difference(b, c)
        if inv[0] is inv[1]:
            return (d1 - d2) * inv[0]
        return d1 * inv[b] - d2 * inv[c]


def gaussian_pulse(p: ProgramBuilder, k: KernelBuilder) -> Expr:
    """A source waveform at the present time."""
    t = k.param("t|time|sim_time", 0.5, 6.0)
    form = p.pick("gaussian", "derivative", "modulated", "ramped")

    def body(b: object, time: Expr, center: Expr, tau: Expr) -> Expr:
        a = b.let("a|arg|s", (time - center) / tau)  # type: ignore[attr-defined]
        if form == "derivative":
            return -2.0 * a * wp.exp(-a * a)
        return wp.exp(-a * a)

    width = k.param("tau|pulse_width|spread", 0.5, 2.0)
    if form == "ramped":
        freq = k.param("freq|f0|frequency", 0.1, 2.0)
        return (1.0 - wp.exp(-t / width)) * wp.sin(6.283185307 * freq * t)
    t0 = k.param("t0|delay|t_center", 1.0, 4.0)
    pulse = piece(
        p,
        k,
        "gaussian_pulse|pulse|waveform|source_waveform",
        {"t|time": t, "t0|center": t0, "tau|width": width},
        body,
    )
    if form == "modulated":
        return pulse * wp.cos(6.283185307 * k.param("freq|f0|carrier", 0.1, 2.0) * (t - t0))
    return pulse


def position(p: ProgramBuilder, at: Index) -> Expr:
    """Cell indices as a point."""
    return construct(p.vec(len(at)), *[construct(p.real, i) for i in at])
