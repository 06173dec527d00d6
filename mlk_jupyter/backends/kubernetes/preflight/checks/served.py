"""The kind of job, queues, restarts and network isolation: that what the job asks for is served."""

from __future__ import annotations

from collections.abc import Iterator

from .....model.api import Finding
from .....text import counted, listed
from ...kinds.registry import KindUnavailable, choose, kind_of, kinds
from .case import Case, error, note, warning


def check(case: Case) -> list[Finding]:
    return [*_kind(case), *_queue(case), *_retries(case), *_network(case)]


def _kind(case: Case) -> Iterator[Finding]:
    try:
        choose(case.spec, case.facts.served.kinds)
    except KindUnavailable as unavailable:
        yield error(unavailable.code, unavailable.detail, unavailable.hint, "cluster.kind")


def _queue(case: Case) -> Iterator[Finding]:
    name, facts = case.options.queue, case.facts
    if name is None:
        return
    if facts.served.kueue is None:
        text = f"Queue {name} was chosen, but the cluster has no queues: Kueue is not installed."
        yield error("no_kueue", text, "Leave the queue out, or have Kueue installed.", "cluster.queue")
        return
    if facts.queues is None:
        text = f"Whether queue {name} exists is not known: {facts.unknown.get('queues', 'it was not asked')}."
        yield warning("queue_unchecked", text, "If it does not, the job waits for ever.", "cluster.queue")
        return
    queues = {queue["metadata"]["name"]: queue for queue in facts.queues}
    if name not in queues:
        there = f" There are: {listed(sorted(queues))}." if queues else " The namespace has none."
        text = f"There is no LocalQueue {name} in namespace {facts.namespace}: the job would wait for ever.{there}"
        yield error("no_queue", text, "Choose one that is there.", "cluster.queue")
        return
    found = queues[name]
    policy = (found.get("spec") or {}).get("stopPolicy")
    status = found.get("status") or {}
    inactive = [
        one for one in status.get("conditions") or [] if one.get("type") == "Active" and one.get("status") == "False"
    ]
    if policy in ("Hold", "HoldAndDrain"):
        text = f"Queue {name} is held by an administrator: jobs wait until it is opened."
        yield warning("queue_held", text, "Choose another queue, or wait.", "cluster.queue")
    elif inactive:
        text = f"Queue {name} takes no jobs: {str(inactive[0].get('message') or 'no reason is given')[:300]}"
        yield warning("queue_inactive", text, "Choose another queue, or ask who runs the cluster.", "cluster.queue")
    pending = status.get("pendingWorkloads")
    if isinstance(pending, int) and pending > 0:
        yield note(
            "queue_busy",
            f"{counted(pending, 'job')} wait in queue {name}." if pending > 1 else f"1 job waits in queue {name}.",
            None,
            "cluster.queue",
        )


def _retries(case: Case) -> Iterator[Finding]:
    options = case.options
    if options.retries == 0:
        return
    kind = kind_of(case.manifests[0]) if case.manifests else None
    if kind is not None and not kind.restarts_itself:
        text = (
            f"The job is a {kind.resource.kind}, which no cluster starts again: after a preemption or a lost node that "
            "is done from here, when JupyterLab or `mlk` runs."
        )
        others = " or ".join(other.resource.kind for other in kinds().values() if other.restarts_itself)
        yield note("retries_from_here", text, f"A cluster that serves {others} does it alone.", "cluster.retries")
    if options.checkpoints is None:
        text = "What `checkpoint_dir()` holds is lost with the pods, so each retry begins at the beginning."
        yield warning("retries_without_checkpoints", text, "Name a volume for checkpoints.", "cluster.checkpoints")


def _network(case: Case) -> Iterator[Finding]:
    if case.options.network is None:
        return
    if not case.facts.served.network_policies:
        text = "The cluster serves no NetworkPolicies, so a job's network cannot be isolated."
        yield error("no_network_policies", text, "Switch network isolation off.", "cluster.network")
        return
    text = (
        "Network isolation is declared by a NetworkPolicy, not verified: whether the cluster's network enforces it "
        "cannot be seen from here."
    )
    hint = "Ask who runs the cluster whether its network plugin enforces NetworkPolicies."
    yield note("network_unverified", text, hint, "cluster.network")
