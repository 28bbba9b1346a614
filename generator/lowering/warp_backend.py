"""Lowering through Warp's own code generator. The only module that touches Warp's internals.

Warp's code generator is not a public API: it keeps every module it ever saw, numbers functions
through the life of the process, and writes hashes and paths into its output. What is done about
each stands in `Session` (what stays behind), `_hashed_names` (names) and `_marked` (lines).
"""

import ctypes
import linecache
import os
import re
import shutil
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from io import StringIO
from itertools import count
from pathlib import Path

import warp as wp
from warp._src import build, codegen, context

from generator.errors import RejectProgram
from generator.lowering.canonical import Marks, canonicalise, rename, split_unit
from generator.records import Lowered, Program

MODULE_NAME = "program"
FILE_NAME = "<program>"
CPU_TARGET = "x86-64"  # Warp's own default is the machine's CPU: code would depend on it
DEFAULT_BLOCK_DIM = 256  # threads of a block when the launch doesn't say, as in wp.launch

_HEADERS = {"cpu": codegen.cpu_module_header, "cuda": codegen.cuda_module_header}
_SPECIALISED = re.compile(r"(.+)_callable_[0-9a-f]{12}")
_LIBRARY = ("warp.math", "warp.utils")  # what `wp.` offers that is written in Warp itself
_WARP_ERRORS = (
    codegen.WarpCodegenError,
    codegen.WarpCodegenTypeError,
    codegen.WarpCodegenAttributeError,
    codegen.WarpCodegenIndexError,
    codegen.WarpCodegenKeyError,
    codegen.WarpCodegenValueError,
)
_DUMP = "llvm"  # folder that LLVM writes modules to
_COMPILER_ERROR = re.compile(r"\berror: (.*)")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of an object: differs from run to run
_WARP_POSITION = re.compile(r'Error while parsing function "(\w+)" at .*?:(\d+):')


@cache
def prelude(target: str) -> str:
    """The header text of every translation unit of a target, "cpu" or "cuda".

    It begins after the two macro lines that vary by program and ends where a program's code begins.
    """
    block_dim = "#define WP_TILE_BLOCK_DIM 1\n"
    _, _, header = _HEADERS[target].format(block_dim=1).partition(block_dim)
    return header + codegen.codegen_cast_macros


class Lowerer:
    """Lowers programs one after another; not for use by several threads.

    Args:
        gpu_arch: compute capability of the CUDA target, times ten.
    """

    def __init__(self, gpu_arch: int = 80) -> None:
        self._session = Session(gpu_arch)

    def lower(self, program: Program) -> Lowered:
        """Canonical generated source of a program for both targets.

        Raises:
            RejectProgram: Warp or Python refuses the program.
        """
        block_dim = program.launch.get("options", {}).get("block_dim", DEFAULT_BLOCK_DIM)
        with self._session.defined(program.python) as defined, _marked():
            kernel = defined.get(program.kernel_name)
            if not isinstance(kernel, wp.Kernel):
                raise RejectProgram("kernel_not_found", f"no kernel {program.kernel_name!r}")
            units = self._session.generate(kernel, program.python, block_dim)
        try:
            bodies = {target: split_unit(unit, prelude(target)) for target, unit in units.items()}
        except ValueError as error:
            raise RejectProgram("unexpected_prelude", str(error)) from None
        return Lowered(**{target: canonicalise(body) for target, body in bodies.items()})

    def versions(self) -> dict[str, str]:
        """Versions of Warp and of the compilers in it."""
        llvm, nvrtc = context.runtime.get_llvm_version(), context.runtime.get_nvrtc_version()
        return {"warp": wp.config.version, "llvm": llvm, "nvrtc": ".".join(map(str, nvrtc or ()))}


