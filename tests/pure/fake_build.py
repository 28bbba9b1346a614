"""A small dataset of invented rows, so that output is tested without Warp."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from generator.output.card import write_card
from generator.output.manifest import SamplingSummary, write_manifests
from generator.output.rows import RowConstants, target_table
from generator.output.shards import shard_name, write_shard
from generator.records import Reject, Stage
from warp_ir_dataset.schema import CHECKS, TARGETS, arrow_schema

CONSTANTS = RowConstants(
    targets={"cpu": "x86_64", "cuda": "sm_80"},
    warp_version="1.19.0",
    generator_version="0.1.0",
    license="Apache-2.0",
)
RowMaker = Callable[[int], dict[str, object]]

SPLIT_ROWS = {"train": 20, "validation": 3, "test": 2}
CATEGORIES = ("cloth", "sph", "stencil")


def part_row(index: int) -> dict[str, object]:
    """An invented program; odd ones are longer."""
    body = "".join(f"    y[i] = x[i] * {index}.0 + {line}.0\n" for line in range(index % 7))
    python = f"import warp as wp\n\n\n@wp.kernel\ndef k(x: wp.array[float]):\n{body}    # µ\n"
    code = f"void k_{index}() {{\n{body}}}\n"
    span = {"python_line": 6, "code_start": 2, "code_end": 3, "pass": "forward"}
    launch = {"kernel": "k", "dim": [8], "options": {}, "seed": index, "args": {"x": {}, "y": {}}}
    return {
        "id": hashlib.sha256(python.encode()).hexdigest()[:16],
        "category": CATEGORIES[index % len(CATEGORIES)],
        "kernel_name": "k",
        "python": python,
        "code_cpu": code,
        "code_cuda": "__global__ " + code,
        "line_map_cpu": [span],
        "line_map_cuda": [span, {**span, "pass": "adjoint"}],
        "features": ["branch", "loop"][: index % 3],
        "builtins": ["dot", "tid"] if index % 2 else [],
        "launch": json.dumps(launch, sort_keys=True, separators=(",", ":")),
        "seed": index,
        "llvm_ir": None,
        "ptx": None,
        "outputs": "{}",
        "checks": dict.fromkeys(CHECKS, "not_run"),
    }


def proven_row(index: int) -> dict[str, object]:
    """The same program, compiled and run."""
    return part_row(index) | {
        "llvm_ir": f"define void @k_{index}() {{ ret void }}\n",
        "ptx": f".entry k_{index}() {{ ret; }}\n",
        "outputs": '{"y":{"sha256":"0"}}',
        "checks": dict.fromkeys(CHECKS, "passed") | {"gradient": "inconclusive"},
    }


def part_table(start: int, stop: int, make_row: RowMaker = part_row) -> pa.Table:
    """Part rows `start` up to `stop`, as the workers stage them."""
    span = arrow_schema("cpu").field("line_map").type
    types = {
        **dict.fromkeys(part_row(0), pa.string()),
        **dict.fromkeys(("line_map_cpu", "line_map_cuda"), span),
        **dict.fromkeys(("features", "builtins"), pa.list_(pa.string())),
        "seed": pa.int64(),
        "checks": arrow_schema("cpu").field("checks").type,
    }
    rows = [make_row(index) for index in range(start, stop)]
    return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))


def sampling_summary() -> SamplingSummary:
    reject = Reject(3, "sph", Stage.LOWER, "warp_refused", "no such | overload", "x = 1\n")
    return SamplingSummary(
        sampled=30,
        lowered=29,
        rejected={"lower": {"warp_refused": 1}},
        reject_samples=[reject],
        dropped={"duplicate_skeleton": 4},
        distinct_skeletons=25,
        catalogue=[
            {"name": name, "version": 1, "title": name.title(), "doc": f"Models {name}."}
            for name in CATEGORIES
        ],
    )


def write_build(data_dir: Path, split_rows: dict[str, int], shards: int) -> Path:
    """A complete build of `split_rows`, each split in `shards` shards."""
    infos: dict[str, dict[str, list]] = {target: {} for target in TARGETS}
    for target in TARGETS:
        start = 0
        for split, rows in split_rows.items():
            part = part_table(start, start + rows)
            table = target_table(part, target, CONSTANTS)
            start += rows
            infos[target][split] = [
                write_shard(
                    data_dir / target / shard_name(split, index, shards),
                    target,
                    [
                        table.slice(
                            rows * index // shards,
                            rows * (index + 1) // shards - rows * index // shards,
                        )
                    ],
                )
                for index in range(shards)
            ]
    write_manifests(
        data_dir,
        config={"name": "fake", "root_seed": 1},
        config_digest="0" * 64,
        versions={"python": "3.11", "warp": "1.19.0", "pyarrow": pa.__version__},
        shards=infos,
        preludes={target: f"#define {target.upper()}\n" for target in TARGETS},
        sampling=sampling_summary(),
        run={"workers": 1, "seconds": 2.5},
    )
    write_card(data_dir)
    return data_dir
