"""Structural identity of a program: what stays once names, constants and cosmetics are gone.

Two keys come out of one walk over the syntax tree:

- `alpha`: identifiers renamed in order of first use, constants kept.
- `skeleton`: constants reduced to their type too: the shape of the program.

Both fold what a writer may choose freely without changing the program: docstrings, `pass`, imports,
return annotations, aliases of a type (`float`, `wp.float32`; `wp.vec3`, `wp.vec3f`), the two
annotation styles (`wp.array2d[float]`, `wp.array(dtype=float, ndim=2)`), empty decorator calls.
Equal `alpha` implies equal `skeleton`.

The number of dimensions of an N-D array is a constant in one annotation style and a name in the
other, so the skeleton keeps only "one" or "many"; `alpha` keeps the number.
"""

import ast
import hashlib
from collections.abc import Callable

from generator.records import Fingerprints

_WARP = ("wp", "warp")

# Plain Python names that mean the Warp builtin or type of the same name inside a program.
_PLAIN = ("range", "float", "int", "bool", "min", "max", "abs", "len")

_ALIASES = {
    "float": "float32",
    "int": "int32",
    **{name: f"{name}f" for name in ("vec2", "vec3", "vec4", "mat22", "mat33", "mat44")},
    **{name: f"{name}f" for name in ("quat", "transform", "spatial_vector", "spatial_matrix")},
}

_ARRAY_DIMENSIONS = {"array": 1, "array1d": 1, "array2d": 2, "array3d": 3, "array4d": 4}

# Not structure: a context follows from where the node stands, the rest is notation.
_IGNORED_FIELDS = frozenset(("ctx", "kind", "returns", "type_comment", "type_ignores"))

# A child is written as its fields in order; these two keep the writing unambiguous.
_NOTHING = "-"
_LIST_END = "]"


def _node_classes(base: type[ast.AST]) -> list[type[ast.AST]]:
    return [base, *(c for child in base.__subclasses__() for c in _node_classes(child))]


_FIELDS = {
    node: tuple(name for name in node._fields if name not in _IGNORED_FIELDS)
    for node in _node_classes(ast.AST)
}


def fingerprints(source: str) -> Fingerprints:
    """Both keys of a module's source, as 32 hex digits each.

    Raises:
        SyntaxError: `source` is not Python.
    """
    walk = _Walk()
    walk.visit(ast.parse(source))
    skeleton = _digest(walk.tokens)
    for position, text in walk.constants:
        walk.tokens[position] = text
    return Fingerprints(alpha=_digest(walk.tokens), skeleton=skeleton)


def _digest(tokens: list[str]) -> str:
    text = "\0".join(tokens).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _is_warp(node: ast.AST) -> bool:
    return type(node) is ast.Name and node.id in _WARP


def _is_bare_string(node: ast.AST) -> bool:
    return (
        type(node) is ast.Expr
        and type(node.value) is ast.Constant
        and isinstance(node.value.value, str)
    )


