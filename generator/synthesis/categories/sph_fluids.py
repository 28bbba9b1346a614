"""Smoothed particle hydrodynamics: densities, pressures, forces and corrections over close pairs."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._neighbourhood import Cloud, SmoothingKernel
from generator.synthesis.categories._sph_forces import color_field, pressure_force, vorticity, xsph
from generator.synthesis.categories._sph_local import LOCAL
from generator.synthesis.categories._sph_shared import (
    begin_cloud,
    mass_of_particles,
    pressure_law,
    rejected_phase,
    value_at,
)
from generator.synthesis.categories._sph_solver import (
    continuity,
    density_lambda,
    diffusion,
    gradient_matrix,
    position_correction,
    solver_factor,
)
from generator.synthesis.entities import Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, literal

_DENSITIES = "densities|rho|density|particle_rho"
_VELOCITIES = "velocities|v|vel|particle_v"


@category("sph_fluids", version=1, title="Smoothed particle hydrodynamics")
def write(p: ProgramBuilder) -> None:
    """Fluids as particles: density summation, equations of state, pressure and viscosity forces, XSPH, surface tension,
    density-constraint (position-based) corrections, boundary volumes and vorticity, over hash grids, cell
    lists and tables."""
    if not p.fusing:
        p.real = T.F64 if p.on("double") else T.F32
    intents = {
        _density: 2.2,
        pressure_force: 2.8,
        xsph: 1.2,
        color_field: 1.2,
        density_lambda: 1.1,
        position_correction: 1.1,
        _boundary: 1,
        vorticity: 1,
        diffusion: 1,
        continuity: 1.1,
        solver_factor: 0.8,
        gradient_matrix: 0.7,
        **LOCAL,
    }
    p.weighted(intents)(p)


def _density(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p,
        "compute_density|density_summation|estimate_densities|sph_density|accumulate_density|update_density",
        "Density by summation over neighbouring particles.",
        "SPH density estimate of every particle.",
        "Sum kernel-weighted masses within the support radius.",
    )
    mass, phase = mass_of_particles(c), rejected_phase(c)
    c.e.guard()
    x = c.here("x|x_i|xi|pos")
    kernel = c.smoothing()
    own = p.chance(0.3)
    rho = k.var(
        "rho|density|rho_i|total",
        value_at(mass, c.e.index) * kernel.w(k, literal(0.0, p.real)) if own else 0.0,
        p.real,
    )
    count = k.var("neighbors|count|num_nbrs", 0) if p.chance(0.2) else None
    factor_out = not isinstance(mass, Field) and not own and p.chance(0.5)
    with c.pairs(x, separate=own, reject=phase) as pair:
        w = kernel.w(k, pair.d)
        k.aug(rho, "+", w if factor_out else value_at(mass, pair.j) * w)
        if count is not None:
            k.aug(count, "+", 1)
    if factor_out:
        k.aug(rho, "*", mass)
    if p.chance(0.25):
        _boundary_share(p, k, c, x, rho, kernel)
    k.step(p.pick("", "write back"))
    c.e.out("density_out|densities|rho_out|particle_rho", p.real).store(rho)
    if count is not None:
        c.e.out("neighbor_count|num_neighbors|coordination", T.I32).store(count)
    if p.chance(0.4):
        c.e.out("pressures|pressure|p_out", p.real).store(pressure_law(p, k, rho))


def _boundary_share(
    p: ProgramBuilder, k: KernelBuilder, c: Cloud, x: Expr, rho: Name, kernel: SmoothingKernel
) -> None:
    """Adds the density that static wall particles contribute."""
    m = p.pick(12, 16, 24, 32)
    walls = k.array(
        "boundary_x|wall_points|boundary_positions|static_x", c.vec, (m,), R.uniform(-0.1, 1.1)
    )
    psi = k.array("boundary_psi|wall_mass|psi|boundary_volume", p.real, (m,), R.uniform(5.0, 20.0))
    k.step(p.pick("boundary particles", "static walls", ""))
    with k.loop(
        "b|w|s", walls.dim(0) if p.chance(0.6) else k.count("num_boundary|n_walls", m)
    ) as b:
        d = k.let("db|dist_b|gap", wp.length(x - walls[b]))
        with k.when(d < c.radius):
            k.aug(rho, "+", psi[b] * kernel.w(k, d))


def _boundary(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p, "boundary_volume|boundary_psi|wall_particle_mass|compute_boundary_density|rigid_sample_volume",
        "Volume that each boundary particle stands for.", "Pseudo-mass of wall samples from their mutual kernel sum.",
    )  # fmt: skip
    body = c.e.field("body_id|owner|rigid_id", T.I32, R.integers(0, 2)) if p.chance(0.4) else None
    c.e.guard()
    x = c.here("x|xb|pos")
    kernel = c.smoothing()
    total = k.var("delta|number_density|sum_w", kernel.w(k, literal(0.0, p.real)))
    with c.pairs(x) as pair:
        if body is not None:
            with k.when(body[pair.j] != body.own):
                k.cont()
        k.aug(total, "+", kernel.w(k, pair.d))
    rest = k.param("rest_density|rho0", 800.0, 1200.0)
    volume = k.let("vol|volume", 1.0 / total)
    match p.pick("psi", "both", "volume"):
        case "psi":
            c.e.out("psi|boundary_mass|wall_mass", p.real).store(rest * volume)
        case "both":
            c.e.out("psi|boundary_mass", p.real).store(rest * volume)
            c.e.out("volumes|boundary_volume", p.real).store(volume)
        case "volume":
            scale = k.param("volume_scale|gamma|boundary_gamma", 0.7, 1.2)
            c.e.out("volumes|boundary_volume|sample_volume", p.real).store(scale * volume)
