"""Where a job is in its life, and since when, by its objects. Pure."""

from __future__ import annotations

import re

from ....model import JobSpec, Phase, Transition
from ..kinds.attempt import Started
from ..kinds.fields import (
    WorkerStatus,
    created_at,
    deleted_at,
    number,
    over,
    scheduled,
    scheduled_at,
    seconds,
    since,
    spec_of,
    status,
    text,
)
from ..resources import Manifest

# How long a stopped Job may take to say that it is suspended before its empty list of pods is believed.
_ACKNOWLEDGED_S = 30.0
# Times are whole seconds, and the cluster's clock, by which a stop is dated, is known to half a second.
_TIMES_DIFFER_S = 2.0


def phase_of(start: Started, workers: dict[int, WorkerStatus], spec: JobSpec) -> Phase:
    """The phase of one start of all ranks."""
    if start.holds("Complete") is not None:
        return Phase.SUCCEEDED
    if start.holds("Failed") is not None:
        return Phase.STOPPED if _ended_by_stop(start, spec) else Phase.FAILED
    pods = [*start.pods.values(), *start.others]
    live = any(not over(pod) for pod in pods)
    if start.owner is None and (not live or any(deleted_at(pod) is not None for pod in pods)):
        return Phase.STOPPING if live else Phase.STOPPED  # it was deleted; pods seen before their Job are not
    if deleted_at(start.owner) is not None:
        return Phase.STOPPING
    if start.stop is not None:
        return Phase.STOPPING if live or not _stop_is_done(start) else Phase.STOPPED
    if start.holds("FailureTarget") is not None:
        return Phase.STOPPING  # it has failed, and its other pods are being ended
    if start.suspended:
        return Phase.QUEUED if start.queue or start.workload is not None else Phase.SUSPENDED
    begun = {index for index, worker in workers.items() if worker.started_at is not None}
    all_begun = len(begun | completed_workers(start.job)) >= workers_asked(start, spec)
    if all_begun or start.holds("SuccessCriteriaMet") is not None:
        return Phase.RUNNING
    return Phase.STARTING if any(scheduled(pod) for pod in start.pods.values()) else Phase.QUEUED


def workers_asked(start: Started, spec: JobSpec) -> int:
    return number(spec_of(start.job).get("completions")) or spec.workers


def completed_workers(job: Manifest | None) -> set[int]:
    """The numbers in a Job's `completedIndexes`, e.g. "1,3-5"; at most 2,000 of them."""
    found: set[int] = set()
    for part in re.findall(r"(\d{1,7})(?:-(\d{1,7}))?", text(status(job).get("completedIndexes"))):
        first = int(part[0])
        found.update(range(first, min(int(part[1] or first), first + 2000) + 1))
    return found


def running_since(workers: dict[int, WorkerStatus]) -> float | None:
    """When the last of the workers started; None if that is not known of each."""
    times = [worker.started_at for worker in workers.values()]
    known = [at for at in times if at is not None]
    return max(known) if known and len(known) == len(times) else None


def finished_at(start: Started, workers: dict[int, WorkerStatus], phase: Phase) -> float | None:
    """When it ended, for a final phase; None where nothing says it."""
    if phase is Phase.SUCCEEDED:
        return seconds(status(start.owner).get("completionTime")) or since(start.holds("Complete"))
    if phase is Phase.FAILED:
        return since(start.holds("Failed"))
    if phase is Phase.STOPPED:
        times = [worker.finished_at for worker in workers.values()]
        times += [start.stop.at] if start.stop is not None else []
        return max((at for at in times if at is not None), default=None)
    return None


def timeline(start: Started, workers: dict[int, WorkerStatus], phase: Phase, spec: JobSpec) -> list[Transition]:
    """What one start went through, as far as its objects still tell; times never go back."""
    created = created_at(start.owner) or min(
        (at for at in map(created_at, start.pods.values()) if at is not None), default=start.now
    )
    steps: list[tuple[Phase, float | None]] = [(Phase.QUEUED, created)]
    nodes = [at for at in map(scheduled_at, start.pods.values()) if at is not None]
    steps.append((Phase.STARTING, min(nodes, default=None)))
    ran = running_since(workers)
    if phase in (Phase.RUNNING, Phase.SUCCEEDED) or len(workers) >= (
        number(spec_of(start.job).get("completions")) or 1
    ):
        steps.append((Phase.RUNNING, ran))
    if phase is Phase.SUSPENDED:
        steps.append((Phase.SUSPENDED, since(start.holds("Suspended")) or created))
    if phase in (Phase.STOPPING, Phase.STOPPED):
        asked = start.stop.at if start.stop is not None else deleted_at(start.owner)
        steps.append((Phase.STOPPING, asked or since(start.holds("FailureTarget"))))
    steps.append((phase, finished_at(start, workers, phase)) if phase.final else (phase, None))
    return _in_order(steps, phase, start.now)


def _in_order(steps: list[tuple[Phase, float | None]], last: Phase, now: float) -> list[Transition]:
    found: list[Transition] = []
    for phase, at in steps:
        if found and found[-1].phase is phase:
            continue
        if at is None:
            if phase is not last or any(step.phase is last for step in found):
                continue
            at = found[-1].at if found else now  # known to be so, and not since when
        found.append(Transition(phase=phase, at=max(at, found[-1].at) if found else at))
    return found


def _ended_by_stop(start: Started, spec: JobSpec) -> bool:
    """A stopped Job fails as its pods are killed; one that failed before was not stopped."""
    target = start.holds("FailureTarget") or start.holds("Failed") or {}
    stop, failed = start.stop, since(target)
    if stop is None or stop.at is None or failed is None:
        return stop is not None
    # Whoever stops a job gives it another deadline than the one that was asked for: no clock has to be trusted then.
    deadline = number(spec_of(start.owner).get("activeDeadlineSeconds"))
    by_deadline = target.get("reason") == "DeadlineExceeded" and deadline not in (None, spec.time_limit_s)
    return by_deadline or failed > stop.at - _TIMES_DIFFER_S


def _stop_is_done(start: Started) -> bool:
    if not start.suspended:
        return False
    counted = (number(status(start.job).get("active")) or 0) + (number(status(start.job).get("terminating")) or 0)
    stop = start.stop
    waited = stop is not None and stop.at is not None and start.now - stop.at > _ACKNOWLEDGED_S
    return (start.holds("Suspended") is not None and counted == 0) or waited
