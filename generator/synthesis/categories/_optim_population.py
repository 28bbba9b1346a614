"""Population methods: an intent of optimisation_steps."""

from generator.synthesis import types as T
from generator.synthesis.categories._optim_samplers import (
    annealing,
    elite_refit,
    evolution_gradient,
    path_integral,
)
from generator.synthesis.categories._optim_swarms import (
    differential_evolution,
    particle_swarm,
    sampled_population,
)
from generator.synthesis.program import ProgramBuilder


def population(p: ProgramBuilder) -> None:
    """Population methods, all in single precision because of the random numbers."""
    p.real = T.F32
    kind = p.weighted(
        {"pso": 3, "evolve": 2.5, "cma": 2.5, "cem": 2, "anneal": 2.5, "mppi": 2, "es": 2}
    )
    names = {
        "pso": "pso_update|swarm_step|particle_swarm",
        "evolve": "differential_evolution|de_step|mutate_population",
        "cma": "sample_population|cma_sample|draw_candidates",
        "cem": "elite_statistics|cem_update|refit_distribution",
        "anneal": "annealing_step|metropolis_update|anneal_chains",
        "mppi": "mppi_weights|path_integral_weights|weighted_controls",
        "es": "es_gradient|evolution_gradient|antithetic_gradient",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Population-based search.",
            "Derivative-free optimisation, one candidate per thread.",
            "Stochastic search; streams are seeded per candidate.",
            "Sampling-based optimiser.",
        ),
    )
    {
        "pso": particle_swarm,
        "evolve": differential_evolution,
        "cma": sampled_population,
        "cem": elite_refit,
        "anneal": annealing,
        "mppi": path_integral,
        "es": evolution_gradient,
    }[kind](p, k)
