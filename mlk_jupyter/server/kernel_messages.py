"""What is known of one kernel by the messages that pass between it and its windows. In memory; asks nobody."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from .kernel_frames import Request, body

Moment = tuple[str, float]
"""What happened, and when in monotonic seconds."""

_MOST_IDS = 4096
_UP = ("idle", "busy")
_SETTLED_S = 1.0  # a cell that waits behind another one begins within milliseconds of the other's end


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that was sent and not answered yet."""

    at: float
    pid: int | None
    """Of the kernel that it was sent to; None: not known, e.g. because the kernel was just being restarted."""


class KernelMessages:
    """Of one kernel, also over its restarts. Times are monotonic seconds."""

    def __init__(self, state: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.message: Moment | None = None
        """The newest by which a person used it."""
        self.presence: Moment | None = None
        self.output: Moment | None = None
        self.input: Moment | None = None
        """The id of the cell that waits in `input()`, and since when."""
        self.cells: dict[str, Cell] = {}
        """By the ids of their messages."""
        self.windows: set[int] = set()
        self.had_window = False
        """Whether one was connected since somebody last asked and set it back."""
        self.was_refused = False
        """Whether a person's cell was, since cells are refused."""
        self._ids: dict[str, None] = {}
        """Of the newest requests of windows to run code."""
        self._refusal: tuple[str, int | None] | None = None
        self.state: Moment = (state or "", clock())
        self.came_up = state in _UP
        """Whether it was ready once, this process or one before."""
        self._buffer: list[Any] | None = None
        self._read = 0

    def use(self, request: Request, pid: int | None) -> None:
        """Notes one on its way to the kernel."""
        now = self._clock()
        if request.kind == "execute_request":
            self._ids[request.id] = None
            if len(self._ids) > _MOST_IDS:
                del self._ids[next(iter(self._ids))]
        if request.by_person:
            self.message = (request.kind, now)
        if request.is_cell:
            self.cells[request.id] = Cell(now, pid)
        if request.kind == "input_reply":
            self.input = None

    def refuse(self, why: str | None, pid: int | None) -> None:
        """Has new cells be refused, for as long as the kernel is this process. None: no more."""
        self._refusal = None if why is None else (why, pid)
        self.was_refused = False

    def refusal(self, pid: int | None) -> str | None:
        """Why new cells are refused; None where they are not."""
        if self._refusal is None:
            return None
        why, refused = self._refusal
        return None if None not in (pid, refused) and pid != refused else why

    def refused(self, request: Request) -> None:
        """Notes one that did not get to the kernel: somebody is there all the same."""
        if request.by_person:
            self.message = (request.kind, self._clock())
            self.was_refused = True

    def hear(self, channel: str, parts: Sequence[bytes]) -> None:
        """Notes what the kernel says.

        Args: parts: header, parent header, metadata and content, as JSON.
        """
        header, parent, _, content = parts[:4]
        if channel == "iopub":
            if b'"status"' in header:
                # The end of a cell is heard by every window, its answer only by the one that sent it.
                if (self.cells or self.input) and b'"idle"' in content:
                    self._over(parent)
            elif b'"execute_request"' in parent:
                self.output = ("output", self._clock())
        elif b'"execute_reply"' in header:
            self._over(parent)
        elif channel == "stdin" and b'"input_request"' in header:
            asks = json.loads(parent).get("msg_id", "")
            if self.input is None or self.input[0] != asks:
                self.input = (asks, self._clock())

    def overhear(self, parts: Sequence[bytes], pid: int | None) -> None:
        """Notes a cell that came past all windows, as it begins and as it ends: a terminal's, an agent's.

        Args: parts: as `hear` takes them, of whatever the kernel publishes.
        """
        header, parent, _, content = parts[:4]
        if b'"execute_input"' in header:
            asked = json.loads(parent).get("msg_id")
            if asked is not None and asked not in self._ids:
                now = self._clock()
                self.message = ("execute_request", now)
                self.cells[asked] = Cell(now, pid)
        elif self.cells and b'"status"' in header and b'"idle"' in content:
            self._over(parent)

    def _over(self, parent: bytes) -> None:
        ended = json.loads(parent).get("msg_id")
        self.cells.pop(ended, None)
        if self.input is not None and self.input[0] == ended:
            self.input = None

    def hear_buffer(self, buffer: list[Any] | None) -> None:
        """Notes what the kernel said while no window was there.

        Args: buffer: what jupyter_server keeps for the window that comes back: pairs of a channel and a message.
        """
        if buffer is not self._buffer:
            self._buffer, self._read = buffer, 0
        while buffer is not None and self._read < len(buffer):
            channel, parts = buffer[self._read]
            self._read += 1
            try:
                self.hear(channel, body(parts))
            except (ValueError, AttributeError):
                continue  # a message that nobody can read ends no cell

    def change(self, state: str | None) -> None:
        """Notes the state of the kernel; the same as before changes nothing."""
        if state != self.state[0]:
            self.state = (state or "", self._clock())
            self.came_up = self.came_up or state in _UP
            if state == "dead":
                self.forget_cells()

    def forget_cells(self) -> None:
        """There is no kernel any more that would answer."""
        self.cells.clear()
        self.input = None

    def settle(self, pid: int | None) -> None:
        """Drops cells that nobody will hear the answer of: those sent to a process before this one, and those whose
        window is gone and with it all windows, once the kernel has been at work since and is idle again."""
        state, since = self.state
        now = self._clock()
        idle = state == "idle" and now - since >= _SETTLED_S and not self.windows and self._buffer is None
        for message_id, cell in list(self.cells.items()):
            restarted = None not in (pid, cell.pid) and pid != cell.pid
            if restarted or (idle and since > cell.at):
                del self.cells[message_id]
                if self.input is not None and self.input[0] == message_id:
                    self.input = None


_of: WeakKeyDictionary[Any, KernelMessages] = WeakKeyDictionary()


def messages_of(kernel: Any) -> KernelMessages:
    """Of the kernel that this kernel manager has: the same each time, for as long as the manager lives."""
    found = _of.get(kernel)
    if found is None:
        found = _of[kernel] = KernelMessages(getattr(kernel, "execution_state", None))
        if hasattr(kernel, "has_trait") and kernel.has_trait("execution_state"):
            noted = found  # not `kernel`, which would be kept alive by what it keeps
            kernel.observe(lambda change: noted.change(change.new), "execution_state")
    return found


def pid_of(kernel: Any) -> int | None:
    """Of the kernel's process; None where it has none here, or is about to have another."""
    pid = getattr(getattr(kernel, "provisioner", None), "pid", None)
    return None if getattr(kernel, "shutting_down", False) or not isinstance(pid, int) else pid
