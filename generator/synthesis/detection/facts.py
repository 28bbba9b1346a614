"""What the syntax tree of a program says, gathered in one walk, for detectors to ask.

Works on the text of any Warp module, synthesised or written by hand.
"""

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_WARP = ("wp", "warp")
_CONTROL = (ast.If, ast.For, ast.While)
_ARRAY_DIMENSIONS = {"array1d": 1, "array2d": 2, "array3d": 3, "array4d": 4}
# Above this many iterations Warp leaves a loop of constant bounds as a loop.
MAX_UNROLL = 16


def warp_name(node: ast.AST) -> str | None:
    """``x`` of the expression ``wp.x``, or None."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr if node.value.id in _WARP else None
    return None


def called(call: ast.Call) -> str:
    """What a call names: ``wp.x``, ``f`` or nothing."""
    name = warp_name(call.func)
    if name:
        return f"wp.{name}"
    return call.func.id if isinstance(call.func, ast.Name) else ""


@dataclass(slots=True)
class _Index:
    """Nodes by class, and the names among them."""

    nodes: dict[type[ast.AST], list[Any]] = field(default_factory=dict)
    spelt: set[str] = field(default_factory=set)  # x of every wp.x
    names: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)  # as `called` spells them

    def add(self, node: ast.AST) -> None:
        self.nodes.setdefault(node.__class__, []).append(node)
        if isinstance(node, ast.Name):
            self.names.add(node.id)
        elif isinstance(node, ast.Call):
            self.calls.add(called(node))
        elif name := warp_name(node):
            self.spelt.add(name)


class Facts:
    """The nodes of one function or module."""

    def __init__(self, root: ast.AST) -> None:
        self.root = root
        self._index = _Index()
        for node in ast.walk(root):
            self._index.add(node)

    @property
    def spelt(self) -> set[str]:
        """``x`` of every ``wp.x``."""
        return self._index.spelt

    @property
    def names(self) -> set[str]:
        """Identifiers."""
        return self._index.names

    @property
    def calls(self) -> set[str]:
        """Called names; those of Warp begin with ``wp.``."""
        return self._index.calls

    def all(self, *kinds: type[ast.AST]) -> list[Any]:
        """Nodes of the given classes."""
        return [node for kind in kinds for node in self._index.nodes.get(kind, ())]

    def has(self, *kinds: type[ast.AST]) -> bool:
        """Whether there is a node of one of the classes."""
        return any(kind in self._index.nodes for kind in kinds)


class Definition(Facts):
    """A Warp function or kernel.

    Attributes:
        role: last word of its decorator: kernel, func, func_native, func_grad.
        outer: the definition stands inside a Python function.
    """

    def __init__(self, node: ast.FunctionDef, decorator: ast.expr, outer: bool) -> None:
        super().__init__(node)
        self.node = node
        self.outer = outer
        self.decorator = decorator
        self.role = warp_name(decorator.func if isinstance(decorator, ast.Call) else decorator)

    @cached_property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of the decorator; the value is None unless it is a literal."""
        given = self.decorator.keywords if isinstance(self.decorator, ast.Call) else []
        return {
            k.arg: k.value.value if isinstance(k.value, ast.Constant) else None
            for k in given
            if k.arg
        }

    @cached_property
    def annotations(self) -> str:
        """Those of the parameters, as text."""
        return " ".join(ast.unparse(a.annotation) for a in self.node.args.args if a.annotation)

    @cached_property
    def arrays(self) -> dict[str, int]:
        """Number of dimensions by parameter that is an array."""
        return {a.arg: n for a in self.node.args.args if (n := dimensions(a.annotation))}

    @cached_property
    def docstring(self) -> bool:
        return ast.get_docstring(self.node, clean=False) is not None

    @cached_property
    def nesting(self) -> int:
        """Depth of control flow; each `elif` is one deeper, as it is in the syntax tree."""
        return _depth(self.node)

    @cached_property
    def loops(self) -> list[tuple[ast.For | ast.While, list[ast.AST]]]:
        """Loops, each with the statements below it that belong to no inner loop."""
        return [(loop, list(_inside(loop))) for loop in self.all(ast.For, ast.While)]

    @cached_property
    def row_views(self) -> list[str]:
        """Locals that are an array with some of its dimensions fixed."""
        return [
            name
            for name, value in self.simple_assignments
            if isinstance(value, ast.Subscript) and self._leaves_dimensions(value)
        ]

    @cached_property
    def simple_assignments(self) -> list[tuple[str, ast.expr]]:
        """Assignments to one plain name."""
        return [
            (a.targets[0].id, a.value)
            for a in self.all(ast.Assign)
            if isinstance(a.targets[0], ast.Name)
        ]

    @cached_property
    def tiles(self) -> set[str]:
        """Locals and parameters that hold a tile."""
        made = {
            name
            for name, value in self.simple_assignments
            if isinstance(value, ast.Call) and called(value).startswith("wp.tile_")
        }
        return made | {
            a.arg
            for a in self.node.args.args
            if a.annotation and "wp.tile" in ast.unparse(a.annotation)
        }

    def is_array(self, base: ast.expr) -> bool:
        """Whether what is subscripted is an array: a parameter, a view or a field."""
        if isinstance(base, ast.Name):
            return base.id in self.arrays or base.id in self.row_views
        return isinstance(base, ast.Attribute)

    def _leaves_dimensions(self, value: ast.Subscript) -> bool:
        if not isinstance(value.value, ast.Name) or isinstance(value.slice, ast.Slice):
            return False
        given = len(value.slice.elts) if isinstance(value.slice, ast.Tuple) else 1
        return given < self.arrays.get(value.value.id, 0)


