"""Patterns of constructs that take more than a look for one kind of node."""

import ast
from collections.abc import Callable, Iterable

from generator.synthesis.detection.facts import (
    MAX_UNROLL,
    Definition,
    Source,
    called,
    is_literal,
    range_of,
    whole_number,
)
from generator.synthesis.detection.scopes import SourceDetector, anywhere

_COMPONENTS = frozenset("xyzw")


def array_target(k: Definition, node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and k.is_array(node.value)


def escapes(*kinds: type[ast.AST], of_unrolled: bool) -> SourceDetector:
    """A `break` or `continue` whose loop is unrolled, or is not."""

    def detect(d: Definition) -> bool:
        return any(
            unrolled(loop) is of_unrolled and any(isinstance(node, kinds) for node in inside)
            for loop, inside in d.loops
        )

    return anywhere(detect)


def unrolled(loop: ast.AST) -> bool:
    call = range_of(loop)
    bounds = [whole_number(a) for a in call.args] if call else [None]
    known = [bound for bound in bounds if bound is not None]
    return len(known) == len(bounds) and len(range(*known)) <= MAX_UNROLL


def negative(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and is_literal(node.operand)
    )


def step_down(loop: ast.For) -> bool:
    call = range_of(loop)
    return call is not None and len(call.args) == 3 and negative(call.args[2])


def forever(loop: ast.For | ast.While, inside: Iterable[ast.AST]) -> bool:
    endless = isinstance(loop, ast.While) and isinstance(loop.test, ast.Constant)
    return endless and any(isinstance(node, ast.Break) for node in inside)


def elif_else(node: ast.If) -> bool:
    chain = node.orelse
    return len(chain) == 1 and isinstance(chain[0], ast.If) and bool(chain[0].orelse)


def indexed_tuple(d: Definition) -> bool:
    tuples = {name for name, value in d.simple_assignments if isinstance(value, ast.Tuple)}
    return any(isinstance(s.value, ast.Name) and s.value.id in tuples for s in d.all(ast.Subscript))


def overloaded(s: Source) -> bool:
    names = [f.node.name for f in s.functions]
    return len(set(names)) < len(names)


def keyword_call(s: Source) -> bool:
    names = {f.node.name for f in s.functions}
    return any(
        call.keywords and called(call) in names for d in s.definitions for call in d.all(ast.Call)
    )


def native_adjoint(s: Source) -> bool:
    return any(
        "adj_snippet" in d.options
        or (isinstance(d.decorator, ast.Call) and len(d.decorator.args) > 1)
        for d in s.of("func_native")
    )


def constant(s: Source) -> bool:
    return any(isinstance(v, ast.Call) and called(v) == "wp.constant" for v in s.constants.values())


def plain_global(s: Source) -> bool:
    plain = {name for name, value in s.constants.items() if is_literal(value)}
    return any(d.names & plain for d in s.definitions)


def static_range(s: Source) -> bool:
    calls = (range_of(loop) for d in s.definitions for loop in d.all(ast.For))
    return any(
        isinstance(node, ast.Call) and called(node) == "wp.static"
        for call in calls
        if call
        for node in ast.walk(call)
    )


def static_if(s: Source) -> bool:
    """A branch whose condition holds nothing but constants of the module."""
    known = {
        name
        for name, value in s.constants.items()
        if is_literal(value) or isinstance(value, ast.Call)
    }
    known |= s.classes.keys()

    def fixed(test: ast.expr) -> bool:
        if isinstance(test, ast.Call):
            return called(test) == "wp.static"
        names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
        return bool(names) and names <= known | {"wp"}

    return any(fixed(i.test) for d in s.definitions for i in d.all(ast.If))


def generic_kernel(s: Source) -> bool:
    return "wp.overload" in s.everything.calls and any("Any" in k.annotations for k in s.kernels)


def nested_struct(s: Source) -> bool:
    names = {c.name for c in s.structs}
    return any(
        isinstance(f, ast.AnnAssign)
        and isinstance(f.annotation, ast.Name)
        and f.annotation.id in names
        for c in s.structs
        for f in c.body
    )


def _stored(d: Definition) -> list[ast.Attribute | ast.Subscript]:
    nodes = d.all(ast.Attribute, ast.Subscript)
    return [node for node in nodes if isinstance(node.ctx, ast.Store)]


def component_stored(d: Definition) -> bool:
    return any(
        node.attr in _COMPONENTS
        if isinstance(node, ast.Attribute)
        else _one_index(node) and not array_target(d, node)
        for node in _stored(d)
    )


def _one_index(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Tuple | ast.Slice)


def of_values(d: Definition) -> list[ast.Subscript]:
    """Subscripts of vectors, matrices and tuples."""
    return [
        s
        for s in d.all(ast.Subscript)
        if not d.is_array(s.value)
        and not (isinstance(s.value, ast.Name) and s.value.id in d.tiles)
        and not _spelt_type(s)
    ]


def _spelt_type(s: ast.Subscript) -> bool:
    return (
        isinstance(s.value, ast.Attribute)
        and isinstance(s.value.value, ast.Name)
        and s.value.value.id == "wp"
    )


def matrix_element(d: Definition) -> bool:
    return any(
        isinstance(s.ctx, ast.Store) and isinstance(s.slice, ast.Tuple) for s in of_values(d)
    )


def custom_type(s: Source) -> bool:
    made = ("wp.types.vector", "wp.types.matrix")
    calls = {
        ast.unparse(c.func) for c in s.everything.all(ast.Call) if isinstance(c.func, ast.Attribute)
    }
    return not calls.isdisjoint(made)


def array_slice(d: Definition) -> bool:
    return any(d.is_array(s.value) and _has_slice(s) for s in d.all(ast.Subscript))


def _has_slice(s: ast.Subscript) -> bool:
    parts = s.slice.elts if isinstance(s.slice, ast.Tuple) else [s.slice]
    return any(isinstance(part, ast.Slice) for part in parts)


def bare_array_test(d: Definition) -> bool:
    tests = [i.test for i in d.all(ast.If)]
    tests += [v for t in tests if isinstance(t, ast.BoolOp) for v in t.values]
    plain = [t.operand if isinstance(t, ast.UnaryOp) else t for t in tests]
    return any(isinstance(t, ast.Name) and t.id in d.arrays for t in plain)


def guard(d: Definition) -> bool:
    return any(isinstance(i.body[-1], ast.Return) for i in d.all(ast.If))


def member_bases(s: Source, *bases: str) -> bool:
    return any(
        isinstance(b, ast.Name | ast.Attribute) and ast.unparse(b).split(".")[-1] in bases
        for c in s.classes.values()
        for b in c.bases
    )


def flag_test(s: Source) -> bool:
    flags = {
        c.name for c in s.classes.values() if any("IntFlag" in ast.unparse(b) for b in c.bases)
    }
    return any(
        isinstance(b.op, ast.BitAnd)
        and flags & {n.id for n in ast.walk(b) if isinstance(n, ast.Name)}
        for d in s.definitions
        for b in d.all(ast.BinOp)
    )


def tile_arithmetic(d: Definition) -> bool:
    def tile(node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in d.tiles

    products = any(tile(b.left) or tile(b.right) for b in d.all(ast.BinOp))
    return products or any(tile(s.value) and _has_slice(s) for s in d.all(ast.Subscript))


def tile_argument(s: Source) -> bool:
    fields = (
        ast.unparse(f.annotation) for c in s.structs for f in c.body if isinstance(f, ast.AnnAssign)
    )
    return any("wp.tile" in f.annotations for f in s.functions) or any(
        "wp.tile" in text for text in fields
    )


def method(s: Source) -> bool:
    return any(k.node in c.body for k in s.kernels for c in s.classes.values())


def of_math(d: Definition, names: Callable[[str], bool]) -> bool:
    return any(
        isinstance(a.value, ast.Name) and a.value.id == "math" and names(a.attr)
        for a in d.all(ast.Attribute)
    )
