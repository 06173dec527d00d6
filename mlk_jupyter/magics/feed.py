"""One reader for each job that is shown, however many displays show it: so they agree, and cost no more than one."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from ..client.background import background
from ..errors import JobNotFound, MlkError
from ..follow.tail import Tails
from ..model import JobStatus, RunState
from ..record.folder import JobFolder
from .view import View

TICK_S = 0.2
"""Time between two looks: displays change at most 5 times a second, however fast a job writes."""

LOG_LINES = 200
_CLOCK_S = 1.0  # a job's clock goes on though nothing is written
_REMOTE_S = 1.0  # how often a job is asked for whose record does not change; it may be far away
_TROUBLE_S = 2.0  # how long a backend that does not answer is left alone
_SETTLING_S = 60.0  # how long the notebook and the MLflow run of a job that is over are waited for
_SETTLING_TICK_S = 1.0

Listener = Callable[[View], None]


class Shown(Protocol):
    """What a display needs of a job."""

    @property
    def id(self) -> str: ...

    def status(self) -> JobStatus:
        """Everything known of the job now.

        Raises: JobNotFound when it was deleted; MlkError when that cannot be told.
        """
        ...

    def changes(self) -> AsyncIterable[JobStatus]:
        """The status whenever it changes; while somebody iterates, the record of a job far away is being filled."""
        ...


_log = logging.getLogger(__name__)
_feeds: dict[str, Feed] = {}
_feeds_lock = threading.Lock()


def follow(job: Shown, listener: Listener) -> Feed:
    """Tells `listener` of a job now, and in a thread whenever it changes, until it has settled or `Feed.leave`."""
    with _feeds_lock:
        feed = _feeds.get(job.id)
        if feed is None:
            feed = _feeds[job.id] = Feed(job)
        feed._listeners.append(listener)
    try:
        feed.start(listener)
    except BaseException:
        feed.leave(listener)
        raise
    return feed


class Feed:
    """Reads one job for its listeners. Owns one thread, which ends with the job or with the last listener."""

    def __init__(self, job: Shown) -> None:
        self._job = job
        self._listeners: list[Listener] = []
        self._telling = threading.Lock()  # what listeners are told is in the order in which it was read
        self._left = threading.Event()
        self._thread: threading.Thread | None = None
        self._view: View | None = None
        self._tails: Tails | None = None
        self._stamp: tuple[object, ...] = ()
        self._asked_at = float("-inf")
        self._over_since: float | None = None
        self._filling: Future[None] | None = None

    def start(self, listener: Listener) -> None:
        """Tells a new listener what is known; the first one starts the thread.

        Raises: MlkError when nothing can be known of the job.
        """
        with self._telling:
            if self._view is None:
                self._look(must=True)
            assert self._view is not None
            listener(self._view)  # itself, as the job may have settled meanwhile and all listeners been let go
            if self._thread is None and not self._view.settled:
                if self._view.job.backend != "local":
                    self._filling = background().start(self._fill())
                self._thread = threading.Thread(target=self._run, name=f"display of {self._job.id}", daemon=True)
                self._thread.start()
        if self._view.settled:
            self.leave(listener)

    def now(self) -> View:
        """The job read again this moment; its listeners are told as well."""
        with self._telling:
            self._look(must=True)
            self._tell()
            assert self._view is not None
            return self._view

    def leave(self, listener: Listener) -> None:
        """The listener is not told any more. Does nothing when it had left."""
        with _feeds_lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
            if not self._listeners:
                self._end()

    async def _fill(self) -> None:
        """Has the record of a job in a cluster filled for as long as it is shown; the thread reads it."""
        with contextlib.suppress(MlkError):  # the thread meets it too, and says so
            async for _ in self._job.changes():
                pass

    def _end(self) -> None:
        self._left.set()
        if self._filling is not None:
            self._filling.cancel()
        if _feeds.get(self._job.id) is self:
            del _feeds[self._job.id]

    def _run(self) -> None:
        told_at = time.monotonic()
        try:
            while True:
                with self._telling:
                    if self._look() or time.monotonic() - told_at >= _CLOCK_S:
                        told_at = time.monotonic()
                        self._tell()
                    if self._view is not None and self._view.settled:
                        return
                    pause = _SETTLING_TICK_S if self._over_since is not None else TICK_S
                if self._left.wait(pause):
                    return
        finally:
            with _feeds_lock:
                self._listeners.clear()
                self._end()

    def _tell(self) -> None:
        view = self._view
        if view is None:
            return
        for listener in tuple(self._listeners):
            try:
                listener(view)
            except Exception:
                _log.exception("A display of %s failed and is left as it is", self._job.id)
                self.leave(listener)

    def _look(self, *, must: bool = False) -> bool:
        """Reads what has changed. Gives whether something has."""
        now = time.monotonic()
        stamp = self._tails.stamp() if self._tails is not None else ()
        if not must and stamp == self._stamp and now - self._asked_at < _REMOTE_S:
            return False
        if not must and self._view is not None and self._view.trouble and now - self._asked_at < _TROUBLE_S:
            return False
        self._stamp, self._asked_at = stamp, now
        trouble, gone = None, False
        job = self._view.job if self._view is not None else None
        try:
            job = self._job.status()
        except JobNotFound:
            trouble, gone = "The job was deleted. This is what was last known of it.", True
            if job is None:
                raise
        except MlkError as error:
            trouble = f"This is not the latest: {error.detail}"
            if job is None:
                raise
        before, self._view = self._view, self._seen(job, trouble, gone=gone)
        return before is None or (before.job, before.log, before.trouble, before.settled) != (
            self._view.job,
            self._view.log,
            self._view.trouble,
            self._view.settled,
        )

    def _seen(self, job: JobStatus, trouble: str | None, *, gone: bool) -> View:
        if self._tails is None and job.folder is not None:
            self._tails = Tails(JobFolder(Path(job.folder)))
        at, settled = time.time(), gone
        if job.phase.final:
            self._over_since = self._over_since or time.monotonic()
            settled = gone or self._is_settled(job) or time.monotonic() - self._over_since > _SETTLING_S
        if self._tails is None or gone:
            before = self._view
            kept = (before.log, before.curves, before.gpus) if before else ((), {}, ())
            return View(job, at, *kept, trouble=trouble, settled=settled)
        while self._tails.read():
            pass
        log, curves, gpus = self._tails.log(LOG_LINES), self._tails.curves(), self._tails.gpus()
        return View(job, at, log, curves, gpus, trouble=trouble, settled=settled)

    def _is_settled(self, job: JobStatus) -> bool:
        pending = job.run is not None and job.run.state is RunState.PENDING
        return not pending and job.folder is not None and JobFolder(Path(job.folder)).has_notebook
