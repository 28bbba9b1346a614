"""Running a program finds out what is wrong with it, and harms nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from checked import COUNT, array, compiled

from generator.checking.runner import Runner
from generator.errors import DataError
from generator.lowering.warp_backend import Lowerer, compile_cpu, prelude
from generator.records import Program
from warp_ir_dataset.prelude import assemble
from warp_ir_dataset.recipes import generator

SOURCE = """\
import warp as wp

COUNT = wp.constant(8)


@wp.struct
class Weight:
    factors: wp.array[float]
    bias: float


@wp.kernel
def doubles(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = 2.0 * x[i]


@wp.kernel
def applies_weight(x: wp.array[float], weight: Weight, y: wp.array[float]):
    i = wp.tid()
    y[i] = weight.factors[i] * x[i] + weight.bias


@wp.kernel
def scales(scale: float, y: wp.array[float]):
    i = wp.tid()
    y[i] = scale * float(i)


@wp.kernel
def numbers(y: wp.array[float]):
    i = wp.tid()
    y[i] = float(i) + 1.0


@wp.kernel
def halves_in_place(y: wp.array[float]):
    i = wp.tid()
    y[i] = 0.5 * y[i]


@wp.kernel
def least(x: wp.array[int], y: wp.array[int]):
    i = wp.tid()
    wp.atomic_min(y, 0, x[i] // 50)


@wp.kernel
def writes_past_the_end(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i + 1] = x[i]


@wp.kernel
def writes_before_the_start(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i - COUNT - 1] = x[i]  # Warp counts negative indices from the end


@wp.kernel
def writes_far_off(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i + 500000000] = x[i]


@wp.kernel
def reads_past_the_end(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = x[i + 1]


@wp.kernel
def reads_integers_past_the_end(x: wp.array[int], y: wp.array[int]):
    i = wp.tid()
    y[i] = x[i + 1]


@wp.kernel
def never_ends(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    while x[i] > 0.0:
        y[i] = y[i] + x[i]


@wp.kernel
def prints_megabytes(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    for k in range(50000):
        wp.printf("thread %d is at step %d of its work\\n", i, k)
    y[i] = x[i]


@wp.kernel
def prints_for_ever(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    k = int(0)
    while x[i] > 0.0:
        k += 1
        wp.printf("thread %d is at step %d of its work\\n", i, k)
    y[i] = x[i]


@wp.kernel
def computes_nan(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = wp.sqrt(-x[i])


@wp.kernel
def ignores_its_input(x: wp.array[float], scale: float, y: wp.array[float]):
    i = wp.tid()
    unused = scale * x[i]
    y[i] = 1.0


@wp.kernel
def overwrites_with_a_constant(y: wp.array[float]):
    i = wp.tid()
    y[i] = 3.0


@wp.kernel
def changes_nothing(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    if x[i] < 0.0:
        y[i] = x[i]


@wp.kernel
def writes_its_input(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = x[i]
    x[i] = 0.0
"""

X, Y = array("in"), array("out")
INTEGERS = array("in", "int32", fill="integers", low=0, high=100)
SCALAR = {"kind": "value", "dtype": "float32", "value": 1.5}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    return compiled(SOURCE, tmp_path_factory.mktemp("unit"))


@pytest.fixture(scope="module")
def runner():
    with Runner(cpu_seconds=3) as runner:
        yield runner


def executed(runner, job):
    return runner.check(replace(job, checks=("executed",)))


def test_a_sound_program_passes_with_its_outputs(make, runner):
    checked = executed(runner, make("doubles", x=X, y=Y))
    assert checked.executed.outcome == "passed", checked
    x = generator(7, "x").uniform(0.5, 1.5, COUNT).astype(np.float32)
    assert json.loads(checked.outputs)["arrays"]["y"]["first"] == (2 * x).tolist()


def test_arrays_in_structs_are_inputs(make, runner):
    weight = {"kind": "struct", "struct": "Weight", "fields": {"factors": X, "bias": SCALAR}}
    assert executed(runner, make("applies_weight", x=X, weight=weight, y=Y)).executed.outcome == (
        "passed"
    )


def test_a_program_may_depend_on_a_number_alone(make, runner):
    assert executed(runner, make("scales", scale=SCALAR, y=Y)).executed.outcome == "passed"


def test_a_program_without_inputs_may_depend_on_the_thread_alone(make, runner):
    assert executed(runner, make("numbers", y=Y)).executed.outcome == "passed"


def test_a_minimum_is_no_constant_though_all_draws_have_the_same(make, runner):
    least = array("inout", "int32", fill="constant", value=9)
    assert executed(runner, make("least", x=INTEGERS, y=least)).executed.outcome == "passed"


def test_an_array_changed_in_place_is_its_own_input(make, runner):
    assert executed(runner, make("halves_in_place", y=array("inout"))).executed.outcome == "passed"


DEFECTS = {
    "writes_past_the_end": ("out_of_range", {"x": X, "y": Y}),
    "writes_before_the_start": ("out_of_range", {"x": X, "y": Y}),
    "writes_far_off": ("crashed", {"x": X, "y": Y}),
    "reads_past_the_end": ("not_finite", {"x": X, "y": Y}),
    "reads_integers_past_the_end": (
        "differs_between_runs",
        {"x": INTEGERS, "y": array("out", "int32")},
    ),
    "never_ends": ("timed_out", {"x": X, "y": Y}),
    "prints_megabytes": ("prints_too_much", {"x": X, "y": Y}),
    "prints_for_ever": ("prints_too_much", {"x": X, "y": Y}),
    "computes_nan": ("not_finite", {"x": X, "y": Y}),
    "ignores_its_input": ("ignores_inputs", {"x": X, "scale": SCALAR, "y": Y}),
    "overwrites_with_a_constant": ("ignores_inputs", {"y": array("inout")}),
    "changes_nothing": ("unchanged", {"x": X, "y": Y}),
    "writes_its_input": ("writes_input", {"x": X, "y": Y}),
}


@pytest.mark.parametrize("kernel", DEFECTS)
def test_a_planted_defect_is_caught_and_the_next_program_runs(kernel, make, runner):
    reason, args = DEFECTS[kernel]
    checked = runner.check(make(kernel, **args))
    assert (checked.executed.outcome, checked.executed.reason) == ("failed", reason)
    assert checked.gradient.outcome == "not_run"
    assert checked.outputs == "{}"
    assert executed(runner, make("doubles", x=X, y=Y)).executed.outcome == "passed"


def test_a_crash_tells_its_signal(make, runner):
    checked = executed(runner, make("writes_far_off", x=X, y=Y))
    assert checked.executed.detail == f"signal {signal.SIGSEGV}"


def test_a_write_out_of_range_tells_the_array(make, runner):
    checked = executed(runner, make("writes_before_the_start", x=X, y=Y))
    assert checked.executed.detail == "4 bytes before y"


@pytest.mark.parametrize("gib", [8, 1 << 20])
def test_memory_without_end_is_refused(gib, make, runner):
    job = make("doubles", x=X, y=Y | {"shape": [gib << 28]})
    assert executed(runner, job).executed.reason == "out_of_memory"


def test_a_source_that_hoards_memory_is_ended(make, runner):
    job = make("doubles", x=X, y=Y)
    hoard = "\nimport numpy\nhoard = []\nwhile True:\n    hoard.append(numpy.empty(1 << 26))\n"
    assert executed(runner, replace(job, python=SOURCE + hoard)).executed.reason == "out_of_memory"
    assert executed(runner, job).executed.outcome == "passed"


def test_code_of_another_program_has_no_such_kernel(make, runner):
    job = make("doubles", x=X, y=Y)
    other = replace(job, python=job.python.replace("doubles", "triples"))
    other = replace(other, launch=job.launch | {"kernel": "triples"})
    assert executed(runner, other).executed.reason == "entry_not_found"


def test_entries_are_found_behind_the_prefix_of_a_unit(make, runner):
    job = make("doubles", x=X, y=Y)
    code = Lowerer().lower(Program(0, 0, "test", "doubles", SOURCE, (), (), {})).cpu.code
    unit = assemble(prelude("cpu"), code.replace("doubles_cpu_", "p000001_doubles_cpu_"), 1)
    folder = job.object_file.parent
    job = replace(job, object_file=compile_cpu(unit, folder), prefix="p000001_")
    assert executed(runner, job).executed.outcome == "passed"
    assert executed(runner, replace(job, prefix="")).executed.reason == "entry_not_found"


def test_source_that_does_not_run_is_told(make, runner):
    job = replace(make("doubles", x=X, y=Y), python="import warp as wp\nraise ValueError('no')\n")
    assert executed(runner, job).executed.reason == "python_definition_error"


def test_a_process_that_is_killed_again_and_again_is_no_verdict_on_the_program(make, runner):
    kill = "import os\nos.kill(os.getpid(), 9)\n"
    with pytest.raises(DataError, match="killed in each of 3 attempts"):
        executed(runner, replace(make("doubles", x=X, y=Y), python=kill))


def test_programs_see_no_environment_and_lead_a_session_of_their_own(make, runner, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    tell = "import os\nraise ValueError(f'{os.getsid(0) == os.getpid()} {sorted(os.environ)}')\n"
    with Runner() as fresh:
        told = executed(fresh, replace(make("doubles", x=X, y=Y), python=tell)).executed.detail
    assert told.startswith("True ")
    assert "SECRET" not in told


def test_a_program_ends_with_the_process_that_checks_it(make):
    job = asdict(make("never_ends", x=X, y=Y)) | {"checks": ["executed"]}
    script = (
        "import json, sys; from pathlib import Path; from generator.checking.runner import *\n"
        "job = json.load(sys.stdin)\n"
        "Runner().check(Job(**job | {'object_file': Path(job['object_file'])}))\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    parent.stdin.write(json.dumps(job, default=str).encode())
    parent.stdin.close()
    child = _soon(lambda: _child_at_work(parent.pid))
    parent.kill()
    parent.wait()
    _soon(lambda: not _runs(child))


def _child_at_work(pid: int) -> int:
    """A child that has used CPU time of the length of an endless program's, or 0."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        if int(fields[11]) > 4 * os.sysconf("SC_CLK_TCK"):
            return int(child)
    return 0


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _soon(condition):
    for _ in range(600):
        if result := condition():
            return result
        time.sleep(0.1)
    raise AssertionError("it doesn't happen")
