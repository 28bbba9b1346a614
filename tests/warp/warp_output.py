"""What Warp itself writes for programs, each in a process that has only just imported Warp.

A script that shares nothing with the lowering: programs are imported from files, each target has
a builder of its own, and hashes stay in the names.

Reads `{name: {"python": …, "kernel": …, "block_dim": …}}` as JSON and writes, by name and target,
the translation unit and the names in it that Warp made with a hash.
"""

import importlib.util
import json
import multiprocessing
import sys
import tempfile
from pathlib import Path

import warp as wp
from warp._src import context


def annotated_source(task: dict, target: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "written_by_hand.py"
        path.write_text(task["python"])
        spec = importlib.util.spec_from_file_location("written_by_hand", path)
        python_module = sys.modules["written_by_hand"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(python_module)
        kernel = getattr(python_module, task["kernel"])
        arch, block_dim = (None, 1) if target == "cpu" else (80, task["block_dim"])
        return _generated(kernel, target, arch, block_dim)


def _generated(kernel: wp.Kernel, target: str, arch: int | None, block_dim: int) -> dict:
    options = kernel.module.resolve_options(wp.config)
    options |= {"output_arch": arch, "block_dim": block_dim}
    builder = context.ModuleBuilder(kernel.module, options)
    unit = builder.codegen(target)
    instances = kernel.overloads.values() if kernel.is_generic else [kernel]
    return {
        "unit": unit,
        "key": kernel.key,
        "kernels": [instance.get_mangled_name() for instance in instances],
        "structs": [(struct.key, struct.native_name) for struct in builder.structs],
    }


def main() -> None:
    wp.config.enable_mathdx_gemm = False
    wp.config.log_level = wp.LOG_ERROR
    with tempfile.TemporaryDirectory() as cache:
        wp.config.kernel_cache_dir = cache
        wp.init()
        tasks = json.load(sys.stdin)
        keys = [(name, target) for name in tasks for target in ("cpu", "cuda")]
        with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
            calls = [(tasks[name], target) for name, target in keys]
            outputs = pool.starmap(annotated_source, calls, chunksize=1)
    result: dict[str, dict] = {name: {} for name in tasks}
    for (name, target), output in zip(keys, outputs, strict=True):
        result[name][target] = output
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
