"""Shares: what is measured on the kernel's own definition.

The reference figures of hand-written code are measured so too; on kernels of known shares these
detectors reproduce them.
"""

import ast
import re
from collections.abc import Callable

from generator.synthesis.detection.facts import Definition, called, literal_range, range_of

_PYTHON_CALLS = frozenset(
    (
        "range",
        "reversed",
        "float",
        "int",
        "bool",
        "min",
        "max",
        "abs",
        "len",
        "print",
        "round",
        "pow",
        "type",
    )
)
_DOUBLE = re.compile(r"float64|(vec\d|mat\d\d|quat|transform|spatial_vector|spatial_matrix)d")
_HIGHER_ARRAY = re.compile(r"array[234]d|ndim=[234]")
_RANDOM = ("rand", "sample_", "poisson", "noise", "pnoise", "curlnoise")
KernelDetector = Callable[[Definition], object]


def _spells(*prefixes: str) -> KernelDetector:
    """Some ``wp.name`` begins with one of `prefixes`."""
    return lambda k: any(name.startswith(prefixes) for name in k.spelt)


def _calls(*prefixes: str) -> KernelDetector:
    full = tuple(f"wp.{p}" for p in prefixes)
    return lambda k: any(name.startswith(full) for name in k.calls)


def _types(pattern: str) -> KernelDetector:
    """A type by Warp's name for it or by a name that the module gives to it."""
    matches = re.compile(pattern).match
    return lambda k: any(map(matches, k.spelt | k.names))


def tid_values(k: Definition) -> int:
    """Number of values that `wp.tid()` is unpacked into."""
    unpacked = (
        len(a.targets[0].elts)
        for a in k.all(ast.Assign)
        if isinstance(a.targets[0], ast.Tuple)
        and isinstance(a.value, ast.Call)
        and called(a.value) == "wp.tid"
    )
    return max(unpacked, default=1)


def _user_call(k: Definition) -> bool:
    """Something is called that is neither Warp's nor Python's, nor a dtype."""
    for call in k.all(ast.Call):
        if isinstance(call.func, ast.Name) and call.func.id not in _PYTHON_CALLS:
            return True
    return False


def _array_augassign(k: Definition) -> bool:
    return any(isinstance(a.target, ast.Subscript) for a in k.all(ast.AugAssign))


def _struct_argument(k: Definition) -> bool:
    plain = ("int", "float", "bool", "Any")
    return any(
        isinstance(a.annotation, ast.Name) and a.annotation.id not in plain
        for a in k.node.args.args
    )


SHARES: dict[str, KernelDetector] = {
    "branch": lambda k: k.has(ast.If),
    "loop": lambda k: k.has(ast.For, ast.While),
    "for_dynamic": lambda k: any(range_of(f) and not literal_range(f) for f in k.all(ast.For)),
    "for_const": lambda k: any(map(literal_range, k.all(ast.For))),
    "while_": lambda k: k.has(ast.While),
    "nested_control": lambda k: k.nesting > 1,
    "early_return": lambda k: k.has(ast.Return),
    "boolop": lambda k: k.has(ast.BoolOp),
    "else_": lambda k: any(i.orelse for i in k.all(ast.If)),
    "user_func": _user_call,
    "docstring": lambda k: k.docstring,
    "generic": lambda k: "Any" in k.annotations,
    "closure": lambda k: k.outer,
    "ndim2": lambda k: _HIGHER_ARRAY.search(k.annotations),
    "tid_multi": lambda k: tid_values(k) > 1,
    "vec": _types(r"vec[\dt]"),
    "mat": _types(r"mat(\d\d|rix)"),
    "quat": _spells("quat"),
    "transform": _spells("transform"),
    "spatial": _spells("spatial"),
    "f64": lambda k: any(map(_DOUBLE.fullmatch, k.spelt | k.names)),
    "i64": lambda k: not {"int64", "uint64"}.isdisjoint(k.spelt),
    "atomic": lambda k: _calls("atomic_")(k) or _array_augassign(k),
    "no_backward": lambda k: k.options.get("enable_backward") is False,
    # rare in hand-written code: wanted at least as often
    "tile": _calls("tile"),
    "struct": _struct_argument,
    "mesh_bvh": _spells("mesh_", "bvh_"),
    "volume": lambda k: any("volume" in name for name in k.spelt),
    "hash_grid": _spells("hash_grid"),
    "random": _calls(*_RANDOM),
    "texture": lambda k: any("texture" in name.lower() for name in k.spelt),
}
# Those of SHARES that may be exceeded.
RARE = ("tile", "struct", "while_", "mesh_bvh", "volume", "hash_grid", "random", "texture")
