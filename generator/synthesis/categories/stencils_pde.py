"""Finite-difference stencils: diffusion, waves, Poisson solvers, reaction-diffusion, phase fields."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import (
    along,
    border_exit,
    inverse_squares,
    letter,
    mask_exit,
    monitor,
    open_grid,
    stencil_field,
    two_or_three,
)
from generator.synthesis.categories._pde_elliptic import ghost_cells, operators, poisson, residual
from generator.synthesis.categories._pde_fields import (
    anisotropic,
    high_order,
    phase_field,
    reaction,
)
from generator.synthesis.categories._pde_systems import elastic_wave, line_solve, shock_tube
from generator.synthesis.categories._pde_transfer import transfer
from generator.synthesis.categories._pde_transport import advect_diffuse, level_set
from generator.synthesis.categories._stencils import laplacian
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr


@category("stencils_pde", version=1, title="Finite-difference stencils")
def write(p: ProgramBuilder) -> None:
    """Finite-difference time steps and relaxation sweeps on structured grids: heat and wave equations, Poisson
    smoothers and residuals, advection-diffusion, reaction-diffusion, level sets, phase fields, anisotropic and
    high-order operators, multigrid transfers, in two and three dimensions with several boundary rules."""
    p.real = T.F64 if p.on("double") else T.F32
    p.weighted(
        {
            _heat: 3.0, _wave: 2.2, poisson: 3.0, residual: 1.0, reaction: 2.2, phase_field: 1.5, anisotropic: 2.0,
            high_order: 1.8, transfer: 1.6, operators: 1.6, ghost_cells: 1.2, advect_diffuse: 3.0, level_set: 3.0,
            elastic_wave: 1.8,
            line_solve: 2.2,
            shock_tube: 2.4,
        }
    )(p)  # fmt: skip


# --- diffusion ------------------------------------------------------------------------------------


def _heat(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "heat_step|diffuse|diffusion_step|explicit_heat|step_temperature|ftcs_step|conduct",
        p.pick(
            "Forward-Euler step of the heat equation.",
            "Explicit diffusion of the temperature field.",
            "One conduction step.",
        ),
    )
    g = open_grid(p, k, two_or_three(p))
    t_in = stencil_field(p, g, "temperature|T_in|u|u_in|temp", 0.0, 1.0)
    t_out = g.out("temperature_out|T_out|u_out|u_new|temp_next", p.real)
    border_exit(p, g, (t_out, t_in.own))
    mask_exit(p, g, (t_out, t_in.own))
    c = t_in.read("c|center|t0|u_c|T_c")
    if p.chance(0.4):
        rate = _face_flux(p, g, t_in, c)
    else:
        lap = laplacian(p, g, t_in, c, inverse_squares(p, g), "t")
        if p.chance(0.25):
            alpha = g.field("diffusivity|alpha|kappa", p.real, R.uniform(0.1, 1.0)).own
        else:
            alpha = k.param("alpha|diffusivity|kappa|thermal_diffusivity", 0.05, 1.0)
        rate = alpha * lap
    rate = _heat_sources(p, g, c, rate)
    dt = k.param("dt|time_step|tau", 0.001, 0.1)
    new = k.let("new|t_new|updated|result", c + dt * rate)
    t_out.store(p.pick(new, new, wp.max(new, 0.0)))
    monitor(p, g, new - c, "change|delta")


def _face_flux(p: ProgramBuilder, g: Grid, t: GridField, c: Expr) -> Expr:
    """Divergence of face fluxes with a conductivity that varies in space."""
    k = g.k
    conductivity = g.field("conductivity|k_field|kappa|diffusivity", p.real, R.uniform(0.1, 1.5))
    own = conductivity.read("k_c|kc|kappa_c")
    mean = p.pick("arithmetic", "harmonic", "geometric")

    def body(b: Block, a: Expr, o: Expr) -> Expr:
        if mean == "arithmetic":
            return 0.5 * (a + o)
        return 2.0 * a * o / (a + o) if mean == "harmonic" else wp.sqrt(a * o)

    doc = f"{mean.capitalize()} mean of the conductivity at a face."
    inv = inverse_squares(p, g)
    total = k.var("div_flux|net_flux|flux_sum|rate", 0.0, p.real)
    face = (
        p.func(
            f"face_conductivity|{mean}_mean|face_value",
            {"a|k0": p.real, "b|k1": p.real},
            lambda b, x, y: b.ret(body(b, x, y)),
            doc,
        )
        if p.chance(0.6)
        else None
    )
    named = p.chance(0.5) or g.flat or mean != "arithmetic"
    for a in range(len(g.shape)):
        for s in (-1, 1):
            at = along(g, a, s)
            other, value = conductivity[at], t[at]
            side = f"{letter(g, a)}{'m' if s < 0 else 'p'}"
            if named:
                other = k.let(f"k_{side}|kappa_{side}", other)
            kf = k.let(f"kf_{side}|face_{side}", face(own, other) if face else body(k, own, other))
            k.aug(total, "+", kf * (value - c) * inv[a])
    return total


def _heat_sources(p: ProgramBuilder, g: Grid, c: Expr, rate: Expr) -> Expr:
    k = g.k
    for what in p.sample(["volume", "cooling", "radiation", "spot"], 0, 2):
        if what == "volume":
            rate = rate + g.field("source|heat_source|q|power", p.real, R.uniform(-0.5, 0.5)).own
        elif what == "cooling":
            ambient = k.param("ambient|T_ambient|t_inf", 0.1, 0.5)
            rate = rate - k.param("cooling_rate|loss|h_conv", 0.01, 0.5) * (c - ambient)
        elif what == "radiation":
            rate = rate - k.param("emissivity|sigma|radiative_loss", 0.01, 0.2) * c * c * c * c
        else:
            power = k.param("laser_power|spot_power|beam_power", 0.5, 5.0)
            radius = k.param("beam_radius|spot_radius|sigma_beam", 1.0, 4.0)
            d = [
                construct(p.real, i) - 0.5 * construct(p.real, g.extent(a))
                for a, i in enumerate(g.index)
            ]
            r2 = k.let("r2|dist_sq|rr", d[0] * d[0] + d[1] * d[1])
            rate = rate + power * wp.exp(-r2 / (radius * radius))
    return rate


# --- waves ----------------------------------------------------------------------------------------


def _wave(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "wave_step|propagate_wave|acoustic_step|leapfrog_wave|update_pressure|membrane_step",
        p.pick(
            "Second-order wave equation, leapfrog in time.",
            "Advance the displacement field by one step.",
            "Acoustic pressure update.",
        ),
    )
    g = open_grid(p, k, two_or_three(p))
    u = stencil_field(p, g, "u|u_curr|pressure|height|displacement")
    two_level = p.chance(0.65)
    back = (
        stencil_field(p, g, "u_prev|u_old|p_prev|previous")
        if two_level
        else stencil_field(p, g, "velocity|u_t|du_dt|vel")
    )
    out = g.out("u_next|u_new|p_next|next_field", p.real)
    border_exit(p, g, (out, 0.0))
    mask_exit(p, g, (out, 0.0), chance=0.2)
    c = u.read("c|center|u_c|p0")
    lap = laplacian(p, g, u, c, inverse_squares(p, g), "u")
    speed = (
        g.field("wave_speed|speed|c_field|velocity_model", p.real, R.uniform(0.2, 1.0)).own
        if p.chance(0.4)
        else k.param("c|wave_speed|celerity", 0.2, 1.0)
    )
    c2 = k.let("c2|speed_sq|c_sq", speed * speed)
    dt = k.param("dt|time_step|step", 0.05, 0.4)
    force = c2 * lap
    if p.chance(0.35):
        force = force - k.param("stiffness|mass_term|omega2", 0.05, 0.5) * p.pick(
            c, c * c * c, wp.sin(c)
        )
    if two_level:
        gamma = k.param("damping|gamma|attenuation", 0.001, 0.1) if p.chance(0.55) else None
        if gamma is None:
            new = k.let("next_value|new|u_n", 2.0 * c - back.own + dt * dt * force)
        elif p.chance(0.5):
            new = k.let("next_value|new|u_n", c + (1.0 - gamma) * (c - back.own) + dt * dt * force)
        else:
            half = k.let("g|half_damp|a", 0.5 * gamma * dt)
            new = k.let(
                "next_value|new|u_n",
                (2.0 * c - (1.0 - half) * back.own + dt * dt * force) / (1.0 + half),
            )
    else:
        v_out = g.out("velocity_out|u_t_out|v_next", p.real)
        vel = k.let("v|vel|rate", back.own + dt * force)
        new = k.let("next_value|new|u_n", c + dt * vel)
        v_out.store(vel)
    new = _sponge(p, g, new) if p.chance(0.35) else new
    if p.chance(0.35):
        new = _ricker(p, g, new)
    out.store(new)
    monitor(p, g, new, "amplitude|energy", 0.25)


def _sponge(p: ProgramBuilder, g: Grid, value: Expr) -> Expr:
    """Attenuation in a layer along the border."""
    k = g.k
    width = k.count("sponge_width|pad|absorb_cells", p.pick(3, 4, 5))
    strength = k.param("sponge_strength|absorb|taper", 0.02, 0.3)
    depth = None
    for a, i in enumerate(g.index):
        d = wp.min(i, g.extent(a) - 1 - i)
        depth = d if depth is None else wp.min(depth, d)
    assert depth is not None
    edge = k.let("edge|border_dist|d_edge", depth)
    if p.chance(0.5):
        out = k.var("damped|result|value", value)
        with k.when(edge < width):
            s = k.let("s|t|frac", construct(p.real, width - edge) / construct(p.real, width))
            k.aug(out, "*", p.pick(1.0 - strength * s * s, wp.exp(-strength * s * s)))
        return out
    s = k.let(
        "layer|s|frac", wp.max(construct(p.real, width - edge), 0.0) / construct(p.real, width)
    )
    return k.let("damped|result", value * wp.exp(-strength * s * s))


def _ricker(p: ProgramBuilder, g: Grid, value: Expr) -> Expr:
    """A point source with a Ricker or sine wavelet."""
    k = g.k
    where = [
        k.count(f"src_{letter(g, a)}|source_{letter(g, a)}", n // 2) for a, n in enumerate(g.shape)
    ]
    time = k.param("t|time|sim_time", 0.1, 2.0)
    freq = k.param("f0|peak_freq|frequency", 0.5, 5.0)
    out = k.var("with_source|u_src|result", value)
    hit = all_of(*[i == w for i, w in zip(g.index, where, strict=True)])

    def body(b: Block, t: Expr, f: Expr) -> Expr:
        a = b.let("a|arg|x", 3.14159265 * f * (t - 1.0))
        a2 = b.let("a2|arg_sq", a * a)
        return (1.0 - 2.0 * a2) * wp.exp(-a2)

    with k.when(hit):
        pulse = (
            wp.sin(6.2831853 * freq * time)
            if p.chance(0.4)
            else piece(
                p, k, "ricker|ricker_wavelet|source_pulse", {"t|time": time, "f|f0": freq}, body
            )
        )
        k.aug(out, "+", k.param("source_amp|amplitude|gain", 0.5, 3.0) * pulse)
    return out
