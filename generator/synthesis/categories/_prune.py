"""Removes what a finished kernel does not use: values, parameters, functions and constants."""

from typing import Any

from generator.synthesis import tree as N
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.walk import names_used, walk

_IMPURE = ("atomic", "rand", "sample_", "poisson", "store", "print", "next")


def prune(k: KernelBuilder) -> None:
    """Takes unused values out of the kernel, then the arguments and definitions that fed them."""
    while _prune_body(k.body, _loaded(k.body)):
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


def _prune_body(body: N.Body, loaded: set[str]) -> bool:
    """One pass; True if something was removed."""
    changed = False
    for s in list(body):
        for inner in _bodies(s):
            changed |= _prune_body(inner, loaded)
        if _is_dead(s, loaded):
            body[:] = [other for other in body if other is not s]
            changed = True
    return changed


def _is_dead(s: N.Statement, loaded: set[str]) -> bool:
    if isinstance(s, N.Assign):
        names = [t for t in s.targets if isinstance(t, N.Name)]
        unread = len(names) == len(s.targets) and not any(t.id in loaded for t in names)
        return unread and _is_pure(s.value)
    if isinstance(s, N.AugAssign):
        return isinstance(s.target, N.Name) and s.target.id not in loaded and _is_pure(s.value)
    if isinstance(s, N.If):
        return all(_is_empty(b) and (c is None or _is_pure(c)) for c, b in s.branches)
    return isinstance(s, N.For) and _is_empty(s.body) and _is_pure(s.iterable)


def _is_empty(body: N.Body) -> bool:
    idle = (N.Comment, N.Blank)
    return all(isinstance(s, idle) or (isinstance(s, N.Keyword) and s.word == "pass") for s in body)


def _is_pure(e: N.Expr) -> bool:
    calls = [n.callee for n in walk(e) if isinstance(n, N.Call)]
    return not any(word in callee for callee in calls for word in _IMPURE)


def _prune_fields(k: KernelBuilder) -> None:
    """Fields of the parameter struct that nothing reads."""
    read = {
        n.name
        for n in walk(k.body)
        if isinstance(n, N.Attribute) and isinstance(n.base, N.Name) and n.base.id == k._params_name
    }
    k._params[:] = [f for f in k._params if f[0] in read]


def _prune_definitions(p: ProgramBuilder, used: set[str]) -> None:
    """Functions, constants and captured values that neither the kernel nor a kept function uses."""
    kept: list[N.FunctionDef] = []
    needed = set(used)
    for f in reversed(p.functions):
        if f.name in needed:
            kept.append(f)
            needed |= names_used(f.body)
            if f.native:
                needed |= {c.name for c in p.constants}
    p.functions[:] = kept[::-1]
    p.constants[:] = [c for c in p.constants if c.name in needed]
    p.captured[:] = [c for c in p.captured if c[0] in needed or c[1] in needed]
