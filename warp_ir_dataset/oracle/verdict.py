"""Replays a program and compares: the whole of the check."""

from collections.abc import Callable
from typing import Any

import numpy as np

from warp_ir_dataset.oracle.agreement import ROUNDINGS, Agreement, Outputs, agreement
from warp_ir_dataset.oracle.errors import NotReplayable, OutOfRange
from warp_ir_dataset.oracle.machine import cut_dim, replay_python


def replay_verdict(
    python: str,
    launch: dict[str, Any],
    run: Callable[[list[int]], Outputs],
    name: str = "replayed",
) -> Agreement:
    """Whether a compiled program computes what CPython does.

    Both run the launch cut down by `cut_dim`, from fresh arguments.

    Args:
        python: a row's `python` column.
        launch: its parsed `launch` column.
        run: runs the compiled program over dimensions and gives what it wrote.
        name: what modules made of the program are called.
    """
    dim = cut_dim(launch)
    try:
        replayed = replay_python(python, launch, dim, name=name)
    except NotReplayable as error:
        return Agreement("not_applicable", error.reason, error.detail)
    except OutOfRange as error:
        return Agreement("failed", "out_of_range", str(error))
    compiled = run(dim)
    plain = agreement(compiled, replayed)
    if plain.outcome == "passed":
        return plain
    try:
        rounded = [
            replay_python(python, launch, dim, np.random.default_rng(turn), name)
            for turn in range(ROUNDINGS)
        ]
    except (NotReplayable, OutOfRange) as error:
        if isinstance(error, NotReplayable) and error.reason != "too_long":
            return plain
        # Rounding alone leads the program astray: what it computes here isn't determined.
        return Agreement("inconclusive", "ill_conditioned", str(error))
    return agreement(compiled, replayed, rounded)
