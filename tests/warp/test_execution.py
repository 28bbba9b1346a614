"""Programs of every category lower for both targets and run on the CPU from their recipes."""

import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest

from generator.synthesis import api
from generator.synthesis.registry import categories

PROGRAMS = 3  # of each category; a build's own checks run every one
_RUNNER = """
import json, sys
import numpy as np
import warp as wp
from warp_ir_dataset.execution import execute
wp.config.log_level = wp.LOG_ERROR
wp.config.kernel_cache_dir = sys.argv[1]  # one a process: a shared one is a race
for flag in ("gemm", "solver", "fft"):
    setattr(wp.config, f"enable_mathdx_{flag}", False)
for number, line in enumerate(sys.stdin):
    row = json.loads(line)
    results = [execute(row["python"], row["launch"]) for turn in range(2)]
    named = {f"{turn}:{n}": v for turn, made in enumerate(results) for n, v in made.items()}
    np.savez(f"{sys.argv[1]}/{number}.npz", **named)
"""


@dataclass
class Settings:
    categories: dict[str, float] = field(default_factory=dict)
    policy: dict[str, float] = field(default_factory=dict)


@pytest.mark.parametrize("name", sorted(categories()))
def test_programs_run_with_finite_results_that_repeat(name: str, tmp_path) -> None:
    import json

    made = [api.synthesise(Settings({name: 1.0}), 23, i) for i in range(PROGRAMS)]
    lines = "\n".join(json.dumps({"python": p.python, "launch": p.launch}) for p in made)
    done = subprocess.run(
        [sys.executable, "-c", _RUNNER, str(tmp_path)],
        input=lines,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for number, program in enumerate(made):
        with np.load(tmp_path / f"{number}.npz") as stored:
            outputs = {k: stored[k] for k in stored.files}
        _check(program.python, outputs)


def _check(python: str, outputs: dict[str, np.ndarray]) -> None:
    first = {k[2:]: v for k, v in outputs.items() if k.startswith("0:")}
    assert first, f"no output in\n{python}"
    for name, values in first.items():
        again = outputs[f"1:{name}"]
        if np.issubdtype(values.dtype, np.floating):
            assert np.isfinite(values).all(), f"{name} is not finite in\n{python}"
            # The order of float atomics is free; everything else repeats exactly.
            np.testing.assert_allclose(values, again, rtol=1e-4, atol=1e-5)
        elif values.dtype.names is None:
            np.testing.assert_array_equal(values, again)
