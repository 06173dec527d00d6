"""TCP sockets and network devices of a machine's or a pod's network namespace, as Linux tells of them. Blocking."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

_SOCK_DIAG, _BY_FAMILY, _INFO = 4, 20, 2
_ERROR, _DONE = 2, 3
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH
_STATES = 0xFFF & ~(1 << 3 | 1 << 6 | 1 << 10)  # all but SYN_RECV, TIME_WAIT and LISTEN: these move nothing
_HEAD = struct.Struct("=IHHII")
_SOCKET = struct.Struct("=4B2s2s16s16sI8s5I")  # struct inet_diag_msg
_ATTRIBUTE = struct.Struct("=HH")
_BYTES = struct.Struct("=QQ")  # tcpi_bytes_acked, tcpi_bytes_received
_BYTES_AT = 120
_ANSWER_S = 2.0
_MAPPED = bytes(10) + b"\xff\xff"


class Socket(NamedTuple):
    """One TCP socket that is connected, or was."""

    key: bytes | int
    """Names it as long as it lives; no other gets the same while it does."""
    inode: int
    """0 where no process holds it any more."""
    moved: int | None
    """Bytes that it has sent and received so far; None: not counted."""
    leaves: bool
    """Whether what it moves goes over a device, and not only from here to here."""


class Network(Protocol):
    """Where the network is asked for; tests put their own in its place."""

    def sockets(self) -> list[Socket] | None:
        """All in this process's namespace; None where the system does not tell."""
        ...

    def moved(self, pid: int | None = None) -> int | None:
        """Bytes that all devices of a process's namespace, or of this one, have sent and received, but the loopback."""
        ...

    def namespace(self, pid: int | None = None) -> str | None:
        """Name of a process's network namespace, or of this one; None where it may not be seen."""
        ...

    def held(self, pid: int) -> set[int]:
        """Inodes of the sockets that a process holds; none where they may not be seen."""
        ...


class LinuxNetwork:
    """Asks by netlink (sock_diag), which needs no rights; /proc/net where that does not answer (gVisor, seccomp)."""

    def sockets(self) -> list[Socket] | None:
        try:
            return [one for family in (socket.AF_INET, socket.AF_INET6) for one in _dump(family)]
        except (OSError, struct.error, IndexError):
            return _listed()

    def moved(self, pid: int | None = None) -> int | None:
        try:
            return devices_moved(Path(f"/proc/{pid or 'self'}/net/dev").read_text())
        except (OSError, ValueError, IndexError):
            return None

    def namespace(self, pid: int | None = None) -> str | None:
        try:
            return os.readlink(f"/proc/{pid or 'self'}/ns/net")  # noqa: PTH115
        except OSError:
            return None

    def held(self, pid: int) -> set[int]:
        found: set[int] = set()
        with contextlib.suppress(OSError):
            folder = os.open(f"/proc/{pid}/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for number in os.listdir(folder):  # noqa: PTH208
                    with contextlib.suppress(OSError):  # closed meanwhile
                        link = os.readlink(number, dir_fd=folder)
                        if link.startswith("socket:["):
                            found.add(int(link[8:-1]))
            finally:
                os.close(folder)
        return found


def _dump(family: int) -> Iterator[Socket]:
    asks = struct.pack("=4BI48x", family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, _STATES)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as link:
        link.settimeout(_ANSWER_S)
        link.send(_HEAD.pack(_HEAD.size + len(asks), _BY_FAMILY, _DUMP, 1, 0) + asks)
        is_done = False
        while not is_done:
            found, is_done = parsed(link.recv(1 << 18))
            yield from found


def parsed(answer: bytes) -> tuple[list[Socket], bool]:
    """The sockets of one answer to a dump, and whether it is the last. Raises: OSError, struct.error."""
    found: list[Socket] = []
    at = 0
    while at + _HEAD.size <= len(answer):
        length, kind, *_ = _HEAD.unpack_from(answer, at)
        if kind == _DONE:
            return found, True
        if kind == _ERROR or length < _HEAD.size:
            raise OSError("the system does not list TCP sockets")
        if kind == _BY_FAMILY:
            found.append(_socket(answer[at + _HEAD.size : at + length]))
        at += (length + 3) & ~3
    return found, False


def _socket(message: bytes) -> Socket:
    family, *_, source, target, _, cookie, _, _, _, _, inode = _SOCKET.unpack_from(message)
    if family == socket.AF_INET:
        source, target = _MAPPED + source[:4], _MAPPED + target[:4]
    moved, at = None, _SOCKET.size
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            break
        begin = at + _ATTRIBUTE.size + _BYTES_AT
        if kind == _INFO and begin + _BYTES.size <= at + length:  # shorter before Linux 4.1
            moved = sum(_BYTES.unpack_from(message, begin))
        at += (length + 3) & ~3
    return Socket(cookie, inode, moved, _leaves(source, target))


def _leaves(source: bytes, target: bytes) -> bool:
    is_loopback = target == bytes(15) + b"\1" or target.startswith(_MAPPED + b"\x7f")
    return not is_loopback and source != target


def _listed() -> list[Socket] | None:
    """Without bytes, from /proc/net/tcp; None where there is none."""
    found: list[Socket] | None = None
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            found = (found or []) + listed(Path(table).read_text())
    return found


def listed(table: str) -> list[Socket]:
    """The connected sockets of /proc/net/tcp or tcp6."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if 1 << int(fields[3], 16) & _STATES and fields[9] != "0":
            source, target = (_address(word.partition(":")[0]) for word in fields[1:3])
            found.append(Socket(int(fields[9]), int(fields[9]), None, _leaves(source, target)))
    return found


def _address(words: str) -> bytes:
    """As it goes over the wire; the table has it in words of 32 bits, as this machine stores them."""
    stored = b"".join(struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8))
    return _MAPPED + stored if len(stored) == 4 else stored


def devices_moved(table: str) -> int:
    """Bytes of all devices of a /proc/net/dev but the loopback."""
    total = 0
    for line in table.splitlines()[2:]:
        name, _, counts = line.rpartition(":")
        if name.strip() != "lo":
            fields = counts.split()
            total += int(fields[0]) + int(fields[8])
    return total
