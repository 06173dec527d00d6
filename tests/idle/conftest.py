"""What the tests of idle kernels share."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_host import Room


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own folder: what a kernel or a server would write lies in `idle` below it."""
    monkeypatch.setenv("MLK_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """A watcher with kernels that are made up, and a clock that the test turns."""
    return Room(tmp_path / "idle")
