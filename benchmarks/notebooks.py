"""A notebook in a job against the same code as a script, in nbclient and in papermill."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from mlk_jupyter import jobs
from mlk_jupyter.bundle import build, parse_notebook
from mlk_jupyter.model import JobSpec, Phase

from .measure import Row, in_turn, row, say, seconds

_RANKS = 8
# Work that a first notebook does: standard library only, so that no library's import time hides ours.
_CELLS = ["import json, math, random\nrandom.seed(0)\ntable = []"] + [
    f"table.append([random.random() for _ in range(500)])\nprint({number}, round(sum(table[-1]), 3))"
    for number in range(1, 20)
]
_CPU = """
import time
started = time.perf_counter()
total = 0
for number in range(12_000_000):
    total += number % 7
print("seconds", time.perf_counter() - started)
"""


def rows(runs: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        return [*_twenty_cells(Path(folder), runs), *_cpu_bound(Path(folder), runs)]


def _twenty_cells(folder: Path, runs: int) -> list[Row]:
    notebook, script = _written(folder, "twenty", _CELLS)
    bundle = _bundle(folder, notebook)
    say("20 cells: script, one rank, nbclient, papermill")
    python = sys.executable
    alone = in_turn(
        runs,
        script=lambda: seconds([python, script]),
        rank=lambda: seconds([python, bundle], env=_rank_env(folder)),
        nbclient=lambda: seconds([python, "-m", "nbclient.cli", notebook, "--output", folder / "n.ipynb"]),
        papermill=lambda: seconds([python, "-m", "papermill", notebook, folder / "p.ipynb"]),
    )
    say(f"20 cells as whole jobs: 1, 2 and {_RANKS} ranks; papermill in {_RANKS} processes")
    whole = in_turn(
        runs,
        one=lambda: _job(notebook, 1),
        two=lambda: _job(notebook, 2),
        many=lambda: _job(notebook, _RANKS),
        papermill=lambda: _papermills(notebook, folder),
    )
    say("submitting")
    submit = in_turn(runs, submit=lambda: _submitting(notebook))
    return [
        row("20 cells as a plain script", alone["script"] * 1000, "ms"),
        row("20 cells in one rank, over the plain script", (alone["rank"] - alone["script"]) * 1000, "ms", most=60),
        row("20 cells in nbclient, over the plain script", (alone["nbclient"] - alone["script"]) * 1000, "ms"),
        row("20 cells in papermill, over the plain script", (alone["papermill"] - alone["script"]) * 1000, "ms"),
        row("20 cells as a job of 1 rank, from submit to its end", whole["one"], "s"),
        row("20 cells as a job of 2 ranks, from submit to its end", whole["two"], "s"),
        row(f"20 cells as a job of {_RANKS} ranks, from submit to its end", whole["many"], "s"),
        row(f"20 cells in papermill, {_RANKS} processes", whole["papermill"], "s"),
        row(f"{_RANKS} ranks against papermill in {_RANKS} processes", whole["papermill"] / whole["many"], "×", least=5),
        row("from a notebook's path to a submitted job", submit["submit"] * 1000, "ms"),
    ]


def _cpu_bound(folder: Path, runs: int) -> list[Row]:
    say("a CPU-bound cell: script, one rank")
    notebook, script = _written(folder, "cpu", [_CPU])
    bundle = _bundle(folder, notebook)
    inside = in_turn(
        runs * 2,
        script=lambda: _reported([sys.executable, script], dict(os.environ)),
        rank=lambda: _reported([sys.executable, bundle], _rank_env(folder)),
    )
    return [row("CPU-bound cell in a rank, over the script", (inside["rank"] / inside["script"] - 1) * 100, "%", most=1)]


def _written(folder: Path, name: str, cells: list[str]) -> tuple[Path, Path]:
    """The cells as a notebook and as a script."""
    notebook, script = folder / f"{name}.ipynb", folder / f"{name}.py"
    code = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for n, source in enumerate(cells)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": code}
    notebook.write_text(json.dumps(content))
    script.write_text("\n".join(cells))
    return notebook, script


def _bundle(folder: Path, notebook: Path) -> Path:
    spec = JobSpec(name=notebook.stem, notebook=str(notebook), mlflow=False)
    file = folder / f"{notebook.stem}.pyz"
    file.write_bytes(build(parse_notebook(notebook.read_text()), spec, folder).data)
    return file


def _rank_env(folder: Path) -> dict[str, str]:
    single = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    ours = {"MASTER_PORT": "29500", "MLK_JOB": "benchmark", "MLK_NONCE": "0" * 16, "MLK_WORKER": "0"}
    return {**os.environ, **single, **ours, "MLK_FILES": str(folder / "files")}
