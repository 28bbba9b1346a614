"""Warp-IR: Python kernels paired with the C++ and CUDA C++ that NVIDIA Warp makes of them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warp_ir_dataset.builder import WarpIR
    from warp_ir_dataset.manifest import load_manifest
    from warp_ir_dataset.row import replay, translation_unit

__all__ = ["WarpIR", "load_manifest", "replay", "translation_unit"]

_HOME = {
    "WarpIR": "builder",
    "load_manifest": "manifest",
    "replay": "row",
    "translation_unit": "row",
}


def __getattr__(name: str) -> Any:
    # On first use: a reader of the schema shouldn't wait for `datasets` to import.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
