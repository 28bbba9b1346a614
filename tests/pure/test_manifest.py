import json
import shutil
from collections import Counter

import pytest
from fake_build import SPLIT_ROWS, sampling_summary, write_build
from hypothesis import given
from hypothesis import strategies as st

from generator.errors import DataError, UsageError
from generator.output.manifest import _quantiles, read_manifest
from warp_ir_dataset import load_manifest
from warp_ir_dataset.manifest import DatasetNotBuilt, ManifestError, manifest_path, shard_files
from warp_ir_dataset.schema import TARGETS


def edit(data_dir, target, **changes) -> None:
    path = manifest_path(data_dir, target)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("target", TARGETS)
def test_manifest_counts_what_the_shards_hold(build, target) -> None:
    manifest = load_manifest(target, build)
    assert {name: split.rows for name, split in manifest.splits.items()} == SPLIT_ROWS
    assert sum(sum(rows.values()) for rows in manifest.categories.values()) == manifest.rows
    assert manifest.checks.verdicts["compiled"] == {"not_run": manifest.rows}
    assert manifest.sampling.rejected == sampling_summary().rejected
    for split in manifest.splits:
        for shard in shard_files(manifest, split, build):
            shard.check_digest()


def test_both_configs_show_the_same_programs_as_examples(build) -> None:
    shown = [[example.id for example in load_manifest(t, build).examples] for t in TARGETS]
    assert shown[0] == shown[1]
    assert len(shown[0]) == len(set(shown[0])) == 3


def test_two_builds_differ_in_nothing_but_run(make_build) -> None:
    first, second = make_build("first"), make_build("second")
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
    edit(second, "cpu", run={"workers": 4})
    differing = {
        str(name)
        for name in files
        if (first / name).read_bytes() != (second / name).read_bytes()
        and name.name not in ("README.md", "dataset_card.md")  # name their own folder
    }
    assert differing == {"manifests/cpu_manifest.json"}


def test_shards_of_an_earlier_build_do_not_stay_and_other_files_do(make_build) -> None:
    data_dir = make_build(shards=3)
    (data_dir / "cpu" / "notes.txt").write_text("mine")
    write_build(data_dir, SPLIT_ROWS, shards=1)
    names = {path.name for path in (data_dir / "cpu").iterdir()}
    assert names == {
        "notes.txt",
        *(f"{split}-00000-of-00001.arrow" for split in SPLIT_ROWS),
    }


@given(st.lists(st.integers(0, 50), min_size=1))
def test_quantiles_are_values_at_their_nearest_rank(values) -> None:
    quantiles = _quantiles(Counter(values))
    ordered = sorted(values)
    assert (quantiles.min, quantiles.max) == (ordered[0], ordered[-1])
    assert quantiles.p50 == ordered[(len(ordered) + 1) // 2 - 1]
    assert quantiles.p90 == ordered[-(-len(ordered) * 90 // 100) - 1]


def test_no_build_is_a_usage_error_that_names_the_command(tmp_path) -> None:
    with pytest.raises(DatasetNotBuilt, match="make dataset"):
        load_manifest("cpu", tmp_path)
    with pytest.raises(UsageError, match="make dataset"):
        read_manifest(tmp_path, "cpu")


def test_an_unknown_config_lists_those_there_are(build) -> None:
    with pytest.raises(ManifestError, match="cpu, cuda"):
        load_manifest("tpu", build)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"schema_version": "0.1"}, "schema version 0.1"),
        ({"splits": {}}, "splits"),
        ({"rows": 3}, "rows"),
        ({"versions": ["3.11"]}, "versions"),
    ],
)
def test_a_manifest_of_another_shape_is_a_data_error_of_one_line(build, changes, problem) -> None:
    edit(build, "cuda", **changes)
    with pytest.raises(DataError, match=problem) as raised:
        read_manifest(build, "cuda")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"splits": 1}'])
def test_a_damaged_manifest_is_a_data_error_of_one_line(build, content) -> None:
    manifest_path(build, "cpu").write_bytes(content)
    with pytest.raises(DataError, match="damaged") as raised:
        read_manifest(build, "cpu")
    assert "\n" not in str(raised.value)


def test_a_shard_name_that_leads_out_of_the_folder_is_refused(build) -> None:
    path = manifest_path(build, "cpu")
    path.write_text(path.read_text().replace("test-00000-of", "../test-00000-of"))
    with pytest.raises(DataError, match=r"splits\.test"):
        read_manifest(build, "cpu")


def test_missing_truncated_and_changed_shards_are_told_apart(build) -> None:
    manifest = load_manifest("cpu", build)
    first, second = shard_files(manifest, "train", build)
    content = first.path.read_bytes()
    first.path.write_bytes(content[:-1])
    with pytest.raises(ManifestError, match="bytes instead of"):
        first.check_size()
    first.path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    first.check_size()
    with pytest.raises(ManifestError, match="SHA-256"):
        first.check_digest()
    shutil.rmtree(second.path.parent)
    with pytest.raises(ManifestError, match="No such file"):
        second.check_size()
