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
from pathlib import Path
from typing import Any

from ....record.folder import JobFolder, write_atomically
from .stamps import Position

_NAME = "positions.json"


class Positions:
    """The snapshot of one job, kept in memory, and on disk by `write`."""

    def __init__(self, folder: JobFolder) -> None:
        self._path = folder.path / _NAME
        self._folder = folder
        raw = _read(self._path)
        self._pods = {uid: _position(value) for uid, value in _dict(raw.get("pods")).items()}
        self._sizes = {
            name: size for name, size in _dict(raw.get("files")).items() if isinstance(size, int) and size >= 0
        }
        self.frames = {
            int(rank): number
            for rank, number in _dict(raw.get("frames")).items()
            if rank.isdigit() and isinstance(number, int)
        }
        """The highest number of the frames of each rank that the snapshot holds."""
        self.attempt = raw["attempt"] if isinstance(raw.get("attempt"), int) else 1
        """The attempt that the snapshot is of, counted from 1."""
        self.run: str = raw["run"] if isinstance(raw.get("run"), str) else ""
        """The run of that attempt: see `JobKind.run_of`."""

    @property
    def begun(self) -> bool:
        """Whether a log was read."""
        return bool(self._pods)

    def keys(self) -> list[str]:
        """Of the logs that were read: see `of`."""
        return list(self._pods)

    def of(self, key: str) -> Position:
        """How far a log was read: a pod's uid names that of its ranks; with `/` and a container behind it, of that."""
        return self._pods.get(key, Position())

    def start(self) -> None:
        """Writes a first snapshot where there is none: what is in the folder already stays. Raises: OSError."""
        if not self._path.exists():
            self.write(self.snapshot({}, {name: self._size(name) for name in self._files()}))

    def to_read_again(self) -> bool:
        """Whether the record holds more than the snapshot knows of."""
        return any(self._size(name) > self._sizes.get(name, 0) for name in self._files())

    def resumable(self, uids: Iterable[str]) -> bool:
        """Whether every log that was being read can still be asked for. `uids`: of the pods that are there."""
        there = set(uids)
        return all(key.partition("/")[0] in there for key, position in self._pods.items() if not position.whole)

    def rewind(self) -> None:
        """Cuts the record's files back to the snapshot. Before anybody has them open. Raises: OSError."""
        for name in self._files():
            size = self._sizes.get(name, 0)
            if self._size(name) > size:
                os.truncate(self._folder.path / name, size)

    def _files(self) -> list[str]:
        """Those that grow with what is read, by their path in the folder."""
        logs = (self._folder.path / "logs").glob("rank-*.log")
        names = [path.relative_to(self._folder.path).as_posix() for path in logs]
        return [self._folder.frames.name, self._folder.samples.name, *names]

    def snapshot(
        self, pods: Mapping[str, Position], sizes: Mapping[str, int], frames: Mapping[int, int] | None = None
    ) -> bytes:
        """The snapshot of this moment, for `write`; what is not named of pods, files and ranks stays as it was."""
        self._pods.update(pods)
        self._sizes.update(sizes)
        self.frames.update(frames or {})
        whole = {
            "attempt": self.attempt,
            "run": self.run,
            "pods": {key: asdict(position) for key, position in self._pods.items()},
            "files": self._sizes,
            "frames": self.frames,
        }
        return json.dumps(whole, separators=(",", ":")).encode()

    def write(self, snapshot: bytes) -> None:
        """Writes a snapshot. Blocking. Raises: OSError."""
        write_atomically(self._path, snapshot, lasting=False)

    def begin(self, attempt: int, sizes: Mapping[str, int]) -> None:
        """Writes the first snapshot of another attempt: its pods are others. Raises: OSError."""
        self._pods.clear()
        self.frames.clear()
        self.attempt = attempt
        self.write(self.snapshot({}, sizes))

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
