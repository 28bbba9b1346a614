"""Rewrites a program's functions so that CPython computes what Warp's compiled code computes.

Module-level code stays as it is and runs with the real Warp; bodies of `@wp.func` and `@wp.kernel`
functions become calls of `warp_ir_dataset.oracle` for every operation in which Python and C++
differ. This reads only the program's own source: Warp's code generator has no part in it.
"""

import ast
from typing import Any

from warp_ir_dataset.oracle.builtins import builtin
from warp_ir_dataset.oracle.constructors import Constructor, constructor
from warp_ir_dataset.oracle.errors import NotReplayable
from warp_ir_dataset.oracle.grids import following
from warp_ir_dataset.oracle.random_numbers import DRAWS
from warp_ir_dataset.oracle.values import constant, numpy_scalar

_DROPPED = {"func_grad", "func_replay"}  # they say how to differentiate
_PYTHON = {"min", "max", "abs", "round", "len", "print", "type"}
_TYPES = {"int": int, "float": float, "bool": bool}
# Builtins that change a variable passed to them: the function, and the argument's place.
_CHANGING = {name: (draw, 0) for name, draw in DRAWS.items()}
_CHANGING["hash_grid_query_next"] = (following, 1)


class Rewriter(ast.NodeTransformer):
    """Rewrites one module.

    Attributes:
        names: what the rewritten module finds under the names that it uses besides its own.
        aliases: names of Warp in the module.
    """

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.aliases: set[str] = set()

    def module(self, tree: ast.Module) -> ast.Module:
        """The rewritten module.

        Raises:
            NotReplayable: the program uses something that CPython has no answer for.
        """
        for node in tree.body:
            if isinstance(node, ast.Import):
                self.aliases |= {a.asname or a.name for a in node.names if a.name == "warp"}
        tree.body = self._definitions(tree.body)
        return ast.fix_missing_locations(tree)

    def _definitions(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """A body in which Warp's functions are rewritten, overloads joined."""
        kept: list[ast.stmt] = []
        seen: set[str] = set()
        for node in body:
            if isinstance(node, ast.ClassDef):
                node.body = self._definitions(node.body)
            elif isinstance(node, ast.FunctionDef):
                marks = _decorators(node)
                if marks & _DROPPED:
                    continue
                if "func_native" in marks:
                    raise NotReplayable("native_snippet", node.name)
                if any("wp.ref" in ast.unparse(a.annotation or a) for a in node.args.args):
                    raise NotReplayable("reference_parameter", node.name)
                if marks & {"func", "kernel"}:
                    node = Body(self, node).rewritten(joined=node.name in seen)
                    seen.add(node.name)
                else:
                    node.body = self._definitions(node.body)
            elif _is_overload(node):
                continue
            kept.append(node)
        return kept

    def constant(self, value: Any) -> str:
        """Name under which the rewritten module finds a literal."""
        name = f"_oracle_literal_{type(value).__name__}_{value!r}".replace("-", "m").replace(
            ".", "_"
        )
        name = name.replace("+", "")
        self.names[name] = constant(value) if isinstance(value, (int, float)) else value
        return name

    def warp(self, attribute: str) -> str:
        """Name under which the rewritten module finds `wp.attribute`."""
        name = f"_oracle_warp_{attribute}"
        if name not in self.names:
            self.names[name] = builtin(attribute)
        return name

    def type(self, kind: Any) -> str:
        """Name under which the rewritten module finds one of Python's types."""
        name = f"_oracle_type_{kind.__name__}"
        self.names[name] = constructor(kind)
        return name

    def is_scalar_type(self, node: ast.Attribute) -> bool:
        """Whether an expression is `wp.` and a scalar type."""
        return self.is_warp(node) and bool(
            isinstance(kind := self.names.get(f"_oracle_warp_{node.attr}"), Constructor)
            and numpy_scalar(kind.type)
        )

    def is_warp(self, node: ast.expr) -> bool:
        """Whether an expression is `wp.something`."""
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in self.aliases
        )


def _decorators(node: ast.FunctionDef) -> set[str]:
    called = (d.func if isinstance(d, ast.Call) else d for d in node.decorator_list)
    return {d.attr for d in called if isinstance(d, ast.Attribute)}


