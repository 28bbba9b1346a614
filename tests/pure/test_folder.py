"""An output folder belongs to one build, and to one process at a time."""

import json
import os
import subprocess
import sys

import pytest

from generator.errors import DataError, UsageError
from generator.run import lock, state
from generator.run.lock import FolderLock
from generator.run.state import BuildFolder

HOLD = "import sys, pathlib; from generator.run.lock import FolderLock\n"
HOLD += "with FolderLock(pathlib.Path(sys.argv[1])).held():\n    print('held', flush=True); input()"


@pytest.fixture
def folder(tmp_path):
    return BuildFolder(tmp_path / "out")


@pytest.fixture
def begun(folder, config, tmp_path):
    folder.root.mkdir()
    folder.begin(config, tmp_path / "c.yaml", True)
    return folder


@pytest.fixture
def other_holder(tmp_path, monkeypatch):
    """A lock that another process holds until it is killed."""
    monkeypatch.setattr(lock, "_ORPHAN_SECONDS", 0.2)
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield FolderLock(path), process
        process.kill()


def test_a_second_build_is_refused_and_told_of_the_first(other_holder):
    folder_lock, process = other_holder
    with pytest.raises(UsageError, match=rf"another build \(process {process.pid}\)"):
        folder_lock.held().__enter__()
    assert folder_lock.holder() == str(process.pid)


def test_the_lock_of_a_killed_build_is_free(other_holder):
    folder_lock, process = other_holder
    process.kill()
    process.wait()
    assert folder_lock.holder() is None
    with folder_lock.held():
        assert folder_lock.holder() == str(os.getpid())


def test_the_lock_is_not_free_while_a_worker_of_a_killed_build_lives(other_holder):
    folder_lock, process = other_holder
    worker = folder_lock.joined()
    process.kill()
    process.wait()
    with pytest.raises(UsageError, match="another build"):
        folder_lock.held().__enter__()
    worker.close()
    with folder_lock.held():
        pass


def test_a_lock_leaves_nothing_behind(tmp_path):
    with FolderLock(tmp_path / "new" / "lock").held():
        pass
    assert list((tmp_path / "new").iterdir()) == []


def test_a_build_is_gone_on_with_by_the_same_config(begun, config, tmp_path):
    begun.begin(config, tmp_path / "renamed.yaml", True)
    assert begun.in_progress
    assert begun.record().config == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "seed 3 instead of 4"),
        ({"size": {"code_mib": 9}}, "size.code_mib 0.4 instead of 9.0"),
        ({"synthesis": {"categories": {"a": 1}}}, "synthesis.categories.a None instead of 1.0"),
    ],
)
def test_another_config_is_refused_by_what_differs(begun, make_config, tmp_path, changes, words):
    with pytest.raises(UsageError, match=words):
        begun.begin(make_config(**changes), tmp_path, True)


def test_other_versions_are_refused_by_what_differs(begun, config, tmp_path, monkeypatch):
    monkeypatch.setattr(state, "installed_versions", lambda: {"warp": "9.0"})
    with pytest.raises(UsageError, match=r"warp \S+ instead of 9\.0"):
        begun.begin(config, tmp_path, True)


def test_a_build_with_checks_is_not_gone_on_with_without(begun, config, tmp_path):
    with pytest.raises(UsageError, match="a build with checks: leave out --no-checks"):
        begun.begin(config, tmp_path, False)


@pytest.mark.parametrize("name", ["cpu", "cuda", "manifests"])
def test_data_of_unknown_origin_is_refused_and_kept(folder, config, tmp_path, name):
    other = folder.root / name / "train-00000-of-00001.arrow"
    other.parent.mkdir(parents=True)
    other.write_text("precious")
    with pytest.raises(UsageError, match=f"{other.parent} was not written"):
        folder.begin(config, tmp_path, True)
    assert other.read_text() == "precious"
    assert not folder.in_progress


def test_other_files_in_the_folder_do_not_matter(folder, config, tmp_path):
    (folder.root / "cpu").mkdir(parents=True)
    (folder.root / "README.md").touch()
    folder.begin(config, tmp_path, True)
    assert folder.in_progress


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"config": {"seed": 1}}'])
def test_a_damaged_record_is_refused_with_the_way_out(begun, config, tmp_path, content):
    (begun.work / "build.json").write_text(content)
    with pytest.raises(DataError, match=rf"delete {begun.work} to start"):
        begun.begin(config, tmp_path, True)


def test_the_record_names_the_config_as_it_was_given(begun, tmp_path):
    assert begun.record().config_path == str(tmp_path / "c.yaml")
    assert set(json.loads((begun.work / "build.json").read_text())["versions"]) == {
        "generator",
        "pyarrow",
        "python",
        "warp",
    }


def test_finishing_removes_what_was_staged(begun):
    begun.parts.folder.joinpath("unit-000000.arrow").write_text("x")
    begun.finish()
    assert list(begun.root.iterdir()) == []
    assert not begun.in_progress
