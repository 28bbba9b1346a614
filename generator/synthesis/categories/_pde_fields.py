"""Reaction-diffusion and phase fields, anisotropic and high-order operators."""

from generator.synthesis import recipes as R
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
    spacings,
    stencil_field,
    two_or_three,
)
from generator.synthesis.categories._stencils import (
    central_gradient,
    laplacian,
    neighbour_values,
    reader,
)
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, lift

# --- reaction-diffusion and phase fields ----------------------------------------------------------


def reaction(p: ProgramBuilder) -> None:
    model = p.pick("gray_scott", "fitzhugh_nagumo", "brusselator", "schnakenberg", "fisher_lv")
    k = p.kernel_builder(
        f"{model}|{model}_step|react_diffuse|reaction_diffusion|update_species",
        p.pick(
            "Two species that react and diffuse.",
            f"{model.replace('_', '-').title()} kinetics on a grid.",
            "Explicit reaction-diffusion step.",
        ),
    )
    g = open_grid(p, k, 2 if p.chance(0.8) else 3, boundary=p.pick("periodic", "clamp", "interior"))
    packed = p.chance(0.3)
    if packed:
        state = g.field("uv|state|concentrations|species", p.vec(2), R.uniform(0.1, 0.9))
        out = g.out("uv_new|state_out|species_next", p.vec(2))
        c = state.read("c|uv_c|center")
        lap = _vector_laplacian(p, g, state, c)
        u, v, lap_u, lap_v = k.let("u|a", c[0]), k.let("v|b", c[1]), lap[0], lap[1]
    else:
        fu = g.field("u|A|activator|prey", p.real, R.uniform(0.1, 0.9))
        fv = g.field("v|B|inhibitor|predator", p.real, R.uniform(0.1, 0.9))
        u, v = fu.read("uc|u0|a"), fv.read("vc|v0|b")
        inv = inverse_squares(p, g)
        lap_u, lap_v = laplacian(p, g, fu, u, inv, "u"), laplacian(p, g, fv, v, inv, "v")
    k.step(p.pick("", "kinetics", "reaction terms"))
    ru, rv = _kinetics(p, k, model, u, v)
    du, dv = k.param("Du|diff_u|d_u", 0.05, 0.5), k.param("Dv|diff_v|d_v", 0.02, 0.3)
    dt = k.param("dt|time_step|tau", 0.01, 0.5)
    new_u = u + (du * lap_u + ru) * dt
    new_v = v + (dv * lap_v + rv) * dt
    if p.chance(0.35):
        new_u, new_v = (
            wp.clamp(x, 0.0, 1.0) if model == "gray_scott" else wp.max(x, 0.0)
            for x in (new_u, new_v)
        )
    if packed:
        out.store(construct(p.vec(2), new_u, new_v))
    else:
        ou, ov = g.out("u_new|A_out|u_next", p.real), g.out("v_new|B_out|v_next", p.real)
        ou.store(new_u)
        ov.store(new_v)
    monitor(p, g, v, "v|activator", 0.15)


def _vector_laplacian(p: ProgramBuilder, g: Grid, f: GridField, c: Expr) -> Expr:
    inv = inverse_squares(p, g)
    if p.chance(0.5):
        pairs = neighbour_values(p, g, f, "s")
        terms = [(low + high - 2.0 * c) * inv[a] for a, (low, high) in enumerate(pairs)]
        total = terms[0]
        for t in terms[1:]:
            total = total + t
        return g.k.let("lap|laplacian", total)
    lap = g.k.let("lap|acc", construct(f.dtype, 0.0))
    for a in range(len(inv)):
        g.k.aug(lap, "+", (f[along(g, a, -1)] + f[along(g, a, 1)] - 2.0 * c) * inv[a])
    return lap


