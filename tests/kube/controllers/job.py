"""The Job controller: pods made, counted and replaced, and the conditions of their Job, in the real one's order.

Imitates: kubernetes.io/docs/concepts/workloads/controllers/job. Indexed and other Jobs; pods made 1, 2, 4, … at a
time, and again after a refusal; the finalizer batch.kubernetes.io/job-tracking and `uncountedTerminatedPods`;
backoffLimit with a doubling wait from 10 s; podFailurePolicy; podReplacementPolicy; activeDeadlineSeconds;
suspension, which gives the pods back and starts the clock anew; FailureTarget and SuccessCriteriaMet before Failed
and Complete, which wait for the last pod; pods of a Job that is deleted or gone are let go of uncounted.
Leaves out: successPolicy, backoffLimitPerIndex and what follows from it, adoption of pods by selector.
Held by: succeeds, fails, retries-then-succeeds, deadline-exceeded, suspended-then-resumed, quota-exceeded,
pod-deleted-and-replaced, deleted-while-running, orphaned-pods, jobset-restarted-after-eviction.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ..names import JOBS, PODS
from ..problems import Problem
from ..store import Event, Key, Object
from . import job_pods
from .base import Controller, World, condition, holds, key_of, owner_of, set_condition
from .job_policy import judged

BATCH_S = 1.0
"""Changes of pods are gathered for so long."""
FIRST_RETRY_S, LAST_RETRY_S = 1.0, 60.0
"""After the API refused a pod."""
FIRST_BACKOFF_S, LAST_BACKOFF_S = 10.0, 600.0
"""Before a failed pod is replaced."""
COMPONENT = "job-controller"
MANAGED_BY = "kubernetes.io/job-controller"
REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")


@dataclass
class _Counted:
    """A Job's pods at one moment."""

    pods: list[Object]
    active: list[Object]
    terminating: int
    ready: int
    indexes: set[int]
    succeeded: int
    new_failures: list[Object]
    """Failed, not counted yet, and not to be ignored."""
    failed: int
    """All failures, the new ones included."""


