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
from time import perf_counter

from tabulate import tabulate

from generator.config import BuildConfig, load_config
from generator.run.local import WorkerPool
from generator.run.state import BuildFolder
from generator.run.worker import Context, DescribeBackEnd, GenerateUnit

_UNITS_OF_A_TURN = 16


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
class ResidentMiB:
    """Memory of the worker that is asked."""

    def __call__(self, context: Context) -> float:
        status = Path("/proc/self/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024


class Bench:
    """Pools that do the same units: one worker, two workers, and one for the baseline."""

    def __init__(self, config: BuildConfig, scratch: Path, stack: ExitStack) -> None:
        def pool(folder: BuildFolder, workers: int) -> WorkerPool:
            started = WorkerPool(workers, partial(Context, config, folder))
            list(started.results([DescribeBackEnd()] * workers))  # starts Warp
            return stack.enter_context(started)

        ones, twos = BuildFolder(scratch / "one"), BuildFolder(scratch / "two")
        for folder in (ones, twos):
            stack.enter_context(folder.lock.held())
        self.one, self.two, self.alone = pool(ones, 1), pool(twos, 2), pool(ones, 1)

    def turn(self, units: range) -> tuple[float, float, float]:
        """Seconds of one worker, of two, and of Warp alone for the programs of `units`."""
        one, two = _timed(self.one, units), _timed(self.two, units)
        [(_, baseline)] = self.alone.results([Baseline(units)])
        return one, two, baseline

    def resident_mib(self) -> float:
        [(_, mib)] = self.one.results([ResidentMiB()])
        return mib


def _timed(pool: WorkerPool, units: range) -> float:
    started = perf_counter()
    for _ in pool.results(map(GenerateUnit, units)):
        pass
    return perf_counter() - started


def run(config: BuildConfig, programs: int) -> None:
    """Takes turns until `programs` are done, and prints a row after each."""
    per_turn = _UNITS_OF_A_TURN * config.unit_size
    turns = -(-programs // per_turn)
    totals = [0.0, 0.0, 0.0]
    rows = []
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(config, scratch, stack)
        for turn in range(turns):
            first = turn * _UNITS_OF_A_TURN
            seconds = bench.turn(range(first, first + _UNITS_OF_A_TURN))
            totals = [total + each for total, each in zip(totals, seconds, strict=True)]
            one, two, baseline = totals
            rows.append(
                [
                    f"{(turn + 1) * per_turn:,}",
                    f"{one / baseline:.2f}",
                    f"{one / two:.2f}",
                    f"{bench.resident_mib():.0f}",
                    f"{(turn + 1) * per_turn / one:.0f}",
                ]
            )
            print(f"{rows[-1][0]} programs done", flush=True)
    headers = [
        "programs",
        "one worker / Warp alone",
        "one worker / two",
        "worker MiB",
        "per second",
    ]
    print(tabulate(rows, headers, disable_numparse=True, stralign="right"))
    print("ratios are of the sums so far; wanted: at most 1.5, at least 1.8, memory flat below 600")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Benchmarks of code generation.")
    parser.add_argument("--programs", type=int, default=5120)
    parser.add_argument("--config", type=Path, default=Path("configs/v1.yaml"))
    arguments = parser.parse_args()
    run(load_config(arguments.config), arguments.programs)
