"""A notebook in a job against the same code as a script, in nbclient and in papermill."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from mlk_jupyter import library
from mlk_jupyter.backends.local.backend import LocalBackend
from mlk_jupyter.bundle import build, valid_notebook
from mlk_jupyter.model import JobSpec, Phase

from .measure import Row, in_turn, row, say, seconds

_RANKS = 8
# Work that a first notebook does: standard library only, so that no library's import time hides ours.
_CELLS = ["import json, math, random\nrandom.seed(0)\ntable = []"] + [
    f"table.append([random.random() for _ in range(500)])\nprint({number}, round(sum(table[-1]), 3))"
    for number in range(1, 20)
]
# Processor time of all threads, and in a rank that of the keeper meanwhile. Neighbours on a processor slow what runs
# there by a tenth and more, for seconds: of equal pieces of work the fastest counts for all. The work is a function's:
# names of a module are looked up in its dictionary, where chance (the seed of hashes) makes a loop 3 % faster or 8 %
# slower, in a script as in a rank.
_CPU = """
import os, time
def kept():
    if "MLK_JOB" not in os.environ:
        return 0
    threads = f"/proc/{os.getppid()}/task"
    return sum(int(open(f"{threads}/{one}/schedstat").read().split()[0]) for one in os.listdir(threads))
def work():
    total = 0
    for number in range(500_000):
        total += number % 7
pieces, above = [], kept()
for piece in range(60):
    started = time.process_time()
    work()
    pieces.append(time.process_time() - started)
above = kept() - above
print("seconds", min(pieces) * len(pieces) + above / 1e9)
"""
# What a rank asks of IPython, without a rank: the part of its time that is not ours.
_IN_IPYTHON = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config
config = Config()
config.HistoryManager.enabled = False
config.HistoryManager.hist_file = ":memory:"
shell = InteractiveShell.instance(config=config)
for cell in json.load(open(sys.argv[1]))["cells"]:
    shell.run_cell(cell["source"], store_history=True)
"""


