"""Processes of this machine: who they are, whether they still live, and how to end a whole tree of them.

A pid alone names nobody: it is used again after the process ended, and after a restart. An identity is the machine's
boot, the pid and the moment the process started.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

Identity = dict[str, str | int]

STOP = signal.SIGUSR1  # tells a supervisor what the file stop.json tells it

_PROC = Path("/proc")
_TOOL_LIMIT_S = 10


@functools.cache
def boot_id() -> str:
    """A name for the time since this machine last started; "unknown" where the system tells none."""
    with contextlib.suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return _tool("sysctl", "-n", "kern.bootsessionuuid") or "unknown"


def start_time(pid: int) -> str | None:
    """When a process started, in the system's own units; None when there is no such process or it is a zombie."""
    if sys.platform == "linux":
        fields = _stat_fields(pid)
        return None if fields is None or fields[0] in "ZX" else fields[19]
    return _tool("ps", "-o", "lstart=", "-p", str(pid)) or None


def identity(pid: int | None = None) -> Identity:
    """Who a process is (None: this one), so that it can be recognised later."""
    pid = os.getpid() if pid is None else pid
    return {"boot": boot_id(), "pid": pid, "start": start_time(pid) or "unknown"}


def alive(who: Identity) -> bool:
    """Whether exactly that process still runs, on this boot of the machine."""
    pid = who.get("pid")  # a record may say anything
    return isinstance(pid, int) and pid > 1 and who.get("boot") == boot_id() and start_time(pid) == who.get("start")


def descendants(root: int) -> list[int]:
    """All processes below one, nearest first."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = list(children.get(root, ()))
    for pid in found:  # grows while it is walked
        found.extend(children.get(pid, ()))
    return found


def bearing(name: str, value: str) -> list[int]:
    """Processes of ours that were started with `name=value` in their environment. Empty where that cannot be seen."""
    wanted = f"{name}={value}".encode()
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            if wanted in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def kill_below(root: int, reaped: Callable[[dict[int, int]], None], limit_s: float = 5.0) -> list[int]:
    """SIGKILLs every descendant of `root`, also those born meanwhile.

    Args:    reaped: is told of children of this process that ended, as `reap` tells it.
    Returns: what still lives after `limit_s` (a process in an uninterruptible wait, as on a hung network disk).
    """
    deadline = time.monotonic() + limit_s
    while True:
        left = [pid for pid in descendants(root) if start_time(pid) is not None]
        if left:
            send(left, signal.SIGKILL)
        reaped(reap())
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.01)


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """One signal to each process; those that are gone already, and numbers that name more than one, are passed over."""
    for pid in (pid for pid in pids if pid > 1):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def send_group(leader: int, number: signal.Signals) -> None:
    """One signal to every process of a group, if it still has any."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def reap() -> dict[int, int]:
    """Children of ours that have ended since the last call: pid to exit code, negative for a signal."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended[pid] = os.waitstatus_to_exitcode(status)
    return ended


def killed_for_memory() -> int | None:
    """How many processes the system has killed since it started because memory ran out; None when not known."""
    with contextlib.suppress(OSError, ValueError):
        for line in (_PROC / "vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def _stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat behind the command's name: state, parent, ..."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text[text.rfind(")") + 2 :].split()


def _pids() -> list[int]:
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208  (five times faster)
    return []


def _parents() -> list[tuple[int, int]]:
    """Every process with its parent."""
    if sys.platform == "linux":
        return [(pid, int(fields[1])) for pid in _pids() if (fields := _stat_fields(pid)) is not None]
    rows = (line.split() for line in (_tool("ps", "-axo", "pid=,ppid=") or "").splitlines())
    return [(int(pid), int(parent)) for pid, parent in rows]


def _tool(*command: str) -> str:
    """What a system tool prints; "" when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_LIMIT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
