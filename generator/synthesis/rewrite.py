"""Other forms of the same kernel: branches with an `else`, helper functions, generic arguments.

Categories write a plan of steps; these passes choose between forms that any such plan can take. They
change the structure of the program and nothing of what it computes.
"""

from collections.abc import Iterator

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import UNIFORM
from generator.synthesis.fusion import contained, is_guard, negated
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.prune import prune
from generator.synthesis.repeats import name_repeats
from generator.synthesis.tidy import simplified, tidy
from generator.synthesis.walk import mapped, names_used, walk

# Builtins that depend on nothing but their arguments and change nothing.
_PURE = UNIFORM | {
    "quat_rotate",
    "quat_rotate_inv",
    "quat_inverse",
    "quat_to_matrix",
    "transform_point",
    "transform_vector",
    "transform_inverse",
    "transform_get_rotation",
    "transform_get_translation",
    "spatial_top",
    "spatial_bottom",
    "spatial_dot",
}


def rewrite(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Applies the passes that the policy draws for this program, in place."""
    if len(k.starts) > 1:
        ends = [*k.starts[1:], len(k.body)]
        steps = [k.body[a:b] for a, b in zip(k.starts, ends, strict=True)]
        k.body[:] = [s for step in contained(steps) for s in step]
    prune(k)
    if p.on("named_repeats"):
        name_repeats(k)
    tidy(k.body)
    k.body[:] = _nest_guards(p, k.body)
    for body in list(_bodies(k.body)):
        body[:] = _branch(p, body)
    if p.on("dense"):
        _inline_locals(k.body)
    if p.on("outline"):
        _outline(p, k)
    for body in (k.body, *(f.body for f in p.functions)):
        simplified(body)


def _bodies(body: N.Body) -> Iterator[N.Body]:
    """The body and all bodies nested in it."""
    yield body
    for s in body:
        if isinstance(s, N.If):
            for _, inner in s.branches:
                yield from _bodies(inner)
        elif isinstance(s, N.For | N.While):
            yield from _bodies(s.body)


# --- guards and branches --------------------------------------------------------------------------


def _nest_guards(p: ProgramBuilder, body: N.Body) -> N.Body:
    """``if off: return`` and the rest, as ``if on: rest``, or as a branch with an `else`."""
    for position, s in enumerate(body):
        rest = body[position + 1 :]
        if not (is_guard(s) and len(rest) > 1) or any(is_guard(r) for r in rest):
            continue
        assert isinstance(s, N.If)
        condition, inner = s.branches[0]
        copies = inner[:-1]
        if copies and p.on("guard_else"):
            return [*body[:position], N.If([(condition, copies), (None, rest)])]
        plain = not isinstance(condition, N.Boolean)
        if not copies and plain and len(rest) < 8 and p.on("guard_inside"):
            return [*body[:position], N.If([(negated(condition), rest)])]
        return body
    return body


def _branch(p: ProgramBuilder, body: N.Body) -> N.Body:
    """Conditional values as branches: ``if c: x = a else: x = b``."""
    out: N.Body = []
    for s in body:
        parts = None
        if isinstance(s, N.Assign) and len(s.targets) == 1:
            parts = _choice(s.value)
            if parts and _is_same_name(s.targets[0], parts[1]):  # nothing to do in the first branch
                parts = None
        previous = out[-1] if out else None
        if parts and p.on("branch_values"):
            assert isinstance(s, N.Assign)
            condition, then, otherwise = parts
            branches: list[tuple[N.Expr | None, N.Body]] = [
                (condition, [N.Assign(s.targets, then)])
            ]
            if not _is_same_name(s.targets[0], otherwise):
                branches.append((None, [N.Assign(s.targets, otherwise)]))
            out.append(N.If(branches))
        elif isinstance(s, N.If) and _overrides(s, previous) and p.on("branch_values"):
            assert isinstance(previous, N.Assign)
            out[-1] = N.If([*s.branches, (None, [previous])])
        else:
            out.append(s)
    return out


def _is_same_name(a: N.Expr, b: N.Expr) -> bool:
    return isinstance(a, N.Name) and isinstance(b, N.Name) and a.id == b.id


def _choice(value: N.Expr | None) -> tuple[N.Expr, N.Expr, N.Expr] | None:
    if isinstance(value, N.Ternary):
        return value.condition, value.then, value.otherwise
    if isinstance(value, N.Call) and value.callee == "wp.where":
        return value.args[0], value.args[1], value.args[2]
    return None


def _overrides(s: N.If, previous: N.Statement | None) -> bool:
    """Whether the branch does nothing but replace the value that `previous` assigned."""
    if not (isinstance(previous, N.Assign) and len(previous.targets) == 1 and len(s.branches) == 1):
        return False
    condition, inner = s.branches[0]
    target = previous.targets[0]
    if not (isinstance(target, N.Name) and len(inner) == 1 and isinstance(inner[0], N.Assign)):
        return False
    again = inner[0].targets[0]
    same = isinstance(again, N.Name) and again.id == target.id
    used = names_used([N.Evaluate(inner[0].value), N.Evaluate(condition)])  # type: ignore[arg-type]
    return same and target.id not in used


# --- dense style --------------------------------------------------------------------------------------


def _inline_locals(body: N.Body) -> None:
    """Puts the value of a local into the statement after it, where that is its only use."""
    uses: dict[str, int] = {}
    for node in walk(body):
        if isinstance(node, N.Name):
            uses[node.id] = uses.get(node.id, 0) + 1  # its assignment counts too
    for inner in _bodies(body):
        position = 0
        while position + 1 < len(inner):
            if _inlined(inner, position, uses):
                del inner[position]
                position = max(position - 1, 0)
            else:
                position += 1


def _inlined(body: N.Body, position: int, uses: dict[str, int]) -> bool:
    s, following = body[position], body[position + 1]
    if not (isinstance(s, N.Assign) and len(s.targets) == 1 and isinstance(s.targets[0], N.Name)):
        return False
    name = s.targets[0].id
    if uses.get(name) != 2 or not isinstance(
        following, N.Assign | N.AugAssign | N.Evaluate | N.Return
    ):
        return False
    if (
        isinstance(s.value, N.Construct)
        or isinstance(s.value.type, T.TupleType)
        or name not in names_used([following])
        or _size(s.value) + _size(following) > 9
    ):
        return False
    if isinstance(following, N.Assign) and any(
        name in names_used([N.Evaluate(t)]) for t in following.targets
    ):
        return False
    if not all(_repeatable(n) for n in (*walk(s.value), *walk(following))):
        return False
    body[position + 1] = mapped(
        following, lambda e: s.value if isinstance(e, N.Name) and e.id == name else None
    )
    return True


def _repeatable(node: object) -> bool:
    """Whether a node may be evaluated a little later: no tiles, queries or random draws."""
    if isinstance(node, N.Call):
        name = node.callee.removeprefix("wp.")
        return name in _PURE or name.startswith("atomic_") or name == node.callee
    return not isinstance(node, N.DtypeOf)


# --- helper functions -----------------------------------------------------------------------------


def _outline(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Moves the value of one or two locals into functions named after what they compute."""
    local = {a.name for a in k.arguments} | {t.id for t in _assigned(k.body)}
    candidates = [s for body in _bodies(k.body) for s in body if _worth_a_function(s, local)]
    candidates.sort(key=lambda s: -_size(s))
    chosen = candidates[: p.pick(1, 1, 2)]
    for s in [c for body in _bodies(k.body) for c in body if any(c is x for x in chosen)]:
        assert isinstance(s, N.Assign)
        s.value = _as_function(p, s.targets[0].id, s.value, local)  # type: ignore[attr-defined]


def _assigned(body: N.Body) -> list[N.Name]:
    return [
        t for s in walk(body) if isinstance(s, N.Assign) for t in s.targets if isinstance(t, N.Name)
    ]


def _worth_a_function(s: N.Statement, local: set[str]) -> bool:
    if not (isinstance(s, N.Assign) and len(s.targets) == 1 and isinstance(s.targets[0], N.Name)):
        return False
    if len(s.targets[0].id) < 2 or not 4 <= _size(s.value) <= 30:
        return False
    leaves = _leaves(s.value, local)
    if leaves is None or not 1 <= len(leaves) <= 6:
        return False
    hints = {_parameter_hint(leaf) for leaf in leaves.values()}
    return len(hints) == len(leaves) and all(
        _movable(leaf) and names_used([N.Evaluate(leaf)]) <= local for leaf in leaves.values()
    )


def _movable(leaf: N.Expr) -> bool:
    return not isinstance(leaf.type, T.Opaque | T.Tile | T.Array | T.Handle | T.TupleType)


def _size(e: N.Expr | N.Statement) -> int:
    return sum(isinstance(n, N.Binary | N.Call | N.Unary | N.Ternary | N.Compare) for n in walk(e))


def _leaves(e: N.Expr, local: set[str]) -> dict[str, N.Expr] | None:
    """The values that the expression is computed from, by their text; None where it is not pure."""
    found: dict[str, N.Expr] = {}
    return found if _collect(e, found, local) else None


def _collect(e: N.Expr, found: dict[str, N.Expr], local: set[str]) -> bool:
    match e:
        case N.Literal():
            return True
        case N.Name(name, t):
            if name in local or not (
                name.isupper() or name.startswith("wp.")
            ):  # a local may be called F
                found[name] = e
            return not isinstance(t, T.Opaque)
        case N.Attribute() | N.Subscript():
            plain = all(
                isinstance(n, N.Name | N.Attribute | N.Subscript | N.Literal | N.Binary)
                for n in walk(e)
            )
            if plain:
                found[_key(e)] = e
            return plain
        case N.Call(callee, args, kwargs, _):
            return (
                callee.removeprefix("wp.") in _PURE
                and not kwargs
                and all(_collect(a, found, local) for a in args)
            )
        case N.Construct(args, t, kwargs):
            return (
                not kwargs
                and not isinstance(t, T.StructType)
                and all(_collect(a, found, local) for a in args)
            )
        case N.Binary(_, left, right, _):
            return _collect(left, found, local) and _collect(right, found, local)
        case N.Unary(_, operand, _):
            return _collect(operand, found, local)
        case N.Compare(operands, _, _):
            return all(_collect(o, found, local) for o in operands)
        case N.Ternary(c, a, b, _):
            return (
                _collect(c, found, local)
                and _collect(a, found, local)
                and _collect(b, found, local)
            )
    return False


def _key(e: N.Expr) -> str:
    """A text that is equal for equal expressions."""
    match e:
        case N.Name(name, _):
            return name
        case N.Literal(value, _):
            return repr(value)
        case N.Attribute(base, name, _):
            return f"{_key(base)}.{name}"
        case N.Subscript(base, index, _):
            return f"{_key(base)}[{','.join(_key(i) for i in index)}]"  # type: ignore[arg-type]
        case N.Binary(op, left, right, _):
            return f"({_key(left)}{op}{_key(right)})"
    raise TypeError(f"{e!r} is no leaf")


def _as_function(p: ProgramBuilder, result: str, value: N.Expr, local: set[str]) -> N.Expr:
    leaves = _leaves(value, local)
    assert leaves
    scope = p.names.child()
    names = {key: scope.fresh(_parameter_hint(leaf)) for key, leaf in leaves.items()}
    replace = {key: N.Name(names[key], leaf.type) for key, leaf in leaves.items()}

    def swap(e: N.Expr) -> N.Expr | None:
        if isinstance(e, N.Name | N.Attribute | N.Subscript):
            return replace.get(_key(e), e)
        return None

    name = p.names.fresh(
        f"compute_{result}|eval_{result}|get_{result}|calc_{result}|{result}_from_state"
    )
    params = [N.Parameter(names[key], leaf.type) for key, leaf in leaves.items()]
    p.functions.append(N.FunctionDef(name, params, value.type, [N.Return(mapped(value, swap))]))
    return N.Call(name, tuple(leaves.values()), (), value.type)


def _parameter_hint(leaf: N.Expr) -> str:
    """Name of the parameter that takes over a value: ``m_j`` for ``m[w, j]``, ``u_prev`` for ``u[i - 1]``."""
    match leaf:
        case N.Name(name, _) | N.Attribute(_, name, _):
            return name
        case N.Subscript(base, index, _):
            return f"{_parameter_hint(base).removesuffix('_i')}{_place(base, index[-1])}"
    return "value"  # what a computed vector's component is taken of


def _place(base: N.Expr, index: N.Expr | N.Slice) -> str:
    """How an element is told from the others of its array, by its last index."""
    match index:
        case N.Literal(value, _):
            vector = isinstance(base.type, T.Vec) and value in (0, 1, 2)
            return f"_{'xyz'[int(value)]}" if vector else str(value)
        case N.Binary("+" | "-" as op, N.Name(), N.Literal(1, _), _):
            return "_next" if op == "+" else "_prev"
        case N.Name(name, _):
            return f"_{name}" if len(name) < 3 else "_i"
    return "_i"
