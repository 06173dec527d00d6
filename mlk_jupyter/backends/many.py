"""Several backends side by side as one: this machine and clusters. A job belongs to the one that knows it."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..errors import BackendUnavailable, BadInput, JobNotFound, MlkError
from ..follow.broadcast import Watch
from ..follow.job import JobFollower
from ..gpus.stock import Stock
from ..model import JobStatus, JobSummary
from ..model.api import BackendInfo, Orphan, WatchState
from ..record.folder import JobFolder
from .base import Backend

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_ASK_AGAIN_S = 30.0  # a cluster that did not answer is asked again after this


@dataclass(frozen=True)
class Choice:
    """Which backend jobs go to that name none, and why."""

    backend: Backend
    why: str
    instead: bool = False
    """Whether another would be taken if it answered and allowed it."""


class Backends:
    """All backends of this process: the jobs of all; a submission names one of them or takes the choice.

    Args:
        every:  in the order to offer; at least one.
        decide: which one to take by default; asked when it is first needed, and again while a cluster does not answer.
    """

    def __init__(self, every: Sequence[Backend], decide: Callable[[], Awaitable[tuple[Choice, bool]]]) -> None:
        self._every = list(every)
        self.watches = {backend.name: Watch(backend) for backend in every}
        """The jobs of each backend, by its name; those of a cluster that is away are the last that it told."""
        self._decide = decide
        self._choice: tuple[Choice, float | None] | None = None
        self._deciding = asyncio.Lock()

    @classmethod
    def of(cls, backend: Backend, why: str) -> Backends:
        """One backend, for a reason."""

        async def decide() -> tuple[Choice, bool]:
            return Choice(backend, why), True

        return cls([backend], decide)

    async def choice(self) -> Choice:
        """Where jobs go that name no backend."""
        async with self._deciding:
            if self._choice is None or (self._choice[1] is not None and time.monotonic() > self._choice[1]):
                choice, final = await self._decide()
                self._choice = (choice, None if final else time.monotonic() + _ASK_AGAIN_S)
            return self._choice[0]

    async def at(self, name: str | None) -> Backend:
        """The backend of this name, or the choice.

        Raises: BadInput when there is none of that name.
        """
        if name is None:
            return (await self.choice()).backend
        for backend in self._every:
            if backend.name == name:
                return backend
        names = [backend.name for backend in self._every]
        near = difflib.get_close_matches(name, names, 1)
        raise BadInput(
            f"There is no backend {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""),
            hint=f"Choose one of: {', '.join(names)}.",
        )

    async def infos(self) -> list[BackendInfo]:
        """All backends, the chosen one first. One that does not answer says so in its `watch`."""
        choice = await self.choice()
        every = [choice.backend, *(backend for backend in self._every if backend is not choice.backend)]
        found = await asyncio.gather(*(_info(backend) for backend in every))
        return [found[0].model_copy(update={"why": choice.why}), *found[1:]]

    async def stocks(self) -> list[Stock]:
        """What accelerators there are, place by place in the order of `infos`. One that does not answer says why."""
        choice = await self.choice()
        every = [choice.backend, *(backend for backend in self._every if backend is not choice.backend)]
        return list(await asyncio.gather(*(_stock(backend) for backend in every)))

    # The jobs of all

    async def jobs(self) -> list[JobSummary]:
        """All jobs, newest first. A cluster that does not answer is left out, unless it is the only backend."""
        return _newest_first(await self._of_each(lambda backend: backend.jobs()))

    async def newest(self, count: int) -> tuple[list[JobSummary], int]:
        """The first so many of these, and how many there are; of a large cluster much faster."""
        found = await self._of_each(lambda backend: backend.newest(count))
        return _newest_first(jobs for jobs, _ in found)[:count], sum(number for _, number in found)

    async def _of_each(self, ask: Callable[[Backend], Awaitable[_T]]) -> list[_T]:
        """What each says that answers. Raises: what the only one does."""
        found = await asyncio.gather(*(ask(backend) for backend in self._every), return_exceptions=True)
        answers = [one for one in found if not isinstance(one, BaseException)]
        for error in found:
            if isinstance(error, BaseException):
                if not isinstance(error, MlkError) or not answers:
                    raise error
                logger.warning("Jobs of a cluster are missing here: %s", error.detail)
        return answers

    async def job(self, job_id: str) -> JobStatus:
        """One job whole. Raises: JobNotFound."""
        return await self._first(job_id, lambda backend: backend.job(job_id))

    async def unfinished_here(self) -> list[JobStatus]:
        """The jobs on this machine that are not over, whole."""
        here = next((backend for backend in self._every if backend.kind == "local"), None)
        if here is None:
            return []
        return [await here.job(job.id) for job in await here.jobs() if not job.phase.final]

    def folder(self, job_id: str) -> JobFolder:
        """The job's record on this machine. Raises: JobNotFound."""
        return self.holder(job_id).folder(job_id)

    async def stop(self, job_id: str) -> None:
        """Asks a job to stop. Raises: JobNotFound."""
        await self._first(job_id, lambda backend: backend.stop(job_id))

    async def delete(self, job_id: str) -> None:
        """Removes a job and its record. Raises: JobNotFound."""
        await self._first(job_id, lambda backend: backend.delete(job_id))

    def follow(self, job_id: str, backend: Backend | None = None, linger_s: float = 0.0) -> JobFollower:
        """Follows one job.

        Args:   backend:  that has it; None: the one that knows it.
                linger_s: how long its watch goes on when nobody follows any more.
        Raises: JobNotFound.
        """
        backend = backend or self.holder(job_id)
        return JobFollower(job_id, backend, self.watches[backend.name], linger_s)

    def look(self, job_id: str, rank: int | None = None) -> None:
        """Says that somebody looks at a job, or at the log of one of its ranks."""
        with contextlib.suppress(JobNotFound):
            self.holder(job_id).look(job_id, rank)

    async def orphans(self) -> list[Orphan]:
        """Objects of ours whose job is gone, in all clusters that answer."""
        return await self._gathered(lambda backend: backend.orphans())

    async def remove_orphans(self) -> list[Orphan]:
        """Removes them; gives those that it removed."""
        return await self._gathered(lambda backend: backend.remove_orphans())

    async def resume(self) -> None:
        """Goes on with the records of jobs that were not over when this machine last looked."""
        for backend in self._every:
            await backend.resume()

    async def close(self) -> None:
        """Ends whatever the backends started in this process. Jobs go on."""
        await asyncio.gather(*(watch.close() for watch in self.watches.values()))
        await asyncio.gather(*(backend.close() for backend in self._every))

    async def _gathered(self, ask: Callable[[Backend], Awaitable[list[Orphan]]]) -> list[Orphan]:
        found: list[Orphan] = []
        for backend in self._every:
            try:
                found += await ask(backend)
            except MlkError as error:
                if len(self._every) == 1:
                    raise
                logger.info("%s was left out: %s", backend.name, error.detail)
        return found

    def holder(self, job_id: str) -> Backend:
        """The backend that has a record of the job, or has told of it. Raises: JobNotFound."""
        for backend in self._every:
            with contextlib.suppress(JobNotFound):
                backend.folder(job_id)
                return backend
        raise JobNotFound(job_id)

    async def _first(self, job_id: str, ask: Callable[[Backend], Awaitable[_T]]) -> _T:
        """What the backend says that has the job; one that has no record of it may know it all the same."""
        with contextlib.suppress(JobNotFound):
            return await ask(self.holder(job_id))
        unavailable: MlkError | None = None
        for backend in self._every:
            try:
                return await ask(backend)
            except JobNotFound:
                continue
            except BackendUnavailable as error:
                unavailable = error
        raise unavailable or JobNotFound(job_id)


async def _info(backend: Backend) -> BackendInfo:
    try:
        return await backend.info()
    except MlkError as error:
        return BackendInfo(
            name=backend.name,
            kind=backend.kind,
            title=backend.name,
            why=error.title,
            watch=WatchState.REFUSED if error.status in (401, 403) else WatchState.RECONNECTING,
            watch_why=f"{error.detail} {error.hint}",
        )


async def _stock(backend: Backend) -> Stock:
    try:
        return await backend.stock()
    except MlkError as error:
        return Stock(
            backend.name,
            backend.name,
            time.time(),
            is_whole=False,
            why=f"{error.title}: {error.detail}",
            hint=error.hint,
        )


def _newest_first(lists: Iterable[list[JobSummary]]) -> list[JobSummary]:
    return sorted((job for jobs in lists for job in jobs), key=lambda job: (job.created_at, job.id), reverse=True)
