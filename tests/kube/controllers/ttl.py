"""Removes Jobs and JobSets `ttlSecondsAfterFinished` after their end.

Imitates: kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished, and JobSet's field of that name: counted
from the end of the Job; the deletion is in the foreground.
Leaves out: nothing that is known.
Held by: no recording; test_fake_controllers.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone

from ..names import JOB_SETS, JOBS
from ..problems import Problem
from ..store import Event, Key, Object
from .base import Controller

_ENDS = {JOBS: ("Complete", "Failed"), JOB_SETS: ("Completed", "Failed")}


class TtlController(Controller):
    """Keys are `RESOURCE NAMESPACE` and name."""

    def notice(self, event: Event) -> None:
        if event.resource in _ENDS and event.type != "DELETED":
            spec, meta = event.object["spec"], event.object["metadata"]
            if spec.get("ttlSecondsAfterFinished") is not None and _ended_at(event.resource, event.object):
                self.enqueue((f"{event.resource} {meta['namespace']}", meta["name"]))

    def reconcile(self, key: Key) -> None:
        resource, namespace = key[0].split(" ")
        found = self.store.peek(resource, namespace, key[1])
        end = found and _ended_at(resource, found)
        if found is None or not end or found["metadata"].get("deletionTimestamp"):
            return
        ttl_s = found["spec"].get("ttlSecondsAfterFinished")
        if ttl_s is None:
            return
        ended = datetime.strptime(end, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        left = ttl_s - (self.world.now() - ended).total_seconds()
        if left > 0:
            self.enqueue(key, min(left, 3600.0))
            return
        with contextlib.suppress(Problem):
            self.store.delete(resource, namespace, key[1], uid=found["metadata"]["uid"], propagation="Foreground")


def _ended_at(resource: str, found: Object) -> str | None:
    for each in (found.get("status") or {}).get("conditions") or []:
        if each["type"] in _ENDS[resource] and each["status"] == "True":
            return str(each["lastTransitionTime"])
    return None
