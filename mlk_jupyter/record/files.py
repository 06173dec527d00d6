"""Files in the folder of a job, which belongs to the code that the job runs: whatever lies there may be anything.

A FIFO makes whoever opens it wait for ever, a link leads elsewhere, a file may be larger than the memory, and a tree
deeper than Python's stack and than any path may be long.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SMALL_BYTES = 16 * 1024 * 1024  # of a file that is read whole at each look: a status with 10,000 ranks has a third
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file; neither it nor the folder it lies in is a link. Never waits for another process.

    Raises: OSError, also for whatever is no regular file.
    """
    parent, name = os.path.split(path)
    folder = os.open(parent, _FOLDER)
    try:
        handle = os.open(name, flags | _FILE, 0o600, dir_fd=folder)
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "It is no regular file", str(path))
    return handle


def opened(path: Path) -> BinaryIO:
    """A regular file to read. Raises: OSError as `open_regular`."""
    return os.fdopen(open_regular(path), "rb")


def read_regular(path: Path, limit_bytes: int = SMALL_BYTES) -> bytes:
    """The content of a regular file. Raises: OSError as `open_regular`, and for one that is larger than the limit."""
    with os.fdopen(open_regular(path), "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size > limit_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return file.readall()


def is_regular(path: Path) -> bool:
    """Whether a regular file can be seen there; neither it nor the folder it lies in is a link."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode) and stat.S_ISDIR(os.lstat(path.parent).st_mode)
    except OSError:
        return False


def size_of(path: Path) -> int:
    """Bytes of a regular file; 0 where there is none."""
    try:
        return os.lstat(path).st_size if is_regular(path) else 0
    except OSError:
        return 0


def remove(path: Path) -> bool:
    """Removes a file, or a folder with all that is in it however deep it lies; of a link the link. Never raises.

    Returns: whether nothing is left.
    """
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            _empty(path)
            path.rmdir()
        else:
            path.unlink()
    return not os.path.lexists(path)


def _empty(top: Path) -> None:
    """Removes what is in a folder as far as that is allowed.

    Folders within folders are moved up into `top`, so that none lies deep and few are open at a time.
    """
    with contextlib.suppress(OSError):
        top.chmod(0o700)
    at = os.open(top, _FOLDER)
    try:
        fresh = (f".{secrets.token_hex(8)}-{number}" for number in itertools.count())
        waiting = _clear(at, at, None)
        while waiting:
            name = waiting.pop()
            with contextlib.suppress(OSError):
                folder = os.open(name, _FOLDER, dir_fd=at)
                try:
                    waiting += _clear(folder, at, fresh)
                finally:
                    os.close(folder)
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=at)
    finally:
        os.close(at)


def _clear(folder: int, top: int, fresh: Iterator[str] | None) -> list[str]:
    """Removes the files of an open folder, and moves its folders into `top`. Gives their names there."""
    moved = []
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        with contextlib.suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=folder)
                continue
            with contextlib.suppress(OSError):
                os.chmod(entry.name, 0o700, dir_fd=folder)  # the job may have taken the right away
            name = entry.name
            if fresh is not None:
                name = next(fresh)
                os.rename(entry.name, name, src_dir_fd=folder, dst_dir_fd=top)
            moved.append(name)
    return moved
