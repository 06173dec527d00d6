"""Writes down one job of a cluster in its folder, for as long as this process lives and the job does.

How a backend uses it (all of it in one event loop):

    recorder = Recorder(folder, job, connection, on_change=...)
    async with recorder:                       # raises Taken: another process of this user records it; read its folder
        recorder.update(objects, reading)      # at every change that the observer tells of; cheap, returns at once
        recorder.look(rank)                    # while somebody looks at a rank (None: at the job); holds for 15 s
        recorder.status                        # what status.json holds, or will in a quarter of a second
        await recorder.finished()              # everything is written: the end, executed.ipynb, the MLflow run

- The folder is made if it is missing: the spec is the job's, the bundle comes out of its ConfigMap where that is still
  there. Nothing happens before the first `update`.
- `reading` is the caller's to complete: an attempt that will be followed by another (`attempts.between`) is not final.
  A final reading makes the job final once all logs were read to their end, 30 s later at the latest; a final status
  never changes again, whatever is read afterwards.
- `on_change` gets each new status, in the loop, at most about four times a second and at each change of phase.
- Leaving the context keeps the record in order at any moment; the next Recorder, in whichever process, goes on exactly.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ....model import JobStatus, Phase, Reason, RunState
from ....model.status import READING_LOGS
from ....record.folder import JobFolder, write_atomically
from ....record.ledger import Ledger
from ....record.notebook import as_file, replay_of
from ....record.ownership import Ownership
from ....record.replay import Replay
from ....record.writer import FolderWriter
from ....threads import in_thread
from ....waiting import is_set_within
from ..kinds.fields import over, uid
from ..kinds.registry import kind_of_job
from ..resources import Objects
from ..status.read import Reading
from ..status.submitted import Submitted
from . import bundles, merging, records
from .followers import LATE_S, Followers
from .logs import LogSource
from .mlflow import Recording
from .positions import Positions

_T = TypeVar("_T")

_TICK_S = 0.1  # between two looks at what has come
_UNSEEN_S = 0.5  # the same while nobody looks
_SNAP_S = 0.5  # between two snapshots: what a process that is killed reads again
_LOOKED_S = 5.0  # between two looks whether anybody still looks
_LAST_LOGS_S = 30.0  # for the logs of a job that is over
_FULL_S = 10.0  # between two tries to write the end on a full disk


class Source(LogSource, bundles.ObjectSource, Protocol):
    """What a recorder needs of a cluster."""


class Recorder:
    """The one writer of one job's folder.

    Args:
        folder:    where; need not exist.
        job:       what its objects say of it.
        backend:   name that the status bears.
        on_change: gets each new status.
    Raises (on entering): Taken, OSError.
    """

    def __init__(
        self,
        folder: JobFolder,
        job: Submitted,
        connection: Source,
        *,
        backend: str = "kubernetes",
        on_change: Callable[[JobStatus], None] = lambda status: None,
    ) -> None:
        self._folder = folder
        self._job = job
        self._connection = connection
        self._backend = backend
        self._on_change = on_change
        self._ownership = Ownership(folder)
        self._mlflow = Recording(folder, job.spec)
        self._seen: tuple[Objects, Reading] | None = None
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()  # something was told or asked; what is merely read can wait for a moment
        self._over = asyncio.Event()
        self._merged: tuple[Objects, Reading] | None = None  # what the status knows of that
        self._news = False  # something was read that the status does not know
        self._unsnapped = False  # nor `positions.json`
        self._snapped_at = 0.0  # monotonic
        self._unsafe = False  # something could not be written: positions stay where they were
        self._write_again_at = 0.0  # monotonic
        self._final_since: float | None = None  # monotonic
        self._looks: list[int | None] = []
        self._task: asyncio.Task[None] | None = None

    # What the backend calls

    async def __aenter__(self) -> Recorder:
        self._folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ownership.__enter__()
        try:
            if self._folder.read_spec() is None:
                self._folder.write_spec(self._job.spec)
            status = self._folder.read_status() or self._first_status()
            self._ledger = Ledger(self._folder, status)
            self._told = status
            self._positions = Positions(self._folder)
        except BaseException:
            self._ownership.__exit__(None, None, None)
            raise
        self._task = asyncio.create_task(self._run(), name=f"recorder of {self._job.id}")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})
        self._ownership.__exit__(None, None, None)
        if not self._task.cancelled():
            self._task.result()

    @property
    def status(self) -> JobStatus:
        """What is known now."""
        return self._ledger.status

    def update(self, objects: Objects, reading: Reading) -> None:
        """What the cluster holds of the job now, and what that says."""
        self._seen = objects, reading
        self._urgent.set()
        self._wake.set()

    def look(self, rank: int | None) -> None:
        """Somebody looks at a rank, or at the whole job, for the next 15 s."""
        self._looks.append(None if rank is None else rank // self._job.spec.ranks_in_worker)
        self._urgent.set()
        self._wake.set()

    async def finished(self) -> JobStatus:
        """Waits until all of the job is written down, its MLflow run included. Raises what ended the recording."""
        assert self._task is not None
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({over, self._task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
        if self._task.done() and not self._task.cancelled():
            self._task.result()
        return self.status

    # The task

    async def _run(self) -> None:
        if not self._ledger.status.phase.final:
            while self._seen is None:  # nothing is known of the job before; that somebody looks at it is no news
                self._wake.clear()
                await self._wake.wait()
            await self._fetch_bundle()
            await _whole(in_thread(self._open))
            reading = await self._record()
            await self._end(reading)
        await self._settle()
        self._over.set()

    async def _record(self) -> Reading:
        """From the first update until the job is over and its logs are read. Gives the final reading."""
        followers = self._follow()
        try:
            while True:
                self._wake.clear()
                self._urgent.clear()
                objects, reading = self._current()
                if reading.attempt > self._positions.attempt:
                    followers = await self._begin_attempt(followers, reading.attempt)
                while self._looks:
                    followers.look(self._looks.pop())
                unread = followers.sync(objects, self._positions.attempt, over=reading.phase.final)
                await self._write_down(followers, reading)
                if not reading.phase.final:
                    self._final_since = None
                elif self._may_end(objects, reading.phase, unread):
                    return reading
                hurry = reading.phase.final or followers.looked_at
                longest_s = _TICK_S if reading.phase.final else _LOOKED_S if followers.looked_at else None
                await self._pause(longest_s, looked_at=hurry)
        finally:
            await followers.close()
            with contextlib.suppress(OSError):  # said when it happened first
                if self._may_snap:
                    self._positions.write(self._snapshot(followers))
                self._writer.close()

    def _current(self) -> tuple[Objects, Reading]:
        assert self._seen is not None
        return self._seen

    async def _pause(self, longest_s: float | None, *, looked_at: bool) -> None:
        """Until something happens, or what is known is due to be written."""
        waiting = []
        if self._ledger.unsaved:
            waiting.append(max(_TICK_S, self._write_again_at - time.monotonic()))
        if self._may_snap:
            waiting.append(max(_TICK_S, self._snapped_at + _SNAP_S - time.monotonic()))
        longest_s = min([*waiting, *([longest_s] if longest_s is not None else [])], default=None)
        await is_set_within(longest_s, self._wake)
        # What comes meanwhile is written down together; the longer, the fewer look at it.
        await is_set_within(_TICK_S if looked_at else _UNSEEN_S, self._urgent)

    def _may_end(self, objects: Objects, phase: Phase, unread: bool) -> bool:
        """Whether a job that is over can be said to be: what its pods wrote is here, or will not come."""
        now = time.monotonic()
        if self._final_since is None:
            self._final_since = now
        waited = now - self._final_since
        pods = kind_of_job(objects).pods_of(objects, self._positions.attempt)
        # Jobs and pods are told of separately: the end of a job may be heard of before that of its pods. Those of one
        # that failed or was stopped are removed by the cluster.
        unseen = phase is Phase.SUCCEEDED and len(pods) < self._job.spec.workers
        late = unseen or not all(over(pod) for pod in pods.values())
        return waited >= _LAST_LOGS_S or not (unread or (late and waited < LATE_S))

    # Logs and frames

    def _open(self) -> None:
        """The record as far as it goes. Blocking: frames are applied again."""
        there = [uid(pod) for pod in self._current()[0].pods]
        try:
            if self._positions.to_read_again() and self._positions.resumable(there):
                self._positions.rewind()
            self._positions.start()
        except OSError as error:
            self._not_written(error)
        replay = replay_of(self._folder)
        self._has_notebook = replay is not None
        self._replay = replay or Replay({"cells": []}, job_id=self._job.id)
        self._writer = FolderWriter(self._folder, self._replay, self._job.nonce, self._positions.frames)

    def _follow(self) -> Followers:
        return Followers(self._connection, self._job.namespace, self._positions, self._feed, self._notice)

    def _notice(self, text: str) -> None:
        self._ledger.notice(text)
        self._wake.set()

    def _feed(self, worker: int, data: bytes) -> None:
        self._news = self._unsnapped = True
        self._wake.set()
        try:
            if data:
                self._writer.feed(worker * self._job.spec.ranks_in_worker, data)
        except OSError as error:
            self._not_written(error)

    async def _begin_attempt(self, followers: Followers, number: int) -> Followers:
        """Reads what the attempt before left behind, puts it aside, and begins anew."""
        before, deadline = self._positions.attempt, time.monotonic() + _LAST_LOGS_S
        while followers.sync(self._current()[0], before, over=True) and time.monotonic() < deadline:
            await self._write_down(followers, self._current()[1])
            await self._pause(_TICK_S, looked_at=True)
        await followers.close()
        with contextlib.suppress(OSError):
            self._writer.close()
        try:
            sizes = await _whole(in_thread(records.put_aside, self._folder, before, number))
            self._positions.begin(number, sizes)
        except OSError as error:
            self._not_written(error)
            self._positions.attempt = number
        await _whole(in_thread(self._open))
        return self._follow()

    async def _fetch_bundle(self) -> None:
        """Gets the code out of the cluster, where this machine has it not: the notebook is in it."""
        try:
            if not await bundles.fetched(self._connection, self._job.namespace, self._current, self._folder):
                self._notice("The job's code is not in the cluster any more: its notebook cannot be shown.")
        except OSError as error:
            self._not_written(error)

    # What is written down

    async def _write_down(self, followers: Followers, reading: Reading) -> None:
        """Brings status and positions up to what is known, as often as they may be written."""
        seen, phase = self._seen, self._ledger.status.phase
        if self._news or seen is not self._merged:
            self._news, self._merged = False, seen
            self._merge(reading)
        now, snapshot = time.monotonic(), None
        if self._may_snap and now >= self._snapped_at + _SNAP_S:
            snapshot = self._snapshot(followers)
        changed = self._ledger.status.phase is not phase
        save = self._ledger.unsaved and (changed or (self._ledger.due and now >= self._write_again_at))
        if snapshot is not None or save:
            await _whole(in_thread(self._write, snapshot, save))
        self._tell()

    def _write(self, snapshot: bytes | None, save: bool) -> None:
        """Off the loop: a slow disk must not hold everybody up."""
        try:
            if snapshot is not None:
                self._positions.write(snapshot)
            if save:
                self._ledger.save()
        except OSError as error:
            self._not_written(error)

    def _merge(self, reading: Reading) -> None:
        ledger = self._ledger
        for text in [*self._job.notices, *reading.notices, *self._replay.notices]:
            ledger.notice(text)
        fields = merging.changes(ledger.status, reading, self._replay, self._writer.sample, self._writer.last_line)
        ledger.update(**fields, run=self._mlflow.seen(self._replay.run()) or ledger.status.run)
        if reading.phase.final:
            ledger.update(reason=Reason(code=READING_LOGS, text="It is over; the rest of its logs is being read."))
        else:
            self._enter(reading.phase, merging.reason_of(reading, self._replay), reading)

    def _enter(self, phase: Phase, reason: Reason | None, reading: Reading) -> None:
        timeline = merging.timeline_of(self._ledger.status.timeline, reading, phase, time.time())
        self._ledger.update(phase=phase, reason=reason, timeline=timeline)

    @property
    def _may_snap(self) -> bool:
        """Whether a snapshot is wanted and true: no frame is half read, and the record has no hole to be read again."""
        return self._unsnapped and not self._unsafe and not self._writer.pending

    def _snapshot(self, followers: Followers) -> bytes:
        self._unsnapped, self._snapped_at = False, time.monotonic()
        self._writer.rest()
        return self._positions.snapshot(followers.positions(), self._writer.sizes(), self._writer.highest())

    def _not_written(self, error: OSError) -> None:
        """The job goes on without its record: what is missing is read again by the next process."""
        self._unsafe, self._write_again_at = True, time.monotonic() + _FULL_S
        why = error.strerror or str(error)
        self._ledger.notice(f"Parts of this record could not be written to {self._folder.path}: {why}.")

    def _tell(self) -> None:
        if self._ledger.status is not self._told and not self._ledger.unsaved:
            self._told = self._ledger.status
            self._on_change(self._told)

    # The end

    async def _end(self, reading: Reading) -> None:
        """Writes the notebook and says that the job is over."""
        ledger = self._ledger
        for text in merging.what_is_missing(self._writer.missing(), self._replay, ledger.status, reading.phase):
            ledger.notice(text)
        notebook = self._replay.notebook() if self._has_notebook else None
        while True:
            try:
                if notebook is not None:
                    write_atomically(self._folder.executed, await in_thread(as_file, notebook))
                self._merge(reading)
                reason = merging.reason_of(reading, self._replay)
                error = reason.text if reason is not None and reading.phase is Phase.FAILED else None
                ledger.update(
                    finished_at=reading.finished_at or time.time(),
                    error=error,
                    run=self._mlflow.unsettled(self._replay.run()),
                )
                self._enter(reading.phase, reason, reading)
                ledger.save()
                break
            except OSError as error:  # it stays in the cluster for days: room may be made meanwhile
                self._not_written(error)
                await asyncio.sleep(_FULL_S)
        self._tell()

    async def _settle(self) -> None:
        """Completes the MLflow run of a job that is over; may take seconds."""
        status = self._ledger.status
        if status.run is not None and status.run.state is not RunState.PENDING:
            return
        run = await self._mlflow.settle(status)
        self._ledger.update(run=run)
        with contextlib.suppress(OSError):  # said already: that it is over, and why
            self._ledger.save()
        self._tell()

    def _first_status(self) -> JobStatus:
        job, spec = self._job, self._job.spec
        return JobStatus(
            id=job.id,
            name=spec.name,
            notebook=spec.notebook,
            backend=self._backend,
            phase=Phase.QUEUED,
            workers=spec.workers,
            gpus=spec.gpus,
            world_size=spec.world_size,
            created_at=time.time(),
            spec=spec,
            notices=list(job.notices),
            folder=str(self._folder.path),
        )


async def _whole(work: Coroutine[Any, Any, _T]) -> _T:
    """What `work` gives. It is waited for even when we are cancelled: the folder is ours only until then."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait({task})
