"""Fills a job folder from what the ranks write: frames, samples, logs. Whoever owns the job owns the writer."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import ValidationError

from ..model import Sample
from ..worker.frames import Decoder
from .fields import count_of, lines_of, number_of, text_of
from .files import is_regular, open_regular, opened, size_of
from .folder import FRAMES_LIMIT, JobFolder
from .replay import Replay
from .sequences import SequenceSet

LOG_LIMIT = 256 * 1024 * 1024  # bytes of one rank's log
_SAMPLES_LIMIT = 64 * 1024 * 1024
# What says how the job went is written when nothing else is any more. Its frames are small and few, or forged.
_TOLD_TO_THE_END = frozenset({"rank_started", "cell_started", "cell_finished", "run", "run_finished", "error",
                              "rank_left", "rank_finished"})  # fmt: skip
_ROOM_FOR_THEM = 16 * 1024 * 1024
_HELD_BYTES = 64 * 1024 * 1024  # of unfinished frames, of all sources
_MOST_OPEN = 64  # files
_LONGEST_SAMPLE = 64 * 1024  # bytes
_ENCODER = json.JSONEncoder(separators=(",", ":"))  # json.dumps would make one for each line
_TAIL = 4_096  # bytes of a log that are kept at hand
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
# Samples come once in so many seconds at first; later once in each 500th part of the job's age, so that a week of
# them is about 4,000 lines.
_SAMPLE_S = 1.0
_SAMPLE_AGE_SHARE = 1 / 500


class FolderWriter:
    """Turns the bytes of a job's ranks into the files of its folder, and applies their frames to a replay.

    A folder that has frames already is continued: they are applied first, and what is fed again is ignored. What was
    fed can be read by others at once: nothing is buffered. Not thread-safe.

    Args:
        replay: gets every frame, also those that could not be written.
        nonce:  of the job's frames.
        known:  `highest` of the writer before: not all that it took stands in the frames' file.
        ranks_in_source: how many ranks write to one source; the source bears the number of the first.
    """

    def __init__(
        self,
        folder: JobFolder,
        replay: Replay,
        nonce: str,
        known: Mapping[int, int] | None = None,
        *,
        ranks_in_source: int = 1,
    ) -> None:
        self._folder = folder
        self._replay = replay
        self._nonce = nonce
        self._ranks_in_source = ranks_in_source
        self._decoders: dict[int, Decoder] = {}
        self._seen: dict[int, SequenceSet] = {}
        self._frames = _File(folder.frames)
        self._samples = _File(folder.samples)
        self._logs: dict[int, _Log] = {}
        self._latest: dict[int, Sample] = {}
        self._thinning: dict[int, _Thinning] = {}
        self._resume(known or {})

    @property
    def unwritten_bytes(self) -> int:
        """Bytes that the file system refused (disk full): the record lacks them."""
        return sum(file.unwritten_bytes for file in [self._frames, self._samples, *self._logs.values()])

    def feed(self, source: int, data: bytes) -> None:
        """What one source (the standard output of one rank, or of several behind one launcher) wrote.

        Args:    source: rank whose log gets the text that is no frame.
        Raises:  OSError when something could not be written. The replay has the frames all the same, the rest of the
                 files was tried, and feeding may go on: what does not fit is left out whole.
        """
        decoder = self._decoders.get(source)
        if decoder is None:
            ranks = range(source, source + self._ranks_in_source)
            decoder = self._decoders[source] = Decoder(self._nonce, ranks)
        self._take(source, decoder.feed(data))
        if decoder.held and sum(other.held for other in self._decoders.values()) > _HELD_BYTES:
            decoder.drop()
        if decoder.lost:
            self._replay.note(
                f"Some of what rank {source} told cannot be read: too large, broken, or a part is missing."
            )

    def close_source(self, source: int) -> None:
        """The source has ended: a line that it left unfinished goes to the log.

        Raises: OSError as `feed`.
        """
        decoder = self._decoders.get(source)
        if decoder is not None:
            self._take(source, decoder.close())

    def close(self) -> None:
        """Ends all sources and closes the files.

        Raises: OSError as `feed`; the files are closed all the same.
        """
        try:
            for source in list(self._decoders):
                self.close_source(source)
        finally:
            for file in [self._frames, self._samples, *self._logs.values()]:
                file.close()

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def rest(self) -> None:
        """Closes the files until something is added to them: whoever holds many writers has few open files."""
        for file in [self._frames, self._samples, *self._logs.values()]:
            file.close()

    def sample(self, rank: int) -> Sample | None:
        """What a rank used most recently, or None while it is not known."""
        return self._latest.get(rank)

    def last_line(self, rank: int) -> str | None:
        """The last line of a rank's log that has text, as a terminal would show it without colours; None: no text."""
        log = self._logs.get(rank)
        return log.last_line() if log is not None else None

    @property
    def pending(self) -> bool:
        """Whether a source was fed part of a line or frame whose rest has not come: the files do not hold it yet."""
        return any(decoder.pending for decoder in self._decoders.values())

    def sizes(self) -> dict[str, int]:
        """Bytes of each file that this writer has added to, by its path in the folder."""
        files = [self._frames, self._samples, *self._logs.values()]
        return {file.name_in(self._folder.path): file.size for file in files if file.size is not None}

    def highest(self) -> dict[int, int]:
        """The highest number of the frames that were taken of each rank."""
        return {rank: seen.highest for rank, seen in sorted(self._seen.items()) if seen.highest is not None}

    def missing(self) -> dict[int, int]:
        """How many frames of each rank never came, though later ones did; ranks that lack none are left out."""
        return {rank: seen.missing for rank, seen in sorted(self._seen.items()) if seen.missing}

    def _take(self, source: int, items: Iterable[dict[str, Any] | bytes]) -> None:
        batch = _Batch()
        for item in items:
            if isinstance(item, bytes):
                batch.logs[source].append(item)  # as it is: a long line comes in pieces, which may cut a character
            else:
                self._frame(item, batch)
        self._write(batch)

    def _frame(self, frame: dict[str, Any], batch: _Batch) -> None:
        rank, seq, kind = count_of(frame, "rank"), count_of(frame, "seq"), frame.get("kind")
        if rank is None or seq is None or not self._seen.setdefault(rank, SequenceSet()).add(seq):
            return
        line = _line(frame)
        if kind == "sample":
            if len(line) <= _LONGEST_SAMPLE and self._keep(rank, frame):
                if self._samples.has_room(line, _SAMPLES_LIMIT):
                    batch.samples.append(line)
                else:
                    self._replay.note("What the ranks use is measured too often: the rest of it is not recorded.")
            return
        if kind in ("log", "stream"):
            batch.logs[rank].append((text_of(frame, "text") or "").encode())
        elif kind == "error":
            traceback = "\n".join(lines_of(frame, "traceback"))
            named = ": ".join(part for part in (text_of(frame, "ename"), text_of(frame, "evalue")) if part)
            batch.logs[rank].append(_Paragraph((traceback or named).encode()))
        if kind == "log":
            return
        self._replay.apply(frame)
        if self._frames.has_room(line, FRAMES_LIMIT - (0 if kind in _TOLD_TO_THE_END else _ROOM_FOR_THEM)):
            batch.frames.append(line)
        else:
            size = f"{FRAMES_LIMIT // 1024**2} MiB"
            self._replay.note(f"The ranks told more than {size}: the live notebook and the curves end before the job.")

    def _keep(self, rank: int, frame: dict[str, Any]) -> bool:
        """Remembers a sample; gives whether it is one of those to write."""
        at = number_of(frame, "time")
        if at is None:
            return False
        try:
            self._latest[rank] = Sample.model_validate({**frame, "at": at})
        except ValidationError:
            return False
        return self._thinning.setdefault(rank, _Thinning(at)).due(at)

    def _write(self, batch: _Batch) -> None:
        errors: list[OSError] = []
        for rank in batch.logs:
            if rank not in self._logs:
                self._logs[rank] = _Log(self._folder.log(rank))
        writes = [(self._logs[rank].add, texts) for rank, texts in batch.logs.items()]
        writes += [(self._frames.add, batch.frames), (self._samples.add, batch.samples)]
        for add, pieces in writes:
            try:
                add(pieces)
            except OSError as error:
                errors.append(error)
        if len(self._logs) > _MOST_OPEN and sum(log.is_open for log in self._logs.values()) > _MOST_OPEN:
            self.rest()
        if errors:
            raise errors[0]

    def _resume(self, known: Mapping[int, int]) -> None:
        latest = dict(known)
        for frame in self._folder.each_frame():
            self._replay.apply(frame)
            rank, seq = count_of(frame, "rank"), count_of(frame, "seq")
            if rank is not None and seq is not None and rank < self._replay.world_size:
                latest[rank] = max(seq, latest.get(rank, 0))
        for rank, seq in latest.items():
            # Kinds that are not in this file came in between; they were written as well.
            self._seen.setdefault(rank, SequenceSet()).add_up_to(seq)
            if is_regular(self._folder.log(rank)):
                self._logs[rank] = _Log(self._folder.log(rank))


