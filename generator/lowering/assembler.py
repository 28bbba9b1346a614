"""NVIDIA's assembler, if it is installed: tells whether PTX is valid down to machine code.

It comes with the optional extra `assemble` of this package, or with a CUDA toolkit.
"""

import importlib.util
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from generator.lowering.ptx import verify_ptx

_SECONDS = 120
_HINT = "pip install 'warp-ir-dataset[assemble]'"


class AssemblerMissing(Exception):
    """There is no `ptxas` that reads what Warp writes; the message says how to get it."""


def assemble_ptx(text: str) -> int:
    """Assembles PTX for its own `.target` and returns the size of the machine code in bytes.

    Raises:
        AssemblerMissing: no assembler is installed, or one too old for the PTX.
        ValueError: the PTX isn't valid; the message is the assembler's first complaint.
    """
    verify_ptx(text)
    target = text.split(".target", 1)[1].split(maxsplit=1)[0]
    with tempfile.TemporaryDirectory(prefix="warp-ir-") as directory:
        source, cubin = Path(directory, "kernel.ptx"), Path(directory, "kernel.cubin")
        source.write_text(text)
        command = [_ptxas(), f"-arch={target}", str(source), "-o", str(cubin)]
        run = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        if run.returncode:
            complaint = (run.stderr or run.stdout).strip().partition("\n")[0]
            if "Unsupported .version" in complaint:
                raise AssemblerMissing(f"{command[0]} is too old: {_HINT}")
            raise ValueError(f"not valid PTX: {complaint.replace(f'{source}, ', '')}")
        return cubin.stat().st_size


@cache
def _ptxas() -> str:
    package = importlib.util.find_spec("nvidia")
    folders = list(package.submodule_search_locations or ()) if package else []
    installed = [path for folder in folders for path in sorted(Path(folder).glob("*/bin/ptxas"))]
    path = installed[-1] if installed else shutil.which("ptxas")
    if path is None:
        raise AssemblerMissing(f"no ptxas: {_HINT}")
    return str(path)
