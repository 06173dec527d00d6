"""What Kueue says of a job that waits in its queue, or was taken out of the cluster. Pure."""

from __future__ import annotations

import re

from .....model import JobSpec, Reason
from .....quantities import resource_word
from ...kinds.attempt import Started
from ...kinds.fields import condition, holds, mapping, sequence, spec_of, status, text
from .background import Background
from .messages import clean

_UNUSED = re.compile(r"insufficient unused quota for ([\w./-]+) in flavor ([\w.-]+), (\S+) more needed")
_MOST = re.compile(
    r"insufficient quota for ([\w./-]+) in flavor ([\w.-]+), (?:previously considered podsets requests \(\S+\) \+ )?"
    r"(?:current podset )?request(?:s)?(?: \(\S+\))? > maximum capacity \(?(\S+?)(?: > (\S+?))?\)"
)
_MISSING = re.compile(r"(LocalQueue|ClusterQueue) ([\w.-]+) (doesn't exist|is inactive|is stopped)")
_FIT = re.compile(r"allows? to fit only (\d+) out of (\d+) pod|doesn't allow to fit any of (\d+) pod")

_EVICTED: tuple[tuple[str, str, str, str | None], ...] = (
    (
        "Preempted",
        "queue_preempted",
        "was preempted by a job of higher priority or another team's share",
        "It starts again by itself when there is room.",
    ),
    (
        "PodsReadyTimeout",
        "queue_pods_ready_timeout",
        "was taken out of the cluster because not all of its pods were ready in time",
        "Look for what kept the pods: an image, a volume, a node.",
    ),
    (
        "AdmissionCheck",
        "queue_admission_check",
        "was taken out of the cluster because an admission check failed",
        "An administrator of the queue knows which.",
    ),
    (
        "ClusterQueueStopped",
        "queue_stopped",
        "was taken out of the cluster because its queue was stopped",
        "Ask an administrator when the queue goes on.",
    ),
    (
        "LocalQueueStopped",
        "queue_stopped",
        "was taken out of the cluster because its queue was stopped",
        "Ask an administrator when the queue goes on.",
    ),
    ("NodeFailures", "queue_node_failed", "was taken out of the cluster because a node failed", "It starts again."),
)


def explain_queue(start: Started, spec: JobSpec, facts: Background) -> Reason:
    """Why Kueue has not started the job."""
    queue = clean(start.queue or text(spec_of(start.workload).get("queueName")) or "the queue", 80)
    if start.workload is None:
        return Reason(
            code="queue_unseen",
            text=f"Waiting in the queue {queue}: Kueue has not taken note of it yet.",
            hint="If it lasts: is Kueue running, and is there a LocalQueue of that name in this namespace?",
        )
    if spec_of(start.workload).get("active") is False or holds(start.workload, "DeactivationTarget") is not None:
        return _deactivated(start, queue)
    reserved = condition(start.workload, "QuotaReserved")
    kind = text(mapping(reserved).get("reason"))
    said = text(mapping(reserved).get("message"))[:20_000]
    reason = _checks(start, queue) if mapping(reserved).get("status") == "True" else _pending(kind, said, queue, spec)
    before = _evicted(start)
    if before is not None:
        why, hint, code = before
        text_ = f"It {why}, and waits again in the queue {queue}."
        detail = reason.text.removeprefix(f"Waiting in the queue {queue}: ")
        kept = f" Now: {detail}" if reason.code != "queue_waiting" else ""
        return Reason(code=code, text=f"{text_}{kept}"[:500], hint=hint or reason.hint)
    if facts.ahead is not None and reason.code in ("queue_waiting", "queue_quota"):
        place = "It is next." if facts.ahead == 0 else f"{facts.ahead} ahead of it."
        return reason.model_copy(update={"text": f"{reason.text} {place}"})
    return reason


