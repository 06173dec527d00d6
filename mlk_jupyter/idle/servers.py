"""The servers of this person and their kernels, as each writes them down for `mlk` and for kernels. Blocking."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pydantic import ValidationError

from ..model.base import TolerantModel
from ..model.kernels import Explained, Kernels, KernelState
from ..record.files import read_regular
from ..record.places import data_dir
from .leases import Granted, grant
from .state import host
from .table import lives


class Server(TolerantModel):
    """One server, as of when it last wrote."""

    pid: int
    created: float
    """When its process began. Seconds since the epoch, as all times here."""
    began: float | None = None
    """The same as `table.beginning` tells it."""
    url: str
    root: str
    """Folder that the kernels' paths are relative to."""
    written: float
    kernels: Kernels
    explained: dict[str, Explained]
    """By the kernels' ids."""

    def kernel(self, kernel_id: str) -> KernelState | None:
        """One of its kernels."""
        return next((one for one in self.kernels.kernels if one.id == kernel_id), None)

    def granted(self, kernel_id: str, asked_s: float) -> Granted:
        """What becomes of the wish to keep one of its kernels for `asked_s` seconds from now on."""
        explained = self.explained.get(kernel_id)
        most_s = _seconds(explained, "MLK_IDLE_LEASE_MAX")
        state = self.kernel(kernel_id)
        total_left_s = (
            state.lease.total_left_s if state and state.lease else _seconds(explained, "MLK_IDLE_LEASE_TOTAL")
        )
        return grant(asked_s, most_s, total_left_s)


def servers() -> list[Server]:
    """Those that live on this machine, the oldest first. What cannot be read is left out."""
    found = []
    for path in (data_dir() / "idle" / "servers").glob(f"{host()}-*.json"):
        with contextlib.suppress(OSError, ValidationError):
            server = Server.model_validate_json(read_regular(path))
            if lives(server.pid, server.began, server.created):
                found.append(server)
    return sorted(found, key=lambda server: server.created)


def server_of(kernel_id: str) -> Server | None:
    """The server that watches a kernel; None where none does, or has not said so yet."""
    return next((server for server in servers() if server.kernel(kernel_id) is not None), None)


def path_of(server: Server, kernel: KernelState) -> Path | None:
    """A kernel's notebook as a file of this machine; None for one that is of no session."""
    return None if kernel.path is None else Path(server.root) / kernel.path


def _seconds(explained: Explained | None, variable: str) -> float | None:
    """A limit that holds for a kernel; None: there is none, or it is not known."""
    value = None if explained is None else explained.limits.get(variable)
    return float(value) if isinstance(value, (int, float)) and value > 0 else None
