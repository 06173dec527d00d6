"""This machine as a node with accelerators: what NVML shows, and who holds it. Blocking."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from . import mig
from .devices import Device
from .devices import Reading as Shown
from .readings import Reading, Use
from .stock import Allocation, Node, Resource, SourceState, Stock

_LONGEST = 253
NO_DRIVER_HINT = "Run jobs with 0 GPUs here, or install NVIDIA's driver and check it with `nvidia-smi`."
_HOLDERS: tuple[tuple[str, Literal["job", "kernel"]], ...] = (("MLK_JOB", "job"), ("MLK_KERNEL_ID", "kernel"))
"""Variables in the environment of their processes."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a process is."""

    kind: Literal["job", "kernel", "process"]
    id: str
    name: str
    since: float | None = None


def stock(
    shown: Shown,
    granted: Mapping[str, str],
    *,
    at: float,
    who: Callable[[int], Holder | None] | None = None,
) -> Stock:
    """What this machine has and who holds it.

    Args:
        shown:   what NVML says.
        granted: UUID to the job that was given it, whether its processes use it yet or not.
        at:      seconds since the epoch.
        who:     whose a process is, by its id; None: by its environment, where that may be read.
    """
    name = socket.gethostname()
    nodes = [Node(name, tuple(_resources(shown.devices)))]
    title = "This machine"
    if shown.why is not None:
        said = f"{shown.why}."
        states = [SourceState("NVML", False, said)]
        return Stock("local", title, at, nodes, sources=states, why=said, hint=NO_DRIVER_HINT)
    allocations = _allocations(shown, granted, name, who or holder_of)
    uses = [_use(device, name, at) for device in shown.devices]
    why = None if shown.devices else "NVIDIA's driver is loaded but shows no GPU."
    return Stock("local", title, at, nodes, allocations, uses, [SourceState("NVML", True)], why=why)


def holder_of(pid: int) -> Holder | None:
    """Whose a process is by what stands in its environment, else the process itself; None once it is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        name, since = process.name(), process.create_time()
    except (psutil.Error, OSError):
        return None
    try:
        environment = process.environ()
    except (psutil.Error, OSError):  # somebody else's
        environment = {}
    for variable, kind in _HOLDERS:
        if value := environment.get(variable):
            return Holder(kind, value[:_LONGEST], value[:_LONGEST], since)
    return Holder("process", str(pid), f"{name} ({pid})", since)


def _resources(devices: Collection[Device]) -> list[Resource]:
    groups = Counter((device.product, device.profile, device.memory_total_bytes) for device in devices)
    return [
        Resource(
            _resource(product, profile),
            total,
            product,
            "nvidia",
            "none" if profile is None else "mig",
            profile,
            size,
            1.0 if profile is None else mig.weight(profile, product),
        )
        for (product, profile, size), total in groups.items()
    ]


def _resource(product: str | None, profile: str | None) -> str:
    """A workstation may have several products."""
    return " ".join(filter(None, (product or "GPU", profile)))


def _allocations(
    shown: Shown, granted: Mapping[str, str], node: str, who: Callable[[int], Holder | None]
) -> list[Allocation]:
    held: dict[tuple[str, str, str], tuple[Holder, list[str]]] = {}

    def note(one: Holder, device: Device) -> None:
        _, devices = held.setdefault((one.kind, one.id, _resource(device.product, device.profile)), (one, []))
        if _id(device) not in devices:
            devices.append(_id(device))

    for device in shown.devices:
        job = granted.get(device.uuid)
        if job is not None:
            note(Holder("job", job, job), device)
        if shown.pids_are_ours:
            for pid in device.processes or ():
                found = who(pid)
                if found is not None:
                    note(found, device)
    return [
        Allocation(node, resource, len(devices), one.kind, one.id, one.name, since=one.since, devices=tuple(devices))
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
    )


def _id(device: Device) -> str:
    """As `attribution.device_id` names the same device."""
    return device.uuid if device.parent is None else f"{device.parent}/{device.uuid}"
