"""Text of jobs for the browser: colours stay, everything else that could steer a terminal or a page goes."""

from __future__ import annotations

import re

LINE_LIMIT = 8 * 1024  # characters of one line that are shown
_HELD_BACK = 256  # bytes at the end of a piece that may wait for the rest of a character or control sequence

_CONTROL = re.compile(
    "\x1b\\[(?P<colour>[0-9;:]*)m"  # SGR, the one kind that stays
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\\\|\x9c)?"  # OSC 8 links, OSC 52, DCS …
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"  # other CSI: cursor, erase, modes
    "|\x1b[ -/]*[0-~]?"  # other escapes
    "|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]"  # other controls; tab, newline, carriage return stay
)
_OPEN_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?\Z")


def readable(text: str) -> str:
    """The same text with SGR colours as its only control sequences, rewritten lines collapsed, long lines cut.

    A carriage return is left only at the start of the first line, where it means: replaces the line before.
    """
    text = _CONTROL.sub(_keep_colour, text)
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(_shown(line, first=number == 0) for number, line in enumerate(lines))


def whole_length(data: bytes) -> int:
    """How many bytes of `data` can be shown now: not the beginning of a character or control sequence at its end.

    Waiting is bounded: what stays open for 256 bytes is shown as it is.
    """
    end = len(data)
    for back in range(1, min(4, end) + 1):
        byte = data[end - back]
        if byte & 0xC0 == 0x80:
            continue
        width = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        if width > back:
            end -= back
        break
    tail = data[max(0, end - _HELD_BACK) : end]
    match = _OPEN_SEQUENCE.search(tail)
    if match:
        end -= len(tail) - match.start()
    if end and data[end - 1 : end] == b"\r":
        end -= 1  # perhaps half of a line end
    return end


def _keep_colour(match: re.Match[str]) -> str:
    return match[0] if match["colour"] is not None else ""


def _shown(line: str, *, first: bool) -> str:
    if "\r" in line:
        parts = line.split("\r")
        # What was written last is seen; a return at the very end has not overwritten anything yet.
        last = parts[-1] or (parts[-2] if len(parts) > 1 else "")
        line = f"\r{last}" if first else last
    if len(line) > LINE_LIMIT:
        line = f"{line[:LINE_LIMIT]}… ({len(line) - LINE_LIMIT:,} more characters; download the log to see them)"
    return line
