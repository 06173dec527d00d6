"""jupyter_server's terminals: what is in the foreground of each, and when a person last typed there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ..idle.terminals import Terminal

# What a terminal emulator answers by itself when a program asks what it can do, where its cursor is, or which colours
# it has. A page that is opened again asks itself anew, by showing what was written before.
_REPLY = re.compile(r"(?:\x1b\[[?>]?[\d;]*(?:c|n|R|\$y)|\x1b\]\d+;[^\x07\x1b]*(?:\x07|\x1b\\)|\x1bP[^\x1b]*\x1b\\)+")


class Terminals:
    """The terminals of one server."""

    def __init__(self, serverapp: Any, clock: Callable[[], float]) -> None:
        """Args: clock: monotonic seconds."""
        self._settings = serverapp.web_app.settings
        self._clock = clock
        self._typed: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def look(self) -> list[Terminal]:
        """All there are. Waits for nothing."""
        manager = self._settings.get("terminal_manager")
        there = dict(manager.terminals) if manager is not None else {}
        return [
            Terminal(name, terminal.ptyproc.pid, _foreground(terminal), self._typed_s(terminal))
            for name, terminal in there.items()
        ]

    def close(self) -> None:
        """Hears of nothing from now on."""
        for terminal in list(self._typed):
            vars(terminal.ptyproc).pop("write", None)
        self._typed.clear()

    def _typed_s(self, terminal: Any) -> float:
        """Seconds since a person typed there, or since this was first asked.

        Its `last_activity` moves by output too, so it is heard what its sockets write to it.
        """
        if terminal not in self._typed:
            self._typed[terminal] = self._clock()
            write = terminal.ptyproc.write

            def listen(text: str) -> Any:
                if not is_reply(text):
                    self._typed[terminal] = self._clock()
                return write(text)

            terminal.ptyproc.write = listen
        return self._clock() - self._typed[terminal]


def is_reply(text: str) -> bool:
    """Whether a terminal emulator sent this, and nobody typed."""
    return _REPLY.fullmatch(text) is not None


def _foreground(terminal: Any) -> int | None:
    try:
        return os.tcgetpgrp(terminal.ptyproc.fd)
    except (OSError, ValueError, AttributeError):  # it ends just now, or this is Windows
        return None
