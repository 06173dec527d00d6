"""The list of a cluster's jobs as it is shown, and whoever follows it."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...follow.broadcast import Changes, Viewers
from ...model import JobSummary, Metric, Phase, Step

_FIELDS = set(JobSummary.model_fields)
_TIMED = frozenset({"node_silent", "pulling_image", "staging", "stuck_pod", "pod_ending"})
_NO_METRICS: list[Metric] = []


class JobList:
    """All jobs by id. Whoever follows is told of each change."""

    def __init__(self) -> None:
        self._jobs: dict[str, JobSummary] = {}
        self._viewers = Viewers(lambda: self._jobs)
        self._untold: set[str] = set()
        self._together = False

    def __bool__(self) -> bool:
        """Whether somebody follows it."""
        return bool(self._viewers)

    @property
    def jobs(self) -> Mapping[str, JobSummary]:
        return self._jobs

    @property
    def queued(self) -> set[str]:
        return {job_id for job_id, job in self._jobs.items() if job.phase is Phase.QUEUED}

    @property
    def timed(self) -> set[str]:
        """Those of which it is said how long something takes, and those of which that comes once it takes too long."""
        return {
            job_id
            for job_id, job in self._jobs.items()
            if job.phase is Phase.STOPPING or (job.reason and not job.phase.final and job.reason.code in _TIMED)
        }

    @property
    def repelled(self) -> set[str]:
        """Those that wait because of a taint."""
        return {job_id for job_id, job in self._jobs.items() if job.reason and job.reason.code == "untolerated_taint"}

    def follow(self) -> AsyncIterator[Changes]:
        """All jobs, then what changed, for as long as it is iterated."""
        return self._viewers.follow()

    def show(self, job: JobSummary) -> None:
        """A job is as this says."""
        known = self._jobs.get(job.id)
        if known is not None and job.step is Step.SUBMITTED:
            return  # written before the cluster had told anything of it: what is known is as new or newer
        summary = _summary_of(job)
        if known != summary:
            self._jobs[job.id] = summary
            self._tell(job.id)

    def drop(self, job_id: str) -> None:
        """A job is gone."""
        if self._jobs.pop(job_id, None) is not None:
            self._tell(job_id)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What changes in this block is told at its end, at once."""
        self._together = True
        try:
            yield
        finally:
            self._together = False
            self._tell()

    def replace(self, written: Mapping[str, JobSummary], before: Mapping[str, JobSummary]) -> None:
        """Takes the jobs that were written down. Those that came, changed or went since `before` stay as they are."""
        changed = {job_id: job for job_id, job in self._jobs.items() if before.get(job_id) is not job}
        went = before.keys() - self._jobs.keys()
        self._jobs = {job_id: job for job_id, job in written.items() if job_id not in went} | changed

    def _tell(self, *job_ids: str) -> None:
        self._untold.update(job_ids)
        if not self._together:
            self._viewers.tell(self._untold)
            self._untold.clear()


def _summary_of(job: JobSummary) -> JobSummary:
    """A job's row, which shares with others what is the same in them.

    Of 10,000 jobs most have the same reason, run and progress. On their own these are nine objects each for the garbage
    collector to walk through, and so a tenth of a second in which the event loop stands still.
    """
    values = {name: getattr(job, name) for name in _FIELDS}
    for name in ("reason", "run", "progress"):
        values[name] = _one_of(values[name])
    values["metrics"] = values["metrics"] or _NO_METRICS
    return JobSummary.model_construct(_fields_set=_FIELDS, **values)


@functools.lru_cache(maxsize=4_096)
def _one_of(part: Any) -> Any:
    """The one that stands for all that are equal to it."""
    return part
