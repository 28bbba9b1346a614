"""Removes what a finished kernel does not use: values, parameters, functions and constants."""

from collections.abc import Iterable
from typing import Any

from generator.synthesis import tree as N
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.walk import names_used, walk

_IMPURE = ("atomic", "rand", "sample_", "poisson", "store", "print", "next", "push", "pop")


def prune(k: KernelBuilder) -> None:
    """Takes unused values out of the kernel, then the arguments and definitions that fed them."""
    acting = _acting_functions(k.p)
    for body in (k.body, *(f.body for f in k.p.functions)):
        while _prune_body(body, _loaded(body), acting):
            pass
    used = names_used(k.body)
    sources = {a.recipe.get("points") for a in k.arguments}
    k.arguments[:] = [a for a in k.arguments if a.name in used or a.name in sources]
    _prune_fields(k)
    _prune_definitions(k.p, used)


def _loaded(body: N.Body) -> set[str]:
    """Names that are read; a plain assignment does not read its target."""
    found: set[str] = set()
    for s in _statements(body):
        parts: list[Any] = []
        if isinstance(s, N.Assign):
            parts = [s.value, *(t for t in s.targets if not isinstance(t, N.Name))]
        elif isinstance(s, N.AugAssign):
            parts = [s.value, *([] if isinstance(s.target, N.Name) else [s.target])]
        elif isinstance(s, N.If):
            parts = [c for c, _ in s.branches if c is not None]
        elif isinstance(s, N.For):
            parts = [s.iterable]
        elif isinstance(s, N.While | N.Assert):
            parts = [s.condition]
        elif isinstance(s, N.Evaluate | N.Return) and s.value is not None:
            parts = [s.value]
        found |= {n.id for n in walk(parts) if isinstance(n, N.Name)}
    return found


def _statements(body: N.Body) -> list[N.Statement]:
    flat: list[N.Statement] = []
    for s in body:
        flat.append(s)
        for inner in _bodies(s):
            flat += _statements(inner)
    return flat


def _bodies(s: N.Statement) -> list[N.Body]:
    if isinstance(s, N.If):
        return [b for _, b in s.branches]
    return [s.body] if isinstance(s, N.For | N.While) else []


def _acting_functions(p: ProgramBuilder) -> set[str]:
    """Functions of the program that do more than return a value."""
    return {
        f.name
        for f in p.functions
        if f.native
        or any(isinstance(t, N.Subscript) for t in _targets(f.body))
        or not _is_pure(f.body)
    }


def _targets(body: N.Body) -> list[N.Expr]:
    return [t for s in walk(body) if isinstance(s, N.Assign) for t in s.targets] + [
        s.target for s in walk(body) if isinstance(s, N.AugAssign)
    ]


def _prune_body(body: N.Body, loaded: set[str], acting: set[str]) -> bool:
    """One pass; True if something was removed."""
    changed = False
    for s in list(body):
        for inner in _bodies(s):
            changed |= _prune_body(inner, loaded, acting)
        if _is_dead(s, loaded, acting):
            body[:] = [other for other in body if other is not s]
            changed = True
    return changed


def _is_dead(s: N.Statement, loaded: set[str], acting: set[str]) -> bool:
    if isinstance(s, N.Assign):
        names = [t for t in s.targets if isinstance(t, N.Name)]
        unread = len(names) == len(s.targets) and not any(t.id in loaded for t in names)
        return unread and _is_pure(s.value, acting)
    if isinstance(s, N.AugAssign):
        return (
            isinstance(s.target, N.Name) and s.target.id not in loaded and _is_pure(s.value, acting)
        )
    if isinstance(s, N.If):
        return all(_is_empty(b) and (c is None or _is_pure(c, acting)) for c, b in s.branches)
    return isinstance(s, N.For) and _is_empty(s.body) and _is_pure(s.iterable, acting)


def _is_empty(body: N.Body) -> bool:
    idle = (N.Comment, N.Blank)
    return all(isinstance(s, idle) or (isinstance(s, N.Keyword) and s.word == "pass") for s in body)


def _is_pure(node: Any, acting: Iterable[str] = ()) -> bool:
    calls = {n.callee for n in walk(node) if isinstance(n, N.Call)} - {"wp.rand_init"}
    return calls.isdisjoint(acting) and not any(w in callee for callee in calls for w in _IMPURE)


def _prune_fields(k: KernelBuilder) -> None:
    """Fields of the parameter struct that nothing reads."""
    read = {
        n.name
        for n in walk(k.body)
        if isinstance(n, N.Attribute) and isinstance(n.base, N.Name) and n.base.id == k._params_name
    }
    k._params[:] = [f for f in k._params if f[0] in read]


def _differentiated(used: set[str]) -> set[str]:
    """Functions that stand in ``wp.grad(f)``."""
    return {n[len("wp.grad(") : -1] for n in used if n.startswith("wp.grad(")}


def _prune_definitions(p: ProgramBuilder, used: set[str]) -> None:
    """Functions, constants and captured values that neither the kernel nor a kept function uses."""
    kept: list[N.FunctionDef] = []
    needed = set(used)
    needed |= {str(value) for name, value, _ in p.captured if name in used}
    needed |= _differentiated(used)
    for f in reversed(p.functions):
        if f.name in needed or f.decorator == "wp.func_grad":
            kept.append(f)
            inner = names_used(f.body)
            needed |= inner | _differentiated(inner)
            if f.native:
                needed |= {c.name for c in p.constants}
    names = {f.name for f in kept}
    p.functions[:] = [f for f in kept[::-1] if names.issuperset(f.decorator_args)]
    p.constants[:] = [c for c in p.constants if c.name in needed]
    p.captured[:] = [c for c in p.captured if c[0] in needed or c[1] in needed]
