"""Kueue, as much of it as one queue needs: Workloads, quota, admission by suspending and resuming. One flavor a queue.

Active for Jobs and JobSets with a queue's label while `kueue.x-k8s.io` is served. What a ClusterQueue's nominalQuota
does not name is refused, as the real one does; a LocalQueue whose ClusterQueue is not there admits everything.

Imitates: kueue.sigs.k8s.io/docs (concepts of Workload, ClusterQueue and LocalQueue; troubleshooting jobs). The
webhook suspends a Job with a queue (`admission`); a Workload by the Job's name and uid with the finalizer
resource-in-use; QuotaReserved=False with what is missing, else QuotaReserved, Admitted and the Job resumed, its pods
labelled with their pod set; Evicted and the Job suspended again; a Workload with `active: false` is not admitted, or
is Evicted; Finished with the Job's words, and the finalizer gone; the events of all.
Leaves out: cohorts and borrowing, preemption (`levers.evict_workload` does it), several flavors, admission checks,
partial admission, topology, `reclaimablePods` (the recorded one told of them for one Job and not for the other),
`maximumExecutionTimeSeconds`. FinishedWorkload is told once; the real one says it each time it looks.
Held by: kueue-waits-then-admitted; eviction, missing queues and JobSets by test_fake_controllers.
"""

from __future__ import annotations

import contextlib
import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any

from ..admission import QUEUE
from ..names import CLUSTER_QUEUES, JOB_SETS, JOBS, LOCAL_QUEUES, WORKLOADS
from ..problems import Problem
from ..quantities import amount as parsed
from ..quantities import written
from ..scheduler import requests
from ..store import Event, Key, Object
from .base import Controller, World, controller_reference, holds, key_of, owner_of, set_condition

PRIORITY, UID = "kueue.x-k8s.io/priority-class", "kueue.x-k8s.io/job-uid"
POD_SET = "kueue.x-k8s.io/podset"
IN_USE = "kueue.x-k8s.io/resource-in-use"
BINARY = ("memory", "ephemeral-storage")
ALL: Key = ("", "all")
_PREFIX = {JOBS: "job", JOB_SETS: "jobset"}
_KIND = {"Job": JOBS, "JobSet": JOB_SETS}


