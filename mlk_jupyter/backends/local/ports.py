"""Two ports for a job's process groups that no other job of ours picks."""

from __future__ import annotations

import fcntl
import os
import random
import socket
from pathlib import Path
from types import TracebackType

# Below the range that systems give to outgoing connections (Linux from 32768, macOS from 49152), so that none of
# those takes the port between the moment it is chosen and the moment rank 0 listens on it.
_FIRST, _LAST = 20_000, 32_767


class ReservedPort:
    """A free port on 127.0.0.1, and the one after it, kept from other jobs of this data directory until the context
    ends. The first is for PyTorch's process group, the second for JAX's.

    The claim is a lock on one byte of a shared file: it goes with its process, however that dies.

    Raises: OSError when the file cannot be opened or no port is free.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "ports.lock"
        self._file = -1
        self.number = 0

    def __enter__(self) -> ReservedPort:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for port in random.sample(range(_FIRST, _LAST, 2), 200):
            if self._claim(port) and _can_be_bound(port) and _can_be_bound(port + 1):
                self.number = port
                return self
        os.close(self._file)
        raise OSError(f"none of 200 pairs of ports tried between {_FIRST} and {_LAST} is free")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)

    def _claim(self, port: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except BlockingIOError:
            return False
        return True


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
