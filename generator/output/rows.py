"""Part rows (both targets side by side) become rows of one config."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from warp_ir_dataset.schema import CHECKS, arrow_schema


@dataclass(frozen=True, slots=True)
class RowConstants:
    """What is the same in every row of a build.

    Attributes:
        targets: the architecture that `target` records, by config name.
        warp_version: version of Warp that generated the code.
        generator_version: version of this generator.
        license: SPDX identifier.
    """

    targets: Mapping[str, str]
    warp_version: str
    generator_version: str
    license: str


def target_table(part: pa.Table, target: str, constants: RowConstants) -> pa.Table:
    """The rows of `part` in the schema of one config ("cpu" or "cuda")."""
    schema = arrow_schema(target)
    made = {
        "code": part[f"code_{target}"],
        "line_map": part[f"line_map_{target}"],
        "checks": _checks(part["checks"].combine_chunks(), target),
        **_constant_columns(part.num_rows, target, constants),
    }
    arrays = [made[name] if name in made else part[name] for name in schema.names]
    return pa.Table.from_arrays(arrays, schema=schema)


def _checks(verdicts: pa.StructArray, target: str) -> pa.StructArray:
    """Programs were run on the CPU: what that showed of execution holds for its config alone."""
    columns = {check: verdicts.field(check) for check in CHECKS}
    if target == "cuda":
        columns["executed"] = pa.repeat(pa.scalar("not_run"), len(verdicts))
    return pa.StructArray.from_arrays(list(columns.values()), names=list(columns))


def _constant_columns(rows: int, target: str, constants: RowConstants) -> dict[str, pa.Array]:
    values = {
        "target": constants.targets[target],
        "warp_version": constants.warp_version,
        "generator_version": constants.generator_version,
        "license": constants.license,
    }
    return {name: pa.repeat(pa.scalar(value), rows) for name, value in values.items()}
