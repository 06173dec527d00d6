"""A process in a kernel's place, which runs what a test tells it, and processes of tables."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection
from typing import Any

import psutil

from mlk_jupyter.idle.kernels import TAG, Process
from mlk_jupyter.idle.network import Network
from mlk_jupyter.idle.table import Facts, LinuxSystem, Row

LIMIT_S = 60.0

_LOOP = """
import os, subprocess, sys, threading, time
space = dict(globals())
for line in sys.stdin:
    space["answer"] = ""
    exec(eval(line), space)
    print(space["answer"], flush=True)
"""

DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(600)
    os._exit(0)
os.wait()
"""
"""Leaves tree and session: forks twice."""


class StandIn:
    """A process that leads a session and bears a kernel's tag, as kernels do."""

    def __init__(self) -> None:
        self.kernel_id = uuid.uuid4().hex  # no other's, also not of a test that runs beside this one
        self._popen = subprocess.Popen(
            [sys.executable, "-u", "-c", _LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, TAG: self.kernel_id},
        )
        self.pid = self._popen.pid
        self.process = Process(self.pid, psutil.Process(self.pid).create_time())
        self.run("")  # it has started by then

    def run(self, code: str) -> str:
        """Runs code there; gives what it puts into `answer`."""
        assert self._popen.stdin is not None and self._popen.stdout is not None
        self._popen.stdin.write(repr(code) + "\n")
        self._popen.stdin.flush()
        return self._popen.stdout.readline().strip()

    def spawn(self, *words: str, **options: Any) -> int:
        """Starts a program from there; gives its number."""
        return int(self.run(f"answer = subprocess.Popen({list(words)!r}, **{options!r}).pid"))

    def end(self) -> None:
        """Ends the process and its group, as a server ends a kernel."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        for pipe in (self._popen.stdin, self._popen.stdout):  # not read to its end: what left the kernel holds it too
            assert pipe is not None
            pipe.close()
        self._popen.wait()

    def end_all(self) -> None:
        """Ends also what left it."""
        self.end()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(TAG) == self.kernel_id:
                    process.kill()


class Pretended(LinuxSystem):
    """This machine, but tests say who holds which device files."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[int, frozenset[str] | OSError] = {}
        self.gpus = True

    def hold(self, pid: int, *files: str) -> None:
        self.files[pid] = frozenset(files or ("nvidia0", "nvidiactl", "nvidia-uvm"))

    def has_gpus(self) -> bool:
        return self.gpus

    def opened(self, pid: int) -> frozenset[str]:
        files = self.files.get(pid, frozenset())
        if isinstance(files, OSError):
            raise files
        return files


class Tables:
    """A system whose processes are a table."""

    counts_io = True
    network: Network | None = None

    def __init__(self) -> None:
        self.table: dict[int, Row] = {}
        self.known: dict[int, Facts] = {}
        self.io: dict[int, int | OSError] = {}

    def put(self, pid: int, parent: int = 1, *, own_s: float = 0.0, reaped_s: float = 0.0, **fields: Any) -> Row:
        rest = {"session": pid, "state": "S", "began": float(pid), "image": 1, "name": f"p{pid}", **fields}
        self.table[pid] = Row(pid=pid, parent=parent, own_s=own_s, reaped_s=reaped_s, **rest)
        return self.table[pid]

    def rows(self) -> dict[int, Row]:
        return dict(self.table)

    def row(self, pid: int) -> Row | None:
        return self.table.get(pid)

    def created(self, row: Row) -> float:
        return 1000.0 + row.began

    def facts(self, row: Row) -> Facts:
        return self.known.get(row.pid, Facts(own=True, tag=None, job=False))

    def presence(self) -> Callable[[str, int, Collection[int]], bool]:
        return lambda kernel_id, root, pids: True

    def moved(self, pid: int) -> int:
        count = self.io.get(pid, 0)
        if isinstance(count, OSError):
            raise count
        return count

    def has_gpus(self) -> bool:
        return False

    def opened(self, pid: int) -> frozenset[str]:
        return frozenset()


def until(is_so: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """What `is_so` gives as soon as that is true."""
    deadline = time.monotonic() + limit_s
    while not (found := is_so()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found
