"""Regular grids of two or three dimensions: launch shape, arrays, neighbours at the boundary.

`Grid` draws one layout per program: threads over all axes or over a flattened index, a leading batch
axis, arrays of full rank or flattened ones, and one way to treat the boundary. A category speaks of
fields and offsets: ``u[0, 1]`` is the value one cell along the second axis.
"""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, UserFunction
from generator.synthesis.tree import Expr, Operand

BOUNDARIES = {"interior": 4, "clamp": 4, "periodic": 3, "skip_outer": 2}


class GridField:
    """A quantity on the grid; ``f[di, dj]`` reads at an offset, with the grid's boundary rule."""

    def __init__(self, grid: "Grid", array: Expr, dtype: T.Type) -> None:
        self.grid = grid
        self.array = array
        self.dtype = dtype

    def __getitem__(self, offset: tuple[int, ...]) -> Expr:
        where = [self.grid.shift(axis, step) for axis, step in enumerate(offset)]
        return self.at(*where)

    def at(self, *where: Operand) -> Expr:
        """The element at explicit indices, one per axis."""
        return self.array[self.grid.address(where)]

    @property
    def own(self) -> Expr:
        """The element of this thread's cell."""
        return self.at(*self.grid.index)

    def read(self, hint: str) -> N.Name:
        """A local that holds this thread's element."""
        return self.grid.k.let(hint, self.own)

    def store(self, value: Operand, *where: Operand) -> None:
        """``array[i, j] = value``."""
        self.grid.k.set(self.at(*(where or self.grid.index)), value)

    def add(self, value: Operand, *where: Operand) -> None:
        """Atomic accumulation."""
        k = self.grid.k
        target = where or self.grid.index
        if k.p.augmented_atomics:
            k.aug(self.at(*target), "+", value)
        else:
            k.do(wp.atomic_add(self.array, *self.grid.address(target), N.lift(value, self.dtype)))