def _kinetics(
    p: ProgramBuilder, k: KernelBuilder, model: str, u: Expr, v: Expr
) -> tuple[Expr, Expr]:
    if model == "gray_scott":
        feed, kill = k.param("feed|F|f", 0.02, 0.08), k.param("kill|kappa|k", 0.04, 0.07)
        uvv = piece(
            p, k, "autocatalysis|reaction_rate", {"u|a": u, "v|b": v}, lambda b, a, c: a * c * c
        )
        uvv = k.let("uvv|rate|r", uvv)
        return feed * (1.0 - u) - uvv, uvv - (feed + kill) * v
    a, b = k.param("a|alpha|c1", 0.05, 1.0), k.param("b|beta|c2", 0.1, 1.2)
    if model == "fitzhugh_nagumo":
        eps = k.param("eps|epsilon|time_ratio", 0.02, 0.5)
        cubic = piece(p, k, "cubic|excitation", {"u|x": u}, lambda _, x: x - x * x * x / 3.0)
        return cubic - v + (
            k.param("stimulus|I_ext|current", 0.1, 0.6) if p.chance(0.5) else 0.0
        ), eps * (u + a - b * v)
    if model == "brusselator":
        u2v = k.let("u2v|cat", u * u * v)
        return a - (b + 1.0) * u + u2v, b * u - u2v
    if model == "schnakenberg":
        gamma = k.param("gamma|scale|rate", 0.5, 5.0)
        u2v = k.let("u2v|cat", u * u * v)
        return gamma * (a - u + u2v), gamma * (b - u2v)
    sat = k.param("half_sat|saturation|handling", 0.1, 0.8)
    feeding = k.let("grazing|uptake|predation", u * v / (u + sat))
    return u * (1.0 - u) - feeding, a * feeding - b * v


def phase_field(p: ProgramBuilder) -> None:
    conserved = p.chance(0.5)
    k = p.kernel_builder(
        "chemical_potential|cahn_hilliard_mu|free_energy_derivative"
        if conserved
        else "allen_cahn|phase_field_step|order_parameter_step",
        p.pick(
            "Double-well free energy with a gradient penalty.",
            "Order parameter relaxation.",
            "Interface dynamics of a binary phase field.",
        ),
    )
    g = open_grid(p, k, two_or_three(p), boundary=p.pick("periodic", "periodic", "clamp"))
    c = stencil_field(p, g, "phi|c|order|concentration")
    out = g.out("mu|potential|mu_out" if conserved else "phi_new|c_out|order_out", p.real)
    x = c.read("x|phi_c|c0")
    lap = laplacian(p, g, c, x, inverse_squares(p, g), "c")
    depth = k.param("well_depth|W|barrier", 0.2, 2.0)
    form = p.pick("quartic", "factored", "shifted")

    def body(b: Block, v: Expr, w: Expr) -> Expr:
        if form == "quartic":
            return w * (v * v * v - v)
        if form == "factored":
            return w * v * (v * v - 1.0)
        return 2.0 * w * v * (1.0 - v) * (1.0 - 2.0 * v)

    bulk = piece(
        p, k, "well_derivative|bulk_potential|double_well", {"phi|c": x, "w|depth": depth}, body
    )
    kappa = k.param("kappa|gradient_energy|eps_sq", 0.05, 1.0)
    mu = k.let("mu_c|dF|variation", bulk - kappa * lap)
    if conserved:
        out.store(mu)
    else:
        mobility = k.param("mobility|M|L", 0.1, 2.0)
        rate = k.let("rate|dphi|dcdt", -mobility * mu)
        if p.chance(0.4):
            drive = g.field(
                "undercooling|temperature|driving_force", p.real, R.uniform(-0.5, 0.5)
            ).own
            rate = k.let("driven|rate_total", rate + mobility * drive * (1.0 - x * x))
        new = x + k.param("dt|time_step", 0.001, 0.05) * rate
        out.store(wp.clamp(new, -1.5, 1.5) if p.chance(0.3) else new)
    if p.chance(0.3):
        energy = k.out("free_energy|total_energy", p.real, (1,))
        gx = central_gradient(p, g, c, spacings(p, g), "c")
        sq = gx[0] * gx[0] + gx[1] * gx[1]
        well = k.let("s|well", x * x - 1.0)
        k.do(wp.atomic_add(energy, 0, 0.25 * depth * well * well + 0.5 * kappa * sq))


# --- anisotropic and high-order operators ---------------------------------------------------------


