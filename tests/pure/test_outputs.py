"""The `outputs` column says exactly what was written, in one form on every machine."""

import hashlib
import json

import numpy as np

from warp_ir_dataset.outputs import describe, leaves

PARTICLES = np.zeros(3, dtype=[("position", "f4", 3), ("body", [("mass", "f8"), ("id", "i2")])])


def test_an_array_is_described_by_its_bytes_and_first_values():
    values = np.arange(12, dtype=np.float32).reshape(4, 3) / 2
    assert describe({"y": values}) == {
        "arrays": {
            "y": {
                "dtype": "float32",
                "shape": [4, 3],
                "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
                "first": [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5],
            }
        }
    }


def test_neither_layout_nor_byte_order_matters():
    values = np.arange(12, dtype=np.int32).reshape(4, 3)
    for same in (np.asfortranarray(values), values.astype(">i4"), values[:]):
        assert describe({"y": same}) == describe({"y": values})


def test_one_bit_changes_the_description():
    values = np.zeros(100, dtype=np.float64)
    changed = values.copy()
    changed[99] = -0.0
    assert describe({"y": values}) != describe({"y": changed})


def test_structs_are_taken_apart_to_their_numbers():
    names = ["p.position", "p.body.mass", "p.body.id"]
    assert list(leaves({"p": PARTICLES})) == names
    assert describe({"p": PARTICLES})["arrays"]["p.position"]["shape"] == [3, 3]


def test_padding_of_structs_is_no_output():
    padded = np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True))
    other = np.frombuffer(b"\xff" * padded.nbytes, dtype=padded.dtype).copy()
    other["a"], other["b"] = 0, 0.0
    assert describe({"s": other}) == describe({"s": padded})


def test_every_type_of_number_is_json():
    for dtype in ("f2", "f4", "f8", "i1", "u1", "i8", "u8", "?"):
        json.dumps(describe({"y": np.ones(2, dtype=dtype)}), allow_nan=False)
