"""Small typed records that cross stages."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
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
class Compiled:
    """What the compilers made of one program.

    Attributes:
        object_file: machine code of the compile unit that holds the program.
        prefix: what stands before the names of the program's entries in that unit.
        llvm_ir: optimised module of the kernel, valid by itself.
        ptx: assembly of the kernel, valid by itself.
    """

    object_file: Path
    prefix: str
    llvm_ir: str
    ptx: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found.

    Attributes:
        outcome: one of the schema's verdicts.
        reason: why it isn't "passed", in a word or three joined by underscores, to be counted.
        detail: what was seen, in one line.
    """

    outcome: str
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What running a program showed.

    Attributes:
        outputs: canonical JSON of the `outputs` column.
    """

    executed: Verdict
    replayed: Verdict
    gradient: Verdict
    outputs: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that the levels of one program belong together.

    Attributes:
        verdicts: by check, in the terms of the schema.
    """

    llvm_ir: str
    ptx: str
    outputs: str
    verdicts: dict[str, Verdict]


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
