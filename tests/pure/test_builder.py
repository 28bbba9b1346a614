import subprocess
import sys

import datasets
import pytest
from fake_build import part_row, write_build

from warp_ir_dataset import WarpIR
from warp_ir_dataset.manifest import DatasetNotBuilt, ManifestError
from warp_ir_dataset.schema import TARGETS


def sizes(info: datasets.DatasetInfo) -> dict[str, tuple[int, int]]:
    return {name: (split.num_examples, split.num_bytes) for name, split in info.splits.items()}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("num_proc", [None, 2])
def test_builder_reads_every_row_and_agrees_with_the_stated_sizes(
    make_build, tmp_path, target, num_proc
) -> None:
    data_dir = make_build(split_rows={"train": 300, "validation": 9, "test": 4})
    builder = WarpIR(config_name=target, data_dir=str(data_dir), cache_dir=str(tmp_path / "cache"))
    stated = sizes(builder.info)
    builder.download_and_prepare(num_proc=num_proc, verification_mode="all_checks")
    assert sizes(builder.info) == stated
    rows = builder.as_dataset("train")
    assert rows["id"][:] == [part_row(index)["id"] for index in range(300)]


def test_builder_streams(build) -> None:
    stream = WarpIR(config_name="cuda", data_dir=str(build)).as_streaming_dataset("train")
    assert [row["seed"] for row in stream] == list(range(20))


def test_a_split_without_rows_does_not_stop_the_others_from_loading(make_build, tmp_path) -> None:
    data_dir = make_build(split_rows={"train": 3, "validation": 0, "test": 2}, shards=1)
    builder = WarpIR(config_name="cpu", data_dir=str(data_dir), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    assert {name: len(split) for name, split in builder.as_dataset().items()} == {
        "train": 3,
        "test": 2,
    }


def test_data_built_anew_is_not_read_from_an_old_cache(build, tmp_path) -> None:
    def rows() -> int:
        builder = WarpIR(config_name="cpu", data_dir=str(build), cache_dir=str(tmp_path / "cache"))
        builder.download_and_prepare()
        return len(builder.as_dataset("train"))

    assert rows() == 20
    write_build(build, {"train": 7, "validation": 3, "test": 2}, shards=1)
    assert rows() == 7


def test_opening_before_a_build_ends_with_one_line_that_names_the_command(tmp_path) -> None:
    with pytest.raises(DatasetNotBuilt, match="make dataset") as raised:
        WarpIR(config_name="cuda", data_dir=str(tmp_path))
    assert "\n" not in str(raised.value)
    program = "import sys; from warp_ir_dataset import WarpIR; WarpIR('x', data_dir=sys.argv[1])"
    program = program.replace("'x'", "config_name='cpu'")
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True
    )
    assert "make dataset" in run.stderr.splitlines()[-1]
    assert "During handling" not in run.stderr


def test_a_missing_shard_is_named_before_anything_is_read(build, tmp_path) -> None:
    (build / "cpu" / "train-00001-of-00002.arrow").unlink()
    builder = WarpIR(config_name="cpu", data_dir=str(build), cache_dir=str(tmp_path / "cache"))
    with pytest.raises(ManifestError, match="train-00001-of-00002"):
        builder.download_and_prepare()


def test_a_flipped_bit_is_found_while_loading(build, tmp_path) -> None:
    path = build / "cpu" / "validation-00000-of-00002.arrow"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    builder = WarpIR(config_name="cpu", data_dir=str(build), cache_dir=str(tmp_path / "cache"))
    with pytest.raises(datasets.exceptions.DatasetGenerationError) as raised:
        builder.download_and_prepare()
    assert "SHA-256" in str(raised.value.__cause__)
