"""What a kernel tells whoever watches it, as files: keep me, I only wait for this job, I submitted that one.

Used inside of kernels, so it imports next to nothing. In `DATA_DIR/idle/kernels/KERNEL_ID`:

  keep-HOLDER.json  {"asked", "until", "reason", "pid", "created", "began"}: times in seconds since the epoch; `until`
                    null: as long as the process `pid` lives, which began at `created`, or as the system counts it
                    without a clock at `began`; `pid` null: whatever process ends
  wait-*.json       {"job", "pid", "created", "began"}: there while a cell does nothing but wait for that job
  job-ID.json       {"job", "at"}: a job that the kernel submitted

Who watches removes the folder when the kernel is gone, and decides how long a kernel may be kept.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..record.places import data_dir
from ..record.privacy import close
from .kernels import TAG
from .last_call import ends_its_cell

PANEL = "panel"
PERSONS = (PANEL, "magic", "cli")
"""Holders of leases that a person asked for: in JupyterLab, by `%k8s_keep`, by `mlk idle keep`."""

_ID = re.compile(r"[\w-]{1,64}")
_CONNECTION_FILE = re.compile(r"kernel-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.json")  # as jupyter_server's
_REASON_CHARS = 200
_HOUR_S = 3600.0


def kernel_id() -> str | None:
    """Of the kernel that this process is, or is a child of; None outside of kernels."""
    app: Any = getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", None)
    if app is not None and app.initialized():
        # Before the tag, which a server that is started from within a kernel hands on to its own.
        found = _CONNECTION_FILE.fullmatch(Path(app.instance().connection_file).name)
        if found:
            return found[1]
    tag = os.environ.get(TAG, "")
    return tag if _ID.fullmatch(tag) else None


def folder_of(kernel: str) -> Path:
    """Where what is told of a kernel lies. Raises: ValueError for what is no kernel's id."""
    if not _ID.fullmatch(kernel):
        raise ValueError(f"{kernel!r} is no id of a kernel")
    return data_dir() / "idle" / "kernels" / kernel


class Lease:
    """`with` it, this kernel is kept. May be used again, also within itself and in several threads."""

    def __init__(self, reason: str, hours: float | None) -> None:
        """Made by `keep`."""
        self._reason, self._hours = reason, hours
        self._held: list[Path | None] = []
        self._pid = 0

    def __enter__(self) -> Lease:
        self._pid = os.getpid()
        self._held.append(self._file())
        return self

    def __exit__(self, *exc_info: object) -> None:
        path = self._held.pop()
        if path is not None and self._pid == os.getpid():  # a forked child leaves its parent's
            with contextlib.suppress(OSError):
                path.unlink()

    def _file(self) -> Path | None:
        kernel = kernel_id()
        if kernel is None:
            return None
        path = folder_of(kernel) / f"keep-{os.getpid()}-{secrets.token_hex(4)}.json"
        until = None if self._hours is None else time.time() + self._hours * _HOUR_S
        try:
            _write(path, _wish(until, self._reason, _this_process()))
        except OSError as error:  # work goes on, but whoever counts on the lease has to know
            text = f"This kernel is not kept: {path}: {error.strerror}. It may be stopped when it seems idle."
            warnings.warn(text, stacklevel=3)
            return None
        return path


def keep(reason: str = "", hours: float | None = None) -> Lease:
    """Keeps this kernel from being stopped as idle while a block runs: `with keep("waits for the lab's data"):`.

    The lease ends with the block, however that ends, with the process, and at the longest that is allowed here. Outside
    of a kernel, and inside of a job, it does nothing.

    Args:
        reason: shown beside the kernel.
        hours:  the longest that the block may keep it; None: as long as it runs.

    Raises: ValueError, TypeError for what is no positive number of hours.
    """
    if hours is not None and not (math.isfinite(hours) and hours > 0):
        raise ValueError(f"keep() takes a positive number of hours, not {hours!r}")
    return Lease(str(reason), hours)


def wish(kernel: str, holder: str, seconds: float, reason: str = "") -> None:
    """Asks to keep a kernel from now on, whatever it asked before.

    Args:   holder: one of `PERSONS`.
    Raises: OSError when it cannot be written down.
    """
    _write(
        folder_of(kernel) / f"keep-{holder}.json", _wish(time.time() + seconds, reason, {"pid": None, "created": None})
    )


def release(kernel: str) -> bool:
    """Takes back what persons asked for; a block that runs goes on holding. Gives whether there was anything.

    Raises: OSError when it cannot be taken back.
    """
    there = [path for holder in PERSONS if (path := folder_of(kernel) / f"keep-{holder}.json").exists()]
    for path in there:
        path.unlink(missing_ok=True)
    return bool(there)


@contextlib.contextmanager
def waiting(job_id: str) -> Iterator[None]:
    """Says, while the block runs, that this kernel does nothing but wait for a job.

    Where the cell has more to do afterwards, or that cannot be told, it is not said: the kernel counts as busy. Only
    the main thread runs cells: what waits in another one says nothing of them. A wait is never disturbed by a file
    that cannot be written.
    """
    is_main = threading.current_thread() is threading.main_thread()
    kernel = kernel_id() if is_main and ends_its_cell() else None
    path = None
    if kernel is not None:
        with contextlib.suppress(OSError):
            path = folder_of(kernel) / f"wait-{secrets.token_hex(4)}.json"
            _write(path, {"job": job_id, **_this_process()})
    try:
        yield
    finally:
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()


def submitted(job_id: str) -> None:
    """Writes down that this kernel submitted a job. Blocking; does nothing outside of kernels, and never raises."""
    kernel = kernel_id()
    if kernel is not None:
        with contextlib.suppress(OSError):
            _write(folder_of(kernel) / f"job-{job_id}.json", {"job": job_id, "at": time.time()})


def _wish(until: float | None, reason: str, process: dict[str, object]) -> dict[str, object]:
    return {"asked": time.time(), "until": until, "reason": reason[:_REASON_CHARS], **process}


def _this_process() -> dict[str, object]:
    """Its number, and when it began: numbers are given again."""
    import psutil  # which a kernel has loaded

    from .table import beginning

    pid = os.getpid()
    return {"pid": pid, "created": psutil.Process().create_time(), "began": beginning(pid)}


def _write(path: Path, content: dict[str, object]) -> None:
    """Replaces a file, so that a reader sees the old content or the new. Only this person may look into its folder."""
    close(data_dir())
    for folder in (path.parents[2], path.parents[1], path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
