"""Finite element assembly."""

from generator.synthesis import types as T
from generator.synthesis.categories._fem_constraints import boundary, flux_edges
from generator.synthesis.categories._fem_fields import operator
from generator.synthesis.categories._fem_loads import loads
from generator.synthesis.categories._fem_matrices import element_matrix
from generator.synthesis.categories._fem_nodes import co_rotational, nodal_update, precompute
from generator.synthesis.categories._fem_quadrature import quad_matrix, quad_residual
from generator.synthesis.categories._fem_solids import elastic_forces, recovery
from generator.synthesis.categories._fem_structures import beam_frame, truss
from generator.synthesis.categories._mesh_kinematics import to_vertices
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("fem_assembly", version=1, title="Finite element assembly")
def write(p: ProgramBuilder) -> None:
    """Element stiffness, mass, load and residual on bars, triangles, quads, tetrahedra and hexahedra, with quadrature
    loops, hyperelastic materials, stress recovery, boundary conditions and atomic scatter to the nodes."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted(
        {
            elastic_forces: 6,
            recovery: 3,
            precompute: 2.5,
            co_rotational: 1.2,
            nodal_update: 2.5,
            operator: 4,
            element_matrix: 3.5,
            loads: 2.5,
            boundary: 2.5,
            flux_edges: 2,
            quad_matrix: 2,
            quad_residual: 2.5,
            truss: 2.5,
            beam_frame: 1.2,
            to_vertices: 1.4,
        }
    )
    intent(p)
