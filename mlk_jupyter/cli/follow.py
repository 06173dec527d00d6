"""Watching one job until it is over, or until the person leaves it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Any

from ..backends.base import Backend
from ..errors import JobNotFound
from ..model import JobStatus, JobSummary, RunState
from .screen import Screen

_TICK_S = 1.0  # the clock on a terminal moves though the job says nothing
_SETTLING_S = 20.0  # how long the end of a job may take to be recorded before we go on without
_SETTLING_HERE_S = 120.0  # the same where this process records it: nobody else does when it ends
_SETTLING_POLL_S = 0.2


async def follow(backend: Backend, job_id: str, screen: Screen, code: Sequence[str]) -> JobStatus | None:
    """Shows a job until it is over.

    Args:    code: first line of each code cell, in order.
    Returns: the job as it ended, its MLflow run settled if that came in time; None when the person left it running.
    """
    async with _Latest(backend, job_id) as latest, _Interrupts() as interrupts:
        stopping = False
        while not latest.job.phase.final:
            cell = latest.job.progress.cell
            screen.show(latest.job, code[cell - 1] if cell and cell <= len(code) else None)
            await _first(latest.changed, interrupts.came, timeout=_TICK_S)
            latest.changed.clear()
            latest.check()
            if not interrupts.came.is_set():
                continue
            interrupts.came.clear()
            stop = not stopping and await _wants_stop(latest, interrupts, screen)
            if latest.job.phase.final:
                break
            if not stop:
                return None
            stopping = True
            await backend.stop(job_id)
            screen.say("Stopping the job. Ctrl-C again leaves it to end by itself.")
        screen.show(latest.job, None)
        screen.stay()
    return await _settled(backend, job_id)


async def _wants_stop(latest: _Latest, interrupts: _Interrupts, screen: Screen) -> bool:
    """Whether the person who pressed Ctrl-C wants the job stopped; without a terminal to ask on, they do not."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    screen.say("Stop the job? [s and Enter: stop it; Enter: leave it running]")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        if not answer.done():
            answer.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin, read)
    try:
        while not (answer.done() or interrupts.came.is_set() or latest.job.phase.final):
            await _first(latest.changed, interrupts.came, answer)
            latest.changed.clear()
            latest.check()
    finally:
        loop.remove_reader(sys.stdin)
    return answer.done() and answer.result().strip().lower() in ("s", "stop")


async def _settled(backend: Backend, job_id: str) -> JobStatus:
    """A finished job once its notebook is written and its MLflow run recorded, or as it is when that takes too long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + (_SETTLING_S if backend.kind == "local" else _SETTLING_HERE_S)
    while True:
        job = await backend.job(job_id)
        open_run = job.run is not None and job.run.state is RunState.PENDING
        if loop.time() > end or not (open_run or not backend.folder(job_id).executed.exists()):
            return job
        await asyncio.sleep(_SETTLING_POLL_S)


class _Latest:
    """The latest state of one job. Owns one task, from `async with` to its end."""

    def __init__(self, backend: Backend, job_id: str) -> None:
        self._backend = backend
        self._id = job_id
        self.changed = asyncio.Event()

    job: JobSummary

    async def __aenter__(self) -> _Latest:
        self.job = await self._backend.job(self._id)
        self._task = asyncio.create_task(self._run(), name=f"watch of {self._id}")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    def check(self) -> None:
        """Raises what ended the watch, if something did."""
        if self._task.done():
            self._task.result()

    async def _run(self) -> None:
        try:
            async for changes in self._backend.watch():
                for job in changes.changed:
                    if job.id == self._id:
                        self.job = job
                        self.changed.set()
                if self._id in changes.removed:
                    raise JobNotFound(self._id)
        finally:
            self.changed.set()


class _Interrupts:
    """Ctrl-C as an event instead of an exception."""

    def __init__(self) -> None:
        self.came = asyncio.Event()

    async def __aenter__(self) -> _Interrupts:
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self.came.set)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)


async def _first(*waited: asyncio.Event | asyncio.Future[Any], timeout: float | None = None) -> None:
    """Returns when the first of some events is set or futures done, or after `timeout` seconds."""
    tasks = [asyncio.ensure_future(one.wait() if isinstance(one, asyncio.Event) else one) for one in waited]
    own = [task for task, one in zip(tasks, waited, strict=True) if task is not one]
    try:
        await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in own:
            task.cancel()
