"""Spellings that say the same: constructors by size, extents, copies, approximate quotients."""

import random

import pytest

from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.expressions import ExpressionPrinter
from generator.synthesis.style import draw
from generator.synthesis.tree import Expr, Name

X, Y = Name("x", T.F32), Name("y", T.F32)
A = Name("a", T.Array(T.F32, 2))
V = Name("v", T.VEC3)
Q = Name("q", T.QUAT)


def spelt(e: Expr, *features: str) -> str:
    """The text of `e` in a style with exactly these features."""
    style = draw(random.Random(1), lambda feature: feature in features)  # type: ignore[arg-type]
    return ExpressionPrinter(style).text(e)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (construct(T.VEC2, X, Y), "wp.vector(x, y)"),
        (construct(T.Vec(5)), "wp.vector(length=5, dtype=float)"),
        (construct(T.Vec(5), 0.0), "wp.vector(0.0, length=5, dtype=float)"),
        (construct(T.MAT22, X, Y, Y, X), "wp.matrix(x, y, y, x, shape=(2, 2), dtype=float)"),
        (construct(T.Vec(2, T.I32), 1, 2), "wp.vec2i(1, 2)"),
    ],
)
def test_a_constructor_without_a_type_name_still_tells_size_and_type(
    value: Expr, text: str
) -> None:
    assert spelt(value, "untyped_constructors") == text


def test_a_pose_is_built_by_its_full_name() -> None:
    assert spelt(construct(T.TRANSFORM, V, Q), "full_constructors") == "wp.transformation(v, q)"


def test_len_stands_for_the_leading_extent_only() -> None:
    assert spelt(A.dim(0), "len_calls") == "len(a)"
    assert spelt(A.dim(1), "len_calls") == "a.shape[1]"


def test_a_copy_is_a_call_of_pos_but_a_conversion_is_not() -> None:
    assert spelt(construct(T.VEC3, V), "operator_calls") == "wp.pos(v)"
    assert spelt(construct(T.I32, wp.argmax(V)), "operator_calls") == "int(wp.argmax(v))"


def test_approximate_quotients_leave_other_operators() -> None:
    assert spelt(X / Y * X, "approximate_division") == "wp.div_approx(x, y) * x"