class Grid:
    """A grid; making it writes the statements that find this thread's cell.

    Attributes:
        index: one index expression per axis.
        shape: extents, in cells.
        boundary: interior (launched over inner cells only, or border threads return), clamp,
            periodic, skip_outer (border threads copy or return).
    """

    def __init__(
        self, k: KernelBuilder, names: str, *, shape: tuple[int, ...] | None = None, boundary: str | None = None,
        layouts: bool = True,
    ) -> None:  # fmt: skip
        """`names` holds one index hint per axis, separated by spaces: ``"row|i|y col|j|x"``."""
        p = k.p
        if p.fusing:
            self._adopt(k.layout, len(names.split()), shape, boundary, layouts)
            return
        self.k = k
        k.layout = self
        self.hints = names.split()
        axes = len(self.hints)
        sizes = (16, 20, 24, 32, 40) if axes == 2 else (8, 9, 10, 12)
        self.shape = shape or tuple(p.pick(*sizes) for _ in range(axes))
        self.boundary = boundary or p.weighted(BOUNDARIES)
        self.flat = layouts and p.on("flat_grid")
        self.batch = (
            p.pick(2, 3)
            if layouts and axes == 2 and not self.flat and p.on("batched") and p.chance(0.6)
            else None
        )
        self.batch_index: Expr | None = None
        self.index: tuple[Expr, ...] = ()
        self._extents: dict[int, Expr] = {}
        self._shifted: dict[tuple[int, int], Expr] = {}
        self._some_array: Expr | None = None
        self._clamps = p.chance(0.3)  # wp.clamp(i + 1, 0, n - 1) rather than wp.min(i + 1, n - 1)
        self._flat_own: Expr | None = None  # this thread's cell in a flattened array
        self._through_function = False  # flattened indices come from a function, made on first use
        self._flat_index: UserFunction | None = None
        self._offset = 1 if self.boundary == "interior" and p.chance(0.4) else 0
        self._open(layouts)

    def _adopt(
        self,
        layout: object,
        axes: int,
        shape: tuple[int, ...] | None,
        boundary: str | None,
        layouts: bool,
    ) -> None:
        """Shares the threads of the step before."""
        if (
            not isinstance(layout, Grid)
            or len(layout.shape) != axes
            or shape not in (None, layout.shape)
        ):
            raise CannotFuse
        if boundary not in (None, layout.boundary) or (
            not layouts and (layout.flat or layout.batch)
        ):
            raise CannotFuse
        self.__dict__ = layout.__dict__
        self.k.adopt()

    # --- launch layout ----------------------------------------------------------------------------

    def _open(self, layouts: bool) -> None:
        k, p = self.k, self.k.p
        cells = tuple(s - 2 * self._offset for s in self.shape)
        if self.flat and p.chance(0.6):
            self._through_function = True
        flat_launch = self._offset == 0 and (self.flat and p.chance(0.7))
        if flat_launch:
            self._open_flat()
        else:
            dims = cells if self.batch is None else (self.batch, *cells)
            k.launch_dim = dims
            hints = self.hints if self.batch is None else ["batch|b|image|env", *self.hints]
            kind = T.TupleType((T.I32,) * len(dims))
            names: list[Expr] = list(k.unpack(hints, N.Call("wp.tid", (), (), kind)))
            if self.batch is not None:
                self.batch_index = names.pop(0)
            self.index = tuple(names)
        if self._offset:
            self.index = tuple(
                k.let(f"{h.split('|')[0]}c|{h.split('|')[0]}0", i + 1)
                for h, i in zip(self.hints, self.index, strict=True)
            )
        elif self.boundary == "interior":
            with k.when(self.on_border()):
                k.ret()

    def _index_function(self) -> UserFunction:
        """A `@wp.func` from a cell's indices to its place in a flattened array."""
        axes = len(self.shape)
        letters = "ijk" if self.k.p.chance(0.6) else "xyz" if axes == 3 else "yx"
        extents = ["width|nx|w|stride"] if axes == 2 else ["ny|dim_y|stride_y", "nz|dim_z|stride_z"]
        params: dict[str, T.Type] = dict.fromkeys([*letters[:axes], *extents], T.I32)

        def body(b: Any, *args: Expr) -> None:
            position = args[0]
            for extent, part in zip(args[axes:], args[1:axes], strict=True):
                position = position * extent + part
            b.ret(position)

        return self.k.p.func("cell_index|flat_index|linear_index|flatten", params, body)

    def _open_flat(self) -> None:
        k = self.k
        total = 1
        for s in self.shape:
            total *= s
        k.launch_dim = (total,)
        thread = k.let("tid|cell|idx|index", wp.tid())
        self._flat_own = thread
        names: list[Expr] = []
        rest: Expr = thread
        for axis in range(len(self.shape) - 1, 0, -1):
            names.insert(0, k.let(self.hints[axis], rest % self.extent(axis)))
            rest = rest // self.extent(axis)
        names.insert(0, k.let(self.hints[0], rest))
        self.index = tuple(names)

    def extent(self, axis: int) -> Expr:
        """Number of cells along an axis as the kernel learns it."""
        if axis not in self._extents:
            k = self.k
            if self._some_array is not None and not self.flat and k.p.chance(0.6):
                self._extents[axis] = self._some_array.dim(axis + (self.batch is not None))
                return self._extents[axis]
            words = (
                ("height|ny|rows|res_y", "width|nx|cols|res_x")
                if len(self.shape) == 2
                else ("nx|dim_x", "ny|dim_y", "nz|dim_z")
            )
            if len(self.shape) == 3 and self.hints[0].split("|")[0] in ("z", "k"):
                words = words[::-1]
            self._extents[axis] = k.arg(words[axis], T.I32, R.value("int32", self.shape[axis]), 2)
        return self._extents[axis]

    def on_border(self, width: int = 1) -> Expr:
        """Whether this thread's cell lies in the outermost layer."""
        tests: list[Expr] = []
        for axis, i in enumerate(self.index):
            tests += [
                i == 0 if width == 1 else i < width,
                i == self.extent(axis) - 1 if width == 1 else i >= self.extent(axis) - width,
            ]
        return any_of(*tests)

    # --- arrays -----------------------------------------------------------------------------------

    def field(self, hint: str, dtype: T.Type, fill: R.Fill, role: str = "in") -> GridField:
        """A quantity on the grid."""
        shape = self.shape if self.batch is None else (self.batch, *self.shape)
        if self.flat:
            total = 1
            for s in shape:
                total *= s
            shape = (total,)
        array = self.k.array(hint, dtype, shape, fill, role)
        self._some_array = array
        return GridField(self, array, dtype)

    def out(self, hint: str, dtype: T.Type) -> GridField:
        """An output on the grid, zero before the launch."""
        return self.field(hint, dtype, R.zeros(), "out")

    def inout(self, hint: str, dtype: T.Type, fill: R.Fill) -> GridField:
        """A quantity that the kernel reads and writes."""
        return self.field(hint, dtype, fill, "inout")

    def address(self, where: tuple[Operand, ...]) -> tuple[Any, ...]:
        """Array index of a cell."""
        if not self.flat:
            return where if self.batch_index is None else (self.batch_index, *where)
        if self._flat_own is not None and all(
            w is i for w, i in zip(where, self.index, strict=True)
        ):
            return (self._flat_own,)
        if self._through_function:
            self._flat_index = self._flat_index or self._index_function()
            return (
                self._flat_index(
                    *where, *(self.extent(axis) for axis in range(1, len(self.shape)))
                ),
            )
        position: Operand = where[0]
        for axis in range(1, len(self.shape)):
            position = position * self.extent(axis) + where[axis]
        return (position,)

    # --- neighbours -------------------------------------------------------------------------------

    def shift(self, axis: int, step: int) -> Expr:
        """Index along an axis, `step` cells away, with the boundary rule applied."""
        if step == 0:
            return self.index[axis]
        if (axis, step) in self._shifted:
            return self._shifted[axis, step]
        return self._shift_expression(axis, step)

    def prepare(self, *offsets: tuple[int, ...]) -> None:
        """Writes locals for shifted indices, to be used by later reads at these offsets."""
        words = {-1: "m|_minus|_prev", 1: "p|_plus|_next", -2: "mm|_minus2", 2: "pp|_plus2"}
        for offset in offsets:
            for axis, step in enumerate(offset):
                if step and (axis, step) not in self._shifted:
                    base = self.hints[axis].split("|")[0]
                    hint = "|".join(
                        f"{base}{w}" for w in words.get(step, f"_{abs(step)}").split("|")
                    )
                    self._shifted[axis, step] = self.k.let(hint, self._shift_expression(axis, step))

    def _shift_expression(self, axis: int, step: int) -> Expr:
        i, n = self.index[axis], self.extent
        if self.boundary == "interior" and abs(step) == 1:
            return i + step if step > 0 else i - 1
        if self.boundary == "periodic":
            return (i + step) % n(axis) if step > 0 else (i + n(axis) - abs(step)) % n(axis)
        if self._clamps:
            return wp.clamp(i + step if step > 0 else i - abs(step), 0, n(axis) - 1)
        return wp.min(i + step, n(axis) - 1) if step > 0 else wp.max(i - abs(step), 0)

    def sampler(self, f: GridField, hint: str = "sample|fetch|read_clamped|get") -> UserFunction:
        """A `@wp.func` that reads a field of full rank at indices clamped to the array."""
        axes = len(self.shape)
        letters = self.k.p.pick("ijk", "xyz" if axes == 3 else "yx")

        def body(b: Any, array: Expr, *where: Expr) -> None:
            offset = f.array.type.ndim - axes  # type: ignore[union-attr]
            inside = [
                b.let(f"c{c}|{c}c|{c}{c}", wp.clamp(w, 0, array.dim(a + offset) - 1))
                for a, (c, w) in enumerate(zip(letters[:axes], where[-axes:], strict=True))
            ]
            b.ret(array[(*where[:-axes], *inside)])

        params: dict[str, T.Type] = {"u|field|data|src": f.array.type}
        if f.array.type.ndim > axes:  # type: ignore[union-attr]
            params["b|batch|layer"] = T.I32
        params |= dict.fromkeys(letters[:axes], T.I32)
        return self.k.p.func(hint, params, body)
