"""What a window follows. A feed holds a position, not a queue: what it sends next depends on what is there then.

So a slow window costs no memory. States of jobs are merged until it takes them, never dropped; logs and frames are
read from the job folder when it asks, and a window that has fallen far behind gets a fresh snapshot instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Sequence, Set
from operator import attrgetter

from pydantic import BaseModel

from ..backends.many import Backends
from ..errors import MlkError
from ..follow.broadcast import Watch
from ..library import check_rank
from ..model import JobStatus, JobSummary, api
from ..threads import in_thread
from . import records
from .features import Encoded, Kind
from .services import Services

POLL_S = 0.1
"""How often a file that grows is looked at, while a window follows it."""
RECHECK_S = 2.0
"""How often a job is asked for whose record did not change: its writer may be gone."""
LOG_TAIL = 256 * 1024
"""Bytes of a log's end in a snapshot."""
_LOG_PIECE = 64 * 1024
_FIRST_ANSWER_S = 5.0
_ROWS_AT_A_TIME = 200  # some milliseconds
_BEHIND = 8 << 20  # bytes that a window may lag behind before it starts over


class Rows:
    """Jobs as JSON, each made once for all windows."""

    def __init__(self, services: Services) -> None:
        # Two, as a pair for each of 10,000 jobs would be as many objects for the garbage collector to walk through.
        self._rows: dict[str, str] = {}
        self._made_of: dict[str, JobSummary] = {}

    def of(self, job: JobSummary) -> str:
        if self._made_of.get(job.id) is not job:
            self._made_of[job.id] = job
            self._rows[job.id] = job.model_dump_json()
        return self._rows[job.id]

    async def all(self, jobs: Sequence[JobSummary]) -> list[str]:
        """Those of many jobs, letting others have their turn in between."""
        found = []
        for number, job in enumerate(jobs, start=1):
            found.append(self.of(job))
            if number % _ROWS_AT_A_TIME == 0:
                await asyncio.sleep(0)
        return found

    def keep(self, job_ids: Set[str]) -> None:
        """Forgets all other jobs."""
        for job_id in self._rows.keys() - job_ids:
            del self._rows[job_id], self._made_of[job_id]


class JobsFeed:
    """All jobs of all backends: whole once, then what changed, merged while the window is busy.

    Args: first_answer_s: how long a backend is waited for that is slow to tell its jobs for the first time.
    """

    def __init__(
        self, watches: Sequence[Watch], rows: Rows, call: Callable[[], None], first_answer_s: float = _FIRST_ANSWER_S
    ) -> None:
        self._watches, self._rows, self._call = watches, rows, call
        self._whole = True
        self._pending: set[str] = set()
        self._told: MlkError | None = None
        self._patient_until = time.monotonic() + first_answer_s
        self.due: float | None = 0.0
        for watch in watches:
            watch.listen(self._heard)

    def _heard(self, job_ids: Set[str]) -> None:
        self._pending |= job_ids
        self.due = 0.0  # whoever is waited for may have answered
        self._call()

    async def next(self) -> tuple[Kind, Encoded | BaseModel] | None:
        self.due = None
        # Of several backends, one that is away says so in the topic `backends`.
        error = self._watches[0].error if len(self._watches) == 1 else None
        if error is not self._told:
            self._told, self._whole = error, True
            if error is not None:
                return "error", records.error_body(error)
        if self._whole:
            return await self._snapshot()
        pending, self._pending = self._pending, set()
        found = {job_id: self._job(job_id) for job_id in pending}
        if not found:
            return None
        changed = ",".join([self._rows.of(job) for job in found.values() if job is not None])
        removed = json.dumps([job_id for job_id, job in found.items() if job is None])
        return "delta", Encoded(f'{{"changed":[{changed}],"removed":{removed}}}')

    async def _snapshot(self) -> tuple[Kind, Encoded] | None:
        silent = any(watch.jobs is None and watch.error is None for watch in self._watches)
        if silent and time.monotonic() < self._patient_until:
            self.due = self._patient_until
            return None
        if self._told is not None or all(watch.jobs is None for watch in self._watches):
            return None
        self._whole = False
        self._pending.clear()
        jobs = {job_id: job for watch in self._watches for job_id, job in (watch.jobs or {}).items()}
        self._rows.keep(jobs.keys())
        rows = await self._rows.all(sorted(jobs.values(), key=attrgetter("created_at"), reverse=True))
        return "snapshot", Encoded(f'{{"jobs":[{",".join(rows)}]}}')

    def _job(self, job_id: str) -> JobSummary | None:
        for watch in self._watches:
            if watch.jobs is not None and job_id in watch.jobs:
                return watch.jobs[job_id]
        return None

    async def close(self) -> None:
        for watch in self._watches:
            watch.leave(self._heard)


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

    def __init__(self, backend: Backends, job_id: str, call: Callable[[], None]) -> None:
        super().__init__(backend, job_id)
        self._stamp: tuple[int, int, int] | None = None
        self._sent: JobStatus | None = None
        self._call = call
        self._follower = backend.follow(job_id)
        if not self._follower.here:  # what happens in a cluster is told before it is written
            self._follower.watch.listen(self._heard)

    def _heard(self, job_ids: Set[str]) -> None:
        if self._job_id in job_ids:
            self._asked_at = None
            self._now()
            self._call()

    async def close(self) -> None:
        if not self._follower.here:
            self._follower.watch.leave(self._heard)

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
            stat = (self._folder.path / "status.json").lstat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns, stat.st_size


