"""Why a rank failed, and which of several ranks failed first. Pure."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from ..worker.deaths import Death
from ..worker.member import lost_peer
from .fields import count_of, lines_of, number_of, text_of

# An exception this soon before or after another rank died is the broken connection to it.
_SAME_MOMENT_S = 1.0
_INTERRUPTIONS = ("KeyboardInterrupt", "SIGINT", "SIGTERM")
# Of a `sys.exit` in a handler for SIGTERM that a library or a person set: its number, or what a shell makes of it.
_EXITS_OF_HANDLERS = ("15", "143")
# Characters that are kept of a failure, of which each rank has one; the log has all.
_LONGEST_NAME, _LONGEST_TEXT, _LONGEST_TRACEBACK = 500, 8 * 1024, 64 * 1024
_PARTS, _LONGEST_PART = 10, 3 * 1024  # of a longer traceback: from its beginning and from its end


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
    death: Death | None = None
    """How the process ended where no exception says why."""

    @property
    def died(self) -> bool:
        """Whether its process ended without an exception that says why: by a signal, or by ending itself."""
        return self.death is not None or not self.ename or self.ename == "SystemExit"

    @property
    def interrupted(self) -> bool:
        """Whether it was told to end: by a KeyboardInterrupt, or by a signal that asks for the same."""
        handled = self.ename == "SystemExit" and self.evalue.strip() in _EXITS_OF_HANDLERS
        return handled or self.ename in _INTERRUPTIONS


@dataclass(frozen=True)
class Left:
    """A rank whose code is done and well."""

    rank: int
    at: float
    """Seconds since the epoch."""
    cell: int | None
    """Index of the cell that ended it with `sys.exit`; None where all cells are done."""
    number: int | None
    """The same cell as people count, from 1."""


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

    @property
    def interrupted(self) -> bool:
        """Whether it was told to end, as ranks are when another one has failed."""


_End = TypeVar("_End", bound=BadEnd)


def cause_of(first: Failure, left: Iterable[Left]) -> Failure:
    """Who is to be named for a rank's failure: where it lost its connection to a rank that had left, that one."""
    gone = next((one for one in left if one.rank != first.rank and one.at <= first.at + _SAME_MOMENT_S), None)
    if gone is None or first.died or not lost_peer(first.ename, first.evalue):
        return first
    how = "It had run all of its cells" if gone.cell is None else "It left by `sys.exit(0)`"
    line = next((line.strip() for line in first.evalue.splitlines() if line.strip()), "")
    text = f"{how} while rank {first.rank} still waited for it, which lost its connection ({first.ename}: {line})."
    return Failure(gone.rank, gone.at, "SystemExit", text, [], gone.cell, gone.number, Death.EXITED)


def failure_of(frame: Mapping[str, Any], rank: int) -> Failure:
    """What an `error` frame says of its rank."""
    return Failure(
        rank=rank,
        at=number_of(frame, "time") or 0.0,
        ename=text_of(frame, "ename", _LONGEST_NAME) or "Error",
        evalue=text_of(frame, "evalue", _LONGEST_TEXT) or "",
        traceback=_short(lines_of(frame, "traceback")),
        cell=count_of(frame, "cell"),
        number=count_of(frame, "number"),
        death=death_of(frame),
    )


def _short(traceback: list[str]) -> list[str]:
    if sum(map(len, traceback)) <= _LONGEST_TRACEBACK:
        return traceback
    parts = [part if len(part) <= _LONGEST_PART else f"{part[:_LONGEST_PART]} …" for part in traceback]
    left_out = len(parts) - 2 * _PARTS
    return parts if left_out <= 0 else [*parts[:_PARTS], f"… {left_out} parts left out …", *parts[-_PARTS:]]


def death_of(words: Mapping[str, Any]) -> Death | None:
    """How the process died, as an `error` frame or a pod's last words have it; None where an exception says why."""
    if "death" in words:
        return next((death for death in Death if death == words["death"]), None)
    # Records of before the field name it by the exception that stood for it, and by its text.
    ename, evalue = text_of(words, "ename"), text_of(words, "evalue") or ""
    if ename in signal.Signals.__members__:
        return Death.MEMORY if "because memory ran out" in evalue else Death.SIGNAL
    return Death.EXITED if ename == "SystemExit" and evalue.startswith("The process ended itself") else None


def first_of(ends: Iterable[_End]) -> _End | None:
    """What failed first: what came later is likely its consequence. Of those in the same moment, a rank that died.

    A rank that was told to end is never the first where another one failed of itself, whatever the clocks of their
    machines say; only a process that was asked to end before all of them may have taken the others along.
    """
    every = sorted(ends, key=lambda end: (end.at, end.rank))
    of_themselves = [end for at, end in enumerate(every) if not end.interrupted or (at == 0 and end.died)]
    by_time = of_themselves or every
    deaths = (end for end in by_time if end.died and end.at - by_time[0].at <= _SAME_MOMENT_S)
    return next(deaths, by_time[0] if by_time else None)
