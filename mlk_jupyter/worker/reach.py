"""How processes that a notebook starts reach the job: they open the pipe through which its own process speaks.

A fork has it already; `subprocess`, torchrun in a cell and workers by `spawn` find its place in their environment.
"""

from __future__ import annotations

import os
import stat
import sys

from .wire import Sender

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import MutableMapping, Optional

VARIABLE = "MLK_PIPE"

_open: Optional[Sender] = None
_tried = False


def offer(environ: MutableMapping[str, str], fd: int, token: str) -> None:
    """Tells children through `environ` where the pipe is that this process writes to as `fd`."""
    environ[VARIABLE] = f"/proc/{os.getpid()}/fd/{fd}:{token}"


def parents_pipe() -> Optional[Sender]:
    """What speaks for a process that a rank started; None outside of a job.

    None also where the pipe cannot be opened (no /proc, another container); the standard error says so, once.
    """
    global _open, _tried
    place = os.environ.get(VARIABLE)
    if _tried or not place:
        return _open
    _tried = True
    path, _, token = place.rpartition(":")
    try:
        fd = os.open(path, os.O_WRONLY)
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError("it is no pipe")
    except OSError as error:
        why = error.strerror or error
        print(
            f"mlk_jupyter: process {os.getpid()} cannot reach the job that started it ({why}): "
            "its metrics, progress and results do not show. Log them in the notebook's own process.",
            file=sys.stderr,
        )
        return None
    _open = Sender(fd, token)
    return _open
