"""The keeper: one rank's parent process. It alone writes frames, and it outlives whatever happens to the user's code.

It reads the user process' pipes, applies limits, samples, passes signals on, says how the process died, and leaves no
process of the rank behind.
"""

from __future__ import annotations

import os
import select
import signal
import time

from . import tree
from .frames import Encoder
from .mime import finite
from .outputs import Outputs, limits_of, within_limit
from .overflow import Overflow
from .pairing import READ_SIZE, Pairing
from .stop import signal_for
from .widgets import Widgets
from .wire import reply, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional

    from .deaths import Death
    from .launchers import Identity
    from .member import Member
    from .stop import Stop

_FLUSH_S = 0.05  # seconds that text may wait for more of its kind: about 20 frames a second
_TEXT_PIECE = 512 * 1024  # characters of one frame: 6 MiB where each is written as `\\ud83d\\ude00`
_REST_S = 0.004  # seconds to rest after a small read, so that many small writes are read in one go
_GRACE_S = 1.0  # seconds between SIGTERM and SIGKILL for what a finished notebook left running
_LINGER_S = 120.0  # seconds a finished notebook's process may take to end
_VIEW = "application/vnd.jupyter.widget-view+json"
_SAMPLE_EVERY = ((0.0, 2.0), (60.0, 5.0))  # seconds since the start, seconds between samples


