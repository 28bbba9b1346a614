"""What a shard holds, counted while it is written; statistics of shards add up."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from generator.output.groups import builtin_groups, construct_groups
from warp_ir_dataset.manifest import Example
from warp_ir_dataset.schema import CHECKS, TARGETS, text_levels

_TEXT_LEVELS = {level for target in TARGETS for level in text_levels(target)}
_EXAMPLE_COLUMNS = list(Example.model_fields)
# Length of a program that a reader takes in at a glance and that still shows something.
_EXAMPLE_LINES = 20


@dataclass(slots=True)
class Candidate:
    """A row that may stand as an example; the lowest `rank` of a category is the best one."""

    rank: tuple[int, str]
    row: dict[str, Any]


@dataclass(slots=True)
class ShardStats:
    """Counts over rows of one config.

    Attributes:
        level_bytes: UTF-8 bytes by text column.
        lengths: by quantity, how many rows have each length.
        checks: by check, how many rows have each verdict.
        construct_groups, builtin_groups: by category, how many rows use each group.
        candidates: the best example of each category. Ranked by the Python side alone, so that both
            configs choose the same programs.
    """

    rows: int = 0
    level_bytes: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    builtins: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Counter[int]] = field(default_factory=dict)
    checks: dict[str, Counter[str]] = field(default_factory=dict)
    construct_groups: dict[str, Counter[str]] = field(default_factory=dict)
    builtin_groups: dict[str, Counter[str]] = field(default_factory=dict)
    candidates: dict[str, Candidate] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch) -> None:
        """Counts the rows of `batch`."""
        self.rows += batch.num_rows
        for level in _TEXT_LEVELS.intersection(batch.schema.names):
            self.level_bytes[level] += pc.sum(pc.binary_length(batch[level])).as_py() or 0
        self.categories.update(_counts(batch["category"]))
        self.features.update(_counts(pc.list_flatten(batch["features"])))
        self.builtins.update(_counts(pc.list_flatten(batch["builtins"])))
        for check in CHECKS:
            verdicts = _counts(pc.struct_field(batch["checks"], check))
            self.checks.setdefault(check, Counter()).update(verdicts)
        self._add_groups(batch)
        python_lines = _lines(batch["python"])
        self._add_lengths("python_lines", python_lines)
        self._add_lengths("code_lines", _lines(batch["code"]))
        self._add_lengths("line_map_spans", pc.list_value_length(batch["line_map"]))
        self._add_lengths("arguments", pa.array(map(_arguments, batch["launch"].to_pylist())))
        self._consider(batch, python_lines.to_pylist())

    def merge(self, other: "ShardStats") -> None:
        """Adds the counts of `other`."""
        self.rows += other.rows
        for name in ("level_bytes", "categories", "features", "builtins"):
            getattr(self, name).update(getattr(other, name))
        for name in ("lengths", "checks", "construct_groups", "builtin_groups"):
            for key, counts in getattr(other, name).items():
                getattr(self, name).setdefault(key, Counter()).update(counts)
        for category, candidate in other.candidates.items():
            self._offer(category, candidate)

    def _add_groups(self, batch: pa.RecordBatch) -> None:
        columns = (batch[name].to_pylist() for name in ("category", "features", "builtins"))
        for category, features, builtins in zip(*columns, strict=True):
            constructs = self.construct_groups.setdefault(category, Counter())
            constructs.update(construct_groups(features))
            called = self.builtin_groups.setdefault(category, Counter())
            called.update(builtin_groups(builtins))

    def _add_lengths(self, quantity: str, values: pa.Array) -> None:
        self.lengths.setdefault(quantity, Counter()).update(_counts(values))

    def _consider(self, batch: pa.RecordBatch, python_lines: list[int]) -> None:
        best: dict[str, tuple[tuple[int, str], int]] = {}
        rows = zip(
            batch["category"].to_pylist(), batch["id"].to_pylist(), python_lines, strict=True
        )
        for position, (category, row_id, lines) in enumerate(rows):
            choice = ((abs(lines - _EXAMPLE_LINES), row_id), position)
            best[category] = min(best.get(category, choice), choice)
        for category, (rank, position) in best.items():
            if category not in self.candidates or rank < self.candidates[category].rank:
                shown = [name for name in _EXAMPLE_COLUMNS if name in batch.schema.names]
                [row] = batch.slice(position, 1).select(shown).to_pylist()
                self.candidates[category] = Candidate(rank, row)

    def _offer(self, category: str, candidate: Candidate) -> None:
        known = self.candidates.get(category)
        if known is None or candidate.rank < known.rank:
            self.candidates[category] = candidate


def merged(parts: Iterable[ShardStats]) -> ShardStats:
    """The sum of `parts`."""
    total = ShardStats()
    for part in parts:
        total.merge(part)
    return total


def _counts(values: pa.Array) -> dict[Any, int]:
    return {item["values"]: item["counts"] for item in pc.value_counts(values).to_pylist()}


def _lines(texts: pa.Array) -> pa.Array:
    """Lines of each text; a line end at the very end starts no line of its own."""
    breaks = pc.count_substring(texts, "\n")
    unended = pc.invert(pc.ends_with(texts, "\n"))
    return pc.add(breaks, pc.cast(unended, breaks.type))


def _arguments(launch: str) -> int:
    return len(json.loads(launch)["args"])
