"""What the recording of one job does, from the moment in which its record is due until all of it is written down."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from ...model import JobStatus
from ...record.ownership import Taken
from ...threads import in_thread
from .api.api_errors import ApiError
from .cluster import Cluster
from .job_status import gone, reading_of, submission_of
from .kinds.fields import literal, orphaned
from .lifecycle.attempts import AttemptStarter
from .manifests.environment import NONCE
from .recording.recorder import Recorder
from .recording.records import Records
from .resources import PODS, Objects
from .status.explain.background import Background
from .status.explain.containers import BUNDLE_MISSING
from .status.read import Reading, read
from .status.submitted import SubmittedJob
from .timing import RecordingTiming

NO_NONCE = "0" * 16
"""Of a job whose own object is gone, as long as no pod says it: nothing that it writes is taken for a frame."""

logger = logging.getLogger(__name__)


class End(Enum):
    """Why the recording of a job is at its end."""

    WRITTEN = "all of it is written down"
    TAKEN = "another process records it"
    BEING_SUBMITTED = "another process creates its objects"
    UNKNOWN = "whether it is gone could not be asked"
    THERE = "it is not gone, and the watch knows it"
    UNHEARD = "it is not gone, and the watch will tell of it"
    DELETED = "its record was deleted"
    UNWRITABLE = "its record cannot be written"


@dataclass(frozen=True)
class Host:
    """What the recordings of all jobs of a cluster share."""

    cluster: Cluster
    records: Records
    backend: str
    """Name that each status bears."""
    attempts: AttemptStarter
    listed: asyncio.Event
    """Set once all jobs are shown: with 1,000 of them, the list would come after all their logs."""
    catching_up: asyncio.Semaphore
    """How many jobs that are over are recorded at a time."""
    objects: Callable[[str], Objects | None]
    """What the watch knows of a job; None while there is none."""
    changed: Callable[[set[str]], None]
    """Asks for jobs to be looked at."""
    show: Callable[[JobStatus], None]
    timing: RecordingTiming


class JobTask:
    """Records one job. Owns a task, from `start` to its end or `end`.

    Args:
        known_final: it is over.
        missing:     the watch has nothing of it: whether it is gone is asked first.
        urgent:      somebody looks at it: it does not wait for the list of all jobs.
    """

    def __init__(
        self, submitted_job: SubmittedJob, host: Host, *, known_final: bool, missing: bool = False, urgent: bool = False
    ) -> None:
        self._job, self._host = submitted_job, host
        self._known_final, self._missing, self._urgent = known_final, missing, urgent
        self._recorder: Recorder | None = None
        self._before: Reading | None = None
        self._created = True  # it had all its objects once, as far as is known
        self._task: asyncio.Task[End] | None = None

    def start(self, on_end: Callable[[JobTask, End | None], None]) -> None:
        """Begins. `on_end` gets why it ended; None: a bug, which was logged, or it was cancelled."""
        self._task = asyncio.create_task(self._run(), name=f"record of {self.id}")
        self._task.add_done_callback(lambda done: on_end(self, self._result(done)))

    async def end(self) -> None:
        """Ends it; returns when nothing more is written."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    @property
    def id(self) -> str:
        return self._job.id

    @property
    def status(self) -> JobStatus | None:
        """What is known now; None before its folder is open."""
        return self._recorder.status if self._recorder is not None else None

    @property
    def open(self) -> bool:
        """Whether the folder is ours now."""
        return self._recorder is not None

    def look(self, rank: int | None) -> None:
        """Somebody looks at the job or one of its ranks."""
        if self._recorder is not None:
            self._recorder.look(rank)

    def update(self, objects: Objects, facts: Background | None, *, being_submitted: bool) -> None:
        """What the cluster says now, to the one who writes it down."""
        recorder = self._recorder
        if recorder is None:
            return
        submitted_job = submission_of(objects)
        if submitted_job is None and orphaned(objects):
            self._before = reading = read(objects, self._job.spec, facts=facts, before=self._before)
            recorder.update(objects, reading)
            return
        if submitted_job is None:
            # A submission that was cut off may be taken up again at any moment: it is not over while somebody makes it.
            if not objects.exists and not recorder.status.phase.final and not being_submitted:
                recorder.update(objects, gone(objects, recorder.status, created=self._created))
            return
        self._before = reading = reading_of(objects, submitted_job, facts, self._before)
        if reading.starts_again:
            self._host.attempts.attempt(submitted_job, objects, reading.attempt)
        elif reading.reason is not None and reading.reason.code == BUNDLE_MISSING and not reading.phase.final:
            self._host.attempts.mend(submitted_job, objects)
        recorder.update(objects, reading)

    def _result(self, done: asyncio.Task[End]) -> End | None:
        if done.cancelled():
            return None
        error = done.exception()
        if error is not None:
            logger.error("Recording %s broke off", self.id, exc_info=error)
            return None
        return done.result()

    async def _run(self) -> End:
        if not self._missing:
            return await self._record()
        async with self._host.catching_up:
            end = await self._ask_whether_gone()
        return end or await self._record()

    async def _ask_whether_gone(self) -> End | None:
        """Why a job that the watch has nothing of is not to be recorded; None: the cluster has nothing of it either."""
        records = self._host.records
        try:
            # What is told of a job comes in any order: it may be there, and be heard of later.
            found = (await self._host.cluster.snapshot(self.id)).get(self.id)
        except ApiError as error:
            logger.info("Whether %s is gone cannot be asked now: %s", self.id, error.detail)
            return End.UNKNOWN
        if found is not None and found.exists:
            known = self._host.objects(self.id)
            return End.THERE if known is not None and known.exists else End.UNHEARD
        record = (await in_thread(records.read, {self.id}))[self.id]
        if record.being_submitted:  # taken up again while the cluster was asked
            return End.BEING_SUBMITTED
        self._created = not record.submitting
        return None if record.exists else End.DELETED  # by another process, meanwhile

    async def _with_nonce(self) -> SubmittedJob:
        """The job; where its own object is gone and pods of it run on, with the nonce that these bear."""
        objects, cluster = self._host.objects(self.id), self._host.cluster
        if self._job.nonce != NO_NONCE or objects is None or not objects.pods:
            return self._job
        with contextlib.suppress(ApiError):
            pod = await cluster.connection.get(PODS.path(cluster.namespace, objects.pods[-1]["metadata"]["name"]))
            return dataclasses.replace(self._job, nonce=literal(pod, NONCE) or NO_NONCE)
        return self._job

    async def _record(self) -> End:
        host = self._host
        if not self._urgent:
            await host.listed.wait()
        async with host.catching_up if self._known_final else contextlib.nullcontext():
            await in_thread(host.records.begun, [self.id])
            recorder = Recorder(
                host.records.folder(self.id), await self._with_nonce(), host.cluster.connection, backend=host.backend,
                on_change=host.show, timing=host.timing,
            )  # fmt: skip
            try:
                async with recorder:
                    self._recorder = recorder
                    try:
                        objects = host.objects(self.id)
                        if objects is not None:
                            await host.attempts.complete(self._job, objects)
                        host.changed({self.id})
                        await recorder.finished()
                        host.show(recorder.status)
                        await in_thread(host.records.ended, self.id)
                    finally:
                        self._recorder = None
            except Taken:
                return End.TAKEN
            except OSError as error:
                logger.warning("The record of %s cannot be written: %s", self.id, error)
                return End.UNWRITABLE
        return End.WRITTEN