class _Paragraph(bytes):
    """Text that begins on a line of its own and ends its line."""


class _Batch:
    """What one feed adds to each file."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.samples: list[bytes] = []
        self.logs: defaultdict[int, list[bytes]] = defaultdict(list)


class _Thinning:
    """Which of a rank's samples are written: ever fewer as it grows old."""

    def __init__(self, first: float) -> None:
        self._first = first
        self._next = first

    def due(self, at: float) -> bool:
        if at < self._next:
            return False
        self._next = at + max(_SAMPLE_S, (at - self._first) * _SAMPLE_AGE_SHARE) * 0.99  # clocks are not exact
        return True


class _File:
    """A file that is only appended to, opened by its first line. What does not fit leaves no torn line behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self._was_open = False
        self._size = size_of(path)
        self.unwritten_bytes = 0

    @property
    def is_open(self) -> bool:
        return self._handle is not None

    def has_room(self, data: bytes, limit: int) -> bool:
        """Whether the file stays below a size with this."""
        return self._size + len(data) <= limit

    @property
    def size(self) -> int | None:
        """Bytes; None before the first were added."""
        return self._size if self._was_open else None

    def name_in(self, folder: Path) -> str:
        return self._path.relative_to(folder).as_posix()

    def add(self, pieces: list[bytes]) -> None:
        data = b"".join(pieces)
        if data:
            self._append(data)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _append(self, data: bytes) -> None:
        try:
            handle = self._open()
            written = 0
            while written < len(data):
                written += os.write(handle, data[written:])
        except OSError:
            self.unwritten_bytes += len(data)
            if self._handle is not None:
                os.ftruncate(self._handle, self._size)
            raise
        self._size += len(data)

    def _open(self) -> int:
        if self._handle is None:
            self._path.parent.mkdir(exist_ok=True)  # a record that was deleted stays so
            handle = open_regular(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
            self._handle, self._size, self._was_open = handle, os.fstat(handle).st_size, True
            self._repair(handle)
        return self._handle

    def _repair(self, handle: int) -> None:
        """Takes off a line that a writer before us tore when it died."""
        end = self._size
        while end > 0:
            start = max(0, end - 65_536)
            newline = os.pread(handle, end - start, start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < self._size:
            os.ftruncate(handle, end)
            self._size = end


class _Log(_File):
    """The text of one rank, up to a limit."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._tail = _end_of(path)
        self._cut = False

    def add(self, pieces: list[bytes]) -> None:
        data = b"".join(self._joined(pieces))
        self._tail = (self._tail + data[-_TAIL:])[-_TAIL:]
        if not data or self._cut:
            return
        self._open()
        if self._size + len(data) > LOG_LIMIT:
            data = data[: max(0, LOG_LIMIT - self._size)]
            data += f"\n[mlk: the log is cut here: it has reached {LOG_LIMIT // 1024**2} MiB]\n".encode()
            self._cut = True
        self._append(data)

    def last_line(self) -> str | None:
        text = _ESCAPES.sub("", self._tail.decode("utf-8", "replace"))
        return next((line.strip() for line in reversed(re.split(r"[\r\n]", text)) if line.strip()), None)

    def _joined(self, pieces: list[bytes]) -> Iterable[bytes]:
        at_start = not self._tail or self._tail.endswith(b"\n")
        for piece in pieces:
            if isinstance(piece, _Paragraph) and not at_start:
                yield b"\n"
            yield piece
            if isinstance(piece, _Paragraph) and not piece.endswith(b"\n"):
                yield b"\n"
                at_start = True
            elif piece:
                at_start = piece.endswith(b"\n")

    def _repair(self, handle: int) -> None:
        """Text has no lines that could be torn; a log that was cut before stays cut."""
        self._cut = self._size > LOG_LIMIT


def _end_of(path: Path) -> bytes:
    try:
        with opened(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            return file.read()
    except OSError:
        return b""


def _line(frame: dict[str, Any]) -> bytes:
    return _ENCODER.encode(frame).encode() + b"\n"
