"""What is new in the files of a job's record since the last look: never a file whole, never more than a piece."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..model.api import MetricPoint
from ..record.curve import Curve
from ..record.folder import JobFolder
from .view import Point, log_lines

_PIECE = 4 << 20  # bytes of a file that are looked at in one go
_LOG_TAIL = 16 * 1024
_GPU_SAMPLES = 4_000  # of all ranks; older ones leave the chart
_METRIC, _GPU = b'"metric"', b'"busy"'  # within a text of the job the quotes would be escaped


class Tails:
    """Log lines, curves and GPU use of one job, read a little further at each `read`. Not thread-safe."""

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder
        self._frames = _Growing(folder.frames)
        self._samples = _Growing(folder.samples)
        self._curves: dict[str, Curve] = {}
        self._ranks: dict[str, int] = {}
        self._gpus: list[Point] = []
        self._drawn: dict[str, list[Point]] = {}

    def read(self) -> bool:
        """Reads on. Gives whether there is more to read at once, as when a job has long run before it is shown."""
        if self._frames.read():
            self._curves.clear()
            self._ranks.clear()
            self._drawn.clear()
        for line in self._frames.lines_with(_METRIC):
            self._metric(line)
        if self._samples.read():
            self._gpus.clear()
        for line in self._samples.lines_with(_GPU):
            self._sample(line)
        return self._frames.behind or self._samples.behind

    def log(self, most: int, rank: int = 0) -> tuple[str, ...]:
        """The last lines of a rank's log."""
        data, size = self._folder.read_log(rank, -_LOG_TAIL, _LOG_TAIL)
        return log_lines(data, most, cut=size > len(data))

    def curves(self) -> dict[str, list[Point]]:
        """Each metric by its steps, or by its order where it has none."""
        for name, curve in self._curves.items():
            if name not in self._drawn:
                points = curve.points()
                stepped = all(point.step is not None for point in points)
                self._drawn[name] = [
                    (float(point.step) if stepped and point.step is not None else float(at), point.value)
                    for at, point in enumerate(points)
                ]
        return dict(self._drawn)

    def gpus(self) -> list[Point]:
        """Mean share that GPUs were busy, by time."""
        return sorted(self._gpus, key=lambda point: point[0])

    def stamp(self) -> tuple[object, ...]:
        """Something that differs when any of the files has changed."""
        folder = self._folder
        return tuple(
            _stamp(path) for path in (folder.path / "status.json", folder.frames, folder.samples, folder.log(0))
        )

    def _metric(self, line: bytes) -> None:
        frame = _parsed(line)
        if frame.get("kind") != "metric" or not isinstance(frame.get("name"), str):
            return
        value, step, at = frame.get("value"), frame.get("step"), frame.get("time")
        name, rank = frame["name"], frame.get("rank")
        if not isinstance(rank, int) or rank > self._ranks.get(name, rank):
            return  # ranks that log the same name give one curve, that of the lowest
        if rank < self._ranks.setdefault(name, rank):
            self._ranks[name] = rank
            self._curves.pop(name, None)
        self._drawn.pop(name, None)
        self._curves.setdefault(name, Curve()).add(
            MetricPoint(
                step=step if type(step) is int else None,
                at=float(at) if isinstance(at, (int, float)) else 0.0,
                value=float(value) if isinstance(value, (int, float)) else None,
            )
        )

    def _sample(self, line: bytes) -> None:
        frame = _parsed(line)
        at, gpus = frame.get("time"), frame.get("gpus")
        if frame.get("kind") != "sample" or not isinstance(at, (int, float)) or not isinstance(gpus, list):
            return
        busy = [gpu["busy"] for gpu in gpus if isinstance(gpu, dict) and isinstance(gpu.get("busy"), (int, float))]
        if busy:
            self._gpus.append((float(at), sum(busy) / len(busy)))
            del self._gpus[:-_GPU_SAMPLES]


class _Growing:
    """A file of lines that grows, and begins anew when a job's ranks all start again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._file_number = 0
        self._piece = b""
        self.behind = False
        """Whether the file had more than one piece to read."""

    def read(self) -> bool:
        """Takes the next piece of whole lines. Gives whether it is the first of a file that began anew."""
        self._piece, self.behind, anew = b"", False, False
        try:
            with self._path.open("rb") as file:
                seen = os.fstat(file.fileno())
                if seen.st_ino != self._file_number or seen.st_size < self._offset:
                    anew, self._file_number, self._offset = self._offset > 0, seen.st_ino, 0
                file.seek(self._offset)
                data = file.read(_PIECE)
        except OSError:
            return False
        # A line longer than a piece is none of ours.
        end = data.rfind(b"\n") + 1 or (len(data) if len(data) == _PIECE else 0)
        self._piece = data[:end]
        self._offset += end
        self.behind = len(data) == _PIECE
        return anew

    def lines_with(self, mark: bytes) -> Iterator[bytes]:
        """The lines of the piece that hold `mark`; the others cost next to nothing."""
        at = self._piece.find(mark)
        while at >= 0:
            start, stop = self._piece.rfind(b"\n", 0, at) + 1, self._piece.find(b"\n", at)
            stop = len(self._piece) if stop < 0 else stop
            yield self._piece[start:stop]
            at = self._piece.find(mark, stop)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return frame if isinstance(frame, dict) else {}


def _stamp(path: Path) -> object:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
