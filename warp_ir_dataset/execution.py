"""Runs a program from its launch recipe.

This runs the program's code in the calling process: do it for rows you trust, or in a process of
its own.
"""

import hashlib
import sys
from types import ModuleType
from typing import Any

import numpy as np

from warp_ir_dataset.recipes import Arguments, load_module, outputs


def execute(python: str, launch: dict[str, Any], device: str = "cpu") -> dict[str, np.ndarray]:
    """The arrays that the kernel wrote, by argument name.

    Args:
        python: the row's `python` column.
        launch: its parsed `launch` column.
    """
    import warp as wp

    namespace = _module(python).__dict__
    kernel = namespace[launch["kernel"]]
    maker = Arguments(launch, namespace, device)  # owns the meshes and grids behind the handles
    arguments = maker.make()
    options = launch["options"]
    # A CPU block has one thread, except where tiles need the threads of a block together.
    block_dim = options["block_dim"] if device != "cpu" or options.get("tiled") else 1
    wp.launch(
        kernel,
        dim=launch["dim"],
        inputs=[arguments[parameter.label] for parameter in kernel.adj.args],
        device=device,
        block_dim=block_dim,
    )
    wp.synchronize_device(device)
    maker.alive.clear()
    return outputs(launch, arguments)


def _module(python: str) -> ModuleType:
    """The program, executed once in this process: Warp keeps the first kernel of equal source in a
    module of its own, and with it that definition's structs."""
    name = f"program_{hashlib.sha256(python.encode()).hexdigest()[:16]}"
    return sys.modules.get(name) or load_module(python, name)
