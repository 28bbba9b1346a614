"""What a launch wrote, in the form of the `outputs` column."""

import hashlib
from typing import Any

import numpy as np

_FIRST = 8


def leaves(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays by name, those of structs taken apart: `particles.velocity` and so on."""
    flat: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        if values.dtype.names is None:
            flat[name] = values
        else:
            flat |= leaves({f"{name}.{field}": values[field] for field in values.dtype.names})
    return flat


def describe(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The value of the `outputs` column, which has no NaN or infinity if `arrays` has none.

    Of each array, and of each field of an array of structs: NumPy's dtype, the shape with the
    components of vectors and matrices last, the SHA-256 of its bytes in C order, little-endian,
    and the first eight values.
    """
    return {"arrays": {name: _describe(values) for name, values in leaves(arrays).items()}}


def _describe(values: np.ndarray) -> dict[str, Any]:
    stored = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return {
        "dtype": values.dtype.name,
        "shape": list(values.shape),
        "sha256": hashlib.sha256(stored.tobytes()).hexdigest(),
        "first": stored.reshape(-1)[:_FIRST].tolist(),
    }
