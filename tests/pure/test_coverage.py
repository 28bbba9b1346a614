"""What programs cover, and that what measures this can tell."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from construct_snippets import NEAR_MISSES, PLAIN, USES, calling, func, kernel

from generator.config import load_config
from generator.output.groups import BUILTIN_GROUPS, CONSTRUCT_GROUPS, builtin_groups
from generator.synthesis.api import synthesise
from generator.synthesis.coverage import (
    EXCEPTIONS,
    Measured,
    QuantileRow,
    Sample,
    ShareRow,
    measure,
    reference,
    wanted_builtins,
)
from generator.synthesis.detection.constructs import CONSTRUCTS
from generator.synthesis.detection.shares import SHARES

CONFIG = load_config(Path(__file__).parents[2] / "configs" / "v1.yaml")


@cache
def draw(count: int) -> tuple[Sample, Counter[str]]:
    """The programs that a release begins with, and how many have each feature."""
    drawn, features = Sample(), Counter[str]()
    for index in range(count):
        program = synthesise(CONFIG.synthesis, CONFIG.seed, index)
        drawn.add(measure(program.python))
        features.update(program.features)
    return drawn, features


def sample(count: int) -> Sample:
    return draw(count)[0]


def test_exceptions_are_few_and_each_has_a_reason() -> None:
    assert len(EXCEPTIONS) <= 10
    known = CONSTRUCTS.keys() | {n for names in reference()["builtins"].values() for n in names}
    for name, reason in EXCEPTIONS.items():
        assert name in known
        assert len(reason.split()) >= 4


def test_nearly_all_builtins_are_called_in_a_small_sample() -> None:
    drawn = sample(3000)
    wanted = wanted_builtins()
    assert sum(drawn.builtins[name] > 0 for name in wanted) >= 0.95 * len(wanted)


def test_nearly_all_constructs_are_used_in_a_small_sample() -> None:
    drawn = sample(3000)
    wanted = [name for name in CONSTRUCTS if name not in EXCEPTIONS]
    assert sum(drawn.constructs[name] > 0 for name in wanted) >= 0.95 * len(wanted)


@pytest.mark.slow
def test_every_builtin_and_construct_is_used_again_and_again_in_a_large_sample() -> None:
    drawn = sample(20_000)
    assert drawn.rare_builtins() == []
    assert drawn.rare_constructs() == []


@pytest.mark.slow
def test_a_large_sample_resembles_hand_written_kernels_in_every_share_and_length() -> None:
    rows = [*sample(20_000).share_rows(), *sample(20_000).quantile_rows()]
    assert [row for row in rows if not row.ok] == []


def test_exceptions_are_left_out_indeed() -> None:
    drawn = sample(3000)
    assert [name for name in EXCEPTIONS if drawn.builtins[name] + drawn.constructs[name]] == []


def test_every_feature_of_the_matrix_is_one_that_programs_have() -> None:
    _, features = draw(3000)
    assert {name for names in CONSTRUCT_GROUPS.values() for name in names} <= features.keys()


def test_every_builtin_is_in_a_group_of_the_matrix() -> None:
    for name in wanted_builtins().keys() - {"tid"}:
        assert builtin_groups([name]) <= set(BUILTIN_GROUPS)
        assert builtin_groups([name]), name


def test_kernels_use_most_of_the_language_about_as_often_as_hand_written_ones() -> None:
    rows = sample(3000).share_rows()
    out = [f"{r.name}: {r.ours:.1f}, {r.real:.1f}" for r in rows if not r.ok]
    assert len(out) <= 1, out  # a sample of this size strays by a point or two


def test_kernels_are_about_as_long_as_hand_written_ones() -> None:
    rows = [r for r in sample(3000).quantile_rows() if r.quantity != "nest"]
    out = [f"{r.quantity} {r.name}: {r.ours}, {r.real}" for r in rows if not r.ok]
    assert len(out) <= 1, out


def test_every_detector_of_a_construct_has_an_example() -> None:
    assert USES.keys() == CONSTRUCTS.keys()


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_a_construct_is_found_where_it_is_and_nowhere_else(name: str) -> None:
    assert name in measure(USES[name]).constructs
    for python in (PLAIN, *NEAR_MISSES.get(name, ())):
        assert name not in measure(python).constructs, python


SHARE_EXAMPLES: dict[str, str] = {
    "branch": kernel("if i > 0:\n    x[i] = 0.0"),
    "loop": USES["while"],
    "for_dynamic": USES["for range dynamic"],
    "for_const": USES["for range const (unrolled)"],
    "while_": USES["while"],
    "nested_control": kernel("for j in range(i):\n    if j > 1:\n        x[j] = 0.0"),
    "early_return": USES["return in kernel (guard)"],
    "boolop": USES["and/or/not"],
    "else_": USES["if/elif/else"],
    "user_func": calling(func("return v")),
    "docstring": USES["docstring"],
    "generic": USES["generic kernel Any + overload"],
    "closure": USES["closure captured constant/func"],
    "ndim2": PLAIN.replace("x: wp.array(dtype=float)", "x: wp.array(dtype=float, ndim=2)"),
    "tid_multi": USES["tid 3D/4D + array4d"],
    "vec": USES["vec negative index"],
    "mat": USES["mat @ vec / mat @ mat"],
    "quat": kernel("x[i] = wp.quat_rotate(q, wp.vec3(1.0))[0]", "q: wp.quat"),
    "transform": kernel("x[i] = 0.0", "q: wp.transform"),
    "spatial": kernel("x[i] = 0.0", "q: wp.spatial_vector"),
    "f64": kernel("x[i] = 0.0", "q: wp.vec3d"),
    "i64": kernel("x[i] = 0.0", "mesh: wp.uint64"),
    "atomic": kernel("wp.atomic_max(x, 0, 1.0)"),
    "no_backward": USES["kernel enable_backward=False"],
    "tile": USES["tile arithmetic/slicing"],
    "struct": USES["struct"],
    "mesh_bvh": kernel("q = wp.mesh_query_point(m, wp.vec3(0.0), 1.0)", "m: wp.uint64"),
    "volume": kernel("x[i] = wp.volume_sample_f(v, wp.vec3(0.0), 1)", "v: wp.uint64"),
    "hash_grid": kernel("j = wp.hash_grid_point_id(g, i)", "g: wp.uint64"),
    "random": kernel("r = wp.rand_init(7, i)"),
    "texture": USES["Texture arg"],
}


@pytest.mark.parametrize("name", SHARES)
def test_a_share_counts_kernels_that_have_it_and_no_others(name: str) -> None:
    plain = PLAIN.replace("array2d", "array")
    assert name in measure(SHARE_EXAMPLES[name]).shares
    assert name not in measure(plain).shares


def test_shares_look_at_the_kernel_alone() -> None:
    inside = func("if v > 1.0 and v < 2.0:\n    return wp.vec3(v)[0]\nreturn v")
    assert measure(calling(inside)).shares == {"user_func", "ndim2"}


def test_calls_are_counted_and_annotations_are_not() -> None:
    python = calling(func("return wp.sin(v)", returns=" -> wp.vec3(float)"), "float(len(f(x[i])))")
    assert measure(python).builtins == {"tid", "sin", "len"}


def test_a_gather_through_an_index_tile_counts_as_a_call_and_a_view_of_an_array_does_not() -> None:
    program = """