class Session:
    """Defines programs in this process and leaves nothing of them behind.

    Each program finds the registries as a process finds them that has just imported Warp: so its
    code doesn't depend on what was lowered before, and memory stays flat.
    """

    def __init__(self, gpu_arch: int) -> None:
        _initialise()
        self._gpu_arch = gpu_arch
        self._library = [context.user_modules[name] for name in _LIBRARY]
        self._library_counts = _function_counts(self._library)
        self._kept_modules = set(context.user_modules)

    @contextmanager
    def defined(self, python: str) -> Iterator[dict[str, object]]:
        """Executes a program's source and yields its namespace.

        Raises:
            RejectProgram: the source isn't Python, or defining it fails.
        """
        context.function_key_counts.clear()
        context.function_key_counts.update(self._library_counts)
        linecache.cache[FILE_NAME] = (len(python), None, StringIO(python).readlines(), FILE_NAME)
        module = sys.modules[MODULE_NAME] = types.ModuleType(MODULE_NAME)
        try:
            _execute(python, module.__dict__)
            yield module.__dict__
        finally:
            self._forget()

    def generate(self, kernel: wp.Kernel, python: str, block_dim: int) -> dict[str, str]:
        """Translation units of the kernel's module, by target.

        Raises:
            RejectProgram: Warp refuses the program.
        """
        try:
            builder = self.build(kernel.module, 1)
            units = {"cpu": builder.codegen("cpu")}
            # One builder serves both targets, unless tiles make types depend on the block size.
            tiles = self.build(kernel.module, block_dim) if "tile" in python else builder
            units["cuda"] = tiles.codegen("cuda")
        except RejectProgram:
            raise
        except Exception as error:
            raise RejectProgram("warp_codegen_error", _detail(error)) from None
        return rename(units, _hashed_names(builder) | _hashed_names(tiles))

    def build(self, module: context.Module, block_dim: int) -> context.ModuleBuilder:
        """Warp's builder of a module for a block size, which generates the code of a target.

        Raises:
            RejectProgram: no kernel in it can be generated.
        """
        module.options["strip_hash"] = True
        options = module.resolve_options(wp.config)
        options |= {"output_arch": self._gpu_arch, "block_dim": block_dim}
        builder = context.ModuleBuilder(module, options)
        if not builder.kernels:
            raise RejectProgram("no_kernel_instance", "the generic kernel has no overload")
        _name_kernels(builder.kernels)
        return builder

    def _forget(self) -> None:
        del sys.modules[MODULE_NAME], linecache.cache[FILE_NAME]
        for name in context.user_modules.keys() - self._kept_modules:
            module = context.user_modules.pop(name)
            for library in module.references.intersection(self._library):
                _reset(library)
            module._detach_references()


def compile_cpu(
    unit: str, directory: Path, name: str = "unit", cpu_target: str = CPU_TARGET, dump: bool = False
) -> Path:
    """Compiles a translation unit to an object file in `directory`, for any CPU of the target.

    Args:
        directory: keeps the compiler's precompiled header too.
        name: stem of the object file's name.
        cpu_target: LLVM's name of the oldest CPU to run on.
        dump: also write the optimised LLVM module, for `dumped_module`.

    Raises:
        RejectProgram: the compiler refuses it; the detail is the first error.
    """
    _initialise()
    source, target = directory / "unit.cpp", directory / f"{name}.o"
    source.write_text(unit)
    flags = f"-target-cpu {cpu_target}"
    if dump:
        shutil.rmtree(directory / _DUMP, ignore_errors=True)
        flags += f" -mllvm=-print-after=cg-profile -mllvm=-ir-dump-directory={directory / _DUMP}"
    with _captured_messages(directory) as messages:
        try:
            build.build_cpu(
                str(target),
                str(source),
                extra_flags=flags,
                use_precompiled_headers=True,
                pch_dir=str(directory),
                block_dim=1,
            )
        except Exception as error:
            raise RejectProgram("cpu_compile_error", _first_error(messages, error)) from None
    return target


def dumped_module(directory: Path) -> str:
    """The optimised LLVM module of the unit that was last compiled there with `dump`."""
    (path,) = (directory / _DUMP).iterdir()
    return path.read_text()


def compile_ptx(unit: str, gpu_arch: int, directory: Path, fast_math: bool = False) -> Path:
    """Compiles a translation unit to PTX in `directory`.

    Args:
        gpu_arch: compute capability, times ten.

    Raises:
        RejectProgram: the compiler refuses it; the detail is the first error.
    """
    _initialise()
    source, target = directory / "unit.cu", directory / "unit.ptx"
    source.write_text(unit)
    with _captured_messages(directory) as messages:
        try:
            build.build_cuda(
                str(source), gpu_arch, str(target), pch_dir=str(directory), fast_math=fast_math
            )
        except Exception as error:
            raise RejectProgram("ptx_compile_error", _first_error(messages, error)) from None
    return target


@contextmanager
def _captured_messages(directory: Path) -> Iterator[Path]:
    """Sends what native code prints to a file, which stays in `directory`."""
    path = directory / "messages.txt"
    saved = os.dup(1), os.dup(2)
    with path.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    try:
        yield path
    finally:
        for number, descriptor in enumerate(saved, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)


def _first_error(messages: Path, error: Exception) -> str:
    found = _COMPILER_ERROR.search(messages.read_text(errors="replace"))
    return found[1].strip() if found else str(error)


@cache
def _initialise() -> tempfile.TemporaryDirectory:
    """Starts Warp quietly, with a kernel cache that goes away with the process."""
    cache_dir = tempfile.TemporaryDirectory(prefix="warp-ir-")
    wp.config.kernel_cache_dir = cache_dir.name
    wp.config.log_level = wp.LOG_ERROR
    # MathDx compiles at generation time, for seconds a call.
    wp.config.enable_mathdx_gemm = False
    wp.config.enable_mathdx_solver = False
    wp.config.enable_mathdx_fft = False
    with _silent_stderr():  # the native library says there that the machine has no GPU
        wp.init()
    return cache_dir


