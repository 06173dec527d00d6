"""What other processes of the same user do to the records of a cluster's jobs: they write some, and delete some."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ...model import JobStatus
from ...threads import in_thread
from .job_task import JobTask
from .recording.records import Records


class OtherProcesses:
    """The jobs that others record, and the records that were there when we last looked.

    Args: show: gets what others wrote down.
    """

    def __init__(self, records: Records, show: Callable[[JobStatus], None]) -> None:
        self._records, self._show = records, show
        self._recording: dict[str, float] = {}
        """Jobs by when their lock is to be tried again (monotonic)."""
        self._stamp = 0
        self._there: set[str] = set()

    def __bool__(self) -> bool:
        """Whether others record a job."""
        return bool(self._recording)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._recording

    def record(self, job_id: str, for_s: float) -> None:
        """Another process records a job; after so many seconds it is tried to do so here."""
        self._recording[job_id] = time.monotonic() + for_s

    def drop(self, job_id: str) -> None:
        """What others write down of a job is of no interest any more."""
        self._recording.pop(job_id, None)

    def clear(self) -> None:
        self._recording.clear()

    def has_record(self, job_id: str) -> None:
        """A job was seen to have a record: that it was deleted is told, however soon it is."""
        self._there.add(job_id)

    async def begin(self) -> None:
        """Notes which records there are."""
        self._stamp = await in_thread(lambda: self._records.stamp)
        self._there = await in_thread(self._records.names)

    async def written(self) -> set[str]:
        """Shows what others wrote down; gives the jobs that may be recorded here now."""
        looked_at, due = dict(self._recording), set()
        records = await in_thread(self._records.read, looked_at) if looked_at else {}
        now = time.monotonic()
        for job_id, try_at in looked_at.items():
            if self._recording.get(job_id) != try_at:  # left, deleted or submitted anew while we read
                continue
            status = records[job_id].status
            if status is not None:
                self._show(status)
            if now >= try_at or status is None:
                del self._recording[job_id]
                due.add(job_id)
        return due

    async def deleted(self, tasks: Mapping[str, JobTask]) -> set[str]:
        """Ends the tasks of jobs whose record was deleted; gives these jobs, and others without a record since."""
        stamp = await in_thread(lambda: self._records.stamp)
        if stamp == self._stamp:
            return set()
        self._stamp = stamp
        before = set(self._there)  # what is seen to have a record while the names are read may not be among them
        there = await in_thread(self._records.names)
        # Not all jobs without a record: of those there may be 10,000, and a record comes with each submission.
        gone = before - there
        self._there = (self._there - before) | there
        for job_id in gone & tasks.keys():
            await tasks[job_id].end()
        return gone
