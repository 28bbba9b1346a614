"""Monte Carlo: priced paths, integrals, Markov chains, walks and rejection loops."""

from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._emitters import emit
from generator.synthesis.categories._mc_chains import integral, metropolis
from generator.synthesis.categories._mc_discrete import tabulated
from generator.synthesis.categories._mc_filters import particle_filter, rejection
from generator.synthesis.categories._mc_lattice import spins, walk_on_spheres
from generator.synthesis.categories._mc_options import option
from generator.synthesis.categories._mc_reactions import reactions
from generator.synthesis.categories._mc_transport import photon, walk
from generator.synthesis.categories._mesh_crossings import crossings
from generator.synthesis.categories._steps import write_step
from generator.synthesis.categories._tables import Rng, Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr


@category("monte_carlo", version=1, title="Monte Carlo methods")
def write(p: ProgramBuilder) -> None:
    """Random sampling at scale: option pricing along simulated paths, importance-sampled integrals, Metropolis and
    Langevin chains, lattice spins, diffusion walks, stochastic reactions, particle filters and photon"""
    intents = {
        option: 2.2, integral: 1.6, metropolis: 1.8, rejection: 1.4, particle_filter: 1.3, _initial_draws: 1.8, emit: 2.6,
        walk: 1.6, photon: 1.6, spins: 1.1, reactions: 1.2,
        walk_on_spheres: 1.0, tabulated: 1.4, crossings: 0.8,
    }  # fmt: skip
    write_step(p, intents, {_initial_draws, particle_filter})


_SAMPLERS = {
    "sample_unit_sphere": T.VEC3, "sample_unit_sphere_surface": T.VEC3, "sample_unit_hemisphere": T.VEC3,
    "sample_unit_hemisphere_surface": T.VEC3, "sample_unit_cube": T.VEC3, "sample_unit_disk": T.VEC2,
    "sample_unit_ring": T.VEC2, "sample_unit_square": T.VEC2, "sample_triangle": T.VEC2,
}  # fmt: skip


def _initial_draws(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "init_particles|sample_positions|randomize_state|seed_particles|initialise|spawn_points|draw_counts",
        p.pick(
            "Random initial state.",
            "Fill the arrays with random draws.",
            "Spawn points inside a simple shape.",
        ),
    )
    e = Entities(k, "particle")
    rng = entity_rng(e)
    name = p.pick(*_SAMPLERS)
    t = _SAMPLERS[name]
    sample = getattr(wp, name)(rng.state)
    center = (
        k.quantity("center|origin|offset", t, [0.5, -0.2, 0.1][: t.n]) if p.chance(0.6) else None
    )
    scale = e.world_param("radius|scale|extent", 0.2, 3.0)
    x = k.let("x|point|p0", sample * scale if center is None else center + sample * scale)
    e.out("positions|points|x_out|q0", t).store(x)
    extras = [
        _thermal_velocity,
        _random_charge,
        _random_count,
        _random_rotation,
        _random_life,
        _random_kind,
    ]
    for extra in p.sample(extras, 0, 3):
        extra(p, k, e, rng, t, x)
    rng.close()


def _thermal_velocity(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, t: T.Vec, x: Expr
) -> None:
    temperature = e.world_param("temperature|kT|thermal_energy", 0.1, 2.0)
    mass = e.property("mass|m", 0.5, 4.0)
    std = k.let("std|thermal|v_std", wp.sqrt(temperature / mass))
    v = construct(t, *[rng.normal() for _ in range(t.n)]) * std
    if p.chance(0.4):
        spin = k.param("rotation|omega|spin", 0.1, 2.0)
        tangent = construct(t, -x.y, x.x, *([0.0] * (t.n - 2)))
        v = v + tangent * spin
    e.out("velocities|v_out|qd0", t).store(v)


def _random_charge(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, t: T.Vec, x: Expr
) -> None:
    fraction = k.param("positive_fraction|share|p_plus", 0.2, 0.8)
    sign = (
        choose(rng.uniform() < fraction, 1.0, -1.0)
        if p.chance(0.5)
        else wp.where(rng.uniform() < fraction, 1.0, -1.0)
    )
    e.out("charges|signs|polarity", T.F32).store(sign)


def _random_count(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, t: T.Vec, x: Expr
) -> None:
    mean = k.param("mean_count|lam|rate", 1.0, 8.0)
    e.out("counts|occupancy|arrivals", T.I32).store(cast(T.I32, wp.poisson(rng.state, mean)))


def _random_rotation(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, t: T.Vec, x: Expr
) -> None:
    axis = k.let("axis|spin_axis", wp.sample_unit_sphere_surface(rng.state))
    limit = k.param("max_angle|tilt|spread", 0.2, 3.0)
    e.out("rotations|orientations|rot_out", T.QUAT).store(
        wp.quat_from_axis_angle(axis, rng.uniform(0.0, limit))
    )


def _random_life(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, t: T.Vec, x: Expr
) -> None:
    mean = k.param("mean_life|lifetime|tau", 0.5, 5.0)
    e.out("lifetimes|ages|ttl", T.F32).store(-mean * wp.log(1.0 - rng.uniform(0.0, 0.999)))


def _random_kind(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, t: T.Vec, x: Expr
) -> None:
    kinds = k.count("num_species|num_types|kinds", p.pick(2, 3, 5))
    kind = k.let("kind|species_id|s", rng.integer(0, kinds))
    e.out("species|types|labels", T.I32).store(kind)
    if p.chance(0.5):
        Table(e, "species_count|type_histogram|per_type", T.I32, (8,), role="out").add(1, kind)
