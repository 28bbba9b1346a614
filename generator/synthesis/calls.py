"""Other forms of calls: arguments by name, parameters with defaults."""

from collections.abc import Iterator

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.program import Argument, KernelBuilder, ProgramBuilder
from generator.synthesis.walk import mapped, walk

# Factors so common that nobody would make a parameter of them.
_EVERYDAY = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0)
_SMALL = 1.0e-3  # below it, a literal is a tolerance


def call_forms(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Gives user functions default parameters and calls them by name, where the policy says so."""
    plain = {f.name: f for f in _plain_functions(p, k)}
    if p.on("default_arguments"):
        for function in p.shuffled([*plain.values()]):
            if _default_parameter(p, function):
                break
    if p.on("keyword_calls"):
        _name_arguments(p, k, plain)


def _plain_functions(p: ProgramBuilder, k: KernelBuilder) -> Iterator[N.FunctionDef]:
    """Functions that are only ever called: no overloads, none with an adjoint or passed as a value."""
    names = [f.name for f in p.functions]
    taken = {value for _, value, _ in p.captured} | {
        a for f in p.functions for a in f.decorator_args
    }
    for body in (k.body, *(f.body for f in p.functions)):
        for node in walk(body):
            if isinstance(node, N.Name):
                taken.add(node.id)
            elif isinstance(node, N.Call) and node.callee.startswith("wp.grad("):
                taken.add(node.callee[len("wp.grad(") : -1])
    for f in p.functions:
        special = f.native or f.decorator != "wp.func" or any(q.by_reference for q in f.params)
        if not special and names.count(f.name) == 1 and f.name not in taken:
            yield f


def _default_parameter(p: ProgramBuilder, f: N.FunctionDef) -> bool:
    """Turns a number in the body into a last parameter that has it as its default."""
    literals = [n for n in walk(f.body) if isinstance(n, N.Literal) and _tunable(n)]
    if not literals:
        return False
    chosen = literals[int(p.rng.random() * len(literals))]
    hint = "eps|tolerance|tol|min_value" if chosen.value < _SMALL else "factor|scale|coeff|gain"
    used = {q.name for q in f.params} | {n.id for n in walk(f.body) if isinstance(n, N.Name)}
    name = next((h for h in p.shuffled(hint.split("|")) if h not in used), None)
    if name is None:
        return False
    mapped(f.body, lambda e: N.Name(name, e.type) if e is chosen else None)
    f.params.append(N.Parameter(name, chosen.type, default=chosen))
    return True


def _tunable(e: N.Literal) -> bool:
    return e.type == T.F32 and e.value not in _EVERYDAY and e.value > 0.0


def _name_arguments(p: ProgramBuilder, k: KernelBuilder, plain: dict[str, N.FunctionDef]) -> None:
    def by_name(e: N.Expr) -> N.Expr | None:
        if not (isinstance(e, N.Call) and e.callee in plain and len(e.args) > 1 and not e.kwargs):
            return None
        first = p.pick(0, 1, 1, len(e.args) - 1)
        names = [q.name for q in plain[e.callee].params]
        keywords = tuple(zip(names[first:], e.args[first:], strict=False))
        return N.Call(e.callee, e.args[:first], keywords, e.type)

    for body in (k.body, *(f.body for f in p.functions)):
        mapped(body, by_name)


def kernel_defaults(p: ProgramBuilder, kernel: N.KernelDef, arguments: list[Argument]) -> None:
    """Moves plain numbers to the end of the signature, where one or two of them have defaults."""
    if not p.on("kernel_defaults"):
        return
    plain = (T.F32, T.I32)
    numbers = {a.name: a for a in arguments if a.recipe["kind"] == "value" and a.type in plain}
    kernel.params.sort(key=lambda q: q.name in numbers)
    for parameter in kernel.params[len(kernel.params) - min(len(numbers), p.pick(1, 2)) :]:
        value = numbers[parameter.name].recipe["value"]
        parameter.default = N.literal(value, parameter.type)
