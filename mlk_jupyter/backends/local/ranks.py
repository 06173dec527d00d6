"""The ranks of one job as processes: start, listen, stop. Owned by the supervisor, which has a single thread."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...worker.deaths import name_of
from ...worker.tree import become_subreaper
from . import process
from .environment import Place

_READ_BYTES = 256 * 1024
_DRAIN_S = 1.0  # how long a pipe may stay open behind its ended process before it is given up


@dataclass
class Rank:
    """One started rank."""

    place: Place
    popen: subprocess.Popen[bytes]
    ended_at: float | None = None
    """Seconds since the epoch; None while it runs."""
    exit_code: int | None = None
    signal: str | None = None
    told_to_end: bool = False
    """We asked it to end, or killed it, before it ended."""

    @property
    def number(self) -> int:
        return self.place.rank

    @property
    def failed(self) -> bool:
        """It ended badly, and not because we asked."""
        return self.ended_at is not None and not self.told_to_end and (bool(self.exit_code) or self.signal is not None)


class Ranks:
    """All ranks of a job, and the pipes that carry what they say.

    What the ranks hold is the reading end of the lifeline; its writing end exists in this process only, so that the
    pipe closes in the moment this process dies, however it dies.
    """

    def __init__(self) -> None:
        self.every: list[Rank] = []
        self._adopting = become_subreaper()
        self._selector = selectors.DefaultSelector()
        self._open: dict[int, Rank] = {}  # pipe -> its rank
        self.lifeline, self._lifeline_end = os.pipe()
        self._bell, bell = os.pipe()
        os.set_blocking(self._bell, False)
        os.set_blocking(bell, False)
        signal.set_wakeup_fd(bell, warn_on_full_buffer=False)  # any signal ends the wait in `listen`
        self._selector.register(self._bell, selectors.EVENT_READ)

    def start(
        self, places: list[Place], command: list[str], directory: str, environment: Callable[[Place], dict[str, str]]
    ) -> None:
        """Starts every rank. Raises OSError when one cannot be started; those before it run then."""
        for place in places:
            popen = subprocess.Popen(
                command,
                cwd=directory,
                env=environment(place),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # One pipe for both: what Python says when it cannot start the bundle belongs in the log, in its place.
                stderr=subprocess.STDOUT,
                pass_fds=(self.lifeline,),
                start_new_session=True,
            )
            rank = Rank(place, popen)
            self.every.append(rank)
            assert popen.stdout is not None
            pipe = popen.stdout.fileno()
            os.set_blocking(pipe, False)
            self._open[pipe] = rank
            self._selector.register(pipe, selectors.EVENT_READ)

    @property
    def over(self) -> bool:
        """Every rank has ended and all it said was read."""
        return not self._open and all(rank.ended_at is not None for rank in self.every)

    @property
    def running(self) -> int:
        """How many ranks have not ended."""
        return len(self._running())

    def listen(self, timeout_s: float) -> Iterator[tuple[int, bytes]]:
        """What the ranks said: (rank, bytes) as it comes, at most one read for each. Also notes who has ended."""
        for key, _ in self._selector.select(timeout_s):
            if key.fd == self._bell:
                os.read(self._bell, 4096)
                continue
            rank = self._open[key.fd]
            data = self._read(key.fd)
            if data is None:
                continue
            if data:
                yield rank.number, data
            else:
                self._close(key.fd)
        self._note_ends()

    def terminate(self, spare: set[int]) -> None:
        """Asks every running rank to end, but those in `spare`, which are ending by themselves."""
        for rank in self._running():
            if rank.number not in spare:
                rank.told_to_end = True
                process.send([rank.popen.pid], signal.SIGTERM)

    def kill(self) -> list[int]:
        """Kills the ranks and everything they started. Returns the processes that could not be killed."""
        for rank in self._running():
            rank.told_to_end = True
        left = self._kill_trees()
        self._note_ends()
        return left

    def close(self) -> None:
        """Gives back all pipes; the ranks have ended."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        for rank in self.every:
            if rank.popen.stdout is not None:
                rank.popen.stdout.close()

    def _kill_trees(self) -> list[int]:
        # As a subreaper this process is the ancestor of all that its ranks ever started. Where there is no such thing
        # (macOS), orphans of a rank have left the tree, but not its process group.
        if not self._adopting:
            for rank in self.every:
                process.send_group(rank.popen.pid, signal.SIGKILL)
        return process.kill_below(os.getpid(), self._mark_ended)

    def _running(self) -> list[Rank]:
        return [rank for rank in self.every if rank.ended_at is None]

    def _note_ends(self) -> None:
        self._mark_ended(process.reap())
        for pipe, rank in list(self._open.items()):
            # A descendant that escaped may hold the pipe for ever.
            if rank.ended_at is not None and time.time() - rank.ended_at > _DRAIN_S:
                self._close(pipe)

    def _mark_ended(self, ended: dict[int, int]) -> None:
        for rank in self._running():
            code = ended.get(rank.popen.pid)
            if code is not None:
                rank.popen.returncode = code  # reaped here: Popen must not wait for a pid that is somebody else's
                rank.ended_at = time.time()
                rank.exit_code = code if code >= 0 else None
                rank.signal = name_of(-code) if code < 0 else None

    @staticmethod
    def _read(pipe: int) -> bytes | None:
        try:
            return os.read(pipe, _READ_BYTES)
        except BlockingIOError:
            return None

    def _close(self, pipe: int) -> None:
        self._selector.unregister(pipe)
        self._open.pop(pipe)


def command(python: str, options: list[str], bundle: Path) -> list[str]:
    """How one rank is started."""
    return [python, *options, str(bundle)]
