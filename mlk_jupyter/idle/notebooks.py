"""What notebooks say of idle kernels: `mlk.idle` in their metadata, read again when a file has changed. Blocking."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from ..record.files import opened
from .policy import of_metadata

LIMIT_BYTES = 8 * 1024 * 1024
"""Of a file's end, where nbformat puts the metadata; of a larger one that another program has written nothing is read:
that would hold everything else up."""
_METADATA = b'\n "metadata": '
"""Of the notebook itself as nbformat writes it: those of cells stand further in, no text holds a line break."""
_Stamp = tuple[int, int, int]


class Notebooks:
    """Of one server."""

    def __init__(self, file_of: Callable[[str], Path | None]) -> None:
        """Args: file_of: the file of a path of the contents manager; None: it has none."""
        self._file_of = file_of
        self._known: dict[str, tuple[_Stamp, object]] = {}

    def of(self, path: str) -> object:
        """What its metadata holds at `mlk.idle`; None: nothing. As before while it is saved, or cannot be read."""
        was = self._known.get(path)
        try:
            file = self._file_of(path)
            if file is None or file.suffix != ".ipynb":
                return None
            there = file.stat()
            stamp = (there.st_ino, there.st_mtime_ns, there.st_size)
            if was is None or was[0] != stamp:
                was = self._known[path] = (stamp, _read(file.resolve()))
        except Exception:  # a contents manager of another's may raise anything
            pass
        return None if was is None else was[1]


def _read(file: Path) -> object:
    """Raises: OSError, ValueError, RecursionError where it is no whole notebook."""
    with opened(file) as content:
        size = content.seek(0, os.SEEK_END)
        content.seek(max(0, size - LIMIT_BYTES))
        data = content.read(LIMIT_BYTES)
    at = data.rfind(_METADATA)
    if at < 0 and size > LIMIT_BYTES:
        return None
    notebook = json.loads(data if at < 0 else b"{" + data[at:])
    if not isinstance(notebook, dict):
        raise ValueError("it is no notebook")
    return of_metadata(notebook.get("metadata"))
