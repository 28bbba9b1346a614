"""What recipes of the less usual arguments make."""

import numpy as np
import pytest
import warp as wp

from generator.synthesis import recipes as R
from warp_ir_dataset.recipes import Arguments, Recipe


@wp.struct
class Inner:
    gain: float


@wp.struct
class Outer:
    inner: Inner
    level: float


def made(recipe: Recipe) -> object:
    launch = {"seed": 3, "args": {"a": recipe}}
    return Arguments(launch, {"Inner": Inner, "Outer": Outer}).make()["a"]


@pytest.mark.parametrize("shape", [(5,), (5, 3)])
def test_an_indexed_array_shows_rows_of_a_larger_one(shape: tuple[int, ...]) -> None:
    array = made(R.indexed_array("float32", shape, 9, R.arange()))
    assert isinstance(array, wp.indexedarray)
    assert array.shape == shape
    width = int(np.prod(shape[1:]))
    rows = array.numpy().reshape(shape[0], width)
    assert np.all(rows % width == np.arange(width))
    assert rows.max() < 9 * width


def test_an_absent_array_is_none() -> None:
    assert made(R.none()) is None


def test_bfloat16_arrays_hold_the_rounded_values() -> None:
    array = made(R.array("bfloat16", (3,), R.values([1.0, -2.0, 0.5]), "in"))
    assert isinstance(array, wp.array)
    bits = array.view(wp.uint16).numpy().astype(np.uint32) << 16
    assert np.array_equal(bits.view(np.float32), [1.0, -2.0, 0.5])


def test_structs_within_an_array_of_structs_are_filled() -> None:
    below = R.struct("Inner", {"gain": R.array("float32", (4,), R.constant(2.5), "in")})
    level = R.array("float32", (4,), R.constant(7.0), "in")
    array = made(R.struct_array("Outer", (4,), {"inner": below, "level": level}, "in"))
    assert isinstance(array, wp.array)
    records = array.numpy()
    assert np.all(records["inner"]["gain"] == 2.5)
    assert np.all(records["level"] == 7.0)
