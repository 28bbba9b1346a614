"""One row of the dataset on the terminal, its levels side by side."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.json import JSON
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from generator.errors import UsageError
from generator.output.manifest import read_manifest
from generator.output.reader import read_batches
from warp_ir_dataset.manifest import shard_files
from warp_ir_dataset.schema import SPLITS, TARGETS

# Two listings of generated code beside each other need more than the 80 columns of a pipe.
_PIPE_WIDTH = 200


def show(data_dir: Path, row_id: str) -> None:
    """Prints the row `row_id` of both configs.

    Raises:
        UsageError: no row has this id, or `data_dir` holds no build.
        DataError: a manifest or shard is damaged.
    """
    rows = {target: _find(data_dir, target, row_id) for target in TARGETS}
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(_head(rows["cpu"]))
    console.rule("python")
    console.print(Syntax(rows["cpu"]["python"], "python", line_numbers=True, word_wrap=True))
    console.rule("code: line │ Python line │ text")
    code = Table(*TARGETS, expand=True, box=None)
    code.add_row(*(_numbered(rows[target]) for target in TARGETS))
    console.print(code)
    console.rule("launch")
    console.print(JSON(rows["cpu"]["launch"]))


def _find(data_dir: Path, target: str, row_id: str) -> dict[str, Any]:
    manifest = read_manifest(data_dir, target)
    for split in SPLITS:
        for shard in shard_files(manifest, split, data_dir):
            position = 0
            for ids in read_batches(shard, target, ["id"]):
                if row_id in (column := ids["id"].to_pylist()):
                    return {"split": split, **_row(shard, target, position + column.index(row_id))}
                position += len(column)
    raise UsageError(f"no row has the id {row_id!r} in {data_dir}: ids are in the `id` column")


def _row(shard: Any, target: str, position: int) -> dict[str, Any]:
    for batch in read_batches(shard, target):
        if position < batch.num_rows:
            return batch.slice(position, 1).to_pylist()[0]
        position -= batch.num_rows
    raise AssertionError("a position found in a shard lies in it")


def _head(row: dict[str, Any]) -> Table:
    head = Table.grid(padding=(0, 2))
    for name in ("id", "split", "category", "kernel_name", "seed", "warp_version"):
        head.add_row(name, str(row[name]))
    for name in ("features", "builtins"):
        head.add_row(name, ", ".join(row[name]))
    head.add_row("checks", json.dumps(row["checks"]))
    return head


def _numbered(row: dict[str, Any]) -> Text:
    """The code with its line numbers and, from the line map, the Python line of each."""
    origin = {
        line: str(span["python_line"])
        for span in row["line_map"]
        for line in range(span["code_start"], span["code_end"] + 1)
    }
    listing = Text(overflow="fold")
    for number, line in enumerate(row["code"].splitlines(), start=1):
        listing.append(f"{number:4} │ {origin.get(number, ''):>3} │ ", style="dim")
        listing.append(line + "\n")
    return listing
