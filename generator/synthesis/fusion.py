"""Fused kernels: several steps of one kind of work, done by the same threads in one launch.

A category writes one step at a time. In a fused program the second step is written into the kernel
of the first: it adopts its threads, works on the arrays and parameters that mean the same, and shares
helper functions that came out equal. A step that shares no data with the others is taken back.
"""

import re
from collections import Counter
from typing import Any

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.recipes import Recipe
from generator.synthesis.walk import walk

_FLIPPED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


class CannotFuse(Exception):
    """The next step cannot run on the threads of the ones before; the program ends without it."""


class Checkpoint:
    """The state of builders before a step, to go back to where the step turns out not to fit."""

    def __init__(self, *builders: object) -> None:
        self._saved: list[tuple[Any, Any]] = []
        for builder in builders:
            state = getattr(builder, "__dict__", {})
            contents = [v for v in state.values() if isinstance(v, list | dict | set)]
            self._saved += [(c, c.copy()) for c in (state, *contents)]

    def restore(self) -> None:
        """Everything as it was, in the same lists and dictionaries."""
        for target, saved in self._saved:
            if isinstance(target, list):
                target[:] = saved
            else:
                target.clear()
                target.update(saved)


def overlap(hint: str, other: str) -> bool:
    """Whether two hints share an alternative, and so can mean the same quantity."""
    return not set(hint.split("|")).isdisjoint(other.split("|"))


def serving_both(have: Recipe, want: Recipe) -> Recipe | None:
    """A recipe whose values suit where either array was asked for; None if there is none."""
    keys = ("kind", "dtype", "shape", "role", "fill")
    if any(have.get(k) != want.get(k) for k in keys) or have["role"] == "out":
        return None
    if "low" not in want or "high" not in want:
        return have if all(have.get(k) == v for k, v in want.items()) else None
    low, high = max(have["low"], want["low"]), min(have["high"], want["high"])
    narrowest = min(have["high"] - have["low"], want["high"] - want["low"])
    if high - low < 0.3 * narrowest or high <= low:
        return None
    rest = {k for k in want if k not in ("low", "high")}
    return {**have, "low": low, "high": high} if all(have.get(k) == want[k] for k in rest) else None


def meant_for_choice(recipe: Recipe) -> bool:
    """Whether an array tells items apart (masks, lists of items) rather than carrying their data."""
    return recipe.get("fill") in ("mask", "permutation")


def common_data(before: N.Body, step: N.Body) -> set[str]:
    """Arrays, handles and computed values that a step and the steps before it both work on."""
    values = {
        t.id
        for s in walk(before)
        if isinstance(s, N.Assign)
        for t in s.targets
        if isinstance(t, N.Name) and _carries_data(t.type)
    }
    arrays = {i for i, t in _mentioned(before) if isinstance(t, T.Array | T.Handle)}
    return (arrays | values) & {i for i, _ in _mentioned(step)}


def _mentioned(body: N.Body) -> list[tuple[str, T.Type]]:
    """Every mention of a name, but for those that ask an array for its extents only."""
    names: list[N.Name] = []
    asked: list[N.Name] = []
    for node in walk(body):
        if isinstance(node, N.Name):
            names.append(node)
        elif isinstance(node, N.Attribute) and node.name == "shape":
            asked += [node.base] if isinstance(node.base, N.Name) else []
    extents = Counter(n.id for n in asked)
    return [(n.id, n.type) for n in names if not _taken(extents, n.id)]


def _taken(counts: Counter[str], name: str) -> bool:
    counts[name] -= 1
    return counts[name] >= 0


def _carries_data(t: T.Type) -> bool:
    """Whether a value of the type can be more than an index or a flag."""
    return not isinstance(t, T.Scalar) or t.is_float


