"""What the processes of a kernel used between two moments, by counters that end with each process. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from .table import Row


@dataclass(frozen=True, slots=True)
class Counters:
    """One figure of a kernel's processes at one moment."""

    rows: Mapping[int, Row]
    """All processes that there were."""
    pids: Collection[int]
    """The kernel's."""
    own: Callable[[int], float]
    """What a process has used itself."""
    passed: Callable[[int], float | None]
    """What its children that had ended have used, and theirs; with `own` zero: both together. None: not known."""


def grown(before: Counters, now: Counters) -> float:
    """How much was used between two moments; never less than zero.

    The system adds what a process used to its parent's counter when it has ended, all that it ever used: what was
    counted while it lived is taken off there. So a process that came and went meanwhile counts, and none counts twice.
    """
    counted_before = _counted_before(before, now)
    total = 0.0
    for pid in now.pids:
        passed = now.passed(pid) or 0.0
        if not _is_same(pid, before, now):  # began meanwhile
            total += now.own(pid) + passed
            continue
        total += max(0.0, now.own(pid) - before.own(pid))
        passed_before = before.passed(pid)
        if passed_before is not None:
            total += max(0.0, passed - passed_before - counted_before.get(pid, 0.0))
    return total


def _counted_before(before: Counters, now: Counters) -> dict[int, float]:
    """Of each process: what its descendants that have ended had used at the earlier moment."""
    found: dict[int, float] = {}
    for pid in before.pids:
        if _is_same(pid, before, now):
            continue
        heir, steps = before.rows[pid].parent, 0
        while heir in before.rows and not _is_same(heir, before, now) and steps < len(before.rows):
            heir, steps = before.rows[heir].parent, steps + 1
        found[heir] = found.get(heir, 0.0) + before.own(pid) + (before.passed(pid) or 0.0)
    return found


def _is_same(pid: int, before: Counters, now: Counters) -> bool:
    row, old = now.rows.get(pid), before.rows.get(pid)
    return row is not None and old is not None and row.began == old.began
