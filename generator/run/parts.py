"""Staged parts: what one unit of work leaves on disk for curation and for the shards.

A part is two files: `unit-000123.arrow` with the lowered programs, and `unit-000123.json` with the
report on them. The report is renamed into place after the rows, so it marks the unit as done; it
carries the checksum of both files, so damage to either is seen.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from generator.curation.curator import Candidate
from generator.errors import DataError
from generator.files import replacing, sha256
from generator.records import (
    Fingerprints,
    LineSpan,
    Lowered,
    LoweredCode,
    Program,
    Proof,
    UnitStats,
)
from warp_ir_dataset.schema import CHECKS, TARGETS, arrow_schema

_SPAN = arrow_schema("cpu").field("line_map").type.value_type
_STRINGS = pa.list_(pa.string())

PART_SCHEMA = pa.schema(
    [
        ("index", pa.int64()),
        ("id", pa.string()),
        ("category", pa.string()),
        ("kernel_name", pa.string()),
        ("python", pa.string()),
        *((f"code_{target}", pa.string()) for target in TARGETS),
        *((f"line_map_{target}", pa.list_(_SPAN)) for target in TARGETS),
        ("features", _STRINGS),
        ("builtins", _STRINGS),
        ("launch", pa.string()),
        ("seed", pa.int64()),
        ("llvm_ir", pa.string()),
        ("ptx", pa.string()),
        ("outputs", pa.string()),
        ("checks", arrow_schema("cpu").field("checks").type),
        ("alpha", pa.string()),
        ("skeleton", pa.string()),
    ]
)

_WRITE_OPTIONS = pa.ipc.IpcWriteOptions(
    compression=pa.Codec("zstd", compression_level=1), use_threads=False
)


@dataclass(frozen=True, slots=True)
class StagedProgram:
    """A program with everything that was made of it; without proof if the checks are off."""

    program: Program
    lowered: Lowered
    fingerprints: Fingerprints
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class UnitReport:
    """What the parent process needs to know about one finished unit.

    Attributes:
        sha256: hex digest of the part's Arrow file.
        candidates: one for each row of the part, in index order.
        reasons: for each of them, by check, why it did not pass; not those that passed.
    """

    unit: int
    sha256: str
    candidates: tuple[Candidate, ...]
    reasons: tuple[dict[str, str], ...]
    stats: UnitStats


@dataclass(frozen=True, slots=True)
class Parts:
    """The staged parts in one folder."""

    folder: Path

    def write(self, unit: int, rows: Sequence[StagedProgram], stats: UnitStats) -> UnitReport:
        """Writes both files of a unit, the report last.

        Raises:
            OSError: a file can't be written.
        """
        path = self._rows_path(unit)
        with replacing(path) as temporary:
            with pa.ipc.new_stream(temporary, PART_SCHEMA, options=_WRITE_OPTIONS) as writer:
                writer.write_batch(_batch(rows))
            digest = sha256(temporary)
        report = UnitReport(
            unit, digest, tuple(map(_candidate, rows)), tuple(map(_reasons, rows)), stats
        )
        with replacing(self._report_path(unit)) as temporary:
            temporary.write_bytes(_dump(report))
        return report

    def report(self, unit: int) -> UnitReport | None:
        """The report on a unit; None if the unit is not done.

        Raises:
            DataError: a file of the part is damaged.
        """
        path = self._report_path(unit)
        try:
            report = _load(path.read_bytes())
        except FileNotFoundError:
            return None
        if report is None or report.unit != unit:
            raise DataError(f"{path} is damaged: build again, which makes that part anew")
        self._check_rows(unit, report.sha256)
        return report

    def rows(self, unit: int, digest: str) -> pa.Table:
        """The rows of a finished unit, whose file must have the digest its report gave.

        Raises:
            DataError: the file is missing or damaged.
        """
        self._check_rows(unit, digest)
        with pa.OSFile(str(self._rows_path(unit))) as stream:
            return pa.ipc.open_stream(stream).read_all()

    def finished_units(self) -> list[int]:
        """Numbers of the units that have a report, ascending; damage isn't looked for."""
        names = (path.stem for path in self.folder.glob("unit-*.json"))
        return sorted(int(name.removeprefix("unit-")) for name in names)

    def _check_rows(self, unit: int, digest: str) -> None:
        path = self._rows_path(unit)
        try:
            intact = sha256(path) == digest
        except FileNotFoundError:
            intact = False
        if not intact:
            raise DataError(f"{path} is damaged or gone: build again, which makes that part anew")

    def _rows_path(self, unit: int) -> Path:
        return self.folder / f"unit-{unit:06d}.arrow"

    def _report_path(self, unit: int) -> Path:
        return self.folder / f"unit-{unit:06d}.json"


