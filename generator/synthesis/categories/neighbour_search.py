"""Spatial codes, grids, trees and neighbour queries."""

from generator.synthesis.categories._bvh_rays import reach
from generator.synthesis.categories._bvh_shapes import bvh_shapes
from generator.synthesis.categories._spatial_boxes import leaf_bounds, refit
from generator.synthesis.categories._spatial_builds import karras
from generator.synthesis.categories._spatial_cells import cell_lists
from generator.synthesis.categories._spatial_codes import morton
from generator.synthesis.categories._spatial_queries import brute_force, bvh, hash_grid
from generator.synthesis.categories._spatial_sweeps import kd_tree, octree, sweep_and_prune
from generator.synthesis.categories._spatial_trees import traverse
from generator.synthesis.categories._spatial_voxels import voxel_keys
from generator.synthesis.categories._steps import write_step
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("neighbour_search", version=1, title="Neighbour search and space partitioning")
def write(p: ProgramBuilder) -> None:
    """Finding what is near: Morton codes, voxel hashes, cell lists, linear and implicit bounding-volume hierarchies,
    sweep and prune, octrees, kd-trees, and neighbour counting with hash grids and BVH queries."""
    intents = {
        morton: 1.4,
        voxel_keys: 1.4,
        cell_lists: 1.6,
        leaf_bounds: 1.4,
        karras: 1.0,
        refit: 1.1,
        traverse: 1.5,
        sweep_and_prune: 1.1,
        octree: 1.0,
        kd_tree: 0.9,
        hash_grid: 1.6,
        bvh: 1.4,
        bvh_shapes: 3.2,
        reach: 1.2,
        brute_force: 1.2,
    }
    write_step(
        p,
        intents,
        {morton, voxel_keys},
        {octree, kd_tree, traverse},
        limit=28,
    )
