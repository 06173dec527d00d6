"""The two pipes of a user process, read so that what was written to each belongs to the cell that wrote it."""

from __future__ import annotations

import codecs
import os
from collections import deque

from .wire import Receiver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Deque, Dict, Iterator, Optional, Tuple

READ_SIZE = 1 << 20  # bytes read at once
_PIPE_SIZE = 1 << 20  # bytes a pipe may hold, where the system allows it: a burst of prints does not wait for us


class Pairing:
    """Reads descriptor 1's pipe (text and messages) and descriptor 2's (text, and marks where cells end).

    Args: on_text: takes the stream's name and text. on_message: takes a message of the first pipe.
    """

    def __init__(
        self,
        out_fd: int,
        err_fd: int,
        token: str,
        on_text: Callable[[str, str], None],
        on_message: Callable[[Dict[str, Any]], None],
    ) -> None:
        self.fds = (out_fd, err_fd)
        self._err_fd = err_fd
        self._on_text, self._on_message = on_text, on_message
        self._receiver = Receiver(token)
        self._err_receiver = Receiver(token)
        self._err_items: Deque[Any] = (
            deque()
        )  # read from fd 2, not yet taken: what comes after a cell's end waits for it
        self._synced = 0
        self._between = False  # cells: what is read from fd 2 belongs to the one to come
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {"stdout": decoder("replace"), "stderr": decoder("replace")}

    def open(self) -> None:
        """Makes the pipes wide, and reads of them return at once."""
        for fd in self.fds:
            _widen(fd)
            os.set_blocking(fd, False)

    def read(self, fd: int) -> Optional[int]:
        """Takes what a pipe holds. Gives the bytes read, None at its end."""
        try:
            data = os.read(fd, READ_SIZE)
        except BlockingIOError:
            return 0
        if not data:
            return None
        if fd == self._err_fd:
            self._err_items += self._err_receiver.feed(data)
            self._take_errors()
        else:
            for item in self._receiver.feed(data):
                if isinstance(item, bytes):
                    self._text("stdout", item)
                else:
                    self._on_message(item)
        return len(data)

    def begin(self) -> None:
        """A cell has started, or the last one has ended: text of fd 2 is no longer held back."""
        self._between = False
        self._take_errors()

    def pause(self) -> None:
        """A cell has ended: what is read from fd 2 waits for the next one."""
        self._between = True

    def sync(self, number: int) -> None:
        """A cell ended: what it wrote to fd 2 before belongs to it, what follows does not."""

        def told() -> bool:
            return any(not isinstance(item, bytes) and item.get("number") == number for item in self._err_items)

        while not told() and self.read(self._err_fd):
            pass
        self._synced = max(self._synced, number)
        while self._err_items:
            item = self._err_items.popleft()
            if isinstance(item, bytes):
                self._text("stderr", item)
            elif item.get("number") == number:
                return

    def close(self) -> Iterator[Tuple[str, str]]:
        """What is left when the process has ended: stream and text."""
        for item in (*self._err_items, *self._receiver.close(), *self._err_receiver.close()):
            if isinstance(item, bytes):
                yield "stderr", self._decoders["stderr"].decode(item)
        for name, decoder in self._decoders.items():
            yield name, decoder.decode(b"", True)

    def _take_errors(self) -> None:
        """Text of fd 2, up to the end of a cell that the other pipe has not told of yet."""
        while self._err_items and not self._between:
            item = self._err_items[0]
            if not isinstance(item, bytes):
                if int(item.get("number", 0)) > self._synced:
                    return
            else:
                self._text("stderr", item)
            self._err_items.popleft()

    def _text(self, name: str, data: bytes) -> None:
        self._on_text(name, self._decoders[name].decode(data))


def _widen(fd: int) -> None:
    try:
        import fcntl

        fcntl.fcntl(fd, 1031, _PIPE_SIZE)  # F_SETPIPE_SZ, which `fcntl` names from Python 3.10 on
    except (ImportError, OSError):
        pass  # a smaller pipe is only slower
