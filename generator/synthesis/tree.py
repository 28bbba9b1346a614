"""The typed program tree: expressions, statements and definitions.

Expressions carry their type from the moment they are made, so an ill-typed program fails here, at
the line of the category that wrote it, and not inside Warp. Python's operators build nodes: for
typed `a` and `b`, ``a + 2.0 * b`` is an addition node whose literal took the scalar type of `b`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Union

from generator.synthesis import types as T
from generator.synthesis.typing_rules import binary_type, component_type, literal_type

Operand = Union["Expr", float, int, bool]


class Expr:
    """A typed expression; the subclasses below are all there are."""

    type: T.Type
    __slots__ = ()
    __hash__ = object.__hash__

    def __add__(self, other: Operand) -> "Expr":
        return binary("+", self, other)

    def __radd__(self, other: Operand) -> "Expr":
        return binary("+", other, self)

    def __sub__(self, other: Operand) -> "Expr":
        return binary("-", self, other)

    def __rsub__(self, other: Operand) -> "Expr":
        return binary("-", other, self)

    def __mul__(self, other: Operand) -> "Expr":
        return binary("*", self, other)

    def __rmul__(self, other: Operand) -> "Expr":
        return binary("*", other, self)

    def __matmul__(self, other: Operand) -> "Expr":
        return binary("@", self, other)

    def __truediv__(self, other: Operand) -> "Expr":
        return binary("/", self, other)

    def __rtruediv__(self, other: Operand) -> "Expr":
        return binary("/", other, self)

    def __floordiv__(self, other: Operand) -> "Expr":
        return binary("//", self, other)

    def __rfloordiv__(self, other: Operand) -> "Expr":
        return binary("//", other, self)

    def __mod__(self, other: Operand) -> "Expr":
        return binary("%", self, other)

    def __rmod__(self, other: Operand) -> "Expr":
        return binary("%", other, self)

    def __pow__(self, other: Operand) -> "Expr":
        return binary("**", self, other)

    def __and__(self, other: Operand) -> "Expr":
        return binary("&", self, other)

    def __or__(self, other: Operand) -> "Expr":
        return binary("|", self, other)

    def __xor__(self, other: Operand) -> "Expr":
        return binary("^", self, other)

    def __lshift__(self, other: Operand) -> "Expr":
        return binary("<<", self, other)

    def __rlshift__(self, other: Operand) -> "Expr":
        return binary("<<", other, self)

    def __rshift__(self, other: Operand) -> "Expr":
        return binary(">>", self, other)

    def __neg__(self) -> "Expr":
        return Unary("-", self, self.type)

    def __invert__(self) -> "Expr":
        return Unary("~", self, self.type)

    def __lt__(self, other: Operand) -> "Expr":
        return compare(self, "<", other)

    def __le__(self, other: Operand) -> "Expr":
        return compare(self, "<=", other)

    def __gt__(self, other: Operand) -> "Expr":
        return compare(self, ">", other)

    def __ge__(self, other: Operand) -> "Expr":
        return compare(self, ">=", other)

    def __eq__(self, other: object) -> "Expr":  # type: ignore[override]
        return compare(self, "==", other)  # type: ignore[arg-type]

    def __ne__(self, other: object) -> "Expr":  # type: ignore[override]
        return compare(self, "!=", other)  # type: ignore[arg-type]

    def __bool__(self) -> bool:
        raise TypeError(
            "a typed expression has no truth value in Python; use logic.py's all_of/any_of"
        )

    def __getitem__(self, index: "Operand | slice | tuple[Operand | slice, ...]") -> "Expr":
        return subscript(self, index)

    def __iter__(self) -> None:
        raise TypeError("a typed expression cannot be iterated")

    def field(self, name: str) -> "Attribute":
        """Field of a struct, or a named component such as ``x`` of a vector."""
        if isinstance(self.type, T.StructType):
            return Attribute(self, name, self.type.field_type(name))
        if name in ("x", "y", "z", "w"):
            return Attribute(self, name, component_type(self.type))
        if isinstance(self.type, T.Transform) and name in ("p", "q"):
            part = T.Vec(3, self.type.scalar) if name == "p" else T.Quat(self.type.scalar)
            return Attribute(self, name, part)
        raise TypeError(f"{self.type} has no field {name!r}")

    @property
    def x(self) -> "Expr":
        return self.field("x")

    @property
    def y(self) -> "Expr":
        return self.field("y")

    @property
    def z(self) -> "Expr":
        return self.field("z")

    @property
    def w(self) -> "Expr":
        return self.field("w")

    def dim(self, axis: int) -> "Expr":
        """``array.shape[axis]``."""
        return Subscript(Attribute(self, "shape", T.Opaque("shape")), (literal(axis),), T.I32)


@dataclass(frozen=True, slots=True, eq=False)
class Literal(Expr):
    value: float | int | bool
    type: T.Type


@dataclass(frozen=True, slots=True, eq=False)
class Name(Expr):
    """A local variable, parameter, constant or function, by its final identifier."""

    id: str
    type: T.Type


@dataclass(frozen=True, slots=True, eq=False)
class Attribute(Expr):
    base: Expr
    name: str
    type: T.Type


@dataclass(frozen=True, slots=True, eq=False)
class Subscript(Expr):
    base: Expr
    index: tuple[Union[Expr, "Slice"], ...]
    type: T.Type


@dataclass(frozen=True, slots=True)
class Slice:
    start: Expr | None
    stop: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Unary(Expr):
    op: str  # "-", "~", "not"
    operand: Expr
    type: T.Type


@dataclass(frozen=True, slots=True, eq=False)
class Binary(Expr):
    op: str
    left: Expr
    right: Expr
    type: T.Type


@dataclass(frozen=True, slots=True, eq=False)
class Compare(Expr):
    """``a < b`` or a chain ``a <= b < c``."""

    operands: tuple[Expr, ...]
    ops: tuple[str, ...]
    type: T.Type = T.BOOL


@dataclass(frozen=True, slots=True, eq=False)
class Boolean(Expr):
    op: str  # "and", "or"
    operands: tuple[Expr, ...]
    type: T.Type = T.BOOL


@dataclass(frozen=True, slots=True, eq=False)
class Ternary(Expr):
    condition: Expr
    then: Expr
    otherwise: Expr
    type: T.Type


@dataclass(frozen=True, slots=True, eq=False)
class Call(Expr):
    """A call; `callee` is ``wp.dot``, ``float`` or the name of a user function."""

    callee: str
    args: tuple[Expr, ...]
    kwargs: tuple[tuple[str, Expr], ...]
    type: T.Type


@dataclass(frozen=True, slots=True, eq=False)
class Construct(Expr):
    """A value built or cast by naming its type: ``wp.vec3(x, y, z)``, ``float(i)``."""

    args: tuple[Expr, ...]
    type: T.Type
    kwargs: tuple[tuple[str, Expr], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class DtypeOf(Expr):
    """A value cast to the type of a generic argument: ``x.dtype(0.5)`` or ``type(s)(0.5)``."""

    name: str
    of_array: bool
    value: Expr
    type: T.Type


@dataclass(frozen=True, slots=True, eq=False)
class TypeRef(Expr):
    """A type as a value: ``dtype=wp.vec3`` in a call."""

    referred: T.Type
    type: T.Type = T.TYPE


@dataclass(frozen=True, slots=True, eq=False)
class Shape(Expr):
    """A tuple in source: ``(8, 8)`` as a shape, or the values of a multiple return."""

    items: tuple[Expr, ...]
    type: T.Type


@dataclass(frozen=True, slots=True, eq=False)
class Text(Expr):
    """A string literal, for printf."""

    value: str
    type: T.Type = T.STRING


# --- statements -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Assign:
    targets: tuple[Expr, ...]
    value: Expr


@dataclass(slots=True)
class AugAssign:
    target: Expr
    op: str
    value: Expr


@dataclass(slots=True)
class Evaluate:
    """An expression as a statement: an atomic, a tile store, a printf."""

    value: Expr


@dataclass(slots=True)
class If:
    """Branches in order; a condition of None is the ``else``."""

    branches: list[tuple[Expr | None, "Body"]]


@dataclass(slots=True)
class For:
    target: Name
    iterable: Expr
    body: "Body"


@dataclass(slots=True)
class While:
    condition: Expr
    body: "Body"


@dataclass(slots=True)
class Return:
    value: Expr | None = None


@dataclass(slots=True)
class Keyword:
    word: str  # break, continue, pass


@dataclass(slots=True)
class Assert:
    condition: Expr
    message: str = ""


@dataclass(slots=True)
class Comment:
    text: str


@dataclass(slots=True)
class Blank:
    pass


Statement = (
    Assign | AugAssign | Evaluate | If | For | While | Return | Keyword | Assert | Comment | Blank
)
Body = list[Statement]


# --- definitions ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Parameter:
    name: str
    type: T.Type
    default: Expr | None = None
    generic: bool = False  # annotated Any
    by_reference: bool = False  # what is assigned to it reaches the caller


@dataclass(slots=True)
class ConstantDef:
    name: str
    value: float | int
    type: T.Scalar
    wrapped: bool = True  # wp.constant(…) or a plain module global


@dataclass(slots=True)
class StructDef:
    type: T.StructType
    doc: str = ""


@dataclass(slots=True)
class EnumDef:
    """An `IntEnum` or `IntFlag` at module level."""

    name: str
    members: list[tuple[str, int]]
    flag: bool


@dataclass(slots=True)
class FunctionDef:
    name: str
    params: list[Parameter]
    returns: T.Type | None
    body: Body
    doc: str = ""
    decorator: str = "wp.func"
    decorator_args: tuple[str, ...] = ()
    bare_return: bool = False  # its return type is never written
    native: tuple[str, str] | None = None  # snippet and adjoint snippet of a @wp.func_native
    concrete: bool = False  # passed as a value, so its types must be spelt out
    annotated: bool = False  # its return type is always written


@dataclass(slots=True)
class KernelDef:
    name: str
    params: list[Parameter]
    body: Body
    doc: str = ""
    options: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Factory:
    """A Python function that returns the kernel as a closure over its arguments."""

    name: str
    captured: list[tuple[str, float | int | str, str]]  # parameter, argument, annotation
    nested: list[FunctionDef]


@dataclass(slots=True)
class Module:
    """A program: what a row's `python` is rendered from."""

    doc: str
    definitions: list[ConstantDef | EnumDef | StructDef | FunctionDef]
    kernel: KernelDef
    factory: Factory | None = None
    overload: dict[str, T.Type] | None = None  # concrete types of a generic kernel
    owner: str = ""  # class whose method the kernel is
    postponed: bool = False  # from __future__ import annotations


