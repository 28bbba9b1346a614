"""One explicit momentum step on a collocated grid, with all its terms in one kernel."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._grids import (
    along,
    border_exit,
    letter,
    mask_exit,
    open_grid,
    spacings,
)
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, Name, lift

_WORDS = {"x": "u", "y": "v", "z": "w"}


def momentum_step(p: ProgramBuilder) -> None:
    """Advection, viscosity, pressure gradient, body forces, drag and bounds of every velocity component."""
    k = p.kernel_builder(
        "momentum_step|navier_stokes_step|predict_velocity|tentative_velocity|update_momentum|burgers_step|ns_predictor",
        p.pick(
            "Explicit momentum predictor.",
            "Tentative velocity before the projection.",
            "Advance the velocity components by one explicit step.",
        ),
    )
    axes = 2 if p.chance(0.6) else 3
    g = open_grid(p, k, axes)
    comps = [_WORDS[letter(g, a)] for a in range(axes)]
    fields = [
        g.field(f"{w}|vel_{letter(g, a)}|{w}_in", p.real, R.uniform(-1.0, 1.0))
        for a, w in enumerate(comps)
    ]
    outs = [g.out(f"{w}_new|{w}_out|{w}_star", p.real) for w in comps]
    border_exit(p, g, *[(o, f.own) for o, f in zip(outs, fields, strict=True)])
    mask_exit(p, g, *[(o, 0.0) for o in outs], chance=0.3)
    k.step(p.pick("", "velocities of this cell"))
    own = [f.read(f"{w}_c|{w}0|{w}c") for f, w in zip(fields, comps, strict=True)]
    h, dt = spacings(p, g), k.param("dt|time_step", 0.005, 0.1)
    terms = p.sample(["viscosity", "pressure", "force", "drag", "coriolis"], 1, 4)
    scheme = p.pick("upwind", "central", "upwind", "blend")
    nu = k.param("nu|viscosity|kinematic_viscosity", 0.01, 0.3) if "viscosity" in terms else None
    pressure = (
        g.field("pressure|p|p_hat", p.real, R.uniform(-1.0, 1.0)) if "pressure" in terms else None
    )
    rho = k.param("rho|density", 0.5, 2.0) if pressure is not None and p.chance(0.5) else None
    new: list[Name] = []
    for c, (f, w) in enumerate(zip(fields, comps, strict=True)):
        k.step(p.pick("", f"{w} component", ""))
        around = _around(p, g, f, w)
        rate = k.var(f"d{w}|rhs_{w}|{w}_rate", -_advection(p, g, own, around, own[c], h, scheme, w))
        if nu is not None:
            k.aug(rate, "+", nu * _viscosity(p, g, around, own[c], h, w))
        if pressure is not None:
            k.aug(rate, "-", _pressure(p, g, pressure, c, h, rho))
        new.append(k.let(f"{w}_next|{w}1|new_{w}", own[c] + dt * rate))
    values = _finish(p, g, new, dt, terms, comps)
    for o, value in zip(outs, values, strict=True):
        o.store(value)
    _diagnostics(p, g, values, dt, h)


def _around(p: ProgramBuilder, g: Grid, f: GridField, w: str) -> list[tuple[Expr, Expr]]:
    """Both neighbours of a component along each axis, as locals."""
    sides = []
    for a in range(len(g.shape)):
        x = letter(g, a)
        low = g.k.let(f"{w}_{x}m|{w}m{x}", f[along(g, a, -1)])
        sides.append((low, g.k.let(f"{w}_{x}p|{w}p{x}", f[along(g, a, 1)])))
    return sides


def _advection(
    p: ProgramBuilder,
    g: Grid,
    own: list[Name],
    around: list[tuple[Expr, Expr]],
    c: Expr,
    h: list[Expr],
    scheme: str,
    w: str,
) -> Expr:
    k, terms = g.k, []
    for a, (low, high) in enumerate(around):
        v, x = own[a], letter(g, a)
        if scheme == "central":
            terms.append(v * (high - low) / (2.0 * h[a]))
        elif scheme == "upwind":
            if p.chance(0.5):
                d = wp.where(v > 0.0, c - low, high - c)
                terms.append(v * k.let(f"d{w}_{x}|grad_{w}{x}", d) / h[a])
            else:
                terms.append((wp.max(v, 0.0) * (c - low) + wp.min(v, 0.0) * (high - c)) / h[a])
        else:
            centred = k.let(f"cen_{w}{x}|c{w}{x}", v * (high - low))
            damp = wp.abs(v) * (high - 2.0 * c + low)
            terms.append((centred - lift(0.8, p.real) * damp) / (2.0 * h[a]))
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    return k.let(f"adv_{w}|conv_{w}", total)


def _viscosity(
    p: ProgramBuilder, g: Grid, around: list[tuple[Expr, Expr]], c: Expr, h: list[Expr], w: str
) -> Expr:
    parts = [(high - 2.0 * c + low) / (h[a] * h[a]) for a, (low, high) in enumerate(around)]
    if all(s is h[0] for s in h):
        total = around[0][0] + around[0][1]
        for low, high in around[1:]:
            total = total + low + high
        return g.k.let(f"lap_{w}|visc_{w}", (total - float(2 * len(h)) * c) / (h[0] * h[0]))
    total = parts[0]
    for t in parts[1:]:
        total = total + t
    return g.k.let(f"lap_{w}|visc_{w}", total)


def _pressure(
    p: ProgramBuilder, g: Grid, pressure: GridField, a: int, h: list[Expr], rho: Expr | None
) -> Expr:
    grad = (pressure[along(g, a, 1)] - pressure[along(g, a, -1)]) / (2.0 * h[a])
    return grad if rho is None else grad / rho


def _finish(
    p: ProgramBuilder, g: Grid, new: list[Name], dt: Expr, terms: list[str], comps: list[str]
) -> list[Expr]:
    """Terms that act on all components at once."""
    k = g.k
    at = {w: i for i, w in enumerate(comps)}
    values: list[Expr] = list(new)
    if "force" in terms:
        force = (
            g.field("force|body_force|f_ext", p.vec(len(new)), R.uniform(-0.5, 0.5)).read(
                "f|force_c"
            )
            if p.chance(0.5)
            else k.quantity(
                "gravity|body_force|g", p.vec(len(new)), [0.0] * (len(new) - 1) + [-9.81]
            )
        )
        order = {"u": 0, "v": 1, "w": 2}
        values = [
            k.let(f"{w}_f|{w}2", v + dt * force[order[w]])
            for w, v in zip(comps, values, strict=True)
        ]
    if "coriolis" in terms:
        f = k.param("coriolis|f0|f_cor", 0.05, 1.0)
        u, v = values[at["u"]], values[at["v"]]
        values[at["u"]], values[at["v"]] = (
            k.let("u_rot|u3", u + dt * f * v),
            k.let("v_rot|v3", v - dt * f * u),
        )
    if "drag" in terms:
        c = k.param("drag|friction|cd", 0.05, 1.0)
        mag = k.let("mag|speed|vel_norm", wp.sqrt(_dot(values)))
        keep = k.let("keep|damp|implicit", 1.0 / (1.0 + dt * c * mag))
        values = [v * keep for v in values]
    if p.chance(0.3):
        limit = k.param("v_max|max_speed|limit", 0.5, 2.0)
        values = [wp.clamp(v, -limit, limit) for v in values]
    if p.chance(0.35):
        values = [k.let(f"{w}_res|{w}_final", v) for w, v in zip(comps, values, strict=True)]
    return values


def _dot(values: list[Expr]) -> Expr:
    total = values[0] * values[0]
    for v in values[1:]:
        total = total + v * v
    return total


def _diagnostics(p: ProgramBuilder, g: Grid, values: list[Expr], dt: Expr, h: list[Expr]) -> None:
    k = g.k
    where = g.batch_index if g.batch_index is not None else 0
    for what in p.sample(["energy", "cfl", "bad", "reverse"], 0, 2):
        if what == "energy":
            energy = k.out("kinetic_energy|total_ke|energy", p.real, (g.batch or 1,))
            k.do(wp.atomic_add(energy, where, 0.5 * _dot(values)))
        elif what == "cfl":
            worst = k.out("max_cfl|cfl_max|courant", p.real, (g.batch or 1,))
            ratios = [wp.abs(v) * dt / s for v, s in zip(values, h, strict=True)]
            total = ratios[0]
            for r in ratios[1:]:
                total = total + r if p.chance(0.5) else wp.max(total, r)
            k.do(wp.atomic_max(worst, where, total))
        elif what == "bad":
            flag = k.out("num_bad|invalid_cells|nan_count", T.I32, (1,))
            with k.when(any_of(*[wp.isnan(v) for v in values])):
                k.do(wp.atomic_add(flag, 0, 1))
        else:
            count = k.out("reversed_cells|backflow_count", T.I32, (1,))
            with k.when(all_of(values[0] < 0.0, values[1] < 0.0)):
                k.do(wp.atomic_add(count, 0, 1))
