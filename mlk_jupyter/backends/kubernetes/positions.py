"""How far the logs of a job's pods are in its folder: `positions.json`, so that a restarted server goes on exactly.

The file is a snapshot of one moment between two pieces of log, in which no frame was half read: it says how far each
log was read, and how large the record's files were then. What a process that was killed wrote after its last snapshot
is cut off again and read once more; without that, text could stand in a log twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from ...record.folder import JobFolder, write_atomically
from .stamps import Position

_NAME = "positions.json"


class Positions:
    """The snapshot of one job, kept in memory and written by `save`."""

    def __init__(self, folder: JobFolder) -> None:
        self._path = folder.path / _NAME
        self._folder = folder
        raw = _read(self._path)
        self._pods = {uid: _position(value) for uid, value in _dict(raw.get("pods")).items()}
        self._sizes = {
            name: size
            for name, size in _dict(raw.get("files")).items()
            if isinstance(size, int) and size >= 0 and _is_inside(name)
        }
        self.attempt = raw["attempt"] if isinstance(raw.get("attempt"), int) else 1
        """The attempt that the snapshot is of, counted from 1."""

    def of(self, uid: str) -> Position:
        """How far the log of a pod was read."""
        return self._pods.get(uid, Position())

    def to_read_again(self) -> bool:
        """Whether the record holds more than the snapshot knows of."""
        return any(self._size(name) > size for name, size in self._sizes.items())

    def resumable(self, uids: Iterable[str]) -> bool:
        """Whether every log that was being read can still be asked for."""
        there = set(uids)
        return all(uid in there for uid, position in self._pods.items() if not position.whole)

    def rewind(self) -> None:
        """Cuts the record's files back to the snapshot. Before anybody has them open. Raises: OSError."""
        for name, size in self._sizes.items():
            if self._size(name) > size:
                os.truncate(self._folder.path / name, size)

    def save(self, pods: Mapping[str, Position], sizes: Mapping[str, int], attempt: int) -> None:
        """Writes a snapshot; pods and files that are not named stay as they were. Raises: OSError."""
        self._pods.update(pods)
        self._sizes.update(sizes)
        self.attempt = attempt
        whole = {
            "attempt": attempt,
            "pods": {uid: asdict(position) for uid, position in self._pods.items()},
            "files": self._sizes,
        }
        write_atomically(self._path, json.dumps(whole, separators=(",", ":")).encode())

    def _size(self, name: str) -> int:
        try:
            return (self._folder.path / name).stat().st_size
        except OSError:
            return 0


def _read(path: Path) -> dict[str, Any]:
    try:
        return _dict(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return {}  # none yet, or none that can be read: frames are known by their numbers all the same


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _position(value: Any) -> Position:
    raw = _dict(value)
    time, lines, size = raw.get("time"), raw.get("lines"), raw.get("bytes")
    if not isinstance(time, str) or not isinstance(lines, int) or not isinstance(size, int):
        return Position()
    return Position(time, lines, size, raw.get("whole") is True)


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
