"""Builtins computed by NumPy: the most called ones, and those that Python can't call in Warp."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from warp_ir_dataset.oracle import grids
from warp_ir_dataset.oracle.arrays import Array, atomic, lower_bound
from warp_ir_dataset.oracle.constructors import (
    from_rows,
    identity,
    matrix,
    transpose,
    type_of,
    vector,
)
from warp_ir_dataset.oracle.operators import BINARY, negate
from warp_ir_dataset.oracle.random_numbers import rand_init
from warp_ir_dataset.oracle.values import Value, component_type, constant, copied, matrix_type


def _smaller(a: Any, b: Any) -> Any:
    return Value(np.minimum(a.data, b.data), a.type) if type(a) is Value else b if b < a else a


def _larger(a: Any, b: Any) -> Any:
    return Value(np.maximum(a.data, b.data), a.type) if type(a) is Value else b if b > a else a


def _least(a: Any, *rest: Any) -> Any:
    return _smaller(a, *rest) if rest else a.data.min()


def _greatest(a: Any, *rest: Any) -> Any:
    return _larger(a, *rest) if rest else a.data.max()


def _clamp(x: Any, low: Any, high: Any) -> Any:
    if type(x) is Value:
        return Value(np.minimum(np.maximum(low.data, x.data), high.data), x.type)
    return _smaller(_larger(low, x), high)


def _absolute(x: Any) -> Any:
    return Value(np.abs(x.data), x.type) if type(x) is Value else abs(x)


def _round(x: Any) -> Any:
    return np.copysign(np.floor(np.abs(x) + type(x)(0.5)), x)


def _sign(x: Any) -> Any:
    if type(x) is Value:
        return Value(np.where(x.data < 0, -1, 1).astype(x.data.dtype), x.type)
    return type(x)(-1 if x < 0 else 1)


def _dot(a: Value, b: Value) -> Any:
    total = a.data.dtype.type(0)
    for x, y in zip(a.data, b.data, strict=True):
        total = total + x * y
    return total


def _length(a: Value) -> Any:
    return np.sqrt(_dot(a, a))


def _outer(a: Value, b: Value) -> Value:
    data = np.outer(a.data, b.data)
    return Value(data, matrix_type(data.shape, component_type(a.type)))


def _test(compute: Callable[[Any], Any], of_all: bool) -> Callable[[Any], bool]:
    """A test of numbers: of all components of a composite, or of any."""

    def call(x: Any) -> bool:
        found = compute(x.data if type(x) is Value else x)
        return bool(np.all(found) if of_all else np.any(found))

    return call


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _length_of(value: Any) -> Any:
    if isinstance(value, tuple):
        return constant(len(value))
    return constant(value.data.shape[0])


def _where(condition: Any, a: Any, b: Any) -> Any:
    return copied(a if condition else b)


def _cas(array: Array, *arguments: Any) -> Any:
    *index, expected, new = arguments
    return atomic(
        array, (*index, new), lambda before, value: value if before == expected else before
    )


def _atomic(combine: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda array, *arguments: atomic(array, arguments, combine)


# Those that NumPy computes for scalars; for the rest Warp does.
NUMPY: dict[str, Callable[..., Any]] = {
    "sin": np.sin, "cos": np.cos, "exp": np.exp, "log": np.log, "sqrt": np.sqrt,
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint, "round": _round,
    "tan": np.tan, "tanh": np.tanh, "atan2": np.arctan2, "atan": np.arctan, "pow": operator.pow,
}  # fmt: skip

# Those that never come to Warp.
HERE: dict[str, Callable[..., Any]] = {
    "min": _least,
    "max": _greatest,
    "clamp": _clamp,
    "abs": _absolute,
    "sign": _sign,
    "dot": _dot,
    "length": _length,
    "length_sq": lambda a: _dot(a, a),
    "outer": _outer,
    "isnan": _test(np.isnan, False),
    "isinf": _test(np.isinf, False),
    "isfinite": _test(np.isfinite, True),
    "where": _where,
    "len": _length_of,
    "vector": vector,
    "matrix": matrix,
    "matrix_from_rows": from_rows,
    "matrix_from_cols": lambda *columns: transpose(from_rows(*columns)),
    "transpose": transpose,
    "identity": identity,
    "rand_init": rand_init,
    "lower_bound": lower_bound,
    "hash_grid_query": grids.query,
    "hash_grid_point_id": grids.point_id,
    "printf": _nothing,
    "print": _nothing,
    "expect_eq": _nothing,
    "expect_neq": _nothing,
    "expect_near": _nothing,
    "block_dim": lambda: constant(1),
    "add": BINARY["Add"],
    "sub": BINARY["Sub"],
    "mul": BINARY["Mult"],
    "div": BINARY["Div"],
    "mod": BINARY["Mod"],
    "floordiv": BINARY["FloorDiv"],
    "neg": negate,
    "type": type_of,
    "atomic_add": _atomic(BINARY["Add"]),
    "atomic_sub": _atomic(BINARY["Sub"]),
    "atomic_min": _atomic(_smaller),
    "atomic_max": _atomic(_larger),
    "atomic_and": _atomic(BINARY["BitAnd"]),
    "atomic_or": _atomic(BINARY["BitOr"]),
    "atomic_xor": _atomic(BINARY["BitXor"]),
    "atomic_exch": _atomic(lambda before, value: value),
    "atomic_cas": _cas,
}


# Those whose result isn't rounded.
EXACT = {"floor", "ceil", "trunc", "rint", "round"} | HERE.keys()
EXACT -= {"dot", "length", "length_sq", "outer", "add", "sub", "mul", "div"}
