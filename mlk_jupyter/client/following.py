"""Waiting for a job, and following it, in the background's loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import BackendUnavailable
from ..threads import in_thread
from ..waiting import is_set_within
from .places import News, Where, places
from .reading import log_pieces

if TYPE_CHECKING:
    from ..backends.base import Backend
    from ..model import JobStatus, RunRef
    from ..record.folder import JobFolder

_AGAIN_S = 5.0  # how often to ask though nothing was heard
_LOG_POLL_S = 0.2
_LOOK_S = 5.0  # a look holds for 15 s
_CATCH_UP_S = 5.0  # how long whoever reads the record waits for it to be begun
_COMPLETE_S = 30.0  # how long the end of a job may take to be written down, before we go on without
_RUN_S = 20.0  # the same for its MLflow run
_SHORTEST_S = 0.2  # between two changes told


@dataclass(frozen=True)
class Placed:
    """A job, and the backend that has it."""

    job_id: str
    backend: Backend
    news: News

    @classmethod
    async def of(cls, job_id: str, where: Where, backend: str) -> Placed:
        """Raises: BadInput when there is no such backend any more."""
        here = places()
        found = await (await here.backends(where)).at(backend)
        return cls(job_id, found, here.news(found))

    async def status(self) -> JobStatus:
        return await self.backend.job(self.job_id)

    @property
    def folder(self) -> JobFolder:
        return self.backend.folder(self.job_id)

    async def ended(self) -> JobStatus | None:
        """The status of a job that is over and written down whole; None before."""
        status = await self.status()
        if not status.phase.final:
            return None
        if self.backend.kind == "local":
            return status
        # Seen in the cluster is not yet written down: the last of the log may be on its way.
        written = await in_thread(self.folder.read_status)
        if written is not None and written.phase.final:
            return written
        self.backend.look(self.job_id)
        return None

    async def until_over(self) -> JobStatus:
        """The status of the job once it is over and its record complete. A cluster may be away meanwhile."""
        given_up_at: float | None = None
        async with self.news.listening(self.job_id) as changed:
            while True:
                changed.clear()
                with contextlib.suppress(BackendUnavailable):
                    status = await self.ended()
                    if status is not None:
                        return status
                    status = await self.status()
                    if status.phase.final:
                        given_up_at = given_up_at or time.monotonic() + _COMPLETE_S
                        if time.monotonic() > given_up_at:
                            return status
                await is_set_within(_AGAIN_S if given_up_at is None else _LOG_POLL_S, changed)

    async def with_run(self) -> RunRef | None:
        """The job's MLflow run; of a job that is over, once it is complete, if that comes in time."""
        from ..model import RunState

        end = time.monotonic() + _RUN_S
        async with self.news.listening(self.job_id) as changed:
            while True:
                changed.clear()
                status = await self.status()
                pending = status.run is not None and status.run.state is RunState.PENDING
                if not (pending and status.phase.final) or time.monotonic() > end:
                    return status.run
                await is_set_within(_LOG_POLL_S, changed)

    async def changes(self) -> AsyncGenerator[list[JobStatus], None]:
        """The job's status, now and whenever it changed, at most five times a second; the last one is final."""
        told: JobStatus | None = None
        async with self.news.listening(self.job_id) as changed:
            while True:
                changed.clear()
                self.backend.look(self.job_id)
                with contextlib.suppress(BackendUnavailable):
                    over = await self.ended()
                    status = over or await self.status()
                    if status != told:
                        told = status
                        yield [status]
                    if over is not None:
                        return
                await asyncio.sleep(_SHORTEST_S)
                await is_set_within(_AGAIN_S, changed)

    async def lines(self, rank: int) -> AsyncGenerator[list[str], None]:
        """The lines of a rank's log, without their ends, as they come; the last may be one that never ended."""
        offset, rest, looked_at = 0, "", 0.0
        async with self.news.listening(self.job_id):
            while True:
                if time.monotonic() > looked_at + _LOOK_S:
                    self.backend.look(self.job_id, rank)
                    looked_at = time.monotonic()
                over = None
                with contextlib.suppress(BackendUnavailable):
                    over = await self.ended()  # asked before reading: what comes later is still told
                piece = await in_thread(lambda at: next(log_pieces(self.folder, rank, at), None), offset)
                if piece is not None:
                    text, offset = piece
                    *whole, rest = (rest + text).split("\n")
                    if whole:
                        yield [line.removesuffix("\r") for line in whole]
                elif over is not None:
                    if rest:
                        yield [rest]
                    return
                else:
                    await asyncio.sleep(_LOG_POLL_S)

    @contextlib.asynccontextmanager
    async def recorded(self, rank: int | None = None) -> AsyncIterator[JobFolder]:
        """The job's folder, being filled meanwhile where that needs somebody who looks."""
        from ..model.status import READING_LOGS

        async with self.news.listening(self.job_id):
            since = time.monotonic()
            while self.backend.kind != "local" and time.monotonic() < since + _COMPLETE_S:
                self.backend.look(self.job_id, rank)
                if await self.ended() is not None:
                    break
                begun = await in_thread(_has_begun, self.folder, rank)
                status = await self.status()
                # A job that is over in the cluster becomes final when all of it is written down.
                ending = status.reason is not None and status.reason.code == READING_LOGS
                if not (status.phase.final or ending) and (begun or time.monotonic() > since + _CATCH_UP_S):
                    break
                await asyncio.sleep(_LOG_POLL_S)
            yield self.folder


def _has_begun(folder: JobFolder, rank: int | None) -> bool:
    """Whether something of a job, or of one of its ranks, was written down."""
    return folder.frames_bytes() > 0 if rank is None else folder.read_log(rank, 0, 1)[1] > 0
