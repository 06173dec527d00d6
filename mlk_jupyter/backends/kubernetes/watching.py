"""What runs in this process while somebody looks at a cluster's jobs, or a job of this user needs its record.

One observer for all, and one recorder for each job that is not over, or was not when we last looked. Nothing of it runs
otherwise. Other processes of the same user may do the same: a job's folder is written by the one that has its lock, and
read by the others.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncIterator

from ...model import JobStatus, JobSummary, Phase, Reason
from ...model.api import Link
from ...record.ownership import Taken
from ...threads import in_thread
from ..base import Changes
from .api_errors import ApiError
from .cluster import Cluster, Offer
from .explain.background import Background
from .making import NotMade, complete_submission, make_attempt
from .objects import Objects
from .observer import Observer
from .overview import asked_of, owner_of, reading_of, status_of
from .reading import Reading, read
from .recorder import Recorder
from .records import Records
from .submitted import Submitted
from .viewers import Viewers

logger = logging.getLogger(__name__)

_FIRST_LIST_S = 5.0  # how long viewers wait for a cluster before they get what was written down
_FIRST_RETRY_S, _LAST_RETRY_S = 1.0, 15.0
_ELSEWHERE_S = 1.0  # how often the record of another process is looked at
_TAKE_OVER_S = 5.0  # and its lock tried
_LINGER_S = 3.0  # a page that is loaded again finds the watch running
_CATCH_UP_S = 86_400.0  # a job that ended longer ago is recorded when somebody looks at it
_AT_ONCE = 8  # finished jobs that are caught up with at the same time
_AT_A_TIME = 50  # jobs that are looked at before others get their turn
_GONE = "The job's objects were removed from the cluster before its end was seen."
_GONE_HINT = "Its logs up to then are kept here. Run it again for the rest."


class Watching:
    """One cluster's jobs of one user. Owns its tasks, from the first viewer or running job to the last."""

    def __init__(self, cluster: Cluster, records: Records, backend: str, image: str | None) -> None:
        self._cluster, self._records, self._backend, self._image = cluster, records, backend, image
        self._viewers = Viewers(self.jobs)
        self._jobs: dict[str, JobSummary] = {}
        self._recorders: dict[str, asyncio.Task[None]] = {}
        self._open: dict[str, Recorder] = {}
        self._elsewhere: dict[str, float] = {}
        """Jobs that another process records, and when its lock is tried again (monotonic)."""
        self._wanted: set[str] = set()
        """Jobs that somebody looks at though they ended long ago, and those just submitted."""
        self._making: dict[str, asyncio.Task[None]] = {}
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._catching_up = asyncio.Semaphore(_AT_ONCE)
        self._observer: Observer | None = None
        self._facts: Background | None = None
        self._readings: dict[str, Reading] = {}
        self._task: asyncio.Task[None] | None = None
        self._trouble: ApiError | None = None

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

    def knows(self, job_id: str) -> bool:
        return job_id in self._jobs

    # What is wanted

    def look(self, job_id: str, rank: int | None) -> None:
        """Somebody looks at a job or one of its ranks, for some seconds."""
        recorder = self._open.get(job_id)
        if recorder is not None:
            recorder.look(rank)
        elif self.live and job_id not in self._wanted:
            self._wanted.add(job_id)
            self._heard({job_id})

    async def submitted(self, job_id: str, status: JobStatus) -> None:
        """A job was created by this process: its record begins at once."""
        self._jobs[job_id] = status.summary()
        self._viewers.tell([job_id])
        self._wanted.add(job_id)
        await self.start()

    async def start(self) -> None:
        """Begins to watch, if it is not going on already."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"watch of {self._cluster.title}")

    async def view(self) -> AsyncIterator[Changes]:
        """All jobs, then what changed."""
        await self.start()
        ready = asyncio.ensure_future(self._ready.wait())
        await asyncio.wait({ready}, timeout=_FIRST_LIST_S)
        ready.cancel()
        async with contextlib.aclosing(self._viewers.follow()) as changes:  # type: ignore[type-var]
            async for one in changes:
                yield one

    async def leave(self, job_id: str) -> None:
        """Ends the recording of a job that is about to be deleted."""
        self._wanted.discard(job_id)
        for tasks in (self._making, self._recorders):
            task = tasks.pop(job_id, None)
            if task is not None:
                task.cancel()
                await asyncio.wait({task})

    def forget(self, job_id: str) -> None:
        """A job was deleted."""
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
            self._jobs.update(await in_thread(self._records.summaries))
            while True:
                try:
                    offer = await self._cluster.offer()
                    self._trouble = None
                    await self._observe(offer)
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
            job_sets=served.job_sets,
            workloads=served.workloads,
        )
        async with observer:
            self._observer = observer
            unsubscribe = observer.subscribe(self._heard)
            try:
                await observer.ready()
                self._heard(observer.job_ids() | await in_thread(self._records.unfinished))
                await self._take_all()
                self._ready.set()
                while True:
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), _ELSEWHERE_S if self._elsewhere else _LINGER_S)
                    self._wake.clear()
                    await self._look_elsewhere()
                    await self._take_all()
                    if not self._needed() and not await self._needed_soon():
                        return
            finally:
                unsubscribe()
                self._observer = None
                self._ready.clear()

    def _needed(self) -> bool:
        return bool(self._viewers or self._recorders or self._making or self._elsewhere or self._wanted)

    async def _needed_soon(self) -> bool:
        await asyncio.sleep(_LINGER_S)
        return self._needed()

    def _heard(self, job_ids: set[str]) -> None:
        self._changed |= job_ids
        self._wake.set()

    async def _take_all(self) -> None:
        """Looks at every job of which something changed."""
        while self._changed:
            for number in range(_AT_A_TIME):
                if not self._changed:
                    break
                await self._take(self._changed.pop())
                if number % 10 == 9:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def _take(self, job_id: str) -> None:
        assert self._observer is not None
        objects = self._observer.objects(job_id)
        recorder = self._open.get(job_id)
        if recorder is not None:
            self._update(recorder, objects)
            return
        if job_id in self._recorders or job_id in self._elsewhere:
            return
        known = self._jobs.get(job_id)
        if known is not None and known.phase.final and not await in_thread(self._is_unfinished, job_id):
            return
        asked = asked_of(objects)
        if asked is None:
            if known is None or known.phase.final or objects.exists:
                return
            await self._record_gone(job_id)
            return
        written = await in_thread(self._records.folder(job_id).read_status)
        status = status_of(objects, written, self._backend, self._facts)
        if status is None:
            return
        self._show(status)
        if status.phase.final and job_id not in self._wanted and _ended_long_ago(status):
            return
        self._begin(asked, known_final=status.phase.final)

    def _is_unfinished(self, job_id: str) -> bool:
        return job_id in self._records.unfinished()

    def _update(self, recorder: Recorder, objects: Objects) -> None:
        """What the cluster says now, to the one who writes it down."""
        asked = asked_of(objects)
        if asked is None:
            status = recorder.status
            if not objects.exists and not status.phase.final:
                recorder.update(objects, _gone(objects, status))
            return
        reading = reading_of(objects, asked, self._facts, self._readings.get(asked.id))
        self._readings[asked.id] = reading
        if reading.reason is not None and reading.reason.code == "restarting":
            self._make(asked, objects, reading.attempt)
        recorder.update(objects, reading)

    # Recording

    def _begin(self, asked: Submitted, *, known_final: bool) -> None:
        task = asyncio.create_task(self._record(asked, known_final=known_final), name=f"record of {asked.id}")
        self._recorders[asked.id] = task
        task.add_done_callback(lambda done: self._ended(asked.id, done))

    async def _record(self, asked: Submitted, *, known_final: bool) -> None:
        """One job until all of it is written down."""
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
                        await self._complete(asked)
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

    def _ended(self, job_id: str, task: asyncio.Task[None]) -> None:
        if self._recorders.get(job_id) is task:
            del self._recorders[job_id]
        if not task.cancelled() and task.exception() is not None:
            logger.error("Recording %s broke off", job_id, exc_info=task.exception())
            self._wanted.discard(job_id)
        self._wake.set()

    async def _record_gone(self, job_id: str) -> None:
        """The end of a job of which the cluster holds nothing any more, or never held anything."""
        folder = self._records.folder(job_id)
        spec = await in_thread(folder.read_spec)
        if spec is None:
            await in_thread(self._records.ended, job_id)
            return
        # Without its objects nobody knows the nonce of its frames, and nothing is left that could be read with it.
        asked = Submitted(id=job_id, namespace=self._cluster.namespace, spec=spec, nonce="0" * 16)
        self._begin(asked, known_final=True)

    async def _complete(self, asked: Submitted) -> None:
        """Makes what is missing of a submission that was cut off."""
        if self._observer is None or not await in_thread(self._records.submitting, asked.id):
            return
        owner = owner_of(self._observer.objects(asked.id))
        if owner is None:
            return
        try:
            await complete_submission(self._cluster, asked, owner, self._records.folder(asked.id))
            await in_thread(self._records.submitted, asked.id)
        except (ApiError, NotMade) as error:
            logger.warning("%s lacks some of its objects: %s", asked.id, error.detail)

    def _make(self, asked: Submitted, objects: Objects, number: int) -> None:
        """Starts the next attempt, once."""
        if asked.id in self._making:
            return

        async def make() -> None:
            try:
                await make_attempt(self._cluster, asked, objects, self._records.folder(asked.id), number)
            except (ApiError, NotMade) as error:
                logger.warning("Attempt %s of %s cannot be started: %s", number, asked.id, error.detail)
                await asyncio.sleep(_LAST_RETRY_S)
            finally:
                self._making.pop(asked.id, None)
                self._heard({asked.id})

        self._making[asked.id] = asyncio.create_task(make(), name=f"attempt {number} of {asked.id}")

    async def _look_elsewhere(self) -> None:
        """What other processes wrote down of the jobs that they record."""
        now = time.monotonic()
        for job_id, try_at in list(self._elsewhere.items()):
            status = await in_thread(self._records.folder(job_id).read_status)
            if status is not None:
                self._show(status)
            if now >= try_at or status is None:
                del self._elsewhere[job_id]
                if status is None or not status.phase.final:
                    self._changed.add(job_id)

    def _show(self, status: JobStatus) -> None:
        summary = status.summary()
        if self._jobs.get(status.id) != summary:
            self._jobs[status.id] = summary
            self._viewers.tell([status.id])

    async def _end_all(self) -> None:
        tasks = [*self._recorders.values(), *self._making.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._recorders.clear()
        self._making.clear()
        self._elsewhere.clear()
        self._wanted.clear()


def _gone(objects: Objects, status: JobStatus) -> Reading:
    """The reading of a job that the cluster holds nothing of."""
    reading = read(objects, status.spec)
    if status.reason is not None and status.reason.code == "submitted":
        text = "Its submission was cut off: the cluster has none of its objects."
        reason = Reason(code="not_created", text=text, hint="Submit it again.")
        return dataclasses.replace(reading, phase=Phase.FAILED, reason=reason, finished_at=objects.now or time.time())
    reason = Reason(code="removed", text=_GONE, hint=_GONE_HINT)
    return dataclasses.replace(reading, phase=Phase.STOPPED, reason=reason, finished_at=objects.now or time.time())


def _ended_long_ago(status: JobStatus) -> bool:
    return status.finished_at is not None and time.time() - status.finished_at > _CATCH_UP_S