class _Walk:
    """One pass over a tree that writes tokens; constants are noted so that they can be put back."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.constants: list[tuple[int, str]] = []  # position in tokens, exact text
        self._names: dict[tuple[str, str], str] = {}
        self._handlers: dict[type, Callable] = {
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Constant: self._constant,
            ast.Call: self._call,
            ast.Subscript: self._subscript,
            ast.arg: self._arg,
            ast.FunctionDef: self._definition,
            ast.ClassDef: self._definition,
            ast.Import: self._nothing,
            ast.ImportFrom: self._nothing,
            ast.Pass: self._nothing,
            ast.Expr: self._expression,
        }

    def visit(self, node: ast.AST) -> None:
        handler = self._handlers.get(type(node))
        if handler is None:
            self._generic(node)
        else:
            handler(node)

    def _generic(self, node: ast.AST) -> None:
        kind = type(node)
        self.tokens.append(kind.__name__)
        for name in _FIELDS[kind]:
            self._value(getattr(node, name, None))

    def _value(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.visit(value)
        elif isinstance(value, list):
            self._list(value)
        else:
            self.tokens.append(_NOTHING if value is None else repr(value))

    def _list(self, nodes: list) -> None:
        for node in nodes:
            self._value(node)
        self.tokens.append(_LIST_END)

    def _rename(self, space: str, name: str) -> None:
        key = (space, name)
        number = self._names.get(key)
        if number is None:
            number = self._names[key] = f"{space}{len(self._names)}"
        self.tokens.append(number)

    def _warp_name(self, name: str) -> None:
        self.tokens.append(f"wp.{_ALIASES.get(name, name)}")

    def _nothing(self, node: ast.AST) -> None:
        pass

    def _name(self, node: ast.Name) -> None:
        if node.id in _PLAIN or node.id in _WARP:
            self._warp_name(node.id)
        else:
            self._rename("v", node.id)

    def _arg(self, node: ast.arg) -> None:
        self.tokens.append("arg")
        self._rename("v", node.arg)
        self._value(node.annotation)

    def _attribute(self, node: ast.Attribute) -> None:
        base = node.value
        if _is_warp(base):
            self._warp_name(node.attr)
            return
        self.tokens.append("Attribute")
        self.visit(base)
        if type(base) is ast.Attribute and _is_warp(base.value):
            self.tokens.append(node.attr)  # a name inside a Warp namespace, such as wp.types.vector
        else:
            self._rename(".", node.attr)

    def _constant(self, node: ast.Constant) -> None:
        self._noted(type(node.value).__name__, repr(node.value))

    def _noted(self, anonymous: str, exact: str) -> None:
        self.constants.append((len(self.tokens), exact))
        self.tokens.append(anonymous)

    def _definition(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        self.tokens.append(type(node).__name__)
        self._rename("v", node.name)
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and not decorator.args and not decorator.keywords:
                decorator = decorator.func  # @wp.kernel() is @wp.kernel
            self.visit(decorator)
        self.tokens.append(_LIST_END)
        if isinstance(node, ast.FunctionDef):
            self.visit(node.args)
        else:
            self._list(node.bases)
        self._list(node.body)

    def _expression(self, node: ast.Expr) -> None:
        if not _is_bare_string(node):
            self.tokens.append("Expr")
            self.visit(node.value)

    def _call(self, node: ast.Call) -> None:
        if self._array_call(node):
            return
        self.tokens.append("Call")
        self.visit(node.func)
        self._list(node.args)
        of_warp = type(node.func) is ast.Attribute and _is_warp(node.func.value)
        for keyword in node.keywords:
            if of_warp or keyword.arg is None:
                self.tokens.append(f"={keyword.arg}")
            else:
                self._rename("=", keyword.arg)
            self.visit(keyword.value)
        self.tokens.append(_LIST_END)

    def _array_call(self, node: ast.Call) -> bool:
        """Writes `wp.array(dtype=T, ndim=N)` and its like as an array type."""
        dimensions = _array_dimensions(node.func)
        options = {keyword.arg: keyword.value for keyword in node.keywords}
        if dimensions is None or node.args or "dtype" not in options:
            return False
        ndim = options.get("ndim")
        if ndim is None:
            if len(node.keywords) != 1:
                return False
            self._array_type(dimensions)
        else:
            if len(node.keywords) != 2 or type(ndim) is not ast.Constant:
                return False
            self.tokens.append("array")
            self._noted(_many(type(ndim.value).__name__), _many(repr(ndim.value)))
        self.visit(options["dtype"])
        return True

    def _subscript(self, node: ast.Subscript) -> None:
        dimensions = _array_dimensions(node.value)
        if dimensions is None:
            self._generic(node)
        else:
            self._array_type(dimensions)
            self.visit(node.slice)

    def _array_type(self, dimensions: int) -> None:
        self.tokens.append("array")
        if dimensions == 1:
            self.tokens.append("1")
        else:
            self._noted(_many("int"), _many(repr(dimensions)))


def _many(text: str) -> str:
    return f"N{text}"


def _array_dimensions(node: ast.AST) -> int | None:
    if type(node) is ast.Attribute and _is_warp(node.value):
        return _ARRAY_DIMENSIONS.get(node.attr)
    return None
