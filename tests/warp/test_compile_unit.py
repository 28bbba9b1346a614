"""Programs compiled together give what each gives alone; a bad one takes no other with it."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from programs import LAUNCH_BLOCK_DIMS, SOURCES, program

from generator.errors import RejectProgram, UsageError
from generator.lowering.assembler import AssemblerMissing, assemble_ptx
from generator.lowering.compile_unit import Compiler, Source
from generator.lowering.llvm import verify_llvm
from generator.lowering.ptx import verify_ptx
from generator.lowering.warp_backend import Lowerer, compile_cpu
from generator.records import Compiled

NAMES = (
    "lean_launch",
    "generic_lerp",
    "polynomial_from_closure",
    "native_rsqrt",
    "captured_settings",
    "same_struct_name_twice",
    "tile_row_sums",
)


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    lowerer = Lowerer()
    made = []
    for name in NAMES:
        example = program(name)
        code = lowerer.lower(example)
        launch = {"options": {"block_dim": LAUNCH_BLOCK_DIMS.get(name, 256)}}
        made.append(Source.of(example.python, launch, name, code.cpu.code, code.cuda.code))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("units")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where tests compile besides: its precompiled headers are made once."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def compiled(sources: list[Source], folder: Path) -> list[Compiled]:
    return _accepted(Compiler(folder).compile(sources))


def _accepted(results: list[Compiled | RejectProgram]) -> list[Compiled]:
    assert all(isinstance(result, Compiled) for result in results), results
    return results  # type: ignore[return-value]


def test_slices_do_not_depend_on_the_unit(
    sources: list[Source], compiled: list[Compiled], scratch: Path
) -> None:
    others = _accepted(Compiler(scratch, unit_size=3).compile(sources[::-1]))[::-1]
    alone = _accepted(Compiler(scratch, unit_size=1).compile(sources[:2]))
    for name, one, other in zip(NAMES, compiled, others, strict=True):
        assert one.llvm_ir == other.llvm_ir, name
        assert one.ptx == other.ptx, name
    assert [c.llvm_ir for c in alone] == [c.llvm_ir for c in compiled[:2]]
    assert [c.ptx for c in alone] == [c.ptx for c in compiled[:2]]


def test_slices_are_valid_and_hold_the_forward_entry_alone(compiled: list[Compiled]) -> None:
    for name, result in zip(NAMES, compiled, strict=True):
        verify_llvm(result.llvm_ir)
        verify_ptx(result.ptx)
        assert f"{name}_cpu_forward(" in result.llvm_ir.replace("_0_cpu", "_cpu")
        assert f"{name}_cuda_kernel_forward(" in result.ptx.replace("_0_cuda", "_cuda")
        assert "_backward" not in result.llvm_ir + result.ptx
        assert result.prefix not in result.llvm_ir + result.ptx


def test_slices_assemble(compiled: list[Compiled]) -> None:
    for result in compiled:
        try:
            assert assemble_ptx(result.ptx) > 0
        except AssemblerMissing as missing:
            pytest.skip(str(missing))


def test_an_object_file_holds_both_passes_under_the_prefix(compiled: list[Compiled]) -> None:
    result = compiled[NAMES.index("native_rsqrt")]
    symbols = result.object_file.read_bytes()
    for entry in ("forward", "backward"):
        assert f"\0{result.prefix}native_rsqrt_cpu_{entry}\0".encode() in symbols


def test_both_passes_are_sliced_when_asked(sources: list[Source], scratch: Path) -> None:
    differentiable = sources[NAMES.index("native_rsqrt")]
    [result] = _accepted(Compiler(scratch, passes="both").compile([differentiable]))
    assert result.llvm_ir.count("_cpu_backward(") == 1
    assert result.ptx.count("_cuda_kernel_backward(") == 1


def _break_cpu(source: Source) -> Source:
    return replace(source, cpu=source.cpu.replace("wp::", "wq::", 1))


def _break_cuda(source: Source) -> Source:
    return replace(source, cuda=source.cuda.replace("wp::", "wq::", 1))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_break_cpu, "cpu_compile_error"),
        (_break_cuda, "ptx_compile_error"),
        (lambda source: replace(source, kernel_name="absent"), "entry_not_found"),
    ],
)
def test_the_one_bad_program_of_a_unit_is_found(
    sources: list[Source],
    compiled: list[Compiled],
    scratch: Path,
    damage: Callable[[Source], Source],
    reason: str,
) -> None:
    bad = 1
    unit = [damage(source) if i == bad else source for i, source in enumerate(sources[:4])]
    results = Compiler(scratch).compile(unit)
    rejected = results.pop(bad)
    assert isinstance(rejected, RejectProgram)
    assert rejected.reason == reason
    assert any(word in rejected.detail for word in ("wq", "namespace", "absent"))
    assert "p00000" not in rejected.detail
    expected = compiled[:bad] + compiled[bad + 1 : 4]
    assert [r.llvm_ir for r in _accepted(results)] == [c.llvm_ir for c in expected]


def test_object_files_of_the_call_before_are_gone(sources: list[Source], scratch: Path) -> None:
    compiler = Compiler(scratch)
    [first] = _accepted(compiler.compile(sources[:1]))
    [second] = _accepted(compiler.compile(sources[:1]))
    assert not first.object_file.exists()
    assert second.object_file.exists()


def test_object_code_runs_on_any_cpu_of_the_target(sources: list[Source], scratch: Path) -> None:
    [generic] = _accepted(Compiler(scratch).compile(sources[:1]))
    [newer] = _accepted(Compiler(scratch, cpu_target="x86-64-v3").compile(sources[:1]))
    assert '"target-cpu"="x86-64"' in generic.llvm_ir
    assert '"target-cpu"="x86-64-v3"' in newer.llvm_ir


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [({"cpu_target": "abacus"}, "cpu_target 'abacus'"), ({"gpu_arch": 77}, "gpu_arch 77")],
)
def test_an_unknown_target_is_one_mistake(scratch: Path, arguments: dict, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Compiler(scratch, **arguments).check()


def test_fast_math_is_read_from_module_options() -> None:
    python = SOURCES["unique_module"]
    assert Source.of(python, {}, "unique_module", "", "").fast_math
    assert not Source.of(python.replace("True", "False"), {}, "unique_module", "", "").fast_math


def test_compilers_print_nothing(
    sources: list[Source], scratch: Path, capfd: pytest.CaptureFixture
) -> None:
    Compiler(scratch).compile([_break_cpu(sources[0]), _break_cuda(sources[1])])
    assert capfd.readouterr() == ("", "")


def test_a_compile_without_slices_dumps_no_module(compiled: list[Compiled], folder: Path) -> None:
    # LLVM's options belong to the process: those of a unit must not outlive it.
    assert compiled
    shutil.rmtree(folder / "llvm")
    compile_cpu("", folder)
    assert not (folder / "llvm").exists()
