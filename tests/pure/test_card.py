import json
import re

import datasets
import pytest
from fake_build import CATEGORIES, SPLIT_ROWS, part_row, write_build
from huggingface_hub import DatasetCard

from generator.output.card import write_card
from generator.output.statistics import coverage_rows
from warp_ir_dataset import load_manifest
from warp_ir_dataset.manifest import manifest_path
from warp_ir_dataset.schema import COLUMNS, TARGETS

ROWS = {"train": 300, "validation": 9, "test": 4}


def load(path, target, tmp_path):
    return datasets.load_dataset(
        str(path), target, cache_dir=str(tmp_path / "cache"), verification_mode="all_checks"
    )


@pytest.mark.parametrize("target", TARGETS)
def test_load_dataset_finds_exactly_the_sizes_that_the_metadata_states(
    make_build, tmp_path, target
) -> None:
    data_dir = make_build(split_rows=ROWS)
    card = DatasetCard.load(data_dir / "README.md")
    [stated] = [info for info in card.data.dataset_info if info["config_name"] == target]
    loaded = load(data_dir, target, tmp_path)
    info = loaded["train"].info
    assert {name: len(rows) for name, rows in loaded.items()} == ROWS
    for split in stated["splits"]:
        recorded = info.splits[split["name"]]
        assert split["num_bytes"] == recorded.num_bytes
        assert split["num_examples"] == recorded.num_examples
    assert stated["download_size"] == info.download_size
    assert stated["dataset_size"] == info.dataset_size
    assert loaded["train"].features == datasets.Features._from_yaml_list(stated["features"])


def test_load_dataset_refuses_metadata_that_states_another_number_of_rows(build, tmp_path) -> None:
    readme = build / "README.md"
    readme.write_text(readme.read_text().replace("num_examples: 20", "num_examples: 21"))
    with pytest.raises(datasets.exceptions.NonMatchingSplitsSizesError):
        load(build, "cpu", tmp_path)


def test_the_card_of_a_checkout_leads_from_the_package_to_the_data(tmp_path) -> None:
    package = tmp_path / "warp_ir_dataset"
    package.mkdir()
    (package / "builder.py").touch()
    write_build(tmp_path / "data", SPLIT_ROWS, shards=2)
    assert len(load(package, "cuda", tmp_path)["train"]) == SPLIT_ROWS["train"]
    assert (tmp_path / "dataset_card.md").read_bytes() == (package / "README.md").read_bytes()
    assert not (tmp_path / "data" / "README.md").exists()


def test_every_figure_of_the_size_table_is_the_manifests(build) -> None:
    text = (build / "README.md").read_text()
    manifest = load_manifest("cpu", build)
    for name, split in manifest.splits.items():
        assert re.search(rf"^\| {name} \| {split.rows} \|", text, re.MULTILINE)
    for column in COLUMNS:
        assert f"| `{column.name}` |" in text


def test_the_coverage_matrix_holds_the_share_of_rows_by_category_and_group(build) -> None:
    rows = [part_row(index) for index in range(sum(SPLIT_ROWS.values()))]
    lines = (build / "README.md").read_text().splitlines()
    titles = [n for n, line in enumerate(lines) if line.startswith("| category | ")]
    tables = [n for n in titles if {"branches", "quaternion"} & set(cells(lines[n]))]
    for start, column, group, name in zip(
        tables, ("features", "builtins"), ("loops", "vector"), ("loop", "dot"), strict=True
    ):
        at = cells(lines[start]).index(group)
        for offset, category in enumerate(sorted(CATEGORIES), start=2):
            mine = [row for row in rows if row["category"] == category]
            using = sum(name in row[column] for row in mine)
            shown = cells(lines[start + offset])
            assert shown[0] == f"`{category}`"
            assert shown[at] == (f"{100 * using / len(mine):.0f}" if using else "-")


def test_rare_and_absent_groups_are_told_apart(build) -> None:
    path = manifest_path(build, "cpu")
    content = json.loads(path.read_text())
    content["categories"]["sph"] = {"train": 1000, "validation": 0, "test": 0}
    content["coverage"]["sph"] = {"constructs": {"loops": 3, "exits": 6}, "builtins": {}}
    path.write_text(json.dumps(content))
    shown = coverage_rows(load_manifest("cpu", build), "constructs", ["loops", "exits", "poses"])
    assert {name: shares for name, *shares in shown}["sph"] == ["<1", "1", "-"]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_card_follows_the_manifest(build) -> None:
    path = manifest_path(build, "cpu")
    content = json.loads(path.read_text())
    content["sampling"]["sampled"] = 987654
    path.write_text(json.dumps(content))
    write_card(build)
    assert "| sampled | 987,654 |" in (build / "README.md").read_text()


def test_text_from_programs_neither_ends_a_table_cell_nor_a_code_block(build) -> None:
    path = manifest_path(build, "cpu")
    content = json.loads(path.read_text())
    content["examples"][0]["python"] = 'x = """\n```\n# not a heading\n"""\n'
    content["examples"][0]["line_map"] = []
    path.write_text(json.dumps(content))
    write_card(build)
    text = (build / "README.md").read_text()
    assert '````python\nx = """\n```\n# not a heading\n"""\n````' in text
    assert r"no such \| overload" in text


def test_the_card_says_that_no_check_was_run(build) -> None:
    text = (build / "README.md").read_text()
    assert "No check was run on this build" in text
    assert "every verdict in `checks` is `not_run`" in text


def test_no_python_code_block_of_the_card_is_broken(build) -> None:
    text = (build / "README.md").read_text()
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        compile(block, "card", "exec")
