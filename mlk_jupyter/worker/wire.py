"""How the user process tells its keeper what happens, in band: the pipe that carries its text carries the messages.

A message is cut into pieces, each one atomic write of at most PIPE_BUF bytes behind a marker that only the two know.
So messages and prints, also those of C code and child processes, arrive in the order in which they were written, and
what was written before a SIGKILL is not lost.

    MARK PID.ID.PIECE.PIECES.LENGTH; PAYLOAD

PID and ID tell messages of threads and forked children apart, whose pieces may mix.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import time

TYPE_CHECKING = False  # `typing` costs more to import than this file
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

PIPE_BUF = 4096  # what Linux writes to a pipe in one go; larger writes may mix with others'
_REPLY_S = 5.0  # seconds in which an answer is taken
_MOST_UNFINISHED = 1_000  # messages of which a part has come
_HEADER_LIMIT = 80  # bytes: five numbers of at most 15 digits, their dots and the semicolon


def write_all(fd: int, data: Any) -> None:
    """All bytes of a buffer to a descriptor, however many writes it takes. Raises: OSError when nobody reads."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def reply(fd: int, data: bytes, alive: Callable[[], bool]) -> None:
    """Writes to a pipe whose reader waits for it, as long as the reader is alive, but not for ever: a stop may have
    interrupted it."""
    os.set_blocking(fd, False)
    view = memoryview(data)
    give_up = time.monotonic() + _REPLY_S
    while view and time.monotonic() < give_up:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            if not alive():
                return
            select.select([], [fd], [], 1.0)
        except BrokenPipeError:
            return


def mark_of(token: str) -> bytes:
    """The marker of one rank. Its first byte is in no text that people print."""
    return b"\x00mlk" + token.encode("ascii")


class Sender:
    """The user process' end. May be used from any thread and from forked children.

    Args: answers: the pipe in which the keeper answers, where it does.
    """

    def __init__(self, fd: int, token: str, answers: Optional[int] = None) -> None:
        self._fd, self._answers = fd, answers
        self._mark = mark_of(token)
        self._room = PIPE_BUF - len(self._mark) - _HEADER_LIMIT
        self._ids = itertools.count()

    def send(self, kind: str, **fields: Any) -> None:
        """One message. Raises: TypeError or ValueError when a field is not JSON."""
        body = json.dumps({"kind": kind, **fields}, separators=(",", ":")).encode("ascii")
        room = self._room
        count = (len(body) + room - 1) // room
        head = self._mark + b"%d.%d." % (os.getpid(), next(self._ids))
        for number in range(count):
            piece = body[number * room : (number + 1) * room]
            try:
                os.write(self._fd, head + b"%d.%d.%d;" % (number + 1, count, len(piece)) + piece)
            except BrokenPipeError:
                return  # the keeper is gone, and this process goes with it

    def answer(self) -> bytes:
        """The line by which the keeper answers what was sent just now; waits for it. Empty where none comes."""
        data = b""
        while self._answers is not None and not data.endswith(b"\n"):
            piece = os.read(self._answers, 1 << 16)
            if not piece:
                return b""
            data += piece
        return data


class Receiver:
    """The keeper's end. Never raises, whatever it is fed."""

    def __init__(self, token: str) -> None:
        self._mark = mark_of(token)
        self._rest = b""
        self._waiting: Dict[Tuple[int, int], List[bytes]] = {}

    def feed(self, data: bytes) -> Iterator[Union[bytes, Dict[str, Any]]]:
        """Text (bytes) and messages (dict with `kind`) in the order they were written."""
        mark = self._mark
        data = self._rest + data if self._rest else data
        at = 0
        while True:
            found = data.find(mark, at)
            if found < 0:
                keep = self._start_of_mark(data, at)
                if keep > at:
                    yield data[at:keep]
                self._rest = data[keep:]
                return
            if found > at:
                yield data[at:found]
            start = found + len(mark)
            end = data.find(b";", start, start + _HEADER_LIMIT)
            numbers = _numbers(data[start:end]) if end >= 0 else None
            if numbers is not None and numbers[4] > PIPE_BUF:
                numbers = None  # no piece is that long
            if numbers is None:
                if end < 0 and len(data) < start + _HEADER_LIMIT:
                    self._rest = data[found:]
                    return
                yield mark  # not ours after all: text, as it stands
                at = start
                continue
            if len(data) <= end + numbers[4]:
                self._rest = data[found:]
                return
            at = end + 1 + numbers[4]
            message = self._piece(numbers, data[end + 1 : at])
            if message is not None:
                yield message

    def close(self) -> Iterator[bytes]:
        """What is left when the pipe ends."""
        rest, self._rest = self._rest, b""
        self._waiting.clear()
        if rest and not rest.startswith(self._mark):
            yield rest

    def _start_of_mark(self, data: bytes, at: int) -> int:
        """Where a marker may begin that the end of the data cuts; the length of the data where none does."""
        begin = max(at, len(data) - len(self._mark) + 1)
        found = data.find(self._mark[:1], begin)
        while found >= 0 and not self._mark.startswith(data[found:]):
            found = data.find(self._mark[:1], found + 1)
        return len(data) if found < 0 else found

    def _piece(self, numbers: Tuple[int, ...], payload: bytes) -> Optional[Dict[str, Any]]:
        pid, ident, number, count, _ = numbers
        if count > 1:
            if len(self._waiting) >= _MOST_UNFINISHED and (pid, ident) not in self._waiting:
                del self._waiting[next(iter(self._waiting))]  # of a child that died meanwhile
            pieces = self._waiting.setdefault((pid, ident), [])
            pieces.append(payload)
            if number < count:
                return None
            del self._waiting[pid, ident]
            if len(pieces) != count:
                return None
            payload = b"".join(pieces)
        try:
            message = json.loads(payload)
        except ValueError:
            return None
        return message if isinstance(message, dict) and isinstance(message.get("kind"), str) else None


def _numbers(header: bytes) -> Optional[Tuple[int, ...]]:
    parts = header.split(b".")
    if len(parts) != 5 or not all(part.isdigit() for part in parts):
        return None
    return tuple(int(part) for part in parts)
