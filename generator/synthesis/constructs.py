"""Less common definitions of the language: enumerations, overloads, custom gradients, local arrays."""

from collections.abc import Callable

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import tile
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, Subscript

PI, TAU, HALF_PI = Name("wp.pi", T.F32), Name("wp.tau", T.F32), Name("wp.half_pi", T.F32)


class Enumeration:
    """An `IntEnum` or `IntFlag` of the program; ``kinds["FIXED"]`` is the expression of a member."""

    def __init__(self, name: str, members: list[tuple[str, int]]) -> None:
        self.name = name
        self.members = dict(members)

    def __getitem__(self, member: str) -> Expr:
        if member not in self.members:
            raise TypeError(f"{self.name} has no member {member}")
        return N.Attribute(Name(self.name, T.Opaque("enum")), member, T.I32)


def enumeration(
    p: ProgramBuilder, hint: str, members: list[str], flag: bool = False
) -> Enumeration:
    """A module-level enumeration: members count from 0, or are bits in a flag."""
    name = p.names.fresh(hint)
    numbered = [(m, 1 << i if flag else i) for i, m in enumerate(members)]
    p.constants.append(N.EnumDef(name, numbered, flag))
    return Enumeration(name, numbered)


def overload(
    p: ProgramBuilder,
    base: UserFunction,
    params: dict[str, T.Type],
    body: Callable[..., None],
    doc: str = "",
) -> UserFunction:
    """A second `@wp.func` of the same name for other argument types."""
    added = p.func(f"{base.name}_overload", params, body, doc)
    definition = next(f for f in p.functions if f.name == added.name)
    definition.name = base.name
    p.features.add("overload")
    return UserFunction(base.name, added.params, added.returns)


def gradient(p: ProgramBuilder, f: UserFunction, body: Callable[..., None]) -> None:
    """A custom adjoint: `body(block, adjoints, *parameters, adjoint_of_result)`.

    `adjoints` maps each parameter to its adjoint, to be accumulated into with ``block.aug``.
    """
    scope = p.names.child()
    given = [N.Parameter(q.name, q.type) for q in f.params]
    seed = N.Parameter(scope.fresh("adj_ret|grad_out|adj_result"), f.returns)
    block = Block(p.rng, scope)
    names = [Name(q.name, q.type) for q in given]
    table = Name("wp.adjoint", T.Opaque("adjoint"))
    adjoints = [Subscript(table, (n,), n.type) for n in names]
    body(block, adjoints, *names, Name(seed.name, seed.type))
    definition = N.FunctionDef(
        p.names.fresh(f"adj_{f.name}|{f.name}_grad"), [*given, seed], None, block.body
    )
    definition.decorator, definition.decorator_args = "wp.func_grad", (f.name,)
    position = next(i for i, g in enumerate(p.functions) if g.name == f.name)
    p.functions.insert(position + 1, definition)
    p.features.add("custom_gradient")


def derivative(f: UserFunction, *args: Expr) -> Expr:
    """``wp.grad(f)(*args)``: the derivative of a function with respect to its arguments."""
    types = tuple(q.type for q in f.params)
    result = types[0] if len(types) == 1 else T.TupleType(types)
    return N.Call(f"wp.grad({f.name})", args, (), result)


def local_array(b: Block, hint: str, dtype: T.Type, size: int) -> Name:
    """A small array of fixed size in the thread's own memory, zero at first."""
    return b.let(hint, tile("zeros", T.Array(dtype, 1), shape=size, dtype=dtype))
