"""Why a job is over, or is ending. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .....figures import duration
from .....model import JobSpec, Phase, RankState, Reason
from .....record.failure import first_of
from .....record.verdict import killed
from .....text import counted, listed
from .....worker.member import LOST_PEER
from ...kinds.attempt import Started
from ...kinds.fields import (
    WorkerStatus,
    condition,
    deleted_at,
    disruption,
    holds,
    indexed_worker,
    mapping,
    metadata,
    number,
    over,
    seconds,
    sequence,
    since,
    spec_of,
    status,
    text,
)
from ...resources import Manifest
from ..phases import completed_workers, finished_at, running_since, workers_asked
from .admission import explain_refused
from .devices import explain_devices
from .disruptions import disrupted_at, explain_disrupting_event, explain_disruption, starting_again
from .exits import explain_beside, explain_exit, failed_beside
from .messages import clean, who
from .silence import explain_silence

# A rank whose peer was taken away fails within a moment of it; pods' times are whole seconds.
_SAME_MOMENT_S = 1.0
_STUCK_S = 60.0

NO_FAILURES = frozenset(
    {"stopping", "deleting", "node_silent", "pod_ending", "stuck_pod", "held_by_finalizer", "orphaned"}
    | {"device_unhealthy", "sidecar_failed"}
)
"""Codes of what is said of a job that has not failed."""


@dataclass(frozen=True)
class _End:
    """A worker that ended badly, for `first_of`."""

    rank: int
    at: float
    died: bool
    interrupted: bool


def explain_failure(
    start: Started, workers: dict[int, WorkerStatus], spec: JobSpec, disrupted: Reason | None
) -> Reason:
    """Why one start of all ranks failed: what went wrong first."""
    reason = _first_failure(start, workers, spec, disrupted)
    if start.failure is None or reason.code == "failed":
        return start.failure or reason
    return reason.model_copy(update={"text": f"{reason.text} {start.failure.text}"})


def explain_success(start: Started, workers: dict[int, WorkerStatus], spec: JobSpec) -> Reason:
    began = min((worker.started_at for worker in workers.values() if worker.started_at is not None), default=None)
    ended = finished_at(start, workers, Phase.SUCCEEDED)
    one = "The only process" if spec.world_size == 1 else f"All {spec.world_size} processes"
    took = f" in {duration(ended - began)}" if began is not None and ended is not None else ""
    return Reason(code="succeeded", text=f"{one} finished{took}.")


def explain_stopped(start: Started, workers: dict[int, WorkerStatus], spec: JobSpec) -> Reason:
    late = [index for index, worker in workers.items() if worker.signal == "SIGKILL"]
    names = [who(index, spec.ranks_in_worker).lower() for index in sorted(late)]
    return killed(_asked(start), names, spec.grace_period_s)


def _asked(start: Started) -> Reason:
    if start.stop is not None:
        by = f"{clean(start.stop.by, 100)} stopped it" if start.stop.by else "It was stopped on request"
        return Reason(code="stopped", text=f"{by}.")
    return Reason(
        code="deleted", text="It was deleted from the cluster.", hint="What was recorded of it until then is kept."
    )


def explain_stopping(
    start: Started, workers: dict[int, WorkerStatus], spec: JobSpec, disrupted: Reason | None
) -> Reason:
    """Who or what ends it, and what it still waits for."""
    if start.stop is None and start.owner is not None and deleted_at(start.owner) is None:
        return explain_failure(start, workers, spec, disrupted)  # it has failed; its other pods are being ended
    stuck = _stuck(start, spec)
    if stuck is not None:
        return stuck
    ending = sum(not over(pod) for pod in start.pods.values())
    still = f" {counted(ending, 'worker')} {'is' if ending == 1 else 'are'} still ending." if ending else ""
    if start.stop is not None:
        return Reason(code="stopping", text=f"{_asked(start).text}{still}")
    return Reason(code="deleting", text=f"It is being deleted from the cluster.{still}")


def explain_running(
    start: Started, workers: dict[int, WorkerStatus], spec: JobSpec, disrupted: Reason | None
) -> Reason | None:
    """What is amiss with a running job: a worker that was lost or has failed, a silent node. None where all is well."""
    if holds(start.job, "SuccessCriteriaMet") is not None:
        return None
    if any(worker.state is RankState.FAILED for worker in workers.values()):
        return explain_failure(start, workers, spec, disrupted)
    stuck = _stuck(start, spec)  # a node that is lost for good: the cluster does not take its pods for ended
    if stuck is not None or disrupted is not None:
        return stuck or disrupted
    if start.orphaned:
        return Reason(
            code="orphaned",
            text="Its Job was deleted without its pods, which run on: nothing counts, ends or removes them.",
            hint="Let them finish, or stop or delete the job here, which ends them.",
        )
    for index, pod in start.pods.items():
        one = who(index, spec.ranks_in_worker).lower()
        silence = _silence(pod, start, one)
        if silence is not None:
            return silence
        if deleted_at(pod) is not None and not over(pod):
            return Reason(
                code="pod_ending",
                text=f"The pod of {one} is being ended.",
                hint="Something deleted it; as soon as the cluster says why, it is shown here.",
            )
        if (other := failed_beside(pod)) is not None and not over(pod):
            return explain_beside(other, pod, f"{one.capitalize()} goes on; its pod will count as failed.", one)
    return explain_devices(start, spec)


def explain_disruptions(start: Started, workers: dict[int, WorkerStatus], spec: JobSpec) -> Reason | None:
    """What the cluster did to a worker; None when a rank had failed by itself before."""
    own = min(
        (
            worker.finished_at
            for index, worker in workers.items()
            if worker.state is RankState.FAILED
            and worker.finished_at is not None
            and not _lost_peer(worker)
            and disruption(start.pods[index]) is None
        ),
        default=None,
    )
    found: list[tuple[float, Reason]] = []
    for index, pod in start.pods.items():
        name_ = who(index, spec.ranks_in_worker)
        reason = explain_disruption(pod, name_)
        if reason is not None and workers[index].state is not RankState.SUCCEEDED:
            reason = starting_again(reason) if start.number <= spec.cluster.retries else reason
            at = disrupted_at(pod) or workers[index].finished_at or 0.0
            found.append((at, reason))
    at, reason = min(found, key=lambda one: one[0], default=(0.0, None))
    return reason if reason is not None and (own is None or at <= own + _SAME_MOMENT_S) else None


def _silence(pod: Manifest, start: Started, one: str) -> Reason | None:
    ready = mapping(condition(pod, "Ready"))
    silent = any(event.get("reason") == "NodeNotReady" for event in start.events_of(pod))
    lost_node = status(pod).get("reason") == "NodeLost" or status(pod).get("phase") == "Unknown"
    if over(pod) or not (lost_node or (silent and ready.get("status") != "True")):
        return None
    at = since(ready)
    node = clean(spec_of(pod).get("nodeName"), 80)
    return explain_silence(node, one, start.now - at if at is not None else None)


def _first_failure(start: Started, workers: dict[int, WorkerStatus], spec: JobSpec, disrupted: Reason | None) -> Reason:
    target = holds(start.job, "Failed") or holds(start.job, "FailureTarget") or start.holds("Failed")
    if target is not None and target.get("reason") == "DeadlineExceeded":
        return _over_time(start, workers, spec)
    in_worker = spec.ranks_in_worker
    if disrupted is not None:
        return disrupted
    # Pods that are being deleted were ended as a consequence, unless nothing else failed.
    failed = [worker for worker in workers.values() if worker.state is RankState.FAILED]
    causes = [worker for worker in failed if deleted_at(start.pods[worker.worker]) is None and not _lost_peer(worker)]
    gone = _gone_workers(start, spec)
    if not causes and gone:
        return _gone(start, gone, spec)
    causes = causes or [worker for worker in failed if not _lost_peer(worker)] or failed
    first = first_of(_End(one.worker, one.finished_at or 0.0, _died(one), _interrupted(one)) for one in causes)
    if first is not None:
        pod = start.pods[first.rank]
        if deleted_at(pod) is not None and workers[first.rank].last_words is None:
            return _pod_deleted([first.rank], spec)
        reason = explain_exit(pod, workers[first.rank], who(first.rank, in_worker))
        done = [index for index, worker in workers.items() if worker.state is RankState.SUCCEEDED]
        if not done or not _lost_peer(workers[first.rank]):
            return reason
        names = listed([who(index, in_worker).lower() for index in sorted(done)])
        before = f"{names[0].upper()}{names[1:]} had ended well while others still waited."
        return reason.model_copy(update={"text": f"{before} {reason.text}"})
    if start.refusals and not start.pods:
        reason = explain_refused(text(start.refusals[-1].get("message")), workers_asked(start, spec))
        return reason.model_copy(update={"text": reason.text.removeprefix("Waiting: ")})
    failed_condition = start.holds("Failed") or target
    said = clean(mapping(failed_condition).get("message"), 200)
    return Reason(
        code="failed",
        text=f"The job failed{f': {said}' if said else ', and the cluster does not say why.'}",
        hint="See its log and the cluster's events.",
    )


def _died(worker: WorkerStatus) -> bool:
    """Whether no exception says why it ended."""
    return worker.last_words is None or worker.last_words.died


def _interrupted(worker: WorkerStatus) -> bool:
    """Whether it was told to end, as it says itself."""
    return worker.last_words is not None and worker.last_words.interrupted


def _over_time(start: Started, workers: dict[int, WorkerStatus], spec: JobSpec) -> Reason:
    limit = number(spec_of(start.job).get("activeDeadlineSeconds")) or spec.time_limit_s
    of = f" of {duration(limit)}" if limit is not None else ""
    counted = seconds(status(start.job).get("startTime"))
    began = min((worker.started_at for worker in workers.values() if worker.started_at is not None), default=None)
    hint = "Raise the time limit, or save checkpoints and go on from the last one."
    if workers and began is None:
        return Reason(
            code="time_limit",
            text=f"Its time limit{of} passed before all of its ranks ran: waiting counts.",
            hint="Raise the time limit, and see what it waited for.",
        )
    ran = running_since(workers)
    waited = ran - counted if ran is not None and counted is not None else None
    waiting = f", of which it waited {duration(waited)}" if waited is not None and waited >= 1 else ""
    text_ = f"It ran longer than its time limit{of}{waiting}. The time in which its pods wait counts."
    return Reason(code="time_limit", text=text_, hint=hint)


def _lost_peer(worker: WorkerStatus) -> bool:
    """Its connection to another worker broke: what happened to that one decides."""
    return worker.exit_code == LOST_PEER


def _gone_workers(start: Started, spec: JobSpec) -> list[int]:
    """Those whose pod failed and is not there any more."""
    if not number(status(start.job).get("failed")):
        return []
    there = set(start.pods) | completed_workers(start.job)
    return [index for index in range(min(workers_asked(start, spec), 10_000)) if index not in there]


def _gone(start: Started, gone: list[int], spec: JobSpec) -> Reason:
    """Pods that failed and are not there any more: their events may still tell why."""
    for event in reversed(start.events):
        about = mapping(event.get("involvedObject"))
        kept = {text(metadata(pod).get("uid")) for pod in start.pods.values()}
        if about.get("kind") == "Pod" and about.get("uid") not in kept:
            worker = indexed_worker({"metadata": {"name": about.get("name")}})
            of = worker if worker in gone else gone[0]
            reason = explain_disrupting_event(event, who(of, spec.ranks_in_worker))
            if reason is not None:
                return reason
    return _pod_deleted(gone, spec)


def _pod_deleted(which: list[int], spec: JobSpec) -> Reason:
    names = listed([who(index, spec.ranks_in_worker).lower() for index in which])
    retried = " It is not retried: who deletes a pod may want the job to end." if spec.cluster.retries else ""
    return Reason(
        code="pod_deleted",
        text=f"The pod of {names} was deleted while the job ran.{retried}",
        hint="Somebody or something deleted it; see the cluster's events. Run the job again.",
    )


def _stuck(start: Started, spec: JobSpec) -> Reason | None:
    for index, pod in start.pods.items():
        until = deleted_at(pod)
        if until is not None and start.now - until > _STUCK_S and not over(pod):
            one = who(index, spec.ranks_in_worker).lower()
            silence = _silence(pod, start, one)
            node = clean(spec_of(pod).get("nodeName"), 80) or "unknown"
            return Reason(
                code="stuck_pod",
                text=f"The pod of {one} should have ended {duration(start.now - until)} ago. "
                + (silence.text if silence is not None else f"Its node {node} has not said that it did."),
                hint="If the node is gone for good, an administrator can delete the pod by force.",
            )
    asked = deleted_at(start.owner)
    held = [clean(one, 80) for one in sequence(metadata(start.owner).get("finalizers")) if isinstance(one, str)]
    if asked is not None and held and start.now - asked > _STUCK_S and all(map(over, start.pods.values())):
        return Reason(
            code="held_by_finalizer",
            text=f"It has been ending for {duration(start.now - asked)}, held by {listed(held)}.",
            hint="The controller that set it has to let go; an administrator can say why it does not.",
        )
    return None
