"""What all tests share."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester", "suite.again", "suite.leftovers", "suite.order", "suite.rights", "suite.skips"]

# A property holds or it does not; how fast the machine tries it is another question.
settings.register_profile("mlk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mlk")


_ASKED_FOR = ("stacks", "jupyterhub")  # markers of tests that need packages which most checkouts lack


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without `-m stacks` their tests are not chosen, and so on."""
    unasked = [marker for marker in _ASKED_FOR if marker not in (config.option.markexpr or "")]
    left_out = [item for item in items if any(item.get_closest_marker(marker) for marker in unasked)]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


NotebookMaker = Callable[..., dict[str, Any]]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of this test's own: no test sees another's jobs, or a person's."""
    path = tmp_path / "data"
    path.mkdir()
    monkeypatch.setenv("MLK_DATA_DIR", str(path))
    return path


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Gives an interpreter without any packages: an environment made of another one, once."""

    @functools.cache
    def make(path: str) -> str:
        folder = tmp_path_factory.mktemp("bare-python")
        subprocess.run([path, "-m", "venv", "--without-pip", folder], check=True)
        return str(folder / "bin/python")

    return make


@pytest.fixture(scope="session")
def make_notebook() -> NotebookMaker:
    """Makes a valid nbformat 4.5 notebook: of each source a code cell; of a (source, tags) pair a tagged one."""

    def make(*cells: str | tuple[str, list[str]], metadata: dict[str, Any] | None = None) -> dict[str, Any]:
        made = []
        for number, cell in enumerate(cells):
            source, tags = (cell, []) if isinstance(cell, str) else cell
            made.append(
                {
                    "cell_type": "code",
                    "id": f"cell-{number}",
                    "metadata": {"tags": tags} if tags else {},
                    "source": source,
                    "outputs": [],
                    "execution_count": None,
                }
            )
        return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata or {}, "cells": made}

    return make
