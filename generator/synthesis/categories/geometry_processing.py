"""Geometry processing: normals, curvature, smoothing, fitting, intersections, extraction, bounds, point clouds."""

from generator.synthesis import types as T
from generator.synthesis.categories import _geo_align as align
from generator.synthesis.categories import _geo_bounds as bounds
from generator.synthesis.categories import _geo_clouds as clouds
from generator.synthesis.categories import _geo_codes as codes
from generator.synthesis.categories import _geo_contacts as contacts
from generator.synthesis.categories import _geo_contours as contours
from generator.synthesis.categories import _geo_curvature as curvature
from generator.synthesis.categories import _geo_edges as edges
from generator.synthesis.categories import _geo_extract as extract
from generator.synthesis.categories import _geo_faces as faces
from generator.synthesis.categories import _geo_pairs as pairs
from generator.synthesis.categories import _geo_refine as refine
from generator.synthesis.categories import _geo_shape as quality
from generator.synthesis.categories import _geo_short as short
from generator.synthesis.categories import _geo_vertices as vertices
from generator.synthesis.categories._mesh_extents import extents
from generator.synthesis.categories._mesh_kinematics import per_face, to_vertices
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category

EITHER = {  # intents that double precision suits
    faces.normals: 2.6, quality.shape: 2.2, quality.distortion: 1.8, vertices.smooth: 3.0, curvature.curvature: 2.0,
    vertices.normals: 2.2, edges.dihedral: 2.2, refine.collapse: 2.0, extract.cells: 2.0, codes.spheres: 1.4,
    short.write: 7.0, clouds.fit: 2.4, align.align: 1.8, refine.subdivide: 1.6, contacts.barycentric: 2.0, contacts.triangle: 2.2,
}  # fmt: skip
SINGLE = {
    pairs.edge_edge: 2.4, pairs.triangles: 2.4, bounds.boxes: 2.0, codes.codes: 1.6, contours.squares: 1.6,
    extents: 1.6, per_face: 1.2, to_vertices: 1.2,
}  # fmt: skip


@category("geometry_processing", version=1, title="Geometry processing")
def write(p: ProgramBuilder) -> None:
    """Triangle meshes, curves and point clouds as arrays: normals, areas, curvature, smoothing, dihedral angles, edge
    collapse, subdivision, closest points, intersections, isosurface cells, bounds, plane fits, alignment."""
    intent = p.weighted(EITHER | SINGLE)
    p.real = T.F64 if intent in EITHER and p.on("double") else T.F32
    intent(p)
