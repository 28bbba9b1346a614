"""Lattices of the Boltzmann method: D2Q9 and D3Q19 directions, weights and array layouts."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, Operand, lift

Index = tuple[Expr, ...]

D2Q9 = [(0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1)]
D2Q5 = D2Q9[:5]
D3Q19 = [
    (0, 0, 0), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1), (1, 1, 0), (-1, -1, 0), (1, -1, 0),
    (-1, 1, 0), (1, 0, 1), (-1, 0, -1), (1, 0, -1), (-1, 0, 1), (0, 1, 1), (0, -1, -1), (0, 1, -1), (0, -1, 1),
]  # fmt: skip


class Lattice:
    """The lattice of one program: this thread's cell, populations, directions and weights.

    Attributes:
        at: this thread's cell.
        directions: the velocity set; its length is the number of populations.
    """

    def __init__(
        self,
        p: ProgramBuilder,
        k: KernelBuilder,
        *,
        axes: int | None = None,
        sparse: bool = False,
        threaded: bool = True,
    ) -> None:
        if p.fusing:
            self._adopt(k, axes, sparse, threaded)
            return
        self.p, self.k = p, k
        k.layout = self if threaded else None
        self.axes = axes or (2 if p.chance(0.65) else 3)
        self.directions = (D2Q5 if sparse else D2Q9) if self.axes == 2 else D3Q19
        self.q = len(self.directions)
        self.shape = tuple(
            p.pick(16, 20, 24, 32) if self.axes == 2 else p.pick(6, 8, 10) for _ in range(self.axes)
        )
        self.letters = "xyz"[: self.axes]
        self.last = p.chance(0.3)  # populations along the last axis rather than the first
        self._given = p.chance(0.5)
        self._form = p.weighted({"tables": 4, "vector": 2, "functions": 2})
        self._made: dict[str, Expr | UserFunction] = {}
        self._extents: dict[int, Expr] = {}
        self._known: Expr | None = None
        self.at: Index = ()
        self.direction: Expr | None = None  # this thread's direction in a launch over directions
        if threaded:
            hints = p.pick(["x", "y", "z"], ["i", "j", "k"], ["ix", "iy", "iz"])[: self.axes]
            self.at = tuple(threads(k, hints, self.shape))

    def _adopt(self, k: KernelBuilder, axes: int | None, sparse: bool, threaded: bool) -> None:
        """Shares the threads and the tables of the step before."""
        layout = k.layout
        if (
            not isinstance(layout, Lattice)
            or not threaded
            or len(k.steps) > 1
            or axes not in (None, layout.axes)
            or sparse != (layout.q == 5)
        ):
            raise CannotFuse
        self.__dict__ = layout.__dict__
        k.adopt()

    # --- arrays -----------------------------------------------------------------------------------

    def populations(self, hint: str, role: str = "in") -> Name:
        """An array of populations."""
        shape = (*self.shape, self.q) if self.last else (self.q, *self.shape)
        fill = R.zeros() if role == "out" else R.uniform(0.6 / self.q, 1.4 / self.q)
        array = self.k.array(hint, self.p.real, shape, fill, role)
        self._known = array
        return array

    def cells(self, hint: str, dtype: T.Type, fill: R.Fill, role: str = "in") -> Name:
        """An array over cells."""
        return self.k.array(hint, dtype, self.shape, fill, role)

    def pop(self, f: Expr, q: Operand, where: Index | None = None) -> Expr:
        """Population `q` of a cell."""
        cell = where or self.at
        return f[(*cell, q)] if self.last else f[(q, *cell)]

    def extent(self, a: int) -> Expr:
        """Number of cells along an axis."""
        if a not in self._extents:
            if self._given or self._known is None:
                self._extents[a] = self.k.scalar(
                    f"n{self.letters[a]}|l{self.letters[a]}|res_{self.letters[a]}",
                    T.I32,
                    self.shape[a],
                )
            else:
                self._extents[a] = self._known.dim(a if self.last else a + 1)
        return self._extents[a]

    # --- the velocity set -------------------------------------------------------------------------

    @contextmanager
    def each(self, hint: str = "q|k|d|a", start: int = 0) -> Iterator[Name]:
        """A loop over directions."""
        count: Operand = (
            self.q if self.p.chance(0.7) or self._known is None or self.last else self._known.dim(0)
        )
        with self.k.loop(hint, start, count) if start else self.k.loop(hint, count) as q:
            yield q

    def c(self, q: Expr, a: int) -> Expr:
        """Component `a` of direction `q`, an integer."""
        if self._form == "vector":
            if "c" not in self._made:
                numbers = [v for c in self.directions for v in c]
                self._made["c"] = self.k.array(
                    "c|dirs|directions|e", T.Vec(self.axes, T.I32), (self.q,), R.values(numbers)
                )
            return self._made["c"][q][a]  # type: ignore[index]
        key = f"c{self.letters[a]}"
        numbers = [c[a] for c in self.directions]
        if self._form == "functions":
            if key not in self._made:
                self._made[key] = self._step_function(key, numbers)
            return self._made[key](q)  # type: ignore[operator]
        if key not in self._made:
            self._made[key] = self.k.array(
                f"{key}|e{self.letters[a]}|dir_{self.letters[a]}",
                T.I32,
                (self.q,),
                R.values(numbers),
            )
        return self._made[key][q]  # type: ignore[index]

    def _step_function(self, key: str, numbers: list[int]) -> UserFunction:
        plus = [i for i, n in enumerate(numbers) if n == 1]
        minus = [i for i, n in enumerate(numbers) if n == -1]

        def body(b: Block, q: Expr) -> None:
            with b.when(any_of(*[q == i for i in plus])):
                b.ret(1)
            with b.when(any_of(*[q == i for i in minus])):
                b.ret(-1)
            b.ret(0)

        return self.p.func(f"{key}|dir_{key[1]}|lattice_{key}", {"q|k|d": T.I32}, body)

    def w(self, q: Expr) -> Expr:
        """Weight of direction `q`."""
        if "w" not in self._made:
            weights = self.weights()
            if self._form == "functions" or self.p.chance(0.25):
                self._made["w"] = self._weight_function(weights)
            else:
                self._made["w"] = self.k.array(
                    "w|weights|lattice_w", self.p.real, (self.q,), R.values(weights)
                )
        made = self._made["w"]
        return made(q) if isinstance(made, UserFunction) else made[q]

    def weights(self) -> list[float]:
        """Quadrature weights, one per direction."""
        rest, axis, diagonal = {
            5: (1 / 3, 1 / 6, 0.0),
            9: (4 / 9, 1 / 9, 1 / 36),
            19: (1 / 3, 1 / 18, 1 / 36),
        }[self.q]
        by_length = {0: rest, 1: axis, 2: diagonal}
        return [round(by_length[sum(abs(v) for v in c)], 9) for c in self.directions]

    def _weight_function(self, weights: list[float]) -> UserFunction:
        borders = {5: (5,), 9: (5, 9), 19: (7, 19)}[self.q]

        def body(b: Block, q: Expr) -> None:
            with b.when(q == 0):
                b.ret(lift(weights[0], self.p.real))
            if len(borders) > 1:
                with b.when(q < borders[0]):
                    b.ret(lift(weights[1], self.p.real))
            b.ret(lift(weights[-1], self.p.real))

        return self.p.func(
            "weight|lattice_weight|wq", {"q|k|d": T.I32}, body, "Quadrature weight of a direction."
        )

    def opposite(self, q: Expr) -> Expr:
        """Index of the reversed direction."""
        if self.q == 19 and self.p.chance(0.4):
            return choose(q == 0, 0, q + 1 - 2 * ((q + 1) % 2))
        if "opp" not in self._made:
            numbers = [self.directions.index(tuple(-v for v in c)) for c in self.directions]
            self._made["opp"] = self.k.array(
                "opp|opposite|reverse", T.I32, (self.q,), R.values(numbers)
            )
        return self._made["opp"][q]  # type: ignore[index]

    def reverse(self, q: int) -> int:
        """Number of the reversed direction."""
        return self.directions.index(tuple(-v for v in self.directions[q]))

    # --- neighbours and products ------------------------------------------------------------------

    def neighbour(self, q: Expr, sign: int = 1, wrap: bool = True) -> Index:
        """The cell one step along (or against) direction `q`, as locals."""
        out = []
        for a, i in enumerate(self.at):
            n = self.extent(a)
            step = self.c(q, a)
            moved = i + step if sign > 0 else i - step
            value = (moved + n) % n if wrap else wp.clamp(moved, 0, n - 1)
            out.append(
                self.k.let(
                    f"{self.letters[a]}n|n{self.letters[a]}_q|{self.letters[a]}s|{self.letters[a]}{self.letters[a]}",
                    value,
                )
            )
        return tuple(out)

    def dot(self, q: Expr, u: Expr) -> Expr:
        """c_q · u for a vector `u`."""
        total = None
        for a in range(self.axes):
            term = construct(self.p.real, self.c(q, a)) * u[a]
            total = term if total is None else total + term
        assert total is not None
        return total

    def velocity(self, q: Expr) -> Expr:
        """Direction `q` as a vector of the program's precision."""
        return construct(
            self.p.vec(self.axes), *[construct(self.p.real, self.c(q, a)) for a in range(self.axes)]
        )


