"""Why a job is not running yet. Pure."""

from __future__ import annotations

from .....model import JobSpec, Phase, RankState, Reason
from .....text import listed
from ...kinds.attempt import Started
from ...kinds.fields import WorkerStatus, condition, mapping, scheduled, text
from ...resources import Manifest
from ..phases import completed_workers, workers_asked
from .admission import explain_refused
from .background import Background
from .containers import explain_container
from .exits import explain_exit
from .messages import clean, ordinal, who
from .queues import explain_queue
from .scheduling import explain_unschedulable

# What passes by itself, the least telling first. Anything else stands above these.
_PASSING = ("pods_to_come", "restarting", "scheduling", "creating", "mounting", "pulling_image", "staging")


def explain_waiting(
    start: Started, workers: dict[int, WorkerStatus], spec: JobSpec, phase: Phase, facts: Background
) -> tuple[Reason | None, dict[int, Reason]]:
    """Why the job as a whole is not running, and why each worker is not that has a pod."""
    each = {
        index: explain_worker(pod, start, workers[index], spec, facts)
        for index, pod in start.pods.items()
        if workers[index].started_at is None
    }
    if phase is Phase.QUEUED and start.suspended:
        return explain_queue(start, spec, facts), each
    if phase not in (Phase.QUEUED, Phase.STARTING):
        return None, each
    asked = workers_asked(start, spec)
    reasons = dict(each)
    if len(set(start.pods) | completed_workers(start.job)) < asked:
        missing = _missing_pods(start, asked)
        for index in range(min(asked, 10_000)):
            if index not in start.pods and index not in completed_workers(start.job):
                reasons.setdefault(index, missing)
    if not reasons:
        return None, each
    weight = {reason.code: _weight(reason) for reason in reasons.values()}
    worst = max(weight.values())
    index = min(index for index, reason in reasons.items() if weight[reason.code] == worst)
    alike = sorted(other for other, reason in reasons.items() if reason.code == reasons[index].code)
    if not any(worker.started_at is not None for worker in workers.values()):
        return reasons[index], each
    run = sum(worker.state is RankState.RUNNING for worker in workers.values())
    return _of_part(reasons[index], alike, run, asked, spec), each


def explain_worker(pod: Manifest, start: Started, worker: WorkerStatus, spec: JobSpec, facts: Background) -> Reason:
    """Why one worker's container does not run yet."""
    events = start.events_of(pod)
    if worker.finished:
        return explain_exit(pod, worker, who(worker.worker, spec.ranks_in_worker))
    if scheduled(pod):
        return explain_container(pod, events, spec, start.now)
    found = mapping(condition(pod, "PodScheduled"))
    message = text(found.get("message"))
    if found.get("reason") == "SchedulingGated":
        return Reason(
            code="scheduling_gated",
            text=f"Waiting: it is held back by a scheduling gate: {clean(message, 200)}",
            hint="The controller that set the gate removes it.",
        )
    failing = [event for event in events if event.get("reason") == "FailedScheduling"]
    if not message and failing:
        message = text(failing[-1].get("message"))
    if not message:
        return Reason(code="scheduling", text="Waiting for the scheduler to find a node.")
    reason = explain_unschedulable(message, pod, spec, facts)
    return _with_scaling(reason, events)


def _with_scaling(reason: Reason, events: list[Manifest]) -> Reason:
    """A node that is being made changes what there is to do: wait."""
    for event in reversed(events):
        if event.get("reason") in ("TriggeredScaleUp", "Nominated"):
            text_ = f"{reason.text} A new node is being started for it."
            return Reason(code="node_coming", text=text_, hint="This takes some minutes.")
        if event.get("reason") == "NotTriggerScaleUp":
            said = clean(text(event.get("message")).partition(":")[2], 120)
            more = f" No new node is started for it{f' ({said})' if said else ''}."
            return reason.model_copy(update={"text": f"{reason.text}{more}"})
    return reason


def _missing_pods(start: Started, asked: int) -> Reason:
    """Why pods were not created, by the events of whoever should have."""
    if start.refusals:
        return explain_refused(text(start.refusals[-1].get("message")), asked)
    if start.restarts_itself and start.number > 1:
        text_ = f"All processes are being started again, for the {ordinal(start.number - 1)} time."
        return Reason(code="restarting", text=text_, hint="A worker failed or was lost; see the attempts.")
    return Reason(code="pods_to_come", text="Waiting for its pods to be created.")


def _weight(reason: Reason) -> int:
    return _PASSING.index(reason.code) if reason.code in _PASSING else len(_PASSING)


def _of_part(reason: Reason, alike: list[int], run: int, asked: int, spec: JobSpec) -> Reason:
    """The reason as the job's: when other workers have begun, it says which of them is missed, and who waits."""
    if len(alike) >= asked:
        return reason
    noun = "rank" if spec.ranks_in_worker == 1 else "worker"
    one = len(alike) == 1
    names = f"{noun if one else f'{noun}s'} {listed([str(index) for index in alike])}"
    others = "the one that runs waits" if run == 1 else f"the {run} that run wait"
    wait = f"; {others} for {'it' if one else 'them'}" if run else ""
    head = f"{_capital(names)} of {asked} {'does' if one else 'do'} not run yet{wait}."
    return reason.model_copy(update={"text": f"{head} {_capital(reason.text.removeprefix('Waiting: '))}"})


def _capital(text_: str) -> str:
    return text_[:1].upper() + text_[1:]
