"""Recorded streams of a real cluster, and how two streams are compared: object by object, without names by chance."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from typing import Any

from . import recordings
from .store import Event, Store

Object = dict[str, Any]
Story = dict[str, list[Any]]
"""What happened to each object, in order; repetitions left out."""
WATCHED = {"jobs.batch": "Job", "pods": "Pod", "events": "Event"}


def recorded(name: str) -> list[Object]:
    """The objects of a recording, as they came."""
    return [entry["object"] for entry in recordings.entries(name) if entry["type"] != "DELETED"]


def submitted(name: str) -> Object:
    """The Job of a recording as it was asked for: without what the server filled in."""
    job = next(found for found in recorded(name) if found["kind"] == "Job")
    job["metadata"] = {"name": job["metadata"]["name"], "namespace": job["metadata"]["namespace"]}
    job["spec"].pop("selector")
    job["spec"].pop("manualSelector")
    job["spec"]["template"].pop("metadata")
    job.pop("status")
    return job


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
    """Of each Job and pod the statuses it went through, and of each the events about it, by component."""
    told: Story = {}
    for found in objects:
        if found["kind"] == "Event":
            about = found["involvedObject"]
            key = f"events of {_name(about['name'])} by {found['reportingComponent']}"
            entry: Any = _event(found)
        elif found["kind"] == "Job":
            key, entry = f"job {found['metadata']['name']}", _job(found)
        else:
            key, entry = f"pod {_name(found['metadata']['name'])}", _pod(found)
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
    return re.sub(r"\b(train-\d)-[a-z0-9]{5}\b", r"\1-xxxxx", text)


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
    conditions = [
        (each["type"], each["status"], each["reason"], each["message"]) for each in status.get("conditions") or []
    ]
    uncounted = status.get("uncountedTerminatedPods")
    waiting = None if uncounted is None else {key: len(value) for key, value in uncounted.items()}
    return ({name: status.get(name) for name in counts}, conditions, waiting, "startTime" in status)


def _pod(found: Object) -> Any:
    status, meta = found["status"], found["metadata"]
    conditions = [
        (each["type"], each["status"], each.get("reason"), each.get("message"))
        for each in status.get("conditions") or []
    ]
    containers = [_container(each) for each in status.get("containerStatuses") or []]
    known = {name: name in status for name in ("podIP", "startTime", "hostIP")}
    deleted = bool(meta.get("deletionTimestamp"))
    return (status.get("phase"), status.get("qosClass"), found["spec"].get("nodeName"), conditions, containers, known,
            meta["generation"], status.get("observedGeneration"), deleted, meta.get("finalizers"))  # fmt: skip


def _container(status: Object) -> Any:
    ((kind, state),) = status["state"].items()
    shown = {key: value for key, value in state.items() if key not in ("containerID", "startedAt", "finishedAt")}
    fields = sorted(key for key in status if key != "volumeMounts")
    return kind, shown, status["ready"], status["started"], status["restartCount"], status["image"], fields
