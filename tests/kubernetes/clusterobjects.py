"""Objects as a cluster would hold them of one job, for tests of what they are read as."""

from __future__ import annotations

from typing import Any

from mlk_jupyter.backends.kubernetes import labels
from mlk_jupyter.backends.kubernetes.resources import Manifest, Objects
from mlk_jupyter.model import ClusterOptions, JobSpec

ID = "digits-0123456789"
NOW = 1_800_000_000.0


def at(seconds: float) -> str:
    """A time of the API, so many seconds after the job was created."""
    from datetime import datetime, timezone

    return datetime.fromtimestamp(NOW + seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def spec(workers: int = 1, gpus: int = 0, **more: Any) -> JobSpec:
    cluster = {key: more.pop(key) for key in list(more) if key in ClusterOptions.model_fields}
    return JobSpec(
        name="digits", notebook="digits.ipynb", workers=workers, gpus=gpus, cluster=ClusterOptions(**cluster), **more
    )


def condition(kind: str, reason: str = "", message: str = "", *, status: str = "True", when: float = 0) -> Manifest:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at(when)}


def job(
    workers: int = 1,
    *,
    attempt: int = 1,
    conditions: list[Manifest] | None = None,
    suspend: bool = False,
    created: float = 0,
    annotations: dict[str, str] | None = None,
    queue: str | None = None,
    **more: Any,
) -> Manifest:
    name = labels.attempt_name(ID, attempt)
    metadata: Manifest = {
        "name": name,
        "uid": f"uid-{name}",
        "creationTimestamp": at(created),
        "labels": {labels.JOB: ID, labels.ATTEMPT: str(attempt)},
        "annotations": annotations or {},
    }
    if queue:
        metadata["labels"]["kueue.x-k8s.io/queue-name"] = queue
    metadata.update(more.pop("metadata", {}))
    deadline = more.pop("deadline_s", None)
    asked: Manifest = {"completions": workers, "parallelism": workers, "suspend": suspend}
    if deadline is not None:
        asked["activeDeadlineSeconds"] = deadline
    status = {"conditions": conditions or [], **more}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": asked, "status": status}


def failed_job(workers: int = 1, *, when: float = 60, reason: str = "BackoffLimitExceeded", **more: Any) -> Manifest:
    conditions = [condition("FailureTarget", reason, when=when), condition("Failed", reason, when=when)]
    return job(workers, conditions=conditions, failed=1, **more)


def pod(
    worker: int = 0,
    *,
    attempt: int = 1,
    node: str | None = "node1",
    phase: str = "Pending",
    state: Manifest | None = None,
    init: Manifest | None = None,
    init_name: str = "staging",
    conditions: list[Manifest] | None = None,
    limits: dict[str, str] | None = None,
    requests: dict[str, str] | None = None,
    volumes: list[Manifest] | None = None,
    deleted: float | None = None,
    **status: Any,
) -> Manifest:
    owner = labels.attempt_name(ID, attempt)
    name = f"{owner}-{worker}-abcde"
    container: Manifest = {"name": "worker", "image": "registry.example/team/torch:1"}
    if limits or requests:
        container["resources"] = {"limits": limits or {}, "requests": requests or limits or {}}
    found: Manifest = {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": at(0),
            "annotations": {"batch.kubernetes.io/job-completion-index": str(worker)},
            "labels": {labels.JOB: ID, labels.ATTEMPT: str(attempt)},
            "ownerReferences": [{"controller": True, "uid": f"uid-{owner}", "kind": "Job"}],
        },
        "spec": {"containers": [container], "volumes": volumes or []},
        "status": {"phase": phase, "conditions": conditions or [], **status},
    }
    if node:
        found["spec"]["nodeName"] = node
        found["status"]["conditions"] = [*found["status"]["conditions"], condition("PodScheduled", when=1)]
    if state is not None:
        found["status"]["containerStatuses"] = [{"name": "worker", "state": state}]
    if init is not None:
        found["status"]["initContainerStatuses"] = [
            {"name": init_name, **(init if "state" in init else {"state": init})}
        ]
    if deleted is not None:
        found["metadata"]["deletionTimestamp"] = at(deleted)
    return found


def running(worker: int = 0, *, started: float = 5, **more: Any) -> Manifest:
    return pod(worker, phase="Running", state={"running": {"startedAt": at(started)}}, **more)


def ended(
    worker: int = 0, exit_code: int = 0, *, reason: str = "", message: str = "", when: float = 50, **more: Any
) -> Manifest:
    said = reason or ("Error" if exit_code else "Completed")
    state = {"exitCode": exit_code, "reason": said, "message": message, "startedAt": at(5), "finishedAt": at(when)}
    return pod(worker, phase="Failed" if exit_code else "Succeeded", state={"terminated": state}, **more)


def waiting(reason: str, message: str = "", **more: Any) -> Manifest:
    return pod(state={"waiting": {"reason": reason, "message": message}}, **more)


def unschedulable(message: str, worker: int = 0, **more: Any) -> Manifest:
    conditions = [condition("PodScheduled", "Unschedulable", message, status="False")]
    return pod(worker, node=None, conditions=conditions, **more)


def event(about: Manifest, reason: str, message: str = "", *, kind: str = "Pod", when: float = 10) -> Manifest:
    metadata = about["metadata"]
    return {
        "involvedObject": {"kind": kind, "name": metadata["name"], "uid": metadata["uid"]},
        "reason": reason,
        "message": message,
        "firstTimestamp": at(when),
        "lastTimestamp": at(when),
        "metadata": {"name": f"{metadata['name']}.{reason}", "uid": f"event-{reason}-{when}"},
    }


def objects(*jobs: Manifest, pods: list[Manifest] | None = None, now: float = 60, **more: Any) -> Objects:
    return Objects(ID, owners=list(jobs), pods=pods or [], now=NOW + now, **more)
