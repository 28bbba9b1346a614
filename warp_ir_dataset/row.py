"""A row put back into the form that Warp's compilers take, and run again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warp_ir_dataset.manifest import DEFAULT_DATA_DIR, DatasetNotBuilt
from warp_ir_dataset.prelude import assemble

if TYPE_CHECKING:
    from warp_ir_dataset.oracle import Agreement

# Warp's default for the GPU; on the CPU a block is one thread.
_CUDA_BLOCK_DIM = 256


class RowError(ValueError):
    """A row isn't as it was built, or can't be run here; one line says which and why."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What running a row's `python` again showed.

    Attributes:
        outputs: what it wrote, in the form of the `outputs` column.
        differing: names of stored arrays that this run did not write bit for bit.
        oracle: whether CPython computes the same.
    """

    outputs: dict[str, Any]
    differing: tuple[str, ...]
    oracle: "Agreement"

    @property
    def same(self) -> bool:
        """Whether this run wrote what the row says, and CPython doesn't disagree."""
        return not self.differing and self.oracle.outcome != "failed"


def replay(row: Mapping[str, Any]) -> Replay:
    """Runs a row's `python` on the CPU, in this process, and in CPython.

    This executes the row's code: do it for rows you trust.

    Args:
        row: a row of either config.

    Raises:
        RowError: the row was edited, or built by another version of Warp than is installed.
    """
    import warp as wp

    from warp_ir_dataset.execution import execute
    from warp_ir_dataset.oracle import replay_verdict
    from warp_ir_dataset.outputs import describe

    launch, stored = _checked(row)
    if row["warp_version"] != wp.config.version:
        raise RowError(
            f"{_label(row)} was built with Warp {row['warp_version']} and {wp.config.version} is "
            f"installed: pip install warp-lang=={row['warp_version']}"
        )
    name = f"replay_{row['id']}"
    python = row["python"]
    try:
        outputs = describe(execute(python, launch))
    except Exception as error:
        line = str(error).strip().partition("\n")[0]
        raise RowError(f"{_label(row)} doesn't run: {type(error).__name__}: {line}") from error
    oracle = replay_verdict(
        python,
        launch,
        lambda dim: execute(python, launch | {"dim": dim}),
        f"{name}_cpython",
    )
    made = outputs["arrays"]
    differing = tuple(sorted(n for n in stored if stored[n] != made.get(n)))
    return Replay(outputs, differing, oracle)


def _label(row: Mapping[str, Any]) -> str:
    return f"row {row.get('id', '(no id)')}"


def _checked(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row's launch recipe and stored arrays."""
    for column in ("id", "python", "launch", "outputs", "warp_version"):
        if not isinstance(row.get(column), str):
            raise RowError(f"{_label(row)} has no text in column {column!r}")
    digest = hashlib.sha256(row["python"].encode()).hexdigest()
    if not row["id"] or not digest.startswith(row["id"]):
        raise RowError(f"{_label(row)} was edited: its id isn't that of its `python`")
    launch, outputs = _json(row, "launch"), _json(row, "outputs")
    if not {"kernel", "dim", "args", "options", "seed"} <= launch.keys():
        raise RowError(f"{_label(row)} was edited: its `launch` isn't a launch recipe")
    return launch, outputs.get("arrays", {})


def _json(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    try:
        content = json.loads(row[column])
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise RowError(f"{_label(row)} was edited: its `{column}` isn't a JSON object")
    return content


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