@contextmanager
def _silent_stderr() -> Iterator[None]:
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


def _execute(python: str, namespace: dict[str, object]) -> None:
    try:
        exec(compile(python, FILE_NAME, "exec"), namespace)
    except SyntaxError as error:
        raise RejectProgram("python_syntax_error", f"{error.msg} (line {error.lineno})") from None
    except _WARP_ERRORS as error:
        raise RejectProgram("warp_codegen_error", _detail(error)) from None
    except Exception as error:
        raise RejectProgram("python_definition_error", _detail(error)) from None


def _detail(error: Exception) -> str:
    """First line of what Warp or Python complains about, with the place in the program."""
    message = str(error.args[0]) if error.args else type(error).__name__
    positions = _WARP_POSITION.findall(message)  # outermost caller first
    reason = message.rsplit("\n;", 1)[-1].strip().partition("\n")[0]
    place = " ({}, line {})".format(*positions[-1]) if positions else ""
    return f"{_ADDRESS.sub('', reason)}{place}"


def _function_counts(modules: list[context.Module]) -> dict[str, int]:
    """How often each function key was numbered while Warp itself was imported."""
    counts: dict[str, int] = {}
    for function in (f for module in modules for f in module.functions.values()):
        overloads = (*function.user_overloads.values(), *function.user_templates.values())
        for overload in (function, *overloads):
            key, _, number = overload.native_func.rpartition("_")
            counts[key] = max(counts.get(key, 0), int(number) + 1)
    return counts


def _reset(library: context.Module) -> None:
    """Takes back what a program that called library functions left on them."""
    for function in library.functions.values():
        overloads = function.user_overloads
        for signature, overload in list(overloads.items()):
            overload.adj.force_adjoint_codegen = False
            if overload.generic_parent is not None:
                del overloads[signature]


def _name_kernels(kernels: list[wp.Kernel]) -> None:
    """Numbers the instances of a generic kernel, whose names would be equal without their hash."""
    by_key: dict[str, list[wp.Kernel]] = {}
    for kernel in sorted(kernels, key=_overload_position):  # Warp sorts them by hash
        by_key.setdefault(kernel.key, []).append(kernel)
    for key, namesakes in by_key.items():
        if len(namesakes) > 1:
            for number, kernel in enumerate(namesakes):
                kernel._mangled_name = f"{key}_{number}"


def _overload_position(kernel: wp.Kernel) -> int:
    generic = getattr(kernel, "generic_parent", None)
    return list(generic.overloads).index(kernel.sig) if generic else 0


def _hashed_names(builder: context.ModuleBuilder) -> dict[str, str]:
    """The C++ names that Warp makes with a hash, and what they are to begin with instead."""
    # A function's name ends in "_" and its number, so none can be like a struct's here.
    names = {struct.native_name: f"{struct.key}_s" for struct in builder.structs}
    for function in builder.functions:
        if specialised := _SPECIALISED.fullmatch(function.native_func):
            names[function.native_func] = f"{specialised[1]}_callable_"
    return names


@contextmanager
def _marked() -> Iterator[None]:
    """Has Warp write `Marks` instead of comments with the Python line.

    Outside of this block Warp is as it was.
    """
    plain = {(owner, name): vars(owner)[name] for owner, name in _OVERRIDES}
    for (owner, name), override in _OVERRIDES.items():
        setattr(owner, name, override)
    try:
        yield
    finally:
        for (owner, name), original in plain.items():
            setattr(owner, name, original)
        _class_ctype.cache_clear()


def _program_line(adjoint: codegen.Adjoint, line: int) -> int:
    """Line of the program at a 0-based line of a function; 0 in functions that aren't its own."""
    if adjoint.filename != FILE_NAME:
        return 0
    # Warp forgets where instances of generic functions begin.
    return line + (adjoint.fun_lineno or adjoint.func.__code__.co_firstlineno)


def _set_lineno(adjoint: codegen.Adjoint, lineno: int) -> None:
    if adjoint.lineno != lineno and (line := _program_line(adjoint, lineno)):
        block = adjoint.blocks[-1]
        block.body_forward.append(f"{Marks.BEFORE}{line}")
        block.body_replay.append(f"{Marks.BEFORE}{line}")
        block.body_reverse.append(f"{Marks.AFTER}{line}")
    adjoint.lineno = lineno


def _add_forward(
    adjoint: codegen.Adjoint, statement: str, replay: str | None = None, skip_replay: bool = False
) -> None:
    tagged = f"{replay or statement}{Marks.LINE}{_program_line(adjoint, adjoint.lineno)}"
    _PLAIN_ADD_FORWARD(adjoint, statement, tagged, skip_replay)


