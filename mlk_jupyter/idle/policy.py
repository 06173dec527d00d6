"""How long a kernel may do nothing, and what happens then. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Of one kernel, or of a server before anything of a kernel is known. Lengths of time in seconds; 0: no limit."""

    mode: Literal["off", "shadow", "enforce"] = "shadow"
    """`shadow` watches and records what it would have stopped."""
    ttl_s: float = 4 * HOUR
    """For a kernel without a GPU, and for one whose GPU's use is unknown."""
    gpu_ttl_s: float = 1 * HOUR
    """For one that holds a GPU and does not use it."""
    busy_silent_ttl_s: float = 24 * HOUR
    """For a cell that neither computes nor says anything."""
    input_ttl_s: float = 8 * HOUR
    """For a cell that waits in `input()`."""
    max_age_s: float = 0.0
    """For any kernel, counted from its start, also one that works."""
    server_ttl_s: float = 0.0
    """For a server without kernels whose terminals do nothing."""
    warn_s: float = 5 * MINUTE
    """How long before its end a person is told."""
    lease_max_s: float = 24 * HOUR
    """Longest single lease."""
    lease_total_s: float = 72 * HOUR
    """All leases of one kernel together."""
    cpu_pct: float = 2.0
    """From which percentage of one core on a kernel counts as working."""
    gpu_pct: float = 1.0
    """From which percentage on a GPU does."""
    io_bytes: float = 64 * 1024.0
    """From how many bytes a second on a kernel counts as working: a download needs next to no CPU."""
    checkpoint: Literal["off", "list"] = "list"
    """Whether names and sizes of what is in memory are recorded before a stop. No value is."""
    audit_log: bool = False
    """Whether each decision goes to the server's stdout, too, as a line of JSON (`MLK_IDLE_AUDIT_LOG`)."""
    webhook: str = ""
    """Where warnings and stops are posted, as JSON."""
    profile: str = ""
    """JupyterHub profile of this server, for the figures."""
    price_per_hour: float | None = None
    """Of the whole server, in `currency`; None: unknown."""
    currency: str = "USD"
