"""The frame protocol: the only definition of how a rank says what happens in it.

A rank's standard output is a sequence of lines. A line that holds the marker is a frame, or a piece of one:

    @mlk:NONCE RANK SEQ PIECE/PIECES JSON

NONCE is 16 hex digits, chosen for each job, so that text which merely looks like a frame is none; it is no secret
inside the job. RANK is one of those whose output it is. SEQ counts from 0 in each rank. JSON is ASCII and holds
`{"kind": ..., "time": seconds since the epoch, ...}`, at most FRAME_LIMIT bytes; where it is long and gets shorter by
it, `z` and the base64 of its zlib stream stand for it. Where it would make the line longer than LINE_LIMIT it is cut
into PIECES that follow each other. Text before the marker in the same line, and every line that holds no frame, is log
text of whatever else wrote there.

Kinds, and the fields beside `kind`, `time`, `rank`, `seq`:

    rank_started   world_size, worker, pid, host, python, ipython (version or None), cells (code cells that will run)
    cell_started   cell (index in the notebook's cells), number (from 1; an injected one: None), count (of execution)
    stream         cell, name ("stdout" | "stderr"), text
    output         cell, output (an nbformat display_data, execute_result or error), display_id (or None)
    update_display display_id, data, metadata
    clear_output   cell, wait
    widget         comm_id, state (what is new of it), buffers [{path, encoding, data}]   (of a Jupyter widget's model)
    cell_finished  cell, status ("ok" | "error" | "skipped" | "expected_error"), seconds
    progress       fraction (0-1 or None), text (or None)
    metric         name, value, step (or None), run_id (of the MLflow run it was logged to, or None)
    objective      name                                   (the metric that is shown before the others)
    run            run_id, experiment_id, experiment, run_name, tracking_uri        (an MLflow run was opened)
    run_finished   run_id, status                                                   (and ended in the rank)
    result         value (JSON)
    value          name, encoding, data (base64), why      (a variable that comes back, worker/values.py; where it
                   cannot, encoding and data are None and why says the reason. `return`: what a function gave back)
    sample         cpu_cores, memory_bytes, gpus [{index, uuid, name, busy, memory_bytes, memory_total_bytes}]
    error          cell (or None), number (or None), ename, evalue, traceback [str], module (of the exception's type,
                   or None), death (worker/deaths.py; None where an exception says why)         (why the rank failed)
    notice         text                                   (a sentence for a person that is no failure)
    log            name ("stdout" | "stderr"), text       (text for the log that is no output of the notebook)
    rank_left      cell, number                           (its code is done and well, by `sys.exit` in that cell, or
                   because all cells are done: None)
    rank_finished  exit_code, signal (name or None), text (or None)

Rank 0 sends all of them. Other ranks send text as `log`, and no `stream`, `output`, `update_display`, `clear_output`,
`widget`.
"""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

LINE_LIMIT = 8 * 1024  # bytes of one line, its newline included
FRAME_LIMIT = 33 * 1024 * 1024  # bytes of one frame's JSON: the largest output fits that a job may ask for
_COMPRESS_FROM = 64 * 1024  # bytes of JSON
_MOST_SHRUNK = 200  # times; what shrinks more travels as it is, so that few bytes never become many where they are read
_HEADER_ROOM = 96
_ROOM = LINE_LIMIT - _HEADER_ROOM
_MOST_PIECES = FRAME_LIMIT // _ROOM + 1

Frame = Dict[str, Any]


class Encoder:
    """Turns frames of one rank into lines. Not thread-safe: its owner serialises calls."""

    def __init__(self, nonce: str, rank: int) -> None:
        self._head = f"@mlk:{nonce} {rank} "
        self._seq = 0

    def encode(self, kind: str, **fields: Any) -> bytes:
        """One frame as one or more whole lines, each at most LINE_LIMIT bytes. One too large becomes a notice.

        Raises: TypeError or ValueError when a field is not JSON (NaN and infinities are not).
        """
        fields.setdefault("time", round(time.time(), 3))
        body = json.dumps({"kind": kind, **fields}, allow_nan=False, separators=(",", ":"))
        if len(body) > FRAME_LIMIT:
            text = f"A message ({kind}) of {len(body):,} bytes was left out: at most {FRAME_LIMIT:,} are sent."
            return self.encode("notice", text=text)
        body = _packed(body)
        pieces = [body[at : at + _ROOM] for at in range(0, len(body), _ROOM)]
        seq, self._seq = self._seq, self._seq + 1
        lines = [f"{self._head}{seq} {number}/{len(pieces)} {piece}\n" for number, piece in enumerate(pieces, 1)]
        return "".join(lines).encode("ascii")


