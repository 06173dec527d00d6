"""A job's record for whoever only reads it: filled from the cluster first, where nobody else does that."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ..backends.many import Backends
from ..errors import BackendUnavailable
from ..follow.job import JobFollower
from ..model import JobStatus
from ..record.folder import JobFolder
from ..threads import in_thread
from .printing import say


@dataclass(frozen=True)
class Recorded:
    """One job, whose record is as complete as it can be now."""

    follower: JobFollower
    folder: JobFolder
    rank: int | None

    @property
    def here(self) -> bool:
        """Whether it runs on this machine: its record needs nobody who fills it."""
        return self.follower.here

    async def latest(self) -> JobStatus:
        """What is known of it; of a cluster that is away, what was written down."""
        try:
            return await self.follower.status()
        except BackendUnavailable:
            written = await in_thread(self.folder.read_status)
            if written is None:
                raise
            return written

    async def over(self) -> bool:
        """Whether it is over and all of it written down. Keeps the log of the rank coming."""
        self.follower.backend.look(self.follower.job_id, self.rank)
        with contextlib.suppress(BackendUnavailable):
            return await self.follower.ended() is not None
        return False


@contextlib.asynccontextmanager
async def recorded(backends: Backends, job_id: str, rank: int | None = None) -> AsyncIterator[Recorded]:
    """The job, and its record being filled meanwhile: of a job in a cluster that is over, whole.

    Args: rank: whose log is to be read.
    """
    follower = backends.follow(job_id)
    folder = follower.folder
    written = await in_thread(folder.read_status)
    if follower.here or (written is not None and written.phase.final):
        yield Recorded(follower, folder, rank)
        return
    async with contextlib.AsyncExitStack() as opened:
        try:
            await opened.enter_async_context(follower.recorded(rank))
        except BackendUnavailable as error:
            say(f"{error.detail} What was written down here before is shown.")
        yield Recorded(follower, folder, rank)
