"""One program of each category, kept in tests/golden: a change of synthesis shows in review.

After a change that is meant: ``UPDATE_GOLDEN=1 make test ARGS=tests/pure/test_golden.py``.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from generator.synthesis import api
from generator.synthesis.registry import categories

GOLDEN = Path(__file__).parents[1] / "golden"
UPDATE = os.environ.get("UPDATE_GOLDEN") == "1"


@dataclass
class Settings:
    categories: dict[str, float]
    policy: dict[str, float] = field(default_factory=dict)


@pytest.mark.parametrize("name", sorted(categories()))
def test_the_program_of_a_seed_is_unchanged(name: str) -> None:
    program = api.synthesise(Settings({name: 1.0}), 2026, 0)
    path = GOLDEN / f"{name}.py"
    if UPDATE:
        path.write_text(program.python)
    assert path.exists(), f"no golden program of {name}; see the top of {Path(__file__).name}"
    assert program.python == path.read_text()


def test_no_golden_program_is_left_of_a_category_that_is_gone() -> None:
    assert {p.stem for p in GOLDEN.glob("*.py")} == set(categories())
