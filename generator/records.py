"""Small typed records that cross stages."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Where in the pipeline a program was rejected."""

    SYNTHESISE = "synthesise"
    LOWER = "lower"
    COMPILE = "compile"
    EXECUTE = "execute"
    REPLAY = "replay"
    GRADIENT = "gradient"
    CURATE = "curate"


@dataclass(frozen=True, slots=True)
class Program:
    """One synthesised program: a self-contained Python module and how to launch its kernel.

    Attributes:
        index: position in the stream of sampled programs.
        seed: the seed it was synthesised from.
        category: registered name of its category.
        kernel_name: name of the `@wp.kernel` that `launch` launches.
        python: source text of the module.
        features: sorted names of the language and data-layout features used.
        builtins: sorted names of the Warp builtins called.
        launch: JSON-able launch recipe (dimensions, options, one recipe per argument).
    """

    index: int
    seed: int
    category: str
    kernel_name: str
    python: str
    features: tuple[str, ...]
    builtins: tuple[str, ...]
    launch: dict[str, Any]

    @property
    def id(self) -> str:
        """Stable id: the first 16 hex digits of the SHA-256 of the source text."""
        return hashlib.sha256(self.python.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class LineSpan:
    """Lines of `code` that one Python line became; 1-based and inclusive."""

    python_line: int
    code_start: int
    code_end: int
    pass_: str  # "forward" or "adjoint"


@dataclass(frozen=True, slots=True)
class LoweredCode:
    """Canonical generated source of one program for one target."""

    code: str
    line_map: tuple[LineSpan, ...]


@dataclass(frozen=True, slots=True)
class Lowered:
    """Both targets of one program."""

    cpu: LoweredCode
    cuda: LoweredCode


@dataclass(frozen=True, slots=True)
class Reject:
    """A program that did not become a row, and why."""

    index: int
    category: str
    stage: Stage
    reason: str
    detail: str = ""
    python: str = ""


@dataclass(slots=True)
class Fingerprints:
    """Identity of a program's structure at two levels; hex digests."""

    alpha: str  # identifiers renamed in order of first use, constants kept
    skeleton: str  # constants anonymous too, cosmetics (annotation style) folded away


@dataclass(slots=True)
class UnitStats:
    """What happened in one work unit."""

    sampled: int = 0
    rejects: list[Reject] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
