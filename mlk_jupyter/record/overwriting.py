"""What is left of text that writes over itself, as progress bars do. Pure."""

from __future__ import annotations

import re

_MOVE = re.compile(r"([\r\b])")


def settled(text: str) -> str:
    """The text as it stands in the end: a carriage return goes back to the start of the line, a backspace one
    character, and what follows writes over what is there. As JupyterLab keeps a stream; time and memory are linear.

    Where the last line is not at its end, moves back stay behind it: more text may follow.
    """
    if "\r" not in text and "\b" not in text:
        return text
    *lines, last = text.split("\n")
    return "".join(_ended(line) for line in lines) + "".join(_settled_line(last))


def _ended(line: str) -> str:
    end = "\r\n" if line.endswith("\r") else "\n"  # as programs end lines that write to a terminal
    return _settled_line(line)[0] + end


def _settled_line(line: str) -> tuple[str, str]:
    """What the line shows, and the moves from its end to where it goes on."""
    if "\r" not in line and "\b" not in line:
        return line, ""
    cells: list[str] = []
    at = 0
    for piece in _MOVE.split(line):
        if piece == "\r":
            at = 0
        elif piece == "\b":
            at = max(0, at - 1)
        elif piece:
            cells[at : at + len(piece)] = piece
            at += len(piece)
    return "".join(cells), "\r" if line.endswith("\r") else "\b" * (len(cells) - at)
