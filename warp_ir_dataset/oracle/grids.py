"""Hash grids of a replayed program, which visit points in the order of Warp's."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from warp_ir_dataset.oracle.values import Value, constant


class HashGrid:
    """Points sorted into the cells of a grid that repeats in space.

    Args:
        points: shape (n, 3).
        width: of a cell.
        cells: along each axis before the grid repeats.
    """

    def __init__(self, points: np.ndarray, width: float, cells: int) -> None:
        scalar = points.dtype.type
        self._cells = cells
        self._per_unit = scalar(1) / scalar(width)
        cell = np.floor(points * self._per_unit).astype(np.int64) % cells
        keys = (cell[:, 2] * cells + cell[:, 1]) * cells + cell[:, 0]
        self._order = np.argsort(keys, kind="stable")
        ends = np.searchsorted(keys[self._order], np.arange(cells**3 + 1))
        self._ends = ends.tolist()

    def point(self, place: Any) -> Any:
        """Index of the point at a place in the order of cells."""
        return constant(int(self._order[int(place)]))

    def near(self, position: Value, radius: Any) -> Iterator[Any]:
        """Indices of the points in all cells that a box around a position touches."""
        low = np.floor((position.data - radius) * self._per_unit).astype(np.int64)
        high = np.floor((position.data + radius) * self._per_unit).astype(np.int64)
        high = np.minimum(high, low + self._cells - 1)  # no cell twice
        xs, ys, zs = (range(a, b + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True))
        for z in zs:
            for y in ys:
                for x in xs:
                    yield from self._inside(x, y, z)

    def _inside(self, x: int, y: int, z: int) -> Iterator[Any]:
        n = self._cells
        key = (z % n * n + y % n) * n + x % n
        for place in range(self._ends[key], self._ends[key + 1]):
            yield self.point(place)


def point_id(grid: HashGrid, place: Any) -> Any:
    """`wp.hash_grid_point_id`."""
    return grid.point(place)


def query(grid: HashGrid, position: Value, radius: Any) -> Iterator[Any]:
    """`wp.hash_grid_query`."""
    return grid.near(position, radius)


def following(found: Iterator[Any], index: Any) -> tuple[bool, Any]:
    """`wp.hash_grid_query_next`: whether there is another point, and the index after it."""
    after = next(found, None)
    return after is not None, index if after is None else after