def _add_reverse(adjoint: codegen.Adjoint, statement: str) -> None:
    tagged = f"{statement}{Marks.LINE}{_program_line(adjoint, adjoint.lineno)}"
    _PLAIN_ADD_REVERSE(adjoint, tagged)


def _codegen_func_forward(adjoint: codegen.Adjoint, *args: object, **kwargs: object) -> str:
    begin = Marks.CUSTOM_ADJOINT if adjoint.custom_reverse_mode else Marks.FORWARD
    return f"{begin}\n{_PLAIN_FORWARD(adjoint, *args, **kwargs)}{Marks.END}\n"


def _codegen_func_reverse(adjoint: codegen.Adjoint, *args: object, **kwargs: object) -> str:
    return f"{Marks.ADJOINT}\n{_PLAIN_REVERSE(adjoint, *args, **kwargs)}{Marks.END}\n"


def _type_to_ctype(kind: object, value_type: bool = False) -> str:
    # Warp derives the C++ name of each variable's type six times; most are classes, which keep it.
    if isinstance(kind, type):
        return _class_ctype(kind, value_type)
    return _PLAIN_TYPE_TO_CTYPE(kind, value_type)


_PLAIN_ADD_FORWARD = codegen.Adjoint.add_forward
_PLAIN_ADD_REVERSE = codegen.Adjoint.add_reverse
_PLAIN_FORWARD = codegen.codegen_func_forward
_PLAIN_REVERSE = codegen.codegen_func_reverse
_PLAIN_TYPE_TO_CTYPE = codegen.Var.type_to_ctype
_class_ctype = cache(_PLAIN_TYPE_TO_CTYPE)
_OVERRIDES = {
    (codegen.Adjoint, "set_lineno"): _set_lineno,
    (codegen.Adjoint, "add_forward"): _add_forward,
    (codegen.Adjoint, "add_reverse"): _add_reverse,
    (codegen, "codegen_func_forward"): _codegen_func_forward,
    (codegen, "codegen_func_reverse"): _codegen_func_reverse,
    (codegen.Var, "type_to_ctype"): staticmethod(_type_to_ctype),
}


_UNITS = count()  # numbers of the compile units loaded into this process


class ObjectCode:
    """Machine code of a compile unit, loaded into this process until `close`.

    Args:
        path: the unit's object file.

    Raises:
        OSError: Warp can't load the file.
    """

    def __init__(self, path: Path) -> None:
        _initialise()
        self._handle = f"unit_{next(_UNITS)}".encode()
        load = context.runtime.llvm.wp_load_obj
        if load(os.fsencode(path), self._handle, wp.config.legacy_cpu_linker) != 0:
            raise OSError(f"{path} is no object file that Warp loads")

    def close(self) -> None:
        """Takes the code out of the process: nothing that was bound to it may run afterwards."""
        context.runtime.llvm.wp_unload_obj(self._handle)

    def bind(self, kernel: wp.Kernel, prefix: str, has_adjoint: bool) -> None:
        """Has every CPU launch of the kernel run this code, instead of what Warp would compile.

        A launch raises RejectProgram if the unit has no entry for its instance of the kernel.

        Args:
            kernel: as a program defines it.
            prefix: what stands before the names of the program's entries in the unit.
            has_adjoint: whether the unit holds the backward entries too.
        """
        module = kernel.module
        module.options["strip_hash"] = True
        # Hashing also finds out how many dimensions a kernel has, which a launch must know.
        instances = context.ModuleHasher(module._get_live_kernels(), module.options).unique_kernels
        _name_kernels(list(instances.values()))
        names = {digest: one.get_mangled_name() for digest, one in instances.items()}

        def hooks(kernel: wp.Kernel) -> context.KernelHooks:
            name = f"{prefix}{names.get(kernel.hash, kernel.key)}_cpu_"
            backward = self._entry(f"{name}backward") if has_adjoint else None
            return context.KernelHooks(self._entry(f"{name}forward"), backward)

        executable = types.SimpleNamespace(get_kernel_hooks=hooks)
        module.load = lambda device, block_dim: executable

    def _entry(self, name: str) -> Callable[..., None]:
        address = context.runtime.llvm.wp_lookup(self._handle, name.encode())
        if not address:
            raise RejectProgram("entry_not_found", f"the compiled unit has no {name}")
        return ctypes.CFUNCTYPE(None)(address)


@contextmanager
def cpu_allocator(allocator: wp.Allocator) -> Iterator[None]:
    """Has Warp take the memory of CPU arrays from the allocator."""
    _initialise()
    device = wp.get_device("cpu")
    device.default_allocator, plain = allocator, device.default_allocator
    try:
        yield
    finally:
        device.default_allocator = plain