def rows(runs: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        return [*_twenty_cells(Path(folder), runs), *_cpu_bound(Path(folder), runs)]


def _twenty_cells(folder: Path, runs: int) -> list[Row]:
    notebook, script = _written(folder, "twenty", _CELLS)
    bundle = _bundle(folder, notebook)
    say("20 cells: script, IPython in one process, `ipython` on the script, one rank, nbclient, papermill")
    python = sys.executable
    alone = in_turn(
        runs,
        script=lambda: seconds([python, script]),
        shell=lambda: seconds([python, "-c", _IN_IPYTHON, notebook]),
        ipython=lambda: seconds([python, "-m", "IPython", script]),
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
        row("20 cells in one rank, over the plain script", (alone["rank"] - alone["script"]) * 1000, "ms"),
        row("20 cells in IPython, in one process, over the script", (alone["shell"] - alone["script"]) * 1000, "ms"),
        row(
            "20 cells in one rank, over IPython in one process", (alone["rank"] - alone["shell"]) * 1000, "ms", most=20
        ),
        row("20 cells by `ipython`, over the plain script", (alone["ipython"] - alone["script"]) * 1000, "ms"),
        row("20 cells in nbclient, over the plain script", (alone["nbclient"] - alone["script"]) * 1000, "ms"),
        row("20 cells in papermill, over the plain script", (alone["papermill"] - alone["script"]) * 1000, "ms"),
        row("20 cells as a job of 1 rank, from submit to its end", whole["one"], "s"),
        row("20 cells as a job of 2 ranks, from submit to its end", whole["two"], "s"),
        row(f"20 cells as a job of {_RANKS} ranks, from submit to its end", whole["many"], "s"),
        row(f"20 cells in papermill, {_RANKS} processes", whole["papermill"], "s"),
        row(
            f"{_RANKS} ranks against papermill in {_RANKS} processes", whole["papermill"] / whole["many"], "×", least=5
        ),
        row("from a notebook's path to a submitted job", submit["submit"] * 1000, "ms"),
    ]


def _cpu_bound(folder: Path, runs: int) -> list[Row]:
    say("a CPU-bound cell: script, one rank, script again")
    notebook, script = _written(folder, "cpu", [_CPU])
    bundle = _bundle(folder, notebook)
    plain: list[float] = []
    kept: list[float] = []
    again: list[float] = []
    for _ in range(runs * 4):
        plain.append(_reported([sys.executable, script], dict(os.environ)))
        kept.append(_reported([sys.executable, bundle], _rank_env(folder)))
        again.append(_reported([sys.executable, script], dict(os.environ)))
    return [
        row("CPU-bound cell as a script, CPU time", min(plain), "s"),
        row("the same script over itself, to compare with", (min(again) / min(plain) - 1) * 100, "%"),
        row(
            "CPU-bound cell in a rank and its keeper, over it", (min(kept) / min(plain + again) - 1) * 100, "%", most=1
        ),
    ]


def _written(folder: Path, name: str, cells: list[str]) -> tuple[Path, Path]:
    """The cells as a notebook and as a script."""
    notebook, script = folder / f"{name}.ipynb", folder / f"{name}.py"
    code: list[dict[str, object]] = [
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
    file.write_bytes(build(valid_notebook(notebook.read_text(), str(notebook)), spec, folder).data)
    return file


def _rank_env(folder: Path) -> dict[str, str]:
    single = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1"}
    ours = {"MASTER_PORT": "29500", "MLK_JOB": "benchmark", "MLK_NONCE": "0" * 16, "MLK_WORKER": "0"}
    return {**os.environ, **single, **ours, "MLK_FILES": str(folder / "files")}


def _job(notebook: Path, workers: int) -> float:
    """Seconds from asking for a job to its end, as a face sees it."""
    started = time.perf_counter()
    asyncio.run(_run(notebook, workers, follow=True))
    return time.perf_counter() - started


def _submitting(notebook: Path) -> float:
    return asyncio.run(_run(notebook, 1, follow=False))


async def _run(notebook: Path, workers: int, *, follow: bool) -> float:
    """Seconds until the job was submitted; with `follow`, returns only once it succeeded."""
    started = time.perf_counter()
    backend = LocalBackend()
    source = await library.read_source(notebook)
    spec = JobSpec(name=source.stem, notebook=str(notebook), workers=workers, mlflow=False)
    job = await backend.submit(spec, await library.prepare(source, spec, backend.carriage), request_id=uuid.uuid4().hex)
    taken = time.perf_counter() - started
    if follow:
        async with contextlib.aclosing(backend.watch()) as watch:
            async for changes in watch:
                ended = [one for one in changes.changed if one.id == job.id and one.phase.final]
                if ended:
                    break
        if ended[0].phase is not Phase.SUCCEEDED:
            raise RuntimeError(f"{job.id}: {ended[0].reason}")
    else:
        await backend.delete(job.id)
    return taken


def _papermills(notebook: Path, folder: Path, tries: int = 3) -> float:
    """Seconds for papermill in as many processes as we run ranks. Kernels that start together may choose the same port,
    and then one of them ends: such a run does not count and is repeated."""
    started = time.perf_counter()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "papermill", str(notebook), str(folder / f"p{number}.ipynb")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(_RANKS)
    ]
    codes = [process.wait() for process in running]
    if any(codes):
        if tries > 1:
            return _papermills(notebook, folder, tries - 1)
        raise RuntimeError(f"papermill ended with {codes}")
    return time.perf_counter() - started


def _reported(command: list[str | Path], env: dict[str, str]) -> float:
    """The seconds that the code itself measured, whether it prints them plainly or in a frame."""
    done = subprocess.run([str(part) for part in command], env=env, capture_output=True, text=True, check=True)
    found = re.search(r"seconds ([\d.]+)", done.stdout)
    if found is None:
        raise RuntimeError(f"{command} printed no time: {done.stdout[-500:]}")
    return float(found[1])
