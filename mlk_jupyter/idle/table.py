"""The processes of this machine at one moment, as the system tells of them. Blocking."""

from __future__ import annotations

import contextlib
import math
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol

import psutil

from ..record.fields import clean
from .kernels import TAG
from .listening import Listening
from .network import LinuxNetwork, Network

_JOB = "MLK_JOB"  # in the environment of each rank of a job on this machine
_SUPERVISOR = "mlk_jupyter.backends.local.supervisor"
_DEVICE = re.compile(r"/(nvidia\d+|nvidia-uvm|nvidia-cap\d+|kfd|dxg)$")
_SAME_S = 1.5  # the system rounds the moment at which it started, so that two readings of it differ by up to a second

_EXEC_S = 5.0  # by then a new process runs what it was made for


class Row(NamedTuple):
    """One process. Seconds of CPU; `began` and its number name it: numbers are given again."""

    pid: int
    parent: int
    session: int
    """0 where it is not known."""
    state: str
    """As in `ps`: R, S, D, T (suspended), Z."""
    began: float
    """Only to be compared; no clock moves it."""
    own_s: float
    reaped_s: float
    """Of its children that have ended, and of theirs."""
    image: int
    """Changes as it runs another program (exec)."""
    name: str


class Facts(NamedTuple):
    """What does not change while a process runs one program."""

    own: bool
    """It is the user's who runs this server."""
    tag: str | None
    job: bool
    """It supervises a job on this machine or is a rank of one: that belongs to nobody."""


class System(Protocol):
    """Where the processes are asked for; tests put their own in its place."""

    counts_io: bool
    """Whether `moved` has anything to tell on this system."""
    network: Network | None
    """Where the rest is that goes over the network; None: nowhere."""

    def rows(self) -> dict[int, Row]:
        """All that can be seen."""
        ...

    def row(self, pid: int) -> Row | None:
        """One of them, as it is now; None where there is none."""
        ...

    def created(self, row: Row) -> float:
        """Seconds since the epoch, as `psutil.Process.create_time` gives them; a second off at times."""
        ...

    def facts(self, row: Row) -> Facts: ...

    def presence(self) -> Callable[[str, int, Collection[int]], bool]:
        """What tells, now, whether a kernel of this id and process is itself one of these processes."""
        ...

    def moved(self, pid: int) -> int:
        """Bytes that it and its ended children have read and written. Raises: OSError."""
        ...

    def has_gpus(self) -> bool:
        """Whether there is any device that `opened` may name."""
        ...

    def opened(self, pid: int) -> frozenset[str]:
        """Names of the GPUs' device files that it holds open: nvidia0, nvidia-uvm, nvidia-cap3. Raises: OSError."""
        ...


def is_near(created: float, other: float) -> bool:
    """Whether two readings of the moment at which a process was created may be of the same process."""
    return abs(created - other) < _SAME_S


def is_same(row: Row | None, began: float | None) -> bool:
    """Whether a process is still the one that began then, and runs."""
    return row is not None and row.began == began and row.state != "Z"


def beginning(pid: int) -> float | None:
    """What names, with its number, a process of this machine, whatever the clock does; None: it does not run."""
    row = this_system().row(pid)
    return None if row is None or row.state == "Z" else row.began


def age_of(pid: int) -> float | None:
    """Seconds since a process began, whatever the clock does; None: it does not run, or no such clock is there."""
    began = beginning(pid)
    if began is None or not isinstance(this_system(), LinuxSystem):
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")


def lives(pid: int, began: float | None, created: float | None = None) -> bool:
    """Whether a process still runs that wrote down its number.

    Args:
        began: its `beginning`; None where it did not write that down.
        created: seconds since the epoch, which are compared then, and loosely; None: its number has to do.
    """
    system = this_system()
    row = system.row(pid)
    if row is None or began is not None:
        return is_same(row, began)
    return row.state != "Z" and (created is None or is_near(system.created(row), created))