class Source:
    """A whole module.

    Attributes:
        everything: facts of the module, host code included.
        definitions: its Warp functions and kernels.
        classes: by name.

    Raises:
        SyntaxError: the text is not Python.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.everything = Facts(ast.parse(text))
        self.definitions = [*_definitions(self.everything.root, outer=False)]
        self.classes = {c.name: c for c in self.everything.all(ast.ClassDef)}

    @cached_property
    def kernels(self) -> list[Definition]:
        return self.of("kernel")

    @cached_property
    def functions(self) -> list[Definition]:
        """User functions written in Python."""
        return self.of("func")

    @cached_property
    def structs(self) -> list[ast.ClassDef]:
        return [
            c
            for c in self.classes.values()
            if any(warp_name(d) == "struct" for d in c.decorator_list)
        ]

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """Values that the module or a function around the kernel gives to a name."""
        body = getattr(self.everything.root, "body", [])
        return {
            s.targets[0].id: s.value
            for s in body
            if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)
        }

    def of(self, role: str) -> list[Definition]:
        """Definitions with the decorator ``wp.<role>``."""
        return [d for d in self.definitions if d.role == role]


def code_lines(text: str, node: ast.FunctionDef) -> int:
    """Lines of a definition without blanks and comments.

    Decorators don't count and docstrings do: this is how the reference figures come out.
    """
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    return sum(1 for line in map(str.strip, lines) if line and not line.startswith("#"))


def dimensions(annotation: ast.expr | None) -> int:
    """Dimensions of an array type; 0 for any other."""
    if isinstance(annotation, ast.Subscript):
        return dimensions(annotation.value)
    if isinstance(annotation, ast.Call):
        given = [whole_number(k.value) for k in annotation.keywords if k.arg == "ndim"]
        return given[0] if given and given[0] else dimensions(annotation.func)
    name = warp_name(annotation) if annotation else None
    return _ARRAY_DIMENSIONS.get(name or "", 1 if name and name.endswith("array") else 0)


def is_literal(node: ast.expr) -> bool:
    """Whether an expression is made of numbers alone."""
    if isinstance(node, ast.UnaryOp):
        return is_literal(node.operand)
    if isinstance(node, ast.BinOp):
        return is_literal(node.left) and is_literal(node.right)
    return isinstance(node, ast.Constant)


_ARITHMETIC: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def whole_number(node: ast.expr) -> int | None:
    """The value of an expression made of whole numbers, or None."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, int) else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = whole_number(node.operand)
        return None if value is None else -value
    if isinstance(node, ast.BinOp) and (compute := _ARITHMETIC.get(type(node.op))):
        left, right = whole_number(node.left), whole_number(node.right)
        return None if left is None or right is None else compute(left, right)
    return None


def range_of(loop: ast.AST) -> ast.Call | None:
    """The `range(…)` of a for loop, also inside `reversed`."""
    call = loop.iter if isinstance(loop, ast.For) else None
    if (
        isinstance(call, ast.Call)
        and called(call) == "reversed"
        and isinstance(call.args[0], ast.Call)
    ):
        call = call.args[0]
    return call if isinstance(call, ast.Call) and called(call) == "range" else None


def literal_range(loop: ast.AST) -> bool:
    """Whether a loop runs over a range of literal bounds."""
    call = range_of(loop)
    return call is not None and all(map(is_literal, call.args))


def _definitions(node: ast.AST, outer: bool) -> Iterator[Definition]:
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.ClassDef):
            continue
        mine = [d for d in child.decorator_list if _is_warp_definition(d)]
        if isinstance(child, ast.FunctionDef) and mine:
            yield Definition(child, mine[0], outer)
        else:
            yield from _definitions(child, outer or isinstance(child, ast.FunctionDef))


def _is_warp_definition(decorator: ast.expr) -> bool:
    name = warp_name(decorator.func if isinstance(decorator, ast.Call) else decorator)
    return name is not None and (name == "kernel" or name.startswith("func"))


def _depth(node: ast.AST) -> int:
    below = (child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))
    return max((_depth(child) + isinstance(child, _CONTROL) for child in below), default=0)


def _inside(loop: ast.For | ast.While) -> Iterator[ast.AST]:
    stack: list[ast.AST] = [*loop.body]
    while stack:
        here = stack.pop()
        yield here
        if not isinstance(here, ast.For | ast.While):
            stack.extend(c for c in ast.iter_child_nodes(here) if isinstance(c, ast.stmt))
