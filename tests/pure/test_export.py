import json

import pyarrow.parquet as pq
import pytest
from fake_build import SPLIT_ROWS, part_row

from generator.errors import DataError, UsageError
from generator.output.export import export
from generator.output.show import show
from generator.output.statistics import print_tables
from warp_ir_dataset.schema import TARGETS, arrow_schema


def flip(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def expected_ids() -> list[object]:
    return [part_row(index)["id"] for index in range(sum(SPLIT_ROWS.values()))]


@pytest.mark.parametrize("target", TARGETS)
def test_parquet_holds_every_row_in_the_same_schema(build, tmp_path, target) -> None:
    export(build, "parquet", tmp_path / "out")
    ids = []
    for split in SPLIT_ROWS:
        for path in sorted((tmp_path / "out" / target).glob(f"{split}-*.parquet")):
            assert pq.read_schema(path).equals(arrow_schema(target))
            ids += pq.read_table(path, columns=["id"])["id"].to_pylist()
    assert ids == expected_ids()


def test_jsonl_holds_every_row_of_both_configs_alike(build, tmp_path) -> None:
    export(build, "jsonl", tmp_path / "out")
    for target in TARGETS:
        ids = []
        for split in SPLIT_ROWS:
            for path in sorted((tmp_path / "out" / target).glob(f"{split}-*.jsonl")):
                rows = [json.loads(line) for line in path.read_text().splitlines()]
                assert all(list(row) == arrow_schema(target).names for row in rows)
                ids += [row["id"] for row in rows]
        assert ids == expected_ids()


def test_export_leaves_a_folder_with_content_alone(build, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not an empty folder"):
        export(build, "jsonl", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_export_into_a_place_that_cannot_be_written_is_a_usage_error(build, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="can't write"):
        export(build, "jsonl", tmp_path / "file" / "out")


def test_an_unknown_format_lists_those_there_are(build, tmp_path) -> None:
    with pytest.raises(UsageError, match="parquet, jsonl"):
        export(build, "csv", tmp_path / "out")


@pytest.mark.parametrize("damage", ["flip", "remove", "truncate"])
def test_a_damaged_shard_is_named_and_no_export_appears(build, tmp_path, damage) -> None:
    path = build / "cuda" / "test-00001-of-00002.arrow"
    if damage == "flip":
        flip(path)
    elif damage == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"test-00001-of-00002.*build again"):
        export(build, "parquet", tmp_path / "out")
    assert {entry.name for entry in tmp_path.iterdir()} == {"build"}


def test_show_prints_all_levels_of_a_row(build, capsys) -> None:
    show(build, expected_ids()[6])
    printed = capsys.readouterr().out
    for text in ("void k_6()", "__global__ void k_6()", "import warp as wp", '"dim"', "cloth"):
        assert text in printed


def test_show_of_an_unknown_id_is_a_usage_error_of_one_line(build) -> None:
    with pytest.raises(UsageError, match="no row has the id 'nope'") as raised:
        show(build, "nope")
    assert "\n" not in str(raised.value)


def test_show_finds_a_damaged_shard_instead_of_missing_its_rows(build) -> None:
    flip(build / "cpu" / "train-00000-of-00002.arrow")
    with pytest.raises(DataError, match="train-00000-of-00002"):
        show(build, expected_ids()[0])


def test_tables_show_both_configs_and_what_was_rejected(build, capsys) -> None:
    print_tables(build)
    printed = capsys.readouterr().out
    for text in ("cpu code MiB", "cuda code MiB", "stencil", "rejected: lower, warp_refused"):
        assert text in printed
