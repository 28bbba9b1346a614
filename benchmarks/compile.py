"""What compiling costs: by the size of compile units, and against the compilers' own time.

Prints ratios, asserts nothing. Costs are CPU time, so that what else the machine does weighs
little; the overhead compares wall time of the same calls. Precompiled headers are made before.

Usage: python benchmarks/compile.py [--programs 64] [--config configs/v1.yaml]
"""

import argparse
import tempfile
from pathlib import Path
from time import perf_counter, process_time

from tabulate import tabulate

from generator.config import BuildConfig, load_config
from generator.errors import RejectProgram
from generator.lowering.compile_unit import Compiler, Source
from generator.lowering.warp_backend import Lowerer
from generator.synthesis import api

_UNIT_SIZES = (1, 8, 16, 32, 64)


def run(config: BuildConfig, programs: int) -> None:
    """Compiles the same programs in units of each size and prints a table."""
    sources = _sources(config, programs)
    rows = []
    alone = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for unit_size in _UNIT_SIZES:
            compiler = Compiler(Path(scratch), config.gpu_arch, unit_size=unit_size)
            compiler.check()
            cpu, wall = process_time(), perf_counter()
            results = compiler.compile(sources)
            cpu, wall = process_time() - cpu, perf_counter() - wall
            alone = alone or cpu
            rejected = sum(isinstance(result, RejectProgram) for result in results)
            overhead = wall / compiler.compiler_seconds
            rows.append([unit_size, cpu / programs, alone / cpu, overhead, rejected])
            print(f"units of {unit_size} done", flush=True)
    headers = ["unit", "CPU s a program", "times faster", "whole / compilers", "rejected"]
    print(tabulate(rows, headers, floatfmt=".2f"))
    print(
        "times faster: than one program a unit (wanted: at least 2.5)\n"
        "whole / compilers: wall time with slicing over that of the compilers (at most 1.3)"
    )


def _sources(config: BuildConfig, programs: int) -> list[Source]:
    lowerer = Lowerer(config.gpu_arch)
    sources: list[Source] = []
    index = 0
    while len(sources) < programs:
        try:
            program = api.synthesise(config.synthesis, config.seed, index)
            code = lowerer.lower(program)
        except RejectProgram:
            continue
        finally:
            index += 1
        cpu, cuda = code.cpu.code, code.cuda.code
        sources.append(Source.of(program.python, program.launch, program.kernel_name, cpu, cuda))
    return sources


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Benchmarks of compile units.")
    parser.add_argument("--programs", type=int, default=64)
    parser.add_argument("--config", type=Path, default=Path("configs/v1.yaml"))
    arguments = parser.parse_args()
    run(load_config(arguments.config), arguments.programs)
