"""How long a kernel is kept, by what was wished for it and what its policy allows. Pure.

A wish names a moment by the wall clock, which may be set forward a day meanwhile: what is left of it is worked out
once, when it is first seen, and counted down by the monotonic clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import MlkError
from ..figures import duration, number
from .folders import Wish
from .policy import Policy

LONGEST_S = 366 * 86400.0
"""What "no limit" means where a moment has to be named."""


class LeaseRefused(MlkError):
    """A kernel may not be kept for so long."""

    code, title, status = "lease_refused", "The kernel cannot be kept that long", 409


@dataclass(frozen=True, slots=True)
class Lease:
    """That a kernel is kept."""

    left_s: float
    reason: str
    total_left_s: float | None
    """Of all leases of this kernel together; None: no limit."""


@dataclass(frozen=True, slots=True)
class Granted:
    """For how long a kernel is going to be kept."""

    seconds: float
    why: str | None
    """Why it is less than was asked for; None where it is not."""


def grant(asked_s: float, most_s: float | None, total_left_s: float | None) -> Granted:
    """What becomes of a wish.

    Args: most_s: for how long at a time; total_left_s: of all leases of this kernel together. None: no limit.
    """
    if total_left_s is not None and total_left_s < min(asked_s, most_s or asked_s):
        why = f"{duration(total_left_s)} are left of all that this kernel can be kept (MLK_IDLE_LEASE_TOTAL)"
        return Granted(total_left_s, why)
    if most_s is not None and most_s < asked_s:
        return Granted(most_s, f"{duration(most_s)} at a time is the most here (MLK_IDLE_LEASE_MAX)")
    return Granted(asked_s, None)


class Leases:
    """Of one kernel, over its life."""

    def __init__(self, used_s: float = 0.0) -> None:
        """Args: used_s: for how long it was kept so far."""
        self.used_s = used_s
        self._ends: dict[Wish, float] = {}
        self._until: float | None = None
        self._at: float | None = None

    def step(self, wishes: Iterable[Wish], policy: Policy, *, now: float, wall: float) -> Lease | None:
        """The lease that holds now; None: none does.

        Args: now: monotonic seconds; wall: seconds since the epoch.
        """
        if self._until is not None and self._at is not None:
            self.used_s += max(0.0, min(now, self._until) - self._at)
        self._at = now
        self._ends = {wish: self._ends.get(wish, now + _left_s(wish, policy, wall)) for wish in wishes}
        total_left_s = self.total_left_s(policy)
        ends = ((wish.reason, end) for wish, end in self._ends.items())
        reason, end = max(ends, key=lambda one: one[1], default=("", now))
        left_s = min(end - now, policy.lease_max_s or LONGEST_S, LONGEST_S if total_left_s is None else total_left_s)
        if left_s <= 0:
            self._until = None
            return None
        self._until = now + left_s
        return Lease(left_s, reason, total_left_s)

    def total_left_s(self, policy: Policy) -> float | None:
        """How much of all leases together is left; None: no limit."""
        return max(0.0, policy.lease_total_s - self.used_s) if policy.lease_total_s > 0 else None

    def check(self, seconds: float, policy: Policy) -> None:
        """Whether a kernel may be kept for so long, from now on.

        Raises: LeaseRefused with the figure.
        """
        if not math.isfinite(seconds) or seconds <= 0:
            raise LeaseRefused(f"{seconds} is no length of time.", hint="Say for how many seconds, more than 0.")
        granted = grant(seconds, policy.lease_max_s or None, self.total_left_s(policy))
        if granted.why is not None:
            asked = duration(seconds)
            if asked == duration(granted.seconds):
                asked = f"{number(seconds)} s, a little more than {asked},"
            raise LeaseRefused(
                f"{asked} were asked for; {granted.why}.",
                hint="Ask for less now, and again later, or use the kernel: what works is not stopped.",
            )

    def as_record(self, wall: float) -> dict[str, float]:
        """What outlives the server. Args: wall: seconds since the epoch."""
        left_s = max(0.0, (self._until or 0.0) - (self._at or 0.0)) if self._until is not None else 0.0
        return {"used_s": self.used_s, "at": wall, "until": wall + left_s}

    @classmethod
    def of_record(cls, record: Mapping[str, Any], wall: float) -> Leases:
        """As a server before this one left them: a lease ran on while no server did."""
        used_s, at, until = (record.get(name) for name in ("used_s", "at", "until"))
        if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in (used_s, at, until)):
            return cls()
        assert used_s is not None and at is not None and until is not None
        return cls(max(0.0, used_s) + max(0.0, min(wall, until) - at))


def _left_s(wish: Wish, policy: Policy, wall: float) -> float:
    """How long it still holds, cut to what one lease may last."""
    asked = min(wish.asked, wall)
    until = math.inf if wish.until is None else wish.until
    return min(until, asked + (policy.lease_max_s or LONGEST_S)) - wall
