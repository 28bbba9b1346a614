from itertools import pairwise

import pyarrow as pa
import pytest
from fake_build import CONSTANTS, part_row, part_table, proven_row
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.errors import DataError
from generator.output.rows import target_table
from generator.output.shards import ROWS_PER_BATCH, shard_name, write_shard
from warp_ir_dataset.schema import TARGETS, arrow_schema

ROWS = ROWS_PER_BATCH + 40


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return target_table(part_table(0, ROWS), "cpu", CONSTANTS)


@pytest.fixture(scope="module")
def undivided(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("undivided") / shard_name("train", 0, 1)
    return write_shard(path, "cpu", [table]), path.read_bytes()


@settings(deadline=None, max_examples=20)
@given(cuts=st.lists(st.integers(0, ROWS), max_size=6))
def test_bytes_and_figures_do_not_depend_on_how_rows_are_divided_into_tables(
    cuts, table, undivided, tmp_path_factory
) -> None:
    tables = [table.slice(a, b - a) for a, b in pairwise([0, *sorted(cuts), ROWS])]
    path = tmp_path_factory.mktemp("divided") / shard_name("train", 0, 1)
    info = write_shard(path, "cpu", tables)
    same = (info, path.read_bytes()) == undivided
    assert same, info.file


@pytest.mark.parametrize("target", TARGETS)
def test_rows_come_back_as_the_part_staged_them(target, tmp_path) -> None:
    path = tmp_path / shard_name("test", 0, 1)
    write_shard(path, target, [target_table(part_table(0, 9), target, CONSTANTS)])
    rows = pa.ipc.open_stream(path.read_bytes()).read_all().to_pylist()
    for index, row in enumerate(rows):
        part = part_row(index)
        assert row["code"] == part[f"code_{target}"]
        assert row["line_map"] == part[f"line_map_{target}"]
        assert row["target"] == CONSTANTS.targets[target]
        assert set(row["checks"].values()) == {"not_run"}
        for name in ("id", "python", "launch", "features", "builtins", "seed"):
            assert row[name] == part[name]


def test_what_the_cpu_run_showed_is_told_of_the_cpu_config_alone() -> None:
    part = part_table(0, 3, proven_row)
    rows = {target: target_table(part, target, CONSTANTS).to_pylist()[2] for target in TARGETS}
    passed = {"compiled": "passed", "replayed": "passed", "gradient": "inconclusive"}
    assert rows["cpu"]["checks"] == passed | {"executed": "passed"}
    assert rows["cuda"]["checks"] == passed | {"executed": "not_run"}
    assert (rows["cpu"]["llvm_ir"], rows["cuda"]["ptx"]) == (
        part["llvm_ir"][2].as_py(),
        part["ptx"][2].as_py(),
    )
    assert rows["cpu"]["outputs"] == rows["cuda"]["outputs"] == '{"y":{"sha256":"0"}}'


def test_info_tells_rows_bytes_and_digest_of_the_file(table, undivided) -> None:
    info, content = undivided
    assert (info.rows, info.bytes) == (ROWS, len(content))
    assert info.code_bytes == sum(len(text.encode()) for text in table["code"].to_pylist())
    assert info.stats.level_bytes["python"] > sum(map(len, table["python"].to_pylist()))  # µ
    assert info.stats.categories.total() == ROWS


def test_no_batch_exceeds_the_fixed_size(undivided) -> None:
    batches = pa.ipc.open_stream(undivided[1])
    assert [batch.num_rows for batch in batches] == [ROWS_PER_BATCH, ROWS - ROWS_PER_BATCH]


def test_an_empty_split_is_a_readable_shard(tmp_path) -> None:
    path = tmp_path / shard_name("test", 0, 1)
    assert write_shard(path, "cuda", []).rows == 0
    assert pa.ipc.open_stream(path.read_bytes()).read_all().schema == arrow_schema("cuda")


def test_rows_of_the_other_config_are_refused_and_leave_no_file(table, tmp_path) -> None:
    with pytest.raises(DataError, match="columns"):
        write_shard(tmp_path / shard_name("train", 0, 1), "cuda", [table])
    assert list(tmp_path.iterdir()) == []


def test_lengths_count_the_last_line_once_whether_or_not_it_is_ended(tmp_path) -> None:
    part = part_table(0, 2)
    position = part.schema.get_field_index("python")
    part = part.set_column(position, "python", pa.array(["a\nb\n", "a\nb\nc"]))
    path = tmp_path / shard_name("train", 0, 1)
    stats = write_shard(path, "cpu", [target_table(part, "cpu", CONSTANTS)]).stats
    assert stats.lengths["python_lines"] == {2: 1, 3: 1}
    assert stats.lengths["arguments"] == {2: 2}
