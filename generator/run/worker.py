"""What a worker process does: units of work, shards, and a description of its back end."""

import gc
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from generator.checking.pair import CodePair
from generator.config import BuildConfig
from generator.curation.fingerprints import fingerprints
from generator.errors import RejectProgram
from generator.output.rows import RowConstants, target_table
from generator.output.shards import ShardInfo, write_shard
from generator.records import Program, Proof, Reject, Stage, UnitStats
from generator.run.parts import StagedProgram, UnitReport
from generator.run.state import BuildFolder
from generator.synthesis import api
from warp_ir_dataset.schema import TARGETS

if TYPE_CHECKING:
    from generator.checking.checker import Checker
    from generator.lowering.warp_backend import Lowerer


class Context:
    """What every task of a build may use; one per worker process.

    Args:
        folder: output folder, whose lock a build holds: this process joins it.
        checks: whether programs are compiled and run.
    """

    def __init__(self, config: BuildConfig, folder: BuildFolder, checks: bool) -> None:
        self.config = config
        self.checks = checks
        self.parts = folder.parts
        self._lock = folder.lock.joined()

    @cached_property
    def lowerer(self) -> "Lowerer":
        """The process's only Lowerer; Warp starts with it, so the parent process never loads it."""
        from generator.lowering.warp_backend import Lowerer

        lowerer = Lowerer(self.config.gpu_arch)
        gc.freeze()  # what Warp loaded stays: looking for garbage in it costs 4% of the time
        return lowerer

    @cached_property
    def checker(self) -> "Checker":
        """What compiles and runs this process's programs."""
        from generator.checking.checker import Checker

        return Checker(self.config.checks, self.config.gpu_arch)


@dataclass(frozen=True, slots=True)
class GenerateUnit:
    """Makes the programs of one unit and stages them; the result is the unit's report."""

    unit: int

    def __str__(self) -> str:
        return f"unit {self.unit}"

    def __call__(self, context: Context) -> UnitReport:
        rows, stats = run_unit(context.config, self.unit, context.lowerer)
        if context.checks:
            rows = prove(rows, context.checker, stats)
        return context.parts.write(self.unit, rows, stats)


def run_unit(
    config: BuildConfig, unit: int, lowerer: "Lowerer"
) -> tuple[list[StagedProgram], UnitStats]:
    """The programs of one unit: a function of the config and the number, on any machine."""
    stats = UnitStats()
    indices = range(unit * config.unit_size, (unit + 1) * config.unit_size)
    made = (_stage(config, index, lowerer, stats) for index in indices)
    return [row for row in made if row is not None], stats


def _stage(
    config: BuildConfig, index: int, lowerer: "Lowerer", stats: UnitStats
) -> StagedProgram | None:
    stats.sampled += 1
    program: Program | None = None
    stage = Stage.SYNTHESISE
    try:
        with _timed(stats, "synthesise"):
            program = api.synthesise(config.synthesis, config.seed, index)
        stage = Stage.LOWER
        with _timed(stats, "lower"):
            lowered = lowerer.lower(program)
    except RejectProgram as reject:
        category, python = (program.category, program.python) if program else ("", "")
        stats.rejects.append(Reject(index, category, stage, reject.reason, reject.detail, python))
        return None
    with _timed(stats, "fingerprint"):
        return StagedProgram(program, lowered, fingerprints(program.python))


def prove(rows: list[StagedProgram], checker: "Checker", stats: UnitStats) -> list[StagedProgram]:
    """Those of the programs that compile, run and replay as they must, with the proof."""
    pairs = [CodePair.of(row.program, row.lowered) for row in rows]
    proven = []
    for row, proof in zip(rows, checker.prove(pairs, stats.seconds), strict=True):
        if isinstance(proof, Proof):
            proven.append(replace(row, proof=proof))
        else:
            program = row.program
            reject = Reject(program.index, program.category, *proof, program.python)
            stats.rejects.append(reject)
    stats.rejects.sort(key=lambda reject: reject.index)
    return proven


@contextmanager
def _timed(stats: UnitStats, name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    stats.seconds[name] = stats.seconds.get(name, 0.0) + time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class WriteShard:
    """Gathers rows from staged parts into one shard of one target; the result is its info.

    Attributes:
        indices: indices of the programs, ascending.
        digests: digest of the part of every unit that `indices` reach.
    """

    path: Path
    target: str
    split: str
    indices: array
    digests: dict[int, str]
    constants: RowConstants

    def __str__(self) -> str:
        return f"shard {self.path}"

    def __call__(self, context: Context) -> ShardInfo:
        tables = (
            target_table(table, self.target, self.constants) for table in self._selected(context)
        )
        return write_shard(self.path, self.target, tables)

    def _selected(self, context: Context) -> Iterator[pa.Table]:
        size = context.config.unit_size
        for unit, indices in groupby(self.indices, lambda index: index // size):
            table = context.parts.rows(unit, self.digests[unit])
            rows = {index: row for row, index in enumerate(table["index"].to_pylist())}
            yield table.take([rows[index] for index in indices])


@dataclass(frozen=True, slots=True)
class BackEnd:
    """What the back end says of itself.

    Attributes:
        versions: of Warp and its compilers.
        preludes: constant header text by target.
    """

    versions: dict[str, str]
    preludes: dict[str, str]


@dataclass(frozen=True, slots=True)
class DescribeBackEnd:
    """Asks a worker, so that the parent process never starts Warp."""

    def __str__(self) -> str:
        return "the description of the back end"

    def __call__(self, context: Context) -> BackEnd:
        from generator.lowering.warp_backend import prelude

        return BackEnd(
            versions=context.lowerer.versions(),
            preludes={target: prelude(target) for target in TARGETS},
        )