def private(body: N.Body, array: str) -> bool:
    """Whether all threads touch one and the same element of theirs in an array, without atomics."""
    places: list[str] = []
    for node in walk(body):
        if isinstance(node, N.Subscript) and _is_name(node.base, array):
            places.append(repr(node.index))
        elif isinstance(node, N.AugAssign):
            target = node.target
            if isinstance(target, N.Subscript) and _is_name(target.base, array):
                return False
    mentions = [name for name, _ in _mentioned(body) if name == array]
    return len(mentions) == len(places) and len(set(places)) <= 1


def _is_name(e: N.Expr, name: str) -> bool:
    return isinstance(e, N.Name) and e.id == name


def ends_early(statements: N.Body) -> bool:
    """Whether a `return` stands where the work after it cannot be moved into a branch."""
    for s in statements:
        inner = s.branches[0][1][:-1] if is_guard(s) else s  # type: ignore[union-attr]
        if any(isinstance(n, N.Return) for n in walk(inner)):
            return True
    return False


def is_guard(s: N.Statement) -> bool:
    """Whether the statement is ``if …:`` with a bare `return` at its end."""
    if not (isinstance(s, N.If) and len(s.branches) == 1):
        return False
    inner = s.branches[0][1]
    return isinstance(inner[-1], N.Return) and inner[-1].value is None


def contained(steps: list[N.Body]) -> list[N.Body]:
    """The steps with early exits kept to their own step: what follows an exit stands in a branch.

    The first step's exits before anything is stored decide for the whole thread.
    """
    return [
        _contained(step, steps[n + 1 :], first=n == 0) if n + 1 < len(steps) else step
        for n, step in enumerate(steps)
    ]


def _contained(step: N.Body, later: list[N.Body], first: bool) -> N.Body:
    stored = not first
    for position, s in enumerate(step):
        if stored and is_guard(s):
            assert isinstance(s, N.If)
            rest = _contained(step[position + 1 :], later, first=False)
            local = {
                t.id
                for a in walk(rest)
                if isinstance(a, N.Assign)
                for t in a.targets
                if isinstance(t, N.Name)
            }
            if local & {n.id for n in walk(later) if isinstance(n, N.Name)}:
                return step
            condition, inner = s.branches[0]
            tail: N.Body = []
            while rest and isinstance(rest[-1], N.Blank | N.Comment):
                tail.insert(0, rest.pop())
            if not rest:
                return [
                    *step[:position],
                    *([N.If([(condition, inner[:-1])])] if inner[:-1] else []),
                    *tail,
                ]
            if inner[:-1]:
                branch = N.If([(condition, inner[:-1]), (None, rest)])
            else:
                branch = N.If([(negated(condition), rest)])
            return [*step[:position], branch, *tail]
        stored = stored or _stores(s)
    return step


def _stores(s: N.Statement) -> bool:
    return any(
        isinstance(n, N.Evaluate)
        or (isinstance(n, N.Assign) and not isinstance(n.targets[0], N.Name))
        or (isinstance(n, N.AugAssign) and not isinstance(n.target, N.Name))
        for n in walk(s)
    )


def negated(condition: N.Expr | None) -> N.Expr:
    """The opposite condition, in the plainest form."""
    assert condition is not None
    if isinstance(condition, N.Compare) and len(condition.ops) == 1:
        return N.Compare(condition.operands, (_FLIPPED[condition.ops[0]],))
    if isinstance(condition, N.Unary) and condition.op == "not":
        return condition.operand
    return N.Unary("not", condition, T.BOOL)


def same_function(a: N.FunctionDef, b: N.FunctionDef) -> bool:
    """Whether two functions are equal up to the names in them."""
    return _anonymous(a) == _anonymous(b)


def _anonymous(f: N.FunctionDef) -> str:
    order: dict[str, str] = {q.name: f"p{i}" for i, q in enumerate(f.params)}
    text = repr(([q.type for q in f.params], f.returns, f.body, f.native))
    return re.sub(r"id='(\w+)'", lambda m: order.setdefault(m[1], f"n{len(order)}"), text)
