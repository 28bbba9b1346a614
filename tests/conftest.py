"""Fixtures of every group of tests."""

from collections.abc import Callable
from typing import Any

import pytest
from tiny import TINY

from generator.config import BuildConfig


@pytest.fixture
def make_config() -> Callable[..., BuildConfig]:
    """Makes the config of a tiny build, with some keys of its own."""

    def make(**changes: Any) -> BuildConfig:
        return BuildConfig.model_validate(TINY | changes)

    return make


@pytest.fixture
def config(make_config: Callable[..., BuildConfig]) -> BuildConfig:
    """The config of a tiny build."""
    return make_config()
