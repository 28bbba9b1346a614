"""Transport stencils: advection-diffusion with several flux schemes, and level-set equations."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._grids import (
    along,
    border_exit,
    inverse_squares,
    letter,
    mask_exit,
    monitor,
    open_grid,
    spacings,
)
from generator.synthesis.categories._stencils import laplacian
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, lift

# --- advection-diffusion --------------------------------------------------------------------------


def advect_diffuse(p: ProgramBuilder) -> None:
    """A scalar carried by a velocity field, with diffusion and sources."""
    k = p.kernel_builder(
        "advect_scalar|advection_diffusion|transport_step|advect_upwind|convect|tracer_step|update_tracer",
        p.pick(
            "Transport a passive scalar.",
            "Conservative advection of a tracer.",
            "Advection-diffusion step.",
        ),
    )
    g = open_grid(p, k, 2 if p.chance(0.7) else 3)
    c_in = g.field("c|tracer|phi|concentration|q", p.real, R.uniform(0.0, 1.0))
    c_out = g.out("c_out|tracer_new|phi_new|q_next", p.real)
    border_exit(p, g, (c_out, c_in.own))
    mask_exit(p, g, (c_out, c_in.own), chance=0.25)
    c = c_in.read("c0|center|c_c")
    velocity = _velocity(p, g)
    h = spacings(p, g)
    dt = k.param("dt|time_step", 0.01, 0.2)
    k.step(p.pick("", "advection", "convective fluxes"))
    tendency = _SCHEMES[
        p.weighted({"upwind": 3, "split": 2, "central": 1.5, "limited": 3, "lax": 1, "third": 1.5})
    ](p, g, c_in, c, velocity, h, dt)
    if p.chance(0.55):
        k.step(p.pick("", "diffusion"))
        inv = inverse_squares(p, g) if p.chance(0.3) else [1.0 / (s * s) for s in h]
        inv = [k.let("inv_h2|rdx2", inv[0])] * len(h) if all(s is h[0] for s in h) else inv
        tendency = tendency + k.param("nu|diffusivity|kappa", 0.01, 0.5) * laplacian(
            p, g, c_in, c, inv, "c"
        )
    if p.chance(0.3):
        tendency = tendency + g.field("source|emission|s_c", p.real, R.uniform(0.0, 0.2)).own
    if p.chance(0.3):
        tendency = tendency - k.param("decay|lambda_|settling", 0.01, 0.5) * c
    new = k.let("new|c_new|updated", c + dt * tendency)
    c_out.store(wp.max(new, 0.0) if p.chance(0.25) else new)
    monitor(p, g, new, "mass|tracer", 0.25)


def _velocity(p: ProgramBuilder, g: Grid) -> list[Expr]:
    k, axes = g.k, len(g.shape)
    match p.pick("vector", "vector", "components", "components", "uniform"):
        case "vector":
            v = g.field("velocity|vel|wind|v", p.vec(axes), R.uniform(-1.0, 1.0)).read(
                "v|vel_c|u_c"
            )
            return [v[a] for a in range(axes)]
        case "components":
            names = {"x": "u|vel_x|vx", "y": "v|vel_y|vy", "z": "w|vel_z|vz"}
            return [
                g.field(names[letter(g, a)], p.real, R.uniform(-1.0, 1.0)).read(
                    f"{names[letter(g, a)].split('|')[0]}0|a{letter(g, a)}"
                )
                for a in range(axes)
            ]
    v = k.quantity(
        "wind|flow|carrier_velocity",
        p.vec(axes),
        [p.nice(0.1, 1.0) * p.pick(1.0, -1.0) for _ in range(axes)],
    )
    return [v[a] for a in range(axes)]


def _upwind(
    p: ProgramBuilder, g: Grid, f: GridField, c: Expr, v: list[Expr], h: list[Expr], dt: Expr
) -> Expr:
    """First-order upwind differences chosen by the sign of the velocity."""
    k = g.k
    form = p.pick("if", "where", "ternary", "minmax", "func")
    switch = None
    if form == "func":
        switch = p.func(
            "upwind_difference|upwind|biased_slope",
            {
                "vel|v|a": p.real,
                "low|behind|back": p.real,
                "mid|c": p.real,
                "high|ahead|front": p.real,
                "h|dx|spacing": p.real,
            },
            _upwind_body(p),
        )
    terms = []
    for a, (va, ha) in enumerate(zip(v, h, strict=True)):
        low, high = f[along(g, a, -1)], f[along(g, a, 1)]
        x = letter(g, a)
        if switch is not None:
            terms.append(va * switch(va, low, c, high, ha))
        elif form == "if":
            d = k.var(f"dc_d{x}|slope_{x}", (high - c) / ha)
            with k.when(va > 0.0):
                k.set(d, (c - low) / ha)
            terms.append(va * d)
        elif form == "minmax":
            terms.append((wp.max(va, 0.0) * (c - low) + wp.min(va, 0.0) * (high - c)) / ha)
        else:
            pair = (c - low, high - c)
            d = wp.where(va > 0.0, *pair) if form == "where" else choose(va >= 0.0, *pair)
            terms.append(va * k.let(f"dc_{x}|d{x}_up", d) / ha)
    return k.let("adv|tendency|advection", _negative_sum(terms))


def _upwind_body(p: ProgramBuilder) -> Callable[..., None]:
    early = p.chance(0.6)

    def body(b: Block, vel: Expr, low: Expr, mid: Expr, high: Expr, h: Expr) -> None:
        if early:
            with b.when(vel > 0.0):
                b.ret((mid - low) / h)
            b.ret((high - mid) / h)
        else:
            b.ret(wp.where(vel > 0.0, mid - low, high - mid) / h)

    return body


def _negative_sum(terms: list[Expr]) -> Expr:
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    return -total


def _split(
    p: ProgramBuilder, g: Grid, f: GridField, c: Expr, v: list[Expr], h: list[Expr], dt: Expr
) -> Expr:
    """Donor-cell fluxes through every face."""
    k = g.k
    flux = p.func(
        "donor_flux|upwind_flux|face_flux",
        {"vel|u_face|a": p.real, "left|cl|q_l": p.real, "right|cr|q_r": p.real},
        lambda b, a, q0, q1: b.ret(
            p.pick(
                wp.max(a, 0.0) * q0 + wp.min(a, 0.0) * q1,
                wp.where(a > 0.0, a * q0, a * q1),
                0.5 * a * (q0 + q1) - 0.5 * wp.abs(a) * (q1 - q0),
            )
        ),
    )
    total = k.var("div|net_flux|acc", 0.0, p.real)
    for a, (va, ha) in enumerate(zip(v, h, strict=True)):
        x = letter(g, a)
        out = k.let(f"f_{x}p|flux_{x}1", flux(va, c, f[along(g, a, 1)]))
        into = k.let(f"f_{x}m|flux_{x}0", flux(va, f[along(g, a, -1)], c))
        k.aug(total, "+", (out - into) / ha)
    return -total


def _central(
    p: ProgramBuilder, g: Grid, f: GridField, c: Expr, v: list[Expr], h: list[Expr], dt: Expr
) -> Expr:
    terms = []
    for a, (va, ha) in enumerate(zip(v, h, strict=True)):
        x = letter(g, a)
        slope = (f[along(g, a, 1)] - f[along(g, a, -1)]) / (2.0 * ha)
        terms.append(va * g.k.let(f"dc_d{x}|c_{x}|slope_{x}", slope))
    return g.k.let("adv|tendency|advection", _negative_sum(terms))


def _limiter(p: ProgramBuilder) -> UserFunction:
    form = p.pick("minmod", "superbee", "van_leer", "mc", "van_albada")

    def body(b: Block, a: Expr, c: Expr) -> None:
        if form == "van_albada":
            b.ret((a * c + wp.abs(a * c)) * (a + c) / (a * a + c * c + 1.0e-9))
            return
        with b.when(a * c <= 0.0):
            b.ret(lift(0.0, p.real))
        if form == "minmod":
            b.ret(
                wp.where(wp.abs(a) < wp.abs(c), a, c)
                if p.chance(0.5)
                else wp.sign(a) * wp.min(wp.abs(a), wp.abs(c))
            )
        elif form == "van_leer":
            b.ret(2.0 * a * c / (a + c))
        elif form == "superbee":
            s1 = b.let("s1|low", wp.min(2.0 * wp.abs(a), wp.abs(c)))
            s2 = b.let("s2|high", wp.min(wp.abs(a), 2.0 * wp.abs(c)))
            b.ret(wp.sign(a) * wp.max(s1, s2))
        else:
            steep = b.let("steep|cap", 2.0 * wp.min(wp.abs(a), wp.abs(c)))
            b.ret(wp.sign(a) * wp.min(steep, 0.5 * wp.abs(a + c)))

    return p.func(
        f"{form}|limiter|limited_slope",
        {"a|left|r0": p.real, "b|right|r1": p.real},
        body,
        f"{form.replace('_', ' ').capitalize()} slope limiter.",
    )


def _limited(
    p: ProgramBuilder, g: Grid, f: GridField, c: Expr, v: list[Expr], h: list[Expr], dt: Expr
) -> Expr:
    """Second-order fluxes with a slope limiter (MUSCL)."""
    k, limit = g.k, _limiter(p)
    terms = []
    for a, (va, ha) in enumerate(zip(v, h, strict=True)):
        x = letter(g, a)
        m2, m1, p1, p2 = (
            k.let(f"{n}_{x}", f[along(g, a, s)])
            for n, s in (("cmm", -2), ("cm", -1), ("cp", 1), ("cpp", 2))
        )
        slope = k.let(f"slope_{x}|s_{x}", limit(c - m1, p1 - c))
        with_ahead = p.chance(0.5)
        right = k.var(f"f_{x}r|flux_{x}_hi", va * (c + 0.5 * slope))
        left = k.var(f"f_{x}l|flux_{x}_lo", va * (c - 0.5 * slope))
        with k.when(va > 0.0):
            k.set(left, va * (m1 + 0.5 * limit(m1 - m2, c - m1)))
        with k.otherwise() if with_ahead else k.when(va <= 0.0):
            k.set(right, va * (p1 - 0.5 * limit(p1 - c, p2 - p1)))
        terms.append((right - left) / ha)
    return _negative_sum(terms)


def _lax(
    p: ProgramBuilder, g: Grid, f: GridField, c: Expr, v: list[Expr], h: list[Expr], dt: Expr
) -> Expr:
    """Lax-Wendroff: central differences with second-order time correction."""
    k, terms = g.k, []
    for a, (va, ha) in enumerate(zip(v, h, strict=True)):
        low, high = f[along(g, a, -1)], f[along(g, a, 1)]
        cr = k.let(f"cr_{letter(g, a)}|courant_{letter(g, a)}|nu_{letter(g, a)}", va * dt / ha)
        terms.append((0.5 * cr * (high - low) - 0.5 * cr * cr * (high - 2.0 * c + low)) / dt)
    return _negative_sum(terms)


def _third(
    p: ProgramBuilder, g: Grid, f: GridField, c: Expr, v: list[Expr], h: list[Expr], dt: Expr
) -> Expr:
    """Third-order upwind-biased differences."""
    k, terms = g.k, []
    for a, (va, ha) in enumerate(zip(v, h, strict=True)):
        x = letter(g, a)
        low, high = f[along(g, a, -1)], f[along(g, a, 1)]
        d = k.var(f"d_{x}|slope_{x}", (high - low) / (2.0 * ha))
        with k.when(va > 0.0):
            k.set(d, (2.0 * high + 3.0 * c - 6.0 * low + f[along(g, a, -2)]) / (6.0 * ha))
        with k.otherwise():
            k.set(d, (-f[along(g, a, 2)] + 6.0 * high - 3.0 * c - 2.0 * low) / (6.0 * ha))
        terms.append(va * d)
    return _negative_sum(terms)


_SCHEMES = {
    "upwind": _upwind,
    "split": _split,
    "central": _central,
    "limited": _limited,
    "lax": _lax,
    "third": _third,
}

# --- level sets -----------------------------------------------------------------------------------


def level_set(p: ProgramBuilder) -> None:
    """Hamilton-Jacobi equations for an interface held as the zero of phi."""
    what = p.weighted({"reinit": 3, "normal": 2.5, "curvature": 2, "distance": 1.2})
    names = {
        "reinit": "reinitialize|redistance|sussman_step|reinit_level_set",
        "normal": "evolve_level_set|propagate_front|flame_step|hamilton_jacobi",
        "curvature": "curvature_flow|mean_curvature_step|smooth_interface",
        "distance": "eikonal_update|fast_sweep|godunov_eikonal",
    }
    docs = {
        "reinit": "Restore the signed-distance property of phi.", "normal": "Move the interface along its normal.",
        "curvature": "Motion by mean curvature.", "distance": "Local Godunov solve of |grad T| = 1 / F.",
    }  # fmt: skip
    k = p.kernel_builder(names[what], p.pick(docs[what], "Level-set update."))
    axes = 2 if what in ("curvature", "distance") or p.chance(0.6) else 3
    g = open_grid(p, k, axes, boundary=p.pick("clamp", "interior", "skip_outer"))
    phi = g.field(
        "phi|sdf|level_set|T_in" if what != "distance" else "arrival|T_in|travel_time",
        p.real,
        R.uniform(-2.0, 2.0) if what != "distance" else R.uniform(0.5, 8.0),
    )
    out = g.out(
        "phi_out|phi_new|sdf_new" if what != "distance" else "arrival_out|T_out|travel_time_new",
        p.real,
    )
    border_exit(p, g, (out, phi.own))
    if what == "distance":
        _eikonal(p, g, phi, out)
        return
    c = phi.read("c|phi_c|center")
    if p.chance(0.35):
        band = k.param("band_width|narrow_band|bandwidth", 1.0, 1.8)
        with k.when(wp.abs(c) > band):
            out.store(c)
            k.ret()
    h = spacings(p, g)
    dt = k.param("dt|dtau|pseudo_dt", 0.05, 0.4)
    if what == "curvature":
        kappa_term = _curvature(p, g, phi, h)
        rate = kappa_term * k.param("tension|b|epsilon", 0.05, 0.5)
        new = k.let("new|phi_next", c + dt * rate)
    elif what == "normal":
        speed = (
            g.field("speed|normal_speed|F", p.real, R.uniform(-1.0, 1.0)).read("f|speed_c")
            if p.chance(0.7)
            else k.param("burn_rate|front_speed|F", 0.1, 1.0)
        )
        grad = _godunov(p, g, phi, c, h, speed)
        new = k.let("new|phi_next", c - dt * speed * grad)
    else:
        start = g.field("phi0|phi_initial|sdf_start", p.real, R.uniform(-2.0, 2.0)).own
        h0 = h[0]
        s = k.let("s|sign0|sgn", _smoothed_sign(p, g, start, h0))
        grad = _godunov(p, g, phi, c, h, s)
        new = k.let("new|phi_next", c - dt * s * (grad - 1.0))
    out.store(new)
    monitor(p, g, new - c, "change|update", 0.3)


def _smoothed_sign(p: ProgramBuilder, g: Grid, phi: Expr, h: Expr) -> Expr:
    k = g.k
    form = p.pick("sign", "smooth", "smooth", "steps")
    if form == "sign":
        return wp.sign(phi)
    if form == "smooth":
        return piece(
            p,
            k,
            "smoothed_sign|smeared_sign|sign_eps",
            {"phi|d": phi, "eps|h": h},
            lambda _, d, e: d / wp.sqrt(d * d + e * e),
            probability=0.7,
        )

    def body(b: Block, d: Expr, e: Expr) -> None:
        with b.when(d > e):
            b.ret(lift(1.0, p.real))
        with b.when(d < -e):
            b.ret(lift(-1.0, p.real))
        b.ret(d / e + wp.sin(3.14159265 * d / e) / 3.14159265)

    return p.func("smeared_sign|sign_fn|sgn", {"phi|d": p.real, "eps|width": p.real}, body)(phi, h)


def _godunov(
    p: ProgramBuilder, g: Grid, phi: GridField, c: Expr, h: list[Expr], direction: Expr
) -> Expr:
    """|grad phi| by Godunov's upwinding for motion in the direction of the sign of `direction`."""
    k = g.k
    total = k.var("grad_sq|sum_sq|g2", 0.0, p.real)
    form = p.pick("inline", "inline", "func", "rouy")
    squared = None
    if form == "func":
        squared = p.func(
            "godunov_term|upwind_sq|hj_flux_sq",
            {"dm|back|a": p.real, "dp|front|b": p.real, "s|direction|sgn": p.real},
            _godunov_body(p),
        )
    for a in range(len(g.shape)):
        x = letter(g, a)
        dm = k.let(f"d{x}m|dm_{x}|back_{x}", (c - phi[along(g, a, -1)]) / h[a])
        dp = k.let(f"d{x}p|dp_{x}|fwd_{x}", (phi[along(g, a, 1)] - c) / h[a])
        if squared is not None:
            k.aug(total, "+", squared(dm, dp, direction))
        elif form == "rouy":
            best = k.let(
                f"m_{x}|d{x}",
                wp.where(
                    direction > 0.0, wp.max(wp.max(dm, -dp), 0.0), wp.max(wp.max(dp, -dm), 0.0)
                ),
            )
            k.aug(total, "+", best * best)
        else:
            with k.when(direction > 0.0):
                a, b = (
                    k.let(f"a_{x}|in_{x}", wp.max(dm, 0.0)),
                    k.let(f"b_{x}|out_{x}", wp.min(dp, 0.0)),
                )
                k.aug(total, "+", wp.max(a * a, b * b))
            with k.otherwise():
                a, b = (
                    k.let(f"lo_{x}|e_{x}", wp.min(dm, 0.0)),
                    k.let(f"hi_{x}|f_{x}", wp.max(dp, 0.0)),
                )
                k.aug(total, "+", wp.max(a * a, b * b))
    return k.let("grad_norm|grad|slope", wp.sqrt(total + 1.0e-12 if p.chance(0.5) else total))


