"""The processes of one rank: who they are, and an end for all of them. Linux; elsewhere it does what it can."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def libc() -> Any:
    """The C library of this process."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> bool:
    """Orphans below this process become its children instead of init's: none is lost from sight.

    False where the system cannot do that (macOS).
    """
    return sys.platform == "linux" and bool(libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def die_with(parent: int) -> None:
    """The kernel kills this process when the thread that forked it ends; it ends now where that has happened."""
    if sys.platform == "linux":
        libc().prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(137)


def children_of(pid: int) -> List[int]:
    """The direct children of a process; none where it is gone."""
    found: List[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{task}/children") as file:
                    found += [int(word) for word in file.read().split()]
            except OSError:
                continue  # the thread has ended
    except OSError:
        pass
    return found


def descendants_of(pid: int) -> List[int]:
    """All processes below one, parents before children."""
    found = children_of(pid)
    for child in found:  # grows while it is walked
        found += children_of(child)
    return found


def tell(pids: List[int], number: signal.Signals) -> None:
    """One signal to each of these processes; those that have ended are passed over."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def kill_descendants(grace_s: float = 0.0, limit_s: float = 10.0) -> None:
    """Ends every process below this one and reaps it.

    Args: grace_s: time between SIGTERM and SIGKILL; 0 kills at once. limit_s: give up after this (a process that hangs
          in the kernel cannot be killed).
    """
    start = time.monotonic()
    kill_at = start + grace_s
    told: List[int] = []
    while time.monotonic() < start + limit_s:
        if not _reap():
            return
        final = time.monotonic() >= kill_at
        found = [pid for pid in descendants_of(os.getpid()) if final or pid not in told]
        tell(found, signal.SIGKILL if final else signal.SIGTERM)
        told += found
        time.sleep(0.005)


def _reap() -> bool:
    """Collects ended children. False when there are none left, neither ended nor alive."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
