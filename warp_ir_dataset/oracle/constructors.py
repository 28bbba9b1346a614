"""Types of a replayed program, called to make values."""

from functools import lru_cache
from typing import Any

import numpy as np

from warp_ir_dataset.oracle.arrays import Array
from warp_ir_dataset.oracle.errors import NotReplayable
from warp_ir_dataset.oracle.operators import scalar_of
from warp_ir_dataset.oracle.values import (
    Struct,
    Value,
    component_type,
    convert,
    copied,
    from_warp,
    is_composite,
    is_struct,
    matrix_type,
    numpy_scalar,
    struct_fields,
    vector_type,
    warp_scalar,
    zero,
)


class Constructor:
    """A type called in a program.

    Attributes:
        type: the Warp or Python type.
    """

    def __init__(self, kind: Any) -> None:
        self.type = kind

    def __call__(self, *arguments: Any, **fields: Any) -> Any:
        """A value of the type."""
        raise NotImplementedError


class _Scalar(Constructor):
    def __init__(self, kind: Any) -> None:
        super().__init__(kind)
        self._scalar = numpy_scalar(kind)

    def __call__(self, *arguments: Any, **fields: Any) -> Any:
        return convert(arguments[0], self._scalar) if arguments else self._scalar(0)


class _Composite(Constructor):
    def __init__(self, kind: Any) -> None:
        super().__init__(kind)
        self._scalar = component_type(kind)
        self._size = int(np.prod(kind._shape_))

    def __call__(self, *arguments: Any, **fields: Any) -> Any:
        kind = self.type
        if fields:
            raise NotReplayable("constructor", ", ".join(fields))
        if not arguments:
            return from_warp(kind())
        numbers = _flat(arguments, self._scalar)
        if len(arguments) == 1 and type(arguments[0]) is not Value:
            numbers = numbers * self._size
        if len(numbers) != self._size:
            raise NotReplayable("constructor", f"{kind.__name__} of {len(numbers)}")
        return Value(np.array(numbers, self._scalar).reshape(kind._shape_), kind)


class _Struct(Constructor):
    def __call__(self, *arguments: Any, **fields: Any) -> Any:
        made = zero(self.type)
        names = struct_fields(self.type)
        for name, value in (*zip(names, arguments, strict=False), *fields.items()):
            made.fields[name] = copied(value)
        return made


@lru_cache(maxsize=256)  # structs come and go with programs
def constructor(kind: Any) -> Constructor:
    """What a type is inside a replayed program.

    Raises:
        NotReplayable: it isn't a type of Warp's.
    """
    if is_struct(kind):
        return _Struct(kind)
    if numpy_scalar(kind):
        return _Scalar(kind)
    if is_composite(kind):
        return _Composite(kind)
    raise NotReplayable("type", str(kind))


def _flat(arguments: tuple[Any, ...], scalar: Any) -> list[Any]:
    numbers: list[Any] = []
    for argument in arguments:
        if type(argument) is scalar:
            numbers.append(argument)
        elif type(argument) is Value:
            numbers.extend(argument.data.astype(scalar).flat)
        else:
            numbers.append(convert(argument, scalar))
    return numbers


def vector(*numbers: Any, length: Any = None, dtype: Any = None) -> Value:
    """`wp.vector` of components, or of one for all."""
    scalar = numpy_scalar(dtype.type) if dtype else scalar_of(numbers[0])
    assert scalar
    data = _flat(numbers, scalar) or [scalar(0)]
    n = int(length) if length is not None else len(data)
    return Value(np.array(data if len(data) == n else data * n, scalar), vector_type(n, scalar))


def matrix(*numbers: Any, shape: Any = None, dtype: Any = None) -> Value:
    """`wp.matrix` of components in row-major order, or of one for all."""
    scalar = numpy_scalar(dtype.type) if dtype else scalar_of(numbers[0])
    if shape is None or not scalar:
        raise NotReplayable("constructor", "matrix")
    rows, columns = (int(n) for n in shape)
    data = _flat(numbers, scalar) or [scalar(0)]
    full = data if len(data) == rows * columns else data * (rows * columns)
    return Value(
        np.array(full, scalar).reshape(rows, columns), matrix_type((rows, columns), scalar)
    )


def from_rows(*rows: Value) -> Value:
    """`wp.matrix_from_rows`."""
    data = np.stack([row.data for row in rows])
    return Value(data, matrix_type(data.shape, component_type(rows[0].type)))


def identity(n: Any, dtype: Constructor) -> Value:
    """`wp.identity`."""
    scalar = numpy_scalar(dtype.type)
    assert scalar
    return Value(np.eye(int(n), dtype=scalar), matrix_type((int(n), int(n)), scalar))


def transpose(m: Value) -> Value:
    """`wp.transpose`."""
    data = m.data.T.copy()
    return Value(data, matrix_type(data.shape, component_type(m.type)))


def type_of(value: Any) -> Constructor:
    """`type(value)`, and the `dtype` of arrays and composites."""
    if isinstance(value, (Value, Struct)):
        return constructor(value.type)
    found = scalar_of(value)
    if found is None:
        raise NotReplayable("type", type(value).__name__)
    return constructor(warp_scalar(found))


def dtype_of(value: Any) -> Constructor:
    """`value.dtype`."""
    if type(value) is Array:
        return constructor(value.type)
    if type(value) is Value:
        return constructor(value.type._wp_scalar_type_)
    raise NotReplayable("dtype", type(value).__name__)