class _Remembering:
    """Asks for the facts of each process once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, float, int], Facts] = {}

    def facts(self, row: Row) -> Facts:
        key = row.pid, row.began, row.image
        facts = self._known.get(key)
        if facts is None:
            facts, is_final = self._ask(row)
            if is_final:
                self._known[key] = facts
        return facts

    def _forget_all_but(self, rows: Mapping[int, Row]) -> None:
        alive = {(row.pid, row.began, row.image) for row in rows.values()}
        self._known = {key: facts for key, facts in self._known.items() if key in alive}

    def _ask(self, row: Row) -> tuple[Facts, bool]:
        """These, and whether they are going to stay."""
        raise NotImplementedError


class LinuxSystem(_Remembering):
    """Reads /proc: ten times faster than psutil, and two readings of one process agree whatever the clock does."""

    _ticks = os.sysconf("SC_CLK_TCK")

    def __init__(self) -> None:
        super().__init__()
        self.counts_io = os.access("/proc/self/io", os.R_OK)  # the kernel may be built without
        self.network: Network | None = LinuxNetwork()
        self._job = os.environ.get(_JOB)

    def rows(self) -> dict[int, Row]:
        found = {}
        for name in os.listdir("/proc"):  # noqa: PTH208  (five times faster)
            if name.isdigit():
                row = self.row(int(name))
                if row is not None:
                    found[row.pid] = row
        self._forget_all_but(found)
        return found

    def row(self, pid: int) -> Row | None:
        try:
            return self._row(pid)
        except (OSError, ValueError, IndexError):
            return None

    def created(self, row: Row) -> float:
        return psutil.boot_time() + row.began / self._ticks

    def presence(self) -> Callable[[str, int, Collection[int]], bool]:
        return Listening().is_here

    def moved(self, pid: int) -> int:
        lines = _read(f"/proc/{pid}/io").split(b"\n", 2)
        return int(lines[0].split()[1]) + int(lines[1].split()[1])

    def has_gpus(self) -> bool:
        with contextlib.suppress(OSError):
            return any(_DEVICE.match(f"/{name}") for name in os.listdir("/dev"))  # noqa: PTH208
        return False

    def opened(self, pid: int) -> frozenset[str]:
        folder, found = os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), set()
        try:
            for number in os.listdir(folder):  # noqa: PTH208
                with contextlib.suppress(OSError):  # closed meanwhile
                    link = os.readlink(number, dir_fd=folder)
                    device = _DEVICE.search(link) if link.startswith("/") else None
                    # Asked of matching names only: what else is open may lie on a network disk that does not answer.
                    if device and stat.S_ISCHR(os.stat(number, dir_fd=folder).st_mode):
                        found.add(device[1])
        finally:
            os.close(folder)
        return frozenset(found)

    def _ask(self, row: Row) -> tuple[Facts, bool]:
        try:
            own = os.stat(f"/proc/{row.pid}").st_uid == os.geteuid()  # noqa: PTH116
            environ = _read(f"/proc/{row.pid}/environ") if own else b""
            words = _read(f"/proc/{row.pid}/cmdline").split(b"\0") if own else []
        except OSError:  # gone, or one of ours that guards its memory
            return Facts(False, None, False), False
        tag, job = _value(environ, TAG), _value(environ, _JOB)
        is_job = _is_job(tag, job, self._job) or _SUPERVISOR.encode() in words
        return Facts(own, tag, is_job), bool(environ) or not own  # empty, too, in the midst of an exec

    def _row(self, pid: int) -> Row:
        line = _read(f"/proc/{pid}/stat")
        name, end = line.index(b"("), line.rindex(b")")
        fields = line[end + 2 :].split()
        return Row(
            pid=pid,
            parent=int(fields[1]),
            session=int(fields[3]),
            state=fields[0].decode(),
            began=int(fields[19]),
            own_s=(int(fields[11]) + int(fields[12])) / self._ticks,
            reaped_s=(int(fields[13]) + int(fields[14])) / self._ticks,
            image=int(fields[45]),  # where its arguments lie: elsewhere after each exec
            name=line[name + 1 : end].decode(errors="replace"),
        )


class PsutilSystem(_Remembering):
    """Everywhere else (macOS): slower, without bytes read and written, and without GPUs."""

    counts_io = False
    network: Network | None = None
    _states: Mapping[str, str] = {psutil.STATUS_STOPPED: "T", psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_RUNNING: "R"}

    def rows(self) -> dict[int, Row]:
        found = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError), process.oneshot():
                found[process.pid] = self._row(process)
        self._forget_all_but(found)
        return found

    def row(self, pid: int) -> Row | None:
        try:
            return self._row(psutil.Process(pid))
        except (psutil.Error, OSError):
            return None

    def created(self, row: Row) -> float:
        with contextlib.suppress(psutil.Error, OSError):
            return psutil.Process(row.pid).create_time()
        return math.nan  # near to nothing

    def presence(self) -> Callable[[str, int, Collection[int]], bool]:
        return lambda kernel_id, root, pids: True

    def moved(self, pid: int) -> int:
        raise NotImplementedError

    def has_gpus(self) -> bool:
        return False

    def opened(self, pid: int) -> frozenset[str]:
        return frozenset()

    def _ask(self, row: Row) -> tuple[Facts, bool]:
        try:
            process = psutil.Process(row.pid)
            own = process.uids().effective == os.geteuid()
            environ, words = (process.environ(), process.cmdline()) if own else ({}, [])
        except (psutil.Error, OSError):
            return Facts(False, None, False), False
        tag = environ.get(TAG)
        is_job = _is_job(tag, environ.get(_JOB), os.environ.get(_JOB)) or _SUPERVISOR in words
        return Facts(own, tag, is_job), time.time() - self.created(row) > _EXEC_S

    def _row(self, process: psutil.Process) -> Row:
        times, session = None, 0
        named: Any = process  # by what psutil compares two of them with: moved by no clock where there is such a thing
        with contextlib.suppress(psutil.AccessDenied):  # another's: it is only a link between others then
            times = process.cpu_times()
        with contextlib.suppress(OSError):
            session = os.getsid(process.pid)
        return Row(
            pid=process.pid,
            parent=process.ppid(),
            session=session,
            state=self._states.get(process.status(), "S"),
            began=named._ident[1] or process.create_time(),
            own_s=times.user + times.system if times else 0.0,
            reaped_s=getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0),
            image=0,
            name=clean(process.name()),
        )


def this_system() -> System:
    """The one for this machine."""
    return LinuxSystem() if sys.platform == "linux" else PsutilSystem()


def _is_job(tag: str | None, job: str | None, here: str | None) -> bool:
    # No rank bears a tag. This server may itself run in a job: its kernels inherit that name, and are not the job's.
    return tag is None and job is not None and job != here


def _value(environ: bytes, name: str) -> str | None:
    _, found, rest = (b"\0" + environ).partition(f"\0{name}=".encode())
    return rest.partition(b"\0")[0].decode(errors="replace") if found else None


def _read(path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(handle, 65536):
            parts.append(part)
            if len(part) < 4096:  # /proc gives at least a page while there is more
                break
        return b"".join(parts)
    finally:
        os.close(handle)
