"""Where the build in a folder stands."""

import shlex
from pathlib import Path

from pydantic import ValidationError
from tabulate import tabulate

from generator.config import BuildConfig
from generator.errors import DataError, UsageError
from generator.run.generation import Generation
from generator.run.state import BuildFolder
from warp_ir_dataset.manifest import Manifest
from warp_ir_dataset.schema import TARGETS

_MIB = 1 << 20


def print_status(data_dir: Path, command: str) -> None:
    """Prints phase, sizes against targets, blockers and the exact next command.

    Args:
        command: how this program is called.

    Raises:
        UsageError: there is no build in `data_dir`.
        DataError: the record of the build is damaged, or a manifest or shard is.
    """
    folder = BuildFolder(data_dir)
    if folder.in_progress:
        rows = _unfinished(folder, command)
    elif folder.finished:
        rows = _finished(folder, command)
    else:
        raise UsageError(f"{data_dir} holds no build: begin one with {command} build")
    print(tabulate(rows, tablefmt="plain", disable_numparse=True))


def _finished(folder: BuildFolder, command: str) -> list[tuple[str, str]]:
    manifests = folder.manifests()
    config = _config(manifests[0])
    return [
        ("build", config.name),
        ("phase", "finished"),
        ("rows", f"{manifests[0].rows:,} in each config"),
        *((m.config_name, _size(m.code_bytes, config)) for m in manifests),
        ("blockers", "none"),
        ("next", f"{command} stats --data {shlex.quote(str(folder.root))}"),
    ]


def _config(manifest: Manifest) -> BuildConfig:
    try:
        return BuildConfig.model_validate(manifest.config)
    except ValidationError:
        raise DataError("the manifests hold a config that this version can't read") from None


def _unfinished(folder: BuildFolder, command: str) -> list[tuple[str, str]]:
    record = folder.record()
    generation, damaged = _replay(folder, record.config)
    selection = generation.selection
    holder = folder.lock.holder()
    switches = [] if record.checks else ["--no-checks"]
    place = ["--config", record.config_path, "--out", str(folder.root)]
    go_on = shlex.join(["build", *place, *switches])
    return [
        ("build", record.config.name),
        ("phase", "writing shards" if generation.complete else "generating"),
        ("rows", f"{selection.rows:,} in each config"),
        *((target, _size(selection.code_bytes[target], record.config)) for target in TARGETS),
        ("units", f"{generation.units:,} done without a gap"),
        ("blockers", _blockers(damaged, holder)),
        ("next", "wait for it to end" if holder else f"{command} {go_on}"),
    ]


def _replay(folder: BuildFolder, config: BuildConfig) -> tuple[Generation, list[int]]:
    """What the staged units amount to, and the units whose files are damaged."""
    generation = Generation(config)
    damaged: list[int] = []
    for unit in folder.parts.finished_units():
        try:
            report = folder.parts.report(unit)
        except DataError:
            damaged.append(unit)
        else:
            if report is not None:
                generation.accept(report)
    return generation, damaged


def _blockers(damaged: list[int], holder: str | None) -> str:
    blockers = []
    if damaged:
        units = ", ".join(map(str, damaged[:5])) + (", ..." if len(damaged) > 5 else "")
        blockers.append(f"{len(damaged)} damaged units ({units}), which the build makes anew")
    if holder:
        blockers.append(f"process {holder} builds here now")
    return "; ".join(blockers) or "none"


def _size(code_bytes: int, config: BuildConfig) -> str:
    share = code_bytes / config.size.code_bytes
    return f"{code_bytes / _MIB:.1f} of {config.size.code_mib:g} MiB of code ({share:.0%})"
