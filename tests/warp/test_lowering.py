"""Lowered code is Warp's own, the same whatever came before, and free of what isn't code."""

import gc
import json
import linecache
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import warp as wp
from line_checker import check
from programs import LAUNCH_BLOCK_DIMS, REFUSED, SOURCES, program
from warp._src import codegen, context

from generator.errors import RejectProgram
from generator.lowering import warp_backend
from generator.lowering.baseline import baseline_seconds
from generator.lowering.warp_backend import Lowerer, compile_cpu, compile_ptx, prelude
from generator.records import Lowered
from warp_ir_dataset.prelude import assemble

HERE = Path(__file__).parent
TARGETS = ("cpu", "cuda")
LIBRARY_GRADIENT = """\
import warp as wp


@wp.kernel(enable_backward=False)
def library_gradient(x: wp.array[wp.vec3], out: wp.array[wp.vec3]):
    i = wp.tid()
    g, _slope = wp.grad(wp.norm_huber)(x[i], 0.5)
    _spin, h = wp.grad(wp.velocity_at_point)(wp.spatial_vector(x[i], x[i]), x[i])
    out[i] = g + h
"""


@pytest.fixture(scope="module")
def lowerer() -> Lowerer:
    return Lowerer()


@pytest.fixture(scope="module")
def lowered(lowerer: Lowerer) -> dict[str, Lowered]:
    return {name: lowerer.lower(program(name)) for name in SOURCES}


@pytest.fixture(scope="module")
def warp_output() -> dict:
    tasks = {
        name: {"python": python, "kernel": name, "block_dim": LAUNCH_BLOCK_DIMS.get(name, 256)}
        for name, python in SOURCES.items()
    }
    command = [sys.executable, str(HERE / "warp_output.py")]
    run = subprocess.run(command, input=json.dumps(tasks), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SOURCES)
def test_code_and_line_map_agree_with_what_warp_writes(name, target, lowered, warp_output):
    mapped = check(name, getattr(lowered[name], target), warp_output[name][target], SOURCES[name])
    assert mapped > 0


@pytest.mark.parametrize("target", TARGETS)
def test_prelude_and_macros_are_what_warp_puts_before_the_code(target, lowered, warp_output):
    for name in SOURCES:
        block_dim = 1 if target == "cpu" else LAUNCH_BLOCK_DIMS.get(name, 256)
        unit = assemble(prelude(target), getattr(lowered[name], target).code, block_dim)
        header = unit[: unit.index(prelude(target)) + len(prelude(target))]
        assert warp_output[name][target]["unit"].startswith(header), name


def test_code_does_not_depend_on_what_was_lowered_before(lowerer, lowered):
    for name in reversed(SOURCES):
        assert lowerer.lower(program(name)) == lowered[name], name
        assert lowerer.lower(program(name)) == lowered[name], name


def test_code_does_not_depend_on_what_was_refused_before(lowerer, lowered):
    for name, (_, python) in REFUSED.items():
        with pytest.raises(RejectProgram):
            lowerer.lower(program(name, python))
        assert lowerer.lower(program("saxpy")) == lowered["saxpy"]


def test_a_gradient_taken_of_a_library_function_leaves_no_trace(lowerer, lowered):
    lowerer.lower(program("library_gradient", LIBRARY_GRADIENT))
    assert lowerer.lower(program("library_functions")) == lowered["library_functions"]


def test_a_fresh_process_with_another_hash_seed_gives_the_same(lowered):
    script = (
        "import programs, generator.lowering.warp_backend as backend\n"
        "lowerer = backend.Lowerer()\n"
        "for name in reversed(programs.SOURCES):\n"
        "    print(repr(lowerer.lower(programs.program(name))))\n"
    )
    environment = os.environ | {
        "PYTHONHASHSEED": "17",
        "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parents[1]))),
    }
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.stderr == ""
    assert run.stdout.split("\n")[:-1] == [repr(lowered[name]) for name in reversed(SOURCES)]


@pytest.mark.parametrize("target", TARGETS)
def test_code_has_no_comment_line_path_or_hash(target, lowered):
    for name in SOURCES:
        code = getattr(lowered[name], target).code
        lines = code.split("\n")
        assert not [line for line in lines if line.lstrip().startswith("//")], name
        assert "// extern" not in code
        assert "<program>" not in code
        assert ".py" not in code
        assert "<L " not in code
        assert "\x1f" not in code
        assert not [line for line in lines if line != line.rstrip() or line.startswith("\t")], name
        assert "\n\n\n" not in code
        assert code[0] != "\n"
        assert code[-2:] not in ("\n\n", "")
        assert not re.search(r"_(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8,12}\b", code), name


