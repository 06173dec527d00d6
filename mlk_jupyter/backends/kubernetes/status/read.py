"""What a job's objects say about it: phase, reason, workers, timeline. Pure; the same objects give the same reading."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from ....model import Attempt, JobSpec, Phase, Reason, Transition
from ..kinds.attempt import Started
from ..kinds.fields import WorkerStatus, before_resumption, created_at, since, worker_status
from ..kinds.registry import starts
from ..resources import Manifest, Objects
from .explain.background import Background
from .explain.devices import explain_devices
from .explain.ending import (
    NO_FAILURES,
    explain_disruptions,
    explain_failure,
    explain_running,
    explain_stopped,
    explain_stopping,
    explain_success,
)
from .explain.peers import explain_workers
from .explain.waiting import explain_waiting
from .phases import finished_at, phase_of, timeline

__all__ = ["Background", "Reading", "WorkerStatus", "read"]

# Said of an end when the pods that could tell more are gone.
_VAGUE = frozenset({"failed", "pod_deleted", "restarted", "restarts_used_up"})


@dataclass(frozen=True)
class Reading:
    """One job as its objects show it. None means that they do not say."""

    phase: Phase
    reason: Reason | None
    """None where there is nothing to say beyond the phase."""
    ranks_by_worker: dict[int, WorkerStatus]
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
    disrupted: Reason | None = None
    """What the cluster did to a worker of this attempt; known also when the pod that told it is gone."""
    began_at: float | None = None
    """When the first container of this attempt ran."""
    starts_again: bool = False
    """Its last attempt is over, and we are to make the next one, number `attempt`."""


def read(
    objects: Objects,
    spec: JobSpec,
    *,
    facts: Background | None = None,
    before: Reading | None = None,
    history: bool = True,
) -> Reading:
    """What the objects of one job say.

    Objects with neither owner nor pods read as Stopped; whoever may not have seen the job yet asks `objects.exists`.

    Args:
        spec: what was asked, for the figures in the reasons.
        facts: what else is known of the cluster.
        before: the last reading of this job. What is over stays over until there is another attempt; and what vanished
            since (pods do, before their Job) is kept: a worker's last state, and why it failed.
        history: whether the transitions are wanted too.
    """
    every = starts(objects)
    last = every[-1]
    if before is not None and before.phase.final and last.number <= before.attempt:
        return before
    workers = _workers(last)
    same = before if before is not None and before.attempt == last.number and not _anew(before, last) else None
    known = {**same.ranks_by_worker, **workers} if same is not None else workers
    earlier = [worker_status(pod, 0).started_at for start in every for pod in _others(start, last)]
    phase = phase_of(last, known, spec)  # one whose pod is gone has begun all the same
    disrupted = explain_disruptions(last, workers, spec)
    waiting, each = explain_waiting(last, workers, spec, phase, facts or Background())
    now = Reading(
        phase=phase,
        reason=waiting or _reason(last, workers, spec, phase, disrupted),
        ranks_by_worker=workers,
        created_at=_earliest([created_at(start.owner) for start in every]),
        started_at=_earliest([*(worker.started_at for worker in workers.values()), *earlier]),
        finished_at=finished_at(last, workers, phase),
        attempt=last.number,
        attempts=_earlier(every, spec),
        transitions=_timeline(every, workers, phase, spec) if history else [],
        notices=[broken.text] if (broken := explain_devices(last, spec)) is not None else [],
        disrupted=disrupted or (same.disrupted if same is not None else None),
        began_at=_began(workers),
    )
    now = now if before is None else _with_before(before, now, anew=_anew(before, last))
    explained = explain_workers(last, now.ranks_by_worker, each, now.reason, spec)
    return now if explained == now.ranks_by_worker else dataclasses.replace(now, ranks_by_worker=explained)


def _anew(before: Reading, last: Started) -> bool:
    """Whether the ranks known from before are none of this start: its Job was suspended since, as by Kueue, which takes
    a job out of the cluster and queues it again under the same name."""
    if last.suspended and last.stop is None:
        return True
    made = [worker.created_at for worker in before.ranks_by_worker.values()]
    return before.attempt == last.number and any(before_resumption(last.job, at) for at in made)


def _workers(start: Started) -> dict[int, WorkerStatus]:
    return {index: worker_status(pod, index) for index, pod in start.pods.items()}


def _others(start: Started, last: Started) -> list[Manifest]:
    """The pods of a start that are not those of the last one's workers."""
    return start.others if start is last else [*start.pods.values(), *start.others]


def _began(workers: dict[int, WorkerStatus]) -> float | None:
    return _earliest([worker.started_at for worker in workers.values()])


