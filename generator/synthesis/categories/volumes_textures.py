"""Sparse volumes and textures: sampling, stencils, marching, advection, transfer functions, maps."""

from generator.synthesis.categories import _texture_lookups as lookups
from generator.synthesis.categories import _texture_maps as maps
from generator.synthesis.categories import _volume_fields as fields
from generator.synthesis.categories import _volume_fill as written
from generator.synthesis.categories import _volume_march as march
from generator.synthesis.categories import _volume_motion as motion
from generator.synthesis.categories import _volume_views as views
from generator.synthesis.categories import _volume_voxels as voxels
from generator.synthesis.categories._volume_labels import labels
from generator.synthesis.categories._volume_vectors import vectors
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("volumes_textures", version=1, title="Volumes and textures")
def write(p: ProgramBuilder) -> None:
    """NanoVDB volumes and hardware-style textures: sampling, gradients, stencils and stores on voxels, rendering
    with transfer functions, isosurfaces, particle advection, level-set collision, label volumes, vector fields, maps."""
    writers = {
        fields.sample: 4.0, motion.advect: 1.8, motion.collide: 2.6, fields.indexed: 7.5, voxels.stencil: 2.6,
        written.fill: 5.4, written.count: 2.4, march.composite: 1.8, views.isosurface: 1.8, views.project: 1.4,
        maps.table: 1.4, maps.warp: 1.6, lookups.environment: 1.2, lookups.solid: 1.2, lookups.material: 1.4,
        labels: 5.0, vectors: 5.0,
    }  # fmt: skip
    p.weighted(writers)(p)
