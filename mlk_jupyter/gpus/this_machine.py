"""This machine as a node with accelerators: what NVML shows, and who holds it. Blocking."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection, Mapping
from typing import Literal

from . import mig
from .devices import Device
from .devices import Reading as Shown
from .readings import Reading, Use
from .stock import Allocation, Node, Resource, SourceState, Stock

RESOURCE = "gpu"
_HOLDER: dict[str, Literal["job", "kernel"]] = {"MLK_JOB": "job", "MLK_KERNEL_ID": "kernel"}
"""Of whose process a variable is in the environment."""
NO_DRIVER_HINT = "Run jobs with 0 GPUs here, or install NVIDIA's driver and check it with `nvidia-smi`."


def stock(
    shown: Shown,
    granted: Mapping[str, str],
    *,
    at: float,
    cores: float | None = None,
    memory: int | None = None,
    backend: str = "local",
    who: Callable[[int], Allocation | None] | None = None,
) -> Stock:
    """What this machine has and who holds it.

    Args:
        shown:   what NVML says.
        granted: UUID to the job that was given it, whether its processes use it yet or not.
        at:      seconds since the epoch.
        cores:   that jobs may use; `memory` likewise, in bytes.
        who:     whose a process is, by its id; None: by its environment, where that may be read.
    """
    node = socket.gethostname()
    nodes = [Node(node, tuple(_resources(shown.devices)), cores=cores, memory_bytes=memory)]
    if shown.why is not None:
        state = SourceState("NVML", False, f"{shown.why}.", NO_DRIVER_HINT)
        return Stock(backend, "This machine", at, nodes, sources=[state], why=f"{shown.why}.", hint=NO_DRIVER_HINT)
    allocations = _allocations(shown, granted, node, who or holder_of)
    uses = [_use(device, node, at) for device in shown.devices]
    why = None if shown.devices else "NVIDIA's driver is loaded but shows no GPU."
    return Stock(backend, "This machine", at, nodes, allocations, uses, [SourceState("NVML", True)], why=why)


def holder_of(pid: int) -> Allocation | None:
    """Whose a process is by what stands in its environment, else the process itself; None once it is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        name, since = process.name(), process.create_time()
        environment: Mapping[str, str] = process.environ()
    except psutil.NoSuchProcess:
        return None
    except (psutil.Error, OSError):
        environment = {}
        try:
            name, since = process.name(), process.create_time()
        except (psutil.Error, OSError):
            return None
    variable = next((variable for variable in _HOLDER if environment.get(variable)), None)
    if variable is None:
        return Allocation(None, RESOURCE, 0, holder="process", name=f"{name} ({pid})", pod_uid=str(pid), since=since)
    value = environment[variable]
    job = value[:253] if variable == "MLK_JOB" else None
    # In the field of a pod's identity: what tells this kernel from others.
    return Allocation(
        None,
        RESOURCE,
        0,
        holder=_HOLDER[variable],
        name=value[:253],
        pod_uid=value[:253],
        job=job,
        since=since,
    )


def _resources(devices: Collection[Device]) -> list[Resource]:
    groups: dict[tuple[str | None, str | None, int | None], int] = {}
    for device in devices:
        key = (device.product, device.profile, device.memory_total_bytes)
        groups[key] = groups.get(key, 0) + 1
    return [
        Resource(
            RESOURCE if profile is None else f"mig-{profile}",
            total,
            product,
            "nvidia",
            "none" if profile is None else "mig",
            profile,
            usable_bytes=size,
            weight=1.0 if profile is None else mig.weight(profile, product),
        )
        for (product, profile, size), total in groups.items()
    ]


def _allocations(
    shown: Shown, granted: Mapping[str, str], node: str, who: Callable[[int], Allocation | None]
) -> list[Allocation]:
    held: dict[tuple[str, str, str], tuple[Allocation, list[str]]] = {}

    def note(one: Allocation, device: Device) -> None:
        resource = RESOURCE if device.profile is None else f"mig-{device.profile}"
        _, devices = held.setdefault((one.holder, one.job or one.pod_uid or one.name, resource), (one, []))
        if _id(device) not in devices:
            devices.append(_id(device))

    for device in shown.devices:
        job = granted.get(device.uuid)
        if job is not None:
            note(Allocation(node, RESOURCE, 0, holder="job", name=job, job=job), device)
        if shown.pids_are_ours:
            for pid in device.processes or ():
                found = who(pid)
                if found is not None:
                    note(found, device)
    return [
        Allocation(
            node,
            resource,
            len(devices),
            holder=one.holder,
            name=one.name,
            pod_uid=one.pod_uid,
            job=one.job,
            since=one.since,
            devices=tuple(devices),
        )
        for (_, _, resource), (one, devices) in held.items()
    ]


def _use(device: Device, node: str, at: float) -> Use:
    def reading(value: float | None) -> Reading | None:
        return None if value is None else Reading(float(value), "nvml", "device", at)

    return Use(
        uuid=device.parent or device.uuid,
        instance=None if device.parent is None else device.uuid,
        profile=device.profile,
        product=device.product,
        node=node,
        busy=reading(device.busy),
        memory_bytes=reading(device.memory_bytes),
        memory_total_bytes=reading(device.memory_total_bytes),
        power_w=reading(device.power_w),
        energy_j=reading(device.energy_j),
    )


def _id(device: Device) -> str:
    """As `attribution.device_id` names the same device."""
    return device.uuid if device.parent is None else f"{device.parent}/{device.uuid}"
