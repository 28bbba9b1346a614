"""Verifies a build from its files alone: bytes against manifests, then rows against themselves."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from tqdm import tqdm

from generator.config import BuildConfig
from generator.errors import DataError, UsageError
from generator.files import sha256
from generator.output.manifest import read_manifest
from generator.output.reader import read_batches
from generator.run.local import WorkerPool
from generator.run.state import installed_versions
from warp_ir_dataset.manifest import Manifest, ManifestError, ShardFile, shard_files
from warp_ir_dataset.schema import SPLITS, TARGETS

if TYPE_CHECKING:
    from generator.checking.checker import Checker
    from generator.checking.rows import Problem
    from generator.lowering.warp_backend import Lowerer

_ROWS_AT_ONCE = 32  # a compile unit
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Verified:
    """What was verified.

    Attributes:
        rows: rows of each config in the build.
        checked: rows that were lowered, compiled and run anew.
    """

    rows: int
    checked: int


def verify(data_dir: Path, fraction: float, workers: int, device: str) -> Verified:
    """Compares every file of a build with its manifests, and a sample of rows with themselves.

    Args:
        fraction: share of the rows that are checked, 0 to 1.
        device: "cpu", or "cuda" to run them on a GPU too and compare with the stored outputs.

    Raises:
        UsageError: there is no build, another version of Warp made it, or there is no GPU.
        DataError: a file differs from its manifest, or a row is wrong.
    """
    manifests = {target: read_manifest(data_dir, target) for target in TARGETS}
    config = _config(manifests["cpu"])
    shards = list(_checked_files(data_dir, manifests))
    if not fraction:
        return Verified(manifests["cpu"].rows, 0)
    _check_version(manifests["cpu"])
    proven = manifests["cpu"].checks.mode == "run"
    tasks = [VerifyShard(pair, fraction, proven, device) for pair in shards]
    problems: list[Problem] = []
    checked = 0
    with WorkerPool(workers, partial(VerifyContext, config)) as pool:
        if device == "cuda" and not next(pool.results([HasGpu()]))[1]:
            raise UsageError(
                "verify --device cuda needs a machine with an NVIDIA GPU and its driver"
            )
        bar = tqdm(pool.results(tasks), total=len(tasks), desc="verifying", unit="shard")
        for _, (count, found) in bar:
            checked += count
            problems += found
    if problems:
        raise DataError(_told(problems))
    return Verified(manifests["cpu"].rows, checked)


def _config(manifest: Manifest) -> BuildConfig:
    try:
        return BuildConfig.model_validate(manifest.config)
    except ValidationError:
        raise DataError("the manifests hold a config that this version can't read") from None


def _check_version(manifest: Manifest) -> None:
    built, here = manifest.versions.get("warp"), installed_versions()["warp"]
    if built != here:
        raise UsageError(
            f"Warp {built} made this build and {here} is installed: install "
            f"warp-lang=={built} to check its rows, or verify files alone with --fraction 0"
        )


def _checked_files(
    data_dir: Path, manifests: dict[str, Manifest]
) -> Iterator[dict[str, ShardFile]]:
    """The shards of all splits, both configs side by side, after every byte was compared."""
    for target, manifest in manifests.items():
        _check_prelude(data_dir, manifest)
        expected = {shard.file for split in manifest.splits.values() for shard in split.shards}
        for path in sorted((data_dir / target).iterdir()):
            if path.name not in expected:
                raise DataError(f"{path} is not part of the build: move it away")
    for split in SPLITS:
        files = [shard_files(manifest, split, data_dir) for manifest in manifests.values()]
        if len({tuple(shard.shard.rows for shard in shards) for shards in files}) > 1:
            raise DataError(f"the configs do not have the same rows in {split}: build again")
        for pair in zip(*files, strict=True):
            for shard in pair:
                _check_shard(shard)
            yield dict(zip(manifests, pair, strict=True))


def _check_prelude(data_dir: Path, manifest: Manifest) -> None:
    path = data_dir / "manifests" / manifest.prelude.file
    if not path.is_file() or sha256(path) != manifest.prelude.sha256:
        raise DataError(f"{path} is missing or not what was built: restore it or build again")


def _check_shard(shard: ShardFile) -> None:
    try:
        shard.check_digest()
    except ManifestError as error:
        raise DataError(str(error)) from None


def _told(problems: list["Problem"]) -> str:
    shown = "; ".join(f"row {problem.row_id}: {problem.text}" for problem in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
    return f"{shown}{more}"


def _is_drawn(row_id: str, fraction: float) -> bool:
    """Whether a row belongs to the sample: the same rows each time, spread evenly."""
    digest = hashlib.sha256(f"verify {row_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


class VerifyContext:
    """What a worker that verifies rows needs.

    Args:
        config: that of the build.
    """

    def __init__(self, config: BuildConfig) -> None:
        self._config = config

    @cached_property
    def lowerer(self) -> "Lowerer":
        """The process's only Lowerer."""
        from generator.lowering.warp_backend import Lowerer

        return Lowerer(self._config.gpu_arch)

    @cached_property
    def checker(self) -> "Checker":
        """The process's only Checker."""
        from generator.checking.checker import Checker

        return Checker(self._config.checks, self._config.gpu_arch)


@dataclass(frozen=True, slots=True)
class HasGpu:
    """Asks a worker whether Warp finds a GPU here, so that the parent never starts Warp."""

    def __str__(self) -> str:
        return "the search for a GPU"

    def __call__(self, context: VerifyContext) -> bool:
        import warp as wp

        assert context.lowerer  # starts Warp quietly
        return bool(wp.is_cuda_available())


@dataclass(frozen=True, slots=True)
class VerifyShard:
    """Checks rows of one shard, in both configs; the result is how many, and what is wrong."""

    files: dict[str, ShardFile]
    fraction: float
    proven: bool
    device: str

    def __str__(self) -> str:
        return f"shard {self.files['cpu'].path}"

    def __call__(self, context: VerifyContext) -> tuple[int, list["Problem"]]:
        from generator.checking.gpu import check_on_gpu
        from generator.checking.rows import check_rows

        checked = 0
        problems: list[Problem] = []
        pairs = self._drawn_pairs()
        while batch := list(islice(pairs, _ROWS_AT_ONCE)):
            checked += len(batch)
            problems += check_rows(batch, context.lowerer, context.checker, self.proven)
            if self.device == "cuda":
                problems += check_on_gpu(batch)
        return checked, problems

    def _drawn_pairs(self) -> Iterator[dict[str, dict[str, Any]]]:
        rows = [self._rows(target) for target in TARGETS]
        for pair in zip(*rows, strict=True):
            if _is_drawn(pair[0]["id"], self.fraction):
                yield dict(zip(TARGETS, pair, strict=True))

    def _rows(self, target: str) -> Iterator[dict[str, Any]]:
        batches = read_batches(self.files[target], target)
        return chain.from_iterable(batch.to_pylist() for batch in batches)
