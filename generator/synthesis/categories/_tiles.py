"""Tile programs: sizes known at compile time, launches over tiles, and typed calls of tile builtins."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name

_FUNCTION = T.Opaque("function")


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

    def launch(self, hints: list[str], counts: tuple[int, ...], lane: bool = False) -> list[Expr]:
        """Launches one block per tile; returns the tile indices."""
        k = self.k
        k.launch_dim, k.block_dim = counts, self.p.pick(32, 64, 64, 128, 128, 256)
        words = [*hints, *(["lane|thread|t|tid_in_block"] if lane else [])]
        if len(words) == 1:
            return [k.let(hints[0], wp.tid())]
        names = k.unpack(words, N.Call("wp.tid", (), (), T.TupleType((T.I32,) * len(words))))
        if lane:
            self.lane = names[-1]
        return list(names[: len(hints)])

    # --- memory -----------------------------------------------------------------------------------

    def load(
        self, array: Expr, shape: list[Dim], offset: list[Any] | None = None, shared: bool | None = None
    ) -> Expr:
        """``wp.tile_load``."""
        assert isinstance(array.type, T.Array)
        kwargs: dict[str, Any] = {}
        if self.shared if shared is None else shared:
            kwargs["storage"] = "shared"
        return self._move("tile_load", T.Tile(array.type.dtype, _values(shape)), [array], shape, offset, kwargs)

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

    def zeros(self, shape: list[Dim], dtype: T.Type, shared: bool = False, name: str = "tile_zeros") -> Expr:
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
        ref, result = self.as_value(op), op.returns if isinstance(op, UserFunction) else first.type.dtype
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
        tall = tile("tile_reshape", T.Tile(value.type.dtype, (rows.value, 1)), value, shape=(rows.expr, 1))
        return self.broadcast(tall, [rows, cols])

    def broadcast(self, value: Expr, shape: list[Dim]) -> Expr:
        """``wp.tile_broadcast``."""
        assert isinstance(value.type, T.Tile)
        return tile("tile_broadcast", T.Tile(value.type.dtype, _values(shape)), value, shape=_tuple([d.expr for d in shape]))

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

Body = Callable[[Block, Expr], Expr]


def unary(p: ProgramBuilder) -> UserFunction | str:
    """An element-wise function of one value: a builtin, or one of the program's own."""
    if p.chance(0.3):
        return p.pick("sin", "cos", "tanh", "abs", "floor", "exp", "sign", "atan")
    name, form = p.pick(*_UNARY.items())

    def body(b: Block, x: Expr) -> None:
        b.ret(form(p, b, x))

    return p.func(f"{name}|{name}_op|apply_{name}", {"x|v|value|a": p.real}, body)


def _relu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    slope = p.pick(0.0, 0.01, 0.1, 0.2)
    if p.chance(0.5):
        return wp.where(x > 0.0, x, x * slope) if slope else wp.max(x, 0.0)
    with b.when(x > 0.0):
        b.ret(x)
    return slope * x if slope else construct(p.real, 0.0)


def _silu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    if p.chance(0.5):
        return x / (1.0 + wp.exp(-x))
    gate = b.let("gate|s|sig", 1.0 / (1.0 + wp.exp(-p.pick(1.0, 1.702) * x)))
    return x * gate


def _gelu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    inner = b.let("inner|u|t", 0.79788456 * (x + 0.044715 * x * x * x))
    return 0.5 * x * (1.0 + wp.tanh(inner))


def _shrink(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    cut = p.pick(0.05, 0.1, 0.25)
    if p.chance(0.5):
        return wp.sign(x) * wp.max(wp.abs(x) - cut, 0.0)
    with b.when(x > cut):
        b.ret(x - cut)
    with b.when(x < -cut):
        b.ret(x + cut)
    return construct(p.real, 0.0)


def _huber(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    delta = p.pick(0.25, 0.5, 1.0)
    a = b.let("a|mag|absx", wp.abs(x))
    with b.when(a <= delta):
        b.ret(0.5 * x * x)
    return delta * (a - 0.5 * delta)


def _bump(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return wp.exp(-p.pick(0.5, 1.0, 2.0) * x * x) if p.chance(0.5) else 1.0 / (1.0 + p.pick(1.0, 4.0) * x * x)


def _signed_log(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return wp.sign(x) * wp.log(1.0 + wp.abs(x))


def _square(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return x * x


def _softplus(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    with b.when(x > p.pick(10.0, 20.0)):
        b.ret(x)
    return wp.log(1.0 + wp.exp(x))


_UNARY: dict[str, Callable[[ProgramBuilder, Block, Expr], Expr]] = {
    "relu": _relu, "silu": _silu, "gelu": _gelu, "soft_threshold": _shrink, "huber": _huber, "bump": _bump,
    "signed_log": _signed_log, "square": _square, "softplus": _softplus,
}  # fmt: skip


def binary(p: ProgramBuilder) -> UserFunction | str:
    """An element-wise function of two values."""
    if p.chance(0.25):
        return p.pick("max", "min", "mul", "sub", "add")
    name, form = p.pick(*_BINARY.items())

    def body(b: Block, x: Expr, y: Expr) -> None:
        b.ret(form(p, b, x, y))

    return p.func(f"{name}|{name}_op", {"x|a|u": p.real, "y|b|v": p.real}, body)


def _squared_difference(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    d = b.let("d|diff|e", x - y)
    return d * d if p.chance(0.6) else 0.5 * d * d


def _relative_error(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    scale = b.let("scale|s|ref", wp.max(wp.abs(x), wp.abs(y)))
    return wp.abs(x - y) / (scale + p.pick(1e-6, 1e-3))


def _gated(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    return x / (1.0 + wp.exp(-y)) if p.chance(0.5) else wp.where(y > 0.0, x * y, x * 0.0)


def _blend(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    w = p.pick(0.1, 0.25, 0.5, 0.9)
    return x * w + y * (1.0 - w)


def _larger_magnitude(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    with b.when(wp.abs(x) >= wp.abs(y)):
        b.ret(x)
    return y


def _hypotenuse(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    return wp.sqrt(x * x + y * y)


_BINARY: dict[str, Callable[[ProgramBuilder, Block, Expr, Expr], Expr]] = {
    "squared_difference": _squared_difference, "relative_error": _relative_error, "gated": _gated, "blend": _blend,
    "larger_magnitude": _larger_magnitude, "magnitude": _hypotenuse,
}  # fmt: skip


def combine(p: ProgramBuilder) -> UserFunction | str:
    """An associative and commutative operator for a reduction."""
    if p.chance(0.4):
        return p.pick("max", "min", "add")
    kind = p.pick("abs_max", "abs_min", "log_add")

    def body(b: Block, x: Expr, y: Expr) -> None:
        if kind == "abs_max":
            b.ret(wp.max(wp.abs(x), wp.abs(y)))
        elif kind == "abs_min":
            b.ret(wp.min(wp.abs(x), wp.abs(y)))
        else:
            top = b.let("top|m|hi", wp.max(x, y))
            b.ret(top + wp.log(wp.exp(x - top) + wp.exp(y - top)))

    return p.func(f"{kind}|combine_{kind}|{kind}_op", {"a|x|lhs": p.real, "b|y|rhs": p.real}, body)
