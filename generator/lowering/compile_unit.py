"""Compiles the canonical code of many programs at a time, in units, for both targets.

A compiler's own start, and the headers that it reads, cost as much as several programs. A unit
that a compiler refuses is halved until the guilty programs are found.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

from generator.errors import RejectProgram, UsageError
from generator.lowering import llvm, ptx, unit_names
from generator.lowering.warp_backend import (
    CPU_TARGET,
    DEFAULT_BLOCK_DIM,
    compile_cpu,
    compile_ptx,
    dumped_module,
    prelude,
)
from generator.records import Compiled
from warp_ir_dataset.prelude import assemble

UNIT_SIZE = 32
PASSES = {"forward": ("forward",), "both": ("forward", "backward")}


@dataclass(frozen=True, slots=True)
class Source:
    """What of a row decides how it is compiled.

    Attributes:
        kernel_name: name of the kernel that `launch` launches.
        cpu: canonical C++.
        cuda: canonical CUDA C++.
        block_dim: threads of a block on CUDA.
        fast_math: whether CUDA arithmetic may be approximate.
    """

    kernel_name: str
    cpu: str
    cuda: str
    block_dim: int = DEFAULT_BLOCK_DIM
    fast_math: bool = False

    @classmethod
    def of(
        cls, python: str, launch: dict[str, Any], kernel_name: str, cpu: str, cuda: str
    ) -> "Source":
        """The source of a row, given by its columns."""
        block_dim = launch.get("options", {}).get("block_dim", DEFAULT_BLOCK_DIM)
        return cls(kernel_name, cpu, cuda, block_dim, _wants_fast_math(python))


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A source, with its position in what `Compiler.compile` was given."""

    position: int
    source: Source


@dataclass(frozen=True, slots=True)
class _CpuResult:
    object_file: Path
    prefix: str
    llvm_ir: str


_Result = TypeVar("_Result")


class Compiler:
    """Compiles programs in units; not for use by several threads.

    Args:
        directory: exists; keeps precompiled headers, and object files until the next call.
        gpu_arch: compute capability of the CUDA target, times ten.
        passes: "forward" or "both": the entries that `llvm_ir` and `ptx` hold.
        cpu_target: LLVM's name of the oldest CPU that object code runs on.
        unit_size: programs in a unit, at most.

    Attributes:
        compiler_seconds: wall time that the compilers themselves have taken so far.
    """

    def __init__(
        self,
        directory: Path,
        gpu_arch: int = 80,
        passes: str = "forward",
        cpu_target: str = CPU_TARGET,
        unit_size: int = UNIT_SIZE,
    ) -> None:
        self._directory = directory
        self._gpu_arch = gpu_arch
        self._passes = PASSES[passes]
        self._cpu_target = cpu_target
        self._unit_size = unit_size
        self._objects: list[Path] = []
        self._numbers = count()
        self.compiler_seconds = 0.0

    def compile(self, sources: Sequence[Source]) -> list[Compiled | RejectProgram]:
        """What became of each source, in order; a rejection says which compiler refused why.

        Object files of the call before are deleted.
        """
        for path in self._objects:
            path.unlink(missing_ok=True)
        self._objects.clear()
        numbered = [_Numbered(position, source) for position, source in enumerate(sources)]
        cpu = self._in_units(numbered, _cpu_kind, self._compile_cpu)
        accepted = [n for n in numbered if not isinstance(cpu[n.position], RejectProgram)]
        cuda = self._in_units(accepted, _cuda_kind, self._compile_cuda)
        return [_merged(cpu[n.position], cuda.get(n.position)) for n in numbered]

    def check(self) -> None:
        """Tries the targets, so that a wrong one is one mistake, not a rejection of each program.

        Raises:
            UsageError: a compiler doesn't know its target.
        """
        try:
            compile_cpu("", self._directory, cpu_target=self._cpu_target)
        except RejectProgram as reject:
            raise UsageError(f"cpu_target {self._cpu_target!r}: {reject.detail}") from None
        try:
            compile_ptx("", self._gpu_arch, self._directory)
        except RejectProgram as reject:
            raise UsageError(f"gpu_arch {self._gpu_arch}: {reject.detail}") from None

    def _in_units(
        self,
        sources: Sequence[_Numbered],
        kind_of: Callable[[Source], object],
        compile_unit: Callable[[list[Source]], Sequence[_Result | RejectProgram]],
    ) -> dict[int, _Result | RejectProgram]:
        """Results by position; what goes into one unit is of one kind."""
        kinds: defaultdict[object, list[_Numbered]] = defaultdict(list)
        for numbered in sources:
            kinds[kind_of(numbered.source)].append(numbered)
        results: dict[int, _Result | RejectProgram] = {}
        for members in kinds.values():
            for start in range(0, len(members), self._unit_size):
                unit = members[start : start + self._unit_size]
                made = _bisected([numbered.source for numbered in unit], compile_unit)
                results |= zip((numbered.position for numbered in unit), made, strict=True)
        return results

    def _compile_cpu(self, unit: list[Source]) -> Sequence[_CpuResult | RejectProgram]:
        text = _unit_text("cpu", [source.cpu for source in unit], 1) + _TILE_STORAGE_USER
        name = f"unit{next(self._numbers)}"
        with self._clock():
            object_file = compile_cpu(text, self._directory, name, self._cpu_target, dump=True)
        self._objects.append(object_file)
        module = llvm.Module(dumped_module(self._directory))
        slices = self._slices("cpu", unit, module.functions, module.slice)
        return [
            _CpuResult(object_file, unit_names.prefix(position), text)
            if isinstance(text, str)
            else text
            for position, text in enumerate(slices)
        ]

    def _compile_cuda(self, unit: list[Source]) -> Sequence[str | RejectProgram]:
        text = _unit_text("cuda", [source.cuda for source in unit], unit[0].block_dim)
        with self._clock():
            path = compile_ptx(text, self._gpu_arch, self._directory, unit[0].fast_math)
        assembly = ptx.Assembly(path.read_text())
        return [*self._slices("cuda", unit, assembly.entries, assembly.slice)]

    @contextmanager
    def _clock(self) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.compiler_seconds += perf_counter() - started

    def _slices(
        self,
        target: str,
        unit: list[Source],
        functions: Iterable[str],
        cut: Callable[[list[str]], str],
    ) -> Iterator[str | RejectProgram]:
        """What each program becomes; the unit as a whole has compiled."""
        by_prefix: defaultdict[str, list[str]] = defaultdict(list)
        for function in functions:
            by_prefix[function[: unit_names.PREFIX_LENGTH]].append(function)
        for position, source in enumerate(unit):
            prefix = unit_names.prefix(position)
            entries = _entries(by_prefix[prefix], target, prefix + source.kernel_name, self._passes)
            if not entries:
                yield RejectProgram("entry_not_found", f"{source.kernel_name!r}, {target}")
                continue
            try:
                yield cut(entries)
            except ValueError as error:
                yield RejectProgram(f"{target}_slice_invalid", str(error))


