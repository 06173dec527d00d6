"""What a GPU, or a part of one, does: each figure with where it comes from, whose it is, and when it was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["prometheus", "exporter", "nvml"]
Scope = Literal["pod", "shared", "device"]
"""Whose it is: one pod's alone; an equal part of what all who share the device do; the device's, whoever uses it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure."""

    value: float
    source: Source
    scope: Scope
    at: float
    """Seconds since the epoch at which it was measured, or last told where the source does not say."""


@dataclass(frozen=True, slots=True)
class Use:
    """What one device, one MIG slice of it, or one of those who share it does. None: not known, never 0."""

    uuid: str
    """Of the whole GPU."""
    instance: str | None = None
    """GPU instance id of a MIG slice; None: the whole device."""
    profile: str | None = None
    """MIG profile, e.g. `1g.18gb`."""
    product: str | None = None
    """As the driver names it, e.g. `NVIDIA H100 80GB HBM3`."""
    node: str | None = None
    namespace: str | None = None
    pod: str | None = None
    """Whom the exporter says it belongs to; not to be believed without the Kubernetes API (see `attribution`)."""
    container: str | None = None
    replica: str | None = None
    """Of a shared device, which share (`vgpu`); None: the device, or a share that is not told."""
    busy: Reading | None = None
    """Share of the time in which something ran, 0-1."""
    memory_bytes: Reading | None = None
    memory_total_bytes: Reading | None = None
    power_w: Reading | None = None
    """Of the whole board, also for a slice."""
