"""Figures about kernels at the server's `/metrics`, for Prometheus."""

from __future__ import annotations

import functools
import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge

from ..idle.happened import Happened
from ..idle.signals import NAMES

if TYPE_CHECKING:
    from ..idle.watched import Watched
    from ..model.kernels import IdleTotals

_MOST_KERNELS = 200
"""With a figure of their own: each is one more series for Prometheus to keep."""


class Metrics:
    """Of this process: its registry has room for each name once."""

    def __init__(self) -> None:
        self.kernels = Gauge("mlk_idle_kernels", "Kernels by state and kind", ["state", "kind"])
        self.quiet = Gauge("mlk_idle_seconds", "Since when a kernel has done nothing", ["kernel"])
        self.stops = Counter("mlk_idle_stops_total", "Kernels stopped, or in shadow: that would be", ["kind", "mode"])
        self.warnings = Counter("mlk_idle_warnings_total", "Kernels of which it was told that they are about to stop")
        self.failures = Counter("mlk_idle_stop_failures_total", "Attempts to stop a kernel that did not end it")
        self.leases = Gauge("mlk_idle_leases_active", "Kernels that are kept")
        self.saved = Gauge(
            "mlk_idle_saved_gpu_seconds", "This month; in shadow: what would have been", ["profile", "mode"]
        )
        self.errors = Counter("mlk_idle_signal_errors_total", "Signals of kernels that were unknown", ["signal"])
        self.tick = Gauge("mlk_idle_tick_seconds", "How long the last look at all kernels took")
        self.lost = Gauge("mlk_idle_audit_lost", "Records that could not be written")

    def hear(self, happened: Happened) -> None:
        """Counts what happens."""
        if happened.event == "warned":
            self.warnings.inc()
        elif happened.event == "failed":
            self.failures.inc()
        elif happened.event in ("stopped", "would_stop"):
            self.stops.labels(kind=happened.kind or "", mode=happened.mode).inc()

    def show(self, kernels: Collection[Watched], totals: IdleTotals, *, profile: str, mode: str) -> None:
        """Takes over how things are after a look at all kernels."""
        self.kernels.clear()
        self.quiet.clear()
        for number, kernel in enumerate(kernels):
            self.kernels.labels(state=kernel.verdict.state, kind=kernel.verdict.kind or "").inc()
            if kernel.quiet_since is not None and number < _MOST_KERNELS:
                self.quiet.labels(kernel=kernel.id).set(max(0.0, time.time() - kernel.quiet_since))
            if kernel.sample is not None and kernel.look.local:
                for name in NAMES:
                    if not getattr(kernel.sample, name).known:
                        self.errors.labels(signal=name).inc()
        self.leases.set(sum(kernel.lease is not None for kernel in kernels))
        if totals.saved_gpu_s is not None:
            self.saved.labels(profile=profile, mode=mode).set(totals.saved_gpu_s)


@functools.cache
def metrics() -> Metrics:
    """The one of this process."""
    return Metrics()