@cache
def _adapter() -> TypeAdapter[UnitReport]:
    return TypeAdapter(UnitReport)


def _dump(report: UnitReport) -> bytes:
    content = _adapter().dump_json(report)
    return b'{"sha256":"%s","report":%s}' % (_hex(content), content)


def _load(text: bytes) -> UnitReport | None:
    """The report, None if the text isn't exactly what `_dump` wrote."""
    try:
        document = json.loads(text)
        report = _adapter().validate_python(document["report"])
    except (ValueError, TypeError, KeyError, ValidationError):
        return None
    return report if _dump(report) == text else None


def _hex(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _candidate(row: StagedProgram) -> Candidate:
    sizes = tuple(len(_code(row.lowered, target).code.encode()) for target in TARGETS)
    return Candidate(row.program.index, row.fingerprints, sizes)


def _reasons(row: StagedProgram) -> dict[str, str]:
    verdicts = row.proof.verdicts if row.proof else {}
    return {check: v.reason for check, v in verdicts.items() if v.outcome != "passed"}


def _code(lowered: Lowered, target: str) -> LoweredCode:
    return lowered.cpu if target == "cpu" else lowered.cuda


def _batch(rows: Sequence[StagedProgram]) -> pa.RecordBatch:
    programs = [row.program for row in rows]
    columns = {
        name: [getattr(program, name) for program in programs]
        for name in ("index", "id", "category", "kernel_name", "python", "seed")
    }
    columns["features"] = [list(program.features) for program in programs]
    columns["builtins"] = [list(program.builtins) for program in programs]
    columns["launch"] = [canonical_json(program.launch) for program in programs]
    for name in ("alpha", "skeleton"):
        columns[name] = [getattr(row.fingerprints, name) for row in rows]
    columns |= _proof_columns([row.proof for row in rows])
    for target in TARGETS:
        codes = [_code(row.lowered, target) for row in rows]
        columns[f"code_{target}"] = [code.code for code in codes]
        columns[f"line_map_{target}"] = _line_maps(codes)
    arrays = [pa.array(columns[field.name], field.type) for field in PART_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=PART_SCHEMA)


def _proof_columns(proofs: Sequence[Proof | None]) -> dict[str, list]:
    return {
        "llvm_ir": [proof and proof.llvm_ir for proof in proofs],
        "ptx": [proof and proof.ptx for proof in proofs],
        "outputs": [proof.outputs if proof else "{}" for proof in proofs],
        "checks": [_outcomes(proof) for proof in proofs],
    }


def _outcomes(proof: Proof | None) -> dict[str, str]:
    if proof is None:
        return dict.fromkeys(CHECKS, "not_run")
    return {check: proof.verdicts[check].outcome for check in CHECKS}


def _line_maps(codes: Iterable[LoweredCode]) -> pa.ListArray:
    # Put together column by column: a dict for each span would cost more than writing the part.
    offsets = [0]
    spans: list[LineSpan] = []
    for code in codes:
        spans += code.line_map
        offsets.append(len(spans))
    values = pa.StructArray.from_arrays(
        [
            pa.array([span.python_line for span in spans], pa.int32()),
            pa.array([span.code_start for span in spans], pa.int32()),
            pa.array([span.code_end for span in spans], pa.int32()),
            pa.array([span.pass_ for span in spans], pa.string()),
        ],
        fields=list(_SPAN),
    )
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def canonical_json(value: object) -> str:
    """JSON text that depends on the value alone."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
