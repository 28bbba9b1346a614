"""A row put back into the form that Warp's compilers take."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from warp_ir_dataset.manifest import DEFAULT_DATA_DIR, DatasetNotBuilt
from warp_ir_dataset.prelude import assemble

# Warp's default for the GPU; on the CPU a block is one thread.
_CUDA_BLOCK_DIM = 256


def translation_unit(
    row: Mapping[str, Any], prelude: str | None = None, data_dir: str | Path | None = None
) -> str:
    """The full source text of which a row's `code` is the part that varies.

    It compiles with Warp's `native` folder on the include path.

    Args:
        row: a row with at least `code`, `target` and `launch`.
        prelude: constant header text of the row's config; read from `data_dir` if not given.
        data_dir: folder of a build; the checkout's own `data` by default.

    Raises:
        DatasetNotBuilt: the prelude isn't in `data_dir`.
    """
    config_name = "cuda" if row["target"].startswith("sm_") else "cpu"
    if prelude is None:
        prelude = _read_prelude(config_name, Path(data_dir or DEFAULT_DATA_DIR))
    block_dim = 1
    if config_name == "cuda":
        options = json.loads(row["launch"]).get("options", {})
        block_dim = options.get("block_dim", _CUDA_BLOCK_DIM)
    return assemble(prelude, row["code"], block_dim)


def _read_prelude(config_name: str, data_dir: Path) -> str:
    path = data_dir / "manifests" / f"prelude_{config_name}.h"
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise DatasetNotBuilt(
            f"{path} does not exist: build the data with `make dataset`"
        ) from None
