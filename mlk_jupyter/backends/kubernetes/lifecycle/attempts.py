"""Makes what a job lacks in the cluster: the rest of a submission that was cut off, and its next attempt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from ....errors import MlkError
from ....threads import in_thread
from ..cluster import Cluster
from ..job_status import described
from ..recording.records import Records
from ..resources import Objects
from ..status.submitted import SubmittedJob
from .submission import complete_submission, make_attempt

logger = logging.getLogger(__name__)

_RETRY_S = 15.0


class AttemptStarter:
    """Owns a task for each attempt that is being made.

    Args: on_made: gets the job when an attempt was made, or could not be.
    """

    def __init__(self, cluster: Cluster, records: Records, on_made: Callable[[set[str]], None]) -> None:
        self._cluster, self._records, self._on_made = cluster, records, on_made
        self._making: dict[str, asyncio.Task[None]] = {}
        self._mending: dict[str, asyncio.Task[None]] = {}

    def __bool__(self) -> bool:
        return bool(self._making)

    async def complete(self, submitted_job: SubmittedJob, objects: Objects) -> None:
        """Makes what is missing where making it was cut off."""
        if not await in_thread(self._records.submitting, submitted_job.id):
            return
        if await self._complete(submitted_job, objects):
            await in_thread(self._records.submitted, submitted_job.id)

    async def _complete(self, submitted_job: SubmittedJob, objects: Objects) -> bool:
        owner = described(objects)[0]
        if owner is None:
            return False
        try:
            await complete_submission(self._cluster, submitted_job, owner, self._records.folder(submitted_job.id))
        except MlkError as error:
            logger.warning("%s lacks some of its objects: %s", submitted_job.id, error.detail)
            return False
        return True

    def mend(self, submitted_job: SubmittedJob, objects: Objects) -> None:
        """Starts to make again what pods wait for and somebody has removed; now and then, for as long as they wait."""
        if submitted_job.id not in self._mending:
            task = asyncio.create_task(self._mend(submitted_job, objects), name=f"objects of {submitted_job.id}")
            self._mending[submitted_job.id] = task

    def attempt(self, submitted_job: SubmittedJob, objects: Objects, number: int) -> None:
        """Starts to make the next attempt, once."""
        if submitted_job.id not in self._making:
            task = asyncio.create_task(
                self._make(submitted_job, objects, number), name=f"attempt {number} of {submitted_job.id}"
            )
            self._making[submitted_job.id] = task

    async def leave(self, job_id: str) -> None:
        """Makes no further attempt of a job."""
        for tasks in (self._making, self._mending):
            task = tasks.pop(job_id, None)
            if task is not None:
                task.cancel()
                await asyncio.wait({task})

    async def close(self) -> None:
        """Ends all tasks. What they were at is completed by the next process."""
        for job_id in [*self._making, *self._mending]:
            await self.leave(job_id)

    async def _mend(self, submitted_job: SubmittedJob, objects: Objects) -> None:
        try:
            await self._complete(submitted_job, objects)
            await asyncio.sleep(_RETRY_S)  # the kubelet takes as long to look again
        finally:
            self._mending.pop(submitted_job.id, None)
            self._on_made({submitted_job.id})

    async def _make(self, submitted_job: SubmittedJob, objects: Objects, number: int) -> None:
        try:
            with await in_thread(self._records.adding, submitted_job.id) as submission:
                await make_attempt(self._cluster, submitted_job, objects, submission.folder, number)
                await in_thread(self._records.submitted, submitted_job.id)
        except (MlkError, OSError) as error:
            logger.warning("Attempt %s of %s cannot be started: %s", number, submitted_job.id, error)
            await asyncio.sleep(_RETRY_S)
        finally:
            self._making.pop(submitted_job.id, None)
            self._on_made({submitted_job.id})