class KueueController(Controller):
    """Reconciles all queues at once, the oldest workload first."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.held = False
        """Nothing more is admitted while it is set; see `hold`."""

    def notice(self, event: Event) -> None:
        queued = event.resource in _PREFIX and _queue_of(event.object)
        if queued or event.resource in (WORKLOADS, LOCAL_QUEUES, CLUSTER_QUEUES):
            self.enqueue(ALL)

    def hold(self, held: bool) -> None:
        """Admit nothing more, or go on."""
        self.held = held
        self.enqueue(ALL)

    def evict(self, workload: Object, reason: str, message: str) -> None:
        """Take a workload's quota away: its job is suspended and waits again."""
        stamp = self.world.stamp()

        def edit(found: Object) -> None:
            status = found.setdefault("status", {})
            status.pop("admission", None)
            conditions = status.setdefault("conditions", [])
            for kind, value, why in (
                ("QuotaReserved", "False", "Pending"),
                ("Evicted", "True", reason),
                ("Admitted", "False", "NoReservation"),
            ):
                set_condition(conditions, _condition(kind, value, why, message, stamp))

        self.store.change(WORKLOADS, *key_of(workload), edit)
        self.world.recorder.record(workload, "Normal", f"EvictedDueTo{reason}", message, component="kueue-workload")

    def reconcile(self, key: Key) -> None:
        for resource in _PREFIX:
            for job in self.store.list(resource):
                if _queue_of(job) and not job["metadata"].get("deletionTimestamp"):
                    self._keep_workload(resource, job)
        waiting = [each for each in self.store.list(WORKLOADS) if not holds(each, "Finished")]
        waiting.sort(key=lambda each: (each["metadata"]["creationTimestamp"], each["metadata"]["name"]))
        for workload in waiting:
            active = workload["spec"].get("active", True)
            if active and not holds(workload, "QuotaReserved"):
                self._consider(workload)
            elif not active and holds(workload, "Admitted"):
                self.evict(workload, "Deactivated", "The workload is deactivated")
        for workload in self.store.list(WORKLOADS):
            if workload["metadata"].get("deletionTimestamp") or holds(workload, "Finished"):
                self._release(workload)
            else:
                self._follow(workload)

    # Jobs and their workloads

    def _keep_workload(self, resource: str, job: Object) -> None:
        name = _workload_name(resource, job)
        namespace = job["metadata"]["namespace"]
        known = self.store.peek(WORKLOADS, namespace, name)
        end = next((kind for kind in ("Complete", "Completed", "Failed") if holds(job, kind)), None)
        if known is None and end is None:
            labels = job["metadata"].get("labels") or {}
            workload = {
                "apiVersion": "kueue.x-k8s.io/v1beta2",
                "kind": "Workload",
                "metadata": {
                    "name": name,
                    "namespace": namespace,
                    "labels": {UID: job["metadata"]["uid"]},
                    "finalizers": [IN_USE],
                    "ownerReferences": [controller_reference(job)],
                },
                "spec": {
                    "active": True,
                    "podSets": _pod_sets(resource, job),
                    "priority": 0,
                    "queueName": _queue_of(job),
                    **({"priorityClassName": labels[PRIORITY]} if PRIORITY in labels else {}),
                },
                "status": {},
            }
            with contextlib.suppress(Problem):
                self.world.create(WORKLOADS, workload)
                words = f"Created Workload: {namespace}/{name}"
                self._tell(job, "CreatedWorkload", words)
        elif known is not None and end is not None and not holds(known, "Finished"):
            reason = "Failed" if end == "Failed" else "Succeeded"
            held = next(each for each in job["status"]["conditions"] if each["type"] == end)
            self._set(known, "Finished", "True", reason, held["message"])
            self._tell(job, "FinishedWorkload", f"Workload '{namespace}/{name}' is declared finished")

    def _release(self, workload: Object) -> None:
        """Let a workload go that reserves nothing any more."""

        def drop(found: Object) -> None:
            kept = [each for each in found["metadata"].pop("finalizers") if each != IN_USE]
            if kept:
                found["metadata"]["finalizers"] = kept

        if IN_USE in (workload["metadata"].get("finalizers") or []):
            self.store.change(WORKLOADS, *key_of(workload), drop)

    def _follow(self, workload: Object) -> None:
        """Suspend or resume the job as its workload says."""
        owner = owner_of(workload, "Job") or owner_of(workload, "JobSet")
        if owner is None:
            return
        resource, namespace = _KIND[owner["kind"]], workload["metadata"]["namespace"]
        job = self.store.peek(resource, namespace, owner["name"])
        if job is None or job["metadata"]["uid"] != owner["uid"]:
            return
        admitted = holds(workload, "Admitted")
        if bool(job["spec"].get("suspend")) == admitted:
            self._suspend(resource, job, not admitted)
            if admitted:
                queue = (workload["status"].get("admission") or {}).get("clusterQueue")
                self._tell(job, "Started", f"Admitted by clusterQueue {queue}")
            elif holds(workload, "Evicted"):
                held = next(each for each in workload["status"]["conditions"] if each["type"] == "Evicted")
                self._tell(job, "Stopped", held["message"])

    def _suspend(self, resource: str, job: Object, suspended: bool) -> None:
        def edit(found: Object) -> None:
            found["spec"]["suspend"] = suspended
            for pod_set in _pod_sets(resource, found):  # the templates themselves
                labels = pod_set["template"].setdefault("metadata", {}).setdefault("labels", {})
                labels.pop(POD_SET, None)
                if not suspended:
                    labels[POD_SET] = pod_set["name"]

        with contextlib.suppress(Problem):
            self.store.change(resource, *key_of(job), edit)

    # Admission

    def _consider(self, workload: Object) -> None:
        namespace, queue = workload["metadata"]["namespace"], workload["spec"]["queueName"]
        local = self.store.peek(LOCAL_QUEUES, namespace, queue)
        if local is None:
            self._refuse(workload, "Inadmissible", f"LocalQueue {queue} doesn't exist")
            return
        name = local["spec"]["clusterQueue"]
        quota = self._quota(name)
        flavor, limits = quota if quota is not None else ("default-flavor", None)
        asked = _asked(workload)
        if limits is not None:
            problem = self._shortage(name, flavor, limits, asked)
            if problem is not None:
                words = f"couldn't assign flavors to pod set main: {problem}"
                self._refuse(workload, "Pending", words, resourceRequests=_requests_of(workload))
                return
        if self.held:
            self._refuse(workload, "Pending", f"ClusterQueue {name} is stopped")
            return
        self._admit(workload, name, flavor)

    def _quota(self, name: str) -> tuple[str, dict[str, Decimal]] | None:
        found = self.store.peek(CLUSTER_QUEUES, None, name)
        if found is None:
            return None
        flavor, limits = "default-flavor", {}
        for group in found["spec"].get("resourceGroups") or []:
            for each in group["flavors"][:1]:
                flavor = each["name"]
                limits.update({one["name"]: parsed(one["nominalQuota"]) for one in each["resources"]})
        return flavor, limits

    def _shortage(self, name: str, flavor: str, limits: dict[str, Decimal], asked: dict[str, Decimal]) -> str | None:
        used: dict[str, Decimal] = {}
        for other in self.store.peek_all(WORKLOADS):
            admission = (other.get("status") or {}).get("admission") or {}
            if admission.get("clusterQueue") == name and not holds(other, "Finished"):
                for resource, amount in _asked(other).items():
                    used[resource] = used.get(resource, Decimal(0)) + amount
        for resource, amount in sorted(asked.items()):
            if resource not in limits:
                return f"resource {resource} unavailable in ClusterQueue"
            limit, free = limits[resource], limits[resource] - used.get(resource, Decimal(0))
            if amount > limit:
                return (
                    f"insufficient quota for {resource} in flavor {flavor}, previously considered podsets requests (0) "
                    f"+ current podset request ({written(amount)}) > maximum capacity ({written(limit)})"
                )
            if amount > free:
                more = written(amount - free)
                return f"insufficient unused quota for {resource} in flavor {flavor}, {more} more needed"
        return None

    def _refuse(self, workload: Object, reason: str, message: str, **status: Any) -> None:
        before = next(
            (
                each
                for each in (workload.get("status") or {}).get("conditions") or []
                if each["type"] == "QuotaReserved"
            ),
            None,
        )
        if before is None or before["message"] != message:
            self._set(workload, "QuotaReserved", "False", reason, message, **status)
            self._tell(workload, "Pending", message)

    def _admit(self, workload: Object, queue: str, flavor: str) -> None:
        stamp = self.world.stamp()
        waited_s = self.world.now().timestamp() - _epoch(workload["metadata"]["creationTimestamp"])
        words = f"Quota reserved in ClusterQueue {queue}"

        def edit(found: Object) -> None:
            status = found.setdefault("status", {})
            status.pop("resourceRequests", None)
            status["admission"] = {
                "clusterQueue": queue,
                "podSetAssignments": [
                    {
                        "name": each["name"],
                        "count": each["count"],
                        "flavors": dict.fromkeys(asked, flavor),
                        "resourceUsage": asked,
                    }
                    for each in found["spec"]["podSets"]
                    for asked in [_amounts(each)]
                ],
            }
            conditions = status.setdefault("conditions", [])
            for kind, message in (("QuotaReserved", words), ("Admitted", "The workload is admitted")):
                set_condition(conditions, _condition(kind, "True", kind, message, stamp))
            for each in conditions:
                if each["type"] == "Evicted" and each["status"] == "True":
                    each.update(status="False", reason="QuotaReserved", message="Previously: " + each["message"])

        self.store.change(WORKLOADS, *key_of(workload), edit)
        self._tell(workload, "QuotaReserved", f"{words}, wait time since queued was {max(0, int(waited_s))}s")
        self._tell(workload, "Admitted", f"Admitted by ClusterQueue {queue}, wait time since reservation was 0s")

    def _set(self, workload: Object, kind: str, value: str, reason: str, message: str, **status: Any) -> None:
        new = _condition(kind, value, reason, message, self.world.stamp())

        def edit(found: Object) -> None:
            found.setdefault("status", {}).update(status)
            set_condition(found["status"].setdefault("conditions", []), new)

        with contextlib.suppress(Problem):
            self.store.change(WORKLOADS, *key_of(workload), edit)

    def _tell(self, about: Object, reason: str, message: str) -> None:
        found = self.store.peek(_resource(about), *key_of(about)) or about
        component = (
            "kueue-admission" if about["kind"] == "Workload" else f"batch/{about['kind'].lower()}-kueue-controller"
        )
        kind = "Warning" if reason == "Pending" else "Normal"
        self.world.recorder.record(found, kind, reason, message, component=component)


