"""What Warp alone takes for the programs that a build lowers: the yardstick of the benchmark."""

from time import perf_counter

import warp as wp

from generator.lowering.warp_backend import Session


def baseline_seconds(sources: list[str], gpu_arch: int = 80) -> float:
    """Seconds of wall time to execute each source, build its module and generate both targets.

    Nothing else is timed: no clean-up between programs, no second builder for programs with
    tiles, no canonical form. Warp runs as it is, without line marks.

    Args:
        sources: programs that Warp accepts.
        gpu_arch: compute capability of the CUDA target, times ten.

    Raises:
        RejectProgram: defining a source fails.
    """
    session = Session(gpu_arch)
    seconds = 0.0
    for python in sources:
        start = perf_counter()
        with session.defined(python) as namespace:
            kernel = next(value for value in namespace.values() if isinstance(value, wp.Kernel))
            builder = session.build(kernel.module, 1)
            builder.codegen("cpu")
            builder.codegen("cuda")
            seconds += perf_counter() - start
    return seconds
