"""What a window follows. A feed holds a position, not a queue: what it sends next depends on what is there then.

So a slow window costs no memory. States of jobs are merged until it takes them, never dropped; logs and frames are
read from the job folder when it asks, and a window that has fallen far behind gets a fresh snapshot instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ..backends.base import Changes
from ..backends.many import Backends
from ..errors import MlkError
from ..library import check_rank
from ..model import JobStatus, JobSummary, api
from ..model.api import JobsDelta, JobsSnapshot
from ..threads import in_thread
from . import records
from .features import Kind

if TYPE_CHECKING:
    from .watcher import JobsWatcher

POLL_S = 0.1
"""How often a file that grows is looked at, while a window follows it."""
RECHECK_S = 2.0
"""How often a job is asked for whose record did not change: its writer may be gone."""
LOG_TAIL = 256 * 1024
"""Bytes of a log's end in a snapshot."""
_LOG_PIECE = 64 * 1024
_BEHIND = 8 << 20  # bytes that a window may lag behind before it starts over


class JobsFeed:
    """All jobs: whole once, then what changed, merged while the window is busy."""

    due: float | None = None

    def __init__(self, watcher: JobsWatcher, call: Callable[[], None]) -> None:
        self._watcher = watcher
        self._call = call
        self._whole = True
        self._pending: dict[str, JobSummary | None] = {}  # None: removed
        self._error: MlkError | None = watcher.error
        watcher.listen(self._heard)

    def _heard(self, change: Changes | None, error: MlkError | None) -> None:
        if error is not None:
            self._error = error
        elif change is None:
            self._whole, self._error = True, None
        elif not self._whole:
            self._pending.update((job.id, job) for job in change.changed)
            self._pending.update((job_id, None) for job_id in change.removed)
        self._call()

    async def next(self) -> tuple[Kind, BaseModel] | None:
        if self._error is not None:
            error, self._error = self._error, None
            return "error", records.error_body(error)
        if self._whole:
            jobs = self._watcher.jobs
            if jobs is None:
                return None
            self._whole = False
            self._pending.clear()
            return "snapshot", JobsSnapshot(jobs=sorted(jobs.values(), key=lambda job: -job.created_at))
        if not self._pending:
            return None
        pending, self._pending = self._pending, {}
        return "delta", JobsDelta(
            changed=[job for job in pending.values() if job is not None],
            removed=[job_id for job_id, job in pending.items() if job is None],
        )

    async def close(self) -> None:
        await self._watcher.leave(self._heard)


class BackendsFeed:
    """The places where jobs run, each time all of them: whether a cluster answers is news."""

    def __init__(self, backend: Backends) -> None:
        self._backend = backend
        self._sent: api.Backends | None = None
        self.due: float | None = 0.0

    async def next(self) -> tuple[Kind, BaseModel] | None:
        now = time.monotonic()
        if self.due is not None and now < self.due:
            return None  # another feed woke the window
        self.due = now + RECHECK_S
        found = api.Backends(backends=await self._backend.infos())
        if found == self._sent:
            return None
        first, self._sent = self._sent is None, found
        return ("snapshot" if first else "delta"), found

    async def close(self) -> None:
        """Holds nothing."""


class _FolderFeed:
    """Follows files of one job's folder."""

    _rank: int | None = None
    """The rank whose log is looked at."""

    def __init__(self, backend: Backends, job_id: str) -> None:
        self._backend = backend
        self._job_id = job_id
        self._folder = backend.folder(job_id)
        self._asked_at: float | None = None
        self.due: float | None = 0.0

    async def _status(self) -> JobStatus | None:
        """The job, at most every RECHECK_S; None in between. Raises: JobNotFound."""
        now = time.monotonic()
        if self._asked_at is not None and now - self._asked_at < RECHECK_S:
            return None
        self._asked_at = now
        self._backend.look(self._job_id, self._rank)
        return await self._backend.job(self._job_id)

    def _soon(self) -> None:
        self.due = time.monotonic() + POLL_S

    def _now(self) -> None:
        self.due = 0.0

    def _never(self) -> None:
        self.due = None

    async def close(self) -> None:
        """Holds nothing."""