def _resource(found: Object) -> str:
    return WORKLOADS if found["kind"] == "Workload" else _KIND[found["kind"]]


def _queue_of(job: Object) -> str | None:
    return (job["metadata"].get("labels") or {}).get(QUEUE)


def _workload_name(resource: str, job: Object) -> str:
    name = job["metadata"]["name"]
    digest = hashlib.sha1(f"{resource}\n{name}\n{job['metadata']['uid']}".encode(), usedforsecurity=False).hexdigest()
    return f"{_PREFIX[resource]}-{name}-{digest[:5]}"


def _pod_sets(resource: str, job: Object) -> list[Object]:
    if resource == JOBS:
        spec = job["spec"]
        return [{"name": "main", "count": int(spec.get("parallelism", 1)), "template": spec["template"]}]
    return [
        {
            "name": each["name"],
            "count": int(each.get("replicas", 1)) * int(each["template"]["spec"].get("parallelism", 1)),
            "template": each["template"]["spec"]["template"],
        }
        for each in job["spec"]["replicatedJobs"]
    ]


def _asked(workload: Object) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for pod_set in workload["spec"]["podSets"]:
        for name, amount in requests(pod_set["template"]).items():
            total[name] = total.get(name, Decimal(0)) + amount * pod_set["count"]
    return total


def _requests_of(workload: Object) -> list[Object]:
    return [{"name": each["name"], "resources": _amounts(each)} for each in workload["spec"]["podSets"]]


def _amounts(pod_set: Object) -> dict[str, str]:
    """What all pods of a set ask for together, as text."""
    asked = requests(pod_set["template"])
    return {name: written(one * pod_set["count"], "Ki" if name in BINARY else "") for name, one in asked.items()}


def _condition(kind: str, value: str, reason: str, message: str, stamp: str) -> Object:
    return {"lastTransitionTime": stamp, "message": message, "reason": reason, "status": value, "type": kind}


def _epoch(stamp: str) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