class Keeper:
    """Owns the user process `pid`, whose outputs come through `out_fd` and `err_fd`, until nothing of it is left."""

    def __init__(
        self,
        identity: Identity,
        nonce: str,
        token: str,
        stop: Stop,
        pid: int,
        out_fd: int,
        err_fd: int,
        answers_fd: int,
        lifeline: Optional[int],
        member: Optional[Member] = None,
    ) -> None:
        self._identity, self._pid = identity, pid
        self._lifeline, self._member = lifeline, member
        self._pipes = Pairing(out_fd, err_fd, token, self._add, self._on_message)
        self._encoder = Encoder(nonce, identity.rank)
        limits = limits_of(os.environ)
        self._outputs = Outputs(self._frame, Overflow(os.environ.get("MLK_OUTPUTS")).save, identity.rank, *limits)
        self._silent = identity.rank != 0
        self._widgets = Widgets(self._widget_frame, *limits)
        self._answers = answers_fd
        self._lines: List[bytes] = []
        self._text: List[str] = []
        self._text_name = "stdout"
        self._text_since: Optional[float] = None
        self._progress: Optional[Dict[str, Any]] = None
        self._cell: Optional[Dict[str, Any]] = None
        self._cell_since = 0.0
        self._cells = self._begun = 0  # to be run, and begun
        self._announced = 0  # the exit code, once the notebook is done
        self._failed = self._done = self._orphaned = False
        self._stop = stop
        self._stopping = False  # asked to, or interrupted
        self._status: Optional[int] = None
        self._peak_bytes: Optional[int] = None
        self._deadline: Optional[float] = None
        self._stop_by: Optional[float] = None

    def run(self) -> int:
        """Watches until the user process has ended and everything is written. Gives the rank's exit code."""
        self._take_signals()
        tree.become_subreaper()
        self._pipes.open()
        from . import deaths

        kills_before = deaths.oom_kills()
        self._watch()
        if self._orphaned:
            tree.kill_descendants()
            return 137
        self._drain()
        tree.kill_descendants(_GRACE_S if self._done else 0.0)
        self._drain()
        self._finish(deaths, kills_before)
        return self._exit_code()

    # -- watching -----------------------------------------------------------------------------------------------------

    def _take_signals(self) -> None:
        self._wake_fd, wake = os.pipe()
        for fd in (self._wake_fd, wake):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda number, frame: None)  # the wake-up pipe tells of it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD))
        self._reap()  # it may have ended before we listened

    def _watch(self) -> None:
        from .samples import Sampler

        sampler = Sampler(os.getpid())
        start = time.monotonic()
        sample_at = start + _SAMPLE_EVERY[0][1]
        quiet, busy = select.poll(), select.poll()
        for poll in (quiet, busy):
            poll.register(self._wake_fd, select.POLLIN)
            if self._lifeline is not None:
                poll.register(self._lifeline, select.POLLIN)
        for fd in self._pipes.fds:
            busy.register(fd, select.POLLIN)
        rest = False
        while self._status is None and not self._orphaned:
            now = time.monotonic()
            wait = _REST_S if rest else max(0.0, min(sample_at - now, self._wait(now)))
            events = {fd for fd, _ in (quiet if rest else busy).poll(wait * 1000)}
            rest = False
            if self._wake_fd in events:
                self._on_signals()
            if self._lifeline in events and not os.read(self._lifeline or 0, 4096):
                self._orphaned = True
            for fd in self._pipes.fds:
                if fd in events:
                    size = self._pipes.read(fd)
                    if size is None:
                        busy.unregister(fd)  # its last writer has closed it
                    elif size < READ_SIZE // 16:
                        rest = True
            now = time.monotonic()
            if now >= sample_at:
                self._frame("sample", **sampler.sample())
                sample_at = now + next(gap for since, gap in reversed(_SAMPLE_EVERY) if now - start >= since)
            self._pulse(now)

    def _wait(self, now: float) -> float:
        waits = [60.0]
        if self._text_since is not None:
            waits.append(self._text_since + _FLUSH_S - now)
        if self._progress is not None:
            waits.append(_FLUSH_S)
        if self._deadline is not None:
            waits.append(self._deadline - now)
        if self._stop_by is not None:
            waits.append(self._stop_by - now)
        if self._widgets.due is not None:
            waits.append(max(0.0, self._widgets.due - now))
        return min(waits)

    def _pulse(self, now: float) -> None:
        """What is due goes out."""
        if self._text_since is not None and now >= self._text_since + _FLUSH_S:
            self._flush_text()
        if self._text_since is None and self._progress is not None:
            self._flush_progress()
        self._outputs.tick()
        self._widgets.tick()
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._frame(
                "notice",
                text=f"The notebook was done, but its process did not end within {_LINGER_S:.0f} "
                "seconds (a thread or an exit handler still ran). It was killed.",
            )
            os.kill(self._pid, signal.SIGKILL)
        if self._stop_by is not None and now >= self._stop_by:
            self._stop_by = None  # soon we are killed ourselves, and then nobody says how it ended
            os.kill(self._pid, signal.SIGKILL)
        self._write()

    def _on_signals(self) -> None:
        try:
            numbers = set(os.read(self._wake_fd, 4096))
        except BlockingIOError:
            return
        if signal.SIGCHLD in numbers:
            self._reap()
        for number in (signal.SIGTERM, signal.SIGINT):
            if number in numbers and self._status is None:
                self._interrupt(number)

    def _interrupt(self, number: int) -> None:
        """Passes on to the user's code that the rank was asked to stop (SIGTERM), or interrupted (SIGINT)."""
        if not self._stopping and self._member is not None and self._member.stop_s is not None:
            self._stop_by = time.monotonic() + self._member.stop_s
        self._stopping = True
        if number == signal.SIGTERM:
            self._stop.request()
            number = signal_for(self._pid)
        os.kill(self._pid, number)

    def _reap(self) -> None:
        """Collects ended children: the user process, and orphans that became ours."""
        try:
            while True:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self._pid:
                    self._status = status
                    self._peak_bytes = usage.ru_maxrss * 1024
        except ChildProcessError:
            return

    # -- reading ------------------------------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Takes all that the pipes hold now."""
        for fd in self._pipes.fds:
            while self._pipes.read(fd):
                self._pulse(time.monotonic())

    def _add(self, name: str, text: str) -> None:
        if not text:
            return
        if name != self._text_name:
            self._flush_text()
            self._text_name = name
        self._text.append(text)
        if self._text_since is None:
            self._text_since = time.monotonic()
        if len(text) > READ_SIZE // 4:
            self._flush_text()

    def _flush_text(self) -> None:
        if self._text:
            text = "".join(self._text)
            self._text.clear()
            self._text_since = None
            captured = self._widgets.text(self._text_name, text)
            for at in range(0, len(text), _TEXT_PIECE):
                piece = text[at : at + _TEXT_PIECE]
                if captured:
                    self._frame("log", name=self._text_name, text=piece)
                else:
                    self._outputs.text(self._text_name, piece)

    def _flush_progress(self) -> None:
        progress, self._progress = self._progress, None
        if progress is not None:
            self._frame("progress", **progress)

    def _on_message(self, message: Dict[str, Any]) -> None:
        kind = message.pop("kind")
        if kind == "text":
            self._add(str(message.get("name")), str(message.get("text")))
            return
        if kind == "progress":
            self._progress = message
            return
        if kind == "cell_finished":
            self._pipes.sync(int(message.pop("sync", 0)))
        self._flush_text()
        handler = getattr(self, "_on_" + kind, None)
        if handler is not None:
            handler(**message)
        else:
            self._frame(kind, **message)

    def _on_started(self, **fields: Any) -> None:
        identity = self._identity
        self._cells = int(fields.get("cells") or 0)
        self._frame(
            "rank_started",
            world_size=identity.world_size,
            worker=identity.worker,
            pid=os.getpid(),
            host=os.uname().nodename,
            **fields,
        )

    def _on_cell_started(self, **fields: Any) -> None:
        self._frame("cell_started", **fields)
        self._cell, self._cell_since = fields, time.monotonic()
        self._begun += 1
        self._widgets.begin()
        if not self._silent:
            self._outputs.begin(fields["cell"])
        self._pipes.begin()

    def _on_cell_finished(self, **fields: Any) -> None:
        self._flush_progress()
        self._outputs.end()
        self._widgets.flush()
        if text := self._widgets.text_at_end():
            self._frame("log", name="stderr", text=text)
        self._cell = None
        self._frame("cell_finished", **fields)
        self._pipes.pause()

    def _on_output(self, output: Dict[str, Any], display_id: Optional[str] = None) -> None:
        if _VIEW in (output.get("data") or {}):
            self._widgets.flush()  # who draws the view looks for its model
        if not self._widgets.output(output, display_id):
            self._outputs.output(output, display_id)

    def _on_update_display(self, display_id: str, data: Dict[str, Any], metadata: Dict[str, Any]) -> None:
        self._widgets.update(display_id, data, metadata)
        if not self._silent:
            self._outputs.update(display_id, data, metadata)

    def _on_clear_output(self, wait: bool) -> None:
        if not self._widgets.clear(wait):
            self._outputs.clear(wait)

    def _on_widget(self, comm_id: str, state: Dict[str, Any], buffers: List[Dict[str, Any]]) -> None:
        self._widgets.changed(comm_id, state, buffers)

    def _on_capture(self, comm_id: str, begins: bool) -> None:
        self._widgets.capture(comm_id, begins)

    def _on_captured(self) -> None:
        """The user process asks what its `Output` widgets show, and waits."""

        def alive() -> bool:
            self._reap()
            return self._status is None

        reply(self._answers, self._widgets.answer(), alive)

    def _on_error(self, **fields: Any) -> None:
        self._failed = True
        self._error(**fields, death=None)

    def _on_done(self, code: int) -> None:
        self._done, self._announced = True, code
        if self._stopping:  # Python waits at its end for processes that the notebook started
            tree.tell(tree.descendants_of(self._pid), signal.SIGTERM)
        self._outputs.close()
        self._pipes.begin()
        self._deadline = time.monotonic() + _LINGER_S

    # -- writing ------------------------------------------------------------------------------------------------------

    def _widget_frame(self, kind: str, **fields: Any) -> None:
        if not self._silent:
            self._frame(kind, **fields)

    def _frame(self, kind: str, **fields: Any) -> None:
        try:
            line = self._encoder.encode(kind, **fields)
        except ValueError:  # NaN and infinities are no JSON
            line = self._encoder.encode(kind, **finite(fields))
        self._lines.append(line)
        if len(line) > READ_SIZE:
            self._write()

    def _write(self) -> None:
        if not self._lines:
            return
        data = b"".join(self._lines)
        self._lines.clear()
        try:
            if self._member is not None:
                self._member.write(data)
            else:
                write_all(1, data)
        except OSError:  # nobody reads any more: what held the other end is gone
            self._orphaned = True

    def _finish(self, deaths: Any, kills_before: Optional[int]) -> None:
        for name, rest in self._pipes.close():
            self._add(name, rest)
        self._flush_text()
        self._flush_progress()
        code, number = self._exit_code(), self._signal()
        signal_name = None if number is None else deaths.name_of(number)
        text = None
        if number is not None and not self._done:
            killed_for_memory = deaths.oom_killed(kills_before)
            text = deaths.explain(number, killed_for_memory, self._peak_bytes, self._stopping)
            for_memory = killed_for_memory and number == signal.SIGKILL
            self._say_failed(str(signal_name), text, deaths.Death.MEMORY if for_memory else deaths.Death.SIGNAL)
        elif number is not None:
            self._frame("notice", text=f"The notebook was done; its process then ended by {signal_name}.")
            signal_name = None
        elif self._left_early():
            left = self._cells - self._begun
            text = f"The process ended itself with exit code 0 while {left} of {self._cells} cells had not begun."
            self._say_failed("SystemExit", text, deaths.Death.EXITED)
        elif code and not self._failed and not self._stopping:
            text = f"The process ended itself with exit code {code}."
            self._say_failed("SystemExit", text, deaths.Death.EXITED)
        elif not self._done and not self._failed and not code:
            text = "The process ended itself before the notebook's last cell was done."
            self._frame("notice", text=text)
        self._outputs.close()
        self._frame("rank_finished", exit_code=code, signal=signal_name, text=text)
        self._write()

    def _say_failed(self, name: str, text: str, death: Death) -> None:
        cell = self._cell or {}
        if cell:
            if not self._silent:
                self._outputs.output({"output_type": "error", "ename": name, "evalue": text, "traceback": [text]})
            self._outputs.end()
            seconds = round(time.monotonic() - self._cell_since, 3)
            self._frame("cell_finished", cell=cell["cell"], status="error", seconds=seconds)
        if not self._stopping:
            words = {"cell": cell.get("cell"), "number": cell.get("number"), "ename": name, "evalue": text}
            self._error(**words, traceback=[text], module=None, death=death)

    def _error(self, **fields: Any) -> None:
        self._frame("error", **within_limit(fields))
        if self._member is not None:
            self._member.failed({name: fields[name] for name in ("cell", "number", "ename", "evalue", "death")})

    def _left_early(self) -> bool:
        """Whether it ended as if all were well (`os._exit(0)`), past Python and with cells still to run."""
        well = self._status is not None and os.WIFEXITED(self._status) and os.WEXITSTATUS(self._status) == 0
        return well and not (self._done or self._failed or self._stopping) and self._begun < self._cells

    def _signal(self) -> Optional[int]:
        return os.WTERMSIG(self._status) if self._status is not None and os.WIFSIGNALED(self._status) else None

    def _exit_code(self) -> int:
        if self._orphaned or self._status is None:
            return 137
        number = self._signal()
        if number is None:
            code = os.WEXITSTATUS(self._status) or int(self._left_early())
            return code if self._member is None else self._member.exit_code(code)
        return self._announced if self._done else 128 + number
