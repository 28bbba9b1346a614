"""A program under test, in the process that runs it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import warp as wp

from generator.checking.guards import GuardedAllocator
from generator.errors import RejectProgram
from generator.lowering.warp_backend import ObjectCode, Session, cpu_allocator
from warp_ir_dataset.outputs import leaves
from warp_ir_dataset.recipes import Arguments, outputs

Arrays = dict[str, np.ndarray]

_WRITTEN = ("out", "inout")
_GUARD_BYTES = (0xFF, 0x7F)  # floats: NaN, and close to the largest; as an index: -1, and far off


@dataclass(frozen=True, slots=True)
class Subject:
    """A program that is defined in this process, bound to its compiled code.

    Attributes:
        python: its source text.
        launch: its launch recipe.
        kernel: what the recipe launches.
        namespace: globals of the executed source.
        has_adjoint: whether the compiled code has a backward pass.
    """

    python: str
    launch: dict[str, Any]
    kernel: wp.Kernel
    namespace: dict[str, Any]
    has_adjoint: bool

    def make(self, launch: dict[str, Any]) -> Arguments:
        """Fresh arguments, made from the program's recipe or a variant of it."""
        maker = Arguments(launch, self.namespace)
        maker.make()
        return maker

    def run(self, maker: Arguments) -> None:
        """Launches the compiled code over made arguments; under a `wp.Tape`, records it."""
        made = maker.made
        wp.launch(
            self.kernel,
            dim=maker.launch["dim"],
            inputs=[made[parameter.label] for parameter in self.kernel.adj.args],
            device="cpu",
            block_dim=1,  # tiles too: on the CPU a block is one thread
        )

    def outputs(self, dim: Sequence[int]) -> Arrays:
        """What the compiled code writes over other dimensions, by argument name."""
        maker = self.make(self.launch | {"dim": list(dim)})
        self.run(maker)
        return {name: values.copy() for name, values in outputs(maker.launch, maker.made).items()}


@dataclass(frozen=True, slots=True)
class Launched:
    """Copies of every array argument around one launch; those of structs field by field.

    Attributes:
        before: values by name.
        after: values by name.
        written: names of the arrays that the kernel may write.
        damage: where it wrote out of range.
    """

    before: Arrays
    after: Arrays
    written: frozenset[str]
    damage: list[str]

    @property
    def outputs(self) -> Arrays:
        """What the arrays that the kernel may write hold after the launch."""
        return {name: values for name, values in self.after.items() if name in self.written}


@contextmanager
def subject(
    session: Session,
    code: ObjectCode,
    python: str,
    launch: dict[str, Any],
    prefix: str,
    has_adjoint: bool,
) -> Iterator[Subject]:
    """Defines a program for the length of the block.

    Raises:
        RejectProgram: its source doesn't define the kernel.
    """
    with session.defined(python) as namespace:
        kernel = namespace.get(launch["kernel"])
        if not isinstance(kernel, wp.Kernel):
            raise RejectProgram("kernel_not_found", f"no kernel {launch['kernel']!r}")
        code.bind(kernel, prefix, has_adjoint)
        yield Subject(python, launch, kernel, namespace, has_adjoint)


def launch_guarded(subject: Subject, launch: dict[str, Any], turn: int) -> Launched:
    """One launch over fresh arguments with guard zones around them.

    Args:
        launch: the program's recipe or a variant of it.
        turn: 0 or 1; the guard zones hold another byte in each.
    """
    allocator = GuardedAllocator(_GUARD_BYTES[turn])
    with cpu_allocator(allocator):
        maker = subject.make(launch)
        arrays = dict(array_arguments(launch["args"], maker.made))
        before = _copies(arrays)
        subject.run(maker)
        after = _copies(arrays)
        damage = allocator.damage({array.ptr: name for name, array in arrays.items()})
    return Launched(before, after, written_names(launch, before), damage)


def array_arguments(
    recipes: dict[str, Any], made: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, wp.array]]:
    """Every array among made arguments by its name; in structs `params.velocities` and so on."""
    for name, recipe in recipes.items():
        match recipe["kind"]:
            case "array" | "struct_array":
                yield path + name, made[name]
            case "struct":
                fields = {field: getattr(made[name], field) for field in recipe["fields"]}
                yield from array_arguments(recipe["fields"], fields, f"{path}{name}.")


def written_names(launch: dict[str, Any], names: Iterable[str]) -> frozenset[str]:
    """Those of the names, as `array_arguments` and `leaves` make them, that a launch may write."""
    return frozenset(name for name in names if role(launch, name) in _WRITTEN)


def role(launch: dict[str, Any], name: str) -> str:
    """Role of an array by its name: "in", "out" or "inout"; fields of structs have it in common."""
    recipe = {"fields": launch["args"]}
    for part in name.split("."):
        if recipe.get("kind") == "struct_array":
            break
        recipe = recipe["fields"][part]
    return str(recipe["role"])


def _copies(arrays: dict[str, wp.array]) -> Arrays:
    return leaves({name: array.numpy().copy() for name, array in arrays.items()})
