"""Checking a row believes nothing that it says: every level is made anew from its Python."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from generator.checking.checker import Checker
from generator.checking.rows import check_rows
from generator.config import load_config
from generator.lowering.warp_backend import Lowerer
from generator.output.rows import RowConstants, target_table
from generator.records import UnitStats
from generator.run.parts import Parts
from generator.run.worker import prove, run_unit
from warp_ir_dataset.schema import TARGETS

CONFIG = load_config(Path(__file__).parents[2] / "configs" / "smoke.yaml")
CONSTANTS = RowConstants(
    targets={"cpu": "x86_64", "cuda": "sm_80"},
    warp_version="1.19.0",
    generator_version="0",
    license="Apache-2.0",
)

Pair = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[Lowerer, Checker]]:
    with Checker(CONFIG.checks, CONFIG.gpu_arch) as checker:
        yield Lowerer(CONFIG.gpu_arch), checker


@pytest.fixture(scope="module")
def pairs(tools, tmp_path_factory) -> list[Pair]:
    """Rows of one unit in both configs, as shards hold them."""
    lowerer, checker = tools
    stats = UnitStats()
    rows, stats = run_unit(CONFIG, 0, lowerer)
    parts = Parts(tmp_path_factory.mktemp("parts"))
    report = parts.write(0, prove(rows, checker, stats), stats)
    table = parts.rows(0, report.sha256)
    columns = [target_table(table, target, CONSTANTS).to_pylist() for target in TARGETS]
    return [dict(zip(TARGETS, pair, strict=True)) for pair in zip(*columns, strict=True)]


def edit_code(row: dict[str, Any]) -> None:
    before, brace, after = row["code"].rpartition("}")
    row["code"] = f"{before}    var_0 = var_0;\n{brace}{after}"


def edit_launch(row: dict[str, Any]) -> None:
    launch = json.loads(row["launch"])
    row["launch"] = json.dumps(launch | {"seed": launch["seed"] + 1})


EDITS: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("cpu", edit_code, "cpu code is not what Warp generates"),
    ("cuda", edit_code, "cuda code is not what Warp generates"),
    ("cpu", lambda r: r.update(python=r["python"] + "# edited\n"), "python differs between"),
    ("cpu", lambda r: r["line_map"].pop(), "cpu line_map is not that of its code"),
    ("cpu", lambda r: r.update(llvm_ir=r["llvm_ir"] + "}"), "llvm_ir is damaged"),
    ("cuda", lambda r: r.update(ptx=r["ptx"][: len(r["ptx"]) // 2]), "ptx is damaged"),
    ("cuda", lambda r: r.update(ptx=r["ptx"].replace(".reg", " .reg", 1)), "ptx is not what"),
    ("cpu", lambda r: r.update(outputs='{"arrays":{}}'), "cpu outputs are not those of the run"),
    ("cpu", lambda r: r["checks"].update(gradient="failed"), "checks.gradient says failed"),
    ("cpu", edit_launch, "launch differs between"),
]


def test_rows_as_they_were_built_have_no_problem(pairs, tools) -> None:
    assert len(pairs) > len(EDITS)
    assert list(check_rows(pairs, *tools, proven=True)) == []


def test_every_edit_is_found_and_the_row_named(pairs, tools) -> None:
    edited = copy.deepcopy(pairs[: len(EDITS)])
    for pair, (target, edit, _) in zip(edited, EDITS, strict=True):
        edit(pair[target])
    found: dict[str, list[str]] = {}
    for row_id, text in check_rows(edited, *tools, proven=True):
        found.setdefault(row_id, []).append(text)
    for pair, (_, _, words) in zip(edited, EDITS, strict=True):
        assert any(words in text for text in found[pair["cuda"]["id"]]), (words, found)


def test_outputs_of_another_recipe_are_noticed_in_both_configs(pairs, tools) -> None:
    pair = copy.deepcopy(next(p for p in pairs if '"uniform"' in p["cpu"]["launch"]))
    for row in pair.values():
        edit_launch(row)
    texts = [text for _, text in check_rows([pair], *tools, proven=True)]
    assert "cpu outputs are not those of the run" in texts
    assert "cuda outputs are not those of the run" in texts
