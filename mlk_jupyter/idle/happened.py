"""What the watcher tells whoever listens: events of Jupyter, metrics, a webhook. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Event = Literal["warned", "resumed", "stopped", "would_stop", "aborted", "failed", "lease", "released"]


@dataclass(frozen=True, slots=True)
class Happened:
    """One change in what becomes of a kernel."""

    event: Event
    """`resumed`: what was said by `warned` no longer holds; `aborted`: a stop that something spoke against."""
    kernel_id: str
    path: str | None
    """Notebook or console of its session."""
    state: str
    kind: str | None
    words: str
    """Why, for a person."""
    mode: Literal["off", "shadow", "enforce"]
    deadline: float | None = None
    """Seconds since the epoch: when it is stopped, or its lease ends."""
