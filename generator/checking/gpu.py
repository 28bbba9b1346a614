"""Runs rows on a GPU and compares with what the CPU computes, which is what they store."""

import json
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from generator.checking.rows import Problem, Row
from warp_ir_dataset.execution import execute
from warp_ir_dataset.outputs import describe, leaves

# Units in the last place of an array's largest magnitude: a GPU contracts products and sums, has
# another mathematical library and adds atomically in any order. Each is a rounding or a few, and
# those of about a million operations add up, like a random walk, to a thousand.
_ULPS = 1024


def check_on_gpu(pairs: Sequence[Mapping[str, Row]]) -> Iterator[Problem]:
    """What is wrong with rows, each given in both configs by target, on this machine's GPU."""
    for pair in pairs:
        row = pair["cuda"]
        launch = json.loads(row["launch"])
        on_cpu = execute(row["python"], launch)
        stored = json.loads(row["outputs"]).get("arrays")
        if stored is not None and describe(on_cpu)["arrays"] != stored:
            yield Problem(row["id"], "outputs are not those of this machine's CPU")
        try:
            on_gpu = execute(row["python"], launch, "cuda")
        except Exception as error:
            line = str(error).strip().partition("\n")[0]
            yield Problem(row["id"], f"does not run on the GPU: {line}")
            continue
        for array in differing(leaves(on_cpu), leaves(on_gpu)):
            yield Problem(row["id"], f"{array} differs on the GPU")


def differing(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> list[str]:
    """Names of the arrays that two devices wrote differently.

    Floating-point numbers may differ by 1,024 units in the last place of the largest magnitude in
    their array, others not at all.
    """
    return [name for name, values in ours.items() if not _alike(values, theirs[name])]


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    bound = _ULPS * np.spacing(np.max(np.abs(a), initial=0))
    return bool(np.allclose(a, b, rtol=0, atol=float(bound)))
