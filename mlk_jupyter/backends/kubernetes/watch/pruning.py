"""What is kept in memory of an object: enough to say where a job is and why, and that as text. Pure.

10,000 jobs have to fit; the spec of a pod's template, managed fields and most annotations are of no use here.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any

from .. import labels
from ..api.decoding import Keep
from ..resources import PODS, WORKLOADS, Resource

_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
    "labels",
    "ownerReferences",
)
_OWN_ANNOTATIONS = "mlk-jupyter.io/"
_ANNOTATIONS = ("batch.kubernetes.io/job-completion-index", labels.DEFAULT_CONTAINER)
_CONTAINER = ("name", "image", "resources", "restartPolicy")
_POD_SPEC = (
    "nodeName",
    "nodeSelector",
    "priorityClassName",
    "resources",
    "restartPolicy",
    "schedulerName",
    "schedulingGates",
    "terminationGracePeriodSeconds",
    "tolerations",
)
_EVENT = (
    "reason",
    "message",
    "type",
    "count",
    "firstTimestamp",
    "lastTimestamp",
    "eventTime",
    "series",
    "source",
    "reportingComponent",
    "involvedObject",
)
_MESSAGE = 4096
_IN_THE_OPEN = ("uid", "name", "resourceVersion", "creationTimestamp")

Json = dict[str, Any]


def keep_job(resource: Resource) -> Keep:
    """Keeps objects of a kind of job without their pods' templates, but for the containers' images and resources."""
    return lambda job: _kept(job, _without_templates(job.get("spec")), resource)


def keep_pod(pod: Json) -> Json | None:
    """A pod with its whole status, and of its spec what says where it runs and what it asked for."""
    return _kept(pod, _pod_spec(pod.get("spec")), PODS)


def keep_workload(workload: Json) -> Json | None:
    """Kueue's Workload of one of our jobs; None for another's."""
    if labels.job_of(labels.subject(WORKLOADS.kind, _name(workload))) is None:
        return None
    return _kept(workload, _without_templates(workload.get("spec")), WORKLOADS)


def keep_event(event: Json) -> Json | None:
    """An event about one of our objects; None for another's."""
    about = event.get("involvedObject")
    if not isinstance(about, dict) or labels.job_of(subject_of(about)) is None:
        return None
    few = {key: event[key] for key in _EVENT if event.get(key) is not None}
    if isinstance(few.get("message"), str):
        few["message"] = few["message"][:_MESSAGE]
    few["involvedObject"] = {key: about[key] for key in ("kind", "name", "uid", "fieldPath") if key in about}
    few["metadata"] = _metadata(event, annotations=False)
    return {"apiVersion": "v1", "kind": "Event", **few}


def subject_of(about: Json) -> str:
    """The name of our object that an event's `involvedObject` is, or stands for."""
    return labels.subject(str(about.get("kind", "")), str(about.get("name", "")))


def _kept(whole: Json, spec: Json, resource: Resource) -> Json:
    said = {"apiVersion": resource.api_version, "kind": resource.kind}  # lists leave it out of their items
    return {**said, "metadata": _metadata(whole), "spec": spec, "status": whole.get("status") or {}}


def _metadata(whole: Json, *, annotations: bool = True) -> Json:
    metadata = whole.get("metadata") or {}
    few = {key: metadata[key] for key in _METADATA if metadata.get(key) is not None}
    if annotations:
        given = metadata.get("annotations") or {}
        ours = {key: value for key, value in given.items() if key.startswith(_OWN_ANNOTATIONS)}
        few["annotations"] = ours | {key: given[key] for key in _ANNOTATIONS if given.get(key) is not None}
    return few


def _pod_spec(spec: Any) -> Json:
    if not isinstance(spec, dict):
        return {}
    few = {key: spec[key] for key in _POD_SPEC if spec.get(key) is not None}
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            few[kind] = [{key: one[key] for key in _CONTAINER if key in one} for one in spec[kind]]
    volumes = [_volume(one) for one in spec.get("volumes") or []]
    if any(volumes):
        few["volumes"] = [one for one in volumes if one]
    return few


def _volume(volume: Json) -> Json:
    """A claim by its name, or a memory volume with its limit; nothing for others, which reasons do not speak of."""
    if volume.get("persistentVolumeClaim"):
        return {key: volume[key] for key in ("name", "persistentVolumeClaim")}
    if (volume.get("emptyDir") or {}).get("medium") == "Memory":
        return {key: volume[key] for key in ("name", "emptyDir")}
    return {}


def _without_templates(spec: Any) -> Any:
    """A spec of any depth in which each pod template holds what `_pod_spec` leaves of it."""
    if isinstance(spec, list):
        return [_without_templates(one) for one in spec]
    if not isinstance(spec, dict):
        return spec if spec is not None else {}
    if "containers" in spec:
        return _pod_spec(spec)
    return {key: _without_templates(value) for key, value in spec.items() if value is not None}


def _name(whole: Json) -> str:
    return str((whole.get("metadata") or {}).get("name", ""))


def packing(keep: Keep, about: Callable[[Json], str]) -> Keep:
    """What keeps an object as bytes: a tenth of the memory, and nothing for the garbage collector to walk through.

    As plain data 10,000 jobs are a million objects, and each full collection then stops the event loop for 0.3 s. The
    dictionary that is left holds no container, so the collector does not track it.
    """

    def keep_packed(whole: Json) -> Json | None:
        few = keep(whole)
        if few is None:
            return None
        metadata = few["metadata"]
        packed: Json = {key: str(metadata.get(key, "")) for key in _IN_THE_OPEN}
        packed["about"], packed["packed"] = about(few), marshal.dumps(few)  # never leaves this process
        packed["loose"] = not metadata.get("ownerReferences")
        packed["described"] = labels.SPEC in metadata.get("annotations", ())
        return packed

    return keep_packed


def unpacked(packed: Json) -> Json:
    """The plain data of a packed object."""
    value: Json = marshal.loads(packed["packed"])
    return value
