"""Constructs that Warp's reverse code does not differentiate, as seen in a program's source.

Warp 1.19 compiles all of them and derives an adjoint that is not the derivative; docs/warp_notes.md
has a minimal case of each. Asked for only when a gradient is wrong, to tell a limit that is known
from a defect that isn't.
"""

import ast
import re
from collections.abc import Iterator

# They vary with a floating argument, but have no adjoint.
_WITHOUT_ADJOINT = re.compile(
    r"frac|sample_cdf|volume_(lookup|store)_[fv]|tile_(full|sort|min|max|reduce|stack_pop)"
    r"|tile_scan_\w+|tile_diag_add|tile_cholesky_(inplace|solve|solve_inplace)"
    r"|tile_(upper_solve|upper_solve_inplace|lower_solve_inplace)"
)
_ROUNDING = re.compile(r"(wp\.)?(rint|round|floor|ceil|trunc|int|u?int\d+)|math\.floor")
_EXTREMUM = re.compile(r"\batomic_(?:min|max)\(\s*(\w+)")
_UNROLLED = 16  # iterations at most of a loop that Warp unrolls


def known_limit(python: str, kernel: str) -> str:
    """Name of the first such construct in a kernel or what it calls, "" if there is none.

    Rounding comes last: its adjoint is right, and the differences mislead.
    """
    reached = _reached(ast.parse(python), kernel)
    nodes = [node for definition in reached for node in ast.walk(definition)]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    pairs = {f.name for f in functions if any(map(_returns_tuple, ast.walk(f)))}
    checks = {
        "native_code_without_adjoint": any(map(_is_native, functions)),
        "builtin_without_adjoint": any(map(_is_builtin, nodes)),
        "loop_state_not_replayed": any(map(_carries_state, functions)),
        "pointer_view": any(map(_is_pointer_view, nodes)),
        "component_assigned": any(map(_assigns_component, functions)),
        "tuple_indexed": any(_keeps_tuple(node, pairs) for node in nodes),
        "rounds_to_integers": any(map(_rounds, nodes)),
    }
    return next((name for name, found in checks.items() if found), "")


def _reached(module: ast.Module, name: str) -> list[ast.stmt]:
    """Statements of a module that a name leads to: functions, classes, assignments."""
    definitions: dict[str, list[ast.stmt]] = {}
    for node in module.body:
        names = _set(node)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = iter([node.name])
        for defined in names:
            definitions.setdefault(defined, []).append(node)
    waiting, reached = [name], []
    while waiting:
        for node in definitions.pop(waiting.pop(), []):
            reached.append(node)
            waiting += [n.id for n in ast.walk(node) if isinstance(n, ast.Name)]
    return reached


def extremum_arrays(python: str) -> frozenset[str]:
    """Names of arrays whose minimum or maximum is taken in place: what they began with counts as
    an input to Warp's reverse code even where it was replaced."""
    return frozenset(_EXTREMUM.findall(python))


def _is_native(function: ast.FunctionDef) -> bool:
    calls = [node for node in function.decorator_list if isinstance(node, ast.Call)]
    natives = [c for c in calls if ast.unparse(c.func).endswith("func_native")]
    return any(len(c.args) + len(c.keywords) < 2 for c in natives)


def _is_builtin(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and bool(_WITHOUT_ADJOINT.fullmatch(node.attr))


def _carries_state(function: ast.FunctionDef) -> bool:
    """Whether a loop that isn't unrolled changes a variable that outlives an iteration."""
    for loop in ast.walk(function):
        if not isinstance(loop, ast.For | ast.While) or _is_unrolled(loop):
            continue
        inside = set(ast.walk(loop))
        outside = {name for node in ast.walk(function) if node not in inside for name in _set(node)}
        if any(name in outside for node in inside for name in _set(node)):
            return True
    return False


def _is_unrolled(loop: ast.For | ast.While) -> bool:
    if isinstance(loop, ast.While) or not isinstance(loop.iter, ast.Call):
        return False
    if ast.unparse(loop.iter.func) != "range":
        return False
    if any(isinstance(node, ast.Break | ast.Continue) for node in ast.walk(loop)):
        return False
    try:
        return len(range(*map(ast.literal_eval, loop.iter.args))) <= _UNROLLED
    except ValueError:
        return False


def _set(node: ast.AST) -> Iterator[str]:
    """Names of the variables that a statement gives a value."""
    for target in _targets(node):
        elements = target.elts if isinstance(target, ast.Tuple) else [target]
        yield from (e.id for e in elements if isinstance(e, ast.Name))


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return node.targets
    return [node.target] if isinstance(node, ast.AugAssign) else []


def _assigns_component(function: ast.FunctionDef) -> bool:
    """Whether an element or field of a local variable is assigned, or a part of a transform set."""
    local = {name for node in ast.walk(function) for name in _set(node)}
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and "transform_set_" in ast.unparse(node.func):
            return True
        for target in _targets(node):
            base = target
            while isinstance(base, ast.Attribute | ast.Subscript):
                base = base.value
            if base is not target and isinstance(base, ast.Name) and base.id in local:
                return True
    return False


def _is_pointer_view(node: ast.AST) -> bool:
    """Whether an array is made over a pointer: it has no gradient of its own."""
    return isinstance(node, ast.Call) and any(k.arg == "ptr" for k in node.keywords)


def _rounds(node: ast.AST) -> bool:
    """Whether a value is made a whole number: differences see the slope of its stairs."""
    return isinstance(node, ast.Call) and bool(_ROUNDING.fullmatch(ast.unparse(node.func)))


def _returns_tuple(node: ast.AST) -> bool:
    return isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple)


def _keeps_tuple(node: ast.AST, pairs: set[str]) -> bool:
    """Whether several values are given one name, as those that a function returns."""
    if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
        return False
    if isinstance(node.value, ast.Tuple):
        return True
    called = node.value.func if isinstance(node.value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id in pairs
