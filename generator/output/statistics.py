"""The figures of a build as tables on the terminal, both configs side by side."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from generator.output.groups import BUILTIN_GROUPS, CONSTRUCT_GROUPS
from generator.output.manifest import read_manifest
from warp_ir_dataset.manifest import Manifest, Quantiles
from warp_ir_dataset.schema import CHECKS, SPLITS, TARGETS, VERDICTS

MIB = 1 << 20
# Features and builtins are many; the manifests hold all of them.
_MOST_USED = 15


def print_tables(data_dir: Path) -> None:
    """Prints sizes, categories, lengths, features, coverage, sampling and checks.

    Raises:
        UsageError: `data_dir` holds no build.
        DataError: a manifest is damaged.
    """
    manifests = {target: read_manifest(data_dir, target) for target in TARGETS}
    first = manifests["cpu"]  # what concerns the programs is the same in both
    _table("Rows and sizes", _size_headers(), _sizes(manifests))
    _table("Rows by category", ["category", *SPLITS, "all"], _categories(first))
    _table("Lengths", ["", *Quantiles.model_fields], _lengths(manifests))
    _table("Features, most used", ["feature", "rows", "share"], _most_used(first, "features"))
    _table("Builtins, most used", ["builtin", "rows", "share"], _most_used(first, "builtins"))
    for kind, groups in (("constructs", CONSTRUCT_GROUPS), ("builtins", BUILTIN_GROUPS)):
        rows = coverage_rows(first, kind, groups)
        _table(f"Groups of {kind}, % of a category's rows", ["category", *groups], rows)
    _table("Sampled programs", ["", "programs"], sampling_rows(first))
    if first.checks.mode == "not_run":
        print("\nChecks: not run in this build")
    else:
        _table("Checks", ["config", "check", *VERDICTS], _checks(manifests))


def sampling_rows(manifest: Manifest) -> list[tuple[str, int]]:
    """What became of the sampled programs, in the order in which it happens."""
    sampling = manifest.sampling
    rejected = [
        (f"rejected: {stage}, {reason}", count)
        for stage, reasons in sampling.rejected.items()
        for reason, count in reasons.items()
    ]
    dropped = [(f"dropped: {reason}", count) for reason, count in sampling.dropped.items()]
    return [
        ("sampled", sampling.sampled),
        *rejected,
        ("lowered for both targets", sampling.lowered),
        ("distinct skeletons among these", sampling.distinct_skeletons),
        *dropped,
        ("rows", manifest.rows),
    ]


def coverage_rows(manifest: Manifest, kind: str, groups: Iterable[str]) -> Iterable[list[str]]:
    """For each category its name and, by group, the percentage of its rows that use it.

    Args:
        kind: "constructs" or "builtins".
    """
    for category, coverage in sorted(manifest.coverage.items()):
        rows = sum(manifest.categories[category].values())
        counts: dict[str, int] = getattr(coverage, kind)
        yield [category, *(_percent(counts.get(group, 0), rows) for group in groups)]


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole if part else 0.0
    return "-" if not part else "<1" if share < 0.5 else f"{share:.0f}"


def _table(title: str, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    print(f"\n{title}")
    print(tabulate(rows, headers=headers, tablefmt="simple", intfmt=",", floatfmt=",.2f"))


def _size_headers() -> list[str]:
    quantities = ("rows", "shards", "code MiB", "files MiB")
    return ["split", *(f"{target} {quantity}" for target in TARGETS for quantity in quantities)]


def _sizes(manifests: dict[str, Manifest]) -> Iterable[list[Any]]:
    for name in SPLITS:
        splits = [manifest.splits[name] for manifest in manifests.values()]
        columns = [(s.rows, len(s.shards), s.code_bytes / MIB, s.bytes / MIB) for s in splits]
        yield [name, *(value for column in columns for value in column)]
    totals = [
        (m.rows, sum(len(s.shards) for s in m.splits.values()), m.code_bytes / MIB, m.bytes / MIB)
        for m in manifests.values()
    ]
    yield ["all", *(value for column in totals for value in column)]


def _categories(manifest: Manifest) -> Iterable[list[Any]]:
    for category, rows in sorted(manifest.categories.items()):
        yield [category, *(rows[split] for split in SPLITS), sum(rows.values())]


def _lengths(manifests: dict[str, Manifest]) -> Iterable[list[Any]]:
    for quantity in ("python_lines", "arguments"):
        yield [quantity, *_quantiles(manifests["cpu"], quantity)]
    for quantity in ("code_lines", "line_map_spans"):
        for target, manifest in manifests.items():
            yield [f"{quantity}, {target}", *_quantiles(manifest, quantity)]


def _quantiles(manifest: Manifest, quantity: str) -> Iterable[int]:
    return manifest.lengths[quantity].model_dump().values()


def _most_used(manifest: Manifest, kind: str) -> Iterable[list[Any]]:
    counts: dict[str, int] = getattr(manifest, kind)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    for name, rows in ranked[:_MOST_USED]:
        yield [name, rows, f"{rows / manifest.rows:.1%}"]


def _checks(manifests: dict[str, Manifest]) -> Iterable[list[Any]]:
    for target, manifest in manifests.items():
        for check in CHECKS:
            verdicts = manifest.checks.verdicts.get(check, {})
            yield [target, check, *(verdicts.get(verdict, 0) for verdict in VERDICTS)]
