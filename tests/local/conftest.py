"""Jobs on this machine, each test in a data directory of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from endjobs import end_jobs
from machine_jobs import Jobs


@pytest.fixture
def jobs(data_dir: Path, tmp_path: Path, make_notebook: Callable[..., dict[str, Any]]) -> Iterator[Jobs]:
    work = tmp_path / "work"
    work.mkdir()
    made = Jobs(data_dir, work, make_notebook)
    yield made
    end_jobs(data_dir)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Pretends a number of GPUs, for this process and the supervisors it starts."""
    folder = Path(__file__).parent / "fake_driver"

    def pretend(count: int) -> None:
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        monkeypatch.setenv("PRETENDED_GPUS", str(count))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(__import__("sys").modules, "pynvml", raising=False)

    return pretend
