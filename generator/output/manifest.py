"""Writes the manifests, which make a folder of shards a dataset; reads them for the commands."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from generator.errors import DataError, UsageError
from generator.files import sha256, write_text
from generator.output.shard_stats import ShardStats, merged
from generator.output.shards import ShardInfo
from generator.records import Reject
from warp_ir_dataset.manifest import (
    SHARD_PATTERN,
    Category,
    Checks,
    Coverage,
    DatasetNotBuilt,
    Example,
    Manifest,
    ManifestError,
    Prelude,
    Quantiles,
    RejectSample,
    Sampling,
    Shard,
    Split,
    load_manifest,
    manifest_path,
)
from warp_ir_dataset.schema import SCHEMA_VERSION, TARGETS, text_levels

_EXAMPLES = 4


@dataclass(slots=True)
class SamplingSummary:
    """What became of the sampled programs, up to the one that reached the size target.

    Attributes:
        sampled: programs drawn.
        lowered: programs that Warp turned into code for both targets.
        rejected: programs by stage and reason.
        reject_samples: a few for each reason, in index order.
        dropped: lowered programs that curation left out, by reason.
        distinct_skeletons: among the lowered programs, before deduplication.
        check_reasons: rows by check and reason why it did not pass.
        checks_mode: "run", or "not_run" if the build stopped after code generation.
        catalogue: the categories, each with name, version, title and doc.
    """

    sampled: int = 0
    lowered: int = 0
    rejected: dict[str, dict[str, int]] = field(default_factory=dict)
    reject_samples: list[Reject] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    distinct_skeletons: int = 0
    check_reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    checks_mode: str = "not_run"
    catalogue: list[Mapping[str, Any]] = field(default_factory=list)


def write_manifests(
    data_dir: Path,
    *,
    config: dict[str, Any],
    config_digest: str,
    versions: dict[str, str],
    shards: Mapping[str, Mapping[str, list[ShardInfo]]],
    preludes: Mapping[str, str],
    sampling: SamplingSummary,
    run: dict[str, Any],
) -> None:
    """Removes shards of earlier builds, then writes the preludes and, last, the manifests.

    Args:
        config: the resolved config, JSON-able.
        versions: of Python, Warp, LLVM, NVRTC, pyarrow and the generator.
        shards: by config name and split, in order.
        preludes: constant header text by config name.
        run: times, host, workers: whatever may differ between two builds of one config.

    Raises:
        OSError: a file can't be written.
    """
    for target in TARGETS:
        _remove_other_shards(data_dir / target, shards[target])
        write_text(_prelude_path(data_dir, target), preludes[target])
    for target in TARGETS:
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            config_name=target,
            versions=versions,
            config=config,
            config_digest=config_digest,
            prelude=_prelude(data_dir, target),
            **_figures(shards[target], target, sampling),
            sampling=_sampling(sampling),
            catalogue=[Category(**entry) for entry in sampling.catalogue],
            run=run,
        )
        content = manifest.model_dump(mode="json", by_alias=True)
        text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False)
        write_text(manifest_path(data_dir, target), text + "\n")


def read_manifest(data_dir: Path, target: str) -> Manifest:
    """The manifest of one config, its faults told in the terms of the command line."""
    try:
        return load_manifest(target, data_dir)
    except DatasetNotBuilt as error:
        raise UsageError(str(error)) from None
    except ManifestError as error:
        raise DataError(str(error)) from None


def _prelude_path(data_dir: Path, target: str) -> Path:
    return data_dir / "manifests" / f"prelude_{target}.h"


def _prelude(data_dir: Path, target: str) -> Prelude:
    path = _prelude_path(data_dir, target)
    return Prelude(file=path.name, sha256=sha256(path))


def _remove_other_shards(folder: Path, splits: Mapping[str, list[ShardInfo]]) -> None:
    """Readers take every file whose name says shard, so none of another build may stay."""
    current = {info.file for infos in splits.values() for info in infos}
    for path in folder.iterdir():
        if re.fullmatch(SHARD_PATTERN, path.name) and path.name not in current:
            path.unlink()


def _figures(
    splits: Mapping[str, list[ShardInfo]], target: str, sampling: SamplingSummary
) -> dict[str, Any]:
    levels = text_levels(target)
    by_split = {name: merged(info.stats for info in infos) for name, infos in splits.items()}
    total = merged(by_split.values())
    return {
        "splits": {
            name: _split(infos, {level: by_split[name].level_bytes[level] for level in levels})
            for name, infos in splits.items()
        },
        "categories": {
            category: {name: stats.categories[category] for name, stats in by_split.items()}
            for category in total.categories
        },
        "features": dict(total.features),
        "builtins": dict(total.builtins),
        "coverage": {
            category: Coverage(
                constructs=total.construct_groups[category],
                builtins=total.builtin_groups[category],
            )
            for category in total.categories
        },
        "lengths": {name: _quantiles(counts) for name, counts in total.lengths.items() if counts},
        "checks": Checks(
            mode=sampling.checks_mode,
            verdicts={name: dict(counts) for name, counts in total.checks.items()},
            reasons=sampling.check_reasons,
        ),
        "examples": _examples(by_split["train"]),
    }


def _split(infos: list[ShardInfo], level_bytes: dict[str, int]) -> Split:
    return Split(
        shards=[
            Shard(**{name: getattr(info, name) for name in Shard.model_fields}) for info in infos
        ],
        level_bytes=level_bytes,
    )


def _quantiles(counts: Counter[int]) -> Quantiles:
    """Nearest-rank quantiles of the values that `counts` counts."""
    total = counts.total()
    reached: list[tuple[int, int]] = []
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        reached.append((seen, value))

    def at(percent: int) -> int:
        rank = max(1, -(-percent * total // 100))
        return next(value for seen, value in reached if seen >= rank)

    named = {f"p{percent}": at(percent) for percent in (10, 25, 50, 75, 90, 99)}
    return Quantiles(min=at(0), max=at(100), **named)


def _examples(train: ShardStats) -> list[Example]:
    best = sorted(train.candidates.values(), key=lambda candidate: candidate.rank)
    return [Example.model_validate(candidate.row) for candidate in best[:_EXAMPLES]]


def _sampling(summary: SamplingSummary) -> Sampling:
    return Sampling(
        sampled=summary.sampled,
        lowered=summary.lowered,
        rejected=summary.rejected,
        reject_samples=[RejectSample(**asdict(reject)) for reject in summary.reject_samples],
        dropped=summary.dropped,
        distinct_skeletons=summary.distinct_skeletons,
    )