def test_names_are_readable(lowered):
    assert "struct Spark_s0\n" in lowered["advance_sparks"].cpu.code
    twice = lowered["same_struct_name_twice"].cuda.code
    assert "struct make_pair__locals__Pair_s0\n" in twice
    assert "struct make_pair__locals__Pair_s1\n" in twice
    instances = lowered["generic_lerp"].cuda.code
    assert "generic_lerp_0_cuda_kernel_forward" in instances
    assert "generic_lerp_1_cuda_kernel_forward" in instances
    assert "blend_0_callable_1" in lowered["functions_as_arguments"].cpu.code
    assert "saxpy_cpu_kernel_forward" in lowered["saxpy"].cpu.code


def test_no_name_in_warps_headers_looks_like_a_struct_of_a_program():
    headers = Path(wp.__file__).parent.glob("native/*.h")
    texts = [header.read_text(encoding="utf-8", errors="replace") for header in headers]
    assert len(texts) > 20
    assert not [found for text in texts for found in re.findall(r"\b\w+_s\d+\b", text)]


def test_tile_programs_are_generated_for_the_block_of_their_launch(lowered):
    assert "128>" in lowered["tile_from_threads"].cuda.code
    assert "128>" not in lowered["tile_from_threads"].cpu.code


@pytest.mark.parametrize("name", REFUSED)
def test_refusal_names_its_reason_in_one_line_without_a_path(name, lowerer):
    reason, python = REFUSED[name]
    with pytest.raises(RejectProgram) as refusal:
        lowerer.lower(program(name, python))
    assert refusal.value.reason == reason
    assert refusal.value.detail
    assert not re.search(r"\n|/|\.py|0x", refusal.value.detail)


def test_refusal_says_where(lowerer):
    _, python = REFUSED["no_such_builtin"]
    with pytest.raises(RejectProgram, match=r"frobnicate.*\(no_such_builtin, line 6\)$"):
        lowerer.lower(program("no_such_builtin", python))


def test_lowering_leaves_nothing_behind(lowerer, lowered):
    def traces() -> tuple:
        registries = (sys.modules, linecache.cache, context.user_modules)
        warp_methods = dict(vars(codegen.Adjoint)), vars(codegen)["codegen_func_reverse"]
        dependents = [len(module.dependents) for module in context.user_modules.values()]
        assert warp_backend._class_ctype.cache_info().currsize == 0
        return [set(registry) for registry in registries], warp_methods, dependents

    def lower_all() -> int:
        for name in SOURCES:
            lowerer.lower(program(name))
        for name, (_, python) in REFUSED.items():
            with pytest.raises(RejectProgram):
                lowerer.lower(program(name, python))
        gc.collect()
        return len(gc.get_objects())

    lower_all()
    before = traces()
    objects = lower_all()
    assert lower_all() - objects < 10
    assert traces() == before


def test_lowering_is_silent_and_leaves_no_file(tmp_path):
    script = (
        "import programs, generator.lowering.warp_backend as backend\n"
        "lowerer = backend.Lowerer()\n"
        "for name in programs.SOURCES:\n"
        "    lowerer.lower(programs.program(name))\n"
    )
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    environment = {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parents[1]))),
    }
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=home)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert [*home.iterdir(), *temporary.iterdir()] == []


def test_versions_name_warp_and_both_compilers(lowerer):
    versions = lowerer.versions()
    assert versions["warp"] == wp.__version__
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", versions["llvm"])
    assert re.fullmatch(r"\d+\.\d+", versions["nvrtc"])


def test_baseline_times_plain_warp_and_leaves_it_plain(lowerer, lowered):
    assert baseline_seconds([SOURCES["saxpy"], SOURCES["generic_lerp"]]) > 0.0
    assert lowerer.lower(program("saxpy")) == lowered["saxpy"]


@pytest.fixture(scope="module")
def build_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("units")


@pytest.mark.parametrize("name", SOURCES)
def test_translation_units_compile(name, lowered, lowerer, build_folder):
    cpu = assemble(prelude("cpu"), lowered[name].cpu.code, 1)
    assert compile_cpu(cpu, build_folder).stat().st_size > 0
    block_dim = LAUNCH_BLOCK_DIMS.get(name, 256)
    cuda = assemble(prelude("cuda"), lowered[name].cuda.code, block_dim)
    assert ".visible .entry" in compile_ptx(cuda, 80, build_folder).read_text()


def test_code_that_does_not_compile_is_refused(lowered, build_folder, capfd):
    code = lowered["saxpy"].cpu.code.replace("var_0 =", "var_0 = nothing +")
    with pytest.raises(RejectProgram, match="cpu_compile_error"):
        compile_cpu(assemble(prelude("cpu"), code, 1), build_folder)
    code = lowered["saxpy"].cuda.code.replace("var_0 =", "var_0 = nothing +")
    with pytest.raises(RejectProgram, match="ptx_compile_error"):
        compile_ptx(assemble(prelude("cuda"), code, 256), 80, build_folder)
