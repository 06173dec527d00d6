"""Devices of a pod that the cluster reports as broken, as after an XID error of an NVIDIA GPU. Pure.

Told in `allocatedResourcesStatus` of a container (Kubernetes' ResourceHealthStatus, by what the device plugin says).
"""

from __future__ import annotations

from .....model import JobSpec, Reason
from .....text import counted
from ...kinds.attempt import Started
from ...kinds.fields import container, mapping, sequence, spec_of, text
from ...resources import Manifest
from .messages import clean, who


def explain_devices(start: Started, spec: JobSpec) -> Reason | None:
    """The first worker with a device that is not healthy; None where all are, or nothing is told of them."""
    for index, pod in start.pods.items():
        broken = _broken(pod)
        if broken:
            node = clean(spec_of(pod).get("nodeName"), 80)
            return Reason(
                code="device_unhealthy",
                text=f"The cluster reports {counted(len(broken), 'device')} of "
                f"{who(index, spec.ranks_in_worker).lower()} as unhealthy: {broken[0]} on node {node}.",
                hint="The job may hang, or fail in whatever uses it. Tell an administrator: the node's kernel log has "
                "the cause, for NVIDIA's GPUs as an XID error. Choose other nodes until then.",
            )
    return None


def _broken(pod: Manifest) -> list[str]:
    found = []
    for resource in map(mapping, sequence(mapping(container(pod)).get("allocatedResourcesStatus"))):
        for device in map(mapping, sequence(resource.get("resources"))):
            if device.get("health") == "Unhealthy":
                said = clean(device.get("message"), 120)
                called = f"{clean(resource.get('name'), 60)} {clean(text(device.get('resourceID')), 60)}"
                found.append(f"{called} ({said})" if said else called)
    return found