def _godunov_body(p: ProgramBuilder) -> Callable[..., None]:
    def body(b: Block, dm: Expr, dp: Expr, s: Expr) -> None:
        with b.when(s > 0.0):
            a = b.let("a|m0", wp.max(dm, 0.0))
            c = b.let("c|m1", wp.min(dp, 0.0))
            b.ret(wp.max(a * a, c * c))
        lo = b.let("lo|m2", wp.min(dm, 0.0))
        hi = b.let("hi|m3", wp.max(dp, 0.0))
        b.ret(wp.max(lo * lo, hi * hi))

    return body


def _curvature(p: ProgramBuilder, g: Grid, phi: GridField, h: list[Expr]) -> Expr:
    """Mean curvature times the gradient's length, from second derivatives."""
    k = g.k
    hx = h[0]
    d = [
        k.let(
            f"phi_{letter(g, a)}|d{letter(g, a)}",
            (phi[along(g, a, 1)] - phi[along(g, a, -1)]) / (2.0 * h[a]),
        )
        for a in (0, 1)
    ]
    dd = [
        k.let(
            f"phi_{letter(g, a)}{letter(g, a)}|d{letter(g, a)}{letter(g, a)}",
            (phi[along(g, a, 1)] - 2.0 * phi.own + phi[along(g, a, -1)]) / (h[a] * h[a]),
        )
        for a in (0, 1)
    ]
    mixed = k.let(
        "phi_xy|dxy", (phi[1, 1] - phi[1, -1] - phi[-1, 1] + phi[-1, -1]) / (4.0 * hx * h[1])
    )
    g2 = k.let("grad_sq|g2", d[0] * d[0] + d[1] * d[1])
    eps = p.pick(1.0e-6, 1.0e-4)
    num = k.let(
        "num|numerator", dd[0] * d[1] * d[1] - 2.0 * d[0] * d[1] * mixed + dd[1] * d[0] * d[0]
    )
    if p.chance(0.5):
        return num / (g2 + eps)
    rate = k.var("rate|kappa_grad", 0.0, p.real)
    with k.when(g2 > eps):
        k.set(rate, num / g2)
    return rate