def anisotropic(p: ProgramBuilder) -> None:
    if p.chance(0.5):
        _perona_malik(p)
        return
    k = p.kernel_builder(
        "tensor_diffusion|anisotropic_diffusion|diffuse_along_field",
        p.pick(
            "Diffusion with a full tensor, mixed derivatives included.",
            "Anisotropic diffusion along a director field.",
        ),
    )
    g = open_grid(p, k, 2)
    u = stencil_field(p, g, "u|u_in|field|temperature")
    out = g.out("u_out|u_new|result", p.real)
    border_exit(p, g, (out, u.own))
    mask_exit(p, g, (out, u.own), chance=0.2)
    c = u.read("c|center|u_c")
    h = spacings(p, g)
    pairs = neighbour_values(p, g, u)
    d2 = [
        k.let(f"u_{letter(g, a)}{letter(g, a)}", (lo - 2.0 * c + hi) / (h[a] * h[a]))
        for a, (lo, hi) in enumerate(pairs)
    ]
    mixed = k.let(
        "u_xy|u_mixed|cross_term", (u[1, 1] - u[1, -1] - u[-1, 1] + u[-1, -1]) / (4.0 * h[0] * h[1])
    )
    if p.chance(0.45):
        d = g.field("D|tensor|diffusion_tensor", p.mat(2), R.spd(0.1, 1.0)).read("d_c|dt_c|dd")
        flux = d[0, 0] * d2[0] + 2.0 * d[0, 1] * mixed + d[1, 1] * d2[1]
    else:
        if p.chance(0.5):
            angle = g.field("angle|theta|fibre_angle", p.real, R.uniform(0.0, 3.1)).own
            ca, sa = k.let("ca|cos_t", wp.cos(angle)), k.let("sa|sin_t", wp.sin(angle))
        else:
            n = g.field("director|b_field|fibre", p.vec(2), R.unit_vectors()).read("n|b|dir")
            ca, sa = n[0], n[1]
        par, perp = (
            k.param("d_par|kappa_par|d_long", 0.3, 1.0),
            k.param("d_perp|kappa_perp|d_trans", 0.01, 0.2),
        )
        d00 = k.let("d00|dxx", par * ca * ca + perp * sa * sa)
        d11 = k.let("d11|dyy", par * sa * sa + perp * ca * ca)
        d01 = k.let("d01|dxy", (par - perp) * ca * sa)
        flux = d00 * d2[0] + 2.0 * d01 * mixed + d11 * d2[1]
    rate = k.let("rate|div_flux|dudt", flux)
    out.store(c + k.param("dt|time_step", 0.01, 0.2) * rate)
    monitor(p, g, rate, "rate|change")


def _perona_malik(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "perona_malik|edge_preserving_diffusion|nonlinear_diffusion|coherence_step",
        p.pick(
            "Edge-preserving diffusion (Perona-Malik).",
            "Nonlinear diffusion step that keeps edges.",
        ),
    )
    g = open_grid(p, k, two_or_three(p))
    u = stencil_field(p, g, "image|u|intensity|volume", 0.0, 1.0)
    out = g.out("image_out|u_out|smoothed|filtered", p.real)
    border_exit(p, g, (out, u.own))
    c = u.read("c|center|here")
    kappa = k.param("kappa|contrast|edge_threshold", 0.05, 0.5)
    form = p.pick("exp", "rational", "tukey", "charbonnier")

    def body(b: Block, d: Expr, s: Expr) -> None:
        r = b.let("r|q|ratio", d / s)
        if form == "exp":
            b.ret(wp.exp(-r * r))
        elif form == "rational":
            b.ret(1.0 / (1.0 + r * r))
        elif form == "charbonnier":
            b.ret(1.0 / wp.sqrt(1.0 + r * r))
        else:
            with b.when(wp.abs(r) > 1.0):
                b.ret(lift(0.0, p.real))
            t = b.let("t|w", 1.0 - r * r)
            b.ret(t * t)

    edge_stop = p.func(
        "conductance|edge_stop|diffusivity|g",
        {"d|grad|diff": p.real, "k|kappa|contrast": p.real},
        body,
    )
    offsets = [along(g, a, s) for a in range(len(g.shape)) for s in (-1, 1)]
    if p.chance(0.5):
        total = k.var("flux|total|acc", 0.0, p.real)
        for o in offsets:
            d = k.let("d|diff|grad", u[o] - c)
            k.aug(total, "+", edge_stop(d, kappa) * d)
    else:
        total = None
        for lo, hi in neighbour_values(p, g, u, "i"):
            term = edge_stop(hi - c, kappa) * (hi - c) - edge_stop(c - lo, kappa) * (c - lo)
            total = term if total is None else total + term
        total = k.let("flux|total", total)
    rate = k.param("rate|lambda_|dt|step", 0.05, 0.24)
    out.store(c + rate * total)
    monitor(p, g, total, "flux|change", 0.2)


