"""Builds as a user runs them: in a process of their own, through the command line."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tiny import TINY

ROOT = Path(__file__).parents[2]


def command(name: str, *arguments: object) -> list[str]:
    """The command line of a command."""
    return [sys.executable, "-m", "generator", name, *map(str, arguments)]


def call(name: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    options = {"cwd": ROOT, "capture_output": True, "text": True} | options
    return subprocess.run(command(name, *arguments), **options, check=False)


def build_arguments(out: Path, workers: int = 1, **changes: object) -> list[object]:
    """Arguments that build the tiny config into `out`; the config lies beside it."""
    config = out.with_name(f"{out.name}.yaml")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(yaml.safe_dump(TINY | changes))
    return ["--config", config, "--out", out, "--workers", workers, "--no-checks"]


def build(out: Path, workers: int = 1, **options: Any) -> subprocess.CompletedProcess[str]:
    """Builds the tiny config into `out`."""
    return call("build", *build_arguments(out, workers), **options)


def start(out: Path, workers: int = 1) -> subprocess.Popen[str]:
    """Starts a build of the tiny config, as the leader of a process group."""
    return subprocess.Popen(
        command("build", *build_arguments(out, workers)),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests run in the background of a shell, Ctrl-C would be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def contents(out: Path) -> dict[str, str]:
    """What a build must always come to: digests of shards, preludes and manifests.

    A manifest's `run`, and what the card says of it, may differ.
    """
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(_stable(path)).hexdigest()
        for name, path in sorted(files.items())
        if path.suffix != ".md"
    }


def _stable(path: Path) -> bytes:
    if path.suffix != ".json":
        return path.read_bytes()
    manifest = json.loads(path.read_bytes())
    del manifest["run"]
    return json.dumps(manifest).encode()


def manifest(out: Path, target: str) -> dict[str, Any]:
    """A manifest as plain JSON."""
    return json.loads((out / "manifests" / f"{target}_manifest.json").read_bytes())


def one_error_line(done: subprocess.CompletedProcess[str]) -> str:
    """The line a command failed with."""
    assert "Traceback" not in done.stderr, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == errors[0]
    return errors[0]


def environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes."""
    return os.environ | changes
