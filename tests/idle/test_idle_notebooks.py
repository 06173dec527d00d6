"""What notebooks say of idle kernels, whatever their size and while they are being saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from mlk_jupyter.idle.notebooks import LIMIT_BYTES, Notebooks

SAID = {"ttl": "12h"}


def text(said: object = SAID, output: str = "", **more: Any) -> str:
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text=output)], metadata={"a": 1})
    return nbformat.writes(nbformat.v4.new_notebook(cells=[cell], metadata={"mlk": {"idle": said}, **more}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.ipynb"


@pytest.fixture
def notebooks(tmp_path: Path) -> Notebooks:
    return Notebooks(lambda path: tmp_path / path)


@pytest.mark.parametrize(
    "content",
    [
        text(),
        text(output='"mlk": {"idle": 1}\n "metadata": {}\n'),
        text(output="x" * LIMIT_BYTES),
        text(widgets={"state": "x" * 1_000_000}),
        '{"metadata": {"mlk": {"idle": {"ttl": "12h"}}}, "cells": []}',
    ],
    ids=["small", "quoting", "large", "widgets", "another program's"],
)
def test_it_is_read_whatever_its_size(content: str, file: Path, notebooks: Notebooks) -> None:
    file.write_text(content)
    assert notebooks.of(file.name) == SAID


def test_what_it_says_holds_while_it_is_being_saved_or_away(file: Path, notebooks: Notebooks) -> None:
    whole = text(output="first")
    file.write_text(whole)
    assert notebooks.of(file.name) == SAID
    for torn in ("", whole[: len(whole) // 2], whole[:-3], whole[: whole.index('"mlk"')], "[]"):
        file.write_text(torn)
        assert notebooks.of(file.name) == SAID
    file.unlink()
    assert notebooks.of(file.name) == SAID
    file.write_text(text({"ttl": "1h"}))
    assert notebooks.of(file.name) == {"ttl": "1h"}
    file.write_text(text(None))
    assert notebooks.of(file.name) is None


def test_what_is_no_notebook_says_nothing(tmp_path: Path, notebooks: Notebooks) -> None:
    (tmp_path / "a.py").write_text(text())
    (tmp_path / "large.ipynb").write_bytes(b"x" * (LIMIT_BYTES + 1))
    assert [notebooks.of(name) for name in ("a.py", "large.ipynb", "none.ipynb")] == [None, None, None]
