"""What is known of the kernels of each server, as a file that the command line reads. Blocking."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from ..model.kernels import Explained, Kernels
from ..record.folder import write_atomically
from .table import beginning

logger = logging.getLogger(__name__)


def host() -> str:
    """This machine, or pod, as the beginning of a file's name."""
    return re.sub(r"[^\w.-]", "_", socket.gethostname())


class StateFile:
    """`HOST-PID.json` of this process: written as something changes, gone with the server.

    Pods that share a home folder give the same numbers to their processes.
    """

    def __init__(self, folder: Path, *, url: str, root: str, created: float) -> None:
        """Args: created: when this process began, seconds since the epoch."""
        self._path = folder / f"{host()}-{os.getpid()}.json"
        began = beginning(os.getpid())
        self._about = {"pid": os.getpid(), "created": created, "began": began, "url": url, "root": root}
        self._was_written = True

    def write(self, kernels: Kernels, explained: Mapping[str, Explained]) -> None:
        """Replaces it. Never raises: on a disk that takes nothing the command line shows what was."""
        content = {
            **self._about,
            "written": kernels.now,
            "kernels": kernels.model_dump(mode="json"),
            "explained": {kernel_id: one.model_dump(mode="json") for kernel_id, one in explained.items()},
        }
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path, json.dumps(content).encode(), lasting=False)
            self._was_written = True
        except OSError as error:
            if self._was_written:
                logger.warning("The state of kernels cannot be written for `mlk idle`: %s", error)
            self._was_written = False

    def remove(self) -> None:
        """The server ends. Never raises."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