@wp.kernel
def pick(table: wp.array2d[float], ids: wp.array[int], out: wp.array2d[float]):
    i = wp.tid()
    row = ids[i]
    x = wp.tile_load(table, shape=(8, 4))
    index = wp.tile_load(ids, shape=4)
    wp.tile_store(out, {read})
"""
    gathered = measure(program.format(read="x[index, :]"))
    viewed = measure(program.format(read="x[row, :]"))
    assert "tile_slice_indexed" in gathered.builtins
    assert "tile_slice_indexed" not in viewed.builtins


def test_lengths_leave_out_blanks_comments_and_decorators() -> None:
    python = kernel("# clears\nx[i] = 0.0\n\nif i > 0:\n    for j in range(i):\n        x[j] = 1.0")
    assert measure(python).lengths == {"loc": 6, "args": 2, "nest": 2}


def test_a_share_or_length_out_of_range_is_told() -> None:
    assert not ShareRow("loop", 46.0, 37.1, rare=False).ok
    assert not ShareRow("loop", 28.0, 37.1, rare=False).ok
    assert ShareRow("loop", 40.0, 37.1, rare=False).ok
    assert ShareRow("tile", 20.0, 5.9, rare=True).ok
    assert not ShareRow("tile", 5.0, 5.9, rare=True).ok
    assert not QuantileRow("loc", "p90", 60.0, 91.0).ok
    assert QuantileRow("nest", "p25", 0.0, 0.0).ok


def test_what_too_few_programs_use_is_listed_rarest_first() -> None:
    times = {"sin": 0, "cos": 3, "tan": 4}  # of 4,000 programs, 4 are enough
    others = frozenset(wanted_builtins()) - times.keys()
    drawn = Sample()
    for index in range(4000):
        called = others | {name for name, count in times.items() if index < count}
        drawn.add(Measured(frozenset(), frozenset(), called, {}))
    assert drawn.rare_builtins() == [("sin", 0), ("cos", 3)]
