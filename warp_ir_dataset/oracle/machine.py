"""Runs a rewritten program over the threads of its launch."""

import ast
import inspect
import itertools
import sys
import textwrap
import typing
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from warp_ir_dataset.oracle import builtins, operators
from warp_ir_dataset.oracle.arrays import Array, wrap
from warp_ir_dataset.oracle.constructors import dtype_of
from warp_ir_dataset.oracle.errors import NotReplayable, OutOfRange
from warp_ir_dataset.oracle.grids import HashGrid
from warp_ir_dataset.oracle.rewrite import Rewriter
from warp_ir_dataset.oracle.values import (
    Struct,
    Value,
    constant,
    copied,
    from_warp,
    is_composite,
    is_struct,
    numpy_scalar,
    struct_fields,
)
from warp_ir_dataset.recipes import Arguments, load_module, outputs

MOST_THREADS = 64
MOST_STEPS = 40_000  # turns of loops


def cut_dim(launch: dict[str, Any]) -> list[int]:
    """The launch's dimensions, cut from the largest down to at most `MOST_THREADS` threads.

    The first threads of each dimension remain.
    """
    dim = list(launch["dim"]) if isinstance(launch["dim"], Sequence) else [launch["dim"]]
    while int(np.prod(dim)) > MOST_THREADS:
        dim[int(np.argmax(dim))] -= 1
    return dim


def replay_python(
    python: str,
    launch: dict[str, Any],
    dim: Sequence[int],
    rounding: np.random.Generator | None = None,
    name: str = "replayed",
) -> dict[str, np.ndarray]:
    """The arrays that the program writes when CPython runs it, by argument name.

    Threads run one after another in row-major order, as they do in Warp on the CPU.

    Args:
        python: a row's `python` column.
        launch: its parsed `launch` column.
        dim: threads of the launch, in as many dimensions.
        rounding: rounds every operation up or down by chance, to sample the rounding error.
        name: name of the module that is made of it.

    Raises:
        NotReplayable: the program uses something that CPython has no answer for.
        OutOfRange: it reads or writes outside of an array.
    """
    if launch["options"].get("tiled"):
        raise NotReplayable("tile", "tiled launch")
    machine = Machine(rounding)
    try:
        namespace = machine.load(python, name)
        maker = Arguments(launch, namespace, "cpu")
        arguments = maker.make()
        # By name: a recipe that was read from a row does not have them in the kernel's order.
        given = {n: argument(value, launch["args"][n], arguments) for n, value in arguments.items()}
        with np.errstate(all="ignore"):  # overflow and the like are as in C++
            machine.run(namespace[launch["kernel"]], given, dim)
        maker.alive.clear()
    finally:
        sys.modules.pop(name, None)
    return outputs(launch, arguments)


class Machine:
    """What rewritten programs call; one per program.

    Args:
        rounding: rounds every operation up or down by chance.
    """

    def __init__(self, rounding: np.random.Generator | None = None) -> None:
        self._rounding = rounding
        self._thread: tuple[Any, ...] = ()  # indices of the thread that runs, as int32
        self._steps = 0

    def load(self, python: str, name: str) -> dict[str, Any]:
        """The namespace of a program's module, its functions rewritten.

        Raises:
            NotReplayable: the program uses something that CPython has no answer for.
        """
        rewriter = Rewriter()
        tree = rewriter.module(ast.parse(python))
        names = self._names() | rewriter.names
        if self._rounding:
            names |= {key: self._jittered(f) for key, f in names.items() if _rounds(key)}
        return load_module(tree, name, names).__dict__

    def run(
        self, kernel: Callable[..., Any], arguments: dict[str, Any], dim: Sequence[int]
    ) -> None:
        """Runs a kernel's threads in row-major order.

        Raises:
            NotReplayable: CPython stumbles over the program.
            OutOfRange: it reads or writes outside of an array.
        """
        try:
            for place in itertools.product(*map(range, dim)):
                self._thread = tuple(constant(i) for i in place)
                kernel(**arguments)
        except (NotReplayable, OutOfRange):
            raise
        except Exception as error:
            raise NotReplayable("python_error", f"{type(error).__name__}: {error}") from error

    def _names(self) -> dict[str, Any]:
        return _NAMES | {"_oracle_tid": self._tid, "_oracle_step": self._step}

    def _jittered(self, function: Callable[..., Any]) -> Callable[..., Any]:
        rounding = self._rounding
        assert rounding

        def call(*arguments: Any, **named: Any) -> Any:
            return _jitter(function(*arguments, **named), rounding)

        return call

    def _tid(self, count: int) -> Any:
        return self._thread[0] if count == 1 else self._thread[:count]

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise NotReplayable("too_long", f"more than {MOST_STEPS} turns of loops")


