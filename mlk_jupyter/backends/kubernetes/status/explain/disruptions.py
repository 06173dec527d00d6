"""When the cluster ended a pod, and not its program: preempted, drained, evicted, node lost. Pure."""

from __future__ import annotations

import re

from ..... import quantities
from .....model import Reason
from ...kinds.fields import disruption, main_container, since, spec_of, status, text
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
# What the kubelet says: "The node was low on resource: memory. … Container worker was using 12Gi, request is 2Gi, …".
_LOW = re.compile(r"low on resource: ([\w-]+)")
_USED = re.compile(r"Container ([\w.-]+) was using ([\w.]+), request is ([\w.]+)")
_PRESSED = re.compile(r"The node had condition: \[([\w, ]+)\]")
_SHORT = {
    "memory": ("evicted_memory", "memory", "Ask for as much memory as it uses: who does is evicted last."),
    "ephemeral-storage": ("evicted_disk", "disk", "Write large files to a volume (a claim). Run it again."),
    "inodes": ("evicted_disk", "room for files on its disk (inodes)", "Write fewer files, or to a volume (a claim)."),
    "pids": ("evicted", "process numbers (PIDs)", _HINT),
}
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
    "NodeAffinity": ("node_refused", "was refused by its node, whose labels do not fit"),
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
        return _evicted(said, who, pod)
    if target is not None and text(target.get("reason")) in _TARGETS:
        return _reason(_TARGETS[text(target.get("reason"))], pod, who)
    if kind in _REASONS:
        return _reason(_REASONS[kind], pod, who)
    if kind == "UnexpectedAdmissionError":
        return _reason(("node_refused", f"was refused by its node: {clean(said, 200).rstrip('.')}"), pod, who)
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
        return _evicted(text(event.get("message"))[:20_000], who, None)
    return _reason(_EVENTS[kind], None, who) if kind in _EVENTS else None


def disrupted_at(pod: Manifest) -> float | None:
    """When the cluster began to end it."""
    return since(disruption(pod))


def _evicted(said: str, who: str, pod: Manifest | None) -> Reason:
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
    pressed = _PRESSED.search(said)
    if pressed is not None:
        return _reason(("node_refused", f"was refused by its node, which is under {clean(pressed[1], 60)}"), pod, who)
    low = _LOW.search(said)
    code, what, hint = _SHORT.get(low[1] if low is not None else "", ("evicted", "", _HINT))
    if low is None or not what:
        return Reason(code=code, text=f"{who} was evicted: {clean(said, 220) or 'no reason is given'}", hint=hint)
    used = ""
    if (found := _USED.search(said)) is not None:
        whose = "it" if pod is None or found[1] == main_container(pod) else f"its container {clean(found[1], 60)}"
        asked = "asked for none" if found[3] == "0" else f"asked for {_amount(found[3])}"
        used = f": {whose} used {_amount(found[2])} and had {asked}"
    node = clean(text(spec_of(pod).get("nodeName")), 80)
    where = f"its node {node}" if node else "its node"
    return Reason(code=code, text=f"{who} was evicted because {where} ran low on {what}{used}.", hint=hint)


def _amount(quantity: str) -> str:
    found = quantities.find(quantity)
    return quantities.size_in_words(found) if found is not None else clean(quantity, 40)


def _reason(words: tuple[str, str], pod: Manifest | None, who: str) -> Reason:
    node = clean(text(spec_of(pod).get("nodeName")), 80)
    on = f" (node {node})" if node else ""
    return Reason(code=words[0], text=f"{who} {words[1]}{on}.", hint=_HINT)
