"""Fixtures of the tests that need no Warp."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_build import SPLIT_ROWS, write_build


@pytest.fixture
def make_build(tmp_path: Path) -> Callable[..., Path]:
    """Writes a build into a fresh folder `name` and returns that folder."""

    def make(
        name: str = "build", split_rows: dict[str, int] | None = None, shards: int = 2
    ) -> Path:
        return write_build(tmp_path / name, split_rows or SPLIT_ROWS, shards)

    return make


@pytest.fixture
def build(make_build: Callable[..., Path]) -> Path:
    """A build with all splits and two shards of each."""
    return make_build()
