"""What a job's objects say about it: phase, reason, workers, timeline. Pure; the same objects give the same reading."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...model import Attempt, JobSpec, Phase, Reason, Transition
from .current import starts
from .explain.ending import explain_end
from .objects import Objects
from .phases import finished_at, forward, phase_of, timeline
from .seen import WorkerSeen, created_at, worker_seen

__all__ = ["Reading", "WorkerSeen", "forward", "read"]


@dataclass(frozen=True)
class Reading:
    """One job as its objects show it. None means that they do not say."""

    phase: Phase
    reason: Reason | None
    ranks_by_worker: dict[int, WorkerSeen]
    """The newest pod of each worker that has one, by the worker's number."""
    created_at: float | None
    """Seconds since the epoch, as all times here."""
    started_at: float | None
    """When the first container of the job ran, in whichever attempt."""
    finished_at: float | None
    attempt: int
    """The one that runs or ran last, from 1."""
    attempts: list[Attempt] = field(default_factory=list)
    """Earlier ones, oldest first."""
    transitions: list[Transition] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """Sentences worth reading that are no failure."""


def read(objects: Objects, spec: JobSpec) -> Reading:
    """What the objects of one job say.

    Objects that hold neither owner nor pods read as Stopped: whoever has not seen the job yet looks at `objects.exists`.

    Args: spec: what was asked, for the figures in the reasons.
    """
    every = starts(objects)
    last = every[-1]
    workers = {index: worker_seen(pod) for index, pod in last.pods.items()}
    phase = phase_of(last, workers, spec)
    began = [worker_seen(pod).started_at for pod in objects.pods]
    created = [created_at(start.owner) for start in every]
    return Reading(
        phase=phase,
        reason=explain_end(last, workers, spec, phase),
        ranks_by_worker=workers,
        created_at=min((at for at in created if at is not None), default=None),
        started_at=min((at for at in began if at is not None), default=None),
        finished_at=finished_at(last, workers, phase),
        attempt=last.number,
        transitions=timeline(last, workers, phase, spec),
    )
