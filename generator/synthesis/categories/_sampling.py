"""Interpolated reads of fields at real-valued positions, as `@wp.func`s in the usual forms."""

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.idioms import blend
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def bilinear(
    p: ProgramBuilder, dtype: T.Type, periodic: bool = False, batched: bool = False
) -> UserFunction:
    """``f(field, [batch,] y, x)``: bilinear interpolation with clamped or wrapped indices."""
    by_vector = p.chance(0.3) and not batched
    edges = p.pick("index", "position", "position")
    form = p.pick("lerp", "weights", "weights", "two_step")

    def body(b: Block, f: Expr, *rest: Expr) -> None:
        lead = rest[:-1] if by_vector else rest[:-2]
        y, x = (rest[-1][1], rest[-1][0]) if by_vector else rest[-2:]
        rows, cols = f.dim(len(lead)), f.dim(len(lead) + 1)
        if edges == "position" and not periodic:
            y = b.let("yy|cy|py", wp.clamp(y, 0.0, construct(p.real, rows - 1) - 0.001))
            x = b.let("xx|cx|px", wp.clamp(x, 0.0, construct(p.real, cols - 1) - 0.001))
        fy, fx = b.let("fy|y_floor|yf", wp.floor(y)), b.let("fx|x_floor|xf", wp.floor(x))
        ty, tx = b.let("ty|v|wy", y - fy), b.let("tx|u|wx", x - fx)
        y0, y1 = _pair(p, b, "y", fy, rows, periodic, edges)
        x0, x1 = _pair(p, b, "x", fx, cols, periodic, edges)
        b.ret(_blend4(p, b, form, [f[(*lead, r, c)] for r in (y0, y1) for c in (x0, x1)], ty, tx))

    params: dict[str, T.Type] = {"field|f|src|q": T.Array(dtype, 3 if batched else 2)}
    params |= {"b|layer|env": T.I32} if batched else {}
    params |= {"pos|uv|xy": p.vec(2)} if by_vector else {"y|row_f|gy": p.real, "x|col_f|gx": p.real}
    names = (
        "sample_bilinear|bilerp|interp2d|sample_field|bilinear"
        if not periodic
        else "sample_periodic|bilerp_wrap|interp_periodic"
    )
    return p.func(
        names,
        params,
        body,
        p.pick("Bilinear interpolation.", "Interpolate between the four nearest cells."),
    )


def _pair(
    p: ProgramBuilder, b: Block, axis: str, low: Expr, size: Expr, periodic: bool, edges: str
) -> tuple[Expr, Expr]:
    """Indices of the two cells around a position along one axis."""
    base = construct(T.I32, low)
    if periodic:
        i0 = b.let(f"{axis}0|{axis}_lo", (base % size + size) % size)
        return i0, b.let(f"{axis}1|{axis}_hi", (i0 + 1) % size)
    if edges == "index":
        return (
            b.let(f"{axis}0|{axis}_lo", wp.clamp(base, 0, size - 1)),
            b.let(f"{axis}1|{axis}_hi", wp.clamp(base + 1, 0, size - 1)),
        )
    i0 = b.let(f"{axis}0|{axis}_lo", base)
    return i0, b.let(f"{axis}1|{axis}_hi", wp.min(i0 + 1, size - 1))


def _blend4(p: ProgramBuilder, b: Block, form: str, v: list[Expr], ty: Expr, tx: Expr) -> Expr:
    if form == "lerp":
        low, high = (
            b.let("low|a|bottom", wp.lerp(v[0], v[1], tx)),
            b.let("high|c|top", wp.lerp(v[2], v[3], tx)),
        )
        return wp.lerp(low, high, ty)
    if form == "two_step":
        low, high = (
            b.let("low|a|row0", v[0] * (1.0 - tx) + v[1] * tx),
            b.let("high|c|row1", v[2] * (1.0 - tx) + v[3] * tx),
        )
        return low * (1.0 - ty) + high * ty
    w = [(1.0 - ty) * (1.0 - tx), (1.0 - ty) * tx, ty * (1.0 - tx), ty * tx]
    return v[0] * w[0] + v[1] * w[1] + v[2] * w[2] + v[3] * w[3]


def trilinear(p: ProgramBuilder, dtype: T.Type) -> UserFunction:
    """``f(field, pos)`` on a volume, `pos` in cells; indices are clamped."""
    form = p.pick("written", "loop", "lerp")

    def body(b: Block, f: Expr, pos: Expr) -> None:
        base, frac = [], []
        for a, c in enumerate("xyz"):
            q = b.let(f"g{c}|p{c}", wp.clamp(pos[a], 0.0, construct(p.real, f.dim(a) - 1) - 0.001))
            base.append(b.let(f"{c}0|i{c}", construct(T.I32, wp.floor(q))))
            frac.append(b.let(f"t{c}|f{c}|w{c}", q - construct(p.real, base[-1])))
        if form == "loop":
            _corner_loop(p, b, f, base, frac, dtype)
            return
        high = [
            b.let(f"{c}1|j{c}", wp.min(i + 1, f.dim(a) - 1))
            for a, (c, i) in enumerate(zip("xyz", base, strict=True))
        ]
        edges = []
        for x in (0, 1):
            for y in (0, 1):
                at = (high[0] if x else base[0], high[1] if y else base[1])
                edges.append(
                    b.let(
                        f"c{x}{y}|e{x}{y}", blend(p, f[(*at, base[2])], f[(*at, high[2])], frac[2])
                    )
                )
        near, far = (
            b.let(f"c{x}|s{x}", blend(p, edges[2 * x], edges[2 * x + 1], frac[1])) for x in (0, 1)
        )
        b.ret(
            wp.lerp(near, far, frac[0])
            if form == "lerp"
            else near * (1.0 - frac[0]) + far * frac[0]
        )

    return p.func(
        "sample_trilinear|trilerp|interp3d|sample_volume",
        {"field|f|src": T.Array(dtype, 3), "pos|p|at": p.vec(3)},
        body,
        "Trilinear interpolation.",
    )


def _corner_loop(
    p: ProgramBuilder, b: Block, f: Expr, base: list[Expr], frac: list[Expr], dtype: T.Type
) -> None:
    total = (
        b.var("total|acc|value", 0.0, p.real)
        if isinstance(dtype, T.Scalar)
        else b.let("total|acc|value", construct(dtype, 0.0))
    )
    one = construct(p.real, 1.0) if p.real == T.F64 else 1.0
    with b.loop("dx|a", 2) as dx, b.loop("dy|c", 2) as dy, b.loop("dz|d", 2) as dz:
        w = [wp.where(d == 1, t, one - t) for d, t in zip((dx, dy, dz), frac, strict=True)]
        at = [
            wp.min(i + d, f.dim(a) - 1)
            for a, (i, d) in enumerate(zip(base, (dx, dy, dz), strict=True))
        ]
        weight = b.let("w|weight", w[0] * w[1] * w[2])
        b.aug(total, "+", weight * f[tuple(at)])
    b.ret(total)


def call_bilinear(
    p: ProgramBuilder, f: UserFunction, array: Expr, y: Expr, x: Expr, lead: tuple[Expr, ...] = ()
) -> Expr:
    """A call of a function that `bilinear` made, whichever signature it took."""
    if isinstance(f.params[-1].type, T.Vec):
        return f(array, *lead, construct(p.vec(2), x, y))
    return f(array, *lead, y, x)
