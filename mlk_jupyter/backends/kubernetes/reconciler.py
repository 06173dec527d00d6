"""What is done about each job of a cluster of which something changed: it is shown, recorded here, or left to others.

Other processes of the same user may do the same: a job's folder is written by the one that has its lock, and read by
the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from ...model import JobStatus, JobSummary, Phase
from ...threads import in_thread
from .cluster import Cluster
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
from .watch.informer import Informer

_AT_ONCE = 8  # finished jobs that are caught up with at the same time
_AT_A_TIME = 200  # jobs whose records are read by one thread, and that are told of together
_SLICE = 10  # jobs that are looked at before others get their turn
_WAITING = (Phase.QUEUED, Phase.SUSPENDED)


class Reconciler:
    """Owns the recording of jobs until `end_all`.

    Args:
        jobs:   the list as it is shown.
        listed: set once all jobs are shown: until then nothing is recorded that can wait.
        wake:   called when there is something to do: `take_all`.
    """

    def __init__(
        self,
        cluster: Cluster,
        records: Records,
        backend: str,
        timing: Timing,
        jobs: JobList,
        listed: asyncio.Event,
        wake: Callable[[], None],
    ) -> None:
        self._cluster, self._records, self._backend, self._timing = cluster, records, backend, timing
        self._list, self._listed, self._wake = jobs, listed, wake
        self.informer: Informer | None = None
        """What the cluster holds, while it is watched."""
        self.largest: LargestNode | None = None
        """The largest node, while it is watched, and as it was then."""
        self.others = OtherProcesses(records, jobs.show)
        self.expiry = Expiry(cluster)
        self._tasks: dict[str, JobTask] = {}
        self._waiting: set[str] = set()
        """Jobs that have not begun, so that there is nothing to record of them."""
        self._wanted: set[str] = set()
        """Jobs that somebody looks at though they ended long ago or have not begun, and those just submitted."""
        self._leaving: dict[str, bool] = {}
        """Jobs that this process deletes, until they are deleted (True) and nothing of them is seen any more."""
        self._changed: set[str] = set()
        self._attempts = AttemptStarter(cluster, records, self.heard)
        self._host = Host(
            cluster, records, backend, self._attempts, listed, asyncio.Semaphore(_AT_ONCE),
            self.objects, self.heard, jobs.show, timing.recording,
        )  # fmt: skip

    def __bool__(self) -> bool:
        """Whether a job needs its record, or may need it."""
        return bool(self._tasks or self._attempts or self._waiting or self.others or self._wanted)

    def status(self, job_id: str) -> JobStatus | None:
        """One job whole, if this process records it."""
        task = self._tasks.get(job_id)
        return task.status if task is not None else None

    def look(self, job_id: str, rank: int | None) -> None:
        """Somebody looks at a job or one of its ranks, for some seconds."""
        task = self._tasks.get(job_id)
        if task is not None:
            task.look(rank)
        elif self._listed.is_set() and job_id not in self._wanted and job_id not in self.others:
            self._wanted.add(job_id)
            self.heard({job_id})

    def submitted(self, job_id: str, status: JobStatus) -> None:
        """A job was created by this process: its record begins at once, or when it is watched."""
        self._list.show(status)
        self._wanted.add(job_id)
        self._leaving.pop(job_id, None)
        self.others.drop(job_id)
        if self.informer is not None and self.informer.exists(job_id):
            self.heard({job_id})

    async def leave(self, job_id: str) -> None:
        """Ends the recording of a job that is about to be deleted."""
        self._leaving[job_id] = False
        for some in (self._wanted, self._waiting):
            some.discard(job_id)
        self.others.drop(job_id)
        await self._attempts.leave(job_id)
        task = self._tasks.pop(job_id, None)
        if task is not None:
            await task.end()

    def stay(self, job_id: str) -> None:
        """A job could not be deleted."""
        self._leaving.pop(job_id, None)
        self.heard({job_id})

    def forget(self, job_id: str) -> None:
        """A job was deleted."""
        if job_id in self._leaving:
            self._leaving[job_id] = True
            self.heard({job_id})
        for some in (self._wanted, self._waiting):
            some.discard(job_id)
        self.others.drop(job_id)
        self._list.drop(job_id)

    @property
    def background(self) -> Background | None:
        """What is known of the nodes, for the reasons of jobs that wait."""
        return self.largest.background if self.largest is not None else None

    def objects(self, job_id: str) -> Objects | None:
        """What the cluster holds of a job; None while it is not watched."""
        return self.informer.objects(job_id) if self.informer is not None else None

    def is_leaving(self, job_id: str) -> bool:
        """Whether this process deletes it."""
        return job_id in self._leaving

    async def look_around(self) -> None:
        """Hears of what other processes wrote down and deleted."""
        self._changed.update(await self.others.written())
        self._changed.update(await self.others.deleted(self._tasks))

    def heard(self, job_ids: set[str]) -> None:
        """Something changed in these jobs."""
        self._changed |= job_ids
        self._wake()

    # Looking at jobs

    async def take_all(self) -> None:
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
        assert self.informer is not None
        task = self._tasks.get(job_id)
        return task is None or not self.informer.exists(job_id)

    def _take(self, job_id: str, record: Record | None) -> None:
        """Looks at one job. Waits for nothing: what it decides by cannot change meanwhile.

        Args: record: None: it was not to be asked when the batch was read.
        """
        if self.informer is None:
            return
        if record is None and self._asks_the_record(job_id):  # its recorder ended just now
            self._changed.add(job_id)
            return
        task = self._tasks.get(job_id)
        if (task is not None and task.open) or (record is not None and record.exists):
            self.others.has_record(job_id)
        if task is not None:
            if task.open:
                being_submitted = record is not None and record.being_submitted
                task.update(self.informer.objects(job_id), self.background, being_submitted=being_submitted)
            return
        assert record is not None
        self._waiting.discard(job_id)
        if job_id in self.others:
            return
        exists = self.informer.exists(job_id)
        if job_id in self._leaving:
            if self._leaving[job_id] and not exists:
                del self._leaving[job_id]
            return
        known = self._list.jobs.get(job_id)
        if known is not None and known.phase is Phase.STOPPED:
            self.expiry.note(self.informer.objects(job_id))
        wanted = job_id in self._wanted
        if known is not None and known.phase.final and not record.unfinished and not wanted and exists:
            return
        objects = self.informer.objects(job_id)
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
            self.others.record(job_id, self._timing.elsewhere_s)
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
            self.others.record(job_id, self._timing.elsewhere_s)
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
            self.others.record(task.id, self._timing.take_over_s)
        elif end is End.BEING_SUBMITTED:
            self.others.record(task.id, self._timing.elsewhere_s)
        elif end is End.THERE:
            self._changed.add(task.id)
        elif end is not End.UNHEARD:
            self._wanted.discard(task.id)
            if end is End.WRITTEN:  # how long it is kept is for whoever looks at those that are over
                self._changed.add(task.id)
        self._wake()

    async def end_all(self) -> None:
        """Ends all recording. Jobs go on."""
        await self._attempts.close()
        tasks, self._tasks = list(self._tasks.values()), {}
        await asyncio.gather(*(task.end() for task in tasks))
        self.others.clear()
        for some in (self._waiting, self._wanted):
            some.clear()
