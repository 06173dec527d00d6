"""A job below a cell: live in front ends with our extension, as a summary in all others, or as a line of text.

In a notebook each display is one output with three faces. The job's id is for our extension, which draws the job live
from the server that knows it: no kernel is needed for that, nor is one asked while a cell waits. All other readers (and
JupyterLab, where its server does not know the job) have the summary as HTML and as text. This process keeps it up to
date, ever less often the longer the job goes on, as each time is a change of the notebook.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Protocol
from uuid import uuid4

from . import feed, summary
from .feed import Shown
from .progress import ProgressLine
from .view import View

JOB = "application/vnd.mlk-jupyter.job+json"
"""Media type of `{"id": …}`, which the extension draws (`src/display`)."""
_REDRAW_S = (2.0, 30.0)  # how often a summary is drawn again, at most and at least
_REDRAW_SHARE = 0.02  # of the time that the job has been there


class Display(Protocol):
    """One place where a job is shown."""

    def detach(self, words: str) -> None:
        """Nobody waits for the job any more: saves it as it is now, with words on how to come back.

        In a notebook the display goes on until the job is over, and then leaves the words out. A terminal's ends.
        """
        ...

    def close(self, words: str = "") -> None:
        """Shows the job as it is this moment, and no longer follows it.

        Of a job that is over, what is recorded in its last seconds is still shown when it is there.
        """
        ...


def show(job: Shown, *, follow: bool = True) -> Display:
    """Shows a job below the running cell, or on the terminal.

    In a notebook the display goes on by itself, also when the cell has ended, until the job has. On a terminal, lines
    come until `close`: call it when the wait for the job is over.

    Args:   follow: False shows it once, as it is now.
    Raises: MlkError when nothing can be known of the job.
    """
    if not _in_kernel():
        return _Text(job, follow=follow)
    return _Output(job, follow=follow)


class _Text:
    """One line for a job on a stream without displays."""

    def __init__(self, job: Shown, *, follow: bool) -> None:
        self._line = ProgressLine(sys.stdout)
        self._lock = threading.Lock()
        self._closed = False
        self._feed = feed.follow(job, self._told)
        if not follow:
            self.close()

    def detach(self, words: str) -> None:
        self.close(words)

    def close(self, words: str = "") -> None:
        if self._closed:
            return
        self._feed.leave(self._told)
        self._told(self._feed.now())
        with self._lock:
            self._closed = True
            self._line.close()
            if words:
                print(words, flush=True)

    def _told(self, view: View) -> None:
        with self._lock:
            if not self._closed:
                self._line.show(view.job)


class _Output:
    """One output of a notebook."""

    def __init__(self, job: Shown, *, follow: bool) -> None:
        from IPython.display import display

        self._lock = threading.RLock()
        self._id = uuid4().hex
        self._words = ""
        self._following = follow
        self._view: View | None = None
        self._saved: tuple[object, ...] = ()
        self._saved_at = 0.0
        self._displayed = False
        self._feed = feed.follow(job, self._told)
        with self._lock:
            assert self._view is not None
            self._following = follow and not self._view.settled
            display(self._bundle(self._view), raw=True, display_id=self._id)
            self._displayed = True
        if not follow:
            self._feed.leave(self._told)

    def detach(self, words: str) -> None:
        with self._lock:
            if self._following:
                self._words = words
        view = self._feed.now()
        with self._lock:
            if not view.job.phase.final:
                self._save()

    def close(self, words: str = "") -> None:
        with self._lock:
            self._words = words or self._words
        view = self._feed.now()
        with self._lock:
            self._save()
            if view.job.phase.final:
                return  # the last seconds are still told, and then it ends by itself
            self._following = False
        self._feed.leave(self._told)

    def _told(self, view: View) -> None:
        with self._lock:
            self._view = view
            if not self._displayed or not self._following:
                return
            self._following = not view.settled
            if view.job.phase.final or view.settled:
                self._words = ""  # how to come back to a job that goes on
            if view.settled or _state(view) != self._saved or self._is_due(view):
                self._save()

    def _is_due(self, view: View) -> bool:
        """Whether the summary is old."""
        least, most = _REDRAW_S
        pause = min(most, max(least, _REDRAW_SHARE * (view.at - view.job.created_at)))
        return not view.job.phase.final and time.monotonic() - self._saved_at >= pause

    def _save(self) -> None:
        """Puts the state into the notebook."""
        from IPython.display import update_display

        if self._view is not None:
            update_display(self._bundle(self._view), raw=True, display_id=self._id)  # type: ignore[no-untyped-call]

    def _bundle(self, view: View) -> dict[str, Any]:
        self._saved, self._saved_at = _state(view), time.monotonic()
        return {JOB: {"id": view.job.id}, **summary.bundle(view, self._words)}


def _state(view: View) -> tuple[object, ...]:
    """What makes the summary worth writing again at once."""
    return view.job.phase, view.trouble, view.job.run if view.job.phase.final else None


def _in_kernel() -> bool:
    """Whether this process shows its outputs in a front end."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
