"""Fingerprints see structure and nothing else."""

import ast

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_modules import CONSTANTS, FIELDS, IDENTIFIERS, modules
from reference_keys import reference_alpha, reference_skeleton

from generator.curation.fingerprints import fingerprints

MODULE = """
import warp as wp

@wp.struct
class Params:
    gain: float
    offset: wp.vec3

@wp.func
def scaled(value: float, params: Params):
    return value * params.gain

@wp.kernel
def apply(values: wp.array[float], grid: wp.array2d[wp.vec3], params: Params):
    i = wp.tid()
    if values[i] > 0.5:
        values[i] = scaled(values[i], params) + 2.0
    grid[i, 0] = params.offset
"""


def edited(*edits: tuple[str, str]) -> str:
    text = MODULE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return text


SAME_PROGRAM = {
    "other names": [("values", "x"), ("scaled", "g"), ("gain", "k"), ("Params", "P")],
    "docstrings": [
        ("import warp as wp", '"""Module."""\nimport warp as wp'),
        ("class Params:", 'class Params:\n    """Struct."""'),
        ("    i = wp.tid()", '    """Kernel."""\n    i = wp.tid()'),
    ],
    "other style of array annotation": [
        ("wp.array[float]", "wp.array(dtype=float)"),
        ("wp.array2d[wp.vec3]", "wp.array(dtype=wp.vec3, ndim=2)"),
    ],
    "array1d": [("wp.array[float]", "wp.array1d[float]")],
    "array2d called": [("wp.array2d[wp.vec3]", "wp.array2d(dtype=wp.vec3)")],
    "aliases of types": [(": float", ": wp.float32"), ("wp.vec3", "wp.vec3f")],
    "return annotation": [("Params):\n    return", "Params) -> float:\n    return")],
    "returns None": [("Params):\n    i", "Params) -> None:\n    i")],
    "decorator called": [("@wp.kernel", "@wp.kernel()")],
    "module named": [("import warp as wp", "import warp"), ("wp.", "warp.")],
    "comment and spacing": [("    i = wp.tid()", "    # the thread\n\n    i=wp.tid()")],
    "unused import": [("import warp as wp", "import warp as wp\nfrom typing import Any")],
    "pass": [("    i = wp.tid()", "    pass\n    i = wp.tid()")],
}

OTHER_PROGRAM = {
    "operator": [("+ 2.0", "- 2.0")],
    "builtin": [("wp.tid()", "wp.block_dim()")],
    "condition gone": [("    if values[i] > 0.5:\n    ", "")],
    "argument more": [("params: Params):\n    i", "params: Params, n: int):\n    i")],
    "precision": [("values: wp.array[float]", "values: wp.array[wp.float64]")],
    "dimensions": [("grid: wp.array2d", "grid: wp.array")],
    "type of a constant": [("+ 2.0", "+ 2")],
    "other variable": [("grid[i, 0] = params.offset", "grid[i, i] = params.offset")],
    "field": [("values[i] > 0.5", "params.gain > 0.5")],
}


@pytest.mark.parametrize("edits", SAME_PROGRAM.values(), ids=SAME_PROGRAM)
def test_cosmetics_change_neither_key(edits):
    assert fingerprints(edited(*edits)) == fingerprints(MODULE)


@pytest.mark.parametrize("edits", OTHER_PROGRAM.values(), ids=OTHER_PROGRAM)
def test_structure_changes_both_keys(edits):
    ours, other = fingerprints(MODULE), fingerprints(edited(*edits))
    assert ours.alpha != other.alpha
    assert ours.skeleton != other.skeleton


def test_a_constant_changes_alpha_alone():
    ours, other = fingerprints(MODULE), fingerprints(edited(("2.0", "3.0")))
    assert ours.alpha != other.alpha
    assert ours.skeleton == other.skeleton


def test_dimensions_beyond_one_change_alpha_alone():
    three = fingerprints(edited(("wp.array2d", "wp.array3d")))
    assert three == fingerprints(edited(("wp.array2d[wp.vec3]", "wp.array(dtype=wp.vec3, ndim=3)")))
    assert three.alpha != fingerprints(MODULE).alpha
    assert three.skeleton == fingerprints(MODULE).skeleton


def test_keys_are_stable():
    """A change of the keys moves programs between splits: a decision, not an accident."""
    keys = fingerprints(MODULE)
    assert (keys.alpha[:8], keys.skeleton[:8]) == ("e6007e2c", "e07bff39")


@st.composite
def fillings(draw):
    """What goes into the holes of a module."""
    names = draw(st.lists(st.sampled_from(IDENTIFIERS), min_size=6, max_size=6))
    fields = draw(st.lists(st.sampled_from(FIELDS), min_size=3, max_size=3))
    constants = draw(st.lists(st.sampled_from(CONSTANTS), min_size=4, max_size=4))
    return names, fields, constants


@st.composite
def renamings(draw, filling):
    """A filling that differs in names, or in constants of the same types."""
    names, fields, constants = filling
    name_of = dict(zip(IDENTIFIERS, draw(st.permutations(IDENTIFIERS)), strict=True))
    field_of = dict(zip(FIELDS, draw(st.permutations(FIELDS)), strict=True))
    return (
        [name_of[name] for name in names],
        [field_of[field] for field in fields],
        draw(st.just(constants) | st.tuples(*map(constants_like, constants))),
    )


def constants_like(constant):
    kind = type(ast.literal_eval(constant))
    return st.sampled_from([c for c in CONSTANTS if type(ast.literal_eval(c)) is kind])


@st.composite
def pairs(draw):
    """Two fillings of one module, more or less alike."""
    module, first = draw(modules), draw(fillings())
    second = draw(renamings(first) | fillings())
    return filled(module, *first), filled(module, *second)


def filled(module, names, fields, constants):
    holes = {f"n{i}": name for i, name in enumerate(names)}
    holes |= {f"f{i}": field for i, field in enumerate(fields)}
    holes |= {f"c{i}": constant for i, constant in enumerate(constants)}
    return module.format(**holes)


def parses(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs())
def test_equal_by_definition_means_equal_here(pair):
    """Rows that are distinct by our keys are distinct by the definition's."""
    one, other = pair
    assume(parses(one) and parses(other))
    ours, theirs = fingerprints(one), fingerprints(other)
    if reference_skeleton(one) == reference_skeleton(other):
        assert ours.skeleton == theirs.skeleton
    if reference_alpha(one) == reference_alpha(other):
        assert ours.alpha == theirs.alpha
    if ours.alpha == theirs.alpha:
        assert ours.skeleton == theirs.skeleton
