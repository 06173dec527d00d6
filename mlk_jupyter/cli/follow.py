"""Watching one job until it is over, or until the person leaves it."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Any

from ..errors import JobNotFound
from ..follow.job import JobFollower
from ..model import JobStatus, JobSummary
from .screen import Screen

_TICK_S = 1.0  # the clock on a terminal moves though the job says nothing
_SETTLING_S = 120.0  # how long the end of a cluster's job may take to be recorded before we go on without


async def follow(follower: JobFollower, screen: Screen, code: Sequence[str]) -> JobStatus | None:
    """Shows a job until it is over.

    Args:    code: first line of each code cell, in order.
    Returns: the job as it ended; None when the person left it running. The MLflow run of a job on this machine may
             still be written by its supervisor; that of a cluster's is written by this process, and waited for.
    """
    job = await follower.status()
    with follower.listening() as changed:
        latest = _Latest(follower, job, changed)
        async with _Interrupts() as interrupts:
            if not await _shown_to_its_end(latest, interrupts, screen, code):
                return None
        return await (follower.status() if follower.here else follower.settled(_SETTLING_S))


async def _shown_to_its_end(latest: _Latest, interrupts: _Interrupts, screen: Screen, code: Sequence[str]) -> bool:
    """Whether the job came to its end before the person left it."""
    follower, stopping = latest.follower, False
    while not latest.job.phase.final:
        cell = latest.job.progress.cell
        screen.show(latest.job, code[cell - 1] if cell and cell <= len(code) else None)
        await _first(latest.changed, interrupts.came, timeout=_TICK_S)
        latest.look()
        if not interrupts.came.is_set():
            continue
        interrupts.came.clear()
        stop = not stopping and await _wants_stop(latest, interrupts, screen)
        if latest.job.phase.final:
            break
        if not stop:
            return False
        stopping = True
        await follower.backend.stop(follower.job_id)
        screen.say("Stopping the job. Ctrl-C again leaves it to end by itself.")
    screen.show(latest.job, None)
    screen.stay()
    return True


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
            latest.look()
    finally:
        loop.remove_reader(sys.stdin)
    return answer.done() and answer.result().strip().lower() in ("s", "stop")


class _Latest:
    """The latest state of one job, as the list of jobs tells it."""

    def __init__(self, follower: JobFollower, job: JobSummary, changed: asyncio.Event) -> None:
        self.follower = follower
        self._listed = False
        self.job = job
        self.changed = changed

    def look(self) -> None:
        """Raises: JobNotFound when it was deleted."""
        self.changed.clear()
        jobs = self.follower.watch.jobs
        if jobs is None:
            return
        found = jobs.get(self.follower.job_id)
        if found is not None:
            self.job, self._listed = found, True
        elif self._listed:
            raise JobNotFound(self.follower.job_id)


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
