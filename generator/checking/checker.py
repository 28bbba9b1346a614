"""Proves programs: compiles them in batches, runs each in a process apart, judges what came out."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from generator.checking.pair import CodePair
from generator.checking.runner import Job, Runner
from generator.config import ChecksConfig
from generator.errors import RejectProgram
from generator.lowering.compile_unit import Compiler, Source
from generator.records import Checked, Compiled, Proof, Stage, Verdict


class Rejection(NamedTuple):
    """Why a program can't become a row."""

    stage: Stage
    reason: str
    detail: str


class Checker:
    """Compiles and runs programs of one build; leaving the `with` block ends the running process.

    Args:
        gpu_arch: compute capability of the CUDA target, times ten.
    """

    def __init__(self, config: ChecksConfig, gpu_arch: int) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="warp-ir-")
        self._compiler = Compiler(Path(self._directory.name), gpu_arch, config.passes)
        self._runner = Runner(config.seconds)

    def __enter__(self) -> "Checker":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._runner.__exit__(*exc_info)
        self._directory.cleanup()

    def prove(
        self, pairs: Sequence[CodePair], seconds: dict[str, float]
    ) -> list[Proof | Rejection]:
        """Compiles, runs and replays each of the pairs.

        Args:
            seconds: wall time by what it was spent on, to which this adds.
        """
        with _timed(seconds, "compile"):
            compiled = self._compiler.compile([_source(pair) for pair in pairs])
        found: list[Proof | Rejection] = []
        for pair, made in zip(pairs, compiled, strict=True):
            if isinstance(made, RejectProgram):
                found.append(Rejection(Stage.COMPILE, made.reason, made.detail))
                continue
            with _timed(seconds, "run"):
                checked = self._runner.check(_job(pair, made))
            found.append(_judged(made, checked))
        return found


def _judged(compiled: Compiled, checked: Checked) -> Proof | Rejection:
    """A program must run; CPython may not be able to replay it, but must not disagree."""
    if checked.executed.outcome != "passed":
        return Rejection(Stage.EXECUTE, checked.executed.reason, checked.executed.detail)
    if checked.replayed.outcome == "failed":
        return Rejection(Stage.REPLAY, checked.replayed.reason, checked.replayed.detail)
    verdicts = {
        "compiled": Verdict("passed"),
        "executed": checked.executed,
        "replayed": checked.replayed,
        "gradient": checked.gradient,
    }
    return Proof(compiled.llvm_ir, compiled.ptx, checked.outputs, verdicts)


def _source(pair: CodePair) -> Source:
    return Source.of(
        pair.python, pair.launch, pair.kernel_name, pair.code["cpu"], pair.code["cuda"]
    )


def _job(pair: CodePair, compiled: Compiled) -> Job:
    # Warp leaves the backward entry out of a kernel without adjoint.
    has_adjoint = "_cpu_kernel_backward(" in pair.code["cpu"]
    return Job(pair.python, pair.launch, compiled.object_file, compiled.prefix, has_adjoint)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + perf_counter() - started
