"""What a recorded line proves about a kernel: that a person used it, or that it worked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .policy import Policy


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on use counts as work: percent of one core, share of a GPU 0-1, bytes a second."""

    cpu_pct: float
    gpu_share: float
    io_bytes: float


def limits(policy: Policy) -> Limits:
    """Those of a policy."""
    return Limits(policy.cpu_pct, policy.gpu_pct / 100, policy.io_bytes)


def most_sensitive(policy: Policy) -> Limits:
    """Those of a policy, or the default's where they are lower: a policy is not judged by itself alone."""
    default = Policy()
    return Limits(
        min(policy.cpu_pct, default.cpu_pct),
        min(policy.gpu_pct, default.gpu_pct) / 100,
        min(policy.io_bytes, default.io_bytes),
    )


def recorded_limits(values: Mapping[str, Any]) -> Limits:
    """Those of a policy as a decision holds it, by the names of its variables; else the default's."""
    default = Policy()

    def of(variable: str, otherwise: float) -> float:
        value = _amount(values.get(variable))
        return otherwise if value is None else value

    return Limits(
        of("MLK_IDLE_CPU_PCT", default.cpu_pct),
        of("MLK_IDLE_GPU_PCT", default.gpu_pct) / 100,
        of("MLK_IDLE_IO_BYTES", default.io_bytes),
    )


@dataclass(frozen=True, slots=True)
class Activity:
    """Something happened."""

    at: float
    """Seconds since the epoch, to a minute."""
    by: Literal["person", "work"]


def after(line: Mapping[str, Any], then: float, of: Limits) -> Activity | None:
    """What a line of `recording` shows of what a kernel did after a moment; None: nothing.

    A person comes first where both did something in the same stretch. Unknown proves nothing, in neither direction.
    """
    signals = line.get("signals")
    if not isinstance(signals, Mapping):
        return None
    times = [when for name in ("message", "presence") if (when := moment(signals.get(name))) is not None]
    if any(when > then for when in times):
        return Activity(min(when for when in times if when > then), "person")
    if (_amount(signals.get("pending")) or 0) > 0 and _state(signals.get("execution")) != "busy":
        return Activity(max(then, line["at"]), "person")  # sent, and not begun
    if line["at"] <= then:
        return None
    begun = line.get("from")
    begun = max(then, begun if isinstance(begun, (int, float)) else line["at"])
    for name, limit in (("cpu", of.cpu_pct), ("gpu_busy", of.gpu_share), ("io", of.io_bytes)):
        used = _amount(signals.get(name))
        if used is not None and used > 0 and used >= limit:
            return Activity(begun, "work")
    said = moment(signals.get("output"))
    if said is not None and said > then and _state(signals.get("execution")) == "busy":
        return Activity(said, "work")
    return None


def cell_ended(line: Mapping[str, Any], then: float) -> Activity | None:
    """What a line shows of a cell that still ran at a moment and came to an end of its own; None: nothing."""
    signals = line.get("signals")
    held = signals.get("execution") if isinstance(signals, Mapping) else None
    ended = moment(held)
    if _state(held) != "idle" or ended is None or ended <= then:
        return None
    return Activity(ended, "work")


def moment(held: Any) -> float | None:
    """When what a line tells of happened or began; None: never, or it is unknown."""
    if isinstance(held, list) and len(held) == 2 and isinstance(held[1], (int, float)):
        return float(held[1])
    return None


def _amount(held: Any) -> float | None:
    return held if isinstance(held, (int, float)) and not isinstance(held, bool) else None


def _state(held: Any) -> Any:
    return held[0] if isinstance(held, list) and held else None
