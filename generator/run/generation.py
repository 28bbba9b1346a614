"""Finished units, taken in order of their numbers, become a selection of rows."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count

from generator.config import BuildConfig
from generator.curation.curator import Curator, Decision, Selection
from generator.errors import DataError
from generator.output.manifest import SamplingSummary
from generator.records import Reject
from generator.run.parts import UnitReport
from generator.run.worker import GenerateUnit

# A config whose categories have run out of new programs must end, not sample for ever.
_BARREN_PROGRAMS = 20_000
_SAMPLES_OF_A_REASON = 3


class Generation:
    """Programs of a build up to the one that reaches the size.

    Attributes:
        units: units taken so far.
        digests: digest of the part of each of them.
        seconds: time that workers spent on them, by what they did.
        summary: what became of the programs in them.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.units = 0
        self.digests: dict[int, str] = {}
        self.seconds: dict[str, float] = {}
        self.summary = SamplingSummary()
        self._unit_size = config.unit_size
        self._curator = Curator(config)
        self._waiting: dict[int, UnitReport] = {}  # finished before a unit of a lower number
        self._kept_at = 0  # index of the last program that became a row

    @property
    def selection(self) -> Selection:
        """The rows kept so far."""
        return self._curator.selection

    @property
    def complete(self) -> bool:
        """Whether the size is reached."""
        return self._curator.full

    def missing_units(self, staged: Callable[[int], UnitReport | None]) -> Iterator[GenerateUnit]:
        """The units to do, in order, for as long as more are needed.

        Args:
            staged: gives the report on a unit that an earlier run has finished, None if none has.
        """
        for unit in count():
            if self.complete:
                return
            report = staged(unit)
            if report is None:
                yield GenerateUnit(unit)
            else:
                self.accept(report)

    def accept(self, report: UnitReport) -> None:
        """Takes a finished unit, and those after it that waited for it.

        Raises:
            DataError: so much came without a new row that none can be expected.
        """
        self._waiting[report.unit] = report
        while not self.complete and self.units in self._waiting:
            self._take(self._waiting.pop(self.units))
            self.units += 1

    def _take(self, report: UnitReport) -> None:
        decisions = self._curator.admit(report.candidates)
        end = decisions[-1].index + 1 if self.complete else (report.unit + 1) * self._unit_size
        self.digests[report.unit] = report.sha256
        for name, seconds in report.stats.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        for reject in report.stats.rejects:
            if reject.index < end:
                self._count(reject)
        self.summary.sampled = end
        self._count_reasons(report, decisions)
        self.summary.lowered += len(decisions)
        self.summary.dropped = {str(k): n for k, n in self.selection.dropped.items()}
        self.summary.distinct_skeletons = self.selection.rows  # the first of each becomes a row
        self._kept_at = max((d.index for d in decisions if d.split), default=self._kept_at)
        if end - self._kept_at > _BARREN_PROGRAMS:
            raise DataError(self._barren())

    def _count_reasons(self, report: UnitReport, decisions: Sequence[Decision]) -> None:
        # The rest of the unit, past the size, has no decision.
        for decision, reasons in zip(decisions, report.reasons, strict=False):
            for check, reason in reasons.items() if decision.split else ():
                counts = self.summary.check_reasons.setdefault(check, {})
                counts[reason] = counts.get(reason, 0) + 1

    def _count(self, reject: Reject) -> None:
        reasons = self.summary.rejected.setdefault(str(reject.stage), {})
        reasons[reject.reason] = reasons.get(reject.reason, 0) + 1
        if reasons[reject.reason] <= _SAMPLES_OF_A_REASON:
            self.summary.reject_samples.append(reject)

    def _barren(self) -> str:
        rejected = sum(sum(reasons.values()) for reasons in self.summary.rejected.values())
        return (
            f"none of the last {_BARREN_PROGRAMS:,} programs became a row (of "
            f"{self.summary.sampled:,} in all, {rejected:,} were rejected and "
            f"{self.summary.lowered - self.selection.rows:,} were duplicates): the config asks for "
            "more than its categories can give; lower size.code_mib or allow more categories"
        )
