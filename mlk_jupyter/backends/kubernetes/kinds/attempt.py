"""Which of a job's objects count now: its newest attempt and that attempt's pods. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from .. import labels
from ..resources import Manifest, Objects
from .fields import (
    JOB_NAME,
    QUEUE,
    RESTART_ATTEMPT,
    annotation,
    controller_uid,
    label,
    mapping,
    name,
    newest_pods,
    number,
    seconds,
    sequence,
    spec_of,
    status,
    text,
    uid,
)


@dataclass(frozen=True)
class Stop:
    """What the annotation of a job that was stopped says."""

    by: str | None
    at: float | None
    """Seconds since the epoch."""


@dataclass(frozen=True)
class Started:
    """One start of all ranks, with what the cluster holds of it."""

    number: int
    """From 1."""
    owner: Manifest | None
    """The Job, or the JobSet; None when it is gone."""
    job: Manifest | None
    """The Job whose status counts pods; of a JobSet the one it made for this start."""
    pods: dict[int, Manifest]
    """The pod that counts of each worker."""
    events: list[Manifest]
    workload: Manifest | None = None
    job_set: bool = False
    others: list[Manifest] = field(default_factory=list)
    """Pods of the same start that were replaced."""
    now: float = 0.0

    @property
    def stop(self) -> Stop | None:
        written = annotation(self.owner, labels.STOPPED)
        if written is None:
            return None
        try:
            said = mapping(json.loads(written))
        except ValueError:
            said = {}
        at = said.get("at")
        return Stop(text(said.get("by")) or None, float(at) if isinstance(at, int | float) else None)

    @property
    def suspended(self) -> bool:
        return spec_of(self.owner).get("suspend") is True

    @property
    def queue(self) -> str | None:
        """Name of the Kueue queue it stands in."""
        return label(self.owner, QUEUE)

    def events_of(self, item: Manifest | None) -> list[Manifest]:
        """Oldest first."""
        wanted = uid(item)
        return [event for event in self.events if wanted and _about(event).get("uid") == wanted]


def starts(objects: Objects) -> list[Started]:
    """All starts that the cluster still knows, the newest last; at least one, though it may hold nothing."""
    events = sorted((event for event in objects.events if isinstance(event, dict)), key=_event_time)
    if objects.job_set is not None:
        return [_of_job_set(objects, objects.job_set, events)]
    found = []
    for job in sorted(objects.jobs, key=attempt_of):
        pods = [pod for pod in objects.pods if _belongs(pod, job)]
        found.append(_started(attempt_of(job), job, job, pods, events, objects))
    if not found:  # the Job is gone and its pods are not yet
        last = max((attempt_of(pod) for pod in objects.pods), default=1)
        pods = [pod for pod in objects.pods if attempt_of(pod) == last]
        found.append(_started(last, None, None, pods, events, objects))
    return found


def attempt_of(item: Manifest) -> int:
    """The attempt that an object bears as a label or in its name; 1 where it bears none."""
    said = number(label(item, labels.ATTEMPT))
    match = re.search(r"-r(\d{1,3})(?:-|$)", name(item))
    return said or (int(match[1]) if match else 1)


def _of_job_set(objects: Objects, job_set: Manifest, events: list[Manifest]) -> Started:
    restarts = number(status(job_set).get("restarts")) or 0
    jobs = [job for job in objects.jobs if _restart(job) in (restarts, None)]
    pods = [pod for pod in objects.pods if _restart(pod) in (restarts, None)]
    job = max(jobs, key=lambda one: text(mapping(one.get("metadata")).get("creationTimestamp")), default=None)
    return _started(restarts + 1, job_set, job, pods, events, objects, job_set=True)


def _started(
    attempt: int,
    owner: Manifest | None,
    job: Manifest | None,
    pods: list[Manifest],
    events: list[Manifest],
    objects: Objects,
    *,
    job_set: bool = False,
) -> Started:
    chosen = newest_pods(pods)
    kept = {id(pod) for pod in chosen.values()}
    others = [pod for pod in pods if id(pod) not in kept]
    workload = objects.workload if _owns(objects.workload, owner) else None
    return Started(attempt, owner, job, chosen, events, workload, job_set, others, objects.now)


def _owns(workload: Manifest | None, owner: Manifest | None) -> bool:
    """Whether a Workload stands for this Job or JobSet; one that does not say is taken to."""
    if workload is None or owner is None:
        return False
    owners = [mapping(one).get("uid") for one in sequence(mapping(workload.get("metadata")).get("ownerReferences"))]
    return not owners or uid(owner) in owners


def _belongs(pod: Manifest, job: Manifest) -> bool:
    controller = controller_uid(pod)
    return controller == uid(job) if controller is not None else label(pod, JOB_NAME) == name(job)


def _restart(item: Manifest) -> int | None:
    return number(label(item, RESTART_ATTEMPT) or annotation(item, RESTART_ATTEMPT))


def _about(event: Manifest) -> dict[str, object]:
    return mapping(event.get("involvedObject"))


def _event_time(event: Manifest) -> float:
    series = mapping(event.get("series"))
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
        mapping(event.get("metadata")).get("creationTimestamp"),
    )
    return next((at for at in map(seconds, times) if at is not None), 0.0)