def _pending(kind: str, said: str, queue: str, spec: JobSpec) -> Reason:
    head = f"Waiting in the queue {queue}"
    missing, most, unused = _MISSING.search(said), _MOST.search(said), _UNUSED.search(said)
    if missing is not None:
        state = "does not exist" if missing[3] == "doesn't exist" else "takes no jobs now"
        return Reason(
            code="queue_missing" if "exist" in missing[3] else "queue_stopped",
            text=f"{head}: the {missing[1]} {clean(missing[2], 80)} {state}.",
            hint="Choose another queue, or ask an administrator.",
        )
    if most is not None or kind == "ExceedsMaxQuota":
        return Reason(
            code="queue_quota_too_small",
            text=f"{head}: it asks for more than the queue can ever give. {_most(most) or clean(said, 200)}",
            hint="Ask for fewer or smaller workers, or use another queue.",
        )
    if kind == "TopologyPlacementFailed" or "topology" in said:
        fit = _FIT.search(said)
        room = f" ({fit[1]} of {fit[2]} workers fit)" if fit is not None and fit[1] else ""
        return Reason(
            code="queue_topology",
            text=f"{head}: no part of the cluster that is close enough together has room for all workers{room}.",
            hint="Wait, ask for fewer workers, or drop the topology that was asked for.",
        )
    if unused is not None or kind == "WaitingForQuota":
        needs = (
            f"{clean(unused[3], 30)} more {resource_word(unused[1])} needed in {clean(unused[2], 60)}"
            if unused
            else clean(said, 200) or "its quota is in use"
        )
        return Reason(code="queue_quota", text=f"{head}: {needs}.", hint="It starts by itself when others are done.")
    if kind == "NoMatchingFlavor" or "flavor" in said:
        return Reason(
            code="queue_flavor",
            text=f"{head}: no kind of node that the queue has fits: {clean(said, 200)}",
            hint="Change the node selector, tolerations or GPU resource to what the queue has.",
        )
    if kind == "WaitingForPreemptedWorkloads" or "preempt" in said:
        return Reason(code="queue_preempting", text=f"{head}: jobs of lower priority are being ended to make room.")
    if kind in ("Inadmissible", "Misconfigured"):
        return Reason(
            code="queue_inadmissible",
            text=f"{head}: it cannot be admitted: {clean(said, 200)}",
            hint="Change the job, or ask an administrator of the queue.",
        )
    if kind == "WaitingForPodsReady" or "PodsReady" in said:
        return Reason(code="queue_one_by_one", text=f"{head}: the pods of an earlier job have to be ready first.")
    detail = f": {clean(said, 200)}" if said else "."
    return Reason(code="queue_waiting", text=f"{head}{detail}", hint="It starts by itself when it is its turn.")


def _most(match: re.Match[str] | None) -> str:
    if match is None:
        return ""
    word, flavor = resource_word(match[1]), clean(match[2], 60)
    if match[4]:
        return f"{word} in {flavor}: asks {clean(match[3], 30)}, the most is {clean(match[4], 30)}."
    return f"{word} in {flavor}: the most is {clean(match[3], 30)}."


def _checks(start: Started, queue: str) -> Reason:
    """Quota is reserved; what is not done yet are admission checks, such as new nodes being made."""
    for check in map(mapping, sequence(status(start.workload).get("admissionChecks"))):
        if check.get("state") in ("Pending", "Retry", "Rejected"):
            state = text(check.get("state")).lower()
            said = clean(check.get("message"), 160)
            return Reason(
                code="queue_admission_check",
                text=f"Waiting in the queue {queue}: the admission check {clean(check.get('name'), 80)} is {state}"
                f"{f': {said}' if said else '.'}",
                hint="It goes on by itself, for example when new nodes are there." if state == "pending" else None,
            )
    return Reason(code="queue_admitted", text=f"The queue {queue} has admitted it; its pods come next.")


def _evicted(start: Started) -> tuple[str, str | None, str] | None:
    evicted = holds(start.workload, "Evicted")
    if evicted is None:
        return None
    kind = text(evicted.get("reason"))
    for part, code, why, hint in _EVICTED:
        if part in kind:
            return why, hint, code
    return f"was taken out of the cluster ({clean(kind or 'no reason given', 60)})", None, "queue_evicted"


def _deactivated(start: Started, queue: str) -> Reason:
    said = holds(start.workload, "DeactivationTarget") or holds(start.workload, "Evicted")
    words = f"{text(mapping(said).get('reason'))} {text(mapping(said).get('message'))}"
    if "MaximumExecutionTime" in words or "maximum execution time" in words:
        return Reason(
            code="queue_time_limit",
            text=f"The queue {queue} took it out because it ran longer than the queue allows.",
            hint="Ask for a longer time, or save checkpoints and go on from the last one.",
        )
    if "RequeuingLimit" in words or "re-queue" in words or "requeue" in words:
        return Reason(
            code="queue_gave_up",
            text=f"The queue {queue} has tried to start it as often as it may, and gave up.",
            hint="Look for what kept the pods: an image, a volume, a node. Then run it again.",
        )
    detail = f": {clean(mapping(said).get('message'), 160)}" if said and said.get("message") else "."
    return Reason(
        code="queue_deactivated",
        text=f"An administrator or a rule of the queue {queue} has put it on hold{detail}",
        hint="Ask an administrator of the queue.",
    )
