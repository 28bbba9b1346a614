"""Values that a kernel reads or names twice: one local is enough.

Steps are written one by one, so a later step of a fused kernel may read again what an earlier one
read, and a plan with optional steps may end in a second name for a value.
"""

from collections import Counter
from collections.abc import Iterator

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.fusion import is_guard
from generator.synthesis.walk import mapped, mapped_upwards, names_used, walk


def tidy(body: N.Body) -> None:
    """Merges repeated reads of input arrays and drops second names, in place."""
    assigned = _assignments(body)
    _repeated_guards(body, assigned)
    for inner in list(_bodies(body)):
        _overwritten(inner)
    renamed = _repeated_reads(body, assigned)
    renamed |= _second_names(body, assigned, outermost=True)
    if not renamed:
        return

    def rename(e: N.Expr) -> N.Expr | None:
        if not isinstance(e, N.Name) or e.id not in renamed:
            return None
        name = renamed[e.id]
        while name.id in renamed:
            name = renamed[name.id]
        return name

    mapped(body, rename)


def _assignments(body: N.Body) -> Counter[str]:
    """How often each local is given a value, as a whole or in part, and each array written."""
    found: Counter[str] = Counter()
    for node in walk(body):
        targets: tuple[N.Expr, ...] = ()
        if isinstance(node, N.Assign):
            targets = node.targets
        elif isinstance(node, N.AugAssign | N.For):
            targets = (node.target,)
        elif isinstance(node, N.Evaluate):
            targets = _changed_by(node.value)
        for target in targets:
            while isinstance(target, N.Subscript | N.Attribute):
                target = target.base
            if isinstance(target, N.Name):
                found[target.id] += 1
    return found


def _changed_by(call: N.Expr) -> tuple[N.Expr, ...]:
    """What a call for its effect may change: a builtin its first argument, a function any."""
    if isinstance(call, N.Call) and call.callee.startswith("wp."):
        return call.args[:1]
    return tuple(n for n in walk(call) if isinstance(n, N.Name))


def _repeated_guards(body: N.Body, assigned: Counter[str]) -> None:
    """Drops early exits on a condition that let the thread pass before."""
    passed: set[str] = set()
    kept: N.Body = []
    for s in body:
        if is_guard(s) and len(s.branches[0][1]) == 1:  # type: ignore[union-attr]
            condition = s.branches[0][0]  # type: ignore[union-attr]
            names = [n for n in walk(condition) if isinstance(n, N.Name)]
            steady = not any(assigned[n.id] > isinstance(n.type, T.Scalar) for n in names)
            if steady and repr(condition) in passed:
                continue
            passed.add(repr(condition))
        kept.append(s)
    body[:] = kept


def _overwritten(body: N.Body) -> None:
    """Drops first values of locals that a later statement replaces before anything reads them."""
    body[:] = [s for n, s in enumerate(body) if not _is_overwritten(s, body[n + 1 :])]


def _is_overwritten(s: N.Statement, rest: N.Body) -> bool:
    if not (isinstance(s, N.Assign) and len(s.targets) == 1 and isinstance(s.targets[0], N.Name)):
        return False
    if not isinstance(s.value, N.Construct | N.Literal):
        return False
    name = s.targets[0].id
    for later in rest:
        if name in names_used([later]):
            return (
                isinstance(later, N.Assign)
                and len(later.targets) == 1
                and isinstance(later.targets[0], N.Name)
                and later.targets[0].id == name
                and not isinstance(later.value, N.Literal | N.Name)
                and name not in names_used([N.Evaluate(later.value)])
            )
    return False


def _repeated_reads(body: N.Body, assigned: Counter[str]) -> dict[str, N.Name]:
    """Locals of the outermost body that hold an element another local holds already; drops them."""
    first: dict[str, N.Name] = {}
    renamed: dict[str, N.Name] = {}
    kept: N.Body = []
    for s in body:
        target = _constant(s, assigned)
        if target is None or not _is_input(s.value, assigned):  # type: ignore[union-attr,arg-type]
            kept.append(s)
            continue
        known = first.setdefault(repr(s.value), target)  # type: ignore[union-attr]
        if known is target:
            kept.append(s)
        else:
            renamed[target.id] = known
    body[:] = kept
    return renamed


def _constant(s: N.Statement, assigned: Counter[str]) -> N.Name | None:
    """The local that the statement gives its only value."""
    if not (isinstance(s, N.Assign) and len(s.targets) == 1):
        return None
    [target] = s.targets
    return target if isinstance(target, N.Name) and assigned[target.id] == 1 else None


def _is_input(value: N.Expr, assigned: Counter[str]) -> bool:
    """Whether the value is an element of an array that the kernel only reads, at a fixed place."""
    if not (isinstance(value, N.Subscript) and isinstance(value.base, N.Name)):
        return False
    if not isinstance(value.base.type, T.Array) or assigned[value.base.id]:
        return False
    plain = (N.Name, N.Literal, N.Binary, N.Subscript)
    return all(
        isinstance(n, plain) and not (isinstance(n, N.Name) and assigned[n.id] > 1)
        for n in walk(value.index)
    )


def _second_names(
    body: N.Body, assigned: Counter[str], outermost: bool = False
) -> dict[str, N.Name]:
    """Locals that are another name of a local, neither of which changes any more; drops them."""
    renamed: dict[str, N.Name] = {}
    kept: N.Body = []
    for position, s in enumerate(body):
        for inner in _inner(s):
            renamed |= _second_names(inner, assigned)
        target = _constant(s, assigned)
        value = s.value if target is not None else None  # type: ignore[union-attr]
        if not (isinstance(value, N.Name) and _is_plain(value.type)) or value.id.isupper():
            kept.append(s)
        elif assigned[value.id] < 2 or (
            outermost and not _assignments(body[position + 1 :])[value.id]
        ):
            assert target is not None
            renamed[target.id] = value
        else:
            kept.append(s)
    body[:] = kept
    return renamed


def _is_plain(t: T.Type) -> bool:
    """Types whose values no builtin changes in place: not transforms, random states, tiles."""
    return isinstance(t, T.Vec | T.Mat | T.Quat) or (isinstance(t, T.Scalar) and t != T.U32)


def simplified(body: N.Body) -> None:
    """Takes out factors of one and signs that meet a sign, in place."""
    if any(isinstance(n, N.Expr) and _simpler(n) is not n for n in walk(body)):
        mapped_upwards(body, _simpler)


def _simpler(e: N.Expr) -> N.Expr:
    match e:
        case N.Binary("*" | "/", left, N.Literal(1.0, _), t) if left.type == t:
            return left
        case N.Binary("*", N.Literal(1.0, _), right, t) if right.type == t:
            return right
        case N.Binary("+" | "-" as op, left, N.Unary("-", right, _), t):
            return N.Binary("-" if op == "+" else "+", left, right, t)
        case N.Binary("+" | "-" as op, left, N.Binary("*" | "/", N.Unary("-", a, _), b, u) as q, t):
            return N.Binary("-" if op == "+" else "+", left, N.Binary(q.op, a, b, u), t)
        case N.Unary("-", N.Unary("-", inner, _), _):
            return inner
    return e


def _bodies(body: N.Body) -> Iterator[N.Body]:
    yield body
    for s in body:
        for inner in _inner(s):
            yield from _bodies(inner)


def _inner(s: N.Statement) -> list[N.Body]:
    if isinstance(s, N.If):
        return [b for _, b in s.branches]
    return [s.body] if isinstance(s, N.For | N.While) else []
