"""What is new in the files of a job's record since the last look: never a file whole, never more than a piece.

Blocking: for a thread.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import text
from ..model.api import MetricPoint
from ..record.curve import Curves
from ..record.fields import number_of, whole_of
from ..record.files import opened
from ..record.folder import JobFolder

Point = tuple[float, float | None]
"""Where along the chart, and the value there; None is a gap."""

_LOG_PIECE = 256 * 1024
_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)")
_LINE_LIMIT = 400  # characters of a line of the log that is shown
_PIECE = 4 << 20  # bytes of a file that are looked at in one go
_LOG_TAIL = 16 * 1024
_GPU_SAMPLES = 4_000  # of all ranks; older ones leave the chart
_METRIC, _GPU = b'"metric"', b'"busy"'  # within a text of the job the quotes would be escaped


def log_pieces(folder: JobFolder, rank: int, offset: int = 0) -> Iterator[tuple[str, int]]:
    """A rank's log from a byte offset on, in pieces of whole lines (but for the last), each with its end."""
    while True:
        data, size = folder.read_log(rank, offset, _LOG_PIECE)
        end = len(data) if offset + len(data) >= size else data.rfind(b"\n") + 1 or len(data)
        if not end:
            return
        offset += end
        yield data[:end].decode("utf-8", "replace"), offset


def log_end(folder: JobFolder, rank: int, lines: int) -> str:
    """The last lines of a rank's log; lines longer than 1 KiB on average give fewer."""
    data, size = folder.read_log(rank, -max(1, lines) * 1024, max(1, lines) * 1024)
    kept = data.splitlines(keepends=True)
    if len(data) < size:
        kept = kept[1:] or kept  # its first is cut
    return b"".join(kept[-lines:] if lines > 0 else []).decode("utf-8", "replace")


def log_lines(data: bytes, most: int, *, cut: bool = False) -> tuple[str, ...]:
    """The last lines of a log as a terminal would show them, without colours and blank lines.

    Args: cut: whether `data` begins in the middle of the log; its first line is then a part, and left out.
    """
    lines = _SEQUENCES.sub("", data.decode("utf-8", "replace")).split("\n")
    if cut and len(lines) > 1:
        del lines[0]
    shown = (_shown(line) for line in lines[-4 * most :])
    return tuple(line for line in shown if line.strip())[-most:]


def _shown(line: str) -> str:
    """One line after its carriage returns; what was written last is seen."""
    line = next((part for part in reversed(line.split("\r")) if part), "").expandtabs(4)
    line = text.plain(line).rstrip()
    return line if len(line) <= _LINE_LIMIT else f"{line[:_LINE_LIMIT]}…"


class Tails:
    """Log lines, curves and GPU use of one job, read a little further at each `read`. Not thread-safe."""

    def __init__(self, folder: JobFolder) -> None:
        self._folder = folder
        self._frames = _Growing(folder.frames)
        self._samples = _Growing(folder.samples)
        self._curves = Curves()
        self._gpus: list[Point] = []
        self._drawn: dict[str, list[Point]] = {}

    def read(self) -> bool:
        """Reads on. Gives whether there is more to read at once, as when a job has long run before it is shown."""
        if self._frames.read():
            self._curves = Curves()
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
        for name, curve in self._curves:
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
        name, rank = frame["name"], frame.get("rank")
        if not isinstance(rank, int):
            return
        self._drawn.pop(name, None)
        self._curves.add(
            name,
            rank,
            MetricPoint(
                step=whole_of(frame, "step"), at=number_of(frame, "time") or 0.0, value=number_of(frame, "value")
            ),
        )

    def _sample(self, line: bytes) -> None:
        frame = _parsed(line)
        at, gpus = number_of(frame, "time"), frame.get("gpus")
        if frame.get("kind") != "sample" or at is None or not isinstance(gpus, list):
            return
        shares = [number_of(gpu, "busy") for gpu in gpus if isinstance(gpu, dict)]
        busy = [share for share in shares if share is not None]
        if busy:
            self._gpus.append((at, sum(busy) / len(busy)))
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
            with opened(self._path) as file:
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
        seen = path.lstat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns
