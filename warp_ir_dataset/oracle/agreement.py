"""Compares what the compiled program and CPython wrote."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Outputs = dict[str, np.ndarray]

# Student's t at 95% for the two degrees of freedom that three samples of a rounding error leave.
_STUDENT = 4.303
ROUNDINGS = 3  # replays with random rounding
_ULPS = 2  # by which mathematical libraries differ


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a comparison found.

    Attributes:
        outcome: one of the schema's verdicts.
        reason: why it isn't "passed", to be counted.
        detail: the first element that differs, in one line.
    """

    outcome: str
    reason: str = ""
    detail: str = ""


def agreement(compiled: Outputs, replayed: Outputs, rounded: Sequence[Outputs] = ()) -> Agreement:
    """Whether the compiled program computed what CPython did.

    Integers must be equal. Floating-point numbers may differ by 2 units in the last place or, if
    there are replays with random rounding, by what rounding explains: the deviation of these from
    the plain replay is a sample of the rounding error of each element (Vignes' CESTAC method), and
    Student's t at 95% for three samples times it, with one unit in the last place of the array's
    largest magnitude for elements whose sample happened to be small, bounds the difference. An
    integer that random rounding changes, and a number of which rounding leaves less than a
    quarter of the digits, are not determined by the program: inconclusive where they differ.

    Args:
        compiled: arrays that the compiled program wrote, by name.
        replayed: those of `replay_python`, of the same launch.
        rounded: those of `replay_python` with random rounding.
    """
    undetermined = Agreement("passed")
    for label, ours, theirs, samples in _columns(compiled, replayed, rounded):
        if ours.shape != theirs.shape:
            return Agreement("failed", "differs", f"{label}: {theirs.shape} != {ours.shape}")
        differs = ~_near(theirs, ours)
        if not differs.any():
            continue
        bound, determined = _bound(ours, samples)
        beyond = differs & (_distance(theirs, ours) > bound)
        if (beyond & determined).any():
            return Agreement("failed", "differs", _first(label, theirs, ours, beyond & determined))
        if (differs & ~determined).any():
            detail = _first(label, theirs, ours, differs & ~determined)
            undetermined = Agreement("inconclusive", "ill_conditioned", detail)
    return undetermined


def _columns(
    compiled: Outputs, replayed: Outputs, rounded: Sequence[Outputs]
) -> Iterator[tuple[str, np.ndarray, np.ndarray, list[np.ndarray]]]:
    """Label, CPython's, compiled and randomly rounded values; fields of structs one by one."""
    for name, ours in replayed.items():
        theirs, samples = compiled[name], [r[name] for r in rounded]
        yield from _fields(name, ours, theirs, samples)


def _fields(
    label: str, ours: np.ndarray, theirs: np.ndarray, samples: list[np.ndarray]
) -> Iterator[tuple[str, np.ndarray, np.ndarray, list[np.ndarray]]]:
    if not ours.dtype.names:
        yield label, ours, theirs, samples
    for field in ours.dtype.names or ():
        yield from _fields(
            f"{label}.{field}", ours[field], theirs[field], [s[field] for s in samples]
        )


def _near(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where two arrays agree without any explanation."""
    same = a == b
    if not np.issubdtype(a.dtype, np.floating):
        return same
    ulps = _ULPS * np.spacing(np.abs(b))
    with np.errstate(invalid="ignore", over="ignore"):
        return same | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= ulps)


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differences; none between two NaNs or equal infinities, infinite from any to a number."""
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(a.astype(np.float64) - b.astype(np.float64))
    distance[(a == b) | ((a != a) & (b != b))] = 0.0
    return np.nan_to_num(distance, nan=np.inf, posinf=np.inf)


def _bound(ours: np.ndarray, samples: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Largest difference that rounding explains, and where the program determines the result."""
    deviation = np.zeros(ours.shape)
    for sample in samples:
        deviation = np.maximum(deviation, _distance(sample, ours))
    if not np.issubdtype(ours.dtype, np.floating):
        return np.zeros(ours.shape), deviation == 0
    finite = np.abs(ours[np.isfinite(ours)]).astype(np.float64)
    scale = finite.max(initial=0.0)
    unit = float(np.finfo(ours.dtype).eps)
    bound = _STUDENT * (deviation + unit * scale)
    size = np.nan_to_num(np.abs(ours), nan=0.0, posinf=scale)
    return bound, deviation <= unit**0.25 * np.maximum(size, scale * unit**0.5)


def _first(label: str, theirs: np.ndarray, ours: np.ndarray, where: np.ndarray) -> str:
    place = tuple(int(i) for i in np.argwhere(where)[0])
    count = f"{int(where.sum())} of {where.size}"
    return f"{label}{list(place)}: compiled {theirs[place]}, CPython {ours[place]} ({count})"
