"""Checks programs by running them in a contained process."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.checking.contained import Contained, Lost
from generator.errors import DataError
from generator.records import Checked, Verdict
from generator.run.parts import canonical_json

CHECKS = ("executed", "replayed", "gradient")
_NOT_RUN = Verdict("not_run")
_PATIENCE = 10  # wall time for each second of CPU time: the machine may have other work
_ATTEMPTS = 3
_KILLED = (
    f"the process that runs programs was killed in each of {_ATTEMPTS} attempts at one; "
    "if memory is short, use fewer workers"
)


@dataclass(frozen=True, slots=True)
class Job:
    """A program to check.

    Attributes:
        python: its source text.
        launch: its launch recipe.
        object_file: machine code of the compile unit that holds the program's `code`.
        prefix: what stands before the names of the program's entries in that unit.
        has_adjoint: whether its `code` has a backward pass.
        checks: those wanted, of `CHECKS`; without "executed" the program must have passed it.
    """

    python: str
    launch: dict[str, Any]
    object_file: Path
    prefix: str
    has_adjoint: bool
    checks: Sequence[str] = CHECKS


class Runner:
    """Runs programs one after another; leaving the `with` block ends its process.

    Args:
        cpu_seconds: how long each check of a program may take.
    """

    def __init__(self, cpu_seconds: int = 30) -> None:
        self._cpu_seconds = cpu_seconds
        self._contained = Contained("generator.checking.child", _PATIENCE * cpu_seconds)

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._contained.end()

    def check(self, job: Job) -> Checked:
        """Does the checks wanted, in order; those after a failed execution are not run.

        Raises:
            DataError: the process that runs programs doesn't start, or is killed from outside.
        """
        verdicts = dict.fromkeys(CHECKS, _NOT_RUN)
        outputs: dict[str, Any] = {}
        wanted = [check for check in CHECKS if check in job.checks]
        kills = 0
        while wanted and verdicts["executed"].outcome != "failed":
            try:
                for check, verdict, made in self._attempt(job, wanted):
                    verdicts[check] = verdict
                    outputs |= made
            except Lost:
                kills += 1
                if kills == _ATTEMPTS:
                    raise DataError(_KILLED) from None
            wanted = [check for check in wanted if verdicts[check] is _NOT_RUN]
        return Checked(**verdicts, outputs=canonical_json(outputs))

    def _attempt(
        self, job: Job, wanted: list[str]
    ) -> Iterator[tuple[str, Verdict, dict[str, Any]]]:
        """As many of the checks wanted as one process survives, with what the program wrote.

        Raises:
            Lost: the process was killed from outside.
        """
        remaining = iter(wanted)
        try:
            for answer in self._contained.ask(self._request(job, wanted)):
                if "verdict" not in answer or (check := next(remaining, None)) is None:
                    continue
                verdict = Verdict(*answer["verdict"])
                yield check, verdict, answer["outputs"]
                if verdict.reason == "out_of_memory":  # what is left of its memory is in pieces
                    self._contained.end()
                    return
        except Lost as lost:
            if lost.verdict is None:
                raise
            if check := next(remaining, None):
                yield check, lost.verdict, {}

    def _request(self, job: Job, checks: list[str]) -> dict[str, Any]:
        # What is drawn for a check follows the order of arguments: a row's, for a new program too.
        launch = json.loads(canonical_json(job.launch))
        return {
            "python": job.python,
            "launch": launch,
            "object_file": str(job.object_file),
            "prefix": job.prefix,
            "has_adjoint": job.has_adjoint,
            "checks": checks,
            "cpu_seconds": self._cpu_seconds,
        }