# --- constructors ---------------------------------------------------------------------------------


def literal(value: float | int | bool, t: T.Type | None = None) -> Literal:
    """A literal of scalar type `t`, or of Python's own type where `t` is None."""
    if t is None:
        return Literal(value, literal_type(value))
    scalar = T.scalar_of(t)
    if scalar.is_float:
        return Literal(float(value), scalar)
    if scalar == T.BOOL:
        return Literal(bool(value), scalar)
    if isinstance(value, float) and value != int(value):
        raise TypeError(f"{value} is no literal of {scalar.name}")
    return Literal(int(value), scalar)


def lift(value: Operand, like: T.Type | None = None) -> Expr:
    """`value` as an expression; a Python number takes the scalar type of `like`."""
    if isinstance(value, Expr):
        return value
    return literal(value, like)


def binary(op: str, left: Operand, right: Operand) -> Expr:
    """A binary operation.

    Raises:
        TypeError: Warp has no such operation on these types.
    """
    a = lift(left, right.type if isinstance(right, Expr) else None)
    b = lift(right, a.type)
    return Binary(op, a, b, binary_type(op, a.type, b.type))


def compare(left: Operand, op: str, right: Operand, *more: Operand | str) -> Compare:
    """``left op right``, or a chain when `more` holds further operators and operands."""
    items: list[Operand] = [left, right, *(m for m in more[1::2])]  # type: ignore[list-item]
    like = next(i.type for i in items if isinstance(i, Expr))
    operands = tuple(lift(i, like) for i in items)
    for other in operands[1:]:
        if other.type != operands[0].type:
            raise TypeError(f"cannot compare {operands[0].type} with {other.type}")
    return Compare(operands, (op, *(str(m) for m in more[0::2])))


