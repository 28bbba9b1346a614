"""Typed reader of the manifests, the files that say what a build of the dataset holds."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from warp_ir_dataset.schema import SCHEMA_VERSION, SPLITS, TARGETS

# The data of a checkout lies beside the package.
DEFAULT_DATA_DIR = Path(__file__).resolve().parent.parent / "data"

SHARD_PATTERN = r"(train|validation|test)-\d{5}-of-\d{5}\.arrow"


class DatasetNotBuilt(FileNotFoundError):
    """There is no dataset where one was expected."""


class ManifestError(ValueError):
    """A manifest, or a file it describes, isn't what it should be."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shard(_Record):
    """One Arrow IPC stream file, its name relative to the config's folder."""

    file: str = Field(pattern=f"^{SHARD_PATTERN}$")
    rows: int = Field(ge=0)
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    code_bytes: int = Field(ge=0)
    num_bytes: int = Field(ge=0, description="size in memory, as `datasets` counts it")


class Split(_Record):
    """One split: its shards in order, and UTF-8 bytes of each text level."""

    shards: list[Shard] = Field(min_length=1)
    level_bytes: dict[str, int]

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def bytes(self) -> int:
        return sum(shard.bytes for shard in self.shards)

    @property
    def code_bytes(self) -> int:
        return sum(shard.code_bytes for shard in self.shards)

    @property
    def num_bytes(self) -> int:
        return sum(shard.num_bytes for shard in self.shards)


class Quantiles(_Record):
    """Nearest-rank quantiles of a whole-number length over all rows."""

    min: int
    p10: int
    p25: int
    p50: int
    p75: int
    p90: int
    p99: int
    max: int


class RejectSample(_Record):
    """One program that did not become a row."""

    index: int
    category: str
    stage: str
    reason: str
    detail: str
    python: str


class Sampling(_Record):
    """What became of the sampled programs, until the size target was reached."""

    sampled: int
    lowered: int
    rejected: dict[str, dict[str, int]]  # stage -> reason -> programs
    reject_samples: list[RejectSample]
    dropped: dict[str, int]  # reason -> programs
    distinct_skeletons: int  # among the lowered programs, before deduplication


class Checks(_Record):
    """Rows by verdict of each check, and whether the build ran the checks at all."""

    mode: str  # "run" or "not_run"
    verdicts: dict[str, dict[str, int]]
    reasons: dict[str, dict[str, int]]  # check -> why a row did not pass it -> rows


class Category(_Record):
    """A category of programs as the generator describes it."""

    name: str
    version: int
    title: str
    doc: str


class Coverage(_Record):
    """Rows of one category by what they use; groups that none uses are left out."""

    constructs: dict[str, int]  # group of language features -> rows
    builtins: dict[str, int]  # group of builtins -> rows that call one of it


class Span(_Record):
    """Lines of `code` that one Python line became; 1-based, inclusive."""

    python_line: int
    code_start: int
    code_end: int
    pass_: str = Field(alias="pass")


class Example(_Record):
    """A row of the train split, as the card shows it."""

    id: str
    category: str
    kernel_name: str
    python: str
    code: str
    line_map: list[Span]
    launch: str
    llvm_ir: str | None = None  # in the config that has it, if it was built
    ptx: str | None = None


class Prelude(_Record):
    """The constant text before `code`, its file name relative to the manifests' folder."""

    file: str
    sha256: str


