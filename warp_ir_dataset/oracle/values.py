"""Values of a replayed program: scalars are NumPy's, the rest are the classes here.

NumPy's scalars round and wrap as C++ does, operation by operation; Python's don't. So no Python
number may reach a replayed program.
"""

import ctypes
import typing
from functools import cache, lru_cache
from typing import Any

import numpy as np

from warp_ir_dataset.oracle.errors import NotReplayable

COMPONENTS = {"x": 0, "y": 1, "z": 2, "w": 3}


class Value:
    """A vector, matrix, quaternion or transformation.

    Attributes:
        data: components in Warp's order; shape as that of the type. A view where the value is the
            target of an assignment to its components.
        type: Warp's type.
    """

    __slots__ = ("data", "type")

    def __init__(self, data: np.ndarray, kind: Any) -> None:
        self.data = data
        self.type = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and bool(np.array_equal(self.data, other.data))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]


class Struct:
    """An instance of a `@wp.struct`, with its fields by name."""

    __slots__ = ("fields", "type")

    def __init__(self, kind: Any, fields: dict[str, Any]) -> None:
        self.type = kind
        self.fields = fields


class Record:
    """An element of an array of structs as the target of an assignment to its fields."""

    __slots__ = ("type", "view")

    def __init__(self, kind: Any, view: np.ndarray) -> None:
        self.type = kind
        self.view = view  # shape (1,), of the struct's NumPy type


@cache
def _wp() -> Any:
    import warp as wp

    return wp


_SCALARS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_SCALARS += ["float16", "float32", "float64"]


@cache
def _scalar_types() -> dict[Any, Any]:
    wp = _wp()
    table = {getattr(wp, name): np.dtype(name).type for name in _SCALARS}
    return table | {wp.bool: np.bool_, float: np.float32, int: np.int32, bool: np.bool_}


def numpy_scalar(kind: Any) -> Any:
    """NumPy's scalar type of a Warp or Python scalar type; None for anything else."""
    return _scalar_types().get(kind) if isinstance(kind, type) else None


@cache
def warp_scalar(kind: Any) -> Any:
    """Warp's scalar type of a NumPy scalar type."""
    return _wp().dtype_from_numpy(kind) if kind is not np.bool_ else _wp().bool


def is_composite(kind: Any) -> bool:
    """Whether a type is a vector, matrix, quaternion or transformation."""
    return isinstance(kind, type) and issubclass(kind, ctypes.Array) and hasattr(kind, "_shape_")


def is_struct(kind: Any) -> bool:
    """Whether a type is a `@wp.struct`."""
    return hasattr(kind, "cls") and hasattr(kind, "numpy_dtype")


@cache
def component_type(kind: Any) -> Any:
    """NumPy's scalar type of a composite type's components."""
    found = numpy_scalar(kind._wp_scalar_type_)
    assert found
    return found


@cache
def vector_type(length: int, scalar: Any) -> Any:
    """Warp's vector type of a length and a component type."""
    return _wp().types.vector(length=length, dtype=warp_scalar(scalar))


@cache
def matrix_type(shape: tuple[int, ...], scalar: Any) -> Any:
    """Warp's matrix type of a shape and a component type."""
    return _wp().types.matrix(shape=shape, dtype=warp_scalar(scalar))


@lru_cache(maxsize=256)  # structs come and go with programs
def struct_fields(kind: Any) -> dict[str, Any]:
    """Types of a struct's fields, by name in order."""
    return typing.get_type_hints(kind.cls)


def zero(kind: Any) -> Any:
    """The value that Warp starts a variable of a type with."""
    scalar = numpy_scalar(kind) if isinstance(kind, type) else None
    if scalar:
        return scalar(0)
    if is_composite(kind):
        return Value(np.zeros(kind._shape_, component_type(kind)), kind)
    if is_struct(kind):
        return Struct(kind, {name: zero(t) for name, t in struct_fields(kind).items()})
    return None  # an array: it can only be assigned


def to_warp(value: Any) -> Any:
    """A value as Warp's builtins take it from Python.

    Raises:
        NotReplayable: Warp takes no such value from Python.
    """
    if type(value) is Value:
        return value.type.from_buffer_copy(np.ascontiguousarray(value.data))
    if type(value) is np.bool_:
        return bool(value)
    if isinstance(value, (np.generic, bool)):
        return value
    raise NotReplayable("builtin_argument", type(value).__name__)


def from_warp(value: Any) -> Any:
    """What Warp gave to Python, as a replayed program holds it."""
    if isinstance(value, ctypes.Array):
        kind: Any = type(value)
        data = np.frombuffer(memoryview(value), component_type(kind)).reshape(kind._shape_)
        return Value(data.copy(), kind)
    if isinstance(value, bool):
        return value
    if isinstance(value, tuple):
        return tuple(from_warp(v) for v in value)
    if isinstance(value, (int, float)):
        return constant(value)
    if scalar := numpy_scalar(type(value)):
        return scalar(value.value)
    if value is None:
        return None
    raise NotReplayable("builtin_result", type(value).__name__)


def constant(value: int | float) -> Any:
    """A Python number as Warp reads it in a program: int32 or float32."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return np.array(value & 0xFFFFFFFF, np.uint32).astype(np.int32)[()]
    return np.float32(value)


def copied(value: Any) -> Any:
    """A value with storage of its own, as assignment to a variable gives in C++."""
    if type(value) is Value:
        return Value(value.data.copy(), value.type)
    if type(value) is Struct:
        return Struct(value.type, {n: copied(v) for n, v in value.fields.items()})
    return value


def convert(value: Any, scalar: Any) -> Any:
    """C++'s conversion of a scalar; a Python number stands for a literal of that very type."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value) if scalar is np.bool_ else scalar(value)
    if scalar is np.bool_:
        return bool(value)
    if isinstance(value, np.generic):
        return value.astype(scalar)
    if isinstance(value, int):
        return (
            np.array(value & 0xFFFFFFFFFFFFFFFF, np.uint64).astype(scalar)[()]
            if value >= 0
            else np.array(value).astype(scalar)[()]
        )
    if isinstance(value, float):
        return np.array(value).astype(scalar)[()]
    raise NotReplayable("conversion", type(value).__name__)
