"""What synthesis costs, how varied its programs are, and how they compare with hand-written code.

Prints tables, asserts nothing. The tests hold the bounds; this shows how far away each figure is.

Usage: python benchmarks/synthesis.py [--count 20000] [--config configs/v1.yaml]
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

from tabulate import tabulate

from generator.config import SynthesisConfig, load_config
from generator.curation.fingerprints import fingerprints
from generator.errors import RejectProgram
from generator.records import Program
from generator.synthesis.api import catalogue, synthesise
from generator.synthesis.coverage import EXCEPTIONS, Sample, measure, wanted_builtins

# Memory is looked at so many times on the way.
_LOOKS = 5


@dataclass(slots=True)
class Sampling:
    """A sample while it is drawn.

    Attributes:
        seconds: of CPU time that synthesis alone took.
        mib: resident memory, looked at now and then.
    """

    sample: Sample = field(default_factory=Sample)
    skeletons: set[str] = field(default_factory=set)
    rejected: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    mib: list[int] = field(default_factory=list)

    def draw(self, settings: SynthesisConfig, seed: int, index: int) -> None:
        """Synthesises and measures program number `index`."""
        started = process_time()
        try:
            program = synthesise(settings, seed, index)
        except RejectProgram as reject:
            self.rejected[f"{reject.reason}: {reject.detail}"[:100]] += 1
        else:
            self._add(program, process_time() - started)

    def _add(self, program: Program, seconds: float) -> None:
        self.seconds += seconds
        self.sample.add(measure(program.python))
        self.skeletons.add(fingerprints(program.python).skeleton)
        self.categories[program.category] += 1


def run(settings: SynthesisConfig, seed: int, count: int) -> Sampling:
    """Draws the first `count` programs of a seed."""
    sampling = Sampling()
    for index in range(count):
        sampling.draw(settings, seed, index)
        if (index + 1) % max(1, count // _LOOKS) == 0:
            sampling.mib.append(_resident_mib())
    return sampling


def report(sampling: Sampling) -> None:
    """Prints every table."""
    sample = sampling.sample
    _table("Synthesis", ["", "value"], _costs(sampling))
    _table("Programs by category", ["category", "programs"], sampling.categories.most_common())
    shares = [(r.name, r.ours, r.real, r.difference, _verdict(r.ok)) for r in sample.share_rows()]
    _table("Shares of kernels, %", ["", "ours", "hand-written", "difference", ""], shares)
    quantiles = [
        (r.quantity, r.name, r.ours, r.real, _verdict(r.ok)) for r in sample.quantile_rows()
    ]
    _table("Lengths of kernels", ["", "", "ours", "hand-written", ""], quantiles)
    groups = wanted_builtins()
    builtins = [(groups[name], name, count) for name, count in sample.rare_builtins()]
    _table("Builtins called too seldom", ["group", "builtin", "programs"], builtins)
    _table("Constructs used too seldom", ["construct", "programs"], sample.rare_constructs())
    _table("Left out on purpose", ["", "why"], EXCEPTIONS.items())


def _costs(sampling: Sampling) -> list[tuple[str, object]]:
    programs = sampling.sample.programs
    return [
        ("programs", programs),
        ("rejected", sampling.rejected.total()),
        *((f"  {reason}", n) for reason, n in sampling.rejected.most_common(5)),
        ("categories", f"{len(sampling.categories)} of {len(catalogue())}"),
        ("ms per program", f"{1e3 * sampling.seconds / programs:.2f}"),
        ("MiB resident, on the way", " ".join(map(str, sampling.mib))),
        ("distinct skeletons", f"{len(sampling.skeletons) / programs:.2%}"),
        ("builtins called", len(sampling.sample.builtins)),
    ]


def _table(title: str, headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    print(f"\n{title}\n{tabulate([*rows], headers, floatfmt='.1f')}")


def _verdict(ok: bool) -> str:
    return "" if ok else "out"


def _resident_mib() -> int:
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Figures of synthesis beside hand-written code.")
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--config", type=Path, default=Path("configs/v1.yaml"))
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    report(run(config.synthesis, config.seed, arguments.count))
