"""Fixtures of the tests that run whole builds."""

import shutil
from pathlib import Path

import pytest
from builds import build, environment


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny build, made without disturbance by one worker; not to be changed."""
    out = tmp_path_factory.mktemp("reference") / "data"
    done = build(out, env=environment(PYTHONHASHSEED="1"))
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture
def built(reference: Path, tmp_path: Path) -> Path:
    """A copy of the tiny build."""
    return Path(shutil.copytree(reference, tmp_path / "data"))
