"""The tour of the magics, run as a reader runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLE = Path(__file__).parents[2] / "examples" / "magics.ipynb"


def test_the_tour_is_committed_without_outputs() -> None:
    notebook = nbformat.read(EXAMPLE, 4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_the_tour_shows_every_magic() -> None:
    from mlk_jupyter.magics.parsing import PARSERS

    text = "\n".join(cell.source for cell in nbformat.read(EXAMPLE, 4).cells)
    assert [name for name in PARSERS if f"%{name}" not in text] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tour_runs_from_top_to_bottom(folder: Path) -> None:
    pytest.importorskip("mlflow")
    notebook = nbformat.read(EXAMPLE, 4)
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    shown = {cell.id: said(cell) for cell in notebook.cells if cell.cell_type == "code"}
    assert "slope_and_error" in shown["dry"] and "Nothing was created" in shown["dry"]
    assert "Succeeded" in shown["train"] and "'a':" in shown["values"]
    assert "499500" in shown["wait"]
    assert all(name in shown["jobs"] for name in ("line", "quick", "Succeeded"))
    assert "rank 1 of 2" in shown["logs"]
    assert "line" in shown["runs"] and "executed.ipynb" in shown["open"]
    assert "Stopped" in shown["stop"] and "Deleted" in shown["delete"]
    assert "Did you mean --workers?" in shown["typo"] and "--push points" in shown["absent"]
    assert "KeyError" in shown["error"] and "training.py" not in shown["error"]
    assert "--time-limit 10m" in shown["list"]
    assert shown["function"] == shown["await"] == "12.566370614359172"


def said(cell: Any) -> str:
    """All that a cell shows, as text."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif output.output_type == "error":
            parts.append("\n".join(output.traceback))
        else:
            parts.append(output.data.get("text/plain", ""))
    return "\n".join(parts)
