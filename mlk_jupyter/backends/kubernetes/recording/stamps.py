"""A container's log as the API gives it with timestamps -> the bytes that were not read before. Pure.

Each line of such a log is `RFC 3339 time, space, text`. A log can be asked for from a whole second on only, so whoever
comes back is given lines again that were read: they are known by their time, and by how many lines had that time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from enum import Enum

_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_LONGEST_STAMP = 40  # bytes
_HELD_BYTES = 64 * 1024  # of an unfinished line, before its text is given on as it is
_MOST_TROUBLE = 300  # characters
_GAP = "[mlk: the log is not whole here: what was written between {} and {} may be missing]\n"


@dataclass(frozen=True)
class Position:
    """How far one container's log was read."""

    time: str = ""
    """Of the last line read, in UTC with nine digits, so that two of them compare as text; empty before the first."""
    lines: int = 0
    """Whole lines read that have this time."""
    bytes: int = 0
    """Text read of the line after those, where that one has no end yet; its time is `time`."""
    whole: bool = False
    """There is nothing more to read: it was read to its end, or is gone."""

    @property
    def since(self) -> str | None:
        """From when on to ask for the log: a whole second, which is all that is honoured."""
        return f"{self.time[:19]}Z" if self.time else None


class _Part(Enum):
    """What becomes of a line."""

    NEW = "new"
    LEFT_OUT = "left out"


class Stamps:
    """One answer of the API, piece by piece. Never raises, whatever it is fed.

    Args: position: how far the log was read before this answer.
    """

    def __init__(self, position: Position) -> None:
        self.position = position
        """How far it is read with what `feed` gave."""
        self.gap: tuple[str, str] | None = None
        """The times between which lines may be missing: the answer began later than we had stopped."""
        self.trouble: str | None = None
        """A line without a time: the kubelet's own words, in the place of the log."""
        self._before = position if position.time else None  # where to take up again; None once we are there
        self._at_first_line = True
        self._skipped = 0
        self._rest = b""
        self._inside: _Part | None = None  # of a line whose beginning was seen, and whose end was not
        self._drop = 0  # bytes of an unfinished line that were given on by an earlier answer

    def feed(self, data: bytes) -> bytes:
        """The new text in the next piece of the answer, timestamps taken off."""
        new: list[bytes] = []
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line, new)
        if self._inside is not None or len(self._rest) > _HELD_BYTES:
            rest, self._rest = self._rest, b""
            self._part(rest, new)
        return b"".join(new)

    def close(self) -> bytes:
        """The end of a log that is complete: what is left of its last line, which has no newline."""
        new: list[bytes] = []
        rest, self._rest = self._rest, b""
        if rest:
            self._part(rest, new)
        return b"".join(new)

    def _line(self, line: bytes, new: list[bytes]) -> None:
        """One whole line, without its newline; or the end of one."""
        if self._inside is not None:
            self._part(line, new)
            self._end(self._inside, new)
            self._inside = None
            return
        stamp, text = _cut(line)
        kind = self._kind(stamp, text, new)
        if kind is _Part.NEW:
            self._give(text, new)
        self._end(kind, new)

    def _part(self, piece: bytes, new: list[bytes]) -> None:
        """The beginning of a line whose end has not come, or a further piece of it."""
        if self._inside is None:
            stamp, piece = _cut(piece)
            self._inside = self._kind(stamp, piece, new)
        if self._inside is _Part.NEW:
            given = self._give(piece, new)
            self.position = replace(self.position, bytes=self.position.bytes + given)

    def _kind(self, stamp: str | None, text: bytes, new: list[bytes]) -> _Part:
        """What to do with the line that begins here."""
        if stamp is None:
            self.trouble = self.trouble or text.decode("utf-8", "replace")[:_MOST_TROUBLE]
            return _Part.LEFT_OUT
        if self._before is not None and not self._arrives(self._before, stamp, new):
            return _Part.LEFT_OUT
        if stamp > self.position.time:
            self.position = Position(stamp)
        return _Part.NEW

    def _end(self, kind: _Part, new: list[bytes]) -> None:
        if kind is _Part.NEW:
            new.append(b"\n")
            # One whose time lies before `time` (two streams, each with a clock look-up of its own) counts as one of
            # that time: where it stands in the log, lines of that time were read already.
            self.position = Position(self.position.time, self.position.lines + 1)

    def _give(self, text: bytes, new: list[bytes]) -> int:
        """Gives text on, less what an earlier answer brought. Returns the number of bytes that are new."""
        dropped = min(self._drop, len(text))
        self._drop -= dropped
        if dropped < len(text):
            new.append(text[dropped:])
        return len(text) - dropped

    def _arrives(self, before: Position, stamp: str, new: list[bytes]) -> bool:
        """Whether a line is the first that was not read before, or not to its end."""
        first, self._at_first_line = self._at_first_line, False
        if stamp < before.time:
            return False
        if stamp == before.time and self._skipped < before.lines:
            self._skipped += 1
            return False
        self._before = None
        if stamp == before.time and before.bytes:
            self._drop = before.bytes
            return True
        if before.bytes:  # the rest of that line does not come any more
            new.append(b"\n")
            self.position = Position(before.time, before.lines + 1)
        if first and stamp > before.time:
            self.gap = before.time, stamp
            new.append(_GAP.format(*self.gap).encode())
        return True


def _cut(line: bytes) -> tuple[str | None, bytes]:
    """A line's time in one form, and its text; None and the line where it begins with no time."""
    if line[29:31] == b"Z " and line[19:20] == b"." and line[20:29].isdigit():  # as every kubelet writes it today
        return line[:30].decode("latin-1"), line[31:]
    head = line[: _LONGEST_STAMP + 1].partition(b" ")[0]
    match = _STAMP.fullmatch(head)
    if match is None:
        return None, line
    moment = match[1].decode()
    if match[3] != b"Z":
        try:
            local = datetime.fromisoformat((match[1] + match[3]).decode())
            moment = local.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
        except (ValueError, OverflowError):
            return None, line
    fraction = (match[2] or b"").decode().ljust(9, "0")
    return f"{moment}.{fraction}Z", line[len(head) + 1 :]
