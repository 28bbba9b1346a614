"""A build that was stopped, however that happened, comes to the same bytes when run again."""

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from builds import build, build_arguments, call, command, contents, one_error_line, start


def staged(out):
    return len(list((out / ".build" / "parts").glob("unit-*.json")))


def wait_until(condition, process):
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def children(process):
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(child) for child in listed.split()]


def is_worker(process):
    return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()


def kill_randomly(out, rng, workers):
    """Runs the build and kills it, or some of its workers, at a random moment."""
    with start(out, workers) as process:
        time.sleep(rng.uniform(0.1, 4))
        if process.poll() is None:
            alive = [child for child in children(process) if is_worker(child)]
            victim = rng.choice([process.pid, *alive])
            os.kill(victim, signal.SIGKILL)
            if victim != process.pid:
                time.sleep(rng.uniform(0, 1))
        process.kill()


@pytest.mark.parametrize(("kills", "seed"), [(3, 0), pytest.param(30, 1, marks=[pytest.mark.slow])])
def test_sigkill_at_random_moments(reference, tmp_path, kills, seed):
    rng = random.Random(seed)
    out = tmp_path / "data"
    for _ in range(kills):
        if not build_is_done(out):
            kill_randomly(out, rng, workers=2)
    assert build(out, workers=2).returncode == 0
    assert contents(out) == contents(reference)


def build_is_done(out):
    return (out / "manifests" / "cuda_manifest.json").exists() and not (out / ".build").exists()


def test_what_was_staged_is_not_made_again(reference, tmp_path):
    out = tmp_path / "data"
    with start(out) as process:
        wait_until(lambda: staged(out) >= 3, process)
        process.kill()
    first = out / ".build" / "parts" / "unit-000000.arrow"
    made = first.stat().st_ino
    kept = tmp_path / "kept"
    os.link(first, kept)  # so that its number can't be used anew
    with start(out) as process:
        before = staged(out)
        wait_until(lambda: staged(out) > before or build_is_done(out), process)
        process.kill()
    assert not first.exists() or first.stat().st_ino == made
    assert build(out).returncode == 0
    assert contents(out) == contents(reference)


def test_ctrl_c_is_one_line_and_loses_nothing(reference, tmp_path):
    for attempt in range(5):  # on a busy machine the build may end before the signal arrives
        out = tmp_path / f"data{attempt}"
        with start(out) as process:
            wait_until(lambda out=out: staged(out) >= 1, process)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
            said = process.stderr.read().lstrip()  # a new line comes after the ^C of a terminal
        if process.returncode != 0:
            break
    assert process.returncode == 130
    assert said == "error: interrupted; what is done is kept: the same command goes on from there\n"
    status = call("status", "--data", out)
    assert status.returncode == 0, status.stderr
    assert "generating" in status.stdout
    go_on = next(line for line in status.stdout.splitlines() if line.startswith("next"))
    assert f"-m generator build --config {out}.yaml --out {out}" in go_on
    done = subprocess.run(go_on.split()[1:], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(reference)


def test_a_killed_worker_does_not_end_the_build(reference, tmp_path):
    out = tmp_path / "data"
    with start(out, workers=2) as process:
        wait_until(lambda: staged(out) >= 1, process)
        os.kill(next(filter(is_worker, children(process))), signal.SIGKILL)
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert contents(out) == contents(reference)


@pytest.mark.parametrize("suffix", ["arrow", "json"])
def test_a_damaged_part_is_made_anew(reference, tmp_path, suffix):
    out = tmp_path / "data"
    with start(out) as process:
        wait_until(lambda: staged(out) >= 3, process)
        process.kill()
    part = out / ".build" / "parts" / f"unit-000001.{suffix}"
    damaged = bytearray(part.read_bytes())
    damaged[len(damaged) // 2] ^= 4
    part.write_bytes(damaged)
    assert "1 damaged units (1)" in call("status", "--data", out).stdout
    done = build(out)
    assert done.returncode == 0, done.stderr
    assert "the staged files of unit 1 are damaged: making them anew" in done.stderr
    assert contents(out) == contents(reference)


def test_a_second_build_in_the_folder_is_refused(tmp_path):
    out = tmp_path / "data"
    with start(out) as process:
        wait_until(lambda: staged(out) >= 1, process)
        os.kill(process.pid, signal.SIGSTOP)
        second = build(out)
        os.kill(process.pid, signal.SIGCONT)
        process.kill()
    assert second.returncode == 2
    assert f"another build (process {process.pid}) works in {out}" in one_error_line(second)


def test_another_config_does_not_go_on_with_a_stopped_build(tmp_path):
    out = tmp_path / "data"
    with start(out) as process:
        wait_until(lambda: staged(out) >= 1, process)
        process.kill()
    parts = sorted((out / ".build" / "parts").iterdir())
    done = call("build", *build_arguments(out, unit_size=5))
    assert done.returncode == 2
    assert "unit_size 4 instead of 5" in one_error_line(done)
    assert sorted((out / ".build" / "parts").iterdir()) == parts


def test_a_file_that_cannot_be_written_ends_the_build_and_room_lets_it_go_on(reference, tmp_path):
    out = tmp_path / "data"

    def no_large_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = build(out, preexec_fn=no_large_files)
    assert done.returncode == 2
    assert "File too large" in one_error_line(done)
    assert build(out).returncode == 0
    assert contents(out) == contents(reference)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB, where this may be made."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system is not allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_line_and_room_lets_the_build_go_on(reference, small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(980 << 10))
    out = small_disk / "data"
    config = build_arguments(out.parent.parent / "data")[1]
    arguments = ["--config", config, "--out", out, "--workers", 2, "--no-checks"]
    full = call("build", *arguments)
    assert full.returncode == 2
    line = one_error_line(full)
    assert "No space left on device: make room, then run the same command again" in line
    ballast.unlink()
    done = subprocess.run(command("build", *arguments), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(out) == contents(reference)
