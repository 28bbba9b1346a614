"""Walks over the program tree."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from generator.synthesis import tree as N


def walk(node: Any) -> Iterator[Any]:
    """The node and everything below it: statements, expressions, slices."""
    if isinstance(node, list | tuple):
        for item in node:
            yield from walk(item)
    elif is_dataclass(node) and node.__class__.__module__ == N.__name__:
        yield node
        for f in fields(node):
            if f.name != "type":
                yield from walk(getattr(node, f.name))


def names_used(body: N.Body) -> set[str]:
    """Identifiers that a body reads or calls."""
    used = set()
    for node in walk(body):
        if isinstance(node, N.Name):
            used.add(node.id)
        elif isinstance(node, N.Call):
            used.add(node.callee)
    return used
