"""`sys.stdout` and `sys.stderr` of the user process: text leaves at once, in the order in which it was written."""

from __future__ import annotations

import contextlib
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

    from .wire import Sender

_libc: Optional[Any] = None
_err_sender: Optional[Sender] = None
_cells = 0


class _Pipe(io.FileIO):
    """A descriptor that takes all it is given: a signal may cut a long write to a pipe short."""

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        size = len(view)
        while view:
            view = view[super().write(view) or 0 :]
        return size


class Errors(io.TextIOBase):
    """`sys.stderr`. Its text goes in band with stdout's, so that the two keep their order."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self.buffer = io.TextIOWrapper(_Pipe(2, "w", closefd=False), write_through=True).detach()

    encoding = "utf-8"
    errors = "backslashreplace"
    name = "<stderr>"
    mode = "w"
    line_buffering = True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if text:
            self._sender.send("text", name="stderr", text=text)
        return len(text)

    def fileno(self) -> int:
        return 2

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Stays open: libraries close what they believe is theirs."""


def install(sender: Sender, err_sender: Sender) -> None:
    """Puts the streams in place. `err_sender` speaks through the pipe of descriptor 2."""
    global _err_sender
    _err_sender = err_sender
    import faulthandler

    out = io.TextIOWrapper(
        _Pipe(1, "w", closefd=False), encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True
    )
    errors = Errors(sender)
    nothing = open(os.devnull)  # noqa: SIM115  stays open as long as the process
    for name, stream in (("stdin", nothing), ("stdout", out), ("stderr", errors)):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    faulthandler.enable(2)


def end_of_cell() -> int:
    """Flushes, and marks in the pipe of descriptor 2 where the cell ends. Gives the mark's number."""
    global _cells
    flush()
    _cells += 1
    if _err_sender is not None:
        _err_sender.send("sync", number=_cells)
    return _cells


def flush_text() -> None:
    """What Python has printed is on its way before anything else is sent."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # the notebook replaced or closed it
            stream.flush()


def flush() -> None:
    """Also what C code has printed and its library still holds."""
    global _libc
    flush_text()
    if _libc is None:
        from .tree import libc

        _libc = libc()
    _libc.fflush(None)
