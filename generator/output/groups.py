"""Groups of features and builtins: the columns of the coverage matrix."""

from collections.abc import Iterable
from functools import cache

from generator.synthesis.coverage import reference

# Features of a program by what they have in common. What builtins tell too, such as tiles or
# meshes, is left to their groups; cosmetics count as nothing.
CONSTRUCT_GROUPS: dict[str, tuple[str, ...]] = {
    "branches": ("branch", "else", "ternary", "boolop", "chained_comparison"),
    "loops": ("loop",),
    "exits": ("early_return", "break", "continue"),
    "functions": ("user_func", "multiple_return", "keyword_argument", "overload"),
    "gradients, native": ("custom_gradient", "grad", "native"),
    "generics": ("generic",),
    "closures": ("closure", "method_kernel"),
    "structs, enums": ("struct", "enum"),
    "2-D to 4-D": ("ndim2", "array_view"),
    "vectors": ("vec", "mat", "component_assign"),
    "poses": ("quat", "transform", "spatial"),
    "bits, widths": ("bitops", "f16", "f64", "i64", "small_int", "uint32", "uint64"),
    "atomics": ("atomic",),
    "options": ("no_backward", "unique_module", "launch_bounds", "module_options", "grid_stride"),
}
# Warp's own groups of builtins, under shorter names.
_BUILTIN_GROUPS = {
    "Scalar Math": "scalar",
    "Vector Math": "vector",
    "Quaternion Math": "quaternion",
    "Transformations": "transform",
    "Spatial Math": "spatial",
    "Operators": "operators",
    "Utility": "utility",
    "Code Generation": "utility",
    "Other": "utility",
    "Random": "random",
    "Geometry": "geometry",
    "Volumes": "volume",
    "Textures": "texture",
    "Tile Primitives": "tile",
}
BUILTIN_GROUPS = tuple(dict.fromkeys(_BUILTIN_GROUPS.values()))
# Every kernel asks for its thread index; in "utility" it would hide the others.
_EVERYWHERE = "tid"


def construct_groups(features: Iterable[str]) -> set[str]:
    """The groups that a program's features belong to."""
    groups = _group_of_feature()
    return {groups[name] for name in features if name in groups}


def builtin_groups(builtins: Iterable[str]) -> set[str]:
    """The groups that the builtins which a program calls belong to."""
    groups = _group_of_builtin()
    return {groups[name] for name in builtins if name in groups}


@cache
def _group_of_feature() -> dict[str, str]:
    return {name: group for group, names in CONSTRUCT_GROUPS.items() for name in names}


@cache
def _group_of_builtin() -> dict[str, str]:
    by_group: dict[str, list[str]] = reference()["builtins"]
    return {
        name: _BUILTIN_GROUPS[group]
        for group, names in by_group.items()
        for name in names
        if name != _EVERYWHERE
    }
