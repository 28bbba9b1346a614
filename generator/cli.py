"""The command line. Commands load what they need when they run, so that `--help` is quick."""

import errno
import os
import shlex
import sys
from pathlib import Path

import click

import generator
from generator.errors import DataError, UsageError

_PROGRAM = "warp-ir"

_config = click.option(
    "--config",
    "config_path",
    required=True,
    type=click.Path(path_type=Path),
    help="Config file, such as configs/v1.yaml.",
)
_data = click.option(
    "--data",
    "data_dir",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of a build.",
)


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(generator.__version__, prog_name=_PROGRAM)
def cli() -> None:
    """Builds the Warp-IR dataset: pairs of Python and the code NVIDIA Warp makes of it."""


@cli.command()
@_config
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Output folder.")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="Worker processes; by default one for each CPU this process may use.",
)
@click.option(
    "--engine",
    type=click.Choice(["local"]),
    default="local",
    show_default=True,
    expose_value=False,  # the only one so far
    help="What runs the work.",
)
@click.option("--no-checks", is_flag=True, help="Stop after code generation.")
def build(config_path: Path, out: Path, workers: int | None, no_checks: bool) -> None:
    """Build both configs; run again to go on after a stop."""
    from generator.config import load_config
    from generator.output.statistics import print_tables
    from generator.run.build import build as run_build

    config = load_config(config_path)
    built = run_build(config, config_path, out, workers or _usable_cpus(), not no_checks)
    click.echo(f"built {out}" if built else f"{out} is already built")
    print_tables(out)


@cli.command()
@_config
@click.option("--count", required=True, type=click.IntRange(min=1), help="Programs to draw.")
@click.option("--start", default=0, type=click.IntRange(min=0), help="Index of the first one.")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSONL file to write.",
)
def sample(config_path: Path, count: int, start: int, out: Path) -> None:
    """Write programs without lowering them."""
    from generator.config import load_config
    from generator.run.sampling import write_sample

    written, rejected = write_sample(load_config(config_path), start, count, out)
    click.echo(f"wrote {written:,} programs to {out}; {rejected:,} rejected")


@cli.command()
@_data
def status(data_dir: Path) -> None:
    """Say where a build stands and what to do next."""
    from generator.run.status import print_status

    print_status(data_dir, _called_as())


@cli.command()
@_data
@click.option(
    "--fraction",
    default=0.05,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the rows to lower, compile and run anew.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="cuda: run rows on a GPU too and compare with the stored outputs.",
)
def verify(data_dir: Path, fraction: float, device: str) -> None:
    """Check all files against the manifests and a sample of rows against themselves."""
    from generator.run.verify import verify as run_verify

    done = run_verify(data_dir, fraction, _usable_cpus(), device)
    click.echo(
        f"{data_dir} is as its manifests say; of {done.rows:,} rows in each config "
        f"{done.checked:,} were lowered, compiled and run anew, and agree"
    )


@cli.command()
@_data
def stats(data_dir: Path) -> None:
    """Print the figures of a build as tables."""
    from generator.output.statistics import print_tables

    print_tables(data_dir)


@cli.command()
@click.argument("row_id", metavar="ID")
@_data
def show(row_id: str, data_dir: Path) -> None:
    """Show one row, its levels side by side."""
    from generator.output.show import show as show_row

    show_row(data_dir, row_id)


@cli.command()
@_data
@click.option(
    "--format", required=True, type=click.Choice(["parquet", "jsonl"]), help="Format of the files."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
def export(data_dir: Path, format: str, out: Path) -> None:
    """Write the data in another format."""
    from generator.output.export import export as export_data

    export_data(data_dir, format, out)


@cli.command()
@_data
def card(data_dir: Path) -> None:
    """Render the dataset card from the manifests."""
    from generator.output.card import write_card

    write_card(data_dir)


def main() -> None:
    """Runs the command line and ends the process: 0 done, 1 data or build wrong, 2 usage wrong."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command and returns its exit status; failures are told in one line."""
    try:
        cli.main(arguments, prog_name=_PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        return _fail(2, f"{error.format_message()} (see {_PROGRAM} --help)")
    except UsageError as error:
        return _fail(2, str(error))
    except DataError as error:
        return _fail(1, str(error))
    except (KeyboardInterrupt, click.Abort):
        return _fail(130, _interrupted(arguments))
    except BrokenPipeError:
        # Whoever read our output has gone, as `head` does: nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(2, _os_problem(error))
    return 0


def _fail(status: int, message: str) -> int:
    line = " ".join(message.split())
    printable = "".join(c if c.isprintable() else "?" for c in line)
    click.echo(f"error: {printable}", err=True)
    return status


def _interrupted(arguments: list[str]) -> str:
    if arguments[:1] == ["build"]:
        return "interrupted; what is done is kept: the same command goes on from there"
    return "interrupted"


def _os_problem(error: OSError) -> str:
    what = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    hint = ": make room, then run the same command again" if error.errno == errno.ENOSPC else ""
    return f"{where}{what}{hint}"


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _called_as() -> str:
    """How to call this program again from here."""
    command = sys.argv[0]
    if Path(command).name != "__main__.py":
        return shlex.quote(command)
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return f"{shlex.quote(str(python))} -m generator"