# Every entry saves and restores a pointer to the storage of tiles. LLVM drops that if nothing else
# of the unit uses the pointer: a program's code would depend on its unit.
_TILE_STORAGE_USER = """
extern "C" wp::tile_shared_storage_t* exchange_tile_storage(wp::tile_shared_storage_t* storage)
{
    wp::tile_shared_storage_t* before = wp::shared_tile_storage;
    wp::shared_tile_storage = storage;
    return before;
}
"""


def _cpu_kind(source: Source) -> object:
    return "bfloat16" in source.cpu  # decides a macro of the whole unit: see `assemble`


def _cuda_kind(source: Source) -> object:
    return "bfloat16" in source.cuda, source.block_dim, source.fast_math


def _unit_text(target: str, codes: list[str], block_dim: int) -> str:
    body = "\n".join(unit_names.with_prefix(code, at) for at, code in enumerate(codes))
    return assemble(prelude(target), body, block_dim)


def _bisected(
    unit: list[Source], compile_unit: Callable[[list[Source]], Sequence[_Result | RejectProgram]]
) -> Sequence[_Result | RejectProgram]:
    """The unit's results; if it fails, those of its halves, down to the programs that fail."""
    try:
        return compile_unit(unit)
    except RejectProgram as reject:
        if len(unit) == 1:
            return [RejectProgram(reject.reason, unit_names.without_prefix(reject.detail))]
    middle = len(unit) // 2
    halves = (unit[:middle], unit[middle:])
    return [result for half in halves for result in _bisected(half, compile_unit)]


def _entries(functions: list[str], target: str, kernel: str, passes: tuple[str, ...]) -> list[str]:
    """The entries of a kernel, of every instance if it is generic; none if it isn't there.

    Warp puts the name of the function or class that encloses the kernel before the kernel's own.
    """
    prefix, name = kernel[: unit_names.PREFIX_LENGTH], re.escape(kernel[unit_names.PREFIX_LENGTH :])
    infix = "_cuda_kernel_" if target == "cuda" else "_cpu_"
    for instance in ("", r"_\d+"):
        entry = re.compile(rf"{prefix}(?:\w+__)?{name}{instance}{infix}(?:{'|'.join(passes)})")
        if found := [function for function in functions if entry.fullmatch(function)]:
            return found
    return []


def _merged(
    cpu: _CpuResult | RejectProgram, ptx_text: str | RejectProgram | None
) -> Compiled | RejectProgram:
    if isinstance(cpu, RejectProgram):
        return cpu
    if isinstance(ptx_text, str):
        return Compiled(cpu.object_file, cpu.prefix, cpu.llvm_ir, ptx_text)
    assert ptx_text is not None  # a program that the first compiler takes goes to the second
    return ptx_text


def _wants_fast_math(python: str) -> bool:
    """Whether the program's module options ask for fast arithmetic."""
    if "fast_math" not in python:
        return False
    return any(
        isinstance(key, ast.Constant)
        and key.value == "fast_math"
        and isinstance(value, ast.Constant)
        and value.value is True
        for node in ast.walk(ast.parse(python))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
    )