class _GrowingFeed(_FolderFeed):
    """A file that grows until the job is over."""

    def __init__(self, backend: Backends, job_id: str, offset: int | None) -> None:
        super().__init__(backend, job_id)
        self._turn: contextlib.AbstractAsyncContextManager[None] = contextlib.nullcontext()
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
            async with self._turn:
                kind, (piece, self._offset, final) = "snapshot", await in_thread(_encoded, self._snapshot)
        elif size != self._offset or self._over:
            kind, (piece, after, final) = "delta", await in_thread(_encoded, self._piece, self._offset)
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


def _encoded(read: Callable[..., tuple[BaseModel, int, bool]], *args: int) -> tuple[Encoded, int, bool]:
    """What was read, as JSON already: it may be large, and this runs in a thread."""
    piece, offset, final = read(*args)
    return Encoded(piece.model_dump_json()), offset, final


class LogFeed(_GrowingFeed):
    """One rank's log: its end, then what comes."""

    def __init__(self, backend: Backends, job_id: str, rank: int, offset: int | None) -> None:
        super().__init__(backend, job_id, offset)
        self._rank: int = rank

    def _check(self, status: JobStatus) -> None:
        check_rank(status, self._rank)

    def _size(self) -> int:
        return self._folder.log_bytes(self._rank)

    def _snapshot(self) -> tuple[BaseModel, int, bool]:
        piece = records.log_piece(self._folder, self._rank, -LOG_TAIL, LOG_TAIL, over=self._over)
        return piece, piece.next_offset, piece.final

    def _piece(self, offset: int) -> tuple[BaseModel, int, bool]:
        piece = records.log_piece(self._folder, self._rank, offset, _LOG_PIECE, over=self._over)
        return piece, piece.next_offset, piece.final


class FramesFeed(_GrowingFeed):
    """The notebook so far, then the frames that follow. `replays`: held while the notebook is made."""

    def __init__(self, backend: Backends, job_id: str, offset: int | None, replays: asyncio.Semaphore) -> None:
        super().__init__(backend, job_id, offset)
        self._turn = replays
        self._world_size = 0

    def _check(self, status: JobStatus) -> None:
        self._world_size = status.world_size

    def _size(self) -> int:
        return self._folder.frames_bytes()

    def _snapshot(self) -> tuple[BaseModel, int, bool]:
        whole = records.snapshot(self._folder, over=self._over)
        return whole, whole.offset, whole.final

    def _piece(self, offset: int) -> tuple[BaseModel, int, bool]:
        piece = records.frame_piece(self._folder, offset, over=self._over, world_size=self._world_size)
        return piece, piece.next_offset, piece.final