def _eikonal(p: ProgramBuilder, g: Grid, t: GridField, out: GridField) -> None:
    k = g.k
    if p.chance(0.6):
        frozen = (
            g.field("frozen|accepted|known", p.real, R.uniform(0.0, 1.0)) if p.chance(0.2) else None
        )
        if frozen is not None:
            with k.when(frozen.own > 0.8):
                out.store(t.own)
                k.ret()
    a = k.let("a|tx|t_row", wp.min(t[-1, 0], t[1, 0]))
    b = k.let("b|ty|t_col", wp.min(t[0, -1], t[0, 1]))
    slowness = (
        g.field("slowness|cost|inv_speed", p.real, R.uniform(0.3, 2.0)).own
        if p.chance(0.6)
        else 1.0 / k.param("speed|F|wave_speed", 0.5, 2.0)
    )
    f = k.let("f|cost_h|s", slowness * k.param("h|dx|cell_size", 0.5, 1.5))

    def solve(block: Block, x: Expr, y: Expr, s: Expr) -> None:
        with block.when(wp.abs(x - y) >= s):
            block.ret(wp.min(x, y) + s)
        block.ret(0.5 * (x + y + wp.sqrt(2.0 * s * s - (x - y) * (x - y))))

    if p.chance(0.6):
        new = k.let(
            "t_new|candidate",
            p.func(
                "solve_quadratic|eikonal_2d|local_solver",
                {"a|tx": p.real, "b|ty": p.real, "f|s|cost": p.real},
                solve,
            )(a, b, f),
        )
    else:
        new = k.var("t_new|candidate", wp.min(a, b) + f)
        with k.when(wp.abs(a - b) < f):
            diff = k.let("d|diff", a - b)
            k.set(new, 0.5 * (a + b + wp.sqrt(2.0 * f * f - diff * diff)))
    best = k.let("best|result", wp.min(t.own, new))
    out.store(best)
    if p.chance(0.4):
        _count_changed(p, g, t.own, best)


def _count_changed(p: ProgramBuilder, g: Grid, before: Expr, after: Expr) -> None:
    """Raises a flag or counts cells whose value improved."""
    k = g.k
    changed = k.out("changed|num_updates|dirty", T.I32, (1,))
    with k.when(after < before - 1.0e-5 if p.chance(0.5) else after < before):
        k.do(wp.atomic_add(changed, 0, 1) if p.chance(0.6) else wp.atomic_max(changed, 0, 1))
