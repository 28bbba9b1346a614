"""What names stand for inside a replayed program.

Builtins that NumPy doesn't compute are Warp's own, called from Python, which doesn't involve its
code generator.
"""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

from warp_ir_dataset.oracle.constructors import Constructor, constructor
from warp_ir_dataset.oracle.errors import NotReplayable
from warp_ir_dataset.oracle.functions import EXACT, HERE, NUMPY
from warp_ir_dataset.oracle.values import (
    Value,
    constant,
    from_warp,
    is_composite,
    is_struct,
    numpy_scalar,
    to_warp,
)

# Names by which programs reach what CPython can't do, and the reason given for each.
_BEYOND = {
    "tile": "tile",
    "untile": "tile",
    "mesh": "mesh",
    "bvh": "bvh",
    "hash_grid": "hash_grid",
    "volume": "volume",
    "texture": "texture",
    "poisson": "poisson",
    "grad": "grad",
    "adjoint": "grad",
}


def _scalar_only(name: str, compute: Callable[..., Any]) -> Callable[..., Any]:
    """A function that NumPy computes for scalars and Warp for everything else."""
    other = _warp_builtin(name)

    def call(*arguments: Any) -> Any:
        if isinstance(arguments[0], np.floating):
            return compute(*arguments)
        return other(*arguments)

    return call


@cache
def _warp_builtin(name: str) -> Callable[..., Any]:
    import warp as wp

    function = getattr(wp, name)

    def call(*arguments: Any, **named: Any) -> Any:
        given = [_passed(a) for a in arguments]
        keywords = {key: _passed(a) for key, a in named.items()}
        try:
            result = function(*given, **keywords)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise NotReplayable(reason_of(name) or "builtin", f"{name}: {error}") from None
        if result is None or name.startswith("volume_sample_grad"):
            _write_back(arguments, given)
        return from_warp(result)

    return call


_SUFFIXES = {"float32": "f", "int32": "i", "vec3f": "v"}


def _typed(name: str) -> Callable[..., Any]:
    """A builtin that takes the type of its result, through those that have it in their names."""

    def call(*arguments: Any, dtype: Constructor) -> Any:
        scalar = numpy_scalar(dtype.type)
        suffix = _SUFFIXES.get(scalar.__name__ if scalar else dtype.type.__name__)
        if suffix is None:
            raise NotReplayable("volume", f"{name} of {dtype.type}")
        return builtin(f"{name}_{suffix}")(*arguments)

    return call


def _library(name: str) -> Callable[..., Any]:
    """A function that Warp itself has in Python: rewritten like a program's own."""
    import warp as wp

    from warp_ir_dataset.oracle.machine import load_function  # which needs this module

    return load_function(getattr(wp, name).func)


def _passed(argument: Any) -> Any:
    return argument.type if isinstance(argument, Constructor) else to_warp(argument)


def _write_back(arguments: tuple[Any, ...], given: list[Any]) -> None:
    """Copies what a builtin wrote to arguments taken by reference."""
    for argument, passed in zip(arguments, given, strict=True):
        if type(argument) is Value:
            argument.data[...] = from_warp(passed).data


def rounds(name: str) -> bool:
    """Whether the result of `wp.name` is rounded, so that compiled code may round it otherwise."""
    found = builtin(name)
    return name not in EXACT and callable(found) and not isinstance(found, Constructor)


def reason_of(name: str) -> str | None:
    """Why a builtin can't be replayed; None if it may be."""
    for prefix, reason in _BEYOND.items():
        if name == prefix or name.startswith(f"{prefix}_"):
            return reason
    return None


@cache
def builtin(name: str) -> Any:
    """What `wp.name` is inside a replayed program.

    Raises:
        NotReplayable: CPython has no answer for it.
    """
    import warp as wp

    if name in HERE:
        return HERE[name]
    if name in ("volume_sample", "volume_lookup"):
        return _typed(name)
    if name in NUMPY:
        return _scalar_only(name, NUMPY[name])
    if (reason := reason_of(name)) and not (name.startswith("volume_") and hasattr(wp, name)):
        raise NotReplayable(reason, name)
    if not hasattr(wp, name):
        raise NotReplayable("builtin", name)
    found = getattr(wp, name)
    if getattr(found, "func", None) is not None and not len(found.user_overloads) > 1:
        return _library(name)
    return _warp_builtin(name) if hasattr(found, "native_func") else resolved(found)


def resolved(found: Any) -> Any:
    """What a name of the module or of an enclosing function is inside a replayed program."""
    if type(found) is FunctionType:
        return found
    if isinstance(found, (int, float)):
        return constant(found)
    if hasattr(found, "native_func"):
        return builtin(found.key)
    if is_struct(found) or numpy_scalar(found) or is_composite(found):
        return constructor(found)
    if getattr(found, "__module__", "") == "math":  # Warp takes these for its own
        return builtin(found.__name__)
    if isinstance(found, tuple):
        return tuple(resolved(v) for v in found)
    if is_composite(type(found)) or numpy_scalar(type(found)):
        return from_warp(found)
    return found


def iterated(*bounds: Any) -> Any:
    """`range` over int32."""
    kind = type(bounds[0])
    return map(kind, range(*map(int, bounds)))