class Manifest(_Record):
    """All that is known about one config of a build.

    `run` (times, host, workers) is the only part that may differ between two builds of one config.
    """

    schema_version: str
    config_name: str
    versions: dict[str, str]
    config: dict[str, Any]
    config_digest: str
    prelude: Prelude
    splits: dict[str, Split]
    categories: dict[str, dict[str, int]]  # category -> split -> rows
    features: dict[str, int]
    builtins: dict[str, int]
    coverage: dict[str, Coverage]  # by category
    lengths: dict[str, Quantiles]
    sampling: Sampling
    checks: Checks
    catalogue: list[Category]
    examples: list[Example]
    run: dict[str, Any]

    @field_validator("splits")
    @classmethod
    def _in_order(cls, splits: dict[str, Split]) -> dict[str, Split]:
        if set(splits) != set(SPLITS):
            raise ValueError(f"splits are {sorted(splits)} instead of {sorted(SPLITS)}")
        return {name: splits[name] for name in SPLITS}

    @property
    def filled_splits(self) -> dict[str, Split]:
        """Splits that have rows; `datasets` refuses to open one that has none."""
        return {name: split for name, split in self.splits.items() if split.rows}

    @property
    def rows(self) -> int:
        return sum(split.rows for split in self.splits.values())

    @property
    def bytes(self) -> int:
        return sum(split.bytes for split in self.splits.values())

    @property
    def code_bytes(self) -> int:
        return sum(split.code_bytes for split in self.splits.values())

    @property
    def num_bytes(self) -> int:
        return sum(split.num_bytes for split in self.splits.values())

    @property
    def data_digest(self) -> str:
        """Hex digest that changes whenever the bytes of a shard do."""
        parts = [shard.sha256 for split in self.splits.values() for shard in split.shards]
        return hashlib.sha256("".join(parts).encode()).hexdigest()


def manifest_path(data_dir: Path, target: str) -> Path:
    """Where the manifest of one config lies."""
    return data_dir / "manifests" / f"{target}_manifest.json"


def load_manifest(target: str, data_dir: str | Path | None = None) -> Manifest:
    """The manifest of one config, "cpu" or "cuda".

    Args:
        data_dir: folder of a build; the checkout's own `data` by default.

    Raises:
        DatasetNotBuilt: nothing was built there.
        ManifestError: the manifest is damaged or of another schema version.
    """
    if target not in TARGETS:
        raise ManifestError(f"no config named {target!r}: choose one of {', '.join(TARGETS)}")
    path = manifest_path(Path(data_dir or DEFAULT_DATA_DIR), target)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DatasetNotBuilt(
            f"{path} does not exist: build the data with `make dataset`"
        ) from None
    except OSError as error:
        raise ManifestError(f"{path} can't be read: {error.strerror}") from None
    except ValueError:
        raise ManifestError(f"{path} is damaged (not JSON): restore it or build again") from None
    return _validated(content, path)


def _validated(content: Any, path: Path) -> Manifest:
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, str) and version != SCHEMA_VERSION:
        raise ManifestError(
            f"{path} has schema version {version} and this code reads {SCHEMA_VERSION}: "
            "use the matching release or build again"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "top level"
        problem = f"{where}: {first['msg']}"
        raise ManifestError(f"{path} is damaged ({problem}): restore it or build again") from None


class ShardFile(NamedTuple):
    """A shard and where it lies."""

    path: Path
    shard: Shard

    def check_size(self) -> None:
        """Raises ManifestError if the file is missing or has another size than was built."""
        try:
            size = self.path.stat().st_size
        except OSError as error:
            raise self._damaged(f"can't be read: {error.strerror}") from None
        if size != self.shard.bytes:
            raise self._damaged(f"has {size} bytes instead of {self.shard.bytes}")

    def check_digest(self) -> None:
        """Raises ManifestError if any byte of the file differs from what was built."""
        self.check_size()
        with self.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != self.shard.sha256:
            raise self._damaged("does not have the SHA-256 that the manifest says")

    def _damaged(self, what: str) -> ManifestError:
        return ManifestError(f"shard {self.path} {what}: restore the file or build again")


def shard_files(
    manifest: Manifest, split: str, data_dir: str | Path | None = None
) -> list[ShardFile]:
    """The shards of one split, in order."""
    folder = Path(data_dir or DEFAULT_DATA_DIR) / manifest.config_name
    return [ShardFile(folder / shard.file, shard) for shard in manifest.splits[split].shards]
