"""Arrays of a replayed program: views of the memory of the launch's own `wp.array`s."""

from typing import Any

import numpy as np

from warp_ir_dataset.oracle.errors import NotReplayable, OutOfRange
from warp_ir_dataset.oracle.values import (
    Record,
    Struct,
    Value,
    constant,
    is_composite,
    is_struct,
    struct_fields,
)


class Array:
    """An array argument, or a view of one.

    Attributes:
        data: the array's dimensions, then those of an element's components.
        type: Warp's type of an element.
        ndim: dimensions of the array.
    """

    __slots__ = ("composite", "data", "ndim", "type")

    def __init__(self, data: np.ndarray, kind: Any, ndim: int) -> None:
        self.data = data
        self.type = kind
        self.ndim = ndim
        self.composite = is_composite(kind) or is_struct(kind)

    @property
    def shape(self) -> tuple[Any, ...]:
        """Extents, as int32."""
        return tuple(constant(n) for n in self.data.shape[: self.ndim])

    def _place(self, index: Any) -> tuple[Any, ...]:
        given = index if type(index) is tuple else (index,)
        if len(given) > self.ndim:
            raise NotReplayable("index", f"{len(given)} of {self.ndim}")
        return tuple(map(_within, given, self.data.shape))

    def get(self, index: Any) -> Any:
        """The element at an index, or a view if the index leaves dimensions open."""
        place = self._place(index)
        found = self.data[place]
        if len(place) < self.ndim or slice in map(type, place):
            closed = sum(type(i) is int for i in place)
            return Array(found, self.type, self.ndim - closed)
        return from_array(found, self.type, copy=True) if self.composite else found

    def reference(self, index: Any) -> Any:
        """The element at an index as the target of an assignment to its parts."""
        place = self._place(index)
        if len(place) < self.ndim:
            return self.get(index)
        if is_struct(self.type):
            return Record(self.type, self.data[(*place, None)])
        return from_array(self.data[place], self.type, copy=False)

    def set(self, index: Any, value: Any) -> None:
        """Writes an element."""
        place = self._place(index)
        if len(place) < self.ndim:
            raise NotReplayable("array_assignment")
        if type(value) is Struct:
            write_record(self.data[(*place, None)], value)
        else:
            self.data[place] = value.data if type(value) is Value else value


def _within(index: Any, extent: int) -> Any:
    if type(index) is slice:
        return _bounds(index)
    if not 0 <= index < extent:
        raise OutOfRange(f"index {index} of {extent}")
    return int(index)


def _bounds(s: slice) -> slice:
    return slice(*(None if b is None else int(b) for b in (s.start, s.stop, s.step)))


def from_array(found: Any, kind: Any, copy: bool) -> Any:
    """An element of an array, or a field of a record, as a program's value."""
    if is_composite(kind):
        return Value(found.copy() if copy else found, kind)
    if is_struct(kind):
        return Struct(
            kind, {n: from_array(found[n], t, True) for n, t in struct_fields(kind).items()}
        )
    return found


def write_record(view: np.ndarray, value: Struct) -> None:
    """Writes a struct over a record; `view` has shape (1,)."""
    for name, field in value.fields.items():
        write_field(view, name, field)


def write_field(view: np.ndarray, name: str, value: Any) -> None:
    """Writes one field of a record; `view` has shape (1,)."""
    if type(value) is Struct:
        write_record(view[name], value)
    else:
        view[name] = value.data if type(value) is Value else value


def wrap(array: Any) -> Array:
    """A `wp.array` on the CPU as a program's array, over the same memory."""
    data = array.numpy()
    return Array(data, array.dtype, array.ndim)


def atomic(array: Array, arguments: tuple[Any, ...], combine: Any) -> Any:
    """Reads an element, writes it combined with the last argument, and returns what it was."""
    *index, value = arguments
    place = tuple(index)
    before = array.get(place)
    array.set(place, combine(before, value))
    return before


def lower_bound(array: Array, *arguments: Any) -> Any:
    """First place in a sorted array (or a range of it) whose element isn't less than a value.

    The last place if all are less, as in Warp.
    """
    low, high = (0, array.data.shape[0]) if len(arguments) == 1 else map(int, arguments[:2])
    high -= 1
    while low < high:
        middle = low + (high - low) // 2
        if array.get(middle) < arguments[-1]:
            low = middle + 1
        else:
            high = middle
    return constant(low)
