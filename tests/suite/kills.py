"""SIGKILL for a job's supervisor, a keeper or the process that runs the notebook, at moments drawn by a seed.

A moment is a number of lines that the job has written, so that the same seed kills at the same place on any machine.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mlk_jupyter.backends.local import LocalBackend, process
from mlk_jupyter.bundle import build
from mlk_jupyter.model import JobSpec, JobStatus, Phase

VICTIMS = ("supervisor", "keeper", "rank")
_LINES = 100
_RANKS = 2
_LIMIT_S = 120.0  # far beyond what a slow machine needs
# Each rank leaves a child in a session of its own, and says on the disk that it came to its end.
_CODE = f"""
import os, subprocess, time, mlk_jupyter
subprocess.Popen(["sleep", "3600"], start_new_session=True)
for number in range({_LINES}):
    print(number, flush=True)
    time.sleep(0.005)
open(os.path.join(mlk_jupyter.checkpoint_dir(), "done-" + os.environ["RANK"]), "w").close()
"""


@dataclass
class Kill:
    """One job, and who of it is killed when."""

    job: str
    victim: str
    rank: int
    line: int
    """Lines that rank 0 has written by then; 0: as soon as the victim is known."""
    done: bool = False


def kill_each(backend: LocalBackend, seed: int, count: int, at_once: int) -> tuple[list[Kill], list[str]]:
    """Runs so many jobs and kills somebody of each; a job may be over before its moment.

    Returns: the kills, and what was wrong afterwards, one sentence each.
    """
    draw = random.Random(seed)
    drawn = [(VICTIMS[number % 3], draw.randrange(_RANKS), draw.randrange(_LINES - 20)) for number in range(count)]
    draw.shuffle(drawn)
    kills: list[Kill] = []
    wrong: list[str] = []
    while drawn:
        some = [Kill(_submitted(backend), *one) for one in drawn[:at_once]]
        del drawn[:at_once]
        waiting = some
        while waiting:
            waiting = [kill for kill in waiting if not _struck(backend, kill)]
            time.sleep(0.005)  # between looks
        wrong += [f"{kill}: {problem}" for kill in some for problem in _problems(backend, kill)]
        kills += some
    return kills, wrong


def _submitted(backend: LocalBackend) -> str:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": _CODE, "outputs": [], "execution_count": None}
    notebook: dict[str, Any] = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    spec = JobSpec(name="killed", notebook="killed.ipynb", workers=_RANKS, mlflow=False)
    request = uuid.uuid4().hex
    return asyncio.run(backend.submit(spec, build(notebook, spec, None), request_id=request)).id


def _struck(backend: LocalBackend, kill: Kill) -> bool:
    """Kills the victim if its moment has come. Gives whether that is done, or the job over."""
    folder = backend.folder(kill.job)
    status = folder.read_status()
    if status is None or status.phase.final:
        return status is not None
    if folder.read_log(0, 0, 10_000)[0].count(b"\n") < kill.line:
        return False
    victim = _victim(status, kill)
    if victim is None or not process.alive(victim):
        return False
    os.kill(int(victim["pid"]), signal.SIGKILL)
    kill.done = True
    return True


def _victim(status: JobStatus, kill: Kill) -> process.Identity | None:
    if status.owner is None or kill.victim == "supervisor":
        return status.owner
    keeper = next((rank.pid for rank in status.ranks if rank.rank == kill.rank), None)
    if keeper is None or keeper not in process.descendants(int(status.owner["pid"])):
        return None
    if kill.victim == "keeper":
        return process.identity(keeper)
    below = process.descendants(keeper)
    return process.identity(below[0]) if below else None


def _problems(backend: LocalBackend, kill: Kill) -> Iterator[str]:
    """What is not as it must be once the job is over."""
    over = _until(lambda: _over(backend, kill.job))
    if over is None:
        yield f"it never ended: {asyncio.run(backend.job(kill.job))}"
        return
    folder = backend.folder(kill.job)
    done = {path.name for path in (folder.path / "checkpoints").iterdir()}
    code, text = (over.reason.code, over.reason.text) if over.reason else ("", "")
    if over.phase is Phase.SUCCEEDED:
        if done != {f"done-{rank}" for rank in range(_RANKS)}:
            yield f"it is said to have succeeded, and only {done} did"
    elif over.phase is not Phase.FAILED or not kill.done:
        yield f"it ended without a cause: {over.phase}, {text}"
    elif (code != "supervisor_killed") if kill.victim == "supervisor" else ("SIGKILL" not in text):
        yield f"the reason is another one: {code}, {text}"
    if over.timeline[-1].phase is not over.phase or over.finished_at is None:
        yield f"the record is not complete: {over.timeline}, {over.finished_at}"
    if any(rank.state.value in ("waiting", "running") for rank in over.ranks):
        yield f"ranks are said to go on: {over.ranks}"
    if _until(lambda: folder.has_notebook) is None:
        yield "there is no executed notebook"
    if _until(lambda: not _left(kill.job, over)) is None:
        yield f"processes are left: {_left(kill.job, over)}"
    if asyncio.run(backend.job(kill.job)).phase is not over.phase:
        yield "its end changed"


def _over(backend: LocalBackend, job: str) -> JobStatus | None:
    status = asyncio.run(backend.job(job))
    return status if status.phase.final else None


def _left(job: str, status: JobStatus) -> list[int]:
    owner = status.owner
    left = process.bearing("MLK_JOB", job) + ([int(owner["pid"])] if owner and process.alive(owner) else [])
    return [pid for pid in left if process.start_time(pid) is not None]


def _until(condition: Callable[[], Any]) -> Any:
    """The first truthy value; None when none came in time."""
    end = time.monotonic() + _LIMIT_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    return None
