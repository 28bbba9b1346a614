"""Cameras and bundle adjustment: an intent of parameter_fitting."""

from generator.synthesis.categories._fit_bundle import bundle_blocks, reprojection
from generator.synthesis.categories._fit_views import (
    epipolar_error,
    schur_elimination,
    triangulation,
    undistortion,
)
from generator.synthesis.program import ProgramBuilder


def camera(p: ProgramBuilder) -> None:
    """Reprojection residuals, their Jacobians, bundle adjustment blocks, triangulation and distortion."""
    kind = p.weighted(
        {"residual": 3, "blocks": 4, "triangulate": 2, "undistort": 2, "schur": 2, "epipolar": 1.5}
    )
    names = {
        "residual": "reprojection_error|project_landmarks|evaluate_reprojection",
        "blocks": "bundle_blocks|linearize_reprojection|camera_point_blocks",
        "triangulate": "triangulate_points|midpoint_triangulation|depth_from_two_views",
        "undistort": "undistort_points|apply_distortion|correct_keypoints",
        "schur": "schur_complement|eliminate_points|reduced_camera_system",
        "epipolar": "epipolar_distance|sampson_error|check_matches",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Pinhole camera with radial distortion.",
            "One observation per thread.",
            "Bundle adjustment pieces.",
            "Camera geometry.",
        ),
    )
    {
        "residual": reprojection,
        "blocks": bundle_blocks,
        "triangulate": triangulation,
        "undistort": undistortion,
        "schur": schur_elimination,
        "epipolar": epipolar_error,
    }[kind](p, k)
