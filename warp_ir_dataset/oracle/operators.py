"""Operators of a replayed program, with C++'s rules where Python's differ."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from warp_ir_dataset.oracle.arrays import Array, from_array, write_field
from warp_ir_dataset.oracle.errors import NotReplayable, OutOfRange
from warp_ir_dataset.oracle.values import (
    COMPONENTS,
    Record,
    Struct,
    Value,
    component_type,
    constant,
    copied,
    from_warp,
    matrix_type,
    numpy_scalar,
    struct_fields,
    to_warp,
    vector_type,
)

_Binary = Callable[[Any, Any], Any]


def _product(a: Value, b: Value) -> Value | None:
    """Product of which at least one factor is a matrix; None if it isn't that."""
    left, right = a.data, b.data
    if 2 not in (left.ndim, right.ndim) or left.shape[-1] != right.shape[0]:
        return None
    # Summed in order: NumPy's own product sums as its library finds fastest.
    terms = (
        left[..., k, None] * right[k] if right.ndim == 2 else left[..., k] * right[k]
        for k in range(len(right))
    )
    total = next(terms)
    for term in terms:
        total = total + term
    scalar = component_type(a.type)
    kind = vector_type(len(total), scalar) if total.ndim == 1 else matrix_type(total.shape, scalar)
    return Value(total, kind)


def _through_warp(name: str, a: Any, b: Any) -> Any:
    """What Warp's builtin of the operator gives; for products of matrices and the like."""
    import warp as wp

    if name == "mul" and type(a) is Value and type(b) is Value and (made := _product(a, b)):
        return made
    left, right = to_warp(a), to_warp(b)
    try:
        return from_warp(getattr(wp, name)(left, right))
    except (RuntimeError, TypeError) as error:
        raise NotReplayable("operator", f"{name}: {error}") from None


def _elementwise(name: str, compute: _Binary, scaled: bool) -> _Binary:
    """An operator between equal types and, if `scaled`, between a composite and a scalar."""

    def apply(a: Any, b: Any) -> Any:
        if type(a) is type(b):
            if type(a) is not Value:
                return compute(a, b)
            if not scaled:
                return Value(compute(a.data, b.data), a.type)
        elif scaled and type(a) is Value and isinstance(b, component_type(a.type)):
            return Value(compute(a.data, b), a.type)
        elif name == "mul" and type(b) is Value and isinstance(a, component_type(b.type)):
            return Value(compute(a, b.data), b.type)
        return _through_warp(name, a, b)

    return apply


def _quotient(a: Any, b: Any) -> Any:
    if isinstance(a, np.integer):
        if b == 0:
            raise OutOfRange("integer division by zero")
        q, r = a // b, a % b
        return q + type(a)(1) if r != 0 and (a < 0) != (b < 0) else q
    return a / b


def _floor_quotient(a: Any, b: Any) -> Any:
    if isinstance(a, np.integer) and b == 0:
        raise OutOfRange("integer division by zero")
    return np.floor_divide(a, b)


def _remainder(a: Any, b: Any) -> Any:
    if isinstance(a, np.integer) and b == 0:
        raise OutOfRange("integer division by zero")
    return np.fmod(a, b)


BINARY: dict[str, _Binary] = {
    "Add": _elementwise("add", operator.add, False),
    "Sub": _elementwise("sub", operator.sub, False),
    "Mult": _elementwise("mul", operator.mul, True),
    "Div": _elementwise("div", _quotient, True),
    "FloorDiv": _elementwise("floordiv", _floor_quotient, False),
    "Mod": _elementwise("mod", _remainder, False),
    "Pow": _elementwise("pow", operator.pow, False),
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
    "MatMult": lambda a, b: _through_warp("mul", a, b),
}


def negate(a: Any) -> Any:
    """Unary minus."""
    return Value(-a.data, a.type) if type(a) is Value else -a


# --- parts of values ------------------------------------------------------------------------------


