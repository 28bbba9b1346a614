"""Small pieces of work that recur across fields, each in the several forms people write it in."""

from collections.abc import Callable

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def piece(
    p: ProgramBuilder, b: Block, hint: str, args: dict[str, Expr], body: Callable[..., Expr], doc: str = "",
    probability: float | None = None,
) -> Expr:  # fmt: skip
    """A piece of work either inline or as a `@wp.func`, as the policy decides.

    Args:
        b: the block that uses the result.
        hint: name of the function, and of nothing when inline.
        args: parameter hints and the actual arguments.
        body: writes the statements into the block it is given and returns the resulting expression;
            it must use nothing but its arguments and module constants.
    """
    if hint not in p.pieces:  # the same helper reads the same wherever it is used
        share = 0.5 if probability is None else probability
        p.pieces[hint] = p.on("helper_function") and p.chance(share + 0.25)
    if not p.pieces[hint]:
        return body(b, *args.values())

    def write(inner: Block, *params: Expr) -> None:
        inner.ret(body(inner, *params))

    function = p.func(hint, {h: a.type for h, a in args.items()}, write, doc)
    return function(*args.values())


def clamp_length(
    p: ProgramBuilder, b: Block, v: Expr, limit: Expr, name: str = "speed|mag|norm"
) -> None:
    """Limits the length of the local vector `v` in place."""
    size = b.let(name, wp.length(v))
    match p.pick("if", "if", "scale", "ternary"):
        case "if":
            with b.when(size > limit):
                if p.chance(0.5):
                    b.aug(v, "*", limit / size)
                else:
                    b.set(v, wp.normalize(v) * limit)
        case "scale":
            with b.when(size > limit):
                scale = b.let("scale|ratio|s", limit / size)
                b.set(v, v * scale)
        case "ternary":
            b.set(v, choose(size > limit, v * (limit / size), v))


def falloff(p: ProgramBuilder, b: Block, distance: Expr, radius: Expr) -> Expr:
    """A weight that falls from 1 at distance 0 to 0 (or nearly) at `radius`, in one of the usual forms."""
    form = p.pick(
        "linear", "quadratic", "cubic_spline", "wendland", "gauss", "smoothstep", "poly6", "cosine"
    )

    def body(block: Block, d: Expr, h: Expr) -> Expr:
        q = block.let("q|ratio|u|s", d / h)
        if form == "linear":
            return wp.max(1.0 - q, 0.0)
        if form == "quadratic":
            t = block.let("t|w", wp.max(1.0 - q, 0.0))
            return t * t
        if form == "wendland":
            t = block.let("t|m", wp.max(1.0 - q, 0.0))
            t2 = block.let("t2|tt", t * t)
            return t2 * t2 * (4.0 * q + 1.0)
        if form == "gauss":
            return wp.exp(-p.pick(0.5, 2.0, 4.0, 1.0) * q * q)
        if form == "smoothstep":
            return 1.0 - wp.smoothstep(0.0, 1.0, q)
        if form == "poly6":
            x = block.let("x|diff", wp.max(h * h - d * d, 0.0))
            return x * x * x / (h * h * h * h * h * h)
        if form == "cosine":
            return wp.where(q < 1.0, 0.5 + 0.5 * wp.cos(q * 3.14159265), q * 0.0)
        near = 1.0 - 6.0 * q * q + 6.0 * q * q * q
        t = block.let("t|r", wp.max(1.0 - q, 0.0))
        return wp.where(q < 0.5, near, 2.0 * t * t * t)

    return piece(
        p,
        b,
        f"{form}_weight|{form}_kernel|{form}_falloff",
        {"d|dist|r": distance, "h|radius|support": radius},
        body,
    )


def safe_direction(
    p: ProgramBuilder, b: Block, d: Expr, distance: Expr, floor: float = 1.0e-6
) -> Expr:
    """The unit vector along `d`, whose length `distance` is known; zero-length input is handled."""
    match p.pick("normalize", "divide", "guarded", "where"):
        case "normalize":
            return wp.normalize(d)
        case "divide":
            return d / wp.max(distance, floor)
        case "guarded":
            n = b.var("n|dir|direction", construct(d.type, 0.0))
            with b.when(distance > floor):
                b.set(n, d / distance)
            return n
    return wp.where(distance > floor, d / wp.max(distance, floor), construct(d.type, 0.0))


def zero(t: T.Type) -> Expr:
    """The zero of a vector or matrix type."""
    return construct(t, 0.0)


def identity(p: ProgramBuilder, n: int) -> Expr:
    """The n x n identity of the program's precision, in one of its spellings."""
    if p.chance(0.35):
        return call_as("identity", p.mat(n), n=n, dtype=p.real)
    return wp.diag(construct(p.vec(n), 1.0))


def inverted(p: ProgramBuilder, m: Expr) -> Expr:
    """The inverse of a small matrix, now and then by the approximate instructions of the GPU."""
    return wp.inverse_approx(m) if p.chance(0.25) else wp.inverse(m)


def squared(p: ProgramBuilder, value: Expr) -> Expr:
    """``x * x`` for names and short expressions."""
    return value * value


def blend(p: ProgramBuilder, a: Expr, b: Expr, t: Operand) -> Expr:
    """Linear interpolation from `a` to `b`, in one of its spellings."""
    match p.pick("lerp", "delta", "weights"):
        case "lerp":
            return wp.lerp(a, b, t)
        case "delta":
            return a + (b - a) * t
    return a * (1.0 - t) + b * t
