"""What runs in this process while somebody looks at a cluster's jobs, or a job of this user needs its record.

One observer for all, and one recorder for each job that is not over, or was not when we last looked. Nothing of it runs
otherwise. Other processes of the same user may do the same: a job's folder is written by the one that has its lock, and
read by the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from ...model import JobStatus, JobSummary
from ...model.api import Link
from ...record.ownership import Taken
from ...threads import in_thread
from ...waiting import is_set_within
from ..base import Changes
from .api.api_errors import ApiError
from .cluster import Cluster, Offer
from .job_status import being_removed, gone, reading_of, status_of, submission_of
from .lifecycle.attempts import AttemptStarter
from .recording.recorder import Recorder
from .recording.records import Records
from .resources import Objects
from .status.attempts import RESTARTING
from .status.explain.scheduling import Background
from .status.read import Reading
from .status.submitted import Submitted
from .viewers import Viewers
from .watch.observer import Observer

logger = logging.getLogger(__name__)

_FIRST_LIST_S = 5.0  # how long viewers wait for a cluster before they get what was written down
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 15.0
_ELSEWHERE_S = 1.0  # how often the record of another process is looked at
_TAKE_OVER_S = 5.0  # and its lock tried
_LINGER_S = 3.0  # a page that is loaded again finds the watch running
_CATCH_UP_S = 86_400.0  # a job that ended longer ago is recorded when somebody looks at it
_AT_ONCE = 8  # finished jobs that are caught up with at the same time
_AT_A_TIME = 50  # jobs that are looked at before others get their turn


class Controller:
    """One cluster's jobs of one user. Owns its tasks, from the first viewer or running job to the last."""

    def __init__(self, cluster: Cluster, records: Records, backend: str, image: str | None) -> None:
        self._cluster, self._records, self._backend, self._image = cluster, records, backend, image
        self._viewers = Viewers(self.jobs)
        self._jobs: dict[str, JobSummary] = {}
        self._recorders: dict[str, asyncio.Task[bool]] = {}
        self._open: dict[str, Recorder] = {}
        self._elsewhere: dict[str, float] = {}
        """Jobs that another process records, and when its lock is tried again (monotonic)."""
        self._wanted: set[str] = set()
        """Jobs that somebody looks at though they ended long ago, and those just submitted."""
        self._attempts = AttemptStarter(cluster, records, self._heard)
        self._leaving: dict[str, bool] = {}
        """Jobs that this process deletes, until they are deleted (True) and nothing of them is seen any more."""
        self._owed: set[str] = set()
        """Jobs that were not over when we last looked, until they are looked at again."""
        self._cut_off: set[str] = set()
        """Jobs whose submission came to no end."""
        self._arriving = 0  # viewers that wait for the first list
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._catching_up = asyncio.Semaphore(_AT_ONCE)
        self._observer: Observer | None = None
        self._facts: Background | None = None
        self._readings: dict[str, Reading] = {}
        self._task: asyncio.Task[None] | None = None
        self._trouble: ApiError | None = None
        self._stamp = 0  # of the records
        self._there: set[str] = set()
        """Jobs that had a record when we last looked."""

    # What is known

    @property
    def live(self) -> bool:
        """Whether `jobs` is kept up to date."""
        return self._observer is not None and self._ready.is_set()

    @property
    def link(self) -> tuple[Link, str | None]:
        """How fresh it is, and why it is not fresher."""
        if self._task is None:
            return Link.IDLE, None
        if self._observer is not None:
            return self._observer.link
        if self._trouble is None:
            return Link.CONNECTING, None
        refused = self._trouble.status in (401, 403)
        return (Link.REFUSED if refused else Link.RECONNECTING), f"{self._trouble.detail} {self._trouble.hint}"

    def jobs(self) -> dict[str, JobSummary]:
        """All jobs by id."""
        return self._jobs

    def status(self, job_id: str) -> JobStatus | None:
        """One job whole, if this process records it."""
        recorder = self._open.get(job_id)
        return recorder.status if recorder is not None else None

    def objects(self, job_id: str) -> Objects | None:
        """What the cluster holds of a job; None when it is not being watched."""
        return self._observer.objects(job_id) if self._observer is not None and self.live else None

    def living(self) -> set[str] | None:
        """Jobs that the cluster holds something of; None when what is known of them may be old."""
        if self._observer is None or not self.live or self._observer.link[0] is not Link.LIVE:
            return None
        return self._observer.job_ids()

    def knows(self, job_id: str) -> bool:
        return job_id in self._jobs

    # What is wanted

    def look(self, job_id: str, rank: int | None) -> None:
        """Somebody looks at a job or one of its ranks, for some seconds."""
        recorder = self._open.get(job_id)
        if recorder is not None:
            recorder.look(rank)
        elif self.live and job_id not in self._wanted | self._elsewhere.keys() | self._recorders.keys():
            self._wanted.add(job_id)
            self._heard({job_id})

    async def submitted(self, job_id: str, status: JobStatus) -> None:
        """A job was created by this process: its record begins at once."""
        self._jobs.setdefault(job_id, status.summary())  # the cluster may have told of it, and more, already
        self._viewers.tell([job_id])
        self._wanted.add(job_id)
        self._leaving.pop(job_id, None)
        self._elsewhere.pop(job_id, None)
        await self.start()
        if self._observer is not None and self._observer.objects(job_id).exists:
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
            await is_set_within(_FIRST_LIST_S, self._ready)
            changes = self._viewers.follow()
        finally:
            self._arriving -= 1
        async with contextlib.aclosing(changes):  # type: ignore[type-var]
            async for one in changes:
                yield one

    async def leave(self, job_id: str) -> None:
        """Ends the recording of a job that is about to be deleted."""
        self._leaving[job_id] = False
        self._wanted.discard(job_id)
        self._elsewhere.pop(job_id, None)
        await self._attempts.leave(job_id)
        task = self._recorders.pop(job_id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    def stay(self, job_id: str) -> None:
        """A job could not be deleted."""
        self._leaving.pop(job_id, None)
        self._heard({job_id})

    def forget(self, job_id: str) -> None:
        """A job was deleted."""
        if job_id in self._leaving:
            self._leaving[job_id] = True
            self._heard({job_id})
        self._wanted.discard(job_id)
        self._elsewhere.pop(job_id, None)
        if self._jobs.pop(job_id, None) is not None:
            self._viewers.tell([job_id])

    async def close(self) -> None:
        """Ends everything. Jobs go on."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    # The task

    async def _run(self) -> None:
        retry_s = _FIRST_RETRY_S
        try:
            self._stamp = await in_thread(lambda: self._records.stamp)
            self._there = await in_thread(self._records.names)
            self._jobs = dict(await in_thread(self._records.summaries))
            self._owed = await in_thread(self._records.unfinished)
            while True:
                try:
                    offer = await self._cluster.offer()
                    self._trouble = None
                    await self._observe(offer)
                    retry_s = _FIRST_RETRY_S
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
                retry_s = min(_LAST_RETRY_S, retry_s * 2)
        finally:
            await self._end_all()

    async def _observe(self, offer: Offer) -> None:
        """Watches until nobody needs it any more."""
        served = offer.served
        self._facts = Background(largest=(await self._cluster.hardware(offer.access)).largest)
        observer = Observer(
            self._cluster.connection,
            user=self._cluster.user,
            job_sets=len(served.kinds) > 1,
            workloads=served.workloads,
        )
        async with observer:
            self._observer = observer
            unsubscribe = observer.subscribe(self._heard)
            try:
                await observer.ready()
                self._heard(observer.job_ids() | self._owed)
                await self._take_all()
                self._owed.clear()
                self._ready.set()
                while True:
                    await is_set_within(_ELSEWHERE_S if self._elsewhere else _LINGER_S, self._wake)
                    self._wake.clear()
                    await self._look_elsewhere()
                    await self._look_for_deleted()
                    await self._take_all()
                    if not self._needed() and not await self._needed_soon():
                        return
            finally:
                unsubscribe()
                self._observer = None
                self._ready.clear()

    def _needed(self) -> bool:
        tasks = self._recorders or self._attempts
        return bool(self._viewers or self._arriving or tasks or self._elsewhere or self._wanted or self._owed)

    async def _needed_soon(self) -> bool:
        await asyncio.sleep(_LINGER_S)
        return self._needed()

    def _heard(self, job_ids: set[str]) -> None:
        self._changed |= job_ids
        self._wake.set()

    async def _take_all(self) -> None:
        """Looks at every job of which something changed."""
        while self._changed:
            batch = [self._changed.pop() for _ in range(min(_AT_A_TIME, len(self._changed)))]
            unrecorded = {job_id for job_id in batch if job_id not in self._open}
            # One thread for all of them: with 10,000 jobs, starting threads took longer than anything else.
            unfinished, written = await in_thread(self._read, unrecorded) if unrecorded else (set(), {})
            for number, job_id in enumerate(batch):
                if job_id in unrecorded or job_id in self._open:
                    await self._take(job_id, written.get(job_id), unfinished=job_id in unfinished)
                else:  # its recorder ended just now
                    self._changed.add(job_id)
                if number % 10 == 9:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)

    def _read(self, job_ids: set[str]) -> tuple[set[str], dict[str, JobStatus | None]]:
        """Which jobs' ends were not written down, and what was written down of these. Blocking."""
        return self._records.unfinished(), {job_id: self._records.folder(job_id).read_status() for job_id in job_ids}

    async def _take(self, job_id: str, written: JobStatus | None, *, unfinished: bool) -> None:
        assert self._observer is not None
        objects = self._observer.objects(job_id)
        recorder = self._open.get(job_id)
        if recorder is not None:
            self._update(recorder, objects)
            return
        if job_id in self._recorders or job_id in self._elsewhere:
            return
        if job_id in self._leaving:
            if self._leaving[job_id] and not objects.exists:
                del self._leaving[job_id]
            return
        known = self._jobs.get(job_id)
        if known is not None and known.phase.final and not unfinished and job_id not in self._wanted and objects.exists:
            return
        asked = submission_of(objects)
        if asked is None:
            if objects.exists:  # and says nothing that can be understood
                self._wanted.discard(job_id)
            else:
                await self._take_gone(job_id, unfinished=unfinished)
            return
        if written is not None and written.phase.final and not unfinished:
            self._wanted.discard(job_id)
            self._show(written)
            return
        status = status_of(objects, written, self._backend, self._facts)
        if status is None:
            return
        self._show(status)
        if written is None and being_removed(objects):  # a record that was deleted is not begun again
            self._wanted.discard(job_id)
            return
        if status.phase.final and job_id not in self._wanted and _ended_long_ago(status):
            return
        if await in_thread(self._records.being_submitted, job_id):
            self._elsewhere[job_id] = time.monotonic() + _ELSEWHERE_S
            return
        self._begin(asked, known_final=status.phase.final)

    async def _take_gone(self, job_id: str, *, unfinished: bool) -> None:
        """A job that the cluster holds nothing of: its record, if there is one, gets its end."""
        folder = self._records.folder(job_id)
        written, spec = await in_thread(folder.read_status), await in_thread(folder.read_spec)
        if written is None or spec is None:
            await in_thread(self._records.ended, job_id)
            self.forget(job_id)
        elif written.phase.final and not unfinished:
            self._wanted.discard(job_id)
            self._show(written)
        elif await in_thread(self._records.being_submitted, job_id):
            self._elsewhere[job_id] = time.monotonic() + _ELSEWHERE_S
        else:
            # Without its objects nobody knows the nonce of its frames, and nothing is left that could be read with it.
            nobodys = Submitted(id=job_id, namespace=self._cluster.namespace, spec=spec, nonce="0" * 16)
            self._begin(nobodys, known_final=True, missing=True)

    def _update(self, recorder: Recorder, objects: Objects) -> None:
        """What the cluster says now, to the one who writes it down."""
        asked = submission_of(objects)
        if asked is None:
            status = recorder.status
            # A submission that was cut off may be taken up again at any moment: it is not over while somebody makes it.
            taken_up = self._records.being_submitted(status.id)
            if not objects.exists and not status.phase.final and not taken_up:
                recorder.update(objects, gone(objects, status, created=status.id not in self._cut_off))
            return
        reading = reading_of(objects, asked, self._facts, self._readings.get(asked.id))
        self._readings[asked.id] = reading
        if reading.reason is not None and reading.reason.code == RESTARTING:
            self._attempts.attempt(asked, objects, reading.attempt)
        recorder.update(objects, reading)

    # Recording

    def _begin(self, asked: Submitted, *, known_final: bool, missing: bool = False) -> None:
        record = self._record_missing(asked) if missing else self._record(asked, known_final=known_final)
        task = asyncio.create_task(record, name=f"record of {asked.id}")
        self._recorders[asked.id] = task
        task.add_done_callback(lambda done: self._ended(asked.id, done))

    async def _record_missing(self, asked: Submitted) -> bool:
        """The end of a job that the cluster holds nothing of, once it says so when asked."""
        async with self._catching_up:
            try:
                # What is told of a job comes in any order: it may be there, and be heard of later.
                found = (await self._cluster.snapshot(asked.id)).get(asked.id)
                if found is not None and found.exists:
                    return self._observer is not None and self._observer.objects(asked.id).exists
            except ApiError as error:
                logger.info("Whether %s is gone cannot be asked now: %s", asked.id, error.detail)
                self._elsewhere[asked.id] = time.monotonic() + _TAKE_OVER_S
                return False
        if await in_thread(self._records.being_submitted, asked.id):  # taken up again while the cluster was asked
            self._elsewhere[asked.id] = time.monotonic() + _ELSEWHERE_S
            return False
        if await in_thread(self._records.submitting, asked.id):
            self._cut_off.add(asked.id)
        if not await in_thread(self._records.folder(asked.id).path.is_dir):  # another process deleted it meanwhile
            return True
        return await self._record(asked, known_final=True)

    async def _record(self, asked: Submitted, *, known_final: bool) -> bool:
        """One job until all of it is written down. Gives whether to look at it again at once."""
        if asked.id not in self._wanted:
            await self._ready.wait()  # with 1,000 jobs, the list would come after all their logs
        async with self._catching_up if known_final else contextlib.nullcontext():
            folder = self._records.folder(asked.id)
            await in_thread(self._records.begun, asked.id)
            try:
                recorder = Recorder(
                    folder, asked, self._cluster.connection, backend=self._backend, on_change=self._show
                )
                async with recorder:
                    self._open[asked.id] = recorder
                    try:
                        if self._observer is not None:
                            await self._attempts.complete(asked, self._observer.objects(asked.id))
                        self._heard({asked.id})
                        await recorder.finished()
                        self._show(recorder.status)
                        await in_thread(self._records.ended, asked.id)
                        self._wanted.discard(asked.id)
                    finally:
                        del self._open[asked.id]
                        self._readings.pop(asked.id, None)
            except Taken:
                self._elsewhere[asked.id] = time.monotonic() + _TAKE_OVER_S
            except OSError as error:
                logger.warning("The record of %s cannot be written: %s", asked.id, error)
                self._wanted.discard(asked.id)
        return False

    def _ended(self, job_id: str, task: asyncio.Task[bool]) -> None:
        if self._recorders.get(job_id) is task:
            del self._recorders[job_id]
        if not task.cancelled() and task.exception() is not None:
            logger.error("Recording %s broke off", job_id, exc_info=task.exception())
            self._wanted.discard(job_id)
        elif not task.cancelled() and task.result():
            self._changed.add(job_id)
        self._wake.set()

    async def _look_elsewhere(self) -> None:
        """What other processes wrote down of the jobs that they record."""
        now = time.monotonic()
        for job_id, try_at in list(self._elsewhere.items()):
            status = await in_thread(self._records.folder(job_id).read_status)
            if status is not None:
                self._show(status)
            if now >= try_at or status is None:
                del self._elsewhere[job_id]
                self._changed.add(job_id)

    async def _look_for_deleted(self) -> None:
        """Lets go of jobs whose record was deleted by another process."""
        stamp = await in_thread(lambda: self._records.stamp)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        before, self._there = self._there, await in_thread(self._records.names)
        # Not all jobs without a record: of those there may be 10,000, and a record comes with each submission.
        for job_id in (before | self._open.keys()) - self._there:
            task = self._recorders.get(job_id) if job_id in self._open else None
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
            self._changed.add(job_id)

    def _show(self, status: JobStatus) -> None:
        summary, known = status.summary(), self._jobs.get(status.id)
        if known is not None and status.reason is not None and status.reason.code == "submitted":
            return  # written before the cluster had told anything of it: what is known is as new or newer
        if known != summary:
            self._jobs[status.id] = summary
            self._viewers.tell([status.id])

    async def _end_all(self) -> None:
        await self._attempts.close()
        tasks = list(self._recorders.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._recorders.clear()
        self._elsewhere.clear()
        self._wanted.clear()
        self._owed.clear()


def _ended_long_ago(status: JobStatus) -> bool:
    return status.finished_at is not None and time.time() - status.finished_at > _CATCH_UP_S
