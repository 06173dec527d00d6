"""A job's status by its objects alone, for whoever does not record it. Pure."""

from __future__ import annotations

import dataclasses
import time

from ...model import JobStatus, Phase, Progress, Reason, Step
from .kinds.fields import orphaned
from .kinds.registry import kind_of, starts
from .recording.merging import timeline_of
from .resources import Manifest, Objects
from .status import attempts
from .status.explain.background import Background
from .status.read import Reading, forward, read
from .status.submitted import SubmittedJob, submitted

_GONE = "The job's objects were removed from the cluster before its end was seen."
_GONE_HINT = "Its logs up to then are kept here. Run it again for the rest."


def owner_of(objects: Objects) -> Manifest | None:
    """The object of the latest attempt that is described; None when the cluster holds none."""
    return _owner(objects)[0]


def submission_of(objects: Objects) -> SubmittedJob | None:
    """What the job's objects say of how it was submitted; None when they say nothing that can be read."""
    return _owner(objects)[1]


def _owner(objects: Objects) -> tuple[Manifest | None, SubmittedJob | None]:
    """The owner, and what it says."""
    described = [(job, submitted_job) for job in objects.owners if (submitted_job := submitted(job)) is not None]
    return max(described, key=lambda one: one[0]["metadata"].get("creationTimestamp") or "", default=(None, None))


def being_removed(objects: Objects) -> bool:
    """Whether somebody has deleted the job, and the cluster is at it."""
    owner = owner_of(objects)
    return owner is not None and owner["metadata"].get("deletionTimestamp") is not None


def expires_at(objects: Objects) -> float | None:
    """When a stopped job is to be removed that the cluster does not remove by itself, since it is suspended and, as it
    says, not finished. Seconds since the epoch; None for any other job."""
    owner, submitted_job = _owner(objects)
    if owner is None or submitted_job is None or kind_of(owner).is_over(owner) or being_removed(objects):
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
    objects: Objects, submitted_job: SubmittedJob, facts: Background | None = None, before: Reading | None = None
) -> Reading:
    """What the objects say, a failed attempt that is followed by another being no end.

    Args: before: the last reading of this job.
    """
    reading = read(objects, submitted_job.spec, facts=facts, before=before)
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
    if written is not None and written.phase.final:
        return written
    submitted_job = submitted_job or submission_of(objects)
    if submitted_job is None and written is not None and orphaned(objects):
        submitted_job = SubmittedJob(id=written.id, namespace="", spec=written.spec, nonce="")
    if submitted_job is None:
        return written
    reading = reading_of(objects, submitted_job, facts)
    before = written or _unwritten(submitted_job, reading, backend)
    phase = forward(before.phase, reading.phase) if written is not None else reading.phase
    # How far the attempt before was is none of this one's.
    fresh = {"progress": Progress(), "metrics": [], "ranks": []} if reading.attempt > before.attempt else {}
    return before.model_copy(
        update={
            **fresh,
            "phase": phase,
            "reason": reading.reason if phase is reading.phase else before.reason,
            "error": reading.reason.text if phase is Phase.FAILED and reading.reason else before.error,
            "created_at": reading.created_at or before.created_at,
            "started_at": before.started_at or reading.started_at,
            "finished_at": reading.finished_at if phase.final else None,
            "attempt": max(before.attempt, reading.attempt),
            "timeline": timeline_of(before.timeline if written is not None else [], reading, phase, objects.now),
        }
    )


def _unwritten(submitted_job: SubmittedJob, reading: Reading, backend: str) -> JobStatus:
    spec = submitted_job.spec
    return JobStatus.of(
        spec,
        id=submitted_job.id,
        backend=backend,
        phase=reading.phase,
        submitted_by=submitted_job.submitted_by,
        created_at=reading.created_at or 0.0,
        notices=list(submitted_job.notices),
    )
