"""Pieces of neural layers: activations as functions, samples and their launch, precision of weights."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Operand


def launch(k: KernelBuilder, hints: list[str], dims: tuple[int, ...]) -> list[Expr]:
    """A launch over the given dimensions; now and then flattened, and then taken apart again."""
    p = k.p
    if len(dims) > 1 and p.chance(0.2):
        total = 1
        for d in dims:
            total *= d
        k.launch_dim = (total,)
        rest: Expr = k.let("tid|idx|flat", wp.tid())
        found: list[Expr] = []
        for hint, d in zip(reversed(hints[1:]), reversed(dims[1:]), strict=True):
            size = _extent(p, k, hint, d)
            found.insert(0, k.let(hint, rest % size))
            rest = rest // size
        return [k.let(hints[0], rest), *found]
    k.launch_dim = dims
    how = p.weighted({"": 72, "mask": 9, "count": 10, "list": 6, "offset": 3})
    words = [*hints]
    if how in ("list", "offset"):
        words[0] = "slot|entry|local_id"
    if len(dims) == 1:
        indices: list[Expr] = [k.let(words[0], wp.tid())]
    else:
        indices = list(k.unpack(words, N.Call("wp.tid", (), (), T.TupleType((T.I32,) * len(dims)))))
    return [_guarded(k, how, hints[0], indices[0], dims), *indices[1:]]


def _guarded(k: KernelBuilder, how: str, hint: str, index: Expr, dims: tuple[int, ...]) -> Expr:
    """Samples that are masked out, padding of the launch, a list of samples, a slice of the batch."""
    p, n = k.p, dims[0]
    if how == "mask":
        with k.when(
            k.array("active|valid|keep_rows|sample_mask", T.I32, (n,), R.mask(0.75))[index] == 0
        ):
            k.ret()
    elif how == "count":
        k.launch_dim = (n + p.pick(1, 2, 4), *dims[1:])
        with k.when(index >= k.scalar("count|num_rows|batch_size|limit", T.I32, n)):
            k.ret()
    elif how == "list":
        return k.let(
            hint,
            k.array("order|sample_ids|selected|batch_ids", T.I32, (n,), R.permutation())[index],
        )
    elif how == "offset" and n > 2:
        k.launch_dim = (n - 2, *dims[1:])
        return k.let(hint, index + k.scalar("first|batch_offset|start", T.I32, p.pick(0, 1, 2)))
    return index


def _extent(p: ProgramBuilder, k: KernelBuilder, hint: str, d: int) -> Operand:
    word = hint.split("|")[0]
    return k.scalar(f"num_{word}|{word}_count|{word}_dim", T.I32, d) if p.chance(0.6) else d


def extent(
    p: ProgramBuilder, k: KernelBuilder, array: Expr, axis: int, value: int, hint: str
) -> Operand:
    """How the kernel learns an extent: the array's shape, an argument, a constant or a literal."""
    match p.weighted({"shape": 5, "arg": 3, "const": 1.5, "literal": 1}):
        case "shape":
            return array.dim(axis) if p.chance(0.7) else k.let(hint, array.dim(axis))
        case "arg":
            return k.scalar(hint, T.I32, value)
        case "const":
            return p.const(hint.split("|")[-1].upper(), value)
    return value


class Precision:
    """The types of stored weights and of the sums over them."""

    def __init__(self, p: ProgramBuilder) -> None:
        self.p = p
        self.kind = (
            "full" if p.real == T.F64 else p.weighted({"full": 7, "half": 1.2, "half_in": 0.6})
        )
        self.stored = T.F16 if self.kind != "full" else p.real
        self.inputs = T.F16 if self.kind == "half_in" else p.real

    def read(self, value: Expr) -> Expr:
        """A stored value in the type of the sums."""
        return value if value.type == self.p.real else cast(self.p.real, value)


# --- activations --------------------------------------------------------------------------------------


def _relu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return wp.max(x, 0.0)


