"""Programs compute on a GPU what they compute on the CPU; skipped without one."""

from pathlib import Path

import pytest
import warp as wp

from generator.checking.gpu import differing
from generator.config import load_config
from generator.synthesis import api
from warp_ir_dataset.execution import execute
from warp_ir_dataset.outputs import leaves

CONFIG = load_config(Path(__file__).parents[2] / "configs" / "v1.yaml")

pytestmark = pytest.mark.skipif(not wp.is_cuda_available(), reason="needs an NVIDIA GPU")


@pytest.mark.parametrize("index", range(60))
def test_a_program_writes_the_same_on_both_devices(index: int) -> None:
    program = api.synthesise(CONFIG.synthesis, CONFIG.seed, index)
    on_cpu, on_gpu = (
        leaves(execute(program.python, program.launch, device)) for device in ("cpu", "cuda")
    )
    assert differing(on_cpu, on_gpu) == []
