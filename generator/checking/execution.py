"""Runs a program's compiled code: what it computes is finite, repeats and depends on its inputs."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from generator.checking.subject import Arrays, Launched, Subject, launch_guarded
from generator.records import Verdict
from warp_ir_dataset.outputs import describe

_OTHER_SEED = 1  # added to the launch's own: other draws of the same recipe
_SCALE = 1.125  # of a constant that is varied; exact in binary


def execute(subject: Subject) -> tuple[Verdict, dict[str, Any]]:
    """Launches the program twice from fresh arguments, then from others.

    Passed: it has outputs, all finite; on the CPU threads run in order, so both launches agree to
    the bit; the kernel wrote only within arrays that the recipe calls outputs, and changed one; and
    other inputs give other outputs. Memory around the arrays differs between the two launches, so
    what reads out of range doesn't repeat.

    Returns:
        the verdict and, if it passed, the value of the `outputs` column; else an empty one.
    """
    first = launch_guarded(subject, subject.launch, 0)
    verdict = _fault(first)
    if verdict is None:
        second = launch_guarded(subject, subject.launch, 1)
        verdict = _difference(first.after, second.after) or _independence(subject, first)
    return (verdict, {}) if verdict else (Verdict("passed"), describe(first.outputs))


def _fault(run: Launched) -> Verdict | None:
    """What is wrong with one launch."""
    if run.damage:
        return Verdict("failed", "out_of_range", "; ".join(run.damage))
    if not run.written:
        return Verdict("failed", "no_outputs")
    for name, values in run.outputs.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            return Verdict("failed", "not_finite", name)
    changed = [name for name in run.after if not _equal(run.before[name], run.after[name])]
    if strays := [name for name in changed if name not in run.written]:
        return Verdict("failed", "writes_input", ", ".join(strays))
    return None if changed else Verdict("failed", "unchanged")


def _difference(first: Arrays, second: Arrays) -> Verdict | None:
    for name, values in first.items():
        if not _equal(values, second[name]):
            return Verdict("failed", "differs_between_runs", name)
    return None


def _independence(subject: Subject, run: Launched) -> Verdict | None:
    """A verdict if the program has inputs, and none of them changes what the kernel writes."""
    recipes = subject.launch["args"]
    if all(recipe.get("role") == "out" for recipe in recipes.values()):
        return None  # it depends on the index of its thread alone: there is nothing to vary
    for variant in _variants(subject.launch):
        if _depends(run, launch_guarded(subject, variant, 0)):
            return None
    return Verdict("failed", "ignores_inputs")


def _variants(launch: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The launch with other inputs: all drawn anew, from half the range, constants one by one."""
    anew = launch | {"seed": launch["seed"] + _OTHER_SEED}
    yield anew
    yield anew | {"args": _from_upper_half(launch["args"])}  # a minimum may be the same in any draw
    for args in _with_other_constants(launch["args"]):
        yield launch | {"args": args}


def _from_upper_half(recipes: dict[str, Any]) -> dict[str, Any]:
    return {name: _upper_half(recipe) for name, recipe in recipes.items()}


def _upper_half(recipe: dict[str, Any]) -> dict[str, Any]:
    if "fields" in recipe:
        return recipe | {"fields": _from_upper_half(recipe["fields"])}
    match recipe:
        case {"low": int(low), "high": int(high)}:
            return recipe | {"low": (low + high) // 2}
        case {"low": low, "high": high}:
            return recipe | {"low": (low + high) / 2}
    return recipe


def _with_other_constants(recipes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, recipe in recipes.items():
        if "value" in recipe:
            yield recipes | {name: recipe | {"value": _other(recipe["value"])}}
        for fields in _with_other_constants(recipe.get("fields", {})):
            yield recipes | {name: recipe | {"fields": fields}}


def _other(value: Any) -> Any:
    if isinstance(value, list):
        return [_other(element) for element in value]
    return value * _SCALE if isinstance(value, float) else max(value - 1, 0)


def _depends(one: Launched, other: Launched) -> bool:
    """Whether the kernel wrote another value anywhere that it changed in either launch."""
    for name in one.written:
        changed = one.before[name] != one.after[name]
        changed |= other.before[name] != other.after[name]
        if (changed & (one.after[name] != other.after[name])).any():
            return True
    return False


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()
