"""Decides, in index order, which lowered programs become rows."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from generator.config import BuildConfig
from generator.curation.splits import split_of
from generator.records import Fingerprints
from warp_ir_dataset.schema import SPLITS, TARGETS


class Drop(StrEnum):
    """Why a lowered program did not become a row."""

    DUPLICATE_SOURCE = "duplicate_source"  # equal up to names and cosmetics
    DUPLICATE_SKELETON = "duplicate_skeleton"  # equal up to constants too


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a decision about one lowered program rests on."""

    index: int
    fingerprints: Fingerprints
    code_bytes: tuple[int, ...]  # UTF-8 bytes of `code`, in the order of TARGETS


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one candidate: a split if it is kept, a reason if not."""

    index: int
    split: str | None = None
    drop: Drop | None = None


@dataclass(slots=True)
class Selection:
    """The rows kept so far: indices of programs by split, ascending."""

    indices: dict[str, array] = field(default_factory=lambda: {name: array("q") for name in SPLITS})
    code_bytes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TARGETS, 0))
    dropped: dict[Drop, int] = field(default_factory=lambda: dict.fromkeys(Drop, 0))

    @property
    def rows(self) -> int:
        """Rows kept; the same number in both configs."""
        return sum(map(len, self.indices.values()))


class Curator:
    """Admits candidates until both configs hold the bytes of `code` that the config asks for.

    Candidates must come in index order: of programs with one skeleton the lowest index stays, so
    the result does not depend on who made them, or when.
    """

    def __init__(self, config: BuildConfig) -> None:
        self._shares = config.splits
        self._target_bytes = config.size.code_bytes
        self._alpha_of: dict[int, int] = {}  # skeleton kept -> its alpha
        self._last_index = -1
        self.selection = Selection()

    @property
    def full(self) -> bool:
        """Whether both configs have reached their size."""
        return min(self.selection.code_bytes.values()) >= self._target_bytes

    def admit(self, candidates: Iterable[Candidate]) -> list[Decision]:
        """Decides on the next candidates; stops short at the row that reaches the size."""
        decisions: list[Decision] = []
        for candidate in candidates:
            if self.full:
                break
            if candidate.index <= self._last_index:
                raise ValueError(f"program {candidate.index} came after {self._last_index}")
            self._last_index = candidate.index
            decisions.append(self._decide(candidate))
        return decisions

    def _decide(self, candidate: Candidate) -> Decision:
        alpha, skeleton = map(_key, (candidate.fingerprints.alpha, candidate.fingerprints.skeleton))
        first_alpha = self._alpha_of.get(skeleton)
        if first_alpha is not None:
            drop = Drop.DUPLICATE_SOURCE if alpha == first_alpha else Drop.DUPLICATE_SKELETON
            self.selection.dropped[drop] += 1
            return Decision(candidate.index, drop=drop)
        self._alpha_of[skeleton] = alpha
        return self._keep(candidate)

    def _keep(self, candidate: Candidate) -> Decision:
        split = split_of(candidate.fingerprints.skeleton, self._shares)
        self.selection.indices[split].append(candidate.index)
        for target, size in zip(TARGETS, candidate.code_bytes, strict=True):
            self.selection.code_bytes[target] += size
        return Decision(candidate.index, split=split)


def _key(digest: str) -> int:
    # 64 bits as an int take half the memory of the text; among ten million rows a false match is
    # expected once in 300,000 builds, and costs one row.
    return int(digest[:16], 16)
