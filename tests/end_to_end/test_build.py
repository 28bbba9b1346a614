"""A build makes what its config says, the same bytes however it is run."""

import json

import pyarrow as pa
import pytest
from builds import build, build_arguments, call, contents, environment, manifest, one_error_line
from datasets import load_dataset
from tiny import TINY

from generator.curation.fingerprints import fingerprints

TARGETS = ("cpu", "cuda")


def rows(out, target):
    for path in sorted((out / target).glob("*.arrow")):
        with pa.OSFile(str(path)) as stream:
            yield from pa.ipc.open_stream(stream).read_all().to_pylist()


@pytest.mark.parametrize("workers", [2, 4])
def test_bytes_do_not_depend_on_workers_or_hash_seed(reference, tmp_path, workers):
    done = build(tmp_path / "out", workers, env=environment(PYTHONHASHSEED=str(workers)))
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == contents(reference)


def test_nothing_but_the_dataset_is_left(reference):
    shards = ["train-00000-of-00002", "train-00001-of-00002"]
    shards += ["test-00000-of-00001", "validation-00000-of-00001"]
    assert sorted(str(p.relative_to(reference)) for p in reference.rglob("*") if p.is_file()) == (
        sorted(
            ["README.md", "dataset_card.md"]
            + [f"{target}/{shard}.arrow" for target in TARGETS for shard in shards]
            + [f"manifests/{target}_manifest.json" for target in TARGETS]
            + [f"manifests/prelude_{target}.h" for target in TARGETS]
        )
    )


@pytest.mark.parametrize("target", TARGETS)
def test_both_configs_reach_the_size_and_the_manifest_counts_what_is_there(reference, target):
    said = manifest(reference, target)
    there = list(rows(reference, target))
    code_bytes = sum(len(row["code"].encode()) for row in there)
    shards = [shard for split in said["splits"].values() for shard in split["shards"]]
    assert code_bytes == sum(shard["code_bytes"] for shard in shards)
    assert code_bytes >= TINY["size"]["code_mib"] * 2**20
    assert len(there) == sum(shard["rows"] for shard in shards)
    sampling = said["sampling"]
    rejected = sum(n for reasons in sampling["rejected"].values() for n in reasons.values())
    assert sampling["sampled"] == sampling["lowered"] + rejected
    assert sampling["lowered"] == len(there) + sum(sampling["dropped"].values())
    assert said["checks"]["mode"] == "not_run"


def test_both_configs_hold_the_same_programs_each_once(reference):
    cpu, cuda = ({row["id"]: row["python"] for row in rows(reference, t)} for t in TARGETS)
    assert cpu == cuda
    assert len({fingerprints(python).skeleton for python in cpu.values()}) == len(cpu)


@pytest.mark.parametrize("target", TARGETS)
def test_load_dataset_reads_every_split(reference, tmp_path, target):
    loaded = load_dataset(str(reference), target, cache_dir=str(tmp_path))
    assert {split: data.num_rows for split, data in loaded.items()} == {
        split: sum(shard["rows"] for shard in content["shards"])
        for split, content in manifest(reference, target)["splits"].items()
    }
    python = [row["python"] for data in loaded.values() for row in data]
    assert sorted(python) == sorted(row["python"] for row in rows(reference, target))


def test_a_finished_build_says_so_and_is_left_alone(built):
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    done = build(built)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, f"{built} is already built")
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before


def test_a_folder_with_the_build_of_another_config_is_refused_and_kept(built):
    before = contents(built)
    done = call("build", *build_arguments(built, seed=4))
    assert done.returncode == 2
    assert "seed 3 instead of 4" in one_error_line(done)
    assert contents(built) == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("cuda/train-00001-of-00002.arrow", "gone"),
        ("cuda/train-00001-of-00002.arrow", "short"),
        ("manifests/cpu_manifest.json", "short"),
    ],
)
def test_a_damaged_build_is_told_by_file(built, name, damage):
    path = built / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100])
    for done in (build(built), call("status", "--data", built)):
        assert done.returncode == 1
        assert str(path) in one_error_line(done)


def test_status_of_a_finished_build(built):
    done = call("status", "--data", built)
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout
    assert f"-m generator stats --data {built}" in done.stdout


def test_rows_are_shown_by_id_and_an_unknown_id_is_bad_usage(built):
    row = next(rows(built, "cpu"))
    shown = call("show", row["id"], "--data", built)
    assert shown.returncode == 0, shown.stderr
    assert row["kernel_name"] in shown.stdout
    unknown = call("show", "0" * 16, "--data", built)
    assert unknown.returncode == 2
    assert "0" * 16 in one_error_line(unknown)


def test_a_sample_holds_the_programs_of_the_build(built, tmp_path):
    out = tmp_path / "sample.jsonl"
    done = call("sample", *build_arguments(built)[:2], "--count", 8, "--start", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    sampled = [json.loads(line) for line in out.read_text().splitlines()]
    assert all(set(p) == {"id", "category", "python", "features", "launch"} for p in sampled)
    assert {program["id"] for program in sampled} & {row["id"] for row in rows(built, "cpu")}
