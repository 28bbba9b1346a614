"""Material point method: transfers between particles and grid, stresses, plasticity, grid boundaries."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import report, tune
from generator.synthesis.categories._material_grid import GRID_STEPS
from generator.synthesis.categories._material_laws import LAWS, pressure_or_stress
from generator.synthesis.categories._material_particles import (
    open_particles,
    particle_bounds,
    step_limits,
    unit_matrix,
    update_deformation,
)
from generator.synthesis.categories._material_transfer import Stencil
from generator.synthesis.categories._tensor_frames import fibre_strain
from generator.synthesis.entities import Entities, Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr

_X, _V = "particle_x|positions|x|x_p", "particle_v|velocities|v|v_p"
_C, _F = "particle_c|affine|c_mats|apic_c|b_mats", "particle_f|def_grad|f_mats|deformation|f_p"


@category("material_point", version=1, title="Material point method")
def write(p: ProgramBuilder) -> None:
    """Material points: particle-to-grid and grid-to-particle transfers (PIC, FLIP, APIC, MLS) with linear and
    quadratic weights,
    deformation gradients, elastic, fluid, sand, snow and metal laws with return mapping, grid forces,
    boundaries and limits."""
    if not p.fusing:
        p.real = T.F64 if p.chance(0.06) else T.F32
    intents = {
        _p2g: 3.4,
        _g2p: 3.2,
        update_deformation: 1.8,
        step_limits: 2.4,
        _volumes: 1.2,
        particle_bounds: 1.8,
        fibre_strain: 1.6,
        **LAWS,
        **GRID_STEPS,
    }
    p.weighted(intents)(p)


def _p2g(p: ProgramBuilder) -> None:
    k, e, n = open_particles(
        p,
        "p2g|particles_to_grid|scatter_to_grid|transfer_p2g|rasterize_particles|p2g_apic|mls_p2g|splat_momentum",
        "Transfer mass and momentum to the grid.",
        "Particle-to-grid transfer with affine velocities.",
        "Scatter particles with their stress to the grid.",
        "P2G step of MLS-MPM.",
    )
    vec, mat = p.vec(n), p.mat(n)
    xs = e.field(_X, vec, R.uniform(0.25, 0.75))
    vs = e.field(_V, vec, R.uniform(-1.0, 1.0))
    apic = p.chance(0.7)
    cs = e.field(_C, mat, R.uniform(-1.0, 1.0)) if apic else None
    stressed = p.weighted({"none": 3, "array": 2, "inline": 3}) if apic else "none"
    s = Stencil.of(p, k, e, n)
    e.guard()
    mass = e.property("particle_mass|mass|m_p|p_mass", 0.5, 2.0)
    x, v = xs.read("x|x_p|xp|pos"), vs.read("v|v_p|vp|vel")
    affine: Expr | None = None
    if cs is not None:
        affine = (
            k.let("c|c_p|affine", cs.own)
            if stressed == "none"
            else _affine_momentum(p, k, e, n, cs, mass, stressed, s)
        )
    grid_m = s.node_out("grid_m|grid_mass|node_mass|mass_grid", p.real)
    grid_v = s.node_out("grid_mv|grid_momentum|grid_v|node_momentum", vec)
    s.locate(x)
    momentum_form = stressed != "none"
    with s.nodes(offsets=affine is not None) as (node, weight, dpos):
        if affine is None:
            value = v * (weight * mass)
        elif momentum_form:
            value = (v * mass + affine * dpos) * weight
        else:
            value = (v + affine * dpos) * (weight * mass)
        s.add(grid_v, node, value)
        s.add(grid_m, node, weight * mass)
        if p.chance(0.12):
            heat = e.field("temperature|particle_t|t_p", p.real, R.uniform(0.0, 1.0))
            s.add(s.node_out("grid_t|node_heat|heat_grid", p.real), node, weight * mass * heat.own)


def _affine_momentum(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    n: int,
    cs: Field,
    mass: Expr,
    kind: str,
    s: Stencil,
) -> Expr:
    """Stress and affine velocity folded into one matrix, as in MLS-MPM."""
    volume = e.property("particle_volume|vol0|p_vol|volume", 0.001, 0.01)
    dt = e.world_param("dt|timestep|delta_t", 0.0001, 0.001)
    if kind == "array":
        stress = e.field("stress|stresses|kirchhoff|cauchy", p.mat(n), R.uniform(-100.0, 100.0)).own
    else:
        f = e.field(_F, p.mat(n), R.near_identity(0.15)).read("f|f_p|F")
        stress = k.let("stress|sigma|tau|pf", pressure_or_stress(p, k, e, n, f))
    scale = k.let("k_s|coef|d_inv", dt * volume * 4.0 * s.inverse * s.inverse)
    return k.let("affine|a_p|q_mat", cs.own * mass - stress * scale)


def _g2p(p: ProgramBuilder) -> None:
    k, e, n = open_particles(
        p,
        "g2p|grid_to_particles|gather_from_grid|transfer_g2p|update_particles|g2p_apic|advect_particles|mls_g2p",
        "Gather velocities from the grid and advect.",
        "Grid-to-particle transfer.",
        "G2P with affine or FLIP velocities.",
        "Interpolate the grid and move the particles.",
    )
    vec, mat = p.vec(n), p.mat(n)
    scheme = p.weighted({"apic": 5, "flip": 2.5, "pic": 1.5})
    xs = e.inout(_X, vec, R.uniform(0.25, 0.75))
    vs = e.inout(_V, vec, R.uniform(-1.0, 1.0))
    s = Stencil.of(p, k, e, n)
    grid_v = s.node_in("grid_v|node_velocity|v_grid|grid_velocity", vec, R.uniform(-1.0, 1.0))
    grid_old = (
        s.node_in("grid_v_old|v_grid_prev|grid_v0", vec, R.uniform(-1.0, 1.0))
        if scheme == "flip"
        else None
    )
    e.guard()
    dt = e.world_param("dt|timestep|delta_t", 0.0001, 0.002)
    x = xs.read("x|x_p|xp|pos")
    s.locate(x)
    v = k.var("v|new_v|v_pic", construct(vec, 0.0))
    b = k.var("c|new_c|b_mat", construct(mat, 0.0)) if scheme == "apic" else None
    change = k.var("dv|delta_v|flip_dv", construct(vec, 0.0)) if scheme == "flip" else None
    track = p.chance(0.35) and scheme != "apic"
    grad = k.var("grad_v|l_p|vel_grad", construct(mat, 0.0)) if track else None
    with s.nodes(offsets=b is not None or grad is not None) as (node, weight, dpos):
        gv = k.let("gv|g_v|v_n", s.read(grid_v, node))
        k.aug(v, "+", gv * weight)
        if b is not None:
            k.aug(
                b,
                "+",
                wp.outer(gv, dpos) * (weight * 4.0 * s.inverse * s.inverse)
                if p.chance(0.5)
                else wp.outer(gv * weight, dpos) * (4.0 * s.inverse * s.inverse),
            )
        if change is not None and grid_old is not None:
            k.aug(change, "+", (gv - s.read(grid_old, node)) * weight)
        if grad is not None:
            k.aug(grad, "+", wp.outer(gv, dpos) * (weight * 3.0 * s.inverse * s.inverse))
    k.step(p.pick("", "write back", "advect"))
    moved = v
    if change is not None:
        share = k.param("flip_ratio|alpha|flip_blend", 0.8, 0.99)
        moved = k.let("v_new|v_mix|vp_new", (vs.own + change) * share + v * (1.0 - share))
    if p.chance(0.2):
        limit = k.param("max_speed|v_max|cfl_speed", 0.5, 2.0)
        moved = k.var(
            "v_out|v_lim|vp", wp.max(wp.min(moved, construct(vec, limit)), construct(vec, -limit))
        )
    vs.store(moved)
    xs.store(_advanced(p, k, vec, x, v if p.chance(0.5) else moved, dt))
    if b is not None:
        if p.chance(0.3):
            ratio = k.param("rpic_damping|affine_damping|c_damp", 0.05, 0.5)
            k.set(b, b * (1.0 - ratio) + (b - wp.transpose(b)) * (0.5 * ratio))
        e.out("c_out|particle_c|affine_out|apic_c", mat).store(b)
    gradient = b if b is not None else grad
    if gradient is not None and (track or p.chance(0.5)):
        _advance_f(p, k, e, n, gradient, dt)


def _advanced(p: ProgramBuilder, k: KernelBuilder, vec: T.Vec, x: Expr, v: Expr, dt: Expr) -> Expr:
    if not p.chance(0.4):
        return x + v * dt
    low, high = (
        k.param("x_min|domain_lo|margin_lo", 0.1, 0.2),
        k.param("x_max|domain_hi|margin_hi", 0.8, 0.9),
    )
    new = k.let("x_new|xn|x1", x + v * dt)
    return construct(vec, *[wp.clamp(new.field(a), low, high) for a in "xyz"[: vec.n]])


def _advance_f(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, grad: Expr, dt: Expr
) -> None:
    """Deformation of the particle under a velocity gradient."""
    if p.chance(0.3):
        j = e.inout("j_p|jacobian|volume_ratio|particle_j", p.real, R.uniform(0.9, 1.1))
        j.store(j.own * (1.0 + dt * wp.trace(grad)))
        return
    f = e.inout(_F, p.mat(n), R.near_identity(0.1))
    step = k.let("step|df|inc_f", unit_matrix(p, n) + grad * dt)
    f.store(step * f.own)


def _volumes(p: ProgramBuilder) -> None:
    k, e, n = open_particles(
        p,
        "init_particle_volume|estimate_volume|compute_particle_density|initial_volumes|sample_grid_density",
        "Initial particle volumes from the grid mass.",
        "Density at the particles.",
        "Estimate what volume each particle stands for.",
    )
    vec = p.vec(n)
    xs = e.field(_X, vec, R.uniform(0.25, 0.75))
    s = Stencil.of(p, k, e, n)
    grid_m = s.node_in("grid_m|grid_mass|node_mass", p.real, R.uniform(0.2, 2.0))
    e.guard()
    mass = e.property("particle_mass|mass|m_p", 0.5, 2.0)
    x = xs.read("x|x_p|xp")
    s.locate(x)
    total = k.var("m|rho|mass_sum", 0.0, p.real)
    with s.nodes(offsets=False) as (node, weight, _):
        k.aug(total, "+", weight * s.read(grid_m, node))
    cube = s.inverse
    for _ in range(n - 1):
        cube = cube * s.inverse
    density = k.let("density|rho_p|dens", total * cube)
    goal = p.pick("volume", "density", "both")
    if goal != "volume":
        e.out("densities|rho_out|particle_rho", p.real).store(density)
    if goal != "density":
        volume = k.var("vol|v0|volume", mass / wp.max(density, 1.0e-4))
        tune(p, e, volume, "volume", 0.5, {0: 3, 1: 1})
        e.out("volumes|vol0|particle_volume", p.real).store(volume)
        report(p, e, volume, "volume", 0.1, {0: 3, 1: 1})
