"""The main job: a config becomes a dataset in a folder, begun anew or gone on with."""

import os
import platform
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

from generator.config import BuildConfig
from generator.errors import DataError, UsageError
from generator.files import write_text
from generator.output.manifest import write_manifests
from generator.output.rows import RowConstants
from generator.output.shards import ShardInfo, shard_name
from generator.run.generation import Generation
from generator.run.local import TaskFailed, WorkerPool
from generator.run.parts import UnitReport
from generator.run.progress import BuildProgress
from generator.run.state import BuildFolder, installed_versions
from generator.run.worker import Context, DescribeBackEnd, WriteShard
from generator.synthesis import api
from warp_ir_dataset.schema import SPLITS, TARGETS

_LICENSE = "Apache-2.0"
_CPU_TARGET = "x86_64"

Shards = dict[str, dict[str, list[ShardInfo]]]  # by target and split, in order


def build(
    config: BuildConfig, config_path: Path, out: Path, workers: int, checks: bool = True
) -> bool:
    """Builds both configs of a dataset in `out`, or goes on with the build begun there.

    Args:
        config_path: where the config came from, for messages.
        workers: number of worker processes; no byte of the dataset depends on it.
        checks: whether programs are compiled and run; without, a build ends at generated code.

    Returns:
        False if the dataset was already there.

    Raises:
        UsageError: `out` holds something else, or the config names what doesn't exist.
        DataError: the build failed, or what lies in `out` is damaged.
        OSError: a file can't be written.
    """
    api.validate(config.synthesis)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is not a folder")
    folder = BuildFolder(out)
    if folder.finished:
        for manifest in folder.manifests():
            folder.check_same(manifest.config, manifest.versions, config)
            folder.check_mode(manifest.checks.mode == "run", checks)
        return False
    with folder.lock.held():
        folder.begin(config, config_path, checks)
        with WorkerPool(workers, partial(Context, config, folder, checks)) as pool:
            try:
                _Build(config, folder, pool, workers, checks).run()
            except TaskFailed as error:
                log = folder.work / "failure.log"
                write_text(log, error.trace)
                raise DataError(f"{error}; {log} holds the traceback") from None
        folder.finish()
    return True


@dataclass(frozen=True, slots=True)
class _Build:
    config: BuildConfig
    folder: BuildFolder
    pool: WorkerPool
    workers: int
    checks: bool
    seconds: dict[str, float] = field(default_factory=dict)  # by phase

    def run(self) -> None:
        # The card loads `datasets`, for which no build should wait that is refused.
        from generator.output.card import write_card

        started = _now()
        progress = BuildProgress(self.config.size.code_bytes)
        with self._phase("generate"), progress:
            generation = self._generate(progress)
        progress.say(f"{generation.selection.rows:,} rows generated; writing shards")
        [(_, back_end)] = self.pool.results([DescribeBackEnd()])
        versions = installed_versions() | back_end.versions
        with self._phase("write_shards"):
            shards = self._write_shards(generation, versions)
        generation.summary.checks_mode = "run" if self.checks else "not_run"
        generation.summary.catalogue = [_texts(asdict(entry)) for entry in api.catalogue()]
        write_manifests(
            self.folder.root,
            config=self.config.model_dump(mode="json"),
            config_digest=self.config.digest,
            versions=versions,
            shards=shards,
            preludes=back_end.preludes,
            sampling=generation.summary,
            run=self._run_record(started, generation),
        )
        write_card(self.folder.root)

    def _generate(self, progress: BuildProgress) -> Generation:
        def staged(unit: int) -> UnitReport | None:
            try:
                return self.folder.parts.report(unit)
            except DataError:
                progress.say(f"the staged files of unit {unit} are damaged: making them anew")
                return None

        generation = Generation(self.config)
        for _, report in self.pool.results(generation.missing_units(staged)):
            generation.accept(report)
            selection = generation.selection
            progress.update(selection.rows, min(selection.code_bytes.values()))
        return generation

    def _write_shards(self, generation: Generation, versions: dict[str, str]) -> Shards:
        tasks = list(self._shard_tasks(generation, versions))
        written = {task.path: info for task, info in self.pool.results(tasks)}
        shards: Shards = {target: {split: [] for split in SPLITS} for target in TARGETS}
        for task in tasks:
            shards[task.target][task.split].append(written[task.path])
        return shards

    def _shard_tasks(
        self, generation: Generation, versions: dict[str, str]
    ) -> Iterator[WriteShard]:
        constants = RowConstants(
            targets={"cpu": _CPU_TARGET, "cuda": f"sm_{self.config.gpu_arch}"},
            warp_version=versions["warp"],
            generator_version=versions["generator"],
            license=_LICENSE,
        )
        for split in SPLITS:
            count = getattr(self.config.shards, split)
            pieces = equal_pieces(generation.selection.indices[split], count)
            for number, indices in enumerate(pieces):
                units = {index // self.config.unit_size for index in indices}
                digests = {unit: generation.digests[unit] for unit in units}
                for target in TARGETS:
                    path = self.folder.root / target / shard_name(split, number, count)
                    yield WriteShard(path, target, split, indices, digests, constants)

    def _run_record(self, started: str, generation: Generation) -> dict[str, Any]:
        return {
            "started": started,
            "finished": _now(),
            "seconds": self.seconds,
            "worker_seconds": generation.seconds,
            "workers": self.workers,
            "cpus": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
        }

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = perf_counter()
        yield
        self.seconds[name] = perf_counter() - started


def equal_pieces(indices: array, count: int) -> list[array]:
    """`count` consecutive slices whose lengths differ by one at most."""
    bounds = [len(indices) * number // count for number in range(count + 1)]
    return [indices[start:end] for start, end in pairwise(bounds)]


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
