"""Compiles the kernels of one source text and gives jobs for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from generator.checking.runner import CHECKS, Job
from generator.lowering.warp_backend import Lowerer, compile_cpu, prelude
from generator.records import Program
from warp_ir_dataset.prelude import assemble

COUNT = 8  # threads of each launch, and elements of each array

Recipe = dict[str, Any]


def array(role: str, dtype: str = "float32", **fill: Any) -> Recipe:
    """An array recipe; outputs hold zeros, the rest is drawn from [0.5, 1.5) by default."""
    default = {"fill": "zeros"} if role == "out" else {"fill": "uniform", "low": 0.5, "high": 1.5}
    return {"kind": "array", "dtype": dtype, "shape": [COUNT], "role": role} | (fill or default)


def compiled(source: str, folder: Path) -> Callable[..., Job]:
    """Lowers and compiles a source text; the result makes a job for one of its kernels."""
    first = source.partition("@wp.kernel")[2].partition("def ")[2].partition("(")[0]
    program = Program(0, 0, "test", first, source, (), (), {"options": {}})
    code = Lowerer().lower(program).cpu.code
    unit = compile_cpu(assemble(prelude("cpu"), code, 1), folder)
    job = Job(source, {}, unit.rename(folder / "kernels.o"), "", True)

    def make(kernel: str, checks: tuple[str, ...] = CHECKS, **args: Recipe) -> Job:
        launch = {"kernel": kernel, "dim": [COUNT], "options": {}, "seed": 7, "args": args}
        return replace(job, launch=launch, checks=checks)

    return make
