"""Rows carry proof: a build with checks verifies, and no row that was changed does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from builds import build_arguments, call, contents, manifest, one_error_line

from generator.output.shards import write_shard
from warp_ir_dataset.schema import CHECKS

SHARD = "train-00000-of-00002.arrow"


@pytest.fixture(scope="session")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny build with checks, by one worker; not to be changed."""
    out = tmp_path_factory.mktemp("proven") / "data"
    done = call("build", *build_arguments(out)[:-1])
    assert done.returncode == 0, done.stderr
    return out


def rows(out: Path, target: str) -> list[dict]:
    with pa.OSFile(str(out / target / SHARD)) as stream:
        return pa.ipc.open_stream(stream).read_all().to_pylist()


def change(out: Path, target: str, edit: Callable[[dict], None]) -> str:
    """Edits the first row of a shard, the manifest with it; returns the row's id."""
    path = out / target / SHARD
    with pa.OSFile(str(path)) as stream:
        table = pa.ipc.open_stream(stream).read_all()
    content = table.to_pylist()
    row_id = content[0]["id"]
    edit(content[0])
    info = write_shard(path, target, [pa.Table.from_pylist(content, schema=table.schema)])
    said = manifest(out, target)
    [entry] = [s for s in said["splits"]["train"]["shards"] if s["file"] == SHARD]
    entry |= {name: getattr(info, name) for name in entry}
    (out / "manifests" / f"{target}_manifest.json").write_text(json.dumps(said))
    return row_id


def test_all_rows_of_a_build_verify(proven):
    done = call("verify", "--data", proven, "--fraction", "1.0")
    assert done.returncode == 0, done.stderr
    count = manifest(proven, "cpu")["sampling"]["lowered"]
    assert f"of {count:,} rows in each config {count:,} were lowered" in done.stdout


def test_every_row_is_compiled_and_run_and_holds_every_level(proven):
    for target, column in (("cpu", "llvm_ir"), ("cuda", "ptx")):
        for row in rows(proven, target):
            assert row["checks"]["compiled"] == "passed"
            assert row["checks"]["executed"] == ("passed" if target == "cpu" else "not_run")
            assert row[column]
            assert json.loads(row["outputs"])


def test_the_manifest_counts_verdicts_and_reasons(proven):
    checks = manifest(proven, "cpu")["checks"]
    count = sum(checks["verdicts"]["compiled"].values())
    assert checks["mode"] == "run"
    for check in CHECKS:
        assert sum(checks["verdicts"][check].values()) == count
        other = count - checks["verdicts"][check].get("passed", 0)
        assert sum(checks["reasons"].get(check, {}).values()) == other


def test_bytes_do_not_depend_on_workers_with_checks(proven, tmp_path):
    done = call("build", *build_arguments(tmp_path / "out", workers=2)[:-1])
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == contents(proven)


def test_an_edited_row_is_found_and_named(proven, tmp_path):
    out = Path(shutil.copytree(proven, tmp_path / "data"))
    row_id = change(out, "cpu", lambda row: row.update(code=row["code"] + "// edited\n"))
    done = call("verify", "--data", out, "--fraction", "1.0")
    assert done.returncode == 1
    problem = f"row {row_id}: cpu code is not what Warp generates from its python"
    assert problem in one_error_line(done)


def test_another_version_of_warp_is_refused_in_one_line(proven, tmp_path):
    out = Path(shutil.copytree(proven, tmp_path / "data"))
    for target in ("cpu", "cuda"):
        said = manifest(out, target)
        said["versions"]["warp"] = "1.18.0"
        (out / "manifests" / f"{target}_manifest.json").write_text(json.dumps(said))
    done = call("verify", "--data", out)
    assert done.returncode == 2
    assert "Warp 1.18.0 made this build" in one_error_line(done)


@pytest.mark.parametrize("name", ["cpu/extra.arrow", "manifests/prelude_cuda.h", f"cuda/{SHARD}"])
def test_a_file_that_is_not_what_was_built_is_found(proven, tmp_path, name):
    out = Path(shutil.copytree(proven, tmp_path / "data"))
    path = out / name
    path.write_bytes((path.read_bytes() if path.exists() else b"") + b"\n")
    done = call("verify", "--data", out, "--fraction", "0")
    assert done.returncode == 1
    assert name.rpartition("/")[2] in one_error_line(done)


def test_without_a_gpu_verifying_on_one_is_refused_in_one_line(proven):
    done = call("verify", "--data", proven, "--device", "cuda")
    assert done.returncode == 2
    assert "needs a machine with an NVIDIA GPU" in one_error_line(done)
