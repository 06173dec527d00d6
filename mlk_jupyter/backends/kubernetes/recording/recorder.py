"""Writes down one job of a cluster in its folder, for as long as this process lives and the job does.

How a backend uses it (all of it in one event loop):

    recorder = Recorder(folder, job, connection, on_change=...)
    async with recorder:                       # raises Taken: another process of this user records it; read its folder
        recorder.update(objects, reading)      # at every change that the informer tells of; cheap, returns at once
        recorder.look(rank)                    # while somebody looks at a rank (None: at the job); holds for 15 s
        recorder.status                        # what is known, and status.json will hold in a moment
        await recorder.finished()              # everything is written: the end, executed.ipynb, the MLflow run

- The folder is made if it is missing: the spec is the job's, the bundle comes out of its ConfigMap where that is still
  there. Nothing happens before the first `update`.
- `reading` is the caller's to complete: an attempt that will be followed by another (`attempts.between`) is not final.
  A final reading makes the job final once all logs were read to their end, 30 s later at the latest; a final status
  never changes again, whatever is read afterwards.
- `on_change` gets each new status, in the loop, before it is written; the final one once all of it is.
- The loop reads and writes no file: all that came since the last time is written by one thread.
- Leaving the context keeps the record in order at any moment; the next Recorder, in whichever process, goes on exactly.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Callable
from typing import Protocol

from ....model import JobStatus, Phase
from ....record.folder import JobFolder, write_atomically
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
from ..status.submitted import SubmittedJob
from ..timing import RecordingTiming
from . import bundles, merging, records
from .account import Account
from .beside import Beside
from .followers import Followers
from .intake import Batch, Intake, whole
from .logs import LogSource
from .mlflow import Recording
from .positions import Positions


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
        job: SubmittedJob,
        connection: Source,
        *,
        backend: str = "kubernetes",
        on_change: Callable[[JobStatus], None] = lambda status: None,
        timing: RecordingTiming | None = None,
    ) -> None:
        self._folder = folder
        self._job = job
        self._connection = connection
        self._backend = backend
        self._on_change = on_change
        self._timing = timing or RecordingTiming()
        self._ownership = Ownership(folder)
        self._beside = Beside(connection, job.namespace)
        self._seen: tuple[Objects, Reading] | None = None
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()  # something was told or asked; what is merely read can wait for a moment
        self._over = asyncio.Event()
        self._merged: Reading | None = None  # what the status knows
        self._unsnapped = False  # something was written that `positions.json` does not know
        self._snapped_at = 0.0  # monotonic
        self._unsafe = False  # something could not be written: positions stay where they were
        self._write_again_at = 0.0  # monotonic
        self._final_since: float | None = None  # monotonic
        self._looks: list[int | None] = []
        self._run_pods: set[str] = set()  # uids of the pods of the run that the record is of
        self._task: asyncio.Task[None] | None = None

    # What the backend calls

    async def __aenter__(self) -> Recorder:
        try:
            await whole(in_thread(self._take))
        except asyncio.CancelledError:
            self._ownership.release()
            raise
        self._task = asyncio.create_task(self._run(), name=f"recorder of {self._job.id}")
        return self

    def _take(self) -> None:
        """Makes the folder ours. Blocking."""
        self._folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ownership.__enter__()
        try:
            if self._folder.read_spec() is None:
                self._folder.write_spec(self._job.spec)
            mlflow = Recording(self._folder, self._job.spec)
            self._ledger = Account(self._folder, self._job, self._backend, mlflow, self._on_change)
            self._positions = Positions(self._folder)
        except BaseException:
            self._ownership.release()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})
        self._ownership.release()
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
            self._intake = await self._open()
            reading = await self._record()
            await self._end(reading)
        await self._ledger.settle()
        self._over.set()

    async def _record(self) -> Reading:
        """From the first update until the job is over and its logs are read. Gives the final reading."""
        followers = self._follow()
        try:
            while True:
                self._wake.clear()
                self._urgent.clear()
                objects, reading = self._current()
                reading = await self._beside.told(reading, objects.now)
                if reading.attempt > self._positions.attempt:
                    followers = await self._begin_attempt(followers, reading.attempt)
                followers = await self._mind_the_run(followers, objects)
                while self._looks:
                    followers.look(self._looks.pop())
                unread = followers.sync(objects, self._positions.attempt, over=reading.phase.final)
                await self._write_down(followers, reading)
                if not reading.phase.final:
                    self._final_since = None
                elif self._may_end(objects, reading.phase, unread):
                    return reading
                if reading.phase.final:
                    await self._pause(self._timing.tick_s, hurry=True)
                elif followers.looked_at:
                    await self._pause(self._timing.looked_s, hurry=True)
                else:
                    await self._pause(None, hurry=False)
        finally:
            await self._put_away(followers)

    def _current(self) -> tuple[Objects, Reading]:
        assert self._seen is not None
        return self._seen

    async def _pause(self, longest_s: float | None, *, hurry: bool) -> None:
        """Until something happens, or what is known is due to be written."""
        waiting = []
        if self._ledger.unsaved:
            waiting.append(max(self._timing.tick_s, self._write_again_at - time.monotonic()))
        if self._may_snap:
            waiting.append(max(self._timing.tick_s, self._snapped_at + self._timing.snap_s - time.monotonic()))
        longest_s = min([*waiting, *([longest_s] if longest_s is not None else [])], default=None)
        await is_set_within(longest_s, self._wake)
        # What comes meanwhile is written down together; the longer, the fewer look at it.
        await is_set_within(self._timing.tick_s if hurry else self._timing.unseen_s, self._urgent)

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
        return waited >= self._timing.last_logs_s or not (unread or (late and waited < self._timing.late_s))

    # Logs and frames

    async def _open(self) -> Intake:
        """The record as far as it goes."""
        writer, error = await whole(in_thread(self._continued))
        if error is not None:
            self._not_written(error)
        return Intake(writer, self._positions, self._urgent.set)

    def _continued(self) -> tuple[FolderWriter, OSError | None]:
        """Who goes on with the record, and what could not be written. Blocking: frames are applied again."""
        there = [uid(pod) for pod in self._current()[0].pods]
        trouble = None
        try:
            if self._positions.to_read_again() and self._positions.resumable(there):
                self._positions.rewind()
            self._positions.start()
        except OSError as error:
            trouble = error
        replay = replay_of(self._folder)
        self._has_notebook = replay is not None
        self._replay = replay or Replay({"cells": []}, job_id=self._job.id, world_size=self._job.spec.world_size)
        spec = self._job.spec
        return FolderWriter(
            self._folder, self._replay, self._job.nonce, self._positions.frames, ranks_in_source=spec.ranks_in_worker
        ), trouble

    def _follow(self) -> Followers:
        return Followers(
            self._connection, self._job.namespace, self._positions, self._feed, self._notice,
            room=self._intake.room, timing=self._timing,
        )  # fmt: skip

    def _notice(self, text: str) -> None:
        self._ledger.notice(text)
        self._wake.set()

    def _feed(self, worker: int, data: bytes) -> None:
        self._intake.add(worker * self._job.spec.ranks_in_worker, data)
        self._wake.set()

    async def _begin_attempt(self, followers: Followers, number: int) -> Followers:
        """Reads what the attempt before left behind, puts it aside, and begins anew."""
        before, deadline = self._positions.attempt, time.monotonic() + self._timing.last_logs_s
        while followers.sync(self._current()[0], before, over=True) and time.monotonic() < deadline:
            await self._write(self._intake.cut(followers.positions()), snap=False, save=False)
            await self._pause(self._timing.tick_s, hurry=True)
        await self._put_away(followers)
        self._positions.run = ""
        return await self._begin_record(functools.partial(records.put_aside, before=before), number)

    async def _begin_record(self, put_aside: Callable[..., None], number: int) -> Followers:
        try:
            await whole(in_thread(lambda: put_aside(self._folder, number=number, begin=self._positions.begin)))
        except OSError as error:
            self._not_written(error)
            self._positions.attempt = number
        self._intake = await self._open()
        return self._follow()

    async def _mind_the_run(self, followers: Followers, objects: Objects) -> Followers:
        """Begins anew when the job was taken out of the cluster and its ranks have begun again in other pods."""
        kind, attempt = kind_of_job(objects), self._positions.attempt
        run = kind.run_of(objects, attempt)
        if kind.is_out(objects, attempt):  # it may go on in the very second in which it began: times have whole ones
            self._positions.run = ""
        pods = {uid(pod) for pod in kind.pods_of(objects, attempt).values()}
        if run == self._positions.run:
            self._run_pods |= pods
        # The job may be heard of before the end of its pods: read again, those would fill the record of the new ones.
        known = {key.partition("/")[0] for key in (*self._positions.keys(), *followers.positions())} | self._run_pods
        if not run or run == self._positions.run or not pods or pods & known:
            return followers
        self._positions.run, self._run_pods = run, pods
        if not (self._positions.begun or followers.positions()):
            return followers
        await self._put_away(followers)
        return await self._begin_record(records.put_run_aside, attempt)

    async def _put_away(self, followers: Followers) -> None:
        """Ends the reading of logs, with all that came of them written down."""
        await followers.close()
        batch = self._intake.cut(followers.positions())
        error = await whole(in_thread(self._write_last, batch))
        if error is not None:
            self._not_written(error)

    def _write_last(self, batch: Batch) -> OSError | None:
        error = self._intake.write(batch)
        with contextlib.suppress(OSError):  # said when it happened first
            if error is None and not self._unsafe and (batch.pieces or self._unsnapped):
                self._intake.snap(batch)
            self._intake.writer.close()
        return error

    async def _fetch_bundle(self) -> None:
        """Gets the code out of the cluster, where this machine has it not: the notebook is in it."""
        try:
            if not await bundles.fetched(self._connection, self._job.namespace, self._current, self._folder):
                self._notice("The job's code is not in the cluster any more: its notebook cannot be shown.")
        except OSError as error:
            self._not_written(error)

    # What is written down

    async def _write_down(self, followers: Followers, reading: Reading) -> None:
        """Brings the record up to what came, and the status to what that says, which is told at once."""
        now, phase = time.monotonic(), self._ledger.status.phase
        batch = self._intake.cut(followers.positions())
        self._unsnapped = self._unsnapped or bool(batch.pieces)
        snap = self._unsnapped and not self._unsafe and now >= self._snapped_at + self._timing.snap_s
        save = self._ledger.unsaved and self._ledger.due and now >= self._write_again_at
        if batch.pieces or snap or save:
            await self._write(batch, snap=snap, save=save)
        if batch.pieces or reading != self._merged:
            self._merged = reading
            self._ledger.merge(reading, self._replay, self._intake.writer)
            self._ledger.tell()
        if self._ledger.status.phase is not phase:
            await self._write(Batch([], batch.positions), snap=False, save=True)

    async def _write(self, batch: Batch, *, snap: bool, save: bool) -> None:
        """One thread writes all that is to be written now."""

        def write() -> tuple[bool, OSError | None]:
            trouble, snapped = self._intake.write(batch), False
            try:
                snapped = snap and trouble is None and self._intake.snap(batch)
                if save:
                    self._ledger.save(lasting=False)  # the cluster would tell it again
            except OSError as error:
                trouble = error
            return snapped, trouble

        snapped, trouble = await whole(in_thread(write))
        if snapped:
            self._unsnapped, self._snapped_at = False, time.monotonic()
        if trouble is not None:
            self._not_written(trouble)

    @property
    def _may_snap(self) -> bool:
        """Whether a snapshot is wanted and true: no frame is half read, and the record has no hole to be read again."""
        return self._unsnapped and not self._unsafe and not self._intake.writer.pending

    def _not_written(self, error: OSError) -> None:
        """The job goes on without its record: what is missing is read again by the next process."""
        self._unsafe, self._write_again_at = True, time.monotonic() + self._timing.full_s
        why = error.strerror or str(error)
        self._ledger.notice(f"Parts of this record could not be written to {self._folder.path}: {why}.")

    # The end

    async def _end(self, reading: Reading) -> None:
        """Writes the notebook and says that the job is over."""
        for text in merging.what_is_missing(self._intake.writer.missing(), self._replay, self.status, reading):
            self._ledger.notice(text)
        while True:
            try:
                await whole(in_thread(self._write_notebook))
                self._ledger.end(reading, self._replay, self._intake.writer)
                await whole(in_thread(self._ledger.save))
                break
            except OSError as error:  # it stays in the cluster for days: room may be made meanwhile
                self._not_written(error)
                await asyncio.sleep(self._timing.full_s)
        self._ledger.tell()

    def _write_notebook(self) -> None:
        """Blocking. Raises: OSError."""
        self._folder.sync()
        if self._has_notebook:
            write_atomically(self._folder.executed, as_file(self._replay.notebook()))
