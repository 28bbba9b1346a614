"""The output folder of a build: what it holds and which build it belongs to."""

import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import generator
from generator.config import BuildConfig
from generator.errors import DataError, UsageError
from generator.files import write_text
from generator.output.manifest import read_manifest
from generator.run.lock import FolderLock
from generator.run.parts import Parts
from warp_ir_dataset.manifest import Manifest, ManifestError, manifest_path, shard_files
from warp_ir_dataset.schema import SPLITS, TARGETS


def installed_versions() -> dict[str, str]:
    """Versions that the bytes of a build depend on; found without starting Warp."""
    return {
        "generator": generator.__version__,
        "python": platform.python_version(),
        "pyarrow": metadata.version("pyarrow"),
        "warp": metadata.version("warp-lang"),
    }


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """What an unfinished build wrote down when it began."""

    config: BuildConfig
    config_path: str  # as the user gave it
    versions: dict[str, str]
    checks: bool  # whether programs are compiled and run


@dataclass(frozen=True, slots=True)
class BuildFolder:
    """An output folder, by the path the user gave."""

    root: Path

    @property
    def parts(self) -> Parts:
        """The staged parts."""
        return Parts(self.work / "parts")

    @property
    def lock(self) -> FolderLock:
        """What a build must hold to write here."""
        return FolderLock(self.root / ".build.lock")

    @property
    def work(self) -> Path:
        """Where a build keeps what it has staged; gone when it is finished."""
        return self.root / ".build"

    @property
    def in_progress(self) -> bool:
        """Whether a build was begun and is not finished."""
        return self._record_path.exists()

    @property
    def finished(self) -> bool:
        """Whether the folder holds a finished build."""
        manifests = (manifest_path(self.root, target) for target in TARGETS)
        return not self.in_progress and all(path.exists() for path in manifests)

    def record(self) -> BuildRecord:
        """What the unfinished build wrote down.

        Raises:
            DataError: it can't be read.
        """
        try:
            content = json.loads(self._record_path.read_bytes())
            config = BuildConfig.model_validate(content["config"])
            versions = dict(content["versions"])
            checks = content["checks"] is True
            return BuildRecord(config, str(content["config_path"]), versions, checks)
        except (OSError, ValueError, TypeError, KeyError):
            raise DataError(
                f"{self._record_path} is damaged: delete {self.work} to start the build anew"
            ) from None

    def manifests(self) -> list[Manifest]:
        """The manifests of the finished build, one for each config.

        Raises:
            DataError: a manifest is damaged, or a shard is missing or of another size.
        """
        manifests = [read_manifest(self.root, target) for target in TARGETS]
        try:
            for manifest in manifests:
                for split in SPLITS:
                    for shard in shard_files(manifest, split, self.root):
                        shard.check_size()
        except ManifestError as error:
            raise DataError(str(error)) from None
        return manifests

    def begin(self, config: BuildConfig, config_path: Path, checks: bool) -> None:
        """Begins a build, or checks that the one begun here is the same. Call with the lock held.

        Raises:
            UsageError: the folder holds something else.
            DataError: the record of the build begun here is damaged.
        """
        shutil.rmtree(self._discarded, ignore_errors=True)
        if self.in_progress:
            record = self.record()
            self.check_same(record.config.model_dump(mode="json"), record.versions, config)
            self.check_mode(record.checks, checks)
            return
        self._refuse_foreign_data()
        self.parts.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "config": config.model_dump(mode="json"),
            "config_path": str(config_path),
            "versions": installed_versions(),
            "checks": checks,
        }
        write_text(self._record_path, json.dumps(content, indent=1) + "\n")

    def check_same(
        self, config: Mapping[str, Any], versions: Mapping[str, str], wanted: BuildConfig
    ) -> None:
        """Checks that a build of `config` and `versions` is what `wanted` would give now.

        Raises:
            UsageError: it is not; the message names what differs.
        """
        now = installed_versions()
        here = {key: versions.get(key) for key in now} | dict(_flat(config))
        asked = now | dict(_flat(wanted.model_dump(mode="json")))
        differing = sorted(k for k in here.keys() | asked.keys() if here.get(k) != asked.get(k))
        if differing:
            shown = ", ".join(f"{k} {here.get(k)} instead of {asked.get(k)}" for k in differing[:3])
            more = f" and {len(differing) - 3} more differences" if len(differing) > 3 else ""
            raise UsageError(
                f"{self.root} holds another build, with {shown}{more}: choose another folder, "
                "or delete it"
            )

    def check_mode(self, here: bool, wanted: bool) -> None:
        """Checks that the build here runs the checks if and only if they are wanted.

        Raises:
            UsageError: it does not.
        """
        if here != wanted:
            how, say = ("with", "leave out") if here else ("without", "add")
            raise UsageError(
                f"{self.root} holds a build {how} checks: {say} --no-checks, "
                "or choose another folder"
            )

    def finish(self) -> None:
        """Removes what the build staged. The rename makes it one step: finished, or not yet."""
        self.work.rename(self._discarded)
        shutil.rmtree(self._discarded, ignore_errors=True)

    @property
    def _discarded(self) -> Path:
        return self.root / ".build.discarded"

    @property
    def _record_path(self) -> Path:
        return self.work / "build.json"

    def _refuse_foreign_data(self) -> None:
        # Readers take whatever lies in these folders, so a build can't share them.
        for name in (*TARGETS, "manifests"):
            folder = self.root / name
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise UsageError(
                    f"{folder} was not written by a build that goes on here: "
                    "choose another folder, or move it away"
                )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings by dotted key."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
