"""Element-wise and reducing functions for tile maps."""

from collections.abc import Callable

from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr

Body = Callable[[Block, Expr], Expr]


def unary(p: ProgramBuilder) -> UserFunction | str:
    """An element-wise function of one value: a builtin, or one of the program's own."""
    if p.chance(0.3):
        return p.pick("sin", "cos", "tanh", "abs", "floor", "exp", "sign", "atan")
    name, form = p.pick(*_UNARY.items())

    def body(b: Block, x: Expr) -> None:
        b.ret(form(p, b, x))

    return p.func(f"{name}|{name}_op|apply_{name}", {"x|v|value|a": p.real}, body)


def _relu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    slope = p.pick(0.0, 0.01, 0.1, 0.2)
    if p.chance(0.5):
        return wp.where(x > 0.0, x, x * slope) if slope else wp.max(x, 0.0)
    with b.when(x > 0.0):
        b.ret(x)
    return slope * x if slope else construct(p.real, 0.0)


def _silu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    if p.chance(0.5):
        return x / (1.0 + wp.exp(-x))
    gate = b.let("gate|s|sig", 1.0 / (1.0 + wp.exp(-p.pick(1.0, 1.702) * x)))
    return x * gate


def _gelu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    inner = b.let("inner|u|t", 0.79788456 * (x + 0.044715 * x * x * x))
    return 0.5 * x * (1.0 + wp.tanh(inner))


def _shrink(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    cut = p.pick(0.05, 0.1, 0.25)
    if p.chance(0.5):
        return wp.sign(x) * wp.max(wp.abs(x) - cut, 0.0)
    with b.when(x > cut):
        b.ret(x - cut)
    with b.when(x < -cut):
        b.ret(x + cut)
    return construct(p.real, 0.0)


def _huber(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    delta = p.pick(0.25, 0.5, 1.0)
    a = b.let("a|mag|absx", wp.abs(x))
    with b.when(a <= delta):
        b.ret(0.5 * x * x)
    return delta * (a - 0.5 * delta)


def _bump(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return (
        wp.exp(-p.pick(0.5, 1.0, 2.0) * x * x)
        if p.chance(0.5)
        else 1.0 / (1.0 + p.pick(1.0, 4.0) * x * x)
    )


def _signed_log(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return wp.sign(x) * wp.log(1.0 + wp.abs(x))


def _square(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return x * x


def _softplus(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    with b.when(x > p.pick(10.0, 20.0)):
        b.ret(x)
    return wp.log(1.0 + wp.exp(x))


_UNARY: dict[str, Callable[[ProgramBuilder, Block, Expr], Expr]] = {
    "relu": _relu, "silu": _silu, "gelu": _gelu, "soft_threshold": _shrink, "huber": _huber, "bump": _bump,
    "signed_log": _signed_log, "square": _square, "softplus": _softplus,
}  # fmt: skip


def binary(p: ProgramBuilder) -> UserFunction | str:
    """An element-wise function of two values."""
    if p.chance(0.25):
        return p.pick("max", "min", "mul", "sub", "add")
    name, form = p.pick(*_BINARY.items())

    def body(b: Block, x: Expr, y: Expr) -> None:
        b.ret(form(p, b, x, y))

    return p.func(f"{name}|{name}_op", {"x|a|u": p.real, "y|b|v": p.real}, body)


def _squared_difference(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    d = b.let("d|diff|e", x - y)
    return d * d if p.chance(0.6) else 0.5 * d * d


def _relative_error(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    scale = b.let("scale|s|ref", wp.max(wp.abs(x), wp.abs(y)))
    return wp.abs(x - y) / (scale + p.pick(1e-6, 1e-3))


def _gated(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    return x / (1.0 + wp.exp(-y)) if p.chance(0.5) else wp.where(y > 0.0, x * y, x * 0.0)


def _blend(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    w = p.pick(0.1, 0.25, 0.5, 0.9)
    return x * w + y * (1.0 - w)


def _larger_magnitude(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    with b.when(wp.abs(x) >= wp.abs(y)):
        b.ret(x)
    return y


def _hypotenuse(p: ProgramBuilder, b: Block, x: Expr, y: Expr) -> Expr:
    return wp.sqrt(x * x + y * y)


_BINARY: dict[str, Callable[[ProgramBuilder, Block, Expr, Expr], Expr]] = {
    "squared_difference": _squared_difference, "relative_error": _relative_error, "gated": _gated, "blend": _blend,
    "larger_magnitude": _larger_magnitude, "magnitude": _hypotenuse,
}  # fmt: skip


def combine(p: ProgramBuilder) -> UserFunction | str:
    """An associative and commutative operator for a reduction."""
    if p.chance(0.4):
        return p.pick("max", "min", "add")
    kind = p.pick("abs_max", "abs_min", "log_add")

    def body(b: Block, x: Expr, y: Expr) -> None:
        if kind == "abs_max":
            b.ret(wp.max(wp.abs(x), wp.abs(y)))
        elif kind == "abs_min":
            b.ret(wp.min(wp.abs(x), wp.abs(y)))
        else:
            top = b.let("top|m|hi", wp.max(x, y))
            b.ret(top + wp.log(wp.exp(x - top) + wp.exp(y - top)))

    return p.func(f"{kind}|combine_{kind}|{kind}_op", {"a|x|lhs": p.real, "b|y|rhs": p.real}, body)
