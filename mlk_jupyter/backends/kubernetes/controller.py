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
from collections.abc import AsyncIterator, Mapping

from ...follow.broadcast import Changes
from ...model import JobStatus, JobSummary
from ...model.api import WatchState
from ...threads import in_thread
from ...waiting import is_set_within
from .api.api_errors import ApiError
from .cluster import Cluster, Offer
from .hardware import LargestNode
from .job_list import JobList
from .reconciler import Reconciler
from .recording.records import Records
from .resources import Objects
from .timing import Timing
from .watch.holdings import Snapshot
from .watch.informer import Informer

logger = logging.getLogger(__name__)


class Controller:
    """One cluster's jobs of one user. Owns its tasks, from the first viewer or running job to the last."""

    def __init__(self, cluster: Cluster, records: Records, backend: str, timing: Timing | None = None) -> None:
        self._cluster, self._records = cluster, records
        self._timing = timing or Timing()
        self._list = JobList()
        self._owed: set[str] = set()
        """Jobs that were not over when we last looked, until they are looked at again."""
        self._arriving = 0  # viewers that wait for the first list
        self._wake = asyncio.Event()
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._trouble: ApiError | None = None
        self.reconciler = Reconciler(cluster, records, backend, self._timing, self._list, self._ready, self._wake.set)

    # What is known

    @property
    def live(self) -> bool:
        """Whether `jobs` is kept up to date."""
        return self.reconciler.informer is not None and self._ready.is_set()

    @property
    def state(self) -> tuple[WatchState, str | None]:
        """How fresh it is, and why it is not fresher."""
        if self._task is None or self._task.done():
            return WatchState.IDLE, None
        if self.reconciler.informer is not None:
            return self.reconciler.informer.state
        if self._trouble is None:
            return WatchState.CONNECTING, None
        refused = self._trouble.status in (401, 403)
        return (
            WatchState.REFUSED if refused else WatchState.RECONNECTING
        ), f"{self._trouble.detail} {self._trouble.hint}"

    def jobs(self) -> Mapping[str, JobSummary]:
        """All jobs by id."""
        return self._list.jobs

    def objects(self, job_id: str) -> Objects | None:
        """What the cluster holds of a job; None when it is not being watched."""
        return self.reconciler.objects(job_id) if self.live else None

    def fresh_objects(self, job_id: str) -> Objects | None:
        """The same; None also when what is known may be old."""
        return self.reconciler.objects(job_id) if self._fresh else None

    def snapshot(self) -> Snapshot | None:
        """All that the cluster holds; None when what is known of it may be old."""
        return self.reconciler.informer.snapshot() if self.reconciler.informer is not None and self._fresh else None

    @property
    def _fresh(self) -> bool:
        informer = self.reconciler.informer
        return self.live and informer is not None and informer.state[0] is WatchState.LIVE

    def knows(self, job_id: str) -> bool:
        return job_id in self._list.jobs

    # What is wanted

    async def submitted(self, job_id: str, status: JobStatus) -> None:
        """A job was created by this process: its record begins at once."""
        await self.start()
        self.reconciler.submitted(job_id, status)

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
            await self.reconciler.end_all()
            self._owed.clear()

    async def _recall(self) -> None:
        """What was written down of all jobs; those that come or go meanwhile are as they then are."""
        before = dict(self._list.jobs)
        await self.reconciler.others.begin()
        written = await in_thread(self._records.summaries)
        self._owed = await in_thread(self._records.unfinished)
        stay = {job_id: job for job_id, job in written.items() if not self.reconciler.is_leaving(job_id)}
        self._list.replace(stay, before)

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
            lambda: self.reconciler.heard(self._list.queued),
            self._timing.largest_s,
        )
        async with informer:
            self.reconciler.informer, self.reconciler.largest = informer, largest
            unsubscribe = informer.subscribe(self.reconciler.heard)
            try:
                await largest.learn()
                await informer.ready()
                self.reconciler.heard(informer.job_ids() | self._owed)
                await self.reconciler.take_all()
                self._owed.clear()
                self._ready.set()
                look_again_at = figures_at = time.monotonic()
                unneeded_since: float | None = None
                while True:
                    longest_s = self._timing.elsewhere_s if self.reconciler.others else self._timing.linger_s
                    await is_set_within(min(longest_s, self._timing.figures_s), self._wake)
                    self._wake.clear()
                    if time.monotonic() >= look_again_at:  # not at each change: it reads the disk, and walks all jobs
                        await self.reconciler.look_around()
                        look_again_at = time.monotonic() + self._timing.elsewhere_s
                        self.reconciler.expiry.remove_due(informer.objects)
                        largest.mind(lambda: self._list.queued, lambda: self._list.repelled)
                    if time.monotonic() >= figures_at + self._timing.figures_s:
                        self.reconciler.heard(self._list.timed)
                        figures_at = time.monotonic()
                    await self.reconciler.take_all()
                    if self._needed():
                        unneeded_since = None
                    elif unneeded_since is None:
                        unneeded_since = time.monotonic()
                    elif time.monotonic() - unneeded_since >= self._timing.linger_s:
                        return
            finally:
                unsubscribe()
                self.reconciler.informer = None
                self._ready.clear()
                await self.reconciler.expiry.close()
                await largest.close()

    def _needed(self) -> bool:
        return bool(self._list or self._arriving or self._owed or self.reconciler)
