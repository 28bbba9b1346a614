"""Level-set equations and measures on grids: redistancing, motion, curvature, volumes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rays import num
from generator.synthesis.categories._sdf_grids import _PHI, _grid
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def _unit(g: Grid, axis: int, step: int = 1) -> tuple[int, ...]:
    return tuple(step if a == axis else 0 for a in range(len(g.shape)))


def _one_sided(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, phi: GridField, dx: Expr
) -> list[tuple[Name, Name]]:
    """Backward and forward differences along every axis."""
    words = ("x", "y", "z")
    centre = k.let("c|phi_c|here", phi.own)
    inv = k.let("inv_dx|rdx|inv_h", 1.0 / dx) if p.chance(0.4) else None
    if p.chance(0.5):
        g.prepare(*(_unit(g, a, s) for a in range(len(g.shape)) for s in (-1, 1)))
    pairs = []
    for a in range(len(g.shape)):
        back, ahead = centre - phi[_unit(g, a, -1)], phi[_unit(g, a, 1)] - centre
        scaled = [(d / dx if inv is None else d * inv) for d in (back, ahead)]
        pairs.append(
            (
                k.let(f"dm{words[a]}|{'abc'[a]}_minus|back_{words[a]}", scaled[0]),
                k.let(f"dp{words[a]}|{'abc'[a]}_plus|ahead_{words[a]}", scaled[1]),
            )
        )
    return pairs


def _godunov(
    p: ProgramBuilder, k: KernelBuilder, pairs: list[tuple[Name, Name]], outward: bool
) -> Expr:
    """Squared upwind gradient for a front that moves outward (or inward)."""
    total: Expr | None = None
    larger = p.on("helper_function")
    for axis, (back, ahead) in zip("xyz", pairs, strict=False):
        a = k.let(f"a{axis}|lo_{axis}|p{axis}", wp.max(back, 0.0) if outward else wp.min(back, 0.0))
        b = k.let(
            f"b{axis}|hi_{axis}|q{axis}", wp.min(ahead, 0.0) if outward else wp.max(ahead, 0.0)
        )
        term = wp.max(a * a, b * b) if larger else a * a + b * b
        total = term if total is None else total + term
    assert total is not None
    return total


def _godunov_function(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, back: Expr, ahead: Expr, s: Expr) -> None:
        with b.when(s > 0.0):
            lo, hi = b.let("lo|m", wp.max(back, 0.0)), b.let("hi|q", wp.min(ahead, 0.0))
            b.ret(wp.max(lo * lo, hi * hi))
        lo, hi = b.let("lo2|m2", wp.min(back, 0.0)), b.let("hi2|q2", wp.max(ahead, 0.0))
        b.ret(wp.max(lo * lo, hi * hi))

    return p.func(
        "godunov|upwind_sq|godunov_term|entropy_diff",
        {"back|a": p.real, "ahead|b": p.real, "s|sgn": p.real},
        body,
    )


def redistance(p: ProgramBuilder) -> None:
    """One iteration of the reinitialisation equation."""
    k = p.kernel_builder(
        "reinitialize|redistance|eikonal_step|reinit_step|restore_distance|sussman_step",
        p.pick(
            "One pseudo-time step towards a signed distance.", "Reinitialise the level set.", ""
        ),
    )
    g = _grid(p, k)
    phi = g.field("phi|sdf_in|level_set", p.real, R.uniform(-1.0, 1.0))
    start = (
        g.field("phi0|phi_start|initial_phi", p.real, R.uniform(-1.0, 1.0))
        if p.chance(0.7)
        else phi
    )
    out = g.out("phi_new|phi_out|sdf_out", p.real)
    dx = k.param("dx|h|cell_size", 0.05, 0.3)
    c0 = k.let("s0|phi_0|start_value", start.own)
    form = p.pick("smooth", "sign", "peng")
    pairs = _one_sided(p, k, g, phi, dx)
    if p.chance(0.55):
        f = _godunov_function(p)
        grad2 = None
        for back, ahead in pairs:
            term = f(back, ahead, c0)
            grad2 = term if grad2 is None else grad2 + term
        grad = k.let("grad|g|norm", wp.sqrt(grad2))
    else:
        grad = k.var("grad|g|norm", 0.0, p.real)
        with k.when(c0 > 0.0):
            k.set(grad, wp.sqrt(_godunov(p, k, pairs, True)))
        with k.otherwise():
            k.set(grad, wp.sqrt(_godunov(p, k, pairs, False)))
    s = {
        "smooth": lambda: c0 / wp.sqrt(c0 * c0 + dx * dx), "sign": lambda: wp.sign(c0),
        "peng": lambda: c0 / wp.sqrt(c0 * c0 + grad * grad * dx * dx),
    }[form]()  # fmt: skip
    s = k.let("sgn|s|smeared_sign", s)
    dtau = k.param("dtau|pseudo_dt|dt", 0.01, 0.05)
    new = phi.own - dtau * s * (grad - 1.0)
    if p.chance(0.3):
        band = k.param("bandwidth|band|narrow_band", 0.3, 0.8)
        with k.when(wp.abs(c0) > band):
            out.store(phi.own)
            k.ret()
    out.store(new)
    if p.chance(0.3):
        k.do(
            wp.atomic_max(
                k.out("max_residual|residual|change", p.real, (1,)), 0, wp.abs(grad - 1.0)
            )
        )


def move(p: ProgramBuilder) -> None:
    """Motion of a level set: along normals, with a velocity, by curvature."""
    k = p.kernel_builder(
        "advance_front|move_level_set|propagate_interface|burn_step|evolve_phi|advect_level_set|etch_step",
        p.pick("One explicit step of the level-set equation.", "Move the interface.", ""),
    )
    g = _grid(p, k, 0.6)
    phi = g.field(_PHI, p.real, R.uniform(-1.0, 1.0))
    out = g.out("phi_new|phi_out|next_phi", p.real)
    dx, dt = k.param("dx|h|cell_size", 0.1, 0.5), k.param("dt|timestep|tau", 0.005, 0.04)
    pairs = _one_sided(p, k, g, phi, dx)
    terms = p.sample(["normal", "velocity", "curvature"], 1, 2)
    change = k.var("rate|dphi|rhs", 0.0, p.real)
    for term in terms:
        if term == "normal":
            _normal_motion(p, k, g, pairs, change)
        elif term == "velocity":
            _advection(p, k, g, pairs, change)
        else:
            lap = None
            for back, ahead in pairs:
                lap = ahead - back if lap is None else lap + (ahead - back)
            k.aug(
                change,
                "-",
                k.param("surface_tension|curvature_coef|eps_curv", 0.001, 0.05) * lap / dx,
            )
    out.store(phi.own - dt * change)


def _normal_motion(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, pairs: list[tuple[Name, Name]], change: Name
) -> None:
    if p.chance(0.5):
        speed = k.let(
            "f|speed|vn",
            g.field("speed|etch_rate|burn_rate|front_speed", p.real, R.uniform(-1.0, 1.0)).own,
        )
        with k.when(speed > 0.0):
            k.aug(change, "+", speed * wp.sqrt(_godunov(p, k, pairs, True)))
        with k.otherwise():
            k.aug(change, "+", speed * wp.sqrt(_godunov(p, k, pairs, False)))
        return
    k.aug(
        change,
        "+",
        k.param("speed|growth_rate|front_speed", 0.1, 2.0) * wp.sqrt(_godunov(p, k, pairs, True)),
    )


def _advection(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, pairs: list[tuple[Name, Name]], change: Name
) -> None:
    n = len(g.shape)
    u = k.let("u|vel|w", g.field("velocity|u_field|flow", p.vec(n), R.uniform(-1.0, 1.0)).own)
    for a, (back, ahead) in enumerate(pairs):
        c = u.field("xyz"[a])
        if p.chance(0.5):
            k.aug(change, "+", wp.max(c, 0.0) * back + wp.min(c, 0.0) * ahead)
        else:
            k.aug(change, "+", c * wp.where(c > 0.0, back, ahead))


def measure(p: ProgramBuilder) -> None:
    """Normals, curvature, smeared Heaviside and delta, volumes, areas."""
    k = p.kernel_builder(
        "interface_measures|level_set_volume|compute_normals|mean_curvature|interface_area|heaviside_delta|phase_fractions",
        p.pick(
            "Geometric quantities of the zero level.", "", "Differential geometry of the interface."
        ),
    )
    g = _grid(p, k, 0.5)
    phi = g.field(_PHI, p.real, R.uniform(-1.0, 1.0))
    dx = k.param("dx|h|cell_size", 0.1, 0.5)
    n = len(g.shape)
    goal = p.pick("normal", "curvature", "volume", "fraction", "crossing")
    if goal in ("normal", "curvature"):
        parts = [(phi[_unit(g, a)] - phi[_unit(g, a, -1)]) / (2.0 * dx) for a in range(n)]
        names = [k.let(f"g{'xyz'[a]}|d{'xyz'[a]}_phi", d) for a, d in enumerate(parts)]
        grad = k.let("grad|g|dphi", construct(p.vec(n), *names))
        length = k.let("mag|len_g|norm", wp.length(grad))
        if goal == "normal":
            out = g.out("normals|n_out|interface_normal", p.vec(n))
            if p.chance(0.5):
                with k.when(length > 1.0e-8):
                    out.store(grad / length)
            else:
                out.store(
                    wp.where(
                        length > 1.0e-8, grad / wp.max(length, 1.0e-8), construct(p.vec(n), 0.0)
                    )
                )
            if p.chance(0.4):
                g.out("slope|grad_mag|eikonal_error", p.real).store(wp.abs(length - 1.0))
            return
        _curvature(p, k, g, phi, dx, names, length)
        return
    if goal == "crossing":
        _crossing(p, k, g, phi)
        return
    _volume(p, k, g, phi, dx, goal)


def _curvature(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, phi: GridField, dx: Expr, d: list[Name], mag: Name
) -> None:
    n = len(g.shape)
    second = [
        k.let(
            f"d{'xyz'[a] * 2}",
            (phi[_unit(g, a)] - 2.0 * phi.own + phi[_unit(g, a, -1)]) / (dx * dx),
        )
        for a in range(n)
    ]
    mixed = {}
    for a in range(n):
        for b in range(a + 1, n):
            corner = [
                tuple(s if c == a else t if c == b else 0 for c in range(n))
                for s, t in ((1, 1), (1, -1), (-1, 1), (-1, -1))
            ]
            value = (phi[corner[0]] - phi[corner[1]] - phi[corner[2]] + phi[corner[3]]) / (
                4.0 * dx * dx
            )
            mixed[a, b] = k.let(f"d{'xyz'[a]}{'xyz'[b]}", value)
    if n == 2:
        top = d[0] * d[0] * second[1] - 2.0 * d[0] * d[1] * mixed[0, 1] + d[1] * d[1] * second[0]
    else:
        pure = (
            d[0] * d[0] * (second[1] + second[2])
            + d[1] * d[1] * (second[0] + second[2])
            + d[2] * d[2] * (second[0] + second[1])
        )
        cross = d[0] * d[1] * mixed[0, 1] + d[0] * d[2] * mixed[0, 2] + d[1] * d[2] * mixed[1, 2]
        top = pure - 2.0 * cross
    kappa = k.let("kappa|curv|k_mean", top / wp.max(mag * mag * mag, 1.0e-6))
    out = g.out("curvature|kappa_out|mean_curv", p.real)
    out.store(wp.clamp(kappa, -1.0 / dx, 1.0 / dx) if p.chance(0.6) else kappa)


def _crossing(p: ProgramBuilder, k: KernelBuilder, g: Grid, phi: GridField) -> None:
    count = k.var("crossings|edges|count", 0)
    here = k.let("c|here|phi_c", phi.own)
    for a in range(len(g.shape)):
        with k.when(here * phi[_unit(g, a)] < 0.0):
            k.aug(count, "+", 1)
    g.out("edge_count|interface_edges|cut_edges", T.I32).store(count)
    if p.chance(0.6):
        with k.when(count > 0):
            k.do(wp.atomic_add(k.out("interface_cells|num_cut|active_cells", T.I32, (1,)), 0, 1))


def _volume(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, phi: GridField, dx: Expr, goal: str
) -> None:
    eps = k.let("eps|width|e", dx * p.pick(1.0, 1.5, 2.0))
    form = p.pick("sine", "tanh", "linear")

    def heaviside(b: Block, d: Expr, e: Expr) -> None:
        if form == "tanh":
            b.ret(0.5 * (1.0 + wp.tanh(d / e)))
        elif form == "linear":
            b.ret(wp.clamp(0.5 + 0.5 * d / e, 0.0, 1.0))
        else:
            with b.when(d < -e):
                b.ret(num(p, 0.0))
            with b.when(d > e):
                b.ret(num(p, 1.0))
            b.ret(0.5 * (1.0 + d / e + wp.sin(3.14159265 * d / e) / 3.14159265))

    f = p.func(
        "heaviside|smoothed_step|smeared_heaviside", {"d|phi": p.real, "e|eps": p.real}, heaviside
    )
    inside = k.let("inside|h_in|w", 1.0 - f(phi.own, eps))
    cell = dx * dx if len(g.shape) == 2 else dx * dx * dx
    if goal == "fraction":
        r1, r2 = (
            k.param("rho_liquid|rho1|density_in", 500.0, 1000.0),
            k.param("rho_gas|rho2|density_out", 1.0, 10.0),
        )
        g.out("density|rho|mixture_density", p.real).store(
            r2 + (r1 - r2) * inside if p.chance(0.6) else wp.lerp(r2, r1, inside)
        )
        if p.chance(0.5):
            g.out("viscosity|mu|mixture_mu", p.real).store(
                wp.lerp(
                    k.param("mu_gas|mu2", 0.01, 0.05), k.param("mu_liquid|mu1", 0.1, 1.0), inside
                )
            )
        return
    k.do(wp.atomic_add(k.out("volume|total_volume|mass_in", p.real, (1,)), 0, inside * cell))
    if p.chance(0.6):
        d = k.let("d|phi_c|value", phi.own)
        with k.when(wp.abs(d) < eps):
            delta = 0.5 * (1.0 + wp.cos(3.14159265 * d / eps)) / eps
            k.do(wp.atomic_add(k.out("area|surface_area|perimeter", p.real, (1,)), 0, delta * cell))
    if p.chance(0.5):
        g.out("fraction|vof|indicator", p.real).store(inside)
