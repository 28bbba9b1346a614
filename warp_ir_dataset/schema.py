"""The columns of the dataset: names, types and meanings, defined here and nowhere else."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import datasets

SCHEMA_VERSION = "1.0"

TARGETS = ("cpu", "cuda")
SPLITS = ("train", "validation", "test")
CHECKS = ("compiled", "executed", "replayed", "gradient")
VERDICTS = ("passed", "failed", "not_applicable", "inconclusive", "not_run")

# The lowest level each config holds.
IR_COLUMN = {"cpu": "llvm_ir", "cuda": "ptx"}

_LINE_SPAN = pa.struct(
    [
        ("python_line", pa.int32()),
        ("code_start", pa.int32()),
        ("code_end", pa.int32()),
        ("pass", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Arrow type, what it holds, and the configs that have it."""

    name: str
    type: pa.DataType
    meaning: str
    targets: tuple[str, ...] = TARGETS


COLUMNS = (
    Column("id", pa.string(), "stable id of the program, the same in both configs"),
    Column("category", pa.string(), "kind of work the program does"),
    Column("kernel_name", pa.string(), "name of the kernel that `launch` launches"),
    Column(
        "python",
        pa.string(),
        "self-contained Warp module: imports, constants, structs, functions, kernel",
    ),
    Column(
        "code",
        pa.string(),
        "C++ (cpu) or CUDA C++ (cuda) that Warp generated from `python`, "
        "without prelude and comments",
    ),
    Column(
        "llvm_ir",
        pa.string(),
        "optimised LLVM module of the forward kernel; null until it is built",
        ("cpu",),
    ),
    Column("ptx", pa.string(), "PTX of the forward kernel; null until it is built", ("cuda",)),
    Column(
        "line_map",
        pa.list_(_LINE_SPAN),
        "lines of `code` that each Python line became, 1-based and inclusive; "
        "`pass` is `forward` or `adjoint`",
    ),
    Column("features", pa.list_(pa.string()), "language and data-layout features used"),
    Column("builtins", pa.list_(pa.string()), "Warp builtins called"),
    Column("launch", pa.string(), "JSON: dimensions, options, a seeded recipe of every argument"),
    Column(
        "outputs",
        pa.string(),
        "JSON: for every written array dtype, shape, SHA-256 and first values, from the CPU run; "
        "empty object until it was run",
    ),
    Column(
        "checks",
        pa.struct([(check, pa.string()) for check in CHECKS]),
        "verdict of each check: " + ", ".join(VERDICTS),
    ),
    Column("target", pa.string(), "CPU or GPU architecture the row was built for"),
    Column("warp_version", pa.string(), "version of Warp that generated `code`"),
    Column("generator_version", pa.string(), "version of the generator that wrote `python`"),
    Column("seed", pa.int64(), "seed the program was synthesised from"),
    Column("license", pa.string(), "SPDX identifier"),
)


def columns(target: str) -> list[Column]:
    """The columns of one config, in order."""
    return [column for column in COLUMNS if target in column.targets]


def text_levels(target: str) -> tuple[str, ...]:
    """The columns that hold the program, from Python down."""
    return ("python", "code", IR_COLUMN[target])


def arrow_schema(target: str) -> pa.Schema:
    """The Arrow schema of one config's shards."""
    return pa.schema([(column.name, column.type) for column in columns(target)])


def features(target: str) -> "datasets.Features":
    """The same schema as `datasets` names it."""
    import datasets  # slow to import, and only readers that go through it need it

    return datasets.Features.from_arrow_schema(arrow_schema(target))
