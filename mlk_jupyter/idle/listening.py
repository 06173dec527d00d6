"""Whether a kernel itself is among the processes that are measured: some kernelspecs start it in a container (`docker
run`), on another machine (`ssh`, `srun`) or by a service, and leave only the command that did so here. Linux."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path

_LISTENS = "0A"  # TCP_LISTEN
_TUNNELS = frozenset({"ssh", "autossh"})  # listen here for a kernel that is elsewhere
_MOST = 65536  # bytes of a connection file
_BEFORE_PATHS = b"\0 '\":="


class Listening:
    """Who listens on which port of this machine, looked up once."""

    def __init__(self) -> None:
        self._sockets: dict[int, set[str]] | None = None

    def is_here(self, kernel_id: str, root: int, pids: Collection[int]) -> bool:
        """Whether one of these processes is the kernel: the one that listens where its connection file says.

        True as well where that cannot be found out: no such file, no TCP, no right to see what a process holds open.
        """
        port = _shell_port(kernel_id, root)
        if port is None:
            return True
        if self._sockets is None:
            self._sockets = _listening()
        sockets = self._sockets.get(port, set())
        try:
            return any(sockets and _holds(pid, sockets) for pid in pids)
        except PermissionError:
            return True


def _shell_port(kernel_id: str, root: int) -> int | None:
    for path in _named(kernel_id, root):
        with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
            said = json.loads(file.read(_MOST))
            if isinstance(said, dict) and said.get("transport", "tcp") == "tcp":
                port = said.get("shell_port")
                return port if isinstance(port, int) and port > 0 else None  # 0: the kernel chooses, and tells it
            return None
    return None


def _named(kernel_id: str, root: int) -> Iterator[Path]:
    """Paths that a kernel's command may name its connection file by; it may stand in the midst of a word."""
    name = f"kernel-{kernel_id}.json".encode()
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{root}/cmdline").read_bytes()
        end = command.find(b"/" + name) + 1
        for at in range(end):
            if command[at : at + 1] == b"/" and (at == 0 or command[at - 1] in _BEFORE_PATHS):
                yield Path(os.fsdecode(command[at:end] + name))


def _listening() -> dict[int, set[str]]:
    """By port: how links to the sockets that listen on it read."""
    found: dict[int, set[str]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS:
                    found.setdefault(int(fields[1].rpartition(":")[2], 16), set()).add(f"socket:[{fields[9]}]")
    return found


def _holds(pid: int, sockets: Collection[str]) -> bool:
    """Whether a process holds one of these open for itself. Raises: PermissionError."""
    folder = f"/proc/{pid}"
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        if Path(f"{folder}/comm").read_text().strip() in _TUNNELS:
            return False
        for number in os.listdir(f"{folder}/fd"):  # noqa: PTH208
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(f"{folder}/fd/{number}") in sockets:  # noqa: PTH115
                    return True
    return False