class JobController(Controller):
    """Reconciles Jobs, one at a time."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._refusals: dict[str, int] = {}
        self._retry_at: dict[str, float] = {}
        self._gone: dict[Key, Object] = {}
        self._failures_in_row: dict[str, tuple[int, float]] = {}

    def notice(self, event: Event) -> None:
        if event.resource == JOBS:
            old = event.previous
            same = old is not None and old["spec"] == event.object["spec"]
            if event.type == "DELETED":
                self._gone[key_of(event.object)] = event.object
            self.enqueue(key_of(event.object), self.world.pace(BATCH_S) if same else 0.0)
        elif event.resource == PODS and event.type != "ADDED":
            owner = owner_of(event.object, "Job")
            if owner is None:
                if event.type == "MODIFIED":
                    self._release(event.object)  # its Job was deleted without it
                return
            key = (event.object["metadata"]["namespace"], owner["name"])
            job = self.store.peek(JOBS, *key)
            if job is None or job["metadata"]["uid"] != owner["uid"]:
                if event.type == "MODIFIED":
                    self._release(event.object)
            else:
                self.enqueue(key, self.world.pace(BATCH_S))

    def reconcile(self, key: Key) -> None:
        job, gone = self.store.find(JOBS, *key), self._gone.pop(key, None)
        if gone is not None:  # pods that the garbage collector leaves are nobody's to count any more
            for pod in self._pods_of(gone):
                self._release(pod)
        if job is None or job["spec"].get("managedBy") not in (None, MANAGED_BY) or _is_over(job):
            return
        if job["metadata"].get("deletionTimestamp"):
            for pod in self._pods_of(job):
                self._release(pod)
            return
        counted = self._count(job)
        status = dict(job.get("status") or {})
        conditions = [dict(each) for each in status.get("conditions") or []]
        suspended = bool(job["spec"].get("suspend"))
        if not suspended and not status.get("startTime"):
            status["startTime"] = self.world.stamp()
        failure = self._failure(job, status, counted)
        events: list[tuple[str, str, str]] = []
        condemned: list[Object] = []
        completions = job["spec"].get("completions")
        complete = completions is not None and counted.succeeded >= completions
        if failure is None and completions is None:
            complete = counted.succeeded > 0 and not counted.active
        if failure is not None or complete or suspended:
            for pod in counted.active:
                self._delete(job, pod)
            if failure is not None:
                condemned = [pod for pod in counted.pods if job_pods.tracked(pod) and not job_pods.ended(pod)]
            counted.terminating += len(counted.active)
            counted.active, counted.ready = [], 0
        if failure is None and not complete:
            if suspended:
                self._suspend(status, conditions, events)
            else:
                self._resume(status, conditions, events)
                self._make_pods(job, counted)
        self._write(job, status, conditions, counted, failure, complete, condemned)
        for kind, reason, message in events:
            self.world.recorder.record(job, kind, reason, message, component=COMPONENT)

    # Counting

    def _pods_of(self, job: Object) -> list[Object]:
        uid = job["metadata"]["uid"]
        with self.store.lock:
            return [pod for pod in self.store.dependents(uid, PODS) if (owner_of(pod, "Job") or {}).get("uid") == uid]

    def _count(self, job: Object) -> _Counted:
        pods, status = self._pods_of(job), job.get("status") or {}
        uncounted = status.get("uncountedTerminatedPods") or {}
        fresh = [pod for pod in pods if job_pods.tracked(pod)]
        indexes = job_pods.indexes_from(status.get("completedIndexes"))
        good = [pod for pod in fresh if pod["status"].get("phase") == "Succeeded"]
        if job_pods.is_indexed(job):
            limit = job["spec"]["completions"]
            indexes |= {index for pod in good if (index := job_pods.index_of(pod)) is not None and index < limit}
            succeeded = len(indexes)
        else:
            succeeded = int(status.get("succeeded") or 0) + len(good)
        suspended = bool(job["spec"].get("suspend"))
        bad = [
            pod
            for pod in fresh
            if job_pods.failed(pod, job)
            and pod["metadata"]["uid"] not in (uncounted.get("failed") or [])
            and not (suspended and pod["metadata"].get("deletionTimestamp"))
            and (judged(job, pod) or ("Count", ""))[0] != "Ignore"
        ]
        active = [pod for pod in pods if job_pods.active(pod)]
        return _Counted(
            pods=pods,
            active=active,
            terminating=sum(map(job_pods.terminating, pods)),
            ready=sum(map(job_pods.ready, active)),
            indexes=indexes,
            succeeded=succeeded,
            new_failures=bad,
            failed=int(status.get("failed") or 0) + len(uncounted.get("failed") or []) + len(bad),
        )

    def _failure(self, job: Object, status: Object, counted: _Counted) -> tuple[str, str] | None:
        known = condition(job, "FailureTarget")
        if known is not None:
            return known["reason"], known["message"]
        if condition(job, "SuccessCriteriaMet") is not None:
            return None
        for pod in counted.pods:
            if job_pods.tracked(pod) and pod["status"].get("phase") == "Failed":
                verdict = judged(job, pod)
                if verdict is not None and verdict[0] == "FailJob":
                    return "PodFailurePolicy", verdict[1]
        if counted.new_failures and counted.failed > job["spec"].get("backoffLimit", 6):
            return "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        deadline = job["spec"].get("activeDeadlineSeconds")
        if deadline is not None and status.get("startTime") and not job["spec"].get("suspend"):
            start = datetime.strptime(status["startTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
            left = (start + timedelta(seconds=deadline) - self.world.now()).total_seconds()
            if left <= 0:
                return "DeadlineExceeded", "Job was active longer than specified deadline"
            self.enqueue(key_of(job), left)
        return None

    # Pods

    def _make_pods(self, job: Object, counted: _Counted) -> None:
        uid, spec = job["metadata"]["uid"], job["spec"]
        completions = spec.get("completions")
        wanted = int(spec.get("parallelism", 1))
        if completions is not None:
            wanted = min(wanted, completions - counted.succeeded)
        if len(counted.active) > wanted:
            for pod in counted.active[wanted:]:
                self._delete(job, pod)
            counted.terminating += len(counted.active) - wanted
            counted.active = counted.active[:wanted]
            return
        missing = wanted - len(counted.active)
        busy = set(map(job_pods.index_of, counted.active))
        if job_pods.replaces_failed_only(job):
            waiting = [pod for pod in counted.pods if job_pods.terminating(pod)]
            missing -= len(waiting)
            busy |= set(map(job_pods.index_of, waiting))
        now = self.world.now().timestamp()
        wait_s = max(self._backoff_s(job, counted), self._retry_at.get(uid, 0.0) - now)
        if missing <= 0:
            return
        if wait_s > 0:
            self.enqueue(key_of(job), wait_s)
            return
        indexes: list[int | None] = [None] * missing
        if job_pods.is_indexed(job):
            free = [index for index in range(completions or 0) if index not in busy and index not in counted.indexes]
            indexes = list(free[:missing])
        self._create_slowly(job, indexes, counted)

    def _create_slowly(self, job: Object, indexes: list[int | None], counted: _Counted) -> None:
        """1, 2, 4, … at a time; a refusal ends it, and the rest waits for another try."""
        uid, size, refused = job["metadata"]["uid"], 1, False
        while indexes and not refused:
            batch, indexes = indexes[:size], indexes[size:]
            size *= 2
            for index in batch:
                try:
                    pod = self.world.create(PODS, job_pods.new_pod(job, index))
                except Problem as problem:
                    refused = True
                    words = f"Error creating: {problem}"
                    self.world.recorder.record(job, "Warning", "FailedCreate", words, component=COMPONENT)
                    break
                counted.active.append(pod)
                words = f"Created pod: {pod['metadata']['name']}"
                self.world.recorder.record(job, "Normal", "SuccessfulCreate", words, component=COMPONENT)
        if refused:
            times = self._refusals[uid] = self._refusals.get(uid, 0) + 1
            wait_s = self.world.pace(min(FIRST_RETRY_S * 2 ** (times - 1), LAST_RETRY_S))
            self._retry_at[uid] = self.world.now().timestamp() + wait_s
            self.enqueue(key_of(job), wait_s)
        else:
            self._refusals.pop(uid, None)
            self._retry_at.pop(uid, None)

    def _backoff_s(self, job: Object, counted: _Counted) -> float:
        """How long the next pod waits because others failed."""
        uid = job["metadata"]["uid"]
        times, last = self._failures_in_row.get(uid, (0, 0.0))
        if counted.new_failures:
            times, last = times + len(counted.new_failures), self.world.now().timestamp()
            self._failures_in_row[uid] = (times, last)
        elif any(pod["status"].get("phase") == "Succeeded" and job_pods.tracked(pod) for pod in counted.pods):
            self._failures_in_row.pop(uid, None)
            return 0.0
        if not times:
            return 0.0
        wait_s = self.world.pace(min(FIRST_BACKOFF_S * 2 ** (times - 1), LAST_BACKOFF_S))
        return last + wait_s - self.world.now().timestamp()

    def _delete(self, job: Object, pod: Object) -> None:
        with contextlib.suppress(Problem):
            self.store.delete(PODS, *key_of(pod), uid=pod["metadata"]["uid"])
            words = f"Deleted pod: {pod['metadata']['name']}"
            self.world.recorder.record(job, "Normal", "SuccessfulDelete", words, component=COMPONENT)

    def _release(self, pod: Object) -> None:
        """Take the Job's finalizer off a pod."""

        def edit(found: Object) -> None:
            kept = [each for each in found["metadata"].get("finalizers") or [] if each != job_pods.FINALIZER]
            found["metadata"].pop("finalizers", None)
            if kept:
                found["metadata"]["finalizers"] = kept

        if job_pods.tracked(pod):
            with contextlib.suppress(Problem):
                self.store.change(PODS, *key_of(pod), edit)

    # Status

    def _suspend(self, status: Object, conditions: list[Object], events: list[tuple[str, str, str]]) -> None:
        now = next((each for each in conditions if each["type"] == "Suspended"), None)
        if now is None or now["status"] != "True":
            set_condition(conditions, self._condition("Suspended", "JobSuspended", "Job suspended"))
            status.pop("startTime", None)
            events.append(("Normal", "Suspended", "Job suspended"))

    def _resume(self, status: Object, conditions: list[Object], events: list[tuple[str, str, str]]) -> None:
        now = next((each for each in conditions if each["type"] == "Suspended"), None)
        if now is not None and now["status"] == "True":
            set_condition(conditions, self._condition("Suspended", "JobResumed", "Job resumed", "False"))
            status["startTime"] = self.world.stamp()
            events.append(("Normal", "Resumed", "Job resumed"))

    def _condition(self, kind: str, reason: str, message: str, value: str = "True") -> Object:
        moment = self.world.stamp()
        return {
            "lastProbeTime": moment,
            "lastTransitionTime": moment,
            "message": message,
            "reason": reason,
            "status": value,
            "type": kind,
        }

    def _write(
        self,
        job: Object,
        status: Object,
        conditions: list[Object],
        counted: _Counted,
        failure: tuple[str, str] | None,
        complete: bool,
        condemned: list[Object],
    ) -> None:
        """First what is to be counted, then the pods' finalizers, then the sums and the last condition."""
        for field, value in (("active", len(counted.active)), ("succeeded", counted.succeeded)):
            status.pop(field, None)
            if value:
                status[field] = value
        status["ready"], status["terminating"] = counted.ready, counted.terminating
        if counted.indexes:
            status["completedIndexes"] = job_pods.indexes_as_text(counted.indexes)
        if failure is not None and not any(each["type"] == "FailureTarget" for each in conditions):
            conditions.append(self._condition("FailureTarget", *failure))
        if complete and failure is None and not any(each["type"] == "SuccessCriteriaMet" for each in conditions):
            conditions.append(self._condition("SuccessCriteriaMet", *REACHED))
        failed = {pod["metadata"]["uid"]: None for pod in [*counted.new_failures, *condemned]}
        waiting = (status.get("uncountedTerminatedPods") or {}).get("failed") or []
        uncounted = [*waiting, *(uid for uid in failed if uid not in waiting)]
        status["uncountedTerminatedPods"] = {"failed": uncounted} if uncounted else {}
        self._put(job, status, conditions)
        suspended = bool(job["spec"].get("suspend"))
        for pod in counted.pods:
            uid = pod["metadata"]["uid"]
            if job_pods.ended(pod) or uid in uncounted or (suspended and not job_pods.active(pod)):
                self._release(self.store.peek(PODS, *key_of(pod)) or pod)
            elif suspended or complete:
                held = self.store.peek(PODS, *key_of(pod))
                if held is not None and held["metadata"].get("deletionTimestamp"):
                    self._release(held)
        if uncounted:
            status["failed"] = int(status.get("failed") or 0) + len(uncounted)
            status["uncountedTerminatedPods"] = {}
        over = None
        if counted.terminating == 0 and not counted.active:
            if failure is not None:
                over = ("Failed", *failure)
            elif complete:
                over = ("Complete", *REACHED)
                status["completionTime"] = self.world.stamp()
        if over is not None:
            conditions.append(self._condition(*over))
        self._put(job, status, conditions)
        if over is not None and over[0] == "Complete":
            self.world.recorder.record(job, "Normal", "Completed", "Job completed", component=COMPONENT)
        elif over is not None:
            self.world.recorder.record(job, "Warning", over[1], over[2], component=COMPONENT)

    def _put(self, job: Object, status: Object, conditions: list[Object]) -> None:
        """Write the status, if it is another one."""
        body = {**status, **({"conditions": [dict(each) for each in conditions]} if conditions else {})}

        def edit(found: Object) -> None:
            if found["metadata"]["uid"] == job["metadata"]["uid"]:
                found["status"] = body

        with contextlib.suppress(Problem):
            self.store.change(JOBS, *key_of(job), edit)


def _is_over(job: Object) -> bool:
    return holds(job, "Complete") or holds(job, "Failed")
