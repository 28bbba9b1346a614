"""Signed distance: functions, scenes, sphere tracing, level-set grids, carving, polygons."""

from generator.synthesis import types as T
from generator.synthesis.categories import _level_sets as level_sets
from generator.synthesis.categories import _sdf_carve as carve
from generator.synthesis.categories import _sdf_grids as grids
from generator.synthesis.categories import _sdf_planar as planar
from generator.synthesis.categories import _sdf_points as points
from generator.synthesis.categories import _sdf_trace as trace
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("signed_distance", version=1, title="Signed distance fields")
def write(p: ProgramBuilder) -> None:
    """Signed-distance functions of primitives and composed solids, sphere tracing with shading, collision against
    them; sampled fields: set operations, redistancing, level-set motion, measures, projection, carving, fusion."""
    p.real = T.F64 if p.on("double") else T.F32
    writers = {
        points.primitive: 2.2, points.points: 2.2, trace.image: 3.2, trace.rays: 1.2, points.particles: 2.0,
        points.shape_list: 2.2, grids.fill: 1.6, grids.combine: 2.4, level_sets.redistance: 1.8, level_sets.move: 1.8,
        level_sets.measure: 2.2, grids.project: 2.0, carve.tool: 1.8, carve.fuse: 2.0, carve.silhouettes: 1.2,
        planar.polygon: 1.8, carve.nets: 1.6, planar.nearest: 1.6,
    }  # fmt: skip
    p.weighted(writers)(p)
