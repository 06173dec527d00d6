"""What accelerators a place has and who holds them, as its own scheduler knows: this machine and clusters alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .readings import Use

Sharing = Literal["none", "time-slicing", "mps", "mig"]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of accelerator on one node, as pods ask for it."""

    name: str
    """E.g. `nvidia.com/gpu`, `nvidia.com/mig-1g.18gb`, `amd.com/gpu`; the product on this machine."""
    total: int
    """That pods may ask for; of a shared device each replica counts."""
    product: str | None = None
    vendor: str | None = None
    """`nvidia`, `amd`, `intel`, `google`, `habana`, `aws`; None: not known."""
    sharing: Sharing = "none"
    profile: str | None = None
    """MIG profile."""
    usable_bytes: int | None = None
    """Memory that one unit can use; None: not known."""
    weight: float = 1.0
    """What share of a whole GPU one unit is (see `mig.weight`): 1/replicas, a slice's weight, 1."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node, or this machine."""

    name: str
    resources: Sequence[Resource] = ()
    instance_type: str | None = None
    is_spot: bool | None = None
    """None: nothing says so."""
    is_ready: bool = True
    is_cordoned: bool = False
    price: str | None = None
    """The annotation or label by which an administrator prices it, as written: per GPU and hour."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of its labels: a person may price nodes by them."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Accelerators of one resource and node that one pod, job, kernel or process holds."""

    node: str
    resource: str
    count: int
    holder: Literal["job", "kernel", "pod", "process"]
    id: str
    """Of the job or kernel; NAMESPACE/NAME of a pod or claim; the pid of a process."""
    name: str
    """For people."""
    namespace: str | None = None
    pod: str | None = None
    """By which figures name it; None: not a pod."""
    user: str | None = None
    """Whose it is, as far as labels tell."""
    since: float | None = None
    """Seconds since the epoch."""
    devices: Sequence[str] = ()
    """As `attribution.device_id` names them; empty where only the count is known."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """Whether one source of figures answers here."""

    name: str
    """E.g. `Prometheus http://prometheus.monitoring:9090`, `dcgm-exporter`, `NVML`, `metrics-server`."""
    answers: bool
    why: str | None = None
    hint: str | None = None
    """What a person, or an administrator, can do."""


@dataclass(frozen=True)
class Stock:
    """All of one place at one moment."""

    backend: str
    title: str
    at: float
    nodes: Sequence[Node] = ()
    allocations: Sequence[Allocation] = ()
    uses: Sequence[Use] = ()
    sources: Sequence[SourceState] = field(default_factory=list)
    is_whole: bool = True
    """False: nodes may not be listed, and what stands here are quotas or an administrator's list."""
    why: str | None = None
    """Why nothing, or not all, is known."""
    hint: str | None = None
