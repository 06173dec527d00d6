"""Accelerators in answers under `/mlk/gpus`, and in the topic `gpus`. None always means "not known"."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import StrictModel, TolerantModel


class Figure(TolerantModel):
    """A measured value."""

    value: float
    source: Literal["prometheus", "exporter", "nvml"]
    scope: Literal["pod", "shared", "device"]
    at: float
    """Seconds since the epoch, in steps of 30 s."""
    is_stale: bool = False
    """Its source missed three of its periods."""


class GpuHolder(TolerantModel):
    """Who holds accelerators of one node."""

    kind: Literal["job", "kernel", "pod", "process"]
    id: str
    """Of the job or kernel; NAMESPACE/POD of a pod; the pid of a process."""
    name: str
    user: str | None = None
    is_mine: bool = False
    resource: str
    count: int
    share: float
    """GPUs' worth that it holds: 2 whole ones are 2, one of 4 replicas is 0.25."""
    since: float | None = None
    """Seconds since the epoch."""
    busy: Figure | None = None
    """Mean over what it holds, 0-1."""
    memory: Figure | None = None
    """Bytes, of all that it holds."""
    cost_per_hour: float | None = None
    unused_since: float | None = None
    """Since when it holds and does nothing; None: it works, or that is not known."""


class GpuDevice(TolerantModel):
    """One GPU, or one MIG slice, whose use is measured."""

    id: str
    """UUID, or UUID/INSTANCE."""
    product: str | None = None
    profile: str | None = None
    state: Literal["held", "free", "outside", "unknown"]
    """`outside`: it is used by what no scheduler knows."""
    holders: list[str] = Field(default_factory=list)
    """`id`s of those who hold it, as far as that is known."""
    busy: Figure | None = None
    memory: Figure | None = None
    memory_total_bytes: int | None = None
    power_w: Figure | None = None
    history: list[float | None] = Field(default_factory=list)
    """`busy` of the last 30 minutes, a value a minute, the oldest first; for a sparkline."""


class GpuResource(TolerantModel):
    """One kind of accelerator of a node."""

    name: str
    title: str
    """For people: `H100 80GB`, `H200 · 1g.18gb`, `L4 · shared`."""
    product: str | None = None
    profile: str | None = None
    sharing: Literal["none", "time-slicing", "mps", "mig"] = "none"
    total: int
    held: int | None = None
    free: int | None = None
    usable_bytes: int | None = None
    price_per_hour: float | None = None
    """Of one unit."""
    price_low: float | None = None
    price_high: float | None = None
    """Bounds: a spot price moves, and of some nodes it is not known whether they are spot nodes."""
    price_words: str | None = None
    """Who says so: "list price of p5.48xlarge, AWS, 2025-12"."""


class GpuNode(TolerantModel):
    name: str
    instance_type: str | None = None
    is_spot: bool | None = None
    is_ready: bool = True
    is_cordoned: bool = False
    resources: list[GpuResource] = Field(default_factory=list)
    devices: list[GpuDevice] = Field(default_factory=list)
    holders: list[GpuHolder] = Field(default_factory=list)


class GpuProduct(TolerantModel):
    """One bar: all of one product and form in one place."""

    product: str
    """For people: `H100 80GB`, `H200 · 1g.18gb`, `L4 · shared`."""
    total: int
    held: int | None = None
    used: float | None = None
    """Units' worth of work: the sum of `busy` of what is held; None where that of a holder is not known."""
    free: int | None = None


class GpuSource(TolerantModel):
    name: str
    answers: bool
    why: str | None = None
    hint: str | None = None


class GpuPlace(TolerantModel):
    """This machine, or one cluster."""

    backend: str
    title: str
    products: list[GpuProduct] = Field(default_factory=list)
    nodes: list[GpuNode] = Field(default_factory=list)
    sources: list[GpuSource] = Field(default_factory=list)
    is_whole: bool = True
    why: str | None = None
    hint: str | None = None
    unallocated_per_hour: float | None = None
    """What GPUs that nobody holds cost."""


class Advice(TolerantModel):
    """One thing that would save money, with what speaks for it."""

    id: str
    """Stable: the same advice about the same thing has the same id."""
    kind: Literal["idle", "outside", "false_zeros", "labels"]
    title: str
    evidence: list[str]
    action: str
    """What to do."""
    job: str | None = None
    kernel: str | None = None
    saving_per_week: float | None = None
    is_certain: bool = False
    """It follows from what is set, not from samples."""


class Gpus(TolerantModel):
    """Everything about accelerators."""

    places: list[GpuPlace]
    mine: list[GpuHolder] = Field(default_factory=list)
    """What the person's own jobs and kernels hold, those that do nothing first."""
    wasted_per_hour: float | None = None
    """What is held and does nothing costs, of all holders that are seen; None where a price or use is unknown."""
    wasted_gpus: float | None = None
    advice: list[Advice] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    """What a person should know: a file of prices that cannot be used."""
    currency: str = "USD"
    now: float
    """Seconds since the epoch on the server."""
    sampled_at: float | None = None


class Dismissal(StrictModel):
    """Takes one advice away for a while."""

    days: Annotated[int, Field(ge=1, le=365, strict=True)] = 30
