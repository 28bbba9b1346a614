"""Reads shards for the commands, trusting no byte that the manifest doesn't vouch for."""

from collections.abc import Iterator

import pyarrow as pa

from generator.errors import DataError
from warp_ir_dataset.manifest import ManifestError, ShardFile
from warp_ir_dataset.schema import arrow_schema


def read_batches(
    shard: ShardFile, target: str, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The record batches of a shard, or only some of its columns.

    Raises:
        DataError: the file is missing, differs from its SHA-256 or isn't in the schema of `target`.
    """
    try:
        shard.check_digest()
    except ManifestError as error:
        raise DataError(str(error)) from None
    schema = arrow_schema(target)
    fields = [schema.get_field_index(name) for name in columns or schema.names]
    options = pa.ipc.IpcReadOptions(included_fields=fields)
    try:
        with pa.OSFile(str(shard.path)) as stream:
            reader = pa.ipc.open_stream(stream, options=options)
            if not reader.schema.equals(pa.schema([schema.field(index) for index in fields])):
                raise DataError(f"shard {shard.path} is not in the {target} schema: build again")
            yield from reader
    except pa.ArrowInvalid as error:
        raise DataError(f"shard {shard.path} can't be decoded ({error}): build again") from None
