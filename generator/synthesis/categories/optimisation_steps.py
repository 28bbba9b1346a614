"""Steps of optimisation methods."""

from generator.synthesis import types as T
from generator.synthesis.categories._optim_first_order import first_order
from generator.synthesis.categories._optim_gradients import gradient_tools, transport
from generator.synthesis.categories._optim_least_squares import damped_solve, gauss_newton
from generator.synthesis.categories._optim_multipliers import multipliers
from generator.synthesis.categories._optim_population import population
from generator.synthesis.categories._optim_proximal import proximal
from generator.synthesis.categories._optim_quasi_newton import quasi_newton
from generator.synthesis.categories._optim_roots import scalar_solver
from generator.synthesis.categories._optim_search import line_search
from generator.synthesis.categories._robust_costs import robust_cost, shrink_groups
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("optimisation_steps", version=1, title="Optimisation steps")
def write(p: ProgramBuilder) -> None:
    """Steps of optimisers: gradient methods and their state, proximal and splitting updates, line searches, quasi-Newton
    and Gauss-Newton pieces, multipliers and barriers, swarms, sampling methods, transport iterations, root finders."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted(
        {
            first_order: 6,
            proximal: 4,
            line_search: 3,
            scalar_solver: 3,
            quasi_newton: 2.5,
            gauss_newton: 3,
            damped_solve: 2.5,
            multipliers: 3,
            population: 4,
            gradient_tools: 3.5,
            transport: 2,
            robust_cost: 3.2,
            shrink_groups: 0.8,
        }
    )
    intent(p)
