"""What notebooks say of idle kernels: `mlk.idle` in their metadata, read again when a file has changed. Blocking."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ..record.files import read_regular
from .policy import of_metadata

LIMIT_BYTES = 8 * 1024 * 1024
"""Larger ones say nothing: reading them would hold everything else up."""
_Stamp = tuple[int, int, int]


class Notebooks:
    """Of one server."""

    def __init__(self, file_of: Callable[[str], Path | None]) -> None:
        """Args: file_of: the file of a path of the contents manager; None: it has none."""
        self._file_of = file_of
        self._known: dict[str, tuple[_Stamp, object]] = {}

    def of(self, path: str) -> object:
        """What its metadata holds at `mlk.idle`; None: nothing, or it cannot be read."""
        try:
            file = self._file_of(path)
            if file is None or file.suffix != ".ipynb":
                return None
            stat = file.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if path not in self._known or self._known[path][0] != stamp:
                self._known[path] = (stamp, _read(file.resolve()))
            return self._known[path][1]
        except Exception:  # a contents manager of another's may raise anything
            return None


def _read(file: Path) -> object:
    try:
        data = read_regular(file, LIMIT_BYTES)
        if b'"mlk"' not in data or b'"idle"' not in data:  # next to all of them: no need to understand it
            return None
        notebook = json.loads(data)
    except (OSError, ValueError, RecursionError):
        return None
    return of_metadata(notebook.get("metadata")) if isinstance(notebook, dict) else None