class Decoder:
    """Turns what ranks wrote back into frames and foreign text. Never raises, whatever it is fed, and holds little.

    A frame arrives whole or not at all: one that is too large, or whose pieces do not all come, is dropped and counted
    in `lost`. What names another rank is foreign text.

    Args: ranks: those whose output it is.
    """

    def __init__(self, nonce: str, ranks: range) -> None:
        self._marker = b"@mlk:" + nonce.encode() + b" "
        self._pattern = re.compile(re.escape(self._marker) + rb"(\d{1,9}) (\d{1,15}) (\d{1,9})/(\d{1,9}) ([^\n]*)\n")
        self._ranks = ranks
        self._rest = b""  # at most LINE_LIMIT
        self._pieces: Dict[int, Tuple[int, int, List[bytes]]] = {}  # rank -> seq, pieces in all, pieces so far
        self.lost = 0

    def feed(self, data: bytes) -> Iterator[Union[Frame, bytes]]:
        """Frames (dict) and foreign text (bytes, newlines kept), in the order they were written."""
        *lines, rest = (self._rest + data).split(b"\n")
        # A line without end must not grow in memory: what is too long for a frame's line is given on.
        at = self._marked(rest)
        if at < 0 and len(rest) > LINE_LIMIT:
            at = len(rest) - len(self._marker)  # a marker may be cut here
        keep = at if len(rest) > LINE_LIMIT else 0
        self._rest = rest[keep:]
        for line in lines:
            yield from self._line(line + b"\n")
        if keep:
            yield rest[:keep]

    @property
    def pending(self) -> bool:
        """Whether something was fed that is still to be given: part of a line, or of a frame."""
        return bool(self._rest or self._pieces)

    def close(self) -> Iterator[Union[Frame, bytes]]:
        """What is left when the stream ends: an unfinished line is foreign text, unfinished frames are lost."""
        rest, self._rest = self._rest, b""
        if rest:
            if self._marker in rest:
                self.lost += 1
            else:
                yield rest
        self.drop()

    @property
    def held(self) -> int:
        """About how many bytes of unfinished frames are held."""
        return sum(len(pieces) for _, _, pieces in self._pieces.values()) * LINE_LIMIT

    def drop(self) -> None:
        """Gives up the unfinished frames."""
        self.lost += len(self._pieces)
        self._pieces.clear()

    def _marked(self, line: bytes) -> int:
        """Where a frame may begin: at the first marker that is near enough to the line's end; -1 where at none."""
        return line.find(self._marker, max(0, len(line) - LINE_LIMIT))

    def _line(self, line: bytes) -> Iterator[Union[Frame, bytes]]:
        at = self._marked(line)
        match = self._pattern.match(line, at) if at >= 0 else None
        if match is None or int(match[1]) not in self._ranks:
            yield line
            return
        if at:
            yield line[:at]
        frame = self._piece(match)
        if frame is not None:
            yield frame

    def _piece(self, match: "re.Match[bytes]") -> Optional[Frame]:
        rank, seq, number, count = (int(match[group]) for group in (1, 2, 3, 4))
        waiting = self._pieces.pop(rank, None)
        pieces: List[bytes] = []
        if waiting is not None:
            if waiting[0] == seq and waiting[1] == count and len(waiting[2]) == number - 1:
                pieces = waiting[2]
            else:
                self.lost += 1
        if len(pieces) != number - 1:
            return None  # its beginning never came; counted when the beginning was given up
        if count > _MOST_PIECES:
            self.lost += 1
            return None
        pieces.append(match[5].rstrip(b"\r"))
        if number < count:
            self._pieces[rank] = (seq, count, pieces)
            return None
        try:
            frame = json.loads(_unpacked(b"".join(pieces)))
        except (ValueError, RecursionError, zlib.error):
            frame = None
        if not isinstance(frame, dict) or not isinstance(frame.get("kind"), str):
            self.lost += 1
            return None
        frame["rank"], frame["seq"] = rank, seq
        return frame


def _packed(body: str) -> str:
    """The JSON, or what stands for it."""
    if len(body) < _COMPRESS_FROM:
        return body
    packed = base64.b64encode(zlib.compress(body.encode("ascii"), 1)).decode("ascii")
    return f"z{packed}" if len(packed) + 1 < len(body) < _MOST_SHRUNK * len(packed) else body


def _unpacked(data: bytes) -> bytes:
    """The JSON. Raises: ValueError or zlib.error for what is none."""
    if not data.startswith(b"z"):
        return data
    reader = zlib.decompressobj()
    body = reader.decompress(base64.b64decode(data[1:], validate=True), min(FRAME_LIMIT, _MOST_SHRUNK * len(data)))
    if not reader.eof:
        raise ValueError("cut, or too large")
    return body