def high_order(p: ProgramBuilder) -> None:
    radius, looped = p.pick(2, 2, 3, 4), p.chance(0.6)
    k = p.kernel_builder(
        "high_order_laplacian|star_stencil|wide_stencil|laplacian_radius|derivative_stencil",
        p.pick(
            "Star stencil with tabulated weights.",
            "Wide finite-difference operator.",
            f"Laplacian of order {2 * radius}.",
        ),
    )
    g = open_grid(p, k, two_or_three(p), boundary=p.pick("clamp", "periodic", "skip_outer"))
    u = stencil_field(p, g, "u|field|src|wavefield")
    out = g.out("out|result|lap_out|dst", p.real)
    if g.boundary == "skip_outer" and p.chance(0.8):
        radius = radius if looped else 2
        with k.when(g.on_border(radius)):
            k.ret()
    acc = _looped_star(p, g, u, radius) if looped else _written_star(p, g, u)
    if p.chance(0.45):
        prev = g.field("u_prev|previous|old", p.real, R.uniform(-1.0, 1.0))
        model = g.field("vp2|c2_dt2|model", p.real, R.uniform(0.01, 0.2))
        out.store(2.0 * u.own - prev.own + model.own * acc)
    else:
        out.store(acc * k.param("inv_h2|scale|coeff", 0.2, 2.0) if p.chance(0.6) else acc)


def _looped_star(p: ProgramBuilder, g: Grid, u: GridField, radius: int) -> Expr:
    k, axes = g.k, len(g.shape)
    weights = k.array(
        "weights|coeffs|stencil|fd_weights", p.real, (radius + 1,), R.uniform(-0.5, 1.5)
    )
    reach = radius if p.chance(0.4) else k.count("radius|half_width|stencil_radius", radius)
    acc = k.var("acc|lap|total", float(axes) * weights[0] * u.own)
    with k.loop("r|s|m|d", 1, reach + 1) as r:
        w = k.let("w|weight|coeff", weights[r])
        for a in range(axes):
            i, n = g.index[a], g.extent(a)
            x = letter(g, a)
            if g.boundary == "periodic":
                low, high = (i + n - r) % n, (i + r) % n
            else:
                low, high = wp.max(i - r, 0), wp.min(i + r, n - 1)
            if p.chance(0.5):
                low, high = k.let(f"{x}_lo|{x}m", low), k.let(f"{x}_hi|{x}p", high)
            at = [[*g.index[:a], s, *g.index[a + 1 :]] for s in (low, high)]
            k.aug(acc, "+", w * (u.at(*at[0]) + u.at(*at[1])))
    return acc


def _written_star(p: ProgramBuilder, g: Grid, u: GridField) -> Expr:
    k, read = g.k, reader(p, g, u, 0.6)
    c = u.read("c|center|u0")
    biharmonic = p.chance(0.4)
    total = None
    for a in range(len(g.shape)):
        x = letter(g, a)
        near = k.let(f"near_{x}|n1_{x}", read(*along(g, a, -1)) + read(*along(g, a, 1)))
        far = k.let(f"far_{x}|n2_{x}", read(*along(g, a, -2)) + read(*along(g, a, 2)))
        value = (
            6.0 * c - 4.0 * near + far
            if biharmonic
            else -2.5 * c + 1.3333333 * near - 0.083333333 * far
        )
        term = k.let(f"d2{x}|term_{x}|u{x}{x}", value)
        total = term if total is None else total + term
    assert total is not None
    return k.let("lap|acc|total", total)
