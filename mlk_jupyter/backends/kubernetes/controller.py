"""What runs in this process while somebody looks at a cluster's jobs, or a job of this user needs its record.

One informer for all, and one recorder for each job that has begun and is not over, or was not when we last looked.
Nothing of it runs otherwise. Other processes of the same user may do the same: a job's folder is written by the one
that has its lock, and read by the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Mapping, Sequence

from ...follow.broadcast import Changes
from ...model import JobStatus, JobSummary, Phase
from ...model.api import WatchState
from ...threads import in_thread
from ...waiting import is_set_within
from .api.api_errors import ApiError
from .cluster import Cluster, Offer
from .hardware import LargestNode
from .job_list import JobList
from .job_status import being_removed, described, summary_of
from .job_task import NO_NONCE, End, Host, JobTask
from .kinds.fields import orphaned
from .lifecycle.attempts import AttemptStarter
from .lifecycle.expiry import Expiry
from .other_processes import OtherProcesses
from .recording.records import Record, Records
from .resources import Objects
from .status.explain.background import Background
from .status.submitted import SubmittedJob
from .timing import Timing
from .watch.holdings import Snapshot
from .watch.informer import Informer

logger = logging.getLogger(__name__)

_AT_ONCE = 8  # finished jobs that are caught up with at the same time
_AT_A_TIME = 200  # jobs whose records are read by one thread, and that are told of together
_SLICE = 10  # jobs that are looked at before others get their turn
_WAITING = (Phase.QUEUED, Phase.SUSPENDED)


class Controller:
    """One cluster's jobs of one user. Owns its tasks, from the first viewer or running job to the last."""

    def __init__(self, cluster: Cluster, records: Records, backend: str, timing: Timing | None = None) -> None:
        self._cluster, self._records, self._backend = cluster, records, backend
        self._timing = timing or Timing()
        self._list = JobList()
        self._others = OtherProcesses(records, self._list.show)
        self._tasks: dict[str, JobTask] = {}
        self._waiting: set[str] = set()
        """Jobs that have not begun, so that there is nothing to record of them."""
        self._wanted: set[str] = set()
        """Jobs that somebody looks at though they ended long ago or have not begun, and those just submitted."""
        self._leaving: dict[str, bool] = {}
        """Jobs that this process deletes, until they are deleted (True) and nothing of them is seen any more."""
        self._owed: set[str] = set()
        """Jobs that were not over when we last looked, until they are looked at again."""
        self._arriving = 0  # viewers that wait for the first list
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._informer: Informer | None = None
        self._largest: LargestNode | None = None
        self._task: asyncio.Task[None] | None = None
        self._trouble: ApiError | None = None
        self._attempts = AttemptStarter(cluster, records, self._heard)
        self._expiry = Expiry(cluster)
        self._host = Host(
            cluster, records, backend, self._attempts, self._ready, asyncio.Semaphore(_AT_ONCE),
            self._observed, self._heard, self._list.show, self._timing.recording,
        )  # fmt: skip

    # What is known

    @property
    def live(self) -> bool:
        """Whether `jobs` is kept up to date."""
        return self._informer is not None and self._ready.is_set()

    @property
    def state(self) -> tuple[WatchState, str | None]:
        """How fresh it is, and why it is not fresher."""
        if self._task is None or self._task.done():
            return WatchState.IDLE, None
        if self._informer is not None:
            return self._informer.state
        if self._trouble is None:
            return WatchState.CONNECTING, None
        refused = self._trouble.status in (401, 403)
        return (
            WatchState.REFUSED if refused else WatchState.RECONNECTING
        ), f"{self._trouble.detail} {self._trouble.hint}"

    @property
    def background(self) -> Background | None:
        """What is known of the nodes, for the reasons of jobs that wait."""
        return self._largest.background if self._largest is not None else None

    def jobs(self) -> Mapping[str, JobSummary]:
        """All jobs by id."""
        return self._list.jobs

    def status(self, job_id: str) -> JobStatus | None:
        """One job whole, if this process records it."""
        task = self._tasks.get(job_id)
        return task.status if task is not None else None

    def objects(self, job_id: str) -> Objects | None:
        """What the cluster holds of a job; None when it is not being watched."""
        return self._observed(job_id) if self.live else None

    def fresh_objects(self, job_id: str) -> Objects | None:
        """The same; None also when what is known may be old."""
        return self._observed(job_id) if self._fresh else None

    def snapshot(self) -> Snapshot | None:
        """All that the cluster holds; None when what is known of it may be old."""
        return self._informer.snapshot() if self._informer is not None and self._fresh else None

    @property
    def _fresh(self) -> bool:
        return self.live and self._informer is not None and self._informer.state[0] is WatchState.LIVE

    def knows(self, job_id: str) -> bool:
        return job_id in self._list.jobs

    # What is wanted

    def look(self, job_id: str, rank: int | None) -> None:
        """Somebody looks at a job or one of its ranks, for some seconds."""
        task = self._tasks.get(job_id)
        if task is not None:
            task.look(rank)
        elif self.live and job_id not in self._wanted and job_id not in self._others:
            self._wanted.add(job_id)
            self._heard({job_id})

    async def submitted(self, job_id: str, status: JobStatus) -> None:
        """A job was created by this process: its record begins at once."""
        self._list.show(status)
        self._wanted.add(job_id)
        self._leaving.pop(job_id, None)
        self._others.drop(job_id)
        await self.start()
        if self._informer is not None and self._informer.exists(job_id):
            self._heard({job_id})

    async def start(self) -> None:
        """Begins to watch, if it is not going on already."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"watch of {self._cluster.title}")

    async def view(self) -> AsyncIterator[Changes]:
        """All jobs, then what changed."""
        self._arriving += 1
        try:
            await self.start()
            await is_set_within(self._timing.first_list_s, self._ready)
            changes = self._list.follow()
        finally:
            self._arriving -= 1
        async with contextlib.aclosing(changes):  # type: ignore[type-var]
            async for one in changes:
                yield one

    async def leave(self, job_id: str) -> None:
        """Ends the recording of a job that is about to be deleted."""
        self._leaving[job_id] = False
        for some in (self._wanted, self._waiting):
            some.discard(job_id)
        self._others.drop(job_id)
        await self._attempts.leave(job_id)
        task = self._tasks.pop(job_id, None)
        if task is not None:
            await task.end()

    def stay(self, job_id: str) -> None:
        """A job could not be deleted."""
        self._leaving.pop(job_id, None)
        self._heard({job_id})

    def forget(self, job_id: str) -> None:
        """A job was deleted."""
        if job_id in self._leaving:
            self._leaving[job_id] = True
            self._heard({job_id})
        for some in (self._wanted, self._waiting):
            some.discard(job_id)
        self._others.drop(job_id)
        self._list.drop(job_id)

    async def close(self) -> None:
        """Ends everything. Jobs go on."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    # The task

    async def _run(self) -> None:
        retry_s = self._timing.first_retry_s
        try:
            await self._recall()
            while True:
                try:
                    offer = await self._cluster.offer()
                    self._trouble = None
                    await self._observe(offer)
                    retry_s = self._timing.first_retry_s
                    if self._needed():  # somebody came at the last moment
                        continue
                    return
                except ApiError as error:
                    self._trouble = error
                    logger.info("%s cannot be watched now: %s", self._cluster.title, error.detail)
                except Exception:
                    # Nobody would restart it, and jobs would go unrecorded.
                    logger.exception("The watch of %s broke; it starts again", self._cluster.title)
                if not self._needed():
                    return
                await asyncio.sleep(retry_s)
                retry_s = min(self._timing.last_retry_s, retry_s * 2)
        finally:
            await self._end_all()

    async def _recall(self) -> None:
        """What was written down of all jobs; those that come or go meanwhile are as they then are."""
        before = dict(self._list.jobs)
        await self._others.begin()
        written = await in_thread(self._records.summaries)
        self._owed = await in_thread(self._records.unfinished)
        self._list.replace({job_id: job for job_id, job in written.items() if job_id not in self._leaving}, before)

    async def _observe(self, offer: Offer) -> None:
        """Watches until nobody needs it any more."""
        served = offer.served
        informer = Informer(
            self._cluster.connection,
            user=self._cluster.user,
            kinds=served.resources,
            workloads=served.workloads,
            times=self._timing.watch,
        )
        largest = LargestNode(
            lambda fresh_s: self._cluster.hardware(offer.access, fresh_s),
            lambda: self._heard(self._list.queued),
            self._timing.largest_s,
        )
        async with informer:
            self._informer, self._largest = informer, largest
            unsubscribe = informer.subscribe(self._heard)
            try:
                await largest.learn()
                await informer.ready()
                self._heard(informer.job_ids() | self._owed)
                await self._take_all()
                self._owed.clear()
                self._ready.set()
                look_again_at = figures_at = time.monotonic()
                unneeded_since: float | None = None
                while True:
                    longest_s = self._timing.elsewhere_s if self._others else self._timing.linger_s
                    await is_set_within(min(longest_s, self._timing.figures_s), self._wake)
                    self._wake.clear()
                    if time.monotonic() >= look_again_at:  # not at each change: it reads the disk, and walks all jobs
                        self._changed.update(await self._others.written())
                        self._changed.update(await self._others.deleted(self._tasks))
                        look_again_at = time.monotonic() + self._timing.elsewhere_s
                        self._expiry.remove_due(informer.objects)
                        largest.mind(lambda: self._list.queued, lambda: self._list.repelled)
                    if time.monotonic() >= figures_at + self._timing.figures_s:
                        self._changed |= self._list.timed
                        figures_at = time.monotonic()
                    await self._take_all()
                    if self._needed():
                        unneeded_since = None
                    elif unneeded_since is None:
                        unneeded_since = time.monotonic()
                    elif time.monotonic() - unneeded_since >= self._timing.linger_s:
                        return
            finally:
                unsubscribe()
                self._informer = None
                self._ready.clear()
                await self._expiry.close()
                await largest.close()

    def _needed(self) -> bool:
        recorded = self._tasks or self._attempts or self._waiting or self._others or self._wanted or self._owed
        return bool(self._list or self._arriving or recorded)

    def _heard(self, job_ids: set[str]) -> None:
        self._changed |= job_ids
        self._wake.set()

    def _observed(self, job_id: str) -> Objects | None:
        return self._informer.objects(job_id) if self._informer is not None else None

    # Looking at jobs

    async def _take_all(self) -> None:
        """Looks at every job of which something changed."""
        while self._changed:
            due = list(self._changed)
            self._changed.clear()
            for start in range(0, len(due), _AT_A_TIME):
                await self._take_some(due[start : start + _AT_A_TIME])
                await asyncio.sleep(0)

    async def _take_some(self, batch: Sequence[str]) -> None:
        unread = {job_id for job_id in batch if self._asks_the_record(job_id)}
        # One thread for all of them: with 10,000 jobs, starting threads took longer than anything else.
        records = await in_thread(self._records.read, unread) if unread else {}
        before = {job_id for job_id in batch if job_id in self._waiting}
        with self._list.together():
            for number, job_id in enumerate(batch):
                self._take(job_id, records.get(job_id))
                if number % _SLICE == _SLICE - 1:
                    await asyncio.sleep(0)
        begun = {job_id for job_id in batch if job_id in self._waiting} - before
        if begun:
            await in_thread(self._records.begun, begun)

    def _asks_the_record(self, job_id: str) -> bool:
        """Whether what is to be done about a job depends on what lies in its folder."""
        assert self._informer is not None
        task = self._tasks.get(job_id)
        return task is None or not self._informer.exists(job_id)

    def _take(self, job_id: str, record: Record | None) -> None:
        """Looks at one job. Waits for nothing: what it decides by cannot change meanwhile.

        Args: record: None: it was not to be asked when the batch was read.
        """
        if self._informer is None:
            return
        if record is None and self._asks_the_record(job_id):  # its recorder ended just now
            self._changed.add(job_id)
            return
        task = self._tasks.get(job_id)
        if (task is not None and task.open) or (record is not None and record.exists):
            self._others.has_record(job_id)
        if task is not None:
            if task.open:
                being_submitted = record is not None and record.being_submitted
                task.update(self._informer.objects(job_id), self.background, being_submitted=being_submitted)
            return
        assert record is not None
        self._waiting.discard(job_id)
        if job_id in self._others:
            return
        exists = self._informer.exists(job_id)
        if job_id in self._leaving:
            if self._leaving[job_id] and not exists:
                del self._leaving[job_id]
            return
        known = self._list.jobs.get(job_id)
        if known is not None and known.phase is Phase.STOPPED:
            self._expiry.note(self._informer.objects(job_id))
        wanted = job_id in self._wanted
        if known is not None and known.phase.final and not record.unfinished and not wanted and exists:
            return
        objects = self._informer.objects(job_id)
        owner, submitted_job = described(objects)
        if submitted_job is not None:
            self._take_described(submitted_job, objects, record, removed=being_removed(owner))
        elif exists and not orphaned(objects):  # and says nothing that can be understood
            self._wanted.discard(job_id)
        else:
            self._take_gone(job_id, record, objects)

    def _take_described(self, submitted_job: SubmittedJob, objects: Objects, record: Record, *, removed: bool) -> None:
        """A job that the cluster describes, and nobody here records yet. `removed`: somebody has deleted it."""
        job_id, written = submitted_job.id, record.status
        if written is not None and written.phase.final and not record.unfinished:
            self._wanted.discard(job_id)
            self._list.show(written)
            return
        now = summary_of(objects, written, self._backend, self.background, submitted_job=submitted_job)
        if now is None:
            return
        self._list.show(now)
        if written is None and removed:  # a record that was deleted is not begun again
            self._wanted.discard(job_id)
            return
        wanted = job_id in self._wanted
        if now.phase.final and not wanted and self._ended_long_ago(now):
            return
        if record.being_submitted:
            self._others.record(job_id, self._timing.elsewhere_s)
        elif now.phase in _WAITING and now.attempt == 1 and not wanted and not record.submitting:
            self._waiting.add(job_id)  # its pods have said nothing, and its objects say all there is
        else:
            self._begin(submitted_job, known_final=now.phase.final)

    def _take_gone(self, job_id: str, record: Record, objects: Objects) -> None:
        """A job that the cluster holds nothing of, or pods alone: its record, if there is one, gets its end."""
        written = record.status
        if written is None:
            self.forget(job_id)
        elif written.phase.final and not record.unfinished:
            self._wanted.discard(job_id)
            self._list.show(written)
        elif record.being_submitted:
            self._others.record(job_id, self._timing.elsewhere_s)
        else:
            nobodys = SubmittedJob(id=job_id, namespace=self._cluster.namespace, spec=written.spec, nonce=NO_NONCE)
            runs_on = bool(orphaned(objects))
            self._begin(nobodys, known_final=not runs_on, missing=not runs_on)

    def _ended_long_ago(self, job: JobSummary) -> bool:
        return job.finished_at is not None and time.time() - job.finished_at > self._timing.catch_up_s

    # Recording

    def _begin(self, submitted_job: SubmittedJob, *, known_final: bool, missing: bool = False) -> None:
        urgent = submitted_job.id in self._wanted
        task = JobTask(submitted_job, self._host, known_final=known_final, missing=missing, urgent=urgent)
        self._tasks[submitted_job.id] = task
        task.start(self._ended)

    def _ended(self, task: JobTask, end: End | None) -> None:
        if self._tasks.get(task.id) is not task:
            return  # left: whoever did that knows more
        del self._tasks[task.id]
        if end in (End.TAKEN, End.UNKNOWN):
            self._others.record(task.id, self._timing.take_over_s)
        elif end is End.BEING_SUBMITTED:
            self._others.record(task.id, self._timing.elsewhere_s)
        elif end is End.THERE:
            self._changed.add(task.id)
        elif end is not End.UNHEARD:
            self._wanted.discard(task.id)
            if end is End.WRITTEN:  # how long it is kept is for whoever looks at those that are over
                self._changed.add(task.id)
        self._wake.set()

    async def _end_all(self) -> None:
        await self._attempts.close()
        tasks, self._tasks = list(self._tasks.values()), {}
        await asyncio.gather(*(task.end() for task in tasks))
        self._others.clear()
        for some in (self._waiting, self._wanted, self._owed):
            some.clear()
