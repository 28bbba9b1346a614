"""Difference operators of the PDE categories, each in the forms people write them in."""

from collections.abc import Callable

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._grids import along, letter
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, lift

Reader = Callable[..., Expr]


def reader(p: ProgramBuilder, g: Grid, f: GridField, chance: float = 0.25) -> Reader:
    """Reads `f` at an offset: directly, or through a `@wp.func` that clamps indices."""
    if g.flat or g.boundary == "periodic" or not p.chance(chance):
        return lambda *offset: f[offset]
    fetch = g.sampler(f)
    lead = () if g.batch_index is None else (g.batch_index,)

    def read(*offset: int) -> Expr:
        where = [
            i if s == 0 else i + s if s > 0 else i - abs(s)
            for i, s in zip(g.index, offset, strict=True)
        ]
        return fetch(f.array, *lead, *where)

    return read


def neighbour_values(
    p: ProgramBuilder, g: Grid, f: GridField, stem: str = "u"
) -> list[tuple[Expr, Expr]]:
    """Values behind and ahead along each axis, as locals or as plain reads."""
    k, read = g.k, reader(p, g, f)
    if p.chance(0.35):
        g.prepare(*[along(g, a, s) for a in range(len(g.shape)) for s in (-1, 1)])
    named = p.chance(0.6)
    compass = (("n", "s"), ("w", "e")) if letter(g, 1) == "x" else (("w", "e"), ("s", "n"))
    pairs = []
    for a in range(len(g.shape)):
        sides = []
        for s, word in zip((-1, 1), compass[a] if len(g.shape) == 2 else ("m", "p"), strict=True):
            value = read(*along(g, a, s))
            hint = (
                f"{stem}_{word}|{stem}{word}"
                if len(g.shape) == 2
                else f"{stem}_{letter(g, a)}{word}"
            )
            sides.append(k.let(hint, value) if named else value)
        pairs.append((sides[0], sides[1]))
    return pairs


def laplacian(
    p: ProgramBuilder, g: Grid, f: GridField, centre: Expr, inv: list[Expr], stem: str = "u"
) -> Expr:
    """The Laplacian of `f` at this cell; `inv` holds 1 / h^2 per axis."""
    same = all(i is inv[0] for i in inv)
    forms = (
        ["terms", "accumulate", "sum", "sum", "function"]
        if same
        else ["terms", "terms", "accumulate"]
    )
    if same and len(inv) == 2 and p.chance(0.25):
        forms = ["nine", "loop"]
    return _LAPLACIANS[p.pick(*forms)](p, g, f, centre, inv, stem)


def _terms(p: ProgramBuilder, g: Grid, f: GridField, c: Expr, inv: list[Expr], stem: str) -> Expr:
    k = g.k
    parts = []
    for a, (low, high) in enumerate(neighbour_values(p, g, f, stem)):
        x = letter(g, a)
        parts.append(
            k.let(f"{stem}_{x}{x}|d2{stem}_d{x}2|lap_{x}", (high - 2.0 * c + low) * inv[a])
        )
    total = parts[0] + parts[1] if len(parts) == 2 else parts[0] + parts[1] + parts[2]
    return k.let("lap|laplacian|lap_u|diffusion", total) if p.chance(0.6) else total


def _sum(p: ProgramBuilder, g: Grid, f: GridField, c: Expr, inv: list[Expr], stem: str) -> Expr:
    pairs = neighbour_values(p, g, f, stem)
    total = pairs[0][0] + pairs[0][1]
    for low, high in pairs[1:]:
        total = total + low + high
    if p.chance(0.4):
        total = g.k.let("nbr_sum|neighbors|acc|ring", total)
    return g.k.let("lap|laplacian|lap_u", (total - float(2 * len(inv)) * c) * inv[0])