def _is_overload(node: ast.stmt) -> bool:
    """Whether a statement is `wp.overload(…)`, which only tells Warp what to generate."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr == "overload"
    )


def _name(identifier: str) -> ast.Name:
    return ast.Name(identifier, ast.Load())


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(_name(function), list(arguments), [])


class Body(ast.NodeTransformer):
    """Rewrites one function."""

    def __init__(self, module: Rewriter, function: ast.FunctionDef) -> None:
        self._module = module
        self._function = function
        arguments = function.args
        self._parameters = {a.arg for a in (*arguments.args, *arguments.kwonlyargs)}
        stored = {
            n.id
            for n in ast.walk(function)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        self._locals = self._parameters | stored

    def rewritten(self, joined: bool) -> ast.FunctionDef:
        """The function; `joined` with an earlier one of the same name as its overload."""
        function = self._function
        changed = sorted(self._changed_parts() & self._parameters)
        own = [_assign(_target(name), _call("_oracle_copied", _name(name))) for name in changed]
        function.body = own + self._block(function.body)
        function.args.defaults = [_call("_oracle_resolved", d) for d in function.args.defaults]
        function.decorator_list = (
            [_call("_oracle_overload", _name(function.name))] if joined else []
        )
        return function

    def _changed_parts(self) -> set[str]:
        """Names whose parts are assigned: in C++ parameters are copies of the caller's values."""
        targets = (
            n
            for n in ast.walk(self._function)
            if isinstance(n, (ast.Attribute, ast.Subscript)) and isinstance(n.ctx, ast.Store)
        )
        return {root for n in targets if (root := _root(n))}

    def _block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        return [s for node in body for s in self._statement(node)]

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        result = self.visit(node)
        return result if isinstance(result, list) else [result]

    # --- statements -------------------------------------------------------------------------------

    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        return node if isinstance(node.value, ast.Constant) else ast.Expr(self.visit(node.value))

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        (target,) = node.targets
        if isinstance(target, ast.Tuple):
            value = self._unpacked(node.value, len(target.elts))
            if not all(isinstance(e, ast.Name) for e in target.elts):
                raise NotReplayable("assignment", "to parts of several values at once")
            return _assign(target, value)
        return self._store(target, self._own(node.value))

    def _unpacked(self, node: ast.expr, count: int) -> ast.expr:
        if isinstance(node, ast.Call) and self._is(node.func, "tid"):
            return _call("_oracle_tid", ast.Constant(count))
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self._own(e) for e in node.elts], ast.Load())
        return self.visit(node)

    def _own(self, node: ast.expr) -> ast.expr:
        """The value of an expression, copied where C++ copies and Python shares."""
        value = self.visit(node)
        shares = isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.IfExp))
        return _call("_oracle_copied", value) if shares else value

    def _store(self, target: ast.expr, value: ast.expr) -> ast.stmt:
        match target:
            case ast.Name():
                return _assign(target, value)
            case ast.Subscript():
                place = (self._reference(target.value), self._index(target.slice))
                return ast.Expr(_call("_oracle_set_item", *place, value))
            case ast.Attribute():
                place = (self._reference(target.value), ast.Constant(target.attr))
                return ast.Expr(_call("_oracle_set_attribute", *place, value))
        raise NotReplayable("assignment", type(target).__name__)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        operation = f"_oracle_{type(node.op).__name__}"
        target = node.target
        if isinstance(target, ast.Name):
            value = _call(operation, _name(target.id), self.visit(node.value))
            return _assign(target, value)
        base = self._reference(target.value)
        if isinstance(target, ast.Attribute):
            place, change = ast.Constant(target.attr), "_oracle_change_attribute"
        else:
            place, change = self._index(target.slice), "_oracle_change_item"  # type: ignore[assignment]
        return ast.Expr(_call(change, base, place, _name(operation), self.visit(node.value)))

    def visit_For(self, node: ast.For) -> ast.stmt:
        # Warp drops the `else` of a loop.
        body = [ast.Expr(_call("_oracle_step")), *self._block(node.body)]
        return ast.For(node.target, self._iterable(node.iter), body, [])

    def _iterable(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "range":
                return _call("_oracle_range", *map(self.visit, node.args))
            if node.func.id == "reversed":
                return _call("reversed", _call("list", self._iterable(node.args[0])))
        return self.visit(node)

    def visit_While(self, node: ast.While) -> ast.stmt:
        body = [ast.Expr(_call("_oracle_step")), *self._block(node.body)]
        return ast.While(self.visit(node.test), body, [])

    def visit_If(self, node: ast.If) -> ast.stmt:
        return ast.If(self.visit(node.test), self._block(node.body), self._block(node.orelse))

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        return ast.Return(self._own(node.value) if node.value else None)

    # --- expressions ------------------------------------------------------------------------------

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, (bool, str)) or node.value is None:
            return node
        return _name(self._module.constant(node.value))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._locals:
            return _name(node.id)
        if node.id in _PYTHON:
            return _name(self._module.warp(node.id))
        if node.id in _TYPES:
            return _name(self._module.type(_TYPES[node.id]))
        return _call("_oracle_resolved", node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if self._module.is_warp(node):
            return _name(self._module.warp(node.attr))
        root = _root(node)
        if root and root not in self._locals and _is_path(node):
            return _call("_oracle_resolved", node)
        if node.attr == "dtype":
            return _call("_oracle_dtype_of", self.visit(node.value))
        return _call("_oracle_attribute", self.visit(node.value), ast.Constant(node.attr))

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        return _call("_oracle_item", self.visit(node.value), self._index(node.slice))

    def _index(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Tuple):
            return ast.Tuple([self._index(e) for e in node.elts], ast.Load())
        if isinstance(node, ast.Slice):
            bounds = (node.lower, node.upper, node.step)
            return _call("slice", *(self.visit(b) if b else ast.Constant(None) for b in bounds))
        return self.visit(node)

    def _reference(self, node: ast.expr) -> ast.expr:
        """An expression whose parts are assigned: it must not be a copy."""
        match node:
            case ast.Subscript():
                place = self._index(node.slice)
                return _call("_oracle_reference_item", self._reference(node.value), place)
            case ast.Attribute():
                name = ast.Constant(node.attr)
                return _call("_oracle_reference_attribute", self._reference(node.value), name)
        return self.visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        operation = f"_oracle_{type(node.op).__name__}"
        return _call(operation, self.visit(node.left), self.visit(node.right))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.op, ast.USub):
            if isinstance(node.operand, ast.Constant):
                return _name(self._module.constant(-node.operand.value))  # type: ignore[operator]
            return _call("_oracle_negate", self.visit(node.operand))
        return ast.UnaryOp(node.op, self.visit(node.operand))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        return _call("bool", ast.BoolOp(node.op, [self.visit(v) for v in node.values]))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if self._is(node.func, "static"):
            return _call("_oracle_resolved", node.args[0])
        if self._is(node.func, "tid"):
            return _call("_oracle_tid", ast.Constant(1))
        if isinstance(node.func, ast.Attribute) and node.func.attr in _CHANGING:
            return self._changing(node, *_CHANGING[node.func.attr])
        function = self.visit(node.func)
        if len(node.args) == 1 and not node.keywords and self._takes_literal(node):
            return ast.Call(function, [node.args[0]], [])
        arguments = [self._argument(a) for a in node.args]
        keywords = [ast.keyword(k.arg, self.visit(k.value)) for k in node.keywords]
        return ast.Call(function, arguments, keywords)

    def _argument(self, node: ast.expr) -> ast.expr:
        if isinstance(node, ast.Starred):
            return ast.Starred(self.visit(node.value), ast.Load())
        return self.visit(node)

    def _takes_literal(self, node: ast.Call) -> bool:
        """Whether a call converts a literal, of which Warp then keeps all digits."""
        (argument,) = node.args
        if isinstance(argument, ast.UnaryOp):
            argument = argument.operand
        if not isinstance(argument, ast.Constant):
            return False
        if isinstance(node.func, ast.Name):
            return node.func.id in _TYPES and node.func.id not in self._locals
        if not isinstance(node.func, ast.Attribute):
            return False
        return node.func.attr == "dtype" or self._module.is_scalar_type(node.func)

    def _changing(self, node: ast.Call, function: Any, place: int) -> ast.expr:
        """A call that also changes a variable passed to it: the function gives both values."""
        variable = node.args[place]
        if not isinstance(variable, ast.Name):
            raise NotReplayable("changed_argument", ast.unparse(variable))
        name = f"_oracle_changing_{node.func.attr}"  # type: ignore[attr-defined]
        self._module.names[name] = function
        pair = ast.NamedExpr(_target("_oracle_pair"), _call(name, *map(self.visit, node.args)))
        after = _part(_name("_oracle_pair"), 1)
        # The first of: the result, the variable's new value.
        both = [_part(pair, 0), ast.NamedExpr(_target(variable.id), after)]
        return _part(ast.Tuple(both, ast.Load()), 0)

    def _is(self, node: ast.expr, name: str) -> bool:
        return isinstance(node, ast.Attribute) and self._module.is_warp(node) and node.attr == name


def _target(identifier: str) -> ast.Name:
    return ast.Name(identifier, ast.Store())


def _part(pair: ast.expr, place: int) -> ast.expr:
    return ast.Subscript(pair, ast.Constant(place), ast.Load())


def _assign(target: ast.expr, value: ast.expr) -> ast.Assign:
    return ast.Assign([target], value)


def _root(node: ast.expr) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _is_path(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)
