"""What two devices may differ by, without a GPU."""

import numpy as np

from generator.checking.gpu import differing

X = np.linspace(1.0, 2.0, 8, dtype=np.float32)


def test_roundings_are_alike_and_more_than_roundings_differ() -> None:
    assert differing({"x": X}, {"x": X * np.float32(1.00001)}) == []
    assert differing({"x": X}, {"x": X * np.float32(1.001)}) == ["x"]


def test_integers_are_equal_or_differ() -> None:
    counts = np.arange(4)
    assert differing({"n": counts}, {"n": counts.copy()}) == []
    assert differing({"n": counts}, {"n": counts + 1}) == ["n"]


def test_what_is_not_finite_differs() -> None:
    assert differing({"x": X}, {"x": X * np.float32(np.nan)}) == ["x"]
