"""A job's status by its objects alone, for whoever does not record it. Pure."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from ...model import JobStatus, JobSummary, Phase, Progress, Reason, Step
from .kinds.fields import orphaned
from .kinds.registry import kind_of, starts
from .recording.merging import timeline_of
from .resources import Manifest, Objects
from .status import attempts
from .status.explain.background import Background
from .status.read import Reading, read
from .status.submitted import SubmittedJob, submitted

_GONE = "The job's objects were removed from the cluster before its end was seen."
_GONE_HINT = "Its logs up to then are kept here. Run it again for the rest."


def described(objects: Objects) -> tuple[Manifest | None, SubmittedJob | None]:
    """The object of the latest attempt that says how the job was submitted, and what it says; None for none."""
    found = [(job, submitted_job) for job in objects.owners if (submitted_job := submitted(job)) is not None]
    return max(found, key=lambda one: one[0]["metadata"].get("creationTimestamp") or "", default=(None, None))


def submission_of(objects: Objects) -> SubmittedJob | None:
    """What the job's objects say of how it was submitted; None when they say nothing that can be read."""
    return described(objects)[1]


def being_removed(owner: Manifest | None) -> bool:
    """Whether somebody has deleted the job whose owner this is, and the cluster is at it."""
    return owner is not None and owner["metadata"].get("deletionTimestamp") is not None


def expires_at(objects: Objects) -> float | None:
    """When a stopped job is to be removed that the cluster does not remove by itself, since it is suspended and, as it
    says, not finished. Seconds since the epoch; None for any other job."""
    owner, submitted_job = described(objects)
    if owner is None or submitted_job is None or kind_of(owner).is_over(owner) or being_removed(owner):
        return None
    stop = starts(objects)[-1].stop
    return stop.at + submitted_job.spec.cluster.keep_s if stop is not None and stop.at is not None else None


def gone(objects: Objects, status: JobStatus, *, created: bool) -> Reading:
    """The reading of a job that the cluster holds nothing of.

    Args: created: whether it ever held all of it, as far as is known.
    """
    reading = read(objects, status.spec)
    if not created and status.started_at is None:
        text = "Its submission was cut off: the cluster has none of its objects."
        reason = Reason(code=Step.NOT_CREATED.value, text=text, hint="Submit it again.")
        return dataclasses.replace(reading, phase=Phase.FAILED, reason=reason, finished_at=objects.now or time.time())
    reason = Reason(code="removed", text=_GONE, hint=_GONE_HINT)
    return dataclasses.replace(reading, phase=Phase.STOPPED, reason=reason, finished_at=objects.now or time.time())


def reading_of(
    objects: Objects,
    submitted_job: SubmittedJob,
    facts: Background | None = None,
    before: Reading | None = None,
    *,
    history: bool = True,
) -> Reading:
    """What the objects say, a failed attempt that is followed by another being no end.

    Args:
        before:  the last reading of this job.
        history: whether the transitions are wanted too.
    """
    reading = read(objects, submitted_job.spec, facts=facts, before=before, history=history)
    number = attempts.next_attempt(objects, reading, submitted_job.spec)
    return reading if number is None else attempts.between(objects, reading, number, submitted_job.spec)


def status_of(
    objects: Objects,
    written: JobStatus | None,
    backend: str,
    facts: Background | None = None,
    *,
    submitted_job: SubmittedJob | None = None,
) -> JobStatus | None:
    """The status of a job that somebody else records, or nobody: what was written down, with the phase as it is now.

    Args:    submitted_job: what the objects say of how it was submitted, where that was read already.
    Returns: None when neither objects nor record say what the job is.
    """
    submitted_job = submitted_job or _submission(objects, written)
    if submitted_job is None or (written is not None and written.phase.final):
        return written
    reading = reading_of(objects, submitted_job, facts)
    row = _row(reading, submitted_job, written, backend)
    before = written.timeline if written is not None else []
    whole = {**row, "timeline": timeline_of(before, reading, reading.phase, objects.now)}
    if written is None:
        return JobStatus.of(submitted_job.spec, **whole, notices=list(submitted_job.notices))
    return written.model_copy(update={**whole, "ranks": written.ranks if reading.attempt <= written.attempt else []})


def summary_of(
    objects: Objects,
    written: JobStatus | None,
    backend: str,
    facts: Background | None = None,
    *,
    submitted_job: SubmittedJob | None = None,
) -> JobSummary | None:
    """The row of what `status_of` gives, without the work for what only the whole shows: a list has 10,000 of them."""
    submitted_job = submitted_job or _submission(objects, written)
    if submitted_job is None or (written is not None and written.phase.final):
        return written.summary() if written is not None else None
    reading = reading_of(objects, submitted_job, facts, history=False)
    row = _row(reading, submitted_job, written, backend)
    return JobSummary.of(submitted_job.spec, **row) if written is None else written.summary().model_copy(update=row)


def _submission(objects: Objects, written: JobStatus | None) -> SubmittedJob | None:
    """What is known of how the job was submitted, also where its own object is gone and pods of it run on."""
    found = described(objects)[1]
    if found is None and written is not None and orphaned(objects):
        return SubmittedJob(id=written.id, namespace="", spec=written.spec, nonce="")
    return found


def _row(reading: Reading, submitted_job: SubmittedJob, written: JobStatus | None, backend: str) -> dict[str, Any]:
    """What the objects say of the fields of a job's row."""
    phase, reason = reading.phase, reading.reason
    row: dict[str, Any] = {
        "phase": phase,
        "reason": reason,
        "finished_at": reading.finished_at if phase.final else None,
    }
    if phase is Phase.FAILED and reason is not None:
        row["error"] = reason.text
    if written is None:
        row |= {"id": submitted_job.id, "backend": backend, "submitted_by": submitted_job.submitted_by}
        return row | {
            "created_at": reading.created_at or 0.0,
            "started_at": reading.started_at,
            "attempt": max(1, reading.attempt),
        }
    if reading.attempt > written.attempt:  # how far the one before was is none of this one's
        row |= {"progress": Progress(), "metrics": []}
    else:
        row["progress"] = written.progress.as_of(phase)
    return row | {
        "created_at": reading.created_at or written.created_at,
        "started_at": written.started_at or reading.started_at,
        "attempt": max(written.attempt, reading.attempt),
    }
