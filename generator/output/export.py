"""The dataset in formats that other tools read: Parquet and JSON Lines."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from generator.errors import UsageError
from generator.output.manifest import read_manifest
from generator.output.reader import read_batches
from warp_ir_dataset.manifest import ShardFile, shard_files
from warp_ir_dataset.schema import SPLITS, TARGETS, arrow_schema

# Large enough to compress well, small enough for the Hub's viewer to read a page of rows quickly.
_ROW_GROUP_BYTES = 64 << 20


def export(data_dir: Path, format: str, out: Path) -> None:
    """Writes every split of both configs to `out/{config}/`, one file for each shard.

    `out` appears when it is complete; until then the files lie in a folder beside it, whose name
    ends in `.incomplete`.

    Args:
        format: "parquet" or "jsonl".

    Raises:
        UsageError: the format is unknown, or `out` exists and isn't an empty folder, or can't be
            written.
        DataError: a manifest or shard is damaged.
    """
    if format not in _WRITERS:
        raise UsageError(f"unknown format {format!r}: choose one of {', '.join(_WRITERS)}")
    manifests = {target: read_manifest(data_dir, target) for target in TARGETS}
    with _new_folder(out) as folder:
        for target, manifest in manifests.items():
            (folder / target).mkdir()
            for split in SPLITS:
                for shard in shard_files(manifest, split, data_dir):
                    path = folder / target / f"{shard.path.stem}.{format}"
                    _WRITERS[format](path, target, shard)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    incomplete = out.with_name(f"{out.name}.incomplete")
    try:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} exists and is not an empty folder: choose another --out")
        shutil.rmtree(incomplete, ignore_errors=True)  # of an export that was killed
        incomplete.mkdir(parents=True)
        yield incomplete
        incomplete.replace(out)
    except OSError as error:
        raise UsageError(f"can't write {out}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(incomplete, ignore_errors=True)


def _write_parquet(path: Path, target: str, shard: ShardFile) -> None:
    with pq.ParquetWriter(
        path,
        arrow_schema(target),
        compression="zstd",
        write_page_index=True,
        use_content_defined_chunking=True,
    ) as writer:
        for table in _row_groups(shard, target):
            writer.write_table(table, row_group_size=table.num_rows)


def _row_groups(shard: ShardFile, target: str) -> Iterator[pa.Table]:
    pending: list[pa.RecordBatch] = []
    for batch in read_batches(shard, target):
        pending.append(batch)
        if sum(waiting.nbytes for waiting in pending) >= _ROW_GROUP_BYTES:
            yield pa.Table.from_batches(pending)
            pending = []
    if pending:
        yield pa.Table.from_batches(pending)


def _write_jsonl(path: Path, target: str, shard: ShardFile) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for batch in read_batches(shard, target):
            for row in batch.to_pylist():
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")


_WRITERS: dict[str, Callable[[Path, str, ShardFile], None]] = {
    "parquet": _write_parquet,
    "jsonl": _write_jsonl,
}
