"""Arrow IPC stream shards whose bytes depend on their rows alone."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from generator.errors import DataError
from generator.files import replacing, sha256
from generator.output.shard_stats import ShardStats
from warp_ir_dataset.schema import arrow_schema

# With today's programs a batch of all levels stays below 16 MiB. It is a number of rows, because
# bytes in memory depend on how the tables that come in are sliced.
ROWS_PER_BATCH = 256
_WRITE_OPTIONS = pa.ipc.IpcWriteOptions(
    compression=pa.Codec("zstd", compression_level=3), use_threads=False
)


@dataclass(slots=True)
class ShardInfo:
    """A written shard.

    Attributes:
        file: name inside the config's folder.
        bytes: size of the file.
        code_bytes: UTF-8 bytes of the `code` column.
        num_bytes: size in memory as `datasets` counts it while loading.
        stats: what the rows hold.
    """

    file: str
    rows: int
    bytes: int
    sha256: str
    code_bytes: int
    num_bytes: int
    stats: ShardStats = field(repr=False)


def shard_name(split: str, index: int, count: int) -> str:
    """File name of shard `index` of `count`."""
    return f"{split}-{index:05d}-of-{count:05d}.arrow"


def write_shard(path: Path, target: str, tables: Iterable[pa.Table]) -> ShardInfo:
    """Writes the rows of `tables` to `path`, in order, and reads them back.

    The file appears under its name when it is complete. The same rows give the same bytes however
    they are divided into tables.

    Raises:
        DataError: a table isn't in the schema of `target`, or the file reads back differently.
        OSError: the file can't be written.
    """
    stats = ShardStats()
    with replacing(path) as temporary:
        schema = arrow_schema(target)
        with pa.ipc.new_stream(temporary, schema, options=_WRITE_OPTIONS) as writer:
            for batch in _equal_batches(tables, schema):
                stats.add(batch)
                writer.write_batch(batch)
        num_bytes = _read_back(temporary, path, stats.rows)
        size, digest = temporary.stat().st_size, sha256(temporary)
    code_bytes = stats.level_bytes["code"]
    return ShardInfo(path.name, stats.rows, size, digest, code_bytes, num_bytes, stats)


def _equal_batches(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    pending = schema.empty_table()
    for table in tables:
        if not table.schema.equals(schema):
            raise DataError(f"rows have columns {table.schema.names}, not {schema.names}")
        pending = pa.concat_tables([pending, table])
        while pending.num_rows >= ROWS_PER_BATCH:
            yield _one_batch(pending.slice(0, ROWS_PER_BATCH))
            pending = pending.slice(ROWS_PER_BATCH)
    if pending.num_rows:
        yield _one_batch(pending)


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    """The rows as one batch in memory of its own.

    A slice would be written with bytes of its neighbours in the padding.
    """
    [batch] = table.combine_chunks().to_batches()
    return batch.take(pa.array(range(batch.num_rows), pa.int64()))


def _read_back(written: Path, path: Path, rows: int) -> int:
    """Bytes in memory of what was written, which depend on how the file was decoded."""
    num_rows = num_bytes = 0
    with pa.OSFile(str(written)) as stream:
        for batch in pa.ipc.open_stream(stream):
            batch.validate(full=True)
            num_rows += batch.num_rows
            num_bytes += batch.nbytes
    if num_rows != rows:
        raise DataError(f"{path} reads back {num_rows} of {rows} rows: check the disk")
    return num_bytes
