"""The live display of a job, of standard ipywidgets only: every Jupyter front end draws it. Imported when shown.

It may be told from any thread: ipywidgets sends over ipykernel's own I/O thread, so a display lives on while a cell
waits for its job, and while none runs.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Protocol

import ipywidgets

from ..errors import MlkError
from ..model import JobStatus, Phase
from . import summary, view
from .feed import LOG_LINES
from .view import View

_LINES = 8
_MOST_RANKS = 8
_MUTED = "color:var(--jp-ui-font-color2,inherit)"
_COLOURS = {
    Phase.RUNNING: "var(--jp-brand-color1,#1976d2)",
    Phase.STARTING: "var(--jp-brand-color1,#1976d2)",
    Phase.SUCCEEDED: "var(--jp-success-color1,#2e7d32)",
    Phase.FAILED: "var(--jp-error-color1,#d32f2f)",
}
_STYLES = {Phase.SUCCEEDED: "success", Phase.FAILED: "danger", Phase.STOPPED: "warning"}


class Controlled(Protocol):
    """What the buttons need of a job."""

    @property
    def id(self) -> str: ...

    def stop(self) -> object:
        """Asks the job to stop.

        Raises: MlkError.
        """
        ...

    def notebook(self) -> object:
        """The path of the notebook so far.

        Raises: MlkError.
        """
        ...


class JobWidget:
    """One job, live. `box` is the widget to display."""

    def __init__(self, job: Controlled) -> None:
        self._job = job
        self._view: View | None = None
        self._head, self._doing, self._workers, self._figures, self._log, self._answer, self._page = (
            ipywidgets.HTML(layout=ipywidgets.Layout(margin="0")) for _ in range(7)
        )
        self._bar = ipywidgets.FloatProgress(min=0.0, max=1.0, layout=ipywidgets.Layout(width="220px", margin="0"))
        self._stop = _button("Stop", "Stop the job and keep what it made so far", self._ask_stop)
        self._really = _button("Stop the job", "Its processes are ended; the record stays", self._do_stop)
        self._really.button_style = "danger"
        self._keep = _button("Keep it running", "Nothing is stopped", self._ask_nothing)
        self._more = _button("Log", f"The last {LOG_LINES} lines of the log as it is now", self._toggle_log)
        self._open = _button("Open notebook", "The notebook with the outputs so far", self._show_notebook)
        self._buttons = ipywidgets.HBox([self._stop, self._more, self._open])
        self._progress = ipywidgets.HBox([self._bar, self._doing], layout=ipywidgets.Layout(align_items="center"))
        self._progress.layout.grid_gap = "8px"
        self.box = ipywidgets.VBox(
            [
                self._head,
                self._progress,
                self._workers,
                self._figures,
                self._log,
                self._buttons,
                self._answer,
                self._page,
            ]
        )
        self.box.layout.margin = "4px 0"

    def show(self, seen: View) -> None:
        """Draws a job; what has not changed is not sent."""
        self._view = seen
        job = seen.job
        self._head.value = _head(seen)
        self._bar.bar_style = _STYLES.get(job.phase, "info")
        self._bar.value = min(1.0, max(0.0, job.progress.fraction or 0.0))
        self._doing.value = _words(view.progress(job) or "Progress is not known yet", _MUTED)
        self._workers.value = _workers(job)
        self._figures.value = _figures(seen)
        self._log.value = _log(seen.log[-_LINES:], "Last lines of the log", "none")
        self._stop.disabled = job.phase.final or job.phase is Phase.STOPPING
        if job.phase.final:
            self._offer([self._stop, self._more, self._open])

    def say(self, words: str) -> None:
        """A sentence below the buttons."""
        self._answer.value = _words(words)

    def close(self) -> None:
        """Takes the widgets away, here and in the front end, with everything that observes them."""
        for button in (self._stop, self._really, self._keep, self._more, self._open):
            button._click_handlers.callbacks.clear()
        for widget in (
            *(self.box, self._progress, self._buttons, self._bar),
            *(self._head, self._doing, self._workers, self._figures, self._log, self._answer, self._page),
            *(self._stop, self._really, self._keep, self._more, self._open),
        ):
            for part in (getattr(widget, "style", None), widget.layout, widget):
                if isinstance(part, ipywidgets.Widget):
                    part.close()

    def _offer(self, buttons: list[ipywidgets.Button]) -> None:
        if list(self._buttons.children) != buttons:
            self._buttons.children = buttons

    def _ask_stop(self) -> None:
        self.say("Its processes are ended; the notebook so far, the log and the run are kept.")
        self._offer([self._really, self._keep])

    def _ask_nothing(self) -> None:
        self.say("")
        self._offer([self._stop, self._more, self._open])

    def _do_stop(self) -> None:
        self._ask_nothing()
        self._stop.disabled = True
        self._job.stop()
        self.say("The job was asked to stop.")

    def _toggle_log(self) -> None:
        """Opens the log beside the live lines: as it was then, so that nothing moves under a reader's eyes."""
        if self._page.value or self._view is None:
            self._page.value, self._more.description = "", "Log"
        else:
            at = time.strftime("%H:%M:%S", time.localtime(self._view.at))
            self._page.value = _log(self._view.log, f"The log at {at}", "24em")
            self._more.description = "Close log"

    def _show_notebook(self) -> None:
        path = escape(str(self._job.notebook()))
        self._answer.value = f"<div>The notebook so far: <code>{path}</code>{_lab_link(self._job.id)}</div>"

    def answer(self, error: MlkError) -> None:
        """What went wrong with what a button was to do."""
        self._stop.disabled = False
        self.say(f"{error.title}: {error.detail} {error.hint}")


