"""Warp's random numbers: PCG hashing of a 32-bit state (Jarzynski and Olano, JCGT 9(3), 2020).

Each function takes the state and gives the number and the state after it: in C++ the state is
passed by reference, which Python can't.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from warp_ir_dataset.oracle.arrays import Array, lower_bound
from warp_ir_dataset.oracle.values import Value, vector_type

State = Any  # np.uint32
F = np.float32
_TAU = F(2.0) * F(np.pi)
_SMALLEST = F(5.96e-8)  # keeps the logarithm in `randn` finite


def pcg(state: int) -> int:
    """One step of the generator; also its output."""
    word = (state * 747796405 + 2891336453) & 0xFFFFFFFF
    mixed = (((word >> ((word >> 28) + 4)) ^ word) * 277803737) & 0xFFFFFFFF
    return (mixed >> 22) ^ mixed


def rand_init(seed: Any, offset: Any = None) -> State:
    """State that a seed, and the number of a stream, begin with."""
    start = int(seed) & 0xFFFFFFFF
    if offset is not None:
        start = (start + pcg(int(offset) & 0xFFFFFFFF)) & 0xFFFFFFFF
    return np.uint32(pcg(start))


def _integer(state: State, low: Any, high: Any, kind: Any) -> tuple[Any, State]:
    after = pcg(int(state))
    if low is None:
        return np.uint32(after).astype(kind), np.uint32(after)
    span = (int(high) - int(low)) & 0xFFFFFFFF
    return np.array(after % span + int(low)).astype(kind)[()], np.uint32(after)


def _randi(state: State, low: Any = None, high: Any = None) -> tuple[Any, State]:
    return _integer(state, low, high, np.int32)


def _randu(state: State, low: Any = None, high: Any = None) -> tuple[Any, State]:
    return _integer(state, low, high, np.uint32)


def _randf(state: State, low: Any = None, high: Any = None) -> tuple[Any, State]:
    after = pcg(int(state))
    unit = F(after >> 8) * F(1.0 / 16777216.0)
    number = unit if low is None else (high - low) * unit + low
    return number, np.uint32(after)


def _randn(state: State) -> tuple[Any, State]:
    a, state = _randf(state)
    b, state = _randf(state)
    return np.sqrt(F(-2.0) * np.log(a + _SMALLEST)) * np.cos(_TAU * b), state


def _sample_cdf(state: State, cdf: Array) -> tuple[Any, State]:
    u, state = _randf(state)
    return lower_bound(cdf, u), state


def _vector(*components: Any) -> Value:
    return Value(np.array(components, F), vector_type(len(components), F))


def _triangle(state: State) -> tuple[Any, State]:
    a, state = _randf(state)
    b, state = _randf(state)
    root = np.sqrt(a)
    return _vector(F(1.0) - root, b * root), state


def _ring(state: State) -> tuple[Any, State]:
    theta, state = _randf(state, F(0.0), _TAU)
    return _vector(np.cos(theta), np.sin(theta)), state


def _disk(state: State) -> tuple[Any, State]:
    a, state = _randf(state)
    theta, state = _randf(state, F(0.0), _TAU)
    r = np.sqrt(a)
    return _vector(r * np.cos(theta), r * np.sin(theta)), state


def _ball(least: float, solid: bool) -> Callable[[State], tuple[Any, State]]:
    """Points of a sphere or a ball, whose cosine of the polar angle is at least `least`."""

    def draw(state: State) -> tuple[Any, State]:
        a, state = _randf(state)
        phi = np.arccos(F(1.0) - F(1.0 - least) * a)
        theta, state = _randf(state, F(0.0), _TAU)
        r = F(1.0)
        if solid:
            b, state = _randf(state)
            r = b ** (F(1.0) / F(3.0))
        return _vector(
            r * np.cos(theta) * np.sin(phi), r * np.sin(theta) * np.sin(phi), r * np.cos(phi)
        ), state

    return draw


def _box(dimensions: int) -> Callable[[State], tuple[Any, State]]:
    def draw(state: State) -> tuple[Any, State]:
        numbers = []
        for _ in range(dimensions):
            number, state = _randf(state)
            numbers.append(number - F(0.5))
        return _vector(*numbers), state

    return draw


DRAWS: dict[str, Callable[..., tuple[Any, State]]] = {
    "randi": _randi,
    "randu": _randu,
    "randf": _randf,
    "randn": _randn,
    "sample_cdf": _sample_cdf,
    "sample_triangle": _triangle,
    "sample_unit_ring": _ring,
    "sample_unit_disk": _disk,
    "sample_unit_sphere_surface": _ball(-1.0, False),
    "sample_unit_sphere": _ball(-1.0, True),
    "sample_unit_hemisphere_surface": _ball(0.0, False),
    "sample_unit_hemisphere": _ball(0.0, True),
    "sample_unit_square": _box(2),
    "sample_unit_cube": _box(3),
    "sample_unit_hypercube": _box(4),
}
