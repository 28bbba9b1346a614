"""Every failure of a command is one line on standard error and the right exit status."""

import errno
import subprocess
import sys

import click
import pytest
import yaml
from tiny import TINY

from generator import cli
from generator.errors import DataError, UsageError


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Runs a command; returns its exit status and what it said on standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(TINY))
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(TINY | {"sead": 1}))
    (tmp_path / "strange.yaml").write_text(
        yaml.safe_dump(TINY | {"synthesis": {"categories": {"no_such_category": 1}}})
    )

    def call(*arguments):
        status = cli.run([str(argument) for argument in arguments])
        return status, capsys.readouterr().err

    return call


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", ["Missing command"]),
        ("bild", ["No such command 'bild'", "build"]),
        ("build", ["Missing option '--config'"]),
        ("build --config c.yaml", ["Missing option '--out'"]),
        ("build --config c.yaml --out o --workers 0", ["--workers", "0 is not in the range"]),
        ("build --config c.yaml --out o --workers -2", ["--workers", "-2"]),
        ("build --config c.yaml --out o --workers two", ["--workers", "two"]),
        ("build --config c.yaml --out o --engine cloud", ["--engine", "local"]),
        ("build --config c.yaml --out o --check", ["No such option '--check'"]),
        ("build --config no.yaml --out o", ["cannot read config no.yaml"]),
        ("build --config . --out o", ["cannot read config .", "directory"]),
        ("build --config bad.yaml --out o", ["bad.yaml: unknown key 'sead'", "'seed'"]),
        ("build --config strange.yaml --out o", ["unknown category 'no_such_category'"]),
        ("build --config c.yaml --out c.yaml", ["c.yaml is not a folder"]),
        ("build --config c.yaml --out c.yaml/o", ["c.yaml", "Not a directory"]),
        ("build --config c.yaml --out /proc/o", ["/proc/o", "No such file or directory"]),
        ("sample --config c.yaml --count 0 --out x", ["--count", "0"]),
        ("sample --config c.yaml --count 3 --start -1 --out x", ["--start", "-1"]),
        ("sample --config no.yaml --count 3 --out x", ["cannot read config no.yaml"]),
        ("sample --config strange.yaml --count 3 --out x", ["no_such_category"]),
        ("sample --config c.yaml --count 3 --out c.yaml/x", ["c.yaml: File exists"]),
        ("sample --config c.yaml --count 3 --out .", ["directory"]),
        ("status --data no", ["no holds no build"]),
        ("verify --data no", ["no/manifests/cpu_manifest.json does not exist"]),
        ("verify --data no --fraction 2", ["--fraction", "0<=x<=1"]),
        ("verify --data no --device tpu", ["--device", "'cpu', 'cuda'"]),
        ("stats --data no", ["no/manifests/cpu_manifest.json does not exist"]),
        ("show 0123 --data no", ["no/manifests/cpu_manifest.json does not exist"]),
        ("card --data no", ["no/manifests/cpu_manifest.json does not exist"]),
        ("export --data no --format jsonl --out o", ["no/manifests/cpu_manifest.json"]),
        ("export --data no --format csv --out o", ["--format", "'parquet', 'jsonl'"]),
    ],
)
def test_bad_usage_is_one_line_and_status_2(run, tmp_path, command, words):
    before = sorted(tmp_path.rglob("*"))
    status, said = run(*command.split())
    assert status == 2, said
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert all(word in said for word in words), said
    assert sorted(tmp_path.rglob("*")) in (before, sorted([*before, tmp_path / "o"]))


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UsageError("a\nb\x1b[31m"), 2, "error: a b?[31m\n"),
        (DataError("damaged"), 1, "error: damaged\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out/x"),
            2,
            "error: out/x: No space left on device: make room, then run the same command again\n",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "out"), 2, "error: out: Permission"),
        (OSError("no number"), 2, "error: no number\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
)
def test_what_a_command_raises_is_one_line(run, monkeypatch, error, status, words):
    monkeypatch.setattr(cli.cli, "main", raising(error))
    got, said = run("status")
    assert (got, said.count("\n")) == (status, 1)
    assert said.startswith(words)


def raising(error):
    def main(*args, **kwargs):
        raise error

    return main


def test_an_interrupted_build_says_how_to_go_on(run, monkeypatch):
    monkeypatch.setattr(cli.cli, "main", raising(KeyboardInterrupt()))
    assert run("build") == (
        130,
        "error: interrupted; what is done is kept: the same command goes on from there\n",
    )


def test_help_of_every_command_works_without_loading_what_it_needs():
    code = (
        "import sys; from generator import cli\n"
        "for name in cli.cli.commands: assert cli.run([name, '--help']) == 0\n"
        "slow = {'warp', 'datasets', 'pyarrow', 'numpy', 'multiprocess'} & set(sys.modules)\n"
        "sys.exit(f'loaded {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage:") == len(cli.cli.commands)


def test_every_option_says_what_it_is_for():
    parameters = [param for command in cli.cli.commands.values() for param in command.params]
    options = [param for param in parameters if isinstance(param, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_a_reader_that_goes_away_is_no_traceback():
    command = [sys.executable, "-m", "generator", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
