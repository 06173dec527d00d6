"""One job, from now to its end: its status, the lines of its log, its record. Clusters may be away meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from ..errors import BackendUnavailable
from ..model import JobStatus, RunRef, RunState, Step
from ..record.folder import JobFolder
from ..threads import in_thread
from ..waiting import is_set_within
from .broadcast import Watch
from .tail import log_pieces

_AGAIN_S = 5.0  # how often to ask though nothing was heard
_POLL_S = 0.2  # how often a file that grows is looked at
_LOOK_S = 5.0  # a look holds for 15 s
_CATCH_UP_S = 5.0  # how long whoever reads the record waits for it to be begun
_COMPLETE_S = 30.0  # how long the end of a job may take to be written down, before we go on without
_RUN_S = 20.0  # the same for its MLflow run
_SHORTEST_S = 0.2  # between two changes told


class JobSource(Protocol):
    """What following a job needs of its backend."""

    kind: Literal["local", "kubernetes"]

    async def job(self, job_id: str) -> JobStatus: ...

    def folder(self, job_id: str) -> JobFolder: ...

    def look(self, job_id: str, rank: int | None = None) -> None: ...

    async def stop(self, job_id: str) -> None: ...

    async def delete(self, job_id: str) -> None: ...


@dataclass(frozen=True)
class JobFollower:
    """A job, and who tells of it."""

    job_id: str
    backend: JobSource
    watch: Watch
    linger_s: float

    def listening(self) -> contextlib.AbstractContextManager[asyncio.Event]:
        """An event that is set whenever something changed in the job; while somebody listens, its record is filled."""
        return self.watch.listening(self.job_id, self.linger_s)

    @property
    def here(self) -> bool:
        """Whether the job runs on this machine: its record needs nobody who fills it."""
        return self.backend.kind == "local"

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
        if self.here:
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
        with self.listening() as changed:
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
                await is_set_within(_AGAIN_S if given_up_at is None else _POLL_S, changed)

    async def with_run(self) -> RunRef | None:
        """The job's MLflow run; of a job that is over, once it is complete, if that comes in time."""
        end = time.monotonic() + _RUN_S
        with self.listening() as changed:
            while True:
                changed.clear()
                status = await self.status()
                pending = status.run is not None and status.run.state is RunState.PENDING
                if not (pending and status.phase.final) or time.monotonic() > end:
                    return status.run
                await is_set_within(_POLL_S, changed)

    async def settled(self, limit_s: float) -> JobStatus:
        """A job that is over, once its notebook is written and its MLflow run recorded, or after so many seconds."""
        end = time.monotonic() + limit_s
        while True:
            status = await self.status()
            pending = status.run is not None and status.run.state is RunState.PENDING
            if time.monotonic() > end or (not pending and self.folder.has_notebook):
                return status
            await asyncio.sleep(_POLL_S)

    async def changes(self) -> AsyncGenerator[list[JobStatus], None]:
        """The job's status, now and whenever it changed, at most five times a second; the last one is final."""
        told: JobStatus | None = None
        with self.listening() as changed:
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
        with self.listening():
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
                    await asyncio.sleep(_POLL_S)

    @contextlib.asynccontextmanager
    async def recorded(self, rank: int | None = None) -> AsyncIterator[JobFolder]:
        """The job's folder, being filled meanwhile where that needs somebody who looks."""
        with self.listening():
            since = time.monotonic()
            while not self.here and time.monotonic() < since + _COMPLETE_S:
                self.backend.look(self.job_id, rank)
                if await self.ended() is not None:
                    break
                begun = await in_thread(_has_begun, self.folder, rank)
                status = await self.status()
                # A job that is over in the cluster becomes final when all of it is written down.
                ending = status.phase.final or status.step is Step.READING_LOGS
                if not ending and (begun or time.monotonic() > since + _CATCH_UP_S):
                    break
                await asyncio.sleep(_POLL_S)
            yield self.folder


def _has_begun(folder: JobFolder, rank: int | None) -> bool:
    """Whether something of a job, or of one of its ranks, was written down."""
    return folder.frames_bytes() > 0 if rank is None else folder.read_log(rank, 0, 1)[1] > 0
