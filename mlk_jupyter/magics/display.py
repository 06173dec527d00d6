"""A job below a cell: live where widgets can be shown, as a summary that stays in the notebook, or as a line of text.

In a notebook each display is one output with three faces: the widget, and for whoever reads the file without a kernel
the summary as HTML and as text. The summary is brought up to date whenever the phase changes, when a wait is
interrupted, and at the end, when it takes the widget's place: a saved widget would only say that its kernel is gone.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from . import feed, summary
from .progress import ProgressLine
from .view import View

if TYPE_CHECKING:
    from .widget import JobWidget

_WIDGET = "application/vnd.jupyter.widget-view+json"
_REDRAW_S = 2.0  # how often a summary is drawn again where it has to stand for the widget


class Job(feed.Shown, Protocol):
    """What a display and its buttons need of a `face.Job`."""

    def stop(self) -> object: ...

    def notebook(self) -> object: ...


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


def show(job: Job, *, follow: bool = True) -> Display:
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

    def __init__(self, job: Job, *, follow: bool) -> None:
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

    def __init__(self, job: Job, *, follow: bool) -> None:
        from IPython.display import display

        self._lock = threading.RLock()
        self._id = uuid4().hex
        self._words = ""
        self._widget = _widget(job) if follow else None
        self._following = follow
        self._view: View | None = None
        self._saved: tuple[object, ...] = ()
        self._saved_at = 0.0
        self._displayed = False
        try:
            self._feed = feed.follow(job, self._told)
        except BaseException:
            self._drop_widget()
            raise
        with self._lock:
            assert self._view is not None
            self._following = follow and not self._view.settled
            if self._view.job.phase.final or self._view.settled:
                self._drop_widget()
            self._note_saved(self._view)
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
            if view.job.phase.final:
                self._save()
                return  # the last seconds are still told, and then it ends by itself
            self._following = False
            self._drop_widget()
            self._save()
        self._feed.leave(self._told)

    def _told(self, view: View) -> None:
        with self._lock:
            self._view = view
            if not self._displayed:
                if self._widget is not None:
                    self._widget.show(view)
                return
            if not self._following:
                return
            self._following = not view.settled
            if view.job.phase.final or view.settled:
                self._words = ""  # how to come back to a job that goes on
                self._drop_widget()
            if self._widget is not None:
                self._widget.show(view)
            if view.settled or self._state(view) != self._saved or self._is_due(view):
                self._save()

    def _is_due(self, view: View) -> bool:
        """Whether a summary that stands for the widget is old."""
        stands_in = self._widget is None and not view.job.phase.final
        return stands_in and time.monotonic() - self._saved_at >= _REDRAW_S

    def _save(self) -> None:
        """Puts the state into the notebook."""
        from IPython.display import update_display

        if self._view is None:
            return
        self._note_saved(self._view)
        update_display(self._bundle(self._view), raw=True, display_id=self._id)  # type: ignore[no-untyped-call]

    def _note_saved(self, view: View) -> None:
        self._saved, self._saved_at = self._state(view), time.monotonic()

    def _state(self, view: View) -> tuple[object, ...]:
        """What makes the saved summary worth writing again while a widget shows the rest."""
        return view.job.phase, view.trouble, view.job.run if view.job.phase.final else None

    def _bundle(self, view: View) -> dict[str, Any]:
        said: dict[str, Any] = dict(summary.bundle(view, self._words))
        if self._widget is not None:
            said[_WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": self._widget.box.model_id}
        return said

    def _drop_widget(self) -> None:
        """Takes the widget away once the summary has taken its place, so that nothing is seen to be missing."""
        widget, self._widget = self._widget, None
        if widget is not None:
            if self._displayed:
                self._save()
            widget.close()


def _widget(job: Job) -> JobWidget | None:
    """The live display; None where ipywidgets is not installed."""
    try:
        from .widget import JobWidget
    except ImportError:
        return None
    return JobWidget(job)


def _in_kernel() -> bool:
    """Whether this process shows its outputs in a front end."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
