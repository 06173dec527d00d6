"""Tells everybody who looks what changed. Nobody is waited for: what a slow one has not taken yet is merged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from ..errors import MlkError
from ..model import JobSummary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

logger = logging.getLogger(__name__)

Listener = Callable[[Set[str]], None]
"""Called with the ids of jobs that changed, came or went; with none when only the state of the watch did."""


@dataclass(frozen=True)
class Changes:
    """What happened to a list of jobs since the last one."""

    changed: list[JobSummary] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)


class Source(Protocol):
    """Who tells of its jobs."""

    name: str

    def watch(self) -> AsyncIterator[Changes]:
        """The first item holds all jobs; each later one what changed. Holds resources only while iterated."""
        ...


class Watch:
    """The jobs of one source as they are now, while somebody listens.

    Of all that follow jobs, this alone begins again what broke off. Owns one task, from the first `listen` to the last
    `leave`.
    """

    def __init__(self, source: Source, *, first_retry_s: float = 1.0, last_retry_s: float = 15.0) -> None:
        self._source = source
        self._first_retry_s, self._last_retry_s = first_retry_s, last_retry_s
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self.jobs: dict[str, JobSummary] | None = None
        """By id; None until the first answer. Those last known while the source is away."""
        self.error: MlkError | None = None
        """Why the list may be stale."""

    @property
    def running(self) -> bool:
        return self._task is not None

    def listen(self, listener: Listener) -> None:
        """Calls `listener` at each change until it leaves."""
        self._listeners.add(listener)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"mlk watch of {self._source.name}")

    def leave(self, listener: Listener, linger_s: float = 0.0) -> None:
        """Ends calling `listener`; the last one ends the watch.

        Args: linger_s: how long the watch goes on all the same, for whoever asks again soon.
        """
        if linger_s:
            asyncio.get_running_loop().call_later(linger_s, self.leave, listener)
            return
        self._listeners.discard(listener)
        if not self._listeners:
            self._end()

    @contextlib.contextmanager
    def listening(self, job_id: str, linger_s: float = 0.0) -> Iterator[asyncio.Event]:
        """An event that is set whenever something changed in one job."""
        event = asyncio.Event()

        def heard(job_ids: Set[str]) -> None:
            if job_id in job_ids:
                event.set()

        self.listen(heard)
        try:
            yield event
        finally:
            self.leave(heard, linger_s)

    async def close(self) -> None:
        """Ends the watch, whoever listens."""
        self._listeners.clear()
        self._end()
        if self._ending:
            await asyncio.wait(self._ending)

    def _end(self) -> None:
        task, self._task = self._task, None
        self.jobs, self.error = None, None
        if task is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _run(self) -> None:
        retry_s = self._first_retry_s
        while True:
            first = True
            try:
                async with contextlib.aclosing(cast("AsyncGenerator[Changes]", self._source.watch())) as every:
                    async for changes in every:
                        self._apply(changes, first=first)
                        first, retry_s = False, self._first_retry_s
            except MlkError as error:
                logger.info("The jobs of %s cannot be watched now: %s", self._source.name, error.detail)
                self._fail(error)
            except Exception:
                # The task must outlive a bug in one event: nobody would restart it, and lists would go stale.
                logger.exception("The watch of %s broke; it starts again in %s s", self._source.name, retry_s)
                self._fail(MlkError("The list of jobs broke off.", hint="The log says more."))
            await asyncio.sleep(retry_s)
            retry_s = min(self._last_retry_s, retry_s * 2)

    def _apply(self, changes: Changes, *, first: bool) -> None:
        known = self.jobs or {}
        gone = known.keys() - {job.id for job in changes.changed} if first else set(changes.removed)
        changed = {job.id for job in changes.changed if not first or known.get(job.id) != job}
        self.jobs = known
        known.update((job.id, job) for job in changes.changed)
        for job_id in gone:
            known.pop(job_id, None)
        self.error = None
        self._tell(changed | gone)

    def _fail(self, error: MlkError) -> None:
        self.error = error
        self._tell(frozenset())

    def _tell(self, job_ids: Set[str]) -> None:
        for listener in list(self._listeners):
            listener(job_ids)


class Viewers:
    """Whoever iterates a list of jobs. `jobs` gives the list as it is now."""

    def __init__(self, jobs: Callable[[], Mapping[str, JobSummary]]) -> None:
        self._jobs = jobs
        self._every: set[_Viewer] = set()

    def __bool__(self) -> bool:
        return bool(self._every)

    def tell(self, changed: Iterable[str]) -> None:
        """These jobs changed, came or went."""
        names = set(changed)
        for viewer in self._every:
            viewer.pending |= names
            viewer.wake.set()

    async def follow(self) -> AsyncIterator[Changes]:
        """All jobs, then what changed, for as long as it is iterated."""
        viewer = _Viewer()
        self._every.add(viewer)
        try:
            known = set(self._jobs())
            yield Changes(changed=newest_first(self._jobs()))
            while True:
                await viewer.wake.wait()
                viewer.wake.clear()
                pending, viewer.pending = viewer.pending, set()
                jobs = self._jobs()
                changed = {name: jobs[name] for name in pending if name in jobs}
                removed = sorted(name for name in pending if name in known and name not in jobs)
                known.update(changed)
                known.difference_update(removed)
                if changed or removed:
                    yield Changes(changed=newest_first(changed), removed=removed)
        finally:
            self._every.discard(viewer)


class _Viewer:
    def __init__(self) -> None:
        self.pending: set[str] = set()
        self.wake = asyncio.Event()


def newest_first(jobs: Mapping[str, JobSummary]) -> list[JobSummary]:
    """As every list of jobs is shown."""
    return sorted(jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)