def _button(name: str, tooltip: str, action: Callable[[], None]) -> ipywidgets.Button:
    # Without an icon: the character of its font would be a part of the button's name.
    button = ipywidgets.Button(description=name, tooltip=tooltip)
    button.layout.width = "auto"

    def pressed(_: Any) -> None:
        owner = getattr(action, "__self__", None)
        try:
            action()
        except MlkError as error:
            if isinstance(owner, JobWidget):
                owner.answer(error)

    button.on_click(pressed)
    return button


def _words(words: str, style: str = "") -> str:
    return f'<div style="{style};line-height:1.5">{escape(words)}</div>' if words else ""


def _head(seen: View) -> str:
    job = seen.job
    mark = summary.MARKS.get(job.phase, "▶" if job.phase is Phase.RUNNING else "○")
    colour = _COLOURS.get(job.phase, "inherit")
    rest = f"{view.elapsed(seen)} · {job.backend} · {job.id}"
    failed = job.error if job.error and job.error not in view.reason(job) else ""
    lines = [view.reason(job), failed, seen.trouble, *job.notices]
    return (
        f'<div style="line-height:1.5"><strong>{escape(job.name)}</strong>'
        f' <span role="status"><span aria-hidden="true" style="color:{colour}">{mark}</span> {job.phase.value}</span>'
        f' <span style="{_MUTED}">{escape(rest)}</span>'
        f"{''.join(f'<div>{escape(line)}</div>' for line in lines if line)}</div>"
    )


def _workers(job: JobStatus) -> str:
    """Counts, and what each rank does where they are few."""
    said = _words(view.workers(job), _MUTED)
    if not 1 < len(job.ranks) <= _MOST_RANKS:
        return said + "".join(_words(line) for line in map(view.trouble_of, job.ranks[:_MOST_RANKS]) if line)
    rows = "".join(
        f'<tr style="background:none"><th scope="row" style="font-weight:normal;text-align:left">rank {rank.rank}</th>'
        f'<td style="text-align:left">{rank.state.value}</td>'
        f'<td style="text-align:left">{escape(rank.where or "")}</td>'
        f'<td style="text-align:left">{escape(view.usage([rank]))}</td>'
        f'<td style="text-align:left">{escape(view.trouble_of(rank).partition(": ")[2])}</td></tr>'
        for rank in job.ranks
    )
    return f'{said}<table style="{_MUTED};font-size:inherit;border-spacing:12px 0;margin-left:-12px">{rows}</table>'


def _figures(seen: View) -> str:
    charts = summary.charts(seen, as_images=False)
    figures = "".join(
        '<div style="margin-right:24px;line-height:1.5">'
        f'<div><span style="{_MUTED}">{escape(one.name)}</span> <strong>{escape(one.value)}</strong>'
        f' <span style="{_MUTED}">{escape(one.note)}</span></div>{one.drawing}</div>'
        for one in charts
    )
    return f'<div style="display:flex;flex-wrap:wrap">{figures}</div>' if figures else ""


def _log(lines: Sequence[str], label: str, height: str) -> str:
    if not lines:
        return _words("The log is empty so far.", _MUTED)
    # In a column turned round, a box that scrolls begins at its end.
    return (
        f'<div role="log" aria-label="{label}" tabindex="0" style="display:flex;flex-direction:column-reverse;'
        f'max-height:{height};overflow:auto;border:1px solid var(--jp-border-color2,#888)">'
        '<pre style="margin:0;padding:4px 8px;background:none;color:inherit;line-height:1.4;font-family:'
        f'var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px)">{escape(chr(10).join(lines))}'
        "</pre></div>"
    )


def _lab_link(job_id: str) -> str:
    """A button that JupyterLab understands where our extension is installed; nothing outside of a Jupyter server."""
    if not ("JPY_SESSION_NAME" in os.environ or "JPY_PARENT_PID" in os.environ) or "VSCODE_PID" in os.environ:
        return ""
    args = escape(json.dumps({"id": job_id}))
    return (
        ' <button class="jupyter-button widget-button" style="width:auto"'
        f' data-commandlinker-command="mlk:open-notebook" data-commandlinker-args="{args}">'
        "Open it in JupyterLab</button>"
    )