def _with_before(before: Reading, now: Reading, *, anew: bool) -> Reading:
    # Greater: the next attempt was announced, and is not there yet.
    same = before.attempt >= now.attempt and not anew
    workers = {**(before.ranks_by_worker if same else {}), **now.ranks_by_worker}
    return dataclasses.replace(
        now,
        reason=_kept_reason(before, now) if same else now.reason,
        ranks_by_worker=dict(sorted(workers.items())),
        created_at=_earliest([before.created_at, now.created_at]),
        started_at=_earliest([before.started_at, now.started_at]),
        began_at=_earliest([_known_of(before, now.attempt) if same else None, now.began_at]),
        attempts=_joined_attempts(before, now),
    )


def _known_of(before: Reading, attempt: int) -> float | None:
    """When an attempt began."""
    if before.attempt == attempt:
        return before.began_at
    return next((one.started_at for one in before.attempts if one.number == attempt), None)


def _kept_reason(before: Reading, now: Reading) -> Reason | None:
    """What was known of the failure, when the pods that told it are gone."""
    known = before.reason if before.phase in (Phase.RUNNING, Phase.STOPPING) else None
    if before.attempt > now.attempt:
        known = next((one.reason for one in before.attempts if one.number == now.attempt), None)
    elif known is None or known.code in NO_FAILURES:
        known = now.disrupted
    if now.phase is Phase.RUNNING and (now.reason is None or now.reason.code == "pod_ending"):
        return now.disrupted or now.reason  # its other pods are ended because of that
    if known is None or now.reason is None or known.code in NO_FAILURES:
        return now.reason
    if now.reason.code in _VAGUE:  # also while it runs: a pod that was evicted is gone before its Job has failed
        # That a Job has failed may be heard before what became of its pod.
        return now.reason if known.code == "failed" else known
    over = now.phase in (Phase.FAILED, Phase.STOPPING)
    return known if over and now.reason.code == known.code else now.reason


def _joined_attempts(before: Reading, now: Reading) -> list[Attempt]:
    found = {attempt.number: attempt for attempt in now.attempts}
    told = list(before.attempts)
    ended = before.disrupted if before.phase in (Phase.QUEUED, Phase.STARTING) else before.reason
    if before.attempt < now.attempt and ended is not None and ended.code not in NO_FAILURES:
        told.append(Attempt(number=before.attempt, started_at=before.began_at, reason=ended))
    for attempt in told:
        known = found.setdefault(attempt.number, attempt)
        found[attempt.number] = Attempt(
            number=attempt.number,
            started_at=known.started_at or attempt.started_at,
            ended_at=known.ended_at or attempt.ended_at,
            reason=attempt.reason if known.reason.code in _VAGUE else known.reason,
        )
    return [found[number] for number in sorted(found) if number < now.attempt]


def _reason(
    start: Started, workers: dict[int, WorkerStatus], spec: JobSpec, phase: Phase, disrupted: Reason | None
) -> Reason | None:
    if phase is Phase.SUCCEEDED:
        return explain_success(start, workers, spec)
    if phase is Phase.FAILED:
        return explain_failure(start, workers, spec, disrupted)
    if phase is Phase.STOPPED:
        return explain_stopped(start, workers, spec)
    if phase is Phase.STOPPING:
        return explain_stopping(start, workers, spec, disrupted)
    if phase is Phase.SUSPENDED:
        return Reason(
            code="suspended",
            text="It is suspended (spec.suspend), and not by us.",
            hint="Whoever suspended it can let it go on: set spec.suspend of the Job to false.",
        )
    return explain_running(start, workers, spec, disrupted) if phase is Phase.RUNNING else None


def _earlier(every: list[Started], spec: JobSpec) -> list[Attempt]:
    last = every[-1]
    if last.restarts_itself:  # its earlier pods are gone, and it keeps no more than their number
        reason = Reason(code="restarted", text="A worker failed or was lost, so all ranks were started again.")
        return [Attempt(number=number_, reason=reason) for number_ in range(1, last.number)]
    found = []
    for start in every[:-1]:
        workers = _workers(start)
        ended = since(start.holds("Failed"))
        reason = explain_failure(start, workers, spec, explain_disruptions(start, workers, spec))
        found.append(Attempt(number=start.number, started_at=_began(workers), ended_at=ended, reason=reason))
    return found


def _timeline(every: list[Started], workers: dict[int, WorkerStatus], phase: Phase, spec: JobSpec) -> list[Transition]:
    steps: list[Transition] = []
    for start in every[:-1]:
        steps += [step for step in timeline(start, _workers(start), Phase.FAILED, spec) if not step.phase.final]
    steps += timeline(every[-1], workers, phase, spec)
    found: list[Transition] = []
    for step in steps:
        if not found or found[-1].phase is not step.phase:
            found.append(Transition(phase=step.phase, at=max(step.at, found[-1].at) if found else step.at))
    return found


def _earliest(times: list[float | None]) -> float | None:
    return min((at for at in times if at is not None), default=None)
