"""How a sample of programs compares with hand-written code and with all that Warp offers.

Reference figures stand in `reference.json`: facts about hand-written kernels, and the public
builtins that compile. `EXCEPTIONS` is the one list of what programs leave out on purpose.
"""

import ast
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from generator.synthesis.detection.constructs import CONSTRUCTS
from generator.synthesis.detection.facts import Definition, Source, called, code_lines
from generator.synthesis.detection.shares import RARE, SHARES

# A builtin or construct is covered if this many of 20,000 programs use it.
WANTED_OF_20000 = 20
SHARE_TOLERANCE = 8.0  # percentage points
QUANTILE_TOLERANCE = 0.25

# Builtins of Warp that are written as those of Python.
_PLAIN = ("len", "print")

EXCEPTIONS: dict[str, str] = {
    "breakpoint": "stops the process in a debugger",
    "for..else": "Warp accepts the else branch of a loop and generates no code for it",
    "fabricarray": "its data belong to Omniverse Fabric, which an ordinary process has not",
    "indexedfabricarray": "its data belong to Omniverse Fabric, which an ordinary process has not",
}


@cache
def reference() -> dict[str, Any]:
    """The figures of `reference.json`."""
    text = files("generator.synthesis").joinpath("reference.json").read_text(encoding="utf-8")
    figures: dict[str, Any] = json.loads(text)
    return figures


@cache
def wanted_builtins() -> dict[str, str]:
    """Group by builtin, for every public builtin that compiles and is no exception."""
    groups: dict[str, list[str]] = reference()["builtins"]
    return {
        name: group for group, names in groups.items() for name in names if name not in EXCEPTIONS
    }


def wanted_constructs() -> list[str]:
    """Constructs that programs have to show."""
    return [name for name in CONSTRUCTS if name not in EXCEPTIONS]


@dataclass(frozen=True, slots=True)
class Measured:
    """One program.

    Attributes:
        shares: names of `SHARES` that its kernel fulfils.
        lengths: of its kernel: code lines ("loc"), arguments ("args"), nesting ("nest").
    """

    shares: frozenset[str]
    constructs: frozenset[str]
    builtins: frozenset[str]
    lengths: dict[str, int]


def measure(python: str) -> Measured:
    """Measures a program of one kernel.

    Raises:
        SyntaxError: the text is not Python.
        ValueError: it has no kernel, or several.
    """
    source = Source(python)
    [kernel] = source.kernels
    return Measured(
        shares_of(kernel),
        frozenset(name for name, uses in CONSTRUCTS.items() if uses(source)),
        frozenset(name for d in source.definitions for name in builtins_called(d)),
        lengths_of(kernel, python),
    )


def shares_of(kernel: Definition) -> frozenset[str]:
    """Which of `SHARES` a kernel fulfils."""
    return frozenset(name for name, uses in SHARES.items() if uses(kernel))


def lengths_of(kernel: Definition, text: str) -> dict[str, int]:
    """Code lines, arguments and nesting of a kernel that stands in `text`."""
    arguments = len(kernel.node.args.args)
    return {"loc": code_lines(text, kernel.node), "args": arguments, "nest": kernel.nesting}


def builtins_called(definition: Definition) -> Iterable[str]:
    """Names called as ``wp.name(…)``, and builtins that programs spell as Python does.

    An annotation such as ``wp.array(dtype=…)`` is no call.
    """
    annotated = {id(n) for a in _annotations(definition.node) for n in ast.walk(a)}
    for call in definition.all(ast.Call):
        if id(call) not in annotated and (name := _builtin(call)):
            yield name
    if _indexes_by_tile(definition):
        yield "tile_slice_indexed"


