"""The dataset card: text for a reader, metadata for `datasets` and the Hub, both from manifests."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCardData

from generator.files import write_text
from generator.output.groups import BUILTIN_GROUPS, CONSTRUCT_GROUPS
from generator.output.manifest import read_manifest
from generator.output.statistics import coverage_rows, sampling_rows
from warp_ir_dataset.builder import dataset_info
from warp_ir_dataset.manifest import Manifest
from warp_ir_dataset.schema import CHECKS, COLUMNS, SPLITS, TARGETS, VERDICTS

_SIZE_CATEGORIES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"))
_TAGS = ["code", "cuda", "c++", "compilers", "jit", "kernels", "nvidia-warp", "synthetic"]


def write_card(data_dir: Path) -> None:
    """Renders the card of the build in `data_dir`.

    A checkout's own `data` has its card in the checkout: as dataset_card.md, and as README.md of
    the package, which `load_dataset` reads. Any other build has both files in its own folder.

    Raises:
        UsageError: `data_dir` holds no build.
        DataError: a manifest is damaged.
        OSError: a card can't be written.
    """
    manifests = {target: read_manifest(data_dir, target) for target in TARGETS}
    checkout = data_dir.resolve().parent
    in_checkout = data_dir.resolve().name == "data"
    if in_checkout and (checkout / "warp_ir_dataset" / "builder.py").exists():
        folder, readme_folder, shards = checkout, checkout / "warp_ir_dataset", "../data/"
    else:
        folder, readme_folder, shards = data_dir, data_dir, ""
    card = render(manifests, shards, f"./{readme_folder.resolve().name}")
    write_text(folder / "dataset_card.md", card)
    write_text(readme_folder / "README.md", card)


def render(manifests: dict[str, Manifest], shards: str, load_path: str) -> str:
    """The text of the card.

    Args:
        shards: prefix that leads from the card to the folders of the configs.
        load_path: what a reader gives to `load_dataset`.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("generator.output"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters.update(size=_size, share=_share, cell=_cell, fenced=_fenced)
    text = environment.get_template("card.md.j2").render(
        cpu=manifests["cpu"],
        cuda=manifests["cuda"],
        manifests=manifests,
        columns=COLUMNS,
        splits=SPLITS,
        verdicts=VERDICTS,
        checks=CHECKS,
        sampling_rows=sampling_rows(manifests["cpu"]),
        construct_groups=list(CONSTRUCT_GROUPS),
        builtin_groups=BUILTIN_GROUPS,
        matrix=_matrix,
        origins=_origins,
        load_path=load_path,
    )
    return f"---\n{_metadata(manifests, shards).to_yaml()}\n---\n\n{text}"


def _metadata(manifests: dict[str, Manifest], shards: str) -> DatasetCardData:
    rows = sum(manifest.rows for manifest in manifests.values())
    card_data = DatasetCardData(
        pretty_name="Warp-IR",
        language=["en"],
        license="apache-2.0",
        task_categories=["text-generation"],
        tags=_TAGS,
        size_categories=[_size_category(rows)],
        configs=[_data_files(manifest, shards) for manifest in manifests.values()],
    )
    infos = {target: dataset_info(manifest) for target, manifest in manifests.items()}
    DatasetInfosDict(infos).to_dataset_card_data(card_data)
    return card_data


def _data_files(manifest: Manifest, shards: str) -> dict[str, Any]:
    name = manifest.config_name
    return {
        "config_name": name,
        "data_files": [
            {"split": split, "path": f"{shards}{name}/{split}-*.arrow"}
            for split in manifest.filled_splits
        ],
    }


def _size_category(rows: int) -> str:
    names = (name for bound, name in _SIZE_CATEGORIES if rows < bound)
    return next(names, "100K<n<1M" if rows < 10**6 else "1M<n<10M")


def _size(count: int) -> str:
    # A small build, such as the smoke test's, would read as nothing in MiB.
    return f"{count / 2**20:,.1f} MiB" if count >= 2**20 else f"{count / 2**10:,.1f} KiB"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _cell(text: str) -> str:
    """One line that doesn't end its table cell."""
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def _matrix(manifest: Manifest, kind: str, groups: Sequence[str]) -> str:
    """Shares by category and group as a Markdown table."""
    rows = [["category", *groups], ["---", *["--:"] * len(groups)]]
    rows += [[f"`{name}`", *cells] for name, *cells in coverage_rows(manifest, kind, groups)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _fenced(text: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _origins(python: str, line_map: list[Any]) -> list[tuple[int, str, str, str]]:
    """Rows (Python line, its text, forward lines of code, adjoint lines of code)."""
    spans: dict[int, dict[str, list[str]]] = {}
    for span in sorted(line_map, key=lambda span: (span.python_line, span.code_start)):
        lines = spans.setdefault(span.python_line, {"forward": [], "adjoint": []})
        first, last = span.code_start, span.code_end
        lines[span.pass_].append(str(first) if first == last else f"{first}-{last}")
    texts = python.splitlines()
    return [
        (number, texts[number - 1].strip(), ", ".join(of["forward"]), ", ".join(of["adjoint"]))
        for number, of in spans.items()
    ]
