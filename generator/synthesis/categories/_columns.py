"""Columns: profiles with one thread per column and levels along an axis."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.categories._grids import threads
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.logic import negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, Operand


class Columns:
    """Profiles of columns: columns in a row or on a map, levels along the first or last axis."""

    def __init__(
        self,
        p: ProgramBuilder,
        k: KernelBuilder,
        *,
        levels: int | None = None,
        words: str = "levels|nlev|num_levels|nz",
    ) -> None:
        if p.fusing:
            self._adopt(k, words)
            return
        self.p, self.k, self.words = p, k, words
        k.layout = self
        self.levels = levels or p.pick(8, 10, 12, 16, 20)
        mapped = p.chance(0.3)
        self.columns: tuple[int, ...] = (
            (p.pick(8, 12), p.pick(8, 12, 16)) if mapped else (p.pick(24, 32, 48, 64),)
        )
        self.first = p.chance(0.4)  # levels along the first axis
        hints = (
            p.pick(["i", "j"], ["lat", "lon"], ["row", "col"])
            if mapped
            else [p.pick("c|col|column|i", "i|tid|col")]
        )
        self.at: tuple[Expr, ...] = tuple(threads(k, hints, self.columns))
        self._known: Expr | None = None
        self._count: Expr | None = None
        if not mapped and p.chance(0.3):
            k.launch_dim = (self.columns[0] + p.pick(4, 8),)
            with k.when(
                self.at[0] >= k.scalar("num_columns|ncol|n_columns", T.I32, self.columns[0])
            ):
                k.ret()

    def _adopt(self, k: KernelBuilder, words: str) -> None:
        """Shares the threads of the step before: air with air, soil with soil."""
        layout = k.layout
        if not isinstance(layout, Columns) or words != layout.words:
            raise CannotFuse
        self.__dict__ = layout.__dict__
        k.adopt()

    def profile(self, hint: str, low: float, high: float, role: str = "in", extra: int = 0) -> Name:
        """An array over columns and levels (or interfaces, with one more)."""
        n = self.levels + extra
        shape = (n, *self.columns) if self.first else (*self.columns, n)
        fill = R.zeros() if role == "out" else R.uniform(low, high)
        array = self.k.array(hint, self.p.real, shape, fill, role)
        if not extra:
            self._known = array
        return array

    def out(self, hint: str, extra: int = 0) -> Name:
        return self.profile(hint, 0.0, 0.0, "out", extra)

    def surface(self, hint: str, low: float, high: float, role: str = "in") -> Expr:
        """An array over columns, read at this thread's."""
        fill = R.zeros() if role == "out" else R.uniform(low, high)
        return self.k.array(hint, self.p.real, self.columns, fill, role)[self.at]

    def get(self, array: Expr, level: Operand) -> Expr:
        return array[(level, *self.at)] if self.first else array[(*self.at, level)]

    def count(self) -> Expr:
        """Number of levels, as a local or as an array's extent."""
        if self._count is None:
            k, p = self.k, self.p
            if self._known is None or p.chance(0.4):
                self._count = k.scalar(self.words, T.I32, self.levels)
            else:
                extent = self._known.dim(0 if self.first else len(self.columns))
                self._count = k.let("n|nlev|nk", extent) if p.chance(0.5) else extent
        return self._count

    def skip(self, chance: float = 0.3) -> None:
        """An early exit for columns that are switched off."""
        if not self.p.chance(chance):
            return
        mask = self.k.array(
            "active|land_mask|column_mask", self.p.pick(T.I32, T.BOOL), self.columns, R.mask(0.85)
        )
        cell = mask[self.at]
        with self.k.when(negate(cell) if cell.type == T.BOOL else cell == 0):
            self.k.ret()
