"""Names for what a kernel would otherwise spell out again and again: neighbours and their indices.

Only input arrays and indices that a boundary rule keeps in range (``wp.clamp(i + 1, 0, n - 1)``,
``(i + 1) % n``) are read ahead of their first use, so nothing that is computed changes.
"""

from collections import Counter
from collections.abc import Callable, Iterator

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.program import KernelBuilder
from generator.synthesis.walk import mapped, walk

_BOUNDS = ("wp.clamp", "wp.min", "wp.max")
_ENOUGH_INDICES = 3


def name_repeats(k: KernelBuilder) -> None:
    """Gives a local to every element and every bounded index that a block repeats, in place."""
    if not any(_shift(n) for n in walk(k.body) if isinstance(n, N.Call | N.Binary)):
        return
    assigned = _assigned(k.body)

    def element(e: N.Expr) -> bool:
        return _is_element(e, assigned)

    def index(e: N.Expr) -> bool:
        return _shift(e) is not None and _steady(e, assigned)

    for body in list(_blocks(k.body)):
        _name(k, body, element, 2, assigned)
        _name(k, body, index, _ENOUGH_INDICES, assigned)


def _assigned(body: N.Body) -> Counter[str]:
    """How often each name is given a value or has a part of it changed."""
    found: Counter[str] = Counter()
    for node in walk(body):
        targets: tuple[N.Expr, ...] = ()
        if isinstance(node, N.Assign):
            targets = tuple(node.targets)
        elif isinstance(node, N.AugAssign | N.For):
            targets = (node.target,)
        elif isinstance(node, N.Call) and _may_write(node):
            targets = tuple(a for a in node.args if isinstance(a.type, T.Array))
        elif isinstance(node, N.Subscript) and isinstance(node.type, T.Array):
            targets = (node,)  # a view: what is written through it is not followed
        for target in targets:
            while isinstance(target, N.Subscript | N.Attribute):
                target = target.base
            if isinstance(target, N.Name):
                found[target.id] += 1
    return found


def _may_write(call: N.Call) -> bool:
    """Whether a call may change the arrays it is given: atomics and the program's own functions."""
    return not call.callee.startswith("wp.") or "atomic" in call.callee


def _steady(e: N.Expr, assigned: Counter[str]) -> bool:
    return all(assigned[n.id] < 2 for n in walk(e) if isinstance(n, N.Name))


def _is_element(e: N.Expr, assigned: Counter[str]) -> bool:
    if not (isinstance(e, N.Subscript) and isinstance(e.base, N.Name)):
        return False
    if not isinstance(e.base.type, T.Array) or isinstance(e.type, T.Array) or assigned[e.base.id]:
        return False
    bounded = any(isinstance(n, N.Expr) and _shift(n) is not None for n in walk(e.index))
    plain = not any(isinstance(n, N.Ternary | N.Slice) for n in walk(e.index))
    return bounded and plain and _steady(e, assigned)


def _shift(e: N.Expr) -> tuple[str, int] | None:
    """The index variable and the step of a neighbour's bounded index; None for anything else."""
    match e:
        case N.Call(callee, (core, *_), (), _) if callee in _BOUNDS:
            pass
        case N.Binary("%", core, _, _):
            pass
        case _:
            return None
    match core:
        case N.Binary("+" | "-" as op, inner, N.Literal(int(step), _), _) if step in (1, 2):
            names = [n.id for n in walk(inner) if isinstance(n, N.Name)]
            return (names[0], step if op == "+" else -step) if names else None
    return None


def _name(
    k: KernelBuilder, body: N.Body, wanted: Callable[[N.Expr], bool], enough: int, assigned: Counter[str]
) -> None:  # fmt: skip
    uses = Counter(repr(n) for n in walk(body) if isinstance(n, N.Expr) and wanted(n))
    if not uses or max(uses.values()) < enough:
        return
    position = 0
    while position < len(body):
        for e in list(_unconditional(body[position], wanted)):
            key = repr(e)
            if uses[key] < enough:
                continue
            alike = [n for n in walk(body[position:]) if type(n) is type(e) and repr(n) == key]
            if len(alike) < enough:
                continue
            s = body[position]
            if isinstance(s, N.Assign) and s.value is e and _is_lasting(s, assigned):
                local, start = s.targets[0], position + 1
            else:
                local = N.Name(k.names.fresh(_hint(e)), e.type)
                assigned[local.id] += 1
                body.insert(position, N.Assign((local,), e))
                start = position = position + 1
            _replace(body[start:], key, type(e), local)
        position += 1


def _is_lasting(s: N.Assign, assigned: Counter[str]) -> bool:
    [*_, target] = s.targets
    return isinstance(target, N.Name) and len(s.targets) == 1 and assigned[target.id] == 1


def _replace(statements: N.Body, key: str, kind: type, local: N.Expr) -> None:
    def change(e: N.Expr) -> N.Expr | None:
        return local if type(e) is kind and repr(e) == key else None

    for s in statements:
        mapped(s, change)


def _unconditional(s: N.Statement, wanted: Callable[[N.Expr], bool]) -> Iterator[N.Expr]:
    """Largest wanted expressions that the statement evaluates whatever its conditions say."""
    stack: list[object] = [s.value] if isinstance(s, N.Assign | N.AugAssign) else []
    while stack:
        here = stack.pop()
        if isinstance(here, tuple):
            stack.extend(here)
        elif isinstance(here, N.Expr) and not isinstance(here, N.Ternary | N.Boolean):
            if wanted(here):
                yield here
            else:
                stack.extend(
                    getattr(here, part)
                    for part in ("args", "left", "right", "operand", "base", "index")
                    if hasattr(here, part)
                )


def _hint(e: N.Expr) -> str:
    """``u_xm`` for the element before this thread's along x, ``xm`` for the index itself."""
    shifts = [s for n in walk(e) if isinstance(n, N.Expr) and (s := _shift(n)) is not None]
    marks = "".join(name[0] + ("p" if step > 0 else "m") * abs(step) for name, step in shifts)
    if isinstance(e, N.Subscript) and isinstance(e.base, N.Name):
        return f"{e.base.id}_{marks}"
    [(name, step)] = shifts[:1]
    near = "next" if step > 0 else "prev"
    return f"{marks}|{name}_{near}" if abs(step) == 1 else marks


def _blocks(body: N.Body) -> Iterator[N.Body]:
    yield body
    for s in body:
        if isinstance(s, N.If):
            for _, inner in s.branches:
                yield from _blocks(inner)
        elif isinstance(s, N.For | N.While):
            yield from _blocks(s.body)
