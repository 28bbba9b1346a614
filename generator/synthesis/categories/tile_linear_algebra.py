"""Dense linear algebra that a block of threads does on tiles."""

from generator.synthesis import types as T
from generator.synthesis.categories._tla_curve_fit import curve_fit
from generator.synthesis.categories._tla_dynamics import constrained, forward_dynamics
from generator.synthesis.categories._tla_estimation import kalman, regression
from generator.synthesis.categories._tla_functions import matrix_functions, orthonormal
from generator.synthesis.categories._tla_gauss_newton import gauss_newton
from generator.synthesis.categories._tla_gaussian_process import gaussian_process
from generator.synthesis.categories._tla_gaussians import whitening
from generator.synthesis.categories._tla_iterations import control, quadratic_program
from generator.synthesis.categories._tla_products import products
from generator.synthesis.categories._tla_solves import small_solves
from generator.synthesis.categories._tla_spectral import spectral
from generator.synthesis.categories._tla_vectors import vectors
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("tile_linear_algebra", version=1, title="Tile linear algebra")
def write(p: ProgramBuilder) -> None:
    """Dense linear algebra that a block of threads does on tiles in shared memory: batched positive-definite
    solves, Kalman filters, regression, Gaussian processes, constrained dynamics, blocked products and spectra."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted(
        {
            kalman: 2,
            regression: 2,
            gaussian_process: 2,
            whitening: 2,
            constrained: 2,
            forward_dynamics: 2,
            gauss_newton: 2,
            small_solves: 3,
            products: 3,
            matrix_functions: 2,
            orthonormal: 1,
            vectors: 3.5,
            spectral: 3,
            control: 2.5,
            quadratic_program: 2.5,
            curve_fit: 2.5,
        }
    )
    intent(p)
