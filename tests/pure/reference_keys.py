"""The two structural keys by their definition: a renamed syntax tree, dumped as text.

Slow and plain on purpose: `generator.curation.fingerprints` is checked against it.
"""

import ast

KEPT = ("wp", "warp", "range", "float", "int", "bool", "True", "False", "min", "max", "abs", "len")


class _Renamer(ast.NodeTransformer):
    def __init__(self, anonymous_constants: bool) -> None:
        self.anonymous_constants = anonymous_constants
        self.numbers: dict[str, str] = {}

    def rename(self, name: str) -> str:
        return self.numbers.setdefault(name, f"v{len(self.numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id not in KEPT:
            node.id = self.rename(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        self.generic_visit(node)
        node.arg = self.rename(node.arg)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self.rename(node.name)
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        node.name = self.rename(node.name)
        self.generic_visit(node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        base = node.value
        if _is_warp(base):
            return node
        self.generic_visit(node)
        if not (isinstance(base, ast.Attribute) and _is_warp(base.value)):
            node.attr = self.rename("." + node.attr)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if self.anonymous_constants:
            node.value = type(node.value).__name__
        return node


def _is_warp(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("wp", "warp")


def reference_alpha(source: str) -> str:
    """Identifiers renamed in order of first use."""
    return ast.dump(_Renamer(anonymous_constants=False).visit(ast.parse(source)))


def reference_skeleton(source: str) -> str:
    """Constants reduced to their types too."""
    return ast.dump(_Renamer(anonymous_constants=True).visit(ast.parse(source)))
