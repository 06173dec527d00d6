"""The pods of a Job: which are there, what becomes of them, and what new ones look like. Pure.

Imitates: kubernetes.io/docs/concepts/workloads/controllers/job (completion mode, pod labels and the index, pod
replacement policy): labels, annotation, hostname and JOB_COMPLETION_INDEX of a pod; `completedIndexes` as text.
Leaves out: the annotation of failures per index.
Held by: succeeds, pod-deleted-and-replaced, jobset-restarted-after-eviction.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from ..store import Object
from .base import controller_reference

FINALIZER = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"


def is_indexed(job: Object) -> bool:
    """Whether its pods are numbered."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Object) -> int | None:
    """The pod's number."""
    text = (pod["metadata"].get("annotations") or {}).get(INDEX)
    return int(text) if text is not None and text.isdigit() else None


def ended(pod: Object) -> bool:
    """Whether its phase is terminal."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def active(pod: Object) -> bool:
    """Neither ended nor being deleted."""
    return not ended(pod) and not pod["metadata"].get("deletionTimestamp")


def terminating(pod: Object) -> bool:
    """Being deleted, not ended yet."""
    return not ended(pod) and bool(pod["metadata"].get("deletionTimestamp"))


def tracked(pod: Object) -> bool:
    """Not yet counted in its Job's status."""
    return FINALIZER in (pod["metadata"].get("finalizers") or [])


def ready(pod: Object) -> bool:
    """Whether its Ready condition is true."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def replaces_failed_only(job: Object) -> bool:
    """Whether a pod that is being deleted counts only when it has ended."""
    return bool(job["spec"].get("podReplacementPolicy") == "Failed" or job["spec"].get("podFailurePolicy"))


def failed(pod: Object, job: Object) -> bool:
    """Whether the pod counts as a failure."""
    phase = pod.get("status", {}).get("phase")
    if phase == "Failed":
        return True
    if replaces_failed_only(job):
        return False
    return bool(pod["metadata"].get("deletionTimestamp")) and phase != "Succeeded"


def indexes_from(text: str | None) -> set[int]:
    """`0,2-4` → {0, 2, 3, 4}."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return found


def indexes_as_text(indexes: Iterable[int]) -> str:
    """{0, 1, 2, 4} → `0-2,4`; two neighbours as `0,1`."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(
        str(first) if first == last else f"{first},{last}" if last == first + 1 else f"{first}-{last}"
        for first, last in runs
    )


def new_pod(job: Object, index: int | None) -> Object:
    """The pod to create for one index of an Indexed Job, or for any Job where it is None."""
    template = copy.deepcopy(job["spec"]["template"])
    meta = template.get("metadata") or {}
    meta.pop("creationTimestamp", None)
    name = job["metadata"]["name"]
    meta["generateName"] = f"{name}-" if index is None else f"{name}-{index}-"
    meta["namespace"] = job["metadata"]["namespace"]
    meta["finalizers"] = [*(meta.get("finalizers") or []), FINALIZER]
    meta["ownerReferences"] = [controller_reference(job)]
    uid = job["metadata"]["uid"]
    labels = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name}
    meta["labels"] = {**labels, "controller-uid": uid, "job-name": name, **(meta.get("labels") or {})}
    spec = template["spec"]
    if index is not None:
        meta["annotations"] = {**(meta.get("annotations") or {}), INDEX: str(index)}
        meta["labels"][INDEX] = str(index)
        spec.setdefault("hostname", f"{name}-{index}")
        reference = {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.labels['{INDEX}']"}}
        for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
            if not any(each["name"] == "JOB_COMPLETION_INDEX" for each in container.get("env") or []):
                container["env"] = [
                    *(container.get("env") or []), {"name": "JOB_COMPLETION_INDEX", "valueFrom": reference}
                ]  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