def equilibrium(p: ProgramBuilder, lattice: Lattice) -> UserFunction:
    """``f(w, rho, cu, uu)``: the second-order equilibrium, in one of its spellings."""
    form = p.pick("standard", "scaled", "horner", "linear", "incompressible")

    def body(b: Block, w: Expr, rho: Expr, cu: Expr, uu: Expr) -> None:
        if form == "standard":
            b.ret(w * rho * (1.0 + 3.0 * cu + 4.5 * cu * cu - 1.5 * uu))
        elif form == "scaled":
            c3 = b.let("c3|cu3|t", 3.0 * cu)
            b.ret(w * rho * (1.0 + c3 + 0.5 * c3 * c3 - 1.5 * uu))
        elif form == "horner":
            b.ret(w * rho * (1.0 + cu * (3.0 + 4.5 * cu) - 1.5 * uu))
        elif form == "linear":
            b.ret(w * (rho + rho * (3.0 * cu - 1.5 * uu)) + w * rho * 4.5 * cu * cu)
        else:
            b.ret(w * (rho + 3.0 * cu + 4.5 * cu * cu - 1.5 * uu))

    params = {
        "w|wq|weight": p.real,
        "rho|density": p.real,
        "cu|eu|c_dot_u": p.real,
        "uu|usq|u_sq": p.real,
    }
    return p.func(
        "equilibrium|feq|f_eq|maxwellian",
        params,
        body,
        p.pick("Second-order equilibrium distribution.", "Discrete Maxwellian."),
    )