def _leaky(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    slope = p.pick(0.01, 0.1, 0.2)
    return choose(x > 0.0, x, slope * x) if p.chance(0.5) else wp.max(x, slope * x)


def _sigmoid(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    if p.chance(0.3) and not isinstance(b, KernelBuilder):
        with b.when(x >= 0.0):
            b.ret(1.0 / (1.0 + wp.exp(-x)))
        z = b.let("z|e|ex", wp.exp(x))
        return z / (1.0 + z)
    return 1.0 / (1.0 + wp.exp(-x))


def _silu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return x / (1.0 + wp.exp(-x))


def _gelu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    if p.chance(0.4):
        return 0.5 * x * (1.0 + wp.erf(x * 0.70710678))
    inner = b.let("inner|u|t", 0.7978845608 * (x + 0.044715 * x * x * x))
    return 0.5 * x * (1.0 + wp.tanh(inner))


def _elu(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    alpha = p.pick(1.0, 0.5, 1.67)
    if p.chance(0.5):
        return wp.where(x > 0.0, x, alpha * (wp.exp(wp.min(x, 0.0)) - 1.0))
    return choose(x > 0.0, x, alpha * (wp.exp(x) - 1.0))


def _softplus(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return wp.max(x, 0.0) + wp.log(1.0 + wp.exp(-wp.abs(x)))


def _tanh(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return wp.tanh(x)


def _hard_swish(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return x * wp.clamp(x + 3.0, 0.0, 6.0) / 6.0


def _mish(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return x * wp.tanh(wp.log(1.0 + wp.exp(x)))


def _sine(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    w = p.pick(1.0, 5.0, 30.0)
    return wp.sin(w * x)


def _quick(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    return x / (1.0 + wp.exp(-1.702 * x))


ACTIVATIONS = {
    "relu": (_relu, 4),
    "leaky_relu": (_leaky, 2),
    "sigmoid": (_sigmoid, 2),
    "silu": (_silu, 2),
    "gelu": (_gelu, 3),
    "elu": (_elu, 1.5),
    "softplus": (_softplus, 1),
    "tanh_act": (_tanh, 1.2),
    "hard_swish": (_hard_swish, 0.8),
    "mish": (_mish, 0.7),
    "sine": (_sine, 0.8),
    "quick_gelu": (_quick, 0.8),
}


def activation(p: ProgramBuilder, name: str | None = None) -> UserFunction:
    """An activation as a `@wp.func`."""
    name = name or p.weighted({n: w for n, (_, w) in ACTIVATIONS.items()})
    form = ACTIVATIONS[name][0]

    def body(b: Block, x: Expr) -> None:
        b.ret(form(p, b, x))

    return p.func(
        f"{name}|{name}_fn|{name}_forward",
        {"x|v|z|pre": p.real},
        body,
        p.pick("", "", "Activation."),
    )


def activate(p: ProgramBuilder, k: KernelBuilder, x: Expr) -> Expr:
    """An activation applied inline, as a function, through a closure, or switched by an integer."""
    how = p.weighted({"inline": 3, "func": 4, "closure": 2, "switch": 1, "none": 2.5})
    if how == "none":
        return x
    if how == "inline":
        name = p.pick(
            "relu", "leaky_relu", "sigmoid", "silu", "softplus", "tanh_act", "gelu", "hard_swish"
        )
        return ACTIVATIONS[name][0](p, k, x)
    if how == "switch":
        return _switch(p, k, x)
    f: Any = activation(p)
    if how == "closure" and p.kernel is not None:
        f = p.capture("activation|act|nonlinearity", f)
    return f(x)


def _switch(p: ProgramBuilder, k: KernelBuilder, x: Expr) -> Expr:
    """A choice made by the host, tested at run time."""
    kinds = p.sample(["relu", "sigmoid", "silu", "tanh_act", "softplus"], 2, 3)

    def body(b: Block, v: Expr, kind: Expr) -> None:
        for number, name in enumerate(kinds):
            with b.when(kind == number):
                b.ret(
                    ACTIVATIONS[name][0](p, b, v) if name != "sigmoid" else 1.0 / (1.0 + wp.exp(-v))
                )
        b.ret(v)

    f = p.func(
        "apply_activation|activate|nonlinearity",
        {"x|v|z": p.real, "kind|mode|act_type": T.I32},
        body,
    )
    return f(x, k.scalar("activation|act_kind|mode", T.I32, p.pick(0, 1, 1, 2)))


def derivative(p: ProgramBuilder) -> UserFunction:
    """The derivative of an activation in terms of the pre-activation."""
    name = p.pick("relu", "sigmoid", "tanh", "silu", "leaky", "softplus", "square")

    def body(b: Block, x: Expr) -> None:
        match name:
            case "relu":
                b.ret(wp.where(x > 0.0, construct(p.real, 1.0), construct(p.real, 0.0)))
            case "leaky":
                b.ret(
                    wp.where(x > 0.0, construct(p.real, 1.0), construct(p.real, p.pick(0.01, 0.1)))
                )
            case "tanh":
                t = b.let("t|th", wp.tanh(x))
                b.ret(1.0 - t * t)
            case "square":
                b.ret(2.0 * wp.max(x, 0.0))
            case _:
                s = b.let("s|sig", 1.0 / (1.0 + wp.exp(-x)))
                b.ret(
                    {
                        "sigmoid": lambda: s * (1.0 - s),
                        "silu": lambda: s * (1.0 + x * (1.0 - s)),
                        "softplus": lambda: s,
                    }[name]()
                )

    return p.func(f"{name}_grad|d_{name}|{name}_prime", {"x|z|pre": p.real}, body)


def weights(
    p: ProgramBuilder,
    k: KernelBuilder,
    hint: str,
    dtype: T.Type,
    shape: tuple[int, ...],
    scale: float = 0.5,
) -> Expr:
    """A parameter array."""
    return k.array(hint, dtype, shape, R.normal(0.0, scale))
