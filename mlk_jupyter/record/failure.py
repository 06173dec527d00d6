"""Why a rank failed, and which of several ranks failed first. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

# An exception this soon before or after another rank died is the broken connection to it.
_SAME_MOMENT_S = 1.0
_SIGNALS = frozenset(number.name for number in signal.Signals)  # a keeper's `ename` for a death by signal


@dataclass(frozen=True)
class Failure:
    """The end of a rank that did not end well."""

    rank: int
    at: float
    """Seconds since the epoch."""
    ename: str
    evalue: str
    traceback: list[str]
    cell: int | None
    """Index in the notebook's cells; None when it did not happen in a cell."""
    number: int | None
    """The same code cell as people count, from 1."""

    @property
    def died(self) -> bool:
        """Whether its process ended without an exception that says why: by a signal, or by ending itself."""
        return not self.ename or self.ename == "SystemExit" or self.ename in _SIGNALS


class BadEnd(Protocol):
    """The end of a rank that did not end well, by whoever's account."""

    @property
    def rank(self) -> int: ...

    @property
    def at(self) -> float:
        """Seconds since the epoch."""

    @property
    def died(self) -> bool:
        """Whether it ended without an exception that says why."""


_End = TypeVar("_End", bound=BadEnd)


def first_of(ends: Iterable[_End]) -> _End | None:
    """What failed first: what came later is likely its consequence. Of those in the same moment, a rank that died."""
    by_time = sorted(ends, key=lambda end: (end.at, end.rank))
    deaths = (end for end in by_time if end.died and end.at - by_time[0].at <= _SAME_MOMENT_S)
    return next(deaths, by_time[0] if by_time else None)
