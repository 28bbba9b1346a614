"""Estimation of model parameters from measurements."""

from generator.synthesis import types as T
from generator.synthesis.categories._fit_cameras import camera
from generator.synthesis.categories._fit_clusters import clustering
from generator.synthesis.categories._fit_curves import curve_fit
from generator.synthesis.categories._fit_filters import kalman
from generator.synthesis.categories._fit_local import local_fit
from generator.synthesis.categories._fit_mixtures import mixture
from generator.synthesis.categories._fit_particles import particle_filter
from generator.synthesis.categories._fit_poses import registration
from generator.synthesis.categories._fit_ransac import ransac
from generator.synthesis.categories._fit_recursive import recursive
from generator.synthesis.categories._fit_shapes import shape_residuals
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("parameter_fitting", version=1, title="Parameter fitting")
def write(p: ProgramBuilder) -> None:
    """Models fitted to measurements: curves and shapes, point-set registration, cameras and bundle adjustment, Kalman
    and particle filters, RANSAC, k-means and mixtures, robust local fits, recursive estimation."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted(
        {
            shape_residuals: 4,
            curve_fit: 3.5,
            local_fit: 2.5,
            registration: 4,
            camera: 4.5,
            kalman: 4,
            particle_filter: 2.5,
            recursive: 2.5,
            ransac: 3,
            clustering: 4,
            mixture: 2.5,
        }
    )
    intent(p)
