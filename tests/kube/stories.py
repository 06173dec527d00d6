"""Recorded streams of a real cluster, and how two streams are compared: object by object, without names by chance."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

from . import names, recordings
from .defaults import JOB_LABELS
from .store import Event, Store

Object = dict[str, Any]
Story = dict[str, list[Any]]
"""What happened to each object, in order; repetitions left out."""
WATCHED = {
    names.JOBS: "Job",
    names.PODS: "Pod",
    names.EVENTS: "Event",
    names.JOB_SETS: "JobSet",
    names.WORKLOADS: "Workload",
}


def recorded(name: str) -> list[Object]:
    """The objects of a recording, as they came."""
    return [entry["object"] for entry in recordings.entries(name) if entry["type"] != "DELETED"]


def submitted(name: str, kind: str = "Job", about: str = "train") -> Object:
    """The Job or JobSet of a recording as it was asked for: without what the server filled in.

    Args:
        about: what its name begins with.
    """
    asked = next(
        found for found in recorded(name) if found["kind"] == kind and found["metadata"]["name"].startswith(about)
    )
    meta = asked["metadata"]
    kept = {key: meta[key] for key in ("name", "namespace", "annotations") if key in meta}
    asked["metadata"] = {**kept, "labels": _without_job_labels(meta.get("labels"))}
    asked.pop("status", None)
    if kind == "Job":
        asked["spec"].pop("selector")
        asked["spec"].pop("manualSelector")
        template = asked["spec"]["template"]["metadata"]
        asked["spec"]["template"]["metadata"] = {**template, "labels": _without_job_labels(template["labels"])}
    return asked


def _without_job_labels(labels: Object | None) -> Object:
    return {key: value for key, value in (labels or {}).items() if key not in JOB_LABELS}


class Recording:
    """What happens in a store from now on."""

    def __init__(self, store: Store) -> None:
        self._objects: list[Object] = []
        self._lock = threading.Lock()
        self.end = store.subscribe(self._hear)

    def _hear(self, event: Event) -> None:
        if event.resource in WATCHED and event.type != "DELETED":
            with self._lock:
                self._objects.append({"kind": WATCHED[event.resource], **event.object})

    def story(self) -> Story:
        """So far."""
        with self._lock:
            return story(self._objects)


def story(objects: Iterable[Object]) -> Story:
    """Of each object the statuses it went through, and of each the events about it, by component."""
    told: Story = {}
    for found in objects:
        name = _name(found["metadata"]["name"])
        if found["kind"] == "Event":
            key = f"events of {_name(found['involvedObject']['name'])} by {found['reportingComponent']}"
        else:
            key = f"{found['kind'].lower()} {name}"
        if found.get("reason") == "FinishedWorkload" and found["count"] > 1:
            continue  # Kueue says it each time it looks, which is a matter of chance
        if found["kind"] == "Pod":  # when the kubelet takes note is a matter of chance beside what others do
            seen = told.setdefault(f"generations of {name}", [])
            if (observed := found["status"].get("observedGeneration")) not in seen:
                seen.append(observed)
        entry = _ENTRIES[found["kind"]](found)
        entries = told.setdefault(key, [])
        if not entries or entries[-1] != entry:
            entries.append(entry)
    for key, entries in told.items():
        if key.endswith("by job-controller"):  # pods are made side by side: their events come in any order
            entries.sort(key=str)
    return told


def differences(told: Story, wanted: Story) -> list[str]:
    """Where a story is another one than the recorded; what comes after a recording's end is no difference."""
    found = [f"{key}: nothing, not {len(entries)} entries" for key, entries in wanted.items() if key not in told]
    for key, entries in told.items():
        expected = wanted.get(key, [])
        for number, (one, other) in enumerate(zip(entries, expected, strict=False)):
            if one != other:
                found.append(f"{key}, entry {number}: {one}, not {other}")
                break
        else:
            if len(entries) < len(expected):
                found.append(f"{key}, entry {len(entries)}: nothing, not {expected[len(entries)]}")
            elif not expected:
                found.append(f"{key}: {entries}, not expected")
    return found


def _name(text: str) -> str:
    """Without what is drawn by lot: the ends of pods' and Workloads' names, and how long something waited."""
    text = re.sub(r"\b((?:train|holder)[a-z0-9-]*-\d)-[a-z0-9]{5}\b", r"\1-xxxxx", text)
    text = re.sub(r"\b((?:job|jobset)-(?:train|holder)[a-z0-9-]*)-[0-9a-f]{5}\b", r"\1-xxxxx", text)
    return re.sub(r"\bwas \d+s\b", "was Ns", text)


def _event(found: Object) -> Any:
    return (
        found["type"],
        found["reason"],
        _name(found["message"]),
        found["involvedObject"].get("fieldPath"),
        found.get("action"),
        found.get("count"),
        (found.get("source") or {}).get("host"),
        sorted(key for key, value in found.items() if value is not None),
    )


def _job(found: Object) -> Any:
    status = found.get("status") or {}
    counts = ("active", "succeeded", "failed", "terminating", "completedIndexes")
    uncounted = status.get("uncountedTerminatedPods")
    waiting = None if uncounted is None else {key: len(value) for key, value in uncounted.items()}
    return ({name: status.get(name) for name in counts}, _conditions(found), waiting, "startTime" in status,
            *_marks(found))  # fmt: skip


def _marks(found: Object) -> tuple[list[str], list[str]]:
    return sorted(found["metadata"].get("labels") or {}), sorted(found["metadata"].get("annotations") or {})


def _job_set(found: Object) -> Any:
    status = found.get("status") or {}
    counts = ("restarts", "restartsCountTowardsMax", "terminalState", "replicatedJobsStatus")
    return {name: status.get(name) for name in counts}, _conditions(found)


def _workload(found: Object) -> Any:
    status, meta, spec = found.get("status") or {}, found["metadata"], found["spec"]
    pod_sets = [(each["name"], each["count"]) for each in spec["podSets"]]
    asked = (spec["queueName"], spec["priority"], spec["active"], pod_sets)
    owners = [(each["kind"], each["name"], each["controller"]) for each in meta["ownerReferences"]]
    said = {name: status.get(name) for name in ("admission", "resourceRequests")}
    return asked, owners, sorted(meta["labels"]), meta.get("finalizers"), said, _conditions(found)


def _conditions(found: Object) -> list[Any]:
    conditions = (found.get("status") or {}).get("conditions") or []
    return [(each["type"], each["status"], each.get("reason"), each.get("message")) for each in conditions]


def _pod(found: Object) -> Any:
    status, meta = found["status"], found["metadata"]
    containers = [_container(each) for each in status.get("containerStatuses") or []]
    known = {name: name in status for name in ("podIP", "startTime", "hostIP")}
    deleted = bool(meta.get("deletionTimestamp"))
    return (status.get("phase"), status.get("qosClass"), found["spec"].get("nodeName"), _conditions(found), containers,
            known, meta["generation"], deleted, meta.get("finalizers"), *_marks(found))  # fmt: skip


def _container(status: Object) -> Any:
    ((kind, state),) = status["state"].items()
    shown = {key: value for key, value in state.items() if key not in ("containerID", "startedAt", "finishedAt")}
    fields = sorted(key for key in status if key != "volumeMounts")
    return kind, shown, status["ready"], status["started"], status["restartCount"], status["image"], fields


_ENTRIES: dict[str, Callable[[Object], Any]] = {
    "Event": _event,
    "Job": _job,
    "JobSet": _job_set,
    "Pod": _pod,
    "Workload": _workload,
}
