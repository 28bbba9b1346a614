"""Sparse volumes and textures: sampling, stencils, marching, advection, transfer functions, maps."""

from generator.synthesis.categories import _texture_lookups as lookups
from generator.synthesis.categories import _texture_maps as maps
from generator.synthesis.categories import _volume_fields as fields
from generator.synthesis.categories import _volume_fill as written
from generator.synthesis.categories import _volume_march as march
from generator.synthesis.categories import _volume_motion as motion
from generator.synthesis.categories import _volume_views as views
from generator.synthesis.categories import _volume_voxels as voxels
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("volumes_textures", version=1, title="Volumes and textures")
def write(p: ProgramBuilder) -> None:
    """NanoVDB volumes and hardware-style textures: sampling, gradients, stencils and stores on voxels, rendering
    with transfer functions, isosurfaces, particle advection, level-set collision, colour tables, warps."""
    writers = {
        fields.sample: 3.4, motion.advect: 2.2, motion.collide: 2.2, fields.indexed: 2.6, voxels.stencil: 3.0,
        written.fill: 3.4, written.count: 2.6, march.composite: 3.0, views.isosurface: 2.2, views.project: 1.8,
        maps.table: 2.2, maps.warp: 2.4, lookups.environment: 1.8, lookups.solid: 1.8, lookups.material: 2.2,
    }  # fmt: skip
    p.weighted(writers)(p)