def _indexes_by_tile(definition: Definition) -> bool:
    """Whether there is a ``t[indices, :]`` with a tile of indices; Warp takes no other spelling."""
    tiles = {
        target.id
        for assign in definition.all(ast.Assign)
        if isinstance(assign.value, ast.Call) and called(assign.value).startswith("wp.tile")
        for target in assign.targets
        if isinstance(target, ast.Name)
    }
    return any(
        any(isinstance(part, ast.Slice) for part in subscript.slice.elts)
        and any(isinstance(part, ast.Name) and part.id in tiles for part in subscript.slice.elts)
        for subscript in definition.all(ast.Subscript)
        if isinstance(subscript.slice, ast.Tuple)
    )


def _annotations(node: ast.FunctionDef) -> list[ast.expr]:
    given = [*(a.annotation for a in node.args.args), node.returns, *node.decorator_list]
    return [a for a in given if a is not None]


def _builtin(call: ast.Call) -> str | None:
    name = called(call)
    return name if name in _PLAIN else name.removeprefix("wp.") if name.startswith("wp.") else None


@dataclass(slots=True)
class Sample:
    """Counts over programs; every count is a number of programs."""

    programs: int = 0
    shares: Counter[str] = field(default_factory=Counter)
    constructs: Counter[str] = field(default_factory=Counter)
    builtins: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Counter[int]] = field(default_factory=dict)

    def add(self, measured: Measured) -> None:
        """Counts one more program."""
        self.programs += 1
        self.shares.update(measured.shares)
        self.constructs.update(measured.constructs)
        self.builtins.update(measured.builtins)
        for quantity, length in measured.lengths.items():
            self.lengths.setdefault(quantity, Counter())[length] += 1

    def share_rows(self) -> list["ShareRow"]:
        """Every share beside that of hand-written kernels."""
        real: dict[str, float] = reference()["hand_written"]["share_pct"]
        return [
            ShareRow(name, 100.0 * self.shares[name] / self.programs, real[name], name in RARE)
            for name in SHARES
        ]

    def quantile_rows(self) -> list["QuantileRow"]:
        """Quartiles and 90th percentile of each length beside those of hand-written kernels."""
        real: dict[str, dict[str, float]] = reference()["hand_written"]["quantiles"]
        return [
            QuantileRow(quantity, name, quantile(self.lengths[quantity], name), wanted)
            for quantity, by_quantile in real.items()
            for name, wanted in by_quantile.items()
        ]

    def rare_builtins(self) -> list[tuple[str, int]]:
        """Wanted builtins that too few programs call, with the number of programs that do."""
        return self._rare(wanted_builtins(), self.builtins)

    def rare_constructs(self) -> list[tuple[str, int]]:
        """Likewise for constructs."""
        return self._rare(wanted_constructs(), self.constructs)

    def _rare(self, wanted: Iterable[str], counts: Counter[str]) -> list[tuple[str, int]]:
        needed = WANTED_OF_20000 * self.programs / 20_000
        ranked = sorted((counts[name], name) for name in wanted)
        return [(name, count) for count, name in ranked if count < needed]


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A share in percent of the kernels."""

    name: str
    ours: float
    real: float
    rare: bool

    @property
    def difference(self) -> float:
        return self.ours - self.real

    @property
    def ok(self) -> bool:
        """What is rare in hand-written code may be more frequent here, all else must agree."""
        if self.rare:
            return self.difference >= 0.0
        return abs(self.difference) <= SHARE_TOLERANCE


@dataclass(frozen=True, slots=True)
class QuantileRow:
    """A quantile of a length."""

    quantity: str
    name: str
    ours: float
    real: float

    @property
    def ok(self) -> bool:
        """Within the tolerance, or the nearest whole number to a bound of it."""
        return abs(self.ours - self.real) <= QUANTILE_TOLERANCE * self.real


def quantile(counts: Counter[int], name: str) -> float:
    """Nearest-rank quantile, such as ``p90``, of the values that `counts` counts."""
    rank = counts.total() * int(name[1:]) / 100
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen > rank:
            break
    return float(value)
