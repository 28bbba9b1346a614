"""What is checked: a program, as a worker has just lowered it or as a row holds it."""

from dataclasses import dataclass
from typing import Any

from generator.records import Lowered, Program
from warp_ir_dataset.schema import TARGETS


@dataclass(frozen=True, slots=True)
class CodePair:
    """A program and the code generated from it, to compile and run.

    Attributes:
        launch: its launch recipe, parsed.
        code: canonical generated source by target.
    """

    python: str
    kernel_name: str
    launch: dict[str, Any]
    code: dict[str, str]

    @classmethod
    def of(cls, program: Program, lowered: Lowered) -> "CodePair":
        """A program that was just lowered."""
        code = {target: getattr(lowered, target).code for target in TARGETS}
        return cls(program.python, program.kernel_name, program.launch, code)
