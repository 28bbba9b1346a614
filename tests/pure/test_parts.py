"""Staged parts read back as they were written, and damage to them is seen."""

import random

import pytest

from generator.errors import DataError
from generator.records import (
    Fingerprints,
    LineSpan,
    Lowered,
    LoweredCode,
    Program,
    Reject,
    Stage,
    UnitStats,
)
from generator.run.parts import PART_SCHEMA, Parts, StagedProgram


def staged(index):
    program = Program(
        index=index,
        seed=2**62 + index,
        category="particles",
        kernel_name="k",
        python=f"# {index} é\n",
        features=("loop", "vec"),
        builtins=("tid",),
        launch={"kernel": "k", "dim": [8], "args": {"b": 1, "a": [0.5]}},
    )
    span = LineSpan(1, 2, 3, "forward")
    lowered = Lowered(LoweredCode("int é;", (span,)), LoweredCode("__global__", (span, span)))
    return StagedProgram(program, lowered, Fingerprints(f"{index:032x}", f"{index + 1:032x}"))


@pytest.fixture
def parts(tmp_path):
    return Parts(tmp_path)


@pytest.fixture
def report(parts):
    rejects = [Reject(14, "particles", Stage.LOWER, "refused", "a\nb", "x = 1")]
    stats = UnitStats(sampled=4, rejects=rejects, seconds={"lower": 0.1 + 0.2})
    return parts.write(3, [staged(i) for i in (12, 13, 15)], stats)


def test_a_report_reads_back_equal(parts, report):
    assert parts.report(3) == report
    assert [c.index for c in report.candidates] == [12, 13, 15]
    assert report.candidates[0].code_bytes == (len("int é;".encode()), len("__global__"))


def test_rows_read_back_equal(parts, report):
    table = parts.rows(3, report.sha256)
    assert table.schema == PART_SCHEMA
    first = table.to_pylist()[0]
    assert first["python"] == "# 12 é\n"
    assert first["launch"] == '{"args":{"a":[0.5],"b":1},"dim":[8],"kernel":"k"}'
    span = {"python_line": 1, "code_start": 2, "code_end": 3, "pass": "forward"}
    assert (first["line_map_cpu"], first["line_map_cuda"]) == ([span], [span, span])


def test_a_unit_without_rows_is_done_too(parts):
    report = parts.write(0, [], UnitStats(sampled=4))
    assert parts.report(0) == report
    assert parts.rows(0, report.sha256).num_rows == 0


def test_a_unit_without_a_report_is_not_done(parts, report):
    assert parts.report(4) is None
    (parts.folder / "unit-000003.json").unlink()
    assert parts.report(3) is None
    assert parts.finished_units() == []


@pytest.mark.parametrize("suffix", ["arrow", "json"])
def test_any_flipped_bit_is_seen(parts, report, suffix):
    path = parts.folder / f"unit-000003.{suffix}"
    intact = path.read_bytes()
    rng = random.Random(0)
    for _ in range(60):
        damaged = bytearray(intact)
        damaged[rng.randrange(len(intact))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="unit-000003"):
            parts.report(3)


@pytest.mark.parametrize("suffix", ["arrow", "json"])
@pytest.mark.parametrize("size", [0, 1, 100])
def test_a_truncated_file_is_seen(parts, report, suffix, size):
    path = parts.folder / f"unit-000003.{suffix}"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match="unit-000003"):
        parts.report(3)


def test_missing_rows_and_the_report_of_another_unit_are_seen(parts, report):
    (parts.folder / "unit-000003.json").rename(parts.folder / "unit-000004.json")
    with pytest.raises(DataError, match="unit-000004"):
        parts.report(4)
    (parts.folder / "unit-000003.arrow").unlink()
    with pytest.raises(DataError, match="unit-000003"):
        parts.rows(3, report.sha256)
