"""Work that a server does besides its kernels: in its terminals, and in what else it has started.

Output alone is no sign of work: `top` writes for ever. A person who types in a terminal is one, and so is a program
that computes, or reads and writes. A program in the foreground that does neither may wait for something: it counts for
as long as a silent cell does (`MLK_IDLE_BUSY_SILENT_TTL`), from the last key on. One that only shows what others do
counts as long as a kernel without work does (`MLK_IDLE_TTL`), and what it uses itself is no work. An application whose
page is open (RStudio, VS Code) counts: whether somebody is at that page cannot be seen.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psutil

from .growth import Counters, grown
from .policy import Policy
from .table import Row, this_system

ONLY_SHOW = frozenset(
    (
        "atop",
        "btop",
        "glances",
        "gpustat",
        "htop",
        "iotop",
        "less",
        "man",
        "more",
        "nvitop",
        "nvtop",
        "tail",
        "top",
        "watch",
    )
)
"""Programs that people leave open to look at. Not `nvidia-smi`, whose loop is as often written to a file."""

_SERVERS = ("jupyter", "singleuser", "start-notebook")  # in the command lines of images made for one server


@dataclass(frozen=True, slots=True)
class Terminal:
    """One terminal, as its server knows it."""

    name: str
    pid: int
    """Of its shell."""
    foreground: int | None
    """Process group in the foreground; the shell's own: nothing runs. None: not known."""
    typed_s: float
    """Seconds since a person last typed, or since it was first seen."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A process that the server started, or that stands alone beside it, and all its descendants."""

    pid: int
    name: str
    """Of the one that used most of the CPU."""
    cpu_pct: float | None
    """Percent of one core since the look before; None: first look."""
    io_bytes: float | None
    """Bytes a second, read and written; None: first look, or not known on this system."""
    is_connected: bool = False
    """The server holds a connection to it: it passes a page of an application on (jupyter-server-proxy)."""


@dataclass(frozen=True, slots=True)
class Use:
    """What was found in one look."""

    trees: tuple[Tree, ...]
    foreground: Mapping[str, str]
    """Name of the program in the foreground, by terminal; those in which the shell waits are left out."""
    why: str | None = None
    """Why it is not known what runs; None where it is."""


@dataclass(frozen=True, slots=True)
class _Moment:
    """All processes of this machine, and those of them that may be the server's work."""

    at: float
    rows: Mapping[int, Row]
    here: Mapping[int, Row]
    moved: Mapping[int, int]
    """Bytes of each that tells them."""

    def cpu(self, pids: Collection[int]) -> Counters:
        return Counters(self.rows, pids, lambda pid: self.rows[pid].own_s, lambda pid: self.rows[pid].reaped_s)

    def io(self, pids: Collection[int]) -> Counters:
        return Counters(self.rows, pids, lambda pid: 0.0, self.moved.get)


def why_busy(terminals: Sequence[Terminal], use: Use, policy: Policy) -> str | None:
    """Why a server must not be ended, in words: "terminal 1 runs python"; None: nothing of this kind speaks against it.

    What is not known speaks against it.
    """
    if use.why is not None:
        return use.why
    for tree in use.trees:
        if tree.cpu_pct is None:
            return f"{tree.name} ({tree.pid}) was not measured yet"
        if tree.cpu_pct >= policy.cpu_pct:
            return f"{tree.name} ({tree.pid}) computes (CPU {tree.cpu_pct:.0f} % of a core)"
        if tree.io_bytes is not None and tree.io_bytes >= policy.io_bytes:
            return f"{tree.name} ({tree.pid}) reads and writes ({tree.io_bytes / 1024:.0f} KiB a second)"
        if tree.is_connected:
            return f"a page of {tree.name} ({tree.pid}) is open"
    for terminal in terminals:
        program = use.foreground.get(terminal.name)
        if program is None:
            continue
        limit_s = policy.ttl_s if program in ONLY_SHOW else policy.busy_silent_ttl_s
        if not limit_s or terminal.typed_s < limit_s:
            return f"terminal {terminal.name} runs {program}"
    return None


def is_container(environment: Mapping[str, str]) -> bool:
    """Whether all processes that can be seen end with this server, because they run in a container made for it.

    Args: environment: of the server.
    """
    if "KUBERNETES_SERVICE_HOST" in environment:
        return True
    try:
        first = " ".join(psutil.Process(1).cmdline())
    except psutil.Error:
        return False
    return any(name in first for name in _SERVERS)