def _rounds(name: str) -> bool:
    """Whether what rewritten programs call by a name may round its result."""
    operation = name.removeprefix("_oracle_")
    if operation in ("Add", "Sub", "Mult", "Div", "Pow", "MatMult"):
        return True
    return operation.startswith("warp_") and builtins.rounds(operation.removeprefix("warp_"))


def _jitter(value: Any, rounding: np.random.Generator) -> Any:
    """A result moved by one unit in the last place, down, up or not at all."""
    if type(value) is Value and isinstance(value.data.flat[0], np.floating):
        units = rounding.integers(-1, 2, value.data.shape).astype(value.data.dtype)
        return Value(value.data + units * np.spacing(value.data), value.type)
    if isinstance(value, np.floating):
        return value + type(value)(rounding.integers(-1, 2)) * np.spacing(value)
    return value


class Overloads:
    """User functions of one name, told apart by the types of their arguments."""

    def __init__(self, functions: list[Callable[..., Any]]) -> None:
        self._functions = functions
        self._hints: list[list[Any]] | None = None

    @staticmethod
    def join(earlier: Any) -> Callable[[Callable[..., Any]], "Overloads"]:
        """Decorator that adds a function to those defined before it."""
        functions = earlier._functions if isinstance(earlier, Overloads) else [earlier]
        return lambda function: Overloads([*functions, function])

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        if self._hints is None:
            self._hints = [list(typing.get_type_hints(f).values()) for f in self._functions]
        for function, hints in zip(self._functions, self._hints, strict=True):
            if len(arguments) + len(named) <= len(hints) and all(map(_fits, arguments, hints)):
                return function(*arguments, **named)
        raise NotReplayable("overload", "no overload fits")


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if type(value) is Array:
        return getattr(kind, "ndim", None) == value.ndim
    if type(value) is Value:
        return is_composite(kind) and _same_type(value.type, kind)
    if type(value) is Struct:
        return kind is value.type
    return isinstance(kind, type) and operators.scalar_of(value) is numpy_scalar(kind)


def _same_type(a: Any, b: Any) -> bool:
    import warp as wp

    return wp.types.types_equal(a, b)


def load_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a library, rewritten; it finds what it found where it was defined.

    Raises:
        NotReplayable: the function uses something that CPython has no answer for.
    """
    scope = inspect.getclosurevars(function)
    around = dict(scope.globals) | dict(scope.nonlocals)
    rewriter = Rewriter()
    rewriter.aliases = {name for name, value in around.items() if inspect.ismodule(value)}
    tree = rewriter.module(ast.parse(textwrap.dedent(inspect.getsource(function))))
    for node in tree.body:  # its annotations would only be looked up in vain
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for parameter in node.args.args:
                parameter.annotation = None
    namespace = around | _NAMES | rewriter.names | {"_oracle_step": lambda: None}
    exec(compile(tree, f"<{function.__name__}>", "exec"), namespace)
    return namespace[function.__name__]


def argument(value: Any, recipe: dict[str, Any], others: dict[str, Any]) -> Any:
    """A kernel argument as a replayed program holds it.

    Args:
        value: the argument as `wp.launch` takes it.
        recipe: that it was made by.
        others: all arguments by name, over which grids are built.

    Raises:
        NotReplayable: CPython can't hold it.
    """
    if recipe.get("dtype") == "bfloat16":  # to NumPy they are 16 bits
        raise NotReplayable("dtype", "bfloat16")
    if recipe["kind"] == "hash_grid":
        points = others[recipe["points"]].numpy().reshape(-1, 3)
        return HashGrid(points, recipe["radius"], recipe["cells"])
    return _held(value)


def _held(value: Any) -> Any:
    kind = type(value)
    if hasattr(value, "ndim") and hasattr(value, "ptr"):
        return wrap(value)
    if is_composite(kind) or numpy_scalar(kind):
        return from_warp(value)
    if hasattr(value, "_cls") and is_struct(value._cls):
        fields = struct_fields(value._cls)
        return Struct(value._cls, {name: _held(getattr(value, name)) for name in fields})
    raise NotReplayable("argument", kind.__name__)


_NAMES: dict[str, Any] = {
    f"_oracle_{function.__name__}": function
    for function in (
        operators.attribute,
        operators.item,
        operators.negate,
        operators.reference_attribute,
        operators.reference_item,
        operators.set_attribute,
        operators.set_item,
        operators.change_attribute,
        operators.change_item,
        dtype_of,
        builtins.resolved,
        copied,
    )
}
_NAMES |= {f"_oracle_{name}": function for name, function in operators.BINARY.items()}
_NAMES |= {"_oracle_range": builtins.iterated, "_oracle_overload": Overloads.join}
