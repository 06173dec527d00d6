"""A pod's status as its kubelet writes it. Pure."""

from __future__ import annotations

import hashlib
from typing import Any

from .images import Image, reference
from .store import Object

READY_TO_START, INITIALIZED, READY = "PodReadyToStartContainers", "Initialized", "Ready"
CONTAINERS_READY, SCHEDULED, DISRUPTED = "ContainersReady", "PodScheduled", "DisruptionTarget"


def image_id(name: str) -> str:
    """The same for the same image."""
    return "sha256:" + hashlib.sha256(reference(name).encode()).hexdigest()


def waiting(reason: str, message: str | None = None) -> Object:
    """The state of a container that does not run yet."""
    return {"waiting": {**({"message": message} if message else {}), "reason": reason}}


def container_status(pod: Object, container: Object, state: Object, **more: Any) -> Object:
    """One entry of containerStatuses. `more` overrides its fields."""
    running, ended = "running" in state, "terminated" in state
    status: Object = {
        "image": container["image"],
        "imageID": "",
        "lastState": {},
        "name": container["name"],
        "ready": running,
        "restartCount": 0,
        "started": running,
        "state": state,
    }
    if running or ended:
        resources = container.get("resources") or {}
        status["image"], status["imageID"] = reference(container["image"]), image_id(container["image"])
        status["resources"] = resources
        if resources.get("requests"):
            status["allocatedResources"] = resources["requests"]
    if container.get("volumeMounts"):
        status["volumeMounts"] = [
            {
                **{key: mount[key] for key in ("mountPath", "name", "readOnly") if key in mount},
                **({"recursiveReadOnly": "Disabled"} if mount.get("readOnly") else {}),
            }
            for mount in container["volumeMounts"]
        ]
    return {**status, **more}


def resources_of(pod: Object) -> tuple[Object, Object]:
    """`status.resources` and `status.allocatedResources` of a pod with one container; with more, of the first."""
    resources = pod["spec"]["containers"][0].get("resources") or {}
    return resources, dict(resources.get("requests") or {})


def conditions_of(pod: Object, sandbox: bool, stamp: str) -> list[Object]:
    """The conditions that follow from the containers' states, in the kubelet's order; times of those that did not
    change stay as they are in the pod's status."""
    status = pod["status"]
    inits, mains = status.get("initContainerStatuses") or [], status.get("containerStatuses") or []
    not_initialized = [each["name"] for each in inits if not _succeeded(each)]
    unready = [each["name"] for each in mains if not each["ready"]]
    over = bool(mains) and all("terminated" in each["state"] for each in mains)
    init_failed = pod["spec"].get("restartPolicy") == "Never" and any(
        "terminated" in each["state"] and not _succeeded(each) for each in inits
    )
    good = over and all(map(_succeeded, mains))
    new: list[Object] = [_condition(READY_TO_START, sandbox)]
    if not_initialized:
        words = f"containers with incomplete status: [{' '.join(not_initialized)}]"
        new.append(_condition(INITIALIZED, False, "ContainersNotInitialized", words))
    else:
        new.append(_condition(INITIALIZED, True, "PodCompleted" if good else None))
    for kind in (READY, CONTAINERS_READY):
        if good:
            new.append(_condition(kind, False, "PodCompleted"))
        elif over or init_failed:
            new.append(_condition(kind, False, "PodFailed"))
        elif unready:
            words = f"containers with unready status: [{' '.join(unready)}]"
            new.append(_condition(kind, False, "ContainersNotReady", words))
        else:
            new.append(_condition(kind, True))
    new.append(_condition(SCHEDULED, True))
    old = {each["type"]: each for each in status.get("conditions") or []}
    for each in new:
        before = old.get(each["type"])
        each["lastTransitionTime"] = (
            before["lastTransitionTime"] if before and before["status"] == each["status"] else stamp
        )
        each["observedGeneration"] = pod["metadata"].get("generation", 1)
    kept = [each for kind, each in old.items() if kind == DISRUPTED]
    return [*kept, *new]


def _condition(kind: str, value: bool, reason: str | None = None, message: str | None = None) -> Object:
    found: Object = {"lastProbeTime": None, "status": str(value), "type": kind}
    if reason:
        found["reason"] = reason
    if message:
        found["message"] = message
    return found


def _succeeded(status: Object) -> bool:
    return bool(status["state"].get("terminated", {}).get("exitCode") == 0)


def image_is_pulled(image: Image, container: Object) -> bool:
    """Whether the kubelet asks the registry before it starts the container."""
    policy = container.get("imagePullPolicy")
    return policy == "Always" or (policy != "Never" and not image.present)


def disruption(reason: str, message: str, stamp: str) -> Object:
    """The condition of a pod that something else than its own end ends."""
    return {
        "lastProbeTime": None,
        "lastTransitionTime": stamp,
        "message": message,
        "reason": reason,
        "status": "True",
        "type": DISRUPTED,
    }
