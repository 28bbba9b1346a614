"""Block-cooperative tile programs."""

from generator.synthesis import types as T
from generator.synthesis.categories._tile_fourier import fourier
from generator.synthesis.categories._tile_gather import gather
from generator.synthesis.categories._tile_linear import attention, matmul
from generator.synthesis.categories._tile_order import order_statistics
from generator.synthesis.categories._tile_queries import queries, sampling
from generator.synthesis.categories._tile_reduce import elementwise, reduce_rows
from generator.synthesis.categories._tile_rows import normalise
from generator.synthesis.categories._tile_scan import scan_sort
from generator.synthesis.categories._tile_shared import histogram
from generator.synthesis.categories._tile_solve import iterate, solve
from generator.synthesis.categories._tile_stages import stages
from generator.synthesis.categories._tile_threads import lanes, strided
from generator.synthesis.categories._tile_views import reshape_blocks
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("tile_programs", version=1, title="Tile programs")
def write(p: ProgramBuilder) -> None:
    """Work that a block of threads does together on tiles: matrix products and attention, Cholesky solves and
    Krylov iterations, FFTs, row normalisation, reductions, scans, sorts, gathers, histograms and tree queries."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted(
        {
            normalise: 3,
            reduce_rows: 3,
            elementwise: 3,
            scan_sort: 3,
            reshape_blocks: 3.2,
            matmul: 3,
            attention: 2,
            solve: 3,
            iterate: 2.5,
            fourier: 1.5,
            strided: 4.2,
            lanes: 1.5,
            gather: 2.4,
            histogram: 2.8,
            sampling: 2.2,
            queries: 2.6,
            order_statistics: 6,
            stages: 4,
        }
    )
    intent(p)