def _accumulate(
    p: ProgramBuilder, g: Grid, f: GridField, c: Expr, inv: list[Expr], stem: str
) -> Expr:
    k, read = g.k, reader(p, g, f)
    lap = k.var("lap|laplacian|acc", 0.0, p.real)
    for a in range(len(inv)):
        if p.chance(0.5):
            k.aug(lap, "+", (read(*along(g, a, 1)) - 2.0 * c + read(*along(g, a, -1))) * inv[a])
        else:
            k.aug(lap, "+", (read(*along(g, a, -1)) - c) * inv[a])
            k.aug(lap, "+", (read(*along(g, a, 1)) - c) * inv[a])
    return lap


def _nine(p: ProgramBuilder, g: Grid, f: GridField, c: Expr, inv: list[Expr], stem: str) -> Expr:
    k, read = g.k, reader(p, g, f, 0.6)
    cross = k.let("cross|edges|direct", read(-1, 0) + read(1, 0) + read(0, -1) + read(0, 1))
    corners = k.let("corners|diag|diagonal", read(-1, -1) + read(-1, 1) + read(1, -1) + read(1, 1))
    if p.chance(0.4):
        return (0.5 * cross + 0.25 * corners - 3.0 * c) * inv[0]
    return k.let("lap|laplacian|lap9", (4.0 * cross + corners - 20.0 * c) * (inv[0] / 6.0))


def _loop(p: ProgramBuilder, g: Grid, f: GridField, c: Expr, inv: list[Expr], stem: str) -> Expr:
    k = g.k
    lap = k.var("lap|acc|total", 0.0, p.real)
    with k.loop("di|oy|dr", -1, 2) as di:
        a = k.let("ii|yy|rr", wp.clamp(g.index[0] + di, 0, g.extent(0) - 1))
        with k.loop("dj|ox|dc", -1, 2) as dj:
            b = k.let("jj|xx|cc", wp.clamp(g.index[1] + dj, 0, g.extent(1) - 1))
            if p.chance(0.5):
                with k.when((wp.abs(di) + wp.abs(dj)) == 1):
                    k.aug(lap, "+", (f.at(a, b) - c) * inv[0])
            else:
                weight = k.let(
                    "weight|w", choose((di * dj) == 0, lift(0.5, p.real), lift(0.25, p.real))
                )
                k.aug(lap, "+", weight * (f.at(a, b) - c) * inv[0])
    return lap


def _function(
    p: ProgramBuilder, g: Grid, f: GridField, c: Expr, inv: list[Expr], stem: str
) -> Expr:
    pairs = neighbour_values(p, g, f, stem)
    values = [v for pair in pairs for v in pair]
    names = [
        "west|left|a",
        "east|right|b",
        "south|down|d",
        "north|up|e",
        "back|bottom",
        "front|top",
    ]

    def body(b: Block, centre: Expr, scale: Expr, *around: Expr) -> Expr:
        total = around[0]
        for value in around[1:]:
            total = total + value
        return (total - float(len(around)) * centre) * scale

    args = {"c|center|u": c, "inv_h2|scale|inv_dx2": inv[0]} | dict(
        zip(names, values, strict=False)
    )
    return piece(
        p,
        g.k,
        "laplacian|laplace|discrete_laplacian|five_point"
        if len(inv) == 2
        else "laplacian|seven_point",
        args,
        body,
        probability=0.75,
    )


_LAPLACIANS = {
    "terms": _terms, "sum": _sum, "accumulate": _accumulate, "nine": _nine, "loop": _loop, "function": _function,
}  # fmt: skip


def central_gradient(
    p: ProgramBuilder, g: Grid, f: GridField, h: list[Expr], stem: str = "u"
) -> list[Expr]:
    """Central first differences along each axis, as locals."""
    pairs = neighbour_values(p, g, f, stem)
    out = []
    for a, (low, high) in enumerate(pairs):
        x = letter(g, a)
        value = (high - low) / (2.0 * h[a]) if p.chance(0.5) else 0.5 * (high - low) / h[a]
        out.append(g.k.let(f"d{stem}d{x}|{stem}_{x}|grad_{x}|g{x}", value))
    return out
