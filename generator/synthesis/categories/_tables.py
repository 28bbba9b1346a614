"""Arrays beside those of an entity, and random-number streams: shared by several categories."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder
from generator.synthesis.tree import Expr, Name, Operand


class Table:
    """An array of its own shape; in a batched program it may have a leading world axis."""

    def __init__(
        self, e: Entities, hint: str, dtype: T.Type, shape: tuple[int, ...], fill: R.Fill | None = None,
        role: str = "in", shared: bool = False,
    ) -> None:  # fmt: skip
        self.k = e.k
        self.world = None if shared else e.world
        self.dtype = dtype
        full = shape if self.world is None else (e.worlds or 1, *shape)
        self.array = e.k.array(hint, dtype, full, fill or R.zeros(), role)

    def _index(self, where: Any) -> tuple[Any, ...]:
        parts = where if isinstance(where, tuple) else (where,)
        return parts if self.world is None else (self.world, *parts)

    def __getitem__(self, where: Any) -> Expr:
        return self.array[self._index(where)]

    def store(self, value: Operand, *where: Operand) -> None:
        """``table[where] = value``."""
        self.k.set(self[where], value)

    def add(self, value: Operand, *where: Operand) -> None:
        """Atomic accumulation, in the program's spelling."""
        if self.k.p.augmented_atomics:
            self.k.aug(self[where], "+", value)
        else:
            self.atomic("add", value, *where)

    def take(self, value: Operand, *where: Operand) -> None:
        """Atomic subtraction, in the program's spelling."""
        if self.k.p.augmented_atomics:
            self.k.aug(self[where], "-", value)
        else:
            self.atomic("sub", value, *where)

    def atomic(self, op: str, value: Operand, *where: Operand) -> None:
        """``wp.atomic_<op>(table, where, value)`` for its effect."""
        self.k.do(
            getattr(wp, f"atomic_{op}")(self.array, *self._index(where), N.lift(value, self.dtype))
        )

    def extent(self, axis: int = 0) -> Expr:
        """Length of an axis, read from the array."""
        return self.array.dim(axis + (self.world is not None))


class Rng:
    """A random-number stream of this thread, opened in one of the usual ways."""

    def __init__(
        self, k: KernelBuilder, index: Expr, *, outer: Expr | None = None, width: int = 256
    ) -> None:
        p = k.p
        self.k = k
        self._states: Expr | None = None
        stream = index if outer is None else outer * width + index
        match p.weighted({"seed": 5, "step": 2, "stored": 1.2, "per_thread": 1}):
            case "step":
                step = k.scalar("iteration|frame|step_index|epoch", T.I32, p.pick(0, 3, 17))
                self._open(wp.rand_init(self._seed() + step, stream))
            case "stored" if outer is None and isinstance(index, Name):
                self._states = k.array(
                    "rng_states|states|rng_state", T.U32, (width,), R.integers(1, 2000000), "inout"
                )[index]
                self._open(self._states)
            case "per_thread" if outer is None and isinstance(index, Name):
                self._open(
                    wp.rand_init(
                        k.array("seeds|seed_per_thread", T.I32, (width,), R.integers(1, 100000))[
                            index
                        ]
                    )
                )
            case _:
                self._open(wp.rand_init(self._seed(), stream))

    def _seed(self) -> Expr:
        return self.k.scalar(
            "seed|rng_seed|random_seed", T.I32, self.k.p.pick(7, 42, 123, 2024, 31337)
        )

    def _open(self, value: Expr) -> None:
        self.state = self.k.let("rng|state|rng_state", value)

    def uniform(self, low: Operand | None = None, high: Operand | None = None) -> Expr:
        """A uniform draw, from [0, 1) by default."""
        if low is None:
            return wp.randf(self.state)
        assert high is not None
        return wp.randf(self.state, low, high)

    def normal(self) -> Expr:
        """A standard normal draw."""
        return wp.randn(self.state)

    def integer(self, low: Operand, high: Operand) -> Expr:
        """An integer in [low, high)."""
        return wp.randi(self.state, low, high)

    def close(self) -> None:
        """Stores the stream's state, where the program keeps it between launches."""
        if self._states is not None:
            self.k.set(self._states, self.state)


def entity_rng(e: Entities) -> Rng:
    """A stream for this thread's item."""
    return Rng(e.k, e.index, outer=e.world, width=max(e.n, 256))


def as_real(e: Entities, value: Expr) -> Expr:
    """An integer expression as a float of the program's precision."""
    return cast(e.k.p.real, value)


def tally(e: Entities, value: Expr, low: float, high: float) -> None:
    """Counts a float of this thread in a histogram over [low, high); values outside are clamped or skipped."""
    k, p = e.k, e.k.p
    bins = p.pick(16, 24, 32, 64)
    counts = Table(e, "histogram|hist|bin_counts", T.I32, (bins,), role="out")
    left, width = (
        k.quantity("hist_min|lower|lo_edge", T.F32, low),
        k.quantity("bin_width|bin_size", T.F32, (high - low) / bins),
    )
    position = (value - left) / width
    match p.pick("clamp", "guard", "floor"):
        case "clamp":
            counts.add(1, k.let("bin_id|slot|b", wp.clamp(cast(T.I32, position), 0, bins - 1)))
        case "guard":
            slot = k.let("bin_id|slot|b", cast(T.I32, wp.floor(position)))
            with k.when(
                all_of(slot >= 0, slot < counts.extent() if p.chance(0.5) else slot < bins)
            ):
                counts.add(1, slot)
        case "floor":
            slot = k.let(
                "bin_id|slot|b", wp.min(wp.max(cast(T.I32, wp.floor(position)), 0), bins - 1)
            )
            counts.add(1, slot)
