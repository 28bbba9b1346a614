from typing import Any

import warp as wp


@wp.kernel(enable_backward=False)
def gradient_orientation(img: wp.array2d(dtype=wp.uint8), cell_size: int, cell_hist: wp.array3d(dtype=Any)):
    iy, col = wp.tid()
    rowc = iy + 1
    colc = col + 1
    ix = (
        cell_hist.dtype(img[rowc - 1, colc + 1]) * cell_hist.dtype(3.0)
        + cell_hist.dtype(img[rowc, colc + 1]) * cell_hist.dtype(10.0)
        + cell_hist.dtype(img[rowc + 1, colc + 1]) * cell_hist.dtype(3.0)
        - (
            cell_hist.dtype(img[rowc - 1, colc - 1]) * cell_hist.dtype(3.0)
            + cell_hist.dtype(img[rowc, colc - 1]) * cell_hist.dtype(10.0)
            + cell_hist.dtype(img[rowc + 1, colc - 1]) * cell_hist.dtype(3.0)
        )
    )
    gy = (
        cell_hist.dtype(img[rowc + 1, colc - 1]) * cell_hist.dtype(3.0)
        + cell_hist.dtype(img[rowc + 1, colc]) * cell_hist.dtype(10.0)
        + cell_hist.dtype(img[rowc + 1, colc + 1]) * cell_hist.dtype(3.0)
        - (
            cell_hist.dtype(img[rowc - 1, colc - 1]) * cell_hist.dtype(3.0)
            + cell_hist.dtype(img[rowc - 1, colc]) * cell_hist.dtype(10.0)
            + cell_hist.dtype(img[rowc - 1, colc + 1]) * cell_hist.dtype(3.0)
        )
    )
    weight = wp.abs(ix) + wp.abs(gy)
    phi = wp.atan2(gy, ix)
    if phi < cell_hist.dtype(0.0):
        phi += cell_hist.dtype(wp.tau)
    wp.atomic_add(
        cell_hist,
        rowc // cell_size,
        colc // cell_size,
        wp.min(int(phi / cell_hist.dtype(wp.tau) * cell_hist.dtype(12.0)), 11),
        weight,
    )


wp.overload(gradient_orientation, {"cell_hist": wp.array3d(dtype=float)})
