"""At most one process writes a job folder's status: the one that holds its lock."""

from __future__ import annotations

import fcntl
import os
import time
from types import TracebackType

from .files import open_regular
from .folder import JobFolder

_RETRY_S = 0.05


class Taken(Exception):
    """Another process writes this folder."""


class Ownership:
    """The right to write a job folder's status, for as long as the context lasts. It ends with its process.

    Args:   patience_s: how long to wait for another process to give it up.
    Raises: Taken when another process has it, OSError when the folder cannot be opened.
    """

    def __init__(self, folder: JobFolder, patience_s: float = 0.0) -> None:
        self._path = folder.path / ".lock"
        self._patience_s = patience_s
        self._file = -1

    def __enter__(self) -> Ownership:
        self._file = open_regular(self._path, os.O_RDWR | os.O_CREAT)
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    self.release()
                    raise Taken from error
                time.sleep(_RETRY_S)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def release(self) -> None:
        """Gives it up, if it is held."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
