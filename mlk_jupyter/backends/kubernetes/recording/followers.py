"""Which logs of a job are being read now, and how far each is. The tasks that read them are owned here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from .. import labels
from ..kinds.fields import (
    container,
    failed_init_container,
    init_containers,
    main_container,
    mapping,
    name,
    number,
    seconds,
    state_of,
    uid,
)
from ..kinds.registry import kind_of_job
from ..resources import Objects
from ..timing import RecordingTiming
from .logs import LogFollower, LogSource
from .positions import Positions
from .stamps import Position

_log = logging.getLogger(__name__)

AT_ONCE = 16
"""Logs of one job that are read at the same time."""
MOST = 64
"""Workers whose logs are read at a job's end, if nobody looked at them before."""


@dataclass(frozen=True)
class _Log:
    """One container's log."""

    worker: int
    pod: str
    key: str
    """In `positions.json`: the pod's uid, and for an init container its name behind it."""
    container: str
    ended: bool
    failed: bool


class Followers:
    """The logs of one attempt. `sync` with each new reading; `close` before the loop ends.

    Args:
        feed:   gets (worker, bytes) as they come.
        notice: gets sentences for a person.
        room:   is awaited between two pieces: whoever writes them down may be slow.
    """

    def __init__(
        self,
        connection: LogSource,
        namespace: str,
        positions: Positions,
        feed: Callable[[int, bytes], None],
        notice: Callable[[str], None],
        *,
        room: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(0),
        timing: RecordingTiming | None = None,
    ) -> None:
        self._connection = connection
        self._room, self._timing = room, timing or RecordingTiming()
        self._namespace = namespace
        self._positions = positions
        self._feed = feed
        self._notice = notice
        self._running: dict[str, tuple[_Log, LogFollower, asyncio.Task[None]]] = {}
        self._reached: dict[str, Position] = {}
        self._looked: dict[int, float] = {}  # worker -> monotonic time of the last look
        self._looked_at_all = float("-inf")
        self._over_since: float | None = None

    def look(self, worker: int | None) -> None:
        """Somebody looks at a worker, or at all of them, for the next 15 s."""
        if worker is None:
            self._looked_at_all = time.monotonic()
        else:
            self._looked[worker] = time.monotonic()

    @property
    def looked_at(self) -> bool:
        """Whether a look has still to expire."""
        latest = max([self._looked_at_all, *self._looked.values()])
        return latest > time.monotonic() - self._timing.look_s

    def positions(self) -> dict[str, Position]:
        """How far each log was read that was begun here."""
        for key, (_, follower, _task) in self._running.items():
            self._reached[key] = follower.position
        return dict(self._reached)

    def sync(self, objects: Objects, attempt: int, *, over: bool) -> bool:
        """Starts and ends the reading of logs as the objects and lookers want it.

        Args:    over: the job is over: all logs there are have to be read.
        Returns: whether a log that is wanted has not been read to its end.
        """
        self._reap()
        now = time.monotonic()
        self._over_since = (self._over_since or now) if over else None
        # A pod of a job that is over and that is not said to have ended: its node does not answer, or the word is late.
        too_late = self._over_since is not None and now - self._over_since > self._timing.late_s
        logs = {log.key: log for log in _logs_of(objects, attempt)}
        for key, (_, follower, _task) in self._running.items():
            if key not in logs:
                follower.pod_gone()
            elif logs[key].ended or too_late:
                follower.container_ended()
        wanted = self._wanted(list(logs.values()), over=over)
        for key in (self._running.keys() & logs.keys()) - {log.key for log in wanted}:
            self._running[key][2].cancel()  # nobody looks any more; it goes on from here when somebody does
        for log in wanted:
            if log.key not in self._running and len(self._running) < AT_ONCE:
                self._start(log, ended=log.ended or too_late)
        return bool(wanted) or bool(self._running.keys() - logs.keys())

    async def close(self) -> None:
        """Ends all reading."""
        tasks = {task for _, _, task in self._running.values()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._reap()

    def _position(self, key: str) -> Position:
        return self._reached.get(key) or self._positions.of(key)

    def _wanted(self, logs: list[_Log], *, over: bool) -> list[_Log]:
        """The logs to be read now and not read whole, the most important first."""
        now = time.monotonic()
        looked = {worker for worker, at in self._looked.items() if at > now - self._timing.look_s}
        failing = {log.worker for log in logs if log.failed}
        order = sorted(logs, key=lambda log: (log.worker != 0, log.worker not in looked | failing, log.worker))
        workers = list(dict.fromkeys(log.worker for log in order))
        if over:
            chosen = set(workers[:MOST])
        elif self._looked_at_all > now - self._timing.look_s:
            chosen = set(workers[:AT_ONCE])
        else:
            chosen = set([worker for worker in workers if worker == 0 or worker in looked | failing][:AT_ONCE])
        found = [log for log in order if log.worker in chosen and not self._position(log.key).whole]
        # A pod's logs come whole one after the other, in the order in which its containers ran: all go to one rank's.
        first: dict[int, _Log] = {}
        for log in found:
            first.setdefault(log.worker, log)
        return list(first.values())

    def _start(self, log: _Log, *, ended: bool) -> None:
        def feed(data: bytes) -> None:
            self._feed(log.worker, data)

        follower = LogFollower(
            self._connection, self._namespace, log.pod, log.container, self._position(log.key), feed, self._notice,
            room=self._room, timing=self._timing,
        )  # fmt: skip
        if ended:
            follower.container_ended()
        task = asyncio.create_task(follower.run(), name=f"log of {log.pod}/{log.container}")
        self._running[log.key] = log, follower, task

    def _reap(self) -> None:
        for key, (log, follower, task) in list(self._running.items()):
            if not task.done():
                continue
            del self._running[key]
            self._reached[key] = follower.position
            error = None if task.cancelled() else task.exception()
            if error is not None:  # a bug of ours: the other logs and the job's end must not be lost with it
                _log.error("reading the log of %s failed", log.pod, exc_info=error)
                self._notice(f"The log of {log.pod} could not be read further: {type(error).__name__}: {error}")
                position = follower.position
                self._reached[key] = Position(position.time, position.lines, position.bytes, whole=True)


def _logs_of(objects: Objects, attempt: int) -> list[_Log]:
    """The containers of the attempt's pods that have a log, or had one."""
    found = []
    for worker, pod in kind_of_job(objects).pods_of(objects, attempt).items():
        failed_init = failed_init_container(pod)
        # Those that others put into the pod are of interest when the ranks do not run because of them.
        inits = [one for one in init_containers(pod) if one.get("name") == labels.STAGING or one == failed_init]
        logs = [(one, f"{uid(pod)}/{one.get('name')}", str(one.get("name"))) for one in inits]
        for said, key, called in (*logs, (container(pod), uid(pod), main_container(pod))):
            terminated = state_of(said, "terminated")
            # One that was ended before it started, which is said by a time that is none, has no log that could be gone.
            never = "startedAt" in mapping(terminated) and seconds(mapping(terminated)["startedAt"]) is None
            if (terminated is not None and not never) or state_of(said, "running") is not None:
                failed = bool(number(mapping(terminated).get("exitCode")))
                found.append(_Log(worker, name(pod), key, called, terminated is not None, failed))
    return found
