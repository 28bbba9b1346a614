"""What code generation costs: against Warp alone, with two workers against one, and in memory.

Prints ratios, asserts nothing. The three ways take turns on the same programs, so that what else
the machine does weighs on all of them alike. Start-up is left out: a build pays it once.

Usage: python benchmarks/codegen.py [--programs 5120] [--config configs/v1.yaml]
"""

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

from tabulate import tabulate

from generator.config import BuildConfig, load_config
from generator.run.local import WorkerPool
from generator.run.state import BuildFolder
from generator.run.worker import Context, DescribeBackEnd, GenerateUnit

# Small units and short turns: a noisy neighbour seldom meets one way only.
_UNIT_SIZE = 16
_UNITS_OF_A_TURN = 16
_TURNS_OF_A_ROW = 4


@dataclass(frozen=True, slots=True)
class Baseline:
    """Seconds that Warp alone takes for the programs of some finished units."""

    units: range

    def __call__(self, context: Context) -> float:
        from generator.lowering.baseline import baseline_seconds

        sources = []
        for unit in self.units:
            report = context.parts.report(unit)
            assert report is not None
            sources += context.parts.rows(unit, report.sha256)["python"].to_pylist()
        return baseline_seconds(sources, context.config.gpu_arch)


@dataclass(frozen=True, slots=True)
class Usage:
    """MiB of memory and seconds of CPU time of the worker that is asked."""

    def __call__(self, context: Context) -> tuple[float, float]:
        status = Path("/proc/self/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024, process_time()


class Bench:
    """Three pools that do the same units: one worker, two workers, one for Warp alone.

    Attributes:
        one, two, alone: seconds of wall time that each has taken.
        programs: programs done.
    """

    def __init__(self, config: BuildConfig, scratch: Path, stack: ExitStack) -> None:
        def pool(folder: BuildFolder, workers: int) -> WorkerPool:
            started = WorkerPool(workers, partial(Context, config, folder, checks=False))
            list(started.results([DescribeBackEnd()] * workers))  # starts Warp
            return stack.enter_context(started)

        ones, twos = BuildFolder(scratch / "one"), BuildFolder(scratch / "two")
        for folder in (ones, twos):
            stack.enter_context(folder.lock.held())
        self._one, self._two, self._alone = pool(ones, 1), pool(twos, 2), pool(ones, 1)
        self._cpu_before = self._cpu()
        self.one = self.two = self.alone = 0.0
        self.programs = 0

    def turn(self) -> None:
        """Lets each pool do the next units."""
        first = self.programs // _UNIT_SIZE
        units = range(first, first + _UNITS_OF_A_TURN)
        self.one += _timed(self._one, units)
        self.two += _timed(self._two, units)
        [(_, seconds)] = self._alone.results([Baseline(units)])
        self.alone += seconds
        self.programs += _UNITS_OF_A_TURN * _UNIT_SIZE

    def row(self) -> list[str]:
        """The figures so far."""
        [(_, (mib, _cpu))] = self._one.results([Usage()])
        one, alone = (now - then for now, then in zip(self._cpu(), self._cpu_before, strict=True))
        return [
            f"{self.programs:,}",
            f"{self.one / self.alone:.2f}",
            f"{one / alone:.2f}",
            f"{self.one / self.two:.2f}",
            f"{mib:.0f}",
            f"{self.programs / self.one:.0f}",
        ]

    def _cpu(self) -> list[float]:
        pools = (self._one, self._alone)
        return [cpu for pool in pools for _, (_, cpu) in pool.results([Usage()])]


def _timed(pool: WorkerPool, units: range) -> float:
    started = perf_counter()
    for _ in pool.results(map(GenerateUnit, units)):
        pass
    return perf_counter() - started


def run(config: BuildConfig, programs: int) -> None:
    """Takes turns until `programs` are done, then prints a table of how the ratios settled."""
    rows = []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(config.model_copy(update={"unit_size": _UNIT_SIZE}), scratch, stack)
        while bench.programs < programs:
            for _ in range(_TURNS_OF_A_ROW):
                bench.turn()
            rows.append(bench.row())
            print(f"{bench.programs:,} programs done", flush=True)
    headers = ["programs", "1 worker / Warp", "in CPU time", "1 worker / 2", "MiB", "per second"]
    print(tabulate(rows, headers, disable_numparse=True, stralign="right"))
    print(
        "1 worker / Warp: time of a worker over that of exec, ModuleBuilder and codegen alone "
        "(wanted: at most 1.5)\n1 worker / 2: time of one worker over that of two (at least 1.8)\n"
        "MiB: resident memory of the one worker (flat, below 600)"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Benchmarks of code generation.")
    parser.add_argument("--programs", type=int, default=5120)
    parser.add_argument("--config", type=Path, default=Path("configs/v1.yaml"))
    arguments = parser.parse_args()
    run(load_config(arguments.config), arguments.programs)