class JobFeed(_FolderFeed):
    """One job, whole each time something about it changed."""

    def __init__(self, backend: Backends, job_id: str) -> None:
        super().__init__(backend, job_id)
        self._stamp: tuple[int, int, int] | None = None
        self._sent: JobStatus | None = None

    async def next(self) -> tuple[Kind, BaseModel] | None:
        self._soon()
        stamp = self._stamp_of_record()
        if stamp != self._stamp:
            self._asked_at = None
        status = await self._status()
        self._stamp = stamp
        if status is None or status == self._sent:
            return None
        first, self._sent = self._sent is None, status
        return ("snapshot" if first else "delta"), status

    def _stamp_of_record(self) -> tuple[int, int, int] | None:
        try:
            stat = (self._folder.path / "status.json").stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size


class _GrowingFeed(_FolderFeed):
    """A file that grows until the job is over."""

    def __init__(self, backend: Backends, job_id: str, offset: int | None) -> None:
        super().__init__(backend, job_id)
        self._offset = offset
        self._over = False
        self._ended = False  # the end was sent: every later call, whoever wakes the window, has nothing to send
        self._checked = False

    async def next(self) -> tuple[Kind, BaseModel] | None:
        if self._ended:
            return None
        self._soon()
        # First the phase, then the file: what was written before the end is then surely read.
        status = None if self._over else await self._status()
        if status is not None:
            if not self._checked:
                self._check(status)
                self._checked = True
            self._over = status.phase.final
        size = self._size()
        if self._offset is None or size < self._offset or size - self._offset > _BEHIND:
            kind, (piece, self._offset, final) = "snapshot", await in_thread(self._snapshot)
        elif size != self._offset or self._over:
            kind, (piece, after, final) = "delta", await in_thread(self._piece, self._offset)
            if after == self._offset and not final:
                return None
            self._offset = after
        else:
            return None
        if final:
            self._ended = True
            self._never()
        else:
            self._now()
        return kind, piece  # type: ignore[return-value]

    def _check(self, status: JobStatus) -> None:
        """Whether the job has what is followed."""

    def _size(self) -> int:
        raise NotImplementedError

    def _snapshot(self) -> tuple[BaseModel, int, bool]:
        raise NotImplementedError

    def _piece(self, offset: int) -> tuple[BaseModel, int, bool]:
        raise NotImplementedError


class LogFeed(_GrowingFeed):
    """One rank's log: its end, then what comes."""

    def __init__(self, backend: Backends, job_id: str, rank: int, offset: int | None) -> None:
        super().__init__(backend, job_id, offset)
        self._rank: int = rank

    def _check(self, status: JobStatus) -> None:
        check_rank(status, self._rank)

    def _size(self) -> int:
        try:
            return self._folder.log(self._rank).stat().st_size
        except OSError:
            return 0

    def _snapshot(self) -> tuple[BaseModel, int, bool]:
        piece = records.log_piece(self._folder, self._rank, -LOG_TAIL, LOG_TAIL, over=self._over)
        return piece, piece.next_offset, piece.final

    def _piece(self, offset: int) -> tuple[BaseModel, int, bool]:
        piece = records.log_piece(self._folder, self._rank, offset, _LOG_PIECE, over=self._over)
        return piece, piece.next_offset, piece.final


class FramesFeed(_GrowingFeed):
    """The notebook so far, then the frames that follow."""

    def _size(self) -> int:
        return self._folder.frames_bytes()

    def _snapshot(self) -> tuple[BaseModel, int, bool]:
        whole = records.snapshot(self._folder, over=self._over)
        return whole, whole.offset, whole.final

    def _piece(self, offset: int) -> tuple[BaseModel, int, bool]:
        piece = records.frame_piece(self._folder, offset, over=self._over)
        return piece, piece.next_offset, piece.final
