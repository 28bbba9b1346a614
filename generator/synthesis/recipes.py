"""Launch recipes: how to make each kernel argument, as JSON-able data.

A recipe says kind, dtype and shape, and for arrays a seeded fill. What fills mean is defined by
the reader, `warp_ir_dataset.recipes`.
"""

from typing import Any

Fill = dict[str, Any]
Recipe = dict[str, Any]


def uniform(low: float, high: float) -> Fill:
    """Independent draws from [low, high), per component."""
    return {"fill": "uniform", "low": low, "high": high}


def normal(mean: float, std: float) -> Fill:
    """Independent Gaussian draws, per component."""
    return {"fill": "normal", "mean": mean, "std": std}


def integers(low: int, high: int) -> Fill:
    """Independent integers in [low, high)."""
    return {"fill": "integers", "low": low, "high": high}


def zeros() -> Fill:
    """All zeros, as outputs start."""
    return {"fill": "zeros"}


def constant(value: float) -> Fill:
    """Every component equal to `value`."""
    return {"fill": "constant", "value": value}


def arange(start: float = 0, step: float = 1) -> Fill:
    """start, start + step, … along the flattened array."""
    return {"fill": "arange", "start": start, "step": step}


def values(numbers: list[float] | list[int]) -> Fill:
    """Given numbers in order: a table such as quadrature weights or lattice directions."""
    return {"fill": "values", "values": numbers}


def permutation() -> Fill:
    """A random permutation of 0 … n-1 (along the last axis)."""
    return {"fill": "permutation"}


def ascending(low: float, high: float) -> Fill:
    """Uniform draws, sorted ascending along the last axis."""
    return {"fill": "ascending", "low": low, "high": high}


def offsets(total: int) -> Fill:
    """n ascending offsets from 0 to `total`: the row pointer of a compressed sparse row layout."""
    return {"fill": "offsets", "total": total}


def mask(share: float) -> Fill:
    """1 with probability `share`, else 0."""
    return {"fill": "mask", "share": share}


def unit_vectors() -> Fill:
    """Uniform directions."""
    return {"fill": "unit_vectors"}


def rotations() -> Fill:
    """Uniform unit quaternions."""
    return {"fill": "rotations"}


def rigid(low: float, high: float) -> Fill:
    """Rigid transforms: translation uniform in [low, high) per axis, rotation uniform."""
    return {"fill": "rigid", "low": low, "high": high}


def spd(low: float, high: float) -> Fill:
    """Symmetric positive-definite matrices with eigenvalues in [low, high)."""
    return {"fill": "spd", "low": low, "high": high}


def near_identity(spread: float) -> Fill:
    """Matrices: identity plus uniform noise in [-spread, spread)."""
    return {"fill": "near_identity", "spread": spread}


def padded(low: int, high: int, share: float) -> Fill:
    """Integers in [low, high) in the leading part of each row, -1 in the last `share` of it."""
    return {"fill": "padded", "low": low, "high": high, "share": share}


def distinct(count: int, group: int, disjoint: bool = False) -> Fill:
    """Indices below `count`, all different within each run of `group` entries, or over all of them."""
    return {"fill": "distinct", "count": count, "group": group, "disjoint": disjoint}


def links() -> Fill:
    """Singly linked lists over 0 … n-1: each entry the next index, larger than its own, or -1."""
    return {"fill": "links"}


def parents() -> Fill:
    """A forest: each entry the index of its parent, smaller than its own, or -1."""
    return {"fill": "parents"}


def array(dtype: str, shape: tuple[int, ...], fill: Fill, role: str) -> Recipe:
    """An array argument; `role` is in, out or inout."""
    return {"kind": "array", "dtype": dtype, "shape": list(shape), "role": role, **fill}


def indexed_array(dtype: str, shape: tuple[int, ...], source: int, fill: Fill) -> Recipe:
    """An input whose first axis is a random choice of rows from an array of `source` rows."""
    return {
        "kind": "indexed_array", "dtype": dtype, "shape": list(shape), "source": source,
        "role": "in", **fill,
    }  # fmt: skip


def none() -> Recipe:
    """No array where the kernel takes an optional one."""
    return {"kind": "none"}


def struct_array(
    struct: str, shape: tuple[int, ...], fields: dict[str, Recipe], role: str
) -> Recipe:
    """An array of structs; a field has the recipe of an array, or of a struct of such fields."""
    return {
        "kind": "struct_array",
        "struct": struct,
        "shape": list(shape),
        "role": role,
        "fields": fields,
    }


def value(dtype: str, number: object) -> Recipe:
    """A scalar, or the components of a vector-like value."""
    return {"kind": "value", "dtype": dtype, "value": number}


def struct(name: str, fields: dict[str, Recipe]) -> Recipe:
    """A struct argument; a field is a value, an array or a struct."""
    return {"kind": "struct", "struct": name, "fields": fields}


def mesh(shape: str, resolution: int, scale: float, grouped: bool = False) -> Recipe:
    """A triangle mesh with velocities: a closed box, sphere or torus, or an open terrain.

    Faces of a `grouped` mesh belong to four groups of about equal size.
    """
    return {
        "kind": "mesh",
        "shape": shape,
        "resolution": resolution,
        "scale": scale,
        "grouped": grouped,
    }


def bvh(count: int, low: float, high: float, extent: float) -> Recipe:
    """A BVH over `count` boxes with centres in [low, high) and half widths below `extent`."""
    return {"kind": "bvh", "count": count, "low": low, "high": high, "extent": extent}


def bvh_over(centers: str, extents: str) -> Recipe:
    """A BVH over boxes given by array arguments: centres, and half widths (one or three per box)."""
    return {"kind": "bvh", "centers": centers, "extents": extents}


def hash_grid(points: str, radius: float, cells: int = 16) -> Recipe:
    """A hash grid built over the array argument `points` with cell width `radius`."""
    return {"kind": "hash_grid", "points": points, "radius": radius, "cells": cells}


def volume(dtype: str, resolution: int, voxel: float, background: float, field: str) -> Recipe:
    """A dense NanoVDB volume centred at the origin; `field` names the function it samples."""
    return {
        "kind": "volume", "dtype": dtype, "resolution": resolution, "voxel": voxel,
        "background": background, "field": field,
    }  # fmt: skip


def texture(ndim: int, shape: tuple[int, ...], channels: int) -> Recipe:
    """A float texture of 1, 2 or 3 dimensions with uniform texels."""
    return {"kind": "texture", "ndim": ndim, "shape": list(shape), "channels": channels}
