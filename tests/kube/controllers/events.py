"""Events as components write them: the counted ones of controllers and kubelets, the series of the scheduler.

Imitates: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1, and client-go's recorders: core
events with a count that rises for the same words and are combined after ten different ones in ten minutes; the
scheduler's with `eventTime`, `action` and a series.
Leaves out: rate limits, removal after an hour.
Held by: every recording, in whose stories the events stand with their fields.
"""

from __future__ import annotations

import time
from typing import Any

from ..names import EVENTS
from ..problems import Problem
from ..store import Object, Store, micro_timestamp, timestamp

SIMILAR = 10
"""After so many events of one object and reason in ten minutes, differing in their words only, the rest is combined."""


class Recorder:
    """Writes events into the store, and counts those that repeat."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[tuple[Any, ...], tuple[str, str]] = {}
        self._similar: dict[tuple[Any, ...], tuple[float, set[str]]] = {}

    def record(
        self,
        about: Object,
        kind: str,
        reason: str,
        message: str,
        *,
        component: str,
        host: str = "",
        container: str | None = None,
        init: bool = False,
    ) -> None:
        """One event of a controller or a kubelet: the same words again raise its count."""
        involved = _reference(about)
        if container is not None:
            involved["fieldPath"] = f"spec.{'initContainers' if init else 'containers'}{{{container}}}"
        group = (component, host, involved["uid"], involved.get("fieldPath"), kind, reason)
        message = self._combined(group, message)
        moment = timestamp(self._store.now())
        before = self._written.get((*group, message))
        if before is not None:

            def again(found: Object) -> None:
                found["count"] += 1
                found["lastTimestamp"] = moment

            try:
                self._store.change(EVENTS, before[0], before[1], again)
                return
            except Problem:
                pass  # it was deleted, as events are after an hour
        written = self._write(
            involved,
            {
                "count": 1,
                "eventTime": None,
                "firstTimestamp": moment,
                "lastTimestamp": moment,
                "message": message,
                "reason": reason,
                "reportingComponent": component,
                "reportingInstance": host,
                "source": {"component": component, **({"host": host} if host else {})},
                "type": kind,
            },
        )
        self._written[(*group, message)] = written

    def record_series(
        self, about: Object, kind: str, reason: str, message: str, *, action: str, component: str = "default-scheduler"
    ) -> None:
        """One event of the scheduler: no count at first, a series when it repeats."""
        involved = _reference(about)
        group = (component, involved["uid"], kind, reason, action)
        moment = micro_timestamp(self._store.now())
        before = self._written.get((*group, message))
        if before is not None:

            def again(found: Object) -> None:
                count = (found.get("series") or {"count": 1})["count"]
                found["series"] = {"count": count + 1, "lastObservedTime": moment}

            try:
                self._store.change(EVENTS, before[0], before[1], again)
                return
            except Problem:
                pass
        written = self._write(
            involved,
            {
                "action": action,
                "eventTime": moment,
                "firstTimestamp": None,
                "lastTimestamp": None,
                "message": message,
                "reason": reason,
                "reportingComponent": component,
                "reportingInstance": f"{component}-vm",
                "source": {},
                "type": kind,
            },
        )
        self._written[(*group, message)] = written

    def _combined(self, group: tuple[Any, ...], message: str) -> str:
        since, seen = self._similar.get(group, (0.0, set()))
        if time.monotonic() - since > 600:
            since, seen = time.monotonic(), set()
        seen.add(message)
        self._similar[group] = (since, seen)
        return message if len(seen) <= SIMILAR else f"(combined from similar events): {message}"

    def _write(self, involved: Object, body: Object) -> tuple[str, str]:
        namespace = involved.get("namespace") or "default"
        name = f"{involved['name']}.{time.time_ns():x}"
        metadata = {"name": name, "namespace": namespace}
        self._store.create(
            EVENTS, {"apiVersion": "v1", "kind": "Event", "metadata": metadata, "involvedObject": involved, **body}
        )
        return namespace, name


def _reference(about: Object) -> Object:
    meta = about["metadata"]
    reference = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": meta["name"],
        "namespace": meta.get("namespace"),
        "resourceVersion": meta["resourceVersion"],
        "uid": meta["uid"],
    }
    return {key: value for key, value in reference.items() if value}