class Processes:
    """Looks at the processes of one server, again and again. Blocking: for a thread."""

    def __init__(self, pid: int, *, all_of_user: bool) -> None:
        """Args: pid: of the server; all_of_user: also those that it did not start, or that have left its tree (`tmux`,
        daemons): in a container they end with it.
        """
        self._pid = pid
        self._all_of_user = all_of_user
        self._system = this_system()
        self._before: _Moment | None = None

    def look(self, terminals: Iterable[Terminal], at: float) -> Use:
        """What runs, and what it used since the look before.

        Args: at: monotonic seconds.
        """
        try:
            now = self._read(at)
        except (psutil.Error, OSError) as error:
            return Use((), {}, f"it is not known what runs ({type(error).__name__})")
        before, self._before = self._before, now
        ports = _ports(self._pid, psutil.CONN_ESTABLISHED)
        trees = tuple(_tree(root, members, before, now, ports) for root, members in self._trees(now.here).items())
        names = {it.name: program for it in terminals if (program := _foreground(it, now.here)) is not None}
        return Use(trees, names)

    def _read(self, at: float) -> _Moment:
        rows = self._system.rows()
        here = {
            pid: row
            for pid, row in rows.items()
            if pid == self._pid or self._pid in _ancestors(pid, rows) or (self._all_of_user and _is_users(pid))
        }
        moved: dict[int, int] = {}
        for pid in here if self._system.counts_io else ():
            with contextlib.suppress(OSError, ValueError, IndexError):  # it ends, or hides them
                moved[pid] = self._system.moved(pid)
        return _Moment(at, rows, here, moved)

    def _trees(self, now: Mapping[int, Row]) -> dict[int, list[int]]:
        """Roots and their trees: children of the server; with `all_of_user` also what hangs elsewhere. Never the
        server itself, nor what it hangs on."""
        own = {self._pid, *_ancestors(self._pid, now)}
        trees: dict[int, list[int]] = {}
        for pid in now:
            if pid in own:
                continue
            line = [pid, *_ancestors(pid, now)]  # from here up to the first that is not the user's
            below = next((index for index, it in enumerate(line) if it in own), len(line))
            is_below_server = below < len(line) and line[below] == self._pid
            if is_below_server or self._all_of_user:
                trees.setdefault(line[below - 1], []).append(pid)
        return trees


def _is_users(pid: int) -> bool:
    """Whether the user who runs this started it, also where it guards its memory."""
    try:
        return os.name != "posix" or psutil.Process(pid).uids().real == os.getuid()
    except psutil.Error:  # it has ended
        return False


def _ancestors(pid: int, now: Mapping[int, Row]) -> list[int]:
    found: list[int] = []
    while pid in now and (parent := now[pid].parent) in now and parent not in found:
        found.append(parent)
        pid = parent
    return found


def _ports(pid: int, status: str) -> set[int]:
    """Ports at the other end of a process's connections; with `CONN_LISTEN` those that it listens at."""
    try:
        ends = [
            it.laddr if status == psutil.CONN_LISTEN else it.raddr for it in _connections(pid) if it.status == status
        ]
    except (psutil.Error, OSError):  # it has ended, or it is another's
        return set()
    return {end.port for end in ends if end}


def _connections(pid: int) -> Sequence[Any]:
    process = psutil.Process(pid)
    ask = getattr(process, "net_connections", None) or process.connections  # its name before psutil 6
    return cast("Sequence[Any]", ask(kind="tcp"))


def _tree(root: int, members: Sequence[int], before: _Moment | None, now: _Moment, ports: set[int]) -> Tree:
    working = [pid for pid in members if now.here[pid].name not in ONLY_SHOW]
    is_connected = bool(ports) and any(_ports(pid, psutil.CONN_LISTEN) & ports for pid in members)
    if before is None or now.at <= before.at:
        return Tree(root, now.here[root].name, None, None, is_connected)
    passed_s, known = now.at - before.at, before.rows.keys()  # with all of them: whatever has ended may be its child
    cpu_pct = grown(before.cpu(known), now.cpu(working)) / passed_s * 100
    moves = any(pid in now.moved for pid in working)
    io_bytes = grown(before.io(known), now.io(working)) / passed_s if moves else None
    name = now.here[max(working, key=lambda pid: grown(before.cpu([pid]), now.cpu([pid])), default=root)].name
    return Tree(root, name, cpu_pct, io_bytes, is_connected)


def _foreground(terminal: Terminal, now: Mapping[int, Row]) -> str | None:
    if terminal.foreground is None:
        return "something unknown"
    if terminal.foreground == terminal.pid:
        return None
    leader = now.get(terminal.foreground)
    return leader.name if leader else "something"  # the first of its group has ended, or another user's runs
