"""What one look at many kernels costs the server: real processes, all that is read of them, and the state written."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from mlk_jupyter.idle.book import Book
from mlk_jupyter.idle.folders import Folders
from mlk_jupyter.idle.kernels import TAG, Ended, Look
from mlk_jupyter.idle.parts import Parts
from mlk_jupyter.idle.policy import Ceilings, Configured, Policy
from mlk_jupyter.idle.processes import Usages
from mlk_jupyter.idle.showing import explained, state_of
from mlk_jupyter.idle.signals import Signal
from mlk_jupyter.idle.state import StateFile
from mlk_jupyter.idle.watched import INTERVAL_S
from mlk_jupyter.idle.watcher import Watcher
from mlk_jupyter.model.kernels import Kernels, PolicyView

_MOST_LOOK_S, _MOST_CORE_PERCENT = 1.0, 2.0
_LOOKS = 5
_BETWEEN_S = 1.2  # CPU is measured over a second at least


class _Host:
    """Kernels that nobody uses."""

    def __init__(self, started: dict[str, tuple[int, float]]) -> None:
        self._started = started

    def kernel_ids(self) -> Sequence[str]:
        return list(self._started)

    def look(self, kernel_id: str) -> Look | None:
        pid, began = self._started[kernel_id]
        return Look(
            kernel_id=kernel_id,
            name="python3",
            language="python",
            path=f"{kernel_id}.ipynb",
            started=began,
            pid=pid,
            local=True,
            spec_metadata={},
            execution=Signal("idle", 0.0),
            message=Signal(),
            pending=Signal(0),
            presence=Signal(),
            output=Signal(),
            input=Signal(False),
        )

    def refuse(self, kernel_id: str, why: str | None) -> None:
        raise NotImplementedError

    async def fence(self, kernel_id: str, *, list_memory: bool, limit_s: float) -> Ended:
        raise NotImplementedError

    async def shutdown(self, kernel_id: str, limit_s: float) -> None:
        raise NotImplementedError


def watch_cost(kernels: int = 200) -> dict[str, Any]:
    """Figures of the looks after the first: the wall time of one, and the share of one core that they take."""
    with tempfile.TemporaryDirectory() as folder, _sleepers(kernels) as started:
        return asyncio.run(_watched(Path(folder), started))


async def _watched(folder: Path, started: dict[str, tuple[int, float]]) -> dict[str, Any]:
    policy = Policy()

    async def never(*args: Any, **more: Any) -> Ended:
        raise NotImplementedError

    parts = Parts(
        host=_Host(started),
        folders=Folders(folder / "kernels"),
        usages=Usages,
        end_leftovers=lambda processes: [],
        stop=never,
        unfinished=lambda jobs: jobs,
    )
    book = Book(folder)
    watcher = Watcher(parts, Configured(policy, Ceilings(), {}), book)
    state = StateFile(folder / "servers", url="", root="", created=psutil.Process().create_time())

    async def write() -> None:
        watched, now = watcher.kernels.values(), time.time()
        shown = Kernels(
            kernels=[state_of(kernel, policy) for kernel in watched],
            totals=book.totals(policy, {}, []),
            policy=PolicyView(mode=policy.mode, values={}),
            now=now,
        )
        state.write(shown, {kernel.id: explained(kernel, policy, now) for kernel in watched})

    watcher.looks.append(write)
    walls, cpus = [], []
    for _ in range(_LOOKS):
        await asyncio.sleep(_BETWEEN_S)
        wall, cpu = time.perf_counter(), time.process_time()
        await watcher.look_again()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    known = sum(kernel.sample is not None and kernel.sample.cpu.known for kernel in watcher.kernels.values())
    await watcher.close()
    look_s, core_percent = statistics.median(walls[1:]), 100 * statistics.median(cpus[1:]) / INTERVAL_S
    return {
        "kernels": len(started),
        "measured": known,
        "look_s": round(look_s, 3),
        "core_percent": round(core_percent, 2),
        "ok": look_s < _MOST_LOOK_S and core_percent < _MOST_CORE_PERCENT,
    }


@contextmanager
def _sleepers(number: int) -> Iterator[dict[str, tuple[int, float]]]:
    """Processes that stand for kernels: which number each has, and when it began."""
    with ExitStack() as stack:
        started = {}
        for count in range(number):
            kernel_id = f"kernel-{count}"
            process = subprocess.Popen(["sleep", "600"], env={**os.environ, TAG: kernel_id})
            stack.callback(process.wait)
            stack.callback(process.kill)
            started[kernel_id] = (process.pid, psutil.Process(process.pid).create_time())
        yield started
