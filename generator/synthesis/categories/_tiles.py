"""Tile programs: sizes known at compile time, launches over tiles, and typed calls of tile builtins."""

from dataclasses import dataclass
from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name

_FUNCTION = T.Opaque("Function")


@dataclass(frozen=True)
class Dim:
    """A tile extent: its value and how the program spells it."""

    value: int
    expr: Expr


class Tiling:
    """A program's tile sizes and its launch; every size is spelt in the program's one way."""

    def __init__(self, p: ProgramBuilder, k: KernelBuilder) -> None:
        self.p, self.k = p, k
        self.spelling = p.weighted({"constant": 6, "literal": 3, "captured": 3})
        self.shared = p.chance(0.3)
        self.lane: Expr | None = None

    def dim(self, hint: str, value: int) -> Dim:
        """A tile extent."""
        if self.spelling == "constant":
            return Dim(value, self.p.const(hint.upper(), value))
        if self.spelling == "captured":
            made = self.p.capture(hint.lower(), value)
            assert isinstance(made, Expr)
            return Dim(value, made)
        return Dim(value, N.literal(value, T.I32))

    def literal(self, value: int) -> Dim:
        """An extent written as a number wherever it occurs."""
        return Dim(value, N.literal(value, T.I32))

    def launch(
        self, hints: list[str], counts: tuple[int, ...], lane: bool = False, guarded: bool = True
    ) -> list[Expr]:
        """Launches one block per tile; returns the tile indices."""
        k, p = self.k, self.p
        k.launch_dim, k.block_dim = counts, p.pick(32, 64, 64, 128, 128, 256)
        order = (
            p.weighted({"": 70, "mask": 10, "count": 9, "list": 8, "swap": 3}) if guarded else ""
        )
        if order == "mask" and counts[0] < 6:
            order = "count"  # all of so few blocks might be switched off
        words = [*hints, *(["lane|thread|t|tid_in_block"] if lane else [])]
        if order == "list":
            words[0] = "slot|entry|work_item|task"
        if len(words) == 1:
            names: list[Expr] = [k.let(words[0], wp.tid())]
        else:
            names = list(
                k.unpack(words, N.Call("wp.tid", (), (), T.TupleType((T.I32,) * len(words))))
            )
        if lane:
            self.lane = names[-1]
        return [self._guarded(order, hints[0], names[0], counts), *names[1 : len(hints)]]

    def _guarded(self, order: str, hint: str, index: Expr, counts: tuple[int, ...]) -> Expr:
        """Ways in which a block finds out whether, and on what, it works; the same for all its lanes."""
        k, n = self.k, counts[0]
        if order == "mask":
            flags = k.array("active|enabled|dirty|mask", T.I32, (n,), R.mask(0.75))
            with k.when(flags[index] == 0):
                k.ret()
        elif order == "count":
            k.launch_dim = (n + self.p.pick(1, 2), *counts[1:])
            with k.when(index >= k.scalar("num_tiles|num_blocks|n_work|count", T.I32, n)):
                k.ret()
        elif order == "list":
            return k.let(
                hint,
                k.array("work_list|order|schedule|active_ids", T.I32, (n,), R.permutation())[index],
            )
        elif order == "swap":
            return k.let(f"rev_{hint.split('|')[0]}|{hint.split('|')[0]}r", n - 1 - index)
        return index

    # --- memory -----------------------------------------------------------------------------------

    def load(
        self,
        array: Expr,
        shape: list[Dim],
        offset: list[Any] | None = None,
        shared: bool | None = None,
    ) -> Expr:
        """``wp.tile_load``."""
        assert isinstance(array.type, T.Array)
        kwargs: dict[str, Any] = {}
        if self.shared if shared is None else shared:
            kwargs["storage"] = "shared"
        return self._move(
            "tile_load", T.Tile(array.type.dtype, _values(shape)), [array], shape, offset, kwargs
        )

    def store(self, array: Expr, value: Expr, offset: list[Any] | None = None) -> None:
        """``wp.tile_store``."""
        kwargs = {} if offset is None else {"offset": _tuple(offset)}
        self.k.do(tile("tile_store", T.VOID, array, value, **kwargs))

    def atomic(self, array: Expr, value: Expr, offset: list[Any] | None = None) -> None:
        """``wp.tile_atomic_add`` for its effect."""
        kwargs = {} if offset is None else {"offset": _tuple(offset)}
        self.k.do(tile("tile_atomic_add", value.type, array, value, **kwargs))

    def _move(
        self, name: str, t: T.Type, args: list[Any], shape: list[Dim], offset: list[Any] | None, kwargs: dict[str, Any]
    ) -> Expr:  # fmt: skip
        where = {} if offset is None else {"offset": _tuple(offset)}
        return tile(name, t, *args, shape=_extent(shape), **where, **kwargs)

    # --- makers -----------------------------------------------------------------------------------

    def zeros(
        self, shape: list[Dim], dtype: T.Type, shared: bool = False, name: str = "tile_zeros"
    ) -> Expr:
        """``wp.tile_zeros``, or ``tile_ones`` and ``tile_empty`` by name."""
        kwargs: dict[str, Any] = {"shape": _extent(shape), "dtype": dtype}
        if shared:
            kwargs["storage"] = "shared"
        return tile(name, T.Tile(dtype, _values(shape)), **kwargs)

    def full(self, shape: list[Dim], value: Any, dtype: T.Type) -> Expr:
        """``wp.tile_full``."""
        lifted = N.lift(value, dtype)
        kwargs: dict[str, Any] = {"shape": _extent(shape), "value": lifted}
        if isinstance(lifted, N.Literal) or self.p.chance(0.5):
            kwargs["dtype"] = dtype
        return tile("tile_full", T.Tile(dtype, _values(shape)), **kwargs)

    # --- maps and reductions ----------------------------------------------------------------------

    def as_value(self, op: "UserFunction | str") -> Name:
        """A function to hand to a tile builtin."""
        if isinstance(op, str):
            return Name(f"wp.{op}", _FUNCTION)
        next(f for f in self.p.functions if f.name == op.name).concrete = True
        return op.ref

    def map(self, op: "UserFunction | str", first: Expr, *rest: Expr) -> Expr:
        """``wp.tile_map`` with a user function or the name of a builtin that keeps the type."""
        assert isinstance(first.type, T.Tile)
        ref, result = (
            self.as_value(op),
            op.returns if isinstance(op, UserFunction) else first.type.dtype,
        )
        return tile("tile_map", T.Tile(result, first.type.shape), ref, first, *rest)

    def reduce(self, op: "UserFunction | str", value: Expr, axis: int | None = None) -> Expr:
        """``wp.tile_reduce`` over all elements, or along one axis."""
        assert isinstance(value.type, T.Tile)
        return self._reduced("tile_reduce", value.type, [self.as_value(op), value], axis)

    def total(self, name: str, value: Expr, axis: int | None = None) -> Expr:
        """``wp.tile_sum`` and its like: a tile of one element, or of one axis less."""
        assert isinstance(value.type, T.Tile)
        return self._reduced(name, value.type, [value], axis)

    def _reduced(self, name: str, t: T.Tile, args: list[Expr], axis: int | None) -> Expr:
        if axis is None:
            return tile(name, T.Tile(t.dtype, (1,)), *args)
        left = tuple(s for i, s in enumerate(t.shape) if i != axis)
        return tile(name, T.Tile(t.dtype, left), *args, axis=axis)

    def index_of(self, name: str, value: Expr) -> Expr:
        """``wp.tile_argmin`` or ``wp.tile_argmax``."""
        return tile(name, T.Tile(T.I32, (1,)), value)

    # --- shape ------------------------------------------------------------------------------------

    def column(self, value: Expr, rows: Dim, cols: Dim) -> Expr:
        """A one-dimensional tile of row values, repeated along the columns."""
        assert isinstance(value.type, T.Tile)
        tall = tile(
            "tile_reshape", T.Tile(value.type.dtype, (rows.value, 1)), value, shape=(rows.expr, 1)
        )
        return self.broadcast(tall, [rows, cols])

    def broadcast(self, value: Expr, shape: list[Dim]) -> Expr:
        """``wp.tile_broadcast``."""
        assert isinstance(value.type, T.Tile)
        return tile(
            "tile_broadcast",
            T.Tile(value.type.dtype, _values(shape)),
            value,
            shape=_tuple([d.expr for d in shape]),
        )

    def transpose(self, value: Expr) -> Expr:
        """``wp.tile_transpose``."""
        assert isinstance(value.type, T.Tile)
        return tile("tile_transpose", T.Tile(value.type.dtype, value.type.shape[::-1]), value)


def _values(shape: list[Dim]) -> tuple[int, ...]:
    return tuple(d.value for d in shape)


def _extent(shape: list[Dim]) -> Any:
    return shape[0].expr if len(shape) == 1 else _tuple([d.expr for d in shape])


def _tuple(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else tuple(items)


# --- element functions ------------------------------------------------------------------------------