def attribute(value: Any, name: str) -> Any:
    """`value.name`."""
    if type(value) is Struct:
        return value.fields[name]
    if type(value) is Value and name in COMPONENTS:
        return value.data[COMPONENTS[name]]
    if type(value) is Value and name in ("p", "q"):
        return copied(reference_attribute(value, name))
    if type(value) is Array and name in ("shape", "ndim", "size"):
        return {
            "shape": lambda: value.shape,
            "ndim": lambda: constant(value.ndim),
            "size": lambda: constant(int(np.prod(value.data.shape[: value.ndim]))),
        }[name]()
    if isinstance(value, (Value, Array, np.generic)):
        raise NotReplayable("attribute", name)
    return getattr(value, name)


def reference_attribute(value: Any, name: str) -> Any:
    """`value.name` as the target of an assignment to its parts."""
    if type(value) is Record:
        kind = struct_fields(value.type)[name]
        field = value.view[name]
        return Record(kind, field) if hasattr(kind, "cls") else from_array(field[0], kind, False)
    if type(value) is Value and name in ("p", "q"):
        scalar = component_type(value.type)
        if name == "p":
            return Value(value.data[:3], vector_type(3, scalar))
        import warp as wp

        return Value(value.data[3:], wp.types.quaternion(dtype=value.type._wp_scalar_type_))
    return attribute(value, name)


def set_attribute(value: Any, name: str, new: Any) -> None:
    """`value.name = new`, where `value` is a reference."""
    if type(value) is Struct:
        value.fields[name] = copied(new)
    elif type(value) is Record:
        write_field(value.view, name, new)
    elif type(value) is Value and name in COMPONENTS:
        value.data[COMPONENTS[name]] = new
    elif type(value) is Value and name in ("p", "q"):
        reference_attribute(value, name).data[...] = new.data
    else:
        raise NotReplayable("attribute", name)


def _component(value: Value, index: Any) -> Any:
    place = index if type(index) is tuple else (index,)
    for i, extent in zip(place, value.data.shape, strict=False):
        if type(i) is not slice and not -extent <= int(i) < extent:
            raise OutOfRange(f"component {i} of {extent}")
    return tuple(
        slice(*map(_bound, (i.start, i.stop, i.step))) if type(i) is slice else int(i)
        for i in place
    )


def _bound(bound: Any) -> int | None:
    return None if bound is None else int(bound)


def _part(value: Value, index: Any) -> Any:
    part = value.data[_component(value, index)]
    if part.ndim == 0:
        return part
    if part.ndim > 1:
        raise NotReplayable("matrix_slice")
    return Value(part, vector_type(len(part), component_type(value.type)))


def item(value: Any, index: Any) -> Any:
    """`value[index]`."""
    if type(value) is Array:
        return value.get(index)
    if type(value) is Value:
        return copied(_part(value, index))
    if isinstance(value, tuple):
        return value[int(index)]
    raise NotReplayable("subscript", type(value).__name__)


def reference_item(value: Any, index: Any) -> Any:
    """`value[index]` as the target of an assignment to its parts."""
    if type(value) is Array:
        return value.reference(index)
    return _part(value, index) if type(value) is Value else item(value, index)


def set_item(value: Any, index: Any, new: Any) -> None:
    """`value[index] = new`, where `value` is a reference."""
    if type(value) is Array:
        value.set(index, new)
    elif type(value) is Value:
        value.data[_component(value, index)] = new.data if type(new) is Value else new
    else:
        raise NotReplayable("subscript", type(value).__name__)


def scalar_of(value: Any) -> Any:
    """NumPy's type of a value's scalars; None if it has none."""
    if type(value) is Value:
        return component_type(value.type)
    if isinstance(value, (bool, np.bool_)):
        return np.bool_
    return type(value) if isinstance(value, np.generic) else numpy_scalar(type(value))


def change_item(value: Any, index: Any, operation: _Binary, by: Any) -> None:
    """`value[index] op= by`, where `value` is a reference."""
    set_item(value, index, operation(item(value, index), by))


def change_attribute(value: Any, name: str, operation: _Binary, by: Any) -> None:
    """`value.name op= by`, where `value` is a reference."""
    before = reference_attribute(value, name) if type(value) is Record else attribute(value, name)
    set_attribute(value, name, operation(before, by))
