"""Constraint assembly and iterative solvers for articulated rigid bodies."""

from generator.synthesis.categories._solver_blocks import block_solve, position_joint
from generator.synthesis.categories._solver_gradients import conjugate_gradient
from generator.synthesis.categories._solver_newton import newton
from generator.synthesis.categories._solver_results import apply, monitor
from generator.synthesis.categories._solver_rows import contact_rows, joint_rows
from generator.synthesis.categories._solver_scalars import scalar_rows
from generator.synthesis.categories._solver_sweeps import gauss_seidel, jacobi
from generator.synthesis.categories._steps import write_step
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("articulated_constraints", version=1, title="Constraint rows and impulse solvers")
def write(p: ProgramBuilder) -> None:
    """Contacts, joints, limits and friction as constraint rows, and their solution: Gauss-Seidel, Jacobi, conjugate
    gradients, Newton pieces with line search, cone projections, block solves and position-based joints."""
    intents = {
        contact_rows: 1.6,
        joint_rows: 1.4,
        scalar_rows: 1.2,
        gauss_seidel: 1.6,
        jacobi: 1.3,
        conjugate_gradient: 1.5,
        newton: 1.7,
        block_solve: 1.2,
        position_joint: 1.3,
        apply: 1.2,
        monitor: 1.0,
    }
    write_step(p, intents, {apply, monitor}, limit=22)
