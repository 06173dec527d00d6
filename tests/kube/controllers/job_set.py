"""JobSet's controller, as much of it as one-replica training jobs need: children, restarts, conditions.

Imitates: jobset.sigs.k8s.io/docs (concepts, failure policy, API reference). Child Jobs with JobSet's labels and
annotations, the headless Service, `replicatedJobsStatus` of Jobs that are not over, `restarts` and
`restartsCountTowardsMax`; failurePolicy's maxRestarts and rules (FailJobSet, RestartJobSet, and it without counting),
a restart by deleting all Jobs in the foreground and making them again once they are gone (BlockingRecreate);
suspension; Completed or Failed with their reasons; the label that its pod webhook gives (`admission`).
Leaves out: the strategies Recreate and InPlaceRestart, RestartJob, `onJobFailureMessagePatterns`, successPolicy (all
Jobs have to succeed), `dependsOn`, the coordinator, exclusive placement. A real JobSet may look between a Job's
success and its end and tell of it as ready; both are one step of the Job controller here.
Held by: jobset-restarted-after-eviction; suspension and rules by test_fake_controllers.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
from collections import Counter
from collections.abc import Callable

from ..names import JOB_SETS, JOBS, PODS, SERVICES
from ..problems import Problem
from ..store import Event, Key, Object
from .base import Controller, condition, controller_reference, holds, key_of, owner_of, set_condition

COMPONENT = "jobset"
PREFIX = "jobset.sigs.k8s.io/"
RETRY_S = 1.0
_DONE = ("Completed", "AllJobsCompleted", "jobset completed successfully")
_SUSPENDED = {True: ("SuspendedJobs", "jobset is suspended"), False: ("ResumeJobs", "jobset is resumed")}


class JobSetController(Controller):
    """Reconciles JobSets."""

    def notice(self, event: Event) -> None:
        if event.resource == JOB_SETS:
            self.enqueue(key_of(event.object))
        elif event.resource == JOBS:
            owner = owner_of(event.object, "JobSet")
            if owner is not None:
                self.enqueue((event.object["metadata"]["namespace"], owner["name"]))
        elif event.resource == PODS and event.type == "DELETED":
            name = (event.object["metadata"].get("labels") or {}).get(f"{PREFIX}jobset-name")
            if name:
                self.enqueue((event.object["metadata"]["namespace"], name))

    def reconcile(self, key: Key) -> None:
        job_set = self.store.find(JOB_SETS, *key)
        if job_set is None or job_set["metadata"].get("deletionTimestamp") or job_set["spec"].get("managedBy"):
            return
        jobs = [job for job in self.store.list(JOBS, key[0]) if self._is_child(job, job_set)]
        if holds(job_set, "Completed") or holds(job_set, "Failed"):
            for job in jobs:
                if not (holds(job, "Complete") or holds(job, "Failed")):
                    self._delete(job)
            return
        attempt = int((job_set.get("status") or {}).get("restarts") or 0)
        current = [job for job in jobs if job["metadata"]["labels"][f"{PREFIX}restart-attempt"] == str(attempt)]
        for job in jobs:
            if job not in current:
                self._delete(job)
        counts = _counts(job_set, current)
        self._make_service(job_set)
        self._suspend(job_set, counts)
        broken = [job for job in current if holds(job, "Failed")]
        wanted = _children(job_set, attempt)
        if broken:
            self._on_failure(job_set, min(broken, key=_failed_at), counts)
        elif len(current) == len(wanted) and all(holds(job, "Complete") for job in current):
            self._finish(job_set, counts, *_DONE)
        else:
            names = {job["metadata"]["name"] for job in jobs}
            self._make_jobs(job_set, [job for job in wanted if job["metadata"]["name"] not in names])
            self._follow_suspension(job_set, current)
            self._write(job_set, counts)

    def _is_child(self, job: Object, job_set: Object) -> bool:
        return bool((owner_of(job, "JobSet") or {}).get("uid") == job_set["metadata"]["uid"])

    def _make_service(self, job_set: Object) -> None:
        network = job_set["spec"].get("network") or {}
        if network.get("enableDNSHostnames") is False:
            return
        name, namespace = _subdomain(job_set), job_set["metadata"]["namespace"]
        if self.store.peek(SERVICES, namespace, name) is not None:
            return
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace, "ownerReferences": [controller_reference(job_set)]},
            "spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": network.get("publishNotReadyAddresses", True),
                "selector": {f"{PREFIX}jobset-name": job_set["metadata"]["name"]},
            },
        }
        self._create(job_set, SERVICES, service)

    def _make_jobs(self, job_set: Object, jobs: list[Object]) -> None:
        for job in jobs:
            self._create(job_set, JOBS, job)

    def _create(self, job_set: Object, resource: str, new: Object) -> None:
        try:
            self.world.create(resource, new)
        except Problem as problem:
            if problem.reason == "AlreadyExists":  # the attempt before is still being deleted
                return
            self.world.recorder.record(job_set, "Warning", "JobCreationFailed", str(problem), component=COMPONENT)
            self.enqueue(key_of(job_set), self.world.pace(RETRY_S))

    def _delete(self, job: Object) -> None:
        if not job["metadata"].get("deletionTimestamp"):
            with contextlib.suppress(Problem):
                self.store.delete(JOBS, *key_of(job), uid=job["metadata"]["uid"], propagation="Foreground")

    def _suspend(self, job_set: Object, counts: list[Object]) -> None:
        suspended = bool(job_set["spec"].get("suspend"))
        before = condition(job_set, "Suspended")
        if (before is None and not suspended) or (before is not None and before["status"] == str(suspended)):
            return
        reason, message = _SUSPENDED[suspended]
        self._put_condition(job_set, counts, "Suspended", reason, message, value=str(suspended))
        self.world.recorder.record(job_set, "Normal", reason, message, component=COMPONENT)

    def _follow_suspension(self, job_set: Object, jobs: list[Object]) -> None:
        suspended = bool(job_set["spec"].get("suspend"))
        for job in jobs:
            if bool(job["spec"].get("suspend")) != suspended:

                def edit(found: Object) -> None:
                    found["spec"]["suspend"] = suspended

                with contextlib.suppress(Problem):
                    self.store.change(JOBS, *key_of(job), edit)

    def _on_failure(self, job_set: Object, first: Object, counts: list[Object]) -> None:
        policy, name = job_set["spec"].get("failurePolicy"), first["metadata"]["name"]
        if policy is None:
            words = f"jobset failed due to one or more job failures (first failed job: {name})"
            self._finish(job_set, counts, "Failed", "FailedJobs", words)
            return
        action = _action(policy, first)
        if action == "FailJobSet":
            words = f"applying FailJobSet failure policy action (first failed job: {name})"
            self._finish(job_set, counts, "Failed", "FailJobSetFailurePolicyAction", words)
            return
        status = job_set.get("status") or {}
        counted = int(status.get("restartsCountTowardsMax") or 0)
        free = action == "RestartJobSetAndIgnoreMaxRestarts"
        if not free and counted >= int(policy.get("maxRestarts") or 0):
            words = f"jobset failed due to reaching max number of restarts (first failed job: {name})"
            self._finish(job_set, counts, "Failed", "ReachedMaxRestarts", words)
            return

        def restart(new: Object) -> None:
            new["restarts"] = int(new.get("restarts") or 0) + 1
            new["restartsCountTowardsMax"] = counted + (0 if free else 1)

        self._write(job_set, counts, restart)
        suffix = "AndIgnoreMaxRestarts" if free else ""
        words = f"applying RestartJobSet{suffix} failure policy action (first failed job: {name})"
        self.world.recorder.record(
            job_set, "Warning", f"RestartJobSet{suffix}FailurePolicyAction", words, component=COMPONENT
        )

    def _finish(self, job_set: Object, counts: list[Object], kind: str, reason: str, message: str) -> None:
        self._put_condition(job_set, counts, kind, reason, message, terminal=kind)
        event = "Normal" if kind == "Completed" else "Warning"
        self.world.recorder.record(job_set, event, reason, message, component=COMPONENT)

    def _put_condition(
        self,
        job_set: Object,
        counts: list[Object],
        kind: str,
        reason: str,
        message: str,
        *,
        value: str = "True",
        terminal: str | None = None,
    ) -> None:
        new = {
            "lastTransitionTime": self.world.stamp(),
            "message": message,
            "reason": reason,
            "status": value,
            "type": kind,
        }

        def edit(status: Object) -> None:
            set_condition(status.setdefault("conditions", []), new)
            if terminal is not None:
                status["terminalState"] = terminal

        self._write(job_set, counts, edit)

    def _write(
        self, job_set: Object, counts: list[Object], edit: Callable[[Object], None] = lambda status: None
    ) -> None:
        """The status: what its Jobs come to, and what changes with it, as one update."""

        def put(found: Object) -> None:
            status = found.setdefault("status", {})
            status["replicatedJobsStatus"] = counts
            status.setdefault("restarts", 0)
            edit(status)

        self.store.change(JOB_SETS, *key_of(job_set), put)


def _counts(job_set: Object, jobs: list[Object]) -> list[Object]:
    """One entry for each replicated Job. `active`, `ready` and `suspended` tell of Jobs that are not over."""
    found = []
    for replicated in job_set["spec"]["replicatedJobs"]:
        own = [job for job in jobs if job["metadata"]["labels"][f"{PREFIX}replicatedjob-name"] == replicated["name"]]
        live = [job for job in own if not (holds(job, "Complete") or holds(job, "Failed"))]
        found.append(
            {
                "name": replicated["name"],
                "active": sum(bool((job.get("status") or {}).get("active")) for job in live),
                "failed": sum(holds(job, "Failed") for job in own),
                "ready": sum(map(_is_ready, live)),
                "succeeded": sum(holds(job, "Complete") for job in own),
                "suspended": sum(bool(job["spec"].get("suspend")) for job in live),
            }
        )
    return found


def _is_ready(job: Object) -> bool:
    status, spec = job.get("status") or {}, job["spec"]
    wanted = min(spec["parallelism"], spec.get("completions") or spec["parallelism"])
    return bool(int(status.get("ready") or 0) + int(status.get("succeeded") or 0) >= wanted)


def _subdomain(job_set: Object) -> str:
    return str((job_set["spec"].get("network") or {}).get("subdomain") or job_set["metadata"]["name"])


def _children(job_set: Object, attempt: int) -> list[Object]:
    """The Jobs of one attempt."""
    found, start = [], 0
    total = sum(int(each.get("replicas", 1)) for each in job_set["spec"]["replicatedJobs"])
    sizes: Counter[str] = Counter()
    starts: Counter[str] = Counter()
    for each in job_set["spec"]["replicatedJobs"]:
        sizes[each.get("groupName", "default")] += int(each.get("replicas", 1))
    for replicated in job_set["spec"]["replicatedJobs"]:
        replicas = int(replicated.get("replicas", 1))
        for index in range(replicas):
            ours = {
                "jobset-name": job_set["metadata"]["name"],
                "jobset-uid": job_set["metadata"]["uid"],
                "replicatedjob-name": replicated["name"],
                "replicatedjob-replicas": str(replicas),
                "global-replicas": str(total),
                "job-index": str(index),
                "job-global-index": str(start + index),
                "job-key": _key(job_set, replicated, index),
                "group-name": replicated.get("groupName", "default"),
                "group-replicas": str(sizes[replicated.get("groupName", "default")]),
                "job-group-index": str(starts[replicated.get("groupName", "default")] + index),
                "restart-attempt": str(attempt),
            }
            found.append(_child(job_set, replicated, index, {PREFIX + key: value for key, value in ours.items()}))
        start += replicas
        starts[replicated.get("groupName", "default")] += replicas
    return found


def _key(job_set: Object, replicated: Object, index: int) -> str:
    """A short name of the Job that is the same in each attempt."""
    meta = job_set["metadata"]
    name = f"{meta['namespace']}/{meta['name']}-{replicated['name']}-{index}"
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()


def _child(job_set: Object, replicated: Object, index: int, ours: dict[str, str]) -> Object:
    template = copy.deepcopy(replicated["template"])
    meta = template.get("metadata") or {}
    spec = template["spec"]
    pod = spec["template"]
    for part in (meta, pod.setdefault("metadata", {})):
        part["labels"] = {**(part.get("labels") or {}), **ours}
        part["annotations"] = {**(part.get("annotations") or {}), **ours}
    if (job_set["spec"].get("network") or {}).get("enableDNSHostnames") is not False:
        pod["spec"]["subdomain"] = _subdomain(job_set)
    spec.setdefault("completionMode", "Indexed")
    spec["suspend"] = bool(job_set["spec"].get("suspend"))
    meta.update(
        name=f"{job_set['metadata']['name']}-{replicated['name']}-{index}",
        namespace=job_set["metadata"]["namespace"],
        ownerReferences=[controller_reference(job_set)],
    )
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def _failed_at(job: Object) -> tuple[str, str]:
    held = condition(job, "Failed") or {}
    return str(held.get("lastTransitionTime")), str(job["metadata"]["name"])


def _action(policy: Object, job: Object) -> str:
    """What the first matching rule says; to restart where none matches."""
    reason = (condition(job, "Failed") or {}).get("reason")
    child = job["metadata"]["labels"][f"{PREFIX}replicatedjob-name"]
    for rule in policy.get("rules") or []:
        reasons, targets = rule.get("onJobFailureReasons") or [], rule.get("targetReplicatedJobs") or []
        if (not reasons or reason in reasons) and (not targets or child in targets):
            return str(rule["action"])
    return "RestartJobSet"
