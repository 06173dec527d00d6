"""One start of all ranks of a job, as its objects show it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ....model import Reason
from .. import labels
from ..resources import Manifest
from .fields import QUEUE, annotation, label, mapping, name, number, seconds, sequence, text, uid

_YEAR_10000 = 253_402_300_800
"""In seconds since the epoch."""


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
    """The object that is the job; None when it is gone."""
    job: Manifest | None
    """The batch/v1 Job that counts its pods: the owner, or one that was made of it for this start; None without one."""
    pods: dict[int, Manifest]
    """The pod that counts of each worker."""
    events: list[Manifest]
    workload: Manifest | None = None
    others: list[Manifest] = field(default_factory=list)
    """Pods of the same start that were replaced."""
    now: float = 0.0
    conditions: list[dict[str, Any]] = field(default_factory=list)
    """The owner's, by the names that a Job's have: Complete, Failed, Suspended, FailureTarget, SuccessCriteriaMet."""
    suspended: bool = False
    """Whether the owner is told to have no pods."""
    refusals: list[Manifest] = field(default_factory=list)
    """Events that say that pods, or what makes them, could not be created; oldest first."""
    restarts_itself: bool = False
    """Whether the owner starts all ranks again by itself."""
    orphaned: bool = False
    """Whether the owner is gone and has left behind what it had made, which runs on."""
    failure: Reason | None = None
    """What the owner says of its failure beside what its pods say."""

    def holds(self, kind: str) -> dict[str, Any] | None:
        """The owner's condition of that type if its status is True."""
        for one in self.conditions:
            if one.get("type") == kind and one.get("status") == "True":
                return one
        return None

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
        known = float(at) if isinstance(at, int | float) and 0 <= at < _YEAR_10000 else None  # anybody may write it
        return Stop(text(said.get("by")) or None, known)

    @property
    def queue(self) -> str | None:
        """Name of the Kueue queue it stands in."""
        return label(self.owner, QUEUE)

    def events_of(self, item: Manifest | None) -> list[Manifest]:
        """Oldest first."""
        return events_of(item, self.events)


def attempt_of(item: Manifest) -> int:
    """The attempt that an object bears as a label or in its name; 1 where it bears none."""
    said = number(label(item, labels.ATTEMPT))
    if said:
        return said
    match = re.search(r"-r(\d{1,3})(?:-|$)", name(item))
    return int(match[1]) if match else 1


def events_of(item: Manifest | None, events: list[Manifest]) -> list[Manifest]:
    """Those about one object."""
    wanted = uid(item)
    return [event for event in events if wanted and mapping(event.get("involvedObject")).get("uid") == wanted]


def in_order(events: Iterable[Manifest]) -> list[Manifest]:
    """Oldest first; what is no event is left out."""
    return sorted((event for event in events if isinstance(event, dict)), key=_event_time)


def workload_of(owner: Manifest | None, workload: Manifest | None) -> Manifest | None:
    """Kueue's Workload if it stands for this owner; one that does not say is taken to."""
    if workload is None or owner is None:
        return None
    owners = [mapping(one).get("uid") for one in sequence(mapping(workload.get("metadata")).get("ownerReferences"))]
    return workload if not owners or uid(owner) in owners else None


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
