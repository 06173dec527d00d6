"""Processes that left a kernel and outlived it: which of them hold a GPU, and their end. Blocking."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from .belonging import Name
from .kernels import Process
from .table import Row, System, is_same, this_system

_KILLED_S = 5.0  # a process in the midst of the driver ends when the driver lets it go
_PERIOD_S = 0.05

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Leftover(Process):
    """A process that a kernel left behind."""

    began: float
    """As the system counts it: names the process whatever the clock does."""
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.pid})"


def leftovers(
    kernel_id: str,
    system: System,
    rows: Mapping[int, Row],
    owners: Mapping[Name, str],
    holds_gpu: Callable[[int], bool],
    kernels: Collection[Name],
) -> list[Leftover]:
    """What is left of a kernel that has ended and holds a GPU; what holds none harms nobody and is left alone.

    Never this server and what it descends from, a kernel's own process, a job of ours, or another user's process.

    Args: owners: whose each process was when it was last seen; kernels: the processes of kernels.
    """
    spared = set(_line(os.getpid(), rows))
    found = []
    for pid, row in rows.items():
        if pid in spared or row.state == "Z" or (pid, row.began) in kernels:
            continue
        facts = system.facts(row)
        owner = facts.tag or owners.get((pid, row.began))
        if owner == kernel_id and facts.own and not facts.job and holds_gpu(pid):
            found.append(Leftover(pid, system.created(row), row.began, row.name))
    return found


def end(processes: Iterable[Leftover], grace_s: float, *, system: System | None = None) -> list[str]:
    """SIGTERM, so many seconds, SIGKILL: to exactly these processes, also where their numbers are given again.

    Returns: those that have ended, as "name (pid)".
    """
    system = system or this_system()
    handles: dict[Leftover, int | None] = {}
    try:
        for one in processes:
            with contextlib.suppress(OSError):  # gone
                handles[one] = _handle(one.pid)
        for number, limit_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, _KILLED_S)):
            left = [one for one in handles if _is_alive(one, system)]
            for one in left:
                _send(one, handles[one], number)
            _wait(left, system, limit_s)
    finally:
        for handle in handles.values():
            if handle is not None:
                os.close(handle)
    left = [one for one in handles if _is_alive(one, system)]
    if left:
        log.warning("Processes that a kernel left behind do not end: %s", ", ".join(map(str, left)))
    return [str(one) for one in handles if one not in left]


def _line(pid: int, rows: Mapping[int, Row]) -> Iterable[int]:
    """A process and all that it descends from."""
    seen: set[int] = set()
    while pid not in seen:
        seen.add(pid)
        yield pid
        row = rows.get(pid)
        if row is None:
            return
        pid = row.parent


def _handle(pid: int) -> int | None:
    """What names this process and no later one of its number; None where the system has no such thing."""
    return os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None


def _is_alive(one: Leftover, system: System) -> bool:
    return is_same(system.row(one.pid), one.began)


def _send(one: Leftover, handle: int | None, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if handle is None:
            os.kill(one.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)


def _wait(processes: Collection[Leftover], system: System, limit_s: float) -> None:
    """Until all have ended, for so long at most."""
    deadline = time.monotonic() + limit_s
    while any(_is_alive(one, system) for one in processes) and time.monotonic() < deadline:
        time.sleep(_PERIOD_S)
        for one in processes:  # in a container without an init of its own, orphans become this server's children
            with contextlib.suppress(ChildProcessError):
                os.waitpid(one.pid, os.WNOHANG)
