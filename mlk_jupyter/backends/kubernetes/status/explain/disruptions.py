"""When the cluster ended a pod, and not its program: preempted, drained, evicted, node lost. Pure."""

from __future__ import annotations

import re

from .....model import Reason
from ...kinds.fields import disruption, since, spec_of, status, text
from ...resources import Manifest
from .messages import clean

AGAIN = frozenset(
    {
        "preempted",
        "node_tainted",
        "drained",
        "node_shutdown",
        "node_gone",
        "node_lost",
        "evicted",
        "evicted_disk",
        "evicted_memory",
        "node_refused",
        "disrupted",
    }
)
"""Codes of ends that are nobody's fault: the same job, started again, may well succeed."""

_HINT = "This is not an error of the notebook. Run it again, or allow retries and save checkpoints."
_STARTS_AGAIN = "This is not an error of the notebook: all ranks are started again without your doing."
_OWN_DISK = re.compile(
    r"ephemeral local storage usage exceeds|EmptyDir volume \"([^\"]*)\" exceeds|exceeded its local ephemeral storage"
)
_LIMIT = re.compile(r"(?:limit|limit of containers|total limit of containers) \"?([\d.]+[KMGTPE]?i?)\"?")

# DisruptionTarget's reasons; the words follow "Rank 1's pod …".
_TARGETS: dict[str, tuple[str, str]] = {
    "PreemptionByScheduler": ("preempted", "was preempted: its place went to a pod of higher priority"),
    "DeletionByTaintManager": ("node_tainted", "was removed because its node stopped taking it, as a lost one does"),
    "EvictionByEvictionAPI": ("drained", "was evicted, as when its node is drained or taken away"),
    "DeletionByPodGC": ("node_gone", "was removed because its node is gone"),
}
# A pod's status.reason.
_REASONS: dict[str, tuple[str, str]] = {
    "Preempting": ("preempted", "was preempted: its place went to a pod that the node itself needs"),
    "NodeLost": ("node_lost", "was lost: its node does not answer"),
    "Shutdown": ("node_shutdown", "was ended because its node shut down"),
    "NodeShutdown": ("node_shutdown", "was ended because its node shut down"),
    "Terminated": ("node_shutdown", "was ended because its node shut down"),
    "UnexpectedAdmissionError": ("node_refused", "was refused by its node, whose devices do not work"),
    "NodeAffinity": ("node_refused", "was refused by its node, whose labels changed"),
}
_EVENTS: dict[str, tuple[str, str]] = {
    "Preempted": _TARGETS["PreemptionByScheduler"],
    "TaintManagerEviction": _TARGETS["DeletionByTaintManager"],
}


def explain_disruption(pod: Manifest, who: str) -> Reason | None:
    """Why the cluster ended the pod; None when it did not."""
    target = disruption(pod)
    kind = text(status(pod).get("reason"))
    said = text(status(pod).get("message"))[:20_000]
    if kind == "Evicted" or "low on resource" in said:
        return _evicted(said, who)
    if target is not None and text(target.get("reason")) in _TARGETS:
        return _reason(_TARGETS[text(target.get("reason"))], pod, who)
    if kind in _REASONS:
        return _reason(_REASONS[kind], pod, who)
    if kind.startswith("OutOf"):
        what = clean(kind.removeprefix("OutOf"), 60)
        return _reason(("node_refused", f"was refused by its node, which had no {what} left after all"), pod, who)
    if target is None:
        return None
    words = clean(target.get("message") or said or target.get("reason"), 160)
    if "shutdown" in words:
        return _reason(_REASONS["NodeShutdown"], pod, who)
    if target.get("reason") == "TerminationByKubelet":
        return _reason(("evicted", f"was ended by its node: {words}"), pod, who)
    return _reason(("disrupted", f"was ended by the cluster: {words}"), pod, who)


def starting_again(reason: Reason) -> Reason:
    """The same of a job that has retries left: there is nothing to do."""
    return reason.model_copy(update={"hint": _STARTS_AGAIN}) if reason.hint == _HINT else reason


def explain_disrupting_event(event: Manifest, who: str) -> Reason | None:
    """The same by an event, for a pod that is gone already."""
    kind = text(event.get("reason"))
    if kind == "Evicted":
        return _evicted(text(event.get("message"))[:20_000], who)
    return _reason(_EVENTS[kind], None, who) if kind in _EVENTS else None


def disrupted_at(pod: Manifest) -> float | None:
    """When the cluster began to end it."""
    return since(disruption(pod))


def _evicted(said: str, who: str) -> Reason:
    own = _OWN_DISK.search(said)
    if own is not None:
        limit = _LIMIT.search(said)
        size = f" of {limit[1]}" if limit else ""
        where = f"the volume {clean(own[1], 60)}" if own[1] else "files on its node's disk"
        return Reason(
            code="disk_limit",
            text=f"{who} was evicted because it wrote more than the limit{size} to {where}.",
            hint="Write large files to a volume (a claim), and fewer checkpoints.",
        )
    if "memory" in said:
        text_ = f"{who} was evicted because its node ran out of memory: {clean(said, 200)}"
        return Reason(code="evicted_memory", text=text_, hint="Ask for as much memory as it uses.")
    if "ephemeral-storage" in said or "disk" in said or "inodes" in said:
        text_ = f"{who} was evicted because its node's disk was full: {clean(said, 200)}"
        return Reason(code="evicted_disk", text=text_, hint="Write large files to a volume (a claim). Run it again.")
    return Reason(code="evicted", text=f"{who} was evicted: {clean(said, 220) or 'no reason is given'}", hint=_HINT)


def _reason(words: tuple[str, str], pod: Manifest | None, who: str) -> Reason:
    node = clean(text(spec_of(pod).get("nodeName")), 80)
    on = f" (node {node})" if node else ""
    return Reason(code=words[0], text=f"{who} {words[1]}{on}.", hint=_HINT)
