"""Walks over the program tree."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any

from generator.synthesis import tree as N


@cache
def _children(kind: type) -> tuple[str, ...]:
    if not (is_dataclass(kind) and kind.__module__ == N.__name__):
        return ()
    return tuple(
        f.name for f in fields(kind) if f.name not in ("type", "id", "name", "op", "ops", "callee")
    )


@cache
def _backwards(kind: type) -> tuple[str, ...] | None:
    """Children of a node, last first; None for what is no node."""
    return _children(kind)[::-1] if kind.__module__ == N.__name__ else None


def walk(node: Any) -> Iterator[Any]:
    """The node and everything below it: statements, expressions, slices."""
    stack = [node]
    while stack:
        here = stack.pop()
        kind = here.__class__
        if kind is list or kind is tuple:
            stack += here[::-1]
            continue
        children = _backwards(kind)
        if children is not None:
            yield here
            for name in children:
                stack.append(getattr(here, name))


def names_used(body: N.Body) -> set[str]:
    """Identifiers that a body reads or calls."""
    used = set()
    for node in walk(body):
        if isinstance(node, N.Name):
            used.add(node.id)
        elif isinstance(node, N.Call):
            used.add(node.callee)
    return used


def mapped_upwards(node: Any, change: Callable[[N.Expr], N.Expr]) -> Any:
    """As `mapped`, from the leaves up, with `change` answering every expression."""
    if isinstance(node, tuple):
        return tuple(mapped_upwards(item, change) for item in node)
    if isinstance(node, list):
        node[:] = [mapped_upwards(item, change) for item in node]
        return node
    new = {name: mapped_upwards(getattr(node, name), change) for name in _children(node.__class__)}
    if isinstance(node, N.Expr | N.Slice):
        same = all(getattr(node, name) is value for name, value in new.items())
        node = node if same else replace(node, **new)  # type: ignore[type-var]
        return change(node) if isinstance(node, N.Expr) else node
    for name, value in new.items():
        setattr(node, name, value)
    return node


def mapped(node: Any, change: Callable[[N.Expr], N.Expr | None]) -> Any:
    """A copy in which every expression that `change` answers is replaced by its answer.

    Statements are changed in place; what `change` answers is not descended into.
    """
    if isinstance(node, tuple):
        return tuple(mapped(item, change) for item in node)
    if isinstance(node, list):
        node[:] = [mapped(item, change) for item in node]
        return node
    if isinstance(node, N.Expr) and (answer := change(node)) is not None:
        return answer
    names = _children(node.__class__)
    if not names:
        return node
    new = {name: mapped(getattr(node, name), change) for name in names}
    if isinstance(node, N.Expr | N.Slice):
        return replace(node, **new)  # type: ignore[type-var]
    for name, value in new.items():
        setattr(node, name, value)
    return node
