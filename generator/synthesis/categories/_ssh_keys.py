"""Keys, digits and bisection, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast
from generator.synthesis.entities import Entities, Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def key_type(p: ProgramBuilder, floats: bool = True) -> T.Scalar:
    """Type of the keys of one program."""
    weights = {T.I32: 4, T.U32: 3, T.I64: 2, T.U64: 2}
    if floats:
        weights |= {T.F32: 4, T.F64: 0.7}
    return p.weighted(weights)


def key_fill(t: T.Scalar, high: int = 1000) -> R.Fill:
    """Random keys."""
    return R.uniform(0.0, float(high)) if t.is_float else R.integers(0, high)


def _payload(p: ProgramBuilder, e: Entities) -> list[Field]:
    payload = []
    if p.chance(0.55):
        payload.append(e.inout("values|indices|payload|ids", T.I32, R.permutation()))
    if p.chance(0.15):
        payload.append(e.inout("weights|attributes|data", T.F32, R.uniform(0.0, 1.0)))
    return payload


def _swap(
    p: ProgramBuilder,
    k: KernelBuilder,
    fields: list[Field],
    a: Expr,
    b: Expr,
    loaded: tuple[Expr, Expr] | None,
) -> None:
    for number, f in enumerate(fields):
        if number == 0 and loaded:
            k.set(f[a], loaded[1])
            k.set(f[b], loaded[0])
        else:
            held = k.let(f"tmp|held_{number}|t{number}", f[a])
            k.set(f[a], f[b])
            k.set(f[b], held)


def binary_search(p: ProgramBuilder, t: T.Scalar, array: T.Array, upper: bool) -> UserFunction:
    """A `@wp.func` for the first position whose key is not below (or is above) a value."""
    whole = p.chance(0.4)
    three_way = p.chance(0.3)

    def body(b: Block, data: Expr, *rest: Expr) -> None:
        *bounds, value = rest
        lo = b.var("lo|left|first", bounds[0] if bounds else 0)
        hi = b.var("hi|right|last", bounds[1] if bounds else data.dim(0))
        with b.repeat(lo < hi):
            mid = b.let("mid|m|middle", lo + (hi - lo) // 2 if three_way else (lo + hi) // 2)
            with b.when(data[mid] <= value if upper else data[mid] < value):
                b.set(lo, mid + 1)
            with b.otherwise():
                b.set(hi, mid)
        b.ret(lo)

    params: dict[str, T.Type] = {"data|array|sorted_keys": array}
    if not whole:
        params |= {"begin|start": T.I32, "end|stop": T.I32}
    hint = (
        "upper_bound|count_not_above" if upper else "lower_bound_of|find_first|count_below|bisect"
    )
    doc = p.pick("", f"First index whose key is {'above' if upper else 'not below'} the value.")
    return p.func(hint, params | {"value|key|target": t}, body, doc)


def digit_of(p: ProgramBuilder, t: T.Scalar, bits: int) -> UserFunction:
    """A `@wp.func` for one digit of a key."""

    def body(b: Block, key: Expr, shift: Expr) -> None:
        b.ret(cast(T.I32, (key >> shift) & ((1 << bits) - 1)))

    return p.func(
        "digit|extract_digit|radix_digit|get_digit", {"key|value": t, "shift|bit": t}, body
    )