def subscript(base: Expr, index: "Operand | slice | tuple[Operand | slice, ...]") -> Subscript:
    """``base[index]``: an array element or view, a component, a matrix row, a slice."""
    parts = index if isinstance(index, tuple) else (index,)
    lifted = tuple(_index_part(p) for p in parts)
    return Subscript(base, lifted, _subscript_type(base.type, lifted))


def _index_part(part: "Operand | slice") -> "Expr | Slice":
    if isinstance(part, slice):
        start = None if part.start is None else lift(part.start, T.I32)
        return Slice(start, None if part.stop is None else lift(part.stop, T.I32))
    return lift(part, T.I32)


def _subscript_type(t: T.Type, index: Sequence["Expr | Slice"]) -> T.Type:
    sliced = [i for i in index if isinstance(i, Slice)]
    for part in index:
        if isinstance(part, Expr) and not (isinstance(part.type, T.Scalar) and part.type.is_int):
            raise TypeError(f"an index must be an integer, not {part.type}")
    if isinstance(t, T.Array):
        left = t.ndim - (len(index) - len(sliced))
        if left < 0:
            raise TypeError(f"{len(index)} indices on an array of {t.ndim} dimensions")
        return T.Array(t.dtype, left) if left else t.dtype
    if sliced and isinstance(t, T.Vec):
        start, stop = sliced[0].start, sliced[0].stop
        low = start.value if isinstance(start, Literal) else 0
        high = stop.value if isinstance(stop, Literal) else t.n
        return T.Vec(int(high) - int(low), t.scalar)
    if isinstance(t, T.Mat):
        return t.scalar if len(index) == 2 else T.Vec(t.cols, t.scalar)
    if isinstance(t, T.SpatialMat):
        return t.scalar if len(index) == 2 else T.SpatialVec(t.scalar)
    if isinstance(t, T.Tile):
        return t.dtype if len(index) == len(t.shape) else T.Tile(t.dtype, t.shape[len(index) :])
    if isinstance(t, T.TupleType):
        part = index[0]
        assert isinstance(part, Literal)
        return t.items[int(part.value)]
    return component_type(t)
